"""Trust policies read back: the settings from which irsa writes the same document.

A statement becomes keys of the binding only if irsa then writes the same statement in its normal form. Every other one
stays word for word. A statement that irsa adds for a way is one that another statement allows already.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from irsa.evaluation import Decision, PodIdentityRequest
from irsa.evaluation.decision import evaluate_parsed
from irsa.evaluation.differences import grants_nothing_new
from irsa.evaluation.document import Parsed, parse
from irsa.evaluation.normal_form import Spelling, are_equivalent, normal, normal_statement
from irsa.rules.arns import issuer_of_provider
from irsa.rules.grammar import VERSION, condition_mistakes, sid_mistakes, statement_mistakes
from irsa.rules.leaves import items_of, mapping_of
from irsa.rules.mistakes import Mistake, path_of
from irsa.rules.names import AUDIENCE, check_name
from irsa.rules.subjects import CLAIM_PREFIX, check_subject, is_pattern
from irsa.rules.trust import check_conditions
from irsa.ways import TrustParts, trust_document
from irsa_cli.adopt.items import Left

VARIABLES = f"its trust policy: with Version {VERSION}, a policy variable in it stands for something else"
NO_STATEMENT = "irsa would write no statement of its trust policy in the same way, for a cluster that was read"


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


class ReadTrust(NamedTuple):
    """A trust policy that was read back.

    Attributes:
        settings: By which irsa writes it.
        is_exact: Whether a preview shows no change of it.
    """

    settings: Settings
    is_exact: bool


def read_trust(
    document: Mapping[str, Any],
    providers: Mapping[str, str | None],
    pods: Collection[PodIdentityRequest] = (),
) -> ReadTrust:
    """Return the settings by which irsa writes a trust policy.

    Args:
        document: The trust policy.
        providers: The ARNs of the clusters, of which one outside of EKS has none, by the ARNs of their OIDC providers.
        pods: What EKS asks for each association of the role.

    Raises:
        Left: irsa cannot write it.
    """
    try:
        parsed = parse(document)
    except Mistake as mistake:
        raise Left(f"its trust policy: {mistake.found}") from mistake
    statements = items_of(document["Statement"])
    if document.get("Version") != VERSION and "${" in json.dumps(statements):
        raise Left(VARIABLES)
    reasons = []
    for keys in _proposals(statements, providers, _of_associations(parsed, pods)):
        spelling: Spelling = {}
        written = {*normal(keys.document, spelling).texts}
        present = normal(document, spelling).texts
        others = (each for each, text in zip(statements, present, strict=True) if text not in written)
        settings = keys._replace(statements=tuple(others))
        reason = _refused(settings.statements)
        if not reason and grants_nothing_new(settings.document, document):
            return ReadTrust(settings, are_equivalent(settings.document, document))
        reasons.append(reason)
    raise Left(next(filter(None, (*reasons, _refused(statements), NO_STATEMENT))))


# --- what irsa could write -------------------------------------------------------------------------------------------


def _proposals(
    statements: Sequence[Mapping[str, Any]],
    providers: Mapping[str, str | None],
    of_associations: Settings | None,
) -> Iterator[Settings]:
    """Yield the settings that may be the keys of the binding, the best first.

    They are those that statements name, of as many subjects and clusters as may be; with those of the associations, or
    without.
    """
    found = [each for statement in statements if (each := _settings_of(statement, providers))]
    alike: dict[str, Settings] = {}
    for each in found:
        arns = {*each.oidc_provider_arns, *alike.get(each.terms, each).oidc_provider_arns}
        alike[each.terms] = each._replace(oidc_provider_arns=tuple(sorted(arns)))
    by_irsa = sorted(alike.values(), key=lambda each: -len(each.subjects) * len(each.oidc_provider_arns))
    if of_associations:
        clusters, tags = of_associations.cluster_arns, of_associations.session_tags
        for each in by_irsa:
            # irsa writes each subject, cluster and condition for both ways.
            same_clusters = {providers[arn] for arn in each.oidc_provider_arns} == {*clusters}
            if same_clusters and not each.conditions and {*of_associations.subjects} <= {*each.subjects}:
                yield each._replace(cluster_arns=clusters, session_tags=tags)
    yield from by_irsa
    if of_associations:
        yield of_associations


def _settings_of(statement: Mapping[str, Any], providers: Collection[str]) -> Settings | None:
    """Return what a statement for a cluster names, whatever its form; None where irsa could not write that."""
    arns = items_of(mapping_of(statement["Principal"]).get("Federated", ()))
    if statement["Effect"] != "Allow" or len(arns) != 1 or arns[0] not in providers:
        return None
    claims: dict[str, list[str]] = {f"{issuer_of_provider(arns[0])}:{claim}".lower(): [] for claim in ("aud", "sub")}
    audiences, subjects = claims.values()
    conditions: dict[str, dict[str, Any]] = {}
    for operator, keys in (statement.get("Condition") or {}).items():
        for key, value in keys.items():
            if key.lower() not in claims:
                conditions.setdefault(operator, {})[key] = value
            elif operator != "Null":
                claims[key.lower()] += map(str, items_of(value))
    try:
        check_conditions(conditions)
        settings = Settings(
            tuple(arns),
            tuple(sorted({check_subject(each.removeprefix(CLAIM_PREFIX)) for each in subjects})),
            check_name(audiences[0], AUDIENCE),
            conditions or None,
        )
    except (IndexError, ValueError):
        return None
    return settings if subjects and not [*condition_mistakes(conditions)] else None


def _of_associations(parsed: Parsed, pods: Collection[PodIdentityRequest]) -> Settings | None:
    """Return the settings by which irsa trusts the associations that a trust policy admits; None without any."""
    # EKS takes an association of any name, and no statement of irsa's is for one with wildcards.
    named_ones = [each for each in pods if not is_pattern(f"{each.namespace}:{each.service_account}")]
    admitted = [each for each in named_ones if evaluate_parsed(*parsed, each).decision is Decision.ALLOWED]
    if len({each.session_tags for each in admitted}) != 1:
        return None
    subjects = {check_subject(f"{each.namespace}:{each.service_account}") for each in admitted}
    clusters = sorted({each.cluster_arn for each in admitted})
    return Settings((), tuple(sorted(subjects)), cluster_arns=clusters, session_tags=admitted[0].session_tags)


# --- whether it may --------------------------------------------------------------------------------------------------


def _refused(statements: Sequence[Mapping[str, Any]]) -> str:
    """Return what irsa refuses in further statements; empty where it refuses nothing."""
    mistakes = [found for each in statements for found in statement_mistakes(each, trust=True)]
    for place, mistake in (*mistakes, *sid_mistakes(statements)):
        where = f"{path_of(place)}: " if place else ""
        return f"irsa refuses a statement of its trust policy: {where}{mistake.found}; allowed: {mistake.allowed}"
    return ""
