"""The links of the documentation to files of this repository, and to headings in them."""

import re
from collections import Counter
from pathlib import Path

import pytest

from irsa_cli.subcommands import SUBCOMMANDS

ROOT = Path(__file__).parents[2]
PAGES = [
    file
    for pattern in ("*.md", "docs/**/*.md", "components/*.md", "examples/**/*.md")
    for file in sorted(ROOT.glob(pattern))
    if "node_modules" not in file.parts
]
README = ROOT / "README.md"
# Beside their code, for whoever changes it.
BESIDE_CODE = {ROOT / "components" / "README.md", ROOT / "SECURITY.md"}
# `[text](target)` and `![text](target)`, without those of other sites.
LINK = re.compile(r"\]\((?!https?://|mailto:)([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
INLINE_CODE = re.compile(r"`[^`\n]*`")
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings.

    As GitHub makes them: https://docs.github.com/en/get-started/writing-on-github/getting-started-with-writing-and-formatting-on-github/basic-writing-and-formatting-syntax#section-links
    """
    seen: Counter[str] = Counter()
    found = set()
    for heading in HEADING.findall(CODE.sub("", page.read_text())):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        found.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return found


def links(page: Path) -> list[str]:
    return LINK.findall(INLINE_CODE.sub("", CODE.sub("", page.read_text())))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_link_leads_somewhere(page: Path) -> None:
    dead = []
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            dead.append(link)

    assert not dead


def linked(pages: set[Path]) -> set[Path]:
    return {(page.parent / link.partition("#")[0]).resolve() for page in pages for link in links(page)} & {*PAGES}


def test_every_page_is_two_clicks_away() -> None:
    first = linked({README})

    assert {*PAGES} - {README, *first, *linked(first)} - BESIDE_CODE == set()


def test_each_subcommand_has_its_line() -> None:
    text = README.read_text()

    assert [name for name in SUBCOMMANDS if f"- `irsa {name}`: " not in text] == []
