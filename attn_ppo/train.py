"""`python -m attn_ppo.train`: from a command line to a run, or to a sweep of runs.

Settings are checked before torch is imported, so that a typo is told within a second; the life of
a run is in run.py, which imports it.
"""

import contextlib
import sys
import traceback
from collections.abc import Sequence

from attn_ppo.config import RunConfig
from attn_ppo.errors import ConfigError, ExitCode, RunError, describe
from attn_ppo.launch import command_line, parent, sweep
from attn_ppo.lifecycle.disk import check_writable
from attn_ppo.lifecycle.run_dir import RunDir, read_status
from attn_ppo.lifecycle.signals import StopRequest, stop_request


def main(argv: Sequence[str]) -> int:
    """Does what the command line says; returns the exit code."""
    try:
        asked = command_line.parse(argv)
        if asked.shows:
            return sweep.show(asked.shows)
        sweep.check_folders(asked.configs)
        folders = [settings.folder for settings in asked.configs]
        check_writable(f for f in folders if read_status(f).get("state") != "done")
    except (ConfigError, RunError) as error:
        code, text = describe(error)
        print(text, file=sys.stderr)
        return code
    except OSError as error:
        where = error.filename or "the working folder"
        print(f"error: can't read {where}: {error.strerror}", file=sys.stderr)
        return ExitCode.DISK
    if asked.is_sweep:
        return sweep.run_all(asked)
    return train(asked.configs[0])


def train(settings: RunConfig) -> int:
    """One run, unless it is already done; returns the exit code, which status.json has too."""
    folder = settings.folder
    if read_status(folder).get("state") == "done":
        print(f"{folder} is done already")
        return ExitCode.DONE
    with stop_request() as stop:
        parent.serve()
        return _train(settings, stop)


def _train(settings: RunConfig, stop: StopRequest) -> int:
    from attn_ppo.agent import device_for
    from attn_ppo.compute import backends  # torch only now, see above
    from attn_ppo.run import run

    run_dir = None
    try:
        device = device_for(settings)
        backends.choose(settings, device, None)  # what can't be had leaves no folder
        run_dir = RunDir(settings)
        run(settings, run_dir, device, stop)
    except Exception as error:
        return _ended(run_dir, error)
    finally:
        if run_dir:
            run_dir.close()
    return ExitCode.DONE


def _ended(run_dir: RunDir | None, error: Exception) -> int:
    """Leaves in status.json, where the folder is ours, why the run ended, and tells it."""
    code, told = describe(error)
    if run_dir:
        state = "preempted" if code == ExitCode.PREEMPTED else "failed"
        cause = told.partition("\n")[0].removeprefix("error: ")
        with contextlib.suppress(OSError):  # a full disk is the cause already told
            run_dir.write_status(state, cause=cause, exit_code=int(code))
    if code == ExitCode.RUN_FAILED:
        traceback.print_exception(error)
    print(told, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
