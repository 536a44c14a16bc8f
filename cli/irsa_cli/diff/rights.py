"""Who gains and who loses the right to assume a role: two snapshots, evaluated for the same service accounts. Pure.

The right is AWS's: the role exists, the IAM OIDC provider of the cluster exists and lists the audience of some token,
and the trust policy allows it. What runs in the cluster makes no difference: who can create a service account of that
name, or a token of it, has the right.
"""

import string
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from irsa.evaluation import Decision, TrustDocumentError
from irsa.evaluation.admission import FILLING, subjects_of_claim
from irsa.evaluation.document import Condition, Statement, parse
from irsa.evaluation.patterns import regular_expression
from irsa.rules.arns import issuer_of_provider, oidc_provider_arn
from irsa.rules.grammar import VERSION
from irsa.rules.mistakes import Mistake
from irsa.rules.strangers import stranger
from irsa.rules.subjects import EVERY_SERVICE_ACCOUNT, is_pattern, subject_of
from irsa.rules.trust import DEFAULT_AUDIENCE
from irsa_cli.diff.representatives import AUDIENCE, SERVICE_ACCOUNT, representatives
from irsa_cli.diff.snapshots import Role, Snapshot
from irsa_cli.found import FoundAwsAccount, FoundCluster, FoundRole, FoundServiceAccount
from irsa_cli.inventory.admissions import ANYBODY, Claims, Trust, TrustPolicy, admitted, trusts
from irsa_cli.inventory.facts import is_of_kubernetes
from irsa_cli.issuers import eks_region

# What stands for a wildcard where patterns combine in too many ways: one is likely to match no other pattern.
FILLINGS = [FILLING, *(letter * 9 for letter in string.ascii_lowercase + string.digits)]
MOST_FILLED = 8
UNDECIDED = "its trust policy has conditions that irsa cannot evaluate"
VARIABLES = "its trust policy has policy variables, which irsa does not try"
TOO_MANY = "the patterns of its trust policy combine in too many ways for irsa to try"


@dataclass(frozen=True)
class Right:
    """A service account that gains or loses the right to assume a role.

    Attributes:
        service_account: NAMESPACE/NAME; with wildcards for those that no narrower pattern of the trust policy names;
            `*/*` for those that nobody named.
        role: Name of the role; of a role whose name IAM is going to choose, its logical name.
        role_arn: ARN of the role; empty where IAM is going to choose its name.
        issuer: The issuer of the cluster, without https://.
        such_as: Service accounts that a pattern stands for, sorted.
    """

    service_account: str
    role: str
    role_arn: str
    issuer: str
    such_as: tuple[str, ...] = ()


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
    everybody = _everybody(compared, before.service_accounts | after.service_accounts, live)
    found: dict[str, list[Right]] = {name: [] for name in ("gains", "loses", "may_gain", "may_lose")}
    for each in compared:
        undecided = False
        for issuer in each.names:
            one, other = (_answers(side, issuer, everybody[issuer]) for side in each.sides)
            undecided |= bool(one.may & ~one.allowed & other.may & ~other.allowed)
            for name, group in _differences(one, other).items():
                found[name] += _rights(each, issuer, everybody[issuer], group)
        reason = UNDECIDED if undecided and _differ(*each.sides) else each.problem
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


class _Answers(NamedTuple):
    """The service accounts that a role admits, and those that it may admit: sets of Claims."""

    allowed: int
    may: int


def _answers(side: "_Side", issuer: str, claims: Claims) -> _Answers:
    allowed = may = 0
    for trust in side.trusts:
        for each in admitted(trust, claims) if trust.issuer == issuer else ():
            may |= each.service_accounts
            allowed |= each.service_accounts if each.decision is Decision.ALLOWED else 0
    return _Answers(allowed, may)


def _differences(before: _Answers, after: _Answers) -> dict[str, int]:
    return {
        "gains": after.allowed & ~before.may,
        "loses": before.allowed & ~after.may,
        "may_gain": (after.allowed & before.may & ~before.allowed) | (after.may & ~after.allowed & ~before.may),
        "may_lose": (before.allowed & after.may & ~after.allowed) | (before.may & ~before.allowed & ~after.may),
    }


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
        names: The service accounts that it names, as `namespace:name`, by the issuer of their cluster.
        invented: For each issuer, service accounts that nobody named, each with the pattern that it stands for.
        problem: Why others may gain or lose the right than those who are asked about; empty where nobody may.
    """

    role: Role
    sides: tuple[_Side, _Side]
    names: Mapping[str, frozenset[str]]
    invented: Mapping[str, Mapping[str, str]]
    problem: str


def _compared(
    role: Role, roles: Iterable[Role | None], snapshots: tuple[Snapshot, Snapshot], issuers: Collection[str]
) -> _Compared:
    parsed = [_parsed(each) for each in roles]
    before, after = _of_kubernetes(role, parsed, snapshots, issuers)
    subjects: dict[str, set[str]] = {}
    for trust in (*before.trusts, *after.trusts):
        conditions = (each for statement in trust.statements.values() for each in trust.conditions(statement, "sub"))
        values = {_as_compared(value, each.operator) for each in conditions for value in each.wanted}
        subjects.setdefault(trust.issuer, set()).update(s for value in values for s in subjects_of_claim(value))
    audiences = _audiences_by_provider([each for _, those in parsed for each in those], role, subjects)
    too_many = any(representatives(frozenset(each), SERVICE_ACCOUNT) is None for each in subjects.values()) or any(
        representatives(frozenset(each), AUDIENCE) is None for each in audiences.values()
    )
    with_variables = [_with_variables(*each) for each in parsed]
    client_ids = [{each.provider_arn: each.client_ids for each in side.trusts} for side in (before, after)]
    # A variable may stand for an audience.
    has_variables = with_variables[0] != with_variables[1] or (with_variables[0] and client_ids[0] != client_ids[1])
    return _Compared(
        role,
        (before, after),
        {issuer: frozenset(each for each in those if not is_pattern(each)) for issuer, those in subjects.items()},
        {issuer: _invented(frozenset(those)) for issuer, those in subjects.items()},
        VARIABLES if has_variables else TOO_MANY if too_many and before != after else "",
    )


def _as_compared(value: str, operator: str) -> str:
    """Return a value as service accounts have it: their names have no upper case."""
    return value.lower() if "ignorecase" in operator.lower() else value


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
    assumed = _assumed_client_ids([each for _, statements in parsed for each in statements], role, issuers)
    managed = {arn for snapshot in snapshots for arn in snapshot.client_ids}
    assumed = {arn: client_ids for arn, client_ids in assumed.items() if arn not in managed}
    return [
        _side(role, *each, {**assumed, **{arn: ids or () for arn, ids in snapshot.client_ids.items()}}, issuers)
        for each, snapshot in zip(parsed, snapshots, strict=True)
    ]


def _side(
    role: Role,
    version: str,
    statements: tuple[Statement, ...],
    client_ids: Mapping[str, tuple[str, ...]],
    issuers: Iterable[str],
) -> _Side:
    own = {arn: ids for arn, ids in client_ids.items() if _is_own(arn, role)}
    aws_account = FoundAwsAccount(role.aws_account, (), own)
    policy = TrustPolicy(FoundRole(f"arn:{role.partition}:iam::", {}), aws_account, version, statements)
    clusters = [FoundCluster(each, f"https://{each}", ()) for each in issuers]
    return _Side(trusts([policy], clusters), statements)


def _is_own(provider_arn: str, role: Role) -> bool:
    """Return whether an OIDC provider is of the role's own AWS account: STS takes no other one."""
    return role.aws_account in {"", provider_arn.split(":")[4]}


def _rights(compared: _Compared, issuer: str, claims: Claims, group: int) -> list[Right]:
    """Return the rights of a group of service accounts; whom a pattern stands for is within it."""
    if not group:
        return []
    names, patterns = [], set()
    for each in claims.members(group):
        subject = subject_of(each.namespace, each.name)
        if each.cluster:
            names.append(subject)
        # Some service account may exist that has an invented name.
        if subject in compared.invented[issuer]:
            patterns.add(compared.invented[issuer][subject])
    widest = [each for each in sorted(patterns) if not any(_covers(other, each) for other in patterns - {each})]
    such_as: dict[str, list[str]] = {each: [] for each in widest}
    for name in names:
        such_as.setdefault(next((each for each in widest if _covers(each, name)), name), []).append(name)
    role = compared.role
    return [
        Right(_written(each), role.name, role.arn, issuer, tuple(_written(name) for name in those if name != each))
        for each, those in such_as.items()
    ]


def _written(subject: str) -> str:
    """Return a subject as NAMESPACE/NAME."""
    return subject.replace(":", "/", 1)


def _covers(pattern: str, subject: str) -> bool:
    """Return whether a pattern matches a service account, or whatever another pattern matches.

    A `?` stands for no `*`: that may be nothing, or several characters.
    """
    return regular_expression(pattern, "[^*]").fullmatch(subject) is not None


def _assumed_client_ids(
    statements: Collection[Statement], role: Role, issuers: Iterable[str]
) -> dict[str, tuple[str, ...]]:
    """Return audiences of the OIDC providers that may matter to a role: for those that the stack does not create."""
    return {
        arn: tuple(
            # Where some audience is denied, another one may not be.
            sorted(
                {DEFAULT_AUDIENCE, FILLING}.union(
                    *(_filled(value, [FILLING]) for value in values), representatives(frozenset(values), AUDIENCE) or ()
                )
            )
        )
        for arn, values in _audiences_by_provider(statements, role, issuers).items()
    }


def _audiences_by_provider(
    statements: Collection[Statement], role: Role, issuers: Iterable[str]
) -> dict[str, set[str]]:
    """Return the values of conditions on `aud`, by the ARN of the OIDC provider for which their statement may be."""
    arns = {oidc_provider_arn(role.partition, role.aws_account, each) for each in issuers}
    arns |= {name for each in statements for type_, name in each.principals if type_ == "Federated"}
    found: dict[str, set[str]] = {}
    for arn in arns:
        try:
            key = f"{issuer_of_provider(arn)}:aud".lower()
        except Mistake:
            continue
        found[arn] = {
            value
            for statement in statements
            if {("Federated", arn), *ANYBODY} & {*statement.principals}
            for each in statement.conditions
            if each.key.lower() == key
            for value in each.wanted
        }
    return found


def _invented(subjects: frozenset[str]) -> dict[str, str]:
    """Return service accounts that nobody named, each with the pattern that it stands for.

    Of those that the same patterns match, one is enough. It stands for the narrowest of them.
    """
    patterns = {each: regular_expression(each).fullmatch for each in subjects if is_pattern(each)}
    tried = representatives(subjects, SERVICE_ACCOUNT)
    if tried is None:
        tried = tuple(name for pattern in sorted(patterns) for name in _filled(pattern, FILLINGS))
    found_by: dict[tuple[str, ...], str] = {}
    for name in tried:
        if name not in subjects:
            matching = tuple(sorted(pattern for pattern, match in patterns.items() if match(name)))
            found_by.setdefault(matching, name)
    unnamed = stranger(subjects) or found_by.get(())
    named = {name: max(matching, key=_literal) for matching, name in found_by.items() if matching}
    return {**named, **({unnamed: EVERY_SERVICE_ACCOUNT} if unnamed else {})}


def _literal(pattern: str) -> tuple[int, str]:
    return len(pattern.replace("*", "").replace("?", "")), pattern


def _filled(pattern: str, fillings: Iterable[str]) -> Iterator[str]:
    for filling in fillings:
        yield pattern.replace("*", filling, MOST_FILLED).replace("*", "").replace("?", filling[0])


def _everybody(
    compared: Iterable[_Compared], declared: Iterable[str], live: Mapping[str, Iterable[str]]
) -> dict[str, Claims]:
    """Return who is asked about, by issuer: those that somebody named or that exist, and invented ones."""
    real: dict[str, set[str]] = {}
    invented: dict[str, set[str]] = {}
    for each in compared:
        for issuer, names in each.names.items():
            if issuer not in real:
                real[issuer] = {*declared, *live.get(issuer, ())}
            real[issuer] |= names
            invented.setdefault(issuer, set()).update(each.invented[issuer])
    return {
        issuer: Claims(
            # Who was invented has no cluster.
            FoundServiceAccount(issuer if name in names else "", name.partition(":")[0], name.partition(":")[2])
            for name in names | invented[issuer]
        )
        for issuer, names in real.items()
    }


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
    values = (_as_compared(each, condition.operator) for each in condition.wanted)
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
