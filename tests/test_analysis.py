"""The score table and the command that makes everything, from run folders written as text."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from test_analysis_runs import FIRST, SECOND, STUDY, STUDY_ROWS, write_run, write_sweep

from analysis import drawing, figures, panels, references, score_table
from analysis.runs import read_runs

ROOT = Path(__file__).parents[1]
INLINE = "module://matplotlib_inline.backend_inline"
DRAWN = ("aggregate_curves", "entropy_curves", "entropy_scatter", "frontier", "intervals")
DRAWN += ("profiles", "reward_curves")
FILES = [
    ".figures.json",
    *[f"{name}.{kind}" for name in DRAWN for kind in ("pdf", "png")],
    *["score_table.csv", "score_table.md"],
]


def test_the_table_holds_means_and_the_study_s_numbers(tmp_path):
    write_run(tmp_path, seed=0, evaluation=(30, 0.5))
    write_run(tmp_path, seed=1, rows=SECOND, evaluation=(10, 1.5))
    write_run(tmp_path, seed=2, rows=SECOND, state="running")
    write_run(tmp_path, lambda_="0.003", rows=SECOND)
    write_run(tmp_path, lambda_="0.004", sticky="0.25")
    write_run(tmp_path, lambda_="0.0005", sticky="0.25")
    table = score_table.score_table(read_runs(tmp_path)[0])
    assert table["lambda"].tolist() == [0, 0.003, 0.0005, 0.004]  # by settings, then lambda
    first, third, sticky, other = table.to_dict("records")
    assert table["protocol.sticky_actions"].tolist() == ["0", "0", "0.25", "0.25"]
    assert (first["seeds"], first["unfinished"]) == (2, 1)
    # the SD of two is their distance over sqrt 2: 20, 12 and 1 over 1.41421
    assert first["evaluation_score_mean"] == 20
    assert first["evaluation_score_sd"] == pytest.approx(14.14214)
    assert first["training_score_mean"] == 14
    assert first["training_score_sd"] == pytest.approx(8.48528)
    assert first["attention_entropy_mean"] == 1
    assert first["attention_entropy_sd"] == pytest.approx(0.70711, abs=1e-5)
    assert (first["env_steps_min"], first["env_steps_max"]) == (40, 40)
    assert third["training_score_mean"] == 8
    assert np.isnan([third["evaluation_score_mean"], third["training_score_sd"]]).all()
    assert np.isnan([sticky["study_score_mean"], other["study_score_mean"]]).all()
    lines = score_table.to_markdown(table).splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:5]]
    assert lines[0].startswith("| game | λ | settings | protocol.sticky_actions | seeds |")
    assert [row[:9] for row in cells] == [
        ["Breakout", "0", "A", "0", "2*", "20.0 ± 14.1", "14.0 ± 8.5", "1.00 ± 0.71", "40"],
        ["Breakout", "0.003", "A", "0", "1", "-", "8.00 ± -", "4.25 ± -", "40"],
        ["Breakout", "0.0005", "B", "0.25", "1", "-", "20.0 ± -", "3.75 ± -", "40"],
    ]
    # the study's: 40 steps can't be held to it
    assert [row[10] for row in cells] == ["-", "-", "-"]
    assert "- Settings" not in "\n".join(lines)


def test_the_study_s_number_stands_beside_its_settings_and_steps(tmp_path):
    same = {"settings": STUDY, "rows": STUDY_ROWS}
    short = STUDY_ROWS.rpartition("9765,9999360")[0]
    write_run(tmp_path / "a", **same)
    write_run(tmp_path / "a", seed=1, **same)
    write_run(tmp_path / "a", lambda_="0.003", **same)
    write_run(tmp_path / "b", settings=[*STUDY, ("clip_range: 0.2", "clip_range: 0.1")])
    write_run(tmp_path / "b", "Enduro", settings=STUDY, rows=short, state="running")
    write_run(tmp_path / "b", "Enduro", seed=1, settings=STUDY, rows=FIRST, state="running")
    write_run(tmp_path / "b", "Seaquest", settings=[*STUDY, ("10000000", "1000000")], rows=FIRST)
    write_run(tmp_path / "b", "Frostbite", settings=STUDY, rows=STUDY_ROWS, sticky="0.25")
    write_run(tmp_path / "b", "Pong", settings=STUDY, rows=STUDY_ROWS)
    table = score_table.score_table(read_runs(tmp_path)[0])
    known = table.dropna(subset="study_score_mean").to_dict("records")
    found = [(row["env"], row["lambda"], row["seeds"]) for row in known]
    assert found == [("Breakout", 0, 2), ("Breakout", 0.003, 1)]
    # published are 52 and 15, the SDs with n = 5 below the line; with n - 1 sqrt(5/4) = 1.11803 x
    assert [row["study_score_mean"] for row in known] == [131, 84]
    assert [row["study_score_sd"] for row in known] == pytest.approx([58.1378, 16.7705], abs=1e-4)
    assert "| 131 ± 58 |" in score_table.to_markdown(table)


def test_the_study_s_table_is_whole():
    table = references.read_study()
    assert len(table) == 36  # 6 games x 6 lambdas
    assert table[0] == ("BeamRider", 0, 540, 30)
    assert table[-1] == ("Seaquest", 0.005, 954, 108)


def test_the_csv_is_empty_where_there_is_nothing(tmp_path):
    write_run(tmp_path, "Pong")
    table = score_table.score_table(read_runs(tmp_path)[0])
    csv, markdown = score_table.save_score_table(table, tmp_path / "table")
    # entropy (7 + 4 + 3 + 1) / 4 = 3.75
    assert csv.read_text().splitlines()[1] == "Pong,0,1,0,0,,,0,20,,1,3.75,,1,40,40,,,,,,,0,0,0,0"
    assert "| Pong | 0 | 1 | - | 20.0 ± - | 3.75 ± - | 40 | - | - |" in markdown.read_text()


def test_figures_are_written_whole_and_the_same_each_time(tmp_path, capsys):
    write_sweep(tmp_path / "sweep", ["Pong"], ["0", "0.0005"], seeds=2)
    assert figures.main([str(tmp_path / "sweep")]) == 0
    out = tmp_path / "sweep" / "figures"
    assert sorted(os.listdir(out)) == FILES
    printed = capsys.readouterr().out.splitlines()
    assert printed[1] == "look at"
    assert printed[2].strip() == str(out / "reward_curves.png")
    again = tmp_path / "again"
    assert figures.main([str(tmp_path / "sweep"), "--out", str(again)]) == 0
    for file in FILES:
        assert (out / file).read_bytes() == (again / file).read_bytes(), file


def test_kinds_are_asked_for_and_another_process_writes_the_same_bytes(tmp_path):
    write_sweep(tmp_path / "sweep", ["Pong"], ["0", "0.0005"], seeds=2)
    args = [str(tmp_path / "sweep"), "--format", "svg,pdf", "--out"]
    assert figures.main([*args, str(tmp_path / "here")]) == 0
    command = [sys.executable, "-m", "analysis.figures", *args, str(tmp_path / "there")]
    there = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "5"}
    subprocess.run(command, env=there, check=True, capture_output=True)
    written = sorted(f"{name}.{kind}" for name in DRAWN for kind in ("pdf", "svg"))
    assert sorted(os.listdir(tmp_path / "here")) == [FILES[0], *written, *FILES[-2:]]
    for file in written:
        one, other = ((tmp_path / folder / file).read_bytes() for folder in ("here", "there"))
        assert one == other, file
        assert (b"<svg" in one) == file.endswith("svg")


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--format", "png,jpg"], "--format=jpg is not allowed"),
        (["--sd", "studi"], "--sd=studi is not allowed\nallowed: sample, study\nnearest: study"),
    ],
)
def test_unknown_kinds_and_sds_are_told(args, told, tmp_path, capsys):
    write_run(tmp_path)
    assert figures.main([str(tmp_path), *args]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "figures").exists()


@pytest.mark.parametrize("games", [["Pong"], ["Seaquest", "Enduro", "Frostbite", *"ABC"]])
def test_one_game_and_six_are_drawn(tmp_path, games):
    runs = write_sweep(tmp_path, games, ["0"], seeds=1)
    drawing.make_figures(runs, tmp_path)
    for name in (
        "entropy_curves",
        "entropy_scatter",
        "reward_curves",
    ):  # others compare
        image = imread(tmp_path / f"{name}.png")[..., :3]
        assert min(image.shape[:2]) > 500
        assert 0.005 < (image < 0.9).any(axis=-1).mean() < 0.5  # neither blank nor full
        assert (tmp_path / f"{name}.pdf").read_bytes().startswith(b"%PDF")


def test_problems_are_printed(tmp_path, capsys):
    write_run(tmp_path, seed=0)
    unfinished = write_run(tmp_path, seed=1, state="preempted")
    broken = write_run(tmp_path, seed=2)
    (broken / "metrics.csv").unlink()
    assert figures.main([str(tmp_path)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[:3] == [
        f"{tmp_path}: 1 game, 1 lambda, 2 seeds, 2 runs, 1 finished",
        f"unfinished {unfinished}: preempted at 40 of 40 agent steps",
        f"skipped {broken}: no metrics.csv",
    ]


def test_no_runs_is_bad_input_in_three_lines(tmp_path):
    (tmp_path / "runs" / "empty").mkdir(parents=True)
    broken = write_run(tmp_path / "runs" / "broken")
    (broken / "config.yaml").write_text("env: [")
    (tmp_path / "elsewhere").mkdir()
    here = {**os.environ, "PYTHONPATH": str(ROOT)}
    for cwd, root in (
        ("", ["runs/empty"]),
        ("", ["nowhere"]),
        ("", ["runs/broken"]),
        ("elsewhere", []),
    ):
        command = [sys.executable, "-m", "analysis.figures", *root]
        done = subprocess.run(command, cwd=tmp_path / cwd, env=here, capture_output=True, text=True)
        assert done.returncode == 2
        assert done.stderr.startswith("error: no runs to draw in ")
        assert len(done.stderr.splitlines()) <= 3
        assert "Traceback" not in done.stderr + done.stdout
    assert not (tmp_path / "runs" / "empty" / "figures").exists()


@pytest.mark.parametrize(
    "module", ["analysis.figures", "bench.chart", "attn_ppo.interpret.show.drawing"]
)
def test_a_notebook_s_backend_is_no_concern_of_ours(module):
    # without IPython matplotlib refuses to be imported under what every notebook sets
    here = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": INLINE}
    then = "import os, sys; print(os.environ['MPLBACKEND'], 'matplotlib' in sys.modules)"
    command = [sys.executable, "-c", f"import {module}; {then}"]
    done = subprocess.run(command, env=here, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{INLINE} True\n"  # for child processes, as it was


def test_a_backend_that_is_there_stays_the_user_s(tmp_path):
    here = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "svg"}
    command = "import analysis, matplotlib; print(matplotlib.get_backend())"
    done = subprocess.run(
        [sys.executable, "-c", command], env=here, capture_output=True, text=True, cwd=tmp_path
    )
    assert (done.stdout, done.stderr) == ("svg\n", "")


def test_figures_that_cannot_be_written_are_told(tmp_path, capsys):
    write_run(tmp_path / "sweep")
    (tmp_path / "file").write_text("")
    below = str(tmp_path / "file/below")
    assert figures.main([str(tmp_path / "sweep"), "--out", below]) == 4
    assert "error: can't" in capsys.readouterr().err


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    (tmp_path / "a.png").write_text("old")

    def fail():
        with panels.replacing(tmp_path / "a.png") as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert os.listdir(tmp_path) == ["a.png"]
    assert (tmp_path / "a.png").read_text() == "old"
