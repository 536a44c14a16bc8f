"""Faster versions of functions of moto, which repeats work for each request or goes through everything it has.

What it answers stays the same.
"""

from functools import cache
from typing import Any

import moto.backends
import moto.core.responses
import moto.iam.models as iam_models
from moto.core.utils import method_names_from_class
from moto.iam.models import AccountSummary, AWSManagedPolicy, IAMBackend, ManagedPolicy, Role


def replacements() -> tuple[tuple[Any, str, Any], ...]:
    """Return what is replaced: its owner, its name, and what takes its place."""
    modules = tuple(moto.backends.list_of_moto_modules())
    return (
        (moto.backends, "list_of_moto_modules", lambda: modules),
        (moto.core.responses, "method_names_from_class", cache(method_names_from_class)),
        (iam_models, "get_account_id_from", _account_id_from),
        (AccountSummary, "_policies", property(number_of_own_policies)),
    )


def make_moto_faster() -> None:
    """Replace these functions; what wraps one of them must do so afterwards."""
    for owner, name, replacement in replacements():
        setattr(owner, name, replacement)


def _account_id_from(access_key: str) -> str:
    # moto's own creates a model of each partition in each AWS account, each with all of AWS's policies.
    for aws_account, partitions in list(iam_models.iam_backends.items()):
        if any(access_key in backend.access_keys for backend in list(partitions.values())):
            return aws_account
    return str(vars(iam_models)["DEFAULT_ACCOUNT_ID"])


def number_of_own_policies(summary: AccountSummary) -> int:
    """Return how many customer managed policies an AWS account has."""
    iam = summary._iam_backend
    return len(iam.managed_policies) - len(iam.aws_managed_policies)


def role_named(iam: IAMBackend, name: str) -> Role | None:
    """Return the role with this name, in whatever case."""
    wanted = name.lower()
    return next((role for role in iam.roles.values() if role.name.lower() == wanted), None)


def policy_named(iam: IAMBackend, name: str) -> ManagedPolicy | None:
    """Return the account's own policy with this name, in whatever case; the names of AWS's are free in each account."""
    own, wanted = (each for each in iam.managed_policies.values() if not is_aws_policy(each)), name.lower()
    return next((policy for policy in own if policy.name.lower() == wanted), None)


def is_aws_policy(policy: ManagedPolicy) -> bool:
    """Return whether a managed policy is one of AWS's own, which every AWS account has."""
    return isinstance(policy, AWSManagedPolicy)
