"""Hurts runs in every way we know, and counts what is lost: `make torture`, minutes long.

Kills at random moments and at named places, damaged checkpoints, full and read-only disks, two
processes on a folder, NaN, signals, a sweep with bad runs, an unreachable W&B. Every run that was
hurt is compared bit by bit with one that was left alone. Exit code 1 unless nothing was lost and
nothing differs.
"""

import argparse
import os
import sys
import tempfile
import time

import torture_faults as faults
from tally import Tally
from torture_kills import CAMPAIGNS, Victim, kill_many


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="a little of it, for CI")
    parser.add_argument("--kills", type=int, default=17, help="a campaign, of which there are six")
    asked = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="attn_ppo_torture_") as folder:
        os.chdir(folder)
        tally = torture(short=asked.short, kills=asked.kills)
        os.chdir("/")
    print(tally.table())
    minutes = (time.monotonic() - began) / 60
    print(f"{tally.kills} kills, {len(tally.problems)} problems, {minutes:.1f} minutes")
    print("\n".join(tally.problems))
    return 1 if tally.problems else 0


def torture(*, short: bool, kills: int) -> Tally:
    """All of it, in the working directory; of the short one, what the tests don't do."""
    campaigns = [each._replace(updates=36) for each in CAMPAIGNS[2:4]] if short else CAMPAIGNS
    kills = 3 if short else kills
    cuts, flips = (5, 60) if short else (50, 600)
    tally = Tally(len(campaigns) * (kills + 1) + cuts + flips + (4 if short else 28))
    whole = Victim(faults.QUIET._replace(updates=24) if short else faults.QUIET, "alone")
    whole.start().wait()
    kill_many(tally, campaigns, kills, at_random_moments=not short)
    faults.damage(tally, whole.folder, cuts=cuts, flips=flips)
    faults.full_disk(tally, whole)
    if not short:
        faults.two_at_once(tally)
        faults.nan(tally)
        faults.signals(tally, whole.folder)
        faults.bad_sweep(tally)
        faults.unreachable_wandb(tally, whole.folder)
        faults.signal_at_real_size(tally)
    return tally


if __name__ == "__main__":
    sys.exit(main())
