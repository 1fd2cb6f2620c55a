"""How a command of ours begins and ends: `begin` before its imports, `finish` at its end."""

import atexit
import contextlib
import os
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from attn_ppo.errors import ExitCode
from attn_ppo.lifecycle import streams
from attn_ppo.lifecycle.signals import handle, let_in, say_at_once

SCRIPT = "attn-ppo-"  # how the names of our console scripts begin


def begin() -> None:
    """From here on printing can't fail, and a signal to stop ends the process with a line and 75.

    The imports that follow take seconds, and an exception in the middle of them comes out as
    anything. Signals that were held back until now are answered now. Here and in the processes that
    this one starts, threads that wait leave a busy machine its processors.
    """
    streams.repair()
    # What is registered first is called last. Then Python takes its handlers away: without this a
    # signal would end a command that has done all its work.
    atexit.register(handle, signal.SIG_IGN)
    handle(_leave)
    let_in()
    from attn_ppo.compute import devices  # late, as `shutil` below

    devices.wait_briefly()


def finish(main: Callable[[Sequence[str]], int], *, unwinds: bool = True) -> NoReturn:
    """Ends the process with what `main` returns for the command line.

    A signal to stop raises KeyboardInterrupt in it, so that it removes what is half done; a second
    one ends the process at once. With `unwinds=False` the first one does, unless `main` has
    handlers of its own.
    """
    code: Any = ExitCode.PREEMPTED
    try:
        if unwinds:
            sys.unraisablehook = _interrupt_again
            handle(_interrupt)
        code = main(sys.argv[1:])
    except KeyboardInterrupt:
        say_at_once("stopped")
    except SystemExit as ended:  # argparse's
        code = ended.code
    handle(lambda *_: _exit(code))  # what is left is the interpreter's own
    # Python notes an interrupt that came in code made from text, as dataclasses are, and would end
    # by SIGINT in place of `code`, though the interrupt was caught. The next such code clears that.
    exec("")
    sys.exit(code)


def command() -> str:
    """The command of this process, to be typed again: a console script's without its Python."""
    words = sys.orig_argv
    if len(words) > 1 and (name := os.path.basename(words[1])).startswith(SCRIPT):
        import shutil  # late, as this module is imported before signals are handled

        found = shutil.which(name)
        same = found and os.path.exists(words[1]) and os.path.samefile(found, words[1])
        words = [name if same else words[1], *words[2:]]
    return shlex.join(words)


def tell_how_to_go_on(code: ExitCode) -> ExitCode:
    """Prints the command that goes on, where one that ends with `code` can; returns the code."""
    if code == ExitCode.PREEMPTED:
        print(f"to continue: {command()}", file=sys.stderr)
    return code


def _leave(number: int, _: Any) -> None:
    say_at_once(f"{signal.Signals(number).name}: stopped, nothing was begun")
    _exit(ExitCode.PREEMPTED)


def _interrupt(*_: Any) -> None:
    handle(lambda *_: _exit(ExitCode.PREEMPTED))
    raise KeyboardInterrupt


def _interrupt_again(lost: Any) -> None:
    """Python drops what is raised in a destructor or a callback: an interrupt follows anew."""
    if issubclass(lost.exc_type, KeyboardInterrupt):
        signal.signal(signal.SIGALRM, _interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.01)  # once that is over
    else:
        sys.__unraisablehook__(lost)


def _exit(code: Any) -> NoReturn:
    with contextlib.suppress(RuntimeError):  # in the middle of a write of the stream's own
        sys.stdout.flush()
    os._exit(code if isinstance(code, int) else int(bool(code)))
