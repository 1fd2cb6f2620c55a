"""Where attention lies in a real game of Breakout, of agents of which we know where they look."""

import numpy as np
import pytest
import torch
from believe_agents import believe_agent

from attn_ppo.interpret.believe.looking import looking
from attn_ppo.interpret.believe.objects import Objects, centres, find_objects
from attn_ppo.interpret.believe.replay import Replay
from attn_ppo.interpret.network import see_all
from attn_ppo.interpret.play.record import record
from attn_ppo.interpret.play.recording import Recording

NORMALISED = ("normalised seen", "normalised hit")


@pytest.fixture(scope="module")
def played() -> tuple[Recording, Objects]:
    """A game of the agent that acts on the ball, so that both move."""
    agent = believe_agent("ball")
    recording = record(agent, steps=120, seed=1, on_step=lambda: None)
    ram = Replay(recording, agent.settings.protocol).ram
    return recording, find_objects("Breakout", recording.screens, ram)


def rows_of(name, played):
    """Rows by object and measure, of what an agent makes of the game."""
    recording, objects = played
    seen = see_all(believe_agent(name).model, torch.from_numpy(recording.observations()))
    rng = np.random.default_rng(0)
    rows = looking(seen.attention.numpy(), objects, recording.games, rng=rng)
    return {(row.object, row.measure): row for row in rows}


def in_view(played, name, rows, columns):
    """(T,) whether an object's centre is where the agents can see it."""
    row, column = centres(played[1])[:, played[1].names.index(name)].T
    return (row > rows[0]) & (row < rows[1]) & (column > columns[0]) & (column < columns[1])


def tells_more_than_chance(row):
    return row.value > row.controls.shifted_high


def test_a_map_on_the_ball_is_found_there_whatever_the_agent_acts_on(played):
    seen = in_view(played, "ball", (42, 70), (14, 66))
    assert seen.sum() > 40
    rows = rows_of("lying", played)  # it acts on the paddle
    for measure in NORMALISED:
        row = rows["ball", measure]
        assert row.each[seen] == pytest.approx(1, abs=0.01), measure
        assert row.value > max(row.controls.shifted_high, row.controls.fixed)
    assert tells_more_than_chance(rows["ball", "mutual information"])
    assert not tells_more_than_chance(rows["paddle", "mutual information"])


def test_a_map_on_the_paddle_is_found_there(played):
    seen = in_view(played, "paddle", (75, 84), (18, 62))
    assert seen.sum() > 20
    rows = rows_of("paddle", played)
    for measure in NORMALISED:
        row = rows["paddle", measure]
        assert row.each[seen] == pytest.approx(1, abs=0.01), measure
        assert row.value > max(row.controls.shifted_high, row.controls.fixed)
        assert not tells_more_than_chance(rows["ball", measure])
    assert tells_more_than_chance(rows["paddle", "mutual information"])
    assert not tells_more_than_chance(rows["ball", "mutual information"])


def test_a_map_on_nothing_is_nowhere(played):
    rows = rows_of("constant", played)
    for name in ("ball", "paddle"):
        for measure in NORMALISED:
            assert rows[name, measure].value == pytest.approx(0, abs=1e-6), (name, measure)
        assert rows[name, "mutual information"].value == 0
