"""What the commands that let agents play have in common: how they end, where they may write."""

import os
import signal
from pathlib import Path

import pytest
import torch

from analysis.playing import Parser, TimeLeft, check_writable, exit_code
from attn_ppo.errors import ConfigError


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_them_in_a_line_and_what_is_half_made_goes(number, tmp_path, capsys):
    half_made, before = tmp_path / "half", signal.getsignal(signal.SIGTERM)

    def work() -> int:
        half_made.touch()
        try:
            os.kill(os.getpid(), number)
            signal.pause()
        finally:
            half_made.unlink()
        return 0

    assert exit_code(work, "the page") == 75
    assert capsys.readouterr().err.splitlines() == [
        "stopped; to continue, run the same command again"
    ]
    assert not half_made.exists()
    assert signal.getsignal(signal.SIGTERM) is before


def test_where_nothing_can_be_written_is_told_before_the_work(tmp_path):
    with pytest.raises(ConfigError) as told:
        check_writable("--out", Path("/proc/x/page.html"))
    first, second = str(told.value).splitlines()
    assert first.startswith("error: --out=/proc/x/page.html can't be written (/proc: ")
    assert second == "allowed: a path where one can write"
    (tmp_path / "old.html").touch()
    for path in (tmp_path / "a" / "b.html", tmp_path / "old.html", tmp_path):
        check_writable("--out", path)
    assert [path.name for path in tmp_path.iterdir()] == ["old.html"]


@pytest.mark.parametrize(
    ("given", "target"),
    [([], "log_prob"), (["--target", "value"], "value"), (["--score=margin"], "margin")],
)
def test_score_is_another_name_of_target(given, target, capsys):
    parser = Parser("analysis.page", None, "runs/demo")
    assert parser.options(given).target == target
    parser.print_help()
    text = capsys.readouterr().out
    assert "--target" in text
    assert "--score" not in text


def test_how_long_it_takes_is_told_once_it_is_known(capsys):
    """Ten steps in 4 s: the other 390 take 156 s, or 26 others 10 s."""
    for total, told in ((400, "  about 3 minutes to go\n"), (36, "  about 10 s to go\n"), (10, "")):
        clock = iter([100.0, 104.0])
        time_left = TimeLeft(total, clock.__next__)
        for _ in range(total):
            time_left()
        assert capsys.readouterr().out == told


def test_they_have_one_thread_and_give_the_others_back(capsys):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert exit_code(lambda: print(torch.get_num_threads()) or 0, "the page") == 0
        assert (capsys.readouterr().out, torch.get_num_threads()) == ("1\n", 2)
    finally:
        torch.set_num_threads(before)
