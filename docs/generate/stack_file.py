"""The reference of all keys of a stack file: docs/stack-file.md, below its introduction."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from docs.generate.schema import stack_file_schema
from docs.generate.tables import cells_of, flow, table, without_those_of_an_add_on
from irsa_program.examine import examine

FILE = Path(__file__).parents[1] / "stack-file.md"
# Sections in the order in which a new user needs them.
ORDER = (
    *("Settings", "Cluster", "KubernetesAccess", "Binding", "ServiceAccount", "PodIdentity", "Role", "Policy", "AddOn"),
    *(
        "PolicyDocument",
        "Trust",
        "AwsAccount",
        "Team",
        "TeamRole",
        "Defaults",
        "Guard",
        "GuardedAnnotations",
        "Quotas",
        "Lint",
        "Silence",
    ),
)


# An add-on takes some of the keys, and some only with others.
ADD_ON = ("addOn", "hostedZones")
# Where the keys of a section stand in a stack file.
IN_BINDING = ("bindings", "my-app")
PLACES: Mapping[str, Sequence[str]] = {
    "Settings": (),
    "Cluster": ("cluster",),
    "KubernetesAccess": ("cluster", "kubernetes"),
    "Binding": IN_BINDING,
    "ServiceAccount": (*IN_BINDING, "serviceAccount"),
    "PodIdentity": (*IN_BINDING, "podIdentity"),
    "Role": (*IN_BINDING, "role"),
    "Policy": (*IN_BINDING, "policy"),
    "AddOn": (*IN_BINDING, "policy"),
    "PolicyDocument": (*IN_BINDING, "inlinePolicies", "more"),
    "Trust": (*IN_BINDING, "trust"),
    "AwsAccount": ("accounts", "other"),
    "Defaults": ("defaults",),
    "Guard": ("guard",),
    "Quotas": ("quotas",),
    "Lint": ("lint",),
    "Silence": ("lint", "silence", "wide-trust"),
}


def is_valid(section: str, keys: Mapping[str, Any]) -> bool:
    """Return whether `irsa check` takes keys of a section together."""
    identity = {"identity": "podIdentity"} if section == "PodIdentity" else {}
    binding: dict[str, Any] = {"serviceAccount": {"name": "my-app"}, **identity}
    bindings = {"my-app": binding, "team-a": {"serviceAccount": {"name": "team-a"}}}
    stack: dict[str, Any] = {"cluster": {"name": "my-cluster"}, "bindings": bindings}
    if section != "Settings":
        stack["accounts"] = {"data": {"assumeRoleArn": "arn:aws:iam::444455556666:role/deployer"}}
    inner = stack
    for key in PLACES[section]:
        inner = inner.setdefault(key, {})
    inner |= {key.removeprefix("irsa:"): each for key, each in keys.items()}
    return examine(stack, FILE.parents[1], "us-west-2").mistakes == []


def examples(section: str, keys: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the examples of keys, divided so that those which exclude each other are apart."""
    found: list[dict[str, Any]] = [{}]
    for key, each in keys.items():
        fitting = (one for one in found if section not in PLACES or is_valid(section, {**one, key: each}))
        together = next(fitting, None)
        if together is None:
            found.append(together := {})
        together[key] = each
    return [each for each in found if each]


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
    blocks = (
        "\n".join(f"{key}: {flow(each)}" for key, each in together.items())
        for together in examples(title, {key: keys[key]["examples"][0] for key in in_example})
    )
    shown = "\n\nor\n\n".join(f"```yaml\n{each}\n```" for each in blocks)
    keys_of_it = table("Key", "Type", "Required", "Default", "Meaning", rows=rows)
    return f"## {title}\n\n{model['description']}\n\n{keys_of_it}\n\n{shown}\n"
