"""The trust of the roles that change, before and after: what is said to tokens, Pods and others. Pure."""

import functools
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from irsa.evaluation import Decision, PodIdentityRequest
from irsa.evaluation.answers import any_of
from irsa.evaluation.decision import evaluate_parsed
from irsa.evaluation.document import Parsed, Statement
from irsa.evaluation.grants import Grants, grants, is_of_subject
from irsa.evaluation.normal_form import normal
from irsa.evaluation.permission_statements import Compared as ComparedCondition
from irsa.rules.arns import oidc_provider_arn
from irsa.rules.grammar import VERSION
from irsa_cli.diff.world import NO_PERMITS, NOTHING, Role, World, place_of
from irsa_world.issuers import eks_region
from irsa_world.model import Association
from irsa_world.trusts.changes import held_by_one
from irsa_world.trusts.clusters import clusters_named
from irsa_world.trusts.trust import ANYBODY, allowed_principals, is_of_kubernetes, trusts_of

PODS = PodIdentityRequest.principal
NO_CLIENT_IDS = "the client IDs of its OIDC provider are not known until `pulumi up`"


def admits(trust: Parsed, association: Association) -> bool | None:
    """Return whether a trust policy admits what EKS Pod Identity asks for an association; None for "cannot tell"."""
    return {Decision.ALLOWED: True, Decision.DENIED: False}.get(evaluate_parsed(*trust, association.request).decision)


class Side(NamedTuple):
    """A role at one time.

    Attributes:
        parsed: Version and statements of its trust policy.
        said: The statements in their normal form.
        audiences: What the OIDC providers of clusters in its AWS account list, by ARN; None where that is not known.
        associations: The associations that give it.
        client_ids: What the other OIDC providers of the stack list, by ARN.
    """

    parsed: Parsed
    said: Sequence[str]
    audiences: Mapping[str, Collection[str] | None]
    associations: Sequence[Association] = ()
    client_ids: Mapping[str, Collection[str] | None] = {}

    @property
    def with_variables(self) -> set[str]:
        """The statements with policy variables in the values of a condition; an older version has none."""
        version, statements = self.parsed
        wanted = [[value for one in each.conditions for value in one.wanted] for each in statements]
        has_variables = (version == VERSION and any("${" in value for value in values) for values in wanted)
        return {*itertools.compress(self.said, has_variables)}

    def grants(self, provider_arn: str) -> list[Grants]:
        """Return what is said to the tokens of an OIDC provider; nothing where STS takes none of it."""
        ids = self.audiences.get(provider_arn, ())
        return [grants(self.parsed, provider_arn, ids)] if ids is None or ids else []

    def admits(self, provider_arn: str, subject: str) -> bool | None:
        """Return whether a service account has the role by its tokens; None where that cannot be decided."""
        return held_by_one(self.grants(provider_arn), subject, {})

    def held_by_pods(self, place: str) -> dict[str, bool | None]:
        """Return who has the role by the associations of a cluster; None where that cannot be decided."""
        found: dict[str, list[bool | None]] = {}
        for each in (one for one in self.associations if place_of(one) == place and one.service_account):
            found.setdefault(each.subject, []).append(admits(self.parsed, each))
        return {subject: any_of(those) for subject, those in found.items()}

    def said_to_others(self, issuers: Mapping[str, str]) -> Iterator[tuple[str, frozenset[tuple[str, str]]]]:
        """Yield the statements that are not for service accounts, or not for them alone.

        Each with the ARNs of OIDC providers of no cluster, and the client IDs for which it may take their tokens.
        """
        for said, each in zip(self.said, self.parsed[1], strict=True):
            principals = {*each.principals} - {PODS}
            if not {("Federated", arn) for arn in issuers} >= principals or any(
                _is_for_others(each, issuers[arn]) for _, arn in principals
            ):
                yield said, frozenset((arn, one) for _, arn in principals for one in self._taken(each, arn))

    def _taken(self, statement: Statement, provider_arn: str) -> Iterator[str]:
        audience = f"{provider_arn.partition(':oidc-provider/')[2]}:aud".lower()
        asked_for = [
            ComparedCondition(each._replace(key=audience), variables=True, written=each.key)
            for each in statement.conditions
            if each.key.lower() == audience
        ]
        for each in self.client_ids.get(provider_arn) or ():
            if all(one.outcome((each,)) is not False for one in asked_for):
                yield each


class Compared(NamedTuple):
    """A role that changes.

    Attributes:
        roles: The role before and afterwards; None where it is not there.
        problem: Why nobody can tell who may assume it; empty where irsa can.
        issuers: The issuers of the OIDC providers of clusters that it names, by the provider's ARN.
        sides: Its trust at both times; none with a problem.
    """

    roles: tuple[Role | None, Role | None]
    problem: str
    issuers: Mapping[str, str] = {}
    sides: Sequence[Side] = ()

    @property
    def role(self) -> Role:
        """The role afterwards, or the one that is gone."""
        found = self.roles[1] or self.roles[0]
        assert found
        return found

    def providers(self, eks_issuers: Mapping[str, str]) -> dict[str, str]:
        """Return the OIDC provider by which the tokens of a cluster reach the role, by the cluster's ARN.

        While the AWS account of the role is not known, several may be that of one issuer.
        """
        by_issuer: dict[str, list[str]] = {}
        for provider_arn in self.sides[0].audiences:
            by_issuer.setdefault(self.issuers[provider_arn], []).append(provider_arn)
        found = {arn: by_issuer.get(issuer, []) for arn, issuer in eks_issuers.items()}
        return {arn: those[0] for arn, those in found.items() if len(those) == 1}


def changed_roles(before: World, after: World) -> list[str]:
    """Return the keys of the roles whose trust policy, or an OIDC provider that they trust, changes; sorted."""
    providers = [
        arn
        for arn in {**before.client_ids, **after.client_ids}
        if before.client_ids.get(arn, ()) != after.client_ids.get(arn, ())
    ]
    return sorted(
        key
        for key in {*before.roles, *after.roles}
        if _trusted(before.roles.get(key)) != _trusted(after.roles.get(key))
        or (providers and _trusts_any(after.roles[key].parsed[1], providers))
    )


def _trusted(role: Role | None) -> Role | None:
    return role and role._replace(permits=NO_PERMITS, session_policies={})


def compared_roles(before: World, after: World, issuers: Collection[str]) -> dict[str, Compared]:
    """Return the roles that change, by their keys, sorted; the issuers are those of the clusters that were read."""
    found = {}
    for key in changed_roles(before, after):
        roles = before.roles.get(key), after.roles.get(key)
        problem = next(filter(None, map(_problem, roles, (before, after))), "")
        found[key] = Compared(roles, problem, *(() if problem else _sides(roles, (before, after), issuers)))
    return found


def clusters_of_both_ways(before: World, after: World) -> list[str]:
    """Return the ARNs of the clusters whose issuer decides whether both ways lead to one service account."""
    found: set[str] = set()
    for key in changed_roles(before, after):
        roles = [each.roles[key] for each in (before, after) if key in each.roles]
        types = {type_ for role in roles for each in role.parsed[1] for type_, _ in each.principals}
        for role in roles if {PODS[0], "Federated"} <= types else ():
            found |= {each.request.cluster_arn for each in role.associations} | {*map(str, clusters_named(role.trust))}
    return sorted(found - {""})


def _problem(role: Role | None, world: World) -> str:
    """Return why nobody can tell who may assume a role; empty where irsa can."""
    unknown = [arn for arn, client_ids in world.client_ids.items() if client_ids is None]
    return (role.problem or (NO_CLIENT_IDS if _trusts_any(role.parsed[1], unknown) else "")) if role else ""


def _trusts_any(statements: Iterable[Statement], provider_arns: Collection[str]) -> bool:
    principals = allowed_principals(statements)
    return any(("Federated", arn) in principals or principals & ANYBODY for arn in provider_arns)


def _sides(
    roles: Sequence[Role | None], worlds: Sequence[World], issuers: Collection[str]
) -> tuple[dict[str, str], list[Side]]:
    """Return the issuers of the OIDC providers of clusters that a role names, by the provider's ARN, and both sides."""
    role = next(each for each in reversed(roles) if each)
    own = functools.partial(oidc_provider_arn, role.partition, role.aws_account)
    managed = {arn for world in worlds for arn in world.client_ids if _is_own(arn, role)}
    known = {*issuers, *filter(eks_region, (arn.partition(":oidc-provider/")[2] for arn in managed))}
    parsed = [each.parsed if each else NOTHING for each in roles]
    trusts = [
        each
        for side in parsed
        for each in trusts_of(side, role.partition, role.aws_account, dict.fromkeys(map(own, known), ()), known)
    ]
    # Where one side names service accounts, the issuer is a cluster's for the other side too, which may name nobody,
    # or anybody.
    clusters = {each.issuer for each in trusts if each.issuer in known or is_of_kubernetes(each)}
    of_clusters = {each.provider_arn: each.issuer for each in trusts if each.issuer in clusters}
    of_clusters |= {own(each): each for each in clusters if role.aws_account}
    of_its_account = [arn for arn in of_clusters if _is_own(arn, role)]
    spelling: dict[str, str] = {}
    return of_clusters, [
        Side(
            side,
            normal(each.trust, spelling).texts if each and each.trust is not None else [],
            # Those that the stack does not create may list any.
            {arn: world.client_ids.get(arn) or () if arn in managed else None for arn in of_its_account},
            each.associations if each else (),
            {arn: world.client_ids[arn] for arn in world.client_ids if arn not in of_its_account},
        )
        for side, each, world in zip(parsed, roles, worlds, strict=True)
    ]


def _is_own(provider_arn: str, role: Role) -> bool:
    """Return whether an OIDC provider is of the role's own AWS account: STS takes no other one."""
    _, partition, _, _, aws_account, *_ = provider_arn.split(":")
    return not role.aws_account or (partition, aws_account) == (role.partition, role.aws_account)


def _is_for_others(statement: Statement, issuer: str) -> bool:
    """Return whether a statement asks for claims that no token of a service account has: its issuer may be no cluster.

    Of these tokens, IAM has `aud` and `sub` alone:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html
    """
    for each in statement.conditions:
        prefix, _, claim = each.key.lower().rpartition(":")
        # No service account has upper case in its name. Null has values of its own.
        operator = each.operator.lower()
        values = (value.lower() if "ignorecase" in operator else value for value in each.wanted)
        is_theirs = claim == "sub" and (operator == "null" or all(map(is_of_subject, values)))
        if prefix == issuer.lower() and claim != "aud" and not is_theirs:
            return True
    return False
