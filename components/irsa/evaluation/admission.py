"""Whom a trust policy admits: patterns of service accounts, over all its statements at once."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from irsa.evaluation.comparisons import Admits, Compared, Parsed, admits, audiences, compared, compared_with
from irsa.evaluation.cover import cover, of_subjects, subjects_within
from irsa.evaluation.document import Statement, parse
from irsa.evaluation.kinds import Kinds, Parts
from irsa.evaluation.named_by import crowd_of, names_somebody
from irsa.rules.arns import issuer_of_provider
from irsa.rules.grammar import VERSION
from irsa.rules.mistakes import Mistake, shortened
from irsa.rules.strangers import stranger
from irsa.rules.subjects import is_pattern, subject_claim

TOO_MANY_PATTERNS = "irsa cannot tell whom the trust policy admits: its patterns combine in too many ways"


class Admitted(NamedTuple):
    """Service accounts that a trust policy admits.

    Attributes:
        subject: A `namespace:name` pattern that some of them match, and no other service account if it is exact.
        provider_arn: The IAM OIDC provider by which their tokens come.
        certain: False where it depends on what is not known here whether any of them is admitted.
        statements: Indexes of the Allow statements that admit them, or may.
        exact: Whether the same is true of all whom the pattern matches.
        denied: Where it is not, patterns of those who are denied, if patterns can say it.
    """

    subject: str
    provider_arn: str
    certain: bool
    statements: tuple[int, ...]
    exact: bool = True
    denied: tuple[str, ...] = ()


class Admission(NamedTuple):
    """What a trust policy says to the service accounts of a role's clusters, and of each other provider that it names.

    Attributes:
        admitted: Whom it admits, or may; None where its patterns combine in too many ways to tell.
        refused: The exact subjects of the role that one of its clusters' providers can't get in.
        subjects: The patterns that it admits by the clusters' providers, sorted; None where that can't be told.
        denied: Patterns within these that it denies; None where each of these is exact.
        crowds: The statements that let in others, whom nobody knows: who they are, and whether that is certain.
    """

    admitted: tuple[Admitted, ...] | None
    refused: tuple[str, ...] = ()
    subjects: list[str] | None = None
    denied: list[str] | None = None
    crowds: tuple[tuple[int, str, bool], ...] = ()


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
    crowds = tuple(_crowds(parsed))
    admitted: list[Admitted] = []
    # No service account of a cluster has a token of GitHub's.
    others = (each for each in providers_of(parsed[1]) if crowd_of(("Federated", each)) is None)
    for provider_arn in sorted({*provider_arns, *others}):
        found = admitted_by(parsed, provider_arn, None, subjects)
        if found is None:
            return Admission(None, crowds=crowds)
        admitted += found
    exact = [subject for subject in subjects if not is_pattern(subject)]
    own = [each for each in admitted if each.provider_arn in provider_arns]
    # A subject of the role may have further conditions; whether somebody else is admitted must be known.
    known = all(each.certain or each.subject in subjects for each in own)
    inexact = [each for each in own if not each.exact]
    return Admission(
        tuple(admitted),
        tuple(_refused(parsed, provider_arns, exact, audience)),
        sorted({each.subject for each in own}) if known else None,
        sorted({denied for each in inexact for denied in each.denied}) if known and inexact else None,
        crowds,
    )


def _crowds(parsed: Parsed) -> Iterator[tuple[int, str, bool]]:
    version, statements = parsed
    for index, allow in enumerate(statements):
        for principal in dict.fromkeys(allow.principals) if allow.effect == "Allow" else ():
            crowd = crowd_of(principal)
            named = names_somebody(allow, principal, statements, version == VERSION) if crowd else True
            if crowd and not named:
                yield index, crowd.noun, named is False


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
        further = [each for each in of_provider if each.statements[0] >= first]
        if further and stranger({each.subject for each in of_provider}) is None:
            for each in further:
                for index in each.statements:
                    found.setdefault(index, []).append(each)
    return found


def but_those(denied: Iterable[str]) -> str:
    """Return who is not admitted, for a sentence that names more than are: `, but not kube-system:*,`; or nothing."""
    which = sorted({*denied})
    return f", but not {shortened(', '.join(which))}," if which else ""


def admitted_by(
    parsed: Parsed, provider_arn: str, client_ids: Collection[str] | None, subjects: Iterable[str] = ()
) -> list[Admitted] | None:
    """Return whom a trust policy admits by the tokens of one OIDC provider; None where it is too much to tell.

    Args:
        parsed: Version and statements of the trust policy.
        provider_arn: The provider.
        client_ids: The audiences that it lists; None for any.
        subjects: Patterns that are told if all are admitted whom they match, though a wider one says it already.
    """
    statements = compared(parsed, provider_arn)
    if not any(each.effect == "Allow" for each in statements):
        return []
    taken = audiences(statements, client_ids)
    if taken is None:
        return None

    patterns = compared_with(statements)

    def answered(found: Kinds) -> Admits:
        return admits(statements, taken, dict(zip(patterns, found.matching, strict=False)), found.all)

    found = cover(patterns, lambda those: answered(those).possible_by)
    if found is None:
        return None
    everybody, covered = found
    answer = answered(everybody)
    by_subject: dict[str, set[int]] = {}
    matching = {subject: those for each in covered.values() for subject, those in each.items()}
    for index, patterns_of_statement in covered.items():
        for subject in patterns_of_statement:
            by_subject.setdefault(subject, set()).add(index)
    own = {tuple(subject_claim(subject)): subject for subject in subjects}
    for pattern, those in zip(patterns, everybody.matching, strict=False):
        indexes = {i for i, admitted_by_it in answer.possible_by.items() if those & admitted_by_it}
        indexes &= {each.place for each in statements if _names(each, pattern)}
        if pattern in own and indexes and not those & ~answer.possible:
            matching[own[pattern]] = those
            by_subject.setdefault(own[pattern], set()).update(indexes)
    admitted = []
    for subject, indexes in sorted(by_subject.items()):
        those = matching[subject]
        certain = any(those & answer.certain_by[index] for index in indexes)
        exact = not those & ~(answer.certain if certain else answer.possible)
        denied = () if exact else subjects_within(patterns, everybody, everybody.all & ~answer.possible, those)
        admitted.append(Admitted(subject, provider_arn, certain, tuple(sorted(indexes)), exact, tuple(denied)))
    return admitted


def _names(statement: Compared, pattern: Parts) -> bool:
    return any(pattern in each.patterns for each in statement.sub if not each.negated)


def providers_of(statements: Iterable[Statement]) -> Iterator[str]:
    """Yield the OIDC providers that Allow statements name."""
    for statement in statements:
        for type_, name in statement.principals if statement.effect == "Allow" else ():
            if type_ == "Federated":
                try:
                    issuer_of_provider(name)
                except Mistake:
                    continue
                yield name


def _refused(parsed: Parsed, provider_arns: Iterable[str], subjects: Sequence[str], audience: str) -> list[str]:
    """Return those of exact subjects that a provider's tokens of an audience can't get in."""
    admitted = {*subjects}
    for provider_arn in provider_arns if subjects else ():
        statements = compared(parsed, provider_arn)
        taken = audiences(statements, [audience])
        claims = {subject: tuple(subject_claim(subject)) for subject in subjects}
        patterns = tuple(dict.fromkeys((*compared_with(statements), *claims.values())))
        found = of_subjects(patterns)
        if taken is not None and found is not None:
            matching = dict(zip(patterns, found.matching, strict=True))
            possible = admits(statements, taken, matching, found.all).possible
            admitted -= {subject for subject, claim in claims.items() if not matching[claim] & possible}
    return [each for each in subjects if each not in admitted]
