"""Runs as tables for other programs: a row a run, a row an update."""

import csv
import math
from pathlib import Path

import pandas as pd
import pytest
from synthetic import write_sweep
from test_analysis_runs import FIRST, SECOND, write_run

from analysis import tables
from analysis.runs import read_runs
from attn_ppo.lifecycle.run_dir import METRICS


def export(root: Path, *options: str) -> Path:
    """The folder of what the command writes of the runs in `root`."""
    assert tables.main([str(root), *options]) == 0
    return root / "tables"


def of_csv(path: Path) -> list[dict[str, str]]:
    with open(path) as file:
        return list(csv.DictReader(file))


def test_a_row_for_each_run(tmp_path):
    write_run(tmp_path, "Pong", "0.0005", 3, evaluation=(8, 2.5), scores=(7, 9))
    short = FIRST[: FIRST.index("3,30")]
    write_run(tmp_path, "Pong", "0.0005", 4, rows=short, state="running", scores=(1, 2, 3))
    first, second = of_csv(export(tmp_path) / "runs.csv")
    expected = {
        "run": "0",
        "folder": str(tmp_path / "Pong/lambda=0.0005/seed=3"),
        "env": "Pong",
        "lambda": "0.0005",
        "seed": "3",
        "variant": "",
        "state": "done",
        "unfinished": "",
        "updates": "4",
        "env_steps": "40",
        "frames": "160",
        "score": "8.0",
        "score_from": "evaluation",
        "evaluation_score": "8.0",
        "evaluation_games": "2",
        "training_score": "20.0",
        "training_games": "0",
        "attention_entropy": "2.5",
        "training_attention_entropy": "3.75",  # (7 + 4 + 3 + 1) / 4
        "training_policy_entropy": "1.5",
        "total_steps": "45",
        "ppo.anneal_learning_rate": "True",
        "attention.gate": "softmax",
        "regularizer.target": "",
        "wandb.tags": "",
    }
    assert {key: first[key] for key in expected} == expected
    # Pong: random play -20.7, a human 14.6; (8 + 20.7) / 35.3
    assert float(first["normalized"]) == pytest.approx(28.7 / 35.3, abs=1e-12)
    told = {
        "run": "1",
        "unfinished": "running at 20 of 40 agent steps",
        "score": "0.0",
        "score_from": "training",
        "evaluation_score": "",
        "attention_entropy": "5.5",  # (7 + 4) / 2
        "training_games": "3",
    }
    assert {key: second[key] for key in told} == told


def test_parquet_has_what_the_csv_has(tmp_path):
    write_run(tmp_path, settings=[("device: cpu", "device: cpu\ncompute: {threads: 2}")])
    write_run(tmp_path, seed=1)  # threads: auto
    write_run(tmp_path, "Pong", gate="none", rows=SECOND.replace(",7,", ",nan,"))
    out = export(tmp_path)
    read = pd.read_parquet(out / "runs.parquet")
    assert read["compute.threads"].tolist() == ["2", "auto", "auto"]
    pd.testing.assert_frame_equal(
        read.astype(object).where(read.notna(), None),
        tables.runs_table(read_runs(tmp_path)[0])
        .astype(object)
        .pipe(lambda t: t.where(t.notna(), None)),
    )
    assert read["ppo.num_envs"].tolist() == [2, 2, 2]
    assert read["seed"].tolist() == [0, 1, 0]
    assert math.isnan(read["attention_entropy"].tolist()[2])


def test_a_row_for_each_update(tmp_path):
    write_run(tmp_path, lambda_="0.5", rows=FIRST + "3,30,120,11,5,3,1.5\n5,50,2")
    write_run(tmp_path, "Pong", seed=7, rows=SECOND)
    out = export(tmp_path, "--csv")
    read = pd.read_parquet(out / "curves.parquet")
    assert list(read) == [
        *("run", "env", "lambda", "seed", "variant"),
        *("lambda_of_update" if name == "lambda" else name for name in METRICS),
    ]
    assert read["run"].tolist() == [0] * 4 + [1] * 4
    assert read["env"].tolist() == ["Breakout"] * 4 + ["Pong"] * 4
    assert read["lambda"].tolist() == [0.5] * 4 + [0] * 4
    assert read["seed"].tolist() == [0] * 4 + [7] * 4
    assert read["env_steps"].tolist() == [10, 20, 30, 40] * 2
    assert read["episode_return"].tolist()[1:] == [0, 11, 20, 4, 4, 4, 8]  # the later of two rows
    assert math.isnan(read["episode_return"].tolist()[0])
    assert all(map(math.isnan, read["value_loss"].tolist()))  # these runs have no such column
    (row, *_) = of_csv(out / "curves.csv")
    told = {"run": "0", "env": "Breakout", "lambda": "0.5", "update": "1", "episode_return": ""}
    assert {key: row[key] for key in told} == told


def test_what_is_no_whole_number_is_left_empty(tmp_path):
    write_run(tmp_path, rows="1.5,10,40,1,5,7,1\n2,20,inf,1,5,7,1\n")
    read = pd.read_parquet(export(tmp_path) / "curves.parquet")
    assert read["update"].isna().tolist() == [True, False]
    assert read["frames"].isna().tolist() == [False, True]


def test_numbers_are_those_of_the_runs_own_tables(tmp_path):
    folders = write_sweep(tmp_path, games=2, lambdas=2, seeds=2, updates=30, torn=1)
    out = export(tmp_path, "--csv")
    rows = of_csv(out / "curves.csv")
    places = {row["run"]: row["folder"] for row in of_csv(out / "runs.csv")}
    read = pd.read_parquet(out / "curves.parquet")
    assert sorted(places.values()) == sorted(map(str, folders))
    for number, folder in places.items():
        own = of_csv(Path(folder) / "metrics.csv")
        exported = [row for row in rows if row["run"] == number]
        own = own[: len(exported)]  # without a torn line
        assert len(own) >= 6  # a fifth of 30 updates
        columns = read[read["run"] == int(number)]
        for name in own[0]:
            there = "lambda_of_update" if name == "lambda" else name
            values = [float(row[name]) for row in own]
            expected = [None if math.isnan(value) else value for value in values]
            assert [float(row[there]) if row[there] else None for row in exported] == expected
            assert [None if math.isnan(v) else v for v in columns[there]] == expected


def test_variants_are_told_by_letter_and_settings(tmp_path):
    write_run(tmp_path / "a")
    write_run(tmp_path / "b", settings=[("ent_coef: 0.01", "ent_coef: 0.02")])
    out = export(tmp_path)
    rows = of_csv(out / "runs.csv")
    assert [(row["variant"], row["variant_settings"]) for row in rows] == [
        ("A", "ppo.ent_coef=0.01"),
        ("B", "ppo.ent_coef=0.02"),
    ]
    assert set(pd.read_parquet(out / "curves.parquet")["variant"]) == {"A", "B"}


def test_each_problem_has_a_row_however_many(tmp_path, capsys):
    write_run(tmp_path)
    for seed in range(1, 15):
        (write_run(tmp_path, seed=seed) / "metrics.csv").unlink()
    out = export(tmp_path)
    assert "skipped 14 runs: no metrics.csv; " in capsys.readouterr().out
    rows = of_csv(out / "problems.csv")
    assert [row["kind"] for row in rows] == ["skipped"] * 14
    assert rows[0] == {
        "kind": "skipped",
        "folder": str(tmp_path / "Breakout/lambda=0/seed=1"),
        "what": "no metrics.csv",
    }


def test_nothing_is_left_half_written(tmp_path, monkeypatch):
    write_run(tmp_path)

    def fail(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(tables, "read_metrics", fail)
    with pytest.raises(KeyboardInterrupt):
        tables.main([str(tmp_path), "--csv"])
    written = sorted(path.name for path in (tmp_path / "tables").iterdir())
    assert written == ["problems.csv", "runs.csv", "runs.parquet"]


def test_without_runs_and_on_a_bad_disk(tmp_path, capsys):
    assert tables.main([str(tmp_path)]) == 2
    write_run(tmp_path)
    (tmp_path / "tables").touch()
    assert tables.main([str(tmp_path)]) == 4
    first, second = capsys.readouterr().err.strip().split("\nallowed: ")
    assert first.startswith("error: no runs")
    assert "can't write" in second
