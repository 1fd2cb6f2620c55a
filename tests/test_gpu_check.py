"""The GPU check, on the CPU: that it passes what is right, finds what is wrong, and keeps time."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from asking import ask

from bench import gpu_check, gpu_part, gpu_resume, gpu_speed
from bench.contenders import Contender
from bench.gpu_part import FAILED, LEFT_OUT, MEASURED, OK, Ask, Row
from bench.pace import PARTS

ROOT = Path(__file__).parent.parent
CPU = torch.device("cpu")


@pytest.fixture
def parts(tmp_path, monkeypatch):
    """Writes parts that a child finds as bench/gpu_<name>.py."""
    package = tmp_path / "bench"
    shutil.copytree(ROOT / "bench", package, ignore=shutil.ignore_patterns("out", "__pycache__"))
    monkeypatch.setattr(gpu_part, "python_path", lambda: f"{tmp_path}:{ROOT}")

    def write(name: str, body: str) -> str:
        imports = "import os, time\nfrom bench.gpu_part import Row, judged\n"
        (package / f"gpu_{name}.py").write_text(f"{imports}def rows(ask):\n    {body}\n")
        return name

    return write


PART_ENDS = {
    "right": ("yield Row('a', 'ok', 'fine', {'n': 1})", [("a", OK, "fine")]),
    "raises": (
        "yield Row('a', 'ok', 'fine'); raise ValueError('no such thing')",
        [("a", OK, "fine"), ("raises", FAILED, "ValueError: no such thing (exit code 1)")],
    ),
    "dies": ("os.abort(); yield", [("dies", FAILED, "exit code -6")]),
}


@pytest.mark.parametrize("name", PART_ENDS)
def test_a_part_that_fails_has_a_row_about_it(name, parts):
    body, expected = PART_ENDS[name]
    told: list[Row] = []
    rows = gpu_part.rows_of(parts(name, body), ask(), told.append)
    assert rows == told
    assert [(row.what, row.state) for row in rows] == [each[:2] for each in expected]
    assert all(each[2] in row.told for row, each in zip(rows, expected, strict=True))
    assert {row.part for row in rows} == {name}


@pytest.mark.parametrize(
    ("name", "cached"), [("fp32", False), ("agreement", False), ("right", True)]
)
def test_what_other_parts_compiled_is_not_taken_where_cudnn_is_off_or_on(name, cached, parts):
    body = "yield Row('a', 'ok', os.environ.get('TORCHINDUCTOR_FORCE_DISABLE_CACHES', '0'))"
    (row,) = gpu_part.rows_of(parts(name, body), ask(), lambda _: None)
    assert row.told == ("0" if cached else "1")


def test_a_part_that_hangs_is_ended_in_time(parts):
    name = parts("hangs", "yield Row('a', 'ok', 'fine'); time.sleep(600)")
    began = time.monotonic()
    rows = gpu_part.rows_of(name, ask(5), lambda _: None)
    assert time.monotonic() - began < 60
    assert (rows[-1].what, rows[-1].state) == ("hangs", LEFT_OUT)


def test_without_a_gpu_there_is_one_line_and_exit_code_2(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("attn_ppo.compute.devices._gpus", lambda: 0)
    assert gpu_check.main(["--out", str(tmp_path / "out")]) == 2
    printed = capsys.readouterr()
    assert printed.err == "no such GPU here (python -m attn_ppo.doctor); --device cpu rehearses\n"
    assert printed.out == ""
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("state", "code"), [(OK, 0), (LEFT_OUT, 0), (MEASURED, 0), (FAILED, 1)])
def test_exit_code_and_results(state, code, tmp_path, capsys, monkeypatch):
    row = Row("a thing", state, "told", {"error": float("nan"), "rates": {1: 2.5}}, "agreement")
    monkeypatch.setattr(gpu_check, "rows_of", lambda *_: [row])
    arguments = ["--device", "cpu", "--only", "agreement", "--out", str(tmp_path)]
    assert gpu_check.main(arguments) == code
    written = json.loads((tmp_path / "gpu_check.json").read_text())
    assert written["ok"] is (code == 0)
    assert written["rows"][0]["numbers"] == {"error": None, "rates": {"1": 2.5}}
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["", "agreement", f"a thing  {state}  told"]
    verdict = {OK: "nothing is wrong", MEASURED: "nothing is wrong", FAILED: "wrong: a thing"}
    assert lines[4] == verdict.get(state, "nothing is wrong; left out: a thing")


@pytest.fixture
def asked(monkeypatch) -> dict[str, float]:
    """The seconds that each part is given, growing; none of them takes any."""
    seconds: dict[str, float] = {}

    def note(part, ask, _):
        seconds[part] = ask.left
        return []

    monkeypatch.setattr(gpu_check, "rows_of", note)
    return seconds


def test_each_part_gets_its_share_of_the_time_that_is_left(tmp_path, asked):
    gpu_check.main(["--device", "cpu", "--minutes", "10", "--out", str(tmp_path)])
    # nothing takes any time here: 0.4 of 600 s, and all of it for the last
    expected = dict.fromkeys(["machine", "fp32", "agreement", "zeros", "graphs", "resume"], 240) | {
        "speed": 600
    }
    assert asked == pytest.approx(expected, abs=20)


def test_a_part_that_does_not_fit_is_left_out_before_it_begins(tmp_path, asked, capsys):
    gpu_check.main(["--device", "cpu", "--minutes", "1.2", "--out", str(tmp_path)])
    # 72 s, of which 0.4 are 28.8: more than machine takes, less than the others, which get theirs
    expected = {
        "machine": 28.8,
        "fp32": 45,
        "agreement": 45,
        "zeros": 40,
        "graphs": 30,
        "speed": 72,
    }
    assert asked == pytest.approx(expected, abs=5)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "resume"
    assert lines[2].startswith("resume  left out  it takes 80 s, 7")
    assert lines[2].endswith(" are left; give more --minutes")


def test_the_parts_fit_into_eleven_minutes_as_an_h100_took_them(monkeypatch):
    """Of 660 s the six before speed take 10 + 45 + 45 + 40 + 30 + 80 = 250, speed has 410: one run,
    one of Stable-Baselines3, 2, 4, 8 at once 45 each, 16 at once and as many of theirs 77: 379."""
    now = 250.0
    took = []

    def measure(key, count, _):
        nonlocal now
        took.append((key, count))
        now += 77 if count == 16 else 45
        return gpu_speed.Rate(100.0 * count, dict.fromkeys(PARTS, 0.1), 1000.0)

    monkeypatch.setattr(gpu_speed, "measure", measure)
    monkeypatch.setattr(gpu_part.time, "monotonic", lambda: now)
    assert sum(gpu_check.PARTS.values()) - gpu_check.PARTS["speed"] == 250
    rows = list(gpu_speed.rows(Ask("cuda", "Breakout", 16, 660.0)))
    assert took == [("ours", 1), ("sb3", 1), *(("ours", n) for n in (2, 4, 8, 16)), ("sb3", 16)]
    assert now == 629
    assert {row.state for row in rows} == {MEASURED}
    now, took = 310.0, []  # 350 s: 302 for ours, which leave 48 for 16 of theirs
    rows = list(gpu_speed.rows(Ask("cuda", "Breakout", 16, 660.0)))
    assert took[-1] == ("ours", 16)
    assert [row.state for row in rows[-2:]] == [LEFT_OUT, MEASURED]
    assert "hydra.launcher.n_jobs=16" in rows[-1].told


RATES = {  # ours -> how many at once
    (100.0, 190.0, 300.0, 301.0): 4,  # eight are no faster
    (100.0, 90.0): 1,
    (100.0, 190.0, 370.0, 400.0): 8,
}


@pytest.mark.parametrize("rates", RATES)
def test_the_setting_is_the_fewest_runs_that_are_nearly_the_fastest(rates):
    ours: dict[int, float] = dict(zip((1, 2, 4, 8), rates, strict=False))
    best = RATES[rates]
    row = gpu_speed.setting(ours, {1: 50.0}, 16)
    assert row.numbers["n_jobs"] == best
    assert f"hydra.launcher.n_jobs={best} for each GPU" in row.told
    assert row.numbers["times_sb3"] == {1: 2.0}
    assert gpu_speed.setting({}, {}, 16).state == LEFT_OUT


def test_cores_are_shared_as_a_sweep_shares_them():
    assert [gpu_speed.share(16, count) for count in (1, 2, 4, 8, 16)] == [16, 8, 4, 2, 1]
    assert gpu_speed.share(4, 16) == 1


SLEEPER = """
import sys, time
from bench.pace import Clock
clock = Clock(128, {"versions": {}})
while True:
    clock.wait()
    time.sleep(0.1)
    clock.tell(emulate=0.02, infer=0.03, update=0.05)
"""


def test_runs_at_once_are_measured_at_their_own_pace(monkeypatch):
    monkeypatch.setattr(Contender, "command", lambda _, __, python, *___: [python, "-c", SLEEPER])
    rate = gpu_speed.measure("ours", 2, ask())
    # each 1,024 agent steps in 0.1 s and some: below 10,240 a second, together below 20,480
    assert 2_000 < rate.per_second < 20_480
    expected = {part: ms / 1.024 for part, ms in zip(PARTS, (0.02, 0.03, 0.05), strict=True)}
    assert rate.milliseconds == pytest.approx(expected)


def test_who_can_not_be_measured_is_left_out(monkeypatch):
    monkeypatch.setattr(
        Contender, "command", lambda _, key, python, *__: [python, "-c", f"raise KeyError('{key}')"]
    )
    rows = list(gpu_speed.rows(ask()))
    assert {row.state for row in rows} == {LEFT_OUT}
    assert rows[0].told == "KeyError: 'ours' (exit code 1)"
    late = list(gpu_speed.rows(ask(0)))
    assert {row.told for row in late[:-1]} == {"no time; give more --minutes"}


@pytest.mark.slow
def test_a_killed_run_ends_as_one_left_alone(in_empty_folder):
    (row,) = gpu_resume.rows(ask())
    assert row.state == OK, row.told
    assert "tables, evaluation and checkpoint are equal" in row.told
    table = gpu_resume.folder_of(in_empty_folder, gpu_resume.CUT) / "metrics.csv"
    lines = table.read_text().split("\n")
    table.write_text("\n".join([*lines[:-2], lines[-2].replace(",", ",1", 1), ""]))
    changed = gpu_resume.verdict(in_empty_folder, 12)
    assert changed.state == FAILED
    assert "row 30 of metrics.csv" in changed.told


@pytest.mark.usefixtures("in_empty_folder")
def test_a_run_that_ends_before_it_can_be_killed_is_told(monkeypatch):
    command = [sys.executable, "-c", "print('no such game')"]
    monkeypatch.setattr(gpu_resume, "command", lambda *_: command)
    (row,) = gpu_resume.rows(ask())
    assert row.state == FAILED
    assert row.told == "cut ended with 0 after 0 updates: no such game"
    waiting = [sys.executable, "-c", "import time; time.sleep(600)"]
    monkeypatch.setattr(gpu_resume, "command", lambda *_: waiting)
    (row,) = gpu_resume.rows(ask(1))
    assert row.state == LEFT_OUT


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_from_the_command_line_on_the_cpu(tmp_path):
    options = ["--device", "cpu", "--cores", "1", "--minutes", "14", "--out", str(tmp_path)]
    command = [sys.executable, "-m", "bench.gpu_check", *options, "--only", "machine", "speed"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((tmp_path / "gpu_check.json").read_text())["rows"]
    expected = ["attn_ppo, one run", "Stable-Baselines3, one run", "attn_ppo, 2 at once"]
    assert [row["what"] for row in rows][:4] == ["machine", *expected], done.stdout
    assert {row["state"] for row in rows} == {MEASURED}, done.stdout


def test_the_minutes_begin_with_the_command_not_with_its_import(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(gpu_check, "rows_of", lambda *_: [Row("a", OK, "told", part="machine")])
    monkeypatch.setattr(gpu_check.time, "monotonic", lambda: 10_000.0)  # imported long ago
    arguments = ["--device", "cpu", "--only", "machine", "--out", str(tmp_path)]
    assert gpu_check.main(arguments) == 0
    assert "left out" not in capsys.readouterr().out
    assert json.loads((tmp_path / "gpu_check.json").read_text())["seconds"] == 0
