"""Whole sweeps with `until=decided` of tiny runs: killed in the middle, and continued."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from identical import difference
from starting import COMMAND, in_a_group, rows, wait_for

from attn_ppo.lifecycle import decision
from attn_ppo.lifecycle.run_dir import find_runs

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("in_empty_folder")]

SWEEP = [*COMMAND, "-m", "until=decided", "lambda=0,0.5", "budget=8", "decided.seeds=2"]
SWEEP += ["total_steps=256", "ppo.num_epochs=1", "evaluation.episodes=1"]
TWO = ["hydra.launcher.n_jobs=2"]  # at a time, which engine=serial doesn't have


def sweep(*overrides: str) -> subprocess.CompletedProcess:
    return subprocess.run([*SWEEP, *overrides], capture_output=True, text=True)


def looks(folder: Path) -> int:
    said = decision.read(folder)
    return len(said["looks"]) if said else -1


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """The folder of a sweep that nothing interrupts, two runs at a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("whole"))
        done = sweep("name=whole", *TWO)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "before look 2: 4 runs\n" in done.stdout
        assert "2 looks, 8 of 8 runs: " in done.stdout
        return Path("runs/whole").absolute()


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("engine", ["local", "serial"])
def test_killed_within_and_between_looks_it_ends_as_if_it_hadn_t_been(engine, whole):
    """As it does on the other engine, too."""
    cut = Path("runs/cut")
    options = [f"engine={engine}"] if engine == "serial" else TWO
    begun = cut / "Breakout/lambda=0/seed=1/metrics.csv"
    command = [*SWEEP, "name=cut", *options]
    with in_a_group(command):  # SIGKILL to the sweep, its workers and its runs
        wait_for(lambda: len(rows(begun)) > 3, 600)
    assert looks(cut) == 0
    begun = cut / "Breakout/lambda=0/seed=2/metrics.csv"
    with in_a_group(command):
        wait_for(lambda: looks(cut) == 1 and rows(begun), 600)
    assert 4 <= len(list(find_runs(cut))) < 8
    done = sweep("name=cut", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 looks, 8 of 8 runs: " in done.stdout
    ours, theirs = (json.loads((s / "decision.json").read_text()) for s in (cut, whole))
    assert ours["asked"]["settings"].pop("name") == "cut"
    assert theirs["asked"]["settings"].pop("name") == "whole"
    assert ours == theirs
    folders = [folder.relative_to(whole) for folder in find_runs(whole)]
    assert len(folders) == len(list(find_runs(cut))) == 8
    for folder in folders:
        assert difference(cut / folder, whole / folder) is None


@pytest.mark.timeout(600)
def test_an_interrupted_sweep_saves_its_runs_and_says_how_it_goes_on():
    with in_a_group([*SWEEP, *TWO, "total_steps=100_000"]) as process:
        folders = lambda: list(find_runs(Path("runs")))  # noqa: E731
        wait_for(lambda: all(rows(f / "metrics.csv") for f in folders()) and len(folders()) == 2)
        os.killpg(process.pid, signal.SIGINT)
        out, told = process.communicate(timeout=120)
    assert process.returncode == 75, out + told
    assert "SIGINT: saving 2 runs; again to quit unsaved\n" in told
    assert "\nto continue: " in told
    assert "0 of 8 runs were looked at\n" in out
    assert looks(Path("runs/default")) == 0
