"""The table of runs' states: true whatever is in their files."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from shutil import copytree

import pytest
from run_states import HEADER, make_run, shown, state_of

from attn_ppo import config, status, train
from attn_ppo.learning import bands
from attn_ppo.lifecycle import plan
from attn_ppo.lifecycle.run_dir import RunDir


@pytest.mark.usefixtures("in_empty_folder")
def test_a_table_of_many_states(capsys):
    done = make_run("seed=10", "lambda=0.0005", steps=1024, state="done", cause="left from before")
    (done / "evaluation.json").write_text(
        '{"env_steps": 1024, "score_mean": 40.25, "attention_entropy": 1.5}'
    )
    make_run("seed=2", steps=512, state="failed", cause="killed by SIGSEGV")
    make_run("seed=3", steps=256, state="preempted", cause="SIGINT: stopped at 256 steps")
    make_run("seed=4", "env=Pong")
    code, by_seed, out = shown(capsys)
    assert code == 1
    assert list(by_seed) == ["seed", "2", "3", "10", "4"]  # by game, lambda, seed as a number
    assert by_seed["10"] == [
        "Breakout",
        "0.0005",
        "10",
        "done",
        "1.02k",
        "100%",
        "40.3 133%",
        "1.50",
    ]
    assert by_seed["2"] == [
        "Breakout",
        "0",
        "2",
        "failed",
        "512 of 1.02k",
        "50%",
        "12.5 38%",  # (12.5 - 1.36719) / (30.5 - 1.36719) = 11.13281 / 29.13281
        "3.25",
        "killed by SIGSEGV",
    ]
    assert by_seed["3"][3] == "preempted"
    assert by_seed["4"][3:6] == ["not started", "0 of 1.02k", "0%"]
    assert "runs/default/Breakout/lambda=0/seed=2/status.json" in out  # there is no output.log
    assert "\n4 runs: 1 done, 1 failed, 1 preempted, 1 not started\n" in out
    assert "\x1b" not in out


@pytest.mark.usefixtures("in_empty_folder")
def test_an_evaluation_of_earlier_weights_is_not_shown(capsys):
    folder = make_run(steps=1024, state="done")
    earlier = '{"env_steps": 512, "score_mean": 40.25, "attention_entropy": 1.5}'
    (folder / "evaluation.json").write_text(earlier)
    assert shown(capsys)[1]["0"][-2:] == ["12.5 38%", "3.25"]  # of metrics.csv


@pytest.mark.usefixtures("in_empty_folder")
def test_scores_stand_beside_others_and_what_looks_wrong_is_told(capsys, monkeypatch):
    own = "env,protocol,total_steps,seed,env_steps,score\n"
    own += "".join(
        f"Breakout,baselines,500000,{seed},{steps},{score}\n"
        for seed, score in ((0, 5), (2, 7))  # of which the first is at hand
        for steps in (1000, 499_000)
    )
    Path("own.csv").write_text(own)
    monkeypatch.setattr(bands, "OWN_FILE", Path("own.csv"))
    monkeypatch.setattr(bands, "_own", bands._own.__wrapped__)
    columns = "update,env_steps,episode_return,attention_entropy,policy_entropy,map_movement\n"
    for seed, movement in enumerate((0.7, 0.001)):
        words = ("total_steps=500_000", "lambda=0", f"seed={seed}")
        folder = make_run(*words, state="preempted", cause="SIGINT", env_steps=400_000)
        lines = [f"{n},{400_000 + n},20,0.05,0.7,{movement}\n" for n in range(10)]
        (folder / "metrics.csv").write_text(columns + "".join(lines))
    assert status.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[-1] for line in lines[2:4]] == ["SIGINT", "attention still; SIGINT"]
    # (20 - 1.36719) / (30.5 - 1.36719) = 18.63281 / 29.13281 = 0.6396
    assert all("  20.0 64%  " in line for line in lines[2:4])
    assert "score: raw, and how far it is from random play, 0%, to a human, 100%" in lines
    assert "Breakout at 400k steps, lambda 0: own 7.00 (n = 1)" in lines
    published = "Breakout, published: 131 (the study) to 430 (CleanRL XLA) after 10M steps"
    assert published in lines
    (told,) = lines[lines.index("what looks wrong:") + 1 : -3]
    assert told.startswith("  Breakout lambda=0 seed=1: attention still: it came down to cells")


@pytest.mark.usefixtures("in_empty_folder")
def test_a_run_is_running_while_its_lock_is_held(capsys, settings_of):
    settings = settings_of("total_steps=1024")
    run_dir = RunDir(settings)
    metrics = settings.folder / "metrics.csv"
    metrics.write_text(f"{HEADER}1,256,nan,3.25,0.2\n")
    run_dir.write_status("running")
    who = f"pid {os.getpid()} on {socket.gethostname()}"
    _, by_seed, _ = shown(capsys)
    # 768 steps left at 0.2 a second: 3840 s = 64 min
    assert by_seed["0"][3:] == ["running", "256 of 1.02k", "25%", "0", "1h04m", "-", "3.25", who]
    run_dir.write_status("preempted")  # of the last time: it is being resumed
    assert state_of(capsys) == ("running", who)
    run_dir.write_status("running")
    run_dir.close()
    assert state_of(capsys) == ("killed", f"{who} is gone")


@pytest.mark.usefixtures("in_empty_folder")
def test_only_saved_steps_count_once_the_process_is_gone(capsys):
    make_run(steps=512, state="preempted", cause="no checkpoint yet: starts again", env_steps=None)
    make_run("seed=1", steps=512, state="running", env_steps=256)  # killed: nobody has its lock
    make_run("seed=2", steps=512, state="failed", env_steps=768)  # a row was torn by a power cut
    _, by_seed, _ = shown(capsys)
    assert by_seed["0"][3:6] == ["preempted", "0 of 1.02k", "0%"]
    assert by_seed["1"][3:6] == ["killed", "256 of 1.02k", "25%"]
    assert by_seed["2"][3:6] == ["failed", "512 of 1.02k", "50%"]


@pytest.mark.usefixtures("in_empty_folder")
def test_time_left_follows_from_all_the_time_and_the_evaluation_has_its_state(capsys, settings_of):
    header = HEADER.replace("\n", ",elapsed_seconds\n")
    held = [RunDir(settings_of("total_steps=1024", f"seed={seed}")) for seed in (0, 1)]
    for run, steps in zip(held, (256, 1024), strict=True):
        (run.folder / "metrics.csv").write_text(f"{header}1,{steps},nan,3.25,50.0,640.0\n")
        run.write_status("running")
    _, by_seed, out = shown(capsys)
    # 256 steps took 640 s: 768 more take 1920 s = 32 min, though the last update did 50 a second
    assert by_seed["0"][3:8] == ["running", "256 of 1.02k", "25%", "50", "32m"]
    assert by_seed["1"][3:6] == ["evaluating", "1.02k", "100%"]
    assert "2 runs: 1 running, 1 evaluating" in out
    for run in held:
        run.close()


@pytest.mark.usefixtures("in_empty_folder")
def test_runs_that_were_planned_and_not_begun(capsys, settings_of):
    planned = [settings_of("total_steps=1024", f"seed={seed}") for seed in range(3)]
    make_run(steps=512, state="preempted")
    plan.record("python -m attn_ppo.train -m seed=0,1,2", planned)
    plan.record("python -m attn_ppo.train seed=3", [settings_of("total_steps=1024", "seed=3")])
    make_run("seed=3", steps=1024, state="done")
    code, by_seed, out = shown(capsys)
    assert code == 0
    assert [by_seed[str(seed)][3] for seed in range(4)] == [
        "preempted",
        *["not started"] * 2,
        "done",
    ]
    assert by_seed["2"] == ["Breakout", "0", "2", "not started", "0 of 1.02k", "0%", "-", "-"]
    assert "4 runs: 1 done, 1 preempted, 2 not started\n" in out
    assert out.endswith("\nto continue: python -m attn_ppo.train -m seed=0,1,2\n")
    assert out == shown(capsys, "runs")[2]
    assert "4 runs" in shown(capsys, "runs/default")[2]
    assert "2 not started" in shown(capsys, "runs/default/Breakout")[2]
    assert "1 run: 1 done\n" in shown(capsys, "runs/default/Breakout/lambda=0/seed=3")[2]
    assert len(list(Path("runs/default/Breakout/lambda=0").iterdir())) == 2  # no half-made folders
    copytree("runs/default", "copy")  # the command would go on in runs/default
    assert shown(capsys, "copy")[2].endswith("\nto continue, run the command that began it again\n")


@pytest.mark.usefixtures("in_empty_folder")
def test_another_process_of_the_same_pid_is_not_the_run(capsys):
    folder = make_run(state="running", pid=os.getpid(), host=socket.gethostname())
    (folder / "lock").write_text(f"pid {os.getpid()} on {socket.gethostname()}")
    assert state_of(capsys)[0] == "killed"


@pytest.mark.usefixtures("in_empty_folder")
@pytest.mark.parametrize(
    ("minutes", "expected"),
    [
        (5, ("running", "pid 7 on elsewhere")),
        (25, ("no sign of life", "for 25 min: pid 7 on elsewhere")),
    ],
)
def test_a_run_on_another_machine_is_judged_by_its_last_trace(minutes, expected, capsys):
    folder = make_run(steps=512, state="running", pid=7, host="elsewhere")
    before = time.time() - 60 * minutes
    os.utime(folder / "metrics.csv", (before, before))
    os.utime(folder / "status.json", (before - 3600, before - 3600))
    assert state_of(capsys) == expected


@pytest.mark.usefixtures("in_empty_folder")
def test_folders_are_asked_for_by_name_and_paths_say_nothing(capsys):
    make_run("name=a", steps=512, state="preempted")
    make_run("name=b", "seed=7", steps=512, state="failed")
    Path("runs/a/Breakout").rename("runs/a/Pong")
    code, by_seed, out = shown(capsys, "runs/a")
    assert code == 0
    assert by_seed["0"][0] == "Breakout"
    assert out.startswith("runs/a\n")
    assert shown(capsys, "runs/a/Pong/lambda=0/seed=0", "runs/b")[0] == 1
    assert shown(capsys)[2].count("\nruns/b\n") == 1
    for inside in ("wandb", "copy"):  # what lies in a run isn't another one
        folder = Path("runs/a/Pong/lambda=0/seed=0") / inside
        folder.mkdir()
        (folder / "config.yaml").write_text("env: x")
    assert shown(capsys, "runs/a")[2].endswith(
        "\nto continue, run the command that began it again\n"
    )
    assert "1 run: 1 preempted" in shown(capsys, "runs/a")[2]


@pytest.mark.usefixtures("in_empty_folder")
@pytest.mark.parametrize("asked", [[], ["nowhere"], ["\x1b[31m"], ["there", "nowhere"], ["empty"]])
def test_without_runs(asked, capsys):
    make_run("name=x")
    Path("runs/x").rename("there")
    Path("empty").mkdir()
    assert status.main(asked) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert len(error.splitlines()) <= 3
    assert error.startswith("error: no runs in ")
    assert "\x1b" not in error


@pytest.mark.usefixtures("in_empty_folder")
@pytest.mark.parametrize(("variables", "colour"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colour_on_terminals_only(variables, colour, monkeypatch, capsys):
    make_run(steps=512, state="failed", cause="x")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for key, value in variables.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    status.main([])
    assert ("\x1b[31mfailed\x1b[0m  " in capsys.readouterr().out) == colour


@pytest.mark.usefixtures("in_empty_folder")
def test_two_hundred_runs_take_no_time_and_no_torch():
    for seed in range(200):
        folder = Path(f"runs/many/Breakout/lambda=0/seed={seed}")
        if seed == 0:
            first = make_run("name=many", steps=512, state="done")
            continue
        folder.mkdir(parents=True)
        for file in first.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
    code = (
        "import sys, time; from attn_ppo import status; status.main([]);"
        "print(time.process_time(), sorted({'torch', 'ale_py', 'hydra'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    seconds, modules = done.stdout.splitlines()[-1].split(" ", 1)
    assert modules == "[]"
    assert float(seconds) < 1.5  # 0.5 on two quiet cores, imports included
    assert "200 runs: 200 done" in done.stdout


@pytest.mark.usefixtures("in_empty_folder")
def test_a_table_reads_the_end_of_a_long_table_and_each_settings_once(capsys, monkeypatch):
    for seed in range(3):
        folder = make_run(f"seed={seed}", steps=512, state="done")
        with open(folder / "metrics.csv", "r+b") as file:  # a hole of 1 TB between two rows
            file.seek(10**12)
            file.write(b"\n2,1024,99.5,1.25,50.0\n")
    read = []
    load, as_dict = config.yaml.load, config.as_dict
    monkeypatch.setattr(config.yaml, "load", lambda *a: read.append("yaml") or load(*a))
    monkeypatch.setattr(config, "as_dict", lambda run: read.append("identity") or as_dict(run))
    config.from_yaml.cache_clear()
    _, by_seed, _ = shown(capsys)
    assert [by_seed[str(seed)][-2:] for seed in range(3)] == [["99.5 337%", "1.25"]] * 3
    assert sorted(read) == ["identity"] * 3 + ["yaml"] * 3


@pytest.mark.usefixtures("in_empty_folder")
def test_a_finished_sweep_that_is_given_again_reads_each_settings_once(capsys, monkeypatch):
    for seed in range(3):
        make_run(f"seed={seed}", "evaluation.episodes=2", steps=1024, state="done")
    read, load = [], config.yaml.load
    monkeypatch.setattr(
        config.yaml, "load", lambda text, loader: read.append(loader) or load(text, loader)
    )
    config.from_yaml.cache_clear()
    again = ["-m", "seed=0,1,2", "evaluation.episodes=2", "total_steps=1024", "wandb.mode=disabled"]
    assert train.main(again) == 0
    assert "3 runs: 3 done" in capsys.readouterr().out
    assert read.count(config._Loader) == 3  # Hydra has another loader
