"""What a run's summary on W&B says at its end: how it ended, its last games, its evaluation."""

import json
from pathlib import Path

import pytest

from attn_ppo.atari.reference_scores import scale
from attn_ppo.errors import ExitCode
from attn_ppo.lifecycle.wandb_summary import last_games, of_end

pytestmark = pytest.mark.usefixtures("in_empty_folder")
HEADER = "env_steps,env_index,episode_return,episode_length\n"


def write(lines: str) -> Path:
    Path("episodes.csv").write_text(HEADER + lines)
    return Path("episodes.csv")


def test_the_last_hundred_games():
    table = write("".join(f"{8 * n},{n % 8},{n}.5,117\n" for n in range(1, 301)))
    games = last_games(table)
    assert {len(values) for values in games.values()} == {100}
    assert games["env_steps"][0] == 1608  # of game 201: 8 * 201
    assert games["episode_return"][-1] == 300.5
    assert games["env_index"][-2:] == [3, 4]  # 299 % 8, 300 % 8


def test_long_lines_and_few():
    long = write("".join(f"{10**12 + n},255,{-(10**6)}.123456,108000\n" for n in range(150)))
    assert len(last_games(long)["env_steps"]) == 100
    assert last_games(write("8,0,1.0,117\n16,1,2.0,118\n"))["env_steps"] == [8, 16]
    assert last_games(write(""))["env_steps"] == []


def test_a_torn_line_and_no_table():
    assert last_games(write("8,0,1.0,117\n16,1,2."))["env_steps"] == [8]
    assert last_games(write("8,0,1.0,117\n16,x,2.0,118\n")) == {}
    assert last_games(write("8,0,1.0,117\n16,1\n")) == {}
    for damaged in (b"\xff\n8,0,1.0,117\n", HEADER.encode() + b"8,\xff\n"):
        Path("episodes.csv").write_bytes(damaged)
        assert last_games(Path("episodes.csv")) == {}
    assert last_games(Path("none.csv")) == {}


def test_how_it_ended():
    resumes = ["at 64: numpy 2 -> 3"]
    Path("status.json").write_text(json.dumps({"inexact_resumes": resumes}))
    write("8,0,1.0,117\n")
    told = of_end(Path(), ExitCode.NOT_FINITE, "value_loss is nan at update 3")
    assert told == {
        "status/state": "failed",
        "status/cause": "value_loss is nan at update 3",
        "status/inexact_resumes": resumes,
        "last_games/env_steps": [8],
        "last_games/env_index": [0],
        "last_games/episode_return": [1],
        "last_games/episode_length": [117],
    }
    assert of_end(Path(), ExitCode.PREEMPTED)["status/state"] == "preempted"
    told = of_end(Path(), ExitCode.DONE, evaluation={"scores": [1, 2], "attention_entropy": None})
    assert (told["status/state"], told["evaluation/scores"]) == ("done", [1, 2])
    assert "evaluation/attention_entropy" not in told


def test_the_human_normalised_score(settings_of):
    """Half way from random play to a human; of a game without a human score nothing."""
    settings = settings_of("env=Breakout")
    known = scale("Breakout", settings.protocol)
    assert known
    random, human, _ = known
    half = {"score_mean": (random + human) / 2}
    told = of_end(Path(), ExitCode.DONE, evaluation=half, settings=settings)
    assert told["evaluation/human_normalised"] == pytest.approx(0.5)
    told = of_end(Path(), ExitCode.NOT_FINITE, "value_loss is nan", settings=settings)
    assert "evaluation/human_normalised" not in told  # it came to no evaluation
    unknown = settings_of("env=Casino")
    told = of_end(Path(), ExitCode.DONE, evaluation=half, settings=unknown)
    assert "evaluation/human_normalised" not in told
