"""Whole runs of a real game, from the command line to the files that they leave."""

import errno
import json
import math
import os
import shlex
import signal
import subprocess
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from starting import COMMAND, RUN, rows, run_command, train, wait_for

from attn_ppo import config, ppo, status
from attn_ppo import evaluate as evaluation
from attn_ppo.learning import flags
from attn_ppo.lifecycle import checkpoint, wandb_summary
from attn_ppo.lifecycle.wandb_mirror import WandbMirror


@pytest.mark.usefixtures("in_empty_folder")
def test_a_run_leaves_its_files_and_runs_once():
    words = ["lambda=0.005", "ppo.num_epochs=1", "checkpoint.every_updates=4"]
    done = train(*words, "total_steps=320")
    assert done.returncode == 0, done.stderr
    assert "Breakout lambda=0.005 seed=0" in done.stderr  # progress, plain lines
    names = {p.name for p in RUN.iterdir()}
    assert names == {
        "config.yaml",
        "metrics.csv",
        "episodes.csv",
        "evaluation.json",
        "status.json",
        "checkpoint.pt",
        "checkpoint.prev.pt",
        "lock",
    }
    metrics = rows(RUN / "metrics.csv")
    assert [row["env_steps"] for row in metrics] == [str(32 * n) for n in range(1, 11)]
    assert [row["frames"] for row in metrics] == [str(128 * n) for n in range(1, 11)]
    assert 7 < float(metrics[0]["attention_entropy"]) <= 7.7837
    # annealed over 10 updates: 2.5e-4 at the first, a tenth of it at the last
    assert [float(metrics[i]["learning_rate"]) for i in (0, 9)] == pytest.approx([2.5e-4, 2.5e-5])
    result = json.loads((RUN / "evaluation.json").read_text())
    assert len(result["scores"]) == len(result["seeds"]) == result["episodes"] == 2
    assert result["env_steps"] == 320
    assert 0 < result["attention_entropy"] <= 7.7837
    assert len(result["effective_cells_per_map"]) == 2
    status = json.loads((RUN / "status.json").read_text())
    assert (status["state"], status["exit_code"]) == ("done", 0)
    assert status["rom_md5"] == "f34f08e5eb96e500e851a80be3277a56"

    before = {p.name: p.stat().st_mtime_ns for p in RUN.iterdir()}
    again = train(*words, "total_steps=320")
    assert again.returncode == 0
    assert "done already" in again.stdout
    assert before == {p.name: p.stat().st_mtime_ns for p in RUN.iterdir()}

    other = train(*words, "total_steps=640")
    assert other.returncode == 2
    assert "total_steps=320" in other.stderr


@pytest.mark.usefixtures("in_empty_folder")
def test_without_attention_there_is_no_attention_entropy():
    done = train("lambda=0", "total_steps=64", "attention.gate=none")
    assert done.returncode == 0, done.stderr
    assert "attention entropy -" in done.stderr
    folder = RUN.parent.parent / "lambda=0" / "seed=0"
    assert [row["attention_entropy"] for row in rows(folder / "metrics.csv")] == ["nan", "nan"]
    result = json.loads((folder / "evaluation.json").read_text())
    assert (result["attention_entropy"], result["attention_entropy_per_map"]) == (None, [])
    sent = wandb_summary.of_evaluation(result)
    assert sent.keys() == {f"evaluation/{key}" for key in result} - {"evaluation/attention_entropy"}
    (standing,) = status.look([(folder, None)])
    assert status.result(standing)[1] == "-"


@pytest.mark.usefixtures("in_empty_folder")
def test_a_run_tells_what_looks_wrong_and_where_its_score_stands(monkeypatch):
    """12 updates of 32 steps; any policy of four actions is taken for fixed."""
    monkeypatch.setattr(flags, "NO_CHOICE", 1.387)  # ln 4 is 1.386
    sent, summaries = [], []
    monkeypatch.setattr(WandbMirror, "write", lambda _, row: sent.append(row))
    monkeypatch.setattr(
        WandbMirror, "finish", lambda _, about=None, **_more: summaries.append(about) or True
    )
    done = train("lambda=0.005", "total_steps=384", "ppo.num_epochs=1")
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if "seed=0: " in line]
    kinds = [line.split("seed=0: ")[1].partition(":")[0] for line in lines]
    assert kinds.count("policy fixed") == 2  # when it began to hold, and at the end
    assert lines[-1].endswith("a smaller ppo.learning_rate")
    assert any("% of human; published 131 (the study) to 430" in line for line in lines)
    assert len(sent) == 12
    known = [row["episode_return"] for row in sent if "learning/human_normalised" in row]
    assert len(known) == sum(not math.isnan(row["episode_return"]) for row in sent)
    score = json.loads((RUN / "evaluation.json").read_text())["score_mean"]
    human = (score - 1.36719) / 29.13281  # 30.5 - 1.36719
    assert summaries[0]["evaluation/human_normalised"] == pytest.approx(human)
    assert summaries[0]["learning/flags"].startswith("policy fixed: policy entropy 1.4 nats")
    assert summaries[0]["status/state"] == "done"
    assert "learning/human_normalised" not in rows(RUN / "metrics.csv")[0]


@pytest.mark.usefixtures("in_empty_folder")
def test_a_signal_saves_and_says_run_me_again():
    command = [*COMMAND, "lambda=0.005"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: (RUN / "metrics.csv").exists() and rows(RUN / "metrics.csv"))
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 75
    assert "SIGTERM: saving" in told
    assert "error" not in told
    assert told.endswith(f"\nto continue: {shlex.join(command)}\n")
    status = json.loads((RUN / "status.json").read_text())
    assert (status["state"], status["exit_code"]) == ("preempted", 75)
    saved = torch.load(RUN / "checkpoint.pt", weights_only=True)["update"]
    assert len(rows(RUN / "metrics.csv")) == saved


@pytest.mark.slow
@pytest.mark.usefixtures("in_empty_folder")
def test_same_seed_same_numbers():
    assert train("name=a", "total_steps=160", "seed=3").returncode == 0
    assert run_command("name=b", "total_steps=160", "seed=3").returncode == 0
    assert train("name=c", "total_steps=160", "seed=4").returncode == 0
    tables = []
    for name in ("a", "b", "c"):
        table = rows(
            Path(f"runs/{name}/Breakout/lambda=0/seed={4 if name == 'c' else 3}/metrics.csv")
        )
        tables.append([{k: v for k, v in row.items() if "second" not in k} for row in table])
    assert tables[0] == tables[1] != tables[2]


@pytest.mark.usefixtures("in_empty_folder")
def test_not_finite_stops_the_run(monkeypatch):
    real, calls = ppo.clipped_value_loss, [0]

    def broken(*args):
        calls[0] += 1
        return real(*args) * (float("nan") if calls[0] > 4 * 6 else 1)

    monkeypatch.setattr(ppo, "clipped_value_loss", broken)
    done = train("lambda=0.005", "ppo.num_epochs=1", "checkpoint.every_updates=3")
    assert done.returncode == 3
    assert "nan at update 7" in done.stderr
    assert torch.load(RUN / "checkpoint.pt", weights_only=True)["update"] == 6
    status = json.loads((RUN / "status.json").read_text())
    assert (status["state"], status["exit_code"]) == ("failed", 3)


@pytest.mark.usefixtures("in_empty_folder")
def test_a_signal_during_start_up_is_no_failure():
    command = [*COMMAND, "lambda=0.005"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: (RUN / "lock").exists())  # torch is imported, no game begun
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 75, told
    assert "Traceback" not in told


@pytest.mark.slow
@pytest.mark.usefixtures("in_empty_folder")
def test_a_signal_during_the_evaluation_ends_it():
    command = [*COMMAND, "lambda=0.005", "total_steps=64", "evaluation.episodes=30"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: len(rows(RUN / "metrics.csv")) == 2)
    wait_for(lambda: (RUN / "checkpoint.pt").exists())
    process.terminate()
    _, told = process.communicate(timeout=60)
    assert process.returncode == 75, told
    assert not (RUN / "evaluation.json").exists()
    status = json.loads((RUN / "status.json").read_text())
    assert status["state"] == "preempted"
    assert train("lambda=0.005", "total_steps=64").returncode == 0  # on two games instead of 30
    assert json.loads((RUN / "evaluation.json").read_text())["episodes"] == 2


@pytest.mark.usefixtures("in_empty_folder")
def test_a_full_disk_is_told_in_a_line():
    RUN.mkdir(parents=True)
    (RUN / "metrics.csv").symlink_to("/dev/full")
    done = train("lambda=0.005", "total_steps=320")
    assert done.returncode == 4, done.stderr
    assert "Traceback" not in done.stderr
    assert "No space left on device" in done.stderr


@pytest.mark.usefixtures("in_empty_folder")
def test_evaluating_any_run_folder(monkeypatch, capsys):
    assert train("lambda=0.005", "total_steps=64", "evaluation.episodes=0").returncode == 0
    assert not (RUN / "evaluation.json").exists()
    assert evaluation.main([str(RUN), "3"]) == 0
    first = json.loads((RUN / "evaluation.json").read_text())
    assert len(first["scores"]) == 3
    assert evaluation.main([str(RUN), "3"]) == 0
    assert json.loads((RUN / "evaluation.json").read_text()) == first
    assert evaluation.main(["nowhere"]) == 2
    read_only = OSError(errno.EROFS, os.strerror(errno.EROFS), "evaluation.json")
    monkeypatch.setattr(evaluation, "write_atomically", Mock(side_effect=read_only))
    capsys.readouterr()
    assert evaluation.main([str(RUN), "1"]) == 4
    printed = capsys.readouterr()
    assert "score " in printed.out
    assert printed.err.endswith("error: can't write evaluation.json: Read-only file system\n")
    assert evaluation.main([str(RUN), "0"]) == 2
    assert evaluation.main([]) == 2


@pytest.mark.usefixtures("in_empty_folder")
def test_a_finished_run_is_evaluated_anew_where_more_games_are_asked_for():
    def ask(*more: str) -> subprocess.CompletedProcess:
        return train("lambda=0.005", "total_steps=64", *more)

    def found() -> dict:
        return json.loads((RUN / "evaluation.json").read_text())

    assert ask().returncode == 0
    trained = {name: (RUN / name).read_bytes() for name in ("metrics.csv", "episodes.csv")}
    first = found()
    state = checkpoint.load(RUN) or {}
    state["origin"]["circumstances"]["torch"] = "1.0.0"  # what it was trained on is past
    checkpoint.save(RUN, state)
    done = ask("evaluation.episodes=3")
    assert done.returncode == 0, done.stderr
    assert found()["episodes"] == 3
    assert found()["seeds"][:2] == first["seeds"]
    assert trained == {name: (RUN / name).read_bytes() for name in trained}
    status = json.loads((RUN / "status.json").read_text())
    assert (status["state"], status["score"]) == ("done", found()["score_mean"])
    assert status["inexact_resumes"] == []
    assert config.read(RUN / "config.yaml").evaluation.episodes == 3
    for nothing_to_do in ("evaluation.episodes=3", "evaluation.episodes=0"):
        again = ask(nothing_to_do, "device=cpu", "videos.every_updates=2", "wandb.mode=offline")
        assert (again.returncode, "done already" in again.stdout) == (0, True)
    for file in RUN.glob("checkpoint*"):
        file.unlink()
    refused = ask("evaluation.episodes=4")
    assert refused.returncode == 2
    assert refused.stderr == (
        "error: evaluation.episodes=4 is not allowed\n"
        f"allowed: 3, as {RUN} was: it has no checkpoint to evaluate\n"
    )
    assert json.loads((RUN / "status.json").read_text())["state"] == "done"
