"""plan.json: what is read back of it, whatever it holds and from wherever it is read."""

import json
from pathlib import Path

import pytest

from attn_ppo.lifecycle import plan
from attn_ppo.lifecycle.plan import Planned

pytestmark = pytest.mark.usefixtures("in_empty_folder")
SWEEP = Path("runs/default")
SEEDS = [SWEEP / f"Breakout/lambda=0/seed={seed}" for seed in range(3)]


def test_the_latest_plan_of_a_command_counts(settings_of):
    for seed in (0, 1):
        plan.record("one", [settings_of(f"seed={seed}")])
    plan.record("another", [settings_of("seed=2")])
    found = {each.command: list(each.runs) for each in plan.find(SWEEP)}
    assert found == {"one": [SEEDS[1]], "another": [SEEDS[2]]}


def test_a_sweep_is_where_it_was_however_its_path_is_spelled(settings_of):
    plan.record("one", [settings_of("total_steps=1024")])
    for root in (SWEEP, SWEEP.absolute(), Path("runs"), Path("runs/../runs/default")):
        (found,) = plan.find(root)
        assert found.is_here
        (run,) = found.runs.values()
        assert run == Planned("Breakout", 0, 0, 1024, [])
    SWEEP.rename("runs/moved")
    (found,) = plan.find(Path("runs/moved"))
    assert not found.is_here


@pytest.mark.parametrize(
    "damaged",
    [
        ["Breakout", 0, -1, 1024, []],
        ["Breakout", 0, True, 1024, []],
        ["Breakout", 0, 1, 1024.5, []],
        ["Breakout", 0, 1, 1024, [7]],
        ["Breakout", 0, 1, 1024, "seed"],
        ["Breakout", "0", 1, 1024, []],
        [None, 0, 1, 1024, []],
        ["Breakout", 0, 1, 1024],
        {},
    ],
)
def test_a_run_that_is_damaged_hides_no_other(damaged):
    SWEEP.mkdir(parents=True)
    runs = {"a": damaged, "b": ["Breakout", 0.5, 1, 1024, ["seed"]]}
    told = {"one": {"folder": "runs/default", "runs": runs}}
    (SWEEP / plan.NAME).write_text(json.dumps(told))
    (found,) = plan.find(SWEEP)
    assert found.runs == {SWEEP / "b": Planned("Breakout", 0.5, 1, 1024, ["seed"])}
