"""What roles may do afterwards that they could not before, and what no more: over all documents of the stack. Pure."""

import contextlib
import functools
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from irsa.evaluation.gains import Gain, gains
from irsa.evaluation.lint.permissions import POWER_OF_POLICY
from irsa.evaluation.normal_form import normal
from irsa.evaluation.patterns import overlap
from irsa.evaluation.permission_statements import CHOSEN
from irsa.evaluation.permissions import Permissions, gives
from irsa.rules.arns import Arn
from irsa.rules.grammar import VERSION
from irsa.rules.leaves import items_of
from irsa.rules.mistakes import Mistake, named
from irsa.rules.subjects import is_pattern
from irsa.rules.trust import SESSION_TAGS
from irsa.rules.unknown import Unknown
from irsa_cli.diff.rights import Undecided, holders
from irsa_cli.diff.snapshots import ANY_TAG, UNKNOWN_ARN, Role, Snapshot, place_of
from irsa_world.trusts.chains import Document
from irsa_world.trusts.trust import allowed_principals

NOT_THERE = "the role is not in the preview, and the state was not read: another policy of it may have these, too"
UNKNOWN = "a policy of it is a secret, no policy, or not known until `pulumi up`"
# What gives access to everything, or lets the role give itself more: the first that an action matches.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
DANGEROUS = ("*", "iam:*", "sts:assumerole*", "kms:*")
WILDCARD = re.compile("[*?]")
# Condition keys and policy variables about the tags of who asks, and of what is asked for:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/access_iam-tags.html
PRINCIPAL_TAG, RESOURCE_TAG = "aws:PrincipalTag", "(?:aws|iam):ResourceTag"
# What only reads, by how IAM's access levels name these: Get*, List*, ...
READS = re.compile(r"(?!kms:|sts:)\w[\w-]*:(get|list|describe|head|batchget|query|scan|select|view|search)")


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
        policy: ARN of a managed policy that is attached or detached and not the stack's own.
        read: Whether that policy was read, so that what it gives is among the other changes.
        service_accounts: Who may assume the role, as NAMESPACE/NAME, or a pattern for several.
        dangerous: Whether that gives access to everything, or lets the role give itself more.
    """

    role: str
    role_arn: str
    change: Literal["gains", "loses"]
    actions: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    extent: Literal["all", "some", "cannot tell"] = "all"
    policy: str = ""
    read: bool = False
    service_accounts: tuple[str, ...] = ()
    dangerous: bool = False

    @property
    def rank(self) -> int:
        """How much it is to be looked at: 0 comes first."""
        if self.policy:
            return 0 if not self.read and Arn.name_in(self.policy) in POWER_OF_POLICY else len(DANGEROUS) + 1
        actions = [each for each in map(str.lower, self.actions) if not READS.match(each)]
        of_everything = [0] if "*" in actions else []
        ranks = [*of_everything, *(n for n, each in enumerate(DANGEROUS[1:], 1) if _overlap(each, actions))]
        return min([*ranks, len(DANGEROUS) if "*" in self.resources and actions else len(DANGEROUS) + 1])


def _overlap(dangerous: str, actions: Iterable[str]) -> bool:
    return any(overlap(dangerous, each) for each in actions if each != "*")


class _Side(NamedTuple):
    """What a role may do at one time.

    Attributes:
        documents: The documents of its policies, as far as they are read.
        attached: ARNs of the managed policies of others.
        boundary: ARN of its permissions boundary; empty without one.
        limits: The document of that; None without one, a marker where it is not read.
        tags: Its tags.
        sessions: Who has a session of it by EKS Pod Identity, with its tags or not; and that tokens have some.
    """

    documents: Sequence[Document] = ()
    attached: frozenset[str] = frozenset()
    boundary: str = ""
    limits: Document | None = None
    tags: Mapping[str, Any] = {}
    sessions: frozenset[tuple[str, ...]] = frozenset()

    @property
    def known(self) -> list[Mapping[str, Any]]:
        """The documents that are read."""
        return [each for each in self.documents if isinstance(each, Mapping)]


def permission_changes(
    before: Snapshot, after: Snapshot, read: Mapping[str, Document] = {}
) -> tuple[list[PermissionChange], list[Undecided]]:
    """Return what the roles of a stack gain and lose, what is dangerous first; and of which that cannot be told.

    What a permissions boundary that is not read leaves of it is not looked at.

    Args:
        before: The stack before.
        after: The stack afterwards.
        read: The documents of managed policies of others, by ARN, as far as they were read.
    """
    found: list[PermissionChange] = []
    compared: dict[str, tuple[list[Gain], list[Gain]]] = {}
    undecided = []
    before, after = (each.with_read(read) for each in (before, after))
    changed = _changed(before, after)
    of_roles = _tag_keys_of_roles(before, after) if any(old.tags != new.tags for old, new in changed.values()) else {}
    for key, (old, new) in changed.items():
        role = after.roles.get(key) or before.roles.get(key) or _unseen(key)
        undecided += [Undecided(role.name, role.arn, role.problem)] if role.problem == NOT_THERE else []
        undecided += [Undecided(role.name, role.arn, reason) for reason in _open_questions(old, new, read, of_roles)]
        both = [(side.known, _limits(side)) for side in (old, new)]
        # The roles of one add-on often say the same.
        said = repr(both)
        if said not in compared:
            compared[said] = gained_and_lost(*(gives(*each) for each in both))
        gained, lost = compared[said]
        change = functools.partial(PermissionChange, role.name, role.arn)
        of_role = [change("gains", *each) for each in gained] + [change("loses", *each) for each in lost]
        of_role += [change("gains", policy=each, read=each in read) for each in new.attached - old.attached]
        of_role += [change("loses", policy=each, read=each in read) for each in old.attached - new.attached]
        who = tuple(sorted({each.service_account for _, each in holders(role)} - {""})) if of_role else ()
        found += [replace(each, service_accounts=who, dangerous=each.rank <= len(DANGEROUS)) for each in of_role]
        if keys := _keys_not_compared(old, new, also_new=not gained):
            reason = f"statements differ in {', '.join(map(named, keys))}: what that limits depends on the request"
            undecided.append(Undecided(role.name, role.arn, reason))
    return sorted(found, key=lambda each: (each.change, each.rank, each.role, each.policy)), undecided


def _unseen(owner: str) -> Role:
    """Return a role that is not in the preview, by whose its policies are."""
    return Role(owner.rsplit("::", 1)[-1], "", "aws", "", None, NOT_THERE)


def _open_questions(old: _Side, new: _Side, read: Collection[str], of_roles: Mapping[str, Set[str]]) -> Iterator[str]:
    """Yield why what a role may do cannot be told in full."""
    if any(isinstance(each, Unknown) for each in (*old.documents, *new.documents)):
        yield UNKNOWN
    if _Side() in (old, new):
        return
    if _limit(old) != _limit(new):
        was, becomes = (named(each.boundary) if each.boundary else "none" for each in (old, new))
        if any(isinstance(each.limits, Unknown) for each in (old, new)):
            change = f"from {was} to {becomes}" if was != becomes else "in what it says"
            yield f"its permissions boundary, which was not read, changes {change}"
        not_read = sorted((old.attached & new.attached) - {*read})
        if not_read and _limits_less(old, new):
            yield f"its permissions boundary allows more of {', '.join(map(named, not_read))}, which was not read"
    detached = sorted(old.attached - new.attached - {*read}) if new.documents or new.attached else []
    if detached:
        yield f"{', '.join(map(named, detached))}, which was not read, is detached: it may have denied something"
    depending = {*(old.attached & new.attached) - {*read}, *([new.boundary] if isinstance(new.limits, Unknown) else [])}
    if depending and (old.tags != new.tags or new.sessions - old.sessions):
        names = ", ".join(map(named, sorted(depending)))
        yield f"tags of the role or its sessions change, on which {names} may depend, which was not read"
    if keys := sorted(_keys_switched(old, new, of_roles)):
        yield f"tags of the role or its sessions change, on which statements depend: {', '.join(map(named, keys))}"


def _limit(side: _Side) -> tuple[str, Document | None]:
    return side.boundary, side.limits


def _limits_less(old: _Side, new: _Side) -> bool:
    """Return whether a permissions boundary allows more than before, or may."""
    if isinstance(old.limits, Mapping) and isinstance(new.limits, Mapping):
        return bool(gains(gives([old.limits]), gives([new.limits])))
    return bool(old.boundary)


def _keys_switched(old: _Side, new: _Side, of_roles: Mapping[str, Set[str]]) -> set[str]:
    """Return the condition keys and variables about tags that have another value in sessions of a role, or about it.

    A session of EKS Pod Identity has tags of its own, one of IRSA has none: the role's tags are those of both.
    """
    tags = {name.lower() for name in {*old.tags, *new.tags} if old.tags.get(name) != new.tags.get(name)}
    of_sessions = map(str.lower, SESSION_TAGS if new.sessions - old.sessions else ())
    found = _tag_keys(PRINCIPAL_TAG, [*old.known, *new.known, old.limits, new.limits])
    depending = {name: {*found.get(name, ()), *of_roles.get(name, ())} for name in {*found, *of_roles}}
    names = depending.keys() if ANY_TAG in tags else tags & depending.keys()
    return set().union(*(depending[name] for name in names), *(found.get(name, ()) for name in of_sessions))


def _tag_keys_of_roles(before: Snapshot, after: Snapshot) -> dict[str, set[str]]:
    """Return the condition keys and variables about tags of roles in what lets others assume or change them."""
    roles = [each for side in (before, after) for each in side.roles.values()]
    documents = [each for side in (before, after) for those in side.policies.values() for each in those.documents]
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


def _limits(side: _Side) -> Document | None:
    """Return a role's permissions boundary, without the actions of services that no policy of it allows."""
    statements = [each for document in side.documents for each in _statements(document)]
    patterns = [pattern for each in statements for pattern in items_of(each.get("Action", "*"))]
    services = {str(pattern).partition(":")[0].lower() for pattern in patterns}
    if side.limits is None or isinstance(side.limits, Unknown):
        return None
    if any(map(is_pattern, services)):
        return side.limits
    limits: list[Mapping[str, Any]] = []
    for each in _statements(side.limits):
        of_service = {str(action): str(action).partition(":")[0].lower() for action in items_of(each.get("Action", []))}
        kept = [action for action, service in of_service.items() if is_pattern(service) or service in services]
        limits += [{**each, "Action": kept}] if kept else [] if "Action" in each else [each]
    return {**side.limits, "Statement": limits}


def _statements(document: Document | Unknown) -> list[Mapping[str, Any]]:
    written = items_of(document.get("Statement", [])) if isinstance(document, Mapping) else ()
    return [each for each in written if isinstance(each, Mapping)]


def _keys_not_compared(old: _Side, new: _Side, also_new: bool) -> list[str]:
    """Return the keys of conditions whose value the caller chooses, and policy variables, in which statements differ.

    What they limit is no permission that is gained: whoever may choose the value has it. Those of statements that are
    new count where nothing else is gained.
    """
    spelling: dict[str, str] = {}
    both = []
    for side in (old, new):
        with contextlib.suppress(Mistake):
            forms = [normal(each, spelling) for each in side.known]
            both.append({text for each in forms for text in each.texts})
    if len(both) < 2:  # noqa: PLR2004 (before and after)
        return []
    differing = both[0] ^ both[1] if also_new else both[0] - both[1]
    found: set[str] = set()
    for statement in map(json.loads, differing):
        keys = {key for keys in statement.get("Condition", {}).values() for key in keys}
        found |= {key for key in keys if key.lower().partition("/")[0] in CHOSEN}
        resources = [*items_of(statement.get("Resource", [])), *items_of(statement.get("NotResource", []))]
        found |= {variable for each in resources for variable in re.findall(r"\$\{[^*?${}]+\}", each)}
    return sorted(found)


def gained_and_lost(old: Permissions, new: Permissions) -> tuple[list[Gain], list[Gain]]:
    """Return what is given now and was not, and what is given no more, nothing twice."""
    return _new_permissions(old, new), _each_once(gains(new, old))


def _new_permissions(old: Permissions, new: Permissions) -> list[Gain]:
    """Return what is gained as a reader asks for it: all of `*`, though some of that was there, and nothing twice."""
    return _each_once(
        each._replace(extent="all") if each.extent == "some" and not gains(new, gives([_allowing(each)])) else each
        for each in gains(old, new)
    )


def _each_once(gained: Iterable[Gain]) -> list[Gain]:
    """Return gains without those that wider ones, as certain, have too."""
    found = [*gained]
    for each in found[:]:
        wider = [_allowing(other) for other in found if other is not each and _may_say(other, each)]
        if wider and not gains(gives(wider), gives([_allowing(each)])):
            found.remove(each)
    return found


def _may_say(one: Gain, other: Gain) -> bool:
    """Return whether one gain may say something of the other; where not, a look at both in detail is saved."""
    as_certain = one.extent in {"all", other.extent} and other.extent != "cannot tell"
    return as_certain and any(other.resources[0].startswith(WILDCARD.split(each)[0]) for each in one.resources)


def _allowing(gain: Gain) -> Document:
    statement = {"Effect": "Allow", "Action": [*gain.actions], "Resource": [*gain.resources]}
    return {"Version": VERSION, "Statement": [statement]}


def policies_of_others(before: Snapshot, after: Snapshot) -> list[str]:
    """Return the ARNs of policies and boundaries that are not the stack's, of the roles whose permissions change."""
    sides = (side for both in _changed(before.with_read({}), after.with_read({})).values() for side in both)
    arns = {arn for side in sides for arn in (*side.attached, *filter(None, [side.boundary]))}
    return sorted(arns - {*before.documents, *after.documents, UNKNOWN_ARN})


def _changed(before: Snapshot, after: Snapshot) -> dict[str, tuple[_Side, _Side]]:
    """Return what the roles may do at both times, of which that changes."""
    keys = sorted({*before.policies, *after.policies})
    sides = [_sides(each, keys) for each in (before, after)]
    return {key: (old, new) for key, old, new in zip(keys, *sides, strict=True) if old != new}


def _sides(snapshot: Snapshot, keys: Iterable[str]) -> Iterator[_Side]:
    sessions = _sessions(snapshot)
    for key in keys:
        if key not in snapshot.policies:
            yield _Side()
            continue
        policies, boundary = snapshot.policies[key], snapshot.boundaries.get(key, "")
        tags, of_role = snapshot.tags.get(key, {}), frozenset(sessions.get(key, ()))
        yield _Side(policies.documents, snapshot.attached[key], boundary, policies.boundary, tags, of_role)


def _sessions(snapshot: Snapshot) -> dict[str, set[tuple[str, ...]]]:
    """Return who has sessions of roles, by the key of the role: a target role's have the tags of the first one, too."""
    found: dict[str, set[tuple[str, ...]]] = {}
    given = {key: role.associations for key, role in snapshot.roles.items()} | {**snapshot.associations}
    for key, each in ((key, each) for key, those in given.items() for each in those):
        tags = "tagged" if each.session_tags else "not tagged"
        for arn in filter(None, (key, each.target_role_arn)):
            found.setdefault(arn, set()).add((place_of(each), each.subject, tags))
    for key, role in snapshot.roles.items():
        if any(type_ == "Federated" for type_, _ in allowed_principals(role.parsed[1])):
            found.setdefault(key, set()).add(("a token",))
    return found
