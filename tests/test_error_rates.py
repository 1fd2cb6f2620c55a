"""Simulated studies of a known truth: tests err and intervals miss no more often than they say.

Shares of studies from seed 0; the standard error of 5 % of 400 is 1.1 %.
"""

import pytest

from bench import error_rates
from bench.error_rates import held, in_a_game, in_a_table, normal, rates, two_humps


def test_costs_nothing_is_wrong_in_one_of_twenty_studies_at_most():
    """At a loss of exactly the margin, where it is wrong most often."""
    found = rates(normal, 5, 400, [in_a_game])
    assert 0.01 <= found["costs nothing"] <= 0.08
    assert found["drop"] <= 0.08
    assert found["equivalent"] <= found["costs nothing"]
    assert found["all games"] == 0  # six games at once


def test_a_table_of_30_has_a_false_drop_in_one_of_twenty_studies_at_most():
    """Also where a third of the seeds is stuck: three seeds are too few for Welch's t alone."""
    found = rates(two_humps, 3, 150, [in_a_table])
    assert found["any drop, Welch"] >= 0.25
    assert found["any drop"] <= 0.09
    assert found["up to"] <= 0.05


def test_intervals_over_games_hold_the_truth_where_percentiles_do_not():
    found = rates(normal, 3, 150, [held])
    assert found["iqm, t"] >= 0.9
    assert found["iqm, percentile"] <= 0.85
    assert found["mean, t"] >= 0.9
    assert found["improvement"] >= 0.9


@pytest.mark.slow
def test_the_command_prints_each_rate(capsys):
    assert error_rates.main(["--studies", "10"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 3 * 2 + 7 + 7 + 3
    assert all(row.count("|") == 11 for row in rows)
