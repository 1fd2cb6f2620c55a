"""Calls into other libraries that may hang: abandoned after some seconds, whatever they do."""

import threading
from collections.abc import Callable
from typing import Any


def call_with_timeout(seconds: float, call: Callable[[], Any]) -> Any:
    """Returns or raises what `call` does; TimeoutError if that takes longer than `seconds`.

    A call that timed out goes on in a daemon thread, which ends with the process.
    """
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
