"""Whether the AWS provider of Pulumi shows no change between two policy documents.

It compares them as https://github.com/hashicorp/awspolicyequivalence does: the order of statements, and of the values
in a list, makes no difference, nor does a list of one in place of the value, or an empty Sid. Everything else does,
such as a Sid, the Version, and the case of an action. So it is stricter than irsa_cli.comparison, which asks what IAM
decides.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

_ROOT = re.compile(r"arn:[\w-]+:iam::([0-9]{12}):root")
_LISTS = ("Action", "NotAction", "Resource", "NotResource")


def are_equivalent(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether the provider would replace neither document by the other."""
    return canonical(one) == canonical(other)


def canonical(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document in the one form that all documents have which the provider takes for the same."""
    statements = [canonical_statement(each) for each in items_of(document.get("Statement"))]
    return {**document, "Statement": sorted(statements, key=_text)}


def canonical_statement(statement: Any) -> Any:
    """Return the same of one statement."""
    if not isinstance(statement, Mapping):
        return statement
    found = {element: value for element, value in statement.items() if (element, value) != ("Sid", "")}
    for element in _LISTS:
        if element in found:
            found[element] = _strings(found[element])
    if isinstance(found.get("Principal"), Mapping):
        found["Principal"] = {kind: _principals(names) for kind, names in found["Principal"].items()}
    if isinstance(found.get("Condition"), Mapping):
        found["Condition"] = {
            operator: {key: _strings(values) for key, values in keys.items()} if isinstance(keys, Mapping) else keys
            for operator, keys in found["Condition"].items()
        }
    return found


def items_of(value: Any) -> list[Any]:
    """Return the values of an element that may be a list, or one value in place of a list of one."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _principals(names: Any) -> list[str]:
    return sorted(root[1] if (root := _ROOT.fullmatch(name)) else name for name in _strings(names))


def _strings(value: Any) -> list[str]:
    values: Iterable[Any] = items_of(value)
    return sorted(each if isinstance(each, str) else json.dumps(each) for each in values)


def _text(statement: Any) -> str:
    return json.dumps(statement, sort_keys=True)
