"""When a run counts as hung: ten times its longest wait so far, five minutes at least."""

from collections.abc import Collection

import pytest

from attn_ppo.lifecycle.watchdog import Watchdog


class Seconds:
    """The event that a watchdog waits for, whose seconds take no time; in some the run beats."""

    def __init__(self, watchdog: Watchdog, beats: Collection[int], last: int) -> None:
        self.now, self._watchdog, self._beats, self._last = 0, watchdog, beats, last

    def wait(self, _: float) -> bool:
        self.now += 1
        if self.now in self._beats:
            self._watchdog.beat()
        return self.now > self._last


@pytest.mark.parametrize(
    ("beats", "ends"),
    [
        ([], 1800),  # half an hour until the first
        ([1700], 1700 + 16_989),  # it came after 1,699 s, and the second it came in counts
        ([20], 20 + 299),
        ([20, 120], 120 + 999),  # the longest wait was 100 s
        ([100, 120, 140], 140 + 989),  # the longest, not the latest: 99 s
        (range(200, 30_000, 200), None),  # goes on
    ],
)
def test_when_a_run_is_ended(beats, ends, monkeypatch):
    watchdog, ended = Watchdog(lambda _: None), []
    seconds = Seconds(watchdog, set(beats), last=30_000 if ends is None else 20_000)
    monkeypatch.setattr(watchdog, "_over", seconds)
    monkeypatch.setattr(watchdog, "_end", lambda: ended.append(seconds.now))
    watchdog._watch()
    assert next(iter(ended), None) == ends
