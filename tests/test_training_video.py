"""Videos made while a run trains: they change nothing of it, and nothing of them can end it."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import pytest
import torch
from identical import difference
from starting import RUN, SMALL, rows, train, wait_for
from wandb_files import history

from attn_ppo import config, filming
from attn_ppo.errors import RunError
from attn_ppo.interpret.show import mp4, training_video
from attn_ppo.lifecycle.signals import StopRequest
from attn_ppo.model import ActorCritic

pytestmark = pytest.mark.usefixtures("in_empty_folder")
WORDS = [
    "lambda=0.005",
    "total_steps=160",
    "checkpoint.every_updates=100",
    "attention.hidden=16",
    "evaluation.episodes=1",
]


@pytest.fixture
def begin() -> Iterator[Callable[..., subprocess.Popen]]:
    """Begins a run of five updates, with videos of so many steps, that doesn't outlive the test."""
    processes: list[subprocess.Popen] = []

    def begin(*overrides: str, steps: int = 8) -> subprocess.Popen:
        code = (
            "import sys; from attn_ppo import train\n"
            "from attn_ppo.interpret.show import training_video\n"
            f"training_video.STEPS = {steps}; sys.exit(train.main(sys.argv[1:]))"
        )
        command = [sys.executable, "-c", code, *SMALL, *WORDS, *overrides]
        processes.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
        return processes[-1]

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_training_is_the_same_to_the_bit_with_and_without(begin):
    filmed = begin("name=with", "videos.every_updates=2", "wandb.mode=offline")
    assert train(*WORDS, "name=without").returncode == 0
    said = filmed.communicate(timeout=200)[1]
    assert filmed.returncode == 0, said
    folder, other = (Path(str(RUN).replace("default", name)) for name in ("with", "without"))
    assert difference(folder, other) is None
    assert not (other / "videos").exists()
    videos = sorted((folder / "videos").iterdir())
    assert [path.name for path in videos] == ["update=000002.mp4", "update=000004.mp4"]
    for path in videos:
        with av.open(path) as container:
            assert len(list(container.decode(video=0))) == 8

    # on W&B, each is in the row of its update, and each update there once
    (wandb,) = (folder / "wandb").glob("offline-run-*")
    items = history(wandb)
    assert [item["update"] for item in items] == [1, 2, 3, 4, 5]
    shown = [(i["update"], i["env_steps"]) for i in items if "video/training._type" in i]
    assert shown == [(2, 64), (4, 128)]
    assert all("policy_loss" in item for item in items)
    assert len(list(wandb.glob("files/media/videos/video/*.mp4"))) == 2


def test_a_request_to_stop_while_a_video_is_recorded_is_heeded(begin):
    process = begin("videos.every_updates=2", steps=100_000)
    wait_for((RUN / "checkpoint.pt").exists, 200)  # made for the video's sake
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    begun = time.monotonic()
    said = process.communicate(timeout=200)[1]
    assert time.monotonic() - begun < 10
    assert process.returncode == 75, said
    assert "no video" not in said
    status = json.loads((RUN / "status.json").read_text())
    assert (status["state"], status["env_steps"]) == ("preempted", 64)
    assert len(rows(RUN / "metrics.csv")) == 2
    assert not (RUN / "videos").exists()


# ---------------------------------------------------------------- one video, in this process


@pytest.fixture
def film(settings_of, monkeypatch):
    """Has a run's video of update 3 made; what was said and what W&B got is kept in it."""
    monkeypatch.setattr(training_video, "STEPS", 4)
    settings = settings_of(*SMALL, *WORDS)
    model = ActorCritic(4, settings.attention, torch.Generator().manual_seed(0))
    said, sent = [], []

    def make(alive=lambda: None, stop=None):
        observers: Any = SimpleNamespace(
            wandb=SimpleNamespace(film=lambda films, **more: sent.append((films, more))),
            terminal=SimpleNamespace(message=said.append),
            watchdog=SimpleNamespace(beat=alive),
        )
        agent: Any = SimpleNamespace(model=model)
        request = StopRequest() if stop is None else stop  # which is false until it is asked
        filming.film(settings, agent, 3, observers, request)

    make.said, make.sent, make.model = said, sent, model
    return make


def test_the_model_and_the_random_numbers_are_left_alone(film):
    layers, rng_state = film.model.layers, torch.get_rng_state()
    film()
    assert (film.said, film.sent) == (
        [],
        [({"video/training": RUN / "videos/update=000003.mp4"}, {"env_steps": 96, "update": 3})],
    )
    assert film.model.layers is layers
    assert film.model.training
    assert all(weight.requires_grad for weight in film.model.parameters())
    assert torch.equal(torch.get_rng_state(), rng_state)


def full_disk(*_, **__):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("owner", "name", "value", "reason"),
    [
        (mp4, "QUALITY", {"preset": "none such"}, "can't encode"),
        (mp4, "_encode", full_disk, "No space left on device"),
        (training_video, "record", full_disk, "No space left on device"),
    ],
)
def test_a_video_that_fails_costs_one_line(film, monkeypatch, owner, name, value, reason):
    monkeypatch.setattr(owner, name, value)
    film()
    (line,) = film.said
    assert line.startswith("no video of update 3: ")
    assert reason in line
    assert film.sent == []
    assert not list(RUN.glob("videos/*"))


def test_without_the_library_a_video_costs_one_line(film, monkeypatch):
    monkeypatch.delattr("attn_ppo.interpret.show.training_video")
    monkeypatch.setitem(sys.modules, "attn_ppo.interpret.show.training_video", None)
    film()
    assert len(film.said) == 1


def test_a_request_to_stop_while_it_is_drawn_is_heeded(film):
    stop, beats = StopRequest(), []

    def beat():
        beats.append(1)
        if len(beats) == 3:
            stop.name = "SIGTERM"

    with pytest.raises(RunError, match="SIGTERM: stopped"):
        film(beat, stop)
    assert (film.said, film.sent) == ([], [])
    assert not list(RUN.glob("videos/*"))
    assert not list(RUN.glob("videos/.*"))


def test_a_run_from_before_there_were_videos_reads(tmp_path, settings_of):
    text = config.to_yaml(settings_of("env=Pong"))
    path = tmp_path / "config.yaml"
    path.write_text(text.replace("videos:\n  every_updates: 0\n", ""))
    assert "videos" not in path.read_text()
    assert config.read(path) == settings_of("env=Pong")


def test_videos_are_not_part_of_a_runs_identity(settings_of):
    some, none = settings_of("videos.every_updates=5"), settings_of()
    assert config.identity(some) == config.identity(none)
    assert [number for number in range(12) if some.videos.due(number)] == [0, 5, 10]
    assert not any(none.videos.due(number) for number in range(12))
