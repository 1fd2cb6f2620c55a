"""What all tests share."""

import pytest
import torch

from attn_ppo import command_line
from attn_ppo.config import RunConfig


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Small tensors: a second thread only costs, and much more so on a busy machine."""
    torch.set_num_threads(1)


@pytest.fixture
def in_empty_folder(tmp_path, monkeypatch):
    """The working directory is an empty folder, W&B is off."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def settings_of():
    """The settings that a command line of overrides gives."""

    def of(*overrides: str) -> RunConfig:
        return command_line.parse(overrides).configs[0]

    return of
