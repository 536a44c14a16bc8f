"""The HTML page with any text at all in every field."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from irsa_cli.inventory.page import embedded, page
from tests.all.page.inventories import inventory
from tests.all.page.parsed import parsed
from tests.unit.irsa_cli.inventory.test_page import with_text

WRITTEN = datetime(2026, 11, 26, 0, 19, tzinfo=UTC)
CALM = parsed(page(inventory(2, 2), WRITTEN)).elements
TEXTS = st.text(st.characters(exclude_categories=()) | st.sampled_from("<>/!-&'\"\\$"))


@given(TEXTS)
def test_any_text_leaves_the_elements_as_they_are(text: str) -> None:
    """No text, unpaired surrogates included, adds an element or makes the data unreadable."""
    its = parsed(page(with_text(inventory(2, 2), text), WRITTEN))

    assert its.elements == CALM
    assert len(its.data()["roles"]) == 2


@given(st.recursive(TEXTS | st.integers() | st.booleans(), lambda each: st.lists(each) | st.dictionaries(TEXTS, each)))
def test_embedded_json_has_nothing_that_html_reads(value: object) -> None:
    """Only ASCII, and none of the characters that start something in HTML."""
    text = embedded(value)

    assert text.isascii()
    assert not set(text) & set("<>&")
