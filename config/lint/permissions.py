"""Lint rules about the policies that a role has."""

from config.lint.checked import CheckedBinding
from irsa.evaluation.lint.permissions import power
from irsa.evaluation.lint.policies import statements
from irsa.evaluation.lint.rule import Danger, Warnings, rule
from irsa.rules.arns import parse_iam_arn
from irsa.rules.leaves import mapping_of
from irsa.rules.mistakes import Mistake, Place, path_of
from irsa.rules.trust import minified
from irsa.rules.unknown import Unknown, has_unknown


@rule(danger="always")
def administrator_access(checked: CheckedBinding) -> Warnings:
    """A role has AdministratorAccess, PowerUserAccess or IAMFullAccess.

    A document that allows `*` on `*` is one of write-everything.
    """
    for index, arn in checked.strings("policy_arns"):
        if found := power(arn, [known for _, known, _ in checked.documents]):
            fix = "attach a policy with the actions that the Pods call"
            yield (*checked.place, "policyArns", index), Danger(found, "the permissions that the role needs", fix)


@rule()
def grants_nothing(checked: CheckedBinding) -> Warnings:
    """A role has no permissions.

    It can do only what policies of resources allow.

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


@rule()
def attached_twice(checked: CheckedBinding) -> Warnings:
    """A role has the same policy twice."""
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
