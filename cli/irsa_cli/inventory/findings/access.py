"""Findings about more access than needed, the worst first."""

from collections.abc import Iterator, Sequence

from irsa.evaluation.admission import but_those
from irsa.evaluation.decision import admits_any_association
from irsa.evaluation.grants import Admitted, admitted_by
from irsa.evaluation.lint.wide_subjects import whole
from irsa.rules import commands
from irsa.rules.annotations import ROLE_KEY
from irsa.rules.arns import issuer_host_path
from irsa.rules.mistakes import listed, named
from irsa.rules.subjects import CLAIM_PREFIX, is_pattern
from irsa.rules.trust import DEFAULT_AUDIENCE
from irsa_cli.inventory.findings.kinds import Facts, about_association, about_trust, kind
from irsa_cli.inventory.output import Finding
from irsa_world.issuers import eks_region
from irsa_world.message import first_few
from irsa_world.model import Cluster
from irsa_world.sessions import Trust
from irsa_world.trusts.provider_trust import ClaimCondition, exact_subjects, place_text
from irsa_world.verdict import NO_SERVICE_ACCOUNT

BY_TAG = (
    "aws:RequestTag/kubernetes-namespace, aws:RequestTag/kubernetes-service-account and aws:RequestTag/eks-cluster-arn"
)


@kind(
    "Role open to a whole namespace or more",
    "Whoever may create a Pod there, or an association, may use it.",
    bad='"ISSUER:sub": "system:serviceaccount:team-a:*"',
    good='"ISSUER:sub": "system:serviceaccount:team-a:web"',
)
def wide_trust(facts: Facts) -> Iterator[Finding]:
    """Yield the roles that admit a whole namespace, or more, or any association of their AWS account."""
    for trust in facts.trusts:
        admitted, said = _by_patterns(trust), list[str]()
        for certain, verb in ((True, "it trusts"), (False, "irsa cannot tell whether it trusts")):
            wide = [each for each in admitted if each.certain is certain and whole(each.subject)]
            whom = ", ".join(first_few([*dict.fromkeys(whole(each.subject) for each in wide)]))
            if wide:
                said.append(f"{verb} {whom}, also those that are created there later{but_those(wide)}")
        if said:
            yield about_trust(trust, "; ".join(said), "named service accounts")
    for arn, policy in facts.policies.items():
        if admits_any_association(policy.parsed, policy.partition, policy.aws_account.number):
            found = (
                f"it trusts every association of EKS Pod Identity in AWS account {policy.aws_account.number}, also "
                "those that are created there later"
            )
            yield Finding(role=arn, found=found, expected=f"StringEquals on {BY_TAG}")


def _by_patterns(trust: Trust) -> Sequence[Admitted]:
    """Return whom a role admits with an audience of the provider; nobody where its statements only name names."""
    compared = trust.naming("sub")
    values = {value for each in compared for value in each.condition.wanted}
    named_alone = {each.place for each in compared} == trust.allowing.keys() and not any(map(is_pattern, values))
    is_asked = trust.cluster and trust.client_ids and not named_alone
    return admitted_by(trust.parsed, trust.provider_arn, trust.client_ids) if is_asked else ()


@kind(
    "Role trusts a missing service account",
    "Whoever creates it may assume it.",
    bad='"ISSUER:sub": "system:serviceaccount:team-a:wbe"',
    good='"ISSUER:sub": "system:serviceaccount:team-a:web"',
)
def missing_service_account(facts: Facts) -> Iterator[Finding]:
    """Yield the names in trust policies, and the associations, whose service account does not exist."""
    for trust in facts.trusts:
        for value, place in exact_subjects(trust).items() if trust.cluster else ():
            if trust.cluster and facts.claims[trust.cluster.issuer].like(value):
                continue
            parts = value.removeprefix(CLAIM_PREFIX).split(":")
            is_subject = value.startswith(CLAIM_PREFIX) and len(parts) == 2 and all(parts)  # noqa: PLR2004 (namespace and name)
            why = "which does not exist" if is_subject else "which cannot be the subject of a service account"
            yield about_trust(
                trust,
                f"{place_text(trust, place)} names {named(value)}, {why}",
                "a service account that exists, or a trust policy without it",
                "/".join(parts) if is_subject else "",
            )
    for each in facts.associated:
        if each.service_account is None:
            found = f"an association gives it the role, but {NO_SERVICE_ACCOUNT}"
            yield about_association(each, each.role_arn, found, "a service account that exists, or no such association")


@kind(
    "Trust policy without a condition on aud",
    "It accepts tokens for every audience of the provider.",
    bad="a condition on ISSUER:sub alone",
    good='"ISSUER:aud": "sts.amazonaws.com" beside it',
)
def no_audience(facts: Facts) -> Iterator[Finding]:
    """Yield the trust policies with a statement that takes a token of any audience."""
    for trust in facts.of_kubernetes:
        bounding = {each.place for each in trust.naming("aud") if not _is_anything(each)}
        open_ones = [index for index in trust.allowing if index not in bounding]
        if open_ones:
            where = ", ".join(place_text(trust, index) for index in open_ones)
            expected = f"StringEquals {named(f'{trust.issuer}:aud')} {DEFAULT_AUDIENCE}"
            yield about_trust(trust, f"no condition on aud: {where}", expected)


def _is_anything(each: ClaimCondition) -> bool:
    return each.condition.comparison == "Like" and any(
        value and not value.strip("*") for value in each.condition.wanted
    )


@kind(
    "One role for several namespaces",
    "They share all permissions of the role.",
    bad='"ISSUER:sub": ["system:serviceaccount:a:app", "system:serviceaccount:b:app"]',
    good="a role for each namespace",
)
def several_namespaces(facts: Facts) -> Iterator[Finding]:
    """Yield the roles that admit service accounts of several namespaces. One that admits everybody is wide-trust."""
    by_role: dict[str, tuple[set[str], set[str]]] = {}
    known: dict[tuple[str, int], set[str]] = {}
    for each in facts.allowed:
        claims, key = facts.claims[each.cluster.issuer], (each.cluster.issuer, each.service_accounts)
        if each.service_accounts == claims.everybody:
            continue
        if key not in known:
            known[key] = {name.partition("/")[0] for name in claims.names(each.service_accounts)}
        namespaces, clusters = by_role.setdefault(each.role_arn, (set(), set()))
        namespaces.update(known[key])
        clusters.add(each.cluster.name)
    for arn, (namespaces, clusters) in by_role.items():
        if len(namespaces) > 1:
            found = f"it trusts service accounts of {len(namespaces):,} namespaces: {listed(sorted(namespaces))}"
            cluster_name = next(iter(clusters)) if len(clusters) == 1 else ""
            yield Finding(cluster=cluster_name, role=arn, found=found, expected="a role for each namespace")


@kind(
    "Admitted, but not annotated",
    "The service account may assume a role it does not name.",
    bad="a role that trusts team-a:web, which has no annotation",
    good="eks.amazonaws.com/role-arn with this role, or a narrower trust policy",
)
def not_annotated(facts: Facts) -> Iterator[Finding]:
    """Yield the service accounts that a role admits without their annotation; one finding for all of a pattern."""
    having: dict[tuple[str, str], int] = {}
    pairs = [(cluster.issuer, each.role_arn, each.subject) for cluster, each in facts.world.annotated]
    pairs += [
        (each.cluster.issuer, each.role_arn, each.association.subject)
        for each in facts.associated
        if each.service_account
    ]
    for issuer, arn, subject in pairs:
        having[issuer, arn] = having.get((issuer, arn), 0) | facts.claims[issuer].bit(subject)
    by_pattern: dict[int, tuple[Cluster, str, int]] = {}
    for each in facts.allowed:
        cluster, arn = each.cluster, each.role_arn
        claims = facts.claims[cluster.issuer]
        others = each.service_accounts & ~having.get((cluster.issuer, arn), 0)
        exact = 0
        for value in exact_subjects(each.trust):
            exact |= claims.like(value)
        for service_account in claims.members(others & exact):
            other = service_account.role_arn
            fits = not other and service_account.audience in each.audiences
            place = service_account.namespace, service_account.name
            fix = commands.annotate(cluster.place, *place, ROLE_KEY, arn) if fits else ""
            found = f"trusted, but annotated with {named(other)}" if other else "trusted, but not annotated"
            expected = "the annotation, or a trust policy without it"
            yield Finding("", cluster.name, str(service_account), arn, found=found, expected=expected, fix=fix)
        if others & ~exact:
            *_, before = by_pattern.get(id(each.trust), (0,))
            by_pattern[id(each.trust)] = cluster, arn, before | others & ~exact
    for cluster, arn, group in by_pattern.values():
        names = facts.claims[cluster.issuer].names(group)
        found = f"{len(names):,} trusted, but not annotated with it: {listed(names)}"
        yield Finding("", cluster.name, "", arn, found=found, expected="a narrower trust policy, or the annotation")


@kind(
    "Role trusts a cluster that is gone",
    "No cluster read or listed has its issuer.",
    bad="a statement for the OIDC provider of a deleted cluster",
    good="the statements of the clusters that exist",
)
def orphaned_issuer(facts: Facts) -> Iterator[Finding]:
    """Yield the trust in issuers of EKS clusters that are gone."""
    known = {issuer_host_path(each.issuer) for each in facts.world.clusters}
    listed_by: dict[str, list[str]] = {}
    unread = set()
    for aws_account in facts.world.aws_accounts:
        for region, clusters in aws_account.eks_clusters.items():
            listed_by.setdefault(region, []).append(aws_account.number)
            known |= {*map(issuer_host_path, clusters or ())}
            unread |= {region} if clusters is None else set()
    expected = "a cluster with this issuer, perhaps in another AWS account; or a trust policy without it"
    for trust in facts.of_kubernetes:
        # Nobody lists the clusters outside of EKS: their issuers have no region.
        region = eks_region(trust.issuer)
        is_gone = trust.issuer not in known and region in listed_by and region not in unread
        if is_gone and trust.client_ids is not None:
            where = f"AWS account {listed(listed_by[region])} in {region}"
            yield about_trust(trust, f"no cluster that was read, and none in EKS of {where}, has this issuer", expected)
