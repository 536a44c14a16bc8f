"""Kubernetes service accounts on Amazon EKS that assume AWS IAM roles, as one Pulumi component."""

from irsa.args import PolicyArgs, ServiceAccountArgs, ServiceAccountRoleArgs
from irsa.component import ServiceAccountRole

__all__ = ["PolicyArgs", "ServiceAccountArgs", "ServiceAccountRole", "ServiceAccountRoleArgs"]
