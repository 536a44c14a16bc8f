"""Lint rules about what a role may do."""

import functools
import re

from config.lint import actions
from config.lint.checked import CheckedBinding, Statement, Warnings, statements
from irsa.evaluation.patterns import matches, pattern_of
from irsa.rules.arns import parse_iam_arn
from irsa.rules.mistakes import Mistake, Place, path_of
from irsa.rules.trust import minified
from irsa.rules.unknown import Unknown, has_unknown

# https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html
POWER_OF_POLICY = {
    "AdministratorAccess": "every action on every resource",
    "PowerUserAccess": "every action but the management of IAM, AWS Organizations and the AWS account",
    "IAMFullAccess": "every action of IAM, by which the role can give itself all others",
}
_POWERFUL_POLICY = re.compile(rf"arn:[^:]+:iam::aws:policy/({'|'.join(POWER_OF_POLICY)})")
ROLE = "arn:${Partition}:iam::${Account}:role/${RoleNameWithPath}"
_RECEIVERS_OF_ROLES = {"iam:passedtoservice", "iam:associatedresourcearn"}


def write_everything(statement: Statement) -> Warnings:
    """Yield the permissions to change any resource."""
    if not statement.allows or statement.values.get("Condition") or "*" not in statement.items("Resource"):
        return
    writing = [action for action in statement.items("Action") if actions.writes_anywhere(action)]
    writing += ["all but NotAction"] if "NotAction" in statement.values else []
    if writing:
        which = ", ".join(writing[:3]) + (", ..." if writing[3:] else "")
        found, allowed = f'{which} on every resource ("*") of the AWS account', "only the resources that the role needs"
        fix = "name them in Resource, such as arn:${partition}:s3:::my-bucket/*, or silence the rule with a reason"
        yield ("Resource",), Mistake(found, allowed, fix)


def pass_any_role(statement: Statement) -> Warnings:
    """Yield the permissions to pass every role, and so to act as the most powerful one that a service may have.

    The keys of a Condition that iam:PassRole has of its own say to whom a role is passed, not which one:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
    """
    passing = [action for action in statement.items("Action") if _includes_pass_role(action)]
    if "NotAction" in statement.values and statement.is_known("NotAction"):
        passing = [] if any(map(_includes_pass_role, statement.items("NotAction"))) else ["all but NotAction"]
    if not passing or not statement.allows or not statement.is_known("Condition"):
        return
    condition = statement.values.get("Condition") or {}
    if {name.lower() for keys in condition.values() for name in keys} - _RECEIVERS_OF_ROLES:
        return
    for place, resource in statement.placed("Resource"):
        if resource == "*" or actions.includes_all(resource, ROLE):
            found = f"{passing[0]} on {resource!r}, which includes iam:PassRole on every role of the AWS account"
            if passing[0].lower() == "iam:passrole":
                found = f"{passing[0]} on {resource!r}, which is every role of the AWS account"
            fix = "name the roles in Resource, in a statement of its own with a Condition on iam:PassedToService"
            yield place, Mistake(found, "the roles that a service needs", fix)


@functools.cache
def _includes_pass_role(action: str) -> bool:
    return matches("iam:passrole", pattern_of(action.lower(), wildcards=True))


def administrator_access(checked: CheckedBinding) -> Warnings:
    """Yield the policies of AWS by which a role controls the AWS account.

    A document that allows `*` on `*` is one of write-everything.
    """
    for index, arn in checked.strings("policy_arns"):
        powerful = _POWERFUL_POLICY.fullmatch(arn)
        if powerful:
            found = f"{powerful[1]}: {POWER_OF_POLICY[powerful[1]]}"
            fix = "attach a policy with the actions that the Pods call, or silence the rule with a reason"
            yield (*checked.place, "policyArns", index), Mistake(found, "the permissions that the role needs", fix)


def grants_nothing(checked: CheckedBinding) -> Warnings:
    """Yield a role without permissions of its own, which can do only what policies of resources allow.

    "By default, users and roles have no permissions; permissions must be granted with a policy":
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html
    """
    args = checked.args
    if isinstance(checked.binding.role, Unknown):
        return  # it may be an existing one
    if "role_arn" in args or args.get("policy_arns") or args.get("assume_role_arns"):
        return
    inline = args.get("inline_policies", {})
    policies = [*(["policy"] if "policy" in args else []), *(inline if isinstance(inline, dict) else [inline])]
    documents = [*checked.documents]
    if len(documents) < len(policies) or any(has_unknown(document) for _, document, _ in documents):
        return
    if any(each.allows for _, document, written in documents for _, each in statements(document, written)):
        return
    found = "policies that only deny" if policies else "a role without policies: it may do nothing"
    allowed = "permissions, in policy, policyArns, inlinePolicies or assumeRoleArns"
    fix = "add them; or, where a resource's own policy names the role, silence the rule with that reason"
    yield checked.place, Mistake(found, allowed, fix)


def attached_twice(checked: CheckedBinding) -> Warnings:
    """Yield the policies and the documents that a role has already."""
    index_of: dict[str, int] = {}
    policy = checked.args.get("policy")
    name, path = (policy.get("name"), policy.get("path", "/")) if isinstance(policy, dict) else (None, None)
    created = f"{path}{name}".lstrip("/") if isinstance(name, str) and isinstance(path, str) else None
    for index, arn in checked.strings("policy_arns"):
        here = (*checked.place, "policyArns", index)
        if index_of.setdefault(arn, index) != index:
            found = f"{arn!r} is also policyArns[{index_of[arn]}]"
            yield here, Mistake(found, "each policy once", "remove one of them")
        policy_arn = parse_iam_arn(arn, "policy")
        # Any other policy that can be attached is in the role's AWS account.
        if policy_arn.resource == created and policy_arn.account_id != "aws":
            found = f"{arn!r} is the policy that this binding creates and attaches"
            yield here, Mistake(found, "each policy once", "remove it from policyArns")
    source_of: dict[str, Place] = {}
    for source, document, _ in checked.documents:
        if has_unknown(document):
            continue
        first = source_of.setdefault(minified(document), source)
        if first != source:
            found = f"the same document as {path_of(first[2:])}"
            yield source, Mistake(found, "each policy once", "remove one of them")
