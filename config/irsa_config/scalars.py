"""YAML's scalars as the engine reads them, with Go's yaml.v3, and the values that it passes on as JSON.

Go reads them otherwise than PyYAML: `yes` is a string, and 0o17 a number.
"""

import json
import math
import re
from collections.abc import Callable
from typing import Any

from irsa.rules.mistakes import Mistake
from irsa.rules.policies import TOO_DEEP, each_key_once, is_too_deep
from irsa.rules.unknown import WRONG

WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
# Numbers in every spelling that the engine takes, without underscores.
NUMBER = re.compile(
    r"[-+]?(0[bB][-+]?[01]+|0[oO]?[-+]?[0-7]+|0[xX][0-9a-fA-F]+|(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?)"
)
# A date with or without a time, and what `pulumi config set`, which saves the whole file, writes in its place.
DATE = re.compile("[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ]+[0-9].*)?")


def scalar(text: str) -> Any:
    """Return the value of a scalar without quotes; WRONG for a date or a number that the engine may print anew.

    https://github.com/go-yaml/yaml/blob/v3/resolve.go
    """
    if text in WORDS:
        return WORDS[text]
    if text[0] not in "0123456789-+.":
        return text
    if re.fullmatch("0|-?[1-9][0-9]{0,17}", text):
        return int(text)
    if re.fullmatch("-?(0|[1-9][0-9]{0,9})[.][0-9]{0,4}[1-9]", text):
        return float(text)
    return WRONG if DATE.fullmatch(text) or NUMBER.fullmatch(text.replace("_", "")) else text


def read_as(text: str) -> str:
    """Return what the engine makes of a scalar without quotes, for messages."""
    value = scalar(text)
    return json.dumps(value) if value is not WRONG else "a date" if DATE.fullmatch(text) else "another number"


def other_key(name: str) -> Mistake | None:
    """Return a mistake where the engine may make another key of one without quotes: 1227433179 of 011112222333."""
    value = scalar(name)
    kept = str(value).lower() if isinstance(value, bool) else str(value)
    if kept == name and not isinstance(value, float):
        return None
    found = f"the key {name} without quotes, which YAML reads as {read_as(name)}"
    return Mistake(found, "keys that are strings", f'put it in quotes: "{name}"')


def parsed(text: str, complain: Callable[[Mistake], None] = lambda _: None) -> Any:
    """Return a value that the engine passed as a string; of JSON with a key twice, the string and the mistake."""
    try:
        value = json.loads(text, object_pairs_hook=each_key_once)
    except (ValueError, RecursionError) as error:
        if isinstance(error, Mistake):
            complain(error)
        return text
    return text if reason_not_to_use(value) else value


def reason_not_to_use(value: Any) -> str | None:
    """Return why a JSON value cannot be used; None where it can."""
    if is_too_deep(value):
        return TOO_DEEP
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        return f"{error.object[error.start]!r}, an unpaired surrogate"
    return None
