"""Trust policies read back: the settings from which irsa writes the same document, or one that admits the same.

Nothing is guessed: the settings are tried, by writing the document from them (irsa.rules.trust) and comparing it with
the one that is there.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any, NamedTuple

from irsa.evaluation.document import parse
from irsa.evaluation.normal_form import are_equivalent, normal_statement
from irsa.evaluation.patterns import matches, pattern_of
from irsa.evaluation.same_sessions import admits_the_same, difference
from irsa.rules.arns import issuer_of_provider
from irsa.rules.grammar import (
    VERSION,
    condition_mistakes,
    sid_mistakes,
    split_operator,
    statement_mistakes,
)
from irsa.rules.leaves import items_of
from irsa.rules.mistakes import Mistake, listed, named, path_of
from irsa.rules.names import AUDIENCE, check_name
from irsa.rules.subjects import CLAIM_PREFIX, EVERY_SERVICE_ACCOUNT, check_subject, is_pattern
from irsa.rules.trust import ACTION, DEFAULT_AUDIENCE, PodIdentityTrust, trust_document
from irsa_cli.adopt.outcomes import Left

# How many statements that irsa would write as part of another one are kept as they are for a preview without a change.
# With more of them, the binding says less to a reader than its trust policy did.
MOST_KEPT = 1


@dataclass(frozen=True)
class Settings:
    """The arguments of `trust_document`, by which irsa writes a trust policy."""

    provider_arns: tuple[str, ...]
    subjects: tuple[str, ...]
    audience: str = DEFAULT_AUDIENCE
    conditions: Mapping[str, Any] | None = None
    statements: tuple[Mapping[str, Any], ...] = ()
    pod_identity: PodIdentityTrust | None = None

    @property
    def text(self) -> str:
        """The trust policy, as minified JSON."""
        return trust_document(
            self.provider_arns, self.subjects, self.audience, self.conditions, self.statements, self.pod_identity
        )

    @property
    def document(self) -> dict[str, Any]:
        """The trust policy."""
        document: dict[str, Any] = json.loads(self.text)
        return document


@dataclass(frozen=True)
class ReadTrust:
    """A trust policy that was read back.

    Attributes:
        settings: By which irsa writes it.
        changes: What irsa writes differently, each as a part of a sentence; none where a preview shows no change.
        afterwards: What may go after the import, likewise: an import takes nothing from anybody.
    """

    settings: Settings
    changes: tuple[str, ...] = ()
    afterwards: tuple[str, ...] = ()

    @property
    def exact(self) -> bool:
        """Whether a preview shows no change of the trust policy."""
        return not self.changes


class Provider(Enum):
    """What is known of an OIDC provider that a trust policy names.

    IN_USE: Its tokens are those of a cluster, or of something else such as GitHub.
    DEAD: No token comes by it: the AWS account has no such provider, or the user calls its issuer gone.
    WITHOUT_CLUSTER: The provider is there, and no cluster that was found has its issuer.
    """

    IN_USE = auto()
    DEAD = auto()
    WITHOUT_CLUSTER = auto()


@dataclass(frozen=True)
class Surroundings:
    """What a role's trust policy is read against.

    Attributes:
        audiences: The audiences that each cluster's OIDC provider in the role's AWS account lists, by its ARN.
        standing: Says of the ARN of an OIDC provider what is known of it.
    """

    audiences: Mapping[str, tuple[str, ...]]
    standing: Callable[[str], Provider]


class _Grant(NamedTuple):
    """A statement for service accounts of one cluster, as irsa could write it.

    Attributes:
        statement: Its place in the trust policy.
        settings: By which irsa writes it, with no further statement.
        pure: Whether it allows nothing but what irsa's own statements allow.
        changes: What irsa would write differently.
    """

    statement: int
    settings: Settings
    pure: bool
    changes: tuple[str, ...]

    @property
    def provider_arn(self) -> str:
        """Its one OIDC provider."""
        return self.settings.provider_arns[0]


def read_trust(
    document: Mapping[str, Any],
    surroundings: Surroundings,
    *,
    preferred: Collection[str] = (),
    exact_only: bool = False,
    drop_dead_issuers: bool = False,
) -> ReadTrust:
    """Return the settings by which irsa writes a trust policy.

    Args:
        document: The trust policy.
        surroundings: What is known of the clusters.
        preferred: Subjects that one of irsa's own statements should be for, if there is a choice.
        exact_only: Whether only a document counts of which a preview shows no change.
        drop_dead_issuers: Whether a role is read whose statements include some by which no token comes any more.

    Raises:
        Left: irsa cannot write it, or would admit others.
    """
    try:
        parse(document)
    except Mistake as mistake:
        raise Left(f"its trust policy: {mistake.found}") from mistake
    statements = items_of(document["Statement"])
    dead = _dead(statements, surroundings, drop_dead_issuers)
    grants = _grants(statements, surroundings)
    kept, left_out = _kept(statements, grants, preferred)
    fits = kept and not _refused(kept) and (exact_only or left_out <= MOST_KEPT)
    if kept and fits and are_equivalent(kept.document, document):
        return ReadTrust(kept, afterwards=dead)
    merged, changes = _merged(statements, grants, preferred)
    check_refused(merged)
    if are_equivalent(merged.document, document):
        return ReadTrust(merged, afterwards=dead)
    if document.get("Version") != VERSION and "${" in json.dumps([each.get("Condition") for each in statements]):
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
        raise Left(f"a condition of its trust policy has ${{...}}, which becomes a variable with Version {VERSION}")
    changes = (*_of_document(document), *changes) or ("it is written in another form",)
    if exact_only:
        raise Left(f"its trust policy changes: {'; '.join(changes)}")
    unequal = difference(document, merged.document, surroundings.audiences)
    if unequal or not admits_the_same(document, merged.document):
        raise Left(f"irsa cannot write its trust policy: {unequal or 'whom it admits would change'}")
    return ReadTrust(merged, changes, dead)


# --- statements ------------------------------------------------------------------------------------------------------


def _dead(statements: Sequence[Mapping[str, Any]], surroundings: Surroundings, keep: bool) -> tuple[str, ...]:
    """Return what may go of statements by which no token comes.

    Raises:
        Left: There are such statements, and nobody said to keep them.
    """
    gone: list[str] = []
    for number, statement in enumerate(statements, 1):
        principal = statement["Principal"]
        federated = items_of(principal.get("Federated", ())) if isinstance(principal, Mapping) else []
        standing = {each: surroundings.standing(each) for each in map(str, federated)}
        dead = [each for each in standing if standing[each] is Provider.DEAD]
        unknown = [each for each in standing if standing[each] is Provider.WITHOUT_CLUSTER]
        if statement["Effect"] != "Allow" or not (dead or unknown):
            continue
        if unknown:
            issuers = listed([f"https://{issuer_of_provider(each)}" for each in unknown])
            raise Left(
                f"statement {number} trusts {listed(unknown)}, and no cluster that was read has that issuer: pass the "
                f"cluster's --context, or --drop-dead-issuers {issuers} if it is gone"
            )
        if not keep:
            raise Left(
                f"statement {number} trusts {listed(dead)}, of a cluster that is gone: "
                "--drop-dead-issuers adopts it, and says what to remove afterwards"
            )
        gone.append(f"after the import, remove {listed(dead)} from trust.statements: its cluster is gone")
    return tuple(dict.fromkeys(gone))


def _grants(statements: Sequence[Mapping[str, Any]], surroundings: Surroundings) -> list[_Grant]:
    """Return the statements as irsa would write them.

    Raises:
        Left: It could write none of them.
    """
    grants: list[_Grant] = []
    reasons = []
    for index, each in enumerate(statements):
        try:
            grants += _grants_of(index, each, surroundings)
        except Left as reason:
            reasons.append(f"statement {index + 1} {reason}")
    if grants:
        return grants
    for number, each in enumerate(statements, 1):
        for place, mistake in statement_mistakes(each, trust=True):
            raise Left(f"irsa refuses statement {number} of its trust policy: {path_of(place)}: {mistake.found}")
    if not statements:
        raise Left("without the clusters that are gone its trust policy trusts nobody")
    nobody = "none of its statements trusts one of the clusters, and nobody else, with sts:AssumeRoleWithWebIdentity"
    raise Left("; ".join(reasons) or nobody)


def _grants_of(index: int, statement: Mapping[str, Any], surroundings: Surroundings) -> list[_Grant]:
    """Return a statement as irsa would write it, one for each of its audiences; none where it is for others.

    Raises:
        Left: It is for service accounts of a cluster, and irsa cannot write it.
    """
    provider = _only_provider(statement)
    if statement["Effect"] != "Allow" or provider not in surroundings.audiences:
        return []
    if "Action" not in statement:
        raise Left("has NotAction, which irsa does not write")
    audiences, subjects, conditions, changes = _conditions(
        statement.get("Condition") or {}, issuer_of_provider(provider)
    )
    if audiences is None:
        audiences = surroundings.audiences[provider]
        if len(audiences) != 1:
            raise Left(f"has no condition on aud, and its OIDC provider lists {listed(audiences) or 'no audience'}")
        changes = [*changes, f"with the audience {named(audiences[0])}, the only one of the provider"]
    actions = [str(each).lower() for each in items_of(statement["Action"])]
    if not any(matches(ACTION.lower(), pattern_of(each, wildcards=True)) for each in actions):
        return []
    pure = set(actions) == {ACTION.lower()}
    by_audience = [Settings((provider,), tuple(sorted(set(subjects))), each, conditions or None) for each in audiences]
    if pure and len(by_audience) == 1:
        written = by_audience[0].document["Statement"][0]
        if normal_statement(statement, None) == normal_statement(written, None):
            return [_Grant(index, by_audience[0], pure, ())]
    if statement.get("Sid"):
        changes = [*changes, f"without the Sid {named(str(statement['Sid']))}"]
    return [_Grant(index, each, pure, tuple(changes) or ("each value stands there once",)) for each in by_audience]


def _only_provider(statement: Mapping[str, Any]) -> str:
    """Return the OIDC provider that is a statement's only principal; empty where it is not that."""
    principal = statement["Principal"]
    if not isinstance(principal, Mapping) or set(principal) != {"Federated"}:
        return ""
    names = items_of(principal["Federated"])
    return str(names[0]) if len(names) == 1 else ""


_Parts = tuple[Sequence[str] | None, list[str], dict[str, Any], list[str]]


def _conditions(condition: Mapping[str, Any], issuer: str) -> _Parts:
    """Return audiences, subjects, further conditions, and what irsa writes differently.

    Raises:
        Left: irsa cannot write them.
    """
    comparisons = [f"{operator} {key.rpartition(':')[2]}" for operator, keys in condition.items() for key in keys]
    refused = Left(f"has conditions that irsa does not write: {listed(comparisons)}")
    compared: dict[str, list[str]] = {}
    rest: dict[str, dict[str, Any]] = {}
    changes = []
    for operator, keys in condition.items():
        parts = split_operator(operator)
        name = parts.name if parts else ""
        for key, value in keys.items():
            claim = key.lower().removeprefix(f"{issuer}:".lower())
            if claim not in ("aud", "sub") or claim in compared:
                if key.lower().endswith((":aud", ":sub")):
                    raise refused
                rest.setdefault(operator, {})[key] = value
                continue
            values = [each if isinstance(each, str) else json.dumps(each) for each in items_of(value)]
            has_wildcard = any(map(is_pattern, values))
            # A wildcard must count in a subject; an audience has none.
            unwritten = "StringLike" if claim == "aud" else "StringEquals"
            if name not in ("StringEquals", "StringLike") or (has_wildcard and name == unwritten):
                raise refused
            compared[claim] = values
            wanted = "StringLike" if claim == "sub" and has_wildcard else "StringEquals"
            if operator != wanted:
                changes.append(f"{claim} is compared with {wanted}, not {named(operator)}")
    if "sub" not in compared:
        changes.append("sub is compared with every service account's, instead of not at all")
    try:
        audiences = (
            [check_name(each, AUDIENCE) for each in dict.fromkeys(compared["aud"])] if "aud" in compared else None
        )
        subjects = [_subject(each) for each in compared.get("sub", ["*"])]
    except Mistake as mistake:
        raise refused from mistake
    if [*condition_mistakes(rest)]:
        raise refused
    return audiences, subjects, rest, sorted(changes)


def _subject(claim: str) -> str:
    """Return a `sub` of a condition as `namespace:name`.

    Raises:
        Mistake: irsa would refuse it.
    """
    if claim in ("*", "system:*", "system:serviceaccount*"):
        return EVERY_SERVICE_ACCOUNT
    if not claim.startswith(CLAIM_PREFIX):
        raise Mistake(claim, f"{CLAIM_PREFIX}NAMESPACE:NAME", "")
    rest = claim.removeprefix(CLAIM_PREFIX)
    if ":" not in rest and rest.endswith("*") and rest.count("*") == 1:
        # The one star takes in the colon, too.
        rest = f"{rest}:*"
    return check_subject(rest)


# --- from statements to settings -------------------------------------------------------------------------------------


def _terms(grant: _Grant) -> tuple[str, str]:
    """Return what must be the same in all statements that irsa writes for one binding."""
    conditions = normal_statement({"Condition": grant.settings.conditions or {}}, None)
    return grant.settings.audience, json.dumps(conditions, sort_keys=True)


def _grouped(grants: Iterable[_Grant], key: Callable[[_Grant], Any]) -> list[list[_Grant]]:
    found: dict[Any, list[_Grant]] = {}
    for grant in grants:
        found.setdefault(key(grant), []).append(grant)
    return list(found.values())


def _worth(settings: Settings, preferred: Collection[str]) -> tuple[int, int]:
    """Return how much settings say: most with a preferred subject, then with most subjects and clusters."""
    return len(set(preferred) & set(settings.subjects)), len(settings.subjects) * len(settings.provider_arns)


def _kept(
    statements: Sequence[Mapping[str, Any]], grants: Sequence[_Grant], preferred: Collection[str]
) -> tuple[Settings | None, int]:
    """Return the settings with every statement as it is, and how many of those that stay beside it irsa would write.

    None where none is one that irsa writes.
    """
    pure = {grant.statement for grant in grants if grant.pure}
    candidates: list[tuple[Settings, int]] = []
    for same in _grouped((grant for grant in grants if grant.pure and not grant.changes), _terms):
        for alike in _grouped(same, lambda grant: grant.settings.subjects):
            written = {grant.provider_arn: grant.statement for grant in reversed(alike)}
            others = tuple(each for index, each in enumerate(statements) if index not in written.values())
            settings = replace(alike[0].settings, provider_arns=tuple(sorted(written)), statements=others)
            candidates.append((settings, len(pure - {grant.statement for grant in alike})))
    return max(candidates, key=lambda each: _worth(each[0], preferred), default=(None, 0))


def _merged(
    statements: Sequence[Mapping[str, Any]], grants: Sequence[_Grant], preferred: Collection[str]
) -> tuple[Settings, tuple[str, ...]]:
    """Return the settings with one statement for each cluster and all that are alike, and what that changes."""
    pure = [grant for grant in grants if grant.pure] or grants
    changes = dict.fromkeys(change for grant in pure for change in grant.changes)
    united: list[Settings] = []
    for same in _grouped(pure, _terms):
        by_provider: dict[str, set[str]] = {}
        for grant in same:
            by_provider.setdefault(grant.provider_arn, set()).update(grant.settings.subjects)
        by_subjects: dict[tuple[str, ...], list[str]] = {}
        for provider, subjects in sorted(by_provider.items()):
            by_subjects.setdefault(tuple(sorted(subjects)), []).append(provider)
        if len(same) > len(by_provider):
            changes[f"{len(same)} statements become {len(by_provider)}"] = None
        for subjects_, providers in by_subjects.items():
            united.append(replace(same[0].settings, provider_arns=tuple(providers), subjects=subjects_))
    main = max(united, key=lambda each: _worth(each, preferred))
    if not any(grant.pure for grant in grants):
        # They allow more than irsa's statement does, which therefore comes beside them.
        added = "a statement that irsa writes is added; the others stay as they are"
        return replace(main, statements=tuple(statements)), (added,)
    written = {grant.statement for grant in pure}
    further = [each for index, each in enumerate(statements) if index not in written]
    further += [each for settings in united if settings is not main for each in settings.document["Statement"]]
    return replace(main, statements=tuple(further)), tuple(changes)


def _of_document(document: Mapping[str, Any]) -> Iterator[str]:
    if document.get("Version") != VERSION:
        yield f"the Version becomes {VERSION}"
    if "Id" in document:
        yield f"without the Id {named(str(document['Id']))}"


# --- what irsa refuses -----------------------------------------------------------------------------------------------


def check_refused(settings: Settings) -> None:
    """Raise what irsa refuses in the further statements.

    Raises:
        Left: There is something.
    """
    refused = _refused(settings)
    if refused:
        raise Left(f"irsa refuses a statement of its trust policy: {refused}")


def _refused(settings: Settings) -> str:
    """Return what irsa refuses in the further statements; empty where it refuses nothing."""
    for statement in settings.statements:
        for place, mistake in statement_mistakes(statement, trust=True):
            return f"{path_of(place)}: {mistake.found}; allowed: {mistake.allowed}" if place else mistake.found
    for place, mistake in sid_mistakes(settings.statements):
        return f"{path_of(place)}: {mistake.found}"
    return ""
