"""The reference of all keys of a stack file: docs/stack-file.md, below its introduction."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from docs.generate.schema import stack_file_schema
from docs.generate.tables import cells_of, flow, table, without_those_of_an_add_on

FILE = Path(__file__).parents[1] / "stack-file.md"
# Sections in the order in which a new user needs them.
ORDER = (
    *("Settings", "Cluster", "KubernetesAccess", "Binding", "ServiceAccount", "PodIdentity", "Role", "Policy", "AddOn"),
    *("PolicyDocument", "Trust", "AwsAccount", "Team", "TeamRole", "Defaults", "Guard", "GuardedAnnotations"),
    *("Quotas", "Lint", "Silence"),
)
# An add-on takes some of the keys, and some only with others.
ADD_ON = ("addOn", "hostedZones")


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
    in_example = ADD_ON if title == "AddOn" else [key for key in keys if (title, key) != ("Policy", "addOn")]
    rows = ((f"`{key}`", *cells_of(key, each, required)) for key, each in keys.items())
    shown = "\n".join(f"{key}: {flow(keys[key]['examples'][0])}" for key in in_example)
    keys_of_it = table("Key", "Type", "Required", "Default", "Meaning", rows=rows)
    return f"## {title}\n\n{model['description']}\n\n{keys_of_it}\n\n```yaml\n{shown}\n```\n"
