"""What is said of a run whose process ended without saying why, or before it could."""

import json
from pathlib import Path

import pytest

from attn_ppo.launch.worker import _mark_sudden_end
from attn_ppo.lifecycle.run_dir import read_status

BEFORE = "error: of the time before\n"


def log(folder: Path, text: str) -> int:
    """output.log of two times; where the second begins."""
    (folder / "output.log").write_text(BEFORE + text)
    return len(BEFORE)


@pytest.mark.parametrize(
    ("code", "printed", "state", "cause"),
    [
        (1, "", "failed", "exit code 1"),
        (1, "Killed\n", "failed", "exit code 1"),
        (2, "at 2\nerror: env=Pog is unknown\nnearest: Pong\n", "failed", "env=Pog is unknown"),
        (4, "error: first\nerror: can't write runs\n", "failed", "can't write runs"),
        (-9, "error: not this\n", "failed", "killed by SIGKILL (out of memory?)"),
        (-11, "", "failed", "killed by SIGSEGV"),
        (-15, "", "preempted", "killed by SIGTERM"),
        (75, "SIGINT: nothing was begun\n", "preempted", "SIGINT: nothing was begun"),
    ],
)
def test_the_cause_of_a_sudden_end(code, printed, state, cause, tmp_path):
    _mark_sudden_end(tmp_path, code, {}, log(tmp_path, printed))
    said = read_status(tmp_path)
    assert (said["state"], said["cause"], said["exit_code"]) == (state, cause, code)


def test_what_the_run_itself_said_stands(tmp_path):
    said = {"state": "failed", "cause": "policy_loss is nan", "heartbeat": "12:05"}
    (tmp_path / "status.json").write_text(json.dumps(said))
    printed = log(tmp_path, "")
    _mark_sudden_end(tmp_path, 3, {"heartbeat": "12:00"}, printed)
    assert read_status(tmp_path) == said
    _mark_sudden_end(tmp_path, -9, said, printed)  # it said that the time before
    assert read_status(tmp_path)["cause"] == "killed by SIGKILL (out of memory?)"
