"""The roles that roles of service accounts may assume in turn. Pure."""

import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from irsa.evaluation import Decision
from irsa.evaluation.answers import RoleRequest
from irsa.rules.mistakes import listed, named
from irsa.rules.subjects import is_pattern
from irsa.rules.unknown import Unknown
from irsa_cli.inventory.admissions import TrustPolicy
from irsa_cli.inventory.output import Chain
from irsa_cli.live.model import LiveAwsAccount, LiveRole
from irsa_cli.trusts.chains import ASSUME_ROLE, NAMED, RolePolicies, assumes

NOT_READ = "the trust policy of {role} was not read"
# Of AWS's own policies, whose documents no list of the AWS account has, those that give sts:AssumeRole on every role:
# https://docs.aws.amazon.com/aws-managed-policy/latest/reference/PowerUserAccess.html
OF_AWS = re.compile(r"arn:[\w-]+:iam::aws:policy/(AdministratorAccess|PowerUserAccess)")
OF_AWS_NOT_READ = "whether {roles} may assume further roles by AdministratorAccess or PowerUserAccess: not read"


AWS_ACCOUNT = re.compile(r"arn:[\w-]+:iam::(\d{12}):role/")
NOTHING = RolePolicies(())
Others = Mapping[str, TrustPolicy]


def chains(
    roles: Iterable[str],
    aws_accounts: Iterable[LiveAwsAccount],
    policies: Mapping[str, TrustPolicy],
    not_checked: Callable[[str], None],
) -> list[Chain]:
    """Return which roles these may assume, which ones those, and so on; sorted.

    Args:
        roles: ARNs of roles.
        aws_accounts: The AWS accounts that were read.
        policies: The trust policies, by the ARN of their role.
        not_checked: Takes a sentence about policies that were not read.
    """
    aws_accounts = [*aws_accounts]
    numbers = {each.number for each in aws_accounts}
    documents = {each.arn: each.document for aws_account in aws_accounts for each in aws_account.policies}
    trusting = _by_principal(policies)
    asked = dict.fromkeys(arn for arn in sorted(roles) if arn in policies)
    waiting = [*asked]
    found: list[Chain] = []
    by_aws: list[str] = []
    for arn in waiting:
        role, request = policies[arn].role, RoleRequest(arn)
        of_role = _policies(role, documents)
        by_name, by_account = (
            {other: policy for name in names for other, policy in trusting.get(name, {}).items() if other != arn}
            for names in ((arn, request.sessions, "*"), (request.root, request.aws_account))
        )
        # What is not known of all policies would be said of every role that trusts the AWS account.
        others = by_name | (_given(of_role, by_account) if role.has_details else {})
        of_this = [*_chains(arn, of_role, others)]
        if role.has_details:
            of_this += _not_read(arn, of_role, numbers)
        if any(map(OF_AWS.fullmatch, role.attached_policies)):
            left = {other: policy for other, policy in (by_name | by_account).items() if other not in others}
            by_aws += [arn] if any(_chains(arn, replace(of_role, documents=[*of_role.documents, NAMED]), left)) else []
        new = dict.fromkeys(each.assumes for each in of_this if each.assumes in policies and each.assumes not in asked)
        asked |= new
        waiting += new
        found += of_this
    if by_aws:
        not_checked(OF_AWS_NOT_READ.format(roles=listed(sorted(by_aws))))
    return sorted(found, key=lambda each: (each.role, each.assumes))


def _by_principal(policies: Others) -> dict[str, dict[str, TrustPolicy]]:
    """Return the trust policies that allow sts:AssumeRole, by principal; that of a session without its name."""
    found: dict[str, dict[str, TrustPolicy]] = {}
    for arn, policy in policies.items():
        for statement in policy.parsed[1]:
            for type_, name in statement.principals:
                if type_ in ("AWS", "*") and statement.effect == "Allow" and statement.covers(ASSUME_ROLE):
                    key = f"{name.rpartition('/')[0]}/" if ":assumed-role/" in name else name
                    found.setdefault(key, {})[arn] = policy
    return found


def _policies(role: LiveRole, documents: Mapping[str, Mapping[str, Any]]) -> RolePolicies:
    unread = Unknown("it was not read")
    attached = [arn for arn in role.attached_policies if ":iam::aws:" not in arn]
    of_role = [*role.inline_policies.values(), *(documents.get(arn, unread) for arn in attached)]
    boundary = documents.get(role.permissions_boundary, unread) if role.permissions_boundary else None
    documents_of_role = of_role if role.has_details else [unread]
    return RolePolicies(documents_of_role, boundary) if documents_of_role or boundary else NOTHING


def _given(of_role: RolePolicies, others: Others) -> dict[str, TrustPolicy]:
    """Return those of other roles for which a role's policies are not a clear no."""
    names = of_role.resources
    if names is not None and not any(map(is_pattern, names)):
        return {arn: others[arn] for arn in names if arn in others}
    return {arn: policy for arn, policy in others.items() if of_role.own.of(ASSUME_ROLE, arn) is not False}


def _chains(arn: str, of_role: RolePolicies, others: Others) -> Iterator[Chain]:
    for other, policy in others.items():
        outcome, reason = assumes(arn, of_role, other, policy.parsed)
        if outcome is not False:
            yield Chain(arn, other, Decision.ALLOWED if outcome else Decision.CANNOT_DECIDE, reason)


def _not_read(arn: str, of_role: RolePolicies, numbers: Container[str]) -> Iterator[Chain]:
    """Yield the roles, and patterns of some, that a role's policies name in AWS accounts that were not read."""
    for other in of_role.resources or ():
        number = AWS_ACCOUNT.match(other)
        if number and number[1] not in numbers and of_role.own.of(ASSUME_ROLE, other) is not False:
            yield Chain(arn, other, Decision.CANNOT_DECIDE, NOT_READ.format(role=named(other)))


class Steps:
    """The steps from role to role."""

    def __init__(self, found: Iterable[Chain]) -> None:
        self._steps: dict[str, list[Chain]] = {}
        for each in found:
            self._steps.setdefault(each.role, []).append(each)

    def reached(self, role: str) -> dict[str, Decision]:
        """Return the roles that a role may assume in one step or several; allowed where each step is, in some way."""
        of_allowed, of_all = self._reached(role, {Decision.ALLOWED}), self._reached(role, {*Decision})
        return {arn: Decision.ALLOWED if arn in of_allowed else Decision.CANNOT_DECIDE for arn in of_all if arn != role}

    def _reached(self, role: str, decisions: Container[Decision]) -> dict[str, None]:
        found = {role: None}
        waiting = [role]
        for arn in waiting:
            new = {each.assumes: None for each in self._steps.get(arn, ()) if each.decision in decisions}
            waiting += new.keys() - found.keys()
            found |= new
        return found
