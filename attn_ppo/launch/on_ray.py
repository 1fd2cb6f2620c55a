"""What the engine `ray` needs besides its launcher: settings of a local Ray, and its shutdown.

Ray kills its workers. With these settings their runs survive that, notice it (parent.py), save and
end.
"""

import contextlib
import importlib
import os
import threading
import time
from collections.abc import Callable

ENVIRONMENT = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # reachable from this machine only
    "RAY_kill_child_processes_on_worker_exit": "false",  # a run saves when its worker is gone
    "RAY_process_group_cleanup_enabled": "false",
    "RAY_memory_monitor_refresh_ms": "0",  # else it kills the worker that would report it
    "RAY_USAGE_STATS_ENABLED": "0",
}


def set_environment(address: str | None) -> None:
    """Sets ENVIRONMENT for a Ray of our own; to be called before ray is imported."""
    if address == "local":
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)


def launch(
    start: Callable[[], object],
    handle_interrupts: Callable[[], None],
    interrupted: Callable[[], bool],
) -> None:
    """Calls `start` and raises what it raises; shuts Ray down afterwards or when interrupted.

    `start` runs in a thread, because Ray's wait for its tasks can't be interrupted.
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
        handle_interrupts()  # again: Ray replaces the signal handlers when it starts
        time.sleep(0.2)
    with contextlib.suppress(ImportError):
        importlib.import_module("ray").shutdown()
    if raised and not interrupted():
        raise raised[0]
