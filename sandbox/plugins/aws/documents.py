"""Policy documents as the official plugin treats them: checked, normalised, and compared by meaning."""

import json
import re
from typing import Any

_ROOT = re.compile(r"arn:[\w-]+:iam::(\d{12}):root")
_UNORDERED = ("Action", "NotAction", "Resource", "NotResource")
_PRINCIPALS = ("Principal", "NotPrincipal")


def normalised(text: str) -> str:
    """Return the document compact and with sorted keys."""
    return json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def equivalent(one: str, other: str) -> bool:
    """Return whether two documents mean the same to IAM; one that does not parse equals only itself."""
    if one == other or {one, other} <= {"", "{}"}:
        return True
    try:
        return _canonical(json.loads(one)) == _canonical(json.loads(other))
    except (ValueError, TypeError, KeyError, AttributeError):
        return False


def _canonical(document: dict[str, Any]) -> dict[str, Any]:
    statements = document["Statement"]
    canonical = [_statement(statement) for statement in (statements if isinstance(statements, list) else [statements])]
    ordered = sorted(canonical, key=lambda statement: json.dumps(statement, sort_keys=True))
    return {"Version": document.get("Version"), "Id": document.get("Id"), "Statement": ordered}


def _statement(statement: dict[str, Any]) -> dict[str, Any]:
    # To it, an empty Sid is none: https://github.com/hashicorp/awspolicyequivalence, the type of a statement.
    canonical = {key: value for key, value in statement.items() if (key, value) != ("Sid", "")}
    canonical["Effect"] = str(statement.get("Effect", "")).lower()
    for key in _UNORDERED:
        if key in canonical:
            canonical[key] = _strings(canonical[key])
    for key in _PRINCIPALS:
        if isinstance(canonical.get(key), dict):
            canonical[key] = {kind: _aws_accounts(values) for kind, values in canonical[key].items()}
    if "Condition" in canonical:
        canonical["Condition"] = {
            operator: {key: _strings(values) for key, values in tests.items()}
            for operator, tests in canonical["Condition"].items()
        }
    return canonical


def _strings(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return sorted(json.dumps(item) if isinstance(item, bool) else str(item) for item in values)


def _aws_accounts(value: Any) -> list[str]:
    roots = ((text, _ROOT.fullmatch(text)) for text in _strings(value))
    return sorted(root.group(1) if root else text for text, root in roots)
