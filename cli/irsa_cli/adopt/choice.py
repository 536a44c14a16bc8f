"""What the user chose: by namespace, service account, role, tag, or everything; and how that is adopted."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

from irsa.evaluation.patterns import matches
from irsa.rules.arns import Arn
from irsa_world.model import PolicySettings, ServiceAccount


@dataclass(frozen=True)
class Ways:
    """How things are adopted.

    Attributes:
        policies: Whether policies are taken over.
        take_from: Tools from which roles and service accounts are taken.
        drop_dead_issuers: Whether roles are adopted that trust OIDC providers of no cluster that was read.
        region: The region of the current credentials.
        aws_account: Number of the stack's AWS account.
        policy_settings: Asks for the settings of a managed policy; None if it does not exist.
    """

    policies: bool = False
    take_from: Collection[str] = ()
    drop_dead_issuers: bool = False
    region: str = ""
    aws_account: str = ""
    policy_settings: Callable[[str], PolicySettings | None] = lambda _: PolicySettings("", {})


class Candidate(NamedTuple):
    """A role that may be chosen, together with its service accounts.

    Attributes:
        role_arn: Its ARN.
        tags: Its tags; None where they are not known, as those of a role in another AWS account.
        service_accounts: Those that are annotated with it.
    """

    role_arn: str
    tags: Mapping[str, str] | None
    service_accounts: Collection[ServiceAccount]


@dataclass(frozen=True)
class Choice:
    """What is adopted. Of one kind, any must hold; of different kinds, all must; a kind with nothing always holds.

    In names, `*` stands for any text and `?` for one character, as in a trust policy.

    Attributes:
        namespaces: Names of namespaces.
        service_accounts: Service accounts, as `namespace/name`.
        roles: Names or ARNs of roles.
        tags: Keys and values of tags of the roles.
    """

    namespaces: Collection[str] = ()
    service_accounts: Collection[str] = ()
    roles: Collection[str] = ()
    tags: Collection[tuple[str, str]] = ()

    def has(self, candidate: Candidate) -> bool:
        """Return whether a role is chosen, with some of its service accounts or by itself."""
        if not self._has_role(candidate.role_arn, candidate.tags):
            return False
        by_itself = not self.namespaces and not self.service_accounts
        return by_itself or any(map(self.has_service_account, candidate.service_accounts))

    def has_service_account(self, service_account: ServiceAccount) -> bool:
        """Return whether a service account is chosen, as far as that depends on itself."""
        if self.namespaces and not _matches_one(self.namespaces, service_account.namespace):
            return False
        return not self.service_accounts or _matches_one(self.service_accounts, str(service_account))

    def without_effect(self, candidates: Collection[Candidate]) -> Iterator[str]:
        """Yield each option by which none of the candidates is chosen, as it was written."""
        for field in fields(self):
            for value in dict.fromkeys(getattr(self, field.name)):
                if not any(map(replace(self, **{field.name: [value]}).has, candidates)):
                    text = "=".join(value) if isinstance(value, tuple) else value
                    yield f"--{field.name.removesuffix('s').replace('_', '-')} {text}"

    def _has_role(self, role_arn: str, tags: Mapping[str, str] | None) -> bool:
        if self.roles and not any(_matches_one(self.roles, each) for each in (Arn.name_in(role_arn), role_arn)):
            return False
        return not self.tags or (tags is not None and any(tags.get(key) == value for key, value in self.tags))


def _matches_one(patterns: Iterable[str], text: str) -> bool:
    return any(matches(text, each) for each in patterns)
