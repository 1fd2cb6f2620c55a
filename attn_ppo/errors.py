"""How a process of ours ends: exit codes, the errors that carry one, and what people read of them.

ExitCode · ConfigError, RunError · describe, report, shorten.
"""

import errno
import sys
from enum import IntEnum
from pathlib import PurePath
from typing import Any

DISK_ERRORS = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EIO,
    errno.EFBIG,
    errno.ENAMETOOLONG,
    errno.ESTALE,
    getattr(errno, "EREMOTEIO", errno.EIO),  # Linux's
}


class ExitCode(IntEnum):
    """What a process of ours ends with."""

    DONE = 0
    RUN_FAILED = 1
    BAD_INPUT = 2
    NOT_FINITE = 3
    DISK = 4
    BUSY = 5
    NO_CHECKPOINT = 6
    HUNG = 7
    PREEMPTED = 75


class RunError(Exception):
    """Why a run or a command can't go on, without a traceback, and the exit code that says so."""

    def __init__(self, code: ExitCode, message: str):
        super().__init__(message)
        self.code = code


class ConfigError(ValueError):
    """Bad input in at most three lines: key and value, what is allowed, the nearest name.

    `wrong` says what is the matter where that isn't the value itself.
    """

    def __init__(
        self,
        key: str,
        value: Any,
        allowed: str,
        nearest: str | None = None,
        *,
        wrong: str = "is not allowed",
    ):
        self.key, self.value, self.wrong = key, value, wrong
        self._parts = key, value, allowed, nearest
        shown = shorten(value, 250 if isinstance(value, PurePath) else 80)
        setting = f"{shorten(key)}={shown}" if key else shown
        lines = [f"error: {setting} {shorten(wrong, 300)}".rstrip()]
        lines += [
            f"allowed: {shorten(allowed, 500)}",
            *([f"nearest: {nearest}"] if nearest else []),
        ]
        super().__init__("\n".join(lines))

    def located(self, where: str) -> "ConfigError":
        """The same error of a value that stands in a file, `where`: its path and line."""
        return ConfigError(*self._parts, wrong=f"{self.wrong} ({where})")


def describe(error: BaseException) -> tuple[ExitCode, str]:
    """The exit code that an error stands for, and what to print of it, at most three lines."""
    if isinstance(error, ConfigError):
        return ExitCode.BAD_INPUT, str(error)
    if isinstance(error, RunError):
        stopped = error.code == ExitCode.PREEMPTED  # in order: no error
        return error.code, str(error) if stopped else f"error: {error}"
    if isinstance(error, OSError) and error.errno in DISK_ERRORS:
        return ExitCode.DISK, f"error: can't write {error.filename or ''}: {error.strerror}"
    return ExitCode.RUN_FAILED, f"error: {type(error).__name__}: {error}"


def report(error: BaseException) -> ExitCode:
    """Prints an error for people, with a traceback where nobody foresaw it; its exit code."""
    code, text = describe(error)
    if code == ExitCode.RUN_FAILED and not isinstance(error, RunError):
        import traceback  # late, as this module is imported before signals are handled

        traceback.print_exception(error)
    print(text, file=sys.stderr)
    return code


def shorten(value: Any, limit: int = 80) -> str:
    """A value for one line of a message: printable, at most `limit` characters."""
    text = "".join(c if c.isprintable() else "?" for c in str(value))
    return text if len(text) <= limit else text[: limit - 3] + "..."
