"""Lint rules about what a role may do."""

import functools
import re
from collections.abc import Iterator, Mapping

from irsa.evaluation.lint import actions
from irsa.evaluation.lint.actions import ROLE
from irsa.evaluation.lint.managed_policies import AwsManagedPolicy
from irsa.evaluation.lint.rule import Danger, Policies, PolicyStatement, Warnings, rule
from irsa.evaluation.patterns import matches
from irsa.rules.grammar import EVERY_ACTION
from irsa.rules.mistakes import shortened


@rule(danger="always")
def write_everything(policies: Policies) -> Warnings:
    """Write actions are allowed on every resource, or on every one of a type.

    Whoever takes over a Pod can change or delete what others own. Every resource of a type in one region, or in a
    pattern of regions, counts too.

    Bad:
        policy:
          document:
            Version: "2012-10-17"
            Statement: [{Effect: Allow, Action: "s3:PutObject", Resource: "*"}]
    Good:
        policy:
          document:
            Version: "2012-10-17"
            Statement: [{Effect: Allow, Action: "s3:PutObject", Resource: "arn:${partition}:s3:::my-bucket/*"}]
    """
    for index, (place, statement) in enumerate(policies.statements):
        patterns = statement.items("Action") if statement.allows else ()
        writing = [each for each in patterns if gives_any(policies, index, _written(policies, statement, each))]
        if statement.allows and "NotAction" in statement.values:
            every = _written(policies, statement, "*")
            writing += ["all but NotAction"] if gives_any(policies, index, every) else []
        if writing:
            which = ", ".join(writing[:3]) + (", ..." if writing[3:] else "")
            element, resources = _resources(statement)
            found = f"{which} on {resources}, which is every resource of a type"
            if element == "NotResource" or "*" in statement.items("Resource"):
                but = "but NotResource" if element == "NotResource" else '("*")'
                found = f"{which} on every resource {but} of the AWS account"
            found += ", with a Condition that every caller can meet" if statement.values.get("Condition") else ""
            fix = "name them in Resource, such as arn:${partition}:s3:::my-bucket/*"
            yield (*place, element), Danger(found, "only the resources that the role needs", fix)


def _written(policies: Policies, statement: PolicyStatement, pattern: str) -> Iterator[actions.Action]:
    """Yield the actions of a pattern that change something; of `*`, some that stand for all."""
    if pattern not in EVERY_ACTION:
        yield from actions.written(pattern)
        return
    yield actions.ANY
    # Of the services that policies name, other rights may be left than of all others.
    named = [each for _, other in policies.statements for each in (*other.items("Action"), *other.items("NotAction"))]
    services = [each.partition(":")[0] for each in named]
    services += [each.split(":")[2] for each in statement.items("Resource") if each.count(":") > 1]
    for service in dict.fromkeys(services):
        yield from actions.written(f"{service}:*")


def gives_any(policies: Policies, index: int, several: Iterator[actions.Action]) -> bool:
    """Return whether a statement gives one of several actions on every resource of a type."""
    statement = policies.statements[index][1]
    # One type at a time: of an action with very many, as ec2:CreateTags, not all are tried together.
    each_type = ((action, arn) for action, _, arns in several for arn in arns)
    return any(
        _may_be_open(statement, arn) and policies.permissions.everywhere(action, [arn], index)
        for action, arn in each_type
    )


def _may_be_open(statement: PolicyStatement, arn: str) -> bool:
    """Return whether a statement may give every resource of a type; quick, since most name theirs."""
    known, several = _beginning(arn), statement.items("Resource")
    return "NotResource" in statement.values or any(known.startswith(_beginning(each)) for each in several)


_OPEN = re.compile(r"[*?]|\$\{")


@functools.lru_cache(maxsize=10_000)
def _beginning(arn: str) -> str:
    """Return the last part of an ARN, up to the first name or wildcard in it."""
    # Without all six of them, a wildcard stands for the rest.
    return _OPEN.split("".join(arn.split(":", 5)[5:]), maxsplit=1)[0]


def _resources(statement: PolicyStatement) -> tuple[str, str]:
    """Return the element that names the resources, and its values as they are written."""
    element = "NotResource" if "NotResource" in statement.values else "Resource"
    return element, shortened(", ".join(statement.as_written(element)))


@rule(danger="always")
def pass_any_role(policies: Policies) -> Warnings:
    """iam:PassRole is allowed on every role.

    The role can then act as the most powerful role that it can pass to a service. `iam:PassedToService` limits the
    service, and `iam:AssociatedResourceArn` the resource. Neither limits the role that is passed.

    Bad:
        policy:
          document:
            Version: "2012-10-17"
            Statement: [{Effect: Allow, Action: "iam:PassRole", Resource: "*"}]
    Good:
        policy:
          document:
            Version: "2012-10-17"
            Statement: [{Effect: Allow, Action: "iam:PassRole", Resource: "arn:aws:iam::111122223333:role/task"}]
    """
    for index, (place, statement) in enumerate(policies.statements):
        passing = [each for each in statement.items("Action") if matches("iam:passrole", each.lower())]
        passing += ["all but NotAction"] if "NotAction" in statement.values else []
        passes = passing and statement.allows and _may_be_open(statement, ROLE)
        if not passes or not policies.permissions.everywhere("iam:PassRole", [ROLE], index):
            continue
        element, resources = _resources(statement)
        on = "every resource but NotResource" if element == "NotResource" else resources
        found = f"{passing[0]} on {on}, which includes iam:PassRole on every role of the AWS account"
        fix = "name the roles in Resource, in a statement of its own with a Condition on iam:PassedToService"
        yield (*place, element), Danger(found, "the roles that a service needs", fix)


@rule(danger="always")
def full_access(policy: AwsManagedPolicy) -> Warnings:
    """An AWS managed policy gives every write action of a service, on every resource.

    Whoever takes over a Pod can change or delete what others own.

    administrator-access has the policies that are no service's.

    Bad:
        policyArns: ["arn:aws:iam::aws:policy/AmazonS3FullAccess"]
    Good:
        policyArns: ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]
    """
    if policy.written and not (policy.is_boundary or _POWERFUL_POLICY.fullmatch(policy.arn)):
        of = ", ".join(policy.written[:3]) + (", ..." if policy.written[3:] else "")
        found = f"{policy.arn.rpartition('/')[2]}: every write action of {of} on every resource of the AWS account"
        fix = "attach a policy with the actions that the Pods call, on the resources that the role needs"
        yield (), Danger(found, "only the resources that the role needs", fix)


# What they allow: https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html
POWER_OF_POLICY: Mapping[str, str] = {
    "AdministratorAccess": "every action on every resource",
    "PowerUserAccess": "every action but the management of IAM, AWS Organizations and the AWS account",
    "IAMFullAccess": "every action of IAM, by which the role can give itself all others",
}
_POWERFUL_POLICY = re.compile(rf"arn:[^:]+:iam::aws:policy/({'|'.join(POWER_OF_POLICY)})")


@rule(danger="always")
def administrator_access(policy: AwsManagedPolicy) -> Warnings:
    """A role has AdministratorAccess, PowerUserAccess or IAMFullAccess.

    Whoever takes over a Pod takes over the AWS account.

    A document that allows `*` on `*` is one of write-everything.

    Bad:
        policyArns: ["arn:aws:iam::aws:policy/AdministratorAccess"]
    Good:
        policyArns: ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]
    """
    found = _POWERFUL_POLICY.fullmatch(policy.arn)
    if found and not policy.is_boundary:
        fix = "attach a policy with the actions that the Pods call"
        yield (), Danger(f"{found[1]}: {POWER_OF_POLICY[found[1]]}", "the permissions that the role needs", fix)
