"""What is wrong with a text that is not JSON, and what to do.

The words of Python's parser, and where it stops at a trailing comma, differ from one Python to the next: only that
place is used. At most one character of the text is repeated, since another file could have been named.
"""

import json
import re

# By what is where the parser stops.
_SLIPS = tuple(
    (re.compile(pattern, re.DOTALL), found, fix)
    for pattern, found, fix in (
        (r"//|/\*(?!\")|#", "a comment", "remove it: JSON has none; a statement's Sid may say what it is for"),
        (r",[ \t\n\r]*([]},])", "a comma before {}", "remove the comma"),
        (r"\ufeff", "a byte order mark", "save it as UTF-8 without a byte order mark"),
        (r"(['\u2018\u2019\u201c\u201d])", "the quote {}", 'write straight double quotes: "'),
        (r"[\n\r]", "a line break in a string", 'add the " that is missing before it, or write \\n'),
        (r"\t", "a tab in a string", 'add the " that is missing before it, or write \\t'),
        (r"[\0-\x1f]", "a control character", "remove it"),
        (r"\s", "white space that JSON does not have", "write a plain space"),
        (r"(?<=\\)u|\\", "a \\ that escapes nothing", "write \\\\ for a backslash"),
        (r'"(?!(?:[^"\\]|\\.)*+")', "a string that does not end", 'add the " that is missing at its end'),
        (r'(?<=")\w', "text right after a string", 'add the " that is missing before it, or write \\" for a quote'),
        (r"(?<=\d)[\w.-]", "a number that JSON does not have", "write it in double quotes"),
    )
)
_NAMES = {"]": "]", "}": "}", ":": "colon", ",": "comma", '""': "value"}
# What may be missing before an end, before a comma or a colon, and before anything else.
_BEFORE_END, _BEFORE_NEXT, _BEFORE_MORE = ("]", "}", ":", '""'), (":", '""'), (":", ",")


def slip_in(text: str, stopped: int) -> tuple[json.JSONDecodeError, str]:
    """Return what is wrong and where in a text that is not JSON, and what to do; the parser stopped at an index."""
    before, here = text[:stopped].rstrip(" \t\n\r"), text[stopped : stopped + 1]
    if before.endswith(",") and here in ("]", "}", ","):
        stopped = len(before) - 1
    found, place, fix = _by_what_is_there(text, before, stopped) or _by_what_is_missing(before, here, stopped)
    return json.JSONDecodeError(found, text, place), fix


def _by_what_is_there(text: str, before: str, stopped: int) -> tuple[str, int, str] | None:
    if text.startswith("\\", stopped) and _stop(before) >= len(before):
        return "a \\ outside a string", stopped, "remove it"
    for pattern, found, fix in _SLIPS:
        if match := pattern.match(text, stopped):
            return found.format(*match.groups()), stopped, fix
    if text.startswith(",", stopped) and before.endswith(("[", "{")):
        return f"a comma after {before[-1]}", stopped, "remove the comma"
    return None


def _by_what_is_missing(before: str, here: str, stopped: int) -> tuple[str, int, str]:
    end = len(before)
    if not before and not here:
        return "an empty text", 0, "write the document"
    if _stop(before) > end:
        return "text after the end", stopped, "remove it"
    more = _BEFORE_MORE if here in ('"', "[", "{") or (end < stopped and here.isalnum()) else ()
    for part in _BEFORE_END if here in ("", "]", "}") else _BEFORE_NEXT if here in (",", ":") else more:
        # What is missing is what the parser reads on with.
        if _stop(before + part) > end:
            return f"a missing {_NAMES[part]}", end, "add it there"
    if here.isalnum():
        return "text without quotes", stopped, "write it in double quotes; the words of JSON are true, false and null"
    return f"an unexpected {here!r}", stopped, "remove it, or add what is missing before it"


def _stop(text: str) -> int:
    """Return where the parser stops in a text: after its end, if that is JSON."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return error.pos
    return len(text) + 1
