"""The two figures, looked into. Expected numbers are worked by hand from the folders' text."""

import json

import pytest
from matplotlib import colors
from matplotlib.figure import Figure
from test_analysis_runs import FIRST, HEADER, SECOND, write_run, write_sweep

from analysis import groups, panels
from analysis.entropy_scatter import draw_entropy_scatter
from analysis.reward_curves import draw_reward_curves
from analysis.runs import read_runs
from analysis.score_table import score_table, to_markdown

SIX = ["Seaquest", "Enduro", "Frostbite", "MsPacman", "Breakout", "BeamRider"]


def marks(figure: Figure, game: str) -> dict:
    """The artists of a game's panel by their id."""
    (panel,) = [axes for axes in figure.axes if axes.get_title("left") == game]
    return {artist.get_gid(): artist for artist in panel.get_children() if artist.get_gid()}


def at(dot) -> list[float]:
    return dot.get_offsets()[0].tolist()


def legend_texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts() if text.get_text()]


def footnote(figure: Figure) -> str:
    return " ".join(figure.get_supxlabel().split())


def test_the_curve_is_interpolated_over_the_common_range(tmp_path):
    runs = write_sweep(tmp_path, ["Breakout"], ["0"], seeds=2)
    curve = groups.mean_curve(runs, points=5)
    assert curve is not None
    # the first seed has a score from step 20, the second from 10: common are 20 to 40
    assert curve.env_steps.tolist() == [20, 25, 30, 35, 40]
    assert curve.scores.tolist() == [[0, 5, 10, 15, 20], [4, 4, 4, 6, 8]]
    assert curve.mean.tolist() == [2, 4.5, 7, 10.5, 14]
    # of two numbers the SD with n - 1 is their distance over sqrt 2: 4, 1, 6, 9, 12 over 1.41421
    assert curve.sd == pytest.approx([2.82843, 0.70711, 4.24264, 6.36396, 8.48528], abs=1e-5)


def test_unfinished_seeds_are_averaged_only_while_none_is_finished(tmp_path):
    short = FIRST[: FIRST.index("4,40")]
    write_run(tmp_path, seed=0, rows=short, state="running")
    write_run(tmp_path, seed=1, rows=SECOND, state="running")
    runs = read_runs(tmp_path)[0]
    curve = groups.mean_curve(groups.averaged(runs), points=2)
    assert curve is not None
    assert curve.env_steps.tolist() == [20, 30]
    assert curve.mean.tolist() == [2, 7]  # (0 + 4) / 2, (10 + 4) / 2
    write_run(tmp_path, seed=2, rows=SECOND)
    assert [r.config.seed for r in groups.averaged(read_runs(tmp_path)[0])] == [2]


def test_no_score_yet_is_no_curve_and_no_dot(tmp_path):
    write_run(tmp_path, rows="1,10,40,,,7,1.5\n", state="running")
    write_run(tmp_path, seed=1)
    runs, problems = read_runs(tmp_path)
    assert "no game has finished yet" in str(problems[1])
    assert groups.mean_curve(runs[:1]) is None
    drawn = {"seed 0.0 1", "mean 0.0", "random play"}
    assert set(marks(draw_reward_curves(runs), "Breakout")) == drawn
    scatter = draw_entropy_scatter(runs)
    assert scatter is not None
    assert set(marks(scatter, "Breakout")) == {"run 0.0 1", "mean 0.0", "random play"}
    assert "no game finished: 1 run." in footnote(scatter)
    assert draw_reward_curves(runs[:1]).axes  # an empty panel, but no failure
    assert draw_entropy_scatter(runs[:1]) is None


def test_reward_curves_show_the_mean_the_band_and_each_seed(tmp_path):
    runs = write_sweep(tmp_path, ["Breakout"], ["0", "0.002"], seeds=2)
    figure = draw_reward_curves(runs)
    drawn = marks(figure, "Breakout")
    kinds = ["mean {}", "sd {}", "seed {} 0", "seed {} 1"]
    of_groups = {kind.format(x) for kind in kinds for x in ("0.0", "0.002")}
    assert set(drawn) == {*of_groups, "random play"}
    steps, mean = drawn["mean 0.0"].get_data()
    assert (len(steps), steps[0], steps[-1], mean[0], mean[-1]) == (500, 20, 40, 2, 14)
    band = drawn["sd 0.0"].get_paths()[0].vertices
    # at step 40 from 14 - 8.48528 to 14 + 8.48528
    ends = sorted({round(y, 5) for x, y in band if x == 40})
    assert ends == [5.51472, 22.48528]
    assert drawn["seed 0.0 1"].get_xdata()[0] == 10  # each seed over its own range
    (panel,) = figure.axes
    assert panel.get_xlim() == (0, 45)
    (top,) = panel.child_axes
    figure.draw_without_rendering()
    assert (top.get_xlim(), top.get_xlabel()) == ((0, 180), "emulator frames")  # 4 frames a step
    assert panel.get_xlabel() == "agent steps"
    assert legend_texts(figure) == ["λ = 0", "λ = 0.002", "random play"]
    lines = "Lines: mean over 2 seeds. Bands: ±1 SD. Thin lines: single seeds."
    first = "The first 100 games of a run favour short ones, which are over first."
    others = "Random play: mean of 128 games. Human: 30.5 in Breakout: above this axis. "
    others += "Breakout, published: 131 (the study) to 430 (CleanRL XLA) after 10M steps."
    assert footnote(figure) == f"{lines} {first} {others}"


@pytest.mark.parametrize(("last", "shown"), [(20, False), (26, True), (40, True)])
def test_a_human_is_a_line_on_the_axis_or_near_it(last, shown, tmp_path):
    """In Breakout 30.5: from 26 on an axis of 27.3, 5 % beyond the curve, grows to it."""
    write_run(tmp_path, rows=FIRST.replace("4,40,160,20", f"4,40,160,{last}"))
    figure = draw_reward_curves(read_runs(tmp_path)[0])
    drawn = marks(figure, "Breakout")
    assert ("human" in drawn) == shown == ("a human" in legend_texts(figure))
    assert ("Human: 30.5 in Breakout: above this axis." in footnote(figure)) != shown
    if shown:
        assert list(drawn["human"].get_ydata()) == [30.5, 30.5]
        assert figure.axes[0].get_ylim()[1] > 30.5


def test_where_no_human_is_known_there_is_none(tmp_path):
    write_run(tmp_path, "Tetris")
    figure = draw_reward_curves(read_runs(tmp_path)[0])
    assert "human" not in marks(figure, "Tetris")
    assert "Human" not in footnote(figure)


def test_an_unfinished_curve_goes_as_far_as_it_goes(tmp_path):
    write_run(tmp_path, seed=0)
    write_run(tmp_path, seed=1, rows=SECOND[: SECOND.index("4,40")], state="preempted")
    figure = draw_reward_curves(read_runs(tmp_path)[0])
    drawn = marks(figure, "Breakout")
    assert set(drawn) == {"mean 0.0", "seed 0.0 0", "seed 0.0 1", "end 0.0 1", "random play"}
    assert drawn["mean 0.0"].get_xdata()[-1] == 40
    assert drawn["seed 0.0 1"].get_xdata()[[0, -1]].tolist() == [10, 30]
    assert drawn["seed 0.0 1"].is_dashed()
    assert not drawn["seed 0.0 0"].is_dashed()
    assert "Breakout λ = 0 seed 1, preempted at 30 of 40 agent steps" in footnote(figure)


def test_an_inexact_resume_is_marked_wherever_the_run_is_shown(tmp_path):
    header, *lines = (HEADER + FIRST).strip().split("\n")
    folder = write_run(tmp_path)
    counts = ["inexact_resumes", 0, 0, 1, 1]  # resumed after the second update, at 20 steps
    rows = [f"{line},{count}" for line, count in zip([header, *lines], counts, strict=True)]
    (folder / "metrics.csv").write_text("\n".join(rows) + "\n")
    status = {"state": "done", "inexact_resumes": ["at 20 steps: torch 2.11.0 -> 2.13.0"]}
    (folder / "status.json").write_text(json.dumps(status))
    write_run(tmp_path, seed=1)
    runs, problems = read_runs(tmp_path)
    assert [run.inexact_at for run in runs] == [[30], []]  # the first row that it concerns
    assert "resumed inexactly at 20 steps: torch 2.11.0 -> 2.13.0" in str(problems)
    figure = draw_reward_curves(runs)
    cross = marks(figure, "Breakout")["inexact 0.0 0"]
    assert cross.get_xydata().tolist() == [[30, 10]]
    told = "Resumed inexactly (cross): Breakout λ = 0 seed 0 at 30 agent steps."
    assert told in footnote(figure)
    scatter = draw_entropy_scatter(runs)
    assert scatter is not None
    assert "Resumed inexactly: Breakout λ = 0 seed 0" in footnote(scatter)
    table = to_markdown(score_table(runs))
    assert "| Breakout | 0 | 2† |" in table
    assert "† with runs resumed inexactly" in table


def test_games_are_in_the_study_s_order(tmp_path):
    runs = write_sweep(tmp_path, [*SIX, "Pong", "Alien"], ["0"], seeds=1)
    titles = [axes.get_title("left") for axes in draw_reward_curves(runs).axes]
    study = ["BeamRider", "Breakout", "MsPacman", "Frostbite", "Enduro", "Seaquest"]
    assert titles == [*study, "Alien", "Pong"]


@pytest.mark.parametrize(
    ("games", "rows", "columns"), [(1, 1, 1), (2, 1, 2), (3, 1, 3), (4, 2, 2), (5, 3, 2), (6, 3, 2)]
)
def test_panels_are_in_a_grid(games, rows, columns):
    placed = [panels.Place(game) for game in SIX[:games]]
    figure, drawn = panels.grid(
        placed, columns=panels.COLUMNS[games], title="t", x_label="x", y_label="y"
    )
    assert (len(figure.axes), list(drawn)) == (games, placed)
    place = figure.axes[0].get_subplotspec()
    assert place is not None
    assert place.get_geometry()[:2] == (rows, columns)
    # the last panel of each column has the x axis's name
    named = [axes.get_xlabel() for axes in figure.axes]
    assert named == [""] * (games - columns) + ["x"] * columns
    assert "y" in (figure.get_supylabel(), figure.axes[0].get_ylabel())


def test_the_scatter_has_a_dot_a_run_and_a_cross_a_lambda(tmp_path):
    write_run(tmp_path, seed=0, evaluation=(30, 0.5))
    write_run(tmp_path, seed=1, rows=SECOND)
    write_run(tmp_path, lambda_="0.005", seed=0, evaluation=(12, 0.25))
    figure = draw_entropy_scatter(read_runs(tmp_path)[0])
    assert figure is not None
    drawn = marks(figure, "Breakout")
    of_groups = {"run 0.0 0", "run 0.0 1", "mean 0.0", "run 0.005 0", "mean 0.005", "path"}
    assert set(drawn) == {*of_groups, "sd 0.0", "random play", "settings"}
    assert " ".join(drawn["settings"].get_text().split()) == "n = 2 at λ = 0; 1 at λ = 0.005"
    assert at(drawn["run 0.0 0"]) == [0.5, 30]
    # not evaluated: entropy (7 + 5 + 3 + 2) / 4 = 4.25 of the last updates, last score 8, hollow
    assert at(drawn["run 0.0 1"]) == [4.25, 8]
    assert drawn["run 0.0 1"].get_facecolor()[0, :3].tolist() == [1, 1, 1]
    assert drawn["run 0.0 0"].get_facecolor()[0, :3].tolist() != [1, 1, 1]
    assert at(drawn["mean 0.0"]) == [2.375, 19]  # (0.5 + 4.25) / 2, (30 + 8) / 2
    assert drawn["path"].get_xydata().tolist() == [[2.375, 19], [0.25, 12]]
    (panel,) = figure.axes
    assert panel.get_xlim() == (0, pytest.approx(4.505))  # 1.06 * 4.25
    # 2 ln 49 = 2 * 3.8918 = 7.78: too far from 4.25 to be drawn
    assert "Uniform attention would have 7.78 nats, off to the right." in footnote(figure)
    kinds = ["a run", "a run,\nnot evaluated", "mean of seeds", "random play"]
    assert legend_texts(figure) == ["λ = 0", "λ = 0.005", *kinds]


def test_the_last_ten_updates_stand_in_for_an_evaluation(tmp_path):
    rows = "".join(f"{u},{u * 10},0,1,5,{[100, u][u > 2]},1\n" for u in range(1, 13))
    write_run(tmp_path, rows=rows)
    (run,), _ = read_runs(tmp_path)
    assert groups.attention_entropy(run) == 7.5  # 3 to 12, whose mean is 7.5


def test_uniform_attention_is_marked_where_it_fits(tmp_path):
    write_run(tmp_path, evaluation=(30, 7))
    figure = draw_entropy_scatter(read_runs(tmp_path)[0])
    assert figure is not None
    line = marks(figure, "Breakout")["uniform"]
    assert line.get_xdata()[0] == pytest.approx(7.7836, abs=1e-4)
    assert figure.axes[0].get_xlim() == (0, pytest.approx(8.095, abs=1e-3))  # 1.04 * 7.7836


def test_runs_without_attention_are_left_out_of_the_scatter(tmp_path):
    write_run(tmp_path, gate="none", evaluation=(30, None))
    runs = read_runs(tmp_path)[0]
    assert draw_entropy_scatter(runs) is None
    write_run(tmp_path, "Pong", evaluation=(30, 1))
    figure = draw_entropy_scatter(read_runs(tmp_path)[0])
    assert figure is not None
    assert [axes.get_title("left") for axes in figure.axes] == ["Pong"]
    assert "Left out, without attention: 1 run." in footnote(figure)


def test_a_lambda_has_one_colour_in_both_figures(tmp_path):
    # Pong lacks the middle lambda, and Breakout's is without attention: the others keep theirs
    for lambda_ in ("0", "0.002"):
        write_run(tmp_path, "Pong", lambda_, evaluation=(1, 1))
    write_run(tmp_path, "Breakout", "0.001", evaluation=(1, 1))
    write_run(tmp_path, "Enduro", "0", gate="none")
    runs = read_runs(tmp_path)[0]
    expected = panels.lambda_colors([0, 0.001, 0.002])
    curves, scatter = draw_reward_curves(runs), draw_entropy_scatter(runs)
    assert scatter is not None
    for game, lambda_ in (("Pong", 0.0), ("Pong", 0.002), ("Breakout", 0.001)):
        line = marks(curves, game)[f"mean {lambda_}"]
        dot = marks(scatter, game)[f"run {lambda_} 0"]
        assert colors.to_hex(line.get_color()) == expected[lambda_]
        assert colors.to_hex(dot.get_facecolor()[0]) == expected[lambda_]


def test_ticks_are_exact_and_labels_without_exponents():
    assert [panels.tick_number(x) for x in (0, 750, 2.5e6, 2e4)] == ["0", "750", "2.5M", "20k"]
    assert [panels.tick_number(x, 10_000) for x in (2500, 15_000, -20)] == ["2500", "15k", "-20"]
    assert panels.lambda_label(0.00005) == "λ = 0.00005"
