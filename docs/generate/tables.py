"""The tables of the reference pages, and how they say what a schema has: of a stack file's keys, and of arguments."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import yaml
from pydantic.alias_generators import to_camel

from irsa.keys.binding import AddOnParameters

DEFAULT = re.compile(r" ?Default: (.+?)\.(?= |$)")
# A longer list of values is a section of the page, or what a subcommand prints.
LISTED = 6


def table(*heads: str, rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown; what is in a cell stays in it."""
    cells = ([" ".join(cell.split()).replace("|", "\\|") for cell in row] for row in rows)
    head, *lines = (f"| {' | '.join(row)} |" for row in (heads, *cells))
    return "\n".join((head, f"|{'---|' * len(heads)}", *lines))


def codes(each: Iterable[str]) -> str:
    """Return what is written as it stands: `a`, `b`."""
    return ", ".join(f"`{one}`" for one in each)


def without_those_of_an_add_on(of_policy: Mapping[str, Any], add_on: str, others: str) -> dict[str, Any]:
    """Return the schema of a policy without what it has with an add-on, which has a section of its own."""
    keys = {to_camel(name) for name in AddOnParameters.model_fields}
    properties = {key: each for key, each in of_policy["properties"].items() if key not in keys}
    said = f"{of_policy['description']}\n\nWith {add_on}, it has the other {others} of [AddOn](#addon), too."
    return {**of_policy, "properties": properties, "description": said}


def cells_of(key: str, value: Mapping[str, Any], required: Collection[str]) -> tuple[str, str, str, str]:
    """Return the type of a key or an argument, whether it is required, its default and its meaning."""
    before, default, after = (*DEFAULT.split(value.get("description", ""), maxsplit=1), "", "")[:3]
    return type_name(value), "yes" if key in required else "", default, before + after


def type_name(value: Mapping[str, Any]) -> str:
    """Return a type in words that hold for every language."""
    if "$ref" in value:
        name = title(value["$ref"])
        return "any" if name == "Any" else f"[{name}](#{name.lower()})"
    if "enum" in value:
        return codes(value["enum"]) if len(value["enum"]) <= LISTED else "string"
    if "anyOf" in value:
        # A secret, which `pulumi config set --secret` writes, is another form of the same string.
        return ", or ".join(type_name(each) for each in value["anyOf"] if each.get("$ref") != "#/$defs/Secret")
    kind = value.get("type", "any")
    if kind == "array":
        return f"list of {type_name(value['items'])}"
    if kind == "object":
        items = value.get("additionalProperties")
        return f"mapping to {type_name(items)}" if isinstance(items, dict) else "mapping"
    return " ".join((kind, *_limits(value)))


def _limits(value: Mapping[str, Any]) -> Iterator[str]:
    least, most = value.get("minimum"), value.get("maximum", value.get("maxLength"))
    if least is not None:
        yield f"≥ {least:,}"
    if most is not None:
        yield f"≤ {most:,}"


def takes_outputs(value: Mapping[str, Any]) -> str:
    """Return whether an argument can be an output of another resource: yes, no, or only inside of it."""
    if not value.get("plain"):
        return "yes"
    items = value.get("items") or value.get("additionalProperties")
    ref = value.get("$ref") or (items or {}).get("$ref")
    nested = ref and title(ref) != "Any"
    return "inside" if nested or (items and not items.get("plain")) else "no"


def title(token: str) -> str:
    """Return a type's name without its package."""
    return token.replace("/", ":").rsplit(":", 1)[-1]


def flow(value: Any) -> str:
    """Return a value as YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")
