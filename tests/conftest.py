"""What all tests share."""

import os

# Small tensors, here and in the runs that tests start: a second thread only costs, and far more so
# on a busy machine. Before torch is imported.
os.environ["OMP_NUM_THREADS"] = "1"
# Where a test takes two, one that waits must not spin on the core of the tests beside it.
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"

import signal

import pytest

from attn_ppo.config import RunConfig
from attn_ppo.launch import command_line
from attn_ppo.lifecycle.signals import STOP_SIGNALS

# They assert on behalf of tests, which import them: so that a failure shows the values.
pytest.register_assert_rewrite("dry_run", "pages", "run_states")

LONGEST_FIRST = (
    "test_slurm",
    "test_ray",
    "test_process",
    "test_sweep",
    "test_resume",
    "test_search_runs",
    "test_decided_runs",
    "test_macos",
    "test_backends",
    "test_envs",
    "test_run",
    "test_page_browser",
    "test_wandb_mirror_faults",
    "test_wandb_mirror_resume",
    "test_training_video",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest come first: some at a time, they end at about the same time."""
    order = {name: number for number, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


@pytest.fixture(autouse=True)
def _handlers_of_ones_own():
    """What a test makes of the signals that stop us isn't there for the next one."""
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def in_empty_folder(tmp_path, monkeypatch):
    """The working directory is an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def settings_of():
    """The settings that a command line of overrides gives."""

    def of(*overrides: str) -> RunConfig:
        return command_line.parse(overrides).configs[0]

    return of
