"""What roles may do afterwards that they could not before, and what no more: over all documents of the stack. Pure."""

import re
from dataclasses import dataclass
from typing import Literal

from irsa.evaluation.gains import gains
from irsa.evaluation.permissions import gives
from irsa.rules.arns import Arn
from irsa.rules.unknown import Unknown
from irsa_cli.diff.rights import Undecided
from irsa_cli.diff.snapshots import Snapshot

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
        extent: Whether that is all of them, on every one of the resources; some; or whether irsa cannot tell if any is.
        policy: ARN of a managed policy that is attached or detached and not the stack's own; it is not read.
    """

    role: str
    role_arn: str
    change: Literal["gains", "loses"]
    actions: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    extent: Literal["all", "some", "cannot tell"] = "all"
    policy: str = ""

    @property
    def rank(self) -> int:
        """How much it is to be looked at: 0 comes first."""
        if self.policy:
            return 0 if Arn.name_in(self.policy) in OF_ADMINISTRATORS else len(DANGEROUS) + 1
        ranks = [place for each in self.actions for place, of in enumerate(DANGEROUS) if of.fullmatch(each.lower())]
        writes = "*" in self.resources and any(not READS.match(each.lower()) for each in self.actions)
        return min([*ranks, len(DANGEROUS) if writes else len(DANGEROUS) + 1])


def permission_changes(before: Snapshot, after: Snapshot) -> tuple[list[PermissionChange], list[Undecided]]:
    """Return what the roles of a stack gain and lose, what is dangerous first; and of which that cannot be told.

    What a permissions boundary leaves of it is not looked at: it is a gain all the same when the boundary goes.
    """
    found: list[PermissionChange] = []
    undecided = []
    for key in sorted({*before.policies, *after.policies}):
        role = after.roles.get(key) or before.roles[key]
        documents = [
            snapshot.policies[key].documents if key in snapshot.policies else [] for snapshot in (before, after)
        ]
        if any(isinstance(each, Unknown) for each in (*documents[0], *documents[1])):
            undecided += [Undecided(role.name, role.arn, UNKNOWN)] if documents[0] != documents[1] else []
            continue
        old, new = map(gives, documents)
        found += [PermissionChange(role.name, role.arn, "gains", *each) for each in gains(old, new)]
        found += [PermissionChange(role.name, role.arn, "loses", *each) for each in gains(new, old)]
        attached = [snapshot.attached.get(key, frozenset()) for snapshot in (before, after)]
        found += [PermissionChange(role.name, role.arn, "gains", policy=each) for each in attached[1] - attached[0]]
        found += [PermissionChange(role.name, role.arn, "loses", policy=each) for each in attached[0] - attached[1]]
    return sorted(found, key=lambda each: (each.change, each.rank, each.role, each.policy)), undecided
