"""The table of states whatever is in the runs' files: damage, folders, words without end."""

from pathlib import Path

import pytest
from run_states import make_run, shown

from attn_ppo import status
from attn_ppo.lifecycle import plan


@pytest.mark.usefixtures("in_empty_folder")
@pytest.mark.parametrize(
    "text", ["{", "[]", '{"a": 1}', '{"a": {"b": ["x", "y", 0, 1]}}', '{"a": {"b": [1, 2, 3, 4]}}']
)
def test_a_damaged_plan_hides_nothing(text, capsys):
    make_run(steps=512, state="preempted")
    Path("runs/default/plan.json").write_text(text)
    assert (
        "1 run: 1 preempted\nto continue, run the command that began it again\n" in shown(capsys)[2]
    )


@pytest.mark.usefixtures("in_empty_folder")
def test_a_plan_that_the_disk_does_not_take_keeps_nothing_from_beginning(settings_of):
    Path("runs/default/plan.json").mkdir(parents=True)
    plan.record("python -m attn_ppo.train -m seed=0,1", [settings_of()])
    assert [path.name for path in Path("runs/default").iterdir()] == ["plan.json"]


@pytest.mark.usefixtures("in_empty_folder")
@pytest.mark.parametrize("name", ["metrics.csv", "config.yaml"])
def test_what_a_finished_run_has_lost_is_noted(name, capsys):
    folder = make_run(steps=512, state="done")
    assert "note" not in shown(capsys)[2]
    (folder / name).write_bytes(b"\x00\xff")
    assert f"{name} is damaged" in shown(capsys)[2]
    (folder / name).unlink()
    assert f"{name} is missing" in shown(capsys)[2]


DAMAGE = {
    "config.yaml": [b"", b"\x00\xff", b"env: [", b"env: ../../x\n", b"- 1\n", b"? [a]\n: 2\n"],
    "status.json": [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"state": 3}',
        b'{"state": ["done"]}',
        b'{"state": "\\u001b[31m"}',
        b'{"state": "running", "pid": [], "host": {}}',
        b'{"state": "failed", "cause": {"a": "\\u202e\\u001b\\n"}}',
    ],
    "metrics.csv": [
        b"",
        b"update\n",
        b"\xff\n\xff\n",
        b"env_steps\nnan\n",
        b"env_steps\ninf\n",
        b"env_steps,episode_return\n1,inf\n",
        b"a,b\n1\n",
    ],
    "evaluation.json": [
        b"{",
        b"[]",
        b'{"env_steps": 512, "score_mean": "x"}',
        b'{"env_steps": 512, "score_mean": [1], "attention_entropy": null}',
    ],
    "lock": [b"\xff", b"pid", b"pid x on y", b"pid 99999999999999999999 on \x1b[31m"],
}


@pytest.mark.usefixtures("in_empty_folder")
@pytest.mark.parametrize(
    ("name", "content"), [(name, c) for name, contents in DAMAGE.items() for c in contents]
)
def test_damaged_files_are_told_and_hide_no_other_run(name, content, capsys):
    damaged = make_run(steps=512, state="failed", cause="first")
    (damaged / name).write_bytes(content)
    make_run("seed=1", steps=1024, state="done")
    _, by_seed, out = shown(capsys)
    assert by_seed["1"][3] == "done"
    assert "2 runs: 1 done, 1 " in out
    assert out.isascii()
    assert all(c.isprintable() or c == "\n" for c in out)


@pytest.mark.usefixtures("in_empty_folder")
@pytest.mark.parametrize("name", ["config.yaml", "status.json", "metrics.csv"])
def test_folders_in_place_of_files(name, capsys):
    folder = make_run(steps=512, state="failed", cause="first")
    (folder / name).unlink()
    (folder / name).mkdir()
    assert "1 run: 1 " in shown(capsys)[2]


@pytest.mark.usefixtures("in_empty_folder")
def test_a_run_that_ended_before_it_had_a_config(capsys):
    folder = Path("runs/default/Breakout/lambda=0/seed=0")
    folder.mkdir(parents=True)
    (folder / "status.json").write_text('{"state": "failed", "cause": "no such device"}')
    code, _, out = shown(capsys)
    assert code == 1
    assert f"{folder}  " in out
    assert "no such device" in out


@pytest.mark.usefixtures("in_empty_folder")
def test_a_long_cause_is_cut_in_the_table_and_told_below(capsys):
    cause = "runs/default/Breakout/lambda=0/seed=0/checkpoint.pt: " + "very damaged " * 8 + "indeed"
    make_run(steps=512, state="failed", cause=cause)
    code = status.main([])
    out = capsys.readouterr().out
    assert code == 1
    row = next(line for line in out.splitlines() if line.startswith("Breakout"))
    assert "checkpoint.pt: very damaged" in row  # the folder isn't said again
    assert row.endswith("...")
    assert len(row) <= 120
    assert "very damaged indeed\n" in out
