"""What the stack's own state holds: it is no conflict that this exists."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from irsa.outputs import COMPONENT_TYPE, KEY, NAMESPACE, ROLE_ARN, SERVICE_ACCOUNT_NAME, binding_and_cluster
from irsa.rules.arns import parse_iam_arn
from irsa.rules.leaves import mapping_of
from irsa.rules.mistakes import Mistake
from irsa_cli.state import ATTACHMENT, OIDC_PROVIDER, POLICY, ROLE, is_failed

KUBERNETES_NAMESPACE = "kubernetes:core/v1:Namespace"


@dataclass(frozen=True)
class HeldResource:
    """A resource of the state.

    Attributes:
        type: Its type, such as `irsa_cli.state.ROLE`.
        name: Its logical name.
        properties: Its outputs, and its inputs where an output is missing.
        retained: Whether it is kept when it leaves the state.
        inputs: Its inputs alone.
        failed: Whether its last creation or update failed: then the cloud may not have its properties.
    """

    type: str
    name: str
    properties: Mapping[str, Any]
    retained: bool
    inputs: Mapping[str, Any] = field(default_factory=dict)
    failed: bool = False

    def text(self, *keys: str) -> str:
        """Return a property that is a string; an empty string where it is missing, or a secret."""
        value: Any = self.properties
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value if isinstance(value, str) else ""

    @property
    def object_name(self) -> str:
        """`namespace/name` of a service account."""
        return f"{self.text('metadata', 'namespace') or 'default'}/{self.text('metadata', 'name')}"

    @property
    def cluster(self) -> str:
        """The issuer of a service account's cluster, as its logical name has it, or nothing."""
        return self.name.partition("@")[2]


@dataclass(frozen=True)
class Held:
    """What a state holds, without what it only reads."""

    resources: Mapping[tuple[str, str], HeldResource] = field(default_factory=dict)
    """By type and logical name."""

    def find(self, kind: str, name: str) -> HeldResource | None:
        """Return the resource that a planned one continues."""
        return self.resources.get((kind, name))

    def of(self, kind: str) -> list[HeldResource]:
        """Return the resources of a type."""
        return [resource for resource in self.resources.values() if resource.type == kind]

    @functools.cached_property
    def by_name(self) -> Mapping[tuple[str, str, str], HeldResource]:
        """Roles and managed policies by type, ID of the AWS account and name in lower case."""
        kinds = [(each, word) for kind, word in ((ROLE, "role"), (POLICY, "policy")) for each in self.of(kind)]
        return {(each.type, *account_and_name(each.text("arn"), word)): each for each, word in kinds}

    @functools.cached_property
    def _components(self) -> Mapping[str, list[HeldResource]]:
        """The components by the ARN of their role: one of the role, and one of each service account elsewhere."""
        found: dict[str, list[HeldResource]] = {}
        for each in self.of(COMPONENT_TYPE):
            found.setdefault(each.text(ROLE_ARN), []).append(each)
        return found

    def service_accounts_of(self, role_arn: str) -> list[str]:
        """Return the service accounts of a role as `namespace/name`."""
        components = self._components.get(role_arn, [])
        return [f"{each.text(NAMESPACE)}/{each.text(SERVICE_ACCOUNT_NAME)}" for each in components]

    def binding_of(self, role: HeldResource) -> str:
        """Return the key of a role's binding; an empty string where it is not known."""
        components = self._components.get(role.text("arn"), [])
        return next((each.text(KEY) or binding_and_cluster(each.name)[0] for each in components), "")

    @functools.cached_property
    def oidc_providers(self) -> frozenset[str]:
        """ARNs of the IAM OIDC providers."""
        return frozenset(each.text("arn") for each in self.of(OIDC_PROVIDER))

    @functools.cached_property
    def policies(self) -> frozenset[str]:
        """ARNs of the managed policies."""
        return frozenset(each.text("arn") for each in self.of(POLICY))

    @functools.cached_property
    def attached(self) -> Mapping[str, frozenset[str]]:
        """ARNs of the attached policies by the name of their role."""
        found: dict[str, set[str]] = {}
        for each in self.of(ATTACHMENT):
            found.setdefault(each.text("role"), set()).add(each.text("policyArn"))
        return {role: frozenset(arns) for role, arns in found.items()}


def held_by(state: Mapping[str, Any]) -> Held:
    """Return what an exported state holds."""
    deployment = mapping_of(state.get("deployment"))
    resources = [
        HeldResource(
            str(resource.get("type")),
            str(resource.get("urn")).rsplit("::", 1)[-1],
            {**mapping_of(resource.get("inputs")), **mapping_of(resource.get("outputs"))},
            resource.get("retainOnDelete") is True,
            mapping_of(resource.get("inputs")),
            is_failed(resource),
        )
        for resource in map(mapping_of, deployment.get("resources") or ())
        if not resource.get("external") and not resource.get("delete")
    ]
    return Held({(resource.type, resource.name): resource for resource in resources})


def account_and_name(arn: str, kind: str) -> tuple[str, str]:
    """Return the ID of the AWS account and the name, in lower case, of a role or policy.

    IAM ignores the case of names, and their paths: https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
    """
    try:
        parsed = parse_iam_arn(arn, kind)
    except Mistake:
        return "", arn
    return parsed.account_id, parsed.name.lower()
