"""What `irsa add-ons --json` prints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from irsa.add_ons.catalog import AddOn, Statement, Version
from irsa.add_ons.document import Where, document, managed_policies
from irsa.add_ons.parameters import CLUSTER_NAMES, PARAMETERS, SWITCHES
from irsa.rules.leaves import items_of
from irsa.rules.trust import minified
from irsa_cli.report.json import camel_case

SOMEWHERE = Where("aws", "111122223333", ["us-west-2"])


@dataclass(frozen=True)
class ParameterOutput:
    """A parameter of an add-on.

    Attributes:
        name: Its key in the stack file.
        required: Whether the add-on is refused without it, unless it has `scope: "*"`.
        takes: The values that it takes: of a list, what is in it.
        type: What is written: a list of strings, or true.
        about: What the add-on does with them.
        example: A value; empty where that is true.
    """

    name: str
    required: bool
    takes: str
    type: str
    about: str
    example: str


@dataclass(frozen=True)
class StatementOutput:
    """A statement of a policy. `${partition}`, `${account}`, `${region}` and parameters stand for their values.

    Attributes:
        purpose: What it is for.
        actions: Its actions.
        resources: Its resources.
        conditions: Its conditions: values by operator and key.
        only_with: The parameters without which it is not there.
        only_without: The parameter with which it is not there; empty for always.
        when: `named`: not there with `scope: "*"`; `any`: there with that only; empty for always.
    """

    purpose: str
    actions: Sequence[str]
    resources: Sequence[str]
    conditions: Mapping[str, Mapping[str, Sequence[str]]]
    only_with: Sequence[str]
    only_without: str
    when: str


@dataclass(frozen=True)
class DifferenceOutput:
    """Where a policy is other than upstream's.

    Attributes:
        actions: The actions.
        why: Why.
    """

    actions: Sequence[str]
    why: str


@dataclass(frozen=True)
class VersionOutput:
    """The policy for a version of an add-on.

    Attributes:
        version: The version.
        date: The day of upstream's release or file, as YYYY-MM-DD.
        source: URL of upstream's own document.
        note: What else there is to say about that.
        managed_policies: Paths and names of AWS managed policies that are attached in place of the statements.
        managed_policies_for_everything: Those that are attached with `scope: "*"`.
        statements: The statements.
        differences: Where it is other than upstream's.
    """

    version: str
    date: str
    source: str
    note: str
    managed_policies: Sequence[str]
    managed_policies_for_everything: Sequence[str]
    statements: Sequence[StatementOutput]
    differences: Sequence[DifferenceOutput]


@dataclass(frozen=True)
class AddOnOutput:
    """An add-on.

    Attributes:
        name: Its name, as `addOn` has it.
        about: What it is.
        namespace: Namespace of the service account that its chart makes.
        service_account: Name of that service account.
        chart: Its Helm chart; empty where it has none.
        eks_add_on: Its name as an EKS add-on; empty where it is none.
        parameters: What can be written beside `addOn`.
        require_one_of: Parameters of which one must be there, unless there is `scope: "*"`.
        everything: What `scope: "*"` lets it reach; empty where it takes no scope.
        size: Size of the newest version's document with what `example` names, in characters; 0 where AWS managed
            policies are attached.
        versions: Its versions, the newest first.
        helm_values: Values for its chart in YAML. `${annotations}`, `${serviceAccountName}`, `${namespace}` and
            `${clusterName}` stand for those of the binding. Empty where it has none.
        example: What to write in a binding, in YAML.
    """

    name: str
    about: str
    namespace: str
    service_account: str
    chart: str
    eks_add_on: str
    parameters: Sequence[ParameterOutput]
    require_one_of: Sequence[str]
    everything: str
    size: int
    versions: Sequence[VersionOutput]
    helm_values: str
    example: str


@dataclass(frozen=True)
class AddOnsOutput:
    """What `irsa add-ons --json` prints.

    Attributes:
        add_ons: The add-on that was named; without a name all, sorted by name.
    """

    add_ons: Sequence[AddOnOutput]


def output_of(add_on: AddOn) -> AddOnOutput:
    """Return an add-on as it is printed."""
    return AddOnOutput(
        add_on.name,
        add_on.about,
        add_on.namespace,
        add_on.service_account,
        add_on.chart,
        add_on.eks_add_on,
        [_parameter(name, each.required, each.about) for name, each in add_on.parameters.items()],
        [*map(camel_case, add_on.require_one_of)],
        add_on.everything,
        _size(add_on),
        [_version(version, each) for version, each in add_on.versions.items()],
        yaml.safe_dump(add_on.helm_values, sort_keys=False, width=2**20) if add_on.helm_values else "",
        written({"addOn": add_on.name, "version": add_on.newest, **_named(add_on)}),
    )


def written(*entries: Mapping[str, Any]) -> str:
    """Return add-ons as a binding has them, in YAML."""
    listed = yaml.safe_dump([*map(dict, entries)], sort_keys=False, default_flow_style=None, width=2**20)
    return "policies:\n" + "".join(f"  {line}\n" for line in listed.splitlines())


def _named(add_on: AddOn) -> dict[str, list[str]]:
    """Return a value for each parameter that must be named."""
    return {camel_case(first): [PARAMETERS[first].example] for first, *_ in add_on.must_be_named}


def _size(add_on: AddOn) -> int:
    if managed_policies(add_on, add_on.newest, None):
        return 0
    names = [first for first, *_ in add_on.must_be_named]
    names += [CLUSTER_NAMES] if CLUSTER_NAMES in add_on.parameters else []
    parameters = {name: [PARAMETERS[name].example] for name in names}
    return len(minified(document(add_on, add_on.newest, None, parameters, SOMEWHERE)))


def _parameter(name: str, required: bool, about: str) -> ParameterOutput:
    if name in SWITCHES:
        return ParameterOutput(camel_case(name), required, SWITCHES[name], "true", about, "")
    known = PARAMETERS[name]
    return ParameterOutput(camel_case(name), required, known.what, "list of strings", about, known.example)


def _version(version: str, known: Version) -> VersionOutput:
    return VersionOutput(
        version,
        known.date,
        known.source,
        known.note,
        known.managed_policies,
        known.managed_policies_for_everything,
        [*map(_statement, known.statements)],
        [DifferenceOutput(each["actions"], each["why"]) for each in known.differences],
    )


def _statement(known: Statement) -> StatementOutput:
    conditions = {
        operator: {key: [*map(str, items_of(values))] for key, values in keys.items()}
        for operator, keys in known.conditions.items()
    }
    return StatementOutput(
        known.purpose,
        known.actions,
        known.resources,
        conditions,
        [*map(camel_case, known.only_with)],
        camel_case(known.only_without),
        known.when,
    )
