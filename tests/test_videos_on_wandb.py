"""What W&B gets of the videos of a finished run."""

import socket
import subprocess
import time
from pathlib import Path

import pytest
from untrained_run import write_run
from wandb_files import history
from wandb_server import KEY

from analysis import videos
from analysis.runs import read_runs
from analysis.videos_on_wandb import Mirror
from attn_ppo.lifecycle import wandb_session

pytest_plugins = "wandb_mirror_fixtures"
pytestmark = pytest.mark.usefixtures("in_empty_folder", "nobody_logged_in")
SHORT = ["--steps", "4", "--methods", "gradient,grad_cam"]


def test_a_finished_runs_videos_are_in_its_offline_run(capsys):
    done = write_run(wandb_mode="offline", wandb_id="kept")
    (done / "evaluation.json").write_text('{"score_mean": 3.5, "env_steps": 64}')
    running = write_run("lambda=0.005", wandb_mode="offline", wandb_id="other", state="preempted")
    unknown = write_run("lambda=0.002", wandb_mode="disabled", wandb_id=None)
    for _ in range(2):  # a second time it takes the first one's place
        assert videos.main(SHORT) == 0
        (folder,) = (done / "wandb").iterdir()
        assert folder.name.endswith("-kept")
        first, second, last = history(folder)
        assert [first["update"], second["update"], second["env_steps"]] == [1, 2, 64]
        kinds = ("video/game._type", "video/saliency._type")
        assert [last[key] for key in kinds] == ["video-file"] * 2
        assert last["env_steps"] == 64
        assert len(list(folder.glob("files/media/videos/video/*.mp4"))) == 2
    assert not (running / "wandb").exists()
    assert f"note {running}: on W&B once the run is done" in capsys.readouterr().out
    assert not (unknown / "wandb").exists()


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_offline_folder_keeps_its_name_and_is_whole_at_every_moment(
    server, start, monkeypatch, capsys
):
    run = write_run(wandb_mode="offline", wandb_id="kept")
    start("offline", run_dir=run, run_id="kept").finish()  # as the training left it
    (known,) = (run / "wandb").iterdir()
    before = contents(run)
    with monkeypatch.context() as patch:  # interrupted when all was recorded but not yet in place
        patch.setattr(wandb_session, "put_in_place", lambda *_: 1 / 0)
        (found,), _ = read_runs(run)
        with pytest.raises(ZeroDivisionError):
            Mirror(print).show(found, {}, env_steps=64)
    assert contents(run / "wandb") == {p: b for p, b in before.items() if "wandb" in p.parts}
    (run / ".videos-on-wandb/wandb/offline-run-1-kept").mkdir(parents=True)  # left by a kill
    capsys.readouterr()
    assert videos.main([*SHORT, "--no-saliency"]) == 0
    assert list((run / "wandb").iterdir()) == [known]
    assert not (run / ".videos-on-wandb").exists()
    out = capsys.readouterr().out.splitlines()
    assert "W&B: offline, as asked for" in out
    assert out[-1] == f"W&B: to upload what it lacks: wandb sync {known}"
    subprocess.run(out[-1].partition("lacks: ")[2], shell=True, check=True, timeout=60)
    assert server.runs["kept"].sent == [1, 2, 3]
    assert server.runs["kept"].rows[-1]["video/game"]["_type"] == "video-file"


def test_an_offline_folder_that_holds_more_stays(start, capsys):
    run = write_run(wandb_mode="offline", wandb_id="kept")
    start("offline", run_dir=run, run_id="kept").finish()
    (log,) = (run / "wandb").glob("*/*.wandb")
    log.write_bytes(log.read_bytes() + bytes(100_000))
    before = contents(run / "wandb")
    assert videos.main([*SHORT, "--no-saliency"]) == 0
    assert contents(run / "wandb") == before
    assert f"note {run}: what W&B recorded of it stays" in capsys.readouterr().out


def test_a_finished_runs_videos_follow_its_rows_online(server, start):
    folder = write_run(wandb_mode="online", wandb_id="kept")
    earlier = start("online", run_dir=folder, run_id="kept")  # which sends what metrics.csv has
    earlier.finish()
    assert server.runs["kept"].sent == [1, 2]
    assert videos.main([*SHORT, "--no-saliency"]) == 0
    (run,) = server.runs.values()
    assert run.sent == [1, 2, 3]
    assert (run.rows[-1]["env_steps"], run.rows[-1]["video/game"]["_type"]) == (64, "video-file")
    assert run.exit_code == 0


def test_a_server_that_is_gone_is_asked_once(monkeypatch, capsys):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    monkeypatch.setenv("WANDB_BASE_URL", url)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    for lambda_ in ("0", "0.002", "0.005"):
        write_run(f"lambda={lambda_}", wandb_mode="online", wandb_id=f"kept{lambda_[2:]}")
    spent = 0.0
    show = videos.Mirror.show

    def timed(*arguments, **more):
        nonlocal spent
        begun = time.monotonic()
        show(*arguments, **more)
        spent += time.monotonic() - begun

    monkeypatch.setattr(videos.Mirror, "show", timed)
    assert videos.main([*SHORT, "--no-saliency"]) == 0
    assert spent < 10
    out = capsys.readouterr().out
    assert out.count("does not answer") == 1
    assert out.count("W&B: offline, ") == 3
