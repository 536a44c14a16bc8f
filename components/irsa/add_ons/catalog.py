"""The add-ons, as their data files have them."""

import functools
from collections.abc import Mapping, Sequence
from importlib.resources import files
from types import MappingProxyType
from typing import Any, NamedTuple

import yaml

from irsa.add_ons.parameters import CLUSTER_NAMES
from irsa.rules.mistakes import Mistake, nearest, shortened
from irsa.rules.names import snake

# The parser of libyaml, if PyYAML was built with it, takes a tenth of the time.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
NOTHING: Mapping[str, Any] = MappingProxyType({})


class AddOnStatement(NamedTuple):
    """A statement for one purpose. Variables in resources and conditions: `${partition}`, and those of Where.

    Attributes:
        only_with: The parameters without which it is not there.
        only_without: The parameter with which it is not there; empty for always.
        when: `named`: only where the scope is named; `any`: only where it is everything; empty for always.
    """

    purpose: str
    actions: Sequence[str]
    resources: Sequence[str]
    conditions: Mapping[str, Mapping[str, Any]]
    only_with: Sequence[str]
    only_without: str
    when: str


class Version(NamedTuple):
    """What a version of an add-on needs.

    Attributes:
        date: Of upstream's release or file, as YYYY-MM-DD.
        source: Upstream's own document.
        note: What else there is to say about the source.
        managed_policies: AWS's, which are attached in place of a document.
        managed_policies_for_everything: AWS's, which are attached where the scope is everything.
        differences: Where a document is other than upstream's, and why.
    """

    date: str
    source: str
    note: str
    statements: Sequence[AddOnStatement]
    managed_policies: Sequence[str]
    managed_policies_for_everything: Sequence[str]
    differences: Sequence[Mapping[str, Any]]


class TakenParameter(NamedTuple):
    """A parameter that an add-on takes, and what it is for."""

    about: str
    required: bool


class AddOn(NamedTuple):
    """An add-on.

    Attributes:
        namespace: Namespace of the service account that its chart creates.
        service_account: Name of it.
        parameters: By their names as arguments.
        require_one_of: Parameters of which one must be there.
        everything: What `scope: "*"` lets it reach, in words; empty where there is no such scope.
        versions: The newest first.
    """

    name: str
    about: str
    namespace: str
    service_account: str
    chart: str
    eks_add_on: str
    parameters: Mapping[str, TakenParameter]
    require_one_of: Sequence[str]
    everything: str
    versions: Mapping[str, Version]

    @property
    def newest(self) -> str:
        """Its newest version that is known here."""
        return next(iter(self.versions))

    @property
    def subject(self) -> str:
        """The service account that its chart creates, as `namespace:name`."""
        return f"{self.namespace}:{self.service_account}"

    @property
    def must_be_named(self) -> Sequence[Sequence[str]]:
        """The parameters of which nobody but the user knows the values: of each group, one is needed."""
        required = [[name] for name, each in self.parameters.items() if each.required and name != CLUSTER_NAMES]
        return required + ([self.require_one_of] if self.require_one_of else [])


@functools.cache
def names() -> Sequence[str]:
    """Return the names of all add-ons, sorted."""
    return sorted(each.name.removesuffix(".yaml") for each in _folder().iterdir() if each.name.endswith(".yaml"))


def text_of(name: str) -> str:
    """Return the data file of an add-on, which is one of `names()`, in YAML."""
    return str(_folder().joinpath(f"{name}.yaml").read_text("utf-8"))


@functools.cache
def add_on(name: str) -> AddOn:
    """Return an add-on by its name, one of `names()`."""
    read = yaml.load(text_of(name), LOADER)  # noqa: S506 (it is the safe loader)
    namespace, _, service_account = read["serviceAccount"].partition(":")
    return AddOn(
        name=name,
        about=read["about"],
        namespace=namespace,
        service_account=service_account,
        chart=read.get("chart", ""),
        eks_add_on=read.get("eksAddOn", ""),
        parameters={
            snake(key): TakenParameter(each["about"], each.get("required", False))
            for key, each in read.get("parameters", NOTHING).items()
        },
        require_one_of=[*map(snake, read.get("requireOneOf", ()))],
        everything=read.get("scope", ""),
        versions={str(version): _version(each) for version, each in read["versions"].items()},
    )


def check_add_on(name: str) -> str:
    """Return the name of an add-on.

    Raises:
        Mistake: There is none of that name.
    """
    if name in names():
        return name
    # EKS has other names for its add-ons, such as aws-ebs-csi-driver.
    meant = next((each for each in names() if add_on(each).eks_add_on == name), name)
    raise Mistake(shortened(name), ", ".join(names()), nearest(meant, names(), "write one of these, or a document"))


def _folder() -> Any:
    return files("irsa.add_ons")


def _version(read: Mapping[str, Any]) -> Version:
    return Version(
        date=str(read["date"]),
        source=read["source"],
        note=read.get("note", ""),
        statements=[_statement(each) for each in read.get("statements", ())],
        managed_policies=read.get("managedPolicies", ()),
        managed_policies_for_everything=read.get("anyScope", NOTHING).get("managedPolicies", ()),
        differences=read.get("differences", ()),
    )


def _statement(read: Mapping[str, Any]) -> AddOnStatement:
    needed = read.get("if", [])
    return AddOnStatement(
        purpose=read["purpose"],
        actions=read["actions"],
        resources=read["resources"],
        conditions=read.get("conditions", NOTHING),
        only_without=snake(read.get("unless", "")),
        only_with=[*map(snake, [needed] if isinstance(needed, str) else needed)],
        when=read.get("when", ""),
    )
