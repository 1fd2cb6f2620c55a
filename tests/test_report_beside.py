"""What the report says beside scores: films, what was measured, flags, decisions."""

import json
import math
import shutil

import pandas as pd
from test_analysis_runs import write_run
from test_report import DECISION, ROOT, STRESS, made, section, texts

from analysis.report.__main__ import main
from analysis.report.beside import decision_section
from analysis.report.stress import words


def test_films_and_pages_are_linked_relatively(tmp_path):
    folder = write_run(tmp_path)
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos/Breakout a.mp4").write_bytes(b"film")
    (tmp_path / "videos/long.mp4").write_bytes(bytes(400_001))
    (folder / "page.html").write_text("page")
    assert main([str(tmp_path), "--out", str(tmp_path / "out/here/r.html")]) == 0
    text = (tmp_path / "out/here/r.html").read_text("utf-8")
    start = text.index('id="data">') + len('id="data">')
    report = json.loads(text[start : text.index("</script>", start)])
    videos, _, links = section(report, "watch")["blocks"]
    assert videos["videos"] == [
        {
            "text": "videos/Breakout a.mp4",
            "href": "../../videos/Breakout%20a.mp4",
            "data": "data:video/mp4;base64,ZmlsbQ==",
        },
        {"text": "videos/long.mp4", "href": "../../videos/long.mp4"},  # too large to be in the page
    ]
    (page,) = links["links"]
    assert page["href"] == "../../Breakout/lambda%3D0/seed%3D0/page.html"


def test_without_films_the_command_that_makes_them_is_there_if_it_works(tmp_path):
    folder = write_run(tmp_path)
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures/claims.csv").write_text("a")
    report = made(tmp_path)  # no agent's weights
    assert "watch" not in [each["id"] for each in report["sections"]]
    (links,) = section(report, "files")["blocks"]
    assert links["links"] == [{"text": "figures/claims.csv", "href": "figures/claims.csv"}]
    (folder / "checkpoint.pt").write_bytes(b"")
    told = f"To make some: python -m analysis.videos {tmp_path}"
    (only,) = section(made(tmp_path), "watch")["blocks"]
    assert only == {"kind": "text", "text": f"There are no films of these agents yet. {told}"}


def test_believe_of_the_agents_as_they_are_now(tmp_path):
    folder = tmp_path / "Breakout/lambda=0/seed=0"
    shutil.copytree(ROOT / "results/study/Breakout/lambda=0/seed=0", folder)
    measures = json.loads((folder / "believe.json").read_text())
    true_steps, measures["env_steps"] = measures["env_steps"], 1024
    (folder / "believe.json").write_text(json.dumps(measures))
    report = made(tmp_path)
    assert "believe" not in [each["id"] for each in report["sections"]]
    assert "believe.json is of another agent or version; left out" in json.dumps(report)
    measures["env_steps"] = true_steps
    (folder / "believe.json").write_text(json.dumps(measures))
    report = made(tmp_path)
    blocks = section(report, "believe")["blocks"]
    # its entropy is of other steps than that of the scores, and both say of which
    assert blocks[-1]["items"][-1].startswith("Attention's entropy is that of the steps measured")
    # notes are on what the page shows, not on tables of believe.md and claims.md alone
    assert not [note for note in blocks[-1]["items"] if note.startswith(("Polarity", "Sensitiv"))]
    assert "Loss that can be told" not in json.dumps(section(report, "statistics"))
    (head,) = [each for each in report["scores"]["columns"] if each["key"] == "entropy"]
    assert "over all steps of the games of the evaluation" in head["about"]
    measured = dict(texts(next(block for block in blocks if block["kind"] == "table")))
    assert (
        measured["agreement with cause"] == "0.74 [0.63, 0.84]"
    )  # as in believe.md of this agent alone


def test_stress_as_its_table_has_it(tmp_path):
    write_run(tmp_path)
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures/stress_table.csv").write_text(STRESS)
    words, block = section(made(tmp_path), "stress")["blocks"]
    assert words["items"][1].startswith("Intervals: 1. Above 0, where score is lost: 1; below")
    assert words["items"][2:] == [
        "Lost: delay, Breakout λ = 0.0005, 64 % [42, 80] (one seed, 10 games)."
    ]
    assert texts(block) == [
        ["Breakout", "0.0005", "delay", "11.8", "4.25", "64 [42, 80]", "1", "10"]
    ]
    (tmp_path / "figures/stress.png").write_bytes(b"picture")
    figure, *_ = section(made(tmp_path), "stress")["blocks"]
    assert figure["kind"] == "picture"
    assert figure["href"] == "figures/stress.png"
    assert figure["data"] == "data:image/png;base64,cGljdHVyZQ=="
    (tmp_path / "figures/stress_table.csv").write_text("env\nBreakout\n")
    report = made(tmp_path)
    assert "stress_table.csv can't be read" in json.dumps(section(report, "problems"))


def test_what_changed_games_cost_and_gain_is_told():
    rows = [
        ("a", 12.0, 2.0, 22.0),
        ("b", -20.0, -30.0, -10.0),  # a gain of 20 % [10, 30]
        ("c", 1.0, -5.0, 7.0),
        ("d", 4.0, math.nan, math.nan),  # no interval
    ]
    names = ["change", "lost_percent", "lost_percent_low", "lost_percent_high"]
    frame = pd.DataFrame(rows, columns=pd.Index(names))
    told = words(
        frame.assign(env="Breakout", settings=math.nan, seeds=3, games=30, **{"lambda": 0})
    )
    assert told[1].startswith(
        "Intervals: 3. Above 0, where score is lost: 1; below, where it is gained: 1."
    )
    assert told[2:] == [
        "Lost: a, Breakout λ = 0, 12 % [2, 22] (3 seeds).",
        "Gained: b, Breakout λ = 0, 20 % [10, 30] (3 seeds).",
    ]


def test_the_verdict_on_maps_has_what_changed_games_cost(tmp_path):
    folder = tmp_path / "Breakout/lambda=0/seed=0"
    shutil.copytree(ROOT / "results/study/Breakout/lambda=0/seed=0", folder)
    (tmp_path / "figures").mkdir()
    shutil.copy(ROOT / "results/study/figures/stress.csv", tmp_path / "figures")
    shutil.copy(ROOT / "results/study/figures/believe_lambda.png", tmp_path / "figures")
    blocks = section(made(tmp_path), "believe")["blocks"]
    assert (blocks[0]["kind"], blocks[0]["href"]) == ("picture", "figures/believe_lambda.png")
    assert "Breakout: do changed games break the agents?" in [b.get("caption") for b in blocks]


def test_a_run_that_does_not_learn_is_flagged(tmp_path):
    """For eleven updates its policy has an entropy of 0.001 nats."""
    ten = "".join(f"{u},{10 * u},{40 * u},0,5,3,0.001\n" for u in range(1, 12))
    write_run(tmp_path, rows=ten)
    flagged = made(tmp_path)
    told, found = section(flagged, "flags")["blocks"]
    assert told["text"].startswith("1 of 1 runs is flagged.")
    (row,) = texts(found)
    assert row[:2] == ["Breakout λ = 0 seed 0", "policy fixed"]
    assert row[3] == "Breakout/lambda=0/seed=0"
    assert "! policy fixed" in flagged["runs"][0]["told"]
    write_run(tmp_path / "other")
    (words,) = section(made(tmp_path / "other"), "flags")["blocks"]
    assert words["text"].startswith("No run is flagged.")


def test_a_decision_has_its_boundaries(tmp_path):
    write_run(tmp_path)
    assert decision_section(tmp_path) == (None, [])
    assert "looks at its scores" not in made(tmp_path)["warning"]
    (tmp_path / "decision.json").write_text(json.dumps(DECISION))
    assert "looks at its scores" in made(tmp_path)["warning"]
    told, comparisons, looks = section(made(tmp_path), "decision")["blocks"]
    assert "10 of at most 60 runs" in told["text"]
    assert "margin 10 %" in told["text"]
    assert texts(comparisons) == [
        ["Breakout lambda=0.005", "5", "6.50", "10.0", "-3.50", "59 %", "lower", "1"]
    ]
    assert texts(looks) == [
        ["Breakout lambda=0.005", "1", "5", "-3.50", "-4.25", "± 2.75", "-3.00", "2.50"]
    ]
    (tmp_path / "decision.json").write_text('{"asked": 1}')
    assert "decision.json" in json.dumps(section(made(tmp_path), "problems"))
