"""Fixtures of the W&B mirror's tests: nobody is logged in, a server, open mirrors."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from wandb_files import ABOUT, ROOT
from wandb_server import KEY, WandbServer

from attn_ppo.lifecycle import wandb_mirror, wandb_session

LIMITS = ("CHECK_SECONDS", "INIT_SECONDS", "ONLINE_SECONDS", "FINISH_SECONDS", "SHUT_DOWN_SECONDS")


@pytest.fixture
def nobody_logged_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No key, no home with a netrc, no setting of W&B or of a proxy from outside."""
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "")  # so that what a sink sets is undone
    for name in list(os.environ):
        if name.startswith(("WANDB", "XDG")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    scripts = Path(sys.executable).parent  # where W&B's command is
    monkeypatch.setenv("PATH", f"{scripts}{os.pathsep}{os.environ['PATH']}")
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("NETRC", str(home / "netrc"))


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """W&B may take a minute for each thing, as on a busy machine: for tests that time nothing."""
    for limit in LIMITS:
        monkeypatch.setattr(wandb_session, limit, 60)
    monkeypatch.setattr(wandb_mirror, "FINISH_SECONDS", 60)


@pytest.fixture
def server(nobody_logged_in: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[WandbServer]:  # noqa: ARG001
    """A server, and a key for it in the environment."""
    with WandbServer() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        yield server


@pytest.fixture
def said() -> list[str]:
    """The lines that the sinks of a test print."""
    return []


@pytest.fixture
def start(
    nobody_logged_in: None,  # noqa: ARG001
    tmp_path: Path,
    said: list[str],
) -> Iterator[Callable[..., wandb_mirror.WandbMirror]]:
    """Open a W&B sink that ends with the test."""
    opened: list[wandb_mirror.WandbMirror] = []

    def start(mode: str, **changes: Any) -> wandb_mirror.WandbMirror:
        settings = {"run_dir": tmp_path / "run", "say": said.append} | ABOUT | changes
        opened.append(wandb_mirror.WandbMirror(mode=mode, **settings))
        return opened[-1]

    yield start
    for sink in opened:
        sink.finish()


@pytest.fixture
def python(nobody_logged_in: None) -> Iterator[Callable[..., subprocess.Popen[str]]]:  # noqa: ARG001
    """Run code in a Python process of its own, which does not outlive the test."""
    processes: list[subprocess.Popen[str]] = []

    def python(code: str, *arguments: str) -> subprocess.Popen[str]:
        preamble = f"import sys, os, time\nABOUT, LIMITS = {ABOUT!r}, {LIMITS!r}\n"
        preamble += "from attn_ppo.lifecycle import wandb_mirror, wandb_session\n"
        process = subprocess.Popen(
            [sys.executable, "-c", preamble + textwrap.dedent(code), *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        processes.append(process)
        return process

    yield python
    for process in processes:
        process.kill()
        process.communicate()
