"""What the report of a sweep holds, from run folders written here; its page is in the next file."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from synthetic import write_sweep as write_synthetic
from test_analysis_runs import SECOND, write_run

from analysis.claims import claims, save_claims
from analysis.report.__main__ import main
from analysis.report.curves import POINTS, curve
from analysis.runs import read_runs
from analysis.score_table import save_score_table, score_table

ROOT = Path(__file__).parents[1]
HOSTILE = "</script><script>document.title='broken in'</script><img src=x onerror=alert(1)>"


def made(root: Path, *arguments: str) -> dict:
    """The data in the report of a folder."""
    out = root / "report.html"
    assert main([str(root), *arguments]) == 0
    text = out.read_text("utf-8")
    start = text.index('id="data">') + len('id="data">')
    return json.loads(text[start : text.index("</script>", start)])


def section(report: dict, key: str) -> dict:
    return next(each for each in report["sections"] if each["id"] == key)


def as_dicts(table: dict) -> list[dict[str, dict]]:
    keys = [column["key"] for column in table["columns"]]
    return [dict(zip(keys, row, strict=True)) for row in table["rows"]]


def csv_lines(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8") as file:
        return list(csv.DictReader(file))


def texts(block: dict) -> list[list[str]]:
    return [[cell["text"] for cell in row] for row in block["table"]["rows"]]


def two_lambdas(root: Path) -> Path:
    """Breakout at lambda 0 and 0.005, with two seeds each, the last of them unfinished."""
    write_run(root, seed=0, evaluation=(30, 0.5), scores=[20, 40])
    write_run(root, seed=1, rows=SECOND, evaluation=(10, 1.5), scores=[10])
    write_run(root, lambda_="0.005", seed=0, rows=SECOND, evaluation=(12, 0.25), scores=[12])
    write_run(root, lambda_="0.005", seed=1, rows=SECOND, state="running")
    return root


def test_the_table_is_the_score_tables_csv(tmp_path):
    report = made(two_lambdas(tmp_path))
    path, _ = save_score_table(score_table(read_runs(tmp_path)[0]), tmp_path / "score_table")
    rows, lines = as_dicts(report["scores"]), csv_lines(path)
    names = {
        "lambda": "lambda",
        "seeds": "seeds",
        "score": "evaluation_score_mean",
        "training_score": "training_score_mean",
        "entropy": "attention_entropy_mean",
        "random": "random_score_mean",
    }
    assert len(rows) == len(lines) == 2
    for row, line in zip(rows, lines, strict=True):
        for key, name in names.items():
            assert float(row[key]["value"]) == float(line[name]), key
    shown = {key: cell["text"] for key, cell in rows[0].items()}
    # (30 + 10) / 2, and the SD of two is their distance over sqrt 2: 20 / 1.41421
    assert shown["score"] == "20.0 ± 14.1"
    assert (shown["game"], shown["lambda"], shown["seeds"]) == ("Breakout", "0", "2")


def test_differences_are_those_of_the_claims_csv(tmp_path):
    write_synthetic(tmp_path / "sweep", games=2, lambdas=3, seeds=3, updates=60)
    report = made(tmp_path / "sweep")
    found = claims(read_runs(tmp_path / "sweep")[0])
    paths = {path.name: path for path in save_claims(found, tmp_path / "claims")}
    names = {"difference": "difference", "p": "p_corrected", "kept": "kept"}
    rows = [row for row in as_dicts(report["scores"]) if row["lambda"]["value"] != "0"]
    lines = csv_lines(paths["claims.csv"])
    assert len(rows) == len(lines) == 4
    for row, line in zip(rows, lines, strict=True):
        assert row["game"]["text"] == line["env"]
        assert row["verdict"]["text"] == line["verdict"]
        for key, name in names.items():
            assert float(row[key]["value"]) == pytest.approx(float(line[name]), rel=1e-5)
    over = as_dicts(section(report, "statistics")["blocks"][0]["table"])
    lines = csv_lines(paths["claims_over_games.csv"])
    assert len(over) == len(lines) == 2
    for row, line in zip(over, lines, strict=True):
        for key, name in {
            "iqm": "iqm",
            "difference": "difference",
            "gap": "optimality_gap",
        }.items():
            assert float(row[key]["value"]) == pytest.approx(float(line[name]), rel=1e-5)
    # the figure has them in per cent of what is learned at lambda 0, over games normalised
    assert [each["game"] for each in report["differences"]] == [None, None, 0, 0, 1, 1]
    first = report["differences"][2]
    assert {each["seeds"] for each in report["differences"]} == {3}
    kept = float(csv_lines(paths["claims.csv"])[0]["kept"])
    assert first["value"] == pytest.approx(100 * (kept - 1), rel=1e-3)
    assert report["answers"][0]["headline"] == found.answers[0].headline


def test_human_normalised_is_a_line_over_the_score(tmp_path):
    """Breakout under `baselines`: random play 1.37 (our own 200 games), a human 30.5."""
    report = made(two_lambdas(tmp_path))
    zero, slope = report["protocols"][0]["scale"]
    random = report["protocols"][0]["random"]
    assert zero + slope * random == pytest.approx(0, abs=1e-3)
    assert zero + slope * 30.5 == pytest.approx(1)


def test_a_tooltip_tells_all_of_a_run(tmp_path):
    report = made(two_lambdas(tmp_path))
    first, _, _, unfinished = report["runs"]
    assert first["told"] == [
        "Breakout λ = 0 seed 0",
        "score 30.0, mean of 2 games, evaluation",
        "human-normalised 0.983",  # (30 - 1.37) / (30.5 - 1.37)
        "attention entropy 0.500 nats",
        "40 agent steps",
        "finished",
        "Breakout/lambda=0/seed=0",
    ]
    assert unfinished["told"][1] == "score 8.00, end of training"  # no list of its games is there
    assert "running at 40 of 40 agent steps" in unfinished["told"]
    assert not unfinished["finished"]


def test_a_curve_is_thin_and_of_true_rows(tmp_path):
    rows = "".join(f"{u},{10 * u},{40 * u},{u / 8},5,{7 - u / 1000},1.5\n" for u in range(1, 1001))
    write_run(tmp_path, rows=rows)
    (run,), _ = read_runs(tmp_path)
    found = curve(run)
    assert len(found["steps"]) == POINTS == 160
    assert found["steps"][0] == 10
    assert found["steps"][-1] == 10_000
    # row u has 10 u steps, the score u / 8 and the entropy 7 - u / 1000
    assert found["score"] == [pytest.approx(steps / 80, rel=1e-4) for steps in found["steps"]]
    assert found["entropy"][-1] == 6
    write_run(tmp_path / "short")
    (short,), _ = read_runs(tmp_path / "short")
    assert curve(short) == {
        "steps": [10, 20, 30, 40],
        "score": [None, 0, 10, 20],  # no game has finished in the first update
        "entropy": [7, 4, 3, 1],
    }


def test_the_same_runs_give_the_same_bytes(tmp_path):
    two_lambdas(tmp_path)
    made(tmp_path)
    first = (tmp_path / "report.html").read_bytes()
    made(tmp_path)
    assert (tmp_path / "report.html").read_bytes() == first


def test_names_and_causes_are_only_ever_text(tmp_path):
    root = tmp_path / "<script>1<"
    folder = write_run(root, state="failed")
    status = {"state": "failed", "cause": HOSTILE, "versions": {HOSTILE: HOSTILE}}
    (folder / "status.json").write_text(json.dumps(status))
    report = made(root)
    text = (root / "report.html").read_text("utf-8")
    template = (ROOT / "attn_ppo/interpret/show/web/dist/report.html").read_text("utf-8")
    assert text.lower().count("<script") == template.lower().count("<script")
    assert text.lower().count("<img") == template.lower().count("<img")
    assert report["name"] == "<script>1<"
    assert HOSTILE[:20] in json.dumps(section(report, "problems"))


def test_hosts_and_homes_stay_untold(tmp_path):
    folder = write_run(tmp_path / "sweep")
    (folder / "status.json").write_text(
        json.dumps({"state": "done", "host": "node17.example", "device": "cpu"})
    )
    made(tmp_path / "sweep")
    report = made(tmp_path / "sweep")
    report["sections"] = [each for each in report["sections"] if each["id"] != "made"]
    assert "node17" not in json.dumps(report)
    assert str(tmp_path) not in json.dumps(report)


def test_what_is_shared_and_what_differs(tmp_path):
    write_run(tmp_path, seed=0)
    folder = write_run(tmp_path, lambda_="0.005", seed=3)
    status = {"state": "done", "versions": {"torch": "2.13.0"}, "threads": 1}
    (folder / "status.json").write_text(json.dumps(status))
    differing, shared, versions = section(made(tmp_path), "settings")["blocks"]
    assert dict(differing["pairs"]) == {
        "lambda": "0 (1 run), 0.005 (1 run)",
        "seed": "0 (1 run), 3 (1 run)",
    }
    assert dict(shared["pairs"])["ppo.num_envs"] == "2"
    assert "name" not in dict(shared["pairs"])
    assert dict(versions["pairs"]) == {
        "torch": "2.13.0 (1 run), unknown (1 run)",
        "threads": "1 (1 run), unknown (1 run)",
    }


def test_what_was_left_out_has_its_reason(tmp_path):
    two_lambdas(tmp_path)
    shutil.copytree(tmp_path / "Breakout/lambda=0/seed=1", tmp_path / "again")
    (tmp_path / "again/metrics.csv").write_text("nothing\n")
    columns = "env_steps, episode_return, attention_entropy"
    (block,) = section(made(tmp_path), "problems")["blocks"]
    assert texts(block) == [
        ["unfinished", "Breakout/lambda=0.005/seed=1", "running at 40 of 40 agent steps"],
        ["skipped", "again", f"metrics.csv lacks the columns {columns}"],
    ]


def test_one_run_has_a_report(tmp_path):
    folder = write_run(tmp_path, evaluation=(30, 0.5))
    report = made(folder)
    assert report["facts"] == "1 run (1 finished) · 1 game · 1 λ · 1 seed · 45 agent steps"
    assert len(report["runs"]) == 1
    assert report["differences"] == []
    assert report["answers"][0]["headline"]


STRESS = """\
env,lambda,settings,change,score_unchanged,score_changed,lost_percent,lost_percent_low,\
lost_percent_high,seeds,games
Breakout,0.0005,,delay,11.8,4.25,64,41.6,80,1,10
"""


LOOK = {"n": 5, "difference": -3.5, "statistic": -4.25, "boundary": 2.75}
DECISION = {
    "until": "decided",
    "asked": {"seeds": 5, "margin": 0.1, "error": 0.05},
    "budget": 60,
    "spent": 10,
    "state": "decided",
    "looks": [{}],
    "comparisons": [
        {
            "cell": "Breakout lambda=0.005",
            "n": 5,
            "score": 6.5,
            "score_at_zero": 10.0,
            "difference": -3.5,
            "share": 0.594,
            "decision": "lower",
            "look": 1,
            "within_margin": False,
            "looks": [LOOK | {"margin_statistic": -3.0, "margin_boundary": 2.5}],
        }
    ],
}


@pytest.mark.parametrize("given", ["0", "1.5", "-0.1", "nan", "ten"])
def test_a_margin_is_a_share(given, tmp_path, capsys):
    write_run(tmp_path)
    assert main([str(tmp_path), f"--margin={given}"]) == 2
    told = capsys.readouterr().err
    assert told.splitlines() == [
        f"error: --margin={given} is not allowed",
        "allowed: a share above 0, at most 0.9, such as 0.1",
    ]
    assert not (tmp_path / "report.html").exists()


def test_no_runs_no_folder_and_no_place_to_write(tmp_path, capsys):
    for root in (tmp_path / "empty", tmp_path / "none"):
        if root.name == "empty":
            root.mkdir()
        assert main([str(root)]) == 2
        assert len(capsys.readouterr().err.splitlines()) <= 3
        assert not (root / "report.html").exists()
    write_run(tmp_path / "sweep")
    (tmp_path / "file").write_text("")
    assert main([str(tmp_path / "sweep"), "--out", str(tmp_path / "file/report.html")]) == 4
    assert len(capsys.readouterr().err.splitlines()) <= 3


@pytest.mark.slow
def test_180_runs_are_a_small_page(tmp_path):
    write_synthetic(tmp_path / "sweep", games=6, lambdas=6, seeds=5, updates=200, failed=3)
    report = made(tmp_path / "sweep")
    assert len(report["runs"]) == 180
    assert (tmp_path / "sweep/report.html").stat().st_size < 2_000_000  # 5 MB are allowed
