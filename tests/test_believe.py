"""`python -m analysis.believe`: what is measured, kept, used again, and written of it."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from believe_results import measures
from starting import SMALL

from analysis import believe, believe_agents
from analysis.believe_agents import Progress, stress_of
from analysis.believe_equal import alike
from analysis.runs import read_runs
from attn_ppo import config, status
from attn_ppo.errors import ExitCode, RunError
from attn_ppo.interpret.believe.measure import FORMAT
from attn_ppo.lifecycle import checkpoint, milestones, wandb_summary
from attn_ppo.model import ActorCritic

pytestmark = pytest.mark.usefixtures("in_empty_folder")
HEADER = "update,env_steps,episode_return,attention_entropy,policy_entropy\n"
ROWS = "1,32,1,7,1.5\n2,64,{score},6,{entropy}\n"


@pytest.fixture
def write_run(settings_of):
    """A finished run of two updates of an agent that learned nothing, with an evaluation."""

    def write(*overrides: str, score: float = 2, entropy: float = 1, state="done") -> Path:
        words = ["attention.hidden=16", "total_steps=64", *SMALL[:2], "name=demo", *overrides]
        settings = settings_of(*words)
        folder = settings.folder
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(config.to_yaml(settings))
        (folder / "metrics.csv").write_text(HEADER + ROWS.format(score=score, entropy=entropy))
        (folder / "status.json").write_text(json.dumps({"state": state}))
        evaluation = {"score_mean": score, "scores": [score, score + 2], "env_steps": 64}
        evaluation["attention_entropy"] = 6
        (folder / "evaluation.json").write_text(json.dumps(evaluation))
        save_weights(folder, settings, settings.seed)
        return folder

    return write


def save_weights(folder: Path, settings, seed: int) -> None:
    model = ActorCritic(4, settings.attention, torch.Generator().manual_seed(seed))
    agent = {"model": model.state_dict(), "backend": "torch"}
    state = {"format": 2, "update": 2, "agent": agent}
    state |= {"rows": {}, "games": [], "origin": {"threads": 1}, "wandb_id": None}
    checkpoint.save(folder, state)


@pytest.fixture
def asked(monkeypatch):
    """The agents that were measured, by lambda and seed; measuring them is made up."""
    found = []

    def measure(agent, _recording, options, *, begin):
        begin("objects")
        found.append((agent.settings.lambda_, agent.settings.seed))
        about = {"format": FORMAT, "weights": agent.weights, "options": options._asdict()}
        return measures() | about | {"env_steps": agent.env_steps}

    monkeypatch.setattr(believe_agents, "measure", measure)
    monkeypatch.setattr(believe_agents, "recorded", lambda *_, **__: None)
    monkeypatch.setattr(believe, "available_cpus", lambda: 1)  # here, where it is made up
    return found


def test_a_sweep_is_measured_once(write_run, asked, capsys):
    for lambda_ in ("0", "0.005"):
        for seed in (0, 1):
            write_run(f"lambda={lambda_}", f"seed={seed}")
    assert believe.main([]) == 0  # the newest folder in runs/
    assert asked == [(0, 0), (0, 1), (0.005, 0), (0.005, 1)]
    out = capsys.readouterr().out
    assert "measuring Breakout lambda=0 seed=1 (2 of 4, about 1 min to go)" in out
    assert "λ = 0, 2 seeds" in out
    assert "**Breakout**" in out
    assert believe.main(["runs/demo"]) == 0
    assert len(asked) == 4
    names = {path.name for path in Path("runs/demo/figures").iterdir()}
    kinds = {"believe.md", "believe.csv", "believe_objects.csv", "believe_methods.csv"}
    figures = {f"believe_{name}.png" for name in ("lambda", "objects", "methods")}
    assert kinds | figures <= names


def test_other_weights_or_options_are_measured_again(write_run, asked):
    run = write_run()
    assert believe.main([]) == 0
    save_weights(run, config.read(run / "config.yaml"), seed=7)
    assert believe.main([]) == 0
    assert believe.main([]) == 0
    assert len(asked) == 2
    assert believe.main(["--samples", "50"]) == 0
    assert len(asked) == 3
    (run / "believe.json").write_text("{")
    assert believe.main([]) == 0
    assert len(asked) == 4


def test_it_goes_on_where_it_was_stopped(write_run, asked, monkeypatch, capsys):
    for seed in (0, 1):
        write_run(f"seed={seed}")
    measure = believe_agents.measure

    def stopped(agent, *given, **more):
        if agent.settings.seed == 1:
            raise KeyboardInterrupt
        return measure(agent, *given, **more)

    with monkeypatch.context() as patch:
        patch.setattr(believe_agents, "measure", stopped)
        assert believe.main([]) == 75
    assert "run the same command again" in capsys.readouterr().err
    assert believe.main([]) == 0
    assert asked == [(0, 0), (0, 1)]


def test_an_agent_that_cannot_be_measured_is_named_and_the_others_are(
    write_run, asked, monkeypatch, capsys
):
    good, bad, _ = write_run(), write_run("seed=1"), write_run("seed=2", state="failed")
    measure = believe_agents.measure

    def refused(agent, *given, **more):
        if agent.settings.seed == 1:
            raise RunError(ExitCode.RUN_FAILED, "another game")
        return measure(agent, *given, **more)

    monkeypatch.setattr(believe_agents, "measure", refused)
    assert believe.main([]) == 0
    assert f"skipped {bad}: another game" in capsys.readouterr().out
    assert asked == [(0, 0)]
    good_before = (good / "believe.json").read_bytes()
    assert believe.main([str(bad)]) == 2
    assert "could be measured" in capsys.readouterr().err
    assert (good / "believe.json").read_bytes() == good_before


@pytest.mark.usefixtures("asked")
def test_the_evaluation_status_and_wandb_get_a_few_numbers(write_run, capsys):
    run = write_run()
    assert believe.main([]) == 0
    evaluation = json.loads((run / "evaluation.json").read_text())
    assert evaluation["scores"] == [2, 4]
    assert evaluation["believe"] == {
        "object": "ball",
        "lift": 2.0,
        "seen": 0.4,
        "mutual_information": 0.3,
        "importance": 0.4,
        "agreement": 0.5,
        "agreement_shifted": 0.1,
        "uniform_kl": 0.2,
        "methods_that_pass": ["gradient"],
    }
    sent = wandb_summary.of_evaluation(evaluation)
    assert (sent["believe/lift"], sent["believe/object"]) == (2, "ball")
    assert sent["evaluation/scores"] == [2, 4]
    assert "evaluation/believe" not in sent
    capsys.readouterr()
    status.main([])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[-2:] == ["lift", "agreement"]
    assert lines[2].split()[-2:] == ["2.0", "0.50"]


def test_what_stress_cost(tmp_path):
    table = tmp_path / "stress.csv"
    rows = [("a", "unchanged", 1, 500), ("a", "sticky", 1, 5)]  # other games, earlier
    rows += [("a", "unchanged", 0, 10), ("a", "unchanged", 0, 30), ("a", "sticky", 0, 15)]
    rows += [("a", "slow", 0, 25), ("b", "unchanged", 0, 0), ("b", "sticky", 0, 1)]
    columns = ["weights", "change", "games_seed", "score"]
    pd.DataFrame(rows, columns=columns).assign(games=2).to_csv(table)
    # a: unchanged 20; sticky 15 costs 25 %, slow 25 gains 25 %; b scores nothing: unknown
    found = stress_of(table)
    assert sorted(found["a"]) == [-25, 25]
    assert found["b"] == []
    assert stress_of(tmp_path / "none.csv") == {}
    table.write_text("a,b\n1,2\n")
    assert stress_of(table) == {}


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


@pytest.mark.slow
def test_two_at_a_time_find_what_one_after_the_other_does(write_run, capsys):
    folders = [write_run("lambda=0", f"seed={seed}") for seed in (0, 1)]
    broken = write_run("lambda=0.005")
    (broken / "checkpoint.pt").write_bytes(b"nothing")
    small = ["--steps", "40", "--samples", "5", "--sanity", "1", "--games", "0", "--no-wandb"]
    found = []
    for jobs in ("2", "1"):
        assert believe.main([*small, "--jobs", jobs]) == 0
        found.append([(folder / "believe.json").read_text() for folder in folders])
        for folder in folders:
            (folder / "believe.json").unlink()
    assert found[0] == found[1]
    out = capsys.readouterr().out
    assert "measuring 3 agents, 2 at a time" in out
    assert out.count(f"skipped {broken}: ") == 2  # once in either way
    assert "(3 of 3)" in out


@pytest.mark.parametrize("jobs", ["0", "two", "257"])
def test_agents_at_a_time_have_limits(jobs, capsys):
    assert believe.main(["--jobs", jobs]) == 2
    assert "from 1 to 256" in capsys.readouterr().err


def test_progress_says_how_long_the_rest_takes(capsys, monkeypatch):
    now = iter((0.0, 300.0, 600.0))
    monkeypatch.setattr(believe_agents.time, "monotonic", lambda: next(now))
    progress = Progress(3)  # begins at 0 s
    progress.agent("A")
    progress.agent("B")  # at 300 s: one took 5 minutes, two are left
    progress.agent("C")
    assert capsys.readouterr().out.splitlines() == [
        "measuring A (1 of 3)",
        "measuring B (2 of 3, about 10 min to go)",
        "measuring C (3 of 3, about 5 min to go)",
    ]
