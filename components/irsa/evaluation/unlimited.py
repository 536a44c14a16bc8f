"""What is unlimited of a role: what it may do, and who may have it. Without the list of AWS's actions.

`irsa check` has that list, and so finds more of the first: config/lint/permissions.py.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from irsa.rules.grammar import VERSION
from irsa.rules.strangers import stranger
from irsa.rules.subjects import is_pattern

if TYPE_CHECKING:
    from irsa.evaluation.permissions import Permissions

# https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html
POWER_OF_POLICY = {
    "AdministratorAccess": "every action on every resource",
    "PowerUserAccess": "every action but the management of IAM, AWS Organizations and the AWS account",
    "IAMFullAccess": "every action of IAM, by which the role can give itself all others",
}
_POWERFUL_POLICY = re.compile(rf"arn:[^:]+:iam::aws:policy/({'|'.join(POWER_OF_POLICY)})")
ROLE = "arn:${Partition}:iam::${Account}:role/${RoleNameWithPath}"
# Any action of any service: nobody has one of this name.
UNNAMED = "strangerzq"
# What of it a document would say, and a service of which no Deny takes an action away.
_OF_POLICY: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "AdministratorAccess": ({"Action": "*"}, UNNAMED),
    "PowerUserAccess": ({"NotAction": ["iam:*", "organizations:*", "account:*"]}, UNNAMED),
    "IAMFullAccess": ({"Action": "iam:*"}, "iam"),
}


def power(policy_arn: str, documents: Iterable[Mapping[str, Any]]) -> str:
    """Return by which name, and what, a managed policy of AWS allows that lets a role control the AWS account.

    Empty for any other one, and where a Deny in the role's documents takes it away.
    """
    found = _POWERFUL_POLICY.fullmatch(policy_arn)
    if not found:
        return ""
    of_policy, service = _OF_POLICY[found[1]]
    document = {"Version": VERSION, "Statement": [{"Effect": "Allow", **of_policy, "Resource": "*"}]}
    return f"{found[1]}: {POWER_OF_POLICY[found[1]]}" if _has_all(_given([document, *documents]), service) else ""


def unlimited(
    documents: Collection[Mapping[str, Any]], policy_arns: Iterable[str], subjects: Collection[str]
) -> Iterator[str]:
    """Yield what is unlimited of a role, in words.

    Args:
        documents: The documents of its policies.
        policy_arns: ARNs of the managed policies that it has besides.
        subjects: The `namespace:name` patterns that it trusts.
    """
    permissions = _given(documents)
    actions = [each.actions for each in permissions.statements if each.allows and not each.actions.negated]
    services = {pattern.lower().partition(":")[0] for each in actions for pattern in each.every}
    if _has_all(permissions, UNNAMED):
        yield "its policies allow every action on every resource"
    elif any(_has_all(permissions, each) for each in services if not is_pattern(each)):
        # Which one is a secret, where the document is one.
        yield "its policies allow every action of an AWS service on every resource"
    elif permissions.everywhere("iam:PassRole", [ROLE]):
        yield "its policies allow iam:PassRole on every role"
    yield from filter(None, (power(each, documents) for each in policy_arns))
    wide = [each for each in subjects if is_pattern(each.partition(":")[0])]
    if wide and stranger(wide) is None:
        yield "every service account of the cluster may assume the role"


def _given(documents: Iterable[Mapping[str, Any]]) -> "Permissions":
    from irsa.evaluation.permissions import gives  # noqa: PLC0415 (a short run of `irsa check` needs none)

    return gives(documents)


def _has_all(permissions: "Permissions", service: str) -> bool:
    """Return whether any action of a service is given on any of its resources."""
    resources = [f"arn:${{Partition}}:{service}:{place}:${{Name}}" for place in ("${Region}:${Account}", ":")]
    return bool(permissions.everywhere(f"{service}:{UNNAMED}", resources))
