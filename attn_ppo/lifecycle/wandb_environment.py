"""What the variables WANDB_* ask for: heeded as W&B does, passed over with a reason, or too much.

heeded · note, without_those_of_one_run. Nothing here imports wandb.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

MODES = ("online", "offline", "disabled", "shared", "dryrun", "run")  # as W&B knows them
TRUE = ("1", "true", "t", "yes", "y", "on")
# What keeps W&B from printing, and from collecting anything about the machine, its environment, the
# repository or the code. The variable of such a setting is passed over.
QUIET: dict[str, Any] = {
    "silent": True,
    "console": "off",
    "symlink": False,
    "use_dot_wandb": False,
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
_PRIVATE = "W&B gets rows, settings and videos alone, and prints nothing"
_OWN = "the runs of a sweep have their own"
_RESUME = "a run resumes by its own checkpoint"
_TIME = "W&B may not hold up a run"
_REASONS = {
    "WANDB_DIR": "W&B's files are in the run's folder",
    "WANDB_RESUME": _RESUME,
    "WANDB_RESUME_FROM": _RESUME,
    "WANDB_FORK_FROM": _RESUME,
    "WANDB_INIT_TIMEOUT": _TIME,
    "WANDB_FINISH_TIMEOUT": _TIME,
}
_OF_ONE_RUN = ("WANDB_NAME", "WANDB_RUN_ID")


@contextmanager
def heeded() -> Iterator[str]:
    """Leaves W&B only those variables that hold here; yields what is wrong with WANDB_MODE, or "".

    W&B refuses to start where any of them doesn't suit it. So a mode is read in any case, and one
    that doesn't exist means offline: nothing is sent that someone may have meant to keep.
    WANDB_DISABLED, which W&B itself no longer knows, still disables.
    """
    before = {name: value for name, value in os.environ.items() if name.startswith("WANDB")}
    word, trouble = before.get("WANDB_MODE", "").strip().lower(), ""
    mode = word or "online"
    if mode not in MODES:
        mode, trouble = "offline", f"WANDB_MODE={word} is none of online, offline, disabled"
    if before.get("WANDB_DISABLED", "").strip().lower() in TRUE:
        mode = "disabled"
    for name, value in before.items():
        if name in _REASONS or _setting(name) in QUIET or not value.strip():
            del os.environ[name]
    if word or mode == "disabled":
        os.environ["WANDB_MODE"] = mode
    try:
        yield trouble
    finally:
        os.environ.pop("WANDB_MODE", None)
        os.environ.update(before)


def note(environ: Mapping[str, str], *, sweep: bool = False) -> str:
    """A line naming the variables that ask for what a run, or a sweep, doesn't do; "" for none."""
    given = {name: value.strip() for name, value in environ.items() if value.strip()}
    reasons = _REASONS | (dict.fromkeys(_OF_ONE_RUN, _OWN) if sweep else {})
    found = {name: why for name, why in reasons.items() if name in given}
    for name, value in given.items():
        key = _setting(name)
        if key in QUIET and not _agrees(value.lower(), QUIET[key]):
            found[name] = _PRIVATE
    listed = ", ".join(f"{name} ({why})" for name, why in found.items())
    return f"W&B: passed over: {listed}" if listed else ""


def without_those_of_one_run(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment for the runs of a sweep, which have their own names and ids."""
    return {name: value for name, value in environ.items() if name not in _OF_ONE_RUN}


def _setting(variable: str) -> str:
    """W&B's own name of a setting: save_code for WANDB_SAVE_CODE, x_... for WANDB__..."""
    name = variable.removeprefix("WANDB_")
    return (f"x{name}" if name.startswith("_") else name).lower() if name != variable else ""


def _agrees(value: str, quiet: Any) -> bool:
    return (value in TRUE) == quiet if isinstance(quiet, bool) else value == quiet
