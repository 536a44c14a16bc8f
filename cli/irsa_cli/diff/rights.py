"""Who gains and who loses the right to assume a role: two worlds, evaluated for the same service accounts. Pure.

The right is AWS's: the role exists, the IAM OIDC provider of the cluster exists and lists the audience of some token,
and the trust policy allows it; or an association of EKS Pod Identity gives the role, and the trust policy allows that.
What runs in the cluster makes no difference: who can create a service account of that name, or a token of it, has the
right.
"""

import functools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from irsa.evaluation.admission import admitted_by, providers_of
from irsa.evaluation.same_sessions import difference
from irsa.rules.arns import issuer_of_provider
from irsa.rules.mistakes import named
from irsa_cli.diff.questions import Undecided
from irsa_cli.diff.sides import Compared, Side, admits
from irsa_cli.diff.world import Role, place_of
from irsa_world.model import Association
from irsa_world.trusts.changes import Anyway, Change, Changes, changes
from irsa_world.trusts.claims import Claims

GAINED = ("gains", "may_gain")
UNDECIDED = "its trust policy has conditions that irsa cannot evaluate"
VARIABLES = "its trust policy has policy variables, which irsa does not try"
TOO_MANY = "the patterns of its trust policy combine in too many ways"
NOT_KNOWN = "an association of it is not known until `pulumi up`"
OTHER_AUDIENCE = "it takes tokens of another audience, and only AWS knows the client IDs of"


@dataclass(frozen=True)
class Right:
    """A service account that gains or loses the right to assume a role.

    Attributes:
        service_account: NAMESPACE/NAME, or a pattern for several; `*/*` for every service account.
        role: Name of the role; of a role whose name IAM is going to choose, its logical name.
        role_arn: ARN of the role; empty where IAM is going to choose its name.
        issuer: The issuer of the cluster, without https://.
        such_as: Service accounts that a pattern stands for, sorted.
        but_not: Patterns within it, sorted: of a gain, of those who do not have the right afterwards; of a loss, of
            those who keep it, or did not have it.
        at_most: Whether there are others of whom that is true, whom no pattern says.
        then: ARN of the role that `role` may assume in turn, if this is about that; in it, `*` and `?` stand for names.
            Then `service_account` is who may assume `role`; empty where that is not known.
        if_trusted: Whether the trust policy of `then`, which is not in the preview, must let it, too; without `then`,
            or of EKS Pod Identity, that of `role`.
        way: How its Pods get the role.
        cluster_arn: Of EKS Pod Identity, the ARN of the cluster; its name where the ARN is not known; empty for any
            cluster, and for IRSA.
        if_associated: Whether it takes an association that is not in the stack.
    """

    service_account: str
    role: str
    role_arn: str
    issuer: str
    such_as: tuple[str, ...] = ()
    but_not: tuple[str, ...] = ()
    at_most: bool = False
    then: str = ""
    if_trusted: bool = False
    way: Literal["irsa", "podIdentity"] = "irsa"
    cluster_arn: str = ""
    if_associated: bool = False


@dataclass(frozen=True)
class Rights:
    """Who gains and who loses the right to assume a role: see irsa_cli.diff.output."""

    gains: list[Right] = field(default_factory=list)
    loses: list[Right] = field(default_factory=list)
    may_gain: list[Right] = field(default_factory=list)
    may_lose: list[Right] = field(default_factory=list)
    cannot_tell: list[Undecided] = field(default_factory=list)
    other_principals: list[str] = field(default_factory=list)


def rights(
    compared: Iterable[Compared],
    declared: Set[str],
    live: Mapping[str, Iterable[str]],
    eks_issuers: Mapping[str, str] = {},
) -> Rights:
    """Return who gains and who loses the right to assume a role of the stack.

    Only EKS says which issuer is that of a cluster, by its ARN: what a stack calls its own may be another one. Where it
    did not say so, each way is told by itself.

    Args:
        compared: The roles that change.
        declared: The service accounts of the stack at both times, as `namespace:name`.
        live: Those of each cluster that was read, likewise, by its issuer without https://.
        eks_issuers: The issuers of EKS clusters, likewise, by the cluster's ARN.
    """
    found = Rights()
    claims = functools.cache(lambda issuer: Claims({each: each for each in {*declared, *live.get(issuer, ())}}))
    for each in compared:
        if each.problem:
            found.cannot_tell.append(Undecided(each.role.name, each.role.arn, each.problem))
            continue
        old, new = each.sides
        if {*old.said_to_others(each.issuers)} != {*new.said_to_others(each.issuers)}:
            found.other_principals.append(each.role.name)
        if not all(one.namespace and one.service_account for side in each.sides for one in side.associations):
            found.cannot_tell.append(Undecided(each.role.name, each.role.arn, NOT_KNOWN))
        providers = each.providers(eks_issuers)
        places = {place_of(one): one for side in each.sides for one in side.associations if one.service_account}
        # A provider, or else a cluster, with what that cluster is known by.
        clusters = dict.fromkeys(each.issuers, "") | {providers.get(place, place): place for place in places}
        of_clusters, other_audiences = [], []
        for arn, place in clusters.items():
            held = old.held_by_pods(place), new.held_by_pods(place)
            issuer = each.issuers.get(arn, "")
            of_cluster = changes(old.asked(arn), new.asked(arn), claims(issuer), held)
            of_clusters.append(of_cluster)
            other_audiences += [arn] if _takes_others(each, arn, claims(issuer), held, of_cluster) else []
            for name, those in of_cluster.by_name.items():
                by_pods = held[name in GAINED]
                getattr(found, name).extend(
                    _by_association(each.role, places[place], change.subject)
                    if by_pods.get(change.subject, False) is not False
                    else _by_token(each.role, issuer, change)
                    for change in those
                )
        if other_audiences:
            reason = f"{OTHER_AUDIENCE} {', '.join(map(named, sorted(other_audiences)))}"
            found.cannot_tell.append(Undecided(each.role.name, each.role.arn, reason))
        if (problem := _undecided(old, new, of_clusters)) and not _are_alike(each):
            found.cannot_tell.append(Undecided(each.role.name, each.role.arn, problem))
    return found


def _takes_others(compared: Compared, arn: str, claims: Claims[Any], held: Sequence[Anyway], found: Changes) -> bool:
    """Return whether a role takes tokens for an audience as it did not, of those who have the right by another one.

    What an OIDC provider lists that the stack does not create is not known, before and afterwards.
    """
    if not all(compared.roles) or any(each.audiences.get(arn, ()) is not None for each in compared.sides):
        return False
    both = [one for each in compared.sides for one in each.asked(arn)]
    (old, _), (new, _) = both
    told = {change.subject for name in GAINED for change in found.by_name[name]}
    every = {audience for _, taken in both for audience in taken or ()}
    # An association asks for no audience: who has one gains nothing by a token, and by the association no token.
    by_pods: Sequence[Anyway] = (held[0], {})
    of_each = (changes([(old, [audience])], [(new, [audience])], claims, by_pods) for audience in sorted(every))
    return any(change.subject not in told for each in of_each for name in GAINED for change in each.by_name[name])


def _are_alike(compared: Compared) -> bool:
    """Return whether a role treats no token differently, whatever that is which irsa does not know."""
    (old, new), (before, after) = (each and each.trust for each in compared.roles), compared.sides
    same_audiences = before.audiences == after.audiences
    return bool(old and new and same_audiences and not difference(old, new, before.audiences))


def _undecided(before: Side, after: Side, found: Collection[Changes]) -> str:
    """Return why others may gain or lose the right than those who are told; empty where nobody may."""
    if any(each.undecided for each in found) and {*before.said} != {*after.said}:
        return UNDECIDED
    # A variable may stand for an audience.
    variables = before.with_variables
    if variables != after.with_variables or (variables and before.audiences != after.audiences):
        return VARIABLES
    return TOO_MANY if any(each.too_many for each in found) else ""


def _by_token(role: Role, issuer: str, change: Change) -> Right:
    such_as, but_not = (tuple(map(written, each)) for each in (change.existing, change.but.subjects))
    subject = written(change.subject)
    return Right(subject, role.name, role.arn, issuer, such_as, but_not, not change.but.are_all)


def _by_association(role: Role, association: Association, subject: str) -> Right:
    cluster = association.cluster_arn
    return Right(written(subject), role.name, role.arn, "", way="podIdentity", cluster_arn=cluster)


def written(subject: str) -> str:
    """Return a subject as NAMESPACE/NAME."""
    return subject.replace(":", "/", 1)


def holders(role: Role) -> Iterator[tuple[bool, Right]]:
    """Yield who may assume a role, for certain or not; one without a name where nobody is known."""
    holders = [
        (each.certain, Right(written(each.subject), role.name, role.arn, issuer_of_provider(arn)), each)
        for arn in dict.fromkeys(providers_of(role.parsed[1]))
        for each in admitted_by(role.parsed, arn, None)[0]
    ]
    for certain, right, each in holders:
        but_not = tuple(map(written, each.denied))
        yield certain, replace(right, but_not=but_not, at_most=not (each.exact or each.denied_are_all))
    others = [(admits(role.parsed, each), _by_association(role, each, each.subject)) for each in role.associations]
    yield from ((admitted is True, each) for admitted, each in others if admitted is not False)
    if not holders and all(admitted is False for admitted, _ in others):
        yield True, Right("", role.name, role.arn, "")
