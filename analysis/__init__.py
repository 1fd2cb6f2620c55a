"""Figures and tables of runs, finished or not: run folders are read, never written to."""

import os
import sys

from attn_ppo.lifecycle import process

if sys.argv[0] == "-m":  # `python -m analysis.figures` runs this before that file's first line
    process.begin()

if os.environ.get("MPLBACKEND"):  # before anything here imports matplotlib, which not all do
    from attn_ppo.interpret.show import agg as agg
