"""Who gains and who loses the right to assume a role: the sessions of one World less those of another. Pure.

The right is AWS's: the role exists, the IAM OIDC provider of the cluster exists and lists the audience of some token,
and the trust policy allows it; or an association of EKS Pod Identity gives the role, and the trust policy allows that.
What runs in the cluster makes no difference: who can create a service account of that name, or a token of it, has the
right.
"""

import functools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from irsa.evaluation import Decision
from irsa.evaluation.answers import any_of
from irsa.evaluation.grants import grants, is_within
from irsa.rules.arns import issuer_of_provider
from irsa.rules.mistakes import named
from irsa_cli.diff.questions import Undecided
from irsa_cli.diff.trust import Compared, own_roles
from irsa_world.model import UNNAMED, Association, Role, known_arn
from irsa_world.sessions import Assumed, Sessions
from irsa_world.state.planned import NOT_THERE
from irsa_world.trusts.chains import elsewhere
from irsa_world.trusts.changes import Change, Changes, changes, held_by_one, holders
from irsa_world.trusts.claims import Claims

GAINED = ("gains", "may_gain")
UNDECIDED = "its trust policy has conditions that irsa cannot evaluate"
VARIABLES = "its trust policy has policy variables, which irsa does not try"
TOO_MANY = "the patterns of its trust policy combine in too many ways"
NOT_KNOWN = "an association of it is not known until `pulumi up`"
OTHER_AUDIENCE = "it takes tokens of another audience, and only AWS knows the client IDs of"
# What it means that a right was allowed, open or absent before, and is afterwards.
CHANGES = {(False, True): "gains", (True, False): "loses", (None, True): "may_gain", (False, None): "may_gain"}
CHANGES |= {(True, None): "may_lose", (None, False): "may_lose"}
UNCERTAIN = {"gains": "may_gain", "loses": "may_lose"}
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
        such_as: Service accounts that a pattern stands for, sorted.
        but_not: Patterns within it, sorted: of a gain, of those who do not have the right afterwards; of a loss, of
            those who keep it, or did not have it.
        at_most: Whether there are others of whom that is true, whom no pattern says.
        then: ARN of the role that `role` may assume in turn, if this is about that; in it, `*` and `?` stand for names.
            Then `service_account` is who may assume `role`; empty where that is not known.
        if_trusted: Whether the trust policy of `then`, which is not in the preview, must let it, too; without `then`,
            or of EKS Pod Identity, that of `role`.
        way: How its Pods get the role.
        cluster_arn: Of EKS Pod Identity, the ARN of the cluster; its name where the ARN is not known.
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


def rights(before: Sessions, after: Sessions, compared: Iterable[Compared], eks_issuers: Mapping[str, str]) -> Rights:
    """Return who gains and who loses the right to assume a role of the stack, or one of which it has associations.

    Only EKS says which issuer is that of a cluster, by its ARN: what a stack calls its own may be another one. Where it
    did not say so, each way is told by itself.
    """
    found = Rights()
    for each in compared:
        if each.problem:
            found.cannot_tell.append(each.undecided)
        else:
            _Ways(each, before, after, eks_issuers).add_to(found)
    of_stack = {*own_roles(before), *own_roles(after)}
    for arn in sorted({*before.world.associations, *after.world.associations} - of_stack):
        _Ways(Compared((Role(arn, NOT_THERE), None), ""), before, after, {}).add_pods(found)
    return found


class _Pods(NamedTuple):
    """A service account of a cluster with an association of a role, before and afterwards, and whether it has the role.

    Of a role that is not the stack's, that cannot be decided.
    """

    cluster: str
    subject: str
    associations: Sequence[Association | None]
    held: tuple[bool | None, bool | None]
    by_tokens: tuple[bool | None, bool | None]


class _Ways:
    """A role that changes, by both ways."""

    def __init__(self, compared: Compared, before: Sessions, after: Sessions, eks_issuers: Mapping[str, str]) -> None:
        self.compared, self.both, self.arn = compared, (before, after), compared.role.arn
        # While the AWS account of the role is not known, several providers may be that of one issuer.
        own = [*(compared.sides[0].audiences if compared.sides else ())]
        providers = {arn: [e for e in own if compared.issuers[e] == issuer] for arn, issuer in eks_issuers.items()}
        self.providers = {arn: those[0] for arn, those in providers.items() if len(those) == 1}
        pairs: dict[tuple[str, str], list[Association | None]] = {}
        for place, sessions in enumerate(self.both):
            for each in sessions.world.associations.get(self.arn, ()):
                pairs.setdefault((each.cluster_arn, each.subject), [None, None])[place] = each
        self.pods = [self._pods(*place, those) for place, those in pairs.items()]

    def _pods(self, cluster: str, subject: str, those: Sequence[Association | None]) -> _Pods:
        there = [sessions.roles.get(self.arn) for sessions in self.both]
        was, becomes = (
            each is not None and (_has(sessions, each) if role else False if any(there) else None)
            for sessions, role, each in zip(self.both, there, those, strict=True)
        )
        provider = self.providers.get(cluster, "")
        sides = self.compared.sides if provider else ()
        had, has = (held_by_one(each.grants(provider), subject) for each in sides) if sides else (False, False)
        return _Pods(cluster, subject, those, (was, becomes), (had, has))

    def _right(self, subject: str, issuer: str, **more: Any) -> Right:
        return Right(subject.replace(":", "/", 1), self.compared.role.name, known_arn(self.arn), issuer, **more)

    def add_to(self, found: Rights) -> None:
        """Add who gains and who loses the role."""
        compared, (old, new) = self.compared, self.compared.sides
        said = [{*each.said_to_others(compared.issuers)} for each in (old, new)]
        if said[0] != said[1] or compared.other_pods:
            found.other_principals.append(compared.role.name)
        self.add_pods(found)
        of_clusters, other_audiences = [], []
        for arn, issuer in compared.issuers.items():
            of_cluster = changes(old.grants(arn), new.grants(arn), self._claims(issuer))
            of_clusters.append(of_cluster)
            other_audiences += [arn] if self._takes_others(arn, of_cluster) else []
            for name, those in of_cluster.by_name.items():
                others = (each for each in those if not self._here(arn, each.subject))
                getattr(found, name).extend(self._by_token(arn, each) for each in others)
        reasons = [f"{OTHER_AUDIENCE} {', '.join(map(named, sorted(other_audiences)))}"] if other_audiences else []
        reasons += [problem] if (problem := self._undecided(of_clusters)) else []
        reasons += [] if all(all(each.subject.split(":")) for each in self.pods) else [NOT_KNOWN]
        found.cannot_tell.extend(compared._replace(problem=each).undecided for each in reasons)

    def add_pods(self, found: Rights) -> None:
        """Add who gains and who loses the role by associations, and who keeps it by the other way."""
        if_trusted = not self.compared.sides
        for each in (one for one in self.pods if all(one.subject.split(":"))):
            ways = zip(each.held, each.by_tokens, strict=True)
            was, becomes = map(any_of, ways)
            name = CHANGES.get((was, becomes))
            side = 1 if name is None or name in GAINED else 0
            association = each.associations[side] or each.associations[1 - side]
            then = association.target_role_arn if association and if_trusted else ""
            cluster = each.cluster.partition(UNNAMED)[0]
            right = self._right(each.subject, "", then=then, if_trusted=if_trusted, way=BY_PODS, cluster_arn=cluster)
            if each.held[side] is False and each.by_tokens[side] is not False:
                right = self._right(each.subject, self.compared.issuers[self.providers[each.cluster]])
            if name:
                getattr(found, name).append(right)
            elif was and (each.held[0] != each.held[1] or each.by_tokens[0] != each.by_tokens[1]):
                found.changes_way.append(right)
            # Pods have credentials of their target role alone:
            # https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html
            old, new = (one.target_role_arn if one else "" for one in each.associations)
            if old and new != old and each.associations[1] and each.held[1] is not False and not each.by_tokens[0]:
                found.may_gain.append(replace(right, then=new, if_trusted=bool(new)))

    def _claims(self, issuer: str) -> Claims[Any]:
        claims = self.both[1].claims
        return claims.get(f"https://{issuer}") or claims[""]

    def _here(self, provider_arn: str, subject: str) -> bool:
        """Return whether a service account has an association in the cluster of a provider: then that tells it."""
        return any(each.subject == subject and self.providers.get(each.cluster) == provider_arn for each in self.pods)

    def _by_token(self, provider_arn: str, change: Change) -> Right:
        keep = [each.subject for each in self.pods if each.held[1] and self.providers.get(each.cluster) == provider_arn]
        but_not = dict.fromkeys((*change.but, *(each for each in keep if is_within(each, [change.subject]))))
        existing = [each for each in change.existing if not self._here(provider_arn, each)]
        such_as, but = (tuple(each.replace(":", "/", 1) for each in those) for those in (existing, but_not))
        issuer = self.compared.issuers[provider_arn]
        return self._right(change.subject, issuer, such_as=such_as, but_not=but, at_most=change.at_most)

    def _takes_others(self, arn: str, found: Changes) -> bool:
        """Return whether a role takes tokens for an audience as it did not, of those who have the right by another one.

        What an OIDC provider lists that the stack does not create is not known, before and afterwards.
        """
        compared = self.compared
        if not all(compared.roles) or any(each.audiences.get(arn, ()) is not None for each in compared.sides):
            return False
        old, new = (each.parsed for each in compared.sides)
        told = {change.subject for name in GAINED for change in found.by_name[name]}
        told |= {each.subject for each in self.pods if each.held[0]}
        every = sorted({audience for each in compared.sides for of in each.grants(arn) for audience in of.audiences})
        claims = self._claims(compared.issuers[arn])
        of_each = (changes([grants(old, arn, [each])], [grants(new, arn, [each])], claims) for each in every)
        return any(change.subject not in told for each in of_each for name in GAINED for change in each.by_name[name])

    def _undecided(self, found: Collection[Changes]) -> str:
        """Return why others may gain or lose the right than those who are told; empty where nobody may."""
        before, after = self.compared.sides
        differs, is_listed_otherwise = (
            before.said_to_tokens != after.said_to_tokens,
            before.audiences != after.audiences,
        )
        if differs and any(each.undecided for each in found):
            return UNDECIDED
        # A variable may stand for an audience.
        if (before.with_variables or after.with_variables) and (differs or is_listed_otherwise):
            return VARIABLES
        return TOO_MANY if (differs or is_listed_otherwise) and any(each.too_many for each in found) else ""


def _has(sessions: Sessions, association: Association) -> bool | None:
    """Return whether an association gives its role, before its target role; None where that cannot be decided."""
    return OUTCOMES.get(sessions.of_association(association)[0].verdict.decision)


def who_has(sessions: Sessions, role: Role) -> Iterator[tuple[bool, Right]]:
    """Yield who may assume a role, for certain or not; one without a name where nobody is known."""
    policy = sessions.policies.get(role.arn)
    right = functools.partial(Right, role=role.name, role_arn=known_arn(role.arn))
    by_tokens = [*holders(policy.parsed)] if policy else []
    for each in by_tokens:
        subject, *but_not = (one.replace(":", "/", 1) for one in (each.subject, *each.denied))
        issuer = issuer_of_provider(each.provider_arn)
        yield each.certain, right(subject, issuer=issuer, but_not=tuple(but_not))
    every = sessions.world.associations.get(role.arn, ())
    pods = [(has, one) for one in every if (has := _has(sessions, one)) is not False]
    for has, one in pods:
        cluster = one.cluster_arn.partition(UNNAMED)[0]
        yield has is True, right(str(one), issuer="", way=BY_PODS, cluster_arn=cluster)
    if not (by_tokens or pods):
        yield True, right("", issuer="")


# --- roles that a role may assume in turn -----------------------------------------------------------------------------

# That a role may assume another one, by their ARNs.
Chains = Mapping[tuple[str, str], Assumed]


def add_chains(found: Rights, before: Sessions, after: Sessions) -> Chains:
    """Add the roles that a role may assume afterwards, or no more; return all those of afterwards."""
    named_ones: dict[str, set[str]] = {}
    for sessions in (before, after):
        for arn, role in own_roles(sessions).items():
            named_ones.setdefault(arn, set()).update(elsewhere(sessions.role_policies(role)))
    old, new = _chains(before, after, named_ones), _chains(after, before, named_ones)
    for key in sorted({*old, *new}):
        was, becomes = (each[key].outcome if key in each else False for each in (old, new))
        if name := CHANGES.get((was, becomes)):
            sessions, (arn, other) = (after if "gain" in name else before), key
            if_trusted = not any(other in each.roles for each in (before, after))
            for certain, each in who_has(sessions, sessions.roles[arn]):
                right = replace(each, then=other, if_trusted=if_trusted)
                getattr(found, name if certain else UNCERTAIN.get(name, name)).append(right)
    return new


def _chains(
    sessions: Sessions, other_time: Sessions, named_ones: Mapping[str, set[str]]
) -> dict[tuple[str, str], Assumed]:
    """Return the roles that each role of the stack may assume; what it has only at the other time is not there."""
    gone = other_time.roles.keys() - sessions.roles.keys()
    return {
        (arn, each.other_arn): each
        for arn, role in own_roles(sessions).items()
        for each in sessions.assumed_by(role, named_ones[arn])
        if each.other_arn not in gone
    }
