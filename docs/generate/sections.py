"""What pages have from the code: tables, programs and help, each between two comments of its page."""

import argparse
import json
import keyword
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from docs.generate.tables import cells_of, codes, table, takes_outputs, title, type_name, without_those_of_an_add_on
from irsa import outputs
from irsa.rules.leaves import leaves
from irsa.rules.names import snake
from irsa.rules.variables import EXAMPLES, reference
from irsa_cli.inventory.findings import KINDS
from irsa_cli.subcommands import SUBCOMMANDS, module_of
from irsa_config.lint import RULES as LINT_RULES
from irsa_config.variables import BUILT_IN
from irsa_program.live.look import WARNINGS
from irsa_program.lookups.live_rules import RULES as LIVE_RULES

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
SCHEMA: Mapping[str, Any] = json.loads((ROOT / "components" / "schema.json").read_text(encoding="utf-8"))
KINDS_FILE = ROOT / "cli" / "irsa_cli" / "inventory" / "kinds.txt"
# Fields of a binding in the stack output `bindings`, and the component's outputs with the same meaning.
BINDING_FIELDS = {
    "namespace": outputs.NAMESPACE,
    "serviceAccount": outputs.SERVICE_ACCOUNT_NAME,
    "roleArn": outputs.ROLE_ARN,
    "policyArns": outputs.POLICY_ARNS,
    "subjects": outputs.SUBJECTS,
    "annotations": outputs.ANNOTATIONS,
}
# A subcommand's page has its name, but for this one.
PAGES = {"recover": "guides/recovery.md"}
# The programs of the examples by the name of their section: the file, and the strings that begin and end the excerpt.
PROGRAMS = {
    "python-stack": ("python-stack/__main__.py", "import pulumi", "labels = "),
    "typescript-stack": ("typescript-stack/index.ts", "import * as aws", "export const"),
    "yaml-stack": ("yaml-stack/Pulumi.yaml", "resources:", "outputs:"),
    "go-stack": ("go-stack/main.go", "\treader, err :=", "\tif err != nil {\n\t\treturn err\n\t}\n\tctx.Export"),
}
FENCES = {".py": "python", ".ts": "typescript", ".go": "go", ".yaml": "yaml"}


def subcommands() -> str:
    """Return the table of the subcommands: what they do, their pages and their schemas."""
    rows = []
    for name, (_, line) in SUBCOMMANDS.items():
        page, schema = PAGES.get(name, f"commands/{name}.md"), f"reference/{name}.schema.json"
        links = {page: f"[page](../{page})", schema: f"[schema](../{schema})"}
        more = ", ".join(link for path, link in links.items() if (DOCS / path).exists())
        rows.append((f"[`{name}`](#irsa-{name})", line, more))
    return table("subcommand", "what it does", "more", rows=rows)


def help_of_subcommands() -> str:
    """Return a section for each subcommand: its examples, what it says of itself, and its arguments."""
    return "\n\n".join(part for name in SUBCOMMANDS for part in _section(name))


def _section(name: str) -> Iterator[str]:
    # argparse prints all of a parser, and lists it nowhere else.
    parser = argparse.ArgumentParser(f"irsa {name}", formatter_class=argparse.RawDescriptionHelpFormatter)
    module_of(name).add(parser)
    lines = re.sub(r"^examples?:", "", (parser.epilog or "").strip("; \n")).strip().splitlines()
    # A line that ends with a backslash goes on.
    starts = (not before.endswith("\\") for before in ("", *lines))
    marked = zip(starts, lines, strict=False)
    commands = "\n".join(f"{'$ ' if first else '    '}{line.strip()}" for first, line in marked)
    wrapped = parser.formatter_class is not argparse.RawDescriptionHelpFormatter
    description = (parser.description or "").strip()
    titled = [group for group in parser._action_groups if group.description]
    in_a_group = [action for group in titled for action in group._group_actions]
    yield f"## irsa {name}"
    yield f"```console\n{commands}\n```"
    yield f"```text\n{textwrap.fill(description, 80) if wrapped else description}\n```"
    yield _arguments_of_subcommand(parser, [action for action in parser._actions if action not in in_a_group])
    for group in titled:
        yield f"{group.title}: {group.description}.".capitalize()
        yield _arguments_of_subcommand(parser, group._group_actions)


def _arguments_of_subcommand(parser: argparse.ArgumentParser, actions: Sequence[argparse.Action]) -> str:
    rows = []
    for action in actions:
        if action.dest == "help":
            continue
        excluded = [
            other.option_strings[-1]
            for group in parser._mutually_exclusive_groups
            for other in group._group_actions
            if action in group._group_actions and other is not action
        ]
        # As argparse does.
        meaning = (action.help or "") % {**vars(action), "prog": parser.prog}
        required = "; required" if action.required and action.option_strings else ""
        meaning += required + (f"; not with {codes(excluded)}" if excluded else "")
        rows.append((f"`{_spelled(action)}`", meaning))
    return table("argument", "meaning", rows=rows)


def _spelled(action: argparse.Action) -> str:
    """Return how an argument is written: `--stack S`, `-v, --verbose`, `[BINDING ...]`, `bash|zsh|fish`."""
    value = str(action.metavar or "|".join(map(str, action.choices or [action.dest.upper()])))
    value = "" if action.nargs == 0 else f"[{value} ...]" if action.nargs == "*" else value
    return f"{', '.join(action.option_strings)} {value}".strip()


def component_arguments(token: str) -> str:
    """Return the tables of a component's arguments, and of the types that they have."""
    component = SCHEMA["resources"][token]
    parts = [_arguments(component["inputProperties"], component["requiredInputs"])]
    named = {leaf for _, leaf in leaves(component["inputProperties"])}
    for type_, each in SCHEMA["types"].items():
        if f"#/types/{type_}" in named:
            name = title(type_)
            model = without_those_of_an_add_on(each, "an add-on", "arguments") if name == "Policy" else each
            arguments = _arguments(model["properties"], model.get("required", ()))
            parts += [f"### {name}", model["description"], arguments]
    return "\n\n".join(parts)


def _arguments(properties: Mapping[str, Any], required: Sequence[str]) -> str:
    rows = []
    for name, value in properties.items():
        type_, is_required, default, meaning = cells_of(name, value, required)
        rows.append((_both_spellings(name), type_, is_required, default, takes_outputs(value), meaning))
    return table("argument", "type", "required", "default", "output", "meaning", rows=rows)


def component_outputs(head: str, names: Mapping[str, str] | None = None) -> str:
    """Return the table of the component's outputs, or of the fields that have the meaning of some."""
    properties = SCHEMA["resources"][outputs.COMPONENT_TYPE]["properties"]
    spelled = {f"`{name}`": of for name, of in (names or {}).items()} or {_both_spellings(of): of for of in properties}
    rows = ((name, type_name(properties[of]), properties[of]["description"]) for name, of in spelled.items())
    return table(head, "type", "meaning", rows=rows)


def _both_spellings(name: str) -> str:
    """Return a name in Python, and in other languages where that differs."""
    python = snake(name) + "_" * keyword.iskeyword(name)
    return f"`{python}`" if python == name else f"`{python}`<br>`{name}`"


def built_in_variables() -> str:
    """Return the table of the variables that irsa defines."""
    example = {**EXAMPLES, "cluster": "my-cluster"}
    rows = ((f"`{reference(name)}`", meaning, f"`{example[name]}`") for name, meaning in BUILT_IN.items())
    return table("variable", "value", "example", rows=rows)


def program(name: str) -> str:
    """Return a program of the examples, or a part of one, as a block of code."""
    path, first, end = PROGRAMS[name]
    file = ROOT / "examples" / path
    code = file.read_text(encoding="utf-8")
    code = textwrap.dedent(code[code.index(first) : code.index(end)])
    return f"```{FENCES[file.suffix]}\n{code.strip()}\n```"


def kinds_text() -> str:
    """Return the kinds of findings as the help of `irsa inventory` lists them."""
    return "".join(f"  {name:<26}{each.title}\n" for name, each in KINDS.items())


def lint_rules() -> str:
    """Return the table of the lint rules, and each with why it warns and its examples."""
    rows = ((f"[`{name}`](#{name})", rule.description, rule.danger) for name, rule in LINT_RULES.items())
    parts = [table("rule", "warns when", "`irsa check` fails", rows=rows)]
    for name, rule in LINT_RULES.items():
        fails = f"`irsa check` fails: {rule.danger}." if rule.danger else "A warning only."
        titled = zip(("Bad", "Good"), rule.examples, strict=False)
        examples = (f"{head}:\n\n```yaml\n{each}\n```" for head, each in titled)
        what = f"{rule.description[:1].upper()}{rule.description[1:]}. {fails}"
        parts += [f"### {name}", what, rule.why, *examples]
    return "\n\n".join(filter(None, parts))


# By page, and by the name of the section between its two comments.
SECTIONS: Mapping[str, Mapping[str, Callable[[], str]]] = {
    "guides/own-program.md": {name: partial(program, name) for name in PROGRAMS},
    "reference/command.md": {"subcommands": subcommands, "help": help_of_subcommands},
    "reference/component.md": {
        "example": partial(program, "python-stack"),
        "arguments": partial(component_arguments, outputs.COMPONENT_TYPE),
        "outputs": partial(component_outputs, "output"),
        "guard": partial(component_arguments, outputs.GUARD_TYPE),
    },
    "reference/findings.md": {
        "lint": lint_rules,
        "rules": lambda: table(
            "rule",
            "found",
            rows=((f"`{name}`", f"{found}{': a warning' * (name in WARNINGS)}") for name, found in LIVE_RULES.items()),
        ),
        "kinds": lambda: table(
            *("kind", "what is found", "what it means", "bad", "good"),
            rows=((f"`{k}`", v.title, v.meaning, v.bad, v.good) for k, v in KINDS.items()),
        ),
    },
    "reference/outputs.md": {"bindings": partial(component_outputs, "field", BINDING_FIELDS)},
    "reference/variables.md": {"built-in": built_in_variables},
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
