"""What `irsa diff` found: the dataclass that --json prints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from irsa_cli.diff.changes import ResourceChange
from irsa_cli.diff.dangers import DangerousGain
from irsa_cli.diff.guards import GuardChange
from irsa_cli.diff.permissions import PermissionChange
from irsa_cli.diff.questions import Undecided
from irsa_cli.diff.who import Right


@dataclass(frozen=True)
class Diff:
    """What a preview would change.

    Attributes:
        stack: Name of the stack.
        gains: Who gains the right to assume a role.
        loses: Who loses it.
        may_gain: Who may gain it: that depends on conditions that irsa cannot evaluate.
        may_lose: Who may lose it, likewise.
        changes_way: Who has a role newly by IRSA or by EKS Pod Identity, and had it by the other one, or keeps it by
            that; irsa cannot tell whether that is in the same cluster.
        cannot_tell: Roles of which irsa cannot tell who gains or loses the right to assume them.
        other_principals: Names of roles whose trust in others than service accounts changes.
        clusters: Keys of clusters in the stack file, by issuer without https://, as far as they are known; else the
            issuer, of a role that trusts several.
        resources: The resources that change.
        unchanged: Number of resources that stay as they are.
        warnings: What the preview warns of.
        state_not_read: Why the state was not read, so that more may change than this says; empty where it was.
        not_read: What else was not read, and why, each as one sentence: then more may gain or lose the right.
        failed_updates: Resources whose last update failed, by logical name: AWS may not have what the state says, with
            which everything here is compared.
        before: What it begins with: the state of the last `pulumi up`, or what AWS and Kubernetes have (`--refresh`).
        permissions: What roles may do that they could not before, and what no more; what is dangerous comes first.
        permissions_cannot_tell: Roles of which irsa cannot tell that.
        dangerous: Who newly may assume a role, where that is dangerous: the role may do what is dangerous, also by the
            roles that it may assume in turn; or who is outside the stack's AWS accounts.
        guard: What the guards of the clusters do otherwise than before, the strictest first.
    """

    stack: str
    gains: Sequence[Right] = ()
    loses: Sequence[Right] = ()
    may_gain: Sequence[Right] = ()
    may_lose: Sequence[Right] = ()
    changes_way: Sequence[Right] = ()
    cannot_tell: Sequence[Undecided] = ()
    other_principals: Sequence[str] = ()
    clusters: Mapping[str, str] = field(default_factory=dict)
    resources: Sequence[ResourceChange] = ()
    unchanged: int = 0
    warnings: Sequence[str] = ()
    state_not_read: str = ""
    not_read: Sequence[str] = ()
    failed_updates: Sequence[str] = ()
    before: Literal["state", "live"] = "state"
    permissions: Sequence[PermissionChange] = ()
    permissions_cannot_tell: Sequence[Undecided] = ()
    dangerous: Sequence[DangerousGain] = ()
    guard: Sequence[GuardChange] = ()
