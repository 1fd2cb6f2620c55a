"""The run folder: one process at a time, one run a folder, rows that survive."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from disk_order import noted

from attn_ppo.errors import ConfigError, ExitCode, RunError
from attn_ppo.lifecycle import checkpoint
from attn_ppo.lifecycle.run_dir import (
    EPISODES,
    METRICS,
    RunDir,
    mark_status,
    read_last_row,
    read_last_rows,
    read_status,
)


def metrics_row(update: int) -> dict[str, float]:
    return dict.fromkeys(METRICS, 0.5) | {"update": update, "env_steps": 1024 * update}


def test_tables_have_the_contracts_columns(in_empty_folder, settings_of):
    run_dir = RunDir(settings_of("env=Pong"))
    run_dir.append("metrics.csv", [metrics_row(1)])
    run_dir.append(
        "episodes.csv",
        [{"env_steps": 8, "env_index": 3, "episode_return": -21.0, "episode_length": 764}],
    )
    run_dir.close()
    folder = in_empty_folder / "runs/default/Pong/lambda=0/seed=0"
    assert (folder / "metrics.csv").read_text().split("\n")[0] == (
        "update,env_steps,frames,episode_return,episode_length,attention_entropy,policy_entropy,"
        "policy_loss,value_loss,approx_kl,clip_fraction,explained_variance,grad_norm,"
        "learning_rate,env_steps_per_second,elapsed_seconds,inexact_resumes,"
        "lambda,regularization,map_overlap,map_movement"
    )
    assert (folder / "episodes.csv").read_text() == (
        "env_steps,env_index,episode_return,episode_length\n8,3,-21.0,764\n"
    )
    assert EPISODES == ("env_steps", "env_index", "episode_return", "episode_length")
    assert read_last_row(folder)["env_steps"] == 1024


@pytest.mark.usefixtures("in_empty_folder")
def test_rows_after_a_checkpoint_are_cut_back(settings_of):
    run_dir = RunDir(settings_of())
    run_dir.append("metrics.csv", [metrics_row(1), metrics_row(2)])
    sizes = run_dir.sizes()
    before = (run_dir.folder / "metrics.csv").read_bytes()
    run_dir.append("metrics.csv", [metrics_row(3)])
    run_dir.close()
    again = RunDir(settings_of())
    again.cut_back(sizes)
    assert (run_dir.folder / "metrics.csv").read_bytes() == before
    again.append("metrics.csv", [metrics_row(3)])
    assert read_last_row(again.folder)["update"] == 3
    again.cut_back({})
    assert read_last_row(again.folder) == {}
    assert (again.folder / "metrics.csv").read_text().count("\n") == 1


def test_a_torn_last_row_is_not_read(tmp_path):
    (tmp_path / "metrics.csv").write_text("update,env_steps\n1,1024\n2,20")
    assert read_last_row(tmp_path) == {"update": 1, "env_steps": 1024}
    assert read_last_row(tmp_path / "nowhere") == {}


@pytest.mark.parametrize("digits", [1, 400])  # of a row longer than usual
def test_the_newest_rows_are_read_in_order(tmp_path, digits):
    wide = "0" * digits
    lines = [f"{number},{wide}.5\n" for number in range(300)]
    (tmp_path / "metrics.csv").write_text("update,value\n" + "".join(lines))
    found = read_last_rows(tmp_path, 10)
    assert found == [{"update": number, "value": 0.5} for number in range(290, 300)]
    (tmp_path / "metrics.csv").write_text("update,value\n" + "".join(lines[:3]) + "3,0.")
    assert [row["update"] for row in read_last_rows(tmp_path, 10)] == [0, 1, 2]
    assert [row["update"] for row in read_last_rows(tmp_path, 2)] == [1, 2]
    (tmp_path / "metrics.csv").write_text("update,value\n0,1\n1,x\n2,1\n3,1\n")
    assert [row["update"] for row in read_last_rows(tmp_path, 10)] == [2, 3]
    assert read_last_rows(tmp_path / "nowhere", 10) == []


def test_a_row_whose_beginning_was_not_read_is_left_out(tmp_path):
    """Lines of 661 bytes, of which 11 * 600 = 9 * 661 + 651 are read: 10 of the first are not."""
    lines = [f"12345678901{number},{'0' * 643}.5" for number in range(200, 300)]
    assert {len(line) for line in lines} == {661 - 1}
    (tmp_path / "metrics.csv").write_text("\n".join(["update,value", *lines, ""]))
    found = read_last_rows(tmp_path, 10)
    assert [row["update"] for row in found] == [12345678901000 + n for n in range(291, 300)]


@pytest.mark.usefixtures("in_empty_folder")
def test_a_folder_keeps_its_settings(settings_of):
    RunDir(settings_of("ppo.gamma=0.9", "seed=0")).close()
    with pytest.raises(ConfigError) as told:
        RunDir(settings_of("ppo.gamma=0.95", "total_steps=2048"))
    assert "ppo.gamma=0.95" in str(told.value)
    assert "ppo.gamma=0.9 " in str(told.value) or "ppo.gamma=0.9," in str(told.value)
    assert "total_steps=10000000" in str(told.value)
    assert "name=" in str(told.value)
    # Where a run is logged and how often it is saved don't make it another run.
    RunDir(
        settings_of("ppo.gamma=0.9", "wandb.mode=disabled", "checkpoint.every_updates=7")
    ).close()


@pytest.mark.usefixtures("in_empty_folder")
def test_one_process_at_a_time(settings_of):
    short = ["total_steps=64", "ppo.num_envs=2", "ppo.num_steps=16", "evaluation.episodes=0"]
    run_dir = RunDir(settings_of(*short))
    command = [sys.executable, "-m", "attn_ppo.train", "wandb.mode=disabled", *short]
    other = subprocess.run(command, capture_output=True, text=True)
    assert other.returncode == ExitCode.BUSY == 5
    assert "is being run by pid" in other.stderr
    run_dir.close()
    RunDir(settings_of(*short)).close()


def test_status_is_merged(tmp_path):
    mark_status(tmp_path, "running", pid=7)
    mark_status(tmp_path, "failed", cause="it broke", exit_code=1)
    status = read_status(tmp_path)
    assert {**status, "heartbeat": "-"} == {
        "pid": 7,
        "state": "failed",
        "cause": "it broke",
        "exit_code": 1,
        "heartbeat": "-",
    }
    (tmp_path / "status.json").write_text("{")
    assert read_status(tmp_path) == {}
    assert json.dumps(read_status(tmp_path / "nowhere")) == "{}"


def test_unwritable_place(in_empty_folder, settings_of):
    (in_empty_folder / "runs").write_text("a file, not a folder")
    with pytest.raises(RunError) as told:
        RunDir(settings_of())
    assert told.value.code == ExitCode.DISK


def update_in(folder: Path) -> int | None:
    return (checkpoint.load(folder) or {}).get("update")


def state(number: int) -> dict:
    return {"update": number, "weights": torch.full((1000,), float(number))}


def test_checkpoints_keep_two_generations(tmp_path):
    assert checkpoint.load(tmp_path) is None
    for number in (1, 2, 3):
        checkpoint.save(tmp_path, state(number))
    assert update_in(tmp_path) == 3
    plain = torch.load(tmp_path / "checkpoint.prev.pt", weights_only=True)
    assert plain["update"] == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint.prev.pt", "checkpoint.pt"]


def test_every_flipped_byte_and_every_cut_is_noticed(tmp_path, capsys):
    checkpoint.save(tmp_path, state(1))
    checkpoint.save(tmp_path, state(2))
    newest = tmp_path / "checkpoint.pt"
    whole = newest.read_bytes()
    for place in range(0, len(whole), len(whole) // 40):
        newest.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert update_in(tmp_path) == 1
        newest.write_bytes(whole[:place])
        assert update_in(tmp_path) == 1
    assert "damaged" in capsys.readouterr().out
    (tmp_path / "checkpoint.prev.pt").write_bytes(b"")
    with pytest.raises(RunError) as told:
        checkpoint.load(tmp_path)
    assert told.value.code == ExitCode.NO_CHECKPOINT == 6


def test_what_is_damaged_never_takes_the_place_of_the_previous_one(tmp_path):
    checkpoint.save(tmp_path, state(1))
    checkpoint.save(tmp_path, state(2))
    (tmp_path / "checkpoint.pt").write_bytes(b"damaged")
    assert update_in(tmp_path) == 1
    checkpoint.save(tmp_path, state(2))  # the run has gone on
    (tmp_path / "checkpoint.pt").write_bytes(b"damaged")  # and again
    assert update_in(tmp_path) == 1


def test_what_was_complete_before_a_kill_between_two_renames_counts(tmp_path):
    checkpoint.save(tmp_path, state(1))
    (tmp_path / "checkpoint.new.pt").write_bytes(checkpoint.packed(state(2)))
    assert update_in(tmp_path) == 2
    (tmp_path / "checkpoint.pt").rename(tmp_path / "checkpoint.prev.pt")
    assert update_in(tmp_path) == 2


@pytest.mark.usefixtures("in_empty_folder")
def test_a_run_that_goes_on_removes_what_a_kill_left_of_a_checkpoint(settings_of):
    settings = settings_of()
    left = settings.folder / ".checkpoint.new.pt.7.pending"
    left.parent.mkdir(parents=True)
    left.touch()
    RunDir(settings).close()
    assert not left.exists()


def test_a_checkpoint_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    checkpoint.save(tmp_path, state(1))
    done = noted(monkeypatch)
    checkpoint.save(tmp_path, state(2))
    assert done == [
        f"fsync .checkpoint.new.pt.{os.getpid()}.pending",
        f".checkpoint.new.pt.{os.getpid()}.pending -> checkpoint.new.pt",
        f"fsync {tmp_path.name}",
        "checkpoint.pt -> checkpoint.prev.pt",
        "checkpoint.new.pt -> checkpoint.pt",
        f"fsync {tmp_path.name}",
    ]


def test_a_fresh_checkpoint_without_its_last_name_is_the_newest(tmp_path):
    for number in (1, 2):
        checkpoint.save(tmp_path, state(number))
    (tmp_path / "checkpoint.pt").rename(tmp_path / "checkpoint.new.pt")  # killed between renames
    assert update_in(tmp_path) == 2
    checkpoint.save(tmp_path, state(3))
    assert update_in(tmp_path) == 3


def test_tables_of_an_earlier_version_keep_their_columns(in_empty_folder, settings_of):
    folder = in_empty_folder / "runs/default/Breakout/lambda=0/seed=0"
    folder.mkdir(parents=True)
    (folder / "metrics.csv").write_text("update,env_steps\n1,1024\n")
    run_dir = RunDir(settings_of())
    run_dir.append("metrics.csv", [metrics_row(2)])
    run_dir.close()
    assert (folder / "metrics.csv").read_text() == "update,env_steps\n1,1024\n2,2048\n"


def test_rows_that_a_checkpoint_knows_of_must_be_there(in_empty_folder, settings_of):
    run_dir = RunDir(settings_of())
    run_dir.append("metrics.csv", [metrics_row(1)])
    sizes = run_dir.sizes()
    run_dir.close()
    table = in_empty_folder / "runs/default/Breakout/lambda=0/seed=0/metrics.csv"
    table.write_bytes(table.read_bytes()[:-1])
    with pytest.raises(RunError) as told:
        RunDir(settings_of()).cut_back(sizes)
    assert told.value.code == ExitCode.NO_CHECKPOINT
    assert f"{sizes['metrics.csv'] - 1:,} of {sizes['metrics.csv']:,} bytes" in str(told.value)


def test_a_kill_between_the_renames_loses_nothing(tmp_path):
    checkpoint.save(tmp_path, state(1))
    (tmp_path / "checkpoint.pt").rename(tmp_path / "checkpoint.prev.pt")
    assert update_in(tmp_path) == 1


@pytest.mark.usefixtures("in_empty_folder")
@pytest.mark.parametrize(
    ("table", "row"),
    [("metrics.csv", "entropy_of_maps"), ("episodes.csv", "reward")],
)
def test_a_number_without_a_column_is_refused(settings_of, table, row):
    with RunDir(settings_of()) as run_dir:
        before = (run_dir.folder / table).read_bytes()
        known = metrics_row(1) if table == "metrics.csv" else dict.fromkeys(EPISODES, 1)
        with pytest.raises(ValueError, match=f"{table} has no column {row}"):
            run_dir.append(table, [known | {row: 1.0}])
        assert (run_dir.folder / table).read_bytes() == before
