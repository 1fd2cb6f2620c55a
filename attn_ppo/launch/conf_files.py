"""conf/ and the users' own folder beside it: which options there are, and what a file may hold.

A user's folder has files in folders named like ours: experiment/, ppo/, protocol/, ... Its files
add options; they may not stand for one of ours, nor name anything to be run.
"""

import functools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from attn_ppo.errors import ConfigError, shorten
from attn_ppo.schema import check_choice, nearest

FOUND = "conf"  # in the working folder, without being named
GLOBAL = "@package _global_"
_HYDRAS = ("launcher", "sweeper")  # the sections of `hydra:` that a file may have
_HYDRAS_GROUPS = [["hydra", name] for name in _HYDRAS]


def conf_dir() -> Path:
    """The folder conf/: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    return next(d for d in (package / "conf", package.parent / "conf") if d.is_dir())


def own_folder(asked: str | None) -> Path | None:
    """The user's folder: the one asked for, or conf/ in the working folder unless that is ours.

    Raises ConfigError where the one asked for isn't there.
    """
    if asked is None:
        own = Path(FOUND)
        return own.absolute() if _groups_in(own) and not _is_ours(own) else None
    own = Path(asked).expanduser()
    if not asked or not own.is_dir():
        near = nearest(own.name, (p.name for p in own.parent.glob("*") if p.is_dir()))
        allowed = f"a folder with files in {', '.join(f'{name}/' for name in groups())}"
        raise ConfigError(
            "--config-dir", asked, allowed, near and str(own.parent / near), wrong="isn't a folder"
        )
    return None if _is_ours(own) else own.absolute()


def flags(own: Path | None) -> list[str]:
    """The arguments that name the user's folder, for Hydra and for a run of its own."""
    return ["--config-dir", str(own)] if own else []


@functools.cache
def groups(own: Path | None = None) -> Mapping[str, list[str]]:
    """The config groups, each folder of conf/, with the names of their options, the user's too."""
    found: dict[str, list[str]] = {}
    for folder in (path for path in sorted(conf_dir().iterdir()) if path.is_dir()):
        folders = [folder, *([own / folder.name] if own else [])]
        found[folder.name] = sorted({file.stem for f in folders for file in f.glob("*.yaml")})
    return found


@functools.cache
def defaults() -> Mapping[str, str]:
    """The options that are chosen where none is asked for, of groups that have such."""
    entries = yaml.safe_load((conf_dir() / "config.yaml").read_text("utf-8"))["defaults"]
    pairs = [pair for entry in entries if isinstance(entry, dict) for pair in entry.items()]
    return {group: option for group, option in pairs if group in groups() and option}


def check(own: Path, chosen: Mapping[str, str]) -> list[Path]:
    """The user's files among the chosen options (group -> option) and those that these build on.

    Raises ConfigError for one that can't be read, stands for one of ours, or holds what it may
    not. Whether keys are known and have allowed values shows once they are composed.
    """
    files: list[Path] = []
    waiting = [own / group / f"{option}.yaml" for group, option in chosen.items()]
    for file in waiting:
        if file in files or not file.is_file():
            continue
        files.append(file)
        ours = conf_dir() / file.relative_to(own)
        if ours.exists() and ours.read_bytes() != file.read_bytes():
            allowed = f"a name that conf/{file.parent.name}/ doesn't have yet"
            wrong = f"has other values than our option of the same name ({file})"
            raise ConfigError(file.parent.name, file.stem, allowed, wrong=wrong)
        values = _load(file)
        _check_header(file)
        _check_values(file, values)
        waiting += [own / f"{path}.yaml" for path in _built_on(file, values, own)]
    return files


def locate(files: Iterable[Path], key: str) -> str:
    """`file:line` of a key, dotted, in the first of the files that sets it; "" where none does."""
    for file in files:
        node, line = yaml.compose(file.read_text("utf-8")), 0
        rest = key.removeprefix(_package(file))
        while rest and isinstance(node, yaml.MappingNode):
            pairs = [(k, v) for k, v in node.value if f"{rest}.".startswith(f"{k.value}.")]
            if not pairs:
                break
            line, node = pairs[0][0].start_mark.line + 1, pairs[0][1]
            rest = rest.removeprefix(pairs[0][0].value).removeprefix(".")
        if line and not rest:
            return f"{_shown(file)}:{line}"
    return ""


def unreadable(file: Path, error: Exception) -> ConfigError:
    """What is said of a file that `error` came from, with the line that it names."""
    mark = getattr(error, "problem_mark", None)
    where = f"{_shown(file)}:{mark.line + 1}" if mark else _shown(file)
    reason = getattr(error, "problem", None) or str(error).partition("\n")[0]
    return ConfigError("", where, "YAML", wrong=f"can't be read ({reason})")


def _package(file: Path) -> str:
    """What the keys in a file lack of their whole names: `ppo.` in ppo/."""
    return "" if GLOBAL in file.read_text("utf-8") else f"{file.parent.name}."


def _groups_in(folder: Path) -> bool:
    return any((folder / name).is_dir() for name in groups())


def _is_ours(folder: Path) -> bool:
    return folder.resolve() == conf_dir().resolve()


def _load(file: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(file.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise unreadable(file, error) from None
    if values is not None and not isinstance(values, dict):
        raise ConfigError("", _shown(file), "keys with values", wrong="has no settings in it")
    return values or {}


def _check_header(file: Path) -> None:
    """Raises ConfigError unless its keys go where those of our files go."""
    lines = file.read_text("utf-8").splitlines()
    packages = [line for line in lines if line.startswith("#") and "@package" in line]
    if any(GLOBAL not in line for line in packages):
        raise ConfigError("", _shown(file), f"# {GLOBAL}, or none", wrong="has another @package")
    if file.parent.name in ("experiment", "engine") and not packages:
        allowed = f"# {GLOBAL} in the first line: its keys are those of the command line"
        raise ConfigError("", _shown(file), allowed, wrong="lacks its first line")


def _check_values(file: Path, values: dict[str, Any]) -> None:
    """Raises ConfigError for what a file of a user may not hold."""
    settings = {key: value for key, value in values.items() if key != "defaults"}
    for key, value in _leaves(settings):
        names = key.split(".")
        allowed = ""
        if names[0] == "hydra" and [*names, ""][1] not in _HYDRAS:
            allowed = " or ".join(f"hydra.{name}" for name in _HYDRAS)
        elif any(name.startswith("_") for name in names):
            allowed = "settings, nothing that names what is to be run"
        elif any(":" in part.partition("}")[0] for part in str(value).split("${")[1:]):
            value = f"{value.partition('$')[0]}${{...}}"
            allowed = "a plain value, or with ${<key>} that of another key"
        if allowed:
            whole = _package(file) + key
            raise ConfigError(whole, value, allowed).located(locate([file], whole))


def _built_on(file: Path, values: dict[str, Any], own: Path) -> Iterator[str]:
    """The options that a file's `defaults` name, as paths within conf/.

    Raises ConfigError for entries that reach further.
    """
    group = file.parent.relative_to(own)
    entries = values.get("defaults") or []
    if not isinstance(entries, list):
        raise ConfigError("defaults", entries, "a list").located(locate([file], "defaults"))
    for entry in entries:
        for key, options in entry.items() if isinstance(entry, dict) else [("", entry)]:
            words = str(key).split()
            name = words[-1] if words else ""
            path = name.lstrip("/") if name.startswith("/") else str(group / name)
            known = path.split("/")[0] in groups() or path.split("/")[:2] in _HYDRAS_GROUPS
            if "@" in name or "${" in f"{name}{options}" or not known:
                allowed = f"_self_, options of {', '.join(groups())}, override /hydra/launcher"
                raise ConfigError("defaults", f"{key} {options}", allowed).located(_shown(file))
            chosen = name.lstrip("/")  # in config.yaml: to name it again is to override it
            if chosen in defaults() and chosen != group.name and key != f"override /{chosen}":
                allowed = f"override /{chosen}: {options}"
                raise ConfigError("defaults", f"{key}: {options}", allowed).located(_shown(file))
            for option in options if isinstance(options, list) else [options]:
                if path in groups() and option not in (None, "_self_"):
                    _check_option(path, str(option), own, file)
                absolute = str(option).startswith("/")
                yield str(option).lstrip("/") if absolute else f"{path}/{option}"


def _check_option(group: str, option: str, own: Path, file: Path) -> None:
    try:
        check_choice(group, option.rpartition("/")[2], groups(own)[group])
    except ConfigError as error:
        raise error.located(_shown(file)) from None


def _leaves(values: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, Mapping):
                yield from _leaves(item, f"{prefix}{key}.")
            else:
                yield f"{prefix}{key}", item


def _shown(file: Path) -> str:
    """A file's path as short as it can be typed."""
    try:
        return shorten(file.relative_to(Path.cwd()), 120)
    except ValueError:
        return shorten(file, 120)
