"""Whole searches of tiny runs: killed, interrupted, with trials that fail, and continued."""

import json
import os
import shlex
import signal
import sqlite3
import subprocess
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import pytest
from starting import COMMAND, in_a_group, rows, wait_for

from attn_ppo.formats import plain
from attn_ppo.lifecycle.run_dir import find_runs, read_status

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("in_empty_folder")]
NEEDS_OPTUNA = pytest.mark.skipif(
    not find_spec("hydra_plugins.hydra_optuna_sweeper"), reason="needs the extra [search]"
)

RUNS = Path("runs/search")
SWEEPERS = str(Path(__file__).parent / "sweepers")
SEARCH = [*COMMAND, "-m", "experiment=search", "total_steps=64", "ppo.num_epochs=1"]
SEARCH += ["evaluation.episodes=1", "hydra.sweeper.n_jobs=2", "hydra.launcher.n_jobs=2"]


def states(sweep: Path = RUNS) -> list[str]:
    """Those of the trials in the file, in their order; [] before it is there."""
    try:
        with closing(sqlite3.connect(f"file:{sweep}/search.db?mode=ro", uri=True)) as file:
            return [state for (state,) in file.execute("SELECT state FROM trials ORDER BY number")]
    except sqlite3.OperationalError:
        return []


def search(*overrides: str) -> subprocess.CompletedProcess:
    notebooks = os.environ | {"MPLBACKEND": "module://of.a.notebook"}
    return subprocess.run([*SEARCH, *overrides], capture_output=True, text=True, env=notebooks)


@NEEDS_OPTUNA
@pytest.mark.timeout(600)
def test_a_search_of_eight_killed_after_three_ends_with_eight():
    options = ["hydra.sweeper.n_trials=8", "ppo.clip_range=interval(0.1,0.3)"]
    with in_a_group([*SEARCH, *options]):
        wait_for(lambda: states().count("COMPLETE") >= 3 and "RUNNING" in states(), 300)
        wait_for(lambda: len(list(find_runs(RUNS))) > states().count("COMPLETE"), 60)
    begun = {str(folder) for folder in find_runs(RUNS)}
    told = states().count("COMPLETE")  # 3 where the kill came between two that ended together
    assert told in (3, 4)
    assert len(states()) < 8
    assert list(json.loads((RUNS / "plan.json").read_text())) == [shlex.join([*SEARCH, *options])]
    done = search(*options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"over lambda, ppo.clip_range; {told} done already" in done.stdout
    assert states() == ["COMPLETE"] * 8
    table = rows(RUNS / "trials.csv")
    assert [row["number"] for row in table] == list("01234567")
    assert len({row["folder"] for row in table}) == 8
    assert {row["folder"] for row in table} == {str(folder) for folder in find_runs(RUNS)} > begun
    assert "\nbest of 8: trial " in done.stdout
    assert "plots: runs/search/search/history.png " in done.stdout
    again = search(*options)  # nothing is left: no trial, no sweeper
    assert again.returncode == 0
    assert "8 done already" in again.stdout
    assert rows(RUNS / "trials.csv") == table


@NEEDS_OPTUNA
@pytest.mark.timeout(600)
def test_an_interrupted_search_saves_its_runs_and_records_no_failure():
    options = ["hydra.sweeper.n_trials=4", "total_steps=100_000"]
    with in_a_group([*SEARCH, *options]) as process:
        running = lambda: list(find_runs(RUNS))  # noqa: E731
        wait_for(lambda: all(rows(f / "metrics.csv") for f in running()) and len(running()) == 2)
        os.killpg(process.pid, signal.SIGINT)
        out, told = process.communicate(timeout=120)
    assert process.returncode == 75, out + told
    assert "SIGINT: saving 2 runs; again to quit unsaved\n" in told
    assert f"to continue: {shlex.join([*SEARCH, *options])}\n" in told
    assert "4 of 4 trials are left\n" in out
    assert states() == ["WAITING"] * 2
    assert [read_status(folder)["state"] for folder in find_runs(RUNS)] == ["preempted"] * 2
    assert [row["state"] for row in rows(RUNS / "trials.csv")] == ["preempted"] * 2
    before = {folder: len(rows(folder / "metrics.csv")) for folder in find_runs(RUNS)}
    with in_a_group([*SEARCH, *options]):  # the same trials go on
        wait_for(lambda: all(len(rows(f / "metrics.csv")) > n for f, n in before.items()))
        assert states() == ["RUNNING"] * 2


@NEEDS_OPTUNA
@pytest.mark.timeout(600)
def test_a_failed_trial_is_one_and_the_search_goes_on():
    options = ["lambda=0,0.5", "hydra.sweeper.n_trials=3"]
    bad = RUNS / "Breakout/lambda=0/seed=0"
    bad.mkdir(parents=True)
    (bad / "checkpoint.pt").write_text("damaged")
    done = search(*options)
    assert done.returncode == 1
    assert states() == ["COMPLETE", "COMPLETE", "FAIL"]  # of 0.5 twice, and 0
    *_, good, failed = rows(RUNS / "trials.csv")
    assert (good["state"], good["lambda"]) == ("done", "0.5")
    assert (failed["state"], failed["lambda"], failed["objective"]) == ("failed", "0", "")
    assert "damaged" in failed["note"]
    assert "Traceback" not in done.stdout + done.stderr
    other = search(*options, "name=other")  # a search of its own
    assert other.returncode == 0, other.stdout + other.stderr
    assert states(RUNS.with_name("other")) == ["COMPLETE"] * 3
    assert states() == ["COMPLETE", "COMPLETE", "FAIL"]


@pytest.mark.timeout(300)
def test_any_sweeper_that_asks_for_a_number_gets_the_objective(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([SWEEPERS, os.environ.get("PYTHONPATH", "")]))
    command = [*COMMAND, "-m", "total_steps=64", "ppo.num_epochs=1", "hydra/sweeper=uphill"]
    command += ["lambda=interval(0,1)", "name=up", "search.entropy_weight=0.5"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    told = [json.loads(line[5:]) for line in done.stdout.splitlines() if line[:5] == "told:"]
    table = {row["lambda"]: float(row["objective"]) for row in rows(Path("runs/up/trials.csv"))}
    assert told[0] == [table["0.1"], table["0.2"]]
    best = 0.1 if told[0][0] >= told[0][1] else 0.2
    assert told[1] == [table[plain(best / 4)], table[plain(best * 4)]]
    assert "best of 4: trial " in done.stdout
