"""All measures of planted agents in real games of Breakout: what the numbers must say of each."""

import json
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from believe_agents import believe_agent

from attn_ppo.interpret.believe import of_methods
from attn_ppo.interpret.believe.measure import STAGES, measure, measure_looking
from attn_ppo.interpret.believe.sensitivity import Sensitivity
from attn_ppo.interpret.believe.subject import Options, Subject, plain
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
    alone = measure_looking(agent, recording, OPTIONS)
    known = [{k: v for k, v in row.items() if k != "importance"} for row in found["objects"]]
    assert alone["objects"] == known
    assert {name: found[name] for name in alone} | {"objects": known, "samples": 1} == alone
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


def test_sensitivity_is_the_median_over_the_few_steps(monkeypatch):
    """Six samples, of which every other is measured: of 0.2, 36 and nan the median is 18.1."""
    values = np.array([0.2, 36.0, np.nan])
    made = Sensitivity({"gradient": values, "attention": np.full(3, np.nan)}, np.array([0, 3, 1.0]))
    asked = []

    def sensitivity(_model, obs, actions, *_given, **_options):
        asked.append((obs.tolist(), actions.tolist()))
        return made

    monkeypatch.setattr(of_methods, "sensitivity", sensitivity)
    recording: Any = SimpleNamespace(
        observations=lambda steps: steps, actions=np.arange(10), games=np.zeros(10, int)
    )
    agent, steps = SimpleNamespace(model=None), np.array([1, 2, 4, 5, 7, 8])
    subject = Subject(*(agent, recording, None, steps, None), Options(sanity=3))  # pyright: ignore
    maps, noise = of_methods.steadiness(subject)
    assert asked == [([1, 4, 7], [1, 4, 7])]
    assert maps["gradient"]["sensitivity"]["value"] == pytest.approx(18.1)
    assert math.isnan(maps["attention"]["sensitivity"]["value"])
    assert noise["value"] == 1


def test_numbers_are_those_that_json_has():
    assert plain({"a": float("nan"), "b": [1 / 3, (True, None)], 3: "x"}) == {
        "a": None,
        "b": [0.333333, [True, None]],
        "3": "x",
    }
