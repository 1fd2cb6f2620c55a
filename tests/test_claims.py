"""Claims on lambda: verdicts, words and tables of sweeps whose truth is written down here.

Random play of Breakout has 1.36719 under this protocol (random_play.csv), a human 30.5.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from scipy import stats as scipy_stats
from test_analysis_runs import FIRST, write_run

from analysis.claims import Claims, claims
from analysis.comparisons import COSTS, COSTS_NOTHING, NO_CLAIM, UNDECIDED
from analysis.runs import read_runs

RANDOM = 1.36719
BEST = (100, 101, 99, 100)
SAME = (100, 100.5, 99, 101)
HALF = (50, 52, 48, 51)
NOISY = (60, 140, 80, 120)


def write(root: Path, cells: Mapping[tuple[str, str], Sequence[float]], **more) -> None:
    """A finished, evaluated run a score; entropies are 2 nats at lambda 0, else 0.5."""
    for (game, lambda_), scores in cells.items():
        for seed, score in enumerate(scores):
            evaluation = (score, 2 if lambda_ == "0" else 0.5)
            write_run(root, game, lambda_, seed, evaluation=evaluation, **more)


def found(root: Path, cells: Mapping[tuple[str, str], Sequence[float]], **more) -> Claims:
    write(root, cells)
    return claims(read_runs(root)[0], **more)


def breakout(**scores: Sequence[float]) -> dict[tuple[str, str], Sequence[float]]:
    """Of Breakout: `at_0=...`, `at_001=...` for lambda 0.001."""
    lambdas = {"at_0": "0", "at_001": "0.001", "at_005": "0.005"}
    return {("Breakout", lambdas[name]): of for name, of in scores.items()}


def verdicts(of: Claims) -> list[str]:
    return [row.verdict for row in of.comparisons]


def test_numbers_of_a_comparison(tmp_path):
    (row,) = found(tmp_path, breakout(at_0=(9, 10, 11), at_005=(8, 9, 8.5)), margin=0.2).comparisons
    peer: Any = scipy_stats.ttest_ind((8, 9, 8.5), (9, 10, 11), equal_var=False)
    ends = peer.confidence_interval()
    assert row.difference == pytest.approx((-1.5, ends.low, ends.high, peer.pvalue))
    assert row.p_corrected == row.difference.p  # of a single one
    assert (row.game, row.lambda_, row.scored, row.steps) == ("Breakout", 0.005, "evaluation", 45)
    assert (row.base.value, row.base.n, row.score.value, row.score.n) == (10, 3, 8.5, 3)
    assert row.random == pytest.approx(RANDOM)
    assert row.margin == pytest.approx(0.2 * (10 - RANDOM))
    assert row.kept.value == pytest.approx((8.5 - RANDOM) / (10 - RANDOM))
    assert row.improvement.value == pytest.approx(0.5 / 9)  # 9 and 9 alone is no loss
    assert (row.base_entropy, row.entropy, row.entropy_difference.value) == (2, 0.5, -1.5)


def test_up_to_where_it_costs_nothing(tmp_path):
    of = found(tmp_path, breakout(at_0=BEST, at_001=SAME, at_005=HALF))
    assert verdicts(of) == [COSTS_NOTHING, COSTS]
    assert [row.everywhere for row in of.over] == [COSTS_NOTHING, COSTS]
    # left at 0.005: (50.25 - 1.36719) / (100 - 1.36719) = 0.4956
    assert of.answer == (
        "Up to λ = 0.001, sharpening attention costs nothing in Breakout: a loss of 10 % of what "
        "λ = 0 scores above random play is ruled out. It costs, with so much left of what λ = 0 "
        "has above random play: Breakout at λ = 0.005 (50 % [48, 52]). Attention's entropy, a "
        "mean over seeds, is 2.00 nats at λ = 0 and 0.50 at λ = 0.001. Scores are of fresh games "
        "of the finished agents, after 45 agent steps."
    )


def test_the_largest_that_costs_nothing_is_named(tmp_path):
    of = found(tmp_path, breakout(at_0=BEST, at_001=SAME, at_005=SAME))
    assert of.answer.startswith("Up to the largest that was run, λ = 0.005, sharpening")
    assert (
        "Attention's entropy, a mean over seeds, is 2.00 nats at λ = 0 and 0.50 at λ = 0.005."
        in of.answer
    )


def test_the_margin_decides(tmp_path):
    lower = [score - 5 for score in BEST]  # 95 left of 100
    of = found(tmp_path, breakout(at_0=BEST, at_001=lower))
    assert verdicts(of) == [COSTS_NOTHING]  # surely lower, but by less than a tenth
    assert of.comparisons[0].p_corrected < 0.01
    assert of.comparisons[0].kept.verdict == "equivalent"
    strict = claims(read_runs(tmp_path)[0], margin=0.03)
    assert verdicts(strict) == [COSTS]
    assert strict.answer.startswith(
        "At no λ does sharpening attention cost nothing in Breakout: already the smallest, "
        "λ = 0.001, lowers the score in Breakout."
    )


def test_no_lambda_passes_after_one_that_does_not(tmp_path):
    of = found(tmp_path, breakout(at_0=BEST, at_001=NOISY, at_005=SAME))
    assert verdicts(of) == [UNDECIDED, UNDECIDED]
    assert of.comparisons[1].kept.costs_nothing
    assert "Shown to cost nothing by itself, but not at a smaller λ: Breakout at λ = 0.005" in (
        of.answer
    )


def test_a_lambda_without_a_finished_run_stops_the_sequence(tmp_path):
    write(tmp_path, breakout(at_0=BEST, at_005=SAME))
    write_run(tmp_path, "Breakout", "0.001", state="running", evaluation=(100, 1))
    of = claims(read_runs(tmp_path)[0])
    assert verdicts(of) == [UNDECIDED, UNDECIDED]
    assert "No finished run: Breakout at λ = 0.001." in of.answer
    assert of.answer.endswith("\n\n1 unfinished run is left out.")


def test_what_few_seeds_can_tell(tmp_path):
    of = found(tmp_path, breakout(at_0=NOISY, at_001=NOISY))
    (row,) = of.comparisons
    # SD sqrt(4000 / 3) = 36.515, error 36.515 / sqrt 2 = 25.820; of 6 degrees of freedom t is
    # 1.943 + 0.906 = 2.849, by the noncentral t 2.822: 72.9, of 98.633 above random play 74 %
    assert row.detectable == pytest.approx(72.9, abs=0.1)
    # 2 * (1.645 + 0.842)**2 * (36.515 / 9.863)**2 = 169.5, and a little more for a t
    assert row.seeds_needed == 171
    # Fieller: (1 - r)^2 = k (1 + r^2), k = (2.03 * 18.257 / 98.633)^2 = 0.141: r = 0.57, 43 % lost
    assert (
        "Undecided: a loss of 10 % of what λ = 0 scores above random play is ruled out for no λ in "
        "Breakout. Undecided for want of seeds: Breakout at λ = 0.001. "
        "There, 4 seeds show a true loss of 74 % in four of five sweeps, a smaller one less often; "
        "to rule out one of 10 % as often takes about 171 seeds. Ruled out there, by a one-sided "
        "test at 5 %, is a loss of at least 44 % in Breakout."
    ) in of.answer


def test_p_is_corrected_for_all_comparisons_of_all_games(tmp_path):
    cells = breakout(at_0=(90, 100, 110), at_001=(60, 70, 75), at_005=(95, 100, 105))
    cells |= {
        ("Pong", "0"): (1, 2, 3),
        ("Pong", "0.001"): (1, 2.5, 3),
        ("Pong", "0.005"): (0, 3, 4),
    }
    of = found(tmp_path, cells)
    first, *others = of.comparisons
    assert first.p == first.difference.p < min(each.p for each in others)  # Welch's is the larger
    assert first.p_corrected == pytest.approx(4 * first.p)
    assert first.p < 0.05 < 4 * first.p
    assert first.verdict == UNDECIDED
    assert (
        "Lower by itself, but not after correction for all comparisons: Breakout at λ = 0.001."
        in of.answer
    )


def test_a_drop_must_be_beyond_what_other_lambdas_spread(tmp_path):
    """By Welch's t alone 3 seeds that are close together would do."""
    of = found(tmp_path, breakout(at_0=(100, 101, 102), at_001=(70, 71, 72), at_005=NOISY))
    row = of.comparisons[0]
    # variances 1, 1 and 4000 / 3 of 3, 3 and 4: (2 + 2 + 4000) / 7 = 572, of 7 degrees of freedom;
    # t = 30 / sqrt(572 * 2 / 3) = 1.536
    assert row.difference.p < 0.0001
    assert row.p == pytest.approx(2 * scipy_stats.t.sf(1.536, 7), abs=1e-3)
    assert row.p_corrected > row.p
    assert row.verdict == UNDECIDED


def test_lambda_0_at_random_play_has_nothing_to_lose(tmp_path):
    of = found(tmp_path, breakout(at_0=(0, 1.5, 2.5), at_001=(0, 0, 0)))
    assert verdicts(of) == [NO_CLAIM]
    assert of.answer.startswith(
        "No claim: λ = 0 isn't shown to be better than random play in Breakout, so it has nothing "
        "to lose."
    )
    assert "No claim on" not in of.answer  # a second time


def test_a_game_without_a_claim_does_not_count_for_all_games(tmp_path):
    cells = breakout(at_0=BEST, at_001=SAME)
    cells |= {("Enduro", "0"): (0, 0, 0), ("Enduro", "0.001"): (0, 0, 0)}
    of = found(tmp_path, cells)
    assert verdicts(of) == [COSTS_NOTHING, NO_CLAIM]
    assert of.answer.startswith(
        "Up to the largest that was run, λ = 0.001, sharpening attention costs nothing in Breakout:"
    )
    assert "No claim on Enduro, where λ = 0 isn't shown" in of.answer


@pytest.mark.parametrize(("scores", "together"), [(NOISY, UNDECIDED), (HALF, COSTS)])
def test_in_all_games_it_is_the_smallest_of_theirs(scores, together, tmp_path):
    cells = breakout(at_0=BEST, at_001=SAME, at_005=SAME)
    cells |= {("Enduro", "0"): BEST, ("Enduro", "0.001"): SAME, ("Enduro", "0.005"): scores}
    of = found(tmp_path, cells)
    assert [row.everywhere for row in of.over] == [COSTS_NOTHING, together]
    assert of.answer.startswith(
        "Up to λ = 0.001, sharpening attention costs nothing in Breakout and Enduro: a loss of"
    )
    assert (
        "Game by game it is shown to cost nothing in Breakout up to λ = 0.005; in Enduro up to "
        "λ = 0.001." in of.answer
    )


def test_single_seeds_decide_nothing(tmp_path):
    of = found(tmp_path, breakout(at_0=(100,), at_001=(10,)))
    assert verdicts(of) == [UNDECIDED]
    assert of.comparisons[0].difference.value == -90
    assert math.isnan(of.comparisons[0].difference.low)
    assert "nan" not in of.markdown()
    assert "< 0.001" not in of.markdown()
    assert (
        "With a single seed, a difference between agents is no difference between λ: Breakout at "
        "λ = 0.001." in of.answer
    )


def test_unfinished_runs_are_never_compared(tmp_path):
    for lambda_ in ("0", "0.001"):
        for seed in range(3):
            write_run(tmp_path, "Breakout", lambda_, seed, state="running", evaluation=(9, 1))
    of = claims(read_runs(tmp_path)[0])
    assert verdicts(of) == [UNDECIDED]
    assert (of.comparisons[0].base.n, of.comparisons[0].score.n) == (0, 0)
    assert of.answer == (
        "Undecided: no run has finished, so nothing can be compared yet.\n\n"
        "6 unfinished runs are left out."
    )


def test_without_lambda_0_there_is_nothing_to_compare(tmp_path):
    of = found(tmp_path, breakout(at_001=BEST, at_005=HALF))
    assert verdicts(of) == [UNDECIDED, UNDECIDED]
    assert of.answer == ("Undecided: λ = 0 has no finished run, so nothing can be compared yet.")
    other = found(
        tmp_path / "other", breakout(at_0=BEST, at_001=SAME) | {("Enduro", "0.001"): BEST}
    )
    assert "No finished run of λ = 0 to compare with: Enduro at λ = 0.001." in other.answer
    alone = found(tmp_path / "alone", breakout(at_0=BEST))
    assert alone.answer == "Only λ = 0 was run: there is nothing to hold against it."
    assert alone.table().empty


def test_variants_are_answered_apart(tmp_path):
    write(tmp_path / "one", breakout(at_0=BEST, at_001=SAME))
    faster = [("learning_rate: 0.00025", "learning_rate: 0.001")]
    write(tmp_path / "two", breakout(at_0=HALF, at_001=BEST), settings=faster)
    of = claims(read_runs(tmp_path)[0])
    assert [row.variant.letter for row in of.comparisons] == ["A", "B"]
    assert [(row.base.value, row.score.value) for row in of.comparisons] == [
        (100, 100.125),
        (50.25, 100),
    ]
    first, second = of.answer.split("\n\n")
    assert first.startswith("Settings A, ppo.learning_rate=0.00025: Up to the largest")
    assert second.startswith("Settings B, ppo.learning_rate=0.001: ")


def test_without_an_evaluation_of_every_run_scores_are_those_of_training(tmp_path):
    write(tmp_path, breakout(at_0=BEST, at_001=SAME))
    write_run(tmp_path, "Breakout", "0.001", 9, rows=FIRST)  # ends at 20, with 1 nat
    write(tmp_path, {("Enduro", "0"): BEST, ("Enduro", "0.001"): SAME})
    of = claims(read_runs(tmp_path)[0])
    row, other = of.comparisons
    assert (row.scored, row.base.value, row.score.value, row.score.n) == ("training", 20, 20, 5)
    assert (row.base_entropy, row.entropy) == (3.75, 3.75)  # of 7, 4, 3, 1, not an evaluation's 2
    assert (other.scored, other.base.value) == ("evaluation", 100)
    assert (
        "Scores are of fresh games of the finished agents (Breakout: the last 100 training games), "
        "after 45 agent steps." in of.answer
    )


def test_over_games_only_those_that_every_lambda_has(tmp_path):
    cells = breakout(at_0=(59.63281, 59.63281), at_001=(30.5, RANDOM), at_005=(30.5, 30.5))
    cells |= {("Enduro", "0"): (860.5, 430.25), ("Enduro", "0.001"): (860.5, 0)}
    cells |= {("Enduro", "0.005"): (0, 0), ("Pong", "0"): (1, 2), ("Pong", "0.001"): (1, 2)}
    of = found(tmp_path, cells)
    small, large = of.over
    assert small.games == large.games == ("Breakout", "Enduro")
    # human-normalised: Breakout 2 2, Enduro 1 0.5 at lambda 0; 1 0 and 1 0 at 0.001; the mean of
    # the middle two of four; capped at 1, the gap to it is 0.5 / 4 and 2 / 4
    assert small.base_iqm.value == pytest.approx(1.5, abs=1e-4)
    assert small.iqm.value == pytest.approx(0.5, abs=1e-4)
    assert large.iqm.value == pytest.approx(0.5, abs=1e-4)
    assert small.difference.value == pytest.approx(-1, abs=1e-4)
    assert small.difference.low < -1 < small.difference.high
    assert (small.base_gap.value, small.gap.value) == pytest.approx((0.125, 0.5), abs=1e-4)
    # Breakout: none above; Enduro: 860.5 equals one and is above the other, 0 above none
    assert small.improvement.value == pytest.approx((0 + 1.5 / 4) / 2)
    assert "Over 2 games, the interquartile mean of human-normalised scores, 1.500 at λ = 0" in (
        of.answer
    )


def test_the_same_runs_give_the_same_claims(tmp_path):
    write(tmp_path, breakout(at_0=NOISY, at_001=NOISY))
    runs = read_runs(tmp_path)[0]
    assert claims(runs).markdown() == claims(runs[::-1]).markdown()
