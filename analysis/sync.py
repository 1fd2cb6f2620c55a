"""Uploads what W&B recorded offline: `python -m analysis.sync [FOLDER ...]`, from a log-in node.

Sends of each run what W&B doesn't have, reads back what has arrived, and marks it. A command that
was stopped goes on where it was. With --prune the files of W&B's that have arrived are removed;
metrics.csv and all else of a run stay.
"""

from attn_ppo.lifecycle import process

if __name__ == "__main__":
    process.begin()

import argparse
import contextlib
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from analysis.wandb_account import connect
from analysis.wandb_runs import parts_below
from analysis.wandb_upload import LocalRun, lacking, local_run, upload
from attn_ppo import config
from attn_ppo.arguments import Parser
from attn_ppo.errors import ConfigError, ExitCode, RunError, report
from attn_ppo.folders import nearest_folder
from attn_ppo.lifecycle.disk import disk_error
from attn_ppo.lifecycle.wandb_session import PROJECT, cause_of

WAITS = (1, 2, 4, 8, 15)  # seconds until W&B is asked again whether it has all


def main(arguments: Sequence[str] | None = None) -> int:
    """Uploads, prints a line each run and what is left; returns the exit code.

    0 all has arrived · 1 not all, or the server doesn't answer · 2 nobody is logged in, bad input ·
    4 --prune can't remove files · 75 stopped.
    """
    try:
        options = _options(arguments)
        runs, code = _found(options.folders)
        if not runs:
            print("nothing to upload")
            return code
        with connect("sync") as api:
            arrived = [run for run in _with_bar(runs) if _synced(run, api, options.prune)]
        code = code if len(arrived) == len(runs) else ExitCode.RUN_FAILED
        print(f"{len(arrived)} of {len(runs)} runs are on W&B")
        if options.prune:
            _prune([log.parent for run in arrived for log in run.logs], ask=not options.yes)
    except (ConfigError, RunError) as error:
        return report(error)
    except KeyboardInterrupt:
        print("stopped; to continue, run the same command again", file=sys.stderr)
        return ExitCode.PREEMPTED
    return code


def _found(folders: Iterable[Path]) -> tuple[list[LocalRun], int]:
    """The runs recorded below these folders that are over, and the code for what can't be read."""
    runs, code = [], ExitCode.DONE
    parts = parts_below(*folders)
    for logs in tqdm(parts.values(), "reading W&B's files", unit="run", disable=None):
        try:
            run = local_run(logs)
        except (ValueError, OSError) as error:
            print(f"skipped {logs[-1].parent}: {error}", file=sys.stderr)
            code = ExitCode.RUN_FAILED
            continue
        if run.going_on:
            print(f"skipped {logs[-1].parent}: {run.label} is still going on")
        else:
            runs.append(run)
    return runs, code


def _with_bar(runs: Sequence[LocalRun]) -> Iterable[LocalRun]:
    """The runs, on a terminal with a bar over their rows and when it will be over."""
    total = sum(len(run.rows) for run in runs)
    with tqdm(total=total, desc="uploading", unit="row", unit_scale=True, disable=None) as bar:
        for run in runs:
            bar.set_postfix_str(run.label)
            yield run
            bar.update(len(run.rows))


def _synced(run: LocalRun, api: Any, every_row: bool) -> bool:
    """Whether W&B has all of a run in the end; prints what was done or what is amiss.

    With `every_row` each is read back, also those of runs that are marked.
    """
    if not every_row and all(_marker(log).exists() for log in run.logs):
        return True
    if not lacking(run, _served(run, api), every_row=every_row):
        _say(f"{run.label}: on W&B already ({len(run.rows):,} rows)")
        _mark(run)
        return True
    try:
        sent = upload(run)
    except Exception as error:
        _say(f"{run.label}: not all has arrived, {cause_of(error)}", sys.stderr)
        return False
    for wait in (*WAITS, None):
        lacks = lacking(run, served := _served(run, api), every_row=every_row)
        if not lacks:
            _say(f"{run.label}: {sent:,} rows sent, all {len(run.rows):,} are there")
            _say(f"  {served.url if served else ''}")
            _mark(run)
            return True
        if wait:
            time.sleep(wait)
    _say(f"{run.label}: W&B doesn't have {', '.join(lacks)}", sys.stderr)
    return False


def _say(line: str, stream: Any = None) -> None:
    tqdm.write(line, stream or sys.stdout)  # above the bar
    (stream or sys.stdout).flush()


def _served(run: LocalRun, api: Any) -> Any | None:
    """The run as W&B has it now; None where it doesn't."""
    import wandb

    entity = run.about["entity"] or api.default_entity
    path = f"{entity}/{run.about['project'] or PROJECT}/{run.about['id']}"
    api.flush()  # it would give what it knew
    try:
        return api.run(path)
    except (ValueError, wandb.Error) as error:
        if "ould not find" not in str(error):
            raise
        return None


def _mark(run: LocalRun) -> None:
    """As `wandb sync` does, so that it passes them over as well.

    On a disk that takes no mark W&B is only asked again the next time.
    """
    for log in run.logs:
        with contextlib.suppress(OSError):
            _marker(log).touch()


def _marker(log: Path) -> Path:
    return log.with_name(f"{log.name}.synced")


def _prune(folders: Sequence[Path], *, ask: bool) -> None:
    """Removes folders of W&B's, where it's to `ask` once somebody has said y. Raises RunError."""
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    what = f"{len(folders)} folders of W&B's, {sum(f.stat().st_size for f in files) / 1e6:,.1f} MB"
    if not folders or (ask and not _is_answered_yes(f"remove {what}? [y/N] ")):
        print("nothing is removed")
        return
    for folder in folders:
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise disk_error(Path(error.filename or folder), error) from None
    print(f"removed {what}")


def _is_answered_yes(question: str) -> bool:
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:  # Ctrl-D
        print()
        return False


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser("analysis.sync", __doc__, "runs/demo")
    parser.add_argument(
        "folders",
        nargs="*",
        type=Path,
        metavar="FOLDER",
        help="a sweep, a run, or a folder of W&B's; default: runs/",
    )
    parser.add_argument(
        "--prune",
        action="store_true",
        help="remove the files of W&B's that have arrived, once every row has been read back; asks",
    )
    parser.add_argument("--yes", action="store_true", help="with --prune: don't ask")
    options = parser.checked(arguments)
    options.folders = options.folders or [config.default_root()]
    for folder in options.folders:
        if not folder.is_dir():
            near = nearest_folder(folder, config.default_root())
            named = near and str(near)
            raise ConfigError("", folder, "a folder of runs", named, wrong="is no folder")
    if options.prune and not options.yes and not sys.stdin.isatty():
        wrong = "asks before it removes anything, and there is no terminal"
        raise ConfigError("", "--prune", "--prune --yes, or a terminal", wrong=wrong)
    return options


if __name__ == "__main__":
    process.finish(main)
