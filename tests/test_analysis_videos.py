"""`python -m analysis.videos`: which runs are shown, where, what is said, and what W&B gets."""

import json
import socket
import subprocess
import time
from pathlib import Path

import av
import pytest
import torch
from starting import SMALL
from wandb_files import history
from wandb_server import KEY

from analysis import page, videos
from analysis.runs import read_runs
from analysis.videos_on_wandb import Mirror
from attn_ppo import config
from attn_ppo.interpret.show import mp4
from attn_ppo.lifecycle import checkpoint, wandb_session
from attn_ppo.model import ActorCritic

pytest_plugins = "wandb_mirror_fixtures"
pytestmark = pytest.mark.usefixtures("in_empty_folder", "nobody_logged_in")
SHORT = ["--steps", "4", "--methods", "gradient,grad_cam"]


@pytest.fixture
def write_run(settings_of):
    """A finished run of two updates, as it would lie there, of an agent that learned nothing."""

    def write(*overrides: str, name: str = "demo", **status) -> Path:
        words = ["attention.hidden=16", "total_steps=64", *SMALL[:2], f"name={name}", *overrides]
        settings = settings_of(*words)
        settings.folder.mkdir(parents=True)
        (settings.folder / "config.yaml").write_text(config.to_yaml(settings))
        table = "update,env_steps,episode_return,attention_entropy\n1,32,1,7\n2,64,2,6\n"
        (settings.folder / "metrics.csv").write_text(table)
        (settings.folder / "status.json").write_text(json.dumps({"state": "done"} | status))
        model = ActorCritic(4, settings.attention, torch.Generator().manual_seed(settings.seed))
        agent = {"model": model.state_dict(), "backend": "torch"}
        state = {"format": 2, "update": 2, "agent": agent}
        state |= {"rows": {}, "games": [], "origin": {"threads": 1}, "wandb_id": None}
        checkpoint.save(settings.folder, state)
        return settings.folder

    return write


def made() -> list[str]:
    return sorted(path.name for path in Path("runs/demo/videos").iterdir())


def test_a_video_a_game_and_one_an_agent(write_run, capsys):
    for lambda_ in ("0", "0.005"):
        for seed in (0, 1):
            write_run(f"lambda={lambda_}", f"seed={seed}")
    assert videos.main(SHORT) == 0  # the newest folder in runs/
    assert made() == [
        "Breakout-lambda=0-seed=0-saliency.mp4",
        "Breakout-lambda=0.005-seed=0-saliency.mp4",
        "Breakout.mp4",
    ]
    with av.open(Path("runs/demo/videos/Breakout.mp4")) as container:
        assert container.streams.video[0].width == 692  # two columns
        assert len(list(container.decode(video=0))) == 4
    out, err = capsys.readouterr()
    assert "look at\n  runs/demo/videos/Breakout.mp4\n" in out
    assert err == ""
    assert (
        videos.main(["runs/demo", *SHORT, "--no-saliency", "--agent-seed", "1", "--out", "x"]) == 0
    )
    assert [path.name for path in Path("x").iterdir()] == ["Breakout.mp4"]
    assert Path("x/Breakout.mp4").read_bytes() != Path("runs/demo/videos/Breakout.mp4").read_bytes()


def test_agents_of_other_settings_have_their_own_place_and_name(write_run, capsys):
    for seed in (0, 1):
        write_run("attention.gate=none", "axes=[attention.gate]", f"seed={seed}")
        write_run("axes=[attention.gate]", f"seed={seed}")
    write_run("lambda=0.005", "axes=[attention.gate]")
    assert videos.main(SHORT) == 0
    assert made() == [
        "Breakout-gate=none-lambda=0-seed=0-saliency.mp4",
        "Breakout-gate=softmax-lambda=0-seed=0-saliency.mp4",
        "Breakout-gate=softmax-lambda=0.005-seed=0-saliency.mp4",
        "Breakout.mp4",
    ]
    with av.open(Path("runs/demo/videos/Breakout.mp4")) as container:
        assert container.streams.video[0].width == 1024  # three columns
    out = capsys.readouterr().out
    assert "settings A, 2 runs: attention.gate=none" in out
    left_out = (
        "Breakout: one seed of each lambda and settings, without 2 more; --agent-seed chooses"
    )
    assert left_out in out


def test_more_agents_than_fit_are_told(write_run, capsys):
    for number in range(1, 9):
        write_run(f"ppo.ent_coef=0.{number}", "axes=[ppo.ent_coef]")
    assert videos.main([*SHORT, "--no-saliency"]) == 0
    with av.open(Path("runs/demo/videos/Breakout.mp4")) as container:
        assert container.streams.video[0].width == 2020  # six columns
    told = "Breakout: the first 6 of 8 lambdas and settings; for others give a folder below"
    assert told in capsys.readouterr().out


def test_settings_are_in_a_page_s_labels_only_where_they_differ(write_run, monkeypatch):
    written = {}
    monkeypatch.setattr(
        page, "write_page", lambda path, played, *_: written.update({path.name: played})
    )
    write_run("ppo.clip_range=0.1", "axes=[ppo.clip_range]")
    write_run("ppo.clip_range=0.1", "axes=[ppo.clip_range]", "lambda=0.005")
    other = write_run("axes=[ppo.clip_range]", name="other")
    short = ["--steps", "2"]
    assert page.main(["runs", *short]) == 0  # of several sweeps
    assert page.main(["runs/demo", *short, "--out", "one"]) == 0
    assert page.main([str(other), *short]) == 0
    labels = {name: [each.recording.about.label for each in it] for name, it in written.items()}
    assert labels["page.html"] == ["Breakout clip_range=0.2 lambda=0 seed=0"]
    assert labels["Breakout.html"] == ["Breakout lambda=0 seed=0", "Breakout lambda=0.005 seed=0"]


def test_a_tree_of_the_attention_needs_it_in_all_agents(write_run, monkeypatch, capsys):
    for gate in ("softmax", "none"):
        write_run(f"attention.gate={gate}", "axes=[attention.gate]")
    monkeypatch.setattr(page, "recorded", None)  # told before anything is played
    assert page.main(["runs/demo", "--trees", "log_prob,attention"]) == 2
    assert capsys.readouterr().err == (
        "error: --trees=attention needs attention, which an agent lacks\n"
        "allowed: log_prob, margin, value, or folders of agents that all have attention\n"
    )
    with pytest.raises(TypeError):  # not played here
        page.main(["runs/demo"])
    said = "no trees of the attention: not all of the agents have one\n"
    assert capsys.readouterr().out.count(said) == 1


def test_broken_and_unfinished_runs_are_named(write_run, capsys):
    (write_run("lambda=0", "seed=0") / "checkpoint.pt").unlink()
    (write_run("lambda=0", "seed=1") / "checkpoint.pt").write_bytes(b"x" * 99)
    write_run("lambda=0", "seed=2", state="preempted")
    (write_run("env=Pong") / "config.yaml").write_text("env: [")
    assert videos.main([*SHORT, "--no-saliency"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert made() == ["Breakout.mp4"]
    for start, words in [
        ("skipped runs/demo/Pong", "readable config.yaml"),
        ("skipped runs/demo/Breakout/lambda=0/seed=0", "no checkpoint"),
        ("skipped runs/demo/Breakout/lambda=0/seed=1", "damaged"),
        ("unfinished runs/demo/Breakout/lambda=0/seed=2", "preempted"),
    ]:
        (line,) = [line for line in out if line.startswith(start)]
        assert words in line


def test_no_attention_has_no_attention_to_explain(write_run, capsys):
    write_run("attention.gate=none")
    assert videos.main([*SHORT, "--target", "focus"]) == 0
    assert made() == ["Breakout.mp4"]
    assert "without attention" in capsys.readouterr().out


def test_nothing_to_show_is_bad_input(write_run, capsys):
    assert videos.main(["nowhere"]) == 2
    assert capsys.readouterr().err.startswith("error: no runs to draw in nowhere")
    (write_run() / "checkpoint.pt").unlink()
    assert videos.main(SHORT) == 2
    assert not Path("runs/demo/videos").exists()


def test_a_disk_that_refuses_is_told(write_run, capsys):
    write_run()
    Path("runs/demo/videos").write_text("a file")
    assert videos.main(SHORT) == 4
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 1
    assert err[0].startswith("error: can't write runs/demo/videos")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("--steps=0", ["--steps=0", "from 1 to 100,000"]),
        ("--steps=1e3", ["--steps=1e3", "whole number"]),
        ("--steps=²", ["--steps=²"]),
        ("--steps=" + "9" * 5000, ["--steps=999"]),
        ("--seed=-1", ["--seed=-1", "from 0"]),
        ("--agent-seed=7", ["--agent-seed=7", "a seed of these runs: 0"]),
        ("--policy=gredy", ["--policy=gredy", "stochastic, greedy", "nearest: greedy"]),
        ("--target=log_pob", ["--target=log_pob", "nearest: log_prob"]),
        ("--score=log_pob", ["--target=log_pob", "nearest: log_prob"]),
        ("--methods=gradient,vargard", ["--methods=vargard", "nearest: vargrad"]),
        ("--stepps=3", ["--stepps=3", "nearest: --steps"]),
        ("--steps", ["--steps", "--help"]),
    ],
)
def test_bad_input(write_run, capsys, asked, words):
    write_run()
    assert videos.main(["runs/demo", asked]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert 2 <= len(lines) <= 3
    assert all(len(line) < 520 for line in lines)
    assert all(word in "\n".join(lines) for word in words)
    assert not Path("runs/demo/videos").exists()


# ---------------------------------------------------------------- W&B


def test_a_finished_runs_videos_are_in_its_offline_run(write_run, capsys):
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
    write_run, server, start, monkeypatch, capsys
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


def test_an_offline_folder_that_holds_more_stays(write_run, start, capsys):
    run = write_run(wandb_mode="offline", wandb_id="kept")
    start("offline", run_dir=run, run_id="kept").finish()
    (log,) = (run / "wandb").glob("*/*.wandb")
    log.write_bytes(log.read_bytes() + bytes(100_000))
    before = contents(run / "wandb")
    assert videos.main([*SHORT, "--no-saliency"]) == 0
    assert contents(run / "wandb") == before
    assert f"note {run}: what W&B recorded of it stays" in capsys.readouterr().out


def test_a_finished_runs_videos_follow_its_rows_online(write_run, server, start):
    folder = write_run(wandb_mode="online", wandb_id="kept")
    earlier = start("online", run_dir=folder, run_id="kept")  # which sends what metrics.csv has
    earlier.finish()
    assert server.runs["kept"].sent == [1, 2]
    assert videos.main([*SHORT, "--no-saliency"]) == 0
    (run,) = server.runs.values()
    assert run.sent == [1, 2, 3]
    assert (run.rows[-1]["env_steps"], run.rows[-1]["video/game"]["_type"]) == (64, "video-file")
    assert run.exit_code == 0


def test_a_server_that_is_gone_is_asked_once(write_run, monkeypatch, capsys):
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


def test_a_failed_video_leaves_no_half(write_run, monkeypatch, capsys):
    write_run()
    monkeypatch.setitem(mp4.QUALITY, "preset", "none such")
    assert videos.main(SHORT) == 1
    assert "can't encode runs/demo/videos/Breakout.mp4" in capsys.readouterr().err
    assert made() == []
