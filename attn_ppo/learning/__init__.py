"""Is a run learning? What others scored at as many steps, and flags of what looks wrong."""
