"""Figures and tables of runs, finished or not: run folders are read, never written to."""

from attn_ppo.interpret.show import agg as agg  # before anything here imports matplotlib
