"""Links in the documents lead somewhere: to a file that is there, and to a heading in it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
WEB = ("https://", "http://", "mailto:")


def prose(path: Path) -> str:
    """A document without its blocks of code, in which `#` begins a comment."""
    return re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)


def links(path: Path) -> list[str]:
    """The targets of its links and pictures that are in this repository."""
    text = re.sub(r"`[^`\n]*`", "", prose(path))
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    return [target for target in targets if not target.startswith(WEB)]


def anchor(heading: str) -> str:
    """What GitHub calls a heading in a link."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors(path: Path) -> set[str]:
    return {anchor(heading) for heading in re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    broken = []
    for target in links(path):
        file, _, heading = target.partition("#")
        goal = path.parent / file if file else path
        if not goal.exists() or (heading and heading not in anchors(goal)):
            broken.append(target)
    assert not broken


def test_every_document_is_linked_from_the_readme():
    linked = {target.partition("#")[0] for target in links(ROOT / "README.md")}
    others = {str(path.relative_to(ROOT)) for path in DOCUMENTS} - {"README.md"}
    assert not others - linked


def test_anchors_are_githubs():
    assert anchor("2026-11-23 · A new user's walk") == "2026-11-23--a-new-users-walk"
    assert anchor("Weights & Biases") == "weights--biases"
