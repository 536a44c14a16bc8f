"""Lines of 80 columns: where a text is broken, and what is never broken."""

import pytest

from irsa_cli.report.wrapped import columns, wrapped


@pytest.mark.parametrize(
    ("text", "first", "following", "expected"),
    [
        ("", "", "", [""]),
        ("a  b", "", "", ["a  b"]),
        (f"{'x' * 40} {'y' * 39}", "", "  ", [f"{'x' * 40} {'y' * 39}"]),
        (f"{'x' * 40} {'y' * 40}", "", "  ", ["x" * 40, f"  {'y' * 40}"]),
        # A name that needs the room has less room before it.
        (f"a {'x' * 79}", "", "   ", ["a", f" {'x' * 79}"]),
        ("x" * 79, "       ", "  ", [f" {'x' * 79}"]),
        ("x" * 75, "label     ", "  ", ["label", f"  {'x' * 75}"]),
        # One that is longer than a line stays beside its label.
        ("x" * 90, "label  ", "  ", [f"label  {'x' * 90}"]),
        (f"a {'x' * 90} b", "", "  ", ["a", f"  {'x' * 90}", "  b"]),
        # In quotes it is whole, with the spaces, the quotes and the point that are in it, and what is beside them.
        (f'a ("{"x " * 20}\\" y"), {"z" * 40}', "", "  ", [f'a ("{"x " * 20}\\" y"),', f"  {'z' * 40}"]),
        (f'{"x" * 78} "', "", "", [f'{"x" * 78} "']),
    ],
)
def test_a_text_is_broken_between_names(text: str, first: str, following: str, expected: list[str]) -> None:
    """Protects who copies a name from a terminal of 80 columns, and the layout."""
    assert [*wrapped(text, first, following)] == expected


@pytest.mark.parametrize(
    ("text", "width"), [("abc", 3), ("漢字", 4), ("e\u0301", 1), ("é", 1), ("", 0), ("\U0001d300", 2)]
)
def test_a_wide_character_takes_two_columns(text: str, width: int) -> None:
    """Protects the layout where a name is not ASCII: East Asian Wide is two columns, a combining character none.

    U+1D300 is wide since https://www.unicode.org/Public/16.0.0/ucd/EastAsianWidth.txt.
    """
    assert columns(text) == width
