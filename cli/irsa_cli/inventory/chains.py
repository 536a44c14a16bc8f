"""The roles that roles of service accounts may assume in turn. Pure."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from irsa.evaluation import Decision
from irsa.evaluation.answers import RoleRequest
from irsa.evaluation.kinds import bits
from irsa.rules.mistakes import listed, named
from irsa.rules.trust import TAG_SESSION
from irsa.rules.unknown import Unknown
from irsa_cli.inventory.admissions import TrustPolicy
from irsa_cli.inventory.output import Chain
from irsa_cli.live.model import LiveAwsAccount, LiveRole
from irsa_cli.trusts.chains import NAMED, RolePolicies, Trusting, answers, assumes, elsewhere

NOT_READ = "the trust policy of {role} was not read"
# Of AWS's own policies, whose documents no list of the AWS account has, those that give sts:AssumeRole on every role:
# https://docs.aws.amazon.com/aws-managed-policy/latest/reference/PowerUserAccess.html
OF_AWS = re.compile(r"arn:[\w-]+:iam::aws:policy/(AdministratorAccess|PowerUserAccess)")
OF_AWS_NOT_READ = "whether {roles} may assume further roles by AdministratorAccess or PowerUserAccess: not read"
NOTHING, UNREAD = RolePolicies(()), Unknown("it was not read")


def chains(
    roles: Iterable[str],
    aws_accounts: Iterable[LiveAwsAccount],
    policies: Mapping[str, TrustPolicy],
    not_checked: Callable[[str], None],
    tagged: bool = False,
) -> list[Chain]:
    """Return which roles these may assume, which ones those, and so on; sorted.

    Args:
        roles: ARNs of roles.
        aws_accounts: The AWS accounts that were read.
        policies: The trust policies, by the ARN of their role.
        not_checked: Takes a sentence about policies that were not read.
        tagged: Whether there are sessions with session tags, which are transitive.
    """
    aws_accounts = [*aws_accounts]
    numbers = {each.number for each in aws_accounts}
    documents = documents_of(aws_accounts)
    trusting = Trusting({arn: each.parsed for arn, each in policies.items()})
    asked = dict.fromkeys(arn for arn in sorted(roles) if arn in policies)
    waiting = [*asked]
    found: list[Chain] = []
    by_aws: list[str] = []
    for arn in waiting:
        role = policies[arn].role
        of_role = role_policies(role, documents)
        others = trusting.by_name(arn)
        # Nothing is known of policies that were not read: it would be said of every role that trusts the AWS account.
        others |= trusting.by_account(arn, of_role) if role.has_details else {}
        of_this = [
            Chain(
                arn, other, decision, reason, _tagged(arn, of_role, policies[other], decision) if tagged else decision
            )
            for other, (outcome, reason) in answers(arn, of_role, others)
            for decision in [Decision.ALLOWED if outcome else Decision.CANNOT_DECIDE]
        ]
        of_this += [
            Chain(arn, other, Decision.CANNOT_DECIDE, NOT_READ.format(role=named(other)), Decision.CANNOT_DECIDE)
            for other in elsewhere(of_role)
            if other.split(":")[4] not in numbers
        ]
        if any(map(OF_AWS.fullmatch, role.attached_policies)):
            of_all = replace(of_role, documents=[*of_role.documents, NAMED])
            left = {other: each for other, each in trusting.by_account(arn, of_all).items() if other not in others}
            by_aws += [arn] if any(answers(arn, of_all, left)) else []
        new = dict.fromkeys(each.assumes for each in of_this if each.assumes in policies and each.assumes not in asked)
        asked |= new
        waiting += new
        found += of_this
    if by_aws:
        not_checked(OF_AWS_NOT_READ.format(roles=listed(sorted(by_aws))))
    return sorted(found, key=lambda each: (each.role, each.assumes))


def _tagged(role_arn: str, of_role: RolePolicies, other: TrustPolicy, decision: Decision) -> Decision:
    """Return the decision for a session with session tags, of which another one has this decision."""
    tags, _ = assumes(RoleRequest(role_arn, (TAG_SESSION,)), of_role, other.role.arn, other.parsed)
    return decision if tags else Decision.CANNOT_DECIDE if tags is None else Decision.DENIED


def documents_of(aws_accounts: Iterable[LiveAwsAccount]) -> dict[str, Mapping[str, Any]]:
    """Return the managed policies of AWS accounts, by ARN."""
    return {each.arn: each.document for aws_account in aws_accounts for each in aws_account.policies}


def role_policies(role: LiveRole, documents: Mapping[str, Mapping[str, Any]]) -> RolePolicies:
    """Return what the policies of a role say; what was not read is not known."""
    if not role.has_details:
        return RolePolicies([UNREAD])
    attached = [arn for arn in role.attached_policies if ":iam::aws:" not in arn]
    of_role = [*role.inline_policies.values(), *(documents.get(arn, UNREAD) for arn in attached)]
    boundary = documents.get(role.permissions_boundary, UNREAD) if role.permissions_boundary else None
    return RolePolicies(of_role, boundary) if of_role or boundary else NOTHING


class Steps:
    """The steps from role to role, of sessions with session tags or without."""

    def __init__(self, found: Iterable[Chain], tagged: bool = False) -> None:
        # Sets of roles are bits: where each of 1,500 roles may assume each other one, these are millions of steps.
        self._places: dict[str, int] = {}
        self._allowed: dict[int, int] = {}
        self._all: dict[int, int] = {}
        for each in found:
            decision = each.with_session_tags if tagged else each.decision
            if decision is Decision.DENIED:
                continue
            role, other = (self._places.setdefault(arn, len(self._places)) for arn in (each.role, each.assumes))
            for steps in (self._all, *([self._allowed] if decision is Decision.ALLOWED else ())):
                steps[role] = steps.get(role, 0) | 1 << other
        self._arns = [*self._places]

    def reached(self, role: str) -> dict[str, Decision]:
        """Return the roles that a role may assume in one step or several; allowed where each step is, in some way."""
        if role not in self._places:
            return {}
        of_allowed, of_all = (_reached(self._places[role], steps) for steps in (self._allowed, self._all))
        decisions = ((Decision.ALLOWED, of_allowed), (Decision.CANNOT_DECIDE, of_all & ~of_allowed))
        return {self._arns[each.bit_length() - 1]: decision for decision, those in decisions for each in bits(those)}


def _reached(place: int, steps: Mapping[int, int]) -> int:
    """Return all that is reached from a place, but that itself."""
    found = waiting = 1 << place
    while waiting:
        at = waiting.bit_length() - 1
        new = steps.get(at, 0) & ~found
        found, waiting = found | new, waiting ^ 1 << at | new
    return found ^ 1 << place
