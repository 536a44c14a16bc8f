"""The commands that put right what was found; what stands behind a # is for the reader alone."""

from cli.declared import ServiceAccount


def up(stack: str) -> str:
    """Make what the stack declares, whatever was changed by hand."""
    return f"pulumi up --refresh --stack {stack}"


def up_with_issuer(stack: str) -> str:
    """Make what the stack declares of a cluster that was made anew."""
    return f"pulumi up --stack {stack}  # after the cluster's issuer in the stack file is put right"


def up_with_account(stack: str, account: ServiceAccount) -> str:
    """Make a missing service account, which is somebody else's to make where the stack only annotates it."""
    if account.created:
        return up(stack)
    return f"kubectl create serviceaccount {account.name} -n {account.namespace} && {up(stack)}{where(account)}"


def create_provider(issuer: str, audience: str) -> str:
    """Make an IAM OIDC provider that the stack does not make."""
    return f"aws iam create-open-id-connect-provider --url {issuer} --client-id-list {audience}"


def admit_audience(provider_arn: str, audience: str) -> str:
    """Let an IAM OIDC provider that the stack does not make admit an audience."""
    admit = f"aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn {provider_arn}"
    return f"{admit} --client-id {audience}"


def remove_annotation(account: ServiceAccount, key: str) -> str:
    """Take away an annotation that is not declared."""
    return f"kubectl annotate serviceaccount {account.name} -n {account.namespace} {key}-{where(account)}"


def where(account: ServiceAccount) -> str:
    """Say in a command's comment which cluster it is for, in a stack of several."""
    return f"  # in cluster {account.cluster_key}" if account.cluster_key else ""


def explain(account: str, role_arn: str, stack: str, issuer: str) -> str:
    """Show why a role admits an account, or does not."""
    return f"irsa explain {account} {role_arn} --stack {stack} --issuer {issuer}"
