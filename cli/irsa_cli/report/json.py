"""What a verb found, for programs. All keys are camelCase, as those of the stack file: docs/reference/*.schema.json."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from irsa_cli.exits import GOOD
from irsa_cli.report.checks import Outcome, Report


def as_json(report: Report) -> str:
    """Return the report of verify or prove."""
    counts = Counter(check.outcome for check in report.checks)
    return document(
        report.verb,
        report.exit_code == GOOD,
        {
            "stack": report.stack,
            "counts": {camel_case(outcome.value): counts[outcome] for outcome in Outcome},
            "checks": report.checks,
        },
    )


def document(verb: str, good: bool, values: Mapping[str, Any]) -> str:
    """Return what a verb prints for programs: which verb it is, whether all is good, and its own values."""
    return json.dumps({"verb": verb, "good": good, **as_object(values)}, indent=2, ensure_ascii=False)


def as_object(value: Any) -> Any:
    """Return a value as JSON has it; the fields of a dataclass become camelCase, the keys of a mapping stay."""
    if is_dataclass(value):
        return {camel_case(each.name): as_object(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {key: as_object(each) for key, each in value.items()}
    return [as_object(each) for each in value] if isinstance(value, list | tuple) else value


def camel_case(words: str) -> str:
    """Return words, or a field's name, as a key of the stack file would be written."""
    first, *more = words.replace("_", " ").split()
    return first + "".join(word.capitalize() for word in more)
