"""The finished agent on fresh whole games: raw scores, and how widely it looks.

`python -m attn_ppo.evaluate RUN_FOLDER [EPISODES]` does it for any run folder with a checkpoint.
"""

from attn_ppo.lifecycle import process

if __name__ == "__main__":
    process.begin()

import contextlib
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from attn_ppo.agent import Agent, load_agent
from attn_ppo.arguments import Parser, whole
from attn_ppo.atari.envs import AtariEnvs
from attn_ppo.atari.step import Episode
from attn_ppo.config import RunConfig
from attn_ppo.errors import ConfigError, ExitCode, RunError, report
from attn_ppo.formats import fixed
from attn_ppo.learning.bands import beside, published_told
from attn_ppo.lifecycle import wandb_summary
from attn_ppo.lifecycle.disk import write_atomically
from attn_ppo.lifecycle.observers import Observers
from attn_ppo.lifecycle.run_dir import RunDir
from attn_ppo.lifecycle.terminal import Terminal
from attn_ppo.model import ActorCritic, sample
from attn_ppo.regularizers import map_entropies
from attn_ppo.schema import Range

EPISODES = Range(1, 256)
ABOUT = """Lets a run's agent, as last saved, play fresh whole games, one in each of EPISODES
environments; prints score and attention entropy and writes them to evaluation.json."""


@torch.no_grad()
def evaluate(
    model: ActorCritic,
    settings: RunConfig,
    *,
    episodes: int,
    on_step: Callable[[], object] = lambda: None,
) -> dict[str, Any]:
    """One whole game in each of `episodes` environments, actions sampled from the policy.

    No training wrapper is left but the protocol's own: lives don't end a game, rewards are raw.
    One game each, rather than the first that finish, or short games would count too often. The
    attention entropy is the mean over all steps of all games, in nats; `effective_cells_per_map`
    is its exponential, the number of cells that evenly spread attention of that entropy covers.
    Both are of shares: `attention_total_per_map` is the mean sum of a map's weights, 1 under a
    softmax, up to 49 under a sigmoid.
    """
    # Training starts its environments at an update below num_updates: these seeds are new to it.
    envs = AtariEnvs(
        settings.env,
        num_envs=episodes,
        seed=settings.seed,
        protocol=settings.protocol,
        stream=settings.num_updates,
        num_threads=torch.get_num_threads(),
    )
    with contextlib.closing(envs):
        games, attention = _play(model, envs, settings.seed, on_step)
    return _result(games, *attention.tolist()) | {"seeds": envs.seeds}


def _result(
    games: Sequence[Episode], per_map: Sequence[float], totals: Sequence[float]
) -> dict[str, Any]:
    scores = [game.episode_return for game in games]
    return {
        "episodes": len(games),
        "score_mean": float(np.mean(scores)),
        "score_std": float(np.std(scores, ddof=1)) if len(games) > 1 else None,
        "attention_entropy": sum(per_map) if per_map else None,
        "attention_entropy_per_map": per_map,
        "effective_cells_per_map": [math.exp(nats) for nats in per_map],
        "attention_total_per_map": totals,
        "scores": scores,
        "lengths": [game.episode_length for game in games],
    }


def _play(
    model: ActorCritic, envs: AtariEnvs, seed: int, on_step: Callable[[], object]
) -> tuple[list[Episode], Tensor]:
    """The first game of each environment, and (2, K) each map's mean entropy and summed weight."""
    device = next(model.parameters()).device
    rng = torch.Generator(device).manual_seed(seed)
    finished: dict[int, Episode] = {}
    playing, steps = np.ones(envs.num_envs, dtype=bool), 0
    obs, sums = envs.reset(), torch.zeros(1, dtype=torch.float64, device=device)
    with contextlib.closing(Terminal("evaluating", None)) as terminal:
        while playing.any():
            output = model(torch.from_numpy(obs).to(device))
            in_play = torch.from_numpy(playing).to(device)
            attention = output.attention[in_play]
            seen = torch.stack([map_entropies(attention), attention.sum((2, 3))])  # (2, N, K)
            sums = sums + seen.sum(1)
            steps += int(playing.sum())
            noise = torch.empty_like(output.policy).exponential_(generator=rng)
            step = envs.step(sample(output.policy, noise).cpu().numpy())
            obs = step.obs
            on_step()
            for game in step.episodes:
                if playing[game.env_index]:
                    finished[game.env_index] = game
                    playing[game.env_index] = False
            terminal.write({"env_steps": steps}, f"{len(finished)} of {envs.num_envs} games over")
    return [finished[i] for i in range(envs.num_envs)], sums / steps


def write_evaluation(folder: Path, result: dict[str, Any], *, env_steps: int) -> None:
    """evaluation.json, with how long the agent had been trained."""
    text = json.dumps(result | {"env_steps": env_steps}, indent=2)
    write_atomically(folder / "evaluation.json", text + "\n")


def finish(settings: RunConfig, run_dir: RunDir, agent: Agent, observers: Observers) -> None:
    """Lets the finished agent play, and marks the run done."""
    env_steps, episodes = settings.trained_steps, settings.evaluation.episodes
    facts: dict[str, Any] = {"env_steps": env_steps, "exit_code": ExitCode.DONE}
    flags = observers.learning.flags
    about: dict[str, Any] = {"learning/flags": "; ".join(map(str, flags)) or "none"}
    told: dict[str, Any] = {}
    if episodes:
        beat = observers.watchdog.beat
        result = evaluate(agent.model, settings, episodes=episodes, on_step=beat)
        write_evaluation(run_dir.folder, result, env_steps=env_steps)
        observers.terminal.message(f"{settings.label}: {summary(result)}")
        observers.terminal.message(f"{settings.label}: {place(result, settings, env_steps)}")
        told = result | {"env_steps": env_steps}
        facts |= {"score": result["score_mean"], "attention_entropy": result["attention_entropy"]}
    for flag in flags:
        observers.terminal.message(f"{settings.label}: {flag}")
    code = ExitCode.DONE
    end = wandb_summary.of_end(run_dir.folder, code, evaluation=told, settings=settings)
    observers.wandb.finish(about | end)
    run_dir.write_status("done", **facts)


def main(argv: Sequence[str]) -> int:
    """The command line; returns the exit code."""
    parser = Parser("attn_ppo.evaluate", ABOUT, "runs/demo/Breakout/lambda=0/seed=0 20")
    parser.add_argument("folder", type=Path, metavar="RUN_FOLDER", help="a run with a checkpoint")
    default = "default: the run's evaluation.episodes"
    parser.add_argument("episodes", nargs="?", metavar="EPISODES", help=f"{EPISODES}; {default}")
    try:
        asked = parser.checked(argv)
        count = asked.episodes and whole("EPISODES", asked.episodes, EPISODES)
        settings, model, env_steps = load_agent(asked.folder)
        episodes = count or max(settings.evaluation.episodes, 1)
        result = evaluate(model, settings, episodes=episodes)
        print(f"{settings.label}: {summary(result)}", flush=True)  # known even if it can't be kept
        print(f"{settings.label}: {place(result, settings, env_steps)}", flush=True)
        write_evaluation(asked.folder, result, env_steps=env_steps)
    except (ConfigError, RunError, OSError) as error:
        return report(error)
    return ExitCode.DONE


def summary(result: dict[str, Any]) -> str:
    """An evaluation in a line."""
    sd = "" if result["score_std"] is None else f" ± {fixed(result['score_std'], 1)}"
    games = f"{result['episodes']} game{'s' * (result['episodes'] != 1)}"
    text = f"score {fixed(result['score_mean'], 1)}{sd} over {games}"
    if result["attention_entropy"] is None:
        return text
    cells = ", ".join(fixed(n, 1) for n in result["effective_cells_per_map"])
    nats = fixed(result["attention_entropy"], 2)
    return f"{text}, attention entropy {nats} nats ({cells} cells)"


def place(result: dict[str, Any], settings: RunConfig, env_steps: int) -> str:
    """An evaluation's score beside a human's, our own runs' and published ones, in a line."""
    published = published_told(settings.env)
    own = beside(result["score_mean"], settings, env_steps)
    known = filter(None, [own, f"published {published}" * bool(published)])
    return "; ".join(known) or "nothing is known to hold its score against"


if __name__ == "__main__":
    process.finish(main)
