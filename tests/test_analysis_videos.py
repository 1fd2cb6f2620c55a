"""`python -m analysis.videos`: which runs are shown, where, and what is said."""

from pathlib import Path

import av
import pytest
from untrained_run import write_run

from analysis import page, videos
from attn_ppo.interpret.show import mp4

pytest_plugins = "wandb_mirror_fixtures"
pytestmark = pytest.mark.usefixtures("in_empty_folder", "nobody_logged_in")
SHORT = ["--steps", "4", "--methods", "gradient,grad_cam"]


def made() -> list[str]:
    return sorted(path.name for path in Path("runs/demo/videos").iterdir())


def test_a_video_a_game_and_one_an_agent(capsys):
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


def test_agents_of_other_settings_have_their_own_place_and_name(capsys):
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


def test_more_agents_than_fit_are_told(capsys):
    for number in range(1, 9):
        write_run(f"ppo.ent_coef=0.{number}", "axes=[ppo.ent_coef]")
    assert videos.main([*SHORT, "--no-saliency"]) == 0
    with av.open(Path("runs/demo/videos/Breakout.mp4")) as container:
        assert container.streams.video[0].width == 2020  # six columns
    told = "Breakout: the first 6 of 8 lambdas and settings; for others give a folder below"
    assert told in capsys.readouterr().out


def test_settings_are_in_a_page_s_labels_only_where_they_differ(monkeypatch):
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


def test_a_tree_of_the_attention_needs_it_in_all_agents(monkeypatch, capsys):
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


def test_broken_and_unfinished_runs_are_named(capsys):
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


def test_no_attention_has_no_attention_to_explain(capsys):
    write_run("attention.gate=none")
    assert videos.main([*SHORT, "--target", "focus"]) == 0
    assert made() == ["Breakout.mp4"]
    assert "without attention" in capsys.readouterr().out


def test_nothing_to_show_is_bad_input(capsys):
    assert videos.main(["nowhere"]) == 2
    assert capsys.readouterr().err.startswith("error: no runs to draw in nowhere")
    (write_run() / "checkpoint.pt").unlink()
    assert videos.main(SHORT) == 2
    assert not Path("runs/demo/videos").exists()


def test_a_disk_that_refuses_is_told(capsys):
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
def test_bad_input(capsys, asked, words):
    write_run()
    assert videos.main(["runs/demo", asked]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert 2 <= len(lines) <= 3
    assert all(len(line) < 520 for line in lines)
    assert all(word in "\n".join(lines) for word in words)
    assert not Path("runs/demo/videos").exists()


def test_a_failed_video_leaves_no_half(monkeypatch, capsys):
    write_run()
    monkeypatch.setitem(mp4.QUALITY, "preset", "none such")
    assert videos.main(SHORT) == 1
    assert "can't encode runs/demo/videos/Breakout.mp4" in capsys.readouterr().err
    assert made() == []
