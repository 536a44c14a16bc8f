"""The add-ons as text: what to write first, then what is known, in YAML."""

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from irsa.add_ons.catalog import data_of
from irsa.add_ons.parameters import CLUSTER_NAMES
from irsa_cli.add_ons.output import AddOnOutput, ParameterOutput
from irsa_world.report.json import as_object, camel_case
from irsa_world.report.text import Line, aligned, counted
from irsa_world.wrapped import wrapped

WIDTH = 100
HEADING = "bold"
HEADINGS = ("add-on", "parameters", "newest")
# What is printed of a version that is not the newest.
OF_OLDER = ("date", "source", "note")
CLUSTERS = "those of the binding's clusters"
LEGEND = f"[ ]: may be left out; a|b: at least one of them. Without clusterNames: {CLUSTERS}"


class Dumper(yaml.SafeDumper):
    """Writes what is there twice as it is."""

    def ignore_aliases(self, _: Any) -> bool:
        """Return whether it has no name by which to refer to it."""
        return True


def of_all(add_ons: Sequence[AddOnOutput]) -> Iterator[Line]:
    """Yield a table of the add-ons as lines, each with its style."""
    first = f"{counted(len(add_ons), 'add-on')}: in a binding, write policies: [{{addOn: NAME, ...}}];"
    yield from _wrapped(f"{first} `irsa add-ons NAME` shows the rest", HEADING)
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
    return each.name, " ".join([*needed, *optional]) or "-", each.versions[0]


def _is_needed(name: str, required: bool) -> bool:
    return required and name != camel_case(CLUSTER_NAMES)


def of_one(each: AddOnOutput) -> Iterator[Line]:
    """Yield everything of an add-on as lines, each with its style: what to write, and in YAML what is known."""
    yield from _wrapped(f"{each.name}: {each.about}", HEADING)
    data = data_of(each.name)
    newest, *older = data["versions"].items()
    known = {
        "serviceAccount": each.service_account,
        **{key: data[key] for key in ("chart", "eksAddOn") if key in data},
        "parameters": [*map(_parameter, each.parameters)],
        "requireOneOf": each.require_one_of,
        'scope: "*"': each.everything,
        "versions": dict([newest, *((name, {key: one[key] for key in OF_OLDER if key in one}) for name, one in older)]),
        "helmValues": data.get("helmValues"),
    }
    text = yaml.dump(
        {key: value for key, value in known.items() if value}, Dumper=Dumper, sort_keys=False, width=WIDTH - 30
    )
    for block in (f"irsa:bindings:\n  {each.name}:\n{textwrap.indent(each.example, '    ')}", text):
        yield "", ""
        yield from ((line, "") for line in block.splitlines())


def _parameter(one: ParameterOutput) -> dict[str, Any]:
    known = {key: value for key, value in as_object(one).items() if value}
    if one.name != camel_case(CLUSTER_NAMES):
        return known
    return {**{key: value for key, value in known.items() if key != "required"}, "default": CLUSTERS}


def _wrapped(text: str, style: str = "") -> Iterator[Line]:
    yield from ((line, style) for line in wrapped(text, width=WIDTH))
