"""The drop of a score that counts as nothing, as an option of commands: add_margin, margin_of."""

from attn_ppo.arguments import Parser
from attn_ppo.errors import ConfigError
from attn_ppo.schema import Range

MARGIN = 0.1  # of what lambda 0 scores above random play
MARGINS = Range(0, 0.9, above=True)


def add_margin(parser: Parser) -> None:
    """The option that `margin_of` reads."""
    parser.add_argument(
        "--margin",
        default=str(MARGIN),
        help="what counts as nothing, as a share of what lambda 0 scores above random play, "
        f"{MARGINS}; default: %(default)s",
    )


def margin_of(text: str) -> float:
    """The margin that a command line spells. Raises ConfigError."""
    try:
        margin = float(text)
    except ValueError:
        margin = -1.0
    if margin not in MARGINS:
        raise ConfigError("--margin", text, f"a share {MARGINS}, such as 0.1")
    return margin
