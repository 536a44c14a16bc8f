"""Whom a trust policy admits: the service accounts that it names, and those that nobody named."""

import re
import string
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from irsa.evaluation.answers import Decision, WebIdentityRequest
from irsa.evaluation.decision import evaluate_parsed
from irsa.evaluation.document import Statement, parse
from irsa.evaluation.patterns import ends_of_match, pattern_of
from irsa.rules.arns import issuer_of_provider
from irsa.rules.grammar import split_operator
from irsa.rules.mistakes import Mistake
from irsa.rules.names import NAMESPACE, SERVICE_ACCOUNT
from irsa.rules.strangers import stranger
from irsa.rules.subjects import CLAIM_PREFIX, EVERY_SERVICE_ACCOUNT, is_pattern, subject_claim

# What stands for a wildcard where a pattern is tried. STS takes any audience that the OIDC provider lists.
FILLING = "strangerzq"
# The same where that name may be denied: so often a character that no condition names.
LENGTHS = (9, 14)
# Further wildcards of one pattern stand for nothing, so that the name stays a short one.
MOST_FILLED = 8


class Admitted(NamedTuple):
    """Service accounts that a trust policy admits.

    Attributes:
        subject: A `namespace:name` pattern; `*:*` stands for accounts that no condition names, too.
        provider_arn: The IAM OIDC provider by which their tokens come.
        certain: False where the answer depends on what is not known here.
        statements: Indexes of the Allow statements that admit them, or may.
    """

    subject: str
    provider_arn: str
    certain: bool
    statements: tuple[int, ...]


class Admission(NamedTuple):
    """What a trust policy says to the service accounts of a role's clusters, and of each other provider that it names.

    Attributes:
        admitted: Whom it admits, or may.
        refused: The exact subjects of the role that one of its clusters' providers can't get in.
        subjects: The patterns that it admits by the clusters' providers, sorted; None where that can't be told.
    """

    admitted: tuple[Admitted, ...]
    refused: tuple[str, ...]
    subjects: list[str] | None


def admission(document: str, provider_arns: Collection[str], subjects: Collection[str], audience: str) -> Admission:
    """Return whom a trust policy admits.

    A pattern in a condition on `sub` is tried by some of its names, everybody else by one account that no pattern
    matches. Each is tried with every audience that a condition names, and others, since whoever has a token chose its
    audience.

    Args:
        document: The trust policy.
        provider_arns: The OIDC providers of the role's clusters.
        subjects: The `namespace:name` patterns that the role is for.
        audience: The role's audience.

    Raises:
        TrustDocumentError: IAM would not accept the document.
    """
    version, statements = parse(document)

    def answer(provider_arn: str, service_account: str, audience: str) -> tuple[Decision, set[int]]:
        issuer = f"https://{issuer_of_provider(provider_arn)}"
        request = WebIdentityRequest(issuer, provider_arn, subject_claim(service_account), audience)
        evaluation = evaluate_parsed(version, statements, request)
        allowing = (each for each in evaluation.statements if each.effect == "Allow" and each.matched is not False)
        return evaluation.decision, {each.index for each in allowing}

    admitted: list[Admitted] = []
    for provider_arn in sorted({*provider_arns, *_providers(statements)}):
        audiences = sorted({audience, *_audiences(statements, provider_arn)})
        for subject, service_accounts in sorted(_tried(statements, provider_arn).items()):
            answers = [answer(provider_arn, name, each) for name in service_accounts for each in audiences]
            positive = [(decision, by) for decision, by in answers if decision is not Decision.DENIED]
            if positive:
                certain = any(decision is Decision.ALLOWED for decision, _ in positive)
                by = sorted(set[int]().union(*(by for _, by in positive)))
                admitted.append(Admitted(subject, provider_arn, certain, tuple(by)))
    refused = [
        subject
        for subject in subjects
        if not is_pattern(subject)
        and any(answer(provider_arn, subject, audience)[0] is Decision.DENIED for provider_arn in provider_arns)
    ]
    own = [each for each in admitted if each.provider_arn in provider_arns]
    # A subject of the role may have further conditions; whether somebody else is admitted must be known.
    known = all(each.certain or each.subject in subjects for each in own)
    return Admission(tuple(admitted), tuple(refused), sorted({each.subject for each in own}) if known else None)


def opening_statements(admitted: Iterable[Admitted], first: int) -> dict[int, bool]:
    """Return the statements that let in all service accounts of a cluster, and whether that is certain.

    Args:
        admitted: Whom the trust policy admits.
        first: Index of the first statement to ask about; what those before it let in is meant to be let in.
    """
    by_provider: dict[str, list[Admitted]] = {}
    for each in admitted:
        by_provider.setdefault(each.provider_arn, []).append(each)
    found: dict[int, bool] = {}
    for of_provider in by_provider.values():
        further = [each for each in of_provider if each.statements[0] >= first]
        if further and stranger({each.subject for each in of_provider}) is None:
            for each in further:
                found |= {index: each.certain or found.get(index, False) for index in each.statements}
    return found


def _providers(statements: Iterable[Statement]) -> Iterator[str]:
    """Yield the OIDC providers that Allow statements name."""
    for statement in statements:
        for type_, name in statement.principals if statement.effect == "Allow" else ():
            if type_ == "Federated":
                try:
                    issuer_of_provider(name)
                except Mistake:
                    continue
                yield name


def _tried(statements: Iterable[Statement], provider_arn: str) -> dict[str, Sequence[str]]:
    """Return the patterns of service accounts that Allow statements name, and `*:*`, each with accounts to try."""
    key = f"{issuer_of_provider(provider_arn)}:sub"
    values = [*_values(statements, key)]
    mentioned = {subject for _, value in values for subject in subjects_of_claim(value)}
    named = {subject for names, value in values if names for subject in subjects_of_claim(value)}
    fillings = [FILLING] if all(names for names, _ in values) else _fillings(value for _, value in values)
    tried: dict[str, Sequence[str]] = {subject: _filled(subject, fillings) for subject in named}
    unnamed = stranger(mentioned) or stranger(named)
    return tried if unnamed is None else {**tried, EVERY_SERVICE_ACCOUNT: [unnamed]}


def _audiences(statements: Iterable[Statement], provider_arn: str) -> set[str]:
    values = [value for _, value in _values(statements, f"{issuer_of_provider(provider_arn)}:aud")]
    fillings = _fillings(values)
    return {audience for value in ("*", *values) for audience in _filled(value, fillings)}


def _fillings(patterns: Iterable[str]) -> list[str]:
    """Return what may stand for a wildcard; conditions that name FILLING, to deny it, do not name the others."""
    named = set("".join(patterns))
    unnamed = next((each for each in string.ascii_lowercase + string.digits if each not in named), FILLING[0])
    return [FILLING, *(unnamed * length for length in LENGTHS)]


def _filled(pattern: str, fillings: Iterable[str]) -> list[str]:
    filled = (pattern.replace("*", each, MOST_FILLED).replace("*", "").replace("?", each[0]) for each in fillings)
    return list(dict.fromkeys(filled))


def _values(statements: Iterable[Statement], key: str) -> Iterator[tuple[bool, str]]:
    """Yield the patterns with which statements compare a key, and whether one allows what it matches."""
    for statement in statements:
        for condition in statement.conditions:
            operator = split_operator(condition.operator)
            if operator is None or condition.key.lower() != key.lower():
                continue
            for value in condition.wanted:
                # For the other operators * and ? are plain characters, which no service account has.
                if operator.name.endswith("Like") or not is_pattern(value):
                    text = value.lower() if operator.name.endswith("IgnoreCase") else value
                    yield statement.effect == "Allow" and "Not" not in operator.name, text


def subjects_of_claim(claim: str) -> Iterator[str]:
    """Yield the `namespace:name` patterns that a pattern of `sub` amounts to, whatever its wildcards stand for."""
    # As IAM reads it, `**` is `*`; each of very many would be a way of its own.
    claim = re.sub(r"\*+", "*", claim)
    for end in ends_of_match(CLAIM_PREFIX, pattern_of(claim, wildcards=True)):
        yield from _with_one_colon(claim[end:])
        if claim[end - 1] == "*":
            yield from _with_one_colon(claim[end - 1 :])


def _with_one_colon(rest: str) -> Iterator[str]:
    if rest.count(":") > 1:
        return
    ways = [rest]
    if ":" not in rest:
        between = {"*": "*:*", "?": ":"}
        ways = [rest[:at] + between[rest[at]] + rest[at + 1 :] for at in range(len(rest)) if rest[at] in between]
    yield from (subject for subject in ways if _has_names(*subject.split(":")))


def _has_names(namespace: str, name: str = "") -> bool:
    """Return whether some service account has a name like this, and its namespace."""
    longest = ((namespace, NAMESPACE.longest), (name, SERVICE_ACCOUNT.longest))
    return all(part and len(part) - part.count("*") <= most for part, most in longest)
