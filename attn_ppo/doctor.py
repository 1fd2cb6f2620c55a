"""`python -m attn_ppo.doctor`: what this machine gives a run, and what is amiss.

CHECKS lists what is looked at. A check that raises is a finding, too.
"""

from attn_ppo.lifecycle import process

if __name__ == "__main__":
    process.begin()

import contextlib
import io
import json
import os
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from attn_ppo import config
from attn_ppo.arguments import Parser
from attn_ppo.diagnosis import machine, outside, storage
from attn_ppo.diagnosis.finding import BAD, OK, WARN, Finding
from attn_ppo.errors import ExitCode
from attn_ppo.version import __version__

# By their names in the table and in the JSON: what looks at the folder of all runs.
CHECKS: dict[str, Callable[[Path], Finding]] = {
    "python": machine.python,
    "packages": machine.packages,
    "processors": machine.processors,
    "kernels": machine.kernels,
    "gpu": machine.gpu,
    "roms": outside.roms,
    "runs": storage.writable,
    "disk": storage.space,
    "locks": storage.locks,
    "wandb": outside.wandb,
}
COLOURS = {OK: 32, WARN: 33, BAD: 31}
COLUMN = 18  # where what was found begins
ABOUT = """Tells what this machine gives a run: processors, kernels, GPU, ROMs, disk, locks, W&B.
What is amiss comes with the command that mends it.

Exit code 1 if something would stop a run (bad), else 0."""


def main(argv: Sequence[str]) -> int:
    """Prints a line a check, or one JSON object; returns the exit code."""
    parser = Parser("attn_ppo.doctor", ABOUT, "--json")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    parser.add_argument(
        "folder", nargs="?", type=Path, metavar="FOLDER", help="that of the runs; default: runs/"
    )
    asked = parser.parse_args(argv)
    folder = asked.folder or config.default_root()
    found: dict[str, Finding] = {}
    for name, check in CHECKS.items():
        found[name] = examine(check, folder)
        if not asked.json:
            print(lines(name, found[name]), flush=True)
    if asked.json:
        print(json.dumps(as_dict(found), indent=2))
    else:
        print(f"\n{summary(found)}")
    bad = any(each.state == BAD for each in found.values())
    return ExitCode.RUN_FAILED if bad else ExitCode.DONE


def examine(check: Callable[[Path], Finding], folder: Path) -> Finding:
    """What a check finds. Where it raises, that; an import that fails would stop a run, too."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # ale-py tells where it looks for ROMs
            return check(folder)
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0]
        state = BAD if isinstance(error, ImportError) else WARN
        return Finding(state, f"can't be told: {type(error).__name__}: {reason}"[:300])


def lines(name: str, finding: Finding) -> str:
    """A finding for people: its state, its name and what was found, then what mends it."""
    state = finding.state.ljust(4)
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        state = f"\x1b[{COLOURS[finding.state]}m{state}\x1b[0m"
    told = textwrap.wrap(finding.told, 100 - COLUMN, break_on_hyphens=False, break_long_words=False)
    first, *rest = [*told, *([f"mend: {finding.mend}"] if finding.mend else [])]
    head = f"{state}  {name}".ljust(COLUMN + len(state) - 4)
    return "\n".join([head + first, *(" " * COLUMN + line for line in rest)])


def summary(found: Mapping[str, Finding]) -> str:
    """The verdict in a line."""
    bad, warned = (
        [name for name, each in found.items() if each.state == state] for state in (BAD, WARN)
    )
    if bad:
        return f"a run would stop at: {', '.join(bad)}"
    return f"a run would work; see {', '.join(warned)}" if warned else "nothing is amiss"


def as_dict(found: Mapping[str, Finding]) -> dict[str, object]:
    """For programs: the keys stay."""
    checks = {name: finding._asdict() for name, finding in found.items()}
    ok = all(finding.state != BAD for finding in found.values())
    return {"attn_ppo": __version__, "ok": ok, "checks": checks}


if __name__ == "__main__":
    process.finish(main)
