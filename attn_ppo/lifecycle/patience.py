"""Calls into others' code that may hang: given up after some seconds, whatever they do."""

import threading
from collections.abc import Callable
from typing import Any


def within(seconds: float, call: Callable[[], Any]) -> Any:
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
