"""One HTML file that shows a report, offline: `write_report`.

The front end is report.html, made from TypeScript and shipped; this inserts the data as JSON.
"""

import html
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from attn_ppo.lifecycle.disk import disk_error, write_atomically


def write_report(path: Path, report: dict[str, Any]) -> None:
    """Writes the page, the same bytes for the same report. Raises RunError where it can't."""
    template = files("attn_ppo.interpret.show").joinpath("web/dist/report.html").read_text("utf-8")
    text = template.replace("{{DATA}}", embedded(report), 1)
    title = html.escape(f"{report['name']}: {report['question']}")
    content = text.replace("{{TITLE}}", title, 1).encode("utf-8", "replace")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    except OSError as error:
        raise disk_error(path, error, len(content)) from None


def embedded(report: dict[str, Any]) -> str:
    """The report as JSON that no HTML parser takes for markup: `<` is only ever within a string."""
    text = json.dumps(report, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")
