"""How what there is differs from what a stack declares: the findings of what is asked. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from irsa import types
from irsa.evaluation.differences import differences
from irsa.rules import commands
from irsa.rules.annotations import PREFIX, meant_by
from irsa.rules.commands import AwsPlace, ClusterPlace
from irsa.rules.mistakes import Place, listed, named, path_of, shortened
from irsa.rules.names import snake
from irsa.rules.trust import minified
from irsa.rules.unknown import Unknown
from irsa_world.model import OTHERS, Association, Role
from irsa_world.report.checks import Check
from irsa_world.state.declared import DeclaredServiceAccount
from irsa_world.trusts.chains import Document

NONE = "none"
TARGET_ROLE = "target role"
REMOVALS = {"attached": commands.detach_policy, "inline": commands.delete_inline_policy}
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


def _of_value(asked: Check, label: str, found: Any, declared: Any, fix: str | None = None) -> Iterator[Check]:
    unknown = next((each for each in (declared, found) if isinstance(each, Unknown)), None)
    if unknown:
        yield asked.bad(unknown)
    elif found != declared:
        now, wanted = (f"{label}: {named(str(each)) if each else NONE}" for each in (found, declared))
        yield asked.bad(now, wanted, fix)


def of_settings(asked: Check, declared: Role, live: Role) -> Iterator[Check]:
    """Yield the settings of a role that somebody changed."""
    for setting, (label, _) in types.ROLE_SETTINGS.items():
        yield from _of_value(asked, label, *(getattr(each, snake(setting)) for each in (live, declared)))


def of_document(
    asked: Check, declared: Document | str, live: Document | str | None, label: str = ""
) -> Iterator[Check]:
    """Yield how a policy document differs in what it means."""
    if isinstance(declared, Unknown):
        yield asked.bad(declared)
    elif isinstance(live, Unknown):
        yield asked.bad(live)
    elif live is None:
        yield asked.bad("the policy does not exist", minified(declared))
    else:
        for each in differences(declared, live):
            yield asked.bad(*(f"{label}{each.place}: {text}" for text in (each.found, each.expected)))


def of_policies(asked: Check, place: AwsPlace, how: str, role: Role, found: Role) -> Iterator[Check]:
    """Yield the policies that a role lacks, and those that nobody declared.

    Args:
        asked: What is asked.
        place: By which options the AWS CLI acts on the role.
        how: How it has them: `attached` or `inline`.
        role: The declared role.
        found: The role as it is.
    """
    declared, live = (getattr(each, f"{how}_policies") for each in (role, found))
    for each in (declared, live, live.get(OTHERS) if isinstance(live, Mapping) else None):
        if isinstance(each, Unknown):
            yield asked.bad(each)
            return
    for policy in sorted({*declared} - {*live}):
        text = f"not {how} to the role; {how}: {listed(sorted(live)) or NONE}"
        yield asked.bad(text, f"{how} to {named(role.name)}", about=named(policy))
    for policy in sorted({*live} - {*declared}):
        texts = (f"{how} but not declared", f"only {listed(sorted(declared))}" if declared else f"no policy is {how}")
        yield asked.bad(*texts, REMOVALS[how](place, role.name, policy), named(policy))


def of_annotations(
    asked: Check, place: ClusterPlace, declared: DeclaredServiceAccount, live: Mapping[str, str], stack: str
) -> Iterator[Check]:
    """Yield every annotation of the webhook that is not as declared, and those that are misspelled."""
    wanted, repair = declared.annotations, declared.command_to_restore(place, stack, live)
    for key, value in wanted.items():
        if live.get(key) != value:
            found = f"{named(key)}: {named(live[key])}" if key in live else f"no {named(key)}"
            yield asked.bad(found, f"{named(key)}: {named(value)}", repair)
    for key in sorted({*live} - {*wanted}):
        meant = None if key.startswith(PREFIX) else meant_by(key)
        why, expected = "but not declared", f"no {named(key)}"
        if meant:
            why = "which the webhook does not read"
            expected = f"an annotation that the webhook reads; did you mean {meant}?"
        if meant or key.startswith(PREFIX):
            yield asked.bad(
                f"{named(key)}: {named(live[key])}, {why}", expected, declared.command_to_remove(place, key)
            )


def of_association(asked: Check, place: AwsPlace, declared: Association, live: Association | None) -> Iterator[Check]:
    """Yield how the association of a service account differs from the declared one."""
    expected = f"an association of {named(declared.role_arn)}"
    if live is None:
        yield asked.bad("no association", expected)
        return
    if live.owner_arn:
        # Whoever deletes it breaks the add-on, which creates it again.
        found = f"an association of {named(live.role_arn)}, which {named(live.owner)} owns"
        yield asked.bad(found, f"{expected}: first remove it from {named(live.owner)}", "")
        return
    on = {True: "on", False: "off"}
    yield from _of_value(asked, "role", live.role_arn, declared.role_arn)
    yield from _of_value(asked, "session tags", on[live.session_tags], on[declared.session_tags])
    target = None if declared.target_role_arn else _cleared(place, live, "targetRoleArn")
    yield from _of_value(asked, TARGET_ROLE, live.target_role_arn, declared.target_role_arn, target)
    if isinstance(declared.tags, Unknown):
        yield asked.bad(declared.tags)
    else:
        # More tags may be there: the AWS provider's own settings add some to every resource.
        for key, value in declared.tags.items():
            if live.tags.get(key) != value:
                now = f"tag {named(key)}: {named(live.tags[key])}" if key in live.tags else f"no tag {named(key)}"
                yield asked.bad(now, f"tag {named(key)}: {named(value)}")
    if declared.policy and live.policy:
        yield from of_document(asked, declared.policy, live.policy, "session policy, ")
    else:
        policy = None if declared.policy else _cleared(place, live, "policy")
        yield from _of_value(asked, "session policy", live.policy, declared.policy, policy)


def _cleared(place: AwsPlace, live: Association, setting: str) -> str:
    """Return the command that removes a setting, which EKS keeps where an update only leaves it out."""
    return commands.clear_association(place, live.cluster.name, live.association_id, [setting])


def of_no_association(asked: Check, place: AwsPlace, live: Association | None, role_arn: str) -> Iterator[Check]:
    """Yield an association that the stack does not declare any more: it wins over the annotation."""
    if live:
        owner = f", which {named(live.owner)} owns" if live.owner_arn else ""
        is_own = live.role_arn == role_arn and not owner
        fix = commands.delete_association(place, live.cluster.name, live.association_id) if is_own else ""
        found = f"an association of {named(live.role_arn)}{owner}; new Pods get its role, not the annotated one"
        yield asked.bad(found, "no association", fix)


def of_guard_object(
    asked: Check, about: str, spec: Mapping[str, Any], live: Mapping[str, Any] | None
) -> Iterator[Check]:
    """Yield how a policy or a binding differs, and what the API server says of a policy's expressions."""
    if live is None:
        yield asked.bad(*MISSING, about=about)
        return
    changes = [*_changes(spec, live.get("spec") or {}, ("spec",))]
    for place, *values in changes:
        found, expected = (f"{path_of(place)}: {_text(each)}" for each in values)
        yield asked.bad(found, expected, about=about)
    checked = (live.get("status") or {}).get("typeChecking") or {}
    for each in checked.get("expressionWarnings") or ():
        found = f"{named(each.get('fieldRef') or '')}: {named(each.get('warning') or '')}"
        # What is as declared is not repaired by `pulumi up`.
        yield asked.bad(found, UNDERSTOOD, None if changes else "", about)


def of_config_map(asked: Check, about: str, data: Mapping[str, str], live: Mapping[str, Any] | None) -> Iterator[Check]:
    """Yield the entries of a guard's ConfigMap that are not as declared."""
    if live is None:
        yield asked.bad(*MISSING, about=about)
        return
    now: Mapping[str, str] = live.get("data") or {}
    changed = sorted(key for key in {*data, *now} if data.get(key) != now.get(key))
    for key in changed[:1]:
        found, expected = (f"{named(key)}: {_text(each.get(key, ABSENT))}" for each in (now, data))
        others = f"; also changed: {listed(changed[1:])}" if changed[1:] else ""
        yield asked.bad(f"{found}{others}", expected, about=about)


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
