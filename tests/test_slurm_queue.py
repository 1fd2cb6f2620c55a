"""What the engine `slurm` makes of its queue, told by a stand-in; test_slurm.py has a real one."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from attn_ppo.launch import slurm

NAMES = {"demo"}
EMPTY, FAILS = "", "echo 'error: Unable to contact slurm controller' >&2; exit 1"
STAND_IN = """#!/bin/sh
echo "$@" >> {folder}/asked
number=$(wc -l < {folder}/asked)
[ $number -gt {last} ] && number={last}
. {folder}/answer.$(($number))
"""


@pytest.fixture(autouse=True)
def _without_waiting(in_empty_folder, monkeypatch):
    (in_empty_folder / "here").mkdir()
    monkeypatch.chdir("here")
    monkeypatch.setenv("PATH", f"{in_empty_folder}:/usr/bin:/bin")
    monkeypatch.setattr(slurm, "_sleep", lambda *_: None)


@pytest.fixture
def answer(in_empty_folder) -> Callable[..., Path]:
    """Puts a command in the PATH that answers as these lines of shell do, the last one for ever."""

    def of(command: str, *answers: str) -> Path:
        folder = in_empty_folder / f"of {command}".replace(" ", "_")
        folder.mkdir()
        for number, text in enumerate(answers, 1):
            (folder / f"answer.{number}").write_text(text + "\n")
        script = in_empty_folder / command
        script.write_text(STAND_IN.format(folder=folder, last=len(answers)))
        script.chmod(0o755)
        return folder / "asked"

    return of


def jobs(*states: str, number: int = 12, reason: str = "None", folder: Path | None = None) -> str:
    """A line of the queue for each job of an array."""
    lines = [f"echo '{number}|{state}|{reason}|{folder or Path.cwd()}'" for state in states]
    return "\n".join(lines)


def launch(submit: Callable[[], object] = lambda: None, interrupted: bool = False) -> None:
    slurm.launch(submit, NAMES, lambda: interrupted)


def test_only_jobs_of_this_folder_and_name_count(answer):
    elsewhere = jobs("PENDING", number=11, folder=Path("/elsewhere"))
    asked = answer("squeue", f"{elsewhere}\n{jobs('RUNNING', 'PENDING')}")
    found = [slurm.Job("12", state, "None") for state in ("RUNNING", "PENDING")]
    assert slurm.find_jobs(["demo"]) == found
    assert slurm.find_jobs(["a", "b"]) == found  # squeue takes them as one name
    first, second = asked.read_text().splitlines()
    assert first.endswith(" --name=demo")
    assert "--name" not in second


def test_nothing_is_submitted_while_jobs_are_in_the_queue(answer, capsys):
    answer("squeue", jobs("RUNNING", "PENDING", "PENDING"), jobs("RUNNING"), EMPTY)
    submitted = []
    launch(lambda: submitted.append(1))
    assert submitted == []
    out = capsys.readouterr().out
    assert out.startswith("Slurm job 12 has 2 pending, 1 running already: following. ")


def test_jobs_that_are_ending_are_waited_for_and_not_followed(answer, capsys):
    answer("squeue", jobs("COMPLETING"), EMPTY)
    submitted = []
    launch(lambda: submitted.append(1))
    assert submitted == [1]
    assert "following" not in capsys.readouterr().out


def test_a_queue_that_cant_be_asked_is_not_added_to(answer, capsys):
    answer("squeue", FAILS)
    submitted = []
    launch(lambda: submitted.append(1))
    assert submitted == []
    told = capsys.readouterr().err
    assert told == "error: engine=slurm: error: Unable to contact slurm controller\n"


def test_a_controller_that_fails_for_a_while_is_no_end_of_the_jobs(answer):
    asked = answer("squeue", EMPTY, FAILS, jobs("RUNNING"), FAILS, jobs("RUNNING"), EMPTY)
    launch()
    assert len(asked.read_text().splitlines()) == 6


def test_a_reason_that_no_waiting_helps_is_told_once(answer, capsys):
    held = jobs("PENDING", "PENDING", reason="JobHeldUser")
    answer("squeue", held, held, jobs("PENDING", reason="Priority"), EMPTY)
    launch()
    assert capsys.readouterr().err == "Slurm job 12 doesn't start: JobHeldUser\n"


def test_what_never_returns_once_no_job_is_left_is_given_up(answer, monkeypatch):
    monkeypatch.setattr(slurm, "LAST_RESULTS_SECONDS", 0.2)
    answer("squeue", EMPTY, jobs("RUNNING"), EMPTY)
    never = threading.Event()
    launch(never.wait)  # as submitit, for a killed job that sacct doesn't report
    never.set()


def test_an_interrupt_leaves_the_jobs_and_tells_how_to_end_them(answer, capsys):
    answer("squeue", f"{jobs('RUNNING', 'RUNNING')}\n{jobs('PENDING', number=14)}")
    launch(interrupted=True)
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("Slurm job 12, 14 has 2 running, 1 pending: these go on without us. ")
    assert "; scancel 12 14  lets them save and ends them." in last


@pytest.mark.parametrize(
    ("said", "requeues"),
    [
        ("echo 'JobId=7 JobState=RUNNING Reason=None'", True),  # near its limit, or preempted
        ("echo 'JobId=7 JobState=COMPLETING Reason=None'", False),  # cancelled
        (FAILS, False),
    ],
)
def test_which_job_that_was_asked_to_stop_requeues_itself(said, requeues, answer):
    asked = answer("scontrol", said)
    assert slurm.should_requeue({"SLURM_JOB_ID": "7"}) is requeues
    assert asked.read_text() == "show job 7\n"


def test_a_run_has_as_many_threads_as_its_job_has_cores():
    assert slurm.thread_environment({"SLURM_CPUS_PER_TASK": "4"}) == {"OMP_NUM_THREADS": "4"}
    assert slurm.thread_environment({"SLURM_CPUS_PER_TASK": "4", "OMP_NUM_THREADS": "2"}) == {}
    assert slurm.thread_environment({}) == {}
