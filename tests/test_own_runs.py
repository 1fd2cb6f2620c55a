"""Runs that become the band of our own: which count, at which steps, and running it again."""

import csv
from pathlib import Path

import pytest
from test_analysis_runs import STUDY, write_run

from analysis import own_runs

# Updates of 1,024 steps: 12 of them; the score is a tenth of the steps in thousands, 1.024 first.
ROWS = "".join(f"{n},{1024 * n},{4096 * n},{1.024 * n:.3f},5,7,1.5\n" for n in range(2, 13))


def table(path: Path) -> list[list[str]]:
    with open(path, newline="") as file:
        return list(csv.reader(file))[1:]


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "own.csv"


def test_runs_of_the_study_s_settings_at_lambda_0_count(tmp_path, out, capsys):
    runs = tmp_path / "runs"
    write_run(runs, seed=3, settings=STUDY, rows=ROWS)
    write_run(runs, lambda_="0.0005", settings=STUDY, rows=ROWS)
    write_run(runs, env="Pong", settings=[*STUDY, ("clip_range: 0.2", "clip_range: 0.1")])
    write_run(runs, env="Enduro", settings=STUDY, sticky="0.1", rows=ROWS)  # no known protocol
    assert own_runs.main([str(runs), "--out", str(out)]) == 0
    # its first update with a score, 10k of the grid, where it is 10.000, and its last
    assert table(out) == [
        ["Breakout", "baselines", "10000000", "3", "2048", "2.048"],
        ["Breakout", "baselines", "10000000", "3", "10000", "10"],
        ["Breakout", "baselines", "10000000", "3", "12288", "12.288"],
    ]
    told = capsys.readouterr().out
    assert "12,288 of 10,000,000 steps" in told
    assert str(out) in told


def test_more_runs_are_added_and_the_one_that_got_furthest_stays(tmp_path, out):
    first, further, less = (tmp_path / name for name in ("first", "further", "less"))
    write_run(first, settings=STUDY, rows=ROWS)
    write_run(further, settings=STUDY, rows=f"{ROWS}13,13312,53248,99,5,7,1.5\n")
    write_run(further, env="Pong", settings=STUDY, rows="1,1024,4096,-20,5,7,1.5\n")
    write_run(less, settings=STUDY, rows="2,2048,8192,0,5,7,1.5\n")
    assert own_runs.main([str(first), "--out", str(out)]) == 0
    assert [row[-2:] for row in table(out)][-1] == ["12288", "12.288"]
    for folders in ([further], [further, less], [first]):
        assert own_runs.main([*map(str, folders), "--out", str(out)]) == 0
        breakout, pong = table(out)[:-1], table(out)[-1]
        assert [row[-2:] for row in breakout] == [
            ["2048", "2.048"],
            ["10000", "10"],
            ["13312", "99"],
        ]
        assert pong == ["Pong", "baselines", "10000000", "0", "1024", "-20"]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["nowhere"], "no runs to draw in nowhere"),
        ([], "arguments are required: FOLDER"),
        (["nowhere", "--out", "README.md"], "one that this command made"),
    ],
)
def test_bad_input_is_told(asked, told, capsys):
    assert own_runs.main(asked) == 2
    error = capsys.readouterr().err
    assert told in error
    assert len(error.splitlines()) <= 3
