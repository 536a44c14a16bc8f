"""What the findings are about, and what several kinds of them need, computed once. Pure."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from irsa.evaluation import Decision
from irsa.evaluation.admission import TOO_MANY_PATTERNS, admitted_by
from irsa.evaluation.admission import Admitted as AdmittedPattern
from irsa.evaluation.comparisons import COMPARED
from irsa.evaluation.document import Condition, Statement
from irsa.rules.grammar import split_operator
from irsa.rules.mistakes import named
from irsa.rules.strangers import stranger
from irsa.rules.subjects import CLAIM_PREFIX, WILDCARDS, is_pattern
from irsa_cli.inventory.admissions import Admitted, Claims, Trust, TrustPolicy
from irsa_cli.issuers import eks_region
from irsa_cli.live.model import Discovery, LiveCluster, LiveRole, LiveServiceAccount

# Stands for whatever a pattern of namespaces matches.
FILLING = "namespace"


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
    def roles(self) -> dict[str, LiveRole]:
        """All roles of the AWS accounts, by ARN."""
        return {role.arn: role for each in self.discovery.aws_accounts for role in each.roles}

    @functools.cached_property
    def annotated(self) -> list[tuple[LiveCluster, LiveServiceAccount]]:
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
    def kubernetes_roles(self) -> list[LiveRole]:
        """The roles that trust an OIDC provider of Kubernetes, or are in an annotation, sorted by ARN."""
        found = {each.policy.role.arn for each in self.of_kubernetes}
        found |= {each.role_arn for _, each in self.annotated if each.role_arn in self.roles}
        return [self.roles[arn] for arn in sorted(found)]

    @functools.cached_property
    def wide(self) -> dict[int, dict[str, "Wide"]]:
        """The namespaces that a trust admits whole, or may, by the trust's place; `*` for every one."""
        found = ((index, _wide_namespaces(self, each)) for index, each in enumerate(self.trusts) if each.cluster)
        return {index: namespaces for index, namespaces in found if namespaces}


def is_of_kubernetes(trust: Trust) -> bool:
    """Return whether an OIDC provider is of a Kubernetes cluster, as far as its issuer or the trust policy tells."""
    if trust.cluster or eks_region(trust.issuer):
        return True
    return any(value.startswith(CLAIM_PREFIX) for each in comparisons(trust, "sub") for value in each.condition.wanted)


class Wide(NamedTuple):
    """How a role admits every service account of a namespace: for certain or not, and by which patterns."""

    decision: Decision
    admitted: Sequence[AdmittedPattern]


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


def _wide_namespaces(facts: Facts, trust: Trust) -> dict[str, Wide]:
    """Return the namespaces of which a role admits, or may admit, every service account; `*` for all of them."""
    compared = list(comparisons(trust, "sub"))
    values = {value for each in compared for value in each.condition.wanted}
    named_alone = {each.place for each in compared} == trust.allowing.keys() and not any(map(is_pattern, values))
    if named_alone or not trust.client_ids:
        return {}
    parsed = trust.policy.version, trust.policy.statements
    admitted, complete = admitted_by(parsed, trust.provider_arn, trust.client_ids)
    if not complete:
        facts.not_checked(f"{named(trust.policy.role.arn)}: {TOO_MANY_PATTERNS}")
    found: dict[str, Wide] = {}
    for decision, those in (
        (Decision.ALLOWED, [each for each in admitted if each.certain]),
        (Decision.CANNOT_DECIDE, admitted),
    ):
        subjects = {each.subject: each for each in those}
        if those and stranger(subjects) is None:
            return {**found, "*": Wide(decision, those)}
        for namespace in sorted({each.partition(":")[0] for each in subjects if is_pattern(each.partition(":")[2])}):
            # One namespace that the pattern matches stands for all.
            sample = namespace.replace("*", FILLING).replace("?", FILLING[0])
            if stranger(subjects, sample) is None:
                of_it = [each for subject, each in subjects.items() if subject.partition(":")[0] == namespace]
                found.setdefault(namespace, Wide(decision, of_it))
    return found
