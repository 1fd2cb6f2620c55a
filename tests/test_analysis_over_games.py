"""Figures over games. Boxing is (score - 0.1) / 12 on the human scale, Enduro score / 860.5."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from synthetic import write_sweep as write_synthetic
from test_analysis_figures import footnote, legend_texts, marks
from test_analysis_layout import notes
from test_analysis_runs import HEADER, write_run

from analysis.aggregate_curves import draw_aggregate_curves
from analysis.comparisons import compare
from analysis.frontier import draw_frontier
from analysis.intervals import draw_intervals
from analysis.pooled import pools_of
from analysis.profiles import draw_profiles
from analysis.runs import Run, read_runs

TENTHS = {"Boxing": (0.1, 1.3, 2.5, 3.7, 4.9), "Enduro": (0, 86.05, 172.1, 258.15, 344.2)}


def rows_to(*scores: float) -> str:
    """Updates at 10, 20, ... agent steps with these scores."""
    assert HEADER.startswith("update,env_steps,frames,episode_return,episode_length,attention_ent")
    return "".join(f"{u},{u * 10},{u * 40},{s},5,2,1\n" for u, s in enumerate(scores, 1))


def write(root, game: str, lambda_: str, seed: int, tenths: int, entropy=2.0, **about) -> None:
    """A run that ends with so many tenths of a human's score, in training and when evaluated."""
    score = TENTHS[game][tenths]
    about |= {"evaluation": (score, entropy), "rows": rows_to(TENTHS[game][0], 0, 0, score)}
    write_run(root, game, lambda_, seed, **about)


def by_id(figure: Figure) -> dict:
    """The lines of a figure with ids."""
    return {line.get_gid(): line for axes in figure.axes for line in axes.lines if line.get_gid()}


def at(line) -> list[float]:
    return [round(float(line.get_xdata()[0]), 6), round(float(line.get_ydata()[0]), 6)]


def ends(line) -> list[float]:
    return [float(x) for x in line.get_xdata()]


def test_curves_are_the_interquartile_mean_of_all_games_runs(tmp_path):
    for seed, (boxing, enduro) in enumerate([(1, 2), (2, 4)]):
        write(tmp_path, "Boxing", "0", seed, boxing)
        write(tmp_path, "Enduro", "0", seed, enduro)
    figure = draw_aggregate_curves(read_runs(tmp_path)[0])
    assert figure is not None
    drawn = marks(figure, "All games")
    steps, middle = drawn["mean 0.0"].get_data()
    assert (len(steps), steps[0], steps[-1]) == (500, 10, 40)
    # at the end 0.1, 0.2, 0.2, 0.4: without a quarter at either end the mean of 0.2 and 0.2
    assert middle[-1] == pytest.approx(0.2, abs=1e-6)
    assert middle[0] == pytest.approx(0, abs=1e-6)  # random play in all
    low, high = drawn["interval 0.0"].get_paths()[0].get_extents().intervaly
    assert low < 0.2 < high
    assert notes(figure) == ["Enduro, Boxing n = 2 of each game"]
    assert "a human" not in legend_texts(figure)  # off the axis


def test_an_interval_wants_two_seeds_of_each_game(tmp_path):
    for game, seeds in (("Boxing", 2), ("Enduro", 1)):
        for seed in range(seeds):
            write(tmp_path, game, "0", seed, 1)
            write(tmp_path, game, "0.001", seed, 2)
    write(tmp_path, "Enduro", "0", 1, 3)
    runs = read_runs(tmp_path)[0]
    curves, profiles, intervals = (
        draw(runs) for draw in (draw_aggregate_curves, draw_profiles, draw_intervals)
    )
    assert curves is not None
    assert profiles is not None
    assert intervals is not None
    said = "95 % intervals over seeds, each for itself, none where a game has a single seed."
    for figure in (curves, profiles):
        drawn = marks(figure, "All games")
        assert "interval 0.0" in drawn
        assert "interval 0.001" not in drawn
        assert f"Bands: {said}" in footnote(figure)
    assert {gid for gid in by_id(intervals) if gid.startswith("interval")} == {
        "interval iqm 0.0",
        "interval gap 0.0",
    }
    assert f"Bars: {said}" in footnote(intervals)
    named = [label.get_text() for label in intervals.axes[0].get_yticklabels()]
    assert named == ["λ = 0\nn = 2", "λ = 0.001\nn = 1 to 2"]


def test_only_finished_runs_of_games_that_all_lambdas_have_count(tmp_path):
    for game in ("Boxing", "Enduro"):
        write(tmp_path, game, "0", 0, 1)
        write(tmp_path, game, "0", 1, 2)
    write(tmp_path, "Boxing", "0.001", 0, 2)
    write(tmp_path, "Boxing", "0.001", 1, 4, state="running")
    write(tmp_path, "Enduro", "0.001", 0, 4, state="running")
    runs = read_runs(tmp_path)[0]
    found = pools_of(runs)
    assert found is not None
    (pool,) = found[1].values()
    scores = {key.lambda_: [s.round(6).tolist() for s in of] for key, of in pool.scores.items()}
    assert scores == {0: [[0.1, 0.2]], 0.001: [[0.2]]}
    for draw in (draw_aggregate_curves, draw_intervals, draw_profiles):
        figure = draw(runs)
        assert figure is not None
        assert "Finished runs only. Left out, without runs of every line: Enduro." in footnote(
            figure
        )
    curves = draw_aggregate_curves(runs)
    assert curves is not None
    assert notes(curves) == ["n = 2 at λ = 0; 1 at λ = 0.001"]
    assert draw_aggregate_curves([run for run in runs if run.unfinished]) is None
    assert draw_profiles([run for run in runs if run.config.seed == 0]) is None  # one of each


def test_evaluations_and_training_scores_are_never_mixed_in_a_game(tmp_path):
    write(tmp_path, "Boxing", "0", 0, 1)
    write_run(tmp_path, "Boxing", "0.001", 0, rows=rows_to(0, 0, 0, TENTHS["Boxing"][3]))
    write_run(
        tmp_path, "Enduro", "0", 0, rows=rows_to(0, 0, 0, 0), evaluation=(TENTHS["Enduro"][1], 2)
    )
    write_run(
        tmp_path,
        "Enduro",
        "0.001",
        0,
        rows=rows_to(0, 0, 0, 0),
        evaluation=(TENTHS["Enduro"][2], 2),
    )
    found = pools_of(read_runs(tmp_path)[0])
    assert found is not None
    (pool,) = found[1].values()
    assert pool.games == ("Enduro", "Boxing")
    scores = {key.lambda_: np.concatenate(of).round(6).tolist() for key, of in pool.scores.items()}
    assert scores == {0: [0.1, 0.1], 0.001: [0.2, 0.3]}
    assert pool.evaluated == {True, False}


def test_without_attention_an_evaluation_counts_too(tmp_path):
    about = {"rows": rows_to(0, 0, 0, 0), "evaluation": (TENTHS["Boxing"][2], None)}
    write_run(tmp_path, "Boxing", gate="none", **about)
    found = pools_of(read_runs(tmp_path)[0])
    assert found is not None
    (pool,) = found[1].values()
    assert [s.round(6).tolist() for of in pool.scores.values() for s in of] == [[0.2]]


def test_profiles_are_the_share_of_runs_that_score_higher(tmp_path):
    write(tmp_path, "Boxing", "0", 0, 1)
    write(tmp_path, "Boxing", "0", 1, 3)
    write(tmp_path, "Enduro", "0", 0, 2)
    figure = draw_profiles(read_runs(tmp_path)[0])
    assert figure is not None
    line = marks(figure, "All games")["profile 0.0"]
    assert line.get_drawstyle() == "steps-post"
    corners = [(round(float(x), 6), round(float(y), 6)) for x, y in line.get_xydata()[1:]]
    # Boxing's runs weigh 1/4 each, Enduro's one 1/2: above 0.1 are 3/4, above 0.2 1/4, above 0.3 0
    assert corners == [(0.1, 0.75), (0.2, 0.25), (0.3, 0)]


@pytest.fixture(scope="module")
def sweep(tmp_path_factory) -> list[Run]:
    root = tmp_path_factory.mktemp("synthetic") / "sweep"
    write_synthetic(root, games=2, lambdas=3, seeds=3, updates=60, unfinished=1)
    return read_runs(root)[0]


def test_intervals_are_those_of_the_claims(sweep):
    _, over = compare(sweep)
    figure = draw_intervals(sweep)
    assert figure is not None
    drawn = by_id(figure)
    assert [row.lambda_ for row in over] == [0.0005, 0.001]
    for row in over:
        for name in ("iqm", "gap", "improvement"):
            known = getattr(row, name)
            assert drawn[f"{name} {row.lambda_}"].get_xdata()[0] == known.value
            assert ends(drawn[f"interval {name} {row.lambda_}"]) == [known.low, known.high]
    assert drawn["iqm 0.0"].get_xdata()[0] == over[0].base_iqm.value
    assert ends(drawn["interval gap 0.0"]) == [over[0].base_gap.low, over[0].base_gap.high]
    assert "improvement 0.0" not in drawn


def test_the_frontier_is_that_of_the_claims(sweep):
    rows, _ = compare(sweep)
    figure = draw_frontier(sweep)
    assert figure is not None
    for row in rows:
        drawn = marks(figure, row.game)
        dot = drawn[f"kept {row.lambda_}"]
        assert dot.get_xydata()[0] == pytest.approx([row.entropy, row.kept.value])
        bar = drawn[f"interval {row.lambda_}"].get_ydata()
        assert list(bar) == pytest.approx(np.clip([row.kept.low, row.kept.high], -0.5, 2))


def test_the_frontier_has_a_share_of_what_lambda_0_scores_above_random_play(tmp_path):
    write(tmp_path, "Boxing", "0", 0, 4, entropy=3.0)  # 0.4 of a human, 4.8 above random play
    write(tmp_path, "Boxing", "0.001", 0, 3, entropy=2.0)
    write(tmp_path, "Boxing", "0.002", 0, 1, entropy=0.5)
    write(tmp_path, "Boxing", "0.002", 1, 4, entropy=0.1, state="running")  # not yet
    write(tmp_path, "Enduro", "0", 0, 4)  # no other lambda
    figure = draw_frontier(read_runs(tmp_path)[0])
    assert figure is not None
    assert [axes.get_title("left") for axes in figure.axes] == ["Boxing"]
    drawn = marks(figure, "Boxing")
    kept = {gid: at(line) for gid, line in drawn.items() if gid.startswith("kept")}
    # 3.6 of 4.8, 1.2 of 4.8
    assert kept == {"kept 0.0": [3, 1], "kept 0.001": [2, 0.75], "kept 0.002": [0.5, 0.25]}
    path = drawn["path"].get_xydata().round(6).tolist()
    assert path == [[3, 1], [2, 0.75], [0.5, 0.25]]
    assert not any(gid.startswith("interval") for gid in drawn)
    assert drawn["margin"].get_ydata()[0] == 0.9
    assert "rules out a drop of 10 %" in footnote(figure)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["0", "0.001", "0.002"]
    assert draw_frontier([r for r in read_runs(tmp_path)[0] if r.config.lambda_ > 0]) is None


def test_variants_are_apart(tmp_path):
    for clip, gains in (("0.1", (1, 2)), ("0.2", (3, 4))):
        for lambda_, tenths in zip(("0", "0.001"), gains, strict=True):
            for game in ("Boxing", "Enduro"):
                settings = [("clip_range: 0.2\n", f"clip_range: {clip}\n")]
                for seed in (0, 1):
                    write(tmp_path / clip, game, lambda_, seed, tenths, settings=settings)
    runs = read_runs(tmp_path)[0]
    curves, intervals = draw_aggregate_curves(runs), draw_intervals(runs)
    assert curves is not None
    assert intervals is not None
    assert notes(curves)[1] == "B: ppo.clip_range=0.2 Enduro, Boxing n = 2 of each game"
    lines = by_id(intervals)
    found = {gid: at(line)[0] for gid, line in lines.items() if gid.startswith("iqm")}
    assert found == {"iqm 0.0 A": 0.1, "iqm 0.001 A": 0.2, "iqm 0.0 B": 0.3, "iqm 0.001 B": 0.4}
    # with one lambda they share a panel, and there's no other lambda to improve on
    alone = draw_intervals([run for run in runs if run.config.lambda_ == 0])
    assert alone is not None
    dots = [f"{name} 0.0 {letter}" for name in ("iqm", "gap") for letter in "AB"]
    ids = [*dots, *(f"interval {dot}" for dot in dots)]
    assert len(alone.axes) == 2
    assert set(by_id(alone)) == {*ids, "reference"}


def test_a_game_without_a_scale_is_in_no_figure_over_games(tmp_path):
    for lambda_ in ("0", "0.001"):
        for seed in (0, 1):
            write_run(tmp_path, "Unheard", lambda_, seed, evaluation=(1, 1))
    runs = read_runs(tmp_path)[0]
    for draw in (draw_aggregate_curves, draw_intervals, draw_profiles, draw_frontier):
        assert draw(runs) is None
