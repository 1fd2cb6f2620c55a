"""How often flags are false alarms: `python -m analysis.flag_rates FOLDER ...`.

Goes through the updates of the runs at or below the folders, as one would who follows them, and
counts those in which a flag was raised at some time. A flag was false where the run got over it:
its last rows don't raise it any more. Only runs that could raise it count: whose metrics.csv has
the column, and enough rows and, for a score no better than random play, steps.
"""

from attn_ppo.lifecycle import process

if __name__ == "__main__":
    process.begin()

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from analysis.runs import Run, read_runs
from attn_ppo.arguments import Parser
from attn_ppo.errors import ConfigError, ExitCode, RunError, report
from attn_ppo.formats import short_number
from attn_ppo.learning.flags import ATTENTION, HELD, POLICY, RANDOM, Flag, flags, least_steps

NEEDS = {RANDOM: "episode_return", POLICY: "policy_entropy", ATTENTION: "map_movement"}


def flags_of(run: Run) -> list[Flag]:
    """What looks wrong with a run at its last update."""
    return flags(run.metrics.tail(HELD).to_dict("records"), run.config)


def raised(run: Run) -> dict[str, list[int]]:
    """By the kinds of flags that the run can raise, the agent steps at which it is up."""
    rows = run.metrics.to_dict("records")
    found: dict[str, list[int]] = {
        kind: [] for kind, column in NEEDS.items() if column in run.metrics
    }
    if len(rows) < HELD:
        return {}
    if run.env_steps < least_steps(run.config):
        del found[RANDOM]
    for end in range(HELD, len(rows) + 1):
        for flag in flags(rows[end - HELD : end], run.config):
            found[flag.kind].append(int(rows[end - 1]["env_steps"]))
    return found


def rates(runs: Sequence[Run]) -> pd.DataFrame:
    """A row a kind: runs that could raise it, that did, that got over it, and the share of these
    among the runs that ended well."""
    ups = [(run, raised(run)) for run in runs]
    rows = []
    for kind in NEEDS:
        able = [(run, up[kind]) for run, up in ups if kind in up]
        well = [up for run, up in able if not up or up[-1] < run.env_steps]
        false = sum(bool(up) for up in well)
        rows.append(
            {
                "flag": kind,
                "runs": len(able),
                "raised": sum(bool(up) for _, up in able),
                "ended well": len(well),
                "false alarms": false,
                "rate": false / len(well) if well else float("nan"),
            }
        )
    return pd.DataFrame(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints which runs raised what, and the rates; returns the exit code."""
    parser = Parser("analysis.flag_rates", __doc__, "runs/study")
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="with runs")
    try:
        return _tell(parser.checked(arguments).folders)
    except (ConfigError, RunError, OSError) as error:
        return report(error)


def _tell(folders: Sequence[Path]) -> int:
    read = [run for folder in folders for run in read_runs(folder)[0]]
    runs = list({run.folder.resolve(): run for run in read}.values())  # each once
    for run in runs:
        for kind, up in raised(run).items():
            if up:
                first, last = short_number(up[0]), short_number(up[-1])
                print(f"{run.folder}: {kind}, from {first} to {last} of {run.env_steps:,} steps")
    print(rates(runs).to_string(index=False, float_format="%.2f", na_rep="-"))
    return ExitCode.DONE


if __name__ == "__main__":
    process.finish(main)
