"""What keeps a run alive: its folder, checkpoints, resumes, rows, W&B, signals and the watchdog."""
