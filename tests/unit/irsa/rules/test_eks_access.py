from irsa.rules.eks_access import eks_kubeconfig


def test_the_kubeconfig_of_an_eks_cluster() -> None:
    """Protects `kubernetes: {eks: true}`: what `aws eks update-kubeconfig` writes (EKS user guide)."""
    name, server = "my-cluster", "https://EXAMPLE.gr7.us-west-2.eks.amazonaws.com"
    args = ["--region", "us-west-2", "eks", "get-token", "--cluster-name", name, "--output", "json"]
    command = {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": "aws", "args": args}

    assert eks_kubeconfig(name, "us-west-2", server, "LS0t") == {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": "LS0t"}}],
        "users": [{"name": name, "user": {"exec": command}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
