"""What the report holds runs against: own and published ones, random play, a human."""

import pytest
from test_analysis_runs import STUDY, STUDY_ROWS, write_run
from test_report import as_dicts, made

from attn_ppo.learning import bands

OWN = """env,protocol,total_steps,seed,env_steps,score
Breakout,baselines,10000000,0,5000,1
Breakout,baselines,10000000,0,9999400,300
Breakout,baselines,10000000,4,5000,1
Breakout,baselines,10000000,4,9999400,400
"""
PUBLISHED = "Breakout, published: 131 (the study) to 430 (CleanRL XLA) after 10M steps"


@pytest.fixture(autouse=True)
def own(tmp_path_factory, monkeypatch):
    """A table of two seeds of Breakout."""
    path = tmp_path_factory.mktemp("own") / "own_runs.csv"
    path.write_text(OWN)
    monkeypatch.setattr(bands, "OWN_FILE", path)
    bands._own.cache_clear()
    yield
    bands._own.cache_clear()


def others(report: dict) -> list[str]:
    return [row["others"]["text"] for row in as_dicts(report["scores"])]


def test_runs_are_not_held_against_themselves(tmp_path):
    """Seed 0 at lambda 0 is in the table and here; nor is it beside lambda 0.005."""
    for lambda_ in ("0", "0.005"):
        write_run(tmp_path, lambda_=lambda_, settings=STUDY, rows=STUDY_ROWS)
    report = made(tmp_path)
    # at 9,999,360 of 9,999,400 steps: 300 and 400, less next to nothing; published: 131 to 430
    assert others(report) == ["own 400 (n = 1), published 131 to 430 (n = 5)"] * 2
    assert report["scoreNotes"][-1] == (
        "Our own runs that others are held against: 1 of them are these here (the same game, "
        "protocol, steps and seed at λ = 0), and left out."
    )
    assert report["others"] == ["Breakout at 10M steps, lambda 0: own 400 (n = 1)", PUBLISHED]


def test_runs_of_other_seeds_or_settings_are_held_against_all(tmp_path):
    write_run(tmp_path, seed=1, settings=STUDY, rows=STUDY_ROWS)
    write_run(tmp_path, settings=[*STUDY, ("gamma: 0.99", "gamma: 0.9")], rows=STUDY_ROWS)
    report = made(tmp_path)
    assert others(report) == ["own 300 to 400 (n = 2), published 131 to 430 (n = 5)"] * 2
    assert not any("Our own runs" in note for note in report["scoreNotes"])
    assert report["others"][0] == "Breakout at 10M steps, lambda 0: own 300 to 400 (n = 2)"


def test_a_human_is_there_where_one_is_known(tmp_path):
    for game in ("Breakout", "Tetris"):
        write_run(tmp_path, game)
    first, second = made(tmp_path)["protocols"]
    assert (first["human"], second["human"]) == (30.5, None)
