"""The commands that irsa advises, each ready to be pasted into a shell: every value is quoted.

What stands behind a # is for the reader alone.
"""

import shlex
from collections.abc import Iterable

from irsa.rules.trust import DEFAULT_AUDIENCE


def _command(*words: str, comment: str = "") -> str:
    return f"{shlex.join(words)}{_note(comment)}"


def _note(comment: str) -> str:
    # A comment ends with its line; what followed a line break in it would run.
    return f"  # {' '.join(comment.split())}" if comment else ""


def _option(name: str, value: str) -> tuple[str, ...]:
    """Give an option so that a value which begins with a hyphen is not taken for another option."""
    return (f"{name}={value}",) if value.startswith("-") else (name, value)


def _within(cluster: str) -> str:
    return f"in cluster {cluster}" if cluster else ""


# Pulumi


def up(stack: str) -> str:
    """Make what the stack declares, whatever was changed by hand."""
    return _command("pulumi", "up", "--refresh", *_option("--stack", stack))


def up_with_issuer(stack: str) -> str:
    """Make what the stack declares of a cluster that was made anew."""
    comment = "after the cluster's issuer in the stack file is put right"
    return _command("pulumi", "up", *_option("--stack", stack), comment=comment)


def up_with_account(stack: str, namespace: str, name: str, created: bool, cluster: str = "") -> str:
    """Make a missing service account, which is somebody else's to make where the stack only annotates it.

    Args:
        stack: The stack that declares it.
        namespace: The account's namespace.
        name: The account's name.
        created: Whether the stack creates the account.
        cluster: The cluster's key in the stack file; empty where there is only one.
    """
    if created:
        return up(stack)
    create = _command("kubectl", "create", "serviceaccount", name, "-n", namespace)
    return f"{create} && {up(stack)}{_note(_within(cluster))}"


def list_stacks() -> str:
    """Show the stacks of the backend."""
    return _command("pulumi", "stack", "ls", "--all")


# AWS


def create_provider(issuer: str, audiences: Iterable[str]) -> str:
    """Make an IAM OIDC provider that the stack does not make.

    Source: https://docs.aws.amazon.com/cli/latest/reference/iam/create-open-id-connect-provider.html
    """
    words = ("aws", "iam", "create-open-id-connect-provider", "--url", issuer)
    return _command(*words, "--client-id-list", *sorted(audiences))


def associate_provider(
    cluster: str, issuer: str, audiences: Iterable[str] = (DEFAULT_AUDIENCE,), region: str | None = None
) -> str:
    """Make the IAM OIDC provider of an EKS cluster in the cluster's own account.

    eksctl does it when the only audience is sts.amazonaws.com, the one that it gives:
    https://docs.aws.amazon.com/eks/latest/userguide/enable-iam-roles-for-service-accounts.html
    """
    if {*audiences} != {DEFAULT_AUDIENCE}:
        return create_provider(issuer, audiences)
    words = ("eksctl", "utils", "associate-iam-oidc-provider", *_option("--cluster", cluster), "--approve")
    return _command(*words, *(_option("--region", region) if region else ()))


def add_client_id(provider_arn: str, audience: str) -> str:
    """Let an IAM OIDC provider that the stack does not make admit an audience."""
    words = ("aws", "iam", "add-client-id-to-open-id-connect-provider")
    return _command(*words, "--open-id-connect-provider-arn", provider_arn, *_option("--client-id", audience))


def update_thumbprint(provider_arn: str) -> str:
    """Give an IAM OIDC provider the thumbprint of its issuer's certificate, which the reader puts in."""
    words = ("aws", "iam", "update-open-id-connect-provider-thumbprint", "--open-id-connect-provider-arn", provider_arn)
    return _command(*words, "--thumbprint-list", "SHA1_OF_THE_CERTIFICATE")


def list_roles(binding: str) -> str:
    """Show the roles that there are, of which a binding's `role.arn` should be one."""
    comment = f"and put role.arn of {binding} right"
    return _command("aws", "iam", "list-roles", "--query", "Roles[].Arn", comment=comment)


def list_clusters() -> str:
    """Show the EKS clusters of an account and region."""
    return _command("aws", "eks", "list-clusters")


def detach_policy(role_name: str, policy_arn: str) -> str:
    """Take a managed policy away from a role."""
    words = ("aws", "iam", "detach-role-policy", *_option("--role-name", role_name))
    return _command(*words, *_option("--policy-arn", policy_arn))


def delete_inline_policy(role_name: str, policy_name: str) -> str:
    """Take an inline policy away from a role."""
    words = ("aws", "iam", "delete-role-policy", *_option("--role-name", role_name))
    return _command(*words, *_option("--policy-name", policy_name))


def read_issuer(issuer: str) -> str:
    """Show where an issuer publishes its keys."""
    return _command("curl", f"{issuer}/.well-known/openid-configuration")


# Kubernetes


def create_token(namespace: str, name: str, audience: str) -> str:
    """Make a token of a service account."""
    words = ("kubectl", "create", "token", name, "-n", namespace, *_option("--audience", audience))
    return _command(*words, "--duration", "10m")


def remove_annotation(namespace: str, name: str, key: str, cluster: str = "") -> str:
    """Take away an annotation that is not declared."""
    words = ("kubectl", "annotate", "serviceaccount", name, "-n", namespace, f"{key}-")
    return _command(*words, comment=_within(cluster))


def restart(kind: str, name: str, namespace: str, cluster: str = "") -> str:
    """Make the Pods of a Deployment, StatefulSet or DaemonSet anew, so that the webhook sees them."""
    words = ("kubectl", "rollout", "restart", f"{kind.lower()}/{name}", "-n", namespace)
    return _command(*words, comment=_within(cluster))


def delete_pod(name: str, namespace: str, comment: str = "", cluster: str = "") -> str:
    """Delete a Pod, which whoever owns it makes anew."""
    comments = ", ".join(filter(None, (comment, _within(cluster))))
    return _command("kubectl", "delete", "pod", name, "-n", namespace, comment=comments)


# irsa


def explain(account: str, role_arn: str, stack: str, issuer: str) -> str:
    """Show why a role admits an account (`namespace/name`), or does not."""
    return _command("irsa", "explain", account, role_arn, *_option("--stack", stack), "--issuer", issuer)


def prove(binding: str) -> str:
    """Show whether a role admits the accounts of a binding."""
    return _command("irsa", "prove", binding)


def check(file: str) -> str:
    """Hold a stack file against every rule, without the engine."""
    return _command(".venv/bin/irsa", "check", file)
