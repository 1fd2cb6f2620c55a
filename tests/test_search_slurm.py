"""A search on Slurm: batches of jobs, whose objectives come from their runs' folders."""

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from starting import COMMAND, rows
from test_slurm import cluster

pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="needs the extra [search]")
pytestmark = pytest.mark.slow
assert cluster  # a fixture


@pytest.mark.timeout(500)
@pytest.mark.usefixtures("cluster", "in_empty_folder")
def test_a_search_on_slurm_goes_on_from_batch_to_batch():
    options = [
        "engine=slurm",
        "hydra.launcher.cpus_per_task=1",
        "hydra.launcher.gpus_per_node=null",
    ]
    options += ["total_steps=64", "ppo.num_epochs=1", "hydra.sweeper.n_jobs=2"]
    command = [*COMMAND, "-m", "experiment=search", *options, "hydra.sweeper.n_trials=3"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    with closing(sqlite3.connect("file:runs/search/search.db?mode=ro", uri=True)) as file:
        assert file.execute("SELECT state FROM trials").fetchall() == [("COMPLETE",)] * 3
    table = rows(Path("runs/search/trials.csv"))
    assert [row["state"] for row in table] == ["done"] * 3
