"""`python -m bench.busy`: speed on a machine that other processes keep busy, beside a peer's.

`beside` is the measurement, which `python -m bench` makes too.
"""

from attn_ppo.lifecycle import process

if __name__ == "__main__":
    process.begin()

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence

from attn_ppo.arguments import Parser
from attn_ppo.atari import games
from attn_ppo.errors import ConfigError, ExitCode, report
from bench import machine
from bench.contenders import AGENT_STEPS, CONTENDERS
from bench.pace import Child, ContenderError, speedup, spread, take_turns
from bench.race import Setup, Tell, child, warm_up

SPINNING = (0, 1, 2, 4)  # processes beside the trainer
PAIR = ("ours", "sb3")
# Computes without a pause, and ends with the process that started it.
SPIN = """
import os, sys
while os.getppid() == int(sys.argv[1]):
    for _ in range(10**5):
        pass
"""


def main(arguments: Sequence[str]) -> int:
    """The command line; returns the exit code."""
    parser = Parser("bench.busy", __doc__, "--minutes 3")
    add = parser.add_argument
    add("--game", type=games.named, default="Breakout", help="by its ALE name; default: Breakout")
    add("--minutes", type=float, default=4, help="default: 4")
    add("--threads", type=int, default=machine.cores(), help="of each contender; default: cores")
    options = parser.parse_args(arguments)
    try:
        games.rom_id(options.game)
    except ConfigError as error:
        return report(error)
    setup = Setup(options.game, options.threads, sys.executable, {})
    deadline = time.monotonic() + 60 * options.minutes
    found = beside(PAIR, setup, deadline, lambda text: print(text, file=sys.stderr, flush=True))
    print("\n".join(lines(found)))
    return ExitCode.DONE


def beside(
    keys: Sequence[str], setup: Setup, deadline: float, tell: Tell
) -> dict[str, dict[int, dict[str, float]]]:
    """Of each contender, by number of busy processes beside it: what `summary` says.

    Contenders and numbers of processes take turns. A contender that fails is left out.
    """
    with contextlib.ExitStack() as stack:
        children: dict[str, Child] = {}
        for key in keys:
            try:
                started = stack.enter_context(child(key, setup, setup.threads))
                warm_up(started)
                children[key] = started
            except ContenderError as error:
                tell(f"{key}, beside busy processes: {error}")
        spinners = stack.enter_context(stopped_spinners(max(SPINNING)))
        turns = {f"{key}, {count} busy": (key, count) for count in SPINNING for key in children}

        def seconds(turn: str) -> float:
            key, count = turns[turn]
            with going_on(spinners[:count]):
                taken = sum(children[key].iterate().values())
            tell(f"{turn}: {taken:.2f} s")
            return taken

        rounds, _ = take_turns(list(turns), seconds, deadline=deadline, at_least=2, tell=tell)
    by_key = {
        key: {count: rounds[turn] for turn, (k, count) in turns.items() if k == key}
        for key in children
        if all(turn in rounds for turn, (k, _) in turns.items() if k == key)
    }
    return summary(by_key, setup.threads, machine.cores())


def summary(
    seconds: Mapping[str, Mapping[int, Sequence[float]]], threads: int, cores: int
) -> dict[str, dict[int, dict[str, float]]]:
    """From an iteration's seconds, round by round, medians: agent steps a second, what part that is
    of the fair share of the speed alone, and the speed over the last contender's beside as many.
    """
    last = list(seconds.values())[-1:]
    return {
        key: {
            count: {
                "agent_steps_per_second": AGENT_STEPS / spread(rounds).median,
                "of_fair_share": speedup(rounds, by_count[0]).median
                / fair_share(threads, count, cores),
                "speedup": speedup(rounds, last[0][count]).median,
            }
            for count, rounds in by_count.items()
        }
        for key, by_count in seconds.items()
    }


def fair_share(threads: int, spinning: int, cores: int) -> float:
    """Of its speed alone, what a trainer has if every thread beside it has as much time as its own.

    All threads together have the cores; alone a trainer has no more of them than its threads.
    """
    return min(1, cores / (threads + spinning)) / min(1, cores / threads)


def lines(found: Mapping[str, Mapping[int, Mapping[str, float]]]) -> list[str]:
    """A line a contender."""
    told = []
    for key, by_count in found.items():
        numbers = [
            f"{count}: {numbers['agent_steps_per_second']:,.0f}"
            + (f" ({100 * numbers['of_fair_share']:.0f} %)" if count else "")
            for count, numbers in by_count.items()
        ]
        what = "beside busy processes, steps/s (of the fair share)"
        told.append(f"{CONTENDERS[key].label}, {what}:  {'  '.join(numbers)}")
    return told


@contextlib.contextmanager
def stopped_spinners(count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that will compute without a pause whenever they go on; gone when this is left."""
    with contextlib.ExitStack() as stack:
        started = []
        for _ in range(count):
            command = [sys.executable, "-c", SPIN, str(os.getpid())]
            spinner = subprocess.Popen(command, process_group=0)
            stack.callback(spinner.wait)
            stack.callback(spinner.kill)
            spinner.send_signal(signal.SIGSTOP)
            started.append(spinner)
        yield started


@contextlib.contextmanager
def going_on(spinners: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    """Lets them compute until this is left."""
    try:
        for spinner in spinners:
            spinner.send_signal(signal.SIGCONT)
        yield
    finally:
        for spinner in spinners:
            spinner.send_signal(signal.SIGSTOP)


if __name__ == "__main__":
    process.finish(main)
