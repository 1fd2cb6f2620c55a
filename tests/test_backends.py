"""All backends compute the same, in fp32 and nearly so in bf16."""

import pytest
import torch
from starting import SMALL
from updating import learn_from

from attn_ppo.agent import Agent, make_agent
from attn_ppo.atari.envs import AtariEnvs
from attn_ppo.compute import backends
from attn_ppo.ppo import Minibatch, gae, ppo_loss
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


def gradient(
    agent: Agent,
    batch: Minibatch,
    settings,
    prepare=backends.unprepared,
    *,
    lambda_: float = 0.005,
) -> torch.Tensor:
    agent.model.zero_grad()
    loss, _ = prepare(ppo_loss)(
        agent.model,
        batch,
        settings.ppo,
        settings.regularizer,
        lambda_=torch.tensor(lambda_),
        diversity=settings.diversity,
        clip_range=torch.tensor(0.1),
    )
    loss.backward()
    return torch.cat([p.grad.flatten() for p in agent.model.parameters() if p.grad is not None])


def cosine(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(torch.cosine_similarity(a.double(), b.double(), 0))


EVERYTHING = ("regularizer=target_entropy", "regularizer.target=2", "diversity=0.5")


def test_what_the_regularisers_ask_of_the_kernels(settings_of, played):
    settings = settings_of("env=Breakout", *SMALL, *EVERYTHING)
    ours, theirs = (
        agent_of(settings_of, f"compute.backend={name}") for name in ("kernels", "torch")
    )
    gradients = [gradient(a, played[1], settings, lambda_=100.0) for a in (ours, theirs)]
    assert cosine(*gradients) > 1 - 1e-9
    weak = gradient(ours, played[1], settings_of("env=Breakout", *SMALL))
    assert cosine(gradients[0], weak) < 0.99  # they ask something


def test_kernels_compute_what_pytorch_computes(settings_of, played):
    settings = settings_of("env=Breakout", *SMALL)
    ours, theirs = (
        agent_of(settings_of, f"compute.backend={name}") for name in ("kernels", "torch")
    )
    gradients = [gradient(agent, played[1], settings) for agent in (ours, theirs)]
    assert cosine(*gradients) > 1 - 1e-9
    for agent in (ours, theirs):
        learn_from(played[0], agent, settings, clip_range=0.1, prepare=agent.backend.prepare)
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
    with torch.compiler.set_stance("fail_on_recompile"):  # a lambda that rises
        gradient(compiled, played[1], settings, compiled.backend.prepare, lambda_=0.25)
    asked = settings_of("env=Breakout", *SMALL, *EVERYTHING)
    gradients = [gradient(a, played[1], asked, a.backend.prepare) for a in (compiled, plain)]
    assert cosine(*gradients) > 1 - 1e-9
    envs = AtariEnvs("Breakout", num_envs=2, seed=0, protocol=settings.protocol, num_threads=1)
    rollouts = [
        collect(a.model, [envs], [envs.reset()], 16, a.rng, backend=a.backend)[0]
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
        backend = agent.backend._replace(prepare=prepare)
        rollout, _, _ = collect(agent.model, [envs], [envs.reset()], 16, agent.rng, backend=backend)
        metrics = learn_from(rollout, agent, settings, clip_range=0.1, prepare=prepare)
        results.append((vars(rollout), metrics))
    (played, learned), (played_again, learned_again) = results
    assert all(torch.equal(played[key], played_again[key]) for key in played)
    assert all(torch.equal(learned[key], learned_again[key]) for key in learned)
