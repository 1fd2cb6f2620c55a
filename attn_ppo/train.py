"""`python -m attn_ppo.train`: from a command line to a run, or to a sweep of runs.

Settings are checked before torch is imported, so that a typo is reported within two seconds. The
life of a run is in run.py, which needs torch and is imported late.
"""

from attn_ppo.lifecycle import process

if __name__ == "__main__":
    process.begin()

from collections.abc import Sequence

from attn_ppo.config import RunConfig
from attn_ppo.errors import ConfigError, ExitCode, RunError, report
from attn_ppo.launch import advice, command_line, parent, sweep
from attn_ppo.lifecycle.disk import check_writable
from attn_ppo.lifecycle.run_dir import RunDir, is_done
from attn_ppo.lifecycle.signals import stop_request


def main(argv: Sequence[str]) -> int:
    """Does what the command line says; returns the exit code."""
    try:
        asked = command_line.parse(argv)
        if asked.shows:
            return sweep.show(asked)
        sweep.check(asked)
        check_writable(c.folder for c in asked.configs if not is_done(c))
    except (ConfigError, RunError) as error:
        return report(error)
    except OSError as error:
        where = error.filename or "the working folder"
        return report(RunError(ExitCode.DISK, f"can't read {where}: {error.strerror}"))
    advice.say_first(asked.configs, asked.overrides)
    code = sweep.run_all(asked) if asked.is_sweep else train(asked.configs[0])
    advice.say_last(asked.configs)
    return code


def train(settings: RunConfig) -> int:
    """One run, unless it is already done; returns the exit code, which status.json has too."""
    if is_done(settings):
        print(f"{settings.folder} is done already")
        return ExitCode.DONE
    parent.follow_parent()  # a sweep's runs end with it
    try:
        _train(settings)
    except Exception as error:
        return process.tell_how_to_go_on(report(error))
    return ExitCode.DONE


def _train(settings: RunConfig) -> None:
    from attn_ppo.agent import device_for  # torch only now, see above
    from attn_ppo.compute import backends
    from attn_ppo.run import run

    device = device_for(settings)
    backends.choose(settings, device)  # a backend that isn't available leaves no folder
    with stop_request() as stop, RunDir(settings) as run_dir:
        run(settings, run_dir, device, stop)


if __name__ == "__main__":
    process.finish(main, unwinds=False)
