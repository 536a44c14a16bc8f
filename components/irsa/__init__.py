"""Kubernetes service accounts on Amazon EKS that assume AWS IAM roles, as one Pulumi component."""

from irsa.component import PolicyArgs, ServiceAccountArgs, ServiceAccountRole, ServiceAccountRoleArgs

__all__ = ["PolicyArgs", "ServiceAccountArgs", "ServiceAccountRole", "ServiceAccountRoleArgs"]
