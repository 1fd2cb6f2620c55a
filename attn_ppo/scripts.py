"""The console scripts attn-ppo-train, -status and -doctor: `python -m attn_ppo.train` and so on.

Each runs its module as Python's -m does, which handles signals before it imports what is slow.
"""

import runpy


def train() -> None:
    """attn-ppo-train; ends by SystemExit with the exit code."""
    _run("train")


def status() -> None:
    """attn-ppo-status; ends by SystemExit with the exit code."""
    _run("status")


def doctor() -> None:
    """attn-ppo-doctor; ends by SystemExit with the exit code."""
    _run("doctor")


def _run(command: str) -> None:
    runpy.run_module(f"attn_ppo.{command}", run_name="__main__", alter_sys=True)
