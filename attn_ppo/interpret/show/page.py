"""One HTML file that shows recordings, offline: `write_page`.

The front end is web/dist/page.html, made from TypeScript and shipped; this inserts the data.
"""

import html
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from attn_ppo.interpret.believe.object_tables import TABLES
from attn_ppo.interpret.network import OpenAgent
from attn_ppo.interpret.play.recording import Recording
from attn_ppo.interpret.saliency.methods import METHODS
from attn_ppo.interpret.saliency.targets import about_target
from attn_ppo.interpret.show.container import Container
from attn_ppo.interpret.show.jumps import jumps
from attn_ppo.interpret.show.measured import Measured, about, packed
from attn_ppo.interpret.show.shades import forest, shades
from attn_ppo.interpret.tree.tracer import Tracer
from attn_ppo.interpret.tree.tree import LEVELS
from attn_ppo.lifecycle.disk import disk_error, write_atomically

FORMAT = 3


class Played(NamedTuple):
    """An agent, a recording of it, and the objects on it, where the game's are known."""

    agent: OpenAgent
    recording: Recording
    measured: Measured | None = None


class Choice(NamedTuple):
    """What a page shows of each recording."""

    target: str = "log_prob"  # one of TARGETS, which the saliency maps explain
    methods: tuple[str, ...] = tuple(METHODS)
    roots: tuple[str, ...] = tuple(LEVELS)  # of the trees
    n: int = 3  # children of a node


def write_page(
    path: Path, played: Sequence[Played], choice: Choice, on_step: Callable[[], object]
) -> None:
    """Writes the page; `on_step` is called for each step of each recording.

    Raises ConfigError for a target or root that an agent doesn't have, RunError where the file
    can't be written. No partial file is left.
    """
    container = Container()
    runs = [_run(container, each, choice, on_step) for each in played]
    header = {
        "format": FORMAT,
        "target": {"name": choice.target, "about": about_target(choice.target)},
        "methods": [
            {
                "name": name,
                "signed": METHODS[name].signed,
                "frames": METHODS[name].frames,
                "least": METHODS[name].least,
                "about": METHODS[name].about,
            }
            for name in choice.methods
        ],
        "trees": [
            {"root": root, "levels": [level._asdict() for level in LEVELS[root]]}
            for root in choice.roots
        ],
        "games_with_objects": sorted(TABLES),
        "runs": runs,
    }
    template = files("attn_ppo.interpret.show").joinpath("web/dist/page.html").read_text("utf-8")
    title = " · ".join(dict.fromkeys(each.recording.about.label for each in played))
    text = template.replace("{{DATA}}", container.text(header), 1)
    text = text.replace("{{TITLE}}", html.escape(title), 1)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text)
    except OSError as error:
        raise disk_error(path, error, len(text)) from None


def _run(
    container: Container, played: Played, choice: Choice, on_step: Callable[[], object]
) -> dict[str, Any]:
    """One run's part of the header; its arrays are added to the container."""
    agent, recording, measured = played
    arrays = {
        name: container.add(array, delta=name in ("screens", "frames"))
        for name, array in _arrays(recording).items()
    }
    maps, trees = [], {root: [] for root in choice.roots}
    tracer, obs = Tracer(agent.model), recording.observations()
    for t, step in enumerate(shades(agent, recording, choice.target, choice.methods)):
        maps.append(step)
        for root, grown in trees.items():
            action = int(recording.actions[t])
            grown.append(tracer.tree(obs[t], root=root, action=action, n=choice.n))
        on_step()
    for name in choice.methods:
        arrays[f"saliency/{name}"] = container.add(np.stack([each[name].map for each in maps]))
        scales = np.array([each[name].scale for each in maps], np.float32)
        arrays[f"scale/{name}"] = container.add(scales)
    for root, grown in trees.items():
        for name, array in forest(grown).items():
            arrays[f"tree/{root}/{name}"] = container.add(array)
    for name, array in packed(measured).items() if measured else ():
        arrays[f"objects/{name}"] = container.add(array, delta=name == "masks")
    told = {"objects": about(measured), "arrays": arrays}
    return _about_run(recording) | told


def _about_run(recording: Recording) -> dict[str, Any]:
    height, width = recording.screens.shape[1:]
    played_by = recording.about
    return {
        "game": played_by.game,
        "label": played_by.label,
        "lambda": played_by.lambda_,
        "seed": played_by.seed,
        "name": played_by.name,
        "env_steps": played_by.env_steps,
        "gate": played_by.gate,
        "policy": played_by.policy,
        "recording_seed": played_by.recording_seed,
        "actions": list(played_by.action_names),
        "steps": len(recording),
        "screen": [height, width],
        "maps": recording.attention.shape[1],
        "jumps": [jump._asdict() for jump in jumps(recording)],
    }


def _arrays(recording: Recording) -> dict[str, np.ndarray]:
    names = (
        "palette",
        "screens",
        "frames",
        "filled",
        "actions",
        "executed",
        "rewards",
        "lives",
        "value",
        "log_probs",
        "attention",
        "entropy",
    )
    arrays = {name: getattr(recording, name) for name in names}
    return arrays | {"games": recording.games.astype(np.uint16)}
