"""Games played at random up to where an edit's object is on the screen; that, and the edit."""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from atari_player import BASELINES

from attn_ppo.interpret.believe.cause import KEPT, judge
from attn_ppo.interpret.believe.edits import Edit, following
from attn_ppo.interpret.believe.replay import STACK, Branch
from attn_ppo.interpret.play.screens import Screens

WHOLE = 8  # pixels: more than an object that comes in at the edge
HELD = 3  # steps that a press is held


class Play(NamedTuple):
    """Random presses, up to chosen steps; `written` into the memory at one of them."""

    seed: int
    steps: tuple[int, ...]  # to look at, in this order
    written: tuple[int, dict[int, int]] | None = None  # from then on nothing is pressed


class Moment(NamedTuple):
    screens: Screens
    state: Any
    presses: np.ndarray  # (4,)
    before: list[np.ndarray]  # the memory before each of the 16 frames
    plain: Branch


# What random play doesn't reach is written: levels of Frostbite (byte 75), a fruit, submarines.
PLAYS = {
    "Breakout": (Play(1, (60, 70, 80, 110)),),
    "MsPacman": (Play(3, (90, 100, 110, 140, 20, 30)), Play(3, (142,), (140, {11: 50, 17: 98}))),
    "Frostbite": (
        Play(0, (80, 100), (4, {75: 2})),
        Play(0, (100, 130), (4, {75: 1})),
        Play(0, (40,), (4, {75: 3})),
        Play(0, (100, 130, 150), (4, {75: 0})),
        Play(1, (20, 110)),
    ),
    "Seaquest": (
        Play(1, (60, 160, 180)),
        Play(2, (180,)),
        Play(0, (62,), (60, {71: 60, 72: 60})),
        Play(0, (62,), (60, {89: 5, 71: 60, 90: 5, 72: 60})),
        Play(0, (62,), (60, {91: 5, 73: 60, 92: 5, 74: 60})),
    ),
    "Enduro": (Play(2, (80,)), Play(0, (130,)), Play(1, (20,))),
    "BeamRider": (Play(0, (110, 120, 140, 150, 160, 80)),),
}


@cache
def moments(game: str) -> list[Moment]:
    return [moment for play in PLAYS[game] for moment in _moments(game, play)]


@cache
def edited(game: str, edit: Edit) -> tuple[Branch, Branch]:
    """The first moment's branches that say something of the edit's object."""
    for moment in moments(game):
        branch = branch_off(moment, following(edit, moment.before))
        changed = (branch.screens[-1] != moment.plain.screens[-1]).sum()
        enough = (changed > WHOLE and _is_inside(edit, moment)) or edit.kind == "placebo"
        if judge(edit, moment.plain, branch) == KEPT and enough:
            return moment.plain, branch
    raise AssertionError(f"{game}: {edit.about}: no moment shows it")


def _is_inside(edit: Edit, moment: Moment) -> bool:
    """Whether the object's narrow boxes have 16 columns and more beside them."""
    boxes = [box for box in edit.place(moment.plain.ram[-1]) if box.width < 100]
    return edit.kind not in ("move_left", "move_right", "move_up") or all(
        box.left > 24 and box.left + box.width < 136 for box in boxes
    )


def _moments(game: str, play: Play) -> list[Moment]:
    """Each with an emulator of its own, as a state is of one game."""
    screens = Screens(game, BASELINES)
    screens.begin(play.seed, 8)
    presses = _presses(game, play)
    found: dict[int, Moment] = {}
    for step, press in enumerate(presses[: max(play.steps) + 1]):
        if play.written and step == play.written[0]:
            screens.write(play.written[1])
        if step in play.steps:
            found[step] = _moment(screens, presses[step : step + STACK])
            screens.restore(found[step].state)
        screens.step(int(press))
    return [found[step] for step in play.steps]


def _presses(game: str, play: Play) -> np.ndarray:
    rng = np.random.default_rng(play.seed)
    number = {"Breakout": 4, "Enduro": 9, "MsPacman": 9, "BeamRider": 9}.get(game, 18)
    presses = np.repeat(rng.integers(number, size=150), HELD)
    if game == "Enduro":  # FIRE is the accelerator
        presses = np.where(rng.random(len(presses)) < 0.8, 1, presses)
    if play.written:
        presses[play.written[0] :] = 0
    return presses


def _moment(screens: Screens, presses: np.ndarray) -> Moment:
    before: list[np.ndarray] = []

    def remember(ram: np.ndarray) -> dict[int, int]:
        before.append(ram.copy())
        return {}

    moment = Moment(screens, screens.state(), presses, before, None)  # pyright: ignore
    return moment._replace(plain=branch_off(moment, remember))


def branch_off(moment: Moment, poke: Any) -> Branch:
    screens = moment.screens
    screens.restore(moment.state)
    rows = []
    for press in moment.presses:
        screens.step(int(press), poke)
        rows.append((screens.frame, screens.screen, screens.ram, screens.reward, screens.lives))
    obs, seen, ram, rewards, lives = (np.stack(column) for column in zip(*rows, strict=True))
    return Branch(obs, seen, ram, rewards, lives, screens.over)
