"""Who gains and who loses a role by EKS Pod Identity, and who keeps it by another way. Pure.

An association gives a role to a service account of one cluster, if the role's trust policy admits that. Where it admits
more than the associations of the stack, who may create associations decides who gets the role.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from irsa.evaluation.answers import PodIdentityRequest, any_of
from irsa.evaluation.document import Statement
from irsa.evaluation.gains import gains
from irsa.evaluation.patterns import TooManyError, covers, intersection
from irsa.evaluation.permissions import gives
from irsa.rules.arns import ClusterArn
from irsa.rules.grammar import split_operator
from irsa.rules.subjects import WILDCARDS, subject_of
from irsa.rules.trust import (
    CLUSTER_TAG,
    NAMESPACE_TAG,
    SERVICE_ACCOUNT_TAG,
    SOURCE_ACCOUNT,
    SOURCE_ARN,
)
from irsa.rules.unknown import Unknown
from irsa.ways import IRSA, POD_IDENTITY
from irsa_cli.diff.rights import (
    PODS,
    TOO_MANY,
    UNDECIDED,
    Compared,
    Right,
    Rights,
    Side,
    Undecided,
    admits,
    by_association,
    changed_roles,
    compared_sides,
    problem_of,
    written,
)
from irsa_cli.diff.snapshots import UNKNOWN_ARN, Role, Snapshot, clusters_named, place_of
from irsa_world.model import Association
from irsa_world.trusts.chains import Document
from irsa_world.trusts.changes import held_by_one
from irsa_world.trusts.trust import ANYBODY

# What it means that the right was held, open or absent before, and is afterwards.
CHANGES = {(False, True): "gains", (True, False): "loses", (None, True): "may_gain", (False, None): "may_gain"}
CHANGES |= {(True, None): "may_lose", (None, False): "may_lose"}
# More requests than these are not tried.
MOST_REQUESTS = 2_000
# A name that no pattern has but `*`: it stands for every other name.
ANY_NAME = "0irsa0"
ANY_REGION = "us-east-1"
# Operators by which a condition names its values.
NAMING = frozenset({"StringEquals", "StringLike", "ArnEquals", "ArnLike"})
CLUSTER_NAME_TAG = "aws:requesttag/eks-cluster-name"
NOT_KNOWN = "an association of it is not known until `pulumi up`"


@dataclass(frozen=True)
class OtherWay:
    """A service account that keeps the right to assume a role, by other ways than before.

    Attributes:
        service_account: NAMESPACE/NAME.
        role: Name of the role; of a role whose name IAM is going to choose, its logical name.
        role_arn: ARN of the role; empty where IAM is going to choose its name.
        cluster_arn: ARN of the EKS cluster; empty where it is not known.
        before: The ways before: `irsa`, `podIdentity`.
        after: The ways afterwards.
    """

    service_account: str
    role: str
    role_arn: str
    cluster_arn: str
    before: tuple[str, ...]
    after: tuple[str, ...]


class _Held(NamedTuple):
    """Whether a service account has a role at one time, by each way; None where that cannot be decided."""

    irsa: bool | None
    pod_identity: bool | None

    @property
    def any(self) -> bool | None:
        return any_of(self)

    @property
    def ways(self) -> tuple[str, ...]:
        return tuple(way.key for way, held in zip((IRSA, POD_IDENTITY), self, strict=True) if held)


def clusters_of_both_ways(before: Snapshot, after: Snapshot) -> list[str]:
    """Return the ARNs of the clusters whose issuer decides whether both ways lead to one service account."""
    found: set[str] = set()
    for key in changed_roles(before, after):
        roles = [each.roles[key] for each in (before, after) if key in each.roles]
        types = {type_ for role in roles for each in role.parsed[1] for type_, _ in each.principals}
        for role in roles if {PODS[0], "Federated"} <= types else ():
            found |= {each.request.cluster_arn for each in role.associations} | {*map(str, clusters_named(role.trust))}
    return sorted(found - {""})


def with_associations(
    found: Rights,
    compared: Iterable[Compared],
    before: Snapshot,
    after: Snapshot,
    eks_issuers: Mapping[str, str] = {},
) -> tuple[Rights, list[OtherWay]]:
    """Return who gains and who loses, by EKS Pod Identity too; and who keeps a role by another way.

    Only EKS says which issuer is that of a cluster, by its ARN: what a stack calls its own may be another one. Where it
    did not say so, each way is told by itself.
    """
    rights = {name: [*getattr(found, name)] for name in dict.fromkeys(CHANGES.values())}
    undecided, other_ways = [*found.cannot_tell], []
    for of_role in compared:
        role, issuers, sides = of_role.role, of_role.issuers, of_role.sides
        if of_role.problem:
            continue
        declared = [each.associations if each else () for each in of_role.roles]
        if any(not (each.namespace and each.service_account) for those in declared for each in those):
            undecided.append(Undecided(role.name, role.arn, NOT_KNOWN))
        providers = _providers_of_clusters(issuers, sides[0], eks_issuers)
        places: dict[tuple[str, str], tuple[list[Association], ...]] = {}
        for index, those in enumerate(declared):
            for each in (one for one in those if one.service_account):
                places.setdefault((place_of(each), each.subject), ([], []))[index].append(each)
        for (place, subject), both in sorted(places.items()):
            association, provider = [*both[0], *both[1]][-1], providers.get(place, "")
            held = [
                _Held(_by_irsa(side, provider, subject), any_of(admits(side.parsed, each.request) for each in those))
                for side, those in zip(sides, both, strict=True)
            ]
            _replace_right(rights, by_association(role, association), issuers.get(provider, ""), held)
            if held[0].any and held[1].any and held[0].ways != held[1].ways:
                ways = held[0].ways, held[1].ways
                other_ways.append(OtherWay(written(subject), role.name, role.arn, association.cluster_arn, *ways))
        of_trust, problem = _by_trust_alone(role, sides, declared, providers)
        for name, by_trust in of_trust.items():
            rights[name] += by_trust
        undecided += [Undecided(role.name, role.arn, problem)] if problem else []
    for name, of_others in _of_other_roles(before, after).items():
        rights[name] += of_others
    return Rights(**vars(found) | rights | {"cannot_tell": undecided}), other_ways


def _providers_of_clusters(issuers: Mapping[str, str], side: Side, eks_issuers: Mapping[str, str]) -> dict[str, str]:
    """Return the OIDC provider by which the tokens of a cluster reach a role, by the cluster's ARN.

    While the AWS account of the role is not known, several may be that of one issuer.
    """
    by_issuer: dict[str, list[str]] = {}
    for provider_arn in side.audiences:
        by_issuer.setdefault(issuers[provider_arn], []).append(provider_arn)
    found = {arn: by_issuer.get(issuer, []) for arn, issuer in eks_issuers.items()}
    return {arn: those[0] for arn, those in found.items() if len(those) == 1}


def _by_irsa(side: Side, provider_arn: str, subject: str) -> bool | None:
    return held_by_one(side.asked(provider_arn), subject)


def _replace_right(rights: dict[str, list[Right]], right: Right, issuer: str, held: Sequence[_Held]) -> None:
    """Put what both ways together change in place of what the tokens of the cluster alone change."""
    old, new = held
    change = CHANGES.get((old.any, new.any))
    by_irsa = CHANGES.get((old.irsa, new.irsa))
    if issuer and change != by_irsa:
        for name, those in rights.items():
            rights[name] = [each for each in those if not _is_of(each, right, issuer)]
    if change and (not issuer or change != by_irsa):
        rights[change].append(right)
    if new.pod_identity:
        # Who keeps a role by an association is an exception to a pattern of those who lose it.
        for name in ("loses", "may_lose"):
            rights[name] = [
                replace(each, but_not=tuple(sorted({*each.but_not, right.service_account})))
                if issuer and _includes(each, right, issuer)
                else each
                for each in rights[name]
            ]


def _is_of(one: Right, right: Right, issuer: str) -> bool:
    wanted = (right.service_account, right.role, right.role_arn, issuer)
    return not one.then and (one.service_account, one.role, one.role_arn, one.issuer) == wanted


def _includes(one: Right, right: Right, issuer: str) -> bool:
    is_pattern = WILDCARDS.search(one.service_account) and covers(one.service_account, right.service_account)
    return bool(is_pattern) and _is_of(replace(one, service_account=right.service_account), right, issuer)


# --- what the trust policy admits without an association of the stack ------------------------------------------------


class _Asked(NamedTuple):
    """Cluster, namespace and name of service accounts, each a pattern; and what asks for them."""

    cluster: str
    namespace: str
    name: str
    requests: tuple[PodIdentityRequest, ...]

    def covers(self, other: "_Asked") -> bool:
        return all(covers(one, another) for one, another in zip(self[:3], other[:3], strict=True))


def _by_trust_alone(
    role: Role, sides: Sequence[Side], declared: Sequence[Sequence[Association]], providers: Mapping[str, str]
) -> tuple[dict[str, list[Right]], str]:
    """Return who may gain and lose the role by an association that is not in the stack; and what cannot be told."""
    said = [side.said_to_pods() for side in sides]
    if said[0] == said[1]:
        return {}, ""
    asked = _asked(role, sides)
    if asked is None:
        return {}, TOO_MANY
    found: dict[str, list[_Asked]] = {"may_gain": [], "may_lose": []}
    problem = ""
    for each in asked:
        old, new = (any_of(admits(side.parsed, one) for one in each.requests) for side in sides)
        if old is None and new is None:
            problem = UNDECIDED
        elif old is not new:
            found["may_gain" if new or (new is None and old is False) else "may_lose"].append(each)
    rights: dict[str, list[Right]] = {}
    for name, those in found.items():
        # Who has an association then is told by that; who has the role by IRSA at the other time is not somebody else.
        side, associations = (sides[0], declared[1]) if name == "may_gain" else (sides[1], declared[0])
        known = {(each.cluster_arn, each.subject) for each in associations}
        widest = [each for each in those if not any(_is_wider(one, each) for one in those)]
        rights[name] = [
            Right(
                f"{each.namespace}/{each.name}",
                role.name,
                role.arn,
                "",
                way="podIdentity",
                cluster_arn="" if each.cluster == "*" else each.cluster,
                if_associated=True,
            )
            for each in widest
            if (each.cluster, subject_of(each.namespace, each.name)) not in known
            and not _by_irsa(side, providers.get(each.cluster, ""), subject_of(each.namespace, each.name))
        ]
    return rights, problem


def _is_wider(one: _Asked, other: _Asked) -> bool:
    return one is not other and one.covers(other) and (not other.covers(one) or one[:3] < other[:3])


_Places = tuple[set[str], set[str], set[str]]
"""Patterns of clusters, namespaces and names."""


def _asked(role: Role, sides: Sequence[Side]) -> list[_Asked] | None:
    """Return what the statements for EKS Pod Identity tell apart, each by its own values; and one for all others.

    None where that is too much.
    """
    anywhere = ClusterArn(role.partition, ANY_REGION, role.aws_account or "0" * 12, "*")
    statements = [each for side in sides for each in side.parsed[1] if {PODS, *ANYBODY} & {*each.principals}]
    places = [_places(each, anywhere) for each in statements]
    if any(each.effect == "Deny" for each in statements):
        # Who is let in by one statement and kept out by another one is within both.
        clusters, *names = ({"*"}.union(*(place[part] for place in places)) for part in range(3))
        try:
            places = [(clusters, _with_intersections(names[0]), _with_intersections(names[1]))]
        except TooManyError:
            return None
    if sum(math.prod(map(len, place)) for place in places) > MOST_REQUESTS:
        return None

    def requests(cluster: str, namespace: str, name: str) -> tuple[PodIdentityRequest, ...]:
        arn, place = _sample(str(anywhere) if cluster == "*" else cluster), (_sample(namespace), _sample(name))
        return tuple(PodIdentityRequest(*place, arn, session_tags=tags) for tags in (True, False))

    every = {("*", "*", "*")}.union(*(itertools.product(*place) for place in places))
    return [_Asked(*each, requests(*each)) for each in sorted(every)]


def _places(statement: Statement, anywhere: ClusterArn) -> _Places:
    """Return whom the conditions of a statement name, and `*` where they name others or nobody."""
    values: dict[str, set[str]] = {}
    for condition in statement.conditions:
        operator = split_operator(condition.operator)
        # Of what a condition excludes, and of what it asks only where it is there, all others are to be tried, too.
        is_plain = operator and operator.name in NAMING and not operator.if_exists
        texts = {each for each in condition.wanted if "${" not in each}
        values.setdefault(condition.key.lower(), set()).update(texts, [] if is_plain else ["*"])
    clusters = {each for key in (CLUSTER_TAG, SOURCE_ARN) for each in values.get(key.lower(), ())}
    clusters |= {str(anywhere._replace(name=name)) for name in values.get(CLUSTER_NAME_TAG, ())}
    accounts = values.get(SOURCE_ACCOUNT.lower(), set()) - {anywhere.account_id}
    clusters |= {str(anywhere._replace(account_id=each)) for each in accounts}
    clusters = {each for each in clusters if each == "*" or each.count(":") == 5}  # noqa: PLR2004 (an ARN's parts)
    namespaces, names = (values.get(key.lower()) or {"*"} for key in (NAMESPACE_TAG, SERVICE_ACCOUNT_TAG))
    return clusters or {"*"}, namespaces, names


def _with_intersections(names: set[str]) -> set[str]:
    """Return patterns of names with those that match what two of them match.

    Raises:
        TooManyError: There are too many.
    """
    both = (intersection([f"{one}:*"], [f"{other}:*"]) for one, other in itertools.combinations(sorted(names), 2))
    return names | {each.partition(":")[0] for those in both for each in those}


def _sample(pattern: str) -> str:
    """Return a text that a pattern matches, and no other pattern that does not begin or end as it does."""
    return WILDCARDS.sub(lambda found: ANY_NAME if found[0] == "*" else "0", pattern)


# --- roles that are not in the stack, and session policies -----------------------------------------------------------


def _of_other_roles(before: Snapshot, after: Snapshot) -> dict[str, list[Right]]:
    """Return who may gain and lose a role that is not in the stack: its trust policy decides."""
    sides = [
        {
            (arn, place_of(each), each.cluster_arn, each.subject, each.target_role_arn)
            for arn, those in side.associations.items()
            for each in those
        }
        for side in (before, after)
    ]
    changes = {"may_gain": sides[1] - sides[0], "may_lose": sides[0] - sides[1]}
    return {name: [_of_other_role(arn, *each) for arn, _, *each in sorted(those)] for name, those in changes.items()}


def _of_other_role(arn: str, cluster: str, subject: str, target: str) -> Right:
    name, arn = (arn, "") if arn == UNKNOWN_ARN else (arn.rpartition("/")[2], arn)
    right = Right(written(subject), name, arn, "", then=target, if_trusted=True)
    return replace(right, way="podIdentity", cluster_arn=cluster)


def session_policy_changes(
    before: Snapshot, after: Snapshot, live: Mapping[str, Iterable[str]], eks_issuers: Mapping[str, str] = {}
) -> list[Undecided]:
    """Return the roles of whose associations one has no session policy any more, or one that limits less.

    The service accounts of the clusters and the issuers are those of `with_associations`.
    """
    stay = {place for place, _ in _of_roles(after)}
    found = []
    for place, association in _of_roles(before):
        old, new = (side.session_policies.get(place) for side in (before, after))
        changes = [_widening(old, new)] if place in stay and old is not None and old != new else []
        roles = before.roles.get(place[0]), after.roles.get(place[0])
        role = roles[1]
        if role and old is not None and not problem_of(roles, (before, after)):
            issuers, sides = compared_sides(role, roles, (before, after), live)
            known = _providers_of_clusters(issuers, sides[0], eks_issuers)
            # Where EKS did not say which issuer is that of the cluster, each one may be.
            providers = [known.get(place[1], "")] if place[1] in eks_issuers else sides[0].audiences
            held = ([_by_irsa(side, each, association.subject) for side in sides] for each in providers)
            if any(was != becomes and becomes is not False for was, becomes in held):
                changes.append("does not limit its sessions by IRSA")
        for change in filter(None, changes):
            name, arn = (role.name, role.arn) if role else (place[0].rpartition("/")[2], place[0])
            where = f"{written(association.subject)} in {association.cluster_arn}"
            found.append(Undecided(name, arn, f"the session policy that limited {where} {change}"))
    return found


def _widening(old: Document, new: Document | None) -> str:
    """Return how a session policy limits less than before; empty where it does not."""
    if new is None:
        return "is removed"
    if isinstance(old, Unknown) or isinstance(new, Unknown):
        return "changes, and what it says is not known until `pulumi up`"
    return "allows more than before" if gains(gives([old]), gives([new])) else ""


def _of_roles(snapshot: Snapshot) -> Iterator[tuple[tuple[str, str, str], Association]]:
    roles = {key: role.associations for key, role in snapshot.roles.items()}
    for key, those in (*roles.items(), *snapshot.associations.items()):
        for each in those:
            yield (key, place_of(each), each.subject), each
