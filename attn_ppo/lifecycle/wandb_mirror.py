"""Where a row of metrics goes besides metrics.csv and the terminal: to Weights & Biases.

Nothing here ever raises for a reason of its own: a dead server is no reason to end a run.
"""

import csv
import logging
import os
import queue
import secrets
import shlex
import shutil
import ssl
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from attn_ppo import config
from attn_ppo.config import RunConfig
from attn_ppo.lifecycle.run_dir import video_path
from attn_ppo.lifecycle.timeout import call_with_timeout

# Going offline takes at most 2 s to import wandb, ONLINE, SHUT_DOWN, and 1 s to start again: 10.
# So does a finish: FINISH, 1 s in which W&B tells that it gave up, SHUT_DOWN.
CHECK_SECONDS, INIT_SECONDS, ONLINE_SECONDS = 3, 4.5, 5
FINISH_SECONDS, SHUT_DOWN_SECONDS = 6, 2
# A row's way to W&B's own process. All 10,000 of a run may wait for it if a resume is soon over.
PASS_ON_SECONDS = 0.001
# What W&B would otherwise print, copy or look up: nothing of the machine, its environment, its
# repository or our code leaves with a run.
QUIET: dict[str, Any] = {
    "silent": True,
    "console": "off",
    "symlink": False,
    "use_dot_wandb": False,
    "init_timeout": INIT_SECONDS,
    "finish_timeout": FINISH_SECONDS,
    "finish_timeout_raises": True,
    "disable_code": True,
    "save_code": False,
    "disable_git": True,
    "disable_job_creation": True,
    "label_disable": True,
    "host": "",
    "program": "",
    "program_relpath": "",
    "program_abspath": "",
    "x_disable_meta": True,
    "x_disable_stats": True,
    "x_disable_machine_info": True,
    "x_save_requirements": False,
}
TRAINING_VIDEO = "video/training"  # its name on W&B


class WandbMirror:
    """One run on W&B, or recorded for it on disk, or neither: training goes on all the same.

    `auto` is online where somebody is logged in and the server answers, else offline, unless
    WANDB_MODE or `wandb offline` ask for less. `online` falls back to offline too. A fallback
    costs one line through `say`, which names the cause and the command that uploads later.
    Rows leave from a thread of their own, so a `write` takes microseconds whatever W&B does, and
    `finish` takes 10 s at most, some more where rows from before a resume still wait. What did not
    arrive by then stays on disk for `wandb sync`.
    Whoever opens this calls `finish` on every way out: W&B takes an unfinished run for a success.

    metrics.csv in `run_dir` is the record and this its mirror, an update's number being W&B's
    `_step`. Rows that it holds from before are sent too, unless W&B has them: with the `run_id` of
    an earlier part of the run, W&B gets each update once, however that part ended. Online, W&B
    tells how far it got. Offline, it can't, so each part's folder holds the whole run.
    The row of an update for which `film_due` waits for its video, or for the next row.
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
        film_due: Callable[[int], bool] = lambda _: False,
    ) -> None:
        self.mode, self.run_id, self._film_due = "disabled", run_id, film_due
        self._run: Any = None
        self._say, self._trouble, self._told, self._arrived = say, "", False, True
        self._folder = Path(run_dir).absolute()
        if mode == "disabled":
            return
        about = {"project": project, "entity": entity, "name": name, "group": group}
        about |= {"tags": list(dict.fromkeys(tags)), "config": dict(config)}
        about |= {"id": run_id or secrets.token_hex(4), "dir": str(self._folder)}
        try:
            recorded = _recorded(self._folder)
            self._run, cause = _open(mode, about)
        except Exception as error:
            recorded = []
            cause = "wandb is not installed" if isinstance(error, ImportError) else _cause(error)
        if self._run is not None:
            self._begin(recorded, cause)
        elif cause:
            say(f"W&B: records nothing, {cause}; metrics.csv has it all")

    def write(self, row: Mapping[str, float]) -> None:
        """Send the row of one `update`; nan and infinities arrive as such. Never waits."""
        if self._run is None or self._told:
            return
        self._rows.put(dict(row))
        if self._trouble:
            self._told = True
            self._say(f"W&B: records no more, {self._trouble}; metrics.csv has it all")

    def film(self, films: Mapping[str, Path], *, env_steps: int, update: int | None = None) -> None:
        """Send mp4 files, by name, to the row of an `update`, else after all rows. Never waits."""
        row: dict[str, Any] = {"env_steps": env_steps, **films}
        if self._run is not None and not self._told:
            self._rows.put(row if update is None else row | {"update": update})

    def finish(
        self,
        summary: Mapping[str, Any] | None = None,
        *,
        exit_code: int = 0,
        hurry: bool = False,
    ) -> bool:
        """Put `summary` beside the run's last values and end it. Safe to call again.

        Returns whether W&B has all that it was sent: also True where nothing was to be sent. In a
        `hurry`, after a second at most: a resume sends what did not arrive.
        """
        run, self._run = self._run, None
        if run is None:
            return self._arrived

        def end() -> None:
            self._rows.put(None)
            self._sender.join()
            if self._trouble:
                raise RuntimeError(self._trouble)
            run.summary.update(dict(summary or {}))
            run.finish(exit_code=exit_code)

        try:
            seconds = FINISH_SECONDS + 1 + PASS_ON_SECONDS * self._rows.qsize()
            call_with_timeout(1 if hurry else seconds, end)
            cause = ""
        except Exception as error:
            cause = _cause(error)
            if not self._told:
                self._say(f"W&B: not all has arrived, {cause}; {self._how_to_sync}")
        _shut_down()  # before that, files may lack their end
        self._arrived = not cause
        if self._arrived:
            _remove_earlier_parts(run)
        return self._arrived

    def _begin(self, recorded: list[dict[str, Any]], cause: str) -> None:
        self.mode = "offline" if self._run.offline else "online"
        self.run_id = self._run.id
        self._how_to_sync = f"wandb sync {shlex.quote(self._run.settings.sync_dir)}"
        state = f"offline, {cause}; {self._how_to_sync}" if cause else self._run.url
        self._say(f"W&B: {state}")
        self._rows: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        for row in recorded:
            self._rows.put(row)
        self._sender = threading.Thread(target=self._send, args=(self._run,), daemon=True)
        self._sender.start()

    def _send(self, run: Any) -> None:
        """Passes rows on to W&B until None comes; rows arrive there in order or not at all."""
        try:
            first = run.starting_step  # W&B has those before it
            for row in iter(self._rows.get, None):
                if "update" not in row:
                    run.log(_with_films(row))
                elif row["update"] >= first:
                    waits = self._film_due(int(row["update"])) and not _paths(row)
                    run.log(_with_films(row), step=int(row["update"]), commit=not waits)
        except Exception as error:
            self._trouble = _cause(error)


def of_run(
    settings: RunConfig,
    folder: Path,
    run_id: str | None,
    say: Callable[[str], object],
    *,
    mode: str | None = None,
) -> WandbMirror:
    """The run on W&B, grouped by sweep, game and lambda as tags; `mode` unless it says."""
    logging = settings.wandb
    return WandbMirror(
        mode=mode or logging.mode,
        project=logging.project,
        entity=logging.entity,
        tags=[*logging.tags, settings.env, f"lambda={config.plain(settings.lambda_)}"],
        name=settings.label,
        group=settings.name,
        config=config.as_dict(settings),
        run_dir=folder,
        run_id=run_id,
        say=say,
        film_due=settings.videos.due,
    )


def of_evaluation(result: Mapping[str, Any]) -> dict[str, Any]:
    """What a W&B run's summary shows of evaluation.json."""
    keys = ("score_mean", "score_std", "attention_entropy", "episodes")
    return {f"evaluation/{key}": result[key] for key in keys if key in result}


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
        deadline = time.monotonic() + ONLINE_SECONDS
        try:
            _check_access(settings.base_url)
            left = deadline - time.monotonic()
            return call_with_timeout(left, lambda: _start("online", about)), ""
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

    # On a full disk each line of W&B's own log costs a traceback on the terminal.
    logging.getLogger("wandb").setLevel(logging.CRITICAL + 1)
    # An offline run that may be resumed has its steps renumbered by `wandb sync`.
    resume = "allow" if mode == "online" else None
    run = wandb.init(mode=mode, resume=resume, reinit="create_new", **about)
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
        call_with_timeout(
            CHECK_SECONDS, lambda: urllib.request.urlopen(url, timeout=CHECK_SECONDS).close()
        )
    except urllib.error.HTTPError:
        return  # an answer, whatever it says
    except Exception as error:
        if not isinstance(getattr(error, "reason", None), ssl.SSLError):  # wandb-core decides
            raise ConnectionError(f"{url} does not answer") from error


def _recorded(folder: Path) -> list[dict[str, Any]]:
    """The rows of metrics.csv with their videos; to W&B 3.0 is 3. [] where there are none."""
    table = folder / "metrics.csv"
    if not table.exists():
        return []
    with open(table, newline="") as file:
        rows = [{key: float(cell) for key, cell in row.items()} for row in csv.DictReader(file)]
    paths = [video_path(folder, int(row["update"])) for row in rows]
    return [
        row | ({TRAINING_VIDEO: path} if path.exists() else {})
        for row, path in zip(rows, paths, strict=True)
    ]


def _paths(row: Mapping[str, Any]) -> dict[str, Path]:
    return {key: value for key, value in row.items() if isinstance(value, Path)}


def _with_films(row: dict[str, Any]) -> dict[str, Any]:
    """A row as W&B takes it, with its videos that are still there."""
    import wandb

    paths = _paths(row)
    films = {key: wandb.Video(path) for key, path in paths.items() if path.exists()}
    return {key: value for key, value in row.items() if key not in paths} | films


def _remove_earlier_parts(run: Any) -> None:
    """Remove the folders that a finished W&B run's earlier parts left, which it stands for.

    Not those with more in them than its own: W&B keeps quiet about a full disk. Times are written
    with more digits or fewer, so equal rows don't make equal sizes.
    """

    def size(folder: Path) -> int:
        return sum(log.stat().st_size for log in folder.glob("*.wandb"))

    own = Path(run.settings.sync_dir)
    for folder in own.parent.glob(f"*run-*-{run.id}"):
        if folder != own and (not run.offline or size(folder) <= 1.01 * size(own)):
            shutil.rmtree(folder, ignore_errors=True)


def _shut_down() -> None:
    """End W&B's process, and with it what it still holds: ids, the login, a wait at exit."""
    import wandb

    try:
        call_with_timeout(SHUT_DOWN_SECONDS, wandb.teardown)
    except Exception:
        return  # it goes when we go


def _cause(error: Exception) -> str:
    """The first line of what went wrong, short enough for a terminal."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")[:160]
