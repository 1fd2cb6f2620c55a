"""Where a row of metrics goes besides metrics.csv and the terminal: to Weights & Biases.

Nothing here ever raises for a reason of its own: a dead server is no reason to end a run.
"""

import os
import queue
import secrets
import shlex
import ssl
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

CHECK_SECONDS, INIT_SECONDS, FINISH_SECONDS = 3, 10, 10
# What W&B would otherwise print, copy or look up: nothing of the machine, its environment, its
# repository or our code leaves with a run.
QUIET: dict[str, Any] = {
    "silent": True, "console": "off", "symlink": False, "use_dot_wandb": False,
    "init_timeout": INIT_SECONDS, "finish_timeout": FINISH_SECONDS, "finish_timeout_raises": True,
    "disable_code": True, "save_code": False, "disable_git": True, "disable_job_creation": True,
    "label_disable": True, "host": "", "program": "", "program_relpath": "", "program_abspath": "",
    "x_disable_meta": True, "x_disable_stats": True, "x_disable_machine_info": True,
    "x_save_requirements": False,
}  # fmt: skip


class Wandb:
    """One run on W&B, or recorded for it on disk, or neither: training goes on all the same.

    `auto` is online where somebody is logged in and the server answers, else offline, unless
    WANDB_MODE or `wandb offline` ask for less. `online` falls back to offline too. A fallback
    costs one line through `say`, which names the cause and the command that uploads later.
    Rows leave from a thread of their own, so a `write` takes microseconds whatever W&B does, and
    `finish` takes some 15 s at worst. What did not arrive by then stays on disk for `wandb sync`.
    Whoever opens this calls `finish` on every way out: W&B takes an unfinished run for a success.

    A `run_id` from an earlier part of the same run continues it. Offline, each part has its own
    `run_dir`/wandb/offline-run-*-`run_id` folder; the command given syncs them in order into one
    run. Parts overlap by the updates between the last checkpoint and the interruption, and
    their `_step` is W&B's own count: draw over `env_steps`, the last row of equal ones counts.
    """

    mode: str
    """What it came to: online, offline or disabled."""
    run_id: str | None
    """W&B's name of the run, to be kept for a resume; as it was given where W&B is disabled."""

    def __init__(
        self,
        *,
        mode: str,
        project: str,
        entity: str | None,
        tags: list[str] | tuple[str, ...],
        name: str,
        group: str | None,
        config: Mapping[str, Any],
        run_dir: Path | str,
        run_id: str | None = None,
        say: Callable[[str], object] = print,
    ) -> None:
        self.mode, self.run_id = "disabled", run_id
        self._run: Any = None
        self._say, self._trouble, self._told = say, "", False
        self._folder = Path(run_dir).absolute()
        if mode == "disabled":
            return
        about = {"project": project, "entity": entity, "name": name, "group": group}
        about |= {"tags": list(dict.fromkeys(tags)), "config": dict(config)}
        about |= {"id": run_id or secrets.token_hex(4), "dir": str(self._folder)}
        try:
            self._run, cause = _open(mode, about)
        except ImportError:
            cause = "wandb is not installed"
        except Exception as error:
            cause = _cause(error)
        if self._run is not None:
            self._begin(cause)
        elif cause:
            say(f"W&B: records nothing, {cause}; metrics.csv has it all")

    def write(self, row: Mapping[str, float]) -> None:
        """Send a row; nan and infinities arrive as such. Never waits."""
        if self._run is None or self._told:
            return
        self._rows.put(dict(row))
        if self._trouble:
            self._told = True
            self._say(f"W&B: records no more, {self._trouble}; metrics.csv has it all")

    def finish(self, summary: Mapping[str, Any] | None = None, *, exit_code: int = 0) -> None:
        """Put `summary` beside the run's last values and end it. Safe to call again."""
        run, self._run = self._run, None
        if run is None:
            return

        def end() -> None:
            self._rows.put(None)
            self._sender.join()
            if self._trouble:
                raise RuntimeError(self._trouble)
            run.summary.update(dict(summary or {}))
            run.finish(exit_code=exit_code)

        try:
            _within(FINISH_SECONDS + 2, end)
        except Exception as error:
            if not self._told:
                self._say(f"W&B: not all has arrived, {_cause(error)}; {self._how_to_sync()}")
        _shut_down()

    def _begin(self, cause: str) -> None:
        self.mode = "offline" if self._run.offline else "online"
        self.run_id = self._run.id
        state = f"offline, {cause}; {self._how_to_sync()}" if cause else self._run.url
        self._say(f"W&B: {state}")
        self._rows: queue.SimpleQueue[dict[str, float] | None] = queue.SimpleQueue()
        self._sender = threading.Thread(target=self._send, args=(self._run,), daemon=True)
        self._sender.start()

    def _send(self, run: Any) -> None:
        try:
            for row in iter(self._rows.get, None):
                run.log(row)
        except Exception as error:
            self._trouble = _cause(error)

    def _how_to_sync(self) -> str:
        kind = "offline-run" if self.mode == "offline" else "run"
        return f"wandb sync {shlex.quote(str(self._folder / 'wandb'))}/{kind}-*-{self.run_id}"


def _open(mode: str, about: dict[str, Any]) -> tuple[Any, str]:
    """A started W&B run and why it is not online, "" if it is; None where none is wanted."""
    # Its error reports go to the same server and hold up the exit by 10 s or more if that hangs.
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb

    hooks = sys.exit, sys.excepthook  # wandb puts its own there, one more for every run
    try:
        quiet = {key: value for key, value in QUIET.items() if key in wandb.Settings.model_fields}
        settings = wandb.setup(wandb.Settings(**quiet)).settings
        if mode == "auto" and settings.mode in ("offline", "disabled"):
            mode = settings.mode
        if mode == "disabled":
            _shut_down()
            return None, ""
        if mode == "offline":
            return _start(mode, about), "as asked for"
        settings.mode = "online"
        try:
            _check_access(settings.base_url)
            return _within(INIT_SECONDS + 3, lambda: _start("online", about)), ""
        except Exception as error:
            cause = _cause(error)
        _shut_down()  # a failed init keeps its id until then: "run ID is in use"
        wandb.setup(wandb.Settings(**quiet))
        return _start("offline", about), cause
    finally:
        sys.exit, sys.excepthook = hooks


def _start(mode: Literal["online", "offline"], about: dict[str, Any]) -> Any:
    """A W&B run over env_steps. Its link into the home folder, which no copy survives, goes."""
    import wandb

    run = wandb.init(mode=mode, resume="allow", reinit="create_new", **about)
    run.define_metric("env_steps")
    run.define_metric("*", step_metric="env_steps")
    Path(run.settings.sync_dir, "logs", "debug-core.log").unlink(missing_ok=True)
    return run


def _check_access(url: str) -> None:
    """Raise unless somebody is logged in, without asking anybody, and the server is there.

    Left to itself, `init` takes its whole time limit to find out about either.
    """
    import wandb

    if not wandb.login(prompt=False, verify=False):
        raise PermissionError("nobody is logged in")
    try:
        # in a thread: the timeout does not cover the look-up of the name
        _within(CHECK_SECONDS, lambda: urllib.request.urlopen(url, timeout=CHECK_SECONDS).close())
    except urllib.error.HTTPError:
        return  # an answer, whatever it says
    except Exception as error:
        if not isinstance(getattr(error, "reason", None), ssl.SSLError):  # wandb-core decides
            raise ConnectionError(f"{url} does not answer") from error


def _shut_down() -> None:
    """End W&B's process, and with it what it still holds: ids, the login, a wait at exit."""
    import wandb

    try:
        _within(2, wandb.teardown)
    except Exception:
        return  # it goes when we go


def _within(seconds: float, call: Callable[[], Any]) -> Any:
    """What `call` returns or raises, TimeoutError if that takes longer than `seconds`."""
    outcome: list[Any] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            outcome.append(call())
        except BaseException as error:  # wandb's teardown may call sys.exit
            failure.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if failure:
        raise failure[0] if isinstance(failure[0], Exception) else RuntimeError(repr(failure[0]))
    if not outcome:
        raise TimeoutError(f"no answer within {seconds} s")
    return outcome[0]


def _cause(error: Exception) -> str:
    """The first line of what went wrong, short enough for a terminal."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")[:160]
