"""What all tests share."""

import os

# Small tensors, here and in the runs that tests start: a second thread only costs, and far more so
# on a busy machine. Before torch is imported.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest

from attn_ppo import command_line
from attn_ppo.config import RunConfig

# They assert on behalf of tests, which import them: so that a failure shows the values.
pytest.register_assert_rewrite("asking", "pages")


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
