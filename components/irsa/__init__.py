"""Kubernetes service accounts on Amazon EKS that assume AWS IAM roles, as Pulumi components."""

import importlib
from typing import TYPE_CHECKING

__all__ = [
    "IdentityGuard",
    "IdentityGuardArgs",
    "InvalidArgumentsError",
    "ServiceAccountRole",
    "ServiceAccountRoleArgs",
]

if TYPE_CHECKING:
    from irsa.args import IdentityGuardArgs, ServiceAccountRoleArgs
    from irsa.component import ServiceAccountRole
    from irsa.guard_component import IdentityGuard
    from irsa.later import InvalidArgumentsError
else:
    _MODULES = dict.fromkeys(__all__, "irsa.args") | {
        "ServiceAccountRole": "irsa.component",
        "IdentityGuard": "irsa.guard_component",
        "InvalidArgumentsError": "irsa.later",
    }

    def __getattr__(name: str) -> object:
        """Return a public name, loaded on first use: it imports Pulumi's SDKs, a second that rules do not need."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        loaded = globals()[name] = getattr(importlib.import_module(_MODULES[name]), name)
        return loaded

    def __dir__() -> list[str]:
        """Return the public names, loaded or not."""
        return sorted({*globals(), *__all__})
