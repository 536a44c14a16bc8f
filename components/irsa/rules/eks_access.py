"""How to reach the Kubernetes API of an EKS cluster."""

from typing import Any


def eks_kubeconfig(
    name: str,
    region: str,
    endpoint: str,
    certificate_authority: str,
    *,
    profile: str | None = None,
    role_arn: str | None = None,
) -> dict[str, Any]:
    """Return the kubeconfig that `aws eks update-kubeconfig` writes; the certificate authority is in base64.

    Source: https://docs.aws.amazon.com/eks/latest/userguide/create-kubeconfig.html"""
    command: dict[str, Any] = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "aws",
        "args": ["--region", region, "eks", "get-token", "--cluster-name", name, "--output", "json"],
        **({"env": [{"name": "AWS_PROFILE", "value": profile}]} if profile else {}),
    }
    if role_arn:
        command["args"] += ["--role-arn", role_arn]
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": name, "cluster": {"server": endpoint, "certificate-authority-data": certificate_authority}}
        ],
        "users": [{"name": name, "user": {"exec": command}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
