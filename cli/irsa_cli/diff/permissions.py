"""What roles may do afterwards that they could not before, and what no more: over all documents of the stack. Pure."""

import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any, Literal

from irsa.evaluation.gains import Gain, each_once, gains
from irsa.evaluation.lint.permissions import HARMLESS, rank, rank_of_policy
from irsa.evaluation.permissions import Permissions, gives
from irsa.rules.arns import Arn
from irsa.rules.grammar import VERSION
from irsa.rules.leaves import items_of
from irsa.rules.mistakes import named
from irsa.rules.subjects import is_pattern
from irsa.rules.trust import SESSION_TAGS
from irsa.rules.unknown import Unknown
from irsa_cli.diff.questions import Undecided
from irsa_cli.diff.rights import holders
from irsa_cli.diff.world import ANY_TAG, NO_PERMITS, NOT_THERE, UNKNOWN_ARN, Permits, World
from irsa_world.trusts.chains import Document

TAGS_CHANGE = "tags of the role or its sessions change, on which"
UNKNOWN = "a policy of it is a secret, no policy, or not known until `pulumi up`"
ELSEWHERE = "no role of the stack has this policy, which may allow more than before: who has it elsewhere is not known"
# Beside it, a Deny that goes is a gain.
EVERYTHING: Document = {"Version": VERSION, "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
# Condition keys and policy variables about the ARN and the tags of who asks, and the tags of what is asked for:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/access_iam-tags.html
PRINCIPAL, PRINCIPAL_TAG, RESOURCE_TAG = "aws:(?:PrincipalArn|userid)", "aws:PrincipalTag", "(?:aws|iam):ResourceTag"


@dataclass(frozen=True)
class PermissionChange:
    """Permissions that a role gains or loses.

    Attributes:
        role: Name of the role; of a role whose name IAM is going to choose, its logical name.
        role_arn: ARN of the role; empty where IAM is going to choose its name.
        change: Whether it gains or loses them.
        actions: Actions, and patterns of actions; none where `policy` has them.
        resources: Resources, and patterns of resources.
        extent: Whether that is all of them, on every one of the resources (of a gain: afterwards); some; or whether
            irsa cannot tell if any is.
        keys: The condition keys and policy variables that decide: of a gain or loss, whether a request has it; of what
            irsa cannot tell, whether any is one.
        policy: ARN of a managed policy that is attached or detached and not the stack's own.
        read: Whether that policy was read, so that what it gives is among the other changes.
        service_accounts: Of what is dangerous, who may assume the role, as NAMESPACE/NAME, or a pattern for several.
        dangerous: Whether that gives access to everything, or lets the role give itself more.
    """

    role: str
    role_arn: str
    change: Literal["gains", "loses"]
    actions: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    extent: Literal["all", "some", "cannot tell"] = "all"
    keys: tuple[str, ...] = ()
    policy: str = ""
    read: bool = False
    service_accounts: tuple[str, ...] = ()
    dangerous: bool = False

    @property
    def rank(self) -> int:
        """How much it is to be looked at: 0 comes first."""
        if self.policy:
            return HARMLESS if self.read else rank_of_policy(self.policy)
        return rank(self.actions, self.resources)

    @property
    def may_be_dangerous(self) -> bool:
        """Whether it is a dangerous gain, or one of a policy that was not read."""
        return self.change == "gains" and (self.dangerous or bool(self.policy and not self.read))


def permission_changes(before: World, after: World) -> tuple[list[PermissionChange], list[Undecided]]:
    """Return what the roles of a stack gain and lose, what is dangerous first; and of which that cannot be told.

    What a permissions boundary that is not read leaves of it is not looked at.
    """
    found: list[PermissionChange] = []
    compared: dict[str, tuple[list[Gain], list[Gain]]] = {}
    undecided = [*_of_another_arn(before, after)]
    changed = _changed(before, after)
    of_roles = _tag_keys_of_roles(before, after) if any(old.tags != new.tags for old, new in changed.values()) else {}
    roles = {**before.every, **after.every}
    for key, (old, new) in changed.items():
        role = roles[key]
        undecided += [Undecided(role.name, role.arn, role.problem)] if role.problem == NOT_THERE else []
        undecided += [Undecided(role.name, role.arn, reason) for reason in _open_questions(old, new, of_roles)]
        both = [(side.known, limits_of(side)) for side in (old, new)]
        # The roles of one add-on often say the same.
        said = repr(both)
        if said not in compared:
            compared[said] = gained_and_lost(*(gives(*each) for each in both))
        gained, lost = compared[said]
        change = functools.partial(PermissionChange, role.name, role.arn)
        of_role = [change("gains", *each) for each in gained] + [change("loses", *each) for each in lost]
        of_role += [change("gains", policy=each, read=each in new.read) for each in new.attached - old.attached]
        of_role += [change("loses", policy=each, read=each in old.read) for each in old.attached - new.attached]
        dangerous = any(each.rank < HARMLESS for each in of_role)
        who = tuple(sorted({each.service_account for _, each in holders(role)} - {""})) if dangerous else ()
        found += [
            replace(each, service_accounts=who, dangerous=True) if each.rank < HARMLESS else each for each in of_role
        ]
    return sorted(found, key=lambda each: (each.change, each.rank, each.role, each.policy)), undecided


def policies_of_no_role(before: World, after: World) -> Iterator[Undecided]:
    """Yield the policies of the stack that may allow more than before, of which no role of it has both versions.

    One that is new nobody has, and IAM deletes none that somebody has:
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeletePolicy.html.
    """
    for arn in sorted(before.documents.keys() & after.documents.keys() - (before.in_use & after.in_use)):
        old, new = before.documents[arn], after.documents[arn]
        if old != new and any(_allows_more([old, *beside], [new, *beside]) for beside in ([], [EVERYTHING])):
            yield Undecided(Arn.name_in(arn), arn, ELSEWHERE)


def _open_questions(old: Permits, new: Permits, of_roles: Mapping[str, Set[str]]) -> Iterator[str]:
    """Yield why what a role may do cannot be told in full."""
    if any(isinstance(each, Unknown) for each in (*old.documents, *new.documents)):
        yield UNKNOWN
    if NO_PERMITS in (old, new):
        return
    not_read = (old.attached & new.attached) - old.read
    if (old.boundary, old.limits) != (new.boundary, new.limits):
        was, becomes = (named(each.boundary) if each.boundary else "none" for each in (old, new))
        if any(isinstance(each.limits, Unknown) for each in (old, new)):
            change = f"from {was} to {becomes}" if was != becomes else "in what it says"
            yield f"its permissions boundary, which was not read, changes {change}"
        if not_read and _limits_less(old, new):
            yield f"its permissions boundary allows more of {_names(not_read)}, which was not read"
    detached = old.attached - new.attached - old.read if new.documents or new.attached else ()
    if detached:
        yield f"{_names(detached)}, which was not read, is detached: it may have denied something"
    depending = not_read | ({new.boundary} if isinstance(new.limits, Unknown) else set())
    if depending and (old.tags != new.tags or new.sessions - old.sessions):
        yield f"{TAGS_CHANGE} {_names(depending)} may depend, which was not read"
    if keys := _keys_switched(old, new, of_roles):
        yield f"{TAGS_CHANGE} statements depend: {_names(keys)}"


def _of_another_arn(before: World, after: World) -> Iterator[Undecided]:
    """Yield the roles that have another ARN or name than before, on which statements of theirs depend."""
    for key in sorted(before.roles.keys() & after.roles.keys()):
        old, role = before.roles[key], after.roles[key]
        sides = (old.permits, role.permits) if (old.arn, old.name) != (role.arn, role.name) else ()
        documents = [each for side in sides for each in (*side.known, side.limits) if isinstance(each, Mapping)]
        if keys := {key for each in documents for key in re.findall(PRINCIPAL, json.dumps(each), re.IGNORECASE)}:
            yield Undecided(role.name, role.arn, f"its ARN changes, on which statements depend: {_names(keys)}")


def _names(names: Iterable[str]) -> str:
    return ", ".join(map(named, sorted(names)))


def _limits_less(old: Permits, new: Permits) -> bool:
    """Return whether a permissions boundary allows more than before, or may."""
    return bool(old.boundary) and _allows_more([old.limits], [new.limits])


def _allows_more(old: Sequence[Document | None], new: Sequence[Document | None]) -> bool:
    """Return whether documents allow more than others, or may."""
    known = [[each for each in side if isinstance(each, Mapping)] for side in (old, new)]
    return known != [[*old], [*new]] or bool(gains(*map(gives, known)))


def _keys_switched(old: Permits, new: Permits, of_roles: Mapping[str, Set[str]]) -> set[str]:
    """Return the condition keys and variables about tags that have another value in sessions of a role, or about it.

    A session of EKS Pod Identity has tags of its own, one of IRSA has none: the role's tags are those of both.
    """
    tags = {name.lower() for name in {*old.tags, *new.tags} if old.tags.get(name) != new.tags.get(name)}
    of_sessions = map(str.lower, SESSION_TAGS if new.sessions - old.sessions else ())
    found = _tag_keys(PRINCIPAL_TAG, [*old.known, *new.known, old.limits, new.limits])
    depending = {name: {*found.get(name, ()), *of_roles.get(name, ())} for name in {*found, *of_roles}}
    names = depending.keys() if ANY_TAG in tags else tags & depending.keys()
    return set().union(*(depending[name] for name in names), *(found.get(name, ()) for name in of_sessions))


def _tag_keys_of_roles(before: World, after: World) -> dict[str, set[str]]:
    """Return the condition keys and variables about tags of roles in what lets others assume or change them."""
    roles = [each for side in (before, after) for each in side.roles.values()]
    documents = [each for side in (before, after) for role in side.every.values() for each in role.permits.documents]
    found = _tag_keys(PRINCIPAL_TAG, [each.trust for each in roles])
    for name, keys in _tag_keys(RESOURCE_TAG, [*(each.trust for each in roles), *documents]).items():
        found.setdefault(name, set()).update(keys)
    return found


def _tag_keys(kind: str, documents: Iterable[Document | None]) -> dict[str, set[str]]:
    """Return the condition keys and variables about tags in documents, by the key of the tag in lower case."""
    found: dict[str, set[str]] = {}
    for text in {json.dumps(each, ensure_ascii=False) for each in documents if isinstance(each, Mapping)}:
        for key, tag in re.findall(rf"({kind}/([^\"}},]+))", text, re.IGNORECASE):
            found.setdefault(tag.lower(), set()).add(key)
    return found


def limits_of(permits: Permits) -> Document | None:
    """Return a role's permissions boundary, without the actions of services that no policy of it allows."""
    if not isinstance(permits.limits, Mapping):
        return None
    statements = [each for document in permits.known for each in _statements(document)]
    services = {_service(action) for each in statements for action in items_of(each.get("Action", "*"))}
    if any(map(is_pattern, services)):
        return permits.limits
    limits: list[Mapping[str, Any]] = []
    for each in _statements(permits.limits):
        actions = items_of(each.get("Action", []))
        kept = [action for action in actions if _service(action) in services or is_pattern(_service(action))]
        limits += [{**each, "Action": kept}] if kept else [] if actions else [each]
    return {**permits.limits, "Statement": limits}


def _service(action: Any) -> str:
    return str(action).partition(":")[0].lower()


def _statements(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [each for each in items_of(document.get("Statement", [])) if isinstance(each, Mapping)]


def gained_and_lost(old: Permissions, new: Permissions) -> tuple[list[Gain], list[Gain]]:
    """Return what is given now and was not, and what is given no more, nothing twice.

    What is gained is told as a reader asks for it: all of `*`, though some of that was there.
    """
    gained = [
        each._replace(extent="all")
        if (each.extent, each.keys) == ("some", ()) and not gains(new, gives([_allowing(each)]))
        else each
        for each in gains(old, new)
    ]
    return each_once(gained), [*gains(new, old)]


def _allowing(gain: Gain) -> Document:
    statement = {"Effect": "Allow", "Action": [*gain.actions], "Resource": [*gain.resources]}
    return {"Version": VERSION, "Statement": [statement]}


def policies_of_others(before: World, after: World) -> list[str]:
    """Return the ARNs of policies and boundaries that are not the stack's, of the roles whose permissions change."""
    sides = (side for both in _changed(before, after).values() for side in both)
    arns = {arn for side in sides for arn in (*side.attached, *filter(None, [side.boundary]))}
    return sorted(arns - {*before.documents, *after.documents, UNKNOWN_ARN})


def _changed(before: World, after: World) -> dict[str, tuple[Permits, Permits]]:
    """Return what decides what the roles may do at both times, where that changes."""
    both = [
        {key: each.permits for key, each in world.every.items() if key in world.roles or each.permits.has_policies}
        for world in (before, after)
    ]
    sides = {key: tuple(each.get(key, NO_PERMITS) for each in both) for key in sorted({*both[0], *both[1]})}
    return {key: (old, new) for key, (old, new) in sides.items() if old != new}
