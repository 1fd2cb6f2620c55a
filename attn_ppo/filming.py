"""A run's videos of its agent in training."""

from attn_ppo.agent import Agent
from attn_ppo.config import RunConfig
from attn_ppo.lifecycle import wandb_mirror
from attn_ppo.lifecycle.observers import Observers
from attn_ppo.lifecycle.run_dir import video_path
from attn_ppo.lifecycle.signals import StopRequest


def film(
    settings: RunConfig, agent: Agent, number: int, observers: Observers, stop: StopRequest
) -> None:
    """A video of the agent after an update; one that can't be made costs a line."""
    path, env_steps = video_path(settings.folder, number), number * settings.ppo.batch_size

    def on_step() -> None:
        observers.watchdog.beat()
        if stop:
            raise stop.error("stopped within a video; saved before it")

    try:
        from attn_ppo.interpret.show import training_video  # what encodes it is heavy

        training_video.film(agent.model, settings, path, env_steps=env_steps, alive=on_step)
    except Exception as error:
        on_step()  # raises a request to stop again, which was caught here
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        observers.terminal.message(f"no video of update {number}: {reason}")
    else:
        films = {wandb_mirror.TRAINING_VIDEO: path}
        observers.wandb.film(films, env_steps=env_steps, update=number)
