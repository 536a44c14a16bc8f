"""Findings about more access than needed, the worst first."""

from collections.abc import Iterator

from irsa.evaluation import Decision
from irsa.evaluation.admission import but_those
from irsa.evaluation.decision import admits_any_association
from irsa.rules import commands
from irsa.rules.annotations import ROLE_ARN
from irsa.rules.mistakes import listed, named
from irsa.rules.subjects import CLAIM_PREFIX
from irsa.rules.trust import DEFAULT_AUDIENCE
from irsa_cli.inventory.admissions import Admitted
from irsa_cli.inventory.facts import Facts
from irsa_cli.inventory.findings.kinds import kind
from irsa_cli.inventory.output import Finding
from irsa_world.issuers import Issuers, Standing, eks_region
from irsa_world.model import Cluster, ServiceAccount
from irsa_world.trusts.trust import ClaimCondition, exact_subjects, place_text
from irsa_world.verdict import NO_SERVICE_ACCOUNT

BY_TAG = (
    "aws:RequestTag/kubernetes-namespace, aws:RequestTag/kubernetes-service-account and aws:RequestTag/eks-cluster-arn"
)


@kind("Role open to a whole namespace or more", "Whoever may create a Pod there, or an association, may use it.")
def wide_trust(facts: Facts) -> Iterator[Finding]:
    """Yield the roles that admit a whole namespace, or more, or any association of their AWS account."""
    for index, namespaces in facts.wide.items():
        trust = facts.trusts[index]
        said = []
        for decision, verb in (
            (Decision.ALLOWED, "it trusts"),
            (Decision.CANNOT_DECIDE, "under a condition that cannot be decided here, it trusts"),
        ):
            of_decision = {name: each for name, each in namespaces.items() if each.decision is decision}
            whom = "the cluster" if "*" in of_decision else listed(of_decision)
            but = but_those(one for each in of_decision.values() for one in each.admitted)
            if of_decision:
                said.append(f"{verb} every service account of {whom}, also those that are created there later{but}")
        yield trust.finding("; ".join(said), "named service accounts")
    for arn, policy in facts.policies.items():
        if admits_any_association(policy.parsed, policy.partition, policy.aws_account.number):
            found = (
                f"it trusts every association of EKS Pod Identity in AWS account {policy.aws_account.number}, also "
                "those that are created there later"
            )
            yield Finding(role=arn, found=found, expected=f"StringEquals on {BY_TAG}")


@kind("Role trusts a missing service account", "Whoever creates it may assume it.")
def missing_service_account(facts: Facts) -> Iterator[Finding]:
    """Yield the names in trust policies, but typos, and the associations of which there is no service account."""
    typos = {free for free, _ in facts.typos}
    for free in facts.free_names:
        if free in typos:
            continue
        trust, value, index = free
        parts = value.removeprefix(CLAIM_PREFIX).split(":")
        is_subject = value.startswith(CLAIM_PREFIX) and len(parts) == 2 and all(parts)  # noqa: PLR2004 (namespace and name)
        where = place_text(trust, index)
        yield trust.finding(
            f"{where} names it, but {NO_SERVICE_ACCOUNT}"
            if is_subject
            else f"{where} names {named(value)}, which is the subject of no service account",
            "a service account that exists, or a trust policy without it",
            "/".join(parts) if is_subject else "",
        )
    for each in facts.associated:
        if each.service_account is None:
            found = f"an association gives it the role, but {NO_SERVICE_ACCOUNT}"
            yield each.finding(each.role_arn, found, "a service account that exists, or no such association")


@kind("Trust policy without a condition on aud", "It accepts each audience of the provider.")
def no_audience(facts: Facts) -> Iterator[Finding]:
    """Yield the trust policies with a statement that takes a token of any audience."""
    for trust in facts.of_kubernetes:
        bounding = {each.place for each in trust.naming("aud") if not _is_anything(each)}
        open_ones = [index for index in trust.allowing if index not in bounding]
        if open_ones:
            where = ", ".join(place_text(trust, index) for index in open_ones)
            expected = f"StringEquals {named(f'{trust.issuer}:aud')} {DEFAULT_AUDIENCE}"
            yield trust.finding(f"no condition on aud: {where}", expected)


def _is_anything(each: ClaimCondition) -> bool:
    return each.condition.comparison == "Like" and any(
        value and not value.strip("*") for value in each.condition.wanted
    )


@kind("One role for several namespaces", "They share all permissions of the role.")
def several_namespaces(facts: Facts) -> Iterator[Finding]:
    """Yield the roles that admit service accounts of several namespaces."""
    whole = {id(facts.trusts[index]) for index, namespaces in facts.wide.items() if "*" in namespaces}
    by_role: dict[str, tuple[set[str], set[str]]] = {}
    known: dict[tuple[str, int], set[str]] = {}
    for cluster, each in facts.allowed:
        if id(each.trust) in whole:
            continue
        key = cluster.issuer, each.service_accounts
        if key not in known:
            names = facts.claims[cluster.issuer].names(each.service_accounts)
            known[key] = {name.partition("/")[0] for name in names}
        namespaces, clusters = by_role.setdefault(each.trust.policy.role.arn, (set(), set()))
        namespaces.update(known[key])
        clusters.add(cluster.name)
    for arn, (namespaces, clusters) in by_role.items():
        if len(namespaces) > 1:
            found = f"it trusts service accounts of {len(namespaces):,} namespaces: {listed(sorted(namespaces))}"
            cluster_name = next(iter(clusters)) if len(clusters) == 1 else ""
            yield Finding(cluster=cluster_name, role=arn, found=found, expected="a role for each namespace")


@kind("Admitted, but not annotated", "The service account may assume a role it does not name.")
def not_annotated(facts: Facts) -> Iterator[Finding]:
    """Yield who is admitted by a role and not annotated with it; all whom a pattern admits are one finding."""
    by_pattern: dict[int, tuple[Cluster, str, int]] = {}
    for cluster, each in facts.allowed:
        claims, arn = facts.claims[cluster.issuer], each.trust.policy.role.arn
        others = each.service_accounts & ~facts.having.get((cluster.issuer, arn), 0)
        exact = 0
        for value in exact_subjects(each.trust):
            exact |= claims.like(value)
        for service_account in claims.members(others & exact):
            yield _admitted_only(each, cluster, service_account)
        if others & ~exact:
            *_, before = by_pattern.get(id(each.trust), (0,))
            by_pattern[id(each.trust)] = cluster, arn, before | others & ~exact
    for cluster, arn, group in by_pattern.values():
        names = facts.claims[cluster.issuer].names(group)
        found = f"{len(names):,} trusted, but not annotated with it: {listed(names)}"
        yield Finding("", cluster.name, "", arn, found=found, expected="a narrower trust policy, or the annotation")


def _admitted_only(admitted: Admitted, cluster: Cluster, service_account: ServiceAccount) -> Finding:
    arn, other = admitted.trust.policy.role.arn, service_account.role_arn
    fits = not other and service_account.audience in admitted.audiences
    place = service_account.namespace, service_account.name
    fix = commands.annotate(*place, ROLE_ARN, arn, cluster.context) if fits else ""
    return Finding(
        cluster=cluster.name,
        service_account=str(service_account),
        role=arn,
        found=f"trusted, but annotated with {named(other)}" if other else "trusted, but not annotated",
        expected="the annotation, or a trust policy without it",
        fix=fix,
    )


@kind("Role trusts a cluster that is gone", "No cluster read or listed has its issuer.")
def orphaned_issuer(facts: Facts) -> Iterator[Finding]:
    """Yield the trust in issuers of EKS clusters that are gone."""
    issuers = Issuers(facts.discovery.clusters, facts.discovery.aws_accounts)
    for trust in facts.of_kubernetes:
        if trust.client_ids is None or issuers.standing(trust.issuer) is not Standing.GONE:
            continue
        where = f"AWS account {listed(issuers.listed_by(trust.issuer))} in {eks_region(trust.issuer)}"
        yield trust.finding(
            f"no cluster that was read, and none in EKS of {where}, has this issuer",
            "a cluster of this issuer, perhaps of another AWS account; or a trust policy without it",
        )
