"""The add-ons as lines of 100 columns: what to write first, then what it gives and why."""

from collections.abc import Iterator, Sequence

import yaml

from irsa.add_ons.catalog import AddOn, Statement, Version
from irsa.add_ons.parameters import CLUSTER_NAMES
from irsa.rules.leaves import items_of
from irsa_cli.add_ons.output import AddOnOutput, output_of
from irsa_world.report.json import camel_case
from irsa_world.report.text import Line, aligned, counted
from irsa_world.wrapped import wrapped

WIDTH = 100
HEADING = "bold"
HEADINGS = ("add-on", "parameters", "newest", "size")
OF_AWS = "AWS managed"
WHEN = {"named": 'without scope: "*"', "any": 'with scope: "*"'}
CLUSTERS = "those of the binding's clusters"
LEGEND = (
    f"[ ]: may be left out; a|b: at least one of them. Without clusterNames: {CLUSTERS}. size: of the policy document "
    "with one value for each parameter that is needed, in characters; IAM takes 6,144 in a policy, and irsa divides a "
    f"larger document. {OF_AWS}: AWS's policies are attached, and irsa writes none"
)


def of_all(add_ons: Sequence[AddOnOutput]) -> Iterator[Line]:
    """Yield a table of the add-ons as lines, each with its style."""
    first = f"{counted(len(add_ons), 'add-on')}: in a binding, write policies: [{{addOn: NAME, ...}}];"
    yield from _wrapped(f"{first} `irsa add-ons NAME` shows the rest", "", HEADING)
    yield "", ""
    heading, *rows = aligned(HEADINGS, [_row(each) for each in add_ons])
    yield heading, HEADING
    yield from ((row, "") for row in rows)
    yield "", ""
    yield from _wrapped(LEGEND)


def _row(each: AddOnOutput) -> tuple[str, ...]:
    one_of = each.require_one_of
    needed = [one.name for one in each.parameters if _is_needed(one.name, one.required)]
    needed += ["|".join(one_of)] if one_of else []
    optional = [f"[{one.name}]" for one in each.parameters if one.name not in (*needed, *one_of)]
    return each.name, " ".join([*needed, *optional]) or "-", each.versions[0], f"{each.size:,}" if each.size else OF_AWS


def _is_needed(name: str, required: bool) -> bool:
    return required and name != camel_case(CLUSTER_NAMES)


def of_one(add_on: AddOn) -> Iterator[Line]:
    """Yield everything of an add-on as lines, each with its style."""
    each, newest = output_of(add_on), add_on.versions[add_on.newest]
    yield from _wrapped(f"{each.name}: {each.about}", "", HEADING)
    yield "", ""
    yield "irsa:bindings:", ""
    yield f"  {each.name}:", ""
    yield from ((f"    {line}", "") for line in each.example.splitlines())
    values = yaml.safe_dump(dict(add_on.helm_values), sort_keys=False, width=2**20) if add_on.helm_values else ""
    parts = {
        "service account": [*_service_account(add_on)],
        "parameters": [*_parameters(each)],
        "versions": [line for name, version in add_on.versions.items() for line in _version(name, version)],
        f"policy for {add_on.newest}": [*_policy(each.size, newest)],
        "differences from upstream": [
            line for one in newest.differences for line in _wrapped(f"{', '.join(one['actions'])}: {one['why']}", "  ")
        ],
        f"Helm values of {add_on.chart}": [(f"  {line}", "") for line in values.splitlines()],
    }
    for heading, lines in parts.items():
        if lines:
            yield "", ""
            yield heading, HEADING
            yield from lines


def _service_account(add_on: AddOn) -> Iterator[Line]:
    makers = [f"the chart {add_on.chart}"] if add_on.chart else []
    makers += [f"the EKS add-on {add_on.eks_add_on}"] if add_on.eks_add_on else []
    made = f", which {' or '.join(makers)} creates" if makers else ""
    text = f"{add_on.subject}{made}: trusted where the binding has no serviceAccount and no subjects"
    yield from _wrapped(text, "  ")


def _parameters(each: AddOnOutput) -> Iterator[Line]:
    for one in each.parameters:
        others = [name for name in each.require_one_of if name != one.name] if one.name in each.require_one_of else []
        marks = ["list of strings" if one.takes else "true"]
        marks += ["required"] if _is_needed(one.name, one.required) else []
        marks += [f"required without {' and '.join(others)}"] if others else []
        yield from _wrapped(f"{one.name} ({', '.join(marks)}): {one.about}", "  ")
        if one.example:
            default = f"; default: {CLUSTERS}" if one.name == camel_case(CLUSTER_NAMES) else ""
            yield from _wrapped(f"{one.takes}, such as {one.example}{default}", "      ")
    if each.everything:
        yield from _wrapped(f'scope: "*" in place of what is required: {each.everything}', "  ")


def _version(name: str, version: Version) -> Iterator[Line]:
    yield from _wrapped(f"{name} of {version.date}: {version.source}", "  ")
    yield from _wrapped(version.note, "      ") if version.note else ()


def _policy(size: int, version: Version) -> Iterator[Line]:
    for name in version.managed_policies:
        yield f"  {OF_AWS}: {name}", ""
    if size:
        yield from _wrapped(f"{size:,} characters, with what is written above", "  ")
    for statement in () if version.managed_policies else version.statements:
        yield from _statement(statement)
    for name in version.managed_policies_for_everything:
        yield f'  with scope: "*", {OF_AWS}: {name}', ""


def _statement(statement: Statement) -> Iterator[Line]:
    only = [f"with {' and '.join(map(camel_case, statement.only_with))}"] if statement.only_with else []
    only += [f"without {camel_case(statement.only_without)}"] if statement.only_without else []
    only += [WHEN[statement.when]] if statement.when else []
    yield from _wrapped(statement.purpose + (f" (only {', '.join(only)})" if only else ""), "  ", HEADING)
    yield from _wrapped(", ".join(statement.actions), "      ")
    yield from _wrapped(f"on {', '.join(statement.resources)}", "      ")
    for operator, keys in statement.conditions.items():
        for key, values in keys.items():
            yield from _wrapped(f"if {key} is {' or '.join(map(str, items_of(values)))} ({operator})", "      ")


def _wrapped(text: str, indent: str = "", style: str = "") -> Iterator[Line]:
    following = f"{indent}    " if indent else ""
    yield from ((line, style) for line in wrapped(text, indent, following, WIDTH))
