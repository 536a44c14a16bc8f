"""How what there is differs from what a stack declares. Pure."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, NamedTuple

from irsa import types
from irsa.evaluation.differences import differences
from irsa.rules import commands
from irsa.rules.annotations import PREFIX, meant_by
from irsa.rules.commands import AwsPlace, ClusterPlace
from irsa.rules.mistakes import Place, listed, named, path_of, shortened
from irsa.rules.names import snake
from irsa.rules.trust import minified
from irsa.rules.unknown import Unknown
from irsa_world.model import Association, Role
from irsa_world.state.declared import DeclaredServiceAccount
from irsa_world.trusts.chains import Document

NONE = "none"
TARGET_ROLE = "target role"
# What the API server fills in: https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/
DEFAULTS: Mapping[str, Any] = {
    "matchPolicy": "Equivalent",
    "namespaceSelector": {},
    "objectSelector": {},
    "matchResources": {"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}},
    "scope": "*",
}
MISSING = ("it does not exist, so it guards nothing", "it exists")
UNDERSTOOD = "expressions that the API server understands: one that fails lets every Pod through"
ABSENT = object()


class Difference(NamedTuple):
    """A difference.

    Attributes:
        found: What is there; Unknown where what is declared is not known, so that nobody can tell.
        expected: What is declared.
        fix: The command that repairs it; empty where there is none, None where `pulumi up` does.
        about: What differs; empty where it is the whole of what was compared.
    """

    found: str | Unknown
    expected: str = ""
    fix: str | None = None
    about: str = ""


def _of_value(label: str, found: Any, declared: Any, fix: str | None = None) -> Iterator[Difference]:
    if isinstance(declared, Unknown):
        yield Difference(declared)
    elif found != declared:
        now, wanted = (f"{label}: {named(str(each)) if each else NONE}" for each in (found, declared))
        yield Difference(now, wanted, fix)


def of_settings(declared: Role, live: Role) -> Iterator[Difference]:
    """Yield the settings of a role that somebody changed."""
    for setting, (label, _) in types.ROLE_SETTINGS.items():
        yield from _of_value(label, *(getattr(each, snake(setting)) for each in (live, declared)))


def of_document(
    declared: Document | str, live: Mapping[str, Any] | str | None, label: str = ""
) -> Iterator[Difference]:
    """Yield how a policy document differs in what it means."""
    if isinstance(declared, Unknown):
        yield Difference(declared)
    elif live is None:
        yield Difference("the policy does not exist", minified(declared))
    else:
        for each in differences(declared, live):
            yield Difference(*(f"{label}{each.place}: {text}" for text in (each.found, each.expected)))


def of_policies(
    role: str, how: str, declared: Collection[str], live: Collection[str], removal: Callable[[str, str], str]
) -> Iterator[Difference]:
    """Yield the policies that a role lacks, and those that nobody declared.

    Args:
        role: The role's name.
        how: How it has them: `attached` or `inline`.
        declared: Their ARNs or names, as declared; Unknown where one is a secret.
        live: Those that it has.
        removal: Returns the command that takes one from the role.
    """
    if isinstance(declared, Unknown):
        yield Difference(declared)
        return
    for policy in sorted({*declared} - {*live}):
        text = f"not {how} to the role; {how}: {listed(sorted(live)) or NONE}"
        yield Difference(text, f"{how} to {named(role)}", about=named(policy))
    for policy in sorted({*live} - {*declared}):
        texts = (f"{how} but not declared", f"only {listed(sorted(declared))}" if declared else f"no policy is {how}")
        yield Difference(*texts, removal(role, policy), named(policy))


def of_annotations(
    place: ClusterPlace, declared: DeclaredServiceAccount, live: Mapping[str, str], stack: str
) -> Iterator[Difference]:
    """Yield every annotation of the webhook that is not as declared, and those that are misspelled."""
    wanted, repair = declared.annotations, declared.command_to_restore(place, stack, live)
    for key, value in wanted.items():
        if live.get(key) != value:
            found = f"{named(key)}: {named(live[key])}" if key in live else f"no {named(key)}"
            yield Difference(found, f"{named(key)}: {named(value)}", repair)
    for key in sorted({*live} - {*wanted}):
        meant = None if key.startswith(PREFIX) else meant_by(key)
        why, expected = "but not declared", f"no {named(key)}"
        if meant:
            why = "which the webhook does not read"
            expected = f"an annotation that the webhook reads; did you mean {meant}?"
        if meant or key.startswith(PREFIX):
            yield Difference(
                f"{named(key)}: {named(live[key])}, {why}", expected, declared.command_to_remove(place, key)
            )


def of_association(place: AwsPlace, declared: Association, live: Association | None) -> Iterator[Difference]:
    """Yield how the association of a service account differs from the declared one."""
    expected = f"an association of {named(declared.role_arn)}"
    if live is None:
        yield Difference("no association", expected)
        return
    if live.owner_arn:
        # Whoever deletes it breaks the add-on, which creates it again.
        found = f"{named(live.owner)} owns the association, of {named(live.role_arn)}"
        yield Difference(found, f"{expected}: first take it out of what owns it", "")
        return
    on = {True: "on", False: "off"}
    yield from _of_value("role", live.role_arn, declared.role_arn)
    yield from _of_value("session tags", on[live.session_tags], on[declared.session_tags])
    target = None if declared.target_role_arn else _cleared(place, live, "targetRoleArn")
    yield from _of_value(TARGET_ROLE, live.target_role_arn, declared.target_role_arn, target)
    if isinstance(declared.tags, Unknown):
        yield Difference(declared.tags)
    else:
        # More tags may be there: the AWS provider's own settings add some to every resource.
        for key, value in declared.tags.items():
            yield from _of_value(f"tag {named(key)}", live.tags.get(key, ""), value)
    if declared.policy and live.policy:
        yield from of_document(declared.policy, live.policy, "session policy, ")
    else:
        policy = None if declared.policy else _cleared(place, live, "policy")
        yield from _of_value("session policy", live.policy, declared.policy, policy)


def _cleared(place: AwsPlace, live: Association, setting: str) -> str:
    """Return the command that removes a setting, which EKS keeps where an update only leaves it out."""
    return commands.clear_association(place, live.cluster.name, live.association_id, [setting])


def of_no_association(place: AwsPlace, live: Association | None, role_arn: str) -> Iterator[Difference]:
    """Yield an association that the stack does not declare any more: it wins over the annotation."""
    if live:
        owner = f", which {named(live.owner)} owns" if live.owner_arn else ""
        is_own = live.role_arn == role_arn and not owner
        fix = commands.delete_association(place, live.cluster.name, live.association_id) if is_own else ""
        found = f"an association of {named(live.role_arn)}{owner}; new Pods get its role, not the annotated one"
        yield Difference(found, "no association", fix)


def of_guard_object(about: str, spec: Mapping[str, Any], live: Mapping[str, Any] | None) -> Iterator[Difference]:
    """Yield how a policy or a binding differs, and what the API server says of a policy's expressions."""
    if live is None:
        yield Difference(*MISSING, about=about)
        return
    changes = [*_changes(spec, live.get("spec") or {}, ("spec",))]
    for place, *values in changes:
        found, expected = (f"{path_of(place)}: {_text(each)}" for each in values)
        yield Difference(found, expected, about=about)
    checked = (live.get("status") or {}).get("typeChecking") or {}
    for each in checked.get("expressionWarnings") or ():
        found = f"{named(each.get('fieldRef') or '')}: {named(each.get('warning') or '')}"
        # What is as declared is not repaired by `pulumi up`.
        yield Difference(found, UNDERSTOOD, None if changes else "", about)


def of_config_map(about: str, data: Mapping[str, str], live: Mapping[str, Any] | None) -> Iterator[Difference]:
    """Yield the entries of a guard's ConfigMap that are not as declared."""
    if live is None:
        yield Difference(*MISSING, about=about)
        return
    now: Mapping[str, str] = live.get("data") or {}
    changed = sorted(key for key in {*data, *now} if data.get(key) != now.get(key))
    for key in changed[:1]:
        found, expected = (f"{named(key)}: {_text(each.get(key, ABSENT))}" for each in (now, data))
        others = f"; changed are also {listed(changed[1:])}" if changed[1:] else ""
        yield Difference(f"{found}{others}", expected, about=about)


def _changes(declared: Any, live: Any, place: Place) -> Iterator[tuple[Place, Any, Any]]:
    """Yield where what is live differs, with what is there and what is declared; defaults of the API server do not."""
    if isinstance(declared, Mapping) and isinstance(live, Mapping):
        for key in dict.fromkeys((*declared, *live)):
            default = DEFAULTS.get(key, ABSENT)
            yield from _changes(declared.get(key, default), live.get(key, default), (*place, key))
    elif _has_objects(declared) and _has_objects(live) and len(declared) == len(live):
        for index, (before, now) in enumerate(zip(declared, live, strict=True)):
            yield from _changes(before, now, (*place, index))
    elif declared != live:
        yield place, live, declared


def _has_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, Mapping) for each in value)


def _text(value: Any) -> str:
    return "nothing" if value is ABSENT else named(value) if isinstance(value, str) else shortened(value)
