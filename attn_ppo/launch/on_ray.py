"""What the engine `ray` needs besides its launcher: a Ray that only this machine reaches, an end.

Ray ends its workers the hard way. Their runs notice (parent.py), save and end, if Ray lets them.
"""

import contextlib
import importlib
import os
import threading
import time
from collections.abc import Callable

SETTINGS = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # listens on loopback only, as on those systems
    "RAY_kill_child_processes_on_worker_exit": "false",  # a run saves when its worker is gone
    "RAY_process_group_cleanup_enabled": "false",
    "RAY_memory_monitor_refresh_ms": "0",  # the kernel ends the run, and its worker can tell why
    "RAY_USAGE_STATS_ENABLED": "0",
}


def prepare(address: str | None) -> None:
    """Settings of a Ray of our own, in the environment before it is imported."""
    if address == "local":
        for name, value in SETTINGS.items():
            os.environ.setdefault(name, value)


def launch(
    start: Callable[[], object],
    note_interrupts: Callable[[], None],
    interrupted: Callable[[], bool],
) -> None:
    """Calls `start` and raises what it raises; ends Ray afterwards, and when interrupted.

    In a thread, because nothing else gets it out of waiting for its tasks.
    """
    raised: list[BaseException] = []

    def call() -> None:
        try:
            start()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    while thread.is_alive() and not interrupted():
        note_interrupts()  # Ray, as it starts, puts handlers of its own in their place
        time.sleep(0.2)
    with contextlib.suppress(ImportError):
        importlib.import_module("ray").shutdown()
    if raised and not interrupted():
        raise raised[0]
