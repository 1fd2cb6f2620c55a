"""The emulator: games, the vector environment, and what it takes to make its state again."""
