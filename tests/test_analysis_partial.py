"""Figures of sweeps that are under way: over how many seeds a mean is, and how far it goes."""

import numpy as np
from test_analysis_figures import footnote, marks
from test_analysis_honest import ends
from test_analysis_layout import ids, notes
from test_analysis_runs import FIRST, SECOND, write_run

from analysis.entropy_curves import draw_entropy_curves
from analysis.entropy_scatter import draw_entropy_scatter
from analysis.reward_curves import draw_reward_curves
from analysis.runs import read_runs

THREE_UPDATES = FIRST[: FIRST.index("4,40")]  # scores from 20 to 30 agent steps
TWO_UPDATES = SECOND[: SECOND.index("3,30")]  # scores from 10 to 20 agent steps


def test_a_mean_is_drawn_only_where_its_seeds_have_scores_and_says_how_many(tmp_path):
    for seed in (0, 1):
        write_run(tmp_path, seed=seed)
    write_run(tmp_path, seed=2, rows=TWO_UPDATES, state="running")  # not in the mean of the others
    write_run(tmp_path, lambda_="0.001", seed=0, rows=THREE_UPDATES, state="running")
    write_run(tmp_path, lambda_="0.001", seed=1, rows=SECOND, state="running")
    write_run(tmp_path, lambda_="0.001", seed=2, rows=SECOND, state="running")
    write_run(tmp_path, "Pong", seed=0)
    figure = draw_reward_curves(read_runs(tmp_path)[0])
    drawn = marks(figure, "Breakout")
    assert drawn["mean 0.0"].get_xdata()[[0, -1]].tolist() == [20, 40]
    # one goes from 20 to 30, two from 10 to 40: they share 20 to 30
    assert drawn["mean 0.001"].get_xdata()[[0, -1]].tolist() == [20, 30]
    assert drawn["sd 0.001"].get_paths()[0].get_extents().intervalx.tolist() == [20, 30]
    assert notes(figure) == ["n = 2 at λ = 0; 3 at λ = 0.001", "n = 1"]
    assert footnote(figure).startswith("Lines: mean over 1 to 3 seeds.")


def test_a_run_without_a_score_is_not_counted(tmp_path):
    write_run(tmp_path, seed=0, state="running")
    write_run(tmp_path, seed=1, rows="1,10,40,,,7,1.5\n", state="running")
    write_run(tmp_path, "Pong", seed=0)
    write_run(tmp_path, "Pong", seed=1)
    assert notes(draw_reward_curves(read_runs(tmp_path)[0])) == ["n = 1", "n = 2"]


def test_entropy_is_drawn_over_training_beside_uniform_attention(tmp_path):
    write_run(tmp_path, seed=0)  # entropies 7, 4, 3, 1
    write_run(tmp_path, seed=1, rows=SECOND)  # 7, 5, 3, 2
    write_run(tmp_path, "Pong", gate="none")
    figure = draw_entropy_curves(read_runs(tmp_path)[0])
    assert figure is not None
    drawn = marks(figure, "Breakout")
    steps, mean = drawn["mean 0.0"].get_data()
    # also before the first score: both have entropies from step 10 on
    assert (len(steps), steps[0], steps[-1], mean[0], mean[-1]) == (500, 10, 40, 7, 1.5)
    # 2 ln 49 = 7.78364 nats
    assert [round(y, 4) for y in drawn["uniform"].get_ydata()] == [7.7836, 7.7836]
    assert figure.axes[0].get_ylim()[0] == 0
    assert "Left out, with attention.gate=none: 1 run." in footnote(figure)
    assert (
        draw_entropy_curves([r for r in read_runs(tmp_path)[0] if r.config.env == "Pong"]) is None
    )


def test_the_study_s_sd_has_n_in_its_denominator(tmp_path):
    write_run(tmp_path, seed=0, evaluation=(30, 1))
    write_run(tmp_path, seed=1, rows=SECOND, evaluation=(10, 1))
    runs = read_runs(tmp_path)[0]
    curves = draw_reward_curves(runs, ddof=0)
    band = marks(curves, "Breakout")["sd 0.0"].get_paths()[0].vertices
    # at step 40 the scores are 20 and 8, whose mean is 14: sqrt((6 * 6 + 6 * 6) / 2) = 6
    assert sorted({round(y, 5) for x, y in band if x == 40}) == [8, 20]
    told = "±1 SD as in the study, n in its denominator"
    assert f"Bands: {told}." in footnote(curves)
    entropy = draw_entropy_curves(runs, ddof=0)
    assert entropy is not None
    band = marks(entropy, "Breakout")["sd 0.0"].get_paths()[0].vertices
    assert sorted({round(y, 5) for x, y in band if x == 40}) == [1, 2]
    scatter = draw_entropy_scatter(runs, ddof=0)
    assert scatter is not None
    assert ends(marks(scatter, "Breakout")["sd 0.0"]) == [10, 30]
    assert f"Bars: {told}, over seeds." in footnote(scatter)


def test_of_many_seeds_the_lowest_and_highest_stand_for_all(tmp_path):
    # at 40 agent steps 0 to 9, on the way there 4
    for seed in range(10):
        write_run(tmp_path, seed=seed, rows=SECOND.replace("40,160,8", f"40,160,{seed}"))
    for seed in (10, 11):
        write_run(tmp_path, seed=seed, rows=TWO_UPDATES, state="running")
    for seed in range(8):
        write_run(tmp_path, lambda_="0.001", seed=seed, rows=SECOND)
    figure = draw_reward_curves(read_runs(tmp_path)[0])
    (panel,) = figure.axes
    lines = [line for line in panel.lines if line.get_gid() == "range 0.0"]
    assert [np.asarray(line.get_ydata())[[0, -1]].tolist() for line in lines] == [[4, 0], [4, 9]]
    seeds = ids(panel, "seed")
    assert seeds == ["seed 0.0 10", "seed 0.0 11", *(f"seed 0.001 {n}" for n in range(8))]
    thin = "Thin lines: single seeds, of more than 8 the lowest and highest."
    assert f"Lines: mean over 8 to 10 seeds. Bands: ±1 SD. {thin}" in footnote(figure)
