"""The benchmark's own arithmetic, and that its children keep pace and don't outlive it."""

import sys
import time
from pathlib import Path

import pytest

from bench import machine, ours, race, report
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
