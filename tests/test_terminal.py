"""What a run shows while it goes on: a bar on a terminal, plain lines elsewhere."""

import contextlib
import io
import math
import os
import pty
import termios

from attn_ppo.lifecycle.terminal import Terminal

NAN = math.nan


def row(env_steps: int, score: float = NAN, entropy: float = 5.123):
    return {"env_steps": env_steps, "episode_return": score, "attention_entropy": entropy}


class Clock:
    """Shows what it was set to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_plain_line():
    out, clock = io.StringIO(), Clock()
    terminal = Terminal("", 1_000_000, file=out, interval=0, clock=clock)
    clock.now = 336.0
    terminal.write(row(120_832, 12.34))
    # 120,832 steps in 236 s: 512/s; 879,168 left = 1717.1 s = 28 min 37 s
    assert out.getvalue() == (
        "  120,832 / 1,000,000 steps  12%  512 steps/s  ETA 28:37"
        "  score 12.3  attention entropy 5.12\n"
    )


def test_a_score_is_shown_beside_a_human_s_and_our_own_runs():
    out, clock = io.StringIO(), Clock()
    terminal = Terminal("", 1_000_000, file=out, interval=0, clock=clock)
    clock.now = 336.0
    more = {"learning/human_normalised": 0.369, "learning/own_low": 9.7, "learning/own_high": 12.13}
    terminal.write(row(120_832, 12.34) | more)
    terminal.write(row(120_832, 1.3) | {"learning/human_normalised": -0.002})
    terminal.write(row(120_832, 1.3) | {"learning/own_low": 785.3, "learning/own_high": 785.3})
    first, below, alone = out.getvalue().splitlines()
    assert first.endswith("attention entropy 5.12  37% of human  own runs 9.70 to 12.1")
    assert below.endswith("attention entropy 5.12  0% of human")
    assert alone.endswith("attention entropy 5.12  own runs 785")


def test_time_left_follows_from_all_of_the_time_but_not_from_earlier_sessions():
    out, clock = io.StringIO(), Clock()
    terminal = Terminal("", 4000, 1000, file=out, interval=0, clock=clock)
    for clock.now, steps in ((110.0, 2000), (111.0, 2500), (150.0, 2500)):
        terminal.write({"env_steps": steps})
    # 1000 steps in 10 s, 2000 left: 20 s; 1500 in 11 s, 1500 left: 11 s; 1500 in 50 s: 50 s
    lines = out.getvalue().splitlines()
    assert [line.split("ETA ")[1] for line in lines] == ["00:20", "00:11", "00:50"]


def test_no_speed_below_zero():
    out, clock = io.StringIO(), Clock()
    terminal = Terminal("", 4000, 1000, file=out, interval=0, clock=clock)
    clock.now = 110.0
    terminal.write({"env_steps": 500})
    assert out.getvalue() == "  500 / 4,000 steps  12%  0 steps/s  ETA -\n"


def test_an_unknown_number_of_steps():
    out, clock = io.StringIO(), Clock()
    terminal = Terminal("evaluating", None, file=out, interval=0, clock=clock)
    clock.now = 110.0
    terminal.write({"env_steps": 12_340}, "3 of 20 games over")
    assert out.getvalue() == "evaluating  12,340 steps  1,234 steps/s  3 of 20 games over\n"


def test_plain_line_before_anything_is_known():
    out = io.StringIO()
    Terminal("Pong", 1000, file=out, interval=0).write(row(0, NAN, NAN))
    assert out.getvalue() == (
        "Pong  0 / 1,000 steps  0%  0 steps/s  ETA -  score -  attention entropy -\n"
    )


def test_plain_lines_keep_their_distance_and_the_last_row_is_shown():
    out, clock = io.StringIO(), Clock()
    terminal = Terminal("", 6000, file=out, interval=30, clock=clock)
    for clock.now, steps in ((100.0, 1000), (129.9, 2000), (130.0, 3000), (131.0, 4000)):
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


def test_only_what_the_row_has_is_shown_after_what_is_said_of_it():
    out, clock = io.StringIO(), Clock()
    terminal = Terminal("18 runs", 1000, file=out, interval=0, clock=clock)
    clock.now = 105.0
    terminal.write({"env_steps": 500}, "2 running, 1 evaluating")
    terminal.write({"env_steps": 500, "episode_return": 1.5}, "2 running")
    assert out.getvalue() == (
        "18 runs  500 / 1,000 steps  50%  100 steps/s  ETA 00:05  2 running, 1 evaluating\n"
        "18 runs  500 / 1,000 steps  50%  100 steps/s  ETA 00:05  2 running  score 1.5\n"
    )
