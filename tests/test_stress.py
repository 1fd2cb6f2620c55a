"""Each changed game, seen in its emulator: what is changed, and that nothing else is."""

import numpy as np
import pytest
from atari_player import BASELINES, MACHADO

from attn_ppo.interpret.believe.games import UNCHANGED, Change, PlainGames
from attn_ppo.interpret.believe.stress import (
    CHANGES,
    DIMMER,
    STICKY,
    changes_of,
    shifted_start,
)

STEPS = {"MsPacman": 110, "BeamRider": 110, "Seaquest": 130}
SEED = 1
# What is another colour: the bytes of memory in which its game differs, none for the picture alone.
RECOLOURED = {
    "yellow bricks": range(64, 70),
    "yellow ball": [62],
    "white ghosts": [],
    "grey floes": [],
    "yellow enemies": range(44, 48),
    "olive grass": [2],
    "blue sky": [108],
    "dimmer picture": [],
}
OTHERS = {"slower ball", "missing ghost", "endless oxygen", "shifted start", "sticky actions"}
EACH = [(game, change) for game, changes in CHANGES.items() for change in changes]
EACH += [("Pong", DIMMER)]


def games_of(game: str, change: Change = UNCHANGED, protocol=BASELINES) -> PlainGames:
    return PlainGames(game, num_envs=1, seed=SEED, protocol=protocol, change=change)


def played(game: str, change: Change = UNCHANGED, steps: int = 60):
    """(T, 84, 84) newest frames, (T, 128) memory, (T,) rewards and (T,) lives of seeded presses."""
    games, rng = games_of(game, change), np.random.default_rng(2)
    games.reset()
    rows = []
    for _ in range(STEPS.get(game, steps)):
        step = games.step(rng.integers(3, size=1))
        screens = games._screens[0]
        rows.append((step.obs[0, -1], screens.ram.astype(int), step.rewards[0], screens.lives))
    return [np.stack(column) for column in zip(*rows, strict=True)]


def test_every_change_is_seen_below():
    others = {STICKY.name, shifted_start("Pong").name}
    assert {change.name for _, change in EACH} | others == {*RECOLOURED} | OTHERS


@pytest.mark.parametrize(
    ("game", "change"),
    [pair for pair in EACH if pair[1].name in RECOLOURED],
    ids=lambda value: getattr(value, "name", value),
)
def test_another_colour_is_seen_and_the_game_is_the_same(game, change):
    """Memory but for the colours, rewards and lives are those of the unchanged game."""
    before, ram, *rest = played(game)
    after, changed_ram, *changed_rest = played(game, change)
    assert (before != after).any((1, 2))[10:].mean() > 0.5
    differs = np.flatnonzero((ram != changed_ram).any(0))
    assert set(differs) <= set(RECOLOURED[change.name])
    for one, other in zip(rest, changed_rest, strict=True):
        assert (one == other).all()


def named(game: str, name: str) -> Change:
    (found,) = [change for change in CHANGES[game] if change.name == name]
    return found


@pytest.mark.parametrize(("name", "row"), [("yellow bricks", 30), ("yellow ball", 76)])
def test_in_breakout_they_are_brighter(name, row):
    """The bricks are in rows 23 to 36 of the input, the paddle in 76: yellow is grey 212 of 255."""
    before, *_ = played("Breakout", steps=1)
    after, *_ = played("Breakout", named("Breakout", name), steps=1)
    assert before[0, row, 5:79].max() < 150
    assert after[0, row, 5:79].max() > 200


def test_the_slower_ball_is_slower():
    """Presses that follow the ball: by and by it flies by 8 rows a step and more, in the changed
    game by 4, as in the beginning, but for steps in which it is hit, of up to 6."""
    fast, slow = (speeds(change) for change in (UNCHANGED, named("Breakout", "slower ball")))
    assert max(slow) <= 6 < 8 <= max(fast)
    assert np.median(slow) == 4
    assert np.mean(slow) < 0.8 * np.mean(fast)


def speeds(change: Change) -> np.ndarray:
    """By how many rows the ball moves in each step in which it flies."""
    games = games_of("Breakout", change)
    games.reset()
    (screens,), (poke,), rows = games._screens, games._pokes, []
    while len(rows) < 450 and not screens.over:
        ram = screens.ram.astype(int)
        aside = ram[99] - ram[72] - 8  # of the paddle's middle
        served = ram[101] > 0
        screens.step(1 if not served else 2 if aside > 3 else 3 if aside < -3 else 0, poke)
        rows.append(int(screens.ram[101]))
    flying = np.array(rows)
    return np.abs(np.diff(flying))[(flying[1:] > 0) & (flying[:-1] > 0)]


def test_the_missing_ghost_is_seen_nowhere_and_the_others_are():
    """Blinky is number 70 of the palette, Sue 38, the player 42."""
    seen = {}
    for change in (UNCHANGED, named("MsPacman", "missing ghost")):
        games, numbers = games_of("MsPacman", change), set()
        games.reset()
        for action in [3] * 90:
            games.step(np.array([action]))
            numbers |= set(np.unique(games._screens[0].screen).tolist())
        seen[change.name] = numbers & {70, 38, 42}
    assert seen == {"unchanged": {70, 38, 42}, "missing ghost": {38, 42}}


def test_the_oxygen_is_endless():
    """Under water from the start, it would be used up by and by; the bar has 64 columns."""
    left = {}
    for change in (UNCHANGED, named("Seaquest", "endless oxygen")):
        games = games_of("Seaquest", change)
        games.reset()
        for _ in range(60):
            games.step(np.array([5]))  # down
        left[change.name] = int(games._screens[0].ram[102])
    assert left["unchanged"] < 63
    assert left["endless oxygen"] >= 63


def test_the_start_is_shifted_by_moves_before_all_else():
    """Breakout's paddle has gone elsewhere when FIRE serves the ball, which falls as always."""
    plain, later = games_of("Breakout"), games_of("Breakout", shifted_start("Breakout"))
    assert plain.seeds == later.seeds
    for games in (plain, later):
        games.reset()
    ball, paddle = [
        [games._screens[0].ram[addresses].astype(int).tolist() for games in (plain, later)]
        for addresses in ([99, 101], [72])
    ]
    assert ball[0] == ball[1]
    assert paddle[0] != paddle[1]


@pytest.mark.parametrize("game", [*CHANGES, "Pong"])
def test_a_shifted_start_costs_no_life(game):
    plain, later = games_of(game), games_of(game, shifted_start(game))
    first, other = plain.reset(), later.reset()
    assert plain._screens[0].lives == later._screens[0].lives
    assert (first != other).any()


def test_sticky_actions_stick():
    """A quarter of the presses of RIGHT and LEFT in turn come later."""
    moves = []
    for change in (UNCHANGED, STICKY):
        games = games_of("Breakout", change)
        games.reset()
        places = []
        for turn in range(20):
            games.step(np.array([2 + turn % 2]))
            places.append(int(games._screens[0].ram[72]))
        moves.append(places)
    assert moves[0] != moves[1]


def test_what_is_no_change_is_left_out():
    assert [change.name for change in changes_of("Pong", BASELINES)] == [
        "shifted start",
        "sticky actions",
        "dimmer picture",
    ]
    assert [change.name for change in changes_of("Breakout", MACHADO)] == [
        "shifted start",
        "yellow bricks",
        "yellow ball",
        "slower ball",
    ]
