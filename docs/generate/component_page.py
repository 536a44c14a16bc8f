"""The component's page for a registry: components/README.md.

Arguments and outputs come from schema.json. The programs are those of examples/, which tests compile or run.
"""

import json
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from irsa.version import VERSION

FOLDER = Path(__file__).parents[2] / "components"
FILE = FOLDER / "README.md"
COMPONENT = "irsa:index:ServiceAccountRole"
# Language, program, and where the excerpt ends.
EXAMPLES = (
    ("Python", "python-stack/__main__.py", "labels = "),
    ("TypeScript", "typescript-stack/index.ts", None),
    ("Go", "go-stack/main.go", None),
)
INTRODUCTION = """# irsa

{description}.

`ServiceAccountRole` creates the IAM policy, the role that trusts the service account, the attachments and, last, the
annotated service account: no Pod starts with a role that has no permissions yet. It can also annotate an existing
service account, use an existing role, and trust several service accounts, namespaces and clusters.

The IAM OIDC provider of the cluster and the namespace must exist; resources of the same program are fine. It restarts
no Pods: a Pod gets its role when it is created.

## Install

In Python:

```console
$ pip install "irsa @ git+https://HOST/ORGANIZATION/irsa@v{version}#subdirectory=components"
```

In other languages:

```console
$ pulumi package add https://HOST/ORGANIZATION/irsa.git/components@v{version}
```

This generates an SDK and prints the line that imports it, which has your organization's name in it, such as
`@organization/irsa` or `github.com/organization/pulumi-irsa/sdk/go/irsa`. The examples below add the package from a
folder, where the names are `@pulumi/irsa` and `example.com/pulumi-irsa/sdk/go/irsa`.

## Examples
"""
ARGUMENTS = """## Arguments

Either `oidcProviderArns` (a role is created) or `roleArn` (a role exists) is required.

The names are those of TypeScript and YAML; Python has `service_account`, Go `ServiceAccount`. The column Output says
whether the value can be an output of another resource, or have outputs inside. Otherwise it must be known when the
program runs, for example because it decides which resources exist.

All errors in the arguments are reported together, before anything is created: what was found, what is allowed, and
what to do. An output is checked when it is known.
"""


def text() -> str:
    """Return the page."""
    project = tomllib.loads((FOLDER / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    schema = json.loads((FOLDER / "schema.json").read_text(encoding="utf-8"))
    component = schema["resources"][COMPONENT]
    lines = [INTRODUCTION.format(**project, version=VERSION)]
    for language, path, end in EXAMPLES:
        program = (FOLDER.parent / "examples" / path).read_text(encoding="utf-8")
        program = program[: program.index(end)] if end else program
        lines += [f"### {language}\n", f"```{language.lower()}\n{program}```\n"]
    lines += [ARGUMENTS, *_arguments(component["inputProperties"], component["requiredInputs"])]
    for name, description, properties, required in types_of(schema):
        lines += [f"### {name}\n", f"{description}\n", *_arguments(properties, required)]
    outputs = ((f"`{name}`", type_name(each), each["description"]) for name, each in component["properties"].items())
    lines += ["## Outputs\n", *table(("Output", "Type", "Meaning"), outputs)]
    lines.append(f"License: {project['license']}.")
    return "\n".join(lines) + "\n"


def types_of(schema: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any], Sequence[str]]]:
    """Yield name, description, properties and required ones of each type; what two have is in one of them."""
    types = {title(token): each for token, each in schema["types"].items()}
    of_add_on = types["AddOn"]["properties"].keys() - {"addOn"}
    for name, each in types.items():
        properties, description = each["properties"], each["description"]
        if name == "Policy":
            properties = {key: value for key, value in properties.items() if key not in of_add_on}
            description += "\n\nWith an add-on, it has the other arguments of [AddOn](#addon), too."
        yield name, description, properties, each.get("required", ())


def _arguments(properties: Mapping[str, Any], required: Sequence[str]) -> Iterator[str]:
    return table(("Argument", "Type", "Output", "Meaning"), rows_of_arguments(properties, required))


def rows_of_arguments(
    properties: Mapping[str, Any], required: Sequence[str], spelled: Callable[[str], str] = "`{}`".format
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
