"""`irsa:defaults`, merged into the bindings."""

from typing import Any

from config.models import Binding, Defaults, Stack
from irsa.rules.subjects import DEFAULT_NAMESPACE


def with_defaults(stack: Stack) -> Stack:
    """Return the stack with the defaults in every binding."""
    bindings = {key: _binding(binding, stack.defaults) for key, binding in stack.bindings.items()}
    return stack.model_copy(update={"bindings": bindings})


def _binding(binding: Binding, defaults: Defaults) -> Binding:
    role = binding.role
    if not role.arn:
        role = role.model_copy(
            update={
                **_missing(role, defaults, ("path", "permissions_boundary", "max_session_duration")),
                "tags": {**defaults.tags, **role.tags},
            }
        )
    policy = binding.policy and binding.policy.model_copy(
        update={
            **_missing(binding.policy, defaults, ("path",)),
            "tags": {**defaults.tags, **binding.policy.tags},
        }
    )
    service_account = binding.service_account
    if service_account:
        settings = ("namespace", "sts_regional_endpoints", "token_expiration")
        update = {"namespace": DEFAULT_NAMESPACE, **_missing(service_account, defaults, settings)}
        service_account = service_account.model_copy(update=update)
    return binding.model_copy(
        update={
            "role": role,
            "policy": policy,
            "service_account": service_account,
            **_missing(binding, defaults, ("audience",)),
        }
    )


def _missing(own: Any, defaults: Defaults, settings: tuple[str, ...]) -> dict[str, Any]:
    """Return the settings with the own value where there is one, else the default; none where neither is."""
    values = {name: getattr(defaults, name) if getattr(own, name) is None else getattr(own, name) for name in settings}
    return {name: value for name, value in values.items() if value is not None}
