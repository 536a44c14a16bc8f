"""Which resources change: their policy documents as a unified diff, and the names of all else. Pure."""

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from irsa import outputs, types
from irsa.evaluation.normal_form import Document, normal
from irsa.rules.leaves import items_of, mapping_of
from irsa.rules.mistakes import Mistake
from irsa_cli.diff.questions import KINDS, Kind
from irsa_world.state.preview import CREATE, DEFAULTS, DELETE, IMPORT, Step
from irsa_world.state.resource import Resource, is_secret, is_unknown, known_text

# Nothing in a cloud changes with these; what is in them has steps of its own.
GROUPS = frozenset({"pulumi:pulumi:Stack", outputs.COMPONENT_TYPE, outputs.GUARD_TYPE})
PROTECT = "protect"
Sign = Literal["-", "+", " "]
SIGNS: tuple[Sign, Sign, Sign] = ("-", "+", " ")


@dataclass(frozen=True)
class Line:
    """A line of a document: whether it is only there before (`-`), only afterwards (`+`), or at both times."""

    sign: Sign
    text: str


@dataclass(frozen=True)
class ResourceChange:
    """A resource that changes.

    Attributes:
        operation: The engine's word: create, update, replace, delete, import, or another one.
        kind: What it is: `role`, `policy`, `service account`, or its type token.
        name: Its name in AWS or Kubernetes; its logical name where that is not known.
        urn: Its URN.
        document: What its policy document is called; empty where none changes.
        lines: What differs of that, and what is beside it.
        settings: The names of its other properties that change.
    """

    operation: str
    kind: str
    name: str
    urn: str
    document: str = ""
    lines: tuple[Line, ...] = ()
    settings: tuple[str, ...] = ()


def changes(steps: Iterable[Step]) -> list[ResourceChange]:
    """Return what changes of each resource: those of one component together, its role first."""
    order = {type_: place for place, type_ in enumerate(KINDS)}
    found = [each for each in steps if each.resource.type not in GROUPS]
    found.sort(key=lambda each: (each.resource.parent, order.get(each.resource.type, len(order)), each.resource.urn))
    return [*map(_change, found)]


def _change(step: Step) -> ResourceChange:
    resource = step.resource
    kind = KINDS.get(resource.type) or Kind(resource.type)
    lines = _document_lines(kind, step)
    settings = () if step.operation in {CREATE, DELETE, IMPORT} else changed_properties(step)
    return ResourceChange(
        step.operation,
        kind.word,
        _name(resource),
        resource.urn,
        kind.title if lines else "",
        tuple(lines or ()),
        tuple(each for each in settings if lines is None or each != kind.document),
    )


def _name(resource: Resource) -> str:
    """Return the name of a resource in AWS or Kubernetes, or its logical name."""
    inputs = resource.inputs
    if resource.type == types.ATTACHMENT:
        return known_text(inputs.get("policyArn")) or resource.name
    metadata = mapping_of(inputs.get("metadata"))
    place = [known_text(metadata.get(key)) for key in ("namespace", "name")]
    own = known_text(inputs.get("name")) or known_text(resource.outputs.get("name"))
    return "/".join(filter(None, place)) or own or resource.name


def changed_properties(step: Step) -> Iterator[str]:
    """Yield the names of the properties that change, each once; of what is deleted none."""
    old, new = step.old, step.new
    if old and new and old.protected != new.protected:
        yield PROTECT
    before, after = old.inputs if old else {}, new.inputs if new else {}
    for name in dict.fromkeys((*before, *after) if new else ()):
        was, becomes = before.get(name), after.get(name)
        # Two secrets look alike, whether they are or not.
        is_secret_change = name in step.reasons and is_secret(becomes)
        if name != DEFAULTS and (_plain(was) != _plain(becomes) or is_secret_change):
            yield name


def _plain(value: Any) -> Any:
    """Return a value without what a plugin notes of defaults, which changes with what is shown; nothing is empty."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items() if key != DEFAULTS} or None
    return value


# --- policy documents -------------------------------------------------------------------------------------------------


def _document_lines(kind: Kind, step: Step) -> list[Line] | None:
    """Return what differs of the policy document; None without one, or where a side of it cannot be read."""
    both = [state and state.inputs.get(kind.document) for state in (step.old, step.new)]
    is_read = all(each is None or (isinstance(each, str | Mapping) and not _is_hidden(each)) for each in both)
    return _document_diff(both) if kind.document and any(both) and is_read and step.operation != IMPORT else None


def _is_hidden(value: Any) -> bool:
    return (isinstance(value, str) and is_unknown(value)) or is_secret(value)


def _document_diff(documents: Sequence[Document | None]) -> list[Line] | None:
    """Return the lines that differ between two documents in their normal form; None for what is no document.

    Of the statements, those are compared that only one side has; in a line of its own is each of their values.
    """
    # Where IAM ignores case, the first spelling is used for all.
    spelling: dict[str, str] = {}
    try:
        forms = [None if each is None else normal(each, spelling) for each in documents]
    except (Mistake, RecursionError):
        return None
    old, new = (dict(zip(each.texts, each.statements, strict=True)) if each else {} for each in forms)
    both = [
        [line for text, each in one.items() if text not in other for line in _lines(each)]
        for one, other in ((old, new), (new, old))
    ]
    if both[0] == both[1] and old.keys() != new.keys():
        return None
    if all(forms) and len({each.version for each in forms if each}) > 1:
        both = [[f"Version: {each.version}", *lines] for each, lines in zip(forms, both, strict=True) if each]
    if not all(both):
        return [Line(sign, each) for sign, lines in zip(SIGNS, both, strict=False) for each in lines]
    diff = difflib.unified_diff(both[0], both[1], n=max(map(len, both)), lineterm="")
    # Three lines are about the files.
    return [Line(next(sign for sign in SIGNS if sign == each[0]), each[1:]) for each in [*diff][3:]]


def _lines(statement: Mapping[str, Any]) -> Iterator[str]:
    """Yield the values of a statement: its effect, and within that the others; claims without the only issuer."""
    yield str(statement.get("Effect"))
    named = mapping_of(statement.get("Principal")).get("Federated") or [""]
    claim = f" {named[0].partition(':oidc-provider/')[2]}:" if len(named) == 1 else " :"
    for element, value in sorted(statement.items()):
        yield from (f"  {each.replace(claim, ' ', 1)}" for each in _values(element, value) if element != "Effect")


def _values(name: str, value: Any) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield from (f"{name}: {each}" for each in items_of(value) or [json.dumps(value)])
    elif not value:
        yield f"{name}: {{}}"
    for key, each in sorted(value.items()) if isinstance(value, Mapping) else ():
        yield from _values(f"{name} {key}", each)
