"""Trust policies read back: the settings from which irsa writes a document that gives the same sessions.

A statement that irsa would write becomes keys of the binding, and every other one stays word for word. Where irsa's own
statements come beside them, for service accounts that have the role, both documents are evaluated: nobody may get in
or be shut out.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from irsa.evaluation import Decision, PodIdentityRequest
from irsa.evaluation.decision import admits_any_association, evaluate_parsed
from irsa.evaluation.document import Parsed, parse
from irsa.evaluation.normal_form import Spelling, are_equivalent, normal, normal_statement
from irsa.evaluation.same_sessions import admits_the_same, difference
from irsa.rules.arns import issuer_of_provider, parse_cluster_arn
from irsa.rules.grammar import condition_mistakes, sid_mistakes, statement_mistakes
from irsa.rules.leaves import items_of, mapping_of
from irsa.rules.mistakes import Mistake, listed, named, path_of
from irsa.rules.names import AUDIENCE, check_name
from irsa.rules.subjects import CLAIM_PREFIX, check_subject, is_pattern
from irsa.rules.trust import POD_IDENTITY_PRINCIPAL, check_conditions
from irsa.ways import TrustParts, trust_document
from irsa_cli.adopt.outcomes import Left

ADDED = "a statement that irsa writes is added; the others stay as they are"
ANOTHER_FORM = "it is written in another form"
NO_STATEMENT = "none of its statements is one that irsa would write, and no service account has it that irsa could name"


class Settings(TrustParts):
    """The settings by which irsa writes a trust policy."""

    @property
    def document(self) -> dict[str, Any]:
        """The trust policy."""
        document: dict[str, Any] = json.loads(trust_document(self))
        return document

    @property
    def terms(self) -> str:
        """What must be the same in the statements that irsa writes for the clusters of one binding."""
        conditions = normal_statement({"Condition": self.conditions or {}}, None)
        return json.dumps([self.subjects, self.audience, conditions], sort_keys=True)


@dataclass(frozen=True)
class ReadTrust:
    """A trust policy that was read back.

    Attributes:
        settings: By which irsa writes it.
        change: What irsa writes differently; empty where a preview shows no change of it.
        afterwards: What may go after the import, each as a part of a sentence: an import takes nothing from anybody.
    """

    settings: Settings
    change: str = ""
    afterwards: tuple[str, ...] = ()


@dataclass(frozen=True)
class Surroundings:
    """What a role's trust policy is read against.

    Attributes:
        audiences: The audiences that each cluster's OIDC provider in the role's AWS account lists, by its ARN.
        is_dead: Whether an OIDC provider is of a cluster that is gone, or that was not read.
        clusters: The ARN in EKS of each of these clusters, by that of its OIDC provider; None where it has none.
    """

    audiences: Mapping[str, tuple[str, ...]]
    is_dead: Callable[[str], bool]
    clusters: Mapping[str, str | None]


class User(NamedTuple):
    """A service account that has a role by IRSA."""

    provider_arn: str
    subject: str
    audience: str


class Pods(NamedTuple):
    """What gives a role by EKS Pod Identity, as far as it was read.

    Attributes:
        requests: What EKS asks for each association.
        unread: Names of EKS clusters in the role's AWS account whose associations were not read.
    """

    requests: tuple[PodIdentityRequest, ...] = ()
    unread: tuple[str, ...] = ()


def read_trust(
    document: Mapping[str, Any],
    surroundings: Surroundings,
    users: Collection[User] = (),
    pods: Pods = Pods(),  # noqa: B008 (it is a tuple)
    *,
    drop_dead_issuers: bool = False,
) -> ReadTrust:
    """Return the settings by which irsa writes a trust policy.

    Args:
        document: The trust policy.
        surroundings: What is known of the clusters.
        users: The service accounts that it admits. Of several statements that irsa would write, it is one for these.
        pods: The associations of the role.
        drop_dead_issuers: Whether a role is read that trusts OIDC providers of no cluster that was read.

    Raises:
        Left: irsa cannot write it, or would admit others.
    """
    try:
        parsed = parse(document)
    except Mistake as mistake:
        raise Left(f"its trust policy: {mistake.found}") from mistake
    statements = items_of(document["Statement"])
    afterwards = _dead(statements, surroundings, drop_dead_issuers)
    reasons = []
    for keys in _proposals(statements, surroundings, users, _of_associations(parsed, pods)):
        spelling: Spelling = {}
        written = {*normal(keys.document, spelling).texts}
        present = normal(document, spelling).texts
        others = (each for each, text in zip(statements, present, strict=True) if text not in written)
        settings = keys._replace(statements=tuple(others))
        reason = _refused(settings.statements) or _unequal(document, settings.document, surroundings)
        if not reason:
            form = "" if are_equivalent(settings.document, document) else ANOTHER_FORM
            any_other = _any_association(document, settings, pods)
            return ReadTrust(settings, form if written <= {*present} else ADDED, (*afterwards, *any_other))
        reasons.append(reason)
    raise Left(next(filter(None, (*reasons, _refused(statements), NO_STATEMENT))))


def _dead(statements: Sequence[Mapping[str, Any]], surroundings: Surroundings, keep: bool) -> tuple[str, ...]:
    """Return what may go of statements by which no token comes.

    Raises:
        Left: There are such statements, and nobody said to keep them.
    """
    gone: list[str] = []
    for number, statement in enumerate(statements, 1):
        federated = map(str, items_of(mapping_of(statement["Principal"]).get("Federated", ())))
        dead = [each for each in federated if statement["Effect"] == "Allow" and surroundings.is_dead(each)]
        if dead and not keep:
            raise Left(
                f"statement {number} trusts {listed(dead)}, and no cluster that was read has that issuer: pass the "
                "cluster's --context, or --drop-dead-issuers if it is gone"
            )
        gone += [
            f"after the import, remove {named(each)} from trust.statements, if its cluster is gone" for each in dead
        ]
    return tuple(dict.fromkeys(gone))


# --- what irsa could write -------------------------------------------------------------------------------------------


def _proposals(
    statements: Sequence[Mapping[str, Any]],
    surroundings: Surroundings,
    users: Collection[User],
    of_associations: Settings | None,
) -> Iterator[Settings]:
    """Yield the settings that may be the keys of the binding, the best first.

    They are those of statements that irsa would write, or else of the service accounts that have the role; with those
    of the associations, or without. Each says the most: of as many users, then of as many subjects and clusters.
    """
    written = [found for each in statements if (found := _settings_of(each, surroundings))]
    by_provider: dict[tuple[str, str], set[str]] = {}
    for user in () if written else users:
        by_provider.setdefault((user.provider_arn, user.audience), set()).add(user.subject)
    written += [Settings((arn,), tuple(sorted(those)), aud) for (arn, aud), those in sorted(by_provider.items())]
    providers: dict[str, set[str]] = {}
    for each in written:
        providers.setdefault(each.terms, set()).update(each.oidc_provider_arns)
    alike = [each._replace(oidc_provider_arns=tuple(sorted(providers[each.terms]))) for each in written]
    named_ones = {each.subject for each in users}
    alike.sort(
        key=lambda each: (-len(named_ones & {*each.subjects}), -len(each.subjects) * len(each.oidc_provider_arns))
    )
    if of_associations:
        clusters, tags = of_associations.cluster_arns, of_associations.session_tags
        for each in alike:
            # irsa writes each subject, cluster and condition for both ways.
            same_clusters = {surroundings.clusters.get(arn) for arn in each.oidc_provider_arns} == {*clusters}
            if same_clusters and not each.conditions and {*of_associations.subjects} <= {*each.subjects}:
                yield each._replace(cluster_arns=clusters, session_tags=tags)
    yield from alike
    if of_associations:
        yield of_associations


def _settings_of(statement: Mapping[str, Any], surroundings: Surroundings) -> Settings | None:
    """Return the settings by which irsa writes a statement for a cluster; None where it would write another one."""
    arns = items_of(mapping_of(statement["Principal"]).get("Federated", ()))
    if len(arns) != 1 or arns[0] not in surroundings.audiences:
        return None
    claims = {f"{issuer_of_provider(arns[0])}:{claim}".lower(): claim for claim in ("aud", "sub")}
    compared: dict[str, Sequence[Any]] = {}
    conditions: dict[str, dict[str, Any]] = {}
    for operator, keys in (statement.get("Condition") or {}).items():
        for key, value in keys.items():
            if claim := claims.get(key.lower()):
                compared[claim] = items_of(value)
            else:
                conditions.setdefault(operator, {})[key] = value
    try:
        audience, *several = compared["aud"]
        subjects = {check_subject(str(each).removeprefix(CLAIM_PREFIX)) for each in compared["sub"]}
        check_conditions(conditions)
        audience = check_name(str(audience), AUDIENCE)
        settings = Settings(tuple(arns), tuple(sorted(subjects)), audience, conditions or None)
        (written,) = settings.document["Statement"]
    except (KeyError, ValueError, Mistake):
        return None
    spelling: Spelling = {}
    is_written = normal_statement(written, spelling) == normal_statement(statement, spelling)
    return settings if is_written and not several and not [*condition_mistakes(conditions)] else None


def _of_associations(parsed: Parsed, pods: Pods) -> Settings | None:
    """Return the settings by which irsa trusts the associations that a trust policy admits; None without any."""
    # EKS takes an association of any name, and no statement of irsa's is for one with wildcards.
    named_ones = [each for each in pods.requests if not is_pattern(f"{each.namespace}:{each.service_account}")]
    admitted = [each for each in named_ones if evaluate_parsed(*parsed, each).decision is Decision.ALLOWED]
    if len({each.session_tags for each in admitted}) != 1:
        return None
    subjects = {check_subject(f"{each.namespace}:{each.service_account}") for each in admitted}
    clusters = sorted({each.cluster_arn for each in admitted})
    return Settings((), tuple(sorted(subjects)), cluster_arns=clusters, session_tags=admitted[0].session_tags)


def _any_association(document: Mapping[str, Any], settings: Settings, pods: Pods) -> Iterator[str]:
    """Yield who would keep the role without the statement by which whatever association names it gets it.

    It is the usual one: https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html
    """
    arns = [parse_cluster_arn(each) for each in settings.cluster_arns]
    if not arns or not admits_any_association(parse(document), arns[0].partition, arns[0].account_id):
        return
    names = listed([each.replace(":", "/", 1) for each in settings.subjects if not is_pattern(each)])
    who = f"{names if settings.session_tags else 'any association'} in {listed([each.name for each in arns])} only"
    only = f"EKS Pod Identity then gives it to {who}; until then, to whatever association names it"
    yield f"after the import, remove {POD_IDENTITY_PRINCIPAL} from trust.statements: {only}"
    if pods.unread:
        unread = listed(pods.unread)
        yield f"not read, and shut out then if they use it: associations of {unread} (pass --cluster)"


# --- whether it may --------------------------------------------------------------------------------------------------


def _refused(statements: Sequence[Mapping[str, Any]]) -> str:
    """Return what irsa refuses in further statements; empty where it refuses nothing."""
    mistakes = [found for each in statements for found in statement_mistakes(each, trust=True)]
    for place, mistake in (*mistakes, *sid_mistakes(statements)):
        where = f"{path_of(place)}: " if place else ""
        return f"irsa refuses a statement of its trust policy: {where}{mistake.found}; allowed: {mistake.allowed}"
    return ""


def _unequal(before: Mapping[str, Any], after: Mapping[str, Any], surroundings: Surroundings) -> str:
    """Return whom two trust policies treat differently; empty where nobody is."""
    found = difference(before, after, surroundings.audiences)
    if not found and not admits_the_same(before, after):
        found = "whom it admits would change"
    return f"its trust policy as irsa would write it: {found}" if found else ""
