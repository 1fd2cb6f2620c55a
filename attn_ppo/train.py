"""`python -m attn_ppo.train`: from a command line to a run, or to a sweep of runs.

Settings are checked before torch is imported, so that a typo is told within a second; the life of
a run is in run.py, which imports it.
"""

import contextlib
import sys
import traceback
from collections.abc import Sequence

from attn_ppo import command_line, sweep
from attn_ppo.config import RunConfig
from attn_ppo.run_dir import ExitCode, RunDir, RunError, read_status
from attn_ppo.schema import ConfigError


def main(argv: Sequence[str]) -> int:
    """Does what the command line says; returns the exit code."""
    try:
        asked = command_line.parse(argv)
        sweep.check_folders(asked.configs)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return ExitCode.BAD_INPUT
    if not asked.configs:  # --help, --cfg job, ...
        return sweep.show(argv)
    if asked.is_sweep:
        return sweep.run_all(asked)
    return train(asked.configs[0])


def train(settings: RunConfig) -> int:
    """One run, unless it is already done; returns the exit code, which status.json has too."""
    folder = settings.folder
    if read_status(folder).get("state") == "done":
        print(f"{folder} is done already")
        return ExitCode.DONE
    from attn_ppo.agent import device_for  # torch only now, see above
    from attn_ppo.run import run

    run_dir = None
    try:
        device = device_for(settings)
        run_dir = RunDir(settings)
        run(settings, run_dir, device)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return ExitCode.BAD_INPUT
    except RunError as error:
        print(f"error: {error}", file=sys.stderr)
        return _ended(run_dir, error.code, str(error))
    except Exception as error:
        traceback.print_exc()
        return _ended(run_dir, ExitCode.RUN_FAILED, f"{type(error).__name__}: {error}")
    finally:
        if run_dir:
            run_dir.close()
    return ExitCode.DONE


def _ended(run_dir: RunDir | None, code: int, cause: str) -> int:
    """Leaves in status.json why the run ended; not where the folder isn't ours."""
    if run_dir:
        state = "preempted" if code == ExitCode.PREEMPTED else "failed"
        with contextlib.suppress(OSError):  # a full disk is the cause already told
            run_dir.write_status(state, cause=cause, exit_code=int(code))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
