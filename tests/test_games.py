"""Whole games in plain emulators are those of the vector environment, until they are changed."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from atari_player import BASELINES, MACHADO

from attn_ppo.atari.envs import AtariEnvs
from attn_ppo.atari.step import Episode
from attn_ppo.interpret.believe.games import STREAM, Change, PlainGames, play

GAMES, SEED = 2, 5


def both(game: str, protocol, **options):
    """The vector environment and the plain games, with the same games to play."""
    settings = {"num_envs": GAMES, "seed": SEED, "protocol": protocol} | options
    return AtariEnvs(game, stream=STREAM, num_threads=1, **settings), PlainGames(game, **settings)


@pytest.mark.parametrize(
    ("game", "protocol", "steps"),
    [
        ("Breakout", BASELINES, 999),
        ("Breakout", MACHADO, 120),
        ("MsPacman", BASELINES, 120),
        pytest.param("MsPacman", MACHADO, 9_999, marks=pytest.mark.slow),
        pytest.param("Seaquest", MACHADO, 9_999, marks=pytest.mark.slow),
    ],
)
def test_unchanged_they_are_the_vector_environment_s_games(game, protocol, steps):
    """Step by step what is pressed, every reward, every picture up to rounding, and the score."""
    vector, plain = both(game, protocol)
    rng = np.random.default_rng(0)
    assert apart(vector.reset(), plain.reset()) <= 1
    playing, fired = np.ones(GAMES, bool), 0
    while playing.any() and steps:
        steps -= 1
        actions = rng.integers(vector.num_actions, size=GAMES)
        theirs, ours = vector.step(actions), plain.step(actions)
        assert (theirs.executed == ours.executed)[playing].all()
        assert (theirs.rewards == ours.rewards)[playing].all()
        fired += int((ours.executed != actions)[playing].sum())
        first = [episode for episode in theirs.episodes if playing[episode.env_index]]
        assert ours.episodes == first
        playing[[episode.env_index for episode in first]] = False
        assert apart(theirs.obs[playing], ours.obs[playing]) <= 1
        assert (ours.terminated == ~playing)[[e.env_index for e in first]].all()
    # of five lives each the last is the game's; by chance FIRE may have been chosen anyway
    assert fired > 3 if (game, protocol) == ("Breakout", BASELINES) else fired == 0
    assert playing.any() == (steps == 0)
    vector.close()


def apart(one: np.ndarray, other: np.ndarray) -> int:
    return int(np.abs(one.astype(int) - other).max(initial=0))


def test_the_time_limit_is_the_vector_environment_s():
    vector, plain = both("Breakout", BASELINES, max_frames=397)  # 100 steps, rounded up
    vector.reset()
    plain.reset()
    for _ in range(100):
        theirs, ours = vector.step(np.zeros(GAMES, int)), plain.step(np.zeros(GAMES, int))
    assert theirs.truncated.tolist() == ours.truncated.tolist() == [True, True]
    assert theirs.episodes == ours.episodes
    assert not ours.terminated.any()
    vector.close()


def test_a_score_that_runs_over_its_display_goes_on():
    """999 points put on the display are a reward of 999; the first brick then shows 000."""
    nearly = Change("nearly", "", poke=lambda: once({76: 0x09, 77: 0x99}))
    plain = PlainGames("Breakout", num_envs=1, seed=SEED, protocol=BASELINES, change=nearly)
    plain.reset()
    rng, rewards = np.random.default_rng(0), []
    for _ in range(150):
        rewards.append(plain.step(rng.integers(4, size=1)).rewards[0])
    assert rewards[0] == 999
    assert [reward for reward in rewards[1:] if reward][:1] == [1]


def once(values: dict[int, int]):
    """Pokes these at the first frame only."""
    left = [values]
    return lambda _: left.pop() if left else {}


def test_a_picture_can_be_painted():
    black = Change("black", "", paint=lambda _, grey: 0 * grey)
    plain = PlainGames("Breakout", num_envs=1, seed=SEED, protocol=BASELINES, change=black)
    assert not plain.reset().any()
    assert not plain.step(np.array([0])).obs.any()


def test_moves_come_first_and_have_the_games_seed(monkeypatch):
    """Six frames: a move is held for four, the last for two; no two games have the same ones."""
    change = Change("later", "", moves=6)
    plain = PlainGames("Breakout", num_envs=3, seed=SEED, protocol=BASELINES, change=change)
    begun = []
    for screens in plain._screens:
        monkeypatch.setattr(screens, "begin", lambda *given: begun.append(given))
        screens._grey = np.zeros((210, 160))
    plain.reset()
    plain.reset()
    for seed, frames, moves in begun:
        assert (seed, frames) in plain.seeds
        assert [len(set(part)) for part in (moves[:4], moves[4:])] == [1, 1]
        assert set(moves) <= {0, 2, 3}  # NOOP, RIGHT, LEFT; never FIRE
        assert len(moves) == 6
    assert begun[:3] == begun[3:]
    assert len({tuple(moves) for *_, moves in begun}) > 1


class Scripted:
    """Games that end as told: step by step the episodes; remembers the actions."""

    def __init__(self, *endings):
        self.num_envs, self.endings, self.played = 2, iter(endings), []

    def reset(self):
        return np.zeros((2, 4, 84, 84), np.uint8)

    def step(self, actions) -> Any:
        self.played.append(actions.tolist())
        return SimpleNamespace(obs=self.reset(), episodes=next(self.endings))


def test_each_environment_s_first_game_counts():
    ended = []
    games = Scripted([], [Episode(0, 5, 2)], [Episode(0, 100, 1)], [Episode(1, 7, 4)])
    scores = play(games, even, seed=0, on_game=lambda: ended.append(len(games.played)))
    assert scores.tolist() == [5, 7]
    assert ended == [2, 4]


def test_only_games_in_play_are_asked_for():
    asked = []

    def noted(obs, rows):
        asked.append(rows.tolist())
        return even(obs, rows)

    games = Scripted([], [Episode(0, 5, 2)], [], [Episode(1, 7, 4)])
    play(games, noted, seed=0)
    assert asked == [[0, 1], [0, 1], [1], [1]]
    assert [actions[0] for actions in games.played[2:]] == [0, 0]


def test_what_a_game_draws_does_not_depend_on_when_another_ends():
    drawn = []
    for ended in (10, 40):
        endings = [[Episode(0, 1, 1)] if step == ended else [] for step in range(50)]
        games = Scripted(*endings, [Episode(1, 1, 1)])
        play(games, even, seed=0)
        drawn.append([actions[1] for actions in games.played])
    assert drawn[0] == drawn[1]


def test_equal_seeds_draw_equal_actions():
    played = []
    for seed in (0, 0, 1):
        games = Scripted(*[[]] * 50, [Episode(0, 1, 1), Episode(1, 1, 1)])
        play(games, even, seed=seed)
        played.append(games.played)
    assert played[0] == played[1] != played[2]


def even(obs: torch.Tensor, _: np.ndarray) -> torch.Tensor:
    return torch.full((len(obs), 4), -1.38629)  # ln 1/4
