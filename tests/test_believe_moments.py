"""`python -m analysis.believe` at milestones: at equal score, and over training."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from believe_results import measures

from analysis import believe, believe_agents
from analysis.believe_equal import alike
from analysis.runs import read_runs
from attn_ppo import config
from attn_ppo.interpret.believe.measure import FORMAT
from attn_ppo.lifecycle import milestones
from attn_ppo.model import ActorCritic

pytest_plugins = "believe_fixtures"
pytestmark = pytest.mark.usefixtures("in_empty_folder")


def keep_milestones(folder: Path, *env_steps: int) -> None:
    model = ActorCritic(4, config.read(folder / "config.yaml").attention, torch.Generator())
    state: Any = {"model": model.state_dict(), "backend": "torch"}
    for steps in env_steps:
        milestones.save(folder, steps, state)


def test_lambdas_are_compared_at_equal_score(write_run):
    low, high = write_run("lambda=0.005", score=2), write_run("lambda=0", score=5)
    for run in (low, high):
        keep_milestones(run, 32, 40, 48, 64)
    runs, _ = read_runs("runs/demo")
    chosen, told = alike(runs, "score")
    # the lower ends at 2; the other rises from 1 at 32 to 5 at 64 steps: 2 at 40
    assert [(each.run.config.lambda_, each.milestone) for each in chosen] == [(0, 2), (0.005, None)]
    assert chosen[0].folder == high / "milestones/env_steps=0000000040"
    assert chosen[1].folder == low
    assert told == [
        "At equal score, Breakout: 2.0",
        "  lambda=0 seed=0 at 40 agent steps: 2.0",
        "  lambda=0.005 seed=0 at 64 agent steps: 2.0",
    ]


def test_who_sets_the_score_needs_no_milestones(write_run):
    keep_milestones(write_run("lambda=0", score=5), 32, 40, 64)
    write_run("lambda=0.005", score=2)
    chosen, _ = alike(read_runs("runs/demo")[0], "score")
    assert [each.milestone for each in chosen] == [2, None]  # as above


def test_the_greatest_policy_entropy_is_the_one_to_compare_at(write_run):
    for lambda_, entropy in (("0", 0.5), ("0.005", 1.0)):
        keep_milestones(write_run(f"lambda={lambda_}", entropy=entropy), 32, 48, 64)
    runs, _ = read_runs("runs/demo")
    # from 1.5 to 0.5: 1.0 at 48 steps
    assert [each.milestone for each in alike(runs, "policy_entropy")[0]] == [2, None]


@pytest.mark.usefixtures("asked")
def test_without_milestones_it_is_said(write_run, capsys):
    for lambda_, score in (("0", 5), ("0.005", 2)):
        write_run(f"lambda={lambda_}", score=score)
    assert believe.main([]) == 0
    assert "At equal score, Breakout: not compared, runs have no mil" in capsys.readouterr().out
    assert believe.main(["--no-equal"]) == 0
    assert "At equal" not in capsys.readouterr().out


def test_a_run_that_stopped_is_compared_by_its_milestones(write_run):
    stopped = write_run("lambda=0", score=5, state="interrupted")
    keep_milestones(stopped, 32, 40, 56)
    write_run("lambda=0.005", score=4.9)
    runs, _ = read_runs("runs/demo")
    chosen, _ = alike(runs, "score")
    # from 1 at 32 to 5 at 64 steps, where it has no end: 4 at 56, though 5 is nearer
    assert [each.milestone for each in chosen] == [3, None]


def test_a_lambda_that_stopped_sets_no_target(write_run):
    write_run("lambda=0", score=1, state="interrupted")
    write_run("lambda=0.005", score=2)
    chosen, told = alike(read_runs("runs/demo")[0], "score")
    assert chosen == []
    assert told == [
        "At equal score, Breakout: not compared, runs have no milestones (checkpoint.milestones=10)"
    ]
    for status in Path("runs").rglob("status.json"):
        status.write_text('{"state": "interrupted"}')
    told = alike(read_runs("runs/demo")[0], "score")[1]
    assert told == ["At equal score, Breakout: not compared, of no lambda all runs are finished"]


def test_what_was_measured_of_milestones_outlives_their_weights(write_run, asked, capsys):
    stopped = write_run("lambda=0", score=5, state="interrupted")
    keep_milestones(stopped, 32, 40, 56)
    write_run("lambda=0.005", score=2)
    assert believe.main([]) == 0
    table = Path("runs/demo/figures/believe_equal_score.csv")
    before = table.read_bytes()
    assert len(asked) == 3  # the end of lambda 0.005, and a milestone for score and for entropy
    for path in (stopped / "milestones").glob("*"):
        if path.suffix == ".pt":
            path.unlink()
            path.with_suffix("").mkdir(exist_ok=True)
            (path.with_suffix("") / "believe_looking.json").touch()  # so that all have a place
    table.unlink()
    assert believe.main([]) == 0
    assert table.read_bytes() == before
    assert len(asked) == 3
    capsys.readouterr()
    (stopped / "milestones/env_steps=0000000040/believe.json").unlink()
    assert believe.main([]) == 0
    assert "env_steps=0000000040: the weights of this milestone are gone" in capsys.readouterr().out


def test_what_was_measured_of_an_agent_outlives_its_weights(write_run, asked, capsys):
    gone, _ = write_run(), write_run("lambda=0.005")
    assert believe.main([]) == 0
    table = Path("runs/demo/figures/believe.csv")
    before = table.read_bytes()
    for path in gone.glob("checkpoint*"):
        path.unlink()
    table.unlink()
    assert believe.main([]) == 0
    assert table.read_bytes() == before
    assert len(asked) == 2
    capsys.readouterr()
    assert believe.main(["--steps", "500"]) == 0  # of which nothing is kept
    assert f"skipped {gone}: the weights of this agent are gone" in capsys.readouterr().out
    assert len(asked) == 3


def test_milestones_are_measured_and_kept(write_run, asked):
    for lambda_, score in (("0", 5), ("0.005", 2)):
        keep_milestones(write_run(f"lambda={lambda_}", score=score), 32, 40, 48, 64)
    assert believe.main([]) == 0
    assert believe.main([]) == 0
    assert len(asked) == 3  # two ends, and the one at equal score; entropies are equal
    assert len(list(Path("runs").rglob("milestones/*/believe.json"))) == 1
    assert Path("runs/demo/figures/believe_equal_score.csv").exists()


def test_where_attention_lies_over_training_is_measured_once(write_run, asked, monkeypatch, capsys):
    looked = []

    def looking(agent, _recording, options, *, begin):
        begin("looking")
        looked.append(agent.env_steps)
        about = {"format": FORMAT, "weights": agent.weights, "options": options._asdict()}
        return measures() | about | {"env_steps": agent.env_steps}

    monkeypatch.setattr(believe_agents, "measure_looking", looking)
    run, _ = write_run(), write_run("lambda=0.005")
    keep_milestones(run, 32, 48, 64)
    assert believe.main([]) == 0
    assert looked == []
    assert believe.main(["--training"]) == 0
    assert looked == [32, 48]  # the end, 64, is measured already
    gone = run / "milestones/env_steps=0000000032.pt"
    gone.unlink()
    assert believe.main(["--training", "--samples", "50"]) == 0  # where it lies is as it was
    assert looked == [32, 48]
    table = pd.read_csv("runs/demo/figures/believe_training.csv")
    assert set(table["lambda"]) == {0}
    assert sorted(set(table["env_steps"])) == [32, 48, 64]
    assert Path("runs/demo/figures/believe_training.png").exists()
    assert believe.main(["--training", "--steps", "500"]) == 0
    assert looked == [32, 48, 48]
    told = f"skipped {gone.with_suffix('')}: the weights of this milestone are gone"
    assert told in capsys.readouterr().out
    assert len(asked) == 6


@pytest.mark.usefixtures("asked")
def test_training_without_milestones_is_told(write_run, capsys):
    write_run()
    assert believe.main(["--training"]) == 0
    assert "Over training: not measured, runs have no milestones" in capsys.readouterr().out
    assert not Path("runs/demo/figures/believe_training.csv").exists()
