"""PPO agents for Atari that show what they look at: training, sweeps and what to make of them."""

__version__ = "0.1.0"
