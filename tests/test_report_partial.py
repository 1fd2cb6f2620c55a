"""The report and claims of a sweep that has only begun: no infinite ends, one line on many runs."""

import json

from test_analysis_runs import SECOND, write_run
from test_report import as_dicts, made

from analysis import claims


def test_an_interval_without_ends_is_not_told(tmp_path, capsys):
    """Lambda 0 scores 1 and 2 with random play at 1.37: of nothing learned no share is known."""
    for lambda_ in ("0", "0.005"):
        for seed, score in enumerate((1, 2)):
            write_run(tmp_path, lambda_=lambda_, seed=seed, evaluation=(score, 0.5))
    report = made(tmp_path)
    assert "inf" not in json.dumps(report["scores"]).replace("information", "")
    (row,) = [each for each in as_dicts(report["scores"]) if each["lambda"]["text"] == "0.005"]
    assert row["kept"]["text"] == "100 %"
    assert "keeps 100 % of what" in report["differences"][0]["told"][2]
    assert claims.main([str(tmp_path), "--out", str(tmp_path / "out")]) == 0
    assert "inf" not in capsys.readouterr().out
    assert "inf" not in (tmp_path / "out/claims.md").read_text()


def test_unfinished_runs_are_one_line(tmp_path, capsys):
    for seed in range(3):
        state = "done" if seed == 0 else "running"
        write_run(tmp_path, seed=seed, rows=SECOND, state=state, evaluation=(8, 0.5))
    assert claims.main([str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        "unfinished 2 runs: running at 40 of 40 agent steps; the first is "
        f"{tmp_path}/Breakout/lambda=0/seed=1",
        f"each of these 2: python -m analysis.figures {tmp_path} --problems",
    ]
