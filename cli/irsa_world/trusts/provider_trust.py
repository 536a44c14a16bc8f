"""What a trust policy says to the tokens of one OIDC provider. Pure."""

import functools
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from irsa.evaluation import Evaluation, WebIdentityRequest, short_key
from irsa.evaluation.conditions import known_of
from irsa.evaluation.decision import evaluate_parsed, statement_outcome
from irsa.evaluation.document import Condition, Parsed, Statement
from irsa.rules.arns import issuer_of_provider, oidc_provider_arn
from irsa.rules.grammar import VERSION
from irsa.rules.mistakes import Mistake, listed, named
from irsa.rules.subjects import CLAIM_PREFIX, WILDCARDS, subject_claim
from irsa.rules.trust import ACTION
from irsa_world.issuers import eks_region

Principal = tuple[str, str]
# Principals with which a statement is for every OIDC provider of the AWS account, or may be.
ANYBODY = frozenset({("*", "*"), ("AWS", "*"), ("Federated", "*")})


@dataclass(frozen=True, eq=False)
class ProviderTrust:
    """What a trust policy says to the tokens of one OIDC provider.

    Attributes:
        parsed: Version and statements of the trust policy.
        provider_arn: ARN of the provider.
        issuer: Its issuer, without `https://`.
        client_ids: The audiences that the provider lists; None where the role's AWS account has no such provider.
        statements: The statements for this provider and for sts:AssumeRoleWithWebIdentity, by their place.
    """

    parsed: Parsed
    provider_arn: str
    issuer: str
    client_ids: tuple[str, ...] | None
    statements: Mapping[int, Statement]

    @functools.cached_property
    def allowing(self) -> dict[int, Statement]:
        """The statements that allow."""
        return {index: each for index, each in self.statements.items() if each.effect == "Allow"}

    @functools.cached_property
    def compared(self) -> list["ClaimCondition"]:
        """The conditions that compare `aud` or `sub` of this provider's tokens with values."""
        claims = {f"{self.issuer}:{claim}".lower(): claim for claim in ("aud", "sub")}
        return [
            ClaimCondition(place, claims[key], condition, statement.effect == "Allow" and not condition.negated)
            for place, statement in self.statements.items()
            for condition in statement.conditions
            if (key := condition.key.lower()) in claims and condition.comparison
        ]

    def naming(self, claim: str) -> list["ClaimCondition"]:
        """Return those of Allow statements that name values of a claim; those that exclude values do not."""
        return [each for each in self.compared if each.names and each.claim == claim]

    def evaluated(self, subject: str, audience: str, statements: Iterable[Statement] | None = None) -> Evaluation:
        """Return the evaluation of all statements, or some, for a token of a service account, `namespace:name`."""
        request = WebIdentityRequest(self.provider_arn, subject_claim(subject), audience)
        return evaluate_parsed(self.parsed[0], self.parsed[1] if statements is None else statements, request)


class ClaimCondition(NamedTuple):
    """A condition that compares a claim with values: its statement's place, and whether that allows by such a value."""

    place: int
    claim: str
    condition: Condition
    names: bool


@functools.lru_cache(maxsize=100)
def exact_subjects(trust: ProviderTrust) -> Mapping[str, int]:
    """Return the values of `sub` that allowing statements name without a wildcard, each with the statement's place."""
    return {
        value.lower() if each.condition.comparison == "EqualsIgnoreCase" else value: each.place
        for each in trust.naming("sub")
        for value in each.condition.wanted
        if not WILDCARDS.search(value) and "${" not in value
    }


def is_of_kubernetes(trust: ProviderTrust) -> bool:
    """Return whether an OIDC provider is of a Kubernetes cluster, as far as its issuer or the trust policy tells."""
    values = (value for each in trust.naming("sub") for value in each.condition.wanted)
    return bool(eks_region(trust.issuer)) or any(value.startswith(CLAIM_PREFIX) for value in values)


def place_text(trust: ProviderTrust, index: int) -> str:
    """Return which statement it is: `statement 1`, and its Sid."""
    sid = trust.parsed[1][index].sid
    return f"statement {index + 1}{f' ({named(sid)})' if sid else ''}"


def statement_text(trust: ProviderTrust, index: int) -> str:
    """Return a statement in short: `statement 1 (Sid): StringEquals aud sts.amazonaws.com, StringLike sub ...`."""
    statement = trust.parsed[1][index]
    parts = ['the principal "*"'] if ANYBODY & {*statement.principals} else []
    parts += [
        f"{named(each.operator)} {named(short_key(each.key, trust.issuer))} {listed(each.wanted) or 'no value'}"
        for each in statement.conditions
    ]
    return f"{place_text(trust, index)}: {', '.join(parts) or 'no condition'}"


def allowed_principals(statements: Iterable[Statement]) -> set[Principal]:
    """Return the principals of the statements that allow, as types and names."""
    return {each for statement in statements if statement.effect == "Allow" for each in statement.principals}


def trusts_of(
    parsed: Parsed,
    partition: str,
    aws_account: str,
    client_ids: Mapping[str, tuple[str, ...]],
    issuers: Collection[str],
) -> Iterator[ProviderTrust]:
    """Yield what a trust policy says to the tokens of each OIDC provider that it names, or of which a cluster is.

    Only where a statement allows sts:AssumeRoleWithWebIdentity, whatever its conditions. The audiences are those of
    the OIDC providers in the role's AWS account, by ARN, and the issuers those of clusters, without `https://`.
    """
    version, statements = parsed
    principals = allowed_principals(statements)
    providers = {name for type_, name in principals if type_ == "Federated"}
    if principals & ANYBODY:
        own = (oidc_provider_arn(partition, aws_account, each) for each in issuers)
        providers |= {arn for arn in own if arn in client_ids}
    # The principal and the action depend on no token.
    bare = [each._replace(conditions=()) for each in statements]
    for arn in sorted(providers):
        try:
            issuer = issuer_of_provider(arn)
        except Mistake:
            # `cognito-identity.amazonaws.com` or a SAML provider: no token of a cluster comes through these.
            continue
        request = WebIdentityRequest(arn, subject_claim("any:any"), "any")
        known = known_of(request, version == VERSION)
        found = {
            place: statements[place]
            for place, each in enumerate(bare)
            if statement_outcome(each, known, ACTION) is not False
        }
        if any(each.effect == "Allow" for each in found.values()):
            yield ProviderTrust(parsed, arn, issuer, client_ids.get(arn), found)
