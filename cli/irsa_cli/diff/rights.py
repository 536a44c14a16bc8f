"""Who gains and who loses the right to assume a role: two snapshots, evaluated for the same service accounts. Pure.

The right is AWS's: the role exists, the IAM OIDC provider of the cluster exists and lists the audience of some token,
and the trust policy allows it. What runs in the cluster makes no difference: who can create a service account of that
name, or a token of it, has the right.
"""

import functools
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from irsa.evaluation import Decision, PodIdentityRequest
from irsa.evaluation.admission import admitted_by, providers_of
from irsa.evaluation.cover import is_of_subject
from irsa.evaluation.decision import evaluate_parsed
from irsa.evaluation.document import Parsed, Statement
from irsa.evaluation.normal_form import normal
from irsa.evaluation.same_sessions import difference
from irsa.rules.arns import issuer_of_provider, oidc_provider_arn
from irsa.rules.grammar import VERSION
from irsa_cli.diff.snapshots import NOTHING, Role, Snapshot
from irsa_world.issuers import eks_region
from irsa_world.model import Association
from irsa_world.trusts.changes import Asked, Change, Changes, asked, changes
from irsa_world.trusts.claims import Claims
from irsa_world.trusts.trust import ANYBODY, allowed_principals, is_of_kubernetes, trusts_of

UNDECIDED = "its trust policy has conditions that irsa cannot evaluate"
VARIABLES = "its trust policy has policy variables, which irsa does not try"
PODS = PodIdentityRequest.principal
TOO_MANY = "the patterns of its trust policy combine in too many ways"


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
class Undecided:
    """A role of which irsa cannot tell who gains or loses the right to assume it.

    Attributes:
        role: Name of the role.
        role_arn: ARN of the role; empty where IAM is going to choose its name.
        reason: Why.
    """

    role: str
    role_arn: str
    reason: str


@dataclass(frozen=True)
class Rights:
    """Who gains and who loses the right to assume a role: see irsa_cli.diff.output."""

    gains: Sequence[Right] = ()
    loses: Sequence[Right] = ()
    may_gain: Sequence[Right] = ()
    may_lose: Sequence[Right] = ()
    cannot_tell: Sequence[Undecided] = ()
    other_principals: Sequence[str] = ()


def changed_roles(before: Snapshot, after: Snapshot) -> list[str]:
    """Return the keys of the roles whose trust policy, or an OIDC provider that they trust, changes; sorted."""
    providers = [
        arn
        for arn in {**before.client_ids, **after.client_ids}
        if before.client_ids.get(arn, ()) != after.client_ids.get(arn, ())
    ]
    return sorted(
        key
        for key in {*before.roles, *after.roles}
        if before.roles.get(key) != after.roles.get(key)
        or (providers and _trusts_any(after.roles[key].parsed[1], providers))
    )


class Compared(NamedTuple):
    """A role that changes.

    Attributes:
        roles: The role before and afterwards; None where it is not there.
        problem: Why nobody can tell who may assume it; empty where irsa can.
        issuers: The issuers of the OIDC providers of clusters that it names, by the provider's ARN.
        sides: The role at both times; none with a problem.
    """

    roles: tuple[Role | None, Role | None]
    problem: str
    issuers: Mapping[str, str] = {}
    sides: Sequence["Side"] = ()

    @property
    def role(self) -> Role:
        """The role afterwards, or the one that is gone."""
        found = self.roles[1] or self.roles[0]
        assert found
        return found


def compared_roles(before: Snapshot, after: Snapshot, issuers: Collection[str]) -> list[Compared]:
    """Return the roles that change, sorted by their keys; the issuers are those of the clusters that were read."""
    found = []
    for key in changed_roles(before, after):
        roles = before.roles.get(key), after.roles.get(key)
        each = Compared(roles, problem_of(roles, (before, after)))
        if not each.problem:
            each = Compared(roles, "", *compared_sides(each.role, roles, (before, after), issuers))
        found.append(each)
    return found


def rights(compared: Iterable[Compared], declared: Set[str], live: Mapping[str, Iterable[str]]) -> Rights:
    """Return who gains and who loses the right to assume a role of the stack.

    Args:
        compared: The roles that change.
        declared: The service accounts of the stack at both times, as `namespace:name`.
        live: Those of each cluster that was read, likewise, by its issuer without https://.
    """
    found: dict[str, list[Right]] = {name: [] for name in ("gains", "loses", "may_gain", "may_lose")}
    problems: list[Undecided] = []
    undecided: list[Undecided] = []
    other_principals: list[str] = []
    claims = functools.cache(lambda issuer: Claims({each: each for each in {*declared, *live.get(issuer, ())}}))
    for each in compared:
        role, issuers = each.role, each.issuers
        if each.problem:
            problems.append(Undecided(role.name, role.arn, each.problem))
            continue
        old, new = each.sides
        changes_others = {*old.said_to_others(issuers)} != {*new.said_to_others(issuers)}
        other_principals += [role.name] if changes_others else []
        if _are_alike(each.roles, old, new):
            continue
        of_providers = {arn: changes(old.asked(arn), new.asked(arn), claims(issuer)) for arn, issuer in issuers.items()}
        for arn, of_provider in of_providers.items():
            for name, those in of_provider.by_name.items():
                found[name] += [_right(role, issuers[arn], change) for change in those]
        if problem := _undecided(old, new, of_providers.values()):
            undecided.append(Undecided(role.name, role.arn, problem))
    return Rights(**found, cannot_tell=[*problems, *undecided], other_principals=other_principals)


def problem_of(roles: Iterable[Role | None], snapshots: Iterable[Snapshot]) -> str:
    """Return why nobody can tell who may assume a role; empty where irsa can."""
    for role, snapshot in zip(roles, snapshots, strict=True):
        if role is None:
            continue
        if role.problem:
            return role.problem
        if _trusts_any(role.parsed[1], [arn for arn, client_ids in snapshot.client_ids.items() if client_ids is None]):
            return "the client IDs of its OIDC provider are not known until `pulumi up`"
    return ""


def _trusts_any(statements: Iterable[Statement], provider_arns: Collection[str]) -> bool:
    principals = allowed_principals(statements)
    return any(("Federated", arn) in principals or principals & ANYBODY for arn in provider_arns)


class Side(NamedTuple):
    """A role at one time.

    Attributes:
        parsed: Version and statements of its trust policy.
        said: The statements in their normal form.
        audiences: What the OIDC providers of clusters in its AWS account list, by ARN; None where that is not known.
    """

    parsed: Parsed
    said: Sequence[str]
    audiences: Mapping[str, Collection[str] | None]

    @property
    def with_variables(self) -> set[str]:
        """The statements with policy variables in the values of a condition; an older version has none."""
        version, statements = self.parsed
        wanted = [[value for one in each.conditions for value in one.wanted] for each in statements]
        has_variables = (version == VERSION and any("${" in value for value in values) for values in wanted)
        return {*itertools.compress(self.said, has_variables)}

    def asked(self, provider_arn: str) -> list[Asked]:
        """Return what is said to the tokens of an OIDC provider; nothing where STS takes none of it."""
        ids = self.audiences.get(provider_arn, ())
        return [asked(self.parsed, provider_arn, ids)] if ids is None or ids else []

    def said_to_others(self, issuers: Mapping[str, str]) -> Iterator[str]:
        """Yield the statements that are not for service accounts, or not for them alone."""
        for said, each in zip(self.said, self.parsed[1], strict=True):
            principals = {*each.principals} - {PODS}
            if not {("Federated", arn) for arn in issuers} >= principals or any(
                _is_for_others(each, issuers[arn]) for _, arn in principals
            ):
                yield said

    def said_to_pods(self) -> set[str]:
        """Return the statements that are for EKS Pod Identity, alone or as for anybody."""
        pods = {PODS, *ANYBODY}
        return {said for said, each in zip(self.said, self.parsed[1], strict=True) if pods & {*each.principals}}


def compared_sides(
    role: Role, roles: Collection[Role | None], snapshots: Sequence[Snapshot], issuers: Collection[str]
) -> tuple[dict[str, str], list[Side]]:
    """Return the issuers of the OIDC providers of clusters that a role names, by the provider's ARN, and both sides."""
    own = functools.partial(oidc_provider_arn, role.partition, role.aws_account)
    managed = {arn for snapshot in snapshots for arn in snapshot.client_ids if _is_own(arn, role)}
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
            {arn: snapshot.client_ids.get(arn) or () if arn in managed else None for arn in of_its_account},
        )
        for side, each, snapshot in zip(parsed, roles, snapshots, strict=True)
    ]


def _are_alike(roles: Iterable[Role | None], before: Side, after: Side) -> bool:
    """Return whether a role treats no service account differently."""
    old, new = (each.trust if each else None for each in roles)
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


def _right(role: Role, issuer: str, change: Change) -> Right:
    subject, existing, but = change
    such_as, but_not = (tuple(map(written, each)) for each in (existing, but.subjects))
    return Right(written(subject), role.name, role.arn, issuer, such_as, but_not, not but.are_all)


def written(subject: str) -> str:
    """Return a subject as NAMESPACE/NAME."""
    return subject.replace(":", "/", 1)


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


def admits(trust: Parsed, request: PodIdentityRequest | None) -> bool | None:
    """Return whether a trust policy admits what EKS Pod Identity asks; None where that cannot be decided.

    Without an association, nobody asks.
    """
    if request is None:
        return False
    return {Decision.ALLOWED: True, Decision.DENIED: False}.get(evaluate_parsed(*trust, request).decision)


def by_association(role: Role, association: Association) -> Right:
    """Return the right that an association gives."""
    who, cluster = written(association.subject), association.cluster_arn
    return Right(who, role.name, role.arn, "", way="podIdentity", cluster_arn=cluster)


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
    others = [(admits(role.parsed, each.request), by_association(role, each)) for each in role.associations]
    yield from ((admitted is True, each) for admitted, each in others if admitted is not False)
    if not holders and all(admitted is False for admitted, _ in others):
        yield True, Right("", role.name, role.arn, "")
