"""`python -m analysis.aggregates`: a sweep's means as one run on W&B, replaced by the next."""

from pathlib import Path

import pytest
from synthetic import write_sweep
from wandb_server import WandbServer

from analysis import aggregates
from analysis.aggregates import curves, name_of
from analysis.runs import read_runs
from analysis.wandb_runs import read_wandb

pytest_plugins = "wandb_mirror_fixtures"
pytestmark = pytest.mark.usefixtures("in_empty_folder", "nobody_logged_in")


@pytest.fixture
def sweep() -> Path:
    """Two games, two lambdas, three seeds."""
    write_sweep(Path("sweep"), games=2, lambdas=2, seeds=3, updates=30)
    return Path("sweep")


def by_hand(scores: tuple[float, ...]) -> dict[str, float]:
    """Three seeds: t(2, 97.5 %) is 4.302653."""
    mean = sum(scores) / 3
    sd = (sum((score - mean) ** 2 for score in scores) / 2) ** 0.5
    half = 4.302653 * sd / 3**0.5
    return {"mean": mean, "low": mean - half, "high": mean + half, "n": 3}


def test_means_intervals_and_n(sweep: Path):
    runs, _ = read_runs(sweep)
    rows = curves(runs)
    assert list(rows) == sorted(rows)
    last = rows[max(rows)]
    three = [run for run in runs if (run.config.env, run.config.lambda_) == ("Breakout", 0)]
    assert last["env_steps"] == three[0].env_steps
    scores = tuple(float(run.metrics["episode_return"].iloc[-1]) for run in three)
    for key, value in by_hand(scores).items():
        assert last[f"score/Breakout/lambda_0/{key}"] == pytest.approx(value)
    entropies = tuple(float(run.metrics["attention_entropy"].iloc[-1]) for run in three)
    assert last["entropy/Breakout/lambda_0/mean"] == pytest.approx(sum(entropies) / 3)
    one = curves(three[:1])
    assert one[max(one)].keys() == {
        "env_steps",
        *(
            f"{what}/Breakout/lambda_0/{key}"
            for what in ("score", "entropy")
            for key in ("mean", "n")
        ),
    }


def test_names():
    assert name_of("Breakout", 0.0005, "") == "Breakout/lambda_0_0005"
    assert name_of("Breakout", 0, "B") == "Breakout/lambda_0_B"


def test_one_run_that_the_next_replaces(sweep: Path, server: WandbServer, capsys):
    assert aggregates.main([str(sweep), "--project", "tester/attention"]) == 0
    (first,) = server.runs.values()
    assert first.name.startswith("aggregates-sweep-")
    assert (first.project, first.fields["jobType"]) == ("attention", "aggregates")
    assert first.fields["displayName"] == "sweep aggregates"
    assert first.setting("groups")["Breakout/lambda_0"] == {
        "env": "Breakout",
        "lambda": 0,
        "variant": "",
        "seeds": 3,
    }
    assert first.summary["claims/answer"]
    assert first.summary["claims/margin"] == 0.1
    assert any(key.endswith("/verdict") for key in first.summary)
    assert first.state == "finished"
    # the same again: nothing is sent
    sent = len(first.sent)
    assert aggregates.main([str(sweep), "--project", "tester/attention"]) == 0
    assert "on W&B already" in capsys.readouterr().out
    assert (list(server.runs), len(first.sent)) == ([first.name], sent)
    # another margin: the next takes its place, and a run that was trained stays
    trained = "aggregates-sweep-trained"
    server._upsert({"name": trained, "project": "attention", "jobType": "train"})
    assert aggregates.main([str(sweep), "--project", "tester/attention", "--margin", "0.2"]) == 0
    assert list(server.deleted) == [first.name]
    assert trained in server.runs
    assert len(server.runs) == 2
    # and back: W&B doesn't give the id of a deleted run again
    assert aggregates.main([str(sweep), "--project", "tester/attention"]) == 0
    assert len(server.deleted) == 2
    assert len(server.runs) == 2


def test_what_was_cut_off_goes_on(sweep: Path, server: WandbServer):
    assert aggregates.main([str(sweep)]) == 0
    (run,) = server.runs.values()
    assert run.project == "attn_ppo"
    whole = sorted(run.by_step)
    run.exit_code = None
    for step in whole[10:]:
        del run.by_step[step]
    run.summary |= {"_step": 10}
    run.sent.clear()
    assert aggregates.main([str(sweep)]) == 0
    assert run.sent == whole[10:]
    assert run.state == "finished"
    assert (list(server.runs.values()), server.deleted) == ([run], {})  # no earlier one of its own


def test_means_are_no_training_run(sweep: Path, server: WandbServer):
    assert aggregates.main([str(sweep)]) == 0
    assert len(server.runs) == 1
    with pytest.raises(Exception, match="none found"):
        read_wandb("tester/attn_ppo")


def test_bad_input(sweep: Path, capsys, monkeypatch):
    assert aggregates.main([str(sweep), "--margin", "2"]) == 2
    assert "--margin" in capsys.readouterr().err
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert aggregates.main([str(sweep)]) == 2  # nobody is logged in
    assert len(capsys.readouterr().err.splitlines()) == 2
