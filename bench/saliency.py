"""Measures saliency maps and trees: `python -m bench.saliency` prints milliseconds a frame.

The study's network with random weights, a frame at a time. Methods take turns, so that a drift of
the machine's speed affects all alike. Prints the median, and the least, which has the least noise.
"""

from attn_ppo.lifecycle import process

if __name__ == "__main__":
    process.begin()

import time
from collections.abc import Callable, Sequence
from statistics import median

import torch
from torch import Generator

from attn_ppo import config, sections
from attn_ppo.arguments import Parser
from attn_ppo.errors import ConfigError, report
from attn_ppo.interpret.network import opened
from attn_ppo.interpret.saliency.methods import METHODS
from attn_ppo.interpret.saliency.perturbation import perturbation_maps
from attn_ppo.interpret.saliency.targets import TARGETS
from attn_ppo.interpret.tree.tracer import Tracer
from attn_ppo.interpret.tree.tree import ATTENTION_ROOTS, LEVELS
from attn_ppo.model import ActorCritic
from attn_ppo.schema import Range, check_whole

ALL_THREE = "perturbation, all three"


def main(arguments: Sequence[str]) -> int:
    """The command line; returns the exit code."""
    parser = Parser("bench.saliency", __doc__, "--repeats 5")
    parser.add_argument("--repeats", type=int, default=20, help="of each method; default: 20")
    parser.add_argument(
        "--gate",
        choices=sections.GATES,
        default="softmax",
        help="of the attention; default: softmax",
    )
    options = parser.parse_args(arguments)
    try:
        repeats = check_whole("--repeats", options.repeats, Range(1, 10_000))
    except ConfigError as error:
        return report(error)
    print(f"ms a frame, {torch.get_num_threads()} threads{'median':>21}{'least':>8}")
    for name, milliseconds in measure(options.gate, repeats).items():
        print(f"{name:36}{median(milliseconds):8.1f}{min(milliseconds):8.1f}")
    return 0


def measure(gate: str, repeats: int) -> dict[str, list[float]]:
    """Milliseconds of each repeat, by method."""
    calls = _calls(gate)
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for repeat in range(repeats + 1):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            if repeat:  # the first warms up
                taken[name].append(1e3 * (time.perf_counter() - began))
    return taken


def _calls(gate: str) -> dict[str, Callable[[], object]]:
    rng = Generator().manual_seed(0)
    settings = config.AttentionSettings(gate=gate, maps=2, hidden=512)  # pyright: ignore[reportArgumentType]
    model = opened(ActorCritic(6, settings, rng))
    obs = torch.randint(0, 256, (1, 4, 84, 84), generator=rng, dtype=torch.uint8)
    actions, target = torch.tensor([1]), TARGETS["log_prob"]
    calls: dict[str, Callable[[], object]] = {
        name: lambda method=method: method.function(model, obs, actions, target, rng)
        for name, method in METHODS.items()
    }
    calls |= {ALL_THREE: lambda: perturbation_maps(model, obs, actions)}
    tracer, frames = Tracer(model), obs[0].numpy()
    roots = [root for root in LEVELS if gate != "none" or root not in ATTENTION_ROOTS]
    return calls | {
        f"tree, {root}": lambda root=root: tracer.tree(frames, root=root, action=1)
        for root in roots
    }


if __name__ == "__main__":
    process.finish(main)
