"""What moto does anew for each request, or with a look at everything that there is: done once, or looked up.

What it answers stays the same.
"""

from functools import cache
from typing import Any, NamedTuple

import moto.backends
import moto.core.responses
import moto.iam.models as iam_models
from moto.core.utils import method_names_from_class
from moto.iam.exceptions import NotFoundException
from moto.iam.models import AccountSummary, AWSManagedPolicy, IAMBackend, ManagedPolicy, Role


class _Names(NamedTuple):
    """The names in a dictionary of moto's.

    Attributes:
        of: The dictionary itself: for as long as it is here, no other one has its identity.
        keys: Its keys, by name in lower case. What was deleted is forgotten when somebody asks for its name.
        seen: The keys that were read, those of AWS's policies too.
    """

    of: dict[str, Any]
    keys: dict[str, str]
    seen: set[str]


_NAMES: dict[int, _Names] = {}


def replacements() -> tuple[tuple[Any, str, Any], ...]:
    """Return what is replaced: its owner, its name, and what takes its place."""
    modules = tuple(moto.backends.list_of_moto_modules())
    return (
        (moto.backends, "list_of_moto_modules", lambda: modules),
        (moto.core.responses, "method_names_from_class", cache(method_names_from_class)),
        (iam_models, "get_account_id_from", _account_id_from),
        (AccountSummary, "_policies", property(number_of_own_policies)),
        (IAMBackend, "get_role", _get_role),
        (IAMBackend, "get_role_by_arn", _get_role_by_arn),
        (IAMBackend, "attach_role_policy", _attach_role_policy),
        (IAMBackend, "detach_role_policy", _detach_role_policy),
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
    found: Role | None = _named(iam.roles, name)
    return found


def policy_named(iam: IAMBackend, name: str) -> ManagedPolicy | None:
    """Return the account's own policy with this name, in whatever case."""
    found: ManagedPolicy | None = _named(iam.managed_policies, name)
    return found


def is_aws_policy(policy: ManagedPolicy) -> bool:
    """Return whether a managed policy is one of AWS's own, which every AWS account has."""
    return isinstance(policy, AWSManagedPolicy)


def _named(of: dict[str, Any], name: str) -> Any:
    names, wanted = _names(of), name.lower()
    key = names.keys.get(wanted)
    if key is not None and key not in of:
        del names.keys[wanted]
        # A policy that is created again has the ARN of before.
        names.seen.discard(key)
        # moto alone may have two of one name in different cases.
        names.keys.update((wanted, key) for key, each in of.items() if _own_name(each) == wanted)
    return of[names.keys[wanted]] if wanted in names.keys else None


def _names(of: dict[str, Any]) -> _Names:
    names = _NAMES.setdefault(id(of), _Names(of, {}, set()))
    # What is new stands at the end.
    for key in reversed(of):
        if key in names.seen:
            break
        names.seen.add(key)
        if (name := _own_name(of[key])) is not None:
            names.keys[name] = key
    return names


def _own_name(each: Any) -> str | None:
    # The names of AWS's own policies are free in each account.
    return None if is_aws_policy(each) else str(each.name).lower()


def _get_role(iam: IAMBackend, role_name: str) -> Role:
    role = _role(iam, role_name)
    if role is None:
        raise NotFoundException(f"Role {role_name} not found")
    return role


def _get_role_by_arn(iam: IAMBackend, arn: str) -> Role:
    role = _role(iam, arn.rpartition("/")[2])
    if role is None or role.arn != arn:
        raise NotFoundException(f"Role {arn} not found")
    return role


def _role(iam: IAMBackend, name: str) -> Role | None:
    role = role_named(iam, name)
    if role is None or role.name == name:
        return role
    return next((each for each in iam.roles.values() if each.name == name), None)


def _attach_role_policy(iam: IAMBackend, policy_arn: str, role_name: str) -> None:
    _policy(iam, policy_arn, "does not exist or is not attachable").attach_to(iam.get_role(role_name))


def _detach_role_policy(iam: IAMBackend, policy_arn: str, role_name: str) -> None:
    policy, role = _policy(iam, policy_arn, "was not found"), iam.get_role(role_name)
    if policy_arn not in role.managed_policies:
        raise NotFoundException(f"Policy {policy_arn} was not found.")
    policy.detach_from(role)


def _policy(iam: IAMBackend, arn: str, otherwise: str) -> ManagedPolicy:
    if arn not in iam.managed_policies:
        raise NotFoundException(f"Policy {arn} {otherwise}.")
    return iam.managed_policies[arn]
