"""Milestones: a run's weights at even intervals, kept for good, whatever interrupts it."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from identical import difference
from starting import RUN, train

import attn_ppo
from attn_ppo import config
from attn_ppo.errors import ConfigError, ExitCode, RunError
from attn_ppo.lifecycle import checkpoint, milestones, saved

# 10 updates of 2 x 16 agent steps, of which 4 are milestones: k * 2.5 updates, rounded up
WORDS = ["lambda=0.005", "ppo.num_epochs=1", "total_steps=320", "evaluation.episodes=0"]
FOUR = [*WORDS, "checkpoint.milestones=4", "checkpoint.every_updates=1000"]
STEPS = [96, 160, 256, 320]  # after updates 3, 5, 8, 10


@pytest.mark.parametrize(
    ("number", "updates"),
    [
        (0, []),
        (1, [10]),
        (3, [4, 7, 10]),  # 3.33, 6.67, 10
        (4, [3, 5, 8, 10]),  # 2.5, 5, 7.5, 10
        (10, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        (1000, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
    ],
)
def test_they_are_spread_evenly_over_the_run_and_end_with_it(number, updates, settings_of):
    sizes = ("ppo.num_envs=2", "ppo.num_steps=16", "total_steps=320")
    settings = settings_of(*sizes, f"checkpoint.milestones={number}")
    assert [n for n in range(1, 11) if settings.milestone_due(n)] == updates
    assert all(settings.checkpoint_due(n) for n in updates)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> tuple[Path, dict[int, Any]]:
    """The folder of a run with 4 milestones, and the weights in each of its 10 checkpoints."""
    weights, save = {}, saved.save

    def copied(folder: Path, state: saved.Saved) -> None:
        model = {name: weight.clone() for name, weight in state.agent["model"].items()}
        weights[32 * state.update] = model
        save(folder, state)

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("run"))
        patch.setattr(saved, "save", copied)
        assert train(*FOUR, "checkpoint.every_updates=1").returncode == 0
        return RUN.absolute(), weights


def test_each_has_the_weights_of_the_checkpoint_of_its_step(run):
    folder, weights = run
    assert [each.env_steps for each in milestones.found(folder)] == STEPS
    assert list(weights) == [32 * n for n in range(1, 11)]
    for number, steps in enumerate(STEPS, 1):
        kept = milestones.load(folder, number)
        assert kept.env_steps == steps
        assert kept.model.keys() == weights[steps].keys()
        for name, weight in weights[steps].items():
            assert torch.equal(kept.model[name], weight), (steps, name)
    assert not torch.equal(weights[96]["body.0.weight"], weights[160]["body.0.weight"])


def test_it_is_weights_alone(run):
    """Convolutions 8,224 + 32,832 + 36,928, two maps 33,280 + 1,026, body 1,606,144, heads 2,052 +
    513: 1,720,999 floats of 4 bytes."""
    folder, _ = run
    for each in milestones.found(folder):
        assert 6_883_996 < each.path.stat().st_size < 6_883_996 + 10_000
        assert torch.load(each.path, weights_only=True)["env_steps"] == each.env_steps


@pytest.mark.slow
@pytest.mark.usefixtures("in_empty_folder")
@pytest.mark.parametrize("update", [3, 5, 10])
def test_broken_off_beside_its_checkpoint_and_resumed_it_is_the_same(update, run, monkeypatch):
    """The worst moment: the milestone is there, and no checkpoint that knows of it."""
    real, written = saved.save, []

    def broken_off(folder: Path, state: saved.Saved) -> None:
        if state.update == update and not written:
            written.append([each.env_steps for each in milestones.found(folder)])
            raise RunError(ExitCode.RUN_FAILED, "broken off")
        real(folder, state)

    monkeypatch.setattr(saved, "save", broken_off)
    assert train(*FOUR).returncode == 1
    assert written == [[steps for steps in STEPS if steps <= 32 * update]]
    assert train(*FOUR).returncode == 0
    folder, _ = run
    assert difference(RUN.absolute(), folder) is None
    names = [f"env_steps=0000000{steps:03d}.pt" for steps in STEPS]
    assert sorted(path.name for path in (RUN / "milestones").iterdir()) == names


def test_a_byte_of_one_is_a_difference(run, tmp_path):
    folder, _ = run
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    assert difference(tmp_path, folder) is None
    path = milestones.found(tmp_path)[2].path
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert difference(tmp_path, folder) == "milestones.env_steps=0000000256.pt"


@pytest.mark.usefixtures("in_empty_folder")
def test_a_full_disk_is_told_and_leaves_nothing_half_made(monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(milestones, "write_atomically", full)
    ended = train(*FOUR)
    assert ended.returncode == 4
    assert "can't write runs/default/Breakout/lambda=0.005/seed=0/milestones/" in ended.stderr
    assert not list((RUN / "milestones").iterdir())


@pytest.mark.usefixtures("in_empty_folder")
def test_how_many_is_no_part_of_what_a_run_is(run):
    assert train(*FOUR, "checkpoint.milestones=0").returncode == 0
    folder, _ = run
    assert not (RUN / "milestones").exists()
    ours, theirs = (checkpoint.load(each) or {} for each in (RUN, folder))
    for name, weight in theirs["agent"]["model"].items():
        assert torch.equal(ours["agent"]["model"][name], weight)
    again = train(*FOUR, "checkpoint.milestones=9")
    assert again.returncode == 0
    assert "done already" in again.stdout


def test_a_run_of_before_there_were_any_has_none(settings_of, tmp_path):
    text = config.to_yaml(settings_of("checkpoint.milestones=4"))
    assert text.count("  milestones: 4\n") == 1
    (tmp_path / "config.yaml").write_text(text.replace("  milestones: 4\n", ""))
    assert config.read(tmp_path / "config.yaml").checkpoint.milestones == 0


def test_loaded_by_number_it_is_the_agent_of_then(run, tmp_path):
    folder, weights = run
    second = attn_ppo.load(folder, milestone=2)
    assert second.env_steps == 160
    assert torch.equal(second.model.state_dict()["body.0.weight"], weights[160]["body.0.weight"])
    last, newest = attn_ppo.load(folder, milestone=4), attn_ppo.load(folder)
    assert (last.weights, last.env_steps) == (newest.weights, newest.env_steps)
    assert last.weights != second.weights
    file = attn_ppo.export(folder, tmp_path / "second", milestone=2)
    exported = attn_ppo.load(file)
    assert (exported.weights, exported.env_steps) == (second.weights, 160)
    with pytest.raises(ConfigError, match="milestone=2 is not allowed\nallowed: None with an"):
        attn_ppo.load(file, milestone=2)


@pytest.mark.parametrize("number", [0, 5, -1, 2.0, "2", True])
def test_numbers_that_are_not_there_are_told(number, run):
    told = f"milestone={number} is not allowed\nallowed: a whole number from 1 to 4"
    with pytest.raises(ConfigError, match=told):
        attn_ppo.load(run[0], milestone=number)


def test_damaged_or_missing_milestones_are_told(run, tmp_path):
    folder, _ = run
    (tmp_path / "config.yaml").write_text((folder / "config.yaml").read_text())
    with pytest.raises(RunError, match=r"has no milestones: .* checkpoint\.milestones=10") as error:
        attn_ppo.load(tmp_path, milestone=1)
    assert error.value.code == ExitCode.NO_CHECKPOINT
    data = bytearray(milestones.found(folder)[0].path.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "milestones").mkdir()
    (tmp_path / "milestones/env_steps=0000000096.pt").write_bytes(data)
    with pytest.raises(RunError, match=r"env_steps=0000000096\.pt: damaged") as error:
        attn_ppo.load(tmp_path, milestone=1)
    assert error.value.code == ExitCode.NO_CHECKPOINT


AGENT: Any = {"model": {"w": torch.tensor([2.0])}, "optimizer": {}, "rng": None, "backend": "torch"}


def test_what_a_kill_left_half_made_is_none_of_them(tmp_path):
    for steps in (320, 96):
        milestones.save(tmp_path, steps, AGENT)
    (tmp_path / "milestones/.env_steps=0000000160.pt.pending").write_bytes(b"half")
    assert [each.env_steps for each in milestones.found(tmp_path)] == [96, 320]
    kept = milestones.load(tmp_path, 2)
    assert (kept.env_steps, kept.model["w"].tolist(), kept.backend) == (320, [2], "torch")


def test_a_newer_versions_milestone_is_refused(tmp_path):
    (tmp_path / "milestones").mkdir()
    data = checkpoint.packed({"format": 2, "weights": {}})
    (tmp_path / "milestones/env_steps=0000000096.pt").write_bytes(data)
    told = "has format 2, made by a newer version; this one reads up to 1"
    with pytest.raises(RunError, match=told) as error:
        milestones.load(tmp_path, 1)
    assert error.value.code == ExitCode.NO_CHECKPOINT


def test_what_a_milestone_needs_is_told_where_the_disk_is_full(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(milestones, "write_atomically", full)
    with pytest.raises(RunError, match=r"0000000096\.pt: No space left .* \([0-9,]+ bytes needed"):
        milestones.save(tmp_path, 96, AGENT)
