from pathlib import Path

from irsa_cli.subcommands import installed
from tests.unit.test_links import PAGES, ROOT, links

README = ROOT / "README.md"
# Beside their code, for whoever changes it.
BESIDE_CODE = {ROOT / "components" / "README.md", ROOT / "SECURITY.md"}


def linked(pages: set[Path]) -> set[Path]:
    return {(page.parent / link.partition("#")[0]).resolve() for page in pages for link in links(page)} & {*PAGES}


def test_every_page_is_two_clicks_away() -> None:
    """Protects readers from a page that nobody finds: each is linked from README, or from a page that README links."""
    first = linked({README})

    assert {*PAGES} - {README, *first, *linked(first)} - BESIDE_CODE == set()


def test_each_subcommand_has_its_line() -> None:
    text = README.read_text()

    assert [name for name in installed() if f"- `irsa {name}`: " not in text] == []
