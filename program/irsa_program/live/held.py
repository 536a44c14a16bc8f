"""What the stack's own state holds: it is no conflict that this exists."""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from irsa import types
from irsa.outputs import COMPONENT_TYPE, NAMESPACE, ROLE_ARN, SERVICE_ACCOUNT_NAME
from irsa.rules.arns import iam_arn
from irsa_world.state.resource import Resource


@dataclass(frozen=True)
class Held:
    """What a state holds, without what it only reads."""

    resources: Mapping[tuple[str, str], Resource] = field(default_factory=dict)
    """By type and logical name."""

    def find(self, kind: str, name: str) -> Resource | None:
        """Return the resource that a planned one continues."""
        return self.resources.get((kind, name))

    def of(self, kind: str) -> list[Resource]:
        """Return the resources of a type."""
        return [resource for resource in self.resources.values() if resource.type == kind]

    @functools.cached_property
    def by_name(self) -> Mapping[tuple[str, str, str], Resource]:
        """Roles and managed policies by type, ID of the AWS account, if it is known, and name in lower case."""
        both = [*self.of(types.ROLE), *self.of(types.POLICY)]
        return {(each.type, *named_in_iam(each)): each for each in both}

    @functools.cached_property
    def _components(self) -> Mapping[str, list[Resource]]:
        """The components by the ARN of their role: one of the role, and one of each service account elsewhere."""
        found: dict[str, list[Resource]] = {}
        for each in self.of(COMPONENT_TYPE):
            # What did not complete has none.
            if arn := each.text(ROLE_ARN):
                found.setdefault(arn, []).append(each)
        return found

    def service_accounts_of(self, role_arn: str) -> list[str]:
        """Return the service accounts of a role as `namespace/name`."""
        components = self._components.get(role_arn, [])
        return [f"{each.text(NAMESPACE)}/{each.text(SERVICE_ACCOUNT_NAME)}" for each in components]

    def binding_of(self, role: Resource) -> str:
        """Return the key of a role's binding; an empty string where it is not known."""
        components = self._components.get(role.arn, [])
        return next((each.keys[0] for each in components), "")

    @functools.cached_property
    def arns(self) -> frozenset[str]:
        """ARNs of the resources that have one: of roles, policies and IAM OIDC providers, for example."""
        return frozenset(filter(None, (each.arn for each in self.resources.values())))


def held_by(state: Iterable[Resource]) -> Held:
    """Return what the resources of a state hold."""
    return Held({(each.type, each.name): each for each in state if not each.external and not each.pending})


def named_in_iam(resource: Resource) -> tuple[str, str]:
    """Return the ID of the AWS account, empty where only a role's name is known, and the name in lower case."""
    return account_and_name(resource.arn or resource.id, types.NOUNS[resource.type])


def account_and_name(arn: str, kind: str) -> tuple[str, str]:
    """Return the ID of the AWS account and the name, in lower case, of a role or policy.

    IAM ignores the case of names, and their paths: https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
    """
    parsed = iam_arn(arn, kind)
    return (parsed.account_id, parsed.name.lower()) if parsed else ("", arn.lower())
