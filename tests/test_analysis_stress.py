"""The command for changed games: what it plays, keeps and tells. Numbers are worked out by hand."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from test_analysis_runs import write_run, write_sweep

from analysis import stress
from analysis.runs import read_runs
from analysis.stress_report import (
    Played,
    draw_stress,
    losses,
    lost_percent,
    stress_table,
    table_lines,
    table_markdown,
)
from attn_ppo.errors import ExitCode, RunError
from attn_ppo.interpret.network import OpenAgent


def test_the_loss_in_per_cent_is_that_of_the_means():
    # means 10 and 6: 40 % lost
    lost = lost_percent(np.array([8.0, 12.0]), np.array([3.0, 9.0]))
    assert lost.mean() == pytest.approx(40)
    # the ratio is 0.6: game by game 0.6 * 8 - 3 = 1.8 and 0.6 * 12 - 9 = -1.8, of 10: +-18 %
    assert lost.tolist() == pytest.approx([58, 22])
    # a half of every game is a half, without any spread
    assert lost_percent(np.array([2.0, 8.0]), np.array([1.0, 4.0])).tolist() == [50, 50]
    with np.errstate(all="raise"):
        assert np.isnan(lost_percent(np.zeros(2), np.ones(2))).all()


def played_by(runs, scores: dict[str, Any]) -> list[Played]:
    """Change -> for each run the scores of its games."""
    return [
        Played(run, change, np.array(of_run, float))
        for change, every in scores.items()
        for run, of_run in zip(runs, every, strict=True)
    ]


def test_losses_are_over_seeds_or_over_a_single_seeds_games(tmp_path):
    runs = write_sweep(tmp_path, ["Breakout"], ["0"], seeds=2)
    unchanged, slower = [[8, 12], [20, 20]], [[3, 9], [10, 14]]
    (loss,) = losses(played_by(runs, {"unchanged": unchanged, "slower ball": slower}))
    assert (loss.unchanged, loss.changed) == (15, 9)  # of 10 and 20; of 6 and 12
    assert loss.seeds == {0: pytest.approx(40), 1: pytest.approx(40)}
    assert (loss.percent.seeds, loss.percent.mean) == (2, pytest.approx(40))
    (alone,) = losses(played_by(runs[:1], {"unchanged": unchanged[:1], "slower ball": slower[:1]}))
    assert alone.percent.seeds == 1
    # two games, 58 and 22 %: drawn with replacement the mean is 22, 40 or 58
    assert (alone.percent.low, alone.percent.high) == pytest.approx((22, 58))
    told = table_lines([alone])
    assert told[1].split("  ")[0] == ["Breakout slower ball λ = 0", "10.0"][0]
    assert "40 %" in told[1]
    assert "22 to 58" in told[1]
    assert told[-1] == "One seed: no interval over seeds, but over its games."
    assert table_markdown([alone]).splitlines() == [
        "| game | change | lambda | score | changed | lost | 95 % interval | over |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| Breakout | slower ball | λ = 0 | 10.0 | 6.0 | 40 % | 22 to 58 | 2 games |",
        "",
        "One seed: no interval over seeds, but over its games.",
    ]


def test_a_seed_that_scores_nothing_has_no_loss(tmp_path):
    runs = write_sweep(tmp_path, ["Breakout"], ["0"], seeds=2)
    scores = {"unchanged": [[0, 0], [4, 4]], "yellow ball": [[1, 1], [2, 2]]}
    (loss,) = losses(played_by(runs, scores))
    assert (loss.percent.mean, loss.percent.seeds) == (50, 1)
    assert math.isnan(loss.seeds[0])
    assert draw_stress(runs, [loss]).axes


def ids(figure: Figure, game: str) -> dict:
    (panel,) = [axes for axes in figure.axes if axes.get_title("left") == game]
    return {artist.get_gid(): artist for artist in panel.get_children() if artist.get_gid()}


def test_the_figure_has_a_dot_a_change_and_lambda(tmp_path):
    runs = write_sweep(tmp_path, ["Breakout", "MsPacman"], ["0", "0.005"], seeds=2)
    scores = {"unchanged": [[10, 10]] * 8, "yellow ball": [[5, 5], [6, 6]] * 4}
    found = losses(played_by(runs, scores))
    figure = draw_stress(runs, found)
    drawn = ids(figure, "Breakout")
    dots = {"lost 0.0 yellow ball", "lost 0.005 yellow ball"}
    seeds = {f"seed {x} yellow ball {seed}" for x in ("0.0", "0.005") for seed in (0, 1)}
    assert set(drawn) == dots | seeds
    assert drawn["seed 0.0 yellow ball 0"].get_offsets()[0, 0] == 50  # per cent lost
    assert drawn["lost 0.0 yellow ball"].get_offsets()[0, 0] == pytest.approx(45)
    # two lambdas share 0.72 of the row: 0.36 apart, around it
    rows = [drawn[name].get_offsets()[0, 1] for name in sorted(dots)]
    assert rows == pytest.approx([-0.18, 0.18])
    caption = " ".join(figure.get_supxlabel().split())
    assert "2 seeds for each λ. 4 games with each change" in caption
    table = stress_table(found)
    assert table["lost_percent"].tolist() == pytest.approx([45] * 4)
    assert table["games"].tolist() == [4] * 4


@pytest.fixture
def agents(monkeypatch):
    """Agents that score their seed + 10, and one less in any changed game; what they played."""
    calls: list[tuple[int, str, int, int]] = []

    def opened(folder):
        (run,) = [run for run in read_runs(folder)[0]]
        return OpenAgent(run.config, None, 1, f"weights of {folder}")  # pyright: ignore

    def stressed(agent, change, *, games: int, seed: int, on_game):
        calls.append((agent.settings.seed, change.name, games, seed))
        for _ in range(games):
            on_game()
        return np.full(games, 10.0 + agent.settings.seed - (change.name != "unchanged"))

    monkeypatch.setattr(stress, "open_agent", opened)
    monkeypatch.setattr(stress, "stressed", stressed)
    return calls


def test_a_sweep_is_played_once_and_goes_on_where_it_was_left(
    tmp_path, agents, monkeypatch, capsys
):
    write_sweep(tmp_path, ["Breakout"], ["0"], seeds=2)
    names = ["unchanged", "shifted start", "sticky actions", "yellow bricks", "yellow ball"]
    names.append("slower ball")
    play = stress.stressed

    def stopped(agent, change, **options):
        if len(agents) == 7:
            raise KeyboardInterrupt
        return play(agent, change, **options)

    monkeypatch.setattr(stress, "stressed", stopped)
    assert stress.main([str(tmp_path), "--games", "3"]) == 75
    assert "to continue, run the same command again" in capsys.readouterr().err
    table = pd.read_csv(tmp_path / "figures/stress.csv")
    assert len(table) == 7 * 3
    monkeypatch.setattr(stress, "stressed", play)
    assert stress.main([str(tmp_path), "--games", "3"]) == 0
    assert agents == [(seed, name, 3, 0) for seed in (0, 1) for name in names]
    printed = capsys.readouterr().out
    # 1 of 10 and 1 of 11: 10 and 9.09 %
    assert "Breakout slower ball" in printed
    assert "10 %" in printed
    assert "(5 of 5)" in printed
    files = {path.name for path in (tmp_path / "figures").iterdir()}
    assert files == {"stress.csv", "stress_table.csv", "stress.md", "stress.png", "stress.pdf"}
    assert stress.main([str(tmp_path), "--games", "3"]) == 0
    assert len(agents) == 12
    for number, more in enumerate((["3", "--seed", "5"], ["2"]), 1):
        assert stress.main([str(tmp_path), "--games", *more]) == 0
        assert len(agents) == 12 * (1 + number)
    assert agents[12] == (0, "unchanged", 3, 5)
    assert len(pd.read_csv(tmp_path / "figures/stress.csv")) == 12 * 3 + 12 * 3 + 12 * 2


def test_agents_that_cannot_be_loaded_are_told(tmp_path, monkeypatch, capsys):
    write_run(tmp_path)

    def fails(folder):
        raise RunError(ExitCode.NO_CHECKPOINT, f"{folder} has no checkpoint yet")

    monkeypatch.setattr(stress, "open_agent", fails)
    assert stress.main([str(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert "skipped" in captured.out
    assert "has no checkpoint yet" in captured.out
    assert captured.err == "error: no agent could be loaded, see above\n"


def test_another_file_of_that_name_is_left_alone(tmp_path, agents, capsys):
    write_run(tmp_path)
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures/stress.csv").write_text("a,b\n1,2\n")
    assert stress.main([str(tmp_path)]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert "stress.csv isn't one of ours" in first
    assert second == "allowed: no such file, or one of this command"
    assert not agents


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["--games", "1"], "--games=1 is not allowed"),
        (["--games", "257"], "--games=257 is not allowed"),
        (["--seed", "x"], "--seed=x is not allowed"),
        (["--agent-seed", "7"], "--agent-seed=7 is not allowed"),
        (["--out", "/proc/x"], "--out=/proc/x can't be written"),
    ],
)
def test_bad_input_is_told_in_three_lines(tmp_path, agents, capsys, asked, told):
    write_run(tmp_path)
    assert stress.main([str(tmp_path), *asked]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith(f"error: {told}")
    assert len(lines) <= 3
    assert not agents


def test_the_time_that_is_left():
    # 2 of 8 in 60 s: 6 more take 180 s; 7 of 8 in 70 s: one more takes 10 s
    assert stress._time_left(2, 8, 60) == "  (2 of 8, about 3 minutes to go)"
    assert stress._time_left(7, 8, 70) == "  (7 of 8, about 10 s to go)"
    assert stress._time_left(8, 8, 80) == "  (8 of 8)"
