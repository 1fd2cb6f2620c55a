"""What the commands that let agents play have in common: how they end, where they may write."""

import os
import signal
from pathlib import Path

import pytest

from analysis.playing import Parser, check_writable, exit_code
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
    assert first == "error: --out=/proc/x/page.html is not allowed"
    assert second.startswith("allowed: a path that can be written (/proc: ")
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
