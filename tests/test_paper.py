"""PAPER.md names code and tests that are there."""

import ast
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "PAPER.md").read_text()
HEADER = "| what | source | code | test |"


def rows() -> list[list[str]]:
    """The cells of each row of the table: what, source, code, test."""
    lines = TEXT.partition(HEADER)[2].partition("\n\n")[0].split("\n")[2:]
    return [line.strip("| ").split(" | ") for line in lines]


def in_backticks(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def is_defined(names: Sequence[str], body: Iterable[ast.stmt]) -> bool:
    """Whether a module's or a class's body defines the first name, and that one the next."""
    if not names:
        return True
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == names[0]:
            return is_defined(names[1:], node.body if isinstance(node, ast.ClassDef) else [])
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == names[0] for target in targets):
            return len(names) == 1
    return False


def is_there(code: str) -> bool:
    """`ppo.gae`, `interpret/tree/peaks`, `analysis.reward_curves`, `compute/native/cells.h`:
    whether a path or dotted name is that of a file or package, or of what a file defines."""
    for base in (ROOT / "attn_ppo", ROOT):
        if "/" in code and (base / code).exists():
            return True
        parts = re.split(r"[./]", code)
        for length in range(len(parts), 0, -1):
            module = base.joinpath(*parts[:length])
            if (module / "__init__.py").exists() and length == len(parts):
                return True
            if (source := module.with_name(f"{module.name}.py")).exists():
                return is_defined(parts[length:], ast.parse(source.read_text()).body)
    return False


def functions_in(file: str) -> set[str]:
    """Those of a file in tests/; none where there is no such file."""
    path = ROOT / "tests" / f"{file}.py"
    body = ast.parse(path.read_text()).body if path.exists() else []
    return {node.name for node in body if isinstance(node, ast.FunctionDef)}


def test_the_table_is_whole():
    assert len(rows()) > 20
    assert [row for row in rows() if len(row) != 4 or not all(row)] == []


def test_all_code_is_there():
    named = {what: in_backticks(code) for what, _, code, _ in rows()}
    assert [what for what in named if not named[what]] == []
    assert [code for codes in named.values() for code in codes if not is_there(code)] == []


def test_all_tests_are_there():
    unheld = [what for what, _, _, test in rows() if not re.search(r"`test_\w+\.test_\w+`", test)]
    assert unheld == []
    missing = []
    for name in in_backticks(TEXT):
        if name.startswith("test_"):
            file, _, function = name.partition(".")
            if function not in functions_in(file):
                missing.append(name)
    assert missing == []
