"""Which backend a run gets, and that all of them compute the same."""

import os
import subprocess

import pytest
import torch
from starting import COMMAND, SMALL, rows, train

from attn_ppo.agent import Agent, make_agent
from attn_ppo.atari.envs import AtariEnvs
from attn_ppo.compute import backends
from attn_ppo.errors import ConfigError
from attn_ppo.ppo import Minibatch, gae, ppo_loss, update
from attn_ppo.rollout import Rollout, collect

CPU = torch.device("cpu")


def agent_of(settings_of, *overrides: str) -> Agent:
    return make_agent(settings_of("env=Breakout", "lambda=0.005", *SMALL, *overrides), 4, CPU)


@pytest.fixture(scope="module")
def played() -> tuple[Rollout, Minibatch]:
    """A rollout of Breakout by a fresh agent, and its 64 samples as one minibatch."""
    from attn_ppo.launch import command_line

    settings = command_line.parse(["env=Breakout", *SMALL]).configs[0]
    agent = make_agent(settings, 4, CPU)
    envs = AtariEnvs("Breakout", num_envs=2, seed=0, protocol=settings.protocol, num_threads=1)
    rollout, _, _ = collect(agent.model, [envs], [envs.reset()], 32, agent.rng)
    advantages = gae(rollout, gamma=0.99, gae_lambda=0.95)
    fields = (
        rollout.obs,
        rollout.actions,
        rollout.log_probs,
        rollout.values,
        advantages,
        advantages + rollout.values,
    )
    return rollout, Minibatch(*(field.flatten(0, 1) for field in fields))


def gradient(agent: Agent, batch: Minibatch, settings, prepare=backends.unprepared) -> torch.Tensor:
    agent.model.zero_grad()
    loss, _ = prepare(ppo_loss)(
        agent.model, batch, settings.ppo, lambda_=0.005, clip_range=torch.tensor(0.1)
    )
    loss.backward()
    return torch.cat([p.grad.flatten() for p in agent.model.parameters() if p.grad is not None])


def cosine(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(torch.cosine_similarity(a.double(), b.double(), 0))


def test_kernels_compute_what_pytorch_computes(settings_of, played):
    settings = settings_of("env=Breakout", *SMALL)
    ours, theirs = (
        agent_of(settings_of, f"compute.backend={name}") for name in ("kernels", "torch")
    )
    gradients = [gradient(agent, played[1], settings) for agent in (ours, theirs)]
    assert cosine(*gradients) > 1 - 1e-9
    for agent in (ours, theirs):
        update(
            agent.model,
            agent.optimizer,
            played[0],
            settings.ppo,
            lambda_=0.005,
            clip_range=0.1,
            rng=agent.rng,
            prepare=agent.backend.prepare,
        )
    with torch.no_grad():
        after = [agent.model(played[1].obs) for agent in (ours, theirs)]
    torch.testing.assert_close(after[0].value, after[1].value, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(after[0].policy, after[1].policy, atol=1e-4, rtol=1e-4)


def test_bf16_keeps_gradients_and_a_fine_grained_value(settings_of, played):
    settings = settings_of("env=Breakout", *SMALL)
    coarse = agent_of(settings_of, "compute.precision=bf16")
    exact = agent_of(settings_of, "compute.backend=torch")
    assert coarse.backend.name == "torch"
    batch = Minibatch(*(field[:32] for field in played[1]))
    gradients = [gradient(agent, batch, settings) for agent in (coarse, exact)]
    assert 0.999 < cosine(*gradients) < 1 - 1e-9
    with torch.no_grad():
        whole, half = coarse.model(batch.obs), coarse.model(batch.obs[:16])
        reference = exact.model(batch.obs)
    assert whole.value.dtype == whole.policy.dtype == whole.attention.dtype == torch.float32
    # as many different values as different observations, where bf16 heads would give a dozen
    assert len(whole.value.unique()) == len(reference.value.unique()) > 16
    # the first ratio of an update is 1, however many are seen at a time
    torch.testing.assert_close((whole.policy[:16] - half.policy).exp(), torch.ones(16, 4))


@pytest.mark.slow
def test_compiled_functions_compute_the_same(settings_of, played):
    settings = settings_of("env=Breakout", *SMALL)
    compiled, plain = (
        agent_of(settings_of, f"compute.backend={name}") for name in ("compile", "torch")
    )
    gradients = [gradient(a, played[1], settings, a.backend.prepare) for a in (compiled, plain)]
    assert cosine(*gradients) > 1 - 1e-9
    envs = AtariEnvs("Breakout", num_envs=2, seed=0, protocol=settings.protocol, num_threads=1)
    rollouts = [
        collect(a.model, [envs], [envs.reset()], 16, a.rng, prepare=a.backend.prepare)[0]
        for a in (compiled, plain)
    ]
    assert torch.equal(rollouts[0].actions, rollouts[1].actions)
    torch.testing.assert_close(rollouts[0].log_probs, rollouts[1].log_probs)
    assert not any("_orig_mod" in key for key in compiled.state()["model"])


def overwriting(function):
    """As CUDA graphs do it: a call's outputs lie where those of the call before lay."""
    places: dict = {}

    def put(key, value):
        if isinstance(value, dict):
            return {name: put(name, item) for name, item in value.items()}
        return places.setdefault(key, value.detach().clone()).copy_(value.detach())

    def call(*args, **kwargs):
        result = function(*args, **kwargs)
        if function is ppo_loss:
            return result[0], put(None, result[1])  # the loss itself is used up at once
        return type(result)(*(put(i, value) for i, value in enumerate(result)))

    return call


def test_outputs_may_be_overwritten_by_the_next_call(settings_of):
    """What must hold for CUDA graphs, without a GPU."""
    settings = settings_of("env=Breakout", *SMALL)
    results = []
    for prepare in (backends.unprepared, overwriting):
        agent = agent_of(settings_of)
        envs = AtariEnvs("Breakout", num_envs=2, seed=0, protocol=settings.protocol, num_threads=1)
        rollout, _, _ = collect(agent.model, [envs], [envs.reset()], 16, agent.rng, prepare=prepare)
        metrics = update(
            agent.model,
            agent.optimizer,
            rollout,
            settings.ppo,
            lambda_=0.005,
            clip_range=0.1,
            rng=agent.rng,
            prepare=prepare,
        )
        results.append((vars(rollout), metrics))
    (played, learned), (played_again, learned_again) = results
    assert all(torch.equal(played[key], played_again[key]) for key in played)
    assert all(torch.equal(learned[key], learned_again[key]) for key in learned)


CHOICES = {
    (): "kernels",
    ("compute.backend=torch",): "torch",
    ("compute.backend=compile",): "compile",
    ("compute.precision=bf16",): "torch",
    ("attention.hidden=500",): "torch",
    ("attention.hidden=500", "attention.gate=none"): "kernels",
}


@pytest.mark.parametrize("overrides", CHOICES, ids=" ".join)
def test_choice(settings_of, overrides):
    assert backends.choose(settings_of(*overrides), CPU, None).name == CHOICES[overrides]


def test_choice_on_a_gpu(settings_of):
    cuda = torch.device("cuda")
    assert backends.choose(settings_of(), cuda, None).name == "compile"
    assert backends.choose(settings_of("compute.precision=bf16"), cuda, None).name == "compile"
    with pytest.raises(ConfigError, match="the kernels are for CPUs"):
        backends.choose(settings_of("compute.backend=kernels"), cuda, None)


def test_a_run_goes_on_with_what_it_began_with(settings_of, monkeypatch):
    assert backends.choose(settings_of(), CPU, "torch").name == "torch"
    monkeypatch.setattr(backends, "kernels_missing", lambda *_: "no compiler")
    with pytest.raises(
        ConfigError, match=r"(?s)kernels.*torch or compile here: no compiler"
    ) as told:
        backends.choose(settings_of(), CPU, "kernels")
    assert str(told.value).count("\n") < 3


def test_explicit_kernels_that_can_not_be_had(settings_of):
    with pytest.raises(ConfigError, match="multiple of"):
        backends.choose(settings_of("compute.backend=kernels", "attention.hidden=500"), CPU, None)
    with pytest.raises(ConfigError, match=r"fp32 with compute\.backend=kernels"):
        settings_of("compute.backend=kernels", "compute.precision=bf16")


def test_what_can_not_be_had_leaves_nothing(in_empty_folder):
    result = train("compute.backend=kernels", "attention.hidden=500")
    assert result.returncode == 2
    assert result.stderr.startswith("error: compute.backend=kernels is not allowed\n")
    assert result.stderr.count("\n") <= 3
    assert list(in_empty_folder.iterdir()) == []


def test_without_a_compiler_a_run_says_so_and_goes_on(in_empty_folder):
    env = os.environ | {"PATH": "", "XDG_CACHE_HOME": str(in_empty_folder / "cache")}
    env.pop("CXX", None)
    command = [*COMMAND, "env=Breakout", "lambda=0.005", "total_steps=32", "evaluation.episodes=0"]
    result = subprocess.run(command, capture_output=True, text=True, env=env)
    assert result.returncode == 0, result.stderr
    told = [
        line
        for line in (result.stdout + result.stderr).splitlines()
        if "PyTorch's own operators" in line
    ]
    assert len(told) == 1
    assert "no C++ compiler" in told[0]
    run = in_empty_folder / "runs/default/Breakout/lambda=0.005/seed=0"
    assert len(rows(run / "metrics.csv")) == 1
    assert '"backend": "torch"' in (run / "status.json").read_text()
