"""Runs killed over and over, each compared with the same run left alone."""

import os
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from identical import difference, rows_differ
from tally import Tally
from victim import PLACES

from attn_ppo.lifecycle.run_dir import read_status

HERE = Path(__file__).parent
UPDATES = 72
SMALL = [
    "ppo.num_envs=4",
    "ppo.num_steps=16",
    "ppo.num_epochs=2",
    "checkpoint.every_updates=4",
    "checkpoint.anchor_steps=100",
    "evaluation.episodes=2",
    "wandb.mode=disabled",
    "lambda=0.005",
]
# Highest count at which a place is still met soon after a start.
COUNTS = {
    "mid-metrics": 6,
    "mid-update": 30,
    "during replay": 20,
    "mid-status": 3,
    "before evaluation": 1,
}


class Campaign(NamedTuple):
    """A game and a protocol."""

    game: str
    protocol: str
    updates: int = UPDATES

    @property
    def overrides(self) -> list[str]:
        return [
            *SMALL,
            f"total_steps={64 * self.updates}",
            f"env={self.game}",
            f"protocol={self.protocol}",
        ]


CAMPAIGNS = [
    Campaign("Breakout", "baselines"),
    Campaign("Enduro", "machado"),  # games of thousands of steps
    Campaign("MsPacman", "baselines"),
    Campaign("Breakout", "machado"),
    Campaign("Enduro", "baselines"),
    Campaign("MsPacman", "machado"),
]


@dataclass
class Victim:
    """A run in the working directory that is killed now and then."""

    campaign: Campaign
    name: str

    @property
    def folder(self) -> Path:
        return Path(f"runs/{self.name}/{self.campaign.game}/lambda=0.005/seed=0")

    def start(self, *fault: str) -> subprocess.Popen:
        """Goes on with the run, in a process of its own."""
        program = [str(HERE / "victim.py"), *fault] if fault else ["-m", "attn_ppo.train"]
        command = [sys.executable, *program, *self.campaign.overrides, f"name={self.name}"]
        threads = {"OMP_NUM_THREADS": "1"}  # several runs at once
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / "output.log", "ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | threads)

    def updates(self) -> int:
        """Rows of metrics.csv so far."""
        try:
            return (self.folder / "metrics.csv").read_bytes().count(b"\n") - 1
        except OSError:
            return 0


def kill_many(
    tally: Tally, campaigns: list[Campaign], kills: int, *, at_random_moments: bool = True
) -> None:
    """`kills` SIGKILLs in each campaign, half of them timed by progress, half at the places.

    Without random moments, which are the tests' as well, all are at the places.
    """
    at_places = kills // 2 if at_random_moments else kills - 1

    def kill(campaign: Campaign) -> None:
        _one_campaign(tally, campaign, kills, at_places)

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        list(pool.map(kill, campaigns))


def _one_campaign(tally: Tally, campaign: Campaign, kills: int, at_places: int) -> None:
    label = f"{campaign.game}-{campaign.protocol}"
    whole, cut = Victim(campaign, f"{label}-whole"), Victim(campaign, f"{label}-cut")
    if whole.start().wait() != 0:
        tally.add("a run left alone", f"{label} failed, see {whole.folder}/output.log", lost=True)
        return
    rng = random.Random(label)
    places = [place for place in PLACES if place != "before evaluation"]
    campaigns = [each[:2] for each in CAMPAIGNS]
    offset = campaigns.index(campaign[:2]) * at_places  # few kills come to all places, too
    faults = [places[(offset + i) % len(places)] for i in range(at_places)]
    faults += ["at a random moment"] * (kills - 1 - len(faults))
    rng.shuffle(faults)
    for fault in [*faults, "before evaluation"]:
        code, met = _kill(cut, fault, rng)
        if code == 0:
            tally.note(f"{label}: done before it was killed {fault}")
            break
        problem = rows_differ(cut.folder, whole.folder, so_far=True) if cut.updates() > 0 else None
        problem = f"ended with {code}" if code != -9 else problem
        tally.add(f"kill {met}", problem and f"{label}: {problem}", lost=code != -9)
    code = cut.start().wait()
    problem = difference(cut.folder, whole.folder) if code == 0 else f"ended with {code}"
    tally.add("run resumed to its end", problem and f"{label}: {problem}", lost=code != 0)


def _kill(victim: Victim, fault: str, rng: random.Random) -> tuple[int, str]:
    """Starts the run and kills it, by progress or, where it comes to it soon, at a place.

    Returns its exit code, which should be -9, and the kind of kill that it came to.
    """
    place = (fault, str(rng.randint(1, COUNTS.get(fault, 2)))) if fault in PLACES else ()
    further = rng.randint(1, 7)
    if place:
        further = victim.campaign.updates if fault == "before evaluation" else 9
    process, target = victim.start(*place), None
    while process.poll() is None:
        if target is None and _is_running(victim, process):
            target = victim.updates() + further
        if target is not None and victim.updates() >= target:
            time.sleep(rng.random() / 2)
            process.kill()
            fault = "at a random moment"
            break
        time.sleep(0.02)
    return process.wait(), fault


def _is_running(victim: Victim, process: subprocess.Popen) -> bool:
    """Whether this process has come as far as cutting metrics.csv back."""
    status = read_status(victim.folder)
    return status.get("pid") == process.pid and status.get("state") == "running"
