"""`python -m analysis.believe`: what is measured, kept, used again, and written of it."""

import json
from pathlib import Path

import pandas as pd
import pytest

from analysis import believe, believe_agents
from analysis.believe_agents import Progress, stress_of
from attn_ppo import config, status
from attn_ppo.errors import ExitCode, RunError
from attn_ppo.lifecycle import wandb_summary

pytest_plugins = "believe_fixtures"
pytestmark = pytest.mark.usefixtures("in_empty_folder")


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


def test_other_weights_or_options_are_measured_again(write_run, save_weights, asked):
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
