"""What differs between the live object, in the fields of the old inputs, and the new inputs."""

from collections.abc import Iterator
from typing import Any

from pulumi.provider.experimental.provider import PropertyDiff, PropertyDiffKind

from sandbox.plugins.serving import Plain

Path = tuple[str | int, ...]

_MISSING: Any = object()
_REPLACING = {
    PropertyDiffKind.ADD: PropertyDiffKind.ADD_REPLACE,
    PropertyDiffKind.DELETE: PropertyDiffKind.DELETE_REPLACE,
    PropertyDiffKind.UPDATE: PropertyDiffKind.UPDATE_REPLACE,
}


def changes(old: Any, new: Any, path: Path = ()) -> Iterator[tuple[Path, PropertyDiffKind, Any]]:
    """Yield each innermost path that differs, how, and the value there: the new one, or the old one that goes."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from changes(old.get(key, _MISSING), new.get(key, _MISSING), (*path, key))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            before, after = (items[index] if index < len(items) else _MISSING for items in (old, new))
            yield from changes(before, after, (*path, index))
    elif old is _MISSING:
        yield path, PropertyDiffKind.ADD, new
    elif new is _MISSING:
        yield path, PropertyDiffKind.DELETE, old
    elif old != new:
        yield path, PropertyDiffKind.UPDATE, new


def _reaches(path: Path, field: tuple[str, ...], value_at: Any) -> bool:
    """Return whether a change at `path` changes `field`: it is inside of `field`, or what changed contains `field`."""
    named = tuple(step for step in path if isinstance(step, str))
    if named[: len(field)] == field:
        return True
    if field[: len(named)] != named:
        return False
    for step in field[len(named) :]:
        if not isinstance(value_at, dict) or step not in value_at:
            return False
        value_at = value_at[step]
    return True


def text_of(path: Path) -> str:
    """Return a path as the engine reads it: `metadata.annotations["eks.amazonaws.com/role-arn"]`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif any(mark in step for mark in '."[]'):
            quoted = step.replace('"', '\\"')
            text += f'["{quoted}"]'
        else:
            text += f".{step}" if text else step
    return text


def detailed_diff(old: Plain, new: Plain, replaced_by: tuple[tuple[str, ...], ...]) -> dict[str, PropertyDiff]:
    """Return the differences for the engine, with those marked that need a new object."""
    found = {}
    for path, kind, value_at in changes(old, new):
        replaces = any(_reaches(path, field, value_at) for field in replaced_by)
        found[text_of(path)] = PropertyDiff(_REPLACING[kind] if replaces else kind, kind is PropertyDiffKind.DELETE)
    return found
