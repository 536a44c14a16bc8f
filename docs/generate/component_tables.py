"""The tables of the component's arguments and outputs, from its schema: docs/reference/component.md."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from irsa.rules.leaves import leaves


def types_of(schema: Mapping[str, Any], component: str) -> Iterator[tuple[str, str, Mapping[str, Any], Sequence[str]]]:
    """Yield name, description, properties and required ones of the types of a component's arguments.

    What two types have is in one of them.
    """
    of_add_on = schema["types"]["irsa:index:AddOn"]["properties"].keys() - {"addOn"}
    named = {leaf for _, leaf in leaves(schema["resources"][component]["inputProperties"])}
    for token, each in schema["types"].items():
        if f"#/types/{token}" not in named:
            continue
        name = title(token)
        properties, description = each["properties"], each["description"]
        if name == "Policy":
            properties = {key: value for key, value in properties.items() if key not in of_add_on}
            description += "\n\nWith an add-on, it has the other arguments of [AddOn](#addon), too."
        yield name, description, properties, each.get("required", ())


def rows_of_arguments(
    properties: Mapping[str, Any], required: Sequence[str], spelled: Callable[[str], str]
) -> Iterator[tuple[str, ...]]:
    """Yield name, type, whether it can be an output, and meaning of each argument."""
    for name, value in properties.items():
        type_ = type_name(value) + (", required" if name in required else "")
        yield spelled(name), type_, takes_outputs(value), value["description"]


def table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Yield the lines of a table in Markdown, and an empty one; what is in a cell stays in it."""
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    for row in rows:
        yield "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in row) + " |"
    yield ""


def takes_outputs(value: Mapping[str, Any]) -> str:
    """Return whether an argument can be an output of another resource: yes, no, or only inside of it."""
    if not value.get("plain"):
        return "yes"
    items = value.get("items") or value.get("additionalProperties")
    ref = value.get("$ref") or (items or {}).get("$ref")
    nested = ref and title(ref) != "Any"
    return "inside" if nested or (items and not items.get("plain")) else "no"


def type_name(value: Mapping[str, Any]) -> str:
    """Return a type in words that hold for every language."""
    if "$ref" in value:
        name = title(value["$ref"])
        return "any" if name == "Any" else f"[{name}](#{name.lower()})"
    if value["type"] == "array":
        return f"list of {type_name(value['items'])}"
    if value["type"] == "object":
        return f"mapping to {type_name(value['additionalProperties'])}"
    return str(value["type"])


def title(token: str) -> str:
    """Return a type's name without its package."""
    return token.replace("/", ":").rsplit(":", 1)[-1]
