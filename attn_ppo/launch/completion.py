"""What a shell completes in commands of train: keys, games, options, names, flags.

show: `--shell-completion install=bash`, `uninstall=bash`, `query=bash` · candidates. The shells'
own part is in shells/; it runs a query for each press of the Tab key, so nothing here is slow.
"""

import itertools
import os
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path

from attn_ppo import schema
from attn_ppo.config import RunConfig
from attn_ppo.errors import ConfigError, ExitCode, report
from attn_ppo.launch import conf_files

SHELLS = ("bash", "zsh", "fish")
VERBS = ("install", "uninstall", "query")
FLAGS = (
    "--multirun",
    "--help",
    "--version",
    "--cfg",
    "--config-dir",
    "--shell-completion",
)
# What follows a flag; () where the shell's own files do.
AFTER = {
    "--cfg": ("job", "hydra", "all"),
    "-c": ("job", "hydra", "all"),
    "--shell-completion": tuple(f"{verb}={shell}" for verb in VERBS[:2] for shell in SHELLS),
    "-sc": tuple(f"{verb}={shell}" for verb in VERBS[:2] for shell in SHELLS),
    "--config-dir": (),
    "-cd": (),
}
_QUERY = "from attn_ppo.launch import completion as c; c.show('query={}')"


def show(asked: str) -> int:
    """Prints the shell's code that installs or removes completion, or what completes COMP_LINE.

    `asked` is such as install=bash. Returns the exit code; a query always succeeds, and where
    something is amiss it has no answer.
    """
    verb, _, shell = asked.partition("=")
    try:
        known = [f"{verb}={shell}" for verb in VERBS for shell in SHELLS]
        schema.check_choice("--shell-completion", asked, known)
    except ConfigError as error:
        return report(error)
    if verb == "query":
        try:
            print("\n".join(candidates(os.environ.get("COMP_LINE", ""))))
        except Exception:
            return ExitCode.DONE  # in the middle of a line that is being typed
        return ExitCode.DONE
    name = f"{shell}.sh" if verb == "install" else f"{shell}.uninstall.sh"
    code = (Path(__file__).parent / "shells" / name).read_text("utf-8")
    query = [sys.executable, "-P", "-c", _QUERY.format(shell)]
    print(code.replace("@QUERY@", shlex.join(query)), end="")
    return ExitCode.DONE


def candidates(line: str) -> list[str]:
    """The words that the last one of a command line up to the cursor may become, each whole."""
    *before, word = line.split(" ")
    before = [text for text in before if text]
    if before and before[-1] in AFTER:
        return _beginning(word, AFTER[before[-1]])
    if word.startswith("-"):
        return _beginning(word, FLAGS)
    key, equals, value = word.partition("=")
    own = conf_files.own_folder(_config_dir(before))
    if not equals:
        return _levels(word, _keys(own))
    given, comma, last = value.rpartition(",")
    values = (name for name in _values(key, own) if name not in given.split(","))
    return [f"{key}={given}{comma}{name}" for name in _beginning(last, values)]


def _keys(own: Path | None) -> list[str]:
    """All keys, with the groups', as overrides.keys() has them; that would import Hydra."""
    return [*schema.known_keys(RunConfig), *conf_files.groups(own)]


def _values(key: str, own: Path | None) -> Iterable[str]:
    """The names that a key may have; none for numbers, texts and folders."""
    if key == "env":
        from attn_ppo.atari import games  # takes a quarter of a second

        return sorted(games.known())
    if key in conf_files.groups(own):
        return conf_files.groups(own)[key]
    return schema.choices(RunConfig).get(key, ())


def _levels(word: str, keys: Iterable[str]) -> list[str]:
    """The keys that begin with `word`, each up to the next dot, or with its `=`."""
    found = []
    for key in keys:
        section, dot, _ = key[len(word) :].partition(".")
        found.append(f"{word}{section}." if dot else f"{key}=")
    matching = zip(found, keys, strict=True)
    return list(dict.fromkeys(text for text, key in matching if key.startswith(word)))


def _beginning(word: str, names: Iterable[str]) -> list[str]:
    """The names that begin with `word`, in any case."""
    return [name for name in names if name.lower().startswith(word.lower())]


def _config_dir(words: list[str]) -> str | None:
    """What --config-dir names."""
    pairs = itertools.pairwise(words)
    return next((value for flag, value in pairs if flag in ("--config-dir", "-cd")), None)
