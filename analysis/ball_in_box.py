"""How often attention is on the ball: `python -m analysis.ball_in_box RUN`, a run of Breakout.

Counts the steps at which the box that each map's strongest cell sees contains the ball, and holds
that against two things that know nothing of the ball's present place. Chance: the same sequence of
cells, shifted in time in a circle by every number of steps, which keeps what one step tells of the
next. And the best fixed cell: a map that never moved could do as well. For a map that never moves
the first is an identity.
"""

from attn_ppo.lifecycle import process

if __name__ == "__main__":
    process.begin()

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.playing import exit_code
from attn_ppo.arguments import Parser, whole
from attn_ppo.errors import ConfigError, ExitCode
from attn_ppo.formats import fixed
from attn_ppo.interpret.believe import moving
from attn_ppo.interpret.believe.chance import at_shifts, held_against
from attn_ppo.interpret.network import open_agent
from attn_ppo.interpret.play.record import SEEDS, recorded
from attn_ppo.interpret.receptive_field import CELLS, INPUT, box
from attn_ppo.schema import Range

# The ball's colour, a number of the palette, with rows and columns in which nothing else has it:
# above the bricks that of the walls, below them that of the paddle and the uppermost bricks.
BALL = (
    (6, slice(32, 57), slice(8, 152)),
    (70, slice(63, 189), slice(0, 160)),
)
STEPS = Range(2, 100_000)


@dataclass(frozen=True)
class OnBall:
    """Shares of the steps at which the ball is seen, within [0, 1]."""

    share: float  # the ball is in the box of the map's strongest cell
    shifted: float  # mean over all shifts in time
    shifted_sd: float
    as_high: float  # share of the shifts with at least `share`
    best_cell: tuple[int, int]  # of all fixed cells
    best: float
    cells: int  # how many cells are the strongest at some step; 1: the map never moves


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a line for each map; returns the exit code."""
    return exit_code(lambda: _tell(_options(arguments)), "the recording")


def _tell(options: argparse.Namespace) -> int:
    agent = open_agent(options.folder)
    if agent.settings.env != "Breakout" or agent.settings.attention.gate == "none":
        found = f"{agent.settings.env}, gate {agent.settings.attention.gate}"
        raise ConfigError("RUN", found, "a run of Breakout with attention")
    recording = recorded(options.folder, agent, steps=options.steps, seed=options.seed)
    seen, inside = ball_in_boxes(recording.screens)
    print(f"{agent.settings.label}: the ball is seen in {seen.sum()} of {len(seen)} steps")
    for number in range(recording.attention.shape[1]):
        found = on_ball(strongest_cells(recording.attention[:, number]), seen, inside)
        print(f"map {number + 1}: {line(found)}")
    return ExitCode.DONE


def line(found: OnBall) -> str:
    """The shares of a map in a line."""
    share = f"{_percent(found.share)} %"
    best = f"best fixed cell {found.best_cell}: {_percent(found.best)} %"
    if found.cells == 1:
        return f"{share}; it never moves, so shifts in time say nothing; {best}"
    chance = f"shifted in time {_percent(found.shifted)} ± {_percent(found.shifted_sd)} %"
    as_high = f"as high in {fixed(100 * found.as_high, 1)} % of the shifts"
    return f"{share}; {chance}, {as_high}; {best}; {found.cells} strongest cells"


def on_ball(cells: np.ndarray, seen: np.ndarray, inside: np.ndarray) -> OnBall:
    """What the cells (T,) of a map have to do with a ball that is `seen` (T,), in boxes (T, 49).

    Raises ConfigError where the ball is never seen.
    """
    if not seen.any():
        raise ConfigError("--steps", len(seen), "enough steps to see the ball")
    weights, worth = np.eye(CELLS**2)[cells], np.where(seen[:, None], inside, np.nan)
    together = np.zeros(len(cells), int)  # the recording is shifted as one game
    by = np.arange(1, len(cells))[:, None]
    others = at_shifts(weights, worth, together, by)
    share = float(inside[seen, cells[seen]].mean())
    shifted, _, _, as_high = held_against(share, others)
    of_fixed = inside[seen].mean(0)
    best = int(of_fixed.argmax())
    return OnBall(
        share=share,
        shifted=shifted,
        shifted_sd=float(others.std()),
        as_high=as_high,
        best_cell=divmod(best, CELLS),
        best=float(of_fixed[best]),
        cells=moving.cells(cells),
    )


def strongest_cells(attention: np.ndarray) -> np.ndarray:
    """(T, 7, 7) one map's weights -> (T,) the strongest cell, 7 * row + column."""
    return moving.strongest(attention.reshape(len(attention), -1))


def ball_in_boxes(screens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(T, 210, 160) screens of Breakout -> (T,) is the ball seen, (T, 49) is it in a cell's box.

    Its place is the mean of its pixels. Among the bricks it has their colours and isn't seen.
    """
    ball = np.zeros(screens.shape, dtype=bool)
    for colour, rows, columns in BALL:
        ball[:, rows, columns] = screens[:, rows, columns] == colour
    seen = np.asarray(ball.any((1, 2)))
    places = np.full((len(screens), 2), np.nan)
    for step in np.flatnonzero(seen):
        centre = np.argwhere(ball[step]).mean(0) + 0.5
        places[step] = centre * INPUT / np.array(screens.shape[1:])
    inside = np.zeros((len(screens), CELLS**2), dtype=bool)
    for cell in range(CELLS**2):
        rows, columns = box(*divmod(cell, CELLS))
        low, high = np.array([rows.start, columns.start]), np.array([rows.stop, columns.stop])
        inside[:, cell] = ((places >= low) & (places < high)).all(1)
    return seen, inside


def _percent(share: float) -> str:
    return fixed(100 * share, 0)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser("analysis.ball_in_box", __doc__, "runs/demo/Breakout/lambda=0/seed=0")
    parser.add_argument("folder", type=Path, metavar="RUN", help="the run's folder")
    parser.add_argument("--steps", default="1000", help=f"to play, {STEPS}; %(default)s")
    parser.add_argument("--seed", default="0", help="of the games that are played; %(default)s")
    options = parser.checked(arguments)
    options.steps = whole("--steps", options.steps, STEPS)
    options.seed = whole("--seed", options.seed, SEEDS)
    return options


if __name__ == "__main__":
    process.finish(main)
