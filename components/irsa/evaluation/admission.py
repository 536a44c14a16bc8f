"""Whom a trust policy admits: patterns of service accounts, over all its statements at once."""

import contextlib
import functools
import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from irsa.evaluation.cover import Within, cover, subjects_within
from irsa.evaluation.document import Parsed, Statement, parse
from irsa.evaluation.kinds import MOST_STATES, Kinds, union
from irsa.evaluation.named_by import crowd_of, crowds
from irsa.evaluation.representatives import Admits, Asked, OfTokens, admits, asked, audiences
from irsa.rules.arns import issuer_of_provider, oidc_provider_arn, parse_iam_arn
from irsa.rules.grammar import VERSION
from irsa.rules.mistakes import Mistake, named
from irsa.rules.strangers import stranger
from irsa.rules.subjects import is_pattern, subject_claim

TOO_MANY_PATTERNS = (
    "irsa cannot list who may assume the role: the patterns of the trust policy combine in too many ways"
)
# So many exceptions are named in a message.
NAMED = 5
# For all pieces of a document.
MOST_STATES_OF_PIECES = 100_000


class Admitted(NamedTuple):
    """Service accounts that a trust policy admits.

    Attributes:
        subject: A `namespace:name` pattern that some of them match, and no other service account if it is exact.
        provider_arn: The IAM OIDC provider by which their tokens come.
        certain: False where it depends on what is not known here whether any of them is admitted.
        statements: Indexes of the Allow statements that admit them, or may.
        exact: Whether the same is true of all whom the pattern matches.
        denied: Where it is not, patterns of those who are not admitted, as far as patterns can say it.
        denied_are_all: Whether these patterns say it of all of them.
    """

    subject: str
    provider_arn: str
    certain: bool
    statements: tuple[int, ...]
    exact: bool = True
    denied: tuple[str, ...] = ()
    denied_are_all: bool = True


class Admission(NamedTuple):
    """What a trust policy says to the service accounts of a role's clusters, and of each other provider that it names.

    Attributes:
        admitted: Whom it admits, or may.
        refused: The exact subjects of the role that one of its clusters' providers can't get in.
        subjects: The patterns that it admits by the clusters' providers, sorted; None where that can't be told.
        denied: Patterns within these that it denies; None where each of these is exact.
        crowds: The statements that let in others, whom nobody knows: who they are, and whether that is certain.
        complete: False where its patterns combine in too many ways to tell all of this.
    """

    admitted: tuple[Admitted, ...] = ()
    refused: tuple[str, ...] = ()
    subjects: list[str] | None = None
    denied: list[str] | None = None
    crowds: tuple[tuple[int, str, bool], ...] = ()
    complete: bool = True


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
    admitted: list[Admitted] = []
    unfinished = 0
    # No service account of a cluster has a token of GitHub's.
    others = {each for each in providers_of(parsed[1], provider_arns) if crowd_of(("Federated", each)) is None}
    for provider_arn in (*sorted(provider_arns), *sorted(others - {*provider_arns})):
        found, complete = admitted_by(parsed, provider_arn, None, subjects)
        admitted += found
        unfinished += not complete
        # A policy of many such providers takes no longer.
        if unfinished > 1:
            break
    exact = [subject for subject in subjects if not is_pattern(subject)]
    by_clusters = [each for each in admitted if each.provider_arn in provider_arns]
    # A subject of the role may have further conditions; whether somebody else is admitted must be known.
    known = not unfinished and all(each.certain or each.subject in subjects for each in by_clusters)
    inexact = [each for each in by_clusters if not each.exact]
    return Admission(
        tuple(admitted),
        tuple(_refused(parsed, provider_arns, exact, audience)),
        sorted({each.subject for each in by_clusters}) if known else None,
        _of_all(by_clusters, lambda each: each.denied) if known and inexact else None,
        tuple(
            (place, crowd.noun, certain)
            for place, crowd, certain in crowds(dict(enumerate(parsed[1])), parsed[0] == VERSION)
        ),
        not unfinished,
    )


def opening_statements(admitted: Iterable[Admitted], first: int) -> dict[int, list[Admitted]]:
    """Return the statements that let in the service accounts of a whole cluster, with whom they let in.

    Args:
        admitted: Whom the trust policy admits.
        first: Index of the first statement to ask about; what those before it let in is meant to be let in.
    """
    by_provider: dict[str, list[Admitted]] = {}
    for each in admitted:
        by_provider.setdefault(each.provider_arn, []).append(each)
    found: dict[int, list[Admitted]] = {}
    for of_provider in by_provider.values():
        by_statement: dict[int, list[Admitted]] = {}
        for each in of_provider:
            for index in each.statements if each.statements[0] >= first else ():
                by_statement.setdefault(index, []).append(each)
        alone = {index: those for index, those in by_statement.items() if _leave_nobody_out(those)}
        # Several may do together what none of them does.
        for index, those in (alone or (by_statement if _leave_nobody_out(of_provider) else {})).items():
            found.setdefault(index, []).extend(those)
    return found


def _leave_nobody_out(admitted: Iterable[Admitted]) -> bool:
    return stranger({each.subject for each in admitted}) is None


def but_those(admitted: Iterable[Admitted]) -> str:
    """Return who is not admitted, for a sentence that names more than are: `, but not kube-system:*`; or nothing."""
    admitted = [*admitted]
    which = _of_all(admitted, lambda each: each.denied)
    others = [] if all(each.exact or each.denied_are_all for each in admitted) else ["others"]
    more = [f"{len(which) - NAMED:,} more"] if len(which) > NAMED else []
    names = [*map(named, which[:NAMED]), *more, *others]
    return f", but not {', '.join(names)}" if names else ""


def _of_all(admitted: Collection[Admitted], exceptions: Callable[[Admitted], Iterable[str]]) -> list[str]:
    """Return the exceptions that are those of each OIDC provider: whom one cluster shuts out another may let in."""
    by_provider: dict[str, set[str]] = {}
    for each in admitted:
        by_provider.setdefault(each.provider_arn, set()).update(exceptions(each))
    return sorted(set.intersection(*by_provider.values())) if by_provider else []


def admitted_by(
    parsed: Parsed, provider_arn: str, client_ids: Collection[str] | None, subjects: Iterable[str] = ()
) -> tuple[list[Admitted], bool]:
    """Return whom a trust policy admits by the tokens of one OIDC provider, and whether that is everybody.

    Args:
        parsed: Version and statements of the trust policy.
        provider_arn: The provider.
        client_ids: The audiences that it lists; None for any.
        subjects: Patterns that are admitted if all are admitted whom they match, though a wider one says it already.
    """
    of = asked(parsed, provider_arn)
    allowing = [each for each in of.statements if each.effect == "Allow"]
    if not allowing:
        return [], True
    whole = _admitted_by(of, provider_arn, client_ids, subjects)
    if whole is not None:
        return whole, True
    # Too much at once. Whoever is let in is let in by one value of one statement, against those that deny.
    denying = tuple(each for each in of.statements if each.effect == "Deny")
    found: dict[str, Admitted] = {}
    complete = True
    pieces = [*itertools.chain.from_iterable(map(_pieces, allowing))]
    most_states = min(500, MOST_STATES_OF_PIECES // len(pieces))
    for piece in pieces:
        admitted = _admitted_by(
            of._replace(statements=(piece, *denying)), provider_arn, client_ids, subjects, most_states
        )
        complete &= admitted is not None
        for each in admitted or ():
            before = found.get(each.subject, each)
            certain = each.certain or before.certain
            exact = any(one.exact for one in (each, before) if one.certain == certain)
            places = tuple(sorted({*each.statements, *before.statements}))
            # Who is not let in by one value may be by another.
            found[each.subject] = Admitted(each.subject, provider_arn, certain, places, exact, (), exact)
    return sorted(found.values()), complete


def _pieces(allow: OfTokens) -> Iterator[OfTokens]:
    """Yield a statement for each value of the condition on `sub` that has most of them."""
    longest = max((each for each in allow.sub if not each.negated), key=lambda each: len(each.wanted), default=None)
    if longest is None:
        yield allow
        return
    others = tuple(each for each in allow.sub if each is not longest)
    yield from (allow._replace(sub=(longest._replace(wanted=(each,)), *others)) for each in longest.wanted)


def _admitted_by(
    of: Asked,
    provider_arn: str,
    client_ids: Collection[str] | None,
    subjects: Iterable[str],
    most_states: int = MOST_STATES,
) -> list[Admitted] | None:
    """Return whom statements admit; None where it is too much to tell."""
    taken = audiences(of, client_ids, most_states)
    if taken is None:
        return None
    patterns = of.patterns("sub")

    @functools.cache
    def answered(found: Kinds) -> Admits:
        return admits(of, found.claims, taken)

    found = cover(patterns, lambda those: answered(those).possible_by, most_states)
    if found is None:
        return None
    everybody, covered = found
    answer = answered(everybody)
    matching = {subject: those for each in covered.values() for subject, those in each.items()}
    by_subject: dict[str, set[int]] = {}
    for index, subjects_of_statement in covered.items():
        for subject in subjects_of_statement:
            by_subject.setdefault(subject, set()).add(index)
    exact = {tuple(subject_claim(subject)): subject for subject in subjects}
    naming = {
        each.place: {pattern for one in each.sub if not one.negated for pattern in of.compared(one)}
        for each in of.statements
    }
    for pattern, those in zip(patterns, everybody.matching, strict=False):
        if pattern in exact and those and not those & ~answer.possible:
            indexes = {i for i, admitted_by_it in answer.possible_by.items() if those & admitted_by_it}
            if indexes := indexes & {place for place, those in naming.items() if pattern in those}:
                matching[exact[pattern]] = those
                by_subject.setdefault(exact[pattern], set()).update(indexes)
    certain = {
        subject: any(matching[subject] & answer.certain_by[index] for index in indexes)
        for subject, indexes in by_subject.items()
    }
    inexact = [
        subject
        for subject in by_subject
        if matching[subject] & ~(answer.certain if certain[subject] else answer.possible)
    ]
    nobody = everybody.all & ~answer.possible
    within = subjects_within(patterns, everybody, nobody, [matching[subject] for subject in inexact])
    exceptions = dict(zip(inexact, within, strict=True))
    return [
        Admitted(
            subject,
            provider_arn,
            certain[subject],
            tuple(sorted(indexes)),
            subject not in exceptions,
            *exceptions.get(subject, Within()),
        )
        for subject, indexes in sorted(by_subject.items())
    ]


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


def _refused(parsed: Parsed, provider_arns: Iterable[str], subjects: Sequence[str], audience: str) -> list[str]:
    """Return those of exact subjects that a provider's tokens of an audience can't get in."""
    claims = {subject_claim(subject): 1 << index for index, subject in enumerate(subjects)}
    admitted = union(claims.values())
    for provider_arn in provider_arns if subjects else ():
        admitted &= admits(asked(parsed, provider_arn), claims, [audience]).possible
    return [each for index, each in enumerate(subjects) if not admitted >> index & 1]
