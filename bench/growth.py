"""`python -m bench.growth`: what the cost becomes as work grows.

Speed by environments, threads and runs at once; the start of a run; its memory; what a sweep costs
outside of training. Nothing else should be running. Writes growth.json and growth.png: parts that
are not measured now stay as they are there.
"""

from attn_ppo.lifecycle import process

if __name__ == "__main__":
    process.begin()

import argparse
import contextlib
import datetime
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from attn_ppo.arguments import Parser
from attn_ppo.atari import games
from attn_ppo.errors import ConfigError, ExitCode
from attn_ppo.lifecycle.disk import write_atomically
from bench import growth_chart, growth_report, growth_speed, growth_start, growth_sweep, machine
from bench.pace import ContenderError, spread
from bench.race import Setup

PARTS = {"environments": 0.4, "at_once": 0.6, "start": 0.5, "memory": 1.0, "launching": 0.5}
PARTS |= {"telling": 1.0}  # each part's share of the time that is left when it begins
ENVIRONMENTS, THREADS = (8, 16, 32, 64, 128), (1, 2, 4)
AT_ONCE = sorted({1, 2, 4, 8, machine.cores()})
BEGAN = time.monotonic()


def main(arguments: Sequence[str]) -> int:
    """Measures, prints, writes; the exit code."""
    options = _parser().parse_args(arguments)
    try:
        games.rom_id(options.game)
        options.out.mkdir(parents=True, exist_ok=True)
        lost = measure(options, options.out / "growth.json")
    except ConfigError as error:
        print(error, file=sys.stderr)
        return ExitCode.BAD_INPUT
    except KeyboardInterrupt:
        print(f"stopped; {options.out} has the parts that were measured", file=sys.stderr)
        return ExitCode.PREEMPTED
    results = read(options.out / "growth.json")
    print(growth_report.text(results))
    growth_chart.save(results, options.out / "growth.png")
    print(f"look at {options.out}")
    return ExitCode.RUN_FAILED if lost else ExitCode.DONE


def measure(options: argparse.Namespace, path: Path) -> list[str]:
    """Adds each part to the file as it is measured; returns those that failed."""
    deadline, lost = BEGAN + 60 * options.minutes, []
    measured = parts(options)
    for name in options.only:
        now = time.monotonic()
        try:
            values = measured[name](now + PARTS[name] * max(0, deadline - now))
        except ContenderError as error:
            _print(f"{name}: {error}")
            lost.append(name)
            continue
        now_there = {"machine": machine.describe(), "game": options.game}
        there = read(path)
        if {key: there.get(key) for key in now_there} != now_there:
            there = now_there  # another machine's numbers are not for the same picture
        today = datetime.datetime.now(datetime.UTC).date().isoformat()
        there[name] = values | {"date": today}
        write_atomically(path, json.dumps(there, indent=2) + "\n")
        _print(f"{name}: measured")
    return lost


def parts(options: argparse.Namespace) -> dict[str, Callable[[float], dict[str, Any]]]:
    """What measures each part until a time on time.monotonic, as values for JSON."""
    game, cores = options.game, machine.cores()
    setup = Setup(game, 1, sys.executable, {})

    def environments(until: float) -> dict[str, Any]:
        sizes, threads = options.environments, options.threads
        found = growth_speed.environments(game, threads, sizes, until, _print)
        return {"threads": {n: _told(rates) for n, rates in found.items()}}

    def at_once(until: float) -> dict[str, Any]:
        found = growth_speed.side_by_side(options.at_once, setup, until, _print)
        return {"runs": _told(found)}

    def start(until: float) -> dict[str, Any]:
        found = growth_start.starts(game, cores, until, _print)
        return {"caches": {cache: _start(rounds) for cache, rounds in found.items()}}

    def memory(_: float) -> dict[str, Any]:
        return {"environments": growth_start.memory(game, options.environments, _print)}

    def launching(until: float) -> dict[str, Any]:
        found = growth_sweep.launching(game, cores, until, _print)
        return {k: told(v) if isinstance(v, list) else v for k, v in found.items()}

    def telling(until: float) -> dict[str, Any]:
        found = growth_sweep.telling(until, _print)
        return {what: _told(by_runs) for what, by_runs in found.items()}

    return {each.__name__: each for each in (environments, at_once, start, memory)} | {
        "launching": launching,
        "telling": telling,
    }


def told(numbers: Sequence[float]) -> dict[str, Any]:
    """Median, smallest, largest and how many."""
    return spread(numbers)._asdict() | {"n": len(numbers)}


def read(path: Path) -> dict[str, Any]:
    """What was measured before; {} where that can't be read."""
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(path.read_text())
        return found if isinstance(found, dict) else {}
    return {}


def _told(by_key: dict[int, list[float]]) -> dict[int, dict[str, Any]]:
    return {key: told(numbers) for key, numbers in by_key.items()}


def _start(rounds: list[dict[str, float]]) -> dict[str, Any]:
    """All of it, and the median of each part."""
    medians = {part: told([r[part] for r in rounds])["median"] for part in growth_start.PARTS}
    return {"seconds": told([sum(each.values()) for each in rounds]), "parts": medians}


def _parser() -> Parser:
    parser = Parser("bench.growth", __doc__, "--minutes 2 --only telling")
    add = parser.add_argument
    add("--game", type=games.named, default="Breakout", help="by its ALE name; default: Breakout")
    add("--minutes", type=float, default=15, help="for everything, about; default: 15")
    names = ", ".join(PARTS)
    chosen = {"choices": PARTS, "metavar": "PART"}
    add("--only", nargs="+", **chosen, default=list(PARTS), help=f"of {names}; default: all")
    sizes = [2**power for power in range(1, 10)]
    numbers: dict[str, Any] = {"nargs": "+", "type": int, "metavar": "N"}
    for flag, values, default in (
        ("--environments", sizes, ENVIRONMENTS),
        ("--threads", range(1, 257), THREADS),
        ("--at-once", range(1, 257), AT_ONCE),
    ):
        shown = " ".join(map(str, default))
        add(flag, **numbers, choices=values, default=default, help=f"default: {shown}")
    add("--out", type=Path, default=Path("bench/out"), help="default: bench/out")
    return parser


def _print(text: str) -> None:
    print(f"{time.monotonic() - BEGAN:4.0f} s  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    process.finish(main)
