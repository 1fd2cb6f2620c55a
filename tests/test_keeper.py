"""What a stop costs: the update in progress at most, whatever it comes out as."""

import os

import pytest
import torch
from disk_order import noted
from torch import Tensor

from attn_ppo.config import RunConfig
from attn_ppo.errors import ExitCode, RunError
from attn_ppo.lifecycle import milestones, saved
from attn_ppo.lifecycle.keeper import Keeper
from attn_ppo.lifecycle.run_dir import RunDir, read_status
from attn_ppo.lifecycle.saved import Saved
from attn_ppo.lifecycle.signals import StopRequest

pytestmark = pytest.mark.usefixtures("in_empty_folder")


def state(update: int, weight: Tensor) -> Saved:
    """A run whose only weight, which updates change in place, is also its moment."""
    optimizer = {"state": {0: {"exp_avg": weight}}}
    agent = {"model": {"weight": weight}, "optimizer": optimizer, "rng": weight, "backend": "torch"}
    rows = {"recent": [], "elapsed_seconds": 0.0, "sizes": {}}
    origin = {"circumstances": {}, "inexact_resumes": [], "threads": 1}
    values: tuple = (agent, rows, [], origin, None)
    return Saved(update, *values)


@pytest.fixture
def stop() -> StopRequest:
    """One that SIGTERM made."""
    request = StopRequest()
    request.name = "SIGTERM"
    return request


@pytest.fixture
def settings(settings_of) -> RunConfig:
    """Of updates of 2 x 16 = 32 agent steps, 20 of them; every fourth is a milestone."""
    sizes = ("ppo.num_envs=2", "ppo.num_steps=16", "total_steps=640")
    return settings_of(*sizes, "checkpoint.milestones=5")


@pytest.fixture
def run_dir(settings):
    with RunDir(settings) as folder:
        yield folder


def gave_up(stop: StopRequest) -> RunError:
    stop.gave_up = True
    return stop.error("stopped within an update")


def end(keeper: Keeper, error: Exception) -> None:
    with keeper:
        raise error


@pytest.mark.parametrize("updates", [1, 2, 3, 4])
def test_what_the_last_whole_update_left_is_saved(updates, stop, run_dir, settings):
    weight = torch.zeros(2)
    keeper = Keeper(run_dir, stop, settings, None)
    for number in range(1, updates + 1):
        weight.fill_(number)
        keeper.keep(state(number, weight))
        if number == 1:
            keeper.save()
    weight.fill_(-1)  # by the update that is given up
    told = f"SIGTERM: saved at {32 * updates} steps, without the update in progress"
    with pytest.raises(RunError, match=told):
        end(keeper, gave_up(stop))
    found = saved.load(run_dir.folder)
    assert found is not None
    assert found.update == updates
    assert found.agent["model"]["weight"].tolist() == [updates, updates]
    assert found.agent["optimizer"]["state"][0]["exp_avg"].tolist() == [updates, updates]
    assert read_status(run_dir.folder)["env_steps"] == 32 * updates
    steps = [each.env_steps for each in milestones.found(run_dir.folder)]
    assert steps == ([128] if updates == 4 else [])  # 4 updates of 32 agent steps


def test_a_copy_that_is_broken_off_spares_the_one_before(stop, run_dir, settings):
    class Interrupted(dict):
        def items(self):
            raise gave_up(stop)

    keeper, weight = Keeper(run_dir, stop, settings, None), torch.zeros(2)
    for number in (1, 2, 3):
        keeper.keep(state(number, weight.fill_(number)))
    broken: dict = state(4, weight.fill_(4)).agent | {"optimizer": Interrupted()}
    with pytest.raises(RunError) as told:
        keeper.keep(state(4, weight)._replace(agent=broken))  # pyright: ignore[reportArgumentType]
    with pytest.raises(RunError, match="saved at 96 steps"):
        end(keeper, told.value)
    found = saved.load(run_dir.folder)
    assert found is not None
    assert found.agent["model"]["weight"].tolist() == [3, 3]


def test_before_the_first_update_nothing_counts(stop, run_dir, settings):
    with pytest.raises(RunError, match="SIGTERM: no checkpoint yet: starts again") as told:
        end(Keeper(run_dir, stop, settings, None), gave_up(stop))
    assert told.value.code == ExitCode.PREEMPTED
    assert saved.load(run_dir.folder) is None


def test_a_resumed_run_has_its_checkpoint(stop, run_dir, settings):
    begun = state(5, torch.zeros(2))
    with pytest.raises(RunError, match="SIGTERM: saved at 160 steps, without the update in"):
        end(Keeper(run_dir, stop, settings, begun), gave_up(stop))


def test_a_stop_that_comes_out_as_another_error_is_a_stop(stop, run_dir, settings):
    keeper = Keeper(run_dir, stop, settings, None)
    keeper.keep(state(1, torch.zeros(2)))
    gave_up(stop)
    with pytest.raises(RunError, match="SIGTERM: saved at 32 steps") as told:
        end(keeper, ImportError("numpy failed to import"))  # within which the alarm came
    assert told.value.code == ExitCode.PREEMPTED


@pytest.mark.parametrize(
    "error", [RunError(ExitCode.NOT_FINITE, "nan"), OSError(28, "No space left"), ValueError("x")]
)
def test_other_errors_stay_what_they_are_and_save_nothing(error, stop, run_dir, settings):
    keeper = Keeper(run_dir, stop, settings, None)
    keeper.keep(state(1, torch.zeros(2)))
    with pytest.raises(type(error)) as told:
        end(keeper, error)
    assert told.value is error
    assert saved.load(run_dir.folder) is None


def test_a_full_disk_is_told_also_where_the_run_was_to_stop(stop, run_dir, settings):
    keeper, error = Keeper(run_dir, stop, settings, None), RunError(ExitCode.DISK, "can't write")
    keeper.keep(state(1, torch.zeros(2)))
    gave_up(stop)
    with pytest.raises(RunError) as told:
        end(keeper, error)
    assert told.value is error


def test_weights_that_a_run_starts_from_are_none_of_its_milestones(stop, run_dir, settings):
    keeper = Keeper(run_dir, stop, settings, None)
    keeper.keep(state(0, torch.zeros(2)))
    keeper.save()
    assert milestones.found(run_dir.folder) == []


def test_what_a_checkpoint_knows_of_is_on_the_disk_before_it(stop, run_dir, settings, monkeypatch):
    """The rows and its milestone; and the alarm of a stop is off before any of it."""
    done = noted(monkeypatch)
    monkeypatch.setattr(stop, "cancel_deadline", lambda: done.append("no alarm"))
    keeper = Keeper(run_dir, stop, settings, None)
    keeper.keep(state(4, torch.zeros(2)))
    assert done == []
    keeper.save()
    assert done == [
        "no alarm",
        "fsync metrics.csv",
        "fsync episodes.csv",
        f"fsync .env_steps=0000000128.pt.{os.getpid()}.pending",
        f".env_steps=0000000128.pt.{os.getpid()}.pending -> env_steps=0000000128.pt",
        "fsync milestones",
        f"fsync .checkpoint.new.pt.{os.getpid()}.pending",
        f".checkpoint.new.pt.{os.getpid()}.pending -> checkpoint.new.pt",
        "fsync seed=0",
        "checkpoint.new.pt -> checkpoint.pt",
        "fsync seed=0",
        f"fsync .status.json.{os.getpid()}.pending",
        f".status.json.{os.getpid()}.pending -> status.json",
        "fsync seed=0",
    ]


def test_a_stop_that_gave_nothing_up_says_what_it_said(stop, run_dir, settings):
    keeper, error = Keeper(run_dir, stop, settings, None), stop.error("saved at 32 steps")
    keeper.keep(state(1, torch.zeros(2)))
    keeper.save()
    kept = (run_dir.folder / "checkpoint.pt").stat()
    with pytest.raises(RunError) as told:
        end(keeper, error)
    assert told.value is error
    assert (run_dir.folder / "checkpoint.pt").stat() == kept  # what is saved isn't saved again


def test_a_weight_that_fits_no_memory_of_before_has_new_memory(stop, run_dir, settings):
    """One of shape (1,) would also be copied, twice, into one of shape (2,)."""
    keeper = Keeper(run_dir, stop, settings, None)
    for number, size in ((1, 2), (2, 2), (3, 1)):
        keeper.keep(state(number, torch.full((size,), float(number))))
    keeper.save()
    found = saved.load(run_dir.folder)
    assert found is not None
    assert found.agent["model"]["weight"].tolist() == [3]
