"""Lint rules about what a role may do."""

import functools
import re

from config.lint import actions
from config.lint.checked import CheckedStack, Statement, Warnings, documents, statements
from config.models import Binding
from irsa.evaluation.patterns import matches, pattern_of
from irsa.rules.arns import parse_iam_arn
from irsa.rules.mistakes import Mistake, Place, path_of
from irsa.rules.trust import minified

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
        yield (
            ("Resource",),
            Mistake(
                f'{", ".join(writing[:3])}{", ..." if writing[3:] else ""} on every resource ("*") of the AWS account',
                "only the resources that the role needs",
                "name them in Resource, such as arn:${partition}:s3:::my-bucket/*, or silence the rule with a reason",
            ),
        )


def pass_any_role(statement: Statement) -> Warnings:
    """Yield the permissions to pass every role, and so to act as the most powerful one that a service may have.

    The keys of a Condition that iam:PassRole has of its own say to whom a role is passed, not which one:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
    """
    passing = [action for action in statement.items("Action") if _includes_pass_role(action)]
    if "NotAction" in statement.values and not any(map(_includes_pass_role, statement.items("NotAction"))):
        passing = ["all but NotAction"]
    condition = statement.values.get("Condition") or {}
    limited = {name.lower() for keys in condition.values() for name in keys} - _RECEIVERS_OF_ROLES
    if not passing or not statement.allows or limited:
        return
    for index, resource in enumerate(statement.items("Resource")):
        if resource == "*" or actions.includes_all(resource, ROLE):
            found = f"{passing[0]} on {resource!r}, which includes iam:PassRole on every role of the AWS account"
            if passing[0].lower() == "iam:passrole":
                found = f"{passing[0]} on {resource!r}, which is every role of the AWS account"
            fix = "name the roles in Resource, in a statement of its own with a Condition on iam:PassedToService"
            yield statement.place_of("Resource", index), Mistake(found, "the roles that a service needs", fix)


@functools.cache
def _includes_pass_role(action: str) -> bool:
    return matches("iam:passrole", pattern_of(action.lower(), wildcards=True))


def administrator_access(key: str, binding: Binding, checked: CheckedStack) -> Warnings:
    """Yield the policies of AWS by which a role controls the AWS account.

    A document that allows `*` on `*` is one of write-everything.
    """
    for index, arn in enumerate(checked.sources.with_samples(binding.policy_arns)):
        powerful = _POWERFUL_POLICY.fullmatch(arn)
        if powerful:
            found = f"{powerful[1]}: {POWER_OF_POLICY[powerful[1]]}"
            fix = "attach a policy with the actions that the Pods call, or silence the rule with a reason"
            yield ("bindings", key, "policyArns", index), Mistake(found, "the permissions that the role needs", fix)


def grants_nothing(key: str, binding: Binding, checked: CheckedStack) -> Warnings:
    """Yield a role without permissions of its own, which can do only what policies of resources allow.

    "By default, users and roles have no permissions; permissions must be granted with a policy":
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html
    """
    # As it is in the file, where a secret that is not read is one too.
    written = checked.settings["bindings"][key]
    if binding.role.arn or written.get("policyArns") or written.get("assumeRoleArns"):
        return
    policies: list[Place] = [("policy",)] if "policy" in written else []
    policies += [("inlinePolicies", name) for name in written.get("inlinePolicies", ())]
    by_policy = {source[2:]: document for source, document in documents(key, binding)}
    for policy in policies:
        if policy not in by_policy or ("bindings", key, *policy) in checked.sources.remainders:
            return
        if any(statement.allows for _, statement in statements(by_policy[policy], checked.sources)):
            return
    found = "policies that only deny" if policies else "a role without policies: it may do nothing"
    allowed = "permissions, in policy, policyArns, inlinePolicies or assumeRoleArns"
    fix = "add them; or, where a resource's own policy names the role, silence the rule with that reason"
    yield ("bindings", key), Mistake(found, allowed, fix)


def attached_twice(key: str, binding: Binding, checked: CheckedStack) -> Warnings:
    """Yield the policies and the documents that a role has already."""
    place: Place = ("bindings", key)
    index_of: dict[str, int] = {}
    policy = binding.policy
    for index, arn in enumerate(checked.sources.with_samples(binding.policy_arns)):
        here = (*place, "policyArns", index)
        if index_of.setdefault(arn, index) != index:
            found = f"{arn!r} is also policyArns[{index_of[arn]}]"
            yield here, Mistake(found, "each policy once", "remove one of them")
        if not checked.variables.are_readable(binding.policy_arns[index]):
            continue
        parsed = parse_iam_arn(arn, "policy")
        created = f"{policy.path or '/'}{policy.name}".lstrip("/") if policy and policy.name else None
        if parsed.resource == created and parsed.account_id == checked.variables.values["account"]:
            found = f"{arn!r} is the policy that this binding creates and attaches"
            yield here, Mistake(found, "each policy once", "remove it from policyArns")
    source_of: dict[str, Place] = {}
    for source, document in documents(key, binding):
        if source in checked.sources.remainders:
            continue
        minified_document = minified(checked.sources.with_samples(document))
        first = source_of.setdefault(minified_document, source)
        if first != source:
            found = f"the same document as {path_of(first[2:])}"
            yield source, Mistake(found, "each policy once", "remove one of them")
