"""What the roles of associations of EKS Pod Identity say to EKS. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from irsa.evaluation import Decision, PodIdentityRequest
from irsa.rules.mistakes import named
from irsa_cli.inventory.admissions import TrustPolicy
from irsa_cli.inventory.chains import NOT_READ, OF_AWS, role_policies
from irsa_cli.inventory.output import Finding
from irsa_cli.live.model import LiveAssociation, LiveCluster, LiveServiceAccount
from irsa_cli.trusts.chains import NAMED
from irsa_cli.trusts.target_roles import ORDER, of_target_role
from irsa_cli.trusts.trust import allowed_principals
from irsa_cli.verdict import AskedRole, Verdict, verdict


class RoleAnswer(NamedTuple):
    """What a role of an association says: to EKS, or as a target role to the first role."""

    role_arn: str
    verdict: Verdict
    missing: bool = False


@dataclass(frozen=True, eq=False)
class Associated:
    """An association of a cluster that was read.

    Attributes:
        service_account: Its service account; None where there is none of this name.
        answers: The answer of its role, and that of its target role where it has one.
    """

    cluster: LiveCluster
    association: LiveAssociation
    service_account: LiveServiceAccount | None
    answers: tuple[RoleAnswer, ...]

    @property
    def role_arn(self) -> str:
        """The role whose credentials the Pods get."""
        return self.association.target_role_arn or self.association.role_arn

    @property
    def deciding(self) -> RoleAnswer:
        """The answer that decides: what refuses, before what cannot be decided."""
        return min(self.answers, key=lambda each: ORDER.index(each.verdict.decision))

    @property
    def decision(self) -> Decision:
        """Whether the Pods get credentials."""
        return self.deciding.verdict.decision

    def finding(self, role_arn: str, found: str, expected: str) -> Finding:
        """Return a finding about it and one of its roles."""
        owner = self.association.owner
        found += f"; {named(owner)} owns the association" if owner else ""
        return Finding("", self.cluster.name, str(self.association), role_arn, found=found, expected=expected)


def answers_of(
    association: LiveAssociation,
    policies: Mapping[str, TrustPolicy],
    documents: Mapping[str, Mapping[str, Any]],
    missing: Callable[[str], Verdict | None],
) -> tuple[RoleAnswer, ...]:
    """Return what the roles of an association say.

    Args:
        association: The association.
        policies: The trust policies, by the ARN of their role.
        documents: The managed policies that were read, by ARN.
        missing: Returns that a role does not exist; None where it does, or its AWS account was not read.
    """

    def answer(role_arn: str, of_policy: Callable[[TrustPolicy], Verdict]) -> RoleAnswer:
        if of_missing := missing(role_arn):
            return RoleAnswer(role_arn, of_missing, missing=True)
        policy = policies.get(role_arn)
        unread = NOT_READ.format(role=named(role_arn))
        return RoleAnswer(role_arn, of_policy(policy) if policy else Verdict(Decision.CANNOT_DECIDE, unread))

    def of_target(target: TrustPolicy) -> Verdict:
        first = policies.get(association.role_arn)
        if first is None:
            return Verdict(Decision.CANNOT_DECIDE, NOT_READ.format(role=named(association.role_arn)))
        of_role = role_policies(first.role, documents)
        if any(map(OF_AWS.fullmatch, first.role.attached_policies)):
            of_role = replace(of_role, documents=[*of_role.documents, NAMED])
        return of_target_role(association, of_role, target.parsed)

    first = answer(association.role_arn, lambda policy: verdict(AskedRole(policy.parsed, {}), association.request))
    return (first, answer(association.target_role_arn, of_target)) if association.target_role_arn else (first,)


def trusts_pod_identity(policy: TrustPolicy) -> bool:
    """Return whether a trust policy allows something to EKS Pod Identity, whatever its conditions."""
    return PodIdentityRequest.principal in allowed_principals(policy.parsed[1])
