"""`python -m analysis.sync`: offline runs reach the server, each row once, whatever happened."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from synthetic import write_sweep
from wandb_server import KEY, WandbServer

from analysis import sync, wandb_upload
from analysis.runs import read_runs
from analysis.videos_on_wandb import Mirror
from analysis.wandb_runs import parts_below
from analysis.wandb_upload import local_run
from attn_ppo import config
from attn_ppo.errors import ExitCode
from attn_ppo.lifecycle import wandb_mirror, wandb_summary
from attn_ppo.lifecycle.run_dir import mark_status

pytest_plugins = "wandb_mirror_fixtures"
pytestmark = pytest.mark.usefixtures("in_empty_folder", "nobody_logged_in")
FOLDER = Path("runs/demo/Breakout/lambda=0/seed=0")


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(sync, "WAITS", ())


def record(start, updates, folder: Path = FOLDER, **more) -> Path:
    """A part of a run, recorded offline; the folder of W&B's."""
    code = more.pop("exit_code", 0)
    films = more.pop("films", {})
    sink = start("offline", run_dir=folder, **more)
    for update in updates:
        sink.write({"update": update, "env_steps": 32 * update, "value_loss": update / 2})
    if films:
        sink.film(films, env_steps=32 * max(updates))
    sink.finish({"status/state": "done", "evaluation/scores": [1.5, 2]}, exit_code=code)
    return sink.part


def test_each_row_arrives_once(start, server: WandbServer, capsys):
    parts = [record(start, range(1, 21)), record(start, range(1, 4), Path("runs/demo/other"))]
    assert sync.main(["runs"]) == 0
    first, second = (server.runs[part.name[-8:]] for part in parts)
    assert (first.sent, second.sent) == (list(range(1, 21)), [1, 2, 3])
    assert first.exit_code == 0
    assert first.summary["evaluation/scores"] == [1.5, 2]
    assert first.fields["displayName"] == "Breakout lambda=0.0005 seed=0"
    assert first.fields["tags"] == ["study", "Breakout", "lambda=0.0005"]
    assert first.fields["groupName"] == "paper"
    assert first.setting("ppo") == {"gamma": 0.99}
    assert first.rows[4]["value_loss"] == 2.5
    assert "host" not in first.fields
    told = capsys.readouterr().out
    assert "20 rows sent, all 20 are there" in told
    assert told.endswith("2 of 2 runs are on W&B\n")
    calls = len(server.calls)
    assert sync.main([]) == 0  # runs/ is the default
    assert server.calls[calls:].count("file_stream") == 0
    assert capsys.readouterr().out == "2 of 2 runs are on W&B\n"


def test_it_goes_on_where_it_was_cut_off(start, server: WandbServer, capsys):
    part = record(start, range(1, 21))
    (logs,) = parts_below(Path("runs")).values()
    whole = local_run(logs)
    eight = {place: row for place, row in whole.rows.items() if place <= 8}
    assert wandb_upload.upload(whole._replace(rows=eight, summary={})) == 8
    assert sync.main([]) == 0
    run = server.runs[part.name[-8:]]
    assert run.sent == list(range(1, 21))
    assert run.summary["status/state"] == "done"
    assert "12 rows sent, all 20 are there" in capsys.readouterr().out


def test_parts_that_overlap_are_one_run(start, server: WandbServer):
    """Killed after update 7, resumed offline from update 5's checkpoint."""
    record(start, range(1, 8), Path("runs/demo/first"), run_id="kept", exit_code=1)
    record(start, range(6, 13), run_id="kept")
    (logs,) = parts_below(Path("runs")).values()
    assert len(logs) == 2
    assert sync.main([]) == 0
    run = server.runs["kept"]
    assert run.sent == list(range(1, 13))
    assert run.exit_code == 0
    assert all(log.with_name(f"{log.name}.synced").exists() for log in logs)


def test_parts_of_a_run_in_two_folders_are_one_run(start, server: WandbServer, capsys):
    """Its folder was moved before it was resumed; one part lies in both folders that are named."""
    first = record(start, range(1, 8), Path("moved/first"), run_id="kept", exit_code=1)
    second = record(start, range(6, 13), run_id="kept")
    assert sync.main(["runs", "moved", "runs/demo"]) == 0
    assert server.runs["kept"].sent == list(range(1, 13))
    assert server.runs["kept"].exit_code == 0  # the second's, which began later
    assert [len(list(part.glob("*.synced"))) for part in (first, second)] == [1, 1]
    assert "12 rows sent, all 12 are there" in capsys.readouterr().out
    assert sync.main(["moved", "runs", "runs/demo", "--prune", "--yes"]) == 0
    assert not first.exists()
    assert not second.exists()
    assert "removed 2 folders of W&B's" in capsys.readouterr().out


def test_a_resumed_run_goes_on_there(start, server: WandbServer):
    record(start, range(1, 8), run_id="kept", exit_code=75)
    assert sync.main([]) == 0
    assert server.runs["kept"].exit_code == 75
    record(start, range(1, 13), run_id="kept")
    assert sync.main([]) == 0
    assert server.runs["kept"].sent == list(range(1, 13))
    assert server.runs["kept"].exit_code == 0


def test_videos_arrive_too(start, server: WandbServer, tmp_path):
    film = tmp_path / "film.mp4"
    film.write_bytes(b"no film, but of some size")
    record(start, range(1, 4), films={"video/maps": film})
    assert sync.main([]) == 0
    (run,) = server.runs.values()
    (row,) = (row for row in run.rows if "video/maps" in row)
    assert (row["_step"], row["env_steps"]) == (4, 96)
    assert run.files[row["video/maps"]["path"]] == b"no film, but of some size"


def test_what_the_server_lost_is_found_out(start, server: WandbServer, capsys):
    part = record(start, range(1, 21), films={})
    assert sync.main([]) == 0
    (mark,) = part.glob("*.synced")
    mark.unlink()
    run = server.runs[part.name[-8:]]
    for step in (19, 20):
        del run.by_step[step]
    run.summary |= {"env_steps": 32 * 18, "_step": 18}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sync, "upload", lambda _: 0)
        assert sync.main([]) == 1
    said = capsys.readouterr()
    assert "W&B doesn't have 2 of 20 rows, agent step 640" in said.err
    assert said.out.endswith("0 of 1 runs are on W&B\n")
    assert not mark.exists()
    assert sync.main([]) == 0  # what is lost at the end can be sent again
    assert run.sent[20:] == [19, 20]
    # a hole can't, as W&B takes none in between; with --prune every row is read back
    del run.by_step[5]
    assert sync.main(["--prune", "--yes"]) == 1
    assert "W&B doesn't have 1 of 20 rows" in capsys.readouterr().err
    assert part.is_dir()


def test_pruning(start, server: WandbServer, capsys, monkeypatch):  # noqa: ARG001
    part = record(start, range(1, 4))
    (FOLDER / "metrics.csv").write_text("update\n")
    monkeypatch.setattr("sys.stdin", open(os.devnull))  # noqa: SIM115
    assert sync.main(["--prune"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for answer, kept in (("", True), ("n", True), ("y", False)):
        monkeypatch.setattr("builtins.input", lambda _, answer=answer: answer)
        assert sync.main(["--prune"]) == 0
        assert part.exists() == kept
    assert (FOLDER / "metrics.csv").exists()
    assert "removed 1 folders of W&B's" in capsys.readouterr().out
    assert sync.main([]) == 0
    assert capsys.readouterr().out == "nothing to upload\n"


def test_what_is_going_on_waits(start, server: WandbServer, capsys, monkeypatch):
    part = record(start, range(1, 4))
    (log,) = part.glob("*.wandb")
    log.write_bytes(log.read_bytes()[:-20])  # without its end
    assert sync.main([]) == 0
    assert "is still going on" in capsys.readouterr().out
    assert server.runs == {}
    monkeypatch.setattr(wandb_upload, "GOING_ON_SECONDS", 0)  # it was killed
    assert sync.main([]) == 0
    (run,) = server.runs.values()
    assert (run.sent, run.exit_code) == ([1, 2, 3], 1)


def test_errors_in_three_lines(start, server: WandbServer, capsys, monkeypatch):
    part = record(start, range(1, 4))
    broken = Path("runs/demo/broken/wandb/offline-run-1-x/run-x.wandb")
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"")
    assert sync.main([]) == 1
    assert "1 of 1 runs are on W&B" in (said := capsys.readouterr()).out
    assert "run-x.wandb is no log of W&B's" in said.err
    broken.unlink()
    next(part.glob("*.synced")).unlink()
    server.refuse = 401
    assert sync.main([]) == 1
    assert len(capsys.readouterr().err.splitlines()) <= 3
    server.die()
    assert sync.main([]) == 1
    assert "does not answer" in capsys.readouterr().err
    monkeypatch.delenv("WANDB_API_KEY")
    assert sync.main([]) == 2
    assert "nobody is logged in" in capsys.readouterr().err
    assert sync.main(["nowhere"]) == 2
    assert "nowhere" in capsys.readouterr().err


@pytest.mark.parametrize("mode", ["online", "offline"])
def test_measures_made_later_arrive_without_a_row_of_their_own(server: WandbServer, mode):
    """What `make believe` does for a finished run, that W&B knows online or from its files."""
    write_sweep(Path("sweep"), games=1, lambdas=1, seeds=1, updates=5)
    (folder,) = (path.parent for path in Path("sweep").rglob("config.yaml"))
    settings = config.read(folder / "config.yaml")
    sink = wandb_mirror.of_run(settings, folder, None, [].append, mode=mode)
    assert sink.finish(wandb_summary.of_end(folder, ExitCode.DONE))
    mark_status(folder, "done", wandb_id=sink.run_id, wandb_mode=mode)
    assert sync.main(["sweep"]) == 0
    run = server.runs[str(sink.run_id)]
    assert run.sent == [1, 2, 3, 4, 5]
    (read,), _ = read_runs("sweep")
    measured = replace(read, evaluation={"score_mean": 1.5, "believe": {"lift": 2.5}})
    Mirror([].append, "the measures").show(measured, {}, env_steps=read.env_steps)
    assert sync.main(["sweep"]) == 0
    assert run.summary["believe/lift"] == 2.5
    assert run.sent == [1, 2, 3, 4, 5]
    assert run.state == "finished"


def test_no_key_is_left_anywhere(start, server: WandbServer, capfd):
    record(start, range(1, 4))
    assert sync.main([]) == 0
    assert KEY not in "".join(capfd.readouterr())
    assert not [p for p in Path().rglob("*") if p.is_file() and KEY.encode() in p.read_bytes()]
    (run,) = server.runs.values()
    assert KEY not in json.dumps([run.config, run.rows, run.fields], default=str)
