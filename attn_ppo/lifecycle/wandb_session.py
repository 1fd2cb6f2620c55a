"""W&B's own process and its run: opened online or offline within seconds, and shut down.

check_login, standing · set_up, open_run, shut_down · remove_earlier_parts, put_in_place ·
sync_command · cause_of.
"""

import logging
import os
import secrets
import shlex
import shutil
import ssl
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, NamedTuple

from attn_ppo.errors import ConfigError
from attn_ppo.lifecycle import wandb_environment
from attn_ppo.lifecycle.run_dir import read_status, sweep_of
from attn_ppo.lifecycle.timeout import call_with_timeout

# The limits add up to at most 10 s. Falling back to offline: 2 s to import wandb, ONLINE_SECONDS,
# SHUT_DOWN_SECONDS, 1 s to start again. Finishing: FINISH_SECONDS, 1 s in which W&B reports its own
# timeout, SHUT_DOWN_SECONDS.
CHECK_SECONDS, INIT_SECONDS, ONLINE_SECONDS = 3, 4.5, 5
FINISH_SECONDS, SHUT_DOWN_SECONDS = 6, 2
PROJECT = "attn_ppo"  # where neither the settings nor WANDB_PROJECT name one

# What WANDB_MODE and `wandb offline` may ask for, and the mode that it means to W&B.
LESS_THAN_ONLINE = {"offline": "offline", "dryrun": "offline", "disabled": "disabled"}


def check_login() -> None:
    """Raises ConfigError unless wandb is installed and somebody logged in; asks no server."""
    _give_home(tempfile.gettempdir())
    try:
        with wandb_environment.heeded():
            set_up().mode = "online"
            _check_login()
    except Exception as error:
        why = "wandb is not installed" if isinstance(error, ImportError) else cause_of(error)
        why += " (wandb login)" if isinstance(error, PermissionError) else ""
        raise ConfigError("wandb.mode", "online", f"auto, offline, disabled, since {why}") from None
    shut_down()


class Standing(NamedTuple):
    """How W&B would take a run."""

    mode: str  # that W&B's own settings ask for where it is less than online, else ""
    logged_in: bool
    no_answer: str  # why its server doesn't answer; "" if it does


def standing() -> Standing:
    """Asks W&B and its server, which takes some seconds. Raises ImportError without wandb."""
    _give_home(tempfile.gettempdir())
    logged_in, no_answer = True, ""
    with wandb_environment.heeded():
        settings = set_up()
        mode, settings.mode = LESS_THAN_ONLINE.get(settings.mode, ""), "online"
        try:
            _check_login()
        except PermissionError:
            logged_in = False
        try:
            _check_answer(settings.base_url)
        except ConnectionError as error:
            no_answer = cause_of(error)
    shut_down()
    return Standing(mode, logged_in, no_answer)


def open_run(mode: str, about: dict[str, Any]) -> tuple[Any, str]:
    """Starts a W&B run with wandb.init's arguments `about`; falls back to offline.

    Returns the run and why it is not online ("" if it is); no run, None, where W&B's own settings
    disable it. Raises what wandb does if it can't even record offline.
    """
    # wandb sends error reports to the same server: if that hangs, they delay the exit by 10 s.
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    _give_home(str(about["dir"]))
    import wandb  # noqa: F401 it wraps the hooks already

    hooks = sys.exit, sys.excepthook  # each wandb run wraps these once more
    try:
        with wandb_environment.heeded() as trouble:
            return _open(mode, about, trouble)
    finally:
        sys.exit, sys.excepthook = hooks


def _open(mode: str, about: dict[str, Any], trouble: str) -> tuple[Any, str]:
    """As open_run; `trouble` is why a run that could be online is offline."""
    settings = set_up()
    about = about | _asked_for(settings, about)
    del about["known"]
    if mode == "auto":
        mode = LESS_THAN_ONLINE.get(settings.mode, mode)
    if mode == "disabled":
        shut_down()
        return None, ""
    if mode == "offline":
        return start(mode, about), trouble or "as asked for"
    settings.mode = "online"
    deadline = time.monotonic() + ONLINE_SECONDS
    try:
        _check_access(settings.base_url)
        left = deadline - time.monotonic()
        return call_with_timeout(left, lambda: start("online", about)), ""
    except Exception as error:
        cause = cause_of(error)
    shut_down(exit_code=1)  # until then a failed init occupies its id: "run ID is in use"
    set_up()
    return start("offline", about), cause


def shut_down(exit_code: int = 0) -> None:
    """Ends W&B's process, which holds run ids and the login; runs not ended get `exit_code`."""
    import wandb

    try:
        call_with_timeout(SHUT_DOWN_SECONDS, lambda: wandb.teardown(exit_code))
    except Exception:
        return  # it ends with our process


def remove_earlier_parts(run: Any) -> None:
    """Removes the folders of a finished W&B run's earlier parts, whose rows it holds as well.

    Keeps those that are larger than its own folder: on a full disk W&B loses rows silently. The 1%
    of tolerance is for timestamps, which are written with a varying number of digits.
    """

    own = Path(run.settings.sync_dir)
    for folder in own.parent.glob(f"*run-*-{run.id}"):
        if folder != own and (not run.offline or _holds_all_of(own, folder)):
            shutil.rmtree(folder, ignore_errors=True)


def put_in_place(new: Path, wandb: Path) -> bool:
    """Makes the folder `new` of a finished offline run the one that is kept in `wandb`.

    It takes the name of the run's earlier folder, which the user may know, and at every moment one
    of the two is there. Returns False, and changes nothing, where the earlier one holds more.
    """
    run_id = new.name.rpartition("-")[2]
    earlier = sorted(wandb.glob(f"offline-run-*-{run_id}"))
    if not all(_holds_all_of(new, folder) for folder in earlier):
        return False
    wandb.mkdir(exist_ok=True)
    fresh = new.rename(wandb / new.name)
    for number, folder in enumerate(earlier):
        folder.rename(new.with_name(f"earlier-{number}"))
    if earlier:
        fresh.rename(earlier[-1])
    return True


def sync_command(folders: Iterable[Path]) -> str:
    """The one command that uploads what W&B lacks of these runs; "" where it has everything.

    Where several were recorded offline it names all of their sweep's, by a pattern for the shell.
    """
    folders = list(folders)
    unsent = [f / "wandb" / str(read_status(f).get("wandb_unsent")) for f in folders]
    parts = [part for f in folders for part in sorted((f / "wandb").glob("offline-run-*"))]
    offline = [part for part in parts if not _is_synced(part)]
    words = [shlex.quote(str(part)) for part in offline]
    if len(offline) > 1:
        words = list(dict.fromkeys(map(_pattern, offline)))
    online = [p for p in unsent if p.is_dir() and p not in parts and not _is_synced(p)]
    words += [shlex.quote(str(part)) for part in online]
    return " ".join([*_wandb_sync(online=bool(online)), *words]) if words else ""


def _pattern(part: Path) -> str:
    """For the shell: all folders of W&B's in a part's sweep that are as deep in it."""
    sweep = sweep_of(part.parents[1])
    levels = len(part.parents[1].relative_to(sweep).parts)
    return f"{shlex.quote(str(sweep))}/{'*/' * levels}wandb/offline-run-*"


def _is_synced(part: Path) -> bool:
    return any(part.glob("*.wandb.synced"))


def how_to_sync(part: Path) -> str:
    """The command that uploads one folder of W&B's."""
    online = not part.name.startswith("offline-")
    return " ".join([*_wandb_sync(online=online), shlex.quote(str(part))])


def _wandb_sync(*, online: bool) -> list[str]:
    """W&B's command, as it can be typed here: it may not be on the PATH.

    It skips runs that were begun `online`, even those that it is given, unless told otherwise.
    """
    here = ["wandb"] if shutil.which("wandb") else [shlex.quote(sys.executable), "-m", "wandb"]
    return [*here, "sync", *(["--include-online"] if online else [])]


def _holds_all_of(folder: Path, earlier: Path) -> bool:
    now, then = (sum(log.stat().st_size for log in f.glob("*.wandb")) for f in (folder, earlier))
    return then <= 1.01 * now


def cause_of(error: Exception) -> str:
    """The first line of what went wrong, short enough for a terminal."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    if "validation error" in lines[0] and len(lines) > 2:  # pydantic's, with the value it was given
        lines = [f"{lines[1]}: {lines[2].strip().partition(' [type=')[0]}"]
    return lines[0].rstrip(".")[:160]


def _give_home(folder: str) -> None:
    """Without HOME, for a user without a name, wandb would raise at its import."""
    if os.path.expanduser("~") == "~":
        os.environ["HOME"] = folder


def set_up() -> Any:
    """Makes wandb quiet; returns its settings, to which variables and files contribute."""
    import wandb

    limits = {"init_timeout": INIT_SECONDS, "finish_timeout": FINISH_SECONDS}
    quiet: dict[str, Any] = wandb_environment.QUIET | limits
    known = {key: value for key, value in quiet.items() if key in wandb.Settings.model_fields}
    return wandb.setup(wandb.Settings(**known)).settings


def _asked_for(settings: Any, about: dict[str, Any]) -> dict[str, Any]:
    """Where an earlier part, or W&B's own settings, such as WANDB_NAME, say what it is called."""
    known = about["known"]
    more_tags = known.get("tags") or settings.run_tags or ()
    return {
        "project": about["project"] or known.get("project") or settings.project or PROJECT,
        "name": known.get("name") or settings.run_name or about["name"],
        "group": known.get("group") or settings.run_group or about["group"],
        "job_type": settings.run_job_type or about["job_type"],
        "tags": list(dict.fromkeys([*about["tags"], *more_tags])),
        "id": about["id"] or settings.run_id or secrets.token_hex(4),
    }


def start(mode: Literal["online", "offline"], about: dict[str, Any], **limits: float) -> Any:
    """Starts a W&B run whose charts have env_steps as their x-axis; `limits` are W&B's settings."""
    import wandb

    # On a full disk each line of W&B's own log would print a traceback.
    logging.getLogger("wandb").setLevel(logging.CRITICAL + 1)
    # `wandb sync` renumbers the steps of an offline run that was started with resume="allow".
    resume = "allow" if mode == "online" else None
    run = wandb.init(
        mode=mode, resume=resume, reinit="create_new", settings=limits or None, **about
    )
    run.define_metric("env_steps")
    run.define_metric("*", step_metric="env_steps")
    # A link into the home folder, dangling once the run folder is copied elsewhere.
    Path(run.settings.sync_dir, "logs", "debug-core.log").unlink(missing_ok=True)
    return run


def _check_access(url: str) -> None:
    """Raises unless a user is logged in and the server answers; never prompts.

    wandb.init would take its whole time limit to find out about either.
    """
    _check_login()
    _check_answer(url)


def _check_answer(url: str) -> None:
    """Raises ConnectionError unless the server answers."""
    try:
        # urlopen's own timeout does not cover the DNS lookup.
        call_with_timeout(
            CHECK_SECONDS, lambda: urllib.request.urlopen(url, timeout=CHECK_SECONDS).close()
        )
    except urllib.error.HTTPError:
        return  # any answer will do
    except Exception as error:
        if not isinstance(
            getattr(error, "reason", None), ssl.SSLError
        ):  # wandb-core checks certificates itself
            raise ConnectionError(f"{url} does not answer") from error


def _check_login() -> None:
    import wandb

    if not wandb.login(prompt=False, verify=False):
        raise PermissionError("nobody is logged in")
