"""One HTML page that answers a sweep's question, offline: `python -m analysis.report [FOLDER]`.

Writes report.html to the folder, by default the newest in runs/: up to which lambda sharpening
attention costs nothing, curves, scores, settings, and what other commands left there.
"""

from attn_ppo.lifecycle import process

if __name__ == "__main__":
    process.begin()

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from analysis import sources
from analysis.figures import summary
from analysis.margin import MARGIN, add_margin, margin_of
from analysis.outputs import file_of
from analysis.report.data import Asked, gather
from analysis.report.page import write_report
from analysis.sources import Source
from attn_ppo import config
from attn_ppo.arguments import Parser
from attn_ppo.errors import ConfigError, ExitCode, RunError, report
from attn_ppo.lifecycle.disk import disk_error

OUT = "or a folder for report.html; default: report.html in FOLDER"


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the page and prints the answer and where it is; 0, 2 without runs, 4 on a disk error.

    Raises SystemExit for arguments that can't be used.
    """
    parser = Parser("analysis.report", __doc__, "runs/demo")
    parser.add_argument("source", nargs="?", metavar="FOLDER", help=sources.HELP)
    parser.add_argument("--out", type=Path, metavar="FILE", help=OUT)
    add_margin(parser)
    options = parser.parse_args(arguments)
    out = options.out
    try:
        margin = margin_of(options.margin)
        source, runs, problems = sources.read(options.source)
        out = file_of(out, source.folder / "report.html")
        print(summary(source, runs, problems))
        asked = Asked(source.folder, out, _command(options, source), margin)
        made = gather(runs, problems, asked)
        print(*(answer["headline"] for answer in made["answers"]), sep="\n")
        write_report(out, made)
    except (ConfigError, RunError) as error:
        return report(error)
    except OSError as error:
        return report(disk_error(Path(error.filename or out or config.default_root()), error))
    print("look at", f"  {out}", sep="\n")
    return ExitCode.DONE


def _command(options: argparse.Namespace, source: Source) -> str:
    margin = [] if options.margin == str(MARGIN) else ["--margin", options.margin]
    return shlex.join(["python", "-m", "analysis.report", str(source), *margin])


if __name__ == "__main__":
    process.finish(main)
