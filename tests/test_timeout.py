"""Calls that may hang: given up after some seconds, else as if they were made directly."""

import sys
import threading
import time

import pytest

from attn_ppo.lifecycle.timeout import call_with_timeout


def test_what_a_call_returns_or_raises_is_passed_on():
    assert call_with_timeout(5, lambda: 7) == 7
    assert call_with_timeout(5, lambda: None) is None
    with pytest.raises(KeyError):
        call_with_timeout(5, lambda: {}["x"])


def test_a_call_that_hangs_is_given_up():
    begun, never = time.monotonic(), threading.Event()
    with pytest.raises(TimeoutError, match=r"no answer within 0\.05 s"):
        call_with_timeout(0.05, lambda: never.wait(60))
    assert time.monotonic() - begun < 30
    never.set()


def test_an_exit_within_a_call_ends_nothing():
    """It is an error that its caller can tell, as those of W&B do."""
    with pytest.raises(RuntimeError, match=r"SystemExit\(3\)"):
        call_with_timeout(5, lambda: sys.exit(3))
