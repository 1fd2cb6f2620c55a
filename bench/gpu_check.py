"""`python -m bench.gpu_check`: whether we compute rightly on this machine's GPU, and how fast.

The network and the loss against the CPU's, what convolutions make of zeros, CUDA graphs, exact
resume; then speed, alone and at once, beside Stable-Baselines3. Nothing else should be running.
Writes gpu_check.json. `--device cpu` rehearses all of it on the CPU with small sizes.

Exit code 1 if something is wrong, 2 if there is no GPU, else 0.
"""

from attn_ppo.lifecycle import process

if __name__ == "__main__":
    process.begin()

import argparse
import json
import math
import sys
import textwrap
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from attn_ppo.arguments import Parser
from attn_ppo.atari import games
from attn_ppo.compute import devices
from attn_ppo.errors import ConfigError, ExitCode
from bench.gpu_part import FAILED, LEFT_OUT, Ask, Row, rows_of

# Each in a file bench/gpu_<name>.py, with the seconds that it takes, as an H100 with 16 cores did.
# With fewer left it isn't begun; some may take more, the last all there is.
PARTS = {"machine": 10, "fp32": 45, "agreement": 45, "zeros": 40}
PARTS |= {"graphs": 30, "resume": 80, "speed": 60}
SHARE = 0.4  # of what is left that a part may take before others
WIDTH = 100


def main(arguments: Sequence[str]) -> int:
    """Checks, prints, writes; the exit code."""
    options = _parser().parse_args(arguments)
    try:
        games.rom_id(options.game)
        devices.check_device(options.device)
        options.out.mkdir(parents=True, exist_ok=True)
    except ConfigError as error:
        if error.key == "device" and options.device.startswith("cuda"):
            error = "no such GPU here (python -m attn_ppo.doctor); --device cpu rehearses"
        print(error, file=sys.stderr)
        return ExitCode.BAD_INPUT
    options.began = time.monotonic()
    try:
        rows = check(options)
    except KeyboardInterrupt:
        print("stopped; nothing was written", file=sys.stderr)
        return ExitCode.PREEMPTED
    found = results(options, rows)
    (options.out / "gpu_check.json").write_text(json.dumps(found, indent=2) + "\n")
    print("\n".join([*table(rows), "", summary(rows), f"look at {options.out}/gpu_check.json"]))
    return ExitCode.DONE if found["ok"] else ExitCode.RUN_FAILED


def check(options: argparse.Namespace) -> list[Row]:
    """The rows of all parts, one after the other, each told as it comes."""
    deadline, rows = options.began + 60 * options.minutes, []
    for part in options.only:
        now = time.monotonic()
        left = max(0.0, deadline - now)
        if left < PARTS[part]:
            told = f"it takes {PARTS[part]} s, {left:.0f} are left; give more --minutes"
            rows.append(Row(part, LEFT_OUT, told, part=part))
            _tell(options.began, rows[-1])
            continue
        seconds = left if part == options.only[-1] else max(PARTS[part], SHARE * left)
        _print(options.began, f"{part}: at most {seconds:.0f} s")
        ask = Ask(options.device, options.game, options.cores, now + seconds)
        rows += rows_of(part, ask, partial(_tell, options.began))
    return rows


def results(options: argparse.Namespace, rows: Sequence[Row]) -> dict[str, Any]:
    """All of it as plain values, without names of this host or its folders."""
    return {
        "device": options.device,
        "game": options.game,
        "minutes": options.minutes,
        "seconds": round(time.monotonic() - options.began),
        "ok": all(row.state != FAILED for row in rows),
        "rows": [
            {
                "part": row.part,
                "what": row.what,
                "state": row.state,
                "told": row.told,
                "numbers": _plain(row.numbers),
            }
            for row in rows
        ],
    }


def table(rows: Sequence[Row]) -> list[str]:
    """Lines: what, how it stands, what was found; wrapped under its column."""
    states = max((len(row.state) for row in rows), default=0)
    names = max((len(row.what) for row in rows), default=0)
    left = names + states + 4
    lines = []
    for part in dict.fromkeys(row.part for row in rows):
        lines += ["", part]
        for row in (row for row in rows if row.part == part):
            first, *rest = textwrap.wrap(row.told, WIDTH - left) or [""]
            lines.append(f"{row.what.ljust(names)}  {row.state.ljust(states)}  {first}")
            lines += [" " * left + line for line in rest]
    return lines


def summary(rows: Sequence[Row]) -> str:
    """The verdict in a line."""
    wrong, left = ([row.what for row in rows if row.state == state] for state in (FAILED, LEFT_OUT))
    missing = f"; left out: {', '.join(left)}" if left else ""
    return (f"wrong: {', '.join(wrong)}" if wrong else "nothing is wrong") + missing


def _parser() -> Parser:
    parser = Parser("bench.gpu_check", __doc__, "--minutes 15")
    add = parser.add_argument
    add("--device", default="cuda", help="cuda, cuda:N, or cpu to rehearse; default: cuda")
    add("--game", type=games.named, default="Breakout", help="of the speed; default: Breakout")
    add("--minutes", type=float, default=11, help="for everything; default: 11")
    add("--cores", type=int, default=devices.available_cpus(), help="to share; default: all")
    chosen = {"choices": PARTS, "metavar": "PART", "default": list(PARTS)}
    add("--only", nargs="+", **chosen, help=f"of {', '.join(PARTS)}; default: all")
    add("--out", type=Path, default=Path("bench/out"), help="default: bench/out")
    return parser


def _plain(value: Any) -> Any:
    """The same, with None for what JSON has no number for."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _tell(began: float, row: Row) -> None:
    _print(began, f"{row.what}: {row.state}, {row.told}")


def _print(began: float, text: str) -> None:
    print(f"{time.monotonic() - began:4.0f} s  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    process.finish(main)
