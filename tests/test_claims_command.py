"""`python -m analysis.claims`: what is printed and written, and what is refused."""

import json

import numpy as np
import pandas as pd
import pytest
from test_claims import BEST, HALF, SAME, breakout, found, write

from analysis import claims as command
from analysis.claims import claims
from analysis.runs import read_runs


def test_the_command_writes_what_it_prints(tmp_path, capsys):
    write(tmp_path, breakout(at_0=BEST, at_001=SAME, at_005=HALF))
    assert command.main([str(tmp_path), "--margin", "0.2"]) == 0
    text = capsys.readouterr().out
    of = claims(read_runs(tmp_path)[0], margin=0.2)
    assert of.answer in text
    assert "Breakout  0.005  4      50.3 [47.5, 53.0]  100 [99, 101]  50 % [48, 52]" in text
    for name in ("claims.md", "claims.csv", "claims_over_games.csv"):
        assert f"  {tmp_path / 'figures' / name}" in text
    table = pd.read_csv(tmp_path / "figures/claims.csv")
    assert table["verdict"].tolist() == ["costs nothing", "costs"]
    assert table["difference"].tolist() == pytest.approx([0.125, -49.75])
    for end in ("low", "high"):
        kept = [getattr(row.kept, end) for row in of.comparisons]
        assert np.allclose(table[f"kept_{end}"], kept, rtol=1e-5)
    over = pd.read_csv(tmp_path / "figures/claims_over_games.csv")
    assert not over["iqm_low"].isna().tolist()[0]
    written = (tmp_path / "figures/claims.md").read_text("utf-8")
    assert written == of.markdown()
    assert of.answer in written
    assert "a loss of 20 % or more" in written
    assert "nan" not in written
    assert "| Breakout | 0.005 | 4 | 50.3 [47.5, 53.0] | 100 [99, 101] | 50 % [48, 52] |" in written


def test_columns_are_what_they_are_called(tmp_path):
    cells = breakout(at_0=(9, 10, 11, 10), at_001=(8, 9, 8.5), at_005=(7, 9, 8.75))
    of = found(tmp_path, cells)
    first, second = of.table().to_dict("records")
    assert (first["seeds"], first["base_seeds"]) == (3, 4)
    assert (first["score"], first["base"], first["difference"]) == (8.5, 10, -1.5)
    assert first["kept"] == pytest.approx(0.826244)  # (8.5 - 1.36719) / (10 - 1.36719)
    assert first["kept_low"] < first["kept"] < first["kept_high"]
    small, large = sorted((first, second), key=lambda row: row["p"])
    assert small["p_corrected"] == pytest.approx(2 * small["p"])  # Holm's, of two
    assert large["p_corrected"] == pytest.approx(max(2 * small["p"], large["p"]))
    over = of.table_over_games().to_dict("records")[0]
    # (8.5 - 1.36719) / (30.5 - 1.36719), and of lambda 0 (10 - 1.36719) / 29.13281
    assert (over["iqm"], over["base_iqm"]) == pytest.approx((0.244838, 0.296326), abs=2e-6)
    loss = of.comparisons[0].detectable / 8.63281  # above random play, which has 1.36719 of the 10
    assert (
        f"| {100 * loss:.0f} % |" in of.markdown().split("| Breakout | 0.001 |")[1].split("\n")[0]
    )


def test_of_a_sweep_until_decided_its_own_test_counts(tmp_path, capsys):
    write(tmp_path, breakout(at_0=BEST, at_001=SAME))
    said = {"until": "decided", "asked": {"cells": []}, "looks": []}
    (tmp_path / "decision.json").write_text(json.dumps(said))
    assert command.main([str(tmp_path)]) == 0
    text = (
        "This sweep looks at its scores and adds seeds. The tests here take their number as fixed"
    )
    assert text in capsys.readouterr().out
    assert text in (tmp_path / "figures/claims.md").read_text("utf-8")
    assert text not in claims(read_runs(tmp_path)[0]).answer


@pytest.mark.parametrize("margin", ["0", "1.5", "nan", "ten"])
def test_a_margin_that_is_none(margin, tmp_path, capsys):
    assert command.main([str(tmp_path), "--margin", margin]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"error: --margin={margin} is not allowed",
        "allowed: a share above 0, at most 0.9, such as 0.1",
    ]


def test_a_folder_without_runs(tmp_path, capsys):
    assert command.main([str(tmp_path)]) == 2
    assert "no runs" in capsys.readouterr().err
