"""Signals to stop: which are heeded, and that nothing of them stays behind."""

import signal
import subprocess

import pytest

from attn_ppo.lifecycle.signals import handle, held_back, let_in, signal_children, stop_request


@pytest.fixture(autouse=True)
def _alarm_of_ones_own():
    """pytest's time limit is the same alarm."""
    alarm, handler = signal.getitimer(signal.ITIMER_REAL), signal.getsignal(signal.SIGALRM)
    yield
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, *alarm)


def test_what_nohup_ignores_stays_ignored():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with stop_request() as stop:
        signal.raise_signal(signal.SIGHUP)
        assert not stop
        signal.raise_signal(signal.SIGTERM)
        assert stop.name == "SIGTERM"
    handle(print)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    assert signal.getsignal(signal.SIGTERM) is print


def test_a_run_that_ended_in_time_leaves_no_alarm_and_no_handler(capfd):
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGALRM)]
    with stop_request():
        signal.raise_signal(signal.SIGTERM)
        assert 4 < signal.getitimer(signal.ITIMER_REAL)[0] <= 5  # an update may take so long
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGALRM)] == before
    assert capfd.readouterr().err == "SIGTERM: saving, then stopping; again to quit unsaved\n"


def test_what_was_held_back_comes_once_it_is_let_in():
    received = []
    handle(lambda number, _: received.append(number))
    with held_back():
        signal.raise_signal(signal.SIGTERM)
        assert received == []
        let_in()
        assert received == [signal.SIGTERM]
    with held_back():
        signal.raise_signal(signal.SIGUSR1)
    assert received == [signal.SIGTERM, signal.SIGUSR1]


def test_children_are_signalled_but_for_those_that_were():
    first, second = (subprocess.Popen(["sleep", "60"]) for _ in range(2))
    try:
        reached = signal_children(signal.SIGTERM, but={first.pid})
        assert second.pid in reached
        assert first.pid not in reached
        assert second.wait(10) == -signal.SIGTERM
        assert first.poll() is None
    finally:
        first.kill()
        first.wait()
