"""What roles may do afterwards that they could not before, and what no more: over all documents of the stack. Pure."""

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

from irsa.evaluation.gains import Gain, gains
from irsa.evaluation.permissions import Permissions, gives
from irsa.rules.arns import Arn
from irsa.rules.grammar import VERSION
from irsa.rules.mistakes import named
from irsa.rules.unknown import Unknown
from irsa_cli.diff.rights import Undecided, holders
from irsa_cli.diff.snapshots import UNKNOWN_ARN, Snapshot
from irsa_cli.trusts.chains import Document

UNKNOWN = "a policy of it is a secret, no policy, or not known until `pulumi up`"
# What gives access to everything, or lets the role give itself more: the first that an action matches.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
DANGEROUS = [re.compile(each) for each in (r"\*", r"iam:.*", r"sts:(\*|assume.*)", r"kms:.*")]
OF_ADMINISTRATORS = {"AdministratorAccess", "PowerUserAccess", "IAMFullAccess"}
READS = re.compile(r"\w[\w-]*:(get|list|describe|head|batchget|query|scan|select|view|search)")


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

    @property
    def is_dangerous(self) -> bool:
        """Whether it gives access to everything, or lets the role give itself more."""
        return self.rank <= len(DANGEROUS)

    @property
    def rank(self) -> int:
        """How much it is to be looked at: 0 comes first."""
        if self.policy:
            return 0 if not self.read and Arn.name_in(self.policy) in OF_ADMINISTRATORS else len(DANGEROUS) + 1
        ranks = [place for each in self.actions for place, of in enumerate(DANGEROUS) if of.fullmatch(each.lower())]
        writes = "*" in self.resources and any(not READS.match(each.lower()) for each in self.actions)
        return min([*ranks, len(DANGEROUS) if writes else len(DANGEROUS) + 1])


class _Side(NamedTuple):
    """What a role may do at one time.

    Attributes:
        documents: The documents of its policies, as far as they are read.
        attached: ARNs of the managed policies of others.
        boundary: ARN of its permissions boundary; empty without one.
        limits: The document of that; None without one, or where it is not read.
    """

    documents: Sequence[Document] = ()
    attached: frozenset[str] = frozenset()
    boundary: str = ""
    limits: Document | None = None


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
    undecided = []
    for key, (old, new) in _changed(before, after, read).items():
        role = after.roles.get(key) or before.roles[key]
        service_accounts = tuple(sorted({each.service_account for _, each in holders(role)} - {""}))
        change = functools.partial(PermissionChange, role.name, role.arn, service_accounts=service_accounts)
        if any(isinstance(each, Unknown) for each in (*old.documents, *new.documents)):
            undecided.append(Undecided(role.name, role.arn, UNKNOWN))
            continue
        if old.boundary != new.boundary and any(each.boundary and each.limits is None for each in (old, new)):
            boundaries = [named(each.boundary) if each.boundary else "none" for each in (old, new)]
            reason = f"its permissions boundary, which was not read, changes from {boundaries[0]} to {boundaries[1]}"
            undecided.append(Undecided(role.name, role.arn, reason))
        both = [gives(each.documents, each.limits) for each in (old, new)]
        found += [change("gains", *each) for each in _new_permissions(*both)]
        found += [change("loses", *each) for each in gains(*reversed(both))]
        found += [change("gains", policy=each, read=each in read) for each in new.attached - old.attached]
        found += [change("loses", policy=each, read=each in read) for each in old.attached - new.attached]
    return sorted(found, key=lambda each: (each.change, each.rank, each.role, each.policy)), undecided


def _new_permissions(old: Permissions, new: Permissions) -> list[Gain]:
    """Return what is gained as a reader asks for it: all of `*`, though some of that was there, and nothing twice."""
    found = [
        each._replace(extent="all") if each.extent == "some" and not gains(new, gives([_allowing(each)])) else each
        for each in gains(old, new)
    ]
    for each in found[:]:
        wider = [_allowing(other) for other in found if other is not each and _may_say(other, each)]
        if wider and each.extent == "all" and not gains(gives(wider), gives([_allowing(each)])):
            found.remove(each)
    return found


def _may_say(one: Gain, other: Gain) -> bool:
    """Return whether one gain may say something of the other; where not, a look at both in detail is saved."""
    return one.extent == "all" and any(fnmatchcase(other.resources[0], each) for each in one.resources)


def _allowing(gain: Gain) -> Document:
    statement = {"Effect": "Allow", "Action": [*gain.actions], "Resource": [*gain.resources]}
    return {"Version": VERSION, "Statement": [statement]}


def policies_of_others(before: Snapshot, after: Snapshot) -> list[str]:
    """Return the ARNs of policies and boundaries that are not the stack's, of the roles whose permissions change."""
    sides = (side for both in _changed(before, after, {}).values() for side in both)
    arns = {arn for side in sides for arn in (*side.attached, *filter(None, [side.boundary]))}
    return sorted(arns - {*before.documents, *after.documents, UNKNOWN_ARN})


def _changed(before: Snapshot, after: Snapshot, read: Mapping[str, Document]) -> dict[str, tuple[_Side, _Side]]:
    """Return what the roles may do at both times, of which that changes."""
    sides = {
        key: (_side(before, key, read), _side(after, key, read)) for key in sorted({*before.policies, *after.policies})
    }
    return {key: both for key, both in sides.items() if both[0] != both[1]}


def _side(snapshot: Snapshot, key: str, read: Mapping[str, Document]) -> _Side:
    if key not in snapshot.policies:
        return _Side()
    attached, boundary = snapshot.attached[key], snapshot.boundaries.get(key, "")
    documents = [*snapshot.policies[key].documents, *(read[each] for each in sorted(attached) if each in read)]
    return _Side(documents, attached, boundary, snapshot.documents.get(boundary, read.get(boundary)))
