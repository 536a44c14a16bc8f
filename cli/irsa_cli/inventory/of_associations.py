"""Findings about associations of EKS Pod Identity: their roles and service accounts, and annotations beside them."""

from collections.abc import Iterator
from dataclasses import replace

from irsa.evaluation import Decision
from irsa.evaluation.any_association import admits_any_association
from irsa.evaluation.decision import evaluate_parsed
from irsa.rules.mistakes import named
from irsa_cli.inventory.admissions import TrustPolicy
from irsa_cli.inventory.associations import Associated
from irsa_cli.inventory.facts import Facts
from irsa_cli.inventory.of_annotations import unseen
from irsa_cli.inventory.output import Finding
from irsa_cli.verdict import NO_SERVICE_ACCOUNT

BY_TAG = (
    "aws:RequestTag/kubernetes-namespace, aws:RequestTag/kubernetes-service-account and aws:RequestTag/eks-cluster-arn"
)


def _of(each: Associated, kind: str, role_arn: str, found: str, expected: str) -> Finding:
    """Return a finding about an association."""
    owner = each.association.owner
    owned = f"; {named(owner)} owns the association" if owner else ""
    return Finding(kind, each.cluster.name, str(each.association), role_arn, found=f"{found}{owned}", expected=expected)


def association_missing_role(facts: Facts) -> Iterator[Finding]:
    """Yield the associations whose role, or target role, does not exist."""
    for each in facts.associated:
        for role_arn, verdict, missing in each.answers:
            if missing:
                yield _of(each, "association-missing-role", role_arn, verdict.found, verdict.expected)


def association_not_admitted(facts: Facts) -> Iterator[Finding]:
    """Yield the associations that their role, or their target role, refuses."""
    for each in facts.associated:
        role_arn, verdict, missing = each.deciding
        if missing or verdict.decision is Decision.ALLOWED:
            continue
        if verdict.decision is Decision.CANNOT_DECIDE:
            which = f"the association of {named(str(each.association))} in {named(each.cluster.name)}"
            facts.not_checked(
                f"whether {named(role_arn)} admits {which} cannot be decided here: {verdict.details or verdict.found}"
            )
            continue
        expected = f"{verdict.expected}{_with_other_tags(each, facts.policies[role_arn])}"
        yield _of(each, "association-not-admitted", role_arn, verdict.details, expected)


def _with_other_tags(each: Associated, policy: TrustPolicy) -> str:
    """Return that the role would admit the association with session tags, or without them; empty where it would not."""
    request = each.association.request
    if policy.role.arn != each.association.role_arn:
        return ""
    other = evaluate_parsed(*policy.parsed, replace(request, session_tags=not request.session_tags))
    how = "without" if request.session_tags else "with"
    return f"; or the association {how} session tags" if other.decision is Decision.ALLOWED else ""


def association_wins(facts: Facts) -> Iterator[Finding]:
    """Yield the service accounts that are annotated with another role than their association gives.

    The webhook then injects Pod Identity's variables alone: https://github.com/aws/amazon-eks-pod-identity-webhook/pull/189
    """
    for each in facts.associated:
        annotated = each.service_account.role_arn if each.service_account else ""
        if annotated and annotated != each.role_arn:
            role = named(each.role_arn)
            found = f"annotated with {named(annotated)}, but new Pods ask for {role} by the association alone"
            yield _of(
                each,
                "association-wins",
                each.role_arn,
                found,
                "one role: that of the annotation or that of the association",
            )


def missing_service_account(facts: Facts) -> Iterator[Finding]:
    """Yield the associations of service accounts that do not exist."""
    for each in facts.associated:
        if each.service_account is None:
            found = f"an association gives it the role, but {NO_SERVICE_ACCOUNT}"
            expected = "a service account that exists, or no such association"
            yield _of(each, "missing-service-account", each.role_arn, found, expected)


def wide_trust(facts: Facts) -> Iterator[Finding]:
    """Yield the roles that any association of their AWS account gets."""
    for arn, policy in facts.policies.items():
        if admits_any_association(policy.parsed, policy.partition, policy.aws_account.number):
            found = (
                f"it trusts every association of EKS Pod Identity in AWS account {policy.aws_account.number}, also "
                "those that are created there later"
            )
            yield Finding("wide-trust", role=arn, found=found, expected=f"StringEquals on {BY_TAG}")


def unseen_account(facts: Facts) -> Iterator[Finding]:
    """Yield the associations with a target role of an AWS account that was not read."""
    for each in facts.associated:
        for role_arn, _, missing in each.answers:
            if not missing and role_arn not in facts.roles:
                number = role_arn.split(":")[4]
                yield unseen(each.cluster, str(each.association), role_arn, number)
