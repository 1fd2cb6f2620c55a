"""Atari games, many at a time: ale-py's C++ vector environment with checked arguments.

AtariEnvs: reset, step, state, restore · two_groups.
"""

import hashlib
from typing import Any

import numpy as np
from ale_py.vector_env import AtariVectorEnv
from gymnasium.vector import AutoresetMode

from attn_ppo.atari.action_log import ActionLog
from attn_ppo.atari.env_checks import check_arguments, checked_actions
from attn_ppo.atari.games import action_names, rom_path
from attn_ppo.atari.score_wrap import mended
from attn_ppo.atari.step import Episode, Step
from attn_ppo.config import FRAMES_PER_STEP, ProtocolSettings

FIRE = 1
ANCHOR_STEPS = 10_000


class NotRestored(Exception):
    """Replayed games differ from those that were saved."""


class AtariEnvs:
    """N independent copies of one game, stepped together by C++ threads.

    Per step 4 frames, the last two max-pooled, 84x84 grey, 4 stacked, minimal action set.

    Two things differ on purpose from the single-environment wrappers of the field. A reset presses
    FIRE for one frame first and waits out the no-ops after it (0 to `noop_max` - 1 frames, FIRE
    counted among them), where the wrappers wait first. And the first stack of a game is padded
    with zeros, as Stable-Baselines does it too, where gymnasium's wrapper repeats the first frame.

    FIRE is pressed only in games whose action 1 it is (it is action 0 of Backgammon and
    VideoCheckers): at a reset and, if the game goes on, at the first step after a lost life, there
    in place of the chosen action: see `Step.executed`. Stable-Baselines presses NOOP, FIRE and
    action 2 there, three steps that the learner never sees, and starts a new stack; here it is
    one visible step and the stack goes on.
    The learner keeps that step like any other, under the action that it sampled and that action's
    log-probability. The game ignores the choice, as a sticky action ignores one: neither reward
    nor next state depend on it, so it is a legal MDP and the expected policy gradient at that
    state is zero, without bias. Storing FIRE instead would be off-policy data, leaving the step
    out would break the (T, N) layout.

    The time limit does not count the frames of the reset and is rounded up to a whole step. It is
    kept here: the C++ one stops before it has drawn the last frame, so `final_obs` would be stale,
    and it says nothing where a life is lost on that very step.

    The emulator's state can't be saved, but it can be replayed (`state`, `restore`): an
    environment's first game after `anchor_steps` steps begins from a seed of its own, and the
    actions since are kept.
    """

    def __init__(
        self,
        game: str,
        *,
        num_envs: int,
        seed: int,
        protocol: ProtocolSettings,
        max_frames: int = 108_000,
        num_threads: int = 0,
        stream: int = 0,
        first_index: int = 0,
        anchor_steps: int = ANCHOR_STEPS,
    ):
        """`stream` keeps the seeds of training and evaluation apart; 0 threads: one a core.

        Environments are numbered from `first_index` on, which decides their seeds.

        Raises ConfigError, a ValueError, before anything is constructed.
        """
        rom = rom_path(game).stem
        check_arguments(
            protocol,
            num_envs=num_envs,
            seed=seed,
            stream=stream,
            max_frames=max_frames,
            num_threads=num_threads,
            anchor_steps=anchor_steps,
        )

        self._game, self.num_envs = game, int(num_envs)
        self.action_names = action_names(game)
        self.num_actions = len(self.action_names)
        # (N,) emulator frames since each game began, the presses at its reset included
        self.game_frames = np.zeros(self.num_envs, np.int64)
        self._first_index, self._anchor_steps = first_index, anchor_steps
        self._seed, self._stream = int(seed), int(stream)
        self._max_steps = -(-int(max_frames) // FRAMES_PER_STEP)
        self._life_loss_ends_episode = protocol.life_loss_ends_episode
        # C++ would press it wherever it occurs; Backgammon and VideoCheckers have it as action 0.
        self._press_fire = protocol.press_fire and self.action_names[1:2] == ("FIRE",)
        self._env: AtariVectorEnv | None = AtariVectorEnv(
            rom,
            self.num_envs,
            num_threads=int(num_threads),
            # Never reached, see _max_steps.
            max_num_frames_per_episode=(self._max_steps + 1) * FRAMES_PER_STEP,
            repeat_action_probability=float(protocol.sticky_actions),
            noop_max=int(protocol.noop_max),
            use_fire_reset=self._press_fire,
            life_loss_info=True,
            reward_clipping=False,
            autoreset_mode=AutoresetMode.SAME_STEP,
        )
        self._begun = np.zeros(0)
        self._moving = False  # between `send` and `receive`
        self._log = ActionLog(self.num_envs, self._anchor_steps)

    @property
    def seeds(self) -> list[int]:
        """The emulator seed of each environment's first game."""
        return self._anchor_seeds(np.ones(self.num_envs, np.bool_), np.zeros(self.num_envs))

    @property
    def latest_seeds(self) -> list[int]:
        """The emulator seed of each environment's latest anchor; with `anchor_steps=1`, game."""
        return self._anchor_seeds(np.ones(self.num_envs, np.bool_), self._log.anchors)

    def reset(self) -> np.ndarray:
        """The first observations, (N, 4, 84, 84) uint8, of new games from the very same seeds."""
        if self._moving:
            raise RuntimeError("reset while a step is in progress")
        obs, info = self._backend().reset(seed=np.array(self.seeds, np.int64))
        self._log = ActionLog(self.num_envs, self._anchor_steps)
        self._note_frames(info)
        self._returns = np.zeros(self.num_envs)
        self._lengths = np.zeros(self.num_envs, np.int64)
        self._fire_next = np.zeros(self.num_envs, np.bool_)
        self._obs = obs
        return obs

    def step(self, actions: np.ndarray) -> Step:
        """One step of every environment; games that ended are reset in the same step.

        `actions` are (N,) integers from 0 to num_actions - 1, else ValueError and nothing moves.
        """
        self.send(actions)
        return self.receive()

    def send(self, actions: np.ndarray) -> None:
        """Begins a step, which `receive` finishes; in between the caller can do something else."""
        env = self._backend()
        self._check_at_rest("step")
        pressed = checked_actions(actions, self.num_envs, self.num_actions)
        pressed[self._fire_next] = FIRE
        self._pressed = pressed
        self._log.add(pressed)
        env.send(pressed)
        self._moving = True

    def receive(self) -> Step:
        """Waits for the step that `send` began, and returns what it led to."""
        if not self._moving:
            raise RuntimeError("receive without a step in progress")  # would wait for ever
        self._moving = False
        return self._receive(self._log.due())

    def state(self) -> dict[str, Any]:
        """What `restore` needs, for a checkpoint: plain Python, and `actions` as an array."""
        self._check_at_rest("state")
        return self._log.state() | {"digest": self._digest()}

    def restore(self, state: dict[str, Any]) -> np.ndarray:
        """Replays the games that were in progress; returns their observations, as `reset` does.

        Takes as long as playing the steps since the oldest anchor. Raises NotRestored if the
        replayed games differ from the saved ones.
        """
        self.reset()
        actions, anchored = self._log.load(state)
        nobody = np.zeros(self.num_envs, np.bool_)
        for row, pressed in enumerate(actions):
            self._anchor(anchored == row)
            self._pressed = pressed
            self._backend().send(pressed)
            self._receive(nobody)
        self._anchor(anchored == len(actions))
        if self._digest() != state["digest"]:
            raise NotRestored("the games in progress, played again, are not what they were")
        return self._obs

    def _receive(self, anchors_due: np.ndarray) -> Step:
        """Finishes a step; where a game ends in `anchors_due` (N,), the next has a new seed."""
        env = self._backend()
        obs, shown, ended, _, info = env.recv()
        raw_rewards = mended(shown, self._game)

        begun = _first_frame(info)
        game_over = begun != self._begun
        lost_life = ended & ~game_over
        self._returns += raw_rewards
        self._lengths += 1
        truncated = ~game_over & (self._lengths >= self._max_steps)
        final_obs = obs if truncated.any() else None
        finished = game_over | truncated
        anchors = finished & anchors_due
        if (truncated & ~anchors).any():
            obs, info = env.reset(options={"reset_mask": truncated & ~anchors})
        self._obs = obs
        self._note_frames(info)
        self._fire_next = lost_life & ~truncated & self._press_fire
        episodes = self._finish_games(finished)
        if anchors.any():
            self._log.anchor(anchors)
            self._anchor(anchors)
        return Step(
            obs=self._obs,
            rewards=raw_rewards.astype(np.float32),
            terminated=ended if self._life_loss_ends_episode else game_over,
            truncated=truncated,
            final_obs=final_obs,
            episodes=episodes,
            executed=self._pressed,
        )

    def _check_at_rest(self, what: str) -> None:
        if not self._begun.size:
            raise RuntimeError(f"{what} before the first reset")
        if self._moving:
            raise RuntimeError(f"{what} while a step is in progress")

    def _note_frames(self, info: dict[str, Any]) -> None:
        self._begun, self.game_frames = _first_frame(info), info["episode_frame_number"]

    def _anchor(self, which: np.ndarray) -> None:
        """New games from the anchors' seeds in the environments that `which` (N,) marks."""
        if not which.any():
            return
        seeds = np.array(self._anchor_seeds(which, self._log.anchors), np.int64)
        self._obs, info = self._backend().reset(seed=seeds, options={"reset_mask": which})
        self._note_frames(info)
        self._returns[which] = 0
        self._lengths[which] = 0
        self._fire_next[which] = False

    def _anchor_seeds(self, which: np.ndarray, anchors: np.ndarray) -> list[int]:
        """Below 2**31 - num_envs for any allowed num_envs, and the same whatever num_envs is."""
        states = (
            np.random.SeedSequence(
                [self._seed, self._stream, self._first_index + int(i), int(anchors[i])]
            ).generate_state(1)
            for i in np.flatnonzero(which)
        )
        return [int(state[0]) % (2**31 - 4_096) for state in states]

    def _digest(self) -> str:
        """SHA-256 of the games' observable state."""
        parts = (self._obs, self._returns, self._lengths, self._begun, self._fire_next)
        return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()

    def close(self) -> None:
        """Ends the C++ threads; harmless twice."""
        self._env = None  # its own close() leaves the threads running, only deletion joins them

    def _backend(self) -> AtariVectorEnv:
        if self._env is None:
            raise RuntimeError("the environments are closed")
        return self._env

    def _finish_games(self, finished: np.ndarray) -> list[Episode]:
        """The games that `finished` (N,) marks; their counters start again."""
        episodes = [
            Episode(self._first_index + int(i), float(self._returns[i]), int(self._lengths[i]))
            for i in np.flatnonzero(finished)
        ]
        self._returns[finished] = 0
        self._lengths[finished] = 0
        return episodes


def two_groups(game: str, *, num_envs: int, num_threads: int, **settings: Any) -> list[AtariEnvs]:
    """The environments in two halves, each with half of the threads.

    While one half is stepped, the agent acts in the other: neither waits for all cores to finish
    the other's work. All in one where there is but one thread, or nothing to halve.
    """
    groups = 2 if num_threads > 1 and num_envs % 2 == 0 else 1
    size, threads = num_envs // groups, num_threads // groups
    return [
        AtariEnvs(game, num_envs=size, num_threads=threads, first_index=i * size, **settings)
        for i in range(groups)
    ]


def _first_frame(info: dict[str, Any]) -> np.ndarray:
    """(N,) the emulator's running frame number at which each present game began.

    It moves exactly when a game ends. The drop of `episode_frame_number` alone would miss a game
    over within the first steps when the reset draws more no-ops; `lives` are the new game's.
    """
    return info["frame_number"] - info["episode_frame_number"]
