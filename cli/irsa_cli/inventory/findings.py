"""What is wrong, wide or unused in what was found: one function for each kind of finding."""

import functools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from irsa.evaluation import Decision, Evaluation
from irsa.evaluation.admission import FILLING, subjects_of_claim
from irsa.evaluation.document import Condition, Statement
from irsa.rules import commands
from irsa.rules.annotations import ROLE_ARN, WRITTEN_FROM, check_annotation_key
from irsa.rules.arns import oidc_provider_arn, parse_iam_arn
from irsa.rules.grammar import split_operator
from irsa.rules.mistakes import Mistake, listed, named
from irsa.rules.strangers import stranger
from irsa.rules.subjects import CLAIM_PREFIX, WILDCARDS, is_pattern, subject_of
from irsa.rules.trust import DEFAULT_AUDIENCE
from irsa_cli.found import Discovery, FoundCluster, FoundRole, FoundServiceAccount
from irsa_cli.inventory.admissions import (
    COMPARED,
    Admitted,
    Claims,
    Trust,
    TrustPolicy,
    place_text,
)
from irsa_cli.inventory.output import Finding
from irsa_cli.issuers import Issuers, Standing, eks_region

# How long IAM tracks the last use:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_last-accessed.html
TRACKED_DAYS = 400
DATE = "%Y-%m-%d"


@dataclass(frozen=True)
class Facts:
    """What the findings are about.

    Attributes:
        discovery: What was found.
        policies: The trust policies, by the ARN of their role.
        trusts: What they say to the tokens of OIDC providers.
        claims: The service accounts of each cluster, by its issuer.
        admitted: Who is admitted.
        now: Now.
        unused_days: After how many days without use a role is unused.
        not_checked: Takes what cannot be decided, as a sentence.
    """

    discovery: Discovery
    policies: Mapping[str, TrustPolicy]
    trusts: Sequence[Trust]
    claims: Mapping[str, Claims]
    admitted: Sequence[Admitted]
    now: datetime
    unused_days: int
    not_checked: Callable[[str], None]

    @functools.cached_property
    def roles(self) -> dict[str, FoundRole]:
        """All roles of the AWS accounts, by ARN."""
        return {role.arn: role for each in self.discovery.aws_accounts for role in each.roles}

    @functools.cached_property
    def annotated(self) -> list[tuple[FoundCluster, FoundServiceAccount]]:
        """The service accounts that have a role in their annotation."""
        return [
            (cluster, each) for cluster in self.discovery.clusters for each in cluster.service_accounts if each.role_arn
        ]

    @functools.cached_property
    def annotated_with(self) -> dict[tuple[str, str], int]:
        """The service accounts of a cluster that have a role in their annotation, by issuer and ARN."""
        found: dict[tuple[str, str], int] = {}
        for cluster, each in self.annotated:
            key = cluster.issuer, each.role_arn
            found[key] = found.get(key, 0) | self.claims[cluster.issuer].bit(each)
        return found

    @functools.cached_property
    def of_kubernetes(self) -> list[Trust]:
        """Those trusts whose provider is of a Kubernetes cluster; GitHub's, for example, is not."""
        return [each for each in self.trusts if _is_of_kubernetes(each)]

    @functools.cached_property
    def kubernetes_roles(self) -> list[FoundRole]:
        """The roles that trust an OIDC provider of Kubernetes, or are in an annotation, sorted by ARN."""
        found = {each.policy.role.arn for each in self.of_kubernetes}
        found |= {each.role_arn for _, each in self.annotated if each.role_arn in self.roles}
        return [self.roles[arn] for arn in sorted(found)]

    @functools.cached_property
    def wide(self) -> dict[int, dict[str, Decision]]:
        """The namespaces that a trust admits whole, or may, by the trust's place; `*` for every one."""
        found = ((index, _wide_namespaces(each)) for index, each in enumerate(self.trusts) if each.cluster)
        return {index: namespaces for index, namespaces in found if namespaces}


def _is_of_kubernetes(trust: Trust) -> bool:
    if trust.cluster or eks_region(trust.issuer):
        return True
    return any(value.startswith(CLAIM_PREFIX) for each in _compared(trust, "sub") for value in each.condition.wanted)


class _Compared(NamedTuple):
    """A condition of an allowing statement that compares a claim with values, one of which it must be or match."""

    place: int
    condition: Condition
    comparison: str


def _compared(trust: Trust, claim: str) -> Iterator[_Compared]:
    for index, statement in trust.allowing.items():
        yield from _compared_in(trust, index, statement, claim)


def _compared_in(trust: Trust, index: int, statement: Statement, claim: str) -> Iterator[_Compared]:
    for condition in trust.conditions(statement, claim):
        operator = split_operator(condition.operator)
        comparison, negated = COMPARED.get(operator.name if operator else "", ("", True))
        if not negated:
            yield _Compared(index, condition, comparison)


def _exact_subjects(trust: Trust) -> dict[str, int]:
    """Return the values of `sub` that allowing statements name without a wildcard, each with the statement's place."""
    return {
        value.lower() if each.comparison == "EqualsIgnoreCase" else value: each.place
        for each in _compared(trust, "sub")
        for value in each.condition.wanted
        if not WILDCARDS.search(value) and "${" not in value
    }


# --- Annotations -----------------------------------------------------------------------------------------------------


def _missing_role(facts: Facts) -> Iterator[Finding]:
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
        if near:
            fix = commands.annotate(each.namespace, each.name, ROLE_ARN, near, cluster.name)
            yield finding(
                found=f"there is no such role; one of that name is {named(near)}", expected=named(near), fix=fix
            )
        else:
            yield finding(found="there is no such role", expected=named(each.role_arn), fix=commands.list_roles())


def _unseen_account(facts: Facts) -> Iterator[Finding]:
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


def _not_admitted(facts: Facts) -> Iterator[Finding]:
    by_place = {(each.policy.role.arn, each.provider_arn): each for each in facts.trusts}
    undecided: dict[tuple[str, str], int] = {}
    for cluster, each in facts.annotated:
        policy = facts.policies.get(each.role_arn)
        if policy is None:
            continue
        partition, number = each.role_arn.split(":")[1], policy.aws_account.number
        provider = oidc_provider_arn(partition, number, cluster.issuer)
        finding = functools.partial(Finding, "not-admitted", cluster.name, str(each), each.role_arn, provider)
        client_ids = policy.aws_account.client_ids.get(provider)
        if client_ids is None:
            yield finding(
                f"AWS account {number} has no OIDC provider for {named(cluster.issuer)}",
                named(provider),
                commands.create_provider(cluster.issuer, [each.audience]),
            )
            continue
        if each.audience not in client_ids:
            yield finding(
                f"the OIDC provider lists the audiences {listed(client_ids) or 'none'}",
                f"{named(each.audience)}, which the webhook mounts",
                commands.add_client_id(provider, each.audience),
            )
            continue
        trust = by_place.get((each.role_arn, provider))
        explain = commands.explain(str(each), each.role_arn, None, cluster.issuer, each.audience)
        expected = f"a trust policy that admits {named(str(each))} with the audience {named(each.audience)}"
        if trust is None:
            found = f"no statement allows sts:AssumeRoleWithWebIdentity to {named(provider)}"
            yield finding(found, expected, explain)
            continue
        evaluation = trust.evaluated(subject_of(each.namespace, each.name), each.audience)
        if evaluation.decision is Decision.DENIED:
            yield finding(_why_denied(trust, evaluation), expected, explain)
        elif evaluation.decision is Decision.CANNOT_DECIDE:
            place = each.role_arn, cluster.name
            undecided[place] = undecided.get(place, 0) + 1
    for (arn, name), count in undecided.items():
        whom = f"the service accounts of {named(name)} that are annotated with it ({count:,})"
        facts.not_checked(f"whether {named(arn)} admits {whom} cannot be decided here")


def _why_denied(trust: Trust, evaluation: Evaluation) -> str:
    """Return why a trust policy refuses: what denies, or what the nearest statement lacks."""
    denying = [each for each in evaluation.statements if each.effect == "Deny" and each.matched]
    if denying:
        return f"{place_text(trust, denying[0].index)} denies it"
    lacking = {
        index: [reason for reason in evaluation.statements[index].reasons if reason.outcome is False]
        for index in trust.allowing
    }
    index = min(lacking, key=lambda each: len(lacking[each]))
    why = " ".join(reason.explanation for reason in lacking[index])
    return f"{place_text(trust, index)}: {why.removesuffix('.')}"


def _not_annotated(facts: Facts) -> Iterator[Finding]:
    by_pattern: dict[int, tuple[Trust, int]] = {}
    for each in facts.admitted:
        cluster = each.trust.cluster
        if cluster is None or each.decision is not Decision.ALLOWED:
            continue
        claims, arn = facts.claims[cluster.issuer], each.trust.policy.role.arn
        others = each.service_accounts & ~facts.annotated_with.get((cluster.issuer, arn), 0)
        exact = 0
        for value in _exact_subjects(each.trust):
            exact |= claims.equal(value, "Equals")
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


def _admitted_only(admitted: Admitted, cluster: FoundCluster, service_account: FoundServiceAccount) -> Finding:
    arn, other = admitted.trust.policy.role.arn, service_account.role_arn
    fits = not other and service_account.audience in admitted.audiences
    place = service_account.namespace, service_account.name
    return Finding(
        "not-annotated",
        cluster.name,
        str(service_account),
        arn,
        found=f"admitted, but annotated with {named(other)}" if other else "admitted, but not annotated",
        expected="the annotation, or a trust policy without it",
        fix=commands.annotate(*place, ROLE_ARN, arn, cluster.name) if fits else "",
    )


def _misspelled_annotation(facts: Facts) -> Iterator[Finding]:
    for cluster in facts.discovery.clusters:
        for each in cluster.service_accounts:
            for key in sorted(each.annotations):
                mistake = _mistake_in(key)
                if mistake:
                    fix = commands.remove_annotations(each.namespace, each.name, key, context=cluster.name)
                    yield Finding(
                        "misspelled-annotation",
                        cluster.name,
                        str(each),
                        found=f"{named(key)}: {named(each.annotations[key])}, which the webhook does not read",
                        expected=f"an annotation that the webhook reads; {mistake}",
                        fix=fix,
                    )


@functools.lru_cache(10_000)
def _mistake_in(key: str) -> str:
    if key in WRITTEN_FROM:
        return ""
    try:
        check_annotation_key(key)
    except Mistake as mistake:
        return mistake.fix
    return ""


# --- OIDC providers --------------------------------------------------------------------------------------------------


def _missing_provider(facts: Facts) -> Iterator[Finding]:
    for trust in facts.of_kubernetes:
        if trust.client_ids is not None:
            continue
        number, owner = trust.policy.aws_account.number, trust.provider_arn.split(":")[4]
        cluster = trust.cluster
        if owner != number:
            found = f"the OIDC provider is of AWS account {owner}; STS looks in the role's own, {number}"
        else:
            found = f"AWS account {number} has no such OIDC provider"
        audiences = {value for each in _compared(trust, "aud") for value in each.condition.wanted}
        named_ones = {each for each in audiences if not is_pattern(each)} or {DEFAULT_AUDIENCE}
        yield Finding(
            "missing-provider",
            cluster.name if cluster else "",
            "",
            trust.policy.role.arn,
            trust.provider_arn,
            found,
            "an OIDC provider that exists, or a trust policy without it",
            commands.create_provider(cluster.issuer, named_ones) if cluster and owner == number else "",
        )


def _orphaned_issuer(facts: Facts) -> Iterator[Finding]:
    issuers = Issuers(facts.discovery.clusters, facts.discovery.aws_accounts)
    for trust in facts.of_kubernetes:
        if trust.client_ids is None or issuers.standing(trust.issuer) is not Standing.GONE:
            continue
        where = f"AWS account {listed(issuers.listed_by(trust.issuer))} in {eks_region(trust.issuer)}"
        yield Finding(
            "orphaned-issuer",
            "",
            "",
            trust.policy.role.arn,
            trust.provider_arn,
            f"no cluster that was read, and none in EKS of {where}, has this issuer",
            "a cluster of this issuer, perhaps of another AWS account; or a trust policy without it",
            commands.read_issuer(f"https://{trust.issuer}"),
        )


def _duplicate_provider(facts: Facts) -> Iterator[Finding]:
    for aws_account in facts.discovery.aws_accounts:
        by_issuer: dict[str, list[str]] = {}
        for arn in sorted(aws_account.client_ids):
            by_issuer.setdefault(_same_issuer(arn), []).append(arn)
        for first, *others in by_issuer.values():
            for arn in others:
                found = f"AWS account {aws_account.number} has {named(first)} for the same issuer"
                yield Finding("duplicate-provider", provider=arn, found=found, expected="one OIDC provider per issuer")


def _same_issuer(provider_arn: str) -> str:
    """Return the issuer of a provider as a URL is compared: without letter case, standard port and trailing slash."""
    host, slash, path = provider_arn.partition(":oidc-provider/")[2].partition("/")
    return f"{host.lower().removesuffix(':443')}{slash}{path.lower()}".rstrip("/")


# --- Trust policies --------------------------------------------------------------------------------------------------


def _missing_service_account(facts: Facts) -> Iterator[Finding]:
    for trust in facts.trusts:
        if trust.cluster is None:
            continue
        claims, cluster = facts.claims[trust.cluster.issuer], trust.cluster.name
        for value, index in _exact_subjects(trust).items():
            if claims.equal(value, "Equals"):
                continue
            parts = value.removeprefix(CLAIM_PREFIX).split(":")
            is_subject = value.startswith(CLAIM_PREFIX) and len(parts) == 2 and all(parts)  # noqa: PLR2004 (namespace and name)
            where = place_text(trust, index)
            yield Finding(
                "missing-service-account",
                cluster,
                "/".join(parts) if is_subject else "",
                trust.policy.role.arn,
                trust.provider_arn,
                f"{where} names it, but there is no such service account"
                if is_subject
                else f"{where} names {named(value)}, which is the subject of no service account",
                "a service account that exists, or a trust policy without it",
            )


def _wide_trust(facts: Facts) -> Iterator[Finding]:
    for index, namespaces in facts.wide.items():
        trust = facts.trusts[index]
        certain = Decision.ALLOWED in namespaces.values()
        whom = f"every service account of {'the cluster' if '*' in namespaces else listed(namespaces)}"
        verb = "it admits" if certain else "under a condition that cannot be decided here, it admits"
        yield Finding(
            "wide-trust",
            trust.cluster.name if trust.cluster else "",
            "",
            trust.policy.role.arn,
            trust.provider_arn,
            f"{verb} {whom}, and those that are created there later",
            "named service accounts",
        )


def _wide_namespaces(trust: Trust) -> dict[str, Decision]:
    """Return the namespaces of which a role admits, or may admit, every service account; `*` for all of them."""
    if not trust.client_ids:
        return {}
    compared = list(_compared(trust, "sub"))
    values = {value for each in compared for value in each.condition.wanted}
    if {each.place for each in compared} == trust.allowing.keys() and not any(map(is_pattern, values)):
        return {}
    subjects = {
        subject
        for each in compared
        for value in each.condition.wanted
        if each.comparison == "Like"
        for subject in _subjects(value)
    }
    namespaces = {subject.partition(":")[0] for subject in subjects if is_pattern(subject.partition(":")[2])}
    everywhere = _best(trust, _sample(subjects, None))
    found = {"*": everywhere} if everywhere else {each: _best(trust, _sample(subjects, each)) for each in namespaces}
    return {name: decision for name, decision in sorted(found.items()) if decision}


@functools.lru_cache(10_000)
def _subjects(claim: str) -> tuple[str, ...]:
    return tuple(subjects_of_claim(claim))


def _sample(subjects: Collection[str], namespace: str | None) -> str:
    """Return a service account that nobody named: one that no pattern matches, where the patterns leave one out."""
    in_namespace = None if namespace is None else WILDCARDS.sub(FILLING, namespace)
    return stranger(subjects, in_namespace) or f"{in_namespace or FILLING}:{FILLING}"


def _best(trust: Trust, subject: str) -> Decision | None:
    """Return the best answer for a service account with any audience; None where it is refused with all of them."""
    decisions = {trust.evaluated(subject, each).decision for each in trust.client_ids or ()}
    return next((each for each in (Decision.ALLOWED, Decision.CANNOT_DECIDE) if each in decisions), None)


def _several_namespaces(facts: Facts) -> Iterator[Finding]:
    whole = {id(facts.trusts[index]) for index, namespaces in facts.wide.items() if "*" in namespaces}
    by_role: dict[str, tuple[set[str], set[str]]] = {}
    known: dict[tuple[str, int], list[str]] = {}
    for each in facts.admitted:
        cluster = each.trust.cluster
        if cluster is None or each.decision is not Decision.ALLOWED or id(each.trust) in whole:
            continue
        key = cluster.issuer, each.service_accounts
        if key not in known:
            of_namespaces = facts.claims[cluster.issuer].by_namespace
            known[key] = [name for name, group in of_namespaces.items() if group & each.service_accounts]
        namespaces, clusters = by_role.setdefault(each.trust.policy.role.arn, (set(), set()))
        namespaces.update(known[key])
        clusters.add(cluster.name)
    for arn, (namespaces, clusters) in by_role.items():
        if len(namespaces) > 1:
            found = f"it admits service accounts of {len(namespaces):,} namespaces: {listed(sorted(namespaces))}"
            cluster_name = next(iter(clusters)) if len(clusters) == 1 else ""
            yield Finding(
                "several-namespaces", cluster_name, "", arn, found=found, expected="a role for each namespace"
            )


def _no_audience(facts: Facts) -> Iterator[Finding]:
    for trust in facts.of_kubernetes:
        open_ones = [index for index, each in trust.allowing.items() if not _bounds_audience(trust, index, each)]
        if open_ones:
            where = ", ".join(place_text(trust, index) for index in open_ones)
            yield Finding(
                "no-audience",
                trust.cluster.name if trust.cluster else "",
                "",
                trust.policy.role.arn,
                trust.provider_arn,
                f"no condition on aud: {where}",
                f"StringEquals {named(f'{trust.issuer}:aud')} {DEFAULT_AUDIENCE}",
            )


def _bounds_audience(trust: Trust, index: int, statement: Statement) -> bool:
    for each in _compared_in(trust, index, statement, "aud"):
        anything = each.comparison == "Like" and any(value and not value.strip("*") for value in each.condition.wanted)
        if not anything:
            return True
    return False


def _literal_wildcard(facts: Facts) -> Iterator[Finding]:
    for trust in facts.of_kubernetes:
        for index, statement in trust.statements.items():
            for condition in (*trust.conditions(statement, "sub"), *trust.conditions(statement, "aud")):
                operator = split_operator(condition.operator)
                comparison, _ = COMPARED.get(operator.name if operator else "", ("Like", False))
                values = [each for each in condition.wanted if WILDCARDS.search(each) and "${" not in each]
                if comparison == "Like" or not values:
                    continue
                yield Finding(
                    "literal-wildcard",
                    trust.cluster.name if trust.cluster else "",
                    "",
                    trust.policy.role.arn,
                    trust.provider_arn,
                    f"{place_text(trust, index)}: {condition.operator} compares * and ? literally: {listed(values)}",
                    condition.operator.replace("EqualsIgnoreCase", "Like").replace("Equals", "Like"),
                )


# --- Roles -----------------------------------------------------------------------------------------------------------


def _unused(facts: Facts) -> Iterator[Finding]:
    limit = facts.now - timedelta(days=facts.unused_days)
    for role in facts.kubernetes_roles:
        # A role that was created since then had no time to be unused.
        recent = [each for each in (role.created, role.last_used) if each and each > limit]
        if recent or not role.has_details:
            continue
        if role.last_used:
            found = f"last used on {role.last_used.astimezone(UTC).strftime(DATE)}"
        else:
            found = f"not used in the {TRACKED_DAYS} days that IAM tracks"
        yield Finding("unused", role=role.arn, found=found, expected=f"used in the last {facts.unused_days} days")


def _unmanaged(facts: Facts) -> Iterator[Finding]:
    discovery = facts.discovery
    if not discovery.stacks:
        return
    stacks, expected = f"stack {listed(discovery.stacks)}", "a binding with it"
    for role in facts.kubernetes_roles:
        if role.arn not in discovery.managed_roles:
            found = f"the role is in no binding of {stacks}"
            yield Finding("unmanaged", role=role.arn, found=found, expected=expected)
    for cluster, each in facts.annotated:
        if (cluster.issuer, each.role_arn, each.namespace, each.name) not in discovery.managed_service_accounts:
            found = f"no binding of {stacks} has this service account and role"
            yield Finding(
                "unmanaged", cluster.name, str(each), each.role_arn, found=found, expected="a binding with it"
            )


class Kind(NamedTuple):
    """A kind of finding: what it finds, in words and as a function."""

    finds: str
    find: Callable[[Facts], Iterator[Finding]]


# The lines of --help and the rows of docs/inventory.md.
KINDS = {
    "missing-role": Kind("the annotation names a role that does not exist, or none", _missing_role),
    "not-admitted": Kind("the annotated role refuses the token that the webhook mounts", _not_admitted),
    "unseen-account": Kind("the annotated role is in an AWS account that was not read", _unseen_account),
    "not-annotated": Kind("a service account is admitted and not annotated with the role", _not_annotated),
    "missing-provider": Kind("a role trusts an OIDC provider that does not exist", _missing_provider),
    "orphaned-issuer": Kind("a role trusts the issuer of an EKS cluster that is gone", _orphaned_issuer),
    "missing-service-account": Kind("a role names a service account that does not exist", _missing_service_account),
    "wide-trust": Kind("a role admits a whole namespace, or more", _wide_trust),
    "several-namespaces": Kind("a role admits service accounts of several namespaces", _several_namespaces),
    "no-audience": Kind("a statement has no condition on `aud`", _no_audience),
    "literal-wildcard": Kind("`*` or `?` under StringEquals, which compares it literally", _literal_wildcard),
    "unused": Kind("a role was not used for --unused-days", _unused),
    "misspelled-annotation": Kind("an annotation that the webhook does not read", _misspelled_annotation),
    "duplicate-provider": Kind("two OIDC providers of an AWS account are for one issuer", _duplicate_provider),
    "unmanaged": Kind("with --stack: in no binding of these stacks", _unmanaged),
}


def findings(facts: Facts) -> list[Finding]:
    """Return all findings, in the order of KINDS, each kind sorted."""
    return [
        each
        for kind in KINDS.values()
        for each in sorted(kind.find(facts), key=lambda each: (each.cluster, each.service_account, each.role))
    ]
