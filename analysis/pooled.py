"""Which runs numbers over games are of: a panel's finished ones, in games that all its groups have.

So that groups are compared over the same games. Scores are human-normalised: 0 is random play, 1 a
human.
"""

import math
from collections.abc import Iterable, Mapping, Sequence, Sized
from typing import NamedTuple

import numpy as np
from matplotlib.lines import Line2D

from analysis.groups import (
    Group,
    evaluation_score,
    group,
    known_range,
    order_games,
    training_score,
)
from analysis.layout import ALL_GAMES, Layout, counts_text, layout_of
from analysis.panels import HUMAN, RANDOM, Place
from analysis.runs import Run
from attn_ppo.atari.reference_scores import normalized
from attn_ppo.variants import Variant


class Pool(NamedTuple):
    """The runs of a panel."""

    games: tuple[str, ...]
    left_out: tuple[str, ...]  # games that some group has no finished run of
    members: dict[Group, list[list[Run]]]  # for each of the games
    scores: dict[Group, list[np.ndarray]]  # (seeds,) normalised, the same
    evaluated: frozenset[bool]  # whether scores are of the evaluation, else the last of training

    @property
    def runs(self) -> list[Run]:
        """All of them."""
        return [run for games in self.members.values() for members in games for run in members]


def pools_of(runs: Sequence[Run]) -> tuple[Layout, dict[Place, Pool]] | None:
    """The layout of a figure over games, and what each panel has; None if there's nothing."""
    usable = [r for r in runs if not r.unfinished and known_range(r) and is_on_scale(r)]
    if not usable:
        return None
    layout = layout_of(runs, usable, pooled=True)
    pools = _pools(layout, usable)
    shown = [run for pool in pools.values() for run in pool.runs]
    if not shown:
        return None
    layout = layout_of(runs, shown, pooled=True)  # without the panels that turned out empty
    left_out = {place.variant: pool.left_out for place, pool in pools.items()}
    pools = _pools(layout, shown)
    pools = {p: pool._replace(left_out=left_out[p.variant]) for p, pool in pools.items()}
    return layout, {place: pools[place] for place in layout.places if place and place in pools}


def is_on_scale(run: Run) -> bool:
    """Whether random play's and a human's score of its game are known, so that it has a scale."""
    return not math.isnan(normalized(0, run.config.env, run.config.protocol))


def intervals_text(pools: Mapping[Place, Pool], what: str) -> str:
    """What bands or bars are, and which lines have none."""
    every = [games for pool in pools.values() for games in pool.scores.values()]
    lone = [min(map(len, games)) < 2 for games in every]
    if all(lone):
        return f"No {what}: they would be over seeds, and there are too few."
    some = ", none where a game has a single seed" if any(lone) else ""
    return f"{what.capitalize()}: 95 % intervals over seeds, each for itself{some}."


def scored_text(pools: Mapping[Place, Pool]) -> str:
    """What a run's final score is."""
    evaluated = {each for pool in pools.values() for each in pool.evaluated}
    of = {True: "fresh games", False: "the last 100 training games"}
    kinds = " or ".join(of[each] for each in sorted(evaluated, reverse=True))
    return f"A run's score: its mean over {kinds}."


def games_text(pools: Mapping[Place, Pool]) -> str:
    """Which runs and games are in it."""
    text = "Finished runs only."
    left_out = order_games(game for pool in pools.values() for game in pool.left_out)
    if left_out:
        text += f" Left out, without runs of every line: {', '.join(left_out)}."
    return text


def scale_handles(human: bool) -> list[Line2D]:
    """The legend's entries for random play and, where it's drawn, a human."""
    handles = [Line2D([], [], **RANDOM, label="random play")]
    return [*handles, Line2D([], [], **HUMAN, label="a human")] if human else handles


def pool_notes(layout: Layout, pools: Mapping[Place, Pool]) -> dict[Place, str]:
    """What stands below a panel's title: its settings, games, and seeds."""
    notes = {}
    for place, pool in pools.items():
        counts = {key: seeds_of(games) for key, games in pool.members.items()}
        several = len(pool.games) > 1
        text = counts_text(layout, counts) + " of each game" * several
        notes[place] = "\n".join(filter(None, [panel_text(layout, place, pool), text]))
    return notes


def panel_text(layout: Layout, place: Place, pool: Pool) -> str:
    """A panel's settings, and its games where the title doesn't name the only one."""
    games = ", ".join(pool.games) if len(pool.games) > 1 else ""
    return "\n".join(filter(None, [layout.notes.get(place), games]))


def seeds_of(games: Iterable[Sized]) -> str:
    """`5`, or `3 to 5` seeds of a game."""
    counts = [len(seeds) for seeds in games]
    few, many = min(counts), max(counts)
    return f"{few}" if few == many else f"{few} to {many}"


def _pools(layout: Layout, usable: Sequence[Run]) -> dict[Place, Pool]:
    by_place: dict[Place, list[Run]] = {}
    for run in usable:
        if run.variant not in layout.left_out:
            by_place.setdefault(layout.place(run), []).append(run)
    pools = {place: _pool(members) for place, members in by_place.items()}
    return {place: pool for place, pool in pools.items() if pool.games}


def _pool(runs: Sequence[Run]) -> Pool:
    groups = group(runs)
    games = order_games(key.game for key in groups)
    kinds = sorted({(key.variant, key.lambda_) for key in groups})
    shared = [g for g in games if all(Group(g, each, v) in groups for v, each in kinds)]
    name = ALL_GAMES if len(shared) > 1 else "".join(shared)
    members = {
        Group(name, each, variant): [groups[Group(game, each, variant)] for game in shared]
        for variant, each in kinds
    }
    every = [run for games in members.values() for each in games for run in each]
    fresh = {
        (game, variant): all(r.evaluation is not None for r in every if _is_of(r, game, variant))
        for game in shared
        for variant, _ in kinds
    }
    scores = {
        key: [np.array([_score(run, fresh) for run in each]) for each in games]
        for key, games in members.items()
    }
    left_out = tuple(game for game in games if game not in shared)
    return Pool(tuple(shared), left_out, members, scores, frozenset(fresh.values()))


def _is_of(run: Run, game: str, variant: Variant) -> bool:
    return (run.config.env, run.variant) == (game, variant)


def _score(run: Run, fresh: Mapping[tuple[str, Variant], bool]) -> float:
    """Normalised; of the evaluation where all runs of the game and variant have one."""
    measure = evaluation_score if fresh[run.config.env, run.variant] else training_score
    return normalized(measure(run), run.config.env, run.config.protocol)
