"""The table of states of a sweep over any keys: columns, order, groups."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from attn_ppo import config, status
from attn_ppo.config import RunConfig
from attn_ppo.launch import command_line
from attn_ppo.lifecycle import plan

pytestmark = pytest.mark.usefixtures("in_empty_folder")


def asked(*words: str) -> Sequence[RunConfig]:
    """The runs of a sweep, 1024 agent steps each."""
    return command_line.parse(["-m", "total_steps=1024", *words]).configs


def begin(*runs: RunConfig) -> None:
    """Their folders, with what is there when a run was stopped before its first update."""
    for run in runs:
        run.folder.mkdir(parents=True)
        (run.folder / "config.yaml").write_text(config.to_yaml(run))
        (run.folder / "status.json").write_text('{"state": "preempted"}')


def printed(capsys, *arguments: str) -> list[str]:
    status.main(arguments)
    return capsys.readouterr().out.splitlines()


def cells(lines: Sequence[str], count: int) -> list[list[str]]:
    """The first cells of each line up to the first empty one."""
    return [line.split()[:count] for line in lines[: lines.index("")]]


def test_what_a_sweep_varies_has_columns(capsys):
    sweep = asked("attention.gate=softmax,none", "ppo.clip_range=0.2,0.1", "seed=0,1")
    plan.record("python -m attn_ppo.train -m ...", sweep)
    begin(*sweep[:3])  # of the others there are only the axes
    lines = printed(capsys)
    assert lines[0] == "runs/default"
    expected = [["none", clip, seed] for clip in ("0.1", "0.2") for seed in "01"]
    expected += [["softmax", clip, seed] for clip in ("0.1", "0.2") for seed in "01"]
    head, *rows = cells(lines[1:], 5)
    assert head == ["game", "attention.gate", "ppo.clip_range", "lambda", "seed"]
    assert [[gate, clip, seed] for _, gate, clip, _, seed in rows] == expected
    assert len({line.index("not started") for line in lines if "  not started" in line}) == 1
    starts = {line.index(gate) for line in lines for gate in ("none", "softmax") if gate in line}
    assert starts == {lines[1].index("attention.gate")}
    assert "8 runs: 3 preempted, 5 not started" in lines
    one = "runs/default/Breakout/attention.gate=none,ppo.clip_range=0.1"
    assert cells(printed(capsys, one)[1:], 3)[0] == ["game", "lambda", "seed"]


def test_runs_that_differ_outside_their_axes_are_told_apart(capsys):
    begin(*asked("seed=0,1"), *asked("seed=2", "ppo.clip_range=10"))
    begin(*asked("seed=3", "ppo.clip_range=9"))
    head, *rows = cells(printed(capsys)[1:], 4)
    assert head == ["game", "ppo.clip_range", "lambda", "seed"]
    assert [(clip, seed) for _, clip, _, seed in rows] == [
        ("0.2", "0"),
        ("0.2", "1"),
        ("9", "3"),
        ("10", "2"),
    ]


def test_where_many_keys_differ_letters_stand_for_them(capsys):
    begin(*asked("ppo.gamma=0.9", "seed=0"), *asked("seed=1", "attention.maps=1"))
    begin(*asked("seed=2", "ppo.ent_coef=0.5"), *asked("seed=3", "ppo.vf_coef=0.25"))
    lines = printed(capsys)
    head, *rows = cells(lines[1:], 4)
    assert head == ["game", "settings", "lambda", "seed"]
    assert [(letter, seed) for _, letter, _, seed in rows] == [*zip("ABCD", "1032", strict=True)]
    first = "settings A: attention.maps=1 ppo.ent_coef=0.01 ppo.gamma=0.99 ppo.vf_coef=0.5"
    assert lines[lines.index("") + 1] == first


def test_one_variant_has_no_column(capsys):
    begin(*asked("lambda=0,0.1", "env=Pong,Breakout", "ppo.clip_range=0.1"))
    assert cells(printed(capsys)[1:], 3)[0] == ["game", "lambda", "seed"]


def test_sweeps_are_apart_whatever_the_depth_of_their_runs(capsys):
    begin(*asked("name=a", "ppo.clip_range=0.1,0.2"), *asked("name=b", "seed=0,1"))
    bare, broken = (run.folder for run in asked("name=a", "ppo.clip_range=0.3,0.4"))
    for folder in (bare, broken):
        folder.mkdir(parents=True)
    (bare / "status.json").write_text('{"state": "failed"}')
    (broken / "config.yaml").write_text("env: [")
    lines = printed(capsys)
    assert [line for line in lines if line.startswith("runs/") and " " not in line] == [
        "runs/a",
        "runs/b",
    ]
    assert printed(capsys, "runs/a/Breakout")[0] == "runs/a/Breakout"
    assert printed(capsys, str(bare))[0] == str(bare)


def test_where_runs_go_by_default_is_where_it_looks(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("ATTN_PPO_ROOT", str(tmp_path / "scratch"))
    begin(*asked("seed=0,1"))
    assert printed(capsys)[0] == f"{tmp_path}/scratch/default"
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    "axes", [["no equals"], ["\x1b[31m=\x1b[31m"], ["state=x"], [""], ["a=b=c"]]
)
def test_a_strange_plan_steers_no_terminal(axes, capsys):
    runs = {"x": ["Breakout", 0, 0, 10, axes], "y": ["Breakout", 0, 1, 10, []]}
    Path("runs/odd").mkdir(parents=True)
    Path("runs/odd/plan.json").write_text(json.dumps({"c": {"folder": "x", "runs": runs}}))
    lines = printed(capsys)
    assert lines[-2] == "2 runs: 2 not started"
    assert all(line.isprintable() for line in lines)
