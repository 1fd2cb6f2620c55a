"""Attention replaced, on an agent whose answers are worked out by hand."""

import dataclasses

import numpy as np
import planted
import pytest
import recordings
import torch

from attn_ppo.interpret.believe import intervene as module
from attn_ppo.interpret.believe.intervene import INTERVENTIONS, Maps, intervene, scores
from attn_ppo.interpret.network import OpenAgent, see, weights_digest
from attn_ppo.interpret.play.recording import Recording
from attn_ppo.launch import command_line

BRIGHT = planted.scene()  # the map is on CELL, and the policy for LIKED
ASIDE = planted.scene(spot=20, elsewhere=255)  # the map is on cell (5, 0)


def agent_of(model) -> OpenAgent:
    settings = command_line.parse(["env=Breakout"]).configs[0]
    attention = dataclasses.replace(settings.attention, maps=1, hidden=8)
    settings = dataclasses.replace(settings, attention=attention)
    return OpenAgent(settings, model, 4_096, weights_digest(model))


def seen(agent: OpenAgent, *scenes: torch.Tensor) -> Recording:
    """A recording of scenes, in two games of equal length."""
    maps = see(agent.model, torch.cat(scenes)).attention.numpy()
    recording = recordings.planted(np.zeros(maps.shape[1:]), steps=len(scenes))
    return dataclasses.replace(
        recording,
        frames=torch.cat(scenes)[:, -1].numpy(),
        games=np.repeat([0, 1], len(scenes) // 2).astype(np.int32),
        attention=maps,
    )


def replaced(name: str, weights: list[float], **others) -> list[float]:
    """What an intervention makes of a map with these weights in its first row, 0 elsewhere."""
    now = torch.zeros(1, 1, 7, 7)
    now[0, 0, 0, : len(weights)] = torch.tensor(weights)
    made = INTERVENTIONS[name](Maps(now, others.get("mean", now[0]), others.get("other", now)))
    assert made.shape == now.shape
    return made.flatten().tolist()


@pytest.mark.parametrize("total", [1, 1.4])  # a softmax's sum, one of a sigmoid's
def test_uniform_keeps_a_maps_sum(total):
    assert replaced("uniform", [0.75 * total, 0.25 * total]) == pytest.approx([total / 49] * 49)


def test_the_top_cell_is_dropped_and_the_others_keep_the_sum():
    # 0.3 and 0.2 of a sum of 1 become 3/5 and 2/5
    assert replaced("top_dropped", [0.3, 0.5, 0.2])[:4] == pytest.approx([0.6, 0, 0.4, 0])
    # a sigmoid's: 0.4 and 0.2 of a sum of 1.4 become 2/3 and 1/3 of it
    assert replaced("top_dropped", [0.8, 0.4, 0.2])[:3] == pytest.approx([0, 1.4 * 2 / 3, 1.4 / 3])
    # too little to divide by in float32, where 1e-40 has lost most of its digits; and nothing
    assert replaced("top_dropped", [1, 1e-40])[:3] == pytest.approx([0, 1, 0])
    assert replaced("top_dropped", [1])[:3] == pytest.approx([0, 1 / 48, 1 / 48])


def test_each_map_loses_its_own_top_cell():
    now = torch.zeros(1, 2, 7, 7)
    now[0, 0, 0, :2], now[0, 1, 6, :2] = torch.tensor([0.9, 0.1]), torch.tensor([0.2, 0.8])
    made = INTERVENTIONS["top_dropped"](Maps(now, now[0], now))
    assert made[0, 0, 0, :2].tolist() == [0, 1]
    assert made[0, 1, 6, :2].tolist() == [1, 0]


def test_mean_and_other_maps_are_those_given():
    mean, other = torch.rand(1, 7, 7), torch.rand(1, 1, 7, 7)
    assert replaced("own_mean", [1], mean=mean) == mean.flatten().tolist()
    assert replaced("other_moment", [1], other=other) == other.flatten().tolist()


def test_the_effects_by_hand(monkeypatch):
    """Feature 0 of CELL is 4 before and 4 / sqrt(4^2 + 4^2) = 0.70711 after normalisation, of the
    other cells 4 * 20/255 = 0.31373 and 0.31373 / sqrt(0.31373^2 + 4^2) = 0.07819. Scores are 20
    times that: the map has 1 / (1 + 48 e^(1.5638 - 14.1421)) = 0.999835 on CELL.
    The body's unit is 0.70711 * 0.999835 + 0.1 = 0.80699, LIKED's logit 2 * that = 1.61398, the
    other three 0, the value -3 * that. Uniform: 0.70711 / 49 + 0.1 = 0.11443, logit 0.22886.
    """
    monkeypatch.setattr(module, "_shift", lambda steps, _: steps // 2)
    agent = agent_of(planted.planted())
    found = intervene(agent, seen(agent, BRIGHT, BRIGHT, ASIDE, ASIDE))
    assert list(found) == ["uniform", "top_dropped", "own_mean", "other_moment"]
    # pi: e^1.61398 = 5.02278, / 8.02278: 0.62607, the others 0.12464
    # uniform: e^0.22886 = 1.25717, / 4.25717: 0.29531, the others 0.23490
    # 0.62607 ln(0.62607 / 0.29531) + 3 * 0.12464 ln(0.12464 / 0.23490) = 0.47043 - 0.23696
    # 0.29531 ln(0.29531 / 0.62607) + 3 * 0.23490 ln(0.23490 / 0.12464) = -0.22190 + 0.44655
    forward, backward, value = found["uniform"]
    assert forward.values[:2] == pytest.approx([0.23347, 0.23347], abs=5e-5)
    assert backward.values[:2] == pytest.approx([0.22465, 0.22465], abs=5e-5)
    assert value.values[:2] == pytest.approx([3 * (0.80699 - 0.11443)] * 2, abs=1e-4)
    assert forward.games.tolist() == [0, 0, 1, 1]
    # top cell dropped and ASIDE's map: next to nothing is left of CELL, the value is -3 * 0.1;
    # half of it in the mean map: 0.70711 * 0.49992 + 0.1 = 0.45350
    for name, left in (("top_dropped", 0.1), ("other_moment", 0.1), ("own_mean", 0.45350)):
        changed = found[name].value.values[:2]
        assert changed == pytest.approx([3 * (0.80699 - left)] * 2, abs=1e-3), name


def test_a_map_that_never_moves_is_its_own_mean_and_any_other_moments():
    agent = agent_of(planted.planted())
    found = intervene(agent, seen(agent, *[BRIGHT] * 4))
    for name in ("own_mean", "other_moment"):
        for series in found[name]:
            assert np.abs(series.values).max() < 1e-6
    assert found["uniform"].kl_forward.values.min() > 0.2


def test_an_action_that_does_not_come_from_the_map_stays_exactly():
    agent = agent_of(indifferent())
    found = intervene(agent, seen(agent, BRIGHT, ASIDE, ASIDE, BRIGHT))
    assert not any(series.values.any() for effect in found.values() for series in effect)


def indifferent():
    """The planted agent with a body that ignores what is attended to: always the same policy."""
    model = planted.planted()
    model.state_dict()["body.0.weight"].zero_()
    return model


def test_a_sigmoids_maps_are_replaced_too():
    agent = agent_of(planted.planted("sigmoid"))
    found = intervene(agent, seen(agent, BRIGHT, ASIDE, ASIDE, ASIDE))
    assert min(effect.kl_forward.values[0] for effect in found.values()) > 1e-4


def test_without_attention_there_is_nothing_to_replace():
    agent = agent_of(planted.planted("none"))
    recording = seen(agent, BRIGHT, BRIGHT)
    assert intervene(agent, recording) == {}
    assert list(scores(agent, recording, games=1)) == ["unchanged"]


def test_the_shift_is_far_and_the_seeds():
    shifts = [module._shift(100, np.random.default_rng(seed)) for seed in (*range(50), 0)]
    assert (min(shifts) >= 25, max(shifts) <= 75, shifts[0] == shifts[-1]) == (True,) * 3
    assert len(set(shifts)) > 10


def test_whole_games_are_matched(monkeypatch):
    """What changes nothing in the policy changes no score: the games and all draws are the same."""
    monkeypatch.setattr(module, "INTERVENTIONS", {"uniform": INTERVENTIONS["uniform"]})
    agent, ended = agent_of(indifferent()), []
    recording = seen(agent, BRIGHT, ASIDE)
    played = scores(agent, recording, games=2, seed=4, on_game=lambda: ended.append(1))
    assert list(played) == ["unchanged", "uniform"]
    for name, found in played.items():
        assert found.tolist() == played["unchanged"].tolist(), name
    assert len(set(played["unchanged"])) > 1
    assert len(ended) == 2 * 2


def test_in_whole_games_the_map_is_replaced(monkeypatch):
    """At each step of each game, and another moment's map goes on from a step of the game's own."""
    agent, given = agent_of(planted.planted()), []

    def noted(maps: Maps):
        given.append((maps.other.flatten(1).argmax(1).tolist(), maps.mean.argmax().item()))
        return maps.now

    monkeypatch.setattr(module, "INTERVENTIONS", {"noted": noted})
    monkeypatch.setattr(
        module,
        "play",
        lambda _, policy, **__: [
            policy(torch.cat([BRIGHT] * len(rows)), np.array(rows))
            for rows in ([0, 1], [0, 1], [1])
        ],
    )
    scores(agent, seen(agent, BRIGHT, BRIGHT, BRIGHT, ASIDE), games=2, seed=3)
    # cell (2, 4) is 7 * 2 + 4 = 18, (5, 0) is 35; default_rng(3).integers(4, size=2) are 3 and 0
    assert given == [([35, 18], 18), ([18, 18], 18), ([18], 18)]
