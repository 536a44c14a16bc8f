"""Who is admitted where: the trust policies, evaluated for every service account without evaluating every pair.

Between two service accounts of a cluster, a token differs in `sub` alone. So they are divided into groups by the
statements whose conditions on `sub` they meet, and one of each group is evaluated, with each audience that the OIDC
provider lists: a Pod may ask for a token of any audience.
"""

import bisect
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from irsa.evaluation import DOCUMENTATION, Decision, Evaluation, TrustDocumentError, WebIdentityRequest, short_key
from irsa.evaluation.comparisons import COMPARED
from irsa.evaluation.decision import evaluate_parsed
from irsa.evaluation.document import Condition, Statement, parse
from irsa.evaluation.patterns import regular_expression
from irsa.rules.arns import issuer_host_path, issuer_of_provider, oidc_provider_arn
from irsa.rules.grammar import VERSION, split_operator
from irsa.rules.mistakes import Mistake, listed, named
from irsa.rules.subjects import WILDCARDS, subject_claim, subject_of
from irsa_cli.live.model import LiveAwsAccount, LiveCluster, LiveRole, LiveServiceAccount

# Principals with which a statement is for every OIDC provider of the AWS account, or may be.
ANYBODY = frozenset({("*", "*"), ("AWS", "*"), ("Federated", "*")})
LAST_CHARACTER = "\U0010ffff"


class TrustPolicy(NamedTuple):
    """A role with its trust policy, parsed."""

    role: LiveRole
    aws_account: LiveAwsAccount
    version: str
    statements: tuple[Statement, ...]

    def provider_arn(self, issuer: str) -> str:
        """Return the ARN of the OIDC provider through which an issuer's tokens reach the role.

        The role's ARN is IAM's own, and need not be one that irsa would write: a path may have any printable character,
        https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
        """
        return oidc_provider_arn(self.role.arn.split(":")[1], self.aws_account.number, issuer)


class Trust(NamedTuple):
    """What a trust policy says to the tokens of one OIDC provider.

    Attributes:
        policy: The trust policy.
        provider_arn: ARN of the provider.
        issuer: Its issuer, without `https://`.
        cluster: The cluster of that issuer; None where none was read.
        client_ids: The audiences that the provider lists; None where the role's AWS account has no such provider.
        statements: The statements for this provider and for sts:AssumeRoleWithWebIdentity, by their place.
    """

    policy: TrustPolicy
    provider_arn: str
    issuer: str
    cluster: LiveCluster | None
    client_ids: tuple[str, ...] | None
    statements: Mapping[int, Statement]

    @property
    def allowing(self) -> dict[int, Statement]:
        """The statements that allow."""
        return {index: each for index, each in self.statements.items() if each.effect == "Allow"}

    def conditions(self, statement: Statement, claim: str) -> list[Condition]:
        """Return a statement's conditions on `aud` or `sub` of this provider's tokens."""
        key = f"{self.issuer}:{claim}".lower()
        return [each for each in statement.conditions if each.key.lower() == key]

    def evaluated(self, subject: str, audience: str) -> Evaluation:
        """Return the evaluation of the whole trust policy for a token of a service account, `namespace:name`."""
        request = WebIdentityRequest(f"https://{self.issuer}", self.provider_arn, subject_claim(subject), audience)
        return evaluate_parsed(self.policy.version, self.policy.statements, request)


class Admitted(NamedTuple):
    """Service accounts of a cluster that have the same answer from a role.

    Attributes:
        trust: What the role says to the tokens of that cluster.
        service_accounts: Which of the cluster's, one bit each: see Claims.
        decision: ALLOWED or CANNOT_DECIDE.
        audiences: For tokens of which audiences, sorted.
        reason: Why.
        documentation: Page of AWS that states the rule.
    """

    trust: Trust
    service_accounts: int
    decision: Decision
    audiences: tuple[str, ...]
    reason: str
    documentation: str


def trust_policies(
    aws_accounts: Iterable[LiveAwsAccount], not_checked: Callable[[str], None]
) -> dict[str, TrustPolicy]:
    """Return the trust policies by the ARN of their role.

    Args:
        aws_accounts: The AWS accounts.
        not_checked: Takes a sentence for each role whose trust policy irsa cannot read.
    """
    found = {}
    for aws_account in aws_accounts:
        for role in aws_account.roles:
            try:
                version, statements = parse(role.trust)
            except TrustDocumentError as error:
                not_checked(f"trust policy of {named(role.arn)}: {error}")
            else:
                found[role.arn] = TrustPolicy(role, aws_account, version, tuple(statements))
    return found


def trusts(policies: Iterable[TrustPolicy], clusters: Iterable[LiveCluster]) -> list[Trust]:
    """Return what trust policies say to the tokens of each OIDC provider that they name, or of which a cluster is.

    Only where a statement allows sts:AssumeRoleWithWebIdentity, whatever its conditions.
    """
    by_issuer = {issuer_host_path(each.issuer): each for each in clusters}
    return [each for policy in policies for each in _trusts_of(policy, by_issuer)]


def _trusts_of(policy: TrustPolicy, clusters: Mapping[str, LiveCluster]) -> Iterator[Trust]:
    principals = {
        each for statement in policy.statements if statement.effect == "Allow" for each in statement.principals
    }
    providers = {name for type_, name in principals if type_ == "Federated"}
    client_ids = policy.aws_account.client_ids
    if principals & ANYBODY:
        own = map(policy.provider_arn, clusters)
        providers |= {arn for arn in own if arn in client_ids}
    for arn in sorted(providers):
        try:
            issuer = issuer_of_provider(arn)
        except Mistake:
            # `cognito-identity.amazonaws.com` or a SAML provider: no token of a cluster comes through these.
            continue
        trust = Trust(policy, arn, issuer, clusters.get(issuer), client_ids.get(arn), {})
        # The principal and the action depend on no token.
        bare = [each._replace(conditions=()) for each in policy.statements]
        request = WebIdentityRequest(f"https://{issuer}", arn, subject_claim("any:any"), "any")
        evaluated = evaluate_parsed(policy.version, bare, request).statements
        statements = {each.index: policy.statements[each.index] for each in evaluated if each.matched is not False}
        trust = trust._replace(statements=statements)
        if trust.allowing:
            yield trust


class Claims:
    """The service accounts of a cluster, by the `sub` of their tokens. A set of them is an integer: a bit for each."""

    def __init__(self, service_accounts: Iterable[LiveServiceAccount]) -> None:
        """Sort the service accounts by `sub`: those with the same beginning stand together."""
        by_claim = {subject_claim(subject_of(each.namespace, each.name)): each for each in service_accounts}
        self._claims = sorted(by_claim)
        self.service_accounts = tuple(by_claim[each] for each in self._claims)
        self.everybody = (1 << len(self._claims)) - 1
        self._bits = {claim: 1 << index for index, claim in enumerate(self._claims)}
        self._lower: dict[str, int] = {}
        for claim, bit in self._bits.items():
            self._lower[claim.lower()] = self._lower.get(claim.lower(), 0) | bit
        self._matching: dict[str, int] = {}
        self._names: dict[int, tuple[str, ...]] = {}

    def bit(self, service_account: LiveServiceAccount) -> int:
        """Return the set of one service account."""
        return self._bits[subject_claim(subject_of(service_account.namespace, service_account.name))]

    def equal(self, value: str, comparison: str) -> int:
        """Return whose `sub` a condition's value is, or matches.

        Args:
            value: The value, without policy variables.
            comparison: `Equals`, `EqualsIgnoreCase` or `Like`.
        """
        if comparison == "EqualsIgnoreCase":
            return self._lower.get(value.lower(), 0)
        if comparison == "Equals" or not WILDCARDS.search(value):
            return self._bits.get(value, 0)
        if value not in self._matching:
            self._matching[value] = self._like(value)
        return self._matching[value]

    def _like(self, pattern: str) -> int:
        beginning = WILDCARDS.split(pattern, maxsplit=1)[0]
        start = bisect.bisect_left(self._claims, beginning)
        end = bisect.bisect_left(self._claims, beginning + LAST_CHARACTER)
        if not pattern[len(beginning) :].strip("*"):
            return (1 << end) - (1 << start)
        match = regular_expression(pattern).fullmatch
        return sum(1 << index for index in range(start, end) if match(self._claims[index]))

    def divided(self, sets: Iterable[int]) -> list[int]:
        """Return the largest groups of which each is within, or outside of, each of these sets."""
        groups = [self.everybody] if self.everybody else []
        for each in dict.fromkeys(sets):
            groups = [part for group in groups for part in (group & each, group & ~each) if part]
        return groups

    def one_by_one(self) -> list[int]:
        """Return a group for each service account."""
        return list(self._bits.values())

    def members(self, group: int) -> Iterator[LiveServiceAccount]:
        """Yield the service accounts of a group, in the order of `sub`."""
        while group:
            lowest = group & -group
            yield self.service_accounts[lowest.bit_length() - 1]
            group ^= lowest

    def names(self, group: int) -> tuple[str, ...]:
        """Return the service accounts of a group, each as `namespace/name`. Equal groups share one tuple."""
        if group not in self._names:
            self._names[group] = tuple(map(str, self.members(group)))
        return self._names[group]

    @functools.cached_property
    def by_namespace(self) -> Mapping[str, int]:
        """The service accounts of each namespace."""
        found: dict[str, int] = {}
        for each in self.service_accounts:
            found[each.namespace] = found.get(each.namespace, 0) | self.bit(each)
        return found


def admitted(trust: Trust, claims: Claims) -> list[Admitted]:
    """Return which service accounts a role admits, or may admit.

    Args:
        trust: What the role says to the tokens of the cluster.
        claims: The cluster's service accounts.
    """
    if not trust.client_ids:
        return []
    meeting = {index: _meeting(trust, each, claims) for index, each in trust.statements.items()}
    if all(each is not None for each in meeting.values()):
        groups = claims.divided(each for each in meeting.values() if each is not None)
    else:
        groups = claims.one_by_one()
    found: dict[tuple[Decision, tuple[str, ...], str, str], int] = {}
    for group in groups:
        applying = {
            index: statement
            for index, statement in trust.statements.items()
            if (those := meeting[index]) is None or group & those
        }
        if not any(each.effect == "Allow" for each in applying.values()):
            continue
        first = next(claims.members(group))
        answer = _answer(trust, applying, subject_of(first.namespace, first.name), trust.client_ids)
        if answer:
            found[answer] = found.get(answer, 0) | group
    return [Admitted(trust, group, *answer) for answer, group in found.items()]


def _meeting(trust: Trust, statement: Statement, claims: Claims) -> int | None:
    """Return the service accounts that meet a statement's conditions on `sub`; None where each is to be asked about."""
    variables = trust.policy.version == VERSION
    key = f"{trust.issuer}:sub".lower()
    if variables and any("${" in each and key in each.lower() for one in statement.conditions for each in one.wanted):
        return None
    found = claims.everybody
    for condition in trust.conditions(statement, "sub"):
        operator = split_operator(condition.operator)
        if operator is None or operator.name == "Null" or not condition.wanted:
            # Whatever `sub` is, it is there, and the answer is the same.
            continue
        if operator.name not in COMPARED or (variables and any("${" in each for each in condition.wanted)):
            return None
        comparison, negated = COMPARED[operator.name]
        equal = 0
        for value in condition.wanted:
            equal |= claims.equal(value, comparison)
        found &= ~equal if negated else equal
    return found


def _answer(
    trust: Trust, statements: Mapping[int, Statement], subject: str, audiences: Iterable[str]
) -> tuple[Decision, tuple[str, ...], str, str] | None:
    """Return decision, audiences, reason and documentation for a service account; None where it is refused."""
    places = list(statements)
    by_decision: dict[Decision, dict[str, Evaluation]] = {}
    for audience in sorted({*audiences}):
        request = WebIdentityRequest(f"https://{trust.issuer}", trust.provider_arn, subject_claim(subject), audience)
        evaluation = evaluate_parsed(trust.policy.version, statements.values(), request)
        by_decision.setdefault(evaluation.decision, {})[audience] = evaluation
    for decision in (Decision.ALLOWED, Decision.CANNOT_DECIDE):
        answers = by_decision.get(decision)
        if answers:
            reasons = [each for evaluation in answers.values() for each in _reasons(trust, evaluation, places)]
            page = next((page for _, page in reasons if page), DOCUMENTATION["decision"])
            return decision, tuple(answers), "; ".join(dict.fromkeys(text for text, _ in reasons)), page
    return None


def _reasons(trust: Trust, evaluation: Evaluation, places: Sequence[int]) -> Iterator[tuple[str, str]]:
    """Yield what decides, or what is not known; and the page that states the rule, where it is not IAM's decision."""
    for each in evaluation.statements:
        text = statement_text(trust, places[each.index])
        if each.matched and each.effect == "Allow":
            yield text, ""
        elif each.matched is None and evaluation.decision is Decision.CANNOT_DECIDE:
            unknown = [reason for reason in each.reasons if reason.outcome is None]
            verb = "deny" if each.effect == "Deny" else "allow"
            why = " ".join(reason.explanation for reason in unknown)
            yield f"{text}; it may {verb} it: {why}", unknown[0].documentation


def statement_text(trust: Trust, index: int) -> str:
    """Return a statement in short: `statement 1 (Sid): StringEquals aud sts.amazonaws.com, StringLike sub ...`."""
    return f"{place_text(trust, index)}: {_conditions_text(trust, index)}"


def place_text(trust: Trust, index: int) -> str:
    """Return which statement it is: `statement 1`, and its Sid."""
    sid = trust.policy.statements[index].sid
    return f"statement {index + 1}{f' ({named(sid)})' if sid else ''}"


def _conditions_text(trust: Trust, index: int) -> str:
    statement = trust.policy.statements[index]
    parts = ['the principal "*"'] if ANYBODY & {*statement.principals} else []
    parts += [_condition_text(trust, each) for each in statement.conditions]
    return ", ".join(parts) or "no condition"


def _condition_text(trust: Trust, condition: Condition) -> str:
    key = named(short_key(condition.key, trust.issuer))
    return f"{named(condition.operator)} {key} {listed(condition.wanted) or 'no value'}"
