"""Whom a trust policy admits: the service accounts of a role's clusters, and those of others."""

import contextlib
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from irsa.evaluation.document import Statement, parse
from irsa.evaluation.grants import Admitted, admitted_by, grants
from irsa.evaluation.named_by import crowd_of
from irsa.rules.arns import issuer_of_provider, oidc_provider_arn, parse_iam_arn
from irsa.rules.mistakes import Mistake, named
from irsa.rules.subjects import is_pattern

# So many exceptions are named in a message.
NAMED = 5


class Admission(NamedTuple):
    """What a trust policy says to the service accounts of a role's clusters, and of each other provider that it names.

    Attributes:
        admitted: Whom it admits, or may.
        refused: The exact subjects of the role that one of its clusters' providers can't get in.
        subjects: The patterns that it admits by the clusters' providers, sorted; None where that can't be told.
        has_exceptions: Whether it denies some within these patterns.
    """

    admitted: tuple[Admitted, ...] = ()
    refused: tuple[str, ...] = ()
    subjects: list[str] | None = None
    has_exceptions: bool = False


def admission(document: str, provider_arns: Collection[str], subjects: Collection[str], audience: str) -> Admission:
    """Return whom a trust policy admits, with whatever audience: whoever has a token chose it.

    Args:
        document: The trust policy.
        provider_arns: The OIDC providers of the role's clusters.
        subjects: The `namespace:name` patterns that the role is for.
        audience: The role's audience.

    Raises:
        TrustDocumentError: IAM would not accept the document.
    """
    parsed = parse(document)
    # No service account of a cluster has a token of GitHub's.
    others = {each for each in providers_of(parsed[1], provider_arns) if crowd_of(("Federated", each)) is None}
    providers = (*sorted(provider_arns), *sorted(others - {*provider_arns}))
    admitted = [each for arn in providers for each in admitted_by(parsed, arn, None)]
    by_clusters = [each for each in admitted if each.provider_arn in provider_arns]
    # A subject of the role may have further conditions; whether somebody else is admitted must be known.
    known = all(each.certain or each.subject in subjects for each in by_clusters)
    own = [grants(parsed, arn, [audience]) for arn in provider_arns]
    exact = [subject for subject in subjects if not is_pattern(subject)]
    return Admission(
        tuple(admitted),
        tuple(each for each in exact if any(of.answer(each).given is False for of in own)),
        sorted({each.subject for each in by_clusters}) if known else None,
        known and any(each.denied for each in by_clusters),
    )


def but_those(admitted: Iterable[Admitted]) -> str:
    """Return who is not admitted, for a sentence that names more than are: `, but not kube-system:*`; or nothing."""
    which = _denied(admitted)
    names = [*map(named, which[:NAMED]), *([f"{len(which) - NAMED:,} more"] if len(which) > NAMED else [])]
    return f", but not {', '.join(names)}" if names else ""


def _denied(admitted: Iterable[Admitted]) -> list[str]:
    """Return the exceptions that are those of each OIDC provider: whom one cluster shuts out another may let in."""
    by_provider: dict[str, set[str]] = {}
    for each in admitted:
        by_provider.setdefault(each.provider_arn, set()).update(each.denied)
    return sorted(set.intersection(*by_provider.values())) if by_provider else []


def providers_of(statements: Iterable[Statement], known: Collection[str] = ()) -> Iterator[str]:
    """Yield the OIDC providers that Allow statements name: as the principal, or in the keys of a statement for anybody.

    Args:
        statements: The statements.
        known: Other OIDC providers in the role's AWS account.
    """
    account = [parse_iam_arn(arn, "oidc-provider") for arn in known][:1]
    for statement in statements:
        if statement.effect != "Allow":
            continue
        names = [name for type_, name in statement.principals if type_ == "Federated"]
        if {("*", "*"), ("AWS", "*")} & {*statement.principals}:
            keys = [each.key.rpartition(":") for each in statement.conditions]
            issuers = [issuer for issuer, _, claim in keys if claim.lower() in ("aud", "sub") and "." in issuer]
            names += [
                oidc_provider_arn(each.partition, each.account_id, issuer) for issuer in issuers for each in account
            ]
        for name in names:
            with contextlib.suppress(Mistake):
                issuer_of_provider(name)
                yield name
