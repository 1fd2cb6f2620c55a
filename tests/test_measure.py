"""All measures of planted agents in real games of Breakout: what the numbers must say of each."""

import json
import math

import pytest
from believe_agents import believe_agent

from attn_ppo.interpret.believe.measure import STAGES, measure
from attn_ppo.interpret.believe.subject import Options, plain
from attn_ppo.interpret.believe.verdict import verdict
from attn_ppo.interpret.believe.verdict_measures import Agent
from attn_ppo.interpret.play.record import record

OPTIONS = Options(steps=160, samples=16, sanity=1, games=0)


def measured(name):
    agent, begun = believe_agent(name), []
    recording = record(agent, steps=OPTIONS.steps)
    found = measure(agent, recording, OPTIONS, begin=begun.append)
    assert begun == list(STAGES)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    (row,) = verdict([Agent("Breakout", 0, "", 0, (), found)])
    return found, row


@pytest.mark.slow
def test_an_agent_that_acts_on_the_ball_and_looks_at_it():
    found, row = measured("ball")
    assert found["cause"]["placebo"] == 0
    assert row.key == "ball"
    assert row.of_object("paddle", "importance").mean == 0
    assert row.cells["lift"].low > row.cells["lift_uniform"].mean
    assert row.cells["uniform"].mean > 0
    assert row.cells["agreement"].mean > 0
    # What a map says that the ball adds is what the action loses without it, sign and all.
    assert row.of_method("integrated_gradients", "polarity").mean > 0.5
    assert set(found["methods"]["vargrad"]) & {"polarity", "sensitivity"} == {"sensitivity"}
    assert row.of_method("attention", "sensitivity").mean > 0
    assert row.cells["noise"].mean > 0


@pytest.mark.slow
def test_an_agent_whose_attention_lies():
    _, row = measured("lying")  # it looks at the ball and acts on the paddle
    assert row.key == "paddle"
    assert row.of_object("ball", "importance").mean == 0
    assert row.of_object("ball", "lift").mean > row.cells["lift"].mean
    assert row.cells["uniform"].mean == 0
    assert row.cells["agreement"].mean < row.of_method("gradient", "agreement").mean


@pytest.mark.slow
def test_an_agent_that_acts_alike_always():
    _, row = measured("constant")
    assert row.cells["importance"].mean == 0
    assert row.cells["uniform"].mean == 0
    assert math.isnan(row.cells["agreement"].mean)  # nothing to rank


def test_numbers_are_those_that_json_has():
    assert plain({"a": float("nan"), "b": [1 / 3, (True, None)], 3: "x"}) == {
        "a": None,
        "b": [0.333333, [True, None]],
        "3": "x",
    }
