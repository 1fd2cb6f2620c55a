"""The arguments of our commands but train: --help, --version, and mistakes told in three lines."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from attn_ppo.errors import ConfigError, report
from attn_ppo.schema import Range, check_whole, nearest
from attn_ppo.version import __version__


class Parser(argparse.ArgumentParser):
    """A parser of the command `python -m <module>`; its help ends with an example."""

    def __init__(self, module: str, description: str | None, example: str):
        super().__init__(
            prog=f"python -m {module}",
            description=description,
            epilog=f"example: python -m {module} {example}",
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        version = f"attn_ppo {__version__}"
        help_text = "show the version and exit"
        self.add_argument("--version", action="version", version=version, help=help_text)

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:
        """The arguments; for a mistake prints what is wrong and exits with code 2."""
        try:
            return self.checked(args, namespace)
        except ConfigError as error:
            sys.exit(report(error))

    def checked(self, args: Sequence[str] | None, namespace: Any = None) -> argparse.Namespace:
        """The arguments. Raises ConfigError."""
        options, unknown = self.parse_known_args(args, namespace)
        if unknown:
            shown = [action for action in self._actions if action.help != argparse.SUPPRESS]
            known = [name for action in shown for name in action.option_strings]
            found = nearest(unknown[0].partition("=")[0], known)
            names = [str(action.metavar) for action in shown if not action.option_strings]
            allowed = ", ".join([*names, *known])
            raise ConfigError(
                "", unknown[0], allowed, found, wrong="is not an argument of this command"
            )
        return options

    def error(self, message: str) -> NoReturn:
        """What argparse found wrong, as a ConfigError."""
        raise ConfigError("", message, "what --help lists", wrong="")


def whole(key: str, text: str, limits: Range) -> int:
    """The whole number that `text` spells in digits alone, within limits. Raises ConfigError."""
    spelled = len(text) <= 20 and text.isascii() and text.isdigit()
    return check_whole(key, int(text) if spelled else text, limits)
