"""Leases whose waits a test can sit through, and another machine to look at them from."""

import pytest

from attn_ppo.lifecycle import lease


def hasten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pulse of 20 a second, and half a second without one is the end."""
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(lease, "STALE_SECONDS", 0.5)


def elsewhere(monkeypatch: pytest.MonkeyPatch, name: str = "another") -> None:
    """From here on this process is on another machine, as far as leases tell."""
    monkeypatch.setattr(lease, "_machine", lambda: name)
