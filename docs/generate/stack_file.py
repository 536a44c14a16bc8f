"""The reference of all keys of a stack file: docs/stack-file.md."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic.alias_generators import to_camel

from config.lint import RULES as LINT_RULES
from docs.generate.schema import stack_file_schema
from irsa.keys.binding import AddOnParameters

FILE = Path(__file__).parents[1] / "stack-file.md"
INTRODUCTION = """# The stack file

All keys of `Pulumi.<stack>.yaml` that belong to irsa. Editors complete them if the first line of the file is:

```yaml
# yaml-language-server: $schema=config/schema.json
```

`irsa check` reports every error, also between keys. *string ≤ 64* has at most 64 characters; which ones is in
[the JSON schema](../config/schema.json). Each line of an example is valid on its own; some keys exclude each other.

`${NAME}` in documents and ARNs: [variables](reference/variables.md). What the stack exports:
[outputs](reference/outputs.md). What a change of a key does: [change safely](guides/change-safely.md).
"""
OF_LINT_RULES = """\
`irsa check` fails by what the last column says, and `pulumi up` warns of it. `silence` accepts it for the bindings that
it names, with a reason.
"""
# A longer list of values is a section of the page, or what a subcommand prints.
LISTED = 6
# Sections in the order in which a new user needs them.
ORDER = (
    *(
        "Cluster",
        "KubernetesAccess",
        "Binding",
        "ServiceAccount",
        "PodIdentity",
        "Role",
        "Policy",
        "AddOn",
        "PolicyDocument",
    ),
    *("Trust", "AwsAccount", "Defaults", "Guard", "GuardedAnnotations", "Quotas", "Lint", "Silence"),
)


def text() -> str:
    """Return the page."""
    schema = stack_file_schema()
    config = schema["properties"]["config"]
    settings = {name: value for name, value in config["properties"].items() if name.startswith("irsa:")}
    parts = [INTRODUCTION, *_section("Settings", "Under `config:`.", settings, config["required"])]
    for name in ORDER:
        model = schema["$defs"][name]
        if name == "Policy":
            model = without_those_of_an_add_on(model)
        parts += _section(name, model["description"], model["properties"], model.get("required", []))
    parts.append("## Lint rules\n")
    parts.append(OF_LINT_RULES)
    rows = (f"| `{name}` | {rule.description} | {rule.danger} |" for name, rule in LINT_RULES.items())
    parts.append("\n".join(["| Rule | Warns when | `irsa check` fails by |", "|---|---|---|", *rows]))
    return "\n".join(parts) + "\n"


def without_those_of_an_add_on(of_policy: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a policy without the keys that it has with an add-on, which have a section of their own."""
    keys = {to_camel(name) for name in AddOnParameters.model_fields}
    properties = {key: each for key, each in of_policy["properties"].items() if key not in keys}
    said = f"{of_policy['description']}\n\nWith `addOn`, it has the other keys of [AddOn](#addon), too."
    return {**of_policy, "properties": properties, "description": said}


def _section(title: str, description: str, properties: Mapping[str, Any], required: list[str]) -> Iterator[str]:
    yield f"## {title}\n"
    yield f"{description}\n"
    yield "| Key | Type | Meaning |"
    yield "|---|---|---|"
    for key, value in properties.items():
        # Of a switch, false needs no word.
        default = f"default `{_flow(value['default'])}`" if value.get("default") else ""
        default = "required" if key in required else default
        kind = ", ".join(filter(None, (_type(value), default)))
        cells = (f"`{key}`", kind, value.get("description", ""))
        yield "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"
    yield "\n```yaml"
    for key, value in properties.items():
        yield f"{key}: {_flow(example(value))}"
    yield "```\n"


def example(value: Mapping[str, Any]) -> Any:
    """Return the example of a key."""
    return value["examples"][0]


def _flow(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


def _type(value: Mapping[str, Any]) -> str:
    if "$ref" in value:
        name = value["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    if "enum" in value:
        return ", ".join(f"`{item}`" for item in value["enum"]) if len(value["enum"]) <= LISTED else "string"
    if "anyOf" in value:
        # A secret, which `pulumi config set --secret` writes, is another form of the same string.
        return ", or ".join(_type(each) for each in value["anyOf"] if each.get("$ref") != "#/$defs/Secret")
    kind = value.get("type", "any")
    if kind == "array":
        return f"list of {_type(value['items'])}"
    if kind == "object":
        items = value.get("additionalProperties")
        return f"mapping to {_type(items)}" if isinstance(items, dict) else "mapping"
    return " ".join((kind, *_limits(value)))


def _limits(value: Mapping[str, Any]) -> Iterator[str]:
    least, most = value.get("minimum"), value.get("maximum", value.get("maxLength"))
    if least is not None:
        yield f"≥ {least:,}"
    if most is not None:
        yield f"≤ {most:,}"
