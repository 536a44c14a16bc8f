"""Findings about the annotations of service accounts, against the roles that they name."""

import re
from collections.abc import Iterator
from dataclasses import replace

from irsa.evaluation import Decision, WebIdentityRequest
from irsa.evaluation.decision import evaluate_parsed
from irsa.rules import commands
from irsa.rules.annotations import (
    AUDIENCE,
    POD_ONLY,
    ROLE_ARN,
    STS_REGIONAL_ENDPOINTS,
    TOKEN_EXPIRATION,
    WRITTEN_FROM,
    meant_by,
)
from irsa.rules.arns import Arn, parse_iam_arn
from irsa.rules.mistakes import Mistake, likely, listed, named
from irsa.rules.subjects import subject_claim
from irsa.rules.trust import DEFAULT_AUDIENCE
from irsa_cli.inventory.admissions import Admitted, Trust
from irsa_cli.inventory.facts import Answer, Facts
from irsa_cli.inventory.output import Finding
from irsa_cli.live.model import LiveCluster, LiveServiceAccount
from irsa_cli.trusts.trust import exact_subjects
from irsa_cli.verdict import of_annotations

# A Pod has what the webhook wrote when the Pod was created.
RESTART = "; then restart its Pods"
# What the webhook and Kubernetes take: https://github.com/aws/amazon-eks-pod-identity-webhook, and TokenRequest
VALUES = {AUDIENCE: ".+", STS_REGIONAL_ENDPOINTS: "true|false", TOKEN_EXPIRATION: "[1-9][0-9]{3,8}|[6-9][0-9]{2}"}


def missing_role(facts: Facts) -> Iterator[Finding]:
    """Yield the annotations that name no role that exists."""
    for cluster, each in facts.annotated:
        missing = facts.missing(each.role_arn)
        if missing is None:
            continue
        near = _meant_role(facts, cluster, each, each.role_arn)
        fix = commands.annotate(each.namespace, each.name, ROLE_ARN, near, cluster.context) if near else ""
        expected = f"{named(near)}, which admits it{RESTART}{_for_which(cluster, fix)}" if near else missing.expected
        found = f"{missing.found}{_beside_association(facts, cluster, each)}"
        yield Finding("missing-role", cluster.name, str(each), each.role_arn, found=found, expected=expected, fix=fix)


def _beside_association(facts: Facts, cluster: LiveCluster, service_account: LiveServiceAccount) -> str:
    """Return words for an association of the service account, whose role its new Pods get in place of this one."""
    associated = facts.associated_with.get((cluster.issuer, service_account.subject))
    return f"; its new Pods ask for {named(associated.role_arn)} by an association instead" if associated else ""


def _meant_role(facts: Facts, cluster: LiveCluster, service_account: LiveServiceAccount, value: str) -> str:
    """Return the role that the value of an annotation means: one of a near name that admits the service account."""
    roles = facts.admitting(cluster, service_account)
    by_name = {Arn.name_in(arn): arn for arn, audiences in roles.items() if service_account.audience in audiences}
    return by_name.get(likely(Arn.name_in(value).strip(), by_name, least=0.75) or "", "")


def unseen_account(facts: Facts) -> Iterator[Finding]:
    """Yield the annotations with a role of an AWS account that was not read."""
    for cluster, each in facts.annotated:
        try:
            number = parse_iam_arn(each.role_arn, "role").account_id
        except Mistake:
            continue
        if number not in facts.numbers:
            yield unseen(cluster, str(each), each.role_arn, number)


def unseen(cluster: LiveCluster, service_account: str, role_arn: str, number: str) -> Finding:
    """Return the finding about a role of an AWS account, by its number, that was not read."""
    found = f"the role is in AWS account {number}, which was not read"
    expected = f"AWS credentials of {number}: a profile of it, or a stack with a provider of it"
    return Finding("unseen-account", cluster.name, service_account, role_arn, found=found, expected=expected)


def not_admitted(facts: Facts) -> Iterator[Finding]:
    """Yield the service accounts that their annotated role refuses, with the token that the webhook mounts."""
    typos = {id(answer) for _, answer in facts.typos}
    for answer in facts.answers:
        cluster, each, provider, refused = answer
        if refused.decision is Decision.CANNOT_DECIDE:
            facts.not_checked(undecided_text(each.role_arn, cluster.name))
        elif id(answer) not in typos:
            text, expected = refused.details, refused.expected
            if wrong := of_annotations(each.annotations, each.role_arn):
                text, expected = wrong.found, wrong.expected
            change, fix = _to_be_admitted(facts, answer)
            expected = f"{expected}{change}{_for_which(cluster, fix)}"
            text = f"{text}{_beside_association(facts, cluster, each)}"
            yield Finding("not-admitted", cluster.name, str(each), each.role_arn, provider, text, expected, fix)


def undecided_text(role_arn: str, cluster: str) -> str:
    """Return the sentence about a role that may refuse those of a cluster that are annotated with it."""
    whom = f"the service accounts of {named(cluster)} that are annotated with it"
    return f"whether {named(role_arn)} admits {whom} cannot be decided here"


def _to_be_admitted(facts: Facts, refused: Answer) -> tuple[str, str]:
    """Return what would change for a role to admit a service account, and the command; both empty if none does."""
    cluster, each, _, answer = refused
    audiences = facts.admitting(cluster, each).get(each.role_arn, ())
    if audiences:
        audience = DEFAULT_AUDIENCE if DEFAULT_AUDIENCE in audiences else audiences[0]
        place = each.namespace, each.name
        if audience == DEFAULT_AUDIENCE:
            return f"; or no {AUDIENCE}{RESTART}", commands.remove_annotations(
                *place, AUDIENCE, context=cluster.context
            )
        fix = commands.annotate(*place, AUDIENCE, audience, cluster.context)
        return f"; or {AUDIENCE}: {named(audience)}{RESTART}", fix
    # The provider's command helps where only the provider refuses.
    if answer.fix:
        policy = facts.policies[each.role_arn]
        request = WebIdentityRequest(cluster.issuer, refused.provider_arn, subject_claim(each.subject), each.audience)
        if evaluate_parsed(*policy.parsed, request).decision is not Decision.DENIED:
            return "", answer.fix
    return "", ""


def not_annotated(facts: Facts) -> Iterator[Finding]:
    """Yield who is admitted by a role and not annotated with it; all whom a pattern admits are one finding."""
    by_pattern: dict[int, tuple[Trust, int]] = {}
    for each in facts.admitted:
        cluster = each.trust.cluster
        if cluster is None or each.decision is not Decision.ALLOWED:
            continue
        claims, arn = facts.claims[cluster.issuer], each.trust.policy.role.arn
        others = each.service_accounts & ~facts.having.get((cluster.issuer, arn), 0)
        exact = 0
        for value in exact_subjects(each.trust):
            exact |= claims.like(value)
        for service_account in claims.members(others & exact):
            yield _admitted_only(each, cluster, service_account)
        if others & ~exact:
            _, before = by_pattern.get(id(each.trust), (each.trust, 0))
            by_pattern[id(each.trust)] = each.trust, before | others & ~exact
    for trust, group in by_pattern.values():
        if trust.cluster:
            names = facts.claims[trust.cluster.issuer].names(group)
            found = f"{len(names):,} trusted, but not annotated with it: {listed(names)}"
            expected = "a narrower trust policy, or the annotation"
            yield Finding(
                "not-annotated", trust.cluster.name, "", trust.policy.role.arn, found=found, expected=expected
            )


def _admitted_only(admitted: Admitted, cluster: LiveCluster, service_account: LiveServiceAccount) -> Finding:
    arn, other = admitted.trust.policy.role.arn, service_account.role_arn
    fits = not other and service_account.audience in admitted.audiences
    place = service_account.namespace, service_account.name
    fix = commands.annotate(*place, ROLE_ARN, arn, cluster.context) if fits else ""
    return Finding(
        "not-annotated",
        cluster.name,
        str(service_account),
        arn,
        found=f"trusted, but annotated with {named(other)}" if other else "trusted, but not annotated",
        expected=f"the annotation, or a trust policy without it{_for_which(cluster, fix)}",
        fix=fix,
    )


def misspelled_annotation(facts: Facts) -> Iterator[Finding]:
    """Yield the annotations of `eks.amazonaws.com/` that the webhook does not read."""
    for cluster in facts.discovery.clusters:
        for each in cluster.service_accounts:
            for key, value in sorted(each.annotations.items()):
                meant = None if key in WRITTEN_FROM else meant_by(key)
                if meant:
                    expected, fix = _spelled_right(facts, cluster, each, key, meant)
                    yield Finding(
                        "misspelled-annotation",
                        cluster.name,
                        str(each),
                        found=f"{named(key)}: {named(value)}, which the webhook does not read",
                        expected=f"{expected}{_for_which(cluster, fix)}",
                        fix=fix,
                    )


def _is_value(facts: Facts, key: str, value: str) -> bool:
    """Return whether an annotation may have this value; a role of an AWS account that was not read may exist."""
    if key != ROLE_ARN:
        return re.fullmatch(VALUES[key], value) is not None
    try:
        number = parse_iam_arn(value, "role").account_id
    except Mistake:
        return False
    return value in facts.roles or number not in facts.numbers


def _spelled_right(
    facts: Facts, cluster: LiveCluster, service_account: LiveServiceAccount, key: str, meant: str
) -> tuple[str, str]:
    """Return what should be in place of a misspelled annotation, and the command; empty where the value is wrong."""
    place, annotations = (service_account.namespace, service_account.name), service_account.annotations
    if meant in POD_ONLY or meant in annotations:
        why = POD_ONLY.get(meant) or f"it has {meant}: {named(annotations[meant])}"
        return f"no such annotation: {why}", commands.remove_annotations(*place, key, context=cluster.context)
    value = annotations[key]
    if meant == ROLE_ARN and value not in facts.roles:
        value = _meant_role(facts, cluster, service_account, value) or value
    right = replace(service_account, annotations={**annotations, meant: value})
    answer = facts.answer(cluster, right)
    is_refused = answer is not None and answer.verdict.decision is Decision.DENIED
    if is_refused or not _is_value(facts, meant, value):
        return f"{meant}, with a value that the webhook and the role take", ""
    fix = commands.annotate(*place, meant, value, cluster.context, removed=[key])
    return f"{meant}: {named(value)}{RESTART}", fix


def _for_which(cluster: LiveCluster, command: str) -> str:
    """Return words for the cluster of a command of kubectl, where that has no context to name."""
    if cluster.context or not command:
        return ""
    return f"; the command is for cluster {named(cluster.name)}: choose a context of it first"
