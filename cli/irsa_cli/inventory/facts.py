"""What the findings are about, and what several kinds of them need, computed once. Pure."""

import functools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from irsa.evaluation import Decision
from irsa.evaluation.admission import FILLING, subjects_of_claim
from irsa.evaluation.document import Condition, Statement
from irsa.rules.grammar import split_operator
from irsa.rules.strangers import stranger
from irsa.rules.subjects import CLAIM_PREFIX, WILDCARDS, is_pattern
from irsa_cli.found import Discovery, FoundCluster, FoundRole, FoundServiceAccount
from irsa_cli.inventory.admissions import COMPARED, Admitted, Claims, Trust, TrustPolicy
from irsa_cli.issuers import eks_region


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
        return [each for each in self.trusts if is_of_kubernetes(each)]

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


def is_of_kubernetes(trust: Trust) -> bool:
    """Return whether an OIDC provider is of a Kubernetes cluster, as far as its issuer or the trust policy tells."""
    if trust.cluster or eks_region(trust.issuer):
        return True
    return any(value.startswith(CLAIM_PREFIX) for each in comparisons(trust, "sub") for value in each.condition.wanted)


class Compared(NamedTuple):
    """A condition of an allowing statement that compares a claim with values, one of which it must be or match."""

    place: int
    condition: Condition
    comparison: str


def comparisons(trust: Trust, claim: str) -> Iterator[Compared]:
    """Yield the conditions of all allowing statements that compare a claim with values."""
    for index, statement in trust.allowing.items():
        yield from comparisons_in(trust, index, statement, claim)


def comparisons_in(trust: Trust, index: int, statement: Statement, claim: str) -> Iterator[Compared]:
    """Yield the conditions of one statement that compare a claim with values; those that exclude values do not."""
    for condition in trust.conditions(statement, claim):
        operator = split_operator(condition.operator)
        comparison, negated = COMPARED.get(operator.name if operator else "", ("", True))
        if not negated:
            yield Compared(index, condition, comparison)


def exact_subjects(trust: Trust) -> dict[str, int]:
    """Return the values of `sub` that allowing statements name without a wildcard, each with the statement's place."""
    return {
        value.lower() if each.comparison == "EqualsIgnoreCase" else value: each.place
        for each in comparisons(trust, "sub")
        for value in each.condition.wanted
        if not WILDCARDS.search(value) and "${" not in value
    }


def _wide_namespaces(trust: Trust) -> dict[str, Decision]:
    """Return the namespaces of which a role admits, or may admit, every service account; `*` for all of them."""
    if not trust.client_ids:
        return {}
    compared = list(comparisons(trust, "sub"))
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
