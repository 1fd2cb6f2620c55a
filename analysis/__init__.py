"""Figures and tables of runs, finished or not: run folders are read, never written to."""
