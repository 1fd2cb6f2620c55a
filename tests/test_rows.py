"""The score and the length that a run reports: means of its last 100 whole games."""

import math

import pytest
import torch
from starting import rows as table

from attn_ppo.atari.envs import Episode
from attn_ppo.errors import RunError
from attn_ppo.lifecycle.rows import FINITE, Rows
from attn_ppo.lifecycle.run_dir import RunDir
from attn_ppo.lifecycle.saved import RowsState

LEARNED: tuple[str, ...] = (
    "regularization",
    "map_overlap",
    "map_movement",
    "attention_entropy",
    "policy_entropy",
    "policy_loss",
    "value_loss",
    "approx_kl",
    "clip_fraction",
    "explained_variance",
    "grad_norm",
)


class Sent(list):
    """A sink that keeps its rows."""

    def write(self, row):
        self.append(row)


def games(count: int, score: float, length: int) -> list[list[Episode]]:
    """An update of five steps: one game finishes at its second, the others at its fourth."""
    each = [Episode(0, score, length)] * count
    return [[], each[:1], [], each[1:], []]


def write(rows: Rows, number: int, finished: list[list[Episode]]) -> tuple[float, float]:
    """The mean score and length in the row of an update in which these games finished."""
    metrics = dict.fromkeys(LEARNED, torch.tensor(0.5))
    row = rows.write(number, finished, metrics, 1e-3)
    return row["episode_return"], row["episode_length"]


@pytest.fixture
def run_dir(in_empty_folder, settings_of):  # noqa: ARG001 the folder is relative to it
    run_dir = RunDir(settings_of())
    yield run_dir
    run_dir.close()


def test_score_and_length_are_means_of_the_last_100_games(run_dir, settings_of):
    rows = Rows(settings_of(), run_dir, [])
    assert all(map(math.isnan, write(rows, 1, games(0, 0, 0))))
    assert write(rows, 2, games(3, 1000, 5000)) == (1000, 5000)
    assert write(rows, 3, games(0, 0, 0)) == (1000, 5000)
    # All 100 count: (3 * 1000 + 97 * 1) / 100 and (3 * 5000 + 97 * 10) / 100.
    assert write(rows, 4, games(97, 1, 10)) == (30.97, 159.7)
    # The oldest leaves: (2 * 1000 + 97 * 1 + 5) / 100 and (2 * 5000 + 97 * 10 + 50) / 100.
    assert write(rows, 5, games(1, 5, 50)) == (21.02, 110.2)
    # 103 games, the first three have left: (97 * 1 + 3 * 5) / 100 and (97 * 10 + 3 * 50) / 100.
    assert write(rows, 6, games(2, 5, 50)) == (1.12, 11.2)
    # More than 100 in one update: the last 100 of them.
    assert write(rows, 7, [*games(1, 900, 9000), *games(100, 2, 20)]) == (2, 20)
    written = [
        (row["episode_return"], row["episode_length"])
        for row in table(run_dir.folder / "metrics.csv")
    ]
    assert written == [
        ("nan", "nan"),
        ("1000.0", "5000.0"),
        ("1000.0", "5000.0"),
        ("30.97", "159.7"),
        ("21.02", "110.2"),
        ("1.12", "11.2"),
        ("2.0", "20.0"),
    ]


def test_the_last_100_games_outlast_an_interruption(run_dir, settings_of):
    before = Rows(settings_of(), run_dir, [])
    write(before, 1, games(3, 1000, 5000))
    write(before, 2, games(60, 1, 10))
    after = Rows(settings_of(), run_dir, [], before.state())
    # (3 * 1000 + 60 * 1) / 63 = 48.571429 and (3 * 5000 + 60 * 10) / 63 = 247.619048
    means = write(after, 3, games(0, 0, 0))
    assert means == pytest.approx((48.571429, 247.619048), rel=1e-7)
    assert write(after, 4, games(37, 1, 10)) == (30.97, 159.7)
    after = Rows(settings_of(), run_dir, [], after.state())
    # The first three have left: (97 * 1 + 3 * 5) / 100 and (97 * 10 + 3 * 50) / 100.
    assert write(after, 5, games(3, 5, 50)) == (1.12, 11.2)


def test_without_attention_its_entropy_is_nan_and_no_fault(in_empty_folder, settings_of):  # noqa: ARG001
    settings, sent = settings_of("attention.gate=none"), Sent()
    run_dir = RunDir(settings)
    rows = Rows(settings, run_dir, [sent])
    metrics = {name: torch.tensor(0.0) for name in LEARNED}
    row = rows.write(1, [], metrics, 1e-3)
    run_dir.close()
    (written,) = table(run_dir.folder / "metrics.csv")
    assert (written["attention_entropy"], written["policy_entropy"]) == ("nan", "0.0")
    assert (written["regularization"], written["map_overlap"]) == ("nan", "nan")
    assert written["map_movement"] == "nan"
    assert math.isnan(row["attention_entropy"])
    assert math.isnan(sent[0]["attention_entropy"])


@pytest.mark.usefixtures("in_empty_folder")
def test_a_single_map_has_no_overlap(settings_of):
    settings = settings_of("attention.maps=1")
    run_dir = RunDir(settings)
    metrics = {name: torch.tensor(0.5) for name in LEARNED}
    Rows(settings, run_dir, []).write(1, [], metrics, 1e-3)
    run_dir.close()
    (written,) = table(run_dir.folder / "metrics.csv")
    found = [written[name] for name in ("attention_entropy", "regularization", "map_overlap")]
    assert found == ["0.5", "0.5", "nan"]
    assert written["map_movement"] == "0.5"


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
@pytest.mark.parametrize("name", FINITE)
def test_a_loss_that_isn_t_finite_ends_the_run(run_dir, settings_of, name, value):
    sent = Sent()
    metrics = dict.fromkeys(LEARNED, torch.tensor(0.5)) | {name: torch.tensor(float(value))}
    with pytest.raises(RunError, match=f"{name} is {value} at update 7"):
        Rows(settings_of(), run_dir, [sent]).write(7, [], metrics, 1e-3)
    (written,) = table(run_dir.folder / "metrics.csv")  # where one can see how it came to that
    assert (written["update"], written[name]) == ("7", value)
    assert (sent[0]["update"], str(sent[0][name])) == (7, value)


def test_a_row_has_the_rate_and_the_weight_of_its_own_update(run_dir, settings_of):
    """128 x 8 = 1,024 agent steps an update: the fourth begins at 3,072, half of the warm-up."""
    linear = ("lambda=0.008", "lambda_schedule=linear", "lambda_start=2048", "lambda_warmup=2048")
    metrics = dict.fromkeys(LEARNED, torch.tensor(0.5))
    sent = Sent()
    rows = Rows(settings_of(*linear), run_dir, [sent], inexact_resumes=2)
    row = rows.write(4, games(1, 30.5, 10), metrics, 1.25e-4)
    assert (row["lambda"], row["learning_rate"], row["inexact_resumes"]) == (0.004, 1.25e-4, 2)
    (written,) = table(run_dir.folder / "metrics.csv")
    assert (written["lambda"], written["learning_rate"]) == ("0.004", "0.000125")
    assert written["inexact_resumes"] == "2"
    assert row.items() <= sent[0].items()
    assert sent[0]["learning/human_normalised"] == 1  # Breakout's human score; not in the table


def test_the_speed_of_an_update_is_its_own(run_dir, settings_of, monkeypatch):
    """1,024 agent steps in 2 s, then in 8 s."""
    clock = iter([100.0, 102.0, 110.0])
    monkeypatch.setattr("attn_ppo.lifecycle.rows.time.monotonic", lambda: next(clock))
    rows = Rows(settings_of(), run_dir, [])
    write(rows, 1, games(0, 0, 0))
    write(rows, 2, games(0, 0, 0))
    first, second = table(run_dir.folder / "metrics.csv")
    assert [row["env_steps_per_second"] for row in (first, second)] == ["512.0", "128.0"]
    assert [row["elapsed_seconds"] for row in (first, second)] == ["2.0", "10.0"]


def test_a_game_has_the_agent_steps_at_which_it_finished(run_dir, settings_of):
    """8 games side by side, 128 steps an update: the second update begins at 1,024 agent steps."""
    rows = Rows(settings_of(), run_dir, [])
    write(rows, 2, games(2, 5, 50))
    found = [row["env_steps"] for row in table(run_dir.folder / "episodes.csv")]
    assert found == ["1040", "1056"]  # after 2 and 4 steps of 8 games: 1024 + 2 * 8, 1024 + 4 * 8
    (row,) = table(run_dir.folder / "metrics.csv")
    assert (row["env_steps"], row["frames"]) == ("2048", "8192")  # 4 frames a step


def test_the_clock_goes_on_after_an_interruption(run_dir, settings_of):
    before: RowsState = {"recent": [], "elapsed_seconds": 5000.0, "sizes": {}}
    rows = Rows(settings_of(), run_dir, [], before)
    write(rows, 1, games(0, 0, 0))
    (row,) = table(run_dir.folder / "metrics.csv")
    assert 5000 < float(row["elapsed_seconds"]) < 5100
    assert float(row["env_steps_per_second"]) > 1024 / 100  # of this update alone
    assert rows.state()["elapsed_seconds"] == pytest.approx(float(row["elapsed_seconds"]))
