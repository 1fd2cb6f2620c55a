"""PPO agents for Atari that show what they look at: training, sweeps and what to make of them.

`load` opens a trained agent, `export` writes its weights alone: docs/agents.md.
"""

import importlib
from typing import TYPE_CHECKING

from attn_ppo.version import __version__

if TYPE_CHECKING:
    from attn_ppo.exported import export
    from attn_ppo.trained import TrainedAgent, load

__all__ = ["TrainedAgent", "__version__", "export", "load"]

_HOMES = {"TrainedAgent": "trained", "export": "exported", "load": "trained"}


def __getattr__(name: str) -> object:
    """What needs torch, which takes seconds, is imported when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
