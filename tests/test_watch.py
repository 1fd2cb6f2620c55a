"""The progress of a sweep: steps that were never saved and are gone are no progress."""

import json
from io import StringIO
from pathlib import Path

import pytest

from attn_ppo.launch.watch import Watch, following, standing
from attn_ppo.lifecycle.terminal import Terminal

pytestmark = pytest.mark.usefixtures("in_empty_folder")
PREEMPTED = {"state": "preempted", "env_steps": 256, "pid": 7, "heartbeat": "12:00"}
KILLED = {"state": "running", "env_steps": 256, "pid": 7, "heartbeat": "12:00"}
RESUMED = {"state": "running", "env_steps": 256, "pid": 8, "heartbeat": "12:05"}
DONE = {"state": "done", "env_steps": 1024, "pid": 8, "heartbeat": "12:09"}


def write(folder: Path, said: dict, steps: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "status.json").write_text(json.dumps(said))
    (folder / "metrics.csv").write_text(f"update,env_steps\n1,{steps}\n")


@pytest.mark.parametrize(
    ("before", "said", "row", "expected"),
    [
        (PREEMPTED, PREEMPTED, 512, (256, "")),
        (KILLED, KILLED, 512, (256, "")),  # 256 steps will be made again
        (KILLED, RESUMED, 288, (288, "running")),
        (PREEMPTED, RESUMED, 1024, (1024, "evaluating")),
        ({}, {"state": "preempted"}, 512, (0, "")),  # no checkpoint yet: starts again
        (KILLED, {**RESUMED, "state": "failed"}, 512, (256, "")),
        (KILLED, DONE, 1024, (1024, "")),
        ({}, {}, 0, (0, "")),
    ],
)
def test_what_counts(before, said, row, expected, settings_of):
    settings = settings_of("total_steps=1024")
    write(settings.folder, said, row)
    assert standing(settings, said, before) == expected


def test_a_sweep_that_goes_on_never_goes_backwards(settings_of, capsys):
    settings = [settings_of("total_steps=1024", f"seed={seed}") for seed in (0, 1)]
    folders = [each.folder for each in settings]
    write(folders[0], KILLED, 512)
    write(folders[1], DONE, 1024)
    watch = Watch(settings)
    shown = []
    for said, row in ((KILLED, 512), (RESUMED, 256), (RESUMED, 768), (RESUMED, 1024), (DONE, 1024)):
        write(folders[0], said, row)
        watch._look()
        watch._terminal.close()
        shown.append(capsys.readouterr().err)
    # of 2,048 steps 1,024 are the other run's; the rows beyond 256 were lost with the process
    assert [text.split(" / ")[0].split()[-1] for text in shown] == [
        "1,280",
        "1,280",
        "1,792",
        "2,048",
        "2,048",
    ]
    ends = [text.split("\n")[-2].split("  ")[-1] for text in shown]
    assert ends[1:4] == ["1 running", "1 running", "1 evaluating"]
    assert "[1/2] Breakout lambda=0 seed=0: done, score -" in shown[4]


def test_a_run_that_became_done_is_not_read_again(settings_of, capsys):
    settings = [settings_of("total_steps=1024", f"seed={seed}") for seed in (0, 1)]
    watch = Watch(settings)
    write(settings[0].folder, DONE, 1024)
    watch._look()
    (settings[0].folder / "status.json").unlink()
    write(settings[1].folder, RESUMED, 512)
    watch._look()
    watch._terminal.close()
    last = capsys.readouterr().err.split("\n")[-2]
    assert last.startswith("2 runs  1,536 / 2,048 steps")  # 1,024 of the first, 512 of the other


def test_the_end_of_a_run_tells_its_score_beside_a_human_s_and_what_looks_wrong(
    settings_of, capsys
):
    settings = settings_of("total_steps=1024")
    watch = Watch([settings])
    write(settings.folder, DONE, 1024)
    rows = "".join(f"{n},16,0.001\n" for n in range(1015, 1025))
    (settings.folder / "metrics.csv").write_text("env_steps,episode_return,policy_entropy\n" + rows)
    watch._look()
    told = capsys.readouterr().err
    # (16 - 1.36719) / (30.5 - 1.36719) = 14.63281 / 29.13281 = 0.502
    assert "Breakout lambda=0 seed=0: done, score 16.0 (50% of human), attention entropy -" in told
    assert "Breakout lambda=0 seed=0: policy fixed: policy entropy 0.001 nats" in told


def test_a_run_that_was_done_and_is_evaluated_again_ends_again(settings_of, capsys):
    settings = settings_of("total_steps=1024")
    write(settings.folder, DONE, 1024)
    watch = Watch([settings])
    for said in (DONE, {**RESUMED, "env_steps": 1024}, {**DONE, "heartbeat": "12:20"}):
        assert "[1/1]" not in capsys.readouterr().err
        write(settings.folder, said, 1024)
        watch._look()
    assert "[1/1] Breakout lambda=0 seed=0: done" in capsys.readouterr().err


def test_what_comes_after_the_last_interval_is_shown_at_the_end():
    told, rows = StringIO(), iter([32, 64])
    terminal = Terminal("2 runs", 64, file=told)

    def look() -> None:
        terminal.write({"env_steps": next(rows)})

    with following(look, terminal, interval=60):
        look()
    assert next(rows, None) is None
    first, last = told.getvalue().splitlines()
    assert first.startswith("2 runs  32 / 64 steps")
    assert last.startswith("2 runs  64 / 64 steps")
