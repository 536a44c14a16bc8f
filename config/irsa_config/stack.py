"""The settings of a stack: what a stack file says, with `irsa:defaults` merged into the bindings.

For a mistake or a secret stands a marker (irsa.rules.unknown), whatever the type of the value is.
"""

import functools
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from irsa.keys.binding import Quotas
from irsa.rules.arns import iam_arn
from irsa.rules.leaves import mapping_of
from irsa.rules.mistakes import Place
from irsa.rules.unknown import WRONG, Unknown, Value, or_else
from irsa.ways import Identity
from irsa_config.defaults import Limits, identity_in
from irsa_config.models import AwsAccountKeys, ClusterKeys, Guard, Lint


@dataclass(frozen=True)
class Binding:
    """One role and the service account that assumes it, as it is written.

    Attributes:
        key: Its key.
        tree: What is written under its keys, `irsa:defaults` merged into it, with variables; a marker for what is none.
        own: The same without `irsa:defaults`.
        reported: Places in it whose mistakes are reported already.
        limits: Of one in a team's file.
    """

    key: str
    tree: Any
    own: Any = field(default=None, compare=False)
    reported: Set[Place] = frozenset()
    limits: Limits | None = field(default=None, compare=False)

    @property
    def clusters(self) -> Value[Sequence[Value[str]]]:
        """Keys of its clusters; none for all."""
        written = or_else(self.written(("clusters",)), [])
        return [each if isinstance(each, str) else WRONG for each in written] if isinstance(written, list) else WRONG

    @property
    def aws_account(self) -> Value[str] | None:
        """Key of the role's AWS account; None for the stack's."""
        written = self.written(("account",))
        return written if isinstance(written, str | None) else WRONG

    @property
    def protect(self) -> bool:
        """Whether Pulumi refuses to delete or replace its resources."""
        return self.written(("protect",)) is True

    @property
    def formerly(self) -> str | None:
        """Its previous key."""
        written = self.written(("formerly",))
        return written if isinstance(written, str) else None

    @functools.cached_property
    def identity(self) -> Identity:
        """How its Pods get their role; where that is not known, as by default."""
        return identity_in(self.tree)

    def written(self, place: Place) -> Any:
        """Return what is written at a place; None where nothing is, a marker where that is not known."""
        found: Any = self.tree if isinstance(self.tree, dict) else WRONG
        for step in place:
            found = found if isinstance(found, Unknown) else mapping_of(found).get(str(step))
        return found


@dataclass(frozen=True)
class Stack:
    """All settings of a stack, by the names of their keys."""

    bindings: Mapping[str, Binding]
    cluster: ClusterKeys | None = None
    clusters: Mapping[str, ClusterKeys] = field(default_factory=dict)
    aws_accounts: Mapping[str, AwsAccountKeys] = field(default_factory=dict)
    variables: Mapping[str, str | Unknown] = field(default_factory=dict)
    secret_variables: Set[str] = frozenset()
    quotas: Quotas = field(default_factory=Quotas.model_construct)
    guard: Guard | None = None
    lint: Lint = field(default_factory=Lint.model_construct)
    sandbox: bool = False

    @property
    def clusters_by_key(self) -> Mapping[str, ClusterKeys]:
        """The clusters by their key in `clusters`; the one of `cluster` has the key `cluster`."""
        return self.clusters or ({"cluster": self.cluster} if self.cluster else {})

    def clusters_of(self, binding: Binding) -> Sequence[str]:
        """Return the keys of the clusters whose service accounts a binding's role trusts."""
        known = self.clusters_by_key
        chosen = binding.clusters
        if isinstance(chosen, Unknown):
            return []
        return [key for key in chosen if isinstance(key, str) and key in known] if chosen else list(known)

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
