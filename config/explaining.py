"""What pydantic finds, in the words of a stack file."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from types import UnionType
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from config.models import Stack
from config.places import LocatedMistake, Place
from irsa.rules.mistakes import Mistake

# What a value must be, by the type of pydantic's error.
KINDS = {
    "string_type": "a text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "list_type": "a list, such as [one, two]",
    "dict_type": "a map: keys and their values",
    "model_type": "a map: keys and their values",
}
LIMITS = {
    "greater_than_equal": "at least {ge:,}",
    "less_than_equal": "at most {le:,}",
    "string_too_short": "at least {min_length} character",
    "string_too_long": "at most {max_length} characters",
}


def explained(errors: Iterable[Any]) -> Iterator[LocatedMistake]:
    """Give pydantic's errors as mistakes; a misspelled required key is one mistake, not two."""
    errors = list(errors)
    extra: dict[Place, list[str]] = {}
    for error in errors:
        if error["type"] == "extra_forbidden":
            place = _place(error)
            extra.setdefault(place[:-1], []).append(str(place[-1]))
    for error in errors:
        place = _place(error)
        misspelled = error["type"] == "missing" and difflib.get_close_matches(
            str(place[-1]), extra.get(place[:-1], ()), n=1
        )
        if not misspelled:
            yield LocatedMistake(place, _mistake(error, place))


def _place(error: Any) -> Place:
    return tuple(part for part in error["loc"] if part != "[key]")


def _mistake(error: Any, place: Place) -> Mistake:
    kind, found, limits = error["type"], error["input"], error.get("ctx", {})
    cause = limits.get("error")
    if isinstance(cause, Mistake):
        return cause
    if kind == "extra_forbidden":
        return _unknown_key(str(place[-1]), place[:-1])
    if kind == "missing":
        return Mistake(f"no {place[-1]}", f"{place[-1]} is required", f"add {place[-1]}")
    if kind == "literal_error":
        known = [str(item) for item in get_args(_annotation(place))] or [str(limits["expected"])]
        return Mistake(shown(found), ", ".join(known), nearest(str(found), known, "name one of these"))
    if kind in LIMITS:
        return Mistake(shown(found), LIMITS[kind].format(**limits), "write a value within that limit")
    allowed = KINDS.get(kind, str(error["msg"]))
    return Mistake(shown(found), allowed, _advice(kind, found, place))


def _advice(kind: str, found: Any, place: Place) -> str:
    if kind == "string_type" and isinstance(found, bool | int | float):
        return f'put it in quotes: "{str(found).lower() if isinstance(found, bool) else found}"'
    if kind == "bool_type" and isinstance(found, str):
        return f"write {'true' if found.lower() in ('yes', 'on', 'true', '1') else 'false'}, without quotes"
    if kind in ("int_type", "int_from_float") and isinstance(found, str) and found.isdigit():
        return f"write {found}, without quotes"
    if kind == "list_type" and isinstance(found, str):
        return f'write ["{found}"]'
    if kind == "model_type":
        known = keys_at(place)
        return f"write keys below it: {', '.join(known[:4])}{', ...' if len(known) > 4 else ''}"  # noqa: PLR2004 (enough to see which)
    return "write a value of that kind"


def _unknown_key(key: str, place: Place) -> Mistake:
    known = keys_at(place)
    where = _home_of(key) if not difflib.get_close_matches(key, known, n=1) else None
    fix = f"it belongs under {where}" if where else nearest(key, known, "remove it")
    return Mistake(f"unknown key {key!r}", ", ".join(known) or "no key", fix)


def _home_of(key: str) -> str | None:
    """Give the one setting of a binding below which this key is known."""
    homes = [home for home in keys_at(("bindings", "")) if key in keys_at(("bindings", "", home))]
    return homes[0] if len(homes) == 1 else None


def nearest(text: str, known: Iterable[str], otherwise: str) -> str:
    """Give the advice to take the nearest known name."""
    lower = {item.lower(): item for item in known}
    close = difflib.get_close_matches(text.lower(), lower, n=1)
    return f"did you mean {lower[close[0]]!r}?" if close else otherwise


def shown(value: object) -> str:
    """Give a value as YAML has it, the kind beside it, a long one cut."""
    if value is None or value == "":
        return "nothing" if value is None else "an empty text"
    if isinstance(value, Mapping):
        return f"a map ({', '.join(map(str, value))})"[:80] if value else "an empty map"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."  # noqa: PLR2004 (a line of a terminal)


def keys_at(place: Place) -> list[str]:
    """Give the keys that a map at this YAML path may have, sorted."""
    annotation = _annotation(place)
    fields = annotation.model_fields if _is_model(annotation) else {}
    return sorted(field.alias or name for name, field in fields.items())


def _annotation(place: Place) -> Any:
    """Give the type of the value at a YAML path, or of a map's keys where it is a key's own."""
    annotation: Any = Stack
    for part in place:
        annotation = _step(annotation, part)
    return annotation


def _step(annotation: Any, part: str | int) -> Any:
    """Give the type of a key or an item of a value of this type."""
    if _is_model(annotation):
        field = next((field for field in annotation.model_fields.values() if field.alias == part), None)
        return _without_none(field.annotation) if field else None
    arguments = get_args(annotation)
    if get_origin(annotation) is dict and get_origin(arguments[0]) is Literal and part not in get_args(arguments[0]):
        return arguments[0]
    return arguments[-1] if arguments else None


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _without_none(annotation: Any) -> Any:
    alternatives = [part for part in get_args(annotation) if part is not type(None)]
    return alternatives[0] if isinstance(annotation, UnionType) else annotation
