"""A sweep that adds seeds to what is undecided, look after look, until it is over.

Below it is the same machinery as below a grid: a run a process, on the engine asked for. What was
looked at is in decision.json beside the runs, so the same command goes on, with the same decisions.
"""

import dataclasses
from collections.abc import Sequence

from attn_ppo.config import RunConfig
from attn_ppo.errors import ConfigError, ExitCode, RunError, report
from attn_ppo.launch.command_line import CommandLine
from attn_ppo.launch.decided import design as designs
from attn_ppo.launch.decided.design import Design
from attn_ppo.launch.decided.judge import Look, judge, spent
from attn_ppo.launch.decided.rounds import Launch, Round, runs_of
from attn_ppo.lifecycle import decision, process, wandb_session
from attn_ppo.lifecycle.lock import RunLock


def first_runs(configs: Sequence[RunConfig]) -> list[RunConfig]:
    """Those before the first look. On every start their number says how runs share this machine,
    so that later ones have the same threads whenever they are begun."""
    return [
        dataclasses.replace(settings, seed=settings.seed + number)
        for settings in configs
        for number in range(settings.decided.seeds)
    ]


def run(asked: CommandLine, launch: Launch) -> int:
    """Adds looks until it is over; returns the exit code."""
    design = designs.of(asked)
    folder = design.first.sweep_folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = RunLock(folder)
        try:
            return _run(asked, design, launch)
        finally:
            lock.close()
    except (ConfigError, RunError, OSError) as error:
        return report(error)


def _run(asked: CommandLine, design: Design, launch: Launch) -> int:
    folder = design.first.sweep_folder
    looks: list[Look] = (decision.read(folder) or {"looks": []})["looks"]
    given_up: set[str] = set()
    _say_first(design, looks)
    while True:
        judged = judge(design, looks, given_up)
        decision.write(folder, judged.said)
        if looks:
            print(decision.table(judged.said), flush=True)
        if not judged.cells:
            return _end(design, looks, judged.said["state"])
        found = Round(asked, design, looks, judged.cells).complete(launch)
        if isinstance(found, ExitCode):
            print(f"{spent(looks)} of {design.budget} runs were looked at", flush=True)
            return process.tell_how_to_go_on(found)
        given_up |= found.given_up
        looks += [found.look] * bool(found.look["scores"])


def _say_first(design: Design, looks: Sequence[Look]) -> None:
    """What the sweep is about to do, and from which look on it could decide."""
    count, seeds, budget = len(design.against), design.seeds, design.budget
    begun = f"; {len(looks)} looks already" if looks else ""
    print(
        f"{count} lambda{'s' * (count != 1)} against 0 in {design.first.sweep_folder}: "
        f"{seeds} seeds a look, at most {budget} runs{begun}"
    )
    look = designs.can_decide(design, differs=True)
    if look is None:
        print("too few runs to decide that a lambda differs, however clear it is: a larger budget=")
    elif look > 1:
        print(f"nothing can be found to differ before look {look}: n = {look * seeds}")


def _end(design: Design, looks: Sequence[Look], state: str) -> ExitCode:
    """Says how it ended; the exit code for that."""
    first = design.first
    told = {
        decision.DECIDED: "decided",
        decision.BUDGET_SPENT: "the budget has no further look; a larger one goes on",
        decision.BUDGET_SMALL: "over: more runs within this budget would hardly decide the rest",
        decision.RUNS_FAILED: "over: runs failed; the same command tries them again",
    }[state]
    print(f"{told}: {first.sweep_folder / decision.NAME}", flush=True)
    folders = [c.folder for c in runs_of(design, looks)] if first.wandb.mode != "disabled" else []
    if upload := wandb_session.sync_command(folders):
        print(f"W&B: to upload what it lacks: {upload}")
    return ExitCode.RUN_FAILED if state == decision.RUNS_FAILED else ExitCode.DONE
