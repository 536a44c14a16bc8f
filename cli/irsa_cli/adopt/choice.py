"""What the user chose: by namespace, service account, role, tag, or everything."""

import fnmatch
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from irsa.rules.subjects import subject_of
from irsa_cli.found import FoundServiceAccount


@dataclass(frozen=True)
class Choice:
    """What is adopted. Of one kind, any must hold; of different kinds, all must; a kind with nothing always holds.

    Attributes:
        namespaces: Names of namespaces.
        service_accounts: Service accounts, as `namespace/name`.
        roles: Names or ARNs of roles, or patterns of them with `*` and `?`.
        tags: Keys and values of tags of the roles.
    """

    namespaces: Collection[str] = ()
    service_accounts: Collection[str] = ()
    roles: Collection[str] = ()
    tags: Collection[tuple[str, str]] = ()

    def has_service_account(self, service_account: FoundServiceAccount) -> bool:
        """Return whether a service account is chosen, as far as that depends on itself."""
        if self.namespaces and service_account.namespace not in self.namespaces:
            return False
        return not self.service_accounts or str(service_account) in self.service_accounts

    def has_role(self, role_arn: str, tags: Mapping[str, str] | None) -> bool:
        """Return whether a role is chosen, as far as that depends on itself.

        Args:
            role_arn: Its ARN.
            tags: Its tags; None where they are not known, as those of a role in another AWS account.
        """
        name = role_arn.rpartition("/")[2]
        if self.roles and not any(fnmatch.fnmatchcase(text, each) for each in self.roles for text in (name, role_arn)):
            return False
        return not self.tags or (tags is not None and any(tags.get(key) == value for key, value in self.tags))

    def has_one_of(self, service_accounts: Iterable[FoundServiceAccount], subjects: Collection[str]) -> bool:
        """Return whether one of a role's service accounts is chosen.

        Args:
            service_accounts: Those that are annotated with it.
            subjects: The `namespace:name` patterns that its trust policy names.
        """
        if not self.namespaces and not self.service_accounts:
            return True
        wanted = {subject_of(*each.split("/", 1)) for each in self.service_accounts if "/" in each}
        named = any(
            each in wanted if self.service_accounts else each.partition(":")[0] in self.namespaces for each in subjects
        )
        return named or any(map(self.has_service_account, service_accounts))
