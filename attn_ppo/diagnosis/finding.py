"""What a check of the doctor's finds."""

import sys
from typing import Any, NamedTuple

OK, WARN, BAD = "ok", "warn", "bad"  # bad: a run would stop at it


class Finding(NamedTuple):
    """The state, one of OK, WARN and BAD, and what was found, for people and for programs."""

    state: str
    told: str  # a sentence
    mend: str = ""  # a command, or what to do; "" where nothing is amiss
    facts: dict[str, Any] = {}  # noqa: RUF012 nobody changes it


def pip_install(what: str) -> str:
    """The command that installs it where this Python finds it."""
    return f"{sys.executable} -m pip install {what}"
