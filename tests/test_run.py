"""Whole runs and sweeps of a real game, from the command line to the files that they leave."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from attn_ppo import evaluate as evaluation
from attn_ppo.agent import device_for, make_agent
from attn_ppo.envs import AtariEnvs
from attn_ppo.rollout import collect

SMALL = ["ppo.num_envs=2", "ppo.num_steps=16", "evaluation.episodes=2", "wandb.mode=disabled"]
RUN = Path("runs/default/Breakout/lambda=0.005/seed=0")


def train(*overrides: str, **kwargs) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "attn_ppo.train", *SMALL, *overrides]
    return subprocess.run(command, capture_output=True, text=True, **kwargs)


def rows(path: Path) -> list[dict[str, str]]:
    with open(path) as file:
        return list(csv.DictReader(file))


@pytest.mark.usefixtures("in_empty_folder")
def test_a_run_leaves_its_files_and_runs_once():
    done = train("lambda=0.005", "total_steps=320", "checkpoint.every_updates=4")
    assert done.returncode == 0, done.stderr
    assert "Breakout lambda=0.005 seed=0" in done.stderr  # progress, plain lines
    names = {p.name for p in RUN.iterdir()}
    assert names == {"config.yaml", "metrics.csv", "episodes.csv", "evaluation.json", "status.json",
                     "checkpoint.pt", "checkpoint.prev.pt", "lock"}  # fmt: skip
    metrics = rows(RUN / "metrics.csv")
    assert [row["env_steps"] for row in metrics] == [str(32 * n) for n in range(1, 11)]
    assert [row["frames"] for row in metrics] == [str(128 * n) for n in range(1, 11)]
    assert 7 < float(metrics[0]["attention_entropy"]) <= 7.7837
    # annealed over 10 updates: 2.5e-4 at the first, a tenth of it at the last
    assert [float(metrics[i]["learning_rate"]) for i in (0, 9)] == pytest.approx([2.5e-4, 2.5e-5])
    result = json.loads((RUN / "evaluation.json").read_text())
    assert len(result["scores"]) == len(result["seeds"]) == result["episodes"] == 2
    assert result["env_steps"] == 320
    assert 0 < result["attention_entropy"] <= 7.7837
    assert len(result["effective_cells_per_map"]) == 2
    status = json.loads((RUN / "status.json").read_text())
    assert (status["state"], status["exit_code"]) == ("done", 0)
    assert status["rom_md5"] == "f34f08e5eb96e500e851a80be3277a56"

    before = {p.name: p.stat().st_mtime_ns for p in RUN.iterdir()}
    again = train("lambda=0.005", "total_steps=320", "checkpoint.every_updates=4")
    assert again.returncode == 0
    assert "done already" in again.stdout
    assert before == {p.name: p.stat().st_mtime_ns for p in RUN.iterdir()}

    other = train("lambda=0.005", "total_steps=640")
    assert other.returncode == 2
    assert "total_steps=320" in other.stderr


@pytest.mark.usefixtures("in_empty_folder")
def test_a_killed_run_goes_on_where_it_was_saved():
    command = [sys.executable, "-m", "attn_ppo.train", *SMALL, "lambda=0.005", "total_steps=1600",
               "checkpoint.every_updates=5", "evaluation.episodes=0"]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: (RUN / "checkpoint.pt").exists())
    wait_for(lambda: len(rows(RUN / "metrics.csv")) % 5)
    process.kill()
    process.wait()
    saved = torch.load(RUN / "checkpoint.pt", weights_only=True)["update"]
    kept = (RUN / "metrics.csv").read_text().split("\n")[: saved + 1]
    done = train(
        "lambda=0.005", "total_steps=1600", "checkpoint.every_updates=5", "evaluation.episodes=0"
    )
    assert done.returncode == 0, done.stderr
    lines = (RUN / "metrics.csv").read_text().split("\n")
    assert lines[: saved + 1] == kept
    assert [row["update"] for row in rows(RUN / "metrics.csv")] == [str(n) for n in range(1, 51)]
    elapsed = [float(row["elapsed_seconds"]) for row in rows(RUN / "metrics.csv")]
    assert elapsed == sorted(elapsed)


@pytest.mark.usefixtures("in_empty_folder")
def test_a_signal_saves_and_says_run_me_again():
    command = [sys.executable, "-m", "attn_ppo.train", *SMALL, "lambda=0.005"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: (RUN / "metrics.csv").exists() and rows(RUN / "metrics.csv"))
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 75
    assert "SIGTERM" in told
    status = json.loads((RUN / "status.json").read_text())
    assert (status["state"], status["exit_code"]) == ("preempted", 75)
    saved = torch.load(RUN / "checkpoint.pt", weights_only=True)["update"]
    assert len(rows(RUN / "metrics.csv")) == saved


@pytest.mark.usefixtures("in_empty_folder")
def test_same_seed_same_numbers():
    for name in ("a", "b"):
        assert train(f"name={name}", "total_steps=160", "seed=3").returncode == 0
    assert train("name=c", "total_steps=160", "seed=4").returncode == 0
    tables = []
    for name in ("a", "b", "c"):
        table = rows(
            Path(f"runs/{name}/Breakout/lambda=0/seed={4 if name == 'c' else 3}/metrics.csv")
        )
        tables.append([{k: v for k, v in row.items() if "second" not in k} for row in table])
    assert tables[0] == tables[1] != tables[2]


@pytest.mark.usefixtures("in_empty_folder")
def test_not_finite_stops_the_run():
    code = (
        "import sys, torch; from attn_ppo import ppo, train;"
        "real = ppo.clipped_value_loss; calls = [0]\n"
        "def broken(*args):\n"
        "    calls[0] += 1\n"
        "    return real(*args) * (float('nan') if calls[0] > 16 * 6 else 1)\n"
        "ppo.clipped_value_loss = broken\n"
        "sys.exit(train.main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, *SMALL, "lambda=0.005", "checkpoint.every_updates=3"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 3
    assert "nan at update 7" in done.stderr
    assert torch.load(RUN / "checkpoint.pt", weights_only=True)["update"] == 6
    status = json.loads((RUN / "status.json").read_text())
    assert (status["state"], status["exit_code"]) == ("failed", 3)


SWEEP = ["-m", "env=Breakout,Pong", "lambda=0,0.005", "total_steps=64", "evaluation.episodes=0"]


@pytest.mark.usefixtures("in_empty_folder")
def test_a_sweep_runs_all_skips_all_and_survives_a_bad_run():
    bad = Path("runs/default/Pong/lambda=0/seed=0")
    bad.mkdir(parents=True)
    (bad / "checkpoint.pt").write_text("damaged")
    done = train(*SWEEP)
    assert done.returncode == 1, done.stdout + done.stderr
    table = done.stdout.rstrip().split("\n")[-4:]
    assert [line.split()[:3] for line in table] == [
        ["Breakout", "0", "0"],
        ["Breakout", "0.005", "0"],
        ["Pong", "0", "0"],
        ["Pong", "0.005", "0"],
    ]
    assert [line.split()[5].rstrip(":") for line in table] == ["done", "done", "failed", "done"]
    assert "damaged" in table[2]
    assert done.stderr.count("done, score") == 3  # a line as each run ends
    (bad / "checkpoint.pt").unlink()
    done = train(*SWEEP)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 runs in runs/default: 3 done already" in done.stdout
    start = time.monotonic()
    done = train(*SWEEP)
    assert done.returncode == 0
    assert "4 done already" in done.stdout
    assert time.monotonic() - start < 30


def test_runs_that_would_share_a_folder_are_refused(in_empty_folder):
    done = train("-m", "ppo.gamma=0.9,0.99")
    assert done.returncode == 2
    assert "ppo.gamma" in done.stderr
    assert "name=" in done.stderr
    assert list(in_empty_folder.iterdir()) == []


@pytest.mark.usefixtures("in_empty_folder")
def test_killed_runs_are_named_in_the_table():
    command = [sys.executable, "-m", "attn_ppo.train", *SMALL, "-m", "lambda=0.005"]
    sweep = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    wait_for(lambda: (RUN / "metrics.csv").exists() and rows(RUN / "metrics.csv"))
    os.kill(json.loads((RUN / "status.json").read_text())["pid"], signal.SIGKILL)
    out, _ = sweep.communicate(timeout=60)
    assert sweep.returncode == 1
    assert "failed: killed by SIGKILL" in out


@pytest.mark.usefixtures("in_empty_folder")
@pytest.mark.parametrize("engine", ["local", "serial"])
def test_an_interrupted_sweep_saves_its_runs_and_starts_no_more(engine):
    overrides = ["-m", "lambda=0.005,0.1", "seed=0,1,2", f"engine={engine}"]
    command = [sys.executable, "-m", "attn_ppo.train", *SMALL, *overrides]
    sweep = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    wait_for(lambda: rows(RUN / "metrics.csv"))
    os.killpg(sweep.pid, signal.SIGINT)  # as a terminal does on Ctrl-C
    out, _ = sweep.communicate(timeout=90)
    assert sweep.returncode == 75
    states = [line.split()[5].rstrip(":") for line in out.rstrip().split("\n")[-6:]]
    assert "preempted" in states
    assert states.count("not") >= 3  # not started
    assert set(states) == {"preempted", "not"}
    saved = torch.load(RUN / "checkpoint.pt", weights_only=True)["update"]
    assert len(rows(RUN / "metrics.csv")) == saved


@pytest.mark.usefixtures("in_empty_folder")
def test_evaluating_any_run_folder():
    assert train("lambda=0.005", "total_steps=64", "evaluation.episodes=0").returncode == 0
    assert not (RUN / "evaluation.json").exists()
    assert evaluation.main([str(RUN), "3"]) == 0
    first = json.loads((RUN / "evaluation.json").read_text())
    assert len(first["scores"]) == 3
    assert evaluation.main([str(RUN), "3"]) == 0
    assert json.loads((RUN / "evaluation.json").read_text()) == first
    assert evaluation.main(["nowhere"]) == 2
    assert evaluation.main([str(RUN), "0"]) == 2
    assert evaluation.main([]) == 2


def test_evaluation_plays_whole_games_of_its_own_seeds(settings_of):
    settings = settings_of("env=Breakout", *SMALL)
    agent = make_agent(settings, 4, device_for(settings_of("device=cpu")), {})
    result = evaluation.evaluate(agent.model, settings, episodes=2)
    training = AtariEnvs("Breakout", num_envs=2, seed=0, protocol=settings.protocol, stream=0)
    assert not set(result["seeds"]) & set(training.seeds)
    # five lives: longer than any single life, and raw rewards are not clipped
    assert all(length > 50 for length in result["lengths"])
    assert result["effective_cells_per_map"] == pytest.approx([48.9, 48.9], abs=0.3)


def test_a_rollout_holds_what_happened(settings_of):
    """Against the same games played by hand: alignment of observation, action and consequence."""
    settings = settings_of("env=Breakout", *SMALL)
    agent = make_agent(settings, 4, torch.device("cpu"), {})
    envs, twin = (
        AtariEnvs("Breakout", num_envs=2, seed=0, protocol=settings.protocol) for _ in "ab"
    )
    rollout, last, episodes = collect(agent.model, envs, envs.reset(), 300, agent.rng)
    obs, clipped, ends = twin.reset(), set(), 0
    for t in range(300):
        assert (rollout.obs[t].numpy() == obs).all()
        step = twin.step(rollout.actions[t].numpy())
        obs = step.obs
        expected = [min(max(r, -1), 1) for r in step.rewards]
        assert rollout.rewards[t].tolist() == expected
        assert (rollout.terminated[t].numpy() == step.terminated).all()
        assert (rollout.done[t].numpy() == (step.terminated | step.truncated)).all()
        assert len(episodes[t]) == len(step.episodes)
        clipped |= set(expected)
        ends += int(step.terminated.sum())
    assert (last == obs).all()
    assert clipped >= {0, 1}
    assert ends > 4
    with torch.no_grad():
        output = agent.model(rollout.obs[7])
        torch.testing.assert_close(rollout.values[7], output.value)
        torch.testing.assert_close(rollout.next_values[6], output.value)
        chosen = output.policy.gather(1, rollout.actions[7][:, None])[:, 0]
        torch.testing.assert_close(rollout.log_probs[7], chosen)
        torch.testing.assert_close(
            rollout.next_values[-1], agent.model(torch.from_numpy(last)).value
        )


def test_a_time_limit_bootstraps_from_what_was_cut_off(settings_of):
    settings = settings_of("env=Pong", *SMALL)
    agent = make_agent(settings, 6, torch.device("cpu"), {})

    def envs() -> AtariEnvs:
        return AtariEnvs("Pong", num_envs=2, seed=0, protocol=settings.protocol, max_frames=40)

    ours, twin = envs(), envs()
    rollout, _, _ = collect(agent.model, ours, ours.reset(), 12, agent.rng)
    twin.reset()
    steps = [twin.step(rollout.actions[t].numpy()) for t in range(12)]
    cut = [t for t, step in enumerate(steps) if step.truncated.any()]
    assert cut == [9]  # 40 frames are 10 steps
    assert rollout.done[9].all()
    assert not rollout.terminated.any()
    with torch.no_grad():
        value = agent.model(torch.from_numpy(steps[9].final_obs)).value
        fresh = agent.model(torch.from_numpy(steps[9].obs)).value
    torch.testing.assert_close(rollout.next_values[9], value)
    assert (value - fresh).abs().min() > 1e-5


def wait_for(condition, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except (OSError, ValueError):
            pass
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
