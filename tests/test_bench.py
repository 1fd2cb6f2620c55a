"""The benchmark's own arithmetic, and that its children keep pace and don't outlive it."""

import json
import re
import sys
import time
from pathlib import Path

import pytest

from attn_ppo import status
from bench import growth, growth_chart, growth_report, growth_sweep, machine, ours, race, report
from bench.pace import Child, ContenderError, Spread, speedup, take_turns

ROOT = Path(__file__).parent.parent
SLEEPER = """
import time
from bench.pace import Clock
step = Clock(3, {"versions": {"sleep": "1"}}).paced(lambda seconds: time.sleep(seconds))
print("this is no report")
while True:
    step(0.01)
    time.sleep(0.002)
"""
FALTERING = SLEEPER.replace("while True:", "for _ in range(4):") + "raise KeyError('/a/folder/b')"


@pytest.fixture
def start(tmp_path):
    """Starts Python code as a child; all of them are gone at the end."""
    children = []

    def start_code(code: str) -> Child:
        command = [sys.executable, "-c", code]
        children.append(Child(command, folder=tmp_path, env={"PYTHONPATH": str(ROOT)}))
        return children[-1]

    yield start_code
    for child in children:
        child.close()


def test_a_child_does_one_iteration_a_go(start):
    child = start(SLEEPER)
    assert child.report(30) == {"versions": {"sleep": "1"}}
    parts = child.iterate(30)
    # three steps of 10 ms, two pauses of 2 ms between them, one after the last
    assert list(parts) == ["emulate", "infer", "update"]
    assert 0.030 <= parts["emulate"] < 0.3
    assert 0.004 <= parts["infer"] < 0.2
    assert 0.002 <= parts["update"] < 0.2
    with pytest.raises(ContenderError, match=r"no answer within 0 s"):
        child.report(0.3)  # no go, no iteration
    assert child._process.returncode == -9


def test_a_child_ends_with_its_parent(start):
    child = start(SLEEPER)
    child.report(30)
    child._process.stdin.close()
    assert child._process.wait(30) == 0


def test_a_child_that_fails_says_why_without_folders(start):
    child = start("import nothing_of_this_name")
    with pytest.raises(ContenderError) as told:
        child.report(30)
    expected = "ModuleNotFoundError: No module named 'nothing_of_this_name' (exit code 1)"
    assert str(told.value) == expected


def test_an_error_of_several_lines_is_told_by_its_first(start):
    child = start("raise ValueError('/tmp/a/b.py: 3 == 1\\nSee https://x.org/a/b.html')")
    with pytest.raises(ContenderError) as told:
        child.report(30)
    assert str(told.value) == "ValueError: b.py: 3 == 1 (exit code 1)"
    child = start("import sys; sys.exit('See https://x.org/a/b.html')")
    with pytest.raises(ContenderError) as told:
        child.report(30)
    assert str(told.value) == "See https://x.org/a/b.html (exit code 1)"


def test_who_falls_out_of_the_race_does_not_stop_it(start):
    children = {"steady": start(SLEEPER), "faltering": start(FALTERING)}
    for child in children.values():
        child.report(30)
    # its second iteration ends with its program, after the fourth step
    taken, lost = take_turns(
        list(children), lambda name: children[name].iterate(30), deadline=0, at_least=3
    )
    assert list(taken) == ["steady"]
    assert len(taken["steady"]) == 3
    assert lost == {"faltering": "KeyError: 'b' (exit code 1)"}


def test_a_missing_peer_is_left_out_in_a_line():
    told: list[str] = []
    setup = race.Setup("Breakout", 1, "/no/such/python", {})
    result = race.race(["sb3", "leanrl"], setup, 0, told.append)
    assert result.rounds == {}
    assert result.lost["leanrl"].startswith("left out; git clone https://")
    assert result.lost["sb3"] == "can't start python: No such file or directory"
    assert told[1:] == ["sb3: can't start python: No such file or directory"]


def test_turns_rotate_until_the_time_is_spent():
    order: list[str] = []
    taken, lost = take_turns("abc", order.append, deadline=0, at_least=4)
    assert "".join(order) == "abcbcacababc"
    assert lost == {}
    assert {name: len(times) for name, times in taken.items()} == {"a": 4, "b": 4, "c": 4}
    began = time.monotonic()
    # rounds of 0.1 s for 0.35 s: three fit, the fourth would end after the deadline
    taken, _ = take_turns("a", lambda _: time.sleep(0.1), deadline=began + 0.35, at_least=1)
    assert len(taken["a"]) == 3


def test_speedup_is_paired_round_by_round():
    # 6/2 = 3, 4/4 = 1, 10/5 = 2: median 2, though the medians 6 and 4 would say 1.5
    assert speedup([2, 4, 5], against=[6, 4, 10]) == Spread(2, 1, 3)
    assert str(Spread(2, 1, 3)) == "2.00 (1.00..3.00)"


def test_flops_of_the_network_by_hand():
    # 2 x outputs x inputs of each: conv1 2*32*20*20 * 4*8*8 = 6,553,600; conv2 2*64*9*9 * 32*4*4
    # = 5,308,416; conv3 2*64*7*7 * 64*3*3 = 3,612,672; body 2*3136*512 = 3,211,264; heads of 4
    # actions and a value 2*512*5 = 5,120: 18,691,072 in all. Attention 2*49*512*64 = 3,211,264
    # and 2*49*2*512 = 100,352 more. Backward is twice forward, but for conv1 once.
    plain, attention = 18_691_072, 22_002_688
    for gate, forward in (("none", plain), ("softmax", attention)):
        model = ours.network("Breakout", gate)
        assert machine.training_flops(model, 0) == forward
        assert machine.training_flops(model, 4) == forward + 4 * (3 * forward - 6_553_600)


def test_the_floor():
    # 200 MFLOP at 50 GFLOP/s are 4 ms, and 1 ms of play
    assert machine.floor_seconds(200e6, 50e9, 1e-3) == pytest.approx(5e-3)


def test_a_race_in_numbers():
    # sb3 takes 2.048 s and ours 1.024 s for 1,024 agent steps: 2 and 1 ms a step. A floor of
    # 0.5 ms is a quarter and a half of that.
    rounds = {
        "sb3": [{"emulate": 0.512, "infer": 0.512, "update": 1.024}] * 3,
        "ours": [{"emulate": 0.256, "infer": 0.256, "update": 0.512}] * 3,
    }
    result = race.Race(rounds, {key: {"versions": {"torch": "2"}} for key in rounds}, {})
    table = race.summary(result, "sb3", {"none": 0.5e-3, "softmax": 0.5e-3})
    assert table["ours"]["agent_steps_per_second"] == pytest.approx(1000)
    assert table["ours"]["speedup"] == {"median": 2, "low": 2, "high": 2}
    parts = {"emulate": 0.25, "infer": 0.25, "update": 0.5}
    assert table["ours"]["ms_per_agent_step"] == pytest.approx(parts)
    assert table["ours"]["percent_of_floor_rate"] == pytest.approx(50)
    assert table["sb3"]["percent_of_floor_rate"] == pytest.approx(25)
    shown = report.text(
        {
            "game": "Pong",
            "threads": 2,
            "against": "sb3",
            "machine": {"cpu": "C", "cores": 2},
            "gemm_gflops": {},
            "emulator_seconds": {},
            "flops_per_agent_step": {},
            "floor_seconds": {},
            "contenders": table,
            "lost": {"leanrl": "left out"},
            "scaling": {},
        }
    )
    assert "attn_ppo           1.02 (1.02..1.02)    1,000" in shown
    assert "LeanRL, EnvPool, compiled: left out" in shown


def test_what_a_sweep_costs_outside_of_training_by_hand(monkeypatch):
    seconds = iter([7.0, 22.0, 25.0, 8.0])  # rounds: few, many; many, few

    def sweep(_: list[str], folder: str) -> float:
        (Path(folder) / "metrics.csv").write_text("elapsed_seconds\n0.5\n")
        return next(seconds)

    monkeypatch.setattr(growth_sweep, "_seconds", sweep)
    found = growth_sweep.launching("Breakout", 2, 0, lambda _: None)
    # 6 more runs, 3 more on each of the two jobs: (22 - 7) / 3 = 5 s, of which 0.5 are training.
    # Then (25 - 8) / 3 = 5 2/3. What is left of the few, one a job: 7 - 5 = 2 and 8 - 5 2/3.
    assert found["a_run"] == pytest.approx([4.5, 5 + 2 / 3 - 0.5])
    assert found["fixed"] == pytest.approx([2.0, 8 - 5 - 2 / 3])
    assert (found["jobs"], found["trained"]) == (2, 0.5)


def test_the_share_of_a_sweep_that_is_no_training():
    # 100 runs of 4,000 steps at 400 a second: 1,000 s. Besides 10 s and 100 * 4 / 2 s; a look of
    # 10 ms every 2 s takes 0.5 % of one processor of two, 2.5 s: 212.5 of 1,212.5
    sweep = {"jobs": 2, "fixed": 10.0, "a_run": 4.0, "look": 0.01}
    assert growth_sweep.share(sweep, 400.0, 100, 4_000) == pytest.approx(212.5 / 1_212.5)


@pytest.mark.usefixtures("in_empty_folder")
def test_made_up_runs_read_as_finished_ones(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(growth_sweep, "ROWS", 3)
    monkeypatch.setitem(growth_sweep.SWEEPS, 2, ["-m", "seed=0,1", "total_steps=1024"])
    growth_sweep._plant(tmp_path, 2)
    assert status.main(["runs"]) == 0
    out = capsys.readouterr().out
    assert "2 runs: 2 done" in out
    # (100.5 - 1.36719) / (30.5 - 1.36719) = 3.403
    assert re.search(r"1.02k  100%  100.5 340% +3.25$", out, re.MULTILINE)
    assert len(growth_sweep._looks(tmp_path, 2)) == 20


GROWN = {
    "environments": {"threads": {"1": {"8": {"median": 250, "low": 240, "high": 260, "n": 3}}}},
    "at_once": {"runs": {"2": {"median": 500, "low": 490, "high": 510, "n": 2}}},
    "launching": {
        "jobs": 2,
        "a_run": {"median": 4.5, "low": 4.25, "high": 4.75, "n": 2},
        "fixed": {"median": 1.5, "low": 1.25, "high": 1.75, "n": 2},
    },
    "telling": {
        what: {str(n): {"median": n / 1e3, "low": 0, "high": 9, "n": 5} for n in (180, 540)}
        for what in ("status", "again", "look")
    },
}


def test_parts_are_measured_one_by_one_and_kept(tmp_path, monkeypatch, capsys):
    def parts(_):
        return {name: lambda _, name=name: dict(GROWN[name]) for name in GROWN}

    monkeypatch.setattr(growth, "parts", parts)
    for name in GROWN:
        assert growth.main(["--only", name, "--out", str(tmp_path)]) == 0
    there = json.loads((tmp_path / "growth.json").read_text())
    assert there.keys() == {"machine", "game", *GROWN}
    assert (tmp_path / "growth.png").stat().st_size > 10_000
    out = capsys.readouterr().out
    assert "     8 environments  250 (240..260, 3)\n" in out
    # 180 runs of 500,000 steps at 500 a second are 180,000 s; besides 1.5 + 180 * 4.5 / 2 s, and
    # looks of 0.18 s every 2 s, 4.5 % of two processors: 406.5 + 8,100 of 188,506.5 s
    assert "of a sweep of 180 runs of 500,000 steps, 4.513 % is overhead" in out
    assert growth.main(["--only", "at_once", "--game", "Pong", "--out", str(tmp_path)]) == 0
    there = json.loads((tmp_path / "growth.json").read_text())  # no picture of two games
    assert there.keys() == {"machine", "game", "at_once"}
    assert growth_report.shares(there) == {}


def test_a_part_that_fails_hides_no_other(tmp_path, monkeypatch, capsys):
    def fails(_):
        raise ContenderError("no answer within 3 s")

    parts = {"at_once": fails, "environments": lambda _: dict(GROWN["environments"])}
    monkeypatch.setattr(growth, "parts", lambda _: parts)
    assert growth.main(["--only", "at_once", "environments", "--out", str(tmp_path)]) == 1
    assert "at_once: no answer within 3 s" in capsys.readouterr().err
    results = json.loads((tmp_path / "growth.json").read_text())
    panels = growth_chart.draw(results).get_axes()
    assert [len(panel.lines) for panel in panels] == [1, 0, 0, 0, 0, 0]
    assert [text.get_text() for panel in panels[1:] for text in panel.texts] == ["not measured"] * 5
