"""Write what the pages have from the code: tables, programs and help, each between two comments of its page."""

import argparse
import json
import re
import runpy
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from config.live_rules import RULES as LIVE_RULES
from config.schema import stack_file_schema
from config.variable_keys import EACH, KEYS_WITH_VARIABLES
from config.variables import BUILT_IN, SAMPLES
from irsa import outputs
from irsa.rules.mistakes import path_of
from irsa.rules.variables import reference
from irsa_cli.inventory.findings import KINDS
from irsa_cli.verbs import help_line, installed, parser_of
from irsa_cli.verify import CHECKS

DOCS = Path(__file__).parent
ROOT = DOCS.parent
COMPONENTS = ROOT / "components"
PERMISSIONS = DOCS / "permissions"
README = runpy.run_path(str(COMPONENTS / "readme.py"))
OF_THE_CHECKOUT = "irsa-checkout"
# Fields of a binding in the stack output `bindings`, and the component's outputs with the same meaning.
BINDING_FIELDS = {
    "namespace": outputs.NAMESPACE,
    "serviceAccount": outputs.SERVICE_ACCOUNT_NAME,
    "roleArn": outputs.ROLE_ARN,
    "policyArns": outputs.POLICY_ARNS,
    "subjects": outputs.SUBJECTS,
}
# Pages of verbs; the other verbs have none.
PAGES = {
    "adopt": "adopt.md",
    "inventory": "inventory.md",
    "prove": "verify.md",
    "verify": "verify.md",
}
PROGRAMS = ("python-stack/__main__.py", "python-stack/test_program.py", "typescript-stack/index.ts", "go-stack/main.go")
FENCES = {".py": "python", ".ts": "typescript", ".go": "go", ".yaml": "yaml"}


def table(*heads: str, rows: Iterator[tuple[str, ...]]) -> str:
    """Return a table in Markdown; a pipe in a cell stays in its cell."""
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join(f"| {' | '.join(' '.join(cell.split()).replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def verbs() -> str:
    """Return the verbs with what they do, where they are installed, their page and their schema."""
    rows = []
    for name, entry in installed().items():
        where = "this repository" if entry.dist and entry.dist.name == OF_THE_CHECKOUT else "everywhere"
        schema = f"{name}.schema.json"
        more = [f"[page](../{PAGES[name]})"] if name in PAGES else []
        more += [f"[--json]({schema})"] if (DOCS / "reference" / schema).exists() else []
        rows.append((f"[`{name}`](#irsa-{name})", help_line(entry).replace("%%", "%"), where, ", ".join(more)))
    return table("verb", "what it does", "in", "more", rows=iter(rows))


def help_of_verbs() -> str:
    """Return a section for each verb: its help, its arguments, its examples and its exit codes."""
    parsers = parser_of(*installed())._subparsers  # noqa: SLF001 (argparse lists its parts nowhere else)
    assert parsers
    (chosen,) = parsers._group_actions  # noqa: SLF001
    return "\n\n".join("\n\n".join(_verb(name, parser)) for name, parser in dict(chosen.choices or {}).items())


def _verb(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    examples, _, codes = (parser.epilog or "").partition("exit codes:")
    lines = re.sub(r"^examples?:", "", examples.strip("; \n")).strip().splitlines()
    commands = [re.sub(r"^irsa ", "$ irsa ", line.strip()) for line in lines]
    yield f"## irsa {name}"
    yield "\n".join(["```console", *(line if line.startswith("$ ") else f"    {line}" for line in commands), "```"])
    yield f"```text\n{(parser.description or '').strip()}\n```"
    for group in parser._action_groups:  # noqa: SLF001
        actions = [action for action in group._group_actions if action.dest != "help"]  # noqa: SLF001
        if actions:
            if group.description:
                yield f"{(group.title or '').capitalize()}: {group.description}."
            yield table("argument", "meaning", rows=((f"`{_spelled(each)}`", _meaning(each)) for each in actions))
    rows = (each.split(" ", 1) for each in re.split(r", (?=\d )", " ".join(codes.split())))
    yield table("exit code", "meaning", rows=((f"`{code}`", meaning) for code, meaning in rows))


def _spelled(action: argparse.Action) -> str:
    """Return how an argument is written: `--stack S`, `[BINDING ...]`, `{bash,zsh,fish}`."""
    value = str(action.metavar or f"{{{','.join(map(str, action.choices or [action.dest.upper()]))}}}")
    value = value.strip("{}") if not action.choices else value
    value = {"*": f"[{value} ...]", 0: ""}.get(action.nargs or "", value)
    return " ".join([*action.option_strings[-1:], value]).strip()


def _meaning(action: argparse.Action) -> str:
    """Return an argument's help, with its default and whether it is required."""
    text = (action.help or "") % {**vars(action), "prog": "irsa"}
    return f"{text}; required" if action.required and action.option_strings else text


def component_arguments() -> str:
    """Return the tables of the component's arguments, and of the types that they have."""
    schema = _schema()
    component = schema["resources"][outputs.COMPONENT_TYPE]
    parts = [_arguments(component)]
    for token, nested in schema["types"].items():
        parts += [f"### {README['title'](token)}", nested["description"], _arguments(nested)]
    return "\n\n".join(parts)


def _arguments(described: Mapping[str, Any]) -> str:
    properties, required = described.get("inputProperties") or described["properties"], described.get("required", ())
    if "inputProperties" in described:
        required = described["requiredInputs"]
    rows = (
        (
            _both_spellings(name),
            README["type_name"](value) + (", required" if name in required else ""),
            README["takes_outputs"](value),
            value["description"],
        )
        for name, value in properties.items()
    )
    return table("argument", "type", "output", "meaning", rows=rows)


def component_outputs() -> str:
    """Return the table of the component's outputs."""
    properties = _schema()["resources"][outputs.COMPONENT_TYPE]["properties"].items()
    rows = ((_both_spellings(name), README["type_name"](value), value["description"]) for name, value in properties)
    return table("output", "type", "meaning", rows=rows)


def _both_spellings(name: str) -> str:
    """Return a name in Python, and in other languages where that differs."""
    python = re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", name)
    return f"`{python}`" if python == name else f"`{python}`<br>`{name}`"


def binding_outputs() -> str:
    """Return the table of what the stack output `bindings` has for each binding."""
    properties = _schema()["resources"][outputs.COMPONENT_TYPE]["properties"]
    rows = (
        (f"`{field}`", README["type_name"](properties[output]), properties[output]["description"])
        for field, output in BINDING_FIELDS.items()
    )
    return table("field", "type", "meaning", rows=rows)


def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((COMPONENTS / "schema.json").read_text(encoding="utf-8"))
    return schema


def built_in_variables() -> str:
    """Return the table of the variables that irsa defines."""
    rows = ((f"`{reference(name)}`", meaning, f"`{SAMPLES[name]}`") for name, meaning in BUILT_IN.items())
    return table("variable", "value", "example", rows=rows)


def keys_with_variables() -> str:
    """Return the table of the keys of a binding in which variables are replaced."""
    rows = ((f"`{path_of('NAME' if part == EACH else part for part in key)}`", _description(key)) for key in KEYS_WITH_VARIABLES)
    return table("key of a binding", "what it is", rows=rows)


def _description(key: tuple[str, ...]) -> str:
    """Return what the stack file's reference says of a key of a binding."""
    schema = stack_file_schema()
    found = {"$ref": "#/$defs/Binding"}
    for part in key:
        while "$ref" in found or "anyOf" in found:
            found = schema["$defs"][found["$ref"].rsplit("/", 1)[-1]] if "$ref" in found else found["anyOf"][0]
        found = found["additionalProperties"] if part == EACH else found["properties"][part]
    return str(found["description"]).partition("\n")[0]


def iam_files() -> str:
    """Return the table of the IAM files: what each statement of theirs allows."""
    rows = []
    for file in sorted(PERMISSIONS.glob("iam-*.json")):
        for statement in json.loads(file.read_text(encoding="utf-8"))["Statement"]:
            actions = statement["Action"]
            listed = ", ".join(f"`{each}`" for each in ([actions] if isinstance(actions, str) else actions))
            rows.append((_file(file), statement["Sid"], listed))
    return table("file", "statement", "actions", rows=iter(rows))


def kubernetes_files() -> str:
    """Return the table of the Kubernetes files: what each rule of their ClusterRoles allows."""
    rows = []
    for file in sorted(PERMISSIONS.glob("kubernetes-*.yaml")):
        for rule in yaml.safe_load(file.read_text(encoding="utf-8"))["rules"]:
            about = [*rule.get("resources", ()), *rule.get("nonResourceURLs", ())]
            rows.append((_file(file), *(", ".join(f"`{each}`" for each in cell) for cell in (about, rule["verbs"]))))
    return table("file", "resources", "verbs", rows=iter(rows))


def _file(file: Path) -> str:
    return f"[{file.name}](../permissions/{file.name})"


def program(path: str) -> str:
    """Return a program of the examples, as a block of code."""
    file = ROOT / "examples" / path
    return f"```{FENCES[file.suffix]}\n{file.read_text(encoding='utf-8')}```"


def verify_checks() -> str:
    """Return the table of the checks of `irsa verify`."""
    rows = ((name, kind.step, kind.compares) for name, kind in CHECKS.items())
    return table("check", "the page's step", "what is compared", rows=rows)


# By page, and by the name of the section between its two comments.
SECTIONS: Mapping[str, Mapping[str, Callable[[], str]]] = {
    "check-live.md": {"rules": lambda: table("rule", "found", rows=((f"`{k}`", v) for k, v in LIVE_RULES.items()))},
    "inventory.md": {"findings": lambda: table("kind", "what is found", rows=((k, v.finds) for k, v in KINDS.items()))},
    "verify.md": {"checks": verify_checks},
    "guides/own-program.md": {path: lambda path=path: program(path) for path in PROGRAMS},
    "reference/command.md": {"verbs": verbs, "help": help_of_verbs},
    "reference/component.md": {"arguments": component_arguments, "outputs": component_outputs},
    "reference/outputs.md": {"bindings": binding_outputs},
    "reference/permissions.md": {"iam": iam_files, "kubernetes": kubernetes_files},
    "reference/variables.md": {"built-in": built_in_variables, "keys": keys_with_variables},
}


def pages() -> Iterator[tuple[Path, str]]:
    """Yield each page with generated sections, and its text with these as they should be.

    Raises:
        ValueError: A page has no place, or more than one, for one of its sections.
    """
    for name, sections in SECTIONS.items():
        text = (DOCS / name).read_text(encoding="utf-8")
        for section, generated in sections.items():
            begin, end = f"<!-- {section}: generated by `make generate` -->\n", f"<!-- {section}: end -->\n"
            try:
                before, rest = text.split(begin)
                _, after = rest.split(end)
            except ValueError:
                raise ValueError(f"docs/{name} needs one section between {begin.strip()} and {end.strip()}") from None
            text = f"{before}{begin}\n{generated()}\n\n{end}{after}"
        yield DOCS / name, text


if __name__ == "__main__":
    for file, text in pages():
        file.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{file.relative_to(ROOT)}\n")
