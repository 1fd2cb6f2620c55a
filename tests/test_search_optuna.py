"""Searches by Optuna: its trials outlive the process, and are not taken for another search's."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from dry_run import check_refused, dry_run
from PIL import Image

from attn_ppo.errors import ConfigError
from attn_ppo.launch.search import plots
from attn_ppo.launch.search import study as studies
from attn_ppo.launch.search.objective import Result
from attn_ppo.launch.search.results import Run
from attn_ppo.launch.search.study import Study

pytest.importorskip("optuna", reason="needs the extra [search]")
pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="needs the extra [search]")

pytestmark = pytest.mark.filterwarnings("ignore:.* is experimental")  # of Optuna, since years
assert dry_run  # a fixture
SPACE = {"lambda": "0,1"}
# Command lines after `-m experiment=search`, and what the error must say.
REFUSED = {
    "env=Breakout,Pong": ["env=Breakout,Pong can't be searched over", "one game"],
    "seed=0,1": ["seed=0,1 can't be searched over", "one seed"],
    "env=Tetris": ["env=Tetris", "57 games", "nearest: Tennis"],
    "evaluation.episodes=0": ["evaluation.episodes=0", "1 or more"],
    "attention.gate=softmax,none,sigmoid": ["attention.gate=none", "search.entropy_weight=0"],
    "lambda=0.1": ["has nothing to vary", "lambda=tag(log,interval(1e-6,1e-2))"],
    "lambda=interval(1,0)": ["lambda=interval(1,0)", "low below high"],
    "lambda=tag(log,interval(0,1))": ["lambda=tag(log,interval(0,1))", "search.zero_below=1e-5"],
    "ppo.clip_range=interval(0.1,30)": ["ppo.clip_range=30.0", "at most 10"],
    "attention.maps=1,99,2": ["attention.maps=99", "from 1 to 64"],
    "ppo.num_minibatches=range(3,3)": ["ppo.num_minibatches=range(3,3) has no value"],
    "search.entropy_weight=-1": ["search.entropy_weight=-1"],
    "hydra.sweeper.n_trials=0": ["hydra.sweeper.n_trials=0", "from 1 to 10,000"],
    "hydra.sweeper.n_jobs=0": ["hydra.sweeper.n_jobs=0", "from 1 to 10,000"],
    "hydra.sweeper.ntrials=9": ["hydra.sweeper.ntrials=9", "nearest: hydra.sweeper.n_trials"],
    "hydra.sweeper.direction=minimize": ["can't be set", "a search maximises"],
    "hydra.sweeper.storage=x.db": ["hydra.sweeper.storage=x.db can't be set"],
    "hydra.sweeper.custom_search_space=os.system": ["custom_search_space=os.system can't be set"],
    "hydra/sweeper/sampler=grid": ["hydra/sweeper/sampler=grid is not allowed", "without hydra/"],
    "hydra/sweeper/sampler=tp": ["sampler=tp is not", "random, tpe\nnearest: tpe"],
    "evaluation.episodes=1,2": ["evaluation.episodes=1,2 can't be searched over", "folder"],
    "device=cpu,auto": ["device=cpu,auto can't be searched over", "decide what is trained"],
}


@pytest.mark.parametrize("override", REFUSED)
def test_a_search_that_cannot_be_made_is_refused_at_once(dry_run, override):
    outcome = dry_run("-m", "experiment=search", "total_steps=10_000", override)
    check_refused(outcome)
    for text in REFUSED[override]:
        assert text in "\n".join(outcome.err)


def test_a_search_of_any_key_begins(dry_run):
    keys = ["ppo.clip_range=interval(0.1,0.3)", "attention.maps=range(1,5)", "protocol=glob(*)"]
    assert dry_run("-m", "experiment=search", "attention.gate=softmax,sigmoid", *keys).begun


def study_in(folder: Path, **asked: object) -> Study:
    folder.mkdir(parents=True, exist_ok=True)
    return Study("mine", folder, asked or SPACE)


def asked_for(study: Study) -> list:
    """The trials of a batch of two, as the sweeper asks for them in a process of its own."""
    optuna = studies.optuna()
    space = {"lambda": optuna.distributions.LogUniformDistribution(1e-6, 1e-2)}
    sampler = optuna.samplers.RandomSampler(seed=study.seed(7))
    sweepers = optuna.load_study("mine", study.url, sampler=sampler)
    return [sweepers.ask(space) for _ in range(2)]


def test_a_killed_trial_is_the_next_one_and_no_draw_is_repeated(tmp_path):
    first, second = asked_for(study_in(tmp_path))
    study = study_in(tmp_path)  # of the next process: both were running
    assert [t.state for t in study.trials()] == ["running", "running"]
    study.let_wait()
    assert [t.state for t in study.trials()] == ["waiting", "waiting"]
    assert study.finished() == 0
    again = asked_for(study)
    assert [t.number for t in again] == [0, 1]
    assert [t.params for t in again] == [first.params, second.params]
    for trial in again:
        study.optuna.tell(trial.number, 0.5)
    assert study_in(tmp_path).finished() == 2
    third, fourth = asked_for(study)
    drawn = [t.params["lambda"] for t in (first, second, third, fourth)]
    assert len(set(drawn)) == 4


def test_the_same_seed_draws_the_same(tmp_path):
    ours, theirs = (asked_for(study_in(tmp_path / name)) for name in ("a", "b"))
    assert [t.params for t in ours] == [t.params for t in theirs]


def test_a_failed_trial_counts(tmp_path):
    study = study_in(tmp_path)
    first, _ = asked_for(study)
    study.optuna.tell(first.number, state=studies.optuna().trial.TrialState.FAIL)
    study.let_wait()
    assert [t.state for t in study.trials()] == ["fail", "waiting"]
    assert study.finished() == 1


def test_a_folder_of_any_name(tmp_path, monkeypatch):
    name = "50% of ?a=b#c 'd' ü"
    monkeypatch.chdir(tmp_path)
    study = study_in(Path(name))
    monkeypatch.chdir("/")
    asked_for(study)  # by a process in another working folder
    assert len(study_in(tmp_path / name).trials()) == 2
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert [path.name for path in (tmp_path / name).iterdir()] == ["search.db"]


def foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as file:
        file.execute("CREATE TABLE guests (name TEXT)")


def of_another_name(path: Path) -> None:
    Study("theirs", path.parent, SPACE)


def cut_short(path: Path) -> None:
    study_in(path.parent)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


UNUSABLE = {
    "no database": lambda path: path.write_bytes(b"no database" * 1000),
    "a folder": lambda path: path.mkdir(),
    "no such table: studies": foreign,
    "the study theirs": of_another_name,
    "cut short": cut_short,
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_a_file_that_is_no_such_search_is_left_as_it_is(tmp_path, kind):
    path = tmp_path / "search.db"
    UNUSABLE[kind](path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(ConfigError) as refused:
        study_in(tmp_path)
    lines = str(refused.value).splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"error: {path} can't be used (")
    assert lines[1].startswith("allowed: ")
    assert before is None or path.read_bytes() == before


def test_a_search_of_other_settings_is_told_by_its_keys(tmp_path):
    study_in(tmp_path, **{"lambda": "0,1", "total_steps": 64, "ppo.gamma": 0.99})
    with pytest.raises(ConfigError) as refused:
        study_in(tmp_path, **{"lambda": "0,1", "total_steps": 128, "ppo.gamma": 0.99})
    assert str(refused.value) == (
        f"error: total_steps=128 differs from the search in {tmp_path}/search.db\n"
        "allowed: total_steps=64, as there; or give this search its own name="
    )
    study_in(tmp_path, **{"lambda": "0,1", "total_steps": 64, "ppo.gamma": 0.99})


def test_a_file_that_another_program_holds_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(studies, "PATIENCE", 0.1)
    study_in(tmp_path)
    with closing(sqlite3.connect(tmp_path / "search.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ConfigError, match="database is locked"):
            studies.check(tmp_path / "search.db", "mine", SPACE)


def drawn_study(folder: Path) -> tuple[Study, list[Run]]:
    """A study of ten trials, one failed, and their runs, of which the first had a lambda of 0."""
    study, runs, library = study_in(folder), [], studies.optuna()
    spaces = library.distributions
    space = {
        "lambda": spaces.LogUniformDistribution(1e-6, 1e-2),
        "attention.maps": spaces.IntUniformDistribution(1, 3),
    }
    for number in range(10):
        drawn = {"lambda": 1e-6 * 2.5**number, "attention.maps": 1 + number % 3}
        value, state = -abs(number - 6.0), library.trial.TrialState.COMPLETE
        if number == 4:
            value, state = None, library.trial.TrialState.FAIL
        trial = {"params": drawn, "distributions": space, "value": value, "state": state}
        study.optuna.add_trial(library.trial.create_trial(**trial))
        as_run = drawn | ({"lambda": 0.0} if number == 0 else {})
        result = None if value is None else Result(value, value, value, 1.0)
        runs.append(Run(number, "done", "", as_run, None, result))
    return study, runs


def test_plots_show_what_was_run(tmp_path, monkeypatch, settings_of, capsys):
    monkeypatch.setenv("MPLBACKEND", "module://of.a.notebook")
    study, runs = drawn_study(tmp_path / "mine")
    shown = study.as_run({run.number: run.values for run in runs})
    as_run = [t.params["lambda"] for t in shown.trials]
    assert as_run[:3] == pytest.approx([0.0, 2.5e-6, 6.25e-6])
    first = settings_of(f"root={tmp_path}", "name=mine", "search.zero_below=2e-6")
    plots.draw(study, runs, first)
    names = ("history", "slice", "importances")
    drawn = [tmp_path / "mine/search" / f"{name}.png" for name in names]
    assert capsys.readouterr().out == f"plots: {' '.join(map(str, drawn))}\n"
    for path in drawn:
        assert np.asarray(Image.open(path).convert("L")).std() > 10  # not an empty picture
    assert os.environ["MPLBACKEND"] == "module://of.a.notebook"


def test_a_plot_that_cannot_be_drawn_costs_a_line(tmp_path, monkeypatch, settings_of, capsys):
    study, runs = drawn_study(tmp_path / "mine")

    def fail(*_: object, **__: object):
        raise ZeroDivisionError("no range")

    monkeypatch.setattr("optuna.visualization.matplotlib.plot_slice", fail)
    runs[3:] = [run._replace(result=None) for run in runs[3:]]  # too few for importances
    plots.draw(study, runs, settings_of(f"root={tmp_path}", "name=mine"))
    assert capsys.readouterr().out.splitlines() == [
        "no slice: ZeroDivisionError: no range",
        f"plots: {tmp_path}/mine/search/history.png",
    ]
