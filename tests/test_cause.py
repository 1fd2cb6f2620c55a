"""Cause in real games, held against agents of which we know what they act on."""

import numpy as np
import pytest
import torch
from believe_agents import AGENTS, believe_agent

from attn_ppo.interpret.believe import cause
from attn_ppo.interpret.believe.cause import (
    Causes,
    by_object,
    causes,
    dropped_shares,
    judge,
    lost_by_removal,
)
from attn_ppo.interpret.believe.edits import edits_of
from attn_ppo.interpret.believe.replay import Branch, Replay, can_branch
from attn_ppo.interpret.believe.sampling import sample_steps
from attn_ppo.interpret.network import Seen
from attn_ppo.interpret.play.record import record

STEPS = 120


@pytest.fixture(scope="module")
def play():
    """A game that no planted agent's policy decides: the constant one presses at random."""
    agent = believe_agent("constant")
    recording = record(agent, steps=STEPS, seed=3)
    steps = sample_steps(recording, 8, seed=0)
    return recording, Replay(recording, agent.settings.protocol, steps.tolist()), steps


@pytest.fixture(scope="module")
def measured(play) -> dict[str, Causes]:
    recording, replay, steps = play
    edits = edits_of("Breakout")
    return {name: causes(believe_agent(name), recording, replay, steps, edits) for name in AGENTS}


def importance(measured: dict[str, Causes], name: str, thing: str) -> np.ndarray:
    """(S,) of the steps at which it is known."""
    names, values = by_object(measured[name])
    column = values[:, names.index(thing)]
    return column[~np.isnan(column)]


@pytest.mark.parametrize(
    ("name", "acts_on", "not_on"),
    [("ball", "ball", "paddle"), ("paddle", "paddle", "ball"), ("lying", "paddle", "ball")],
)
def test_an_agent_s_cause_is_what_it_acts_on_alone(measured, name, acts_on, not_on):
    assert len(importance(measured, name, acts_on)) > 2
    assert importance(measured, name, acts_on).max() > 0.1
    assert len(importance(measured, name, not_on)) > 2
    assert (importance(measured, name, not_on) == 0).all()
    assert (importance(measured, name, "bricks") == 0).all()


def test_attention_follows_the_ball_where_the_policy_doesn_t(measured):
    lying = measured["lying"]
    moved = [at for at, edit in enumerate(lying.edits) if edit.object == "ball"]
    assert np.nanmax(lying.attention[:, moved]) > 0.9  # from one cell to another
    assert np.nanmax(lying.kl_forward[:, moved]) == 0
    assert np.nanmax(lying.value[:, moved]) == 0


def test_a_constant_agent_has_no_cause(measured):
    constant = measured["constant"]
    for values in (constant.kl_forward, constant.kl_backward, constant.value, constant.attention):
        assert np.nanmax(values) == 0


@pytest.mark.parametrize("name", AGENTS)
def test_placebos_have_exactly_none(measured, name):
    last = measured[name].edits[-1]
    assert last.kind == "placebo"
    for values in measured[name][2:6]:
        assert (values[:, -1] == 0).all()
    assert (measured[name].dropped[:, -1] == 0).all()


def test_what_is_dropped_is_nan_and_told(measured):
    ball = measured["ball"]
    assert (np.isnan(ball.kl_forward) == (ball.dropped > 0)).all()
    shares = dropped_shares(ball)
    assert set(shares) == {"ball", "paddle", "bricks", ""}
    for of_object in shares.values():
        assert set(of_object) == set(cause.REASONS)
        assert sum(of_object.values()) == pytest.approx(1)
    assert shares["ball"]["the object is not on the screen"] > 0
    assert shares[""]["kept"] == 1


def test_both_directions_and_the_other_measures_by_hand():
    none = torch.zeros(2, 1, 1, 2)
    seen = Seen(
        features=none,
        scores=none,
        heeded=none,
        attention=torch.tensor([[[[0.5, 0.5]]], [[[0.9, 0.1]]]]),
        logits=torch.tensor([[0.5, 0.5], [0.75, 0.25]]).log(),
        value=torch.tensor([1.0, -0.5]),
    )
    forward, backward, value, variation, log_prob = cause._effects(seen, 1)[0]
    # .5 ln(.5 / .75) + .5 ln(.5 / .25) = -.202733 + .346574
    assert forward == pytest.approx(0.143841, abs=1e-6)
    # .75 ln(.75 / .5) + .25 ln(.25 / .5) = .304099 - .173287
    assert backward == pytest.approx(0.130812, abs=1e-6)
    assert value == 1.5
    assert variation == pytest.approx(0.4)  # (.4 + .4) / 2
    assert log_prob == pytest.approx(0.693147, abs=1e-6)  # ln(.5 / .25), of action 1


def test_no_divergence_is_below_zero_by_rounding():
    none = torch.zeros(1_000, 1, 1, 2)
    logits = torch.randn(1, 6, generator=torch.Generator().manual_seed(0)).expand(1_000, 6)
    noise = torch.randn(1_000, 6, generator=torch.Generator().manual_seed(1)) * 1e-7
    effects = cause._effects(Seen(none, none, none, none, logits + noise, none[:, 0, 0, 0]), 0)
    assert (effects[:, :2] >= 0).all()


def test_importance_is_the_mean_of_an_object_s_kept_edits():
    edits = edits_of("Breakout")[:9]  # five of the ball, three of the paddle, a row of bricks
    effects = np.array([[1.0, 3, 9, 9, 9, 5, 9, 100, 2]])
    dropped = np.array([[0, 0, 1, 2, 3, 0, 4, 0, 5]], np.uint8)
    nothing = np.zeros_like(effects)
    made = Causes(np.array([7]), edits, effects, nothing, nothing, nothing, nothing, dropped)
    names, values = by_object(made)
    assert names == ("ball", "paddle", "bricks")
    # the ball's 1 and 3; the paddle's 5, not its colour's 100; of the bricks nothing was kept
    assert values.tolist()[0][:2] == [2, 5]
    assert np.isnan(values[0, 2])


def test_what_the_action_loses_by_removals_alone():
    edits = edits_of("Breakout")[3:10]  # the ball frozen and gone, three of the paddle, two rows
    lost = np.array([[9.0, 0.5, 9, 9, 9, -0.25, -0.75], [9.0, 0.5, 9, 9, 9, 9, -0.5]])
    dropped = np.array([[0] * 7, [0, 3, 0, 0, 0, 1, 0]], np.uint8)
    zero = np.zeros_like(lost)
    made = Causes(np.array([7, 8]), edits, zero, zero, zero, zero, lost, dropped)
    found = lost_by_removal(made, ("ball", "paddle", "bricks"))
    # the ball's 0.5, dropped at the second step; rows (-.25 - .75) / 2, then -.5 alone
    assert found[0].tolist() == pytest.approx([0.5, np.nan, -0.5], nan_ok=True)
    assert found[1].tolist() == pytest.approx([np.nan, np.nan, -0.5], nan_ok=True)


EDIT = edits_of("Breakout")[0]  # the ball to the left


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, "kept"),
        ({"lives": 4}, "score, lives or the end of the game differ"),
        ({"rewards": 1.0}, "score, lives or the end of the game differ"),
        ({"over": True}, "score, lives or the end of the game differ"),
        ({"x": 90}, "the object is not where the edit puts it"),
        ({"far": 5}, "something else changed"),
        ({"far": 4}, "kept"),
        ({"same": True}, "nothing to be seen"),
        ({"y": 0}, "the object is not on the screen"),
    ],
)
def test_impossible_states_are_dropped_with_their_reason(change, reason):
    y, x = change.get("y", 100), 120
    plain = _made(x, y)
    edited = _made(change.get("x", x - 16), y)
    if change.get("same"):
        edited = edited._replace(obs=plain.obs)
    for name in ("lives", "rewards"):
        if name in change:
            edited = edited._replace(**{name: np.full(4, change[name])})
    edited.screens[2, 20, : change.get("far", 0)] = 9
    edited = edited._replace(over=change.get("over", False))
    assert cause.REASONS[judge(EDIT, plain, edited)] == reason


def _made(x: int, y: int) -> Branch:
    """A ball at column x - 49, row y + 9, in all four frames."""
    ram = np.zeros((4, 128), np.uint8)
    ram[:, 99], ram[:, 101] = x, y
    screens = np.zeros((4, 210, 160), np.uint8)
    screens[:, y + 9 : y + 13, x - 49 : x - 47] = 70
    obs = np.full((4, 84, 84), x, np.uint8)
    return Branch(obs, screens, ram, np.zeros(4), np.full(4, 5), False)


def test_a_replay_that_isn_t_the_recorded_game_is_dropped(play):
    recording, replay, steps = play
    wrong = steps[:1] + 1  # another step's observation
    agent, edits = believe_agent("ball"), edits_of("Breakout")
    shown = recording.observations(wrong)[0]
    _, dropped = cause._at(agent, replay, int(steps[0]), shown, 0, edits)
    assert {cause.REASONS[code] for code in dropped} == {"the replay left the recorded game"}


@pytest.mark.parametrize("seed", [0, 1])
def test_sampled_steps_are_allowed_evenly_spaced_and_the_seed_s(play, seed):
    recording = play[0]
    steps = sample_steps(recording, 10, seed=seed)
    assert (steps == sample_steps(recording, 10, seed=seed)).all()
    assert can_branch(recording)[steps].all()
    assert len(steps) == 10
    allowed = int(can_branch(recording).sum())
    places = np.searchsorted(np.flatnonzero(can_branch(recording)), steps)
    assert set(np.diff(places)) <= {allowed // 10, allowed // 10 + 1}
    assert (sample_steps(recording, 10, seed=2) != steps).any()


def test_as_many_steps_as_there_are(play):
    recording = play[0]
    everything = sample_steps(recording, 10_000, seed=0)
    assert (everything == np.flatnonzero(can_branch(recording))).all()
