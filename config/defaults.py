"""`irsa:defaults`, merged into the bindings."""

from typing import Any

from config.models import Binding, Defaults, Stack
from irsa.rules.subjects import DEFAULT_NAMESPACE


def with_defaults(stack: Stack) -> Stack:
    """Return the stack with `irsa:defaults` merged into every binding."""
    bindings = {key: _binding(binding, stack.defaults) for key, binding in stack.bindings.items()}
    return stack.model_copy(update={"bindings": bindings})


def _binding(binding: Binding, defaults: Defaults) -> Binding:
    role = binding.role
    if not role.arn:
        role = role.model_copy(
            update={
                **_values_or_defaults(role, defaults, ("path", "permissions_boundary", "max_session_duration")),
                "tags": {**defaults.tags, **role.tags},
            }
        )
    policy = binding.policy and binding.policy.model_copy(
        update={
            **_values_or_defaults(binding.policy, defaults, ("path",)),
            "tags": {**defaults.tags, **binding.policy.tags},
        }
    )
    service_account = binding.service_account
    if service_account:
        settings = ("namespace", "sts_regional_endpoints", "token_expiration")
        update = {"namespace": DEFAULT_NAMESPACE, **_values_or_defaults(service_account, defaults, settings)}
        service_account = service_account.model_copy(update=update)
    return binding.model_copy(
        update={
            "role": role,
            "policy": policy,
            "service_account": service_account,
            **_values_or_defaults(binding, defaults, ("audience",)),
        }
    )


def _values_or_defaults(model: Any, defaults: Defaults, settings: tuple[str, ...]) -> dict[str, Any]:
    """Return the model's values of the settings, else the defaults; without the settings that neither has."""
    values = {name: getattr(defaults if getattr(model, name) is None else model, name) for name in settings}
    return {name: value for name, value in values.items() if value is not None}
