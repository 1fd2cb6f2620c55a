"""Searches, without a sweeper: what is maximised, what is refused, how trials are shown."""

import csv
import dataclasses
import json
import signal
import threading
import time
from pathlib import Path

import pytest
from run_states import HEADER
from starting import SMALL

from attn_ppo import config
from attn_ppo.errors import RunError
from attn_ppo.launch import command_line
from attn_ppo.launch.search import objective, results, search
from attn_ppo.launch.search.objective import Failed, Result, Stopped
from attn_ppo.launch.search.results import Run, Searched
from attn_ppo.lifecycle.lock import RunLock
from attn_ppo.lifecycle.run_dir import mark_status


def evaluated(settings: config.RunConfig, score: float, entropy: float | None) -> None:
    """Leaves a folder as a run of these settings does that is done."""
    folder = settings.folder
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(config.to_yaml(settings))
    steps = settings.trained_steps
    said = {"score_mean": score, "attention_entropy": entropy, "env_steps": steps}
    (folder / "evaluation.json").write_text(json.dumps(said))
    (folder / "metrics.csv").write_text(f"{HEADER}1,{steps},12.5,3.25,50.0\n")
    mark_status(folder, "done", env_steps=steps)


@pytest.mark.usefixtures("in_empty_folder")
@pytest.mark.parametrize(
    ("weight", "entropy", "expected"),
    [
        (0.05, 2.0, 0.4),  # (16.1 - 1.7) / (30.5 - 1.7) = 0.5, less 0.05 * 2 nats
        (0.0, 2.0, 0.5),
        (0.0, None, 0.5),  # without attention
    ],
)
def test_the_objective_is_the_score_on_a_humans_scale_less_what_wide_attention_costs(
    settings_of, weight, entropy, expected
):
    settings = settings_of(f"search.entropy_weight={weight}")
    evaluated(settings, 16.1, entropy)
    result = objective.read(settings.folder, settings)
    assert result == pytest.approx((expected, 0.5, 16.1, entropy))


@pytest.mark.usefixtures("in_empty_folder")
def test_a_run_without_an_evaluation_has_no_objective(settings_of):
    with pytest.raises(RunError, match=r"evaluation\.json: FileNotFoundError"):
        objective.read(Path("nowhere"), settings_of())


def test_a_lambda_too_small_is_run_as_zero(settings_of):
    below = settings_of("lambda=0.0000099", "search.zero_below=1e-5")
    assert below.lambda_ == 0
    assert below.folder == Path("runs/default/Breakout/lambda=0/seed=0")
    assert "lambda: 0.0\n" in config.to_yaml(below)
    assert settings_of("lambda=0.00001", "search.zero_below=1e-5").lambda_ == 1e-5
    assert settings_of("lambda=0.0000099").lambda_ == 0.0000099


def test_what_is_searched_for_is_no_part_of_a_runs_identity(settings_of):
    other = settings_of("search.entropy_weight=0.5", "search.zero_below=0.1")
    assert config.identity(other) == config.identity(settings_of())


@pytest.mark.usefixtures("in_empty_folder")
def test_what_a_sweeper_is_told(settings_of):
    settings = settings_of()
    assert isinstance(objective.outcome(settings, 75), Stopped)
    assert isinstance(objective.outcome(settings, -signal.SIGTERM), Stopped)
    with pytest.raises(Stopped):
        float(Stopped("the run was stopped"))
    settings.folder.mkdir(parents=True)
    mark_status(settings.folder, "failed", cause="value_loss is nan")
    failed = objective.outcome(settings, 3)
    assert isinstance(failed, Failed)
    with pytest.raises(ValueError, match="value_loss is nan"):
        float(failed)
    mark_status(settings.folder, "done")  # but without its evaluation
    with pytest.raises(ValueError, match="no objective"):
        float(objective.outcome(settings, 0))


def test_a_point_that_is_drawn_twice_waits_for_its_run(tmp_path):
    codes, other = [5, 5, 0], RunLock(tmp_path)
    threading.Timer(0.3, other.close).start()
    started = time.monotonic()
    assert objective.once_free(lambda: codes.pop(0), tmp_path, seconds=0.01) == 0
    assert codes == []
    assert time.monotonic() - started >= 0.3  # no process is started for nothing


@pytest.mark.usefixtures("in_empty_folder")
def test_two_searches_never_share_a_folder(capsys):
    asked = command_line.parse(["-m", *SMALL, "lambda=0,0.1", "total_steps=64"])
    folder = asked.configs[0].sweep_folder
    folder.mkdir(parents=True)
    other = RunLock(folder)
    assert search.run(asked, lambda *_: pytest.fail("begun")) == 5
    assert capsys.readouterr().err.startswith("error: runs/default is being run by pid ")
    other.close()


@pytest.mark.usefixtures("in_empty_folder")
def test_trials_as_they_were_run(settings_of):
    searched = Searched({"lambda": "...", "ppo.clip_range": "..."}, {}, {}, None)
    low, high = settings_of("lambda=0"), settings_of("lambda=0.0003456789", "ppo.clip_range=0.3")
    for settings, score in ((low, 30.5), (high, 1.7)):
        evaluated(settings, score, 2.0)
    runs = results.of_folder(low, searched)
    runs += [Run(2, "failed", "lambda=-1 is not allowed", {"lambda": -1.0}, None, None)]
    assert results.table(runs, searched).splitlines() == [
        "trial  state   objective  human-normalised  score  attention entropy     lambda  "
        "ppo.clip_range  note",
        "    0  done       1.0000            1.0000   30.5               2.00          0  "
        "           0.2  best",
        "    1  done       0.0000            0.0000    1.7               2.00  0.0003457  "
        "           0.3",
        "    2  failed          -                 -      -                  -         -1  "
        "                lambda=-1 is not allowed",
    ]
    best = results.best(runs, searched)
    assert best.startswith("best of 2: trial 0, lambda=0 ppo.clip_range=0.2\n")
    assert "runs/default/Breakout/lambda=0/seed=0" in best
    path = results.write(runs, searched, low.sweep_folder)
    with open(path) as file:
        rows = list(csv.DictReader(file))
    assert rows[1] == {
        "number": "1",
        "state": "done",
        "objective": "0.0",
        "human_normalised_score": "0.0",
        "score": "1.7",
        "attention_entropy": "2.0",
        "lambda": "0.0003456789",
        "ppo.clip_range": "0.3",
        "folder": str(high.folder),
        "note": "",
    }
    assert rows[2]["objective"] == rows[2]["folder"] == ""


def test_of_equal_trials_the_first_is_the_best():
    same = Result(0.5, 0.5, 16.1, 1.0)
    runs = [Run(n, "done", "", {"lambda": 0.1 * n}, None, same) for n in (1, 2)]
    table = results.table(runs, Searched({"lambda": "..."}, {}, {}, None)).splitlines()
    assert [line.endswith("best") for line in table] == [False, True, False]


def test_the_space_of_whole_numbers_is_one_of_whole_numbers():
    # Hydra's interval(1,4) has 2.5 in it, and 1,2,3 is a list of names to Optuna's sweeper.
    whole = search.whole
    assert whole("attention.maps=interval(1,4)") == "attention.maps=int(interval(1,4))"
    assert whole("ppo.num_epochs=tag(log,interval(1,64))") == (
        "ppo.num_epochs=int(tag(log,interval(1,64)))"
    )
    assert whole("attention.maps=1,2,3") == "attention.maps=int(interval(1,3))"
    assert whole("attention.maps=1,2,4") == "attention.maps=1,2,4"
    assert whole("attention.maps=2") == "attention.maps=2"
    assert whole("attention.maps=int(interval(1,4))") == "attention.maps=int(interval(1,4))"


def searched_by(*overrides: str) -> Searched:
    return search.of(command_line.parse(["-m", *SMALL, *overrides]))


def test_what_makes_trials_comparable():
    ours = searched_by("lambda=0,0.1", "protocol=baselines,machado", "total_steps=64")
    assert ours.space == {"lambda": "0,0.1", "protocol": "baselines,machado"}
    assert ours.keys == "lambda, protocol"
    assert ours.common["lambda"] == "0,0.1"
    assert ours.common["total_steps"] == 64
    assert "protocol.sticky_actions" not in ours.common  # follows from the protocol
    weighed = searched_by("lambda=0,0.1", "protocol=baselines,machado", "total_steps=64")
    assert weighed.common == ours.common
    for other in ("search.entropy_weight=0.3", "evaluation.episodes=7", "seed=4", "env=Pong"):
        theirs = searched_by("lambda=0,0.1", "protocol=baselines,machado", "total_steps=64", other)
        assert theirs.common != ours.common, other


def test_a_trial_has_the_settings_of_its_point():
    searched = searched_by("lambda=0,0.1", "attention.maps=1,2", "total_steps=64", "name=mine")
    settings = searched.settings({"lambda": 0.05, "attention.maps": 2})
    level = "attention.maps=2"
    assert settings.folder == Path(f"runs/mine/Breakout/{level}/lambda=0.05/seed=0")
    assert settings == dataclasses.replace(settings, total_steps=64)
