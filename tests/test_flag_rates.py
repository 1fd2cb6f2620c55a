"""How often flags are false alarms, on runs written here."""

import pytest
from test_analysis_runs import write_run

from analysis import flag_rates
from analysis.figures import summary
from analysis.runs import read_runs


def table(fixed: range, updates: int = 30) -> str:
    """Rows of 10 steps whose policy entropy is 0 in the updates `fixed`."""
    return "".join(
        f"{n},{10 * n},{40 * n},1,5,4,{0 if n in fixed else 1.5}\n" for n in range(1, updates + 1)
    )


@pytest.fixture
def runs(tmp_path):
    """Seeds 0 and 1 never fixed, 2 for ten updates and over it, 3 to its end, 4 for nine."""
    spans = (range(0), range(0), range(5, 15), range(12, 31), range(5, 14))
    for seed, span in enumerate(spans):
        write_run(tmp_path, seed=seed, rows=table(span), settings=[("steps: 45", "steps: 300")])
    return read_runs(tmp_path)[0]


def test_updates_at_which_a_flag_is_up(runs):
    up = [flag_rates.raised(run) for run in runs]
    # of updates 5 to 14 the tenth in a row is 14, after 140 steps; of 12 to 30 it is 21
    assert [found["policy fixed"] for found in up] == [
        [],
        [],
        [140],
        [210, 220, 230, 240, 250, 260, 270, 280, 290, 300],
        [],
    ]
    assert all(found.keys() == {"policy fixed"} for found in up)  # 300 steps are few


def test_a_flag_was_false_where_the_run_got_over_it(runs):
    rates = flag_rates.rates(runs).set_index("flag")
    assert rates.loc["policy fixed"].tolist() == [5, 2, 4, 1, 0.25]
    assert rates.loc["no better than random play"].tolist()[:4] == [0, 0, 0, 0]
    assert rates.loc["attention still"].tolist()[:4] == [0, 0, 0, 0]  # these have no column for it


def test_a_run_of_enough_steps_can_be_no_better_than_random_play(tmp_path):
    """Updates of 10,000 steps; the score is 0 in updates 5 to 16, of seed 1 from 10 to the end."""
    steps = [("steps: 45", "steps: 250000"), ("num_steps: 5", "num_steps: 5000")]
    for seed, low in enumerate((range(5, 17), range(10, 26))):
        lines = [f"{n},{n}0000,1,{0 if n in low else 9},5,4,1.5\n" for n in range(1, 26)]
        write_run(tmp_path, seed=seed, rows="".join(lines), settings=steps)
    runs = read_runs(tmp_path)[0]
    up = [flag_rates.raised(run)["no better than random play"] for run in runs]
    # the tenth update of a low score is 14, and 19
    assert up == [[140_000, 150_000, 160_000], [n * 10_000 for n in range(19, 26)]]
    found = flag_rates.rates(runs).set_index("flag").loc["no better than random play"]
    assert found.tolist() == [2, 2, 1, 1, 1.0]


def test_a_run_of_nine_updates_could_raise_nothing(tmp_path):
    write_run(tmp_path, rows=table(range(10), updates=9))
    (run,) = read_runs(tmp_path)[0]
    assert flag_rates.raised(run) == {}


def test_rates_and_runs_are_told(runs, tmp_path, capsys):
    assert flag_rates.main([str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert f"{runs[2].folder}: policy fixed, from 140 to 140 of 300 steps\n" in told
    assert told.splitlines()[-1].split() == ["attention", "still", "0", "0", "0", "0", "-"]
    assert flag_rates.main([str(tmp_path / "nowhere")]) == 2
    assert len(capsys.readouterr().err.splitlines()) <= 3


def test_figures_say_which_runs_are_flagged(runs, tmp_path):
    flagged = [line for line in summary(tmp_path, runs, []).splitlines() if "policy fixed" in line]
    assert len(flagged) == 1
    assert flagged[0].startswith(f"flag {runs[3].folder}: policy fixed: policy entropy 0 nats, it")


def test_a_run_below_two_of_the_folders_counts_once(runs, tmp_path, capsys):
    flagged = tmp_path / runs[2].folder.relative_to(tmp_path)
    assert flag_rates.main([str(tmp_path), str(flagged)]) == 0
    told = capsys.readouterr().out
    assert told.count(f"{flagged}: policy fixed,") == 1
    (row,) = (line.split() for line in told.splitlines() if line.strip().startswith("policy fixed"))
    assert row[2:] == ["5", "2", "4", "1", "0.25"]  # as of the one folder
