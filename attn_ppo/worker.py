"""One job of a sweep, in whatever process the launcher put it: it starts the run and waits for it.

A run is a process of its own on every engine, so whatever happens to it stays there.
"""

import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from attn_ppo import config
from attn_ppo.run_dir import FINAL, ExitCode, mark_status, read_status
from attn_ppo.signals import INTERRUPTS, pass_on


def run_one(cfg: DictConfig) -> int:
    """One job of the sweep, wherever the launcher put it: a run in a process of its own."""
    values = OmegaConf.to_container(cfg)
    assert isinstance(values, dict)
    settings = config.from_dict({str(key): value for key, value in values.items()})
    folder = settings.folder
    note_interrupts()  # in the launcher's process, wherever that is
    before = read_status(folder)
    if before.get("state") == "done" or _interrupted:
        return ExitCode.DONE
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "attn_ppo.train", *HydraConfig.get().overrides.task]
    with open(folder / "output.log", "ab") as log:
        code = subprocess.call(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    if code not in (ExitCode.DONE, ExitCode.BUSY):
        _mark_sudden_end(folder, code, before)
    return code


def _mark_sudden_end(folder: Path, code: int, before: Mapping[str, Any]) -> None:
    """Marks a run whose process ended without saying why: killed, or before it had its folder."""
    status = read_status(folder)
    if status.get("state") in FINAL and status.get("heartbeat") != before.get("heartbeat"):
        return
    number = signal.Signals(-code) if code < 0 else None
    lines = (folder / "output.log").read_text(errors="replace").split("\n")
    error = next((line for line in reversed(lines) if line.startswith("error: ")), "")
    cause = f"killed by {number.name}" if number else error.removeprefix("error: ")
    state = "preempted" if number in INTERRUPTS else "failed"
    mark_status(folder, state, cause=cause or f"exit code {code}", exit_code=code)


def note_interrupts() -> None:
    """Lets the runs save and end when the sweep is interrupted, and starts no further one.

    As KeyboardInterrupt it would make joblib kill the runs before they had saved. Ctrl-C reaches
    them as it does us; other signals are passed on, through the launcher's workers where it has
    any. A second one ends the sweep at once.
    """

    def note(number: int, _: Any) -> None:
        global _interrupted
        if _interrupted:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        _interrupted = True
        if number != signal.SIGINT:
            pass_on(number)

    for number in INTERRUPTS:
        if signal.getsignal(number) is not signal.SIG_IGN and not _interrupted:
            signal.signal(number, note)


def interrupted() -> bool:
    """Whether this process has been interrupted."""
    return _interrupted


_interrupted = False
