"""What a sweep with `until=decided` compares, and whether that can be done.

A cell is a game and a lambda, with whatever else the sweep varies; it is compared with lambda 0 of
the same game and other settings.
"""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from attn_ppo import config, schema
from attn_ppo.atari import games
from attn_ppo.atari.reference_scores import scale
from attn_ppo.config import RunConfig
from attn_ppo.errors import ConfigError, shorten
from attn_ppo.formats import plain, spelled
from attn_ppo.launch.command_line import CommandLine
from attn_ppo.launch.decided import sequential
from attn_ppo.lifecycle import decision
from attn_ppo.lifecycle.run_dir import check_identity
from attn_ppo.schema import nearest

VARIED = ("env", "lambda", "seed")
LARGEST_SEED = 2**31 - 1
MOST_BUDGET = 10_000
TYPED = {"margin": "decided.margin", "seeds": "decided.seeds", "first_seed": "seed"}


class Design(NamedTuple):
    """The cells by name, and what each lambda but 0 is compared with."""

    cells: Mapping[str, RunConfig]  # with the first seed
    against: Mapping[str, str]  # cell -> the one of lambda 0
    random: Mapping[str, float | None]  # cell -> what random play scores; None: no margin asked
    budget: int
    looks: int  # that were planned when the sweep began; its budget may have been raised since

    @property
    def first(self) -> RunConfig:
        """The settings of the first cell."""
        return next(iter(self.cells.values()))

    @property
    def seeds(self) -> int:
        """Runs that each cell gets between two looks."""
        return self.first.decided.seeds

    @property
    def kept(self) -> float:
        """What is left of a score above random play that loses the margin."""
        return 1 - self.first.decided.margin

    def asked(self) -> dict[str, Any]:
        """What may not change from one start to the next, as decision.json has it."""
        first = self.first
        identity = config.identity(first).items()
        varied = {*VARIED, *(axis.partition("=")[0] for axis in first.axes)}
        settings = {key: value for key, value in identity if key not in varied}
        return {
            "cells": list(self.cells),
            "seeds": self.seeds,
            "first_seed": first.seed,
            "margin": first.decided.margin,
            "looks": self.looks,
            "error": sequential.ERROR,
            "random": dict(self.random),
            "settings": settings | {"evaluation.episodes": first.evaluation.episodes},
        }


def of(asked: CommandLine) -> Design:
    """What the command line compares."""
    cells = {name_of(c): c for c in asked.configs}
    zeros = {_place(c): name for name, c in cells.items() if c.lambda_ == 0}
    against = {n: zeros[_place(c)] for n, c in cells.items() if c.lambda_ and _place(c) in zeros}
    random = {name: _random(c) for name, c in cells.items()}
    first = asked.configs[0]
    budget, said = first.budget or 0, decision.read(first.sweep_folder)
    looks = max(1, budget // (len(cells) * first.decided.seeds))
    looks = said["asked"].get("looks", looks) if said else looks
    return Design(cells, against, random, budget, looks)


def name_of(settings: RunConfig) -> str:
    """A cell in a few words."""
    return f"{_place(settings)} lambda={plain(settings.lambda_)}"


def check(asked: CommandLine) -> None:
    """Raises ConfigError for a sweep that can't decide anything, or whose folder has another."""
    if not asked.is_sweep:
        raise ConfigError("until", "decided", "a sweep: add -m; or null")
    if asked.is_search:
        allowed = f"a grid; hydra/sweeper={asked.sweeper} chooses its runs itself"
        raise ConfigError("until", "decided", allowed)
    _check_keys(asked.configs)
    design = of(asked)
    _check_budget(design)
    _check_folder(design)


def _check_keys(configs: Sequence[RunConfig]) -> None:
    first = configs[0]
    if first.budget is None:
        allowed = "the number of runs at most, such as 40: until=decided may end sooner"
        raise ConfigError("budget", "null", allowed)
    for key, values in (
        ("seed", [c.seed for c in configs]),
        ("name", [c.name for c in configs]),
        ("decided.margin", [c.decided.margin for c in configs]),
        ("decided.seeds", [c.decided.seeds for c in configs]),
        ("evaluation.episodes", [c.evaluation.episodes for c in configs]),
    ):
        distinct = list(dict.fromkeys(values))
        if len(distinct) > 1:
            allowed = "one for the sweep"
            if key == "seed":
                allowed = "the first seed alone: until=decided takes those that follow as it goes"
            shown = ",".join(map(spelled, distinct))
            raise ConfigError(key, shown, allowed, wrong="has several values")
    if not first.evaluation.episodes:
        allowed = "1 or more: the scores of the evaluations are compared"
        raise ConfigError("evaluation.episodes", 0, allowed)
    for _, same in itertools.groupby(sorted(configs, key=_place), key=_place):
        lambdas = [c.lambda_ for c in same]
        if 0 not in lambdas or len(lambdas) < 2:
            allowed = "0, which others are compared with, and at least one of these: lambda=0,0.005"
            raise ConfigError("lambda", ",".join(map(plain, lambdas)), allowed)
    for settings in configs:
        if settings.decided.margin and _random(settings) is None:
            known = [game for game in games.known() if scale(game, settings.protocol)]
            allowed = f"one of the {len(known)} games whose score of random play is known; "
            allowed += "or decided.margin=0, which doesn't ask what is left above it"
            raise ConfigError("env", settings.env, allowed, nearest(settings.env, known))


def _check_budget(design: Design) -> None:
    """Raises ConfigError where the runs are too few for a look, or for any decision."""
    cells, seeds, budget = len(design.cells), design.seeds, design.budget
    if design.first.seed + budget > LARGEST_SEED:
        allowed = f"at most {LARGEST_SEED - budget:,}: until=decided takes seeds that follow it"
        raise ConfigError("seed", design.first.seed, allowed)
    if not can_decide(design):
        enough = range(cells * seeds, MOST_BUDGET + 1, seeds)
        fresh = design.looks == max(1, budget // (cells * seeds))  # else those planned at first
        looks = {b: max(1, b // (cells * seeds)) if fresh else design.looks for b in enough}
        planned = (design._replace(budget=b, looks=looks[b]) for b in enough)
        least = next((each.budget for each in planned if can_decide(each)), MOST_BUDGET)
        allowed = f"at least {least:,}, or nothing could be decided: {cells} games and lambdas, "
        allowed += f"{seeds} seeds each a look"
        raise ConfigError("budget", budget, allowed)


def can_decide(design: Design, *, differs: bool = False) -> int | None:
    """The first look that could decide anything, or whether a lambda differs; None: there's none.

    With the most looks that the budget allows: one at all cells, then at one lambda and 0.
    """
    left = design.budget - len(design.cells) * design.seeds
    most = 1 + left // (2 * design.seeds) if left >= 0 else 0
    sides = 2 if differs or not design.first.decided.margin else 1
    count = len(design.against)
    return sequential.first_look(design.seeds, count, most, planned=design.looks, sides=sides)


def _check_folder(design: Design) -> None:
    """Raises ConfigError where the folder has runs of other settings, or another decision."""
    for settings in design.cells.values():
        for path in settings.folder.parent.glob("seed=*/config.yaml"):
            number = path.parent.name.removeprefix("seed=")
            if number.isdecimal():
                check_identity(path.parent, dataclasses.replace(settings, seed=int(number)))
    said = decision.read(design.first.sweep_folder)
    if said is None:
        return
    theirs, ours = schema.flatten(said["asked"]), schema.flatten(design.asked())
    differing = [key for key in {**theirs, **ours} if theirs.get(key) != ours.get(key)]
    if differing:
        there = ", ".join(f"{TYPED.get(k, k)}={_shown(theirs.get(k))}" for k in differing)
        here = " ".join(f"{TYPED.get(k, k)}={_shown(ours.get(k))}" for k in differing)
        wrong = f"differs from {design.first.sweep_folder / decision.NAME}"
        allowed = f"{shorten(there, 300)}, as there; or give this sweep its own name="
        raise ConfigError("", here, allowed, wrong=wrong)


def _random(settings: RunConfig) -> float | None:
    """What random play scores; None where that isn't known, or the margin isn't asked."""
    known = scale(settings.env, settings.protocol)
    return known.random if known and settings.decided.margin else None


def _place(settings: RunConfig) -> str:
    return " ".join([settings.env, *settings.axes])


def _shown(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else spelled(value)
