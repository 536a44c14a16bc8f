"""Lint rules about what a role may do."""

import functools
import re
from collections.abc import Iterator, Sequence

from config.lint import actions
from config.lint.checked import CheckedBinding, Danger, Policies, Statement, Warnings, statements, strings
from irsa.evaluation.patterns import matches, pattern_of
from irsa.evaluation.unlimited import ROLE, power
from irsa.rules.arns import parse_iam_arn
from irsa.rules.leaves import mapping_of
from irsa.rules.mistakes import Mistake, Place, path_of, shortened
from irsa.rules.trust import minified
from irsa.rules.unknown import Unknown, has_unknown

# Fewer patterns than those that begin with each three letters fit into a role's policies.
_LONGEST_BEGINNING = 2


def write_everything(policies: Policies) -> Warnings:
    """Yield the permissions to change any resource, or any one of a type."""
    for index, (place, statement) in enumerate(policies.statements):
        patterns = statement.items("Action") if statement.allows else ()
        writing = [each for each in patterns if _gives_any(policies, index, _written(policies, statement, each))]
        if statement.allows and "NotAction" in statement.values:
            every = _written(policies, statement, "*")
            writing += ["all but NotAction"] if _gives_any(policies, index, every) else []
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


def _written(policies: Policies, statement: Statement, pattern: str) -> Iterator[actions.Written]:
    """Yield the actions of a pattern that change something; of `*`, some that stand for all."""
    if pattern != "*":
        yield from actions.written(pattern)
        return
    yield actions.ANY
    # Of the services that policies name, other rights may be left than of all others.
    named = [each for _, other in policies.statements for each in (*other.items("Action"), *other.items("NotAction"))]
    services = [each.partition(":")[0] for each in named]
    services += [each.split(":")[2] for each in statement.items("Resource") if each.count(":") > 1]
    for service in dict.fromkeys(services):
        yield from actions.written(f"{service}:*")


def _gives_any(policies: Policies, index: int, several: Iterator[actions.Written]) -> bool:
    """Return whether a statement gives one of several actions on every resource of a type."""
    statement = policies.statements[index][1]
    return any(_may_be_open(statement, arns) and policies.give(action, arns, index) for action, arns in several)


def _may_be_open(statement: Statement, arns: Sequence[str]) -> bool:
    """Return whether a statement may be part of what gives every resource; quick, since most name theirs."""
    if "NotResource" in statement.values:
        return True
    for resource in statement.items("Resource"):
        parts = resource.split(":", 5)
        # Without all six of them, a wildcard stands for the rest.
        written = _OPEN.split(parts[5], maxsplit=1)[0] if parts[5:] else ""
        if any(_begins(written, _beginning(arn)) for arn in arns):
            return True
    return False


_OPEN = re.compile(r"[*?]|\$\{")


@functools.cache
def _beginning(arn: str) -> str:
    """Return the last part of an ARN of the reference, up to the first name in it."""
    return _OPEN.split(arn.split(":", 5)[5], maxsplit=1)[0]


def _begins(written: str, known: str) -> bool:
    """Return whether what is written leaves the name open, or nearly."""
    return known.startswith(written) or (written.startswith(known) and len(written) - len(known) <= _LONGEST_BEGINNING)


def _resources(statement: Statement) -> tuple[str, str]:
    """Return the element that names the resources, and its values as they are written."""
    element = "NotResource" if "NotResource" in statement.values else "Resource"
    return element, shortened(", ".join(strings(statement.written.get(element))))


def pass_any_role(policies: Policies) -> Warnings:
    """Yield the permissions to pass every role, and so to act as the most powerful one that a service may have.

    The keys of a Condition that iam:PassRole has of its own say to whom a role is passed, not which one.
    """
    for index, (place, statement) in enumerate(policies.statements):
        passing = [action for action in statement.items("Action") if _includes_pass_role(action)]
        passing += ["all but NotAction"] if "NotAction" in statement.values else []
        passes = passing and statement.allows and _may_be_open(statement, [ROLE])
        if not passes or not policies.give("iam:PassRole", [ROLE], index):
            continue
        element, resources = _resources(statement)
        alone = [
            ((*place, *inner), repr(resource))
            for inner, resource in statement.placed("Resource")
            if resource == "*" or actions.includes_all(resource, ROLE)
        ]
        together = "every resource but NotResource" if element == "NotResource" else resources
        for where, on in alone or [((*place, element), together)]:
            found = f"{passing[0]} on {on}, which includes iam:PassRole on every role of the AWS account"
            if passing[0].lower() == "iam:passrole":
                found = f"{passing[0]} on {on}, which is every role of the AWS account"
            fix = "name the roles in Resource, in a statement of its own with a Condition on iam:PassedToService"
            yield where, Danger(found, "the roles that a service needs", fix)


@functools.cache
def _includes_pass_role(action: str) -> bool:
    return matches("iam:passrole", pattern_of(action.lower(), wildcards=True))


def administrator_access(checked: CheckedBinding) -> Warnings:
    """Yield the policies of AWS by which a role controls the AWS account.

    A document that allows `*` on `*` is one of write-everything.
    """
    for index, arn in checked.strings("policy_arns"):
        if found := power(arn, Policies((known, written) for _, known, written in checked.documents).documents):
            fix = "attach a policy with the actions that the Pods call"
            yield (*checked.place, "policyArns", index), Danger(found, "the permissions that the role needs", fix)


def grants_nothing(checked: CheckedBinding) -> Warnings:
    """Yield a role without permissions of its own, which can do only what policies of resources allow.

    "By default, users and roles have no permissions; permissions must be granted with a policy":
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html
    """
    args = checked.args
    if isinstance(checked.argument("role"), Unknown):
        return  # it may be an existing one
    of_add_ons = args.get("policies") or "add_on" in mapping_of(args.get("policy"))
    if checked.has_existing_role or args.get("policy_arns") or args.get("assume_role_arns") or of_add_ons:
        return
    inline = args.get("inline_policies", {})
    policies = [*(["policy"] if "policy" in args else []), *(inline if isinstance(inline, dict) else [inline])]
    documents = [*checked.documents]
    if len(documents) < len(policies) or any(has_unknown(document) for _, document, _ in documents):
        return
    if any(each.allows for _, document, written in documents for _, each in statements(document, written)):
        return
    found = "policies that only deny" if policies else "a role without policies: it may do nothing"
    allowed = "permissions, in policy, policies, policyArns, inlinePolicies or assumeRoleArns"
    fix = "add them; or, where a resource's own policy names the role, silence the rule with that reason"
    yield checked.place, Mistake(found, allowed, fix)


def attached_twice(checked: CheckedBinding) -> Warnings:
    """Yield the policies and the documents that a role has already."""
    index_of: dict[str, int | str] = {}
    policy = checked.args.get("policy")
    name, path = (policy.get("name"), policy.get("path", "/")) if isinstance(policy, dict) else (None, None)
    created = f"{path}{name}".lstrip("/") if isinstance(name, str) and isinstance(path, str) else None
    for index, arn in checked.strings("policy_arns"):
        here = (*checked.place, "policyArns", index)
        if index_of.setdefault(arn, index) != index:
            found = f"{arn!r} is also {path_of(('policyArns', index_of[arn]))}"
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
