"""`irsa:defaults`, merged into the bindings."""

from collections.abc import Mapping
from typing import Any

from config.models import Binding, Defaults, Stack
from irsa.keys.binding import PodIdentity, Policy, Role, ServiceAccount
from irsa.rules.identity import ONLY_IRSA, Identity, Use, parse_identity
from irsa.rules.subjects import DEFAULT_NAMESPACE
from irsa.rules.unknown import has_unknown


def with_defaults(stack: Stack) -> Stack:
    """Return the stack with `irsa:defaults` merged into every binding; what is not known stays so."""
    known = {key: each for key, each in stack.bindings.items() if isinstance(each, Binding)}
    bindings = {**stack.bindings, **{key: _binding(each, stack.defaults) for key, each in known.items()}}
    return stack.model_copy(update={"bindings": bindings})


def _binding(binding: Binding, defaults: Defaults) -> Binding:
    role, policy, service_account = binding.role, binding.policy, binding.service_account
    update, pod_identity = _values_or_defaults(binding, defaults, ("identity",)), binding.pod_identity
    ways = identity_of(binding.model_copy(update=update))
    irsa, pods = ways.irsa is not Use.ABSENT, ways.pod_identity is Use.USED
    if isinstance(role, Role) and not role.arn:
        settings = ("path", "permissions_boundary", "max_session_duration")
        tags = _merged(defaults.tags, role.tags)
        role = role.model_copy(update={**_values_or_defaults(role, defaults, settings), "tags": tags})
    if isinstance(policy, Policy):
        tags = _merged(defaults.tags, policy.tags)
        policy = policy.model_copy(update={**_values_or_defaults(policy, defaults, ("path",)), "tags": tags})
    if isinstance(service_account, ServiceAccount):
        settings = ("namespace", *(("sts_regional_endpoints", "token_expiration") if irsa else ()))
        of_service_account = _values_or_defaults(service_account, defaults, settings)
        service_account = service_account.model_copy(update={"namespace": DEFAULT_NAMESPACE, **of_service_account})
    if pods and pod_identity is None:
        pod_identity = PodIdentity.model_construct()
    if pods and isinstance(pod_identity, PodIdentity):
        tags = _merged(defaults.tags, pod_identity.tags)
        pod_identity = pod_identity.model_copy(update={"tags": tags})
    update |= _values_or_defaults(binding, defaults, ("audience",) if irsa else ())
    parts = {"role": role, "policy": policy, "service_account": service_account, "pod_identity": pod_identity}
    return binding.model_copy(update={**update, **parts})


def identity_of(binding: Binding) -> Identity:
    """Return how the Pods of a binding get their role; where that is not known, as by default."""
    return ONLY_IRSA if binding.identity is None or has_unknown(binding.identity) else parse_identity(binding.identity)


def _merged(defaults: Any, values: Any) -> Any:
    if not isinstance(defaults, Mapping):
        return defaults
    return {**defaults, **values} if isinstance(values, Mapping) else defaults


def _values_or_defaults(model: Any, defaults: Defaults, settings: tuple[str, ...]) -> dict[str, Any]:
    """Return the model's values of the settings, else the defaults; without the settings that neither has."""
    values = {name: getattr(defaults if getattr(model, name) is None else model, name) for name in settings}
    return {name: value for name, value in values.items() if value is not None}
