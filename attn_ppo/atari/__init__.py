"""The emulator: games, the vector environment, and how its state is replayed."""
