"""What is said before runs begin, and once they are done."""

import json
from pathlib import Path

import pytest

from attn_ppo.launch import advice, command_line, parent

pytestmark = pytest.mark.usefixtures("in_empty_folder")


def first(asked: str) -> None:
    """Says what comes first of a sweep's command line."""
    parsed = command_line.parse(["-m", *asked.split()])
    advice.say_first(parsed.configs, parsed.overrides)


@pytest.mark.parametrize(
    ("asked", "lines"),
    [
        ("env=Breakout env=Pong", ["env=Pong replaces env=Breakout, given before it"]),
        (
            "seed=0,1 seed=2 lambda=0 seed=3",
            [
                "seed=2 replaces seed=0,1, given before it",
                "seed=3 replaces seed=2, given before it",
            ],
        ),
        ("env=Pong env=Pong lambda=0,1 axes=[ppo.gamma] ppo.gamma=0.9,0.8", []),
    ],
)
def test_a_key_that_is_given_again_has_the_later_values_and_that_is_told(asked, lines, capsys):
    first(asked)
    assert capsys.readouterr().out.splitlines() == lines


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        # 19 * 8 * 128 = 19,456; 5 * 1,024 = 5,120; 3 * 2 * 16 = 96
        ("total_steps=20000", "total_steps=20,000 becomes 19,456: 19 updates of 1,024 agent steps"),
        ("total_steps=6e3", "total_steps=6,000 becomes 5,120: 5 updates of 1,024 agent steps"),
        ("total_steps=2000", "total_steps=2,000 becomes 1,024: 1 update of 1,024 agent steps"),
        (
            "total_steps=100 ppo.num_envs=2 ppo.num_steps=16",
            "total_steps=100 becomes 96: 3 updates of 32 agent steps",
        ),
        ("total_steps=20000 seed=0,1,2", "total_steps=20,000 becomes 19,456: 19 updates of 1,024"),
    ],
)
def test_steps_that_are_no_whole_updates_are_told_once(asked, line, capsys):
    first(asked)
    (told,) = capsys.readouterr().out.splitlines()
    assert told.startswith(line)


def test_whole_updates_and_a_few_steps_more_are_not_worth_a_word(capsys):
    first("total_steps=1024,1e6,1e7 name=a,b")
    first("experiment=smoke")
    assert capsys.readouterr().out == ""


def end(folder: Path, state: str = "done") -> None:
    folder.mkdir(parents=True)
    (folder / "status.json").write_text(json.dumps({"state": state}))


def test_a_run_that_is_done_says_where_it_is_and_what_to_do_next(capsys, monkeypatch):
    (settings,) = command_line.parse(["name=x", "env=Pong"]).configs
    advice.say_last([settings])
    assert capsys.readouterr().out == ""
    end(settings.folder)
    monkeypatch.setattr("sys.orig_argv", [".venv/bin/python", "-m", "attn_ppo.train"])
    advice.say_last([settings])
    first, *commands = capsys.readouterr().out.splitlines()
    assert first == "done: runs/x/Pong/lambda=0/seed=0; next:"
    assert [line.partition("#")[0].split() for line in commands] == [
        [".venv/bin/python", "-m", "analysis.figures", "runs/x"],
        [".venv/bin/python", "-m", "analysis.page", "runs/x/Pong/lambda=0/seed=0"],
        [".venv/bin/python", "-m", "analysis.videos", "runs/x"],
    ]
    assert len({line.index("#") for line in commands}) == 1
    monkeypatch.setattr(advice, "conf_dir", lambda: Path("site-packages/attn_ppo/conf"))
    advice.say_last([settings])
    assert "python -m attn_ppo.analysis.figures runs/x" in capsys.readouterr().out
    monkeypatch.setenv(parent.VARIABLE, "1")
    advice.say_last([settings])
    assert capsys.readouterr().out == ""


def test_a_sweep_says_it_once_all_its_runs_are_done(capsys, monkeypatch):
    monkeypatch.setattr("sys.orig_argv", ["python", "-m", "attn_ppo.train", "-m"])
    configs = command_line.parse(["-m", "name=x", "seed=0,1"]).configs
    end(configs[0].folder)
    advice.say_last(configs)
    assert capsys.readouterr().out == ""
    end(configs[1].folder)
    advice.say_last(configs)
    assert capsys.readouterr().out.splitlines()[:2] == [
        "done: runs/x; next:",
        "  python -m analysis.figures runs/x  # curves, a table of scores",
    ]


def test_a_sweep_is_shown_its_report_and_a_decided_one_its_decisions_too(capsys, monkeypatch):
    monkeypatch.setattr("sys.orig_argv", ["python", "-m", "attn_ppo.train", "-m"])
    configs = command_line.parse(["-m", "name=x", "lambda=0,0.005"]).configs
    for config in configs:
        end(config.folder)

    def told() -> list[str]:
        advice.say_last(configs)
        lines = capsys.readouterr().out.splitlines()[1:]
        return [line.split()[2] for line in lines if line.split()[3] == "runs/x"]

    shows = ["analysis.figures", "analysis.report", "analysis.page", "analysis.videos"]
    assert told() == shows
    text = '{"until": "decided", "looks": [], "comparisons": []}'
    Path("runs/x/decision.json").write_text(text)
    assert told() == [*shows[:2], "attn_ppo.status", *shows[2:]]
