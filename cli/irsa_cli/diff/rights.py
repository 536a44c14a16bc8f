"""Who gains and who loses the right to assume a role: two snapshots, evaluated for the same service accounts. Pure.

The right is AWS's: the role exists, the IAM OIDC provider of the cluster exists and lists the audience of some token,
and the trust policy allows it. What runs in the cluster makes no difference: who can create a service account of that
name, or a token of it, has the right.
"""

import functools
import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from irsa.evaluation import TrustDocumentError
from irsa.evaluation.comparisons import Parsed
from irsa.evaluation.cover import subjects_of_claim
from irsa.evaluation.document import Condition, Statement, parse
from irsa.rules.arns import oidc_provider_arn
from irsa.rules.grammar import VERSION
from irsa_cli.diff.snapshots import Role, Snapshot
from irsa_cli.issuers import eks_region
from irsa_cli.normal_form import normal
from irsa_cli.trusts.changes import Asked, Change, Changes, changes
from irsa_cli.trusts.claims import Claims
from irsa_cli.trusts.difference import difference
from irsa_cli.trusts.trust import ANYBODY, allowed_principals, is_of_kubernetes, trusts_of

UNDECIDED = "its trust policy has conditions that irsa cannot evaluate"
VARIABLES = "its trust policy has policy variables, which irsa does not try"
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
        if_trusted: Whether the trust policy of `then`, which is not in the preview, must let it, too.
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
        or (providers and _trusts_any(parsed_trust(after.roles[key])[1], providers))
    )


def rights(before: Snapshot, after: Snapshot, live: Mapping[str, Iterable[str]]) -> Rights:
    """Return who gains and who loses the right to assume a role of the stack.

    Args:
        before: What the stack has.
        after: What it is going to have.
        live: The service accounts of each cluster that was read, as `namespace:name`, by its issuer without https://.
    """
    cannot_tell: list[Undecided] = []
    compared: list[_Compared] = []
    for key in changed_roles(before, after):
        roles = before.roles.get(key), after.roles.get(key)
        role = roles[1] or roles[0]
        assert role
        if problem := _problem(roles, (before, after)):
            cannot_tell.append(Undecided(role.name, role.arn, problem))
        else:
            compared.append(_compared(role, roles, (before, after), live))
    found: dict[str, list[Right]] = {name: [] for name in ("gains", "loses", "may_gain", "may_lose")}
    declared = before.service_accounts | after.service_accounts
    claims = functools.cache(lambda issuer: Claims({each: each for each in {*declared, *live.get(issuer, ())}}))
    for each in compared:
        of_issuers = {
            one: each.changes(one, claims(one)) for one in dict.fromkeys(each.issuers.values()) if each.differ
        }
        for issuer, of_issuer in of_issuers.items():
            for name, those in of_issuer.by_name.items():
                found[name] += [_right(each.role, issuer, change) for change in those]
        if each.differ and (problem := each.problem(of_issuers.values())):
            cannot_tell.append(Undecided(each.role.name, each.role.arn, problem))
    return Rights(
        **found,
        cannot_tell=cannot_tell,
        other_principals=[each.role.name for each in compared if each.changes_others],
    )


def _problem(roles: Iterable[Role | None], snapshots: Iterable[Snapshot]) -> str:
    """Return why nobody can tell who may assume a role; empty where irsa can."""
    for role, snapshot in zip(roles, snapshots, strict=True):
        if role is None:
            continue
        if role.trust is None:
            return role.problem
        try:
            _, statements = parse(role.trust)
        except TrustDocumentError as error:
            return f"its trust policy: {error}"
        if _trusts_any(statements, [arn for arn, client_ids in snapshot.client_ids.items() if client_ids is None]):
            return "the client IDs of its OIDC provider are not known until `pulumi up`"
    return ""


def parsed_trust(role: Role | None) -> tuple[str, tuple[Statement, ...]]:
    """Return version and statements of a role's trust policy; none where it has none, or IAM would refuse it."""
    try:
        version, statements = parse(role.trust) if role and role.trust is not None else ("", [])
    except TrustDocumentError:
        return "", ()
    return version, tuple(statements)


def _trusts_any(statements: Iterable[Statement], provider_arns: Collection[str]) -> bool:
    principals = allowed_principals(statements)
    return any(("Federated", arn) in principals or principals & ANYBODY for arn in provider_arns)


class _Side(NamedTuple):
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

    def asked(self, issuer: str) -> list[Asked]:
        """Return what is said to the tokens of an issuer."""
        of_issuer = ((arn, ids) for arn, ids in self.audiences.items() if arn.endswith(f":oidc-provider/{issuer}"))
        return [Asked(self.parsed, arn, ids) for arn, ids in of_issuer if ids is None or ids]


class _Compared(NamedTuple):
    """A role before and after.

    Attributes:
        role: The role.
        before: What it was.
        after: What it is going to be.
        issuers: The issuers of the OIDC providers of clusters that it names, by the provider's ARN.
        differ: Whether some service account may be treated differently.
    """

    role: Role
    before: _Side
    after: _Side
    issuers: Mapping[str, str]
    differ: bool

    def changes(self, issuer: str, claims: Claims[str]) -> Changes:
        """Return what changes for the service accounts of a cluster."""
        return changes(self.before.asked(issuer), self.after.asked(issuer), claims)

    def problem(self, found: Collection[Changes]) -> str:
        """Return why others may gain or lose the right than those who are told; empty where nobody may."""
        if any(each.undecided for each in found) and {*self.before.said} != {*self.after.said}:
            return UNDECIDED
        # A variable may stand for an audience.
        variables = self.before.with_variables
        if variables != self.after.with_variables or (variables and self.before.audiences != self.after.audiences):
            return VARIABLES
        return TOO_MANY if any(each.too_many for each in found) else ""

    @property
    def changes_others(self) -> bool:
        """Whether statements change that are not for service accounts, or not for them alone."""
        before, after = (
            {
                said
                for said, each in zip(side.said, side.parsed[1], strict=True)
                if not {("Federated", arn) for arn in self.issuers} >= {*each.principals}
                or any(_is_for_others(each, self.issuers[arn]) for _, arn in each.principals)
            }
            for side in (self.before, self.after)
        )
        return before != after


def _compared(
    role: Role, roles: Collection[Role | None], snapshots: Iterable[Snapshot], issuers: Collection[str]
) -> _Compared:
    own = functools.partial(oidc_provider_arn, role.partition, role.aws_account)
    snapshots = [*snapshots]
    managed = {arn for snapshot in snapshots for arn in snapshot.client_ids if _is_own(arn, role)}
    known = {*issuers, *filter(eks_region, (arn.partition(":oidc-provider/")[2] for arn in managed))}
    parsed = [parsed_trust(each) for each in roles]
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
    spelling: dict[str, str] = {}
    before, after = (
        _Side(
            side,
            normal(each.trust, spelling).texts if each and each.trust is not None else [],
            # Those that the stack does not create may list any.
            {
                arn: snapshot.client_ids.get(arn) or () if arn in managed else None
                for arn in of_clusters
                if _is_own(arn, role)
            },
        )
        for side, each, snapshot in zip(parsed, roles, snapshots, strict=True)
    )
    old, new = (each.trust if each else None for each in roles)
    same = old and new and before.audiences == after.audiences and not difference(old, new, before.audiences)
    return _Compared(role, before, after, of_clusters, differ=not same)


def _right(role: Role, issuer: str, change: Change) -> Right:
    subject, existing, but = change
    such_as, but_not = (tuple(map(written, each)) for each in (existing, but.subjects))
    return Right(written(subject), role.name, role.arn, issuer, such_as, but_not, not but.are_all)


def written(subject: str) -> str:
    """Return a subject as NAMESPACE/NAME."""
    return subject.replace(":", "/", 1)


def _is_own(provider_arn: str, role: Role) -> bool:
    """Return whether an OIDC provider is of the role's own AWS account: STS takes no other one."""
    return role.aws_account in {"", provider_arn.split(":")[4]}


def _is_for_others(statement: Statement, issuer: str) -> bool:
    """Return whether a statement asks for claims that no token of a service account has: its issuer may be no cluster.

    Of these tokens, IAM has `aud` and `sub` alone:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html
    """
    for each in statement.conditions:
        prefix, _, claim = each.key.lower().rpartition(":")
        if prefix == issuer.lower() and (
            claim not in {"aud", "sub"} or (claim == "sub" and not _names_service_accounts(each))
        ):
            return True
    return False


def _names_service_accounts(condition: Condition) -> bool:
    """Return whether some service account could have each value of a condition on `sub`; Null has values of its own."""
    # No service account has upper case in its name.
    ignores_case = "ignorecase" in condition.operator.lower()
    values = (each.lower() if ignores_case else each for each in condition.wanted)
    return condition.operator.lower() == "null" or all(any(subjects_of_claim(each)) for each in values)
