"""Who gains and who loses the right to assume a role: the sessions of one World less those of another. Pure.

The right is AWS's: the role exists, the IAM OIDC provider of the cluster exists and lists the audience of some token,
and the trust policy allows it; or an association of EKS Pod Identity gives the role, and the trust policy allows that.
What runs in the cluster makes no difference: who can create a service account of that name, or a token of it, has the
right.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from irsa.evaluation import Decision
from irsa.evaluation.grants import Grants, OfTokens, is_within
from irsa.rules.mistakes import named
from irsa_cli.diff.questions import Undecided
from irsa_cli.diff.trust import Compared, own_roles
from irsa_world.issuers import eks_region
from irsa_world.model import UNNAMED, Association, Role, known_arn
from irsa_world.sessions import Sessions
from irsa_world.state.planned import NOT_THERE
from irsa_world.trusts.changes import NAMES, UNCERTAIN, Changes, changes, held_by_one, holders

GAINED = ("gains", "may_gain")
UNDECIDED = "its trust policy has conditions that irsa cannot evaluate"
VARIABLES = "its trust policy has policy variables, which irsa does not try"
TOO_MANY = "the patterns of its trust policy combine in too many ways"
NOT_KNOWN = "an association of it is not known until `pulumi up`"
OTHER_AUDIENCE = "it takes tokens of other audiences, and only AWS knows the client IDs of"
OUTCOMES = {Decision.ALLOWED: True, Decision.DENIED: False}
BY_PODS: Literal["podIdentity"] = "podIdentity"


@dataclass(frozen=True)
class Right:
    """A service account that gains or loses the right to assume a role.

    Attributes:
        service_account: NAMESPACE/NAME, or a pattern for several; `*/*` for every service account.
        role: Name of the role; of a role whose name IAM is going to choose, its logical name.
        role_arn: ARN of the role; empty where IAM is going to choose its name.
        issuer: The issuer of the cluster, without https://.
        but_not: Patterns within it, sorted: of a gain, of those who do not have the right afterwards; of a loss, of
            those who keep it, or did not have it.
        then: ARN of the target role of an association, if this is about that.
        if_trusted: Whether the trust policy of `then`, or without it of `role`, is not in the preview and must let it.
        way: How its Pods get the role.
        cluster_arn: Of EKS Pod Identity, the ARN of the cluster; its name where the ARN is not known.
    """

    service_account: str
    role: str
    role_arn: str
    issuer: str
    but_not: tuple[str, ...] = ()
    then: str = ""
    if_trusted: bool = False
    way: Literal["irsa", "podIdentity"] = "irsa"
    cluster_arn: str = ""


@dataclass(frozen=True)
class Rights:
    """Who gains and who loses the right to assume a role: see irsa_cli.diff.output."""

    gains: list[Right] = field(default_factory=list)
    loses: list[Right] = field(default_factory=list)
    may_gain: list[Right] = field(default_factory=list)
    may_lose: list[Right] = field(default_factory=list)
    changes_way: list[Right] = field(default_factory=list)
    cannot_tell: list[Undecided] = field(default_factory=list)
    other_principals: list[str] = field(default_factory=list)


def rights(before: Sessions, after: Sessions, compared: Iterable[Compared]) -> Rights:
    """Return who gains and who loses the right to assume a role of the stack, or one of which it has associations."""
    found = Rights()
    for each in compared:
        if each.problem:
            found.cannot_tell.append(each.undecided)
        else:
            _add(found, each, (before, after))
    of_stack = {*own_roles(before), *own_roles(after)}
    for arn in sorted({*before.world.associations, *after.world.associations} - of_stack):
        _add_pods(found, Compared((Role(arn, NOT_THERE), None), ""), _pods(arn, (before, after)), {})
    return found


# What is said to the tokens of an OIDC provider, before and afterwards.
_Said = tuple[list[Grants], list[Grants]]


class _Pods(NamedTuple):
    """A service account of a cluster with an association of a role, before and afterwards, and whether it has the role.

    Of a role that is not the stack's, that cannot be decided.
    """

    cluster: str
    subject: str
    associations: Sequence[Association | None]
    held: tuple[bool | None, bool | None]

    def may_be_of(self, issuer: str) -> bool:
        """Return whether its cluster may have an issuer: only EKS says which one it has."""
        region, known = eks_region(issuer), self.cluster.split(":")[3:4] if self.cluster.startswith("arn:") else []
        return bool(region) and known in ([], [region])


def _pods(arn: str, both: Sequence[Sessions]) -> list[_Pods]:
    pairs: dict[tuple[str, str], list[Association | None]] = {}
    for place, sessions in enumerate(both):
        for each in sessions.world.associations.get(arn, ()):
            pairs.setdefault((each.cluster_arn, each.subject), [None, None])[place] = each
    there = [sessions.roles.get(arn) for sessions in both]
    found = []
    for (cluster, subject), those in pairs.items():
        was, becomes = (
            each is not None and (_has(sessions, each) if role else False if any(there) else None)
            for sessions, role, each in zip(both, there, those, strict=True)
        )
        found.append(_Pods(cluster, subject, those, (was, becomes)))
    return found


def _right(compared: Compared, subject: str, issuer: str, **more: Any) -> Right:
    arn = known_arn(compared.role.arn)
    return Right(subject.replace(":", "/", 1), compared.role.name, arn, issuer, **more)


def _add(found: Rights, compared: Compared, both: Sequence[Sessions]) -> None:
    """Add who gains and who loses a role of the stack."""
    old, new = compared.sides
    said = [{*each.said_to_others(compared.issuers)} for each in (old, new)]
    if said[0] != said[1] or compared.other_pods:
        found.other_principals.append(compared.role.name)
    pods = _pods(compared.role.arn, both)
    said_to = {arn: (old.grants(arn), new.grants(arn)) for arn in compared.issuers}
    _add_pods(found, compared, pods, said_to)
    of_clusters, other_audiences = [], []
    for arn, issuer in compared.issuers.items():
        of_cluster = changes(*said_to[arn])
        of_clusters.append(of_cluster)
        told = {each.subject for name in GAINED for each in of_cluster.by_name[name]}
        other_audiences += [arn] if _takes_others(compared, arn, said_to[arn], told) else []
        for name, those in of_cluster.by_name.items():
            for each in those:
                there = [one for one in pods if one.subject == each.subject and one.may_be_of(issuer)]
                right = _right(compared, each.subject, issuer, but_not=tuple(e.replace(":", "/", 1) for e in each.but))
                by_pods = [one for one in there if name in UNCERTAIN and one.held[name == "loses"]]
                # One that has an association at one of both times alone is told by that.
                if not any(NAMES.get(one.held) in UNCERTAIN for one in by_pods):
                    getattr(found, "changes_way" if by_pods else name).append(right)
    reasons = [f"{OTHER_AUDIENCE} {', '.join(map(named, sorted(other_audiences)))}"] if other_audiences else []
    reasons += [problem] if (problem := _undecided(compared, of_clusters)) else []
    reasons += [] if all(all(each.subject.split(":")) for each in pods) else [NOT_KNOWN]
    found.cannot_tell.extend(compared._replace(problem=each).undecided for each in reasons)


def _add_pods(found: Rights, compared: Compared, pods: Iterable[_Pods], said_to: Mapping[str, _Said]) -> None:
    """Add who gains and who loses a role by associations, and who may keep it by the other way."""
    if_trusted = not compared.sides
    for each in (one for one in pods if all(one.subject.split(":"))):
        name = NAMES.get(each.held)
        association = each.associations["lose" not in (name or "")] or each.associations[0]
        then = association.target_role_arn if association and if_trusted else ""
        cluster = each.cluster.partition(UNNAMED)[0]
        right = _right(compared, each.subject, "", then=then, if_trusted=if_trusted, way=BY_PODS, cluster_arn=cluster)
        by_tokens = [
            issuer
            for arn, issuer in compared.issuers.items()
            if name in UNCERTAIN and each.may_be_of(issuer) and held_by_one(said_to[arn][name == "loses"], each.subject)
        ]
        if by_tokens:
            found.changes_way.append(right if name == "gains" else _right(compared, each.subject, by_tokens[0]))
        elif name:
            getattr(found, name).append(right)
        # Pods have credentials of their target role alone:
        # https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html
        old, new = (one.target_role_arn if one else "" for one in each.associations)
        if old and new != old and each.associations[1] and each.held[1] is not False:
            found.may_gain.append(replace(right, then=new, if_trusted=bool(new)))


def _takes_others(compared: Compared, arn: str, both: _Said, told: Set[str]) -> bool:
    """Return whether the audiences change for which a role takes tokens of those who are not told.

    What an OIDC provider lists that the stack does not create is not known, before and afterwards.
    """
    if not all(compared.roles) or any(each.audiences.get(arn, ()) is not None for each in compared.sides):
        return False
    old, new = (_rows(of) for side in both for of in side)
    # What now has a further condition, or is for fewer, is no more than it was.
    further = (
        (name, outcome, said)
        for name, outcome, said in new[0] - old[0]
        if not any(o_said == said and was in (outcome, True) and is_within(name, [of]) for of, was, o_said in old[0])
    )
    return any(name not in told for name, *_ in further) or bool(old[1] - new[1])


def _rows(of: Grants) -> tuple[set[tuple[Any, ...]], set[Any]]:
    """Return what is allowed by each name, with the audiences; and the Deny statements of some audiences."""

    def limits(each: OfTokens) -> tuple[Any, ...]:
        subs = [one for one in each.sub if one.negated or not each.allows or len(each.sub) > 1]
        return each.otherwise, frozenset((one.key.lower(), one.operator, one.wanted) for one in (*each.aud, *subs))

    statements = {each.place: each for each in of.statements}
    allowed = {(name, *limits(statements[place])) for name, places in of.named.items() for place in places}
    return allowed, {limits(each) for each in of.statements if each.aud and not each.allows}


def _undecided(compared: Compared, found: Collection[Changes]) -> str:
    """Return why others may gain or lose the right than those who are told; empty where nobody may."""
    before, after = compared.sides
    differs, is_listed_otherwise = before.said_to_tokens != after.said_to_tokens, before.audiences != after.audiences
    if differs and any(each.undecided for each in found):
        return UNDECIDED
    # A variable may stand for an audience.
    if (before.with_variables or after.with_variables) and (differs or is_listed_otherwise):
        return VARIABLES
    return TOO_MANY if (differs or is_listed_otherwise) and any(each.too_many for each in found) else ""


def _has(sessions: Sessions, association: Association) -> bool | None:
    """Return whether an association gives its role, before its target role; None where that cannot be decided."""
    return OUTCOMES.get(sessions.of_association(association)[0].verdict.decision)


def who_has(sessions: Sessions, role: Role) -> set[str]:
    """Return who may assume a role, or perhaps may."""
    policy = sessions.policies.get(role.arn)
    subjects = {each.subject for each in holders(policy.parsed)} if policy else set()
    pods = (each for each in sessions.world.associations.get(role.arn, ()) if _has(sessions, each) is not False)
    return {each.replace(":", "/", 1) for each in (*subjects, *(one.subject for one in pods))}
