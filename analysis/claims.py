"""Up to which lambda sharpening attention costs nothing: `python -m analysis.claims [FOLDER]`.

Holds each lambda's finished runs against those of lambda 0, game by game and over games, prints the
answer in words and a table, and writes both to figures/ of the sweep.
"""

from attn_ppo.lifecycle import process

if __name__ == "__main__":
    process.begin()

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from analysis import sources
from analysis.claims_table import frame, frame_over_games, markdown, to_text
from analysis.claims_words import Answer, answer
from analysis.comparisons import Comparison, OverGames, compare
from analysis.groups import variants_in
from analysis.margin import MARGIN, add_margin, margin_of
from analysis.outputs import folder_of
from analysis.problems import told
from analysis.runs import Run
from attn_ppo import config
from attn_ppo.arguments import Parser
from attn_ppo.errors import ConfigError, ExitCode, RunError, report
from attn_ppo.lifecycle import decision
from attn_ppo.lifecycle.disk import disk_error, write_atomically

LOOKED = (
    "This sweep looks at its scores and adds seeds. The tests here take their number as fixed and "
    "would err too often: what the sweep's own test said stands, see decision.json and `make "
    "status`."
)


@dataclass(frozen=True)
class Claims:
    """What a sweep says of lambda: numbers, tables and words."""

    margin: float  # as a share of what lambda 0 scores above random play
    comparisons: list[Comparison]
    over: list[OverGames]
    answers: list[Answer]  # one a variant
    left_out: int  # unfinished runs
    until_decided: bool = False  # seeds were added until a test of the sweep's own was satisfied

    @cached_property
    def answer(self) -> str:
        """The answer in words: a paragraph a variant, and how many runs aren't finished."""
        paragraphs = [each.text for each in self.answers]
        if self.left_out:
            plural = "s are" if self.left_out > 1 else " is"
            paragraphs.append(f"{self.left_out} unfinished run{plural} left out.")
        return "\n\n".join([*paragraphs, *[LOOKED] * self.until_decided])

    def table(self) -> pd.DataFrame:
        """A row each variant, game and lambda above 0; nan where unknown."""
        return frame(self.comparisons)

    def table_over_games(self) -> pd.DataFrame:
        """A row each variant and lambda above 0, in human-normalised scores."""
        return frame_over_games(self.over)

    def markdown(self) -> str:
        """Answer, tables and notes."""
        return markdown(self.answer, self.comparisons, self.over, self.margin)


def claims(runs: Sequence[Run], *, margin: float = MARGIN, until_decided: bool = False) -> Claims:
    """What finished runs say of lambda; `margin` is what counts as nothing, as a share of what
    lambda 0 scores above random play."""
    comparisons, over = compare(runs, margin)
    answers = [
        answer(
            variant,
            [row for row in comparisons if row.variant == variant],
            [row for row in over if row.variant == variant],
            margin,
        )
        for variant in variants_in(runs)
    ]
    left_out = sum(bool(run.unfinished) for run in runs)
    return Claims(margin, comparisons, over, answers, left_out, until_decided)


def save_claims(found: Claims, stem: Path) -> list[Path]:
    """Writes <stem>.md, <stem>.csv and <stem>_over_games.csv; returns the paths."""
    texts = {
        f"{stem.name}.md": found.markdown(),
        f"{stem.name}.csv": found.table().to_csv(index=False, float_format="%.6g"),
        f"{stem.name}_over_games.csv": found.table_over_games().to_csv(
            index=False, float_format="%.6g"
        ),
    }
    stem.parent.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_atomically(stem.parent / name, text)
    return [stem.parent / name for name in texts]


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints table, answer and paths; 0, or 2 without runs, 4 on a disk error."""
    parser = Parser("analysis.claims", __doc__, "runs/demo --margin 0.05")
    parser.add_argument("source", nargs="?", metavar="FOLDER", help=sources.HELP)
    add_margin(parser)
    parser.add_argument("--out", type=Path, help="default: figures/ in FOLDER")
    options = parser.parse_args(arguments)
    out = options.out
    try:
        margin = margin_of(options.margin)
        source, runs, problems = sources.read(options.source)
        out = folder_of(out, source.folder / "figures")
        decided = decision.read(source.folder) is not None
        found = claims(runs, margin=margin, until_decided=decided)
        print(*told(problems, source), sep="\n") if problems else None
        print(*[to_text(found.comparisons)] * bool(found.comparisons), found.answer, "", sep="\n")
        written = save_claims(found, out / "claims")
    except (ConfigError, RunError) as error:
        return report(error)
    except OSError as error:
        return report(disk_error(Path(error.filename or out or config.default_root()), error))
    print("look at", *(f"  {path}" for path in written), sep="\n")
    return ExitCode.DONE


if __name__ == "__main__":
    process.finish(main)
