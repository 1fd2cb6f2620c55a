"""Whether CUDA graphs replay rightly: the trainer's own updates, every call made twice.

What is compiled and recorded once has to give, at each call, what the plain function gives with
the weights, lambda, clip range and learning rate of that moment.
"""

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from attn_ppo.agent import Agent, make_agent
from attn_ppo.atari.envs import two_groups
from attn_ppo.compute import backends
from attn_ppo.compute.backends import Prepare
from attn_ppo.config import RunConfig
from attn_ppo.lifecycle.resume import Games
from attn_ppo.ppo import ppo_loss
from attn_ppo.rollout import act
from attn_ppo.run import learn
from bench.gpu_agreement import TOLERANCES, decide, products_in
from bench.gpu_part import LEFT_OUT, MEASURED, Ask, Row, judged
from bench.ours import settings_of

UPDATES, WARM_UP = 4, 2  # those of the warm-up compile, run and record; the others replay
ALLOWED_ACTIONS = 1e-3  # the share that may differ: two of nearly the same likelihood


class Twice:
    """Has all that an agent prepares called plain and fast, and notes the worst differences."""

    def __init__(self, fast: Prepare, agent: Agent) -> None:
        self._fast, self._model = fast, agent.model
        self._gradients: list[Tensor] = []
        self.errors: dict[str, float] = {}
        self.calls: dict[str, int] = {}
        self._step = agent.optimizer.step
        agent.optimizer.step = self._compare_gradients
        agent.backend = agent.backend._replace(prepare=self.prepare)

    def prepare(self, function: Callable[..., Any], /) -> Any:
        """The function that returns what the fast one does."""
        fast = self._fast(function)

        def call(model: nn.Module, *args: Any, **kwargs: Any) -> Any:
            plain = function(model, *args, **kwargs)
            if function is ppo_loss:
                weights = list(model.parameters())
                self._gradients = list(torch.autograd.grad(plain[0], weights))
                plain = {"loss": plain[0].detach(), **plain[1]}
            else:
                plain = plain._asdict()
            found = fast(model, *args, **kwargs)
            named = {"loss": found[0], **found[1]} if function is ppo_loss else found._asdict()
            self._compare(plain, named)
            self.calls[function.__name__] = self.calls.get(function.__name__, 0) + 1
            return found

        return call

    def _compare(self, plain: dict[str, Tensor], found: dict[str, Tensor]) -> None:
        same = torch.ones((), dtype=torch.bool)
        if "actions" in plain:  # the rest of what differs here is of another action
            same = plain.pop("actions") == found["actions"]
            self._note("actions", 1 - same.float().mean())
        for name, expected in plain.items():
            wrong = (found[name].detach() - expected).abs() * same.to(expected.device)
            # metrics are averages of numbers about one in size, or larger
            self._note(name, wrong.max() / expected.abs().max().clamp_min(1))

    def _compare_gradients(self, max_norm: float = math.inf) -> Tensor:
        """Called in place of the optimiser's step, which follows."""
        pairs = zip(self._model.parameters(), self._gradients, strict=True)
        wrong, whole = zip(*((p.grad - g, g) for p, g in pairs if p.grad is not None), strict=True)
        norm = nn.utils.get_total_norm
        self._note("gradient", norm(list(wrong)) / norm(list(whole)))
        return self._step(max_norm)

    def _note(self, name: str, error: Tensor) -> None:
        worst, found = self.errors.get(name, 0.0), float(error)
        self.errors[name] = found if found > worst or math.isnan(found) else worst


class Counts:
    """How often CUDA graphs were recorded and replayed."""

    recorded = replayed = 0


def rows(ask: Ask) -> Iterator[Row]:
    """The rows of the check with what a run on this device is compiled by."""
    if why := backends.compile_missing(torch.device(ask.device)):
        yield Row("replays equal PyTorch's operators", LEFT_OUT, why)
        return
    yield from check(ask, backends.compiled)


def check(ask: Ask, fast: Prepare) -> Iterator[Row]:
    """The rows of some updates by functions that `fast` prepares."""
    device, settings = torch.device(ask.device), changing(*((4, 8) if ask.rehearsal else (8, 32)))
    ppo, before, again = settings.ppo, 0, ""
    groups = two_groups(
        settings.env, num_envs=ppo.num_envs, seed=0, protocol=settings.protocol, num_threads=2
    )
    agent = make_agent(settings, groups[0].num_actions, device)
    decide(agent.model)
    twice, games = Twice(fast, agent), Games(groups, [envs.reset() for envs in groups])
    torch.compiler.reset()
    with products_in("fp32"), counted() as counts:
        for number in range(1, UPDATES + 1):
            warm = number > WARM_UP
            with torch.compiler.set_stance("fail_on_recompile" if warm else "default"):
                try:
                    learn(settings, agent, games, number)
                except RuntimeError as error:
                    if not warm or "recompile" not in str(error):
                        raise
                    again = str(error).strip().splitlines()[0]
                    break
            before = before if warm else counts.recorded
    games.close()
    yield _differences(twice)
    told = again or f"in updates {WARM_UP + 1} to {UPDATES}, with other numbers each time"
    yield judged("nothing is compiled again", not again, told)
    yield _recordings(device, counts, before, twice)


def changing(num_envs: int, num_steps: int) -> RunConfig:
    """Settings by which each update has another lambda, clip range and learning rate."""
    steps = UPDATES * num_envs * num_steps
    return settings_of(
        *("env=Breakout", "ppo=annealed_clip", "ppo.learning_rate=2e-3", "diversity=0.1"),
        *(f"ppo.num_envs={num_envs}", f"ppo.num_steps={num_steps}", f"total_steps={steps}"),
        *("lambda=0.5", "lambda_schedule=linear", f"lambda_warmup={steps}"),
        "compute.backend=torch",  # as `compile`, whose functions are put in its place
    )


@contextlib.contextmanager
def counted() -> Iterator[Counts]:
    """Counts what CUDA graphs do while this lasts."""
    counts, graph = Counts(), torch.cuda.CUDAGraph
    begin, replay = graph.capture_begin, graph.replay

    def counting_begin(self: Any, *args: Any, **kwargs: Any) -> Any:
        counts.recorded += 1
        return begin(self, *args, **kwargs)

    def counting_replay(self: Any) -> Any:
        counts.replayed += 1
        return replay(self)

    graph.capture_begin, graph.replay = counting_begin, counting_replay
    try:
        yield counts
    finally:
        graph.capture_begin, graph.replay = begin, replay


def _differences(twice: Twice) -> Row:
    """Each kind of number against what is allowed for it."""
    output, gradient = TOLERANCES["fp32"]
    allowed = {"gradient": gradient, "actions": ALLOWED_ACTIONS}
    shares = {name: error / allowed.get(name, output) for name, error in twice.errors.items()}
    wrong = {name: error for name, error in twice.errors.items() if not shares[name] <= 1}
    worst = max(shares, key=lambda name: shares[name])
    calls = " and ".join(f"{count} of {name}" for name, count in twice.calls.items())
    named = wrong or {worst: twice.errors[worst]}
    listed = ", ".join(
        f"{name} {error:.1e} (allowed {allowed.get(name, output):.0e})"
        for name, error in named.items()
    )
    told = f"{calls} calls; {'wrong' if wrong else 'worst'}: {listed}"
    done = set(twice.calls) == {act.__name__, ppo_loss.__name__}
    row = "replays equal PyTorch's operators"
    return judged(row, done and not wrong, told, errors=twice.errors, calls=twice.calls)


def _recordings(device: torch.device, counts: Counts, before: int, twice: Twice) -> Row:
    """Whether graphs were recorded in the warm-up, and replayed ever after."""
    what = "graphs are recorded once"
    numbers = {"recorded": counts.recorded, "replayed": counts.replayed}
    if device.type != "cuda":
        return Row(what, MEASURED, "there are no CUDA graphs on a CPU", numbers)
    later = counts.recorded - before
    told = f"{before} recorded, {later} of them anew later, {counts.replayed} replays"
    enough = counts.replayed >= sum(twice.calls.values()) // 2
    return judged(what, before > 0 and later == 0 and enough, told, **numbers)
