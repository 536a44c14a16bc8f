"""The reference of all keys of a stack file: docs/stack-file.md, below its introduction."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from docs.generate.schema import stack_file_schema
from docs.generate.tables import flow, table, type_of, without_those_of_an_add_on

FILE = Path(__file__).parents[1] / "stack-file.md"
# Sections in the order in which a new user needs them.
ORDER = (
    *("Settings", "Cluster", "KubernetesAccess", "Binding", "ServiceAccount", "PodIdentity", "Role", "Policy", "AddOn"),
    *("PolicyDocument", "Trust", "AwsAccount", "Defaults", "Guard", "GuardedAnnotations", "Quotas", "Lint", "Silence"),
)


def text() -> str:
    """Return the page; what stands above its first section is written there."""
    introduction, _, _ = FILE.read_text(encoding="utf-8").partition("\n## ")
    schema = stack_file_schema()
    config = schema["properties"]["config"]
    settings = {name: value for name, value in config["properties"].items() if name.startswith("irsa:")}
    definitions = {**schema["$defs"], "Settings": {**config, "properties": settings, "description": "Under `config:`."}}
    definitions["Policy"] = without_those_of_an_add_on(definitions["Policy"], "`addOn`", "keys")
    sections = (_section(name, definitions[name]) for name in ORDER)
    return "\n".join([introduction, *sections])


def _section(title: str, model: Mapping[str, Any]) -> str:
    keys, required = model["properties"], model.get("required", ())
    rows = ((f"`{key}`", type_of(key, each, required), each.get("description", "")) for key, each in keys.items())
    examples = "\n".join(f"{key}: {flow(each['examples'][0])}" for key, each in keys.items())
    keys_of_it = table("Key", "Type", "Meaning", rows=rows)
    return f"## {title}\n\n{model['description']}\n\n{keys_of_it}\n\n```yaml\n{examples}\n```\n"
