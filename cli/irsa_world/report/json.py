"""What a subcommand prints with --json. Keys are camelCase, as in the stack file: docs/reference/*.schema.json."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from irsa.rules.mistakes import visible_json
from irsa_world.exits import GOOD
from irsa_world.report.checks import Check, Report


@dataclass(frozen=True)
class ReportOutput:
    """What `irsa verify --json` and `irsa prove --json` print.

    Attributes:
        stack: Name of the stack.
        checks: Every check, in the order of the bindings.
    """

    stack: str
    checks: Sequence[Check]


def as_json(report: Report) -> str:
    """Return the report of verify or prove as JSON."""
    return document(report.subcommand, report.exit_code, ReportOutput(report.stack, report.checks))


def document(subcommand: str, exit_code: int, values: Any) -> str:
    """Return the JSON of a subcommand: its name, its exit code, whether that is 0, and the fields of the values."""
    first = {"subcommand": subcommand, "good": exit_code == GOOD, "exitCode": exit_code}
    values = {**first, **as_object(values)}
    return visible_json(json.dumps(values, indent=2, ensure_ascii=False))


def as_object(value: Any) -> Any:
    """Return a value as JSON has it; the fields of a dataclass become camelCase, the keys of a mapping stay."""
    # Most of what is printed are strings, millions of them in an inventory: the other questions take longer.
    if type(value) is str:
        return value
    if is_dataclass(value):
        return {camel_case(each.name): as_object(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {key: as_object(each) for key, each in value.items()}
    return [as_object(each) for each in value] if isinstance(value, list | tuple) else value


def camel_case(name: str) -> str:
    """Return the name of a field as a key of the stack file would be written."""
    first, *more = name.split("_")
    return first + "".join(word.capitalize() for word in more)
