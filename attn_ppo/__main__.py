"""`python -m attn_ppo`: the commands with an example each; followed by a name it runs that one."""

from attn_ppo.lifecycle import process

if __name__ == "__main__":
    process.begin()

import runpy
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from attn_ppo.arguments import Parser
from attn_ppo.errors import ConfigError, ExitCode, report
from attn_ppo.schema import nearest

IN_A_WHEEL = (Path(__file__).parent / "conf").is_dir()  # with analysis/, and without bench/


class Command(NamedTuple):
    """A command as the overview shows it."""

    module: str
    example: str
    about: str


def _analysis(name: str) -> str:
    return f"attn_ppo.analysis.{name}" if IN_A_WHEEL else f"analysis.{name}"


COMMANDS = {
    "train": Command(
        "attn_ppo.train",
        "env=Breakout lambda=0.0005",
        "trains one agent, or with -m a sweep of them",
    ),
    "status": Command("attn_ppo.status", "", "shows state and progress of the runs"),
    "evaluate": Command(
        "attn_ppo.evaluate",
        "runs/demo/Breakout/lambda=0/seed=0 50",
        "lets an agent play whole games",
    ),
    "doctor": Command(
        "attn_ppo.doctor", "", "tells what this machine gives a run, and what is amiss"
    ),
    "figures": Command(_analysis("figures"), "runs/demo", "draws curves, writes a table of scores"),
    "tables": Command(
        _analysis("tables"), "runs/demo", "writes runs and curves as CSV and Parquet"
    ),
    "claims": Command(_analysis("claims"), "runs/demo", "up to which lambda nothing is lost"),
    "variants": Command(
        _analysis("variants"), "runs/demo", "how far runs of other settings score apart"
    ),
    "report": Command(_analysis("report"), "runs/demo", "a page that answers a sweep's question"),
    "page": Command(_analysis("page"), "runs/demo", "a page to explore what the agents look at"),
    "videos": Command(_analysis("videos"), "runs/demo", "videos of what the agents look at"),
    "believe": Command(_analysis("believe"), "runs/demo", "whether agents do what they show"),
    "dashboard": Command(_analysis("dashboard"), "runs/demo", "a workspace of the sweep on W&B"),
    "aggregates": Command(_analysis("aggregates"), "runs/demo", "a sweep's means as a run on W&B"),
    "sync": Command(_analysis("sync"), "runs/demo", "uploads what W&B recorded offline"),
    "stress": Command(_analysis("stress"), "runs/demo", "what agents score in changed games"),
    "ball_in_box": Command(
        _analysis("ball_in_box"),
        "runs/demo/Breakout/lambda=0/seed=0",
        "how often attention is on Breakout's ball",
    ),
    "own_runs": Command(
        _analysis("own_runs"), "runs/study", "the band that others are held against"
    ),
    "flag_rates": Command(
        _analysis("flag_rates"), "runs/study", "how often runs are flagged, and wrongly"
    ),
    "random_play": Command(
        _analysis("random_play"), "Breakout", "measures what uniform actions score"
    ),
} | ({} if IN_A_WHEEL else {"bench": Command("bench", "", "measures speed beside other trainers")})


def main(argv: Sequence[str]) -> int:
    """Prints the overview, or runs the command that is named; returns the exit code."""
    name, *rest = argv or [""]
    if name and not name.startswith("-"):
        if name not in COMMANDS:
            near = nearest(name, COMMANDS)
            return report(ConfigError("", name, ", ".join(COMMANDS), near, wrong="is no command"))
        sys.argv[1:] = rest
        runpy.run_module(
            COMMANDS[name].module, run_name="__main__", alter_sys=True
        )  # ends by SystemExit
    parser = Parser("attn_ppo", overview(), "status runs/demo")
    parser.add_argument("command", nargs="?", metavar="COMMAND", help=", ".join(COMMANDS))
    parser.parse_args(argv)
    print(overview())
    return ExitCode.DONE


def overview() -> str:
    """What each command is for, with an example to be typed as it is."""
    python, width = shlex.quote(sys.orig_argv[0]), max(map(len, COMMANDS)) + 4
    lines = ["The commands; each has --help:"]
    for name, (module, example, about) in COMMANDS.items():
        lines += ["", f"  {name}".ljust(width) + about]
        lines += [" " * width + f"{python} -m {module} {example}".rstrip()]
    return "\n".join(lines)


if __name__ == "__main__":
    process.finish(main)
