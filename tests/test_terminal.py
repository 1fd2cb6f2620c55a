"""What a run shows while it goes on: a bar on a terminal, plain lines elsewhere."""

import contextlib
import io
import math
import os
import pty
import termios

from attn_ppo.lifecycle.terminal import Terminal

NAN = math.nan


def row(env_steps: int, score: float = NAN, entropy: float = 5.123, rate: float = 512.0):
    return {
        "env_steps": env_steps,
        "episode_return": score,
        "attention_entropy": entropy,
        "env_steps_per_second": rate,
    }


def test_plain_line():
    out = io.StringIO()
    terminal = Terminal("", 1_000_000, file=out, interval=0)
    terminal.write(row(120_832, 12.34))
    # 879,168 steps left at 512/s = 1717.1 s = 28 min 37 s
    assert out.getvalue() == (
        "  120,832 / 1,000,000 steps  12%  512 steps/s  ETA 28:37"
        "  score 12.3  attention entropy 5.12\n"
    )


def test_plain_line_before_anything_is_known():
    out = io.StringIO()
    Terminal("Pong", 1000, file=out, interval=0).write(row(0, NAN, NAN, 0.0))
    assert out.getvalue() == (
        "Pong  0 / 1,000 steps  0%  0 steps/s  ETA -  score -  attention entropy -\n"
    )


def test_plain_lines_keep_their_distance_and_the_last_row_is_shown():
    out, now = io.StringIO(), 100.0
    terminal = Terminal("", 6000, file=out, interval=30, clock=lambda: now)
    for now, steps in ((100.0, 1000), (129.9, 2000), (130.0, 3000), (131.0, 4000)):  # noqa: B007
        terminal.write(row(steps))
    terminal.close()
    terminal.close()
    shown = [line.split(" / ")[0].strip() for line in out.getvalue().splitlines()]
    assert shown == ["1,000", "3,000", "4,000"]


def test_message_is_a_line():
    out = io.StringIO()
    Terminal("", 10, file=out).message("saved")
    assert out.getvalue() == "saved\n"


class Closed(io.StringIO):
    def write(self, _: str) -> int:
        raise BrokenPipeError


def test_lost_terminal_does_not_end_a_run():
    terminal = Terminal("", 10, file=Closed(), interval=0)
    terminal.write(row(5))
    terminal.message("saved")
    terminal.close()


def test_bar_on_a_terminal():
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 120))
    with os.fdopen(theirs, "w") as file:
        terminal = Terminal("Pong seed=0", 1000, 200, file=file)
        terminal.write(row(600, 12.34))
        terminal.message("saved")
        terminal.write(row(1024, 13.0))
        terminal.close()
    written = b""
    with contextlib.suppress(OSError):  # once all has been read
        while part := os.read(ours, 65536):
            written += part
    os.close(ours)
    shown = written.decode()
    assert "Pong seed=0:  20%" in shown
    assert "saved\r\n" in shown
    last = shown.split("\r")[-2]
    assert "100%" in last
    assert "1000/1000" in last
    assert "score 13.0  attention entropy 5.12" in last


def test_only_what_the_row_has_is_shown():
    out = io.StringIO()
    steps = {"env_steps": 500, "env_steps_per_second": 100.0}
    Terminal("18 runs", 1000, file=out, interval=0).write(steps)
    assert out.getvalue() == "18 runs  500 / 1,000 steps  50%  100 steps/s  ETA 00:05  \n"
