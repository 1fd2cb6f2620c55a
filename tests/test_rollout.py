"""What the agent sees, does and learns from, step by step, on real games."""

import numpy as np
import pytest
import torch
from starting import SMALL
from updating import learn_from

from attn_ppo import evaluate as evaluation
from attn_ppo.agent import Agent, device_for, make_agent
from attn_ppo.atari.envs import AtariEnvs, two_groups
from attn_ppo.compute.backends import BACKENDS
from attn_ppo.lifecycle import saved
from attn_ppo.lifecycle.saved import OriginState, RowsState, Saved
from attn_ppo.rollout import collect


def test_evaluation_plays_whole_games_of_its_own_seeds(settings_of):
    settings = settings_of("env=Breakout", *SMALL)
    agent = make_agent(settings, 4, device_for(settings_of("device=cpu")))
    result = evaluation.evaluate(agent.model, settings, episodes=2)
    training = AtariEnvs("Breakout", num_envs=2, seed=0, protocol=settings.protocol, stream=0)
    assert not set(result["seeds"]) & set(training.seeds)
    # five lives: longer than any single life, and raw rewards are not clipped
    assert all(length > 50 for length in result["lengths"])
    assert result["effective_cells_per_map"] == pytest.approx([48.9, 48.9], abs=0.3)
    assert result["attention_total_per_map"] == pytest.approx([1, 1])


@pytest.mark.parametrize(
    ("gate", "entropies", "totals"),
    [("sigmoid", [3.89182] * 2, [46.6761] * 2), ("none", [], [])],  # ln 49, 49 / (1 + e^-3)
)
def test_evaluation_says_what_the_gate_lets_through(settings_of, gate, entropies, totals):
    settings = settings_of("env=Breakout", f"attention.gate={gate}", *SMALL)
    model = make_agent(settings, 4, torch.device("cpu")).model
    if model.attention is not None:
        weights = model.state_dict()
        weights["attention.score.2.weight"].zero_()
        weights["attention.score.2.bias"].fill_(3)
    result = evaluation.evaluate(model, settings, episodes=1)
    assert result["attention_entropy_per_map"] == pytest.approx(entropies, abs=1e-4)
    assert result["attention_total_per_map"] == pytest.approx(totals, abs=1e-3)
    assert result["attention_entropy"] == (pytest.approx(7.78364) if entropies else None)


def test_a_rollout_holds_what_happened(settings_of):
    """Against the same games played by hand: alignment of observation, action and consequence."""
    settings = settings_of("env=Breakout", *SMALL)
    agent = make_agent(settings, 4, torch.device("cpu"))
    envs, twin = (
        AtariEnvs("Breakout", num_envs=2, seed=0, protocol=settings.protocol) for _ in "ab"
    )
    rollout, (last,), episodes = collect(agent.model, [envs], [envs.reset()], 300, agent.rng)
    obs, clipped, ends = twin.reset(), set(), 0
    for t in range(300):
        assert (rollout.obs[t].numpy() == obs).all()
        step = twin.step(rollout.actions[t].numpy())
        obs = step.obs
        expected = [min(max(r, -1), 1) for r in step.rewards]
        assert rollout.rewards[t].tolist() == expected
        assert (rollout.terminated[t].numpy() == step.terminated).all()
        assert (rollout.done[t].numpy() == (step.terminated | step.truncated)).all()
        assert len(episodes[t]) == len(step.episodes)
        clipped |= set(expected)
        ends += int(step.terminated.sum())
    assert (last == obs).all()
    assert clipped >= {0, 1}
    assert ends > 4
    with torch.no_grad():
        output = agent.model(rollout.obs[7])
        torch.testing.assert_close(rollout.values[7], output.value)
        torch.testing.assert_close(rollout.next_values[6], output.value)
        chosen = output.policy.gather(1, rollout.actions[7][:, None])[:, 0]
        torch.testing.assert_close(rollout.log_probs[7], chosen)
        torch.testing.assert_close(
            rollout.next_values[-1], agent.model(torch.from_numpy(last)).value
        )


@pytest.mark.parametrize("frozen", [False, True])
def test_two_groups_play_what_one_would(settings_of, frozen):
    """Where the actor is frozen, to the bit: how many act at once doesn't matter."""
    settings = settings_of("env=Breakout", *SMALL)
    results = []
    for num_threads in (1, 2):
        groups = two_groups(
            "Breakout", num_envs=4, num_threads=num_threads, seed=0, protocol=settings.protocol
        )
        assert [envs.num_envs for envs in groups] == ([4] if num_threads == 1 else [2, 2])
        agent = make_agent(settings, 4, torch.device("cpu"))
        assert agent.backend.name == "kernels"
        backend = agent.backend if frozen else BACKENDS["torch"]
        rollout, obs, episodes = collect(
            agent.model, groups, [envs.reset() for envs in groups], 300, agent.rng, backend=backend
        )
        results.append((vars(rollout), np.concatenate(obs), episodes))
    (one, last, games), (two, last_of_two, games_of_two) = results
    for key in ("obs", "actions", "rewards", "terminated", "done"):
        assert torch.equal(one[key], two[key]), key
    for key in ("log_probs", "values", "next_values"):
        exactly = 0.0 if frozen else None
        torch.testing.assert_close(one[key], two[key], rtol=exactly, atol=exactly)
    assert (last == last_of_two).all()
    assert games == games_of_two
    assert {game.env_index for step in games for game in step} == {0, 1, 2, 3}


def test_an_odd_number_is_not_halved(settings_of):
    protocol = settings_of().protocol
    assert len(two_groups("Pong", num_envs=3, num_threads=2, seed=0, protocol=protocol)) == 1


def test_a_time_limit_bootstraps_from_what_was_cut_off(settings_of):
    settings = settings_of("env=Pong", *SMALL)
    agent = make_agent(settings, 6, torch.device("cpu"))

    def envs() -> AtariEnvs:
        return AtariEnvs("Pong", num_envs=2, seed=0, protocol=settings.protocol, max_frames=40)

    ours, twin = envs(), envs()
    rollout, _, _ = collect(agent.model, [ours], [ours.reset()], 12, agent.rng)
    twin.reset()
    steps = [twin.step(rollout.actions[t].numpy()) for t in range(12)]
    cut = [t for t, step in enumerate(steps) if step.truncated.any()]
    assert cut == [9]  # 40 frames are 10 steps
    assert rollout.done[9].all()
    assert not rollout.terminated.any()
    with torch.no_grad():
        value = agent.model(torch.from_numpy(steps[9].final_obs)).value
        fresh = agent.model(torch.from_numpy(steps[9].obs)).value
    torch.testing.assert_close(rollout.next_values[9], value)
    assert (value - fresh).abs().min() > 1e-5


def test_a_restored_agent_goes_on_bit_for_bit(tmp_path, settings_of):
    settings = settings_of("env=Breakout", "lambda=0.005", *SMALL)
    device = torch.device("cpu")

    def learn(agent: Agent, games: AtariEnvs, obs: list[np.ndarray]) -> list[np.ndarray]:
        backend = agent.backend
        rollout, obs, _ = collect(agent.model, [games], obs, 16, agent.rng, backend=backend)
        learn_from(rollout, agent, settings, clip_range=0.2)
        return obs

    ours = make_agent(settings, 4, device)
    envs = AtariEnvs("Breakout", num_envs=2, seed=0, protocol=settings.protocol)
    learn(ours, envs, [envs.reset()])
    rows: RowsState = {"recent": [], "elapsed_seconds": 0.0, "sizes": {}}
    origin: OriginState = {"circumstances": {}, "inexact_resumes": [], "threads": 1}
    saved.save(tmp_path, Saved(1, ours.state(), rows, [], origin, None))
    theirs = make_agent(settings, 4, device, saved.load(tmp_path))
    for agent in (ours, theirs):  # the same games for both
        learn(agent, envs, [envs.reset()])
    for name, tensor in ours.model.state_dict().items():
        assert torch.equal(tensor, theirs.model.state_dict()[name]), name
    assert torch.equal(ours.rng.get_state(), theirs.rng.get_state())
