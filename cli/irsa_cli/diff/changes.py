"""What changes of each binding: its resources, and the statements, annotations, tags and settings of each. Pure."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from irsa import outputs, types
from irsa.rules.annotations import PATCH_FORCE
from irsa.rules.mistakes import path_of
from irsa_cli.diff.guards import as_shown
from irsa_cli.diff.preview import CREATE, DEFAULTS, DELETE, IMPORT, REPLACE, SAME, UPDATE, Step
from irsa_cli.diff.statements import StatementChange, statement_changes
from irsa_world.state.resource import SECRET, SECRET_TEXT, Resource, is_secret, is_unknown, known_text

STACK = "pulumi:pulumi:Stack"
# It may have tokens in it, whether the program says that it is a secret or not.
HIDDEN = frozenset({"kubeconfig"})
# What the component writes for `takeOver`, which is what its user knows.
FORCED, TAKE_OVER = path_of(("metadata", "annotations", PATCH_FORCE)), "takeOver"
# Tags with those of the provider: they change with what is shown.
ALL_TAGS = "tagsAll"
WORDS = {CREATE: "create", UPDATE: "update", REPLACE: "replace", DELETE: "delete", IMPORT: "import", SAME: "update"}


class Kind(NamedTuple):
    """How resources of a type are shown.

    Attributes:
        word: What they are called.
        document: The input that is a policy document; empty without one.
        title: What that document is called.
        named: Inputs that their name says already.
        words: Words for operations that are others than WORDS.
    """

    word: str
    document: str = ""
    title: str = ""
    named: tuple[str, ...] = ("name",)
    words: Mapping[str, str] = {}


_OBJECT = ("apiVersion", "kind", "metadata.name", "metadata.namespace")
_PLACE = ("clusterName", "region", "namespace", "serviceAccount")
KINDS = {
    types.ROLE: Kind("role", "assumeRolePolicy", "trust policy"),
    types.POLICY: Kind("policy", "policy", "policy document"),
    types.INLINE_POLICY: Kind("inline policy", "policy", "policy document", ("name", "role")),
    types.ATTACHMENT: Kind("policy", named=("role", "policyArn"), words={CREATE: "attach", DELETE: "detach"}),
    types.POD_IDENTITY_ASSOCIATION: Kind("association", "policy", "session policy", _PLACE),
    types.OIDC_PROVIDER: Kind("OIDC provider", named=("url",)),
    types.SERVICE_ACCOUNT: Kind("service account", named=_OBJECT),
    types.AWS_PROVIDER: Kind("AWS provider", named=()),
    types.KUBERNETES_PROVIDER: Kind("Kubernetes provider", named=()),
    types.SERVICE_ACCOUNT_PATCH: Kind("service account", named=_OBJECT, words={CREATE: "adopt", DELETE: "release"}),
    types.NAMESPACE: Kind("namespace", named=_OBJECT),
    f"{types.NAMESPACE}Patch": Kind("namespace", named=_OBJECT, words={CREATE: "create if missing", DELETE: "release"}),
    types.CONFIG_MAP: Kind("config map", named=_OBJECT),
    types.ADMISSION_POLICY: Kind("admission policy", named=_OBJECT),
    types.ADMISSION_BINDING: Kind("admission binding", named=_OBJECT),
}


@dataclass(frozen=True)
class PropertyChange:
    """A property of a resource that changes.

    Attributes:
        property: Its place, such as `metadata.annotations["eks.amazonaws.com/role-arn"]`; `takeOver` where a service
            account's annotations are overwritten that somebody else wrote.
        before: Its value, as JSON where it is no string; null where it has none.
        after: Its value afterwards, likewise; null too where it is not known until `pulumi up`.
        unknown: Whether its value is not known until `pulumi up`.
        secret: Whether it is a secret, which is not shown.
    """

    property: str
    before: str | None
    after: str | None
    unknown: bool = False
    secret: bool = False


@dataclass(frozen=True)
class ResourceChange:
    """A resource that changes.

    Attributes:
        operation: The engine's word: create, update, replace, delete, import, or another one.
        word: What happens, in irsa's word: `attach` for the creation of an attachment, for example.
        kind: What it is: `role`, `policy`, `service account`, or its type token.
        name: Its name in AWS or Kubernetes; its logical name where that is not known.
        cluster: The cluster's key in the stack file; empty where there is only one.
        urn: Its URN.
        retained: Whether it stays in the cloud, though the stack deletes it.
        replaced_for: The properties that cannot change in place.
        document: What its policy document is called; empty where none changes.
        statements: The statements of its policy document that change.
        settings: Its other properties that change.
    """

    operation: str
    word: str
    kind: str
    name: str
    cluster: str
    urn: str
    retained: bool = False
    replaced_for: tuple[str, ...] = ()
    document: str = ""
    statements: tuple[StatementChange, ...] = ()
    settings: tuple[PropertyChange, ...] = ()


@dataclass(frozen=True)
class BindingChange:
    """A binding that changes.

    Attributes:
        key: Its key in the stack file; in your own program, the component's name.
        resources: Its resources that change.
    """

    key: str
    resources: tuple[ResourceChange, ...]


def changes(
    steps: Iterable[Step], keys: Mapping[str, tuple[str, str]], guards: Mapping[str, str] | None = None
) -> tuple[list[BindingChange], list[ResourceChange]]:
    """Return what changes of each binding, sorted by key, and of the resources that belong to none.

    The keys are those of the binding and of the cluster of each component that has steps, by its URN; for guards, those
    of the cluster.
    """
    of_bindings: dict[str, list[tuple[str, Step]]] = {}
    others: list[tuple[str, Step]] = []
    names = {urn: (*each, urn.rsplit("::", 1)[-1]) for urn, each in keys.items()}
    alike = Counter(names.values())
    for step in steps:
        parent = step.resource.parent
        if step.resource.type in {STACK, outputs.COMPONENT_TYPE, outputs.GUARD_TYPE}:
            # Nothing in a cloud changes with these; what is in them has steps of its own.
            continue
        if type_of(parent) != outputs.COMPONENT_TYPE:
            others.append(((guards or {}).get(parent, ""), as_shown(step)))
            continue
        key, cluster = keys[parent]
        if alike[names[parent]] > 1:
            # In another program, two components of one name have different parents.
            key = parent.split("::", 2)[2]
        of_bindings.setdefault(key, []).append((cluster, step))
    return [BindingChange(key, tuple(_resources(of_bindings[key]))) for key in sorted(of_bindings)], _resources(others)


def type_of(urn: str) -> str:
    """Return the type token of the resource with this URN."""
    return urn.split("::")[2].rsplit("$", 1)[-1] if urn.count("::") > 2 else ""  # noqa: PLR2004 (four parts)


def _resources(unsorted: Iterable[tuple[str, Step]]) -> list[ResourceChange]:
    """Return the changes of resources: the role first, then its permissions."""
    order = {type_: place for place, type_ in enumerate(KINDS)}
    steps = sorted(
        unsorted, key=lambda each: (order.get(each[1].resource.type, len(order)), _name(each[1].resource), each[0])
    )
    policies = {step.resource.urn: _name(step.resource) for _, step in steps if step.resource.type == types.POLICY}
    return [_resource(cluster, step, policies) for cluster, step in steps]


def _statements(kind: Kind, step: Step) -> list[StatementChange] | None:
    """Return the statements that differ; None without a policy document, or where a side of it cannot be read."""
    both = [state and state.inputs.get(kind.document) for state in (step.old, step.new)]
    is_read = all(each is None or (isinstance(each, str | Mapping) and not _is_hidden(each)) for each in both)
    return statement_changes(*both) if kind.document and any(both) and is_read and step.operation != IMPORT else None


def _is_hidden(value: Any) -> bool:
    return (isinstance(value, str) and is_unknown(value)) or is_secret(value)


def _resource(cluster: str, step: Step, policies: Mapping[str, str]) -> ResourceChange:
    kind = KINDS.get(step.resource.type, Kind(step.resource.type, named=()))
    statements = _statements(kind, step)
    skipped = {DEFAULTS, *(kind.named if step.operation in {CREATE, DELETE, IMPORT} else ())}
    if statements is not None:
        skipped.add(kind.document)
    return ResourceChange(
        step.operation,
        kind.words.get(step.operation) or WORDS.get(step.operation, step.operation),
        kind.word,
        # The ARN of a policy that is created is not known yet.
        next((policies[urn] for urn in step.resource.policies if urn in policies), None) or _name(step.resource),
        cluster or known_text(step.resource.inputs.get("clusterName")),
        step.resource.urn,
        bool(step.operation in {DELETE, REPLACE} and step.old and step.old.retained),
        step.replaced_for if step.operation == REPLACE else (),
        kind.title if statements else "",
        tuple(statements or ()),
        tuple(_properties(step, skipped)),
    )


def _name(resource: Resource) -> str:
    """Return the name of a resource in AWS or Kubernetes, or its logical name."""
    inputs = resource.inputs
    if resource.type == types.ATTACHMENT:
        return known_text(inputs.get("policyArn")) or resource.name
    if resource.type == types.OIDC_PROVIDER:
        return known_text(inputs.get("url")).removeprefix("https://") or resource.name
    if resource.type == types.POD_IDENTITY_ASSOCIATION:
        place = [known_text(inputs.get(key)) for key in ("namespace", "serviceAccount")]
        return "/".join(place) if all(place) else resource.name
    metadata = inputs.get("metadata")
    if isinstance(metadata, Mapping):
        place = [known_text(metadata.get(key)) for key in ("namespace", "name")]
        return "/".join(filter(None, place)) or resource.name
    return known_text(inputs.get("name")) or known_text(resource.outputs.get("name")) or resource.name


def _properties(step: Step, skipped: set[str]) -> Iterator[PropertyChange]:
    """Yield the properties that change; of what is deleted none, and of what is created those that are known.

    The service account of a patch exists: what the patch writes there is a change, known or not.
    """
    old, new = step.old, step.new
    if old and new and old.protected != new.protected:
        yield PropertyChange("protect", _text(old.protected), _text(new.protected))
    if new is None or step.operation == IMPORT:
        return
    defaults = new.inputs.get(DEFAULTS)
    if step.operation == CREATE and isinstance(defaults, list):
        skipped = skipped | {each for each in defaults if isinstance(each, str)}
    before = old.inputs if old and (step.operation != CREATE or new.type == types.SERVICE_ACCOUNT_PATCH) else {}
    found = list(_between(before, new.inputs, (), skipped))
    # Two secrets look alike, whether they are or not.
    found += [
        PropertyChange(name, None, None, secret=True)
        for name in step.reasons
        if name not in skipped and is_secret(new.inputs.get(name)) and name not in {e.property for e in found}
    ]
    tags = {(each.property.removeprefix("tags"), each.before, each.after) for each in found}
    hides_unknown = step.operation == CREATE and new.type != types.SERVICE_ACCOUNT_PATCH
    of_component = type_of(new.parent) == outputs.COMPONENT_TYPE
    for each in found:
        name = each.property.removeprefix(ALL_TAGS)
        is_told = name != each.property and (name, each.before, each.after) in tags
        if not is_told and not (hides_unknown and each.unknown):
            yield replace(each, property=TAKE_OVER) if of_component and each.property == FORCED else each


def _between(before: Any, after: Any, place: tuple[str | int, ...], skipped: set[str]) -> Iterator[PropertyChange]:
    """Yield the places at which two values differ."""
    where = path_of(place)
    if before == after or where in skipped or place[-1:] == (DEFAULTS,):
        return
    if where in HIDDEN or any(
        is_secret(each) and (not isinstance(each, Mapping) or SECRET in each) for each in (before, after)
    ):
        yield PropertyChange(where, None, None, secret=True)
    elif isinstance(after, str) and is_unknown(after) and isinstance(before, Mapping) and before:
        for key, value in before.items():
            yield from _between(value, after, (*place, key), skipped)
    elif isinstance(before, Mapping | None) and isinstance(after, Mapping | None):
        old, new = before or {}, after or {}
        for key in dict.fromkeys((*old, *new)):
            yield from _between(old.get(key), new.get(key), (*place, key), skipped)
    elif is_unknown(after):
        yield PropertyChange(where, _text(before), None, unknown=True)
    else:
        yield PropertyChange(where, _text(before), _text(after))


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if is_secret(value):
        return SECRET_TEXT
    return json.dumps(value, ensure_ascii=False)
