"""The moments of a run's training that can be measured, or were: milestones_of, end_of -> Wanted.

Of a milestone whose weights were deleted, what was measured is kept in a folder of its name.
"""

from analysis.believe_agents import FILE, LOOKING_FILE, Wanted, as_last_saved
from analysis.runs import Run
from attn_ppo.lifecycle import milestones


def milestones_of(run: Run, looking: bool = False) -> list[Wanted]:
    """In the order of training; `looking`: to measure where attention lies, and nothing else."""
    there = milestones.found(run.folder)
    numbers = {kept.path.with_suffix(""): number for number, kept in enumerate(there, 1)}
    measured = (run.folder / milestones.FOLDER).glob("env_steps=*/believe*.json")
    folders = {*numbers, *(path.parent for path in measured if path.name in (FILE, LOOKING_FILE))}
    return [
        Wanted(run, folder, numbers.get(folder), looking, lost=folder not in numbers)
        for folder in sorted(folders)
    ]


def end_of(run: Run, looking: bool = False) -> list[Wanted]:
    """The finished agent; none of a run that isn't."""
    return [] if run.unfinished else [as_last_saved(run, looking)]


def env_steps_of(wanted: Wanted) -> int:
    """Agent steps after which it is as it is wanted."""
    if wanted.folder == wanted.run.folder:
        return wanted.run.env_steps
    return int(wanted.folder.name.partition("=")[2])
