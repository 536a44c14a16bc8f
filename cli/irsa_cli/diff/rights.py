"""Who gains and who loses the right to assume a role: two snapshots, evaluated for the same service accounts. Pure.

The right is AWS's: the role exists, the IAM OIDC provider of the cluster exists and lists the audience of some token,
and the trust policy allows it. What runs in the cluster makes no difference: who can create a service account of that
name, or a token of it, has the right.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from irsa.evaluation import TrustDocumentError
from irsa.evaluation.admission import providers_of
from irsa.evaluation.comparisons import Compared, Taken, admits, audiences, compared, compared_with
from irsa.evaluation.cover import Within, cover, subjects_of_claim, subjects_within
from irsa.evaluation.document import Condition, Statement, parse
from irsa.evaluation.kinds import Kinds, Parts, text_of
from irsa.rules.arns import oidc_provider_arn
from irsa.rules.grammar import VERSION
from irsa.rules.subjects import subject_claim, subject_of
from irsa_cli.diff.snapshots import Role, Snapshot
from irsa_cli.inventory.admissions import ANYBODY, Claims, Trust, TrustPolicy, trusts
from irsa_cli.inventory.facts import is_of_kubernetes
from irsa_cli.issuers import eks_region
from irsa_cli.live.model import LiveAwsAccount, LiveCluster, LiveRole, LiveServiceAccount

UNDECIDED = "its trust policy has conditions that irsa cannot evaluate"
VARIABLES = "its trust policy has policy variables, which irsa does not try"
TOO_MANY = "the patterns of its trust policy combine in too many ways"


NO_EXCEPTION = Within()


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
    """

    service_account: str
    role: str
    role_arn: str
    issuer: str
    such_as: tuple[str, ...] = ()
    but_not: tuple[str, ...] = ()
    at_most: bool = False


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
    """Who gains and who loses the right to assume a role.

    Attributes:
        gains: Who gains it.
        loses: Who loses it.
        may_gain: Who may gain it: that depends on conditions that irsa cannot evaluate.
        may_lose: Who may lose it, likewise.
        cannot_tell: Roles of which irsa cannot tell.
        other_principals: Names of roles whose trust in others than service accounts changes.
    """

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
        or (providers and _trusts_any(_parsed(after.roles[key])[1], providers))
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
    declared = before.service_accounts | after.service_accounts
    issuers = {issuer for each in compared for issuer in each.issuers}
    claims = {issuer: _claims(issuer, {*declared, *live.get(issuer, ())}) for issuer in issuers}
    found: dict[str, list[Right]] = {name: [] for name in ("gains", "loses", "may_gain", "may_lose")}
    for each in compared:
        changes = [_changes(each, issuer, claims[issuer]) for issuer in each.issuers]
        for name, rights_found in found.items():
            rights_found.extend(right for of_issuer in changes for right in of_issuer.rights.get(name, ()))
        undecided = any(of_issuer.undecided for of_issuer in changes)
        too_many = any(of_issuer.too_many for of_issuer in changes)
        reason = each.problem or (TOO_MANY if too_many and each.sides[0] != each.sides[1] else "")
        if undecided and _differ(*each.sides):
            reason = UNDECIDED
        if reason:
            cannot_tell.append(Undecided(each.role.name, each.role.arn, reason))
    return Rights(
        **found,
        cannot_tell=cannot_tell,
        other_principals=[
            each.role.name for each in compared if _other_statements(each.sides[0]) != _other_statements(each.sides[1])
        ],
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


def _parsed(role: Role | None) -> tuple[str, tuple[Statement, ...]]:
    """Return version and statements of a role's trust policy; none where it has none, or IAM would refuse it."""
    try:
        version, statements = parse(role.trust) if role and role.trust is not None else ("", [])
    except TrustDocumentError:
        return "", ()
    return version, tuple(statements)


def _trusts_any(statements: Iterable[Statement], provider_arns: Collection[str]) -> bool:
    principals = {each for statement in statements if statement.effect == "Allow" for each in statement.principals}
    return any(("Federated", arn) in principals or principals & ANYBODY for arn in provider_arns)


class _Side(NamedTuple):
    """A role at one time.

    Attributes:
        trusts: What it says to the tokens of each OIDC provider of its AWS account that matters to it.
        statements: Its statements.
    """

    trusts: Sequence[Trust]
    statements: Sequence[Statement]


class _Compared(NamedTuple):
    """A role before and after.

    Attributes:
        role: The role.
        sides: What it was before and is after.
        assumed: ARNs of the OIDC providers of which the audiences are not known.
        problem: Why others may gain or lose the right than those who are told; empty where nobody may.
    """

    role: Role
    sides: tuple[_Side, _Side]
    assumed: Collection[str]
    problem: str

    @property
    def issuers(self) -> list[str]:
        """The issuers whose tokens may get the role, before or after."""
        return [*dict.fromkeys(trust.issuer for side in self.sides for trust in side.trusts)]


def _compared(
    role: Role, roles: Iterable[Role | None], snapshots: tuple[Snapshot, Snapshot], issuers: Collection[str]
) -> _Compared:
    parsed = [_parsed(each) for each in roles]
    before, after = _of_kubernetes(role, parsed, snapshots, issuers)
    managed = {arn for snapshot in snapshots for arn in snapshot.client_ids}
    with_variables = [_with_variables(*each) for each in parsed]
    client_ids = [{each.provider_arn: each.client_ids for each in side.trusts} for side in (before, after)]
    # A variable may stand for an audience.
    has_variables = with_variables[0] != with_variables[1] or (with_variables[0] and client_ids[0] != client_ids[1])
    # One of another AWS account has none at all.
    assumed = {arn for arns in client_ids for arn, ids in arns.items() if ids is not None} - managed
    return _Compared(role, (before, after), assumed, VARIABLES if has_variables else "")


class _Changes(NamedTuple):
    """What changes for the service accounts of one cluster.

    Attributes:
        rights: Who gains and who loses the right, and who may.
        undecided: Whether for some it can be told neither before nor after.
        too_many: Whether others may gain or lose it, since the patterns combine in too many ways.
    """

    rights: Mapping[str, Sequence[Right]]
    undecided: bool
    too_many: bool


def _changes(role: _Compared, issuer: str, claims: Claims) -> _Changes:
    """Return what changes for the service accounts of a cluster: those that exist, and all others."""
    before, after = (_asked(side, issuer, role.assumed) for side in role.sides)
    if any(taken is None for _, taken in (*before, *after)):
        return _Changes({}, undecided=False, too_many=True)
    patterns = compared_with(each for statements, _ in (*before, *after) for each in statements)

    def held_by(found: Kinds) -> _Held:
        return _held(before, after, dict(zip(patterns, found.matching, strict=False)), found.all)

    real = _held(before, after, {each: _matching(each, claims) for each in patterns}, claims.everybody)
    covered = cover(patterns, lambda found: held_by(found).changes)
    if covered is None:
        alone = {
            name: [_right(role.role, issuer, each) for each in _subjects(claims, of)]
            for name, of in real.changes.items()
        }
        return _Changes(alone, bool(real.undecided), too_many=True)
    found, by_name = covered
    held = held_by(found)
    told: dict[str, list[Right]] = {}
    for name, subjects in by_name.items():
        # Who had the right before, and has it, is no exception to who gains it; who keeps it is one to who loses it.
        lost = held.may_have_had & ~held.has
        nobody = found.all & ~(held.may_have if name in {"gains", "may_gain"} else lost)
        told[name], left = [], real.changes[name]
        exceptions = subjects_within(patterns, found, nobody, [subjects[each] for each in sorted(subjects)])
        for subject, exception in zip(sorted(subjects), exceptions, strict=True):
            within = left & claims.equal(subject_claim(subject), "Like")
            left &= ~within
            such_as = [each for each in _subjects(claims, within) if each != subject]
            told[name].append(_right(role.role, issuer, subject, such_as, exception))
    return _Changes(told, bool(held.undecided), too_many=False)


# What a role says to the tokens of an OIDC provider, and to the audiences that they may have; None for too many.
_Asked = tuple[Sequence[Compared], frozenset[Taken] | None]


def _asked(side: _Side, issuer: str, assumed: Collection[str]) -> list[_Asked]:
    found: list[_Asked] = []
    for trust in side.trusts:
        if trust.issuer == issuer and (trust.client_ids or trust.provider_arn in assumed):
            statements = compared((trust.policy.version, trust.policy.statements), trust.provider_arn)
            client_ids = None if trust.provider_arn in assumed else trust.client_ids
            found.append((statements, audiences(statements, client_ids)))
    return found


class _Held(NamedTuple):
    """Who has the right before and after, and who may have it: sets of service accounts, or of kinds of them."""

    had: int
    may_have_had: int
    has: int
    may_have: int

    @property
    def changes(self) -> dict[str, int]:
        """Who gains and who loses the right, and who may."""
        had, may_have_had, has, may_have = self
        return {
            "gains": has & ~may_have_had,
            "loses": had & ~may_have,
            "may_gain": (has & may_have_had & ~had) | (may_have & ~has & ~may_have_had),
            "may_lose": (had & may_have & ~has) | (may_have_had & ~had & ~may_have),
        }

    @property
    def undecided(self) -> int:
        """Of whom it can be told neither before nor after."""
        return self.may_have_had & ~self.had & self.may_have & ~self.has


def _held(before: Iterable[_Asked], after: Iterable[_Asked], matching: Mapping[Parts, int], everybody: int) -> _Held:
    return _Held(*_admitted(before, matching, everybody), *_admitted(after, matching, everybody))


def _admitted(side: Iterable[_Asked], matching: Mapping[Parts, int], everybody: int) -> tuple[int, int]:
    """Return whom a role admits, and whom it may admit."""
    certain = possible = 0
    for statements, taken in side:
        admitted = admits(statements, taken or (), matching, everybody)
        certain, possible = certain | admitted.certain, possible | admitted.possible
    return certain, possible


def _matching(pattern: Parts, claims: Claims) -> int:
    text = text_of(pattern)
    return 0 if text is None else claims.equal(text, "Like")


def _subjects(claims: Claims, group: int) -> list[str]:
    return [subject_of(each.namespace, each.name) for each in claims.members(group)]


def _right(
    role: Role, issuer: str, subject: str, such_as: Iterable[str] = (), exception: Within = NO_EXCEPTION
) -> Right:
    such_as, but_not = (tuple(map(_written, each)) for each in (such_as, exception.subjects))
    return Right(_written(subject), role.name, role.arn, issuer, such_as, but_not, not exception.are_all)


def _written(subject: str) -> str:
    """Return a subject as NAMESPACE/NAME."""
    return subject.replace(":", "/", 1)


def _claims(issuer: str, subjects: Iterable[str]) -> Claims:
    names = (each.partition(":") for each in subjects)
    return Claims(LiveServiceAccount(issuer, namespace, name) for namespace, _, name in names)


def _of_kubernetes(
    role: Role,
    parsed: Collection[tuple[str, tuple[Statement, ...]]],
    snapshots: Collection[Snapshot],
    issuers: Collection[str],
) -> Iterator[_Side]:
    """Yield a role before and after, as to the OIDC providers of clusters alone."""
    managed = {arn for snapshot in snapshots for arn in snapshot.client_ids if _is_own(arn, role)}
    issuers = {*issuers, *filter(eks_region, (arn.partition(":oidc-provider/")[2] for arn in managed))}
    # Where one side names service accounts, the issuer is a cluster's for the other side too, which may name nobody,
    # or anybody.
    sides = _sides(role, parsed, snapshots, issuers)
    clusters = {each.issuer for side in sides for each in side.trusts if is_of_kubernetes(each)}
    for side in _sides(role, parsed, snapshots, clusters):
        yield side._replace(trusts=[each for each in side.trusts if each.issuer in clusters])


def _sides(
    role: Role,
    parsed: Collection[tuple[str, tuple[Statement, ...]]],
    snapshots: Collection[Snapshot],
    issuers: Collection[str],
) -> list[_Side]:
    # Providers that the stack does not create, which may matter.
    arns = {oidc_provider_arn(role.partition, role.aws_account, each) for each in issuers}
    arns |= {arn for _, statements in parsed for arn in providers_of(statements)}
    assumed = arns - {arn for snapshot in snapshots for arn in snapshot.client_ids}
    return [
        _side(role, *each, {**dict.fromkeys(assumed, ()), **snapshot.client_ids}, issuers)
        for each, snapshot in zip(parsed, snapshots, strict=True)
    ]


def _side(
    role: Role,
    version: str,
    statements: tuple[Statement, ...],
    client_ids: Mapping[str, tuple[str, ...] | None],
    issuers: Iterable[str],
) -> _Side:
    own = {arn: ids or () for arn, ids in client_ids.items() if _is_own(arn, role)}
    aws_account = LiveAwsAccount(role.aws_account, (), own)
    policy = TrustPolicy(LiveRole(f"arn:{role.partition}:iam::", {}), aws_account, version, statements)
    clusters = [LiveCluster(each, f"https://{each}", ()) for each in issuers]
    return _Side(trusts([policy], clusters), statements)


def _is_own(provider_arn: str, role: Role) -> bool:
    """Return whether an OIDC provider is of the role's own AWS account: STS takes no other one."""
    return role.aws_account in {"", provider_arn.split(":")[4]}


def _other_statements(side: _Side) -> set[object]:
    """Return the statements that are not for service accounts, or not for them alone."""
    of_kubernetes = {("Federated", each.provider_arn): each.issuer for each in side.trusts}
    return {
        _comparable(each)
        for each in side.statements
        if not of_kubernetes.keys() >= {*each.principals}
        or any(_is_for_others(each, of_kubernetes[principal]) for principal in each.principals)
    }


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


def _with_variables(version: str, statements: Iterable[Statement]) -> set[object]:
    """Return the statements with policy variables in the values of a condition; an older version has none."""
    return {
        _comparable(each)
        for each in statements
        if version == VERSION and any("${" in value for condition in each.conditions for value in condition.wanted)
    }


def _differ(one: _Side, other: _Side) -> bool:
    return {*map(_comparable, one.statements)} != {*map(_comparable, other.statements)}


def _comparable(statement: Statement) -> object:
    """Return a statement without what makes no difference to IAM: its Sid, and any order."""
    conditions = frozenset((each.operator, each.key.lower(), frozenset(each.wanted)) for each in statement.conditions)
    return (
        statement.effect,
        frozenset(statement.principals),
        statement.action_element,
        frozenset(map(str.lower, statement.actions)),
        conditions,
    )
