"""Figures and tables of runs, finished or not: run folders are read, never written to."""

import sys

from attn_ppo.lifecycle import process

if sys.argv[0] == "-m":  # `python -m analysis.figures` runs this before that file's first line
    process.begin()

from attn_ppo.interpret.show import agg as agg  # before anything here imports matplotlib
