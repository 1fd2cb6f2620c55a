"""How to find each game's objects: TABLES, by game a function from screens and memory to masks."""

from attn_ppo.interpret.believe.object_tables import (
    beamrider,
    breakout,
    enduro,
    frostbite,
    mspacman,
    seaquest,
)
from attn_ppo.interpret.believe.object_tables.pixels import Find

TABLES: dict[str, Find] = {
    "BeamRider": beamrider.find,
    "Breakout": breakout.find,
    "Enduro": enduro.find,
    "Frostbite": frostbite.find,
    "MsPacman": mspacman.find,
    "Seaquest": seaquest.find,
}
