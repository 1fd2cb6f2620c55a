"""Sweeps with `until=decided`, on an engine of our own: what is run, decided, kept and refused."""

import json
import shutil
from collections.abc import Callable, Sequence, Set
from pathlib import Path

import pytest
from dry_run import check_refused, dry_run  # noqa: F401
from test_search import evaluated

from attn_ppo import config, status
from attn_ppo.config import RunConfig
from attn_ppo.launch import command_line, sweep
from attn_ppo.launch.command_line import CommandLine
from attn_ppo.launch.decided import decided
from attn_ppo.lifecycle import decision
from attn_ppo.lifecycle.run_dir import find_runs, mark_status

SWEEP = Path("runs/default")
GAMES = ["env=Breakout,Pong", "lambda=0,0.1,0.2"]
ASKED = ["-m", "until=decided", "decided.seeds=3", "wandb.mode=disabled"]


class Killed(BaseException):
    """In place of a SIGKILL."""


class Engine:
    """Leaves run folders as runs do; those before `kills` runs are made, in any order."""

    def __init__(
        self,
        score: Callable[[RunConfig], float | None],
        *,
        kills: int = 10_000,
        order: Callable[[list[RunConfig]], list[RunConfig]] = list,
    ):
        self._score, self._kills, self._order = score, kills, order
        self.made: list[str] = []

    def __call__(self, asked: CommandLine, todo: Sequence[RunConfig], left_out: Set[Path]) -> None:
        grid = command_line.parse(["-m", *asked.overrides]).configs
        assert {c.folder for c in grid} - left_out == {c.folder for c in todo}
        for run in self._order(list(todo)):
            if len(self.made) == self._kills:
                raise Killed
            score = self._score(run)
            self.made.append(run.label)
            if score is None:
                run.folder.mkdir(parents=True, exist_ok=True)
                mark_status(run.folder, "failed", cause="of this test", at=len(self.made))
                path = run.folder / "status.json"
                said = json.loads(path.read_text()) | {"heartbeat": str(len(self.made))}
                path.write_text(json.dumps(said))
            else:
                shutil.rmtree(run.folder, ignore_errors=True)
                evaluated(run, score, 2.0)


def near(run: RunConfig) -> float:
    """Pong is worse at 0.2, Breakout a little at 0.1, at all else there is nothing but noise."""
    noise = (run.seed * 7 + int(run.lambda_ * 30) * 3 + len(run.env)) % 5
    worse = {("Pong", 0.2): 15, ("Breakout", 0.1): 2}.get((run.env, run.lambda_), 0)
    return 20.0 + noise - worse


def run(engine: Engine, *overrides: str) -> int:
    asked = command_line.parse([*ASKED, *overrides])
    sweep.check(asked)
    return decided.run(asked, engine)


def said() -> dict:
    found = decision.read(SWEEP)
    assert found
    return found


def decisions() -> dict[str, str]:
    return {c["cell"]: c["decision"] for c in said()["comparisons"]}


@pytest.mark.usefixtures("in_empty_folder")
def test_seeds_go_to_what_is_undecided_until_the_budget_is_spent(capsys):
    engine = Engine(near)
    assert run(engine, *GAMES, "budget=47", "decided.margin=0") == 0
    hopeless = "no detectable difference within the budget"
    assert decisions() == {
        "Breakout lambda=0.1": "undecided: budget spent",
        "Breakout lambda=0.2": hopeless,
        "Pong lambda=0.1": hopeless,
        "Pong lambda=0.2": "lower",
    }
    # two looks at 6 cells, 36 runs; then 11 are left: one look at 2 cells, and of 5 none
    counts = {
        (c.env, c.lambda_): len(list(c.folder.parent.glob("seed=*")))
        for c in command_line.parse(["-m", *GAMES]).configs
    }
    assert counts == {
        ("Breakout", 0): 9,
        ("Breakout", 0.1): 9,
        ("Breakout", 0.2): 6,
        ("Pong", 0): 6,
        ("Pong", 0.1): 6,
        ("Pong", 0.2): 6,
    }
    assert said()["spent"] == len(engine.made) == 42
    assert said()["state"] == "budget spent"
    out = capsys.readouterr().out
    assert "4 lambdas against 0 in runs/default: 3 seeds a look, at most 47 runs\n" in out
    assert "nothing can be found to differ before look 2: n = 6\n" in out
    assert "2 looks, 36 of 47 runs: 1 of 4 decided against lambda 0\n" in out
    assert out.endswith(
        "the budget has no further look; a larger one goes on: runs/default/decision.json\n"
    )


@pytest.mark.usefixtures("in_empty_folder")
def test_it_stops_when_all_is_decided(capsys):
    engine = Engine(lambda c: 100 + c.seed % 3 - 80 * (c.lambda_ == 0.2))
    assert run(engine, "lambda=0,0.1,0.2", "budget=90") == 0
    assert decisions() == {
        "Breakout lambda=0.1": "no drop beyond the margin",
        "Breakout lambda=0.2": "lower",
    }
    assert said()["state"] == "decided"
    assert len(engine.made) == said()["spent"] == 27
    # Of 10 looks the second spends 0.8 * (2 / 10)^2 of 0.025, of 400 paths 0.3.
    assert [c["look"] for c in said()["comparisons"]] == [3, 3]
    (row,) = [r for r in capsys.readouterr().out.splitlines() if r.endswith("  lower")]
    # scores 100, 101, 102 thrice and 80 less; 80 / (101 - 1.2) = 80% above random play
    cells = row.split()
    assert cells[:7] == ["Breakout", "lambda=0.2", "9", "21.0", "101.0", "-80.0", "(-80%)"]


@pytest.mark.usefixtures("in_empty_folder")
def test_killed_at_any_moment_it_decides_the_same():
    """And whatever order the runs end in."""
    options = ["lambda=0,0.1,0.2", "budget=24"]
    whole = Engine(near)
    run(whole, *options)
    expected = (SWEEP / "decision.json").read_bytes()
    assert len(whole.made) == 24  # 9, 9, and 6 for what isn't hopeless
    for kills in (0, 4, 9, 10, 18, 23):
        shutil.rmtree("runs")
        engine = Engine(near, kills=kills, order=lambda runs: runs[::-1])
        with pytest.raises(Killed):
            run(engine, *options)
        again = Engine(near, order=lambda runs: sorted(runs, key=lambda c: c.seed))
        assert run(again, *options) == 0
        assert (SWEEP / "decision.json").read_bytes() == expected
        assert sorted([*engine.made, *again.made]) == sorted(whole.made)  # nothing twice
    last = Engine(near)
    assert run(last, *options) == 0
    assert last.made == []
    assert (SWEEP / "decision.json").read_bytes() == expected


@pytest.mark.usefixtures("in_empty_folder")
def test_a_failed_run_counts_and_the_next_seed_takes_its_place(capsys):
    engine = Engine(lambda c: None if c.seed == 1 and c.lambda_ else 20.0 + c.seed)
    assert run(engine, "lambda=0,0.1", "budget=13", "decided.margin=0") == 0
    first, second = said()["looks"]
    assert list(first["scores"]["Breakout lambda=0.1"]) == ["0", "2", "3"]
    assert first["failed"] == {"Breakout lambda=0.1": [1]}
    assert list(second["scores"]["Breakout lambda=0.1"]) == ["4", "5", "6"]
    assert list(second["scores"]["Breakout lambda=0"]) == ["3", "4", "5"]
    assert said()["spent"] == 13
    told = "failed, and replaced by other seeds: Breakout lambda=0.1 seed 1\n"
    assert told in capsys.readouterr().out


@pytest.mark.usefixtures("in_empty_folder")
def test_no_failed_run_is_replaced_beyond_the_budget():
    engine = Engine(lambda c: None if c.seed == 1 and c.lambda_ else 20.0 + c.seed)
    assert run(engine, "lambda=0,0.1", "budget=12", "decided.margin=0") == 0
    assert len(said()["looks"]) == 1  # 7 runs; a second look would be the 13th
    assert said()["state"] == "budget spent"
    assert len(engine.made) == 7


@pytest.mark.usefixtures("in_empty_folder")
def test_a_cell_that_fails_and_fails_is_given_up_until_the_same_command_comes_again(capsys):
    options = ["lambda=0,0.1,0.2", "budget=45", "decided.margin=0"]
    bad = Engine(lambda c: None if c.lambda_ == 0.1 else 20.0 + c.seed - 90 * (c.lambda_ > 0))
    assert run(bad, *options) == 1
    assert sum("lambda=0.1" in label for label in bad.made) == 3
    assert decisions() == {
        "Breakout lambda=0.1": "undecided: runs failed",
        "Breakout lambda=0.2": "lower",
    }
    assert "over: runs failed; the same command tries them again" in capsys.readouterr().out
    good = Engine(lambda c: 20.0 + c.seed - 90 * (c.lambda_ > 0))
    assert run(good, *options) == 0
    assert "Breakout lambda=0.1 seed=0" in good.made  # which had failed
    assert decisions()["Breakout lambda=0.1"] == "lower"


@pytest.mark.usefixtures("in_empty_folder")
def test_when_all_runs_fail_it_ends():
    engine = Engine(lambda _: None)
    assert run(engine, "lambda=0,0.1", "budget=12") == 1
    assert said()["looks"] == []
    assert len(engine.made) == 6


@pytest.mark.usefixtures("in_empty_folder")
def test_an_engine_that_makes_nothing_ends_it(capsys):
    assert run(Engine(near, order=lambda _: []), "lambda=0,0.1", "budget=12") == 1
    assert "0 of 12 runs were looked at\n" in capsys.readouterr().out


@pytest.mark.usefixtures("in_empty_folder")
def test_a_larger_budget_goes_on_and_other_questions_are_refused():
    options = ["lambda=0,0.1", "decided.margin=0"]
    run(Engine(near), *options, "budget=12")
    looks = said()["looks"]
    run(Engine(near), *options, "budget=18")
    assert said()["looks"][:2] == looks
    assert len(said()["looks"]) == 3
    for other in ("decided.margin=0.2", "lambda=0,0.1,0.2", "seed=1"):
        with pytest.raises(config.ConfigError) as told:
            run(Engine(near), *options, other, "budget=40")
        assert f"differs from {SWEEP}/decision.json" in str(told.value)


@pytest.mark.usefixtures("in_empty_folder")
def test_what_else_varies_is_compared_apart_and_runs_that_are_there_count():
    asked = ["lambda=0,0.1", "attention.gate=softmax,sigmoid", "budget=24", "seed=5"]
    there = command_line.parse(["-m", "lambda=0", "attention.gate=softmax,sigmoid", "seed=6"])
    for settings in there.configs:
        evaluated(settings, 21.0, 2.0)
    engine = Engine(near)
    run(engine, *asked)
    assert list(decisions()) == [
        "Breakout attention.gate=softmax lambda=0.1",
        "Breakout attention.gate=sigmoid lambda=0.1",
    ]
    scores = said()["looks"][0]["scores"]["Breakout attention.gate=sigmoid lambda=0"]
    assert scores["6"] == 21.0
    assert list(scores) == ["5", "6", "7"]
    assert not any("lambda=0 seed=6" in label for label in engine.made)


@pytest.mark.usefixtures("in_empty_folder")
def test_a_run_knows_nothing_of_it():
    run(Engine(near), "lambda=0,0.1", "budget=12")
    for folder in find_runs(SWEEP):
        assert "until" not in (folder / "config.yaml").read_text()
        assert "decided" not in (folder / "config.yaml").read_text()
        assert config.read(folder / "config.yaml").until is None


@pytest.mark.usefixtures("in_empty_folder")
def test_status_shows_what_is_decided(capsys):
    run(Engine(near), "lambda=0,0.1", "budget=12")
    capsys.readouterr()
    assert status.main([]) == 0
    assert decision.table(said()) in capsys.readouterr().out
    (SWEEP / "decision.json").write_text('{"until": "decided", "asked": {}, "budget": 1')
    assert status.main([]) == 0
    assert "decision.json can't be read: " in capsys.readouterr().out


@pytest.mark.usefixtures("in_empty_folder")
def test_a_damaged_decision_is_told():
    SWEEP.mkdir(parents=True)
    (SWEEP / "decision.json").write_text("{}")
    with pytest.raises(config.ConfigError, match=r"can't be used \(KeyError\)"):
        run(Engine(near), "lambda=0,0.1", "budget=12")
