"""What a checkpoint holds: its sections, its earlier form, and that a stopped run's is the last."""

import re

import pytest
import torch
from starting import SMALL

from attn_ppo.errors import ExitCode, RunError
from attn_ppo.lifecycle import checkpoint, saved
from attn_ppo.lifecycle.run_dir import RunDir
from attn_ppo.lifecycle.saved import Saved
from attn_ppo.lifecycle.signals import StopRequest
from attn_ppo.run import run

# As the version before sections wrote it.
FLAT = {
    "update": 7,
    "model": {"policy_head.bias": torch.arange(4.0)},
    "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}},
    "rng": torch.arange(5, dtype=torch.uint8),
    "backend": "kernels",
    "recent": [(2.0, 181), (0.0, 120)],
    "elapsed_seconds": 12.5,
    "sizes": {"metrics.csv": 900, "episodes.csv": 60},
    "games": [{"actions": torch.zeros(3, 2, dtype=torch.uint8), "digest": "ab"}],
    "circumstances": {"torch": "2.13.0"},
    "inexact_resumes": ["at 160 steps: torch 1 -> 2"],
    "threads": 2,
    "wandb_id": "kept1234",
}


def test_a_flat_checkpoint_is_read_into_sections(tmp_path):
    checkpoint.save(tmp_path, FLAT)
    found = saved.load(tmp_path)
    assert found is not None
    assert found.update == 7
    assert found.agent["model"]["policy_head.bias"].tolist() == [0, 1, 2, 3]
    assert found.agent["optimizer"]["state"][0]["step"] == 3
    assert found.agent["rng"].tolist() == [0, 1, 2, 3, 4]
    assert found.agent["backend"] == "kernels"
    assert found.rows == {
        "recent": [(2.0, 181), (0.0, 120)],
        "elapsed_seconds": 12.5,
        "sizes": {"metrics.csv": 900, "episodes.csv": 60},
    }
    assert found.games[0]["digest"] == "ab"
    assert found.games[0]["actions"].shape == (3, 2)
    assert found.origin == {
        "circumstances": {"torch": "2.13.0"},
        "inexact_resumes": ["at 160 steps: torch 1 -> 2"],
        "threads": 2,
    }
    assert found.wandb_id == "kept1234"


def test_what_the_first_versions_did_not_keep(tmp_path):
    kept = ("update", "model", "optimizer", "rng", "recent", "elapsed_seconds", "sizes")
    checkpoint.save(tmp_path, {key: FLAT[key] for key in kept})
    found = saved.load(tmp_path)
    assert found is not None
    assert (found.agent["backend"], found.games, found.wandb_id) == ("torch", [], None)
    threads = torch.get_num_threads()
    assert found.origin == {"circumstances": {}, "inexact_resumes": [], "threads": threads}


def test_sections_come_back_as_they_were_saved(tmp_path):
    checkpoint.save(tmp_path, FLAT)
    before = saved.load(tmp_path)
    assert isinstance(before, Saved)
    saved.save(tmp_path, before._replace(update=8))
    after = saved.load(tmp_path)
    assert after is not None
    assert after.update == 8
    assert after.rows == before.rows
    assert after.origin == before.origin
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert list(state) == ["format", "update", "agent", "rows", "games", "origin", "wandb_id"]
    assert (state["format"], state["update"]) == (2, 8)


def test_a_newer_versions_checkpoint_is_refused(tmp_path):
    checkpoint.save(tmp_path, {"format": 3, "update": 7})
    with pytest.raises(
        RunError, match=r"has format 3, made by a newer version; .* up to 2"
    ) as told:
        saved.load(tmp_path)
    assert told.value.code == ExitCode.NO_CHECKPOINT


def test_there_is_none_before_the_first(tmp_path):
    assert saved.load(tmp_path) is None


class AskedLater(StopRequest):
    """A stop that is requested after the run has asked for it a number of times."""

    def __init__(self, calls: int):
        super().__init__()
        self._calls = calls

    def __bool__(self) -> bool:
        self._calls -= 1
        if self._calls < 0:
            self.name = "SIGTERM"
        return self._calls < 0


@pytest.mark.usefixtures("in_empty_folder")
@pytest.mark.parametrize("calls", range(5))
def test_a_run_that_was_stopped_has_saved_what_it_says(calls, settings_of):
    settings = settings_of(*SMALL, "attention.hidden=16", "compute.backend=torch")
    with (
        pytest.raises(RunError, match="SIGTERM: ") as told,
        RunDir(settings) as run_dir,
    ):
        run(settings, run_dir, torch.device("cpu"), AskedLater(calls))
    assert told.value.code == ExitCode.PREEMPTED
    steps = re.search(r"saved at (\d+) steps", str(told.value))
    state = saved.load(settings.folder)
    assert (steps and int(steps[1])) == (state and 32 * state.update)  # 2 environments x 16 steps
    assert (state.update if state else 0) == calls  # asked before the first, and after each


@pytest.mark.usefixtures("in_empty_folder")
def test_a_request_during_a_save_needs_no_further_update(settings_of):
    small = (*SMALL, "attention.hidden=16", "compute.backend=torch")
    settings = settings_of(*small, "checkpoint.every_updates=1")
    # asked before the first update and after it, then, when it has been saved, again
    with pytest.raises(RunError, match=r"SIGTERM: saved at 32 steps"), RunDir(settings) as run_dir:
        run(settings, run_dir, torch.device("cpu"), AskedLater(2))
    state = saved.load(settings.folder)
    assert state is not None
    assert state.update == 1
