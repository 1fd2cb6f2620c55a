"""Rewards where a game's score display has run over: it begins at zero again, the score goes on.

ALE's reward is by how much the display has risen. Asterix at 999,990 that scores 50 shows 40, a
reward of -999,950. For a few games, Space Invaders and Asteroids among them, ALE mends this itself.
"""

import numpy as np

USUAL = 1_000_000  # six digits
# What the score that ALE reads of these games is counted modulo, measured on ale-py 0.12 by setting
# the emulator's memory close to it. In Tetris and Darkchambers, where random play then scores
# nothing, it is ten times the weight of the first digit.
MODULUS = {
    "Atlantis": 100_000_000,
    "Breakout": 1_000,
    "Carnival": 100_000,
    "Darkchambers": 100_000,
    "FlagCapture": 100,
    "Frogger": 10_000,
    "KeystoneKapers": 10_000,
    "KingKong": 10_000,
    "MrDo": 100_000,
    "Solaris": 10_000_000,
    "SpaceWar": 100,
    "Tetris": 10_000,
    "Turmoil": 100_000,
    "Tutankham": 10_000,
    "WizardOfWor": 200_000,
}


def mended(rewards: np.ndarray, game: str) -> np.ndarray:
    """ALE's rewards (N,) of a game, integers, without the fall of a display that ran over.

    No game takes half of what its display holds at once: a fall by more was the display's. The
    scores of both sides of a match are too small to reach that, so their defeats stay.
    """
    modulus = MODULUS.get(game, USUAL)
    return np.where(rewards < -modulus // 2, rewards + modulus, rewards)
