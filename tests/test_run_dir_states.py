"""What a run's folder says of how the run ended, and when nothing is left to do in it."""

import os
import socket
from pathlib import Path

import pytest

from attn_ppo import config
from attn_ppo.config import RunConfig
from attn_ppo.errors import ConfigError, ExitCode, RunError
from attn_ppo.lifecycle import run_dir as run_dirs
from attn_ppo.lifecycle.run_dir import RunDir, is_done, mark_status, read_status

pytestmark = pytest.mark.usefixtures("in_empty_folder")


@pytest.fixture
def two_games(settings_of) -> RunConfig:
    """A run that was evaluated on two games, and is done."""
    settings = settings_of("evaluation.episodes=2")
    RunDir(settings).close()
    mark_status(settings.folder, "done")
    return settings


# ---------------------------------------------------------------- how it ended


@pytest.mark.parametrize(
    ("error", "state", "code", "cause"),
    [
        (RunError(ExitCode.NOT_FINITE, "value_loss is nan"), "failed", 3, "value_loss is nan"),
        (RunError(ExitCode.PREEMPTED, "SIGTERM: saved"), "preempted", 75, "SIGTERM: saved"),
        (ConfigError("seed", -1, "0 to 7"), "failed", 2, "seed=-1 is not allowed"),
        (ValueError("one\ntwo"), "failed", 1, "ValueError: one"),
        (OSError(28, "No space left", "x"), "failed", 4, "can't write x: No space left"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_the_error_that_ended_it_is_recorded_in_a_line(error, state, code, cause, settings_of):
    settings = settings_of()
    run_dir = RunDir(settings)
    run_dir.write_status("running", env_steps=7)
    with pytest.raises(type(error)), run_dir:
        raise error
    said = read_status(settings.folder)
    assert (said["state"], said["exit_code"], said["cause"]) == (state, code, cause)
    assert (said["env_steps"], said["pid"]) == (7, os.getpid())
    assert said["host"] == socket.gethostname()


@pytest.mark.parametrize("ends", [None, KeyboardInterrupt()])
def test_without_an_error_its_state_stays(ends, settings_of):
    run_dir = RunDir(settings_of())
    run_dir.write_status("running")
    run_dir.__exit__(None, ends, None)
    assert read_status(run_dir.folder)["state"] == "running"
    RunDir(settings_of()).close()  # it is free


@pytest.mark.parametrize(
    "why", [OSError(28, "No space left"), RunError(ExitCode.BUSY, "is being run by another")]
)
def test_an_end_that_can_t_be_recorded_hides_no_error_and_frees_the_folder(
    why, settings_of, monkeypatch
):
    def refused(*_: object, **__: object) -> None:
        raise why

    run_dir = RunDir(settings_of())
    with monkeypatch.context() as patch:
        patch.setattr(run_dirs, "mark_status", refused)
        with pytest.raises(ValueError, match="first"), run_dir:
            raise ValueError("first")
    RunDir(settings_of()).close()


def test_a_table_that_fails_when_closed_frees_the_folder(settings_of):
    class Full:
        def close(self) -> None:
            raise OSError(28, "No space left")

    run_dir = RunDir(settings_of())
    run_dir._files["metrics.csv"][0].close()
    run_dir._files["metrics.csv"] = (Full(), ())  # pyright: ignore[reportArgumentType]
    run_dir.close()
    RunDir(settings_of()).close()


def test_the_newest_facts_of_a_status_count(tmp_path):
    mark_status(tmp_path, "running", env_steps=32, score=1)
    mark_status(tmp_path, "running", env_steps=64)
    assert (read_status(tmp_path)["env_steps"], read_status(tmp_path)["score"]) == (64, 1)


# ---------------------------------------------------------------- whether it is done


@pytest.mark.parametrize(("games", "done"), [(2, True), (0, True), (1, False), (3, False)])
def test_it_is_done_once_evaluated_on_as_many_games_as_asked_for(
    games, done, two_games, settings_of
):
    assert is_done(settings_of(f"evaluation.episodes={games}")) == done
    mark_status(two_games.folder, "preempted")
    assert not is_done(settings_of(f"evaluation.episodes={games}"))


def test_one_that_is_done_and_lost_its_settings_is_done(two_games, settings_of):
    (two_games.folder / "config.yaml").unlink()
    assert is_done(settings_of("evaluation.episodes=3"))
    assert not is_done(settings_of("seed=1"))  # which never began


def test_a_kill_before_the_evaluation_that_is_asked_for_leaves_it_to_do(two_games, settings_of):
    (two_games.folder / "checkpoint.pt").write_bytes(b"")
    more = settings_of("evaluation.episodes=3")
    RunDir(more).close()
    assert config.read(two_games.folder / "config.yaml").evaluation.episodes == 3
    assert not is_done(more)


@pytest.mark.parametrize("name", ["checkpoint.pt", "checkpoint.prev.pt", "checkpoint.new.pt"])
def test_any_checkpoint_can_be_evaluated_on_more_games(name, two_games, settings_of):
    with pytest.raises(ConfigError, match="episodes=3 is not allowed\nallowed: 2, as"):
        RunDir(settings_of("evaluation.episodes=3"))
    (two_games.folder / name).write_bytes(b"")
    RunDir(settings_of("evaluation.episodes=3")).close()


def test_a_single_setting_makes_it_another_run(two_games, settings_of):
    with pytest.raises(ConfigError, match=r"gamma=0\.9 differs from the run in") as told:
        RunDir(settings_of("evaluation.episodes=2", "ppo.gamma=0.9"))
    assert str(told.value).endswith("name=, or a level of its own: axes=[ppo.gamma]")
    assert config.read(two_games.folder / "config.yaml") == two_games


# ---------------------------------------------------------------- its tables


def test_sizes_after_rows_were_cut_back_are_those_of_the_files(settings_of):
    with RunDir(settings_of()) as run_dir:
        sizes = run_dir.sizes()
        row = {"env_steps": 8, "env_index": 3, "episode_return": -21.0, "episode_length": 764}
        run_dir.append("episodes.csv", [row])
        run_dir.cut_back(sizes)
        assert run_dir.sizes() == sizes
        run_dir.append("episodes.csv", [row])
        path = run_dir.folder / "episodes.csv"
        assert run_dir.sizes()["episodes.csv"] == path.stat().st_size
        assert path.read_bytes().endswith(b"\n8,3,-21.0,764\n")
        assert path.read_bytes().count(b"\n") == 2
        assert b"\r" not in path.read_bytes()


# ---------------------------------------------------------------- which folders are runs


def make(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("")


def test_runs_are_found_in_order_and_nothing_within_them():
    make("a/seed=10/config.yaml", "a/seed=1/status.json", "a/metrics.csv")
    make("a/seed=1/copy/config.yaml", "a/wandb/config.yaml", "a/figures/config.yaml")
    make("a/.old/seed=1/config.yaml", "b/config.yaml")
    found = [str(folder) for folder in run_dirs.find_runs(Path())]
    assert found == ["a/seed=1", "a/seed=10", "b"]
    assert list(run_dirs.find_runs(Path("b"))) == [Path("b")]
    assert list(run_dirs.find_runs(Path("nowhere"))) == []


def test_links_to_runs_are_followed_once_and_not_upwards():
    make("runs/a/config.yaml", "there/b/config.yaml")
    for link, target in {"again": "there", "once": "there", "up": "", "itself": "runs"}.items():
        Path("runs", link).symlink_to(Path(target).absolute())
    Path("link").symlink_to(Path("runs").absolute())
    assert list(map(str, run_dirs.find_runs(Path("runs")))) == ["runs/a", "runs/again/b"]
    assert list(map(str, run_dirs.find_runs(Path("link")))) == ["link/a", "link/again/b"]


def test_through_a_link_neither_what_is_above_it_nor_above_its_folder_counts():
    make("runs/a/config.yaml", "deep/there/b/config.yaml", "deep/c/config.yaml")
    Path("runs/link").symlink_to(Path("deep/there").absolute())
    Path("deep/there/above_the_folder").symlink_to(Path("deep").absolute())
    Path("deep/there/above_the_link").symlink_to(Path("runs").absolute())
    assert list(run_dirs.find_runs(Path("runs/link"))) == [Path("runs/link/b")]


@pytest.mark.parametrize(
    ("folder", "sweep"),
    [
        ("runs/x/Pong/lambda=0/seed=0", "runs/x"),
        ("runs/x/Pong/ppo.gamma=0.9/lambda=0/seed=0", "runs/x"),
        ("Pong/lambda=0/seed=0", "."),
        ("seed=0", "."),
    ],
)
def test_the_sweep_is_above_game_axes_lambda_and_seed(folder, sweep):
    assert run_dirs.sweep_of(Path(folder)) == Path(sweep)
