"""Findings about the annotations of service accounts, against the roles that they name."""

import functools
from collections.abc import Iterator

from irsa.evaluation import Decision, WebIdentityRequest
from irsa.rules import commands
from irsa.rules.annotations import AUDIENCE, ROLE_ARN, WRITTEN_FROM, check_webhook_key
from irsa.rules.arns import parse_iam_arn
from irsa.rules.mistakes import Mistake, listed, named, path_of
from irsa.rules.subjects import subject_claim
from irsa_cli.inventory.admissions import Admitted, Trust
from irsa_cli.inventory.facts import Facts
from irsa_cli.inventory.output import Finding
from irsa_cli.live.model import LiveCluster, LiveServiceAccount
from irsa_cli.trusts.trust import exact_subjects
from irsa_cli.verdict import AskedRole, of_annotations, of_missing_role, verdict


def missing_role(facts: Facts) -> Iterator[Finding]:
    """Yield the annotations that name no role that exists."""
    numbers = {each.number for each in facts.discovery.aws_accounts}
    by_name = {(arn.split(":")[4], each.name.lower()): arn for arn, each in facts.roles.items()}
    for cluster, each in facts.annotated:
        if each.role_arn in facts.roles:
            continue
        finding = functools.partial(Finding, "missing-role", cluster.name, str(each), each.role_arn)
        try:
            arn = parse_iam_arn(each.role_arn, "role")
        except Mistake as mistake:
            yield finding(found=mistake.found, expected="the ARN of a role", fix=commands.list_roles())
            continue
        if arn.account_id not in numbers:
            continue
        near = by_name.get((arn.account_id, arn.name.lower()))
        missing = of_missing_role(each.role_arn, near)
        fix = commands.annotate(each.namespace, each.name, ROLE_ARN, near, cluster.context) if near else missing.fix
        where = _for_which(cluster, fix) if near else ""
        yield finding(found=missing.found, expected=f"{missing.expected}{where}", fix=fix)


def unseen_account(facts: Facts) -> Iterator[Finding]:
    """Yield the annotations with a role of an AWS account that was not read."""
    numbers = {each.number for each in facts.discovery.aws_accounts}
    for cluster, each in facts.annotated:
        try:
            number = parse_iam_arn(each.role_arn, "role").account_id
        except Mistake:
            continue
        if number not in numbers:
            found = f"the role is in AWS account {number}, which was not read"
            expected = f"AWS credentials of {number}: a profile of it, or a stack with a provider of it"
            yield Finding("unseen-account", cluster.name, str(each), each.role_arn, found=found, expected=expected)


def not_admitted(facts: Facts) -> Iterator[Finding]:
    """Yield the service accounts that their annotated role refuses, with the token that the webhook mounts."""
    for cluster, each in facts.annotated:
        policy = facts.policies.get(each.role_arn)
        if policy is None:
            continue
        provider = policy.provider_arn(cluster.issuer)
        finding = functools.partial(Finding, "not-admitted", cluster.name, str(each), each.role_arn, provider)
        wrong = of_annotations(each.annotations, each.role_arn)
        if wrong:
            fix = commands.remove_annotations(each.namespace, each.name, AUDIENCE, context=cluster.context)
            yield finding(wrong.found, f"{wrong.expected}{_for_which(cluster, fix)}", fix)
            continue
        request = WebIdentityRequest(cluster.issuer, provider, subject_claim(each.subject), each.audience)
        answer = verdict(AskedRole(policy.parsed, policy.aws_account.client_ids), request)
        if answer.decision is Decision.DENIED:
            explain = commands.explain(str(each), each.role_arn, None, cluster.issuer, each.audience)
            yield finding(answer.details, answer.expected, answer.fix or explain)
        elif answer.decision is Decision.CANNOT_DECIDE:
            facts.not_checked(undecided_text(each.role_arn, cluster.name))


def undecided_text(role_arn: str, cluster: str) -> str:
    """Return the sentence about a role that may refuse those of a cluster that are annotated with it."""
    whom = f"the service accounts of {named(cluster)} that are annotated with it"
    return f"whether {named(role_arn)} admits {whom} cannot be decided here"


def not_annotated(facts: Facts) -> Iterator[Finding]:
    """Yield who is admitted by a role and not annotated with it; all whom a pattern admits are one finding."""
    by_pattern: dict[int, tuple[Trust, int]] = {}
    for each in facts.admitted:
        cluster = each.trust.cluster
        if cluster is None or each.decision is not Decision.ALLOWED:
            continue
        claims, arn = facts.claims[cluster.issuer], each.trust.policy.role.arn
        others = each.service_accounts & ~facts.annotated_with.get((cluster.issuer, arn), 0)
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
            found = f"{len(names):,} admitted, but not annotated with it: {listed(names)}"
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
        found=f"admitted, but annotated with {named(other)}" if other else "admitted, but not annotated",
        expected=f"the annotation, or a trust policy without it{_for_which(cluster, fix)}",
        fix=fix,
    )


def misspelled_annotation(facts: Facts) -> Iterator[Finding]:
    """Yield the annotations of `eks.amazonaws.com/` that the webhook does not read."""
    for cluster in facts.discovery.clusters:
        for each in cluster.service_accounts:
            for key in sorted(each.annotations):
                mistake = _mistake_in(key)
                if mistake:
                    fix = commands.remove_annotations(each.namespace, each.name, key, context=cluster.context)
                    yield Finding(
                        "misspelled-annotation",
                        cluster.name,
                        str(each),
                        found=f"{named(key)}: {named(each.annotations[key])}, which the webhook does not read",
                        expected=f"an annotation that the webhook reads; {mistake}{_for_which(cluster, fix)}",
                        fix=fix,
                    )


@functools.lru_cache(10_000)
def _mistake_in(key: str) -> str:
    if key in WRITTEN_FROM:
        return ""
    try:
        check_webhook_key(key)
    except Mistake as mistake:
        return mistake.spelled(path_of).fix
    return ""


def _for_which(cluster: LiveCluster, command: str) -> str:
    """Return words for the cluster of a command of kubectl, where that has no context to name."""
    if cluster.context or not command:
        return ""
    return f"; the command is for cluster {named(cluster.name)}: choose a context of it first"
