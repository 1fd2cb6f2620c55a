"""`python -m bench`: how fast we train, beside other trainers on this machine, now.

The machine's best rates, then the race, then what our speed depends on. Nothing else should be
running. Writes results.json and throughput.png.
"""

from attn_ppo.lifecycle import process

if __name__ == "__main__":
    process.begin()

import argparse
import json
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attn_ppo.arguments import Parser
from attn_ppo.atari import games
from attn_ppo.errors import ConfigError, ExitCode
from bench import busy, chart, machine, race, report, scaling
from bench.contenders import CONTENDERS, NUM_ENVS, NUM_EPOCHS, REPOSITORIES
from bench.ours import network
from bench.pace import spread

RACE_SHARE = 0.5  # of the time, with the machine's rates; the rest is for scaling
SHARES = {
    "updating": 0.1,
    "concurrent": 0.3,
    "busy": 0.8,
    "collecting": 1.0,
}  # of what is left then
BEGAN = time.monotonic()


def main(arguments: Sequence[str]) -> int:
    """Measures, prints, writes; the exit code."""
    options = _parser().parse_args(arguments)
    try:
        games.rom_id(options.game)
        options.out.mkdir(parents=True, exist_ok=True)
        results = measure(options)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return ExitCode.BAD_INPUT
    except KeyboardInterrupt:
        print("stopped; nothing was written", file=sys.stderr)
        return ExitCode.PREEMPTED
    (options.out / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    print(report.text(results))
    if results["contenders"]:
        chart.save(results, options.out / "throughput.png")
    print(f"look at {options.out}")
    return 0


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All results as plain values, without names of this host or its folders."""
    checkouts = {
        name: str(path.resolve()) for name in REPOSITORIES if (path := getattr(options, name))
    }
    found = shutil.which(options.peer_python) or options.peer_python
    python = str(Path(found).absolute())  # not resolved: a link says which packages
    setup = race.Setup(options.game, options.threads, python, checkouts)
    results = {"game": options.game, "threads": options.threads, "against": options.against}
    results |= {"machine": machine.describe()} | rates(options.game, options.threads)
    _print("machine: measured")
    outcome = race.race(options.only, setup, BEGAN + 60 * options.minutes * RACE_SHARE, _print)
    versions: dict[str, str] = {}
    for facts in outcome.facts.values():
        versions |= facts.get("versions", {})
    table = race.summary(outcome, options.against, results["floor_seconds"])
    results |= {"versions": versions, "lost": outcome.lost, "contenders": table, "scaling": {}}
    if not options.race_only:
        results["scaling"] = depends(setup, options, BEGAN + 60 * options.minutes)
        if "ours" in outcome.rounds:
            cost, iteration = results["scaling"]["overhead"], spread(outcome.seconds("ours"))
            cost["percent_of_iteration"] = cost["ms_per_update"] / iteration.median / 10
    return results


def rates(game: str, threads: int) -> dict[str, Any]:
    """The machine's best, and the floors by attention gate, with all threads."""
    gemm = {count: machine.gemm_rates(count) for count in sorted({1, threads})}
    emulator = {
        count: machine.emulator_seconds(game, NUM_ENVS, count) for count in sorted({1, threads})
    }
    best = 1e9 * max(gemm[threads]["float32"].values())
    flops = {}
    for gate in sorted({contender.gate for contender in CONTENDERS.values()}):
        flops[gate] = machine.training_flops(network(game, gate), NUM_EPOCHS)
    floors = {
        gate: machine.floor_seconds(count, best, min(emulator.values()))
        for gate, count in flops.items()
    }
    return {
        "gemm_gflops": gemm,
        "emulator_seconds": emulator,
        "flops_per_agent_step": flops,
        "floor_seconds": floors,
    }


def depends(setup: race.Setup, options: argparse.Namespace, deadline: float) -> dict[str, Any]:
    """What our speed depends on. A part that begins late does its least; past the end, nothing."""
    game, threads = setup.game, setup.threads
    found: dict[str, Any] = {"overhead": scaling.overhead(game, threads, options.out)}
    _print("overhead: measured")
    parts = {
        "updating": lambda until: scaling.updating(game, threads, until),
        "concurrent": lambda until: scaling.concurrent(["ours", "sb3"], setup, until, _print),
        "busy": lambda until: busy.beside(busy.PAIR, setup, until, _print),
        "collecting": lambda until: scaling.collecting(game, threads, until),
    }
    for name, part in parts.items():
        now = time.monotonic()
        if now > deadline:
            _print(f"{name}: left out, no time; give more --minutes")
            continue
        found[name] = part(now + SHARES[name] * (deadline - now))
        _print(f"{name}: measured")
    return found


def _parser() -> Parser:
    parser = Parser("bench", __doc__, "--minutes 3 --only ours sb3")
    add = parser.add_argument
    add("--game", type=games.named, default="Breakout", help="by its ALE name; default: Breakout")
    add("--minutes", type=float, default=10, help="for everything; default: 10")
    add("--threads", type=int, default=machine.cores(), help="of each contender; default: cores")
    names = ", ".join(CONTENDERS)
    chosen = {"choices": CONTENDERS, "metavar": "NAME"}
    add("--only", nargs="+", **chosen, default=list(CONTENDERS), help=f"of {names}; default: all")
    add("--against", **chosen, default="sb3", help="whom to compare with; default: sb3")
    add(
        "--peer-python",
        default=sys.executable,
        help="Python with the peers' packages; default: this",
    )
    for name, address in REPOSITORIES.items():
        add(f"--{name}", type=Path, metavar="PATH", help=f"a checkout of {address}")
    add("--race-only", action="store_true", help="leave out what our speed depends on")
    add("--out", type=Path, default=Path("bench/out"), help="default: bench/out")
    return parser


def _print(text: str) -> None:
    print(f"{time.monotonic() - BEGAN:4.0f} s  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    process.finish(main)
