"""Puts analysis/ into the wheel as attn_ppo.analysis: other projects have an `analysis`, too.

A checkout keeps it at its root, `python -m analysis.figures`, and so does an editable install.
"""

import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# In imports, and in what users are told.
OWN_NAME = re.compile(r"(?<![\w./])analysis(?=\.\w| import )")


class AnalysisHook(BuildHookInterface):
    """Adds copies of its files, whose imports name its place in the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Before the wheel is packed: the copies, and where in it they go."""
        self._copies = Path(tempfile.mkdtemp())
        if version == "editable":
            return
        folder = Path(self.root, "analysis")
        for source in (path for path in folder.rglob("*") if path.suffix in (".py", ".csv")):
            name = source.relative_to(folder)
            copy = self._copies / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            text = source.read_text(encoding="utf-8")
            copy.write_text(OWN_NAME.sub("attn_ppo.analysis", text), encoding="utf-8")
            build_data["force_include"][str(copy)] = f"attn_ppo/analysis/{name.as_posix()}"

    def finalize(self, *_: Any) -> None:
        """Removes the copies."""
        shutil.rmtree(self._copies)
