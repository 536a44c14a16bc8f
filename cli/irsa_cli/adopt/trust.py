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
from irsa.evaluation.patterns import matches, pattern_of
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
from irsa.rules.trust import ACTION, DEFAULT_AUDIENCE, trust_document
from irsa_cli.adopt.outcomes import Left
from irsa_cli.normal_form import are_equivalent, normal_statement
from irsa_cli.trusts.difference import difference

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

    @property
    def text(self) -> str:
        """The trust policy, as minified JSON."""
        return trust_document(self.provider_arns, self.subjects, self.audience, self.conditions, self.statements)

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
    """

    settings: Settings
    changes: tuple[str, ...] = ()

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
        drop_dead_issuers: Whether statements go by which no token comes any more.

    Raises:
        Left: irsa cannot write it, or would admit others.
    """
    try:
        parse(document)
    except Mistake as mistake:
        raise Left(f"its trust policy: {mistake.found}") from mistake
    statements, dropped = _living(items_of(document["Statement"]), surroundings, drop_dead_issuers)
    if dropped and exact_only:
        raise Left(f"its trust policy changes: {', '.join(dropped)}")
    grants = [grant for index, each in enumerate(statements) for grant in _grants(index, each, surroundings)]
    if not grants:
        raise Left(_why_no_grant(statements, surroundings))
    kept = _kept(statements, grants, preferred)
    if kept and not dropped and _is_accepted(kept) and are_equivalent(kept.document, document):
        left_out = {grant.statement for grant in grants if grant.pure} - _indexes(grants, kept)
        if exact_only or len(left_out) <= MOST_KEPT:
            return ReadTrust(kept)
    merged, changes = _merged(statements, grants, preferred)
    _check(merged)
    if not dropped and are_equivalent(merged.document, document):
        return ReadTrust(merged)
    if document.get("Version") != VERSION and "${" in json.dumps([each.get("Condition") for each in statements]):
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
        raise Left(f"a condition of its trust policy has ${{...}}, which becomes a variable with Version {VERSION}")
    changes = (*dropped, *_of_document(document), *changes) or ("it is written in another form",)
    if exact_only:
        raise Left(f"its trust policy changes: {'; '.join(changes)}")
    unequal = difference(document, merged.document, surroundings.audiences)
    if unequal:
        raise Left(f"irsa cannot write its trust policy: {unequal}")
    return ReadTrust(merged, changes)


# --- statements ------------------------------------------------------------------------------------------------------


def _living(
    statements: Sequence[Mapping[str, Any]], surroundings: Surroundings, drop: bool
) -> tuple[list[Mapping[str, Any]], tuple[str, ...]]:
    """Return the statements by which tokens come, and what was dropped."""
    living, dropped = [], []
    for number, statement in enumerate(statements, 1):
        principal = statement["Principal"]
        federated = items_of(principal.get("Federated", ())) if isinstance(principal, Mapping) else []
        standing = {each: surroundings.standing(each) for each in map(str, federated)}
        dead = [each for each in standing if standing[each] is Provider.DEAD]
        unknown = [each for each in standing if standing[each] is Provider.WITHOUT_CLUSTER]
        if statement["Effect"] != "Allow" or not (dead or unknown):
            living.append(statement)
            continue
        if unknown:
            issuers = listed([f"https://{issuer_of_provider(each)}" for each in unknown])
            raise Left(
                f"statement {number} trusts {listed(unknown)}, and no cluster that was read has that issuer: pass the "
                f"cluster's --context, or --drop-dead-issuers {issuers} if it is gone"
            )
        if not drop:
            raise Left(
                f"statement {number} trusts {listed(dead)}, of a cluster that is gone: "
                "--drop-dead-issuers adopts it without that"
            )
        dropped.append(f"without {listed(dead)}, of a cluster that is gone")
        rest = [each for each in federated if each not in dead]
        others = {kind: names for kind, names in principal.items() if kind != "Federated"}
        principals = {**others, "Federated": rest} if rest else others
        if principals:
            living.append({**statement, "Principal": principals})
    return living, tuple(dict.fromkeys(dropped))


def _grants(index: int, statement: Mapping[str, Any], surroundings: Surroundings) -> list[_Grant]:
    """Return a statement as irsa would write it, one for each of its audiences; none where it cannot."""
    provider = _only_provider(statement)
    if statement["Effect"] != "Allow" or provider not in surroundings.audiences or "Action" not in statement:
        return []
    actions = [str(each).lower() for each in items_of(statement["Action"])]
    if not any(matches(ACTION.lower(), pattern_of(each, wildcards=True)) for each in actions):
        return []
    parts = _conditions(statement.get("Condition") or {}, issuer_of_provider(provider))
    if parts is None:
        return []
    audiences, subjects, conditions, changes = parts
    if audiences is None:
        lists = surroundings.audiences[provider]
        if len(lists) != 1:
            return []
        audiences, changes = lists, (*changes, f"with the audience {named(lists[0])}, the only one of the provider")
    pure = set(actions) == {ACTION.lower()}
    by_audience = [Settings((provider,), tuple(sorted(set(subjects))), each, conditions or None) for each in audiences]
    if pure and len(by_audience) == 1 and _is_written_alike(statement, by_audience[0]):
        return [_Grant(index, by_audience[0], pure, ())]
    if statement.get("Sid"):
        changes = (*changes, f"without the Sid {named(str(statement['Sid']))}")
    return [_Grant(index, each, pure, changes or ("each value stands there once",)) for each in by_audience]


def _is_written_alike(statement: Mapping[str, Any], settings: Settings) -> bool:
    return normal_statement(statement, None) == normal_statement(settings.document["Statement"][0], None)


def _only_provider(statement: Mapping[str, Any]) -> str:
    """Return the OIDC provider that is a statement's only principal; empty where it is not that."""
    principal = statement["Principal"]
    if not isinstance(principal, Mapping) or set(principal) != {"Federated"}:
        return ""
    names = items_of(principal["Federated"])
    return str(names[0]) if len(names) == 1 else ""


_Parts = tuple[tuple[str, ...] | None, list[str], dict[str, Any], tuple[str, ...]]


class _Comparison(NamedTuple):
    """A condition operator of a claim, and the values that it compares the claim with."""

    operator: str
    values: list[str]

    @property
    def is_like(self) -> bool:
        """Whether wildcards count."""
        parts = split_operator(self.operator)
        return parts is not None and parts.name == "StringLike"

    @property
    def has_wildcard(self) -> bool:
        """Whether a value has a wildcard, which may not count."""
        return any(map(is_pattern, self.values))


def _conditions(condition: Mapping[str, Any], issuer: str) -> _Parts | None:
    """Return audiences, subjects, further conditions, and what irsa writes differently; None where it cannot."""
    compared: dict[str, _Comparison] = {}
    rest: dict[str, dict[str, Any]] = {}
    for operator, keys in condition.items():
        parts = split_operator(operator)
        for key, value in keys.items():
            claim = key.lower().removeprefix(f"{issuer}:".lower())
            if claim in ("aud", "sub") and claim not in compared:
                if parts is None or parts.name not in ("StringEquals", "StringLike"):
                    return None
                compared[claim] = _Comparison(operator, [_text(each) for each in items_of(value)])
            elif key.lower().endswith((":aud", ":sub")):
                return None
            else:
                rest.setdefault(operator, {})[key] = value
    if [*condition_mistakes(rest)] or not all(map(_is_readable, compared.items())):
        return None
    subjects = [_subject(each) for each in compared["sub"].values] if "sub" in compared else [EVERY_SERVICE_ACCOUNT]
    if not all(subjects):
        return None
    audiences = tuple(dict.fromkeys(compared["aud"].values)) if "aud" in compared else None
    return audiences, subjects, rest, tuple(_changes(compared))


def _is_readable(claim_and_comparison: tuple[str, _Comparison]) -> bool:
    """Return whether irsa writes a comparison with these values: an audience has no wildcard, and one must count."""
    claim, comparison = claim_and_comparison
    if claim == "aud":
        return not (comparison.is_like and comparison.has_wildcard) and all(map(_is_audience, comparison.values))
    return comparison.is_like or not comparison.has_wildcard


def _changes(compared: Mapping[str, _Comparison]) -> Iterator[str]:
    """Yield how irsa compares the claims otherwise."""
    for claim in sorted(compared):
        comparison = compared[claim]
        wanted = "StringLike" if claim == "sub" and comparison.has_wildcard else "StringEquals"
        if comparison.operator != wanted:
            yield f"{claim} is compared with {wanted}, not {named(comparison.operator)}"
    if "sub" not in compared:
        yield "sub is compared with every service account's, instead of not at all"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _is_audience(text: str) -> bool:
    try:
        check_name(text, AUDIENCE)
    except Mistake:
        return False
    return True


def _subject(claim: str) -> str:
    """Return a `sub` of a condition as `namespace:name`; empty where irsa would refuse it."""
    rest = claim.removeprefix(CLAIM_PREFIX)
    if claim in ("*", "system:*", "system:serviceaccount*"):
        return EVERY_SERVICE_ACCOUNT
    if rest == claim:
        return ""
    if ":" not in rest and rest.endswith("*") and rest.count("*") == 1:
        # The one star takes in the colon, too.
        rest = f"{rest}:*"
    try:
        return check_subject(rest)
    except Mistake:
        return ""


# --- from statements to settings -------------------------------------------------------------------------------------


def _terms(settings: Settings) -> tuple[str, str]:
    """Return what must be the same in all statements that irsa writes for one binding."""
    return settings.audience, json.dumps(
        normal_statement({"Condition": settings.conditions or {}}, None), sort_keys=True
    )


def _by_terms(grants: Iterable[_Grant]) -> list[list[_Grant]]:
    found: dict[tuple[str, str], list[_Grant]] = {}
    for grant in grants:
        found.setdefault(_terms(grant.settings), []).append(grant)
    return list(found.values())


def _best(candidates: Iterable[Settings], preferred: Collection[str]) -> Settings:
    """Return the settings that say most: those with a preferred subject, then with most subjects and clusters."""

    def worth(each: Settings) -> tuple[int, int]:
        return len(set(preferred) & set(each.subjects)), len(each.subjects) * len(each.provider_arns)

    return max(candidates, key=worth)


def _kept(
    statements: Sequence[Mapping[str, Any]], grants: Sequence[_Grant], preferred: Collection[str]
) -> Settings | None:
    """Return the settings with every statement as it is; None where none is one that irsa writes."""
    unchanged = [grant for grant in grants if grant.pure and not grant.changes]
    candidates = []
    for same in _by_terms(unchanged):
        by_subjects: dict[tuple[str, ...], dict[str, _Grant]] = {}
        for grant in same:
            by_subjects.setdefault(grant.settings.subjects, {}).setdefault(grant.settings.provider_arns[0], grant)
        for by_provider in by_subjects.values():
            written = {grant.statement for grant in by_provider.values()}
            others = tuple(each for index, each in enumerate(statements) if index not in written)
            first = next(iter(by_provider.values())).settings
            candidates.append(replace(first, provider_arns=tuple(sorted(by_provider)), statements=others))
    return _best(candidates, preferred) if candidates else None


def _indexes(grants: Iterable[_Grant], settings: Settings) -> set[int]:
    """Return the statements that irsa writes itself by these settings."""
    return {
        grant.statement
        for grant in grants
        if not grant.changes
        and _terms(grant.settings) == _terms(settings)
        and grant.settings.subjects == settings.subjects
        and grant.settings.provider_arns[0] in settings.provider_arns
    }


def _merged(
    statements: Sequence[Mapping[str, Any]], grants: Sequence[_Grant], preferred: Collection[str]
) -> tuple[Settings, tuple[str, ...]]:
    """Return the settings with one statement for each cluster and all that are alike, and what that changes."""
    pure = [grant for grant in grants if grant.pure] or grants
    changes = dict.fromkeys(change for grant in pure for change in grant.changes)
    united: list[Settings] = []
    for same in _by_terms(pure):
        by_provider: dict[str, set[str]] = {}
        for grant in same:
            by_provider.setdefault(grant.settings.provider_arns[0], set()).update(grant.settings.subjects)
        by_subjects: dict[tuple[str, ...], list[str]] = {}
        for provider, subjects in sorted(by_provider.items()):
            by_subjects.setdefault(tuple(sorted(subjects)), []).append(provider)
        if len(same) > len(by_provider):
            changes[f"{len(same)} statements become {len(by_provider)}"] = None
        for subjects_, providers in by_subjects.items():
            united.append(replace(same[0].settings, provider_arns=tuple(providers), subjects=subjects_))
    main = _best(united, preferred)
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


def _refused(settings: Settings) -> Iterator[str]:
    for statement in settings.statements:
        for place, mistake in statement_mistakes(statement, trust=True):
            yield f"{path_of(place)}: {mistake.found}; allowed: {mistake.allowed}" if place else mistake.found
    for place, mistake in sid_mistakes(settings.statements):
        yield f"{path_of(place)}: {mistake.found}"


def _is_accepted(settings: Settings) -> bool:
    return next(_refused(settings), None) is None


def _check(settings: Settings) -> None:
    refused = next(_refused(settings), None)
    if refused is not None:
        raise Left(f"irsa refuses a statement of its trust policy: {refused}")


def _why_no_grant(statements: Sequence[Mapping[str, Any]], surroundings: Surroundings) -> str:
    """Return why no statement is one that irsa could write."""
    for number, statement in enumerate(statements, 1):
        wrong = next(statement_mistakes(statement, trust=True), None)
        if wrong is not None:
            place, mistake = wrong
            return f"irsa refuses statement {number} of its trust policy: {path_of(place)}: {mistake.found}"
    if not statements:
        return "without the clusters that are gone its trust policy trusts nobody"
    numbered = enumerate(statements, 1)
    reasons = [f"statement {number} {why}" for number, each in numbered if (why := _why_not(each, surroundings))]
    nobody = "none of its statements trusts one of the clusters, and nobody else, with sts:AssumeRoleWithWebIdentity"
    return "; ".join(reasons) or nobody


def _why_not(statement: Mapping[str, Any], surroundings: Surroundings) -> str:
    """Return what irsa does not write in a statement for a cluster; empty where it is for another principal."""
    provider = _only_provider(statement)
    if statement["Effect"] != "Allow" or provider not in surroundings.audiences:
        return ""
    if "Action" not in statement:
        return "has NotAction, which irsa does not write"
    condition = statement.get("Condition") or {}
    parts = _conditions(condition, issuer_of_provider(provider))
    if parts is None:
        comparisons = [f"{operator} {key.rpartition(':')[2]}" for operator, keys in condition.items() for key in keys]
        return f"has conditions that irsa does not write: {listed(comparisons)}"
    lists = surroundings.audiences[provider]
    if parts[0] is None and len(lists) != 1:
        return f"has no condition on aud, and its OIDC provider lists {listed(lists) or 'no audience'}"
    return ""
