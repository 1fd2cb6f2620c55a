"""Where rows of metrics go: real wandb, against a stand-in server on loopback or with none."""

import dataclasses
import json
import math
import random
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from wandb_files import CONFIG, ROOT, history, records
from wandb_server import KEY, WandbServer

from attn_ppo.lifecycle import wandb_mirror

pytest_plugins = "wandb_mirror_fixtures"
pytestmark = pytest.mark.usefixtures("nobody_logged_in", "patient")
NAN, INFINITY = math.nan, math.inf


# ---------------------------------------------------------------- offline and disabled


def test_offline_rows_read_back(start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WANDB_DIR", str(tmp_path / "elsewhere"))
    rows = [
        {"update": 1, "env_steps": 1024, "episode_return": NAN, "attention_entropy": 3.875},
        {"update": 2, "env_steps": 2048, "episode_return": 12.5, "attention_entropy": INFINITY},
    ]
    sink = start("offline")
    for row in rows:
        sink.write(row)
    assert sink.finish({"evaluation/score": 31.5}, exit_code=0) is True
    assert sink.finish() is True

    (folder,) = (tmp_path / "run" / "wandb").iterdir()
    assert folder.name.startswith("offline-run-")
    assert folder.name.endswith(f"-{sink.run_id}")
    assert not (tmp_path / "elsewhere").exists()
    assert history(folder) == [
        {"update": 1, "env_steps": 1024, "episode_return": "NaN", "attention_entropy": 3.875},
        {"update": 2, "env_steps": 2048, "episode_return": 12.5, "attention_entropy": "Infinity"},
    ]
    kept = records(folder)
    run = next(r["run"] for r in kept if r["type"] == "run")
    assert {k: v for k, v in run["config"]["update"].items() if k != "_wandb"} == CONFIG
    assert run["run_group"] == "paper"
    assert run["display_name"] == "Breakout lambda=0.0005 seed=0"
    assert run["tags"] == ["study", "Breakout", "lambda=0.0005"]
    axes = [r["metric"] for r in kept if r["type"] == "metric"]
    assert [a.get("step_metric") for a in axes if a.get("glob_name") == "*"] == ["env_steps"]
    summaries = [r["summary"]["update"] for r in kept if r["type"] == "summary"]
    assert {"evaluation/score": 31.5} in summaries
    assert [r["exit"]["exit_code"] for r in kept if r["type"] == "exit"] == [0]


def test_what_there_is_not_is_left_out(start, tmp_path: Path):
    """The numbers of maps where there are none, and a video whose file has gone."""
    sink = start("offline")
    sink.write({"update": 1, "env_steps": 1024, "episode_return": NAN, "attention_entropy": NAN})
    sink.film({"video/training": tmp_path / "gone.mp4"}, env_steps=2048, update=2)
    assert sink.finish() is True
    (folder,) = (tmp_path / "run" / "wandb").iterdir()
    assert history(folder) == [
        {"update": 1, "env_steps": 1024, "episode_return": "NaN"},
        {"update": 2, "env_steps": 2048},
    ]


def test_a_group_averages_nothing_but_seeds(settings_of, tmp_path: Path):
    words = ["wandb.mode=offline", "name=demo", "axes=[ppo.clip_range]"]
    runs = [
        settings_of(*words, "ppo.clip_range=0.1", "seed=1"),
        settings_of(*words, "ppo.clip_range=0.1", "seed=0"),
        settings_of(*words, "ppo.clip_range=0.1", "seed=0", "ppo.gamma=0.9"),  # says no axis
        settings_of(*words, "ppo.clip_range=0.2", "seed=0"),
    ]
    known = []
    for number, settings in enumerate(runs):
        sink = wandb_mirror.of_run(settings, tmp_path / str(number), None, [].append)
        sink.finish()
        known.append(sink.known)
    groups = [each["group"] for each in known]
    assert groups[0] == groups[1]
    assert len(set(groups)) == 3
    starts = [group.rpartition(" ")[0] for group in groups]
    assert starts[:3] == ["demo Breakout ppo.clip_range=0.1 lambda=0"] * 3
    assert known[0]["name"] == "Breakout clip_range=0.1 λ=0 s1"
    assert known[0]["tags"] == ["demo", "Breakout", "lambda=0", "ppo.clip_range=0.1"]
    (folder,) = (tmp_path / "0" / "wandb").iterdir()
    about = next(r["run"]["config"]["update"] for r in records(folder) if r["type"] == "run")
    job = next(r["run"] for r in records(folder) if r["type"] == "run")["job_type"]
    assert job == "train"
    assert (about["name"], about["ppo"]["clip_range"]) == ("demo", 0.1)
    assert about["axes"] == ["ppo.clip_range=0.1"]
    assert "root" not in about  # a path of this machine


def test_what_is_too_long_for_the_server_is_cut_and_stays_unique(settings_of, tmp_path: Path):
    axes = tuple(f"{'x' * 60}={number}{'y' * 60}" for number in range(3))
    sinks = []
    for seed in (0, 1):
        settings = settings_of("wandb.mode=offline", f"seed={seed}", f"name={'n' * 64}")
        settings = dataclasses.replace(settings, axes=axes)
        sinks.append(wandb_mirror.of_run(settings, tmp_path / str(seed), None, [].append))
        sinks[-1].finish()
    known = [sink.known for sink in sinks]
    assert {len(each[key]) for each in known for key in ("name", "group")} == {128}
    assert max(len(tag) for each in known for tag in each["tags"]) == 64
    assert known[0]["name"] != known[1]["name"]
    assert known[0]["group"] == known[1]["group"]
    assert len(set(known[0]["tags"])) == 6


def test_failed_run_is_recorded_as_failed(start, tmp_path: Path):
    start("offline").finish(exit_code=3)
    (folder,) = (tmp_path / "run" / "wandb").iterdir()
    assert [r["exit"]["exit_code"] for r in records(folder) if r["type"] == "exit"] == [3]


def test_disabled_never_imports_wandb(python, tmp_path: Path):
    process = python(
        """
        about = {"run_id": "kept", **ABOUT}
        sink = wandb_mirror.WandbMirror(mode="disabled", run_dir=sys.argv[1], **about)
        sink.write({"update": 1, "env_steps": 1})
        assert sink.finish({"score": 1}) is True
        print(sink.mode, sink.run_id, "wandb" in sys.modules, os.listdir(sys.argv[1]))
        """,
        str(tmp_path / "home"),
    )
    assert process.communicate(timeout=30)[0] == "disabled kept False []\n"


@pytest.mark.parametrize(
    ("word", "mode"),
    [("offline", "offline"), ("dryrun", "offline"), ("disabled", "disabled")],
)
def test_auto_heeds_wandb_mode(start, server, said, monkeypatch, word: str, mode: str):
    monkeypatch.setenv("WANDB_MODE", word)
    sink = start("auto", run_id="kept")
    assert (sink.mode, sink.run_id) == (mode, "kept")
    assert len(said) == (mode == "offline")
    assert server.calls == []


# ---------------------------------------------------------------- online


@pytest.mark.parametrize("mode", ["auto", "online"])
def test_online_run_arrives(start, server: WandbServer, said, capfd, mode: str):
    sink = start(mode)
    assert sink.mode == "online"
    for update in range(1, 51):
        row = {"update": update, "env_steps": 1024 * update}
        sink.write(row | {"episode_return": NAN, "value_loss": update / 2})
    assert sink.finish({"evaluation/score": 31.5}) is True

    (run,) = server.runs.values()
    assert run.name == sink.run_id
    assert run.project == "attention"
    assert run.sent == list(range(1, 51))
    assert [row["env_steps"] for row in run.rows] == [1024 * u for u in range(1, 51)]
    assert [row["value_loss"] for row in run.rows[:3]] == [0.5, 1.0, 1.5]
    assert math.isnan(run.rows[0]["episode_return"])
    assert {key: run.setting(key) for key in CONFIG} == CONFIG
    assert run.fields["groupName"] == "paper"
    assert run.fields["displayName"] == "Breakout lambda=0.0005 seed=0"
    assert run.fields["tags"] == ["study", "Breakout", "lambda=0.0005"]
    # W&B's wire form of the two axes: 1 the metric's name, 2 its pattern, 5 the place + 1 of the
    # step metric in this list
    axes = [{k: m[k] for k in m if k in "125"} for m in run.setting("_wandb")["m"]]
    assert axes == [{"1": "env_steps"}, {"2": "*", "5": 1}]
    assert run.summary["evaluation/score"] == 31.5
    assert run.exit_code == 0
    assert len(said) == 1
    assert said[0].startswith("W&B: http")
    assert capfd.readouterr() == ("", "")  # no banner of W&B's own


def test_run_left_open_by_a_failed_job_does_not_take_the_rows_of_the_next(python, server, tmp_path):
    process = python(
        """
        wandb_mirror.WandbMirror(mode="online", run_dir=sys.argv[1], **ABOUT)
        second = wandb_mirror.WandbMirror(mode="online", run_dir=sys.argv[1], **ABOUT)
        second.write({"update": 1, "env_steps": 1024})
        second.finish()
        """,
        str(tmp_path / "run"),
    )
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert [run.sent for run in server.runs.values()] == [[], [1]]


# ---------------------------------------------------------------- what W&B must not touch or tell


def test_no_secret_host_or_code_in_any_file(start, server, tmp_path: Path, monkeypatch):
    secret = "planted-4f1c9a"
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    monkeypatch.setenv("WANDB_NOTES", "")
    for mode in ("online", "offline"):
        sink = start(mode, run_dir=tmp_path / mode)
        print(secret)
        sink.write({"update": 1, "env_steps": 1})
        sink.finish()
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 4
    private_words = [secret, KEY, str(ROOT)]
    if len(socket.gethostname()) > 5:  # two letters are in any binary file by chance
        private_words.append(socket.gethostname())
    for path in written:
        content = path.read_bytes()
        for private in private_words:
            assert private.encode() not in content, (path, private)
    sent = json.dumps([run.fields | run.config for run in server.runs.values()])
    for private in (*private_words, "test_sinks"):
        assert private not in sent
    assert [path for path in tmp_path.rglob("*") if path.is_symlink()] == []
    assert not list(tmp_path.rglob("requirements.txt"))
    assert not list(tmp_path.rglob("wandb-metadata.json"))


def test_process_is_left_as_it_was(start, server):  # noqa: ARG001
    def state() -> list[Any]:
        handlers = [signal.getsignal(number) for number in signal.valid_signals()]
        legacy = np.random.get_state(legacy=False)  # noqa: NPY002
        return [handlers, random.getstate(), str(legacy), sys.exit, sys.excepthook, sys.stdout]

    before = state()
    sink = start("online")
    sink.write({"update": 1, "env_steps": 1})
    sink.finish()
    start("offline")
    assert state() == before


def test_fresh_ids_differ_whatever_the_seed(start):
    names = set()
    for _ in range(2):
        random.seed(0)
        sink = start("offline")
        names.add(sink.run_id)
        sink.finish()
    assert len(names) == 2
