"""Which policy documents change, as a unified diff of their normal form, and the names of other settings. Pure."""

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from irsa import types
from irsa.evaluation.normal_form import Document, normal
from irsa.rules.leaves import items_of, mapping_of
from irsa.rules.mistakes import Mistake, named
from irsa_cli.diff.questions import GROUPS, changed_properties, name_of
from irsa_cli.diff.rows import Row, some
from irsa_world.state.preview import CREATE, DELETE, IMPORT, Step
from irsa_world.state.resource import is_secret, is_unknown

# The property that is a policy document, what its resource is called, and what the document is.
DOCUMENTS = {
    types.ROLE: ("assumeRolePolicy", "role", "trust policy"),
    types.POLICY: ("policy", "policy", "policy document"),
    types.INLINE_POLICY: ("policy", "inline policy", "policy document"),
    types.POD_IDENTITY_ASSOCIATION: ("policy", "association", "session policy"),
}
NONE = ("", "", "")

# IAM takes at most 10,240 characters, and a value has two at least. To compare more takes minutes.
MOST_LINES = 5_000


def document_rows(steps: Iterable[Step]) -> Iterator[Row]:
    """Yield each policy document that changes, with its lines; then the names of all other properties that do."""
    settings: list[str] = []
    for each in steps:
        resource = each.resource
        if resource.type in GROUPS:
            continue
        key, word, title = DOCUMENTS.get(resource.type, NONE)
        lines = _document_lines(key, each) if key and each.operation != IMPORT else None
        if lines:
            yield Row("document", "changes", f"{word} {named(name_of(resource))}: {title}", details=lines)
        if each.operation not in {CREATE, DELETE, IMPORT}:
            settings += [name for name in changed_properties(each) if lines is None or name != key]
    if settings:
        yield Row("note", "changes", f"other settings (`pulumi preview --diff`): {some(dict.fromkeys(settings))}")


def _document_lines(key: str, step: Step) -> Sequence[str] | None:
    """Return what differs of a document; None without one, or where a side of it cannot be read."""
    both = [state and state.inputs.get(key) for state in (step.old, step.new)]
    is_read = all(each is None or (isinstance(each, str | Mapping) and not _is_hidden(each)) for each in both)
    return _document_diff(both) if any(both) and is_read else None


def _is_hidden(value: Any) -> bool:
    return (isinstance(value, str) and is_unknown(value)) or is_secret(value)


def _document_diff(documents: Sequence[Document | None]) -> Sequence[str] | None:
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
        both = [[f"Version: {named(each.version)}", *lines] for each, lines in zip(forms, both, strict=True) if each]
    if (longest := max(map(len, both))) > MOST_LINES:
        return [f" {longest:,} values, which is more than a document that IAM takes can have: read it in the preview"]
    # Three lines are about the files.
    return [*difflib.unified_diff(both[0], both[1], n=max(map(len, both)), lineterm="")][3:]


def _lines(statement: Mapping[str, Any]) -> Iterator[str]:
    """Yield the values of a statement: its effect, and within that the others; claims without the only issuer."""
    yield named(str(statement.get("Effect")))
    providers = mapping_of(statement.get("Principal")).get("Federated") or [""]
    claim = f" {providers[0].partition(':oidc-provider/')[2]}:" if len(providers) == 1 else " :"
    for element, value in sorted(statement.items()):
        yield from (f"  {each.replace(claim, ' ', 1)}" for each in _values(element, value) if element != "Effect")


def _values(name: str, value: Any) -> Iterator[str]:
    if not isinstance(value, Mapping):
        texts = [named(str(each)) for each in items_of(value)]
        yield from (f"{name}: {each}" for each in texts or [json.dumps(value)])
    elif not value:
        yield f"{name}: {{}}"
    for key, each in sorted(value.items()) if isinstance(value, Mapping) else ():
        yield from _values(f"{name} {named(key)}", each)
