"""Who newly may assume a role of which that is dangerous: by what the role may do, or by who that is. Pure."""

import functools
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import NamedTuple

from irsa.evaluation.document import Statement
from irsa.evaluation.permissions import gives
from irsa.rules.mistakes import named
from irsa.rules.trust import ASSUME_ROLE
from irsa.rules.unknown import Unknown
from irsa_cli.diff.gains import gains
from irsa_cli.diff.permissions import Permits
from irsa_cli.diff.ranks import HARMLESS, rank, rank_of_policy
from irsa_cli.diff.trust import PODS, Compared, changed_roles, own_roles
from irsa_cli.diff.who import Rights
from irsa_world.model import known_arn, role_name
from irsa_world.sessions import Sessions
from irsa_world.trusts.provider_trust import ANYBODY

OUTSIDE = "outside the stack's AWS accounts"
NOT_KNOWN = "cannot tell what the role may do"
WHO = "cannot tell whom it trusts"
ASSUMING = (ASSUME_ROLE, "sts:AssumeRoleWithWebIdentity", "sts:AssumeRoleWithSAML")


@dataclass(frozen=True)
class DangerousGain:
    """Somebody who newly may assume a role, or perhaps may, where that is dangerous.

    Attributes:
        who: NAMESPACE/NAME of a service account, or a pattern for several; the number of an AWS account, or another
            principal as the trust policy has it; empty where that is not known.
        role: Name of the role; of a role whose name IAM is going to choose, its logical name.
        role_arn: ARN of the role; empty where IAM is going to choose its name.
        then: ARN of the target role of an association, if this is about that.
        reason: Why: what the role may do afterwards, or who that is; or what irsa cannot tell.
    """

    who: str
    role: str
    role_arn: str
    then: str
    reason: str


class _Power(NamedTuple):
    """Whether a role may do what is dangerous; None where that is not known; and what."""

    dangerous: bool | None
    reason: str


Powers = Callable[[str], _Power]


def dangerous_gains(
    found: Rights, compared: Mapping[str, Compared], aws_accounts: Set[str], after: Sessions, powers: Powers
) -> list[DangerousGain]:
    """Return who newly may assume a role of which that is dangerous, each once, for certain first.

    Args:
        found: Who gains the right to assume a role.
        compared: The roles whose trust changes, by their ARNs.
        aws_accounts: Those of the stack before: one of which it newly has a role is not its own by that.
        after: The stack afterwards.
        powers: What each role may do afterwards, by its ARN.
    """
    by_name: dict[str, list[str]] = {}
    for arn in {*after.roles, *after.world.associations, *compared}:
        by_name.setdefault(role_name(arn), []).extend([] if known_arn(arn) else [arn])

    def arn_of(name: str, arn: str) -> str:
        arns = [arn] if arn else by_name.get(name, [])
        return arns[0] if len(arns) == 1 else ""

    def every() -> Iterator[tuple[tuple[str, str, str, str], _Power]]:
        for right in (*found.gains, *found.may_gain, *found.changes_way):
            arn = arn_of(right.role, right.then or right.role_arn)
            yield (right.service_account, right.role, right.role_arn, right.then), powers(arn)
        for each in found.cannot_tell:
            arn = arn_of(each.role, each.role_arn)
            there = compared.get(arn)
            role_ = there.roles[1] if there else None
            if there is None or (role_ and (isinstance(role_.trust, Unknown) or powers(arn).dangerous is not False)):
                yield ("", each.role, each.role_arn, ""), _Power(None, f"{WHO}: {each.reason}")
        for arn, of_role in compared.items():
            role = of_role.role
            for principal in _newly_trusted(of_role) if of_role.roles[1] else ():
                who = _aws_account(principal) or principal[1]
                is_outside = _is_outside(principal, {*aws_accounts, arn.split(":")[4]} - {""})
                danger_ = _Power(True, OUTSIDE) if is_outside else powers(arn)
                yield (who, role.name, known_arn(arn), ""), danger_

    danger = {DangerousGain(*who, said.reason): said for who, said in every() if said.dangerous is not False}
    return sorted(danger, key=lambda each: (not danger[each].dangerous, each.role, each.who, each.then))


def policies_that_decide(before: Sessions, after: Sessions) -> set[str]:
    """Return the ARNs of policies and boundaries that are not the stack's, of the roles whose trust changes."""
    roles = [after.roles[arn] for arn in changed_roles(before, after) if arn in after.roles]
    found = {arn for each in roles for arn in (*each.attached_policies, each.permissions_boundary)}
    return {arn for arn in found - after.documents.keys() if known_arn(arn) and rank_of_policy(arn) == HARMLESS}


# --- what a role may do -----------------------------------------------------------------------------------------------


def powers_of(of_roles: Mapping[str, Permits], after: Sessions) -> Powers:
    """Return a function from the ARN of a role to what it may do, also by the roles that it may assume in turn."""
    roles = own_roles(after)
    own = functools.cache(lambda arn: _power(of_roles.get(arn)))

    @functools.cache
    def following(arn: str) -> list[str]:
        return [each.other_arn for each in after.assumed_by(roles[arn])] if arn in roles else []

    def power(arn: str) -> _Power:
        reached = {arn: None}
        # The list grows while it is read.
        for each in (waiting := [arn]):
            waiting += [one for one in following(each) if one not in reached]
            reached |= dict.fromkeys(following(each))
        found = [own(each) for each in reached]
        return next((each for each in found if each.dangerous), None) or max(found, key=lambda e: e.dangerous is None)

    return functools.cache(power)


def _power(of_role: Permits | None) -> _Power:
    if of_role is None:
        return _Power(None, NOT_KNOWN)
    for arn in sorted(of_role.attached - of_role.read):
        if rank_of_policy(arn) < HARMLESS:
            return _Power(True, f"it has {named(arn)}")
    given = gives(of_role.known, of_role.boundary_document)
    # What a Deny or a boundary leaves of it is asked only where all its actions on all its resources are dangerous.
    allows = [each for each in given.statements if each.allows and not each.in_boundary]
    actions = {name for each in allows for name in each.actions.outer}
    resources = {name for each in allows for name in each.resources.outer}
    is_asked = rank(tuple(sorted(actions)), tuple(sorted(resources))) < HARMLESS
    ranked = [(rank(each.actions, each.resources), each) for each in (gains(gives([]), given) if is_asked else ())]
    worst, gain = min(ranked, default=(HARMLESS, None))
    if gain and worst < HARMLESS:
        return _Power(True, f"it may do {named(gain.actions[0])} on {named(gain.resources[0])}")
    is_known = of_role.attached <= of_role.read and not any(isinstance(each, Unknown) for each in of_role.documents)
    return _Power(False, "") if is_known else _Power(None, NOT_KNOWN)


# --- whom its trust policy names --------------------------------------------------------------------------------------


def _newly_trusted(compared: Compared) -> Iterator[tuple[str, str]]:
    """Yield the principals that a trust policy lets in by more than before; none that is for service accounts."""
    if compared.problem:
        return
    yield from [PODS] * compared.other_pods
    old, new = (each.parsed for each in compared.sides)
    is_denied = {each for each in old[1] if each.effect == "Deny"} <= {*new[1]}
    before = [each for each in old[1] if each.effect == "Allow"] if is_denied and old[0] == new[0] else []
    had, has = (dict(side.said_to_others(compared.issuers)) for side in compared.sides)
    further = frozenset().union(*has.values()) - frozenset().union(*had.values())
    by_another_audience = {("Federated", arn) for arn, _ in further}
    statements = dict(zip(compared.sides[1].said, new[1], strict=True))
    for said, each in statements.items():
        if said in has and each.effect == "Allow" and any(map(each.covers, ASSUMING)):
            for principal in {*each.principals} - {PODS}:
                if principal in by_another_audience or not any(_lets_in(one, each, principal) for one in before):
                    yield principal


def _lets_in(old: Statement, new: Statement, principal: tuple[str, str]) -> bool:
    """Return whether a statement lets a principal in by all by which another one does."""
    (kind, _), number = principal, _aws_account(principal)
    # Whoever is of the AWS account: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    wider = {principal, *ANYBODY, ("AWS", number)} if number else {principal, ("*", "*"), (kind, "*")}
    is_named = any(each in wider or (number and _root(each) == number) for each in old.principals)
    same = (old.action_element, {*new.actions} <= {*old.actions}) == (new.action_element, True)
    return is_named and same and old.action_element == "Action" and {*old.conditions} <= {*new.conditions}


def _root(principal: tuple[str, str]) -> str:
    """Return the number of the AWS account that a principal is; empty for any other one."""
    kind, name = principal
    return _aws_account(principal) if kind == "AWS" and (name.isdecimal() or name.endswith(":root")) else ""


def _aws_account(principal: tuple[str, str]) -> str:
    """Return the number of the AWS account of which a principal is; empty where it does not tell."""
    kind, name = principal
    parts = name.split(":")
    return "" if kind != "AWS" else name if name.isdecimal() else parts[4] if parts[5:] else ""


def _is_outside(principal: tuple[str, str], numbers: Set[str]) -> bool:
    """Return whether a principal may be outside of AWS accounts: who signs in elsewhere, too."""
    return principal[0] != "Service" and _aws_account(principal) not in numbers
