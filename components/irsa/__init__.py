"""Kubernetes service accounts on Amazon EKS that assume AWS IAM roles, as one Pulumi component."""

import importlib
from typing import TYPE_CHECKING

__all__ = ["PolicyArgs", "ServiceAccountArgs", "ServiceAccountRole", "ServiceAccountRoleArgs"]

if TYPE_CHECKING:
    from irsa.args import PolicyArgs, ServiceAccountArgs, ServiceAccountRoleArgs
    from irsa.component import ServiceAccountRole
else:
    _HOMES = dict.fromkeys(__all__, "irsa.args") | {"ServiceAccountRole": "irsa.component"}

    def __getattr__(name: str) -> object:
        """Load a public name on first use: it brings Pulumi's SDKs, which take a second, and a rule needs none."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
        return found

    def __dir__() -> list[str]:
        """Give the public names, loaded or not."""
        return sorted({*globals(), *__all__})
