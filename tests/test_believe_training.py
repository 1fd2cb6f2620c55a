"""Where attention lies over training: courses of made-up moments, their table and figure."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
from believe_results import measures, on_object

from analysis.believe_training import courses, to_frame
from analysis.believe_training_figure import draw_training


def moment(env_steps: int, lift: float, *, lambda_: float = 0, game: str = "Breakout") -> Any:
    """What is measured of a run's agent with two maps that looks at the ball."""
    config = SimpleNamespace(env=game, lambda_=lambda_, attention=SimpleNamespace(maps=2))
    run = SimpleNamespace(config=config, variant=SimpleNamespace(short=""))
    ball, paddle = on_object("ball", None, lift=lift), on_object("paddle", None)
    ball["lift"]["controls"]["untrained"] = 1.2
    found = measures(objects=[paddle, ball]) | {"env_steps": env_steps}
    return SimpleNamespace(run=run), found


MOMENTS = [
    *(moment(200, lift) for lift in (3.0, 5.0)),
    *(moment(100, lift) for lift in (1.0, 2.0)),
    moment(200, 2.5, lambda_=0.005),
]


def lifts() -> list[Any]:
    found = courses(MOMENTS)
    return [each for each in found if (each.object, each.measure) == ("ball", "lift")]


def test_a_course_is_the_mean_over_seeds_at_each_moment():
    zero, high = lifts()
    assert (zero.game, zero.lambda_, high.lambda_) == ("Breakout", 0, 0.005)
    early, late = zero.points
    assert (early.env_steps, early.value.mean, late.env_steps, late.value.mean) == (
        100,
        1.5,
        200,
        4,
    )
    # of 3 and 5: SD 1.4142, error 1, t of one degree 12.706
    assert late.value[1:3] == pytest.approx((4 - 12.706, 4 + 12.706), abs=1e-3)
    assert (late.even, late.untrained, late.value.seeds) == (1.1, 1.2, 2)
    (alone,) = high.points
    assert alone.value[:3] == pytest.approx((2.5, 2.4, 2.6))  # of a single seed its own interval


def test_what_is_measured_of_the_agent_alone():
    (entropy,) = [c for c in courses(MOMENTS[:2]) if c.measure == "entropy"]
    (point,) = entropy.points
    assert point.value.mean == 1.5
    assert point.even == pytest.approx(2 * math.log(49))  # two maps of 49 cells
    assert math.isnan(point.untrained)


def test_the_table_has_a_row_a_measure_and_moment():
    table = to_frame(courses(MOMENTS))
    on = table[(table["object"] == "ball") & (table["measure"] == "lift")]
    assert on["env_steps"].tolist() == [100, 200, 200]
    assert on["mean"].tolist() == [1.5, 4, 2.5]
    assert on["seeds"].tolist() == [2, 2, 1]
    # two of the agent alone and four on each of two objects, three moments each
    assert len(table) == (2 + 2 * 4) * 3


def test_the_figure_begins_with_the_key_object_and_draws_chance():
    figure: Any = draw_training(courses(MOMENTS), {"Breakout": "ball"})
    assert [panel.get_title(loc="left") for panel in figure.axes] == [
        "attention entropy (nats)",
        "ball: information (nats)",
        "ball: lift",
        "paddle: lift",
    ]
    lines = {line.get_gid(): line for line in figure.axes[2].lines if line.get_gid()}
    assert lines["lift ball 0"].get_ydata().tolist() == [1.5, 4]
    assert lines["even"].get_ydata() == pytest.approx([1.1, 1.1])
    assert lines["untrained"].get_ydata() == pytest.approx([1.2, 1.2])
    assert draw_training([], {}) is None


def test_each_game_has_panels_of_its_own():
    found = courses([*MOMENTS, moment(100, 2.0, game="Pong")])
    figure: Any = draw_training(found, {"Breakout": "ball", "Pong": "paddle"})
    titles = [panel.get_title(loc="left") for panel in figure.axes]
    assert titles[5:7] == ["paddle: information (nats)", "paddle: lift"]
