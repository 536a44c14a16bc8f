"""What changes of each binding: its resources, their policy documents, and the names of all else. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from irsa import outputs, types
from irsa_cli.diff.documents import Line, document_diff
from irsa_cli.diff.questions import KINDS, Kind
from irsa_world.state.preview import CREATE, DEFAULTS, DELETE, IMPORT, REPLACE, Step
from irsa_world.state.resource import Resource, is_secret, is_unknown, known_text

STACK = "pulumi:pulumi:Stack"
# Tags with those of the provider.
ALL_TAGS, TAGS = "tagsAll", "tags"
ATTACHED = {CREATE: "attach", DELETE: "detach"}
PROTECT = "protect"


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
        lines: What differs of that, and what is beside it.
        settings: The names of its other properties that change.
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
    lines: tuple[Line, ...] = ()
    settings: tuple[str, ...] = ()


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
            others.append(((guards or {}).get(parent, ""), step))
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


def _resource(cluster: str, step: Step, policies: Mapping[str, str]) -> ResourceChange:
    kind = KINDS.get(step.resource.type) or Kind(step.resource.type)
    lines = _document_lines(kind, step)
    is_attachment = step.resource.type == types.ATTACHMENT
    settings = () if step.operation in {CREATE, DELETE, IMPORT} else changed_properties(step)
    return ResourceChange(
        step.operation,
        (is_attachment and ATTACHED.get(step.operation)) or step.operation,
        kind.word,
        # The ARN of a policy that is created is not known yet.
        next((policies[urn] for urn in step.resource.policies if urn in policies), None) or _name(step.resource),
        cluster or known_text(step.resource.inputs.get("clusterName")),
        step.resource.urn,
        bool(step.operation in {DELETE, REPLACE} and step.old and step.old.retained),
        tuple(dict.fromkeys(each.partition("[")[0] for each in step.replaced_for if step.operation == REPLACE)),
        kind.title if lines else "",
        tuple(lines or ()),
        tuple(each for each in settings if lines is None or each != kind.document),
    )


def _document_lines(kind: Kind, step: Step) -> list[Line] | None:
    """Return what differs of the policy document; None without one, or where a side of it cannot be read."""
    both = [state and state.inputs.get(kind.document) for state in (step.old, step.new)]
    is_read = all(each is None or (isinstance(each, str | Mapping) and not _is_hidden(each)) for each in both)
    return document_diff(*both) if kind.document and any(both) and is_read and step.operation != IMPORT else None


def _is_hidden(value: Any) -> bool:
    return (isinstance(value, str) and is_unknown(value)) or is_secret(value)


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
        # The name of a ConfigMap of a guard changes with what is in it.
        names = ("namespace",) if resource.type == types.CONFIG_MAP else ("namespace", "name")
        place = [known_text(metadata.get(key)) for key in names]
        place += [resource.name] if resource.type == types.CONFIG_MAP else []
        return "/".join(filter(None, place)) or resource.name
    return known_text(inputs.get("name")) or known_text(resource.outputs.get("name")) or resource.name


def changed_properties(step: Step) -> Iterator[str]:
    """Yield the names of the properties that change, each once; of what is deleted none."""
    old, new = step.old, step.new
    if old and new and old.protected != new.protected:
        yield PROTECT
    before, after = old.inputs if old else {}, new.inputs if new else {}
    for name in dict.fromkeys((*before, *after) if new else ()):
        was, becomes = before.get(name), after.get(name)
        # Two secrets look alike, whether they are or not.
        is_secret_change = name in step.reasons and is_secret(becomes)
        if name != DEFAULTS and (_plain(was) != _plain(becomes) or is_secret_change):
            is_told = name == ALL_TAGS and _plain(before.get(TAGS)) != _plain(after.get(TAGS))
            if not is_told:
                yield name


def _plain(value: Any) -> Any:
    """Return a value without what a plugin notes of defaults, which changes with what is shown; nothing is empty."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items() if key != DEFAULTS} or None
    return value
