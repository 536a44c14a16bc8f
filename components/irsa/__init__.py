"""Kubernetes service accounts on Amazon EKS that assume AWS IAM roles, as one Pulumi component."""
