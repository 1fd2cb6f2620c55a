"""Figures show no more than there is: bars, axes, counts of games, colours, captions."""

import json
from pathlib import Path

import pytest
from matplotlib.colors import to_hex
from test_analysis_figures import footnote, legend_texts, marks
from test_analysis_runs import SECOND, write_run, write_sweep

from analysis import panels
from analysis.entropy_scatter import draw_entropy_scatter
from analysis.references import random_score
from analysis.reward_curves import draw_reward_curves
from analysis.runs import read_runs
from bench import chart


def scatter_of(root):
    figure = draw_entropy_scatter(read_runs(root)[0])
    assert figure is not None
    return figure


def ends(bar) -> list[float]:
    """The lower and the upper end of an error bar."""
    return bar.get_segments()[0][:, 1].tolist()


def test_a_single_seed_has_a_bar_over_its_games(tmp_path):
    write_run(tmp_path, evaluation=(30, 1), scores=(20, 30, 40))
    figure = scatter_of(tmp_path)
    # the SD of 20, 30, 40 is sqrt((100 + 0 + 100) / 2) = 10
    assert ends(marks(figure, "Breakout")["sd 0.0"]) == pytest.approx([20, 40])
    assert "A run's score: mean of 3 fresh games. Bars: ±1 SD, over a seed's games." in footnote(
        figure
    )


def test_several_seeds_have_a_bar_over_seeds(tmp_path):
    write_run(tmp_path, seed=0, evaluation=(30, 1), scores=(20, 30, 40))
    write_run(tmp_path, seed=1, evaluation=(10, 1), scores=(10, 10))
    write_run(tmp_path, "Pong", rows=SECOND, scores=(1, 3))
    figure = scatter_of(tmp_path)
    # of two numbers the SD is their distance over sqrt 2: 20 / 1.41421 = 14.1421; 2 / 1.41421
    assert ends(marks(figure, "Breakout")["sd 0.0"]) == pytest.approx([5.8579, 34.1421], abs=1e-4)
    assert ends(marks(figure, "Pong")["sd 0.0"]) == pytest.approx([6.5858, 9.4142], abs=1e-4)
    text = footnote(figure)
    assert "A run's score: mean of 2 to 3 fresh games." in text
    assert "Hollow: of the last 2 training games, not of fresh ones." in text
    assert "Bars: ±1 SD, over seeds, of a single seed over its games." in text


def test_the_axis_holds_random_play_and_the_bars(tmp_path):
    write_run(tmp_path, lambda_="0", evaluation=(660, 1), scores=(650, 670))
    write_run(tmp_path, lambda_="0.005", evaluation=(740, 1), scores=(640, 840))
    write_run(tmp_path, "Pong", evaluation=(20, 1))
    figure = scatter_of(tmp_path)
    breakout, pong = figure.axes
    low, high = breakout.get_ylim()
    at_random = random_score(read_runs(tmp_path)[0][0])
    assert at_random is not None
    assert low < at_random.mean < 2
    assert high > 740 + 141  # the SD of 640 and 840 is 200 / 1.41421
    line = marks(figure, "Breakout")["random play"]
    assert line.get_ydata()[0] == at_random.mean
    assert f"Random play: mean of {at_random.n} games." in footnote(figure)
    assert "random play" in legend_texts(figure)
    assert "random play" not in marks(figure, "Pong")  # not measured: 0 stands in for it
    assert pong.get_ylim() == pytest.approx((-1, 21))  # 0 to 20, and a twentieth more


def test_curves_tell_how_few_games_they_end_with(tmp_path):
    write_run(tmp_path, seed=0, scores=range(37))
    write_run(tmp_path, seed=1, scores=[1] * 4, evaluation=(1, 1))
    (tmp_path / "Breakout/lambda=0/seed=1/episodes.csv").write_text(
        "env_steps,env_index,episode_return,episode_length\n1,0,1,5\n39,0,1,5\n41,0,1,5\n"
    )
    text = footnote(draw_reward_curves(read_runs(tmp_path)[0]))
    # of the second run one game was over after the last update, at 40 steps
    assert "At its end a line is the mean of 2 to 37 training games." in text


def test_the_mean_of_unfinished_runs_is_dashed(tmp_path):
    write_run(tmp_path, "Breakout", state="running")
    write_run(tmp_path, "Pong")
    figure = draw_reward_curves(read_runs(tmp_path)[0])
    assert marks(figure, "Breakout")["mean 0.0"].is_dashed()
    assert not marks(figure, "Pong")["mean 0.0"].is_dashed()
    assert "Dashed means: no seed has finished yet." in footnote(figure)


def test_nothing_is_transparent_and_lambdas_have_markers(tmp_path):
    runs = write_sweep(tmp_path, ["Breakout"], ["0", "0.002", "0.005"], seeds=2)
    for figure in (draw_reward_curves(runs), draw_entropy_scatter(runs)):
        assert figure is not None
        for panel in figure.axes:
            artists = [*panel.lines, *panel.collections]
            assert artists
            assert {artist.get_alpha() for artist in artists} <= {None, 1}
        markers = [handle.get_marker() for handle in figure.legends[0].get_lines()[:3]]
        assert markers == ["o", "s", "^"]
    curves = marks(draw_reward_curves(runs), "Breakout")
    means = [curves[f"mean {lambda_}"] for lambda_ in ("0.0", "0.002", "0.005")]
    assert [line.get_marker() for line in means] == markers
    # side by side on lines that coincide
    assert len({tuple(line.get_markevery()) for line in means}) == 3
    assert to_hex(panels.tint("#204060", 0.5)) == "#90a0b0"  # half of the way from white, ff


def test_captions_do_not_end_a_line_before_a_value():
    text = panels.unbroken("Pong λ = 0.0005 seed 1, at 30 of 40 agent steps; 7.78 nats, x = y")
    assert text.split(" ") == [
        "Pong",
        "λ\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}0.0005",
        "seed\N{NO-BREAK SPACE}1,",
        "at",
        "30\N{NO-BREAK SPACE}of",
        "40\N{NO-BREAK SPACE}agent",
        "steps;",
        "7.78\N{NO-BREAK SPACE}nats,",
        "x\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}y",
    ]
    figure = panels.agg_figure(1, 1)  # 14 letters a line
    panels.footnote(figure, "It has λ = 0.0005.")
    assert figure.get_supxlabel() == "It has\nλ\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}0.0005."


def test_labels_of_the_race_end_inside_its_picture():
    results = json.loads((Path(__file__).parents[1] / "results/bench/results.json").read_text())
    for row in results["contenders"].values():  # as slow as the slowest: the longest labels last
        row["ms_per_agent_step"] = {part: 2.0 for part in row["ms_per_agent_step"]}
    figure = chart.draw(results)
    figure.draw_without_rendering()
    (panel,) = figure.axes
    assert len(panel.texts) == len(results["contenders"])
    right = panel.get_window_extent().x1
    assert max(text.get_window_extent().x1 for text in panel.texts) <= right
    assert panel.get_xlim()[1] > 6  # three parts of 2 ms


def test_the_figure_is_as_high_as_its_legend(tmp_path):
    for seed in range(8):
        changed = [
            ("learning_rate: 0.00025", f"learning_rate: 0.{seed + 1}"),
            ("ent_coef: 0.01", f"ent_coef: 0.{seed + 1}"),
            ("gamma: 0.99", f"gamma: 0.{seed + 1}"),
        ]
        write_run(tmp_path, "Breakout", "0", seed, settings=changed, evaluation=(1, 1))
    figure = scatter_of(tmp_path)
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    (panel,) = figure.axes
    caption = figure._supxlabel.get_window_extent()  # pyright: ignore[reportAttributeAccessIssue]
    assert box.y0 > caption.y1
    assert box.y1 < figure.bbox.y1
    assert box.x0 > panel.get_window_extent().x1
    assert panel.get_window_extent().width > 4 * figure.dpi  # it takes nothing from the panel
    assert panel.get_ylim()[0] < 1


def test_markers_are_at_updates_only(tmp_path):
    """Between updates there is a line, and no point that was measured."""
    write_run(tmp_path, rows=SECOND)  # updates at 10, 20, 30 and 40 agent steps
    drawn = marks(draw_reward_curves(read_runs(tmp_path)[0]), "Breakout")
    (line,) = [each for gid, each in drawn.items() if gid.startswith("mean")]
    at = [line.get_xdata()[index] for index in line.get_markevery()]
    assert at
    assert all(min(abs(each - step) for step in (10, 20, 30, 40)) < 0.05 for each in at)
