"""What is not known: a marker in place of a value.

A rule skips a marker, or reads what is written there, and judges what is beside it. A length that holds a marker is a
lower bound. So nothing is a mistake only because something is not known.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from irsa.rules.leaves import leaves, map_leaves
from irsa.rules.mistakes import Place

T = TypeVar("T")


class Unknown:
    """Takes the place of a value that is not known, at any depth of a value.

    Attributes:
        reason: Why it is not known, for messages.
        sources: The outputs by which it will be known; none where nobody will know it.
        written: Its text, where this is known but for what is looked up later: a variable is in place of that.
    """

    def __init__(self, reason: str, sources: Iterable[Any] = (), written: str = "") -> None:
        self.reason, self.sources, self.written = reason, tuple(sources), written

    def __repr__(self) -> str:
        """Return what a message shows of it within a value."""
        return repr(self.written) if self.written else "..."


OUTPUT = Unknown("an output, which is known only during the deployment")
SECRET = Unknown("a secret")
WRONG = Unknown("a value with an error")
PERHAPS = Unknown("a value that may be there: it is within one that is not known")
MISSING = Unknown("a value that should be there")
if TYPE_CHECKING:
    Value: TypeAlias = T | Unknown
    """A value, or a marker in its place, or with markers in it."""
else:

    class Value:
        """What a value is where it is known, for who reads annotations."""

        def __class_getitem__(cls, known: Any) -> Any:
            """Return the type of the value."""
            return known


def is_there(value: object) -> bool:
    """Return whether there is a value at a key, known or not."""
    return value is not None and value is not PERHAPS and value is not MISSING


def may_be_there(value: object) -> bool:
    """Return whether there is, or may be."""
    return value is not None and value is not MISSING


def or_else(value: "Value[T] | None", otherwise: T) -> "Value[T]":
    """Return a value, known or not, or another one where there is none."""
    return otherwise if value is None else value


def known_or(value: "Value[T] | None", otherwise: T) -> T:
    """Return a value that is known, or another one."""
    return otherwise if value is None or isinstance(value, Unknown) else value


def is_output_marker(value: object) -> bool:
    """Return whether a value stands for an output."""
    return isinstance(value, Unknown) and value.reason == OUTPUT.reason


def sources_of(value: Any) -> tuple[Any, ...]:
    """Return the outputs by which a value will be known, each once; none for one that is known."""
    markers = [leaf for _, leaf in leaves(value) if isinstance(leaf, Unknown)] if has_unknown(value) else []
    return tuple({id(source): source for marker in markers for source in marker.sources}.values())


def derive(compute: Callable[..., T], *parts: Any) -> "T | Unknown":
    """Return what is computed of values; a marker with their sources where one of them is not known."""
    if not any(map(has_unknown, parts)):
        return compute(*parts)
    sources = sources_of(parts)
    return Unknown(OUTPUT.reason if sources else WRONG.reason, sources)


def checked_with(value: T, *others: Any) -> T:
    """Return a value that is known as it is; each marker in another one waits for others, with which it is checked."""
    sources = sources_of(others) if has_unknown(value) else ()
    return _waiting(value, sources) if sources else value


def with_values(value: Any, values: Mapping[int, Any]) -> Any:
    """Return a value with those of outputs, by their identity, in place of the markers of these."""
    if isinstance(value, Unknown):
        return values.get(id(value.sources[0]), value) if value.sources else value
    if isinstance(value, dict):
        return {key: with_values(item, values) for key, item in value.items()}
    return [with_values(item, values) for item in value] if isinstance(value, list) else value


def _waiting(value: Any, sources: tuple[Any, ...]) -> Any:
    if isinstance(value, Unknown):
        return Unknown(OUTPUT.reason, (*value.sources, *sources))
    if isinstance(value, dict):
        return {key: _waiting(item, sources) for key, item in value.items()}
    items = [_waiting(item, sources) for item in value] if isinstance(value, list | tuple) else []
    return items if isinstance(value, list) else type(value)(*items) if isinstance(value, tuple) else value


def later(written: str) -> Unknown:
    """Return the marker of a text with what is looked up later; the text has variables in place of that."""
    return Unknown("it is looked up later", written=written)


def text_of(value: object) -> str:
    """Return a string, or the text of a marker as it is written; of anything else, an empty string."""
    return value if isinstance(value, str) else value.written if isinstance(value, Unknown) else ""


def has_unknown(value: Any) -> bool:
    """Return whether a value is not known, or contains one that is not."""
    # Asked of every value: leaves() would take several times as long.
    if isinstance(value, dict):
        return any(map(has_unknown, value.values()))
    return any(map(has_unknown, value)) if isinstance(value, list | tuple) else isinstance(value, Unknown)


def has_output(value: Any) -> bool:
    """Return whether a value is an output, or contains one."""
    return any(is_output_marker(leaf) for _, leaf in leaves(value))


def without_missing(value: Any) -> Any:
    """Return a value with those of its keys that are there."""
    if not has_unknown(value):
        return value
    if isinstance(value, dict):
        return {key: without_missing(item) for key, item in value.items() if item is not MISSING}
    return [without_missing(item) for item in value] if isinstance(value, list) else value


def least(value: Any) -> Any:
    """Return a value whose JSON is the shortest that it can become: a digit in place of each marker."""
    return map_leaves(without_missing(value), lambda _, leaf: 0 if isinstance(leaf, Unknown) else leaf)


def without_places(
    value: Any, places: Iterable[Place], unknown: Unknown = WRONG, missing: Unknown | None = None
) -> Any:
    """Return the value with a marker at these places; at one that is not there, with `missing`, if that is given."""
    inner: dict[str | int, list[Place]] = {}
    for place in places:
        if not place:
            return unknown
        inner.setdefault(place[0], []).append(place[1:])
    if not inner:
        return value
    if isinstance(value, dict):
        marked = {
            key: without_places(item, inner[key], unknown, missing) if key in inner else item
            for key, item in value.items()
        }
        return marked if missing is None else marked | {key: missing for key in inner if key not in value}
    if isinstance(value, list):
        return [without_places(item, inner.get(index, ()), unknown, missing) for index, item in enumerate(value)]
    return value if missing is None else unknown
