"""W&B's own process and its run: opened online or offline within seconds, and shut down.

check_login · open_run, shut_down · remove_earlier_parts · cause_of.
"""

import logging
import os
import secrets
import shutil
import ssl
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Literal

from attn_ppo.errors import ConfigError
from attn_ppo.lifecycle import wandb_environment
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
            _set_up().mode = "online"
            _check_login()
    except Exception as error:
        why = "wandb is not installed" if isinstance(error, ImportError) else cause_of(error)
        raise ConfigError("wandb.mode", "online", f"auto, offline, disabled, since {why}") from None
    shut_down()


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
    settings = _set_up()
    about = about | _asked_for(settings, about)
    if mode == "auto":
        mode = LESS_THAN_ONLINE.get(settings.mode, mode)
    if mode == "disabled":
        shut_down()
        return None, ""
    if mode == "offline":
        return _start(mode, about), trouble or "as asked for"
    settings.mode = "online"
    deadline = time.monotonic() + ONLINE_SECONDS
    try:
        _check_access(settings.base_url)
        left = deadline - time.monotonic()
        return call_with_timeout(left, lambda: _start("online", about)), ""
    except Exception as error:
        cause = cause_of(error)
    shut_down()  # until then a failed init occupies its id: "run ID is in use"
    _set_up()
    return _start("offline", about), cause


def shut_down() -> None:
    """Ends W&B's process, which holds run ids and the login and would delay our exit."""
    import wandb

    try:
        call_with_timeout(SHUT_DOWN_SECONDS, wandb.teardown)
    except Exception:
        return  # it ends with our process


def remove_earlier_parts(run: Any) -> None:
    """Removes the folders of a finished W&B run's earlier parts, whose rows it holds as well.

    Keeps those that are larger than its own folder: on a full disk W&B loses rows silently. The 1%
    of tolerance is for timestamps, which are written with a varying number of digits.
    """

    def size(folder: Path) -> int:
        return sum(log.stat().st_size for log in folder.glob("*.wandb"))

    own = Path(run.settings.sync_dir)
    for folder in own.parent.glob(f"*run-*-{run.id}"):
        if folder != own and (not run.offline or size(folder) <= 1.01 * size(own)):
            shutil.rmtree(folder, ignore_errors=True)


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


def _set_up() -> Any:
    """Makes wandb quiet; returns its settings, to which variables and files contribute."""
    import wandb

    limits = {"init_timeout": INIT_SECONDS, "finish_timeout": FINISH_SECONDS}
    quiet: dict[str, Any] = wandb_environment.QUIET | limits
    known = {key: value for key, value in quiet.items() if key in wandb.Settings.model_fields}
    return wandb.setup(wandb.Settings(**known)).settings


def _asked_for(settings: Any, about: dict[str, Any]) -> dict[str, Any]:
    """Where W&B's own settings, such as WANDB_NAME, decide or add to what the run is called."""
    return {
        "project": about["project"] or settings.project or PROJECT,
        "name": settings.run_name or about["name"],
        "group": settings.run_group or about["group"],
        "tags": list(dict.fromkeys([*about["tags"], *(settings.run_tags or ())])),
        "id": about["id"] or settings.run_id or secrets.token_hex(4),
    }


def _start(mode: Literal["online", "offline"], about: dict[str, Any]) -> Any:
    """Starts a W&B run whose charts have env_steps as their x-axis."""
    import wandb

    # On a full disk each line of W&B's own log would print a traceback.
    logging.getLogger("wandb").setLevel(logging.CRITICAL + 1)
    # `wandb sync` renumbers the steps of an offline run that was started with resume="allow".
    resume = "allow" if mode == "online" else None
    run = wandb.init(mode=mode, resume=resume, reinit="create_new", **about)
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
