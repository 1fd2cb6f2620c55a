"""What is committed in results/: figures are drawn again, agents are there and play."""

import csv
import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import attn_ppo
from analysis import believe, claims, figures, stress, variants
from analysis.drawn import RECORD

RESULTS = Path(__file__).parent.parent / "results"
STUDY = RESULTS / "study"
MEASURED = ["--steps", "1000", "--samples", "50", "--sanity", "3", "--games", "8"]
MEASURED += ["--training", "--jobs", "1", "--no-wandb"]
AGENTS = sorted(STUDY.glob("*/lambda=*/seed=*"))
THIRD = sorted(RESULTS.glob("seaquest/*/lambda=*/seed=*"))
STOPPED = [*RESULTS.glob("equal/*/lambda=0/*/")]
OTHERS = [*RESULTS.glob("gate/gate=[nu]*/*/*/*/"), *RESULTS.glob("collapse/warm-up/*/*/*/")]
OTHERS += [*RESULTS.glob("collapse/target*/*/*/*/")]
DECIDED = "until=decided budget=36 env=Breakout,MsPacman lambda=0,0.0005,0.005 total_steps=500_000"
DECIDED += " evaluation.episodes=50 checkpoint.milestones=10 name=study device=cpu"


@pytest.mark.slow
def test_figures_are_redrawn_byte_for_byte(tmp_path):
    assert figures.main([str(STUDY), "--out", str(tmp_path), "--format", "png"]) == 0
    assert claims.main([str(STUDY), "--out", str(tmp_path)]) == 0
    drawn = sorted(path for path in tmp_path.iterdir() if path.name != RECORD)
    assert len(drawn) >= 12
    for path in drawn:
        assert path.read_bytes() == (STUDY / "figures" / path.name).read_bytes(), path.name


@pytest.mark.slow
def test_the_verdict_and_what_stress_cost_are_made_again(tmp_path):
    """Of numbers that are kept: nothing is played or measured."""
    study, out = tmp_path / "study", tmp_path / "out"
    shutil.copytree(STUDY, study)
    out.mkdir()
    shutil.copy(STUDY / "figures/stress.csv", out)
    assert stress.main([str(study), "--out", str(out)]) == 0
    assert believe.main([str(study), *MEASURED, "--out", str(out), "--no-equal"]) == 0
    made = [path for path in sorted(out.iterdir()) if path.suffix != ".pdf"]
    assert len(made) == 13
    for path in made:
        assert path.read_bytes() == (STUDY / "figures" / path.name).read_bytes(), path.name
    for folder in AGENTS:
        again = study / folder.relative_to(STUDY)
        for name in ("believe.json", "evaluation.json"):
            assert (again / name).read_bytes() == (folder / name).read_bytes(), folder


@pytest.mark.slow
def test_what_is_told_at_equal_score_and_entropy_is_made_again(tmp_path, capsys):
    """Of milestones whose weights aren't kept, beside the study's agents that are linked."""
    assert believe.main([str(RESULTS / "equal"), *MEASURED, "--out", str(tmp_path)]) == 0
    assert "measuring" not in capsys.readouterr().out
    kept = sorted((RESULTS / "equal/figures").iterdir())
    assert len(kept) == 10
    for path in kept:
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name


@pytest.mark.slow
def test_what_is_told_of_a_third_game_is_made_again(tmp_path, capsys):
    """Curves, claims and the verdict, also of milestones whose weights aren't kept."""
    folder, out = tmp_path / "seaquest", tmp_path / "out"
    shutil.copytree(RESULTS / "seaquest", folder)
    assert figures.main([str(folder), "--out", str(out), "--format", "png"]) == 0
    assert claims.main([str(folder), "--out", str(out)]) == 0
    assert believe.main([str(folder), *MEASURED, "--out", str(out)]) == 0
    assert "measuring" not in capsys.readouterr().out
    kept = sorted(f for f in (RESULTS / "seaquest/figures").iterdir() if f.name != RECORD)
    assert len(kept) == 12
    for path in kept:
        assert path.read_bytes() == (out / path.name).read_bytes(), path.name


@pytest.mark.slow
def test_it_is_decided_again_as_it_was(tmp_path):
    """By the sweep's own command, for which all 36 runs are done already."""
    study = tmp_path / "study"
    shutil.copytree(STUDY, study, ignore=shutil.ignore_patterns("*.safetensors", "decision.json"))
    command = [sys.executable, "-m", "attn_ppo.train", "-m", *DECIDED.split()]
    command += ["wandb.mode=disabled", f"root={tmp_path}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "2 looks, 36 of 36 runs: 3 of 4 decided against lambda 0\n" in done.stdout
    assert (study / "decision.json").read_bytes() == (STUDY / "decision.json").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("folder", "options", "curves"),
    [
        ("gate", ("--against", "gate=softmax"), ("reward",)),
        ("collapse", (), ("reward", "entropy")),
    ],
)
def test_settings_are_compared_again(folder, options, curves, tmp_path):
    given = [str(RESULTS / folder), "--out", str(tmp_path)]
    assert variants.main([*given, *options]) == 0
    assert figures.main([*given, "--format", "png"]) == 0
    kept = {path.name for path in (RESULTS / folder / "figures").iterdir()}
    assert kept == {"variants.md", "variants.csv", *(f"{name}_curves.png" for name in curves)}
    for name in kept:
        assert (RESULTS / folder / "figures" / name).read_bytes() == (tmp_path / name).read_bytes()


def test_what_changed_games_cost_is_told_as_it_is():
    """The table in docs/results.md against believe.csv."""
    text = (STUDY.parent.parent / "docs/results.md").read_text()
    with open(STUDY / "figures/believe.csv") as file:
        rows = list(csv.DictReader(file))
    for game in ("Breakout", "MsPacman"):
        lost = [
            [float(row[f"stress{end}"]) for end in ("", "_low", "_high")]
            for row in rows
            if row["env"] == game
        ]
        cells = " | ".join(f"{mean:.0f} % [{low:.0f}, {high:.0f}]" for mean, low, high in lost)
        assert f"| {game} | {cells} |" in text


def test_each_agent_is_the_one_that_was_hashed():
    for each, number in ((AGENTS, 18), (THIRD, 9)):
        agents = [folder for folder in each if (folder / "weights.safetensors").exists()]
        root = agents[0].parents[2]
        text = (root / "README.md").read_text()
        known = dict(re.findall(r"^\| (\w+/\S+) \| `(\w{64})` \|$", text, re.MULTILINE))
        assert len(agents) == len(known) == number
        for folder in agents:
            content = (folder / "weights.safetensors").read_bytes()
            assert hashlib.sha256(content).hexdigest() == known[str(folder.relative_to(root))]


def test_an_agent_of_it_is_opened_and_acts():
    agent = attn_ppo.load(STUDY / "Breakout/lambda=0/seed=1")
    assert agent.env_steps == 499_712
    assert agent.act(np.zeros((4, 84, 84), np.uint8)) in range(4)


def test_the_table_in_the_documents_is_that_of_the_files():
    """Scores and what is left, in README.md and docs/results.md, against claims.csv."""
    rows = []
    for folder in ("study", "seaquest"):
        with open(RESULTS / folder / "figures/claims.csv") as file:
            rows += list(csv.DictReader(file))
    assert len(rows) == 6
    for document in ("README.md", "docs/results.md"):
        text = (RESULTS.parent / document).read_text()
        for row in rows:
            left, low, high = (100 * float(row[key]) for key in ("kept", "kept_low", "kept_high"))
            digits = 1 if row["env"] == "Breakout" else 0
            score = " ".join(
                f"{float(row[key]):.{digits}f}" for key in ("score", "score_low", "score_high")
            )
            mean, bottom, top = score.split()
            game = "" if row["env"] == "Seaquest" and "docs" in document else f"| {row['env']} "
            line = f"{game}| {row['lambda']} | {mean} [{bottom}, {top}] "
            line += f"| {left:.0f} % [{low:.0f}, {high:.0f}] |"
            assert line in text, document


def test_no_run_names_its_machine():
    assert [len(each) for each in (AGENTS, THIRD, STOPPED, OTHERS)] == [36, 9, 3, 21]
    for folder in [*AGENTS, *THIRD, *STOPPED, *OTHERS]:
        status = json.loads((folder / "status.json").read_text())
        assert not status.keys() & {"host", "pid"}
        assert (status["state"] == "preempted") == (folder in STOPPED)
