"""`python -m analysis.variants`: settings held against each other, from runs written as text."""

import math
from typing import Any

import pandas as pd
import pytest
from scipy import stats as scipy_stats
from test_analysis_runs import SECOND, write_run

from analysis import variants as command
from analysis.equivalence import Difference
from analysis.runs import read_runs
from analysis.variants import Beside, named, variants_beside
from attn_ppo.errors import ConfigError
from attn_ppo.variants import Variant

SOFTMAX, NONE = (9.0, 10.0, 11.0), (8.0, 9.0, 8.5)


def write(root, game="Breakout", lambda_="0", **scores):
    """A finished, evaluated run a score, by gate."""
    for gate, of in scores.items():
        for seed, score in enumerate(of):
            played = (score, None if gate == "none" else 2)  # as a run's own evaluation has it
            write_run(root / gate, game, lambda_, seed, gate=gate, evaluation=played)
    return read_runs(root)[0]


def less(row: Beside) -> Difference:
    assert row.less
    return row.less


def test_finished_agents_are_compared_by_their_own_games(tmp_path):
    first, other = variants_beside(write(tmp_path, softmax=SOFTMAX, none=NONE))
    assert (first.variant.short, other.variant.short) == ("gate=none", "gate=softmax")
    assert (first.steps, first.less, first.score.n) == (None, None, 3)
    peer: Any = scipy_stats.ttest_ind(SOFTMAX, NONE, equal_var=False)
    ends = peer.confidence_interval()
    assert less(other) == pytest.approx((1.5, ends.low, ends.high, peer.pvalue))
    assert (first.score.value, other.score.value) == (8.5, 10)
    assert other.p == less(other).p  # of a single one
    assert other.entropy == 2


def test_p_is_corrected_for_all_rows_and_lambdas_are_apart(tmp_path):
    write(tmp_path, softmax=SOFTMAX, none=NONE)
    write(tmp_path, lambda_="0.005", softmax=(1, 2, 3), sigmoid=(7, 9, 9))
    write(tmp_path, "MsPacman", softmax=(500, 600))  # of one kind: nothing to compare
    rows = variants_beside(read_runs(tmp_path)[0])
    assert [(row.lambda_, row.variant.short) for row in rows] == [
        (0, "gate=none"),
        (0, "gate=softmax"),
        (0.005, "gate=sigmoid"),
        (0.005, "gate=softmax"),
    ]
    small, large = sorted((row for row in rows if row.less), key=lambda row: less(row).p)
    assert small.p == pytest.approx(2 * less(small).p)
    assert large.p == pytest.approx(max(2 * less(small).p, less(large).p))


def test_unfinished_runs_are_compared_as_far_as_all_are(tmp_path):
    write(tmp_path, softmax=SOFTMAX)
    short = SECOND.splitlines(keepends=True)[:3]  # 4, 4, 4 at 10, 20, 30 steps
    write_run(tmp_path / "none", gate="none", rows="".join(short), state="preempted")
    runs = read_runs(tmp_path)[0]
    none, softmax = variants_beside(runs)
    assert (none.steps, none.score.value, none.score.n) == (30, 4, 1)
    assert (softmax.score.value, softmax.score.n) == (10, 3)  # FIRST: 10 at 30, though 20 at 40
    assert softmax.entropy == 3
    none, softmax = variants_beside(runs, at=25)
    assert (none.score.value, softmax.score.value) == (4, 5)
    assert (none.entropy, softmax.entropy) == (pytest.approx(math.nan, nan_ok=True), 3.5)
    late = variants_beside(runs, at=40)
    assert [(row.score.n, row.less) for row in late] == [(0, None), (3, None)]


def test_the_command_writes_what_it_prints(tmp_path, capsys):
    write(tmp_path, softmax=SOFTMAX, none=NONE)
    assert command.main([str(tmp_path), "--against", "gate=softmax"]) == 0
    text = capsys.readouterr().out
    # halves: 4.303 * 0.5 / sqrt(3) = 1.24; of the difference 3.217 * sqrt(1/3 + 0.25/3) = 2.08
    line = "Breakout 0 gate=none finished agents 3 8.5 [7.3, 9.7] -1.5 [-3.6, 0.6] 0.104 0.104 -"
    assert line in " ".join(text.split())
    written = (tmp_path / "figures/variants.md").read_text("utf-8")
    assert "| Breakout | 0 | gate=none | finished agents | 3 | 8.5 [7.3, 9.7] | -1.5 [" in written
    assert "nan" not in written
    table = pd.read_csv(tmp_path / "figures/variants.csv")
    assert table["less"].tolist()[1] == -1.5
    assert table["settings"].tolist() == ["attention.gate=softmax", "attention.gate=none"]


def test_settings_are_named_by_what_one_alone_has():
    maps = [
        Variant(n, ("attention.gate=uniform", f"attention.maps={m}")) for n, m in enumerate((2, 49))
    ]
    softmax = Variant(2, ("attention.gate=softmax", "attention.maps=2"))
    of = [*maps, softmax]
    assert named("gate=softmax", of) == named("attention.gate=softmax", of) == softmax
    assert named("maps=49", of) == named("maps=49 gate=uniform", of) == maps[1]
    for text in ("gate=uniform", "maps=2", "", "gate=uniform maps=4"):  # of two, of all, of none
        with pytest.raises(ConfigError, match="gate=uniform maps=49"):
            named(text, of)


def test_bad_input_is_told(tmp_path, capsys):
    write(tmp_path / "two", softmax=SOFTMAX, none=NONE)
    write(tmp_path / "one", softmax=SOFTMAX)
    for words, says in (
        (["two", "--against", "gate=sofmax"], "nearest: gate=softmax"),
        (["two", "--at", "soon"], "error: --at=soon"),
        (["two", "--at", "50"], "allowed: up to 40"),
        (["one"], "no game has runs of several settings"),
    ):
        assert command.main([str(tmp_path / words[0]), *words[1:]]) == 2
        error = capsys.readouterr().err
        assert says in error
        assert len(error.splitlines()) <= 3
        assert not (tmp_path / words[0] / "figures").exists()
