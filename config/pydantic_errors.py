"""pydantic's errors as mistakes in a stack file."""

import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args

from config.located_mistake import LocatedMistake
from config.models import Stack
from config.scalars import in_yaml_words
from irsa.keys.binding import is_model, unwrapped
from irsa.rules.mistakes import Mistake, Place, likely, nearest, path_of

# What a value must be, by the type of pydantic's error.
KINDS = {
    "string_type": "a string",
    "bool_type": "true or false",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "list_type": "a list, such as [one, two]",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
}
# Keys of an earlier version, and what to do.
REMOVED: Mapping[Place, str] = {
    ("defaults", "retainNamespaces"): "remove it: irsa deletes no namespace, and `kubectl delete namespace` deletes one"
}
SCHEMA_OF = functools.cache(lambda model: model.model_json_schema())
LIMITS = {
    "too_short": "at least {min_length}",
    "greater_than_equal": "at least {ge:,}",
    "less_than_equal": "at most {le:,}",
    "string_too_short": "at least {min_length} character",
    "string_too_long": "at most {max_length} characters",
}


def mistakes_of(errors: Iterable[Any]) -> Iterator[LocatedMistake]:
    """Yield pydantic's errors as mistakes; a misspelled required key is one mistake."""
    errors = list(errors)
    extra: dict[Place, list[str]] = {}
    for error in errors:
        if error["type"] == "extra_forbidden":
            place = _place(error)
            extra.setdefault(place[:-1], []).append(str(place[-1]))
    for error in errors:
        place = _place(error)
        if error["type"] != "missing" or likely(place[-1], extra.get(place[:-1], ())) is None:
            yield LocatedMistake(place, _mistake(error, place))


def _place(error: Any) -> Place:
    return tuple(part for part in error["loc"] if part != "[key]")


def _mistake(error: Any, place: Place) -> Mistake:
    kind, found, limits = error["type"], error["input"], error.get("ctx", {})
    cause = limits.get("error")
    if isinstance(cause, Mistake):
        return cause
    if kind == "extra_forbidden":
        key, known = str(place[-1]), keys_at(place[:-1])
        advice = REMOVED.get(place) or _advice_for_key(key, place[:-1], known)
        return Mistake(f"unknown key {key!r}", ", ".join(known) or "no key", advice)
    if kind == "missing":
        return Mistake(f"no {place[-1]}", f"{place[-1]} is required", f"add {place[-1]}")
    if kind in LIMITS:
        return Mistake(in_yaml_words(found), LIMITS[kind].format(**limits), "write a value within this limit")
    allowed = KINDS.get(kind, str(error["msg"]))
    by_arn = _are_arns_of_policies(found, place)
    advice = "write the ARNs under policyArns, as a list" if by_arn else _advice(kind, found, place)
    return Mistake(in_yaml_words(found), allowed, advice)


def _are_arns_of_policies(found: Any, place: Place) -> bool:
    """Return whether ARNs are in the place of add-ons: one, or as terraform-aws-iam's `policies = {name = arn}`."""
    values = [*found.values()] if isinstance(found, dict) else [found]
    is_place = place[2:3] == ("policies",) and not place[4:]
    return is_place and bool(values) and all(str(each).startswith("arn:") for each in values)


def _advice(kind: str, found: Any, place: Place) -> str:
    if kind not in KINDS:
        return "write a string"
    example = json.dumps(_example_at(place), ensure_ascii=False)
    if kind == "string_type" and isinstance(found, bool | int | float):
        # A number is not always what was written: an account ID that begins with 0 may have become another one.
        return f"write a string in quotes, such as {example}: YAML reads 010 as the number 8"
    quotes = ", without quotes" if kind in ("bool_type", "int_type") and isinstance(found, str) else ""
    return f"write {KINDS[kind].partition(',')[0]}{quotes}, such as {example}"


def _example_at(place: Place) -> Any:
    """Return the first example of the key at a place; of an item of a list or a mapping, the first of that."""
    model = annotation_at(place[:-1])
    if not is_model(model):
        several = _example_at(place[:-1])
        return next(iter(several.values() if isinstance(several, dict) else several))
    schema = SCHEMA_OF(model)["properties"][place[-1]]
    return {**schema.get("anyOf", [{}])[0], **schema}["examples"][0]


def _advice_for_key(key: str, place: Place, known: list[str]) -> str:
    for levels in range(1, len(place)):
        outer = place[:-levels]
        if key in keys_at(outer):
            return f"move it {'one level' if levels == 1 else f'{levels} levels'} up, to irsa:{path_of(outer)}"
    if not place and key in keys_at(("bindings", "")):
        return "move it to the binding that it is for, below irsa:bindings"
    # The only key of a binding that may contain this key.
    parents = [parent for parent in keys_at(("bindings", "")) if key in keys_at(("bindings", "", parent))]
    parent = f"irsa:{key}" if key in keys_at(()) else parents[0] if len(parents) == 1 else None
    return nearest(key, known, f"move it to {parent}" if parent else "remove it")


def secret_mistake(place: Place) -> Mistake | None:
    """Return the mistake of a secret in place of what is no string: the engine makes a string of each within a setting.

    A whole setting may be one: its text is read as JSON.
    """
    annotation = annotation_at(place)
    kind = "model_type" if is_model(annotation) else f"{getattr(annotation, '__name__', '')}_type"
    if not place[1:] or kind not in KINDS or kind == "string_type":
        return None
    fix = "write it out; a string within it may be a secret"
    return Mistake("a secret, which Pulumi passes as a string", KINDS[kind], fix)


def keys_at(place: Place) -> list[str]:
    """Return the keys that a mapping at this YAML path may have, in alphabetical order."""
    annotation = annotation_at(place)
    fields = annotation.model_fields if is_model(annotation) else {}
    return sorted(field.alias or name for name, field in fields.items())


def annotation_at(place: Place) -> Any:
    """Return the type of the value at a YAML path: `Any` in documents, None at an unknown key."""
    annotation: Any = Stack
    for part in place:
        annotation = step(annotation, part)
    return getattr(annotation, "__origin__", annotation)


def step(annotation: Any, part: str | int) -> Any:
    """Return the type of a key or an item of a value of this type."""
    if is_model(annotation):
        field = next((field for field in annotation.model_fields.values() if field.alias == part), None)
        return unwrapped(field.annotation)[0] if field else None
    arguments = get_args(annotation)
    return arguments[-1] if arguments else annotation if annotation is Any else None
