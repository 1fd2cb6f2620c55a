"""Who is measured, and how each of them is made to keep pace.

`python -m bench.contenders KEY JOB` is a child. It may run in an interpreter that has nothing of
ours installed: what a contender needs is imported by its own function. None of them is changed
for this: each is held up from within its environment's `step`, and otherwise does what it does.
"""

import importlib
import json
import runpy
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

import gymnasium

from bench.pace import Clock

# The work of an iteration, the same for all: the Atari settings of PPO.
NUM_ENVS, NUM_STEPS, NUM_EPOCHS, MINIBATCH = 8, 128, 4, 256
AGENT_STEPS = NUM_ENVS * NUM_STEPS
PACKAGES = ("torch", "numpy", "gymnasium", "ale-py", "stable-baselines3", "envpool", "tensordict")


@dataclass(frozen=True)
class Job:
    """What a child has to know."""

    game: str
    threads: int
    overrides: list[str]  # of our settings; a peer has its own
    checkout: str  # a script's repository, or nothing
    device: str = "auto"  # of ours and Stable-Baselines3


@dataclass(frozen=True)
class Contender:
    """A trainer; the scripts among them come from a checkout that the user names."""

    label: str
    run: Callable[[Job, Clock], object]
    ours: bool = False
    gate: str = "none"  # of the attention; none: the plain Nature CNN, as the peers have it
    overrides: tuple[str, ...] = ()
    repository: str | None = None

    def command(
        self, key: str, python: str, game: str, threads: int, checkout: str, device: str = "auto"
    ) -> list[str]:
        """What starts it as a child."""
        overrides = [f"attention.gate={self.gate}", *self.overrides]
        job = Job(game, threads, overrides, checkout, device)
        return [python, "-m", "bench.contenders", key, json.dumps(asdict(job))]


def main(arguments: list[str]) -> None:
    """Runs a contender until the parent has had enough."""
    key, job = arguments
    clock = Clock(NUM_STEPS, {"versions": _versions()})
    CONTENDERS[key].run(Job(**json.loads(job)), clock)


def run_ours(job: Job, clock: Clock) -> None:
    """Collect and update, over and over, without what a run does besides (see scaling.py).

    Where two groups of games take turns, only the waiting for the emulator counts as emulate.
    """
    from attn_ppo.compute import devices

    devices.wait_briefly()  # as a run does when it begins
    from bench.ours import Ours, settings_of

    device = f"device={job.device}"
    ours = Ours(settings_of(f"env={job.game}", device, *job.overrides), job.threads)
    while True:
        began = clock.wait()
        ours.waited = 0.0
        rollout, _ = ours.collect()
        ours.finish()
        played = time.perf_counter()
        ours.update(rollout)
        ours.finish()
        clock.tell(
            emulate=ours.waited,
            infer=played - began - ours.waited,
            update=time.perf_counter() - played,
        )


def run_stable_baselines(job: Job, clock: Clock) -> None:
    """Stable-Baselines3's PPO on its own Atari wrappers."""
    from stable_baselines3 import PPO
    from stable_baselines3.common.env_util import make_atari_env
    from stable_baselines3.common.vec_env import VecFrameStack

    register_atari()
    envs = VecFrameStack(make_atari_env(f"{job.game}NoFrameskip-v4", NUM_ENVS, seed=0), 4)
    model = PPO(
        "CnnPolicy",
        envs,
        n_steps=NUM_STEPS,
        batch_size=MINIBATCH,
        n_epochs=NUM_EPOCHS,
        learning_rate=2.5e-4,
        clip_range=0.1,
        clip_range_vf=0.1,
        ent_coef=0.01,
        vf_coef=0.5,
        seed=0,
        device=job.device,
    )
    assert model.env
    model.env.step = clock.paced(model.env.step)
    model.learn(10**9)


def run_cleanrl(job: Job, clock: Clock) -> None:
    """CleanRL's ppo_atari.py. Two wrappers that it uses have other names since Gymnasium 1.0."""
    register_atari()
    wrappers: Any = gymnasium.wrappers
    wrappers.GrayScaleObservation = wrappers.GrayscaleObservation
    wrappers.FrameStack = wrappers.FrameStackObservation
    make = gymnasium.vector.SyncVectorEnv

    def make_paced(*args: Any, **kwargs: Any) -> Any:
        envs = make(*args, **kwargs)
        envs.step = clock.paced(envs.step)
        return envs

    gymnasium.vector.SyncVectorEnv = make_paced
    _run_script(job, "cleanrl/ppo_atari.py", "--env-id", f"{job.game}NoFrameskip-v4")


def run_cleanrl_envpool(job: Job, clock: Clock) -> None:
    """CleanRL's ppo_atari_envpool.py."""
    _use_old_gym(clock)
    _run_script(job, "cleanrl/ppo_atari_envpool.py", "--env-id", f"{job.game}-v5")


def run_leanrl(job: Job, clock: Clock) -> None:
    """LeanRL's ppo_atari_envpool_torchcompile.py, compiled."""
    _use_old_gym(clock)
    _use_old_tensordict()
    script = "leanrl/ppo_atari_envpool_torchcompile.py"
    _run_script(job, script, "--env-id", f"{job.game}-v5", "--compile")


CONTENDERS = {
    "ours": Contender("attn_ppo", run_ours, ours=True, gate="softmax"),
    "ours_plain": Contender("attn_ppo, no attention", run_ours, ours=True),
    "ours_torch": Contender(
        "attn_ppo, plain PyTorch",
        run_ours,
        ours=True,
        gate="softmax",
        overrides=("compute.backend=torch",),
    ),
    "sb3": Contender("Stable-Baselines3", run_stable_baselines),
    "cleanrl": Contender("CleanRL", run_cleanrl, repository="cleanrl"),
    "cleanrl_envpool": Contender("CleanRL, EnvPool", run_cleanrl_envpool, repository="cleanrl"),
    "leanrl": Contender("LeanRL, EnvPool, compiled", run_leanrl, repository="leanrl"),
}
REPOSITORIES = {
    "cleanrl": "https://github.com/vwxyzjn/cleanrl",
    "leanrl": "https://github.com/pytorch-labs/LeanRL",
}


class Wrapper:
    """Gym 0.23's: what it doesn't have itself, it has from the environment inside."""

    def __init__(self, env: Any) -> None:
        self.env = env

    def __getattr__(self, name: str) -> Any:
        return getattr(self.env, name)

    def reset(self) -> Any:
        return self.env.reset()

    def step(self, action: Any) -> Any:
        return self.env.step(action)


class OldPool(Wrapper):
    """An EnvPool as it was then: resets give observations alone, steps have one kind of ending."""

    def reset(self) -> Any:
        return self.env.reset()[0]

    def step(self, action: Any) -> Any:
        obs, rewards, terminated, truncated, info = self.env.step(action)
        return obs, rewards, terminated | truncated, info


def _use_old_gym(clock: Clock) -> None:
    """The scripts were written for Gym 0.23 and the EnvPool of its time; today's has other ways."""
    gym: Any = ModuleType("gym")
    gym.Wrapper, gym.spaces = Wrapper, gymnasium.spaces
    sys.modules["gym"] = gym
    envpool: Any = importlib.import_module("envpool")
    make = envpool.make

    def make_paced(*args: Any, **kwargs: Any) -> OldPool:
        pool = OldPool(make(*args, **kwargs))
        pool.step = clock.paced(pool.step)
        return pool

    envpool.make = make_paced


def _use_old_tensordict() -> None:
    """Tensors without gradient, put into a module, have one since they become its Parameters.

    LeanRL acts with such a copy of its agent; with gradients its second minibatch fails.
    """
    container: Any = importlib.import_module("tensordict").TensorDict
    put = container.to_module

    def put_as_it_is(self: Any, module: Any) -> Any:
        result = put(self, module)
        for name, parameter in module.named_parameters():
            parameter.requires_grad_(self[tuple(name.split("."))].requires_grad)
        return result

    container.to_module = put_as_it_is


def register_atari() -> None:
    """Makes ale-py's games known to Gymnasium."""
    gymnasium.register_envs(importlib.import_module("ale_py"))


def _run_script(job: Job, script: str, *arguments: str) -> None:
    """A script of the checkout, as from the command line."""
    sys.path.insert(0, job.checkout)
    sys.argv = [script, *arguments]
    runpy.run_path(str(Path(job.checkout, script)), run_name="__main__")


def _versions() -> dict[str, str]:
    """Those of the packages that this interpreter has."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
