"""The settings of a stack: what a stack file says, with `irsa:defaults` merged into the bindings.

For a mistake or a secret stands a marker (irsa.rules.unknown), whatever the type of the value is.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from irsa.keys.binding import Quotas
from irsa.rules.arns import iam_arn
from irsa.rules.leaves import mapping_of
from irsa.rules.mistakes import Mistake
from irsa.rules.unknown import Unknown, has_unknown
from irsa.ways import ONLY_IRSA, Identity, parse_identity
from irsa_config.models import AwsAccount, Cluster, Guard, Lint


@dataclass(frozen=True)
class Binding:
    """One role and the service account that assumes it.

    Attributes:
        args: The arguments of ServiceAccountRole as they are written, with variables in them, and not judged yet.
        clusters: Keys of its clusters; none for all.
        aws_account: Key of the role's AWS account; None for the stack's.
        protect: Whether Pulumi refuses to delete or replace its resources.
        formerly: Its previous key.
        create_namespace: Whether a missing namespace is created.
        own: The arguments without `irsa:defaults`.
    """

    args: Mapping[str, Any]
    clusters: Sequence[str] = ()
    aws_account: str | None = None
    protect: bool = False
    formerly: str | None = None
    create_namespace: bool = False
    own: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def argument(self, *place: str) -> Any:
        """Return an argument, or a part of one; None where it is not there, a marker where that is not known."""
        return part_of(self.args, place)

    @functools.cached_property
    def identity(self) -> Identity:
        """How its Pods get their role; where that is not known, as by default."""
        written = self.args.get("identity")
        try:
            return ONLY_IRSA if written is None or has_unknown(written) else parse_identity(written)
        except Mistake:
            return ONLY_IRSA


def part_of(args: Any, place: Iterable[str]) -> Any:
    """Return the part of arguments at a place; None where it is not there, a marker where that is not known."""
    for step in place:
        args = args if isinstance(args, Unknown) else mapping_of(args).get(step)
    return args


@dataclass(frozen=True)
class Stack:
    """All settings of a stack, by the names of their keys."""

    bindings: Mapping[str, Binding]
    cluster: Cluster | None = None
    clusters: Mapping[str, Cluster] = field(default_factory=dict)
    aws_accounts: Mapping[str, AwsAccount] = field(default_factory=dict)
    variables: Mapping[str, str | Unknown] = field(default_factory=dict)
    quotas: Quotas = field(default_factory=Quotas.model_construct)
    guard: Guard | None = None
    lint: Lint = field(default_factory=Lint.model_construct)
    sandbox: bool = False

    @property
    def clusters_by_key(self) -> Mapping[str, Cluster]:
        """The clusters by their key in `clusters`; the one of `cluster` has the key `cluster`."""
        return self.clusters or ({"cluster": self.cluster} if self.cluster else {})

    def clusters_of(self, binding: Binding) -> Sequence[str]:
        """Return the keys of the clusters whose service accounts a binding's role trusts."""
        known = self.clusters_by_key
        chosen = binding.clusters
        if isinstance(chosen, Unknown):
            return []
        return [key for key in chosen if key in known] if chosen else list(known)

    def guard_of(self, cluster: str) -> Guard | None:
        """Return the guard of a cluster by its key; None where it is off."""
        guard = self.clusters_by_key[cluster].guard or self.guard
        return guard if isinstance(guard, Guard) and guard.mode != "off" else None

    def account_id(self, aws_account: str | None) -> str | None:
        """Return the ID of an AWS account, where the file has it, else its key; None for the stack's."""
        settings = self.aws_accounts.get(aws_account or "")
        role = iam_arn(settings and settings.assume_role_arn, "role")
        return role.account_id if role else aws_account

    def place_of_cluster(self, key: str) -> tuple[str, ...]:
        """Return where a cluster of `clusters_by_key` stands in the stack file."""
        return ("clusters", key) if self.clusters else ("cluster",)
