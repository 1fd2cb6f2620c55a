"""A real Chromium for tests: found, or installed where that's allowed, and led by Playwright."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
# WebGL without a graphics card.
SOFTWARE_GL = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader")


@cache
def find() -> tuple[str, str]:
    """The path of a Chromium, and what stands in the way where there is none."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "", "no playwright (pip install -e '.[dev]')"
    path = next(filter(None, map(shutil.which, NAMES)), "")
    if path or os.geteuid() or not shutil.which("apt-get"):
        return path, "" if path else "no Chromium, and only root can install it with apt-get"
    wait = ["-o", "DPkg::Lock::Timeout=300"]  # other tests may be installing, too
    for command in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
        done = subprocess.run(["apt-get", *wait, "-qq", *command], capture_output=True, text=True)
    path = shutil.which("chromium") or ""
    return path, "" if path else f"apt-get doesn't install Chromium: {done.stderr[-200:]}"


@contextmanager
def chromium(*arguments: str) -> Iterator[Any]:
    """A headless browser of Playwright's; a process may have one at a time."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find()[0], args=["--no-sandbox", *arguments]
        )
        try:
            yield browser
        finally:
            browser.close()
