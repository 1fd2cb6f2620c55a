"""How to find each game's objects: TABLES, by game a function from screens and memory to masks."""

from attn_ppo.interpret.believe.object_tables import breakout, mspacman
from attn_ppo.interpret.believe.object_tables.pixels import Find

TABLES: dict[str, Find] = {
    "Breakout": breakout.find,
    "MsPacman": mspacman.find,
}
