"""What `irsa add-ons --json` prints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from irsa.add_ons.catalog import add_on as known_add_on
from irsa.add_ons.parameters import PARAMETERS, SWITCHES
from irsa_world.report.json import camel_case


@dataclass(frozen=True)
class ParameterOutput:
    """A parameter of an add-on.

    Attributes:
        name: Its key in the stack file.
        required: Whether the add-on is refused without it, unless it has `scope: "*"`.
        about: What the add-on does with it.
        takes: What is in its list of strings; empty where it takes true.
        example: A string of the list; empty where it takes true.
    """

    name: str
    required: bool
    about: str
    takes: str = ""
    example: str = ""


@dataclass(frozen=True)
class AddOnOutput:
    """An add-on.

    Attributes:
        name: Its name, as `addOn` has it.
        about: What it is.
        service_account: The service account that its chart creates, as `namespace:name`.
        parameters: What can be written beside `addOn`.
        require_one_of: Parameters of which one must be there, unless there is `scope: "*"`.
        everything: What `scope: "*"` lets it reach; empty where it takes no scope.
        versions: Its versions, the newest first.
        example: What to write in a binding, in YAML.
    """

    name: str
    about: str
    service_account: str
    parameters: Sequence[ParameterOutput]
    require_one_of: Sequence[str]
    everything: str
    versions: Sequence[str]
    example: str


@dataclass(frozen=True)
class AddOnsOutput:
    """What `irsa add-ons --json` prints.

    Attributes:
        add_ons: The add-on that was named; without a name all, sorted by name.
    """

    add_ons: Sequence[AddOnOutput]


def output_of(name: str) -> AddOnOutput:
    """Return an add-on as it is printed."""
    add_on = known_add_on(name)
    named = {camel_case(first): [PARAMETERS[first].example] for first, *_ in add_on.must_be_named}
    return AddOnOutput(
        add_on.name,
        add_on.about,
        add_on.subject,
        [_parameter(name, each.required, each.about) for name, each in add_on.parameters.items()],
        [*map(camel_case, add_on.require_one_of)],
        add_on.everything,
        [*add_on.versions],
        written({"addOn": add_on.name, "version": add_on.newest, **named}),
    )


def written(*entries: Mapping[str, Any]) -> str:
    """Return add-ons as a binding has them, in YAML."""
    listed = yaml.safe_dump([*map(dict, entries)], sort_keys=False, default_flow_style=None, width=2**20)
    return "policies:\n" + "".join(f"  {line}\n" for line in listed.splitlines())


def _parameter(name: str, required: bool, about: str) -> ParameterOutput:
    known = None if name in SWITCHES else PARAMETERS[name]
    values = (known.what, known.example) if known else ()
    return ParameterOutput(camel_case(name), required, about, *values)
