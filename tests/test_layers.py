"""Imports point one way, and each outside library has its own place."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SETTINGS = {"errors", "schema", "folders", "formats", "sections", "earlier", "config"}
# Each room of attn_ppo, a file or a package, and what it may import besides itself.
ARROWS = {
    "version": set(),
    "__init__": {"version", "exported", "trained"},
    "__main__": {"arguments", "errors", "schema", "lifecycle.process"},
    "scripts": set(),
    "errors": set(),
    "schema": {"errors"},
    "arguments": {"errors", "schema", "version"},
    "folders": set(),
    "formats": set(),
    "sections": {"schema"},
    "consistency": {"errors", "formats", "sections"},
    "earlier": set(),
    "config": {"errors", "schema", "folders", "formats", "sections", "consistency", "earlier"},
    "compute": SETTINGS,
    "atari": SETTINGS,
    "learning": SETTINGS | {"atari"},
    "attention": set(),
    "regularizers": {"config"},
    "lifecycle": SETTINGS | {"atari", "compute", "learning", "variants"},
    "model": {"config", "compute", "attention"},
    "agent": SETTINGS
    | {"compute", "model", "lifecycle.milestones", "lifecycle.saved", "lifecycle.weights"},
    "rollout": {"atari", "compute", "model"},
    "ppo": {"config", "compute", "regularizers", "rollout"},
    "evaluate": SETTINGS
    | {"arguments", "agent", "atari", "learning", "model", "regularizers", "lifecycle"},
    "filming": SETTINGS | {"agent", "interpret.show", "lifecycle"},
    "interpret": SETTINGS
    | {"agent", "atari", "compute", "model", "regularizers"}
    | {"lifecycle.disk", "lifecycle.run_dir", "lifecycle.weights"},
    "run": SETTINGS
    | {
        "agent",
        "atari",
        "compute",
        "evaluate",
        "filming",
        "lifecycle",
        "ppo",
        "rollout",
    },
    "variants": SETTINGS,
    "diagnosis": SETTINGS | {"atari", "compute", "lifecycle"},
    "doctor": SETTINGS | {"arguments", "diagnosis", "lifecycle", "version"},
    "status": SETTINGS | {"arguments", "learning", "lifecycle", "variants"},
    "exported": SETTINGS | {"atari", "lifecycle", "version"},
    "trained": SETTINGS
    | {"agent", "atari", "compute", "evaluate", "interpret", "lifecycle.weights", "model"},
    "launch": SETTINGS | {"atari", "compute.devices", "lifecycle", "status", "version"},
    "train": SETTINGS | {"agent", "compute", "launch", "lifecycle", "run"},
}
# Rooms of interpret in the order of the data: each may import those before it.
INTERPRET = ("network", "receptive_field", "play", "saliency", "believe", "tree", "show")
ANALYSIS = SETTINGS | {"arguments", "agent", "atari", "interpret", "learning", "lifecycle"}
ANALYSIS |= {"compute.devices", "variants", "version"}
HOMES = {
    "hydra": ("attn_ppo/launch/",),
    "omegaconf": ("attn_ppo/launch/", "attn_ppo/config.py"),
    "wandb": (
        "attn_ppo/lifecycle/wandb_mirror.py",
        "attn_ppo/lifecycle/wandb_session.py",
        "analysis/",
    ),
    "safetensors": ("attn_ppo/lifecycle/weights.py",),
    "ale_py": ("attn_ppo/atari/", "attn_ppo/interpret/play/"),
}
FILES = sorted(
    path
    for folder in ("attn_ppo", "analysis")
    for path in (ROOT / folder).rglob("*.py")
    if "node_modules" not in path.parts
)
OURS = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in FILES}


def imports(path: Path) -> set[str]:
    """Dotted names that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def modules(path: Path) -> set[str]:
    """Those of our files that a file imports: attn_ppo.config, analysis.runs."""
    found = {name if name in OURS else name.rpartition(".")[0] for name in imports(path)}
    return found & OURS


def is_within(module: str, rooms: set[str]) -> bool:
    return any(f"{module}.".startswith(f"attn_ppo.{room}.") for room in rooms)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_arrows_point_one_way(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    rooms = ANALYSIS if parts[0] == "analysis" else ARROWS[parts[1]] | {parts[1]}
    own = ("analysis.",) if parts[0] == "analysis" else ()
    wrong = [m for m in modules(path) if not is_within(m, rooms) and not m.startswith(own or "-")]
    assert not wrong


def test_interpret_follows_the_data():
    files = [path for path in FILES if path.is_relative_to(ROOT / "attn_ppo/interpret")]
    rooms = {path: path.relative_to(ROOT).with_suffix("").parts[2] for path in files}
    assert set(rooms.values()) == {"__init__", *INTERPRET}
    for path, room in rooms.items():
        first = INTERPRET.index(room) + 1 if room in INTERPRET else 0
        later = {f"interpret.{name}" for name in INTERPRET[first:]}
        assert not [module for module in modules(path) if is_within(module, later)], path


def test_rooms_have_no_cycle():
    order: list[str] = []
    above = {room: {arrow.partition(".")[0] for arrow in arrows} for room, arrows in ARROWS.items()}
    while len(order) < len(above):
        ready = [room for room in above if room not in order and above[room] <= set(order)]
        assert ready, "a cycle"
        order += ready


@pytest.mark.parametrize("library", HOMES)
def test_libraries_stay_in_their_rooms(library):
    users = {
        str(path.relative_to(ROOT))
        for path in FILES
        if any(name.split(".")[0] == library for name in imports(path))
    }
    assert users
    assert not [user for user in users if not user.startswith(HOMES[library])]


def test_the_reading_path_stays_short():
    path = ("train", "run", "rollout", "ppo", "model", "attention", "regularizers")
    files = [ROOT / "attn_ppo" / f"{name}.py" for name in path]
    assert sum(len(file.read_text().splitlines()) for file in files) <= 650
