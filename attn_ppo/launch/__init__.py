"""Where runs are started: the command line, sweeps and engines. The only home of hydra."""
