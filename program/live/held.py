"""What the stack's own state holds: it is no conflict that this exists."""

import functools
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from irsa.rules.arns import parse_iam_arn
from irsa.rules.mistakes import Mistake
from irsa_cli.state import (
    ATTACHMENT,
    INLINE_POLICY,
    OIDC_PROVIDER,
    POLICY,
    ROLE,
    SERVICE_ACCOUNT,
    SERVICE_ACCOUNT_PATCH,
)

NAMESPACE = "kubernetes:core/v1:Namespace"


class HeldServiceAccount(NamedTuple):
    """A service account that the stack created or annotated."""

    namespace: str
    name: str
    uid: str
    created: bool
    """Whether the stack created it; else it annotates an existing one."""
    manager: str
    """The field manager that wrote its annotations; empty where the state does not say."""


@dataclass(frozen=True)
class Held:
    """What a state holds, without what it only reads.

    Attributes:
        roles: ARNs of roles.
        policies: ARNs of managed policies.
        attachments: Names of roles, each with the ARN of an attached policy.
        inline_policies: Names of roles, each with the name of an inline policy.
        oidc_providers: ARNs of IAM OIDC providers.
        namespaces: Names of namespaces.
        service_accounts: Service accounts.
        logical_names: Logical names of roles and policies, by their type.
    """

    roles: Set[str] = frozenset()
    policies: Set[str] = frozenset()
    attachments: Set[tuple[str, str]] = frozenset()
    inline_policies: Set[tuple[str, str]] = frozenset()
    oidc_providers: Set[str] = frozenset()
    namespaces: Set[str] = frozenset()
    service_accounts: Set[HeldServiceAccount] = frozenset()
    logical_names: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @functools.cached_property
    def role_names(self) -> frozenset[tuple[str, str]]:
        """The IDs of AWS accounts, each with the name of a role, in lower case: IAM ignores the case of names."""
        return frozenset(account_and_name(arn, "role") for arn in self.roles)

    @functools.cached_property
    def policy_names(self) -> frozenset[tuple[str, str]]:
        """The IDs of AWS accounts, each with the name of a managed policy, in lower case."""
        return frozenset(account_and_name(arn, "policy") for arn in self.policies)

    @functools.cached_property
    def attachments_by_role(self) -> Mapping[str, frozenset[str]]:
        """ARNs of the attached policies by the name of their role."""
        found: dict[str, set[str]] = {}
        for role, arn in self.attachments:
            found.setdefault(role, set()).add(arn)
        return {role: frozenset(arns) for role, arns in found.items()}

    def names_of(self, kind: str) -> frozenset[str]:
        """Return the logical names of the resources of a type: `irsa_cli.state.ROLE` or `POLICY`."""
        return self.logical_names.get(kind, frozenset())

    @functools.cached_property
    def by_place(self) -> Mapping[tuple[str, str], list[HeldServiceAccount]]:
        """The service accounts by namespace and name."""
        found: dict[tuple[str, str], list[HeldServiceAccount]] = {}
        for each in self.service_accounts:
            found.setdefault((each.namespace, each.name), []).append(each)
        return found


def held_by(state: Mapping[str, Any]) -> Held:
    """Return what an exported state holds."""
    of_type: dict[str, list[Mapping[str, Any]]] = {}
    for resource in (state.get("deployment") or {}).get("resources") or []:
        if not resource.get("external") and not resource.get("delete"):
            of_type.setdefault(resource["type"], []).append(resource)

    def outputs(kind: str, *names: str) -> frozenset[Any]:
        values = ([(each.get("outputs") or {}).get(name) for name in names] for each in of_type.get(kind, ()))
        found = (tuple(each) for each in values if all(isinstance(value, str) for value in each))
        return frozenset(each if len(names) > 1 else each[0] for each in found)

    return Held(
        roles=outputs(ROLE, "arn"),
        policies=outputs(POLICY, "arn"),
        attachments=outputs(ATTACHMENT, "role", "policyArn"),
        inline_policies=outputs(INLINE_POLICY, "role", "name"),
        oidc_providers=outputs(OIDC_PROVIDER, "arn"),
        namespaces=frozenset(_metadata(each)["name"] for each in of_type.get(NAMESPACE, ())),
        service_accounts=frozenset(
            _service_account(each)
            for kind in (SERVICE_ACCOUNT, SERVICE_ACCOUNT_PATCH)
            for each in of_type.get(kind, ())
        ),
        logical_names={
            kind: frozenset(str(each["urn"]).rsplit("::", 1)[-1] for each in of_type.get(kind, ()))
            for kind in (ROLE, POLICY)
        },
    )


def _service_account(resource: Mapping[str, Any]) -> HeldServiceAccount:
    metadata, inputs = _metadata(resource), resource.get("inputs") or {}
    recorded = {**(resource.get("outputs") or {}), **inputs}
    manager = recorded.get("__fieldManager")
    return HeldServiceAccount(
        metadata["namespace"],
        metadata["name"],
        metadata["uid"],
        resource["type"] == SERVICE_ACCOUNT,
        manager if isinstance(manager, str) else "",
    )


def _metadata(resource: Mapping[str, Any]) -> dict[str, str]:
    """Return namespace, name and UID of an object of Kubernetes; what the state does not say is empty."""
    found: dict[str, str] = {}
    for side in ("outputs", "inputs"):
        metadata = (resource.get(side) or {}).get("metadata")
        for key in ("namespace", "name", "uid"):
            value = metadata.get(key) if isinstance(metadata, Mapping) else None
            if isinstance(value, str):
                found.setdefault(key, value)
    return {"namespace": "default", "name": "", "uid": "", **found}


def account_and_name(arn: str, kind: str) -> tuple[str, str]:
    """Return the ID of the AWS account and the name, in lower case, of a role or policy.

    IAM ignores the case of names, and their paths: https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
    """
    try:
        parsed = parse_iam_arn(arn, kind)
    except Mistake:
        return arn, ""
    return parsed.account_id, parsed.name.lower()
