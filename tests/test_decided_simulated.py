"""What simulations of sweeps with `until=decided` count, and what they find."""

import numpy as np
import pytest
from dry_run import check_refused, dry_run  # noqa: F401

from bench import decided as simulation


@pytest.mark.parametrize(
    ("decision", "left", "wrong"),
    [
        ("lower", 1.0, True),
        ("lower", 0.95, False),
        ("higher", 1.0, True),
        ("higher", 0.95, True),
        ("no drop beyond the margin", 0.9, True),
        ("no drop beyond the margin", 0.95, False),
        ("undecided: budget spent", 0.1, False),
    ],
)
def test_what_the_simulation_calls_wrong(decision, left, wrong):
    assert simulation.is_wrong(decision, left) is wrong


@pytest.mark.usefixtures("in_empty_folder")
def test_the_simulation_finds_what_can_t_be_missed_and_saves_runs():
    truth, rng = simulation.Truth("all lost", (0, 0, 0, 0), spread=0.1), np.random.default_rng(0)
    draw = simulation.SHAPES["normal"]
    found = simulation.simulated(simulation.design_of(90, 3), truth, draw, rng)
    assert found == (["lower"] * 4, 54)  # at the third of five looks, each at 18 runs
    assert simulation.at_once(90, truth, draw, rng) == (["lower"] * 4, 90)
