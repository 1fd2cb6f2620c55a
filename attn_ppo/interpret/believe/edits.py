"""Edits of games by writing their memory: EDITS and PLACEBOS by game, edits_of."""

from attn_ppo.errors import ConfigError
from attn_ppo.interpret.believe.edit_kinds import Box, Edit, following
from attn_ppo.interpret.believe.edit_tables import (
    beamrider,
    breakout,
    enduro,
    frostbite,
    mspacman,
    seaquest,
)
from attn_ppo.schema import nearest

__all__ = ["EDITS", "PLACEBOS", "Box", "Edit", "edits_of", "following"]

EDITS: dict[str, tuple[Edit, ...]] = {
    "Breakout": breakout.EDITS,
    "MsPacman": mspacman.EDITS,
    "Frostbite": frostbite.EDITS,
    "Seaquest": seaquest.EDITS,
    "Enduro": enduro.EDITS,
    "BeamRider": beamrider.EDITS,
}
PLACEBOS: dict[str, tuple[Edit, ...]] = {
    game: tuple(edit for edit in edits if edit.kind == "placebo") for game, edits in EDITS.items()
}


def edits_of(game: str) -> tuple[Edit, ...]:
    """All edits of a game, placebos included. Raises ConfigError for a game without."""
    if game not in EDITS:
        games = f"a game with edits: {', '.join(EDITS)}"
        raise ConfigError("env", game, games, nearest(game, EDITS))
    return EDITS[game]
