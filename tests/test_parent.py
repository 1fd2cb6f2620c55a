"""A run that a sweep started ends with it, and is what the system kills first without memory."""

import os
import signal
import subprocess
import sys

import pytest

from attn_ppo.launch import parent

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux's kernel")
CODE = """
import sys
from pathlib import Path
from attn_ppo.launch.parent import follow_parent

score = Path("/proc/self/oom_score_adj")
score.write_text(sys.argv[1])
follow_parent()
print(score.read_text().strip())
"""


def follow(score: int, **variables: str) -> subprocess.CompletedProcess[str]:
    """A process of this chance to be killed first, from 0 to 1000, that follows its parent."""
    command = [sys.executable, "-c", CODE, str(score)]
    environment = {k: v for k, v in os.environ.items() if k != parent.VARIABLE} | variables
    return subprocess.run(command, capture_output=True, text=True, env=environment)


@pytest.mark.parametrize(("before", "after"), [(300, "500"), (800, "800")])
def test_a_run_of_a_sweep_is_killed_before_the_sweep(before, after):
    done = follow(before, **{parent.VARIABLE: str(os.getpid())})
    assert (done.returncode, done.stdout.split()) == (0, [after]), done.stderr


def test_a_run_that_begins_once_its_sweep_has_ended_ends_at_once():
    ended = subprocess.Popen(["true"])
    ended.wait()
    done = follow(300, **{parent.VARIABLE: str(ended.pid)})
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, "")


def test_a_run_of_its_own_stays_as_it_is():
    done = follow(300)
    assert (done.returncode, done.stdout.split()) == (0, ["300"]), done.stderr
