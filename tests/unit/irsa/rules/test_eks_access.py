"""The way to a cluster's Kubernetes API by EKS."""

from irsa.rules.eks_access import eks_kubeconfig


def test_the_kubeconfig_of_an_eks_cluster() -> None:
    certificate = "LS0t"

    assert eks_kubeconfig(
        "my-cluster", "us-west-2", "https://EXAMPLE.gr7.us-west-2.eks.amazonaws.com", certificate
    ) == {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "my-cluster",
                "cluster": {
                    "server": "https://EXAMPLE.gr7.us-west-2.eks.amazonaws.com",
                    "certificate-authority-data": "LS0t",
                },
            }
        ],
        "users": [
            {
                "name": "my-cluster",
                "user": {
                    "exec": {
                        "apiVersion": "client.authentication.k8s.io/v1beta1",
                        "command": "aws",
                        "args": [
                            *("--region", "us-west-2", "eks", "get-token", "--cluster-name", "my-cluster", "--output"),
                            "json",
                        ],
                    }
                },
            }
        ],
        "contexts": [{"name": "my-cluster", "context": {"cluster": "my-cluster", "user": "my-cluster"}}],
        "current-context": "my-cluster",
    }
