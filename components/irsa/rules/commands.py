"""The commands that irsa advises, each ready to be pasted into a shell: every value is quoted.

They have no comments: an interactive zsh does not skip those. A command is empty where a value in it cannot be pasted:
a control character ends a paste, or the line that it goes to.
"""

import json
import re
import shlex
from collections.abc import Collection, Iterable, Sequence

# The only client ID that eksctl gives to a provider:
# https://docs.aws.amazon.com/eks/latest/userguide/enable-iam-roles-for-service-accounts.html
EKSCTL_AUDIENCE = "sts.amazonaws.com"
# How a value begins that the AWS CLI takes for the place of the value: it sends what is in that file, or at that URL.
# https://docs.aws.amazon.com/cli/latest/userguide/cli-usage-parameters-file.html (of version 1, URLs too)
_PLACE = re.compile("(fileb?|https?)://")


def _command(*words: str) -> str:
    return " ".join(map(quoted, words)) if all(word.isprintable() for word in words) else ""


def _aws(*words: str) -> str:
    """Return a command of the AWS CLI; it is empty where the AWS CLI would read a value from a file or a URL."""
    return "" if any(map(_PLACE.match, words)) else _command("aws", *words)


def quoted(word: str) -> str:
    """Return a text as one word of a shell."""
    # zsh replaces a word such as =ls: https://zsh.sourceforge.io/Doc/Release/Expansion.html#g_t_0060_003d_0027-expansion
    return f"'{word}'" if re.fullmatch(r"=[\w@%+=:,./-]*", word, re.ASCII) else shlex.quote(word)


def _arguments(*values: str, options: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the words of arguments and options; an argument that begins with a hyphen stays an argument.

    Source: https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/V1_chap12.html (guideline 10)
    """
    hyphen = any(value.startswith("-") for value in values)
    return (*options, "--", *values) if hyphen else (*values, *options)


def _option(name: str, value: str) -> tuple[str, ...]:
    """Return the words of an option; a value that begins with a hyphen is not taken for another option."""
    return (f"{name}={value}",) if value.startswith("-") else (name, value)


def _optional(name: str, value: str | None) -> tuple[str, ...]:
    """Return the words of an option that may be left out."""
    return _option(name, value) if value else ()


def _listed(name: str, values: Iterable[str]) -> tuple[str, ...]:
    """Return the words of an option that takes a list; the AWS CLI takes it as JSON, too, and reads no file for that.

    Source: https://docs.aws.amazon.com/cli/latest/userguide/cli-usage-parameters-types.html
    """
    items = sorted(values)
    in_json = any(_PLACE.match(each) or each.lstrip()[:1] in {"-", "["} for each in items)
    return (name, json.dumps(items)) if in_json else (name, *items)


# Without a value of the caller's; the reader replaces a region, or NAME by that of an EKS cluster

LIST_STACKS = _command("pulumi", "stack", "ls", "--all")
SET_REGION = _command("pulumi", "config", "set", "aws:region", "us-west-2")
SHOW_ISSUER = _aws("eks", "describe-cluster", "--name", "NAME", "--query", "cluster.identity.oidc.issuer")
SHOW_CLUSTER_ARN = _aws("eks", "describe-cluster", "--name", "NAME", "--query", "cluster.arn")
UPDATE_KUBECONFIG = _aws("eks", "update-kubeconfig", "--name", "NAME")
CLUSTER_VERSION = _command("kubectl", "version")
CAN_I = _command("kubectl", "auth", "can-i", "patch", "serviceaccounts")


# Pulumi


def up(stack: str) -> str:
    """Return the command that restores what the stack declares, whatever was changed by hand."""
    return _command("pulumi", "up", "--refresh", *_option("--stack", stack))


def up_of_guard(stack: str) -> str:
    """Return the command that restores a guard of which somebody changed a part with kubectl.

    The update takes that over, which its preview does not show: it ends in a conflict with kubectl.
    """
    return _command("pulumi", "up", "--refresh", "--skip-preview", *_option("--stack", stack))


def up_with_service_account(stack: str, namespace: str, name: str, created: bool) -> str:
    """Return the command that creates a missing service account; where the stack only annotates it, kubectl does."""
    if created:
        return up(stack)
    create = create_service_account(namespace, name)
    return f"{create} && {up(stack)}" if create and up(stack) else ""


def up_with_annotations(stack: str, namespace: str, name: str, overwritten: Collection[str]) -> str:
    """Return the command that restores the annotations of an existing service account.

    The API server refuses to overwrite what another manager wrote, so those are removed first: of an account of the
    stack's own, too, since the preview takes nothing over."""
    if not overwritten:
        return up(stack)
    remove = remove_annotations(namespace, name, *overwritten)
    return f"{remove} && {up(stack)}" if remove and up(stack) else ""


def delete_from_state(urn: str, stack: str) -> str:
    """Return the command by which Pulumi forgets a resource, protected or not; nothing else of it changes."""
    return _command("pulumi", "state", "delete", urn, "--force", "--yes", *_option("--stack", stack))


# AWS


def create_provider(issuer: str, audiences: Iterable[str]) -> str:
    """Return the command that creates an IAM OIDC provider which the stack does not create.
    Source: https://docs.aws.amazon.com/cli/latest/reference/iam/create-open-id-connect-provider.html
    """
    # The AWS CLI reads no file for --url: https://github.com/aws/aws-cli/blob/develop/awscli/paramfile.py
    words = ("aws", "iam", "create-open-id-connect-provider", *_option("--url", issuer))
    return _command(*words, *_listed("--client-id-list", audiences))


def _association(cluster: str, association_id: str) -> tuple[str, ...]:
    return (*_option("--cluster-name", cluster), *_option("--association-id", association_id))


def clear_association(cluster: str, association_id: str, region: str, settings: Iterable[str]) -> str:
    """Return the command that removes settings of a Pod Identity association, by their names in EKS's API."""
    options = {"targetRoleArn": "--target-role-arn", "policy": "--policy"}
    empty = [word for setting in settings for word in (options[setting], "")]
    words = ("eks", "update-pod-identity-association", *_optional("--region", region))
    return _aws(*words, *_association(cluster, association_id), *empty)


def associate_provider(
    cluster: str, issuer: str, audiences: Iterable[str] = (EKSCTL_AUDIENCE,), region: str | None = None
) -> str:
    """Return the command that creates the IAM OIDC provider of an EKS cluster in the cluster's AWS account."""
    if {*audiences} != {EKSCTL_AUDIENCE}:
        return create_provider(issuer, audiences)
    words = ("eksctl", "utils", "associate-iam-oidc-provider", *_option("--cluster", cluster), "--approve")
    return _command(*words, *_optional("--region", region))


def add_client_id(provider_arn: str, audience: str) -> str:
    """Return the command that adds an audience to the client ID list of an IAM OIDC provider."""
    words = ("iam", "add-client-id-to-open-id-connect-provider")
    client_id = _option("--client-id", audience)
    if _PLACE.match(audience):
        client_id = ("--cli-input-json", json.dumps({"ClientID": audience}))
    return _aws(*words, *_option("--open-id-connect-provider-arn", provider_arn), *client_id)


def update_thumbprint(provider_arn: str) -> str:
    """Return the command that sets a provider's thumbprint; the reader fills in that of the issuer's certificate."""
    words = ("iam", "update-open-id-connect-provider-thumbprint")
    provider = _option("--open-id-connect-provider-arn", provider_arn)
    return _aws(*words, *provider, "--thumbprint-list", "SHA1_OF_THE_CERTIFICATE")


def list_arns(resource_type: str) -> str:
    """Return the command that lists the ARNs of an IAM resource type: `role`, `policy` or `oidc-provider`."""
    verb = {"role": "list-roles", "policy": "list-policies", "oidc-provider": "list-open-id-connect-providers"}
    return _aws("iam", verb[resource_type])


def show_policy(arn: str) -> str:
    """Return the command that shows a managed policy, if there is one of this ARN."""
    return _aws("iam", "get-policy", *_option("--policy-arn", arn))


def create_access_entry(cluster: str, principal_arn: str, region: str | None = None) -> str:
    """Return the command that lets an IAM principal use the Kubernetes API of an EKS cluster; it grants nothing yet.

    Source: https://docs.aws.amazon.com/cli/latest/reference/eks/create-access-entry.html
    """
    words = ("eks", "create-access-entry", *_option("--cluster-name", cluster))
    return _aws(*words, *_option("--principal-arn", principal_arn), *_optional("--region", region))


def create_addon(cluster: str, addon: str, region: str | None = None) -> str:
    """Return the command that installs an add-on in an EKS cluster.

    Source: https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html
    """
    words = ("eks", "create-addon", *_option("--cluster-name", cluster))
    return _aws(*words, *_option("--addon-name", addon), *_optional("--region", region))


def delete_association(cluster: str, association_id: str, region: str | None = None) -> str:
    """Return the command that deletes an association of EKS Pod Identity."""
    words = ("eks", "delete-pod-identity-association", *_association(cluster, association_id))
    return _aws(*words, *_optional("--region", region))


def list_clusters(region: str | None = None, profile: str | None = None) -> str:
    """Return the command that lists the EKS clusters of an AWS account and region."""
    return _aws("eks", "list-clusters", *_optional("--region", region), *_optional("--profile", profile))


def wait_for_cluster(cluster: str, region: str | None = None) -> str:
    """Return the command that waits until an EKS cluster is ACTIVE.

    Source: https://docs.aws.amazon.com/cli/latest/reference/eks/wait/cluster-active.html
    """
    words = ("eks", "wait", "cluster-active", *_option("--name", cluster))
    return _aws(*words, *_optional("--region", region))


def who_am_i(profile: str | None = None) -> str:
    """Return the command that shows which AWS credentials are in use, and whether they are valid."""
    return _aws("sts", "get-caller-identity", *_optional("--profile", profile))


def assume_role(role_arn: str) -> str:
    """Return the command that shows whether the credentials in use may assume a role, and if not, why."""
    words = ("sts", "assume-role", *_option("--role-arn", role_arn))
    return _aws(*words, "--role-session-name", "irsa", "--query", "AssumedRoleUser")


def list_profiles() -> str:
    """Return the command that lists the profiles of the AWS configuration files."""
    return _aws("configure", "list-profiles")


def detach_policy(role_name: str, policy_arn: str) -> str:
    """Return the command that detaches a managed policy from a role."""
    words = ("iam", "detach-role-policy", *_option("--role-name", role_name))
    return _aws(*words, *_option("--policy-arn", policy_arn))


def delete_inline_policy(role_name: str, policy_name: str) -> str:
    """Return the command that deletes an inline policy of a role."""
    words = ("iam", "delete-role-policy", *_option("--role-name", role_name))
    return _aws(*words, *_option("--policy-name", policy_name))


# Kubernetes


def list_contexts() -> str:
    """Return the command that lists the contexts of the kubeconfig."""
    return _command("kubectl", "config", "get-contexts")


def create_namespace(name: str) -> str:
    """Return the command that creates a namespace."""
    return _command("kubectl", "create", "namespace", *_arguments(name))


def create_service_account(namespace: str, name: str) -> str:
    """Return the command that creates a service account."""
    return _command("kubectl", "create", "serviceaccount", *_arguments(name, options=_option("-n", namespace)))


def remove_annotations(namespace: str, name: str, *keys: str, context: str | None = None) -> str:
    """Return the command that removes annotations of a service account, in the cluster of a context if one is given."""
    where = (*_option("-n", namespace), *_optional("--context", context))
    return _annotations(name, where, [f"{key}-" for key in keys])


def annotate(
    namespace: str, name: str, key: str, value: str, context: str | None = None, *, removed: Iterable[str] = ()
) -> str:
    """Return the command that sets an annotation of a service account, whatever it is now, and removes others."""
    where = (*_option("-n", namespace), *_optional("--context", context), "--overwrite")
    return _annotations(name, where, [f"{key}={value}", *(f"{each}-" for each in removed)])


def _annotations(name: str, where: Iterable[str], changes: Sequence[str]) -> str:
    words = ("kubectl", "annotate", "serviceaccount")
    # A lone hyphen is an argument.
    if any(each.startswith("-") and each != "-" for each in (name, *changes)):
        return _command(*words, *where, "--", name, *changes)
    return _command(*words, name, *where, *changes)


def remove_annotation_with_value(namespace: str, name: str, key: str, value: str) -> str:
    """Return the command that removes an annotation of a service account, which fails if it has another value.

    Source: https://datatracker.ietf.org/doc/html/rfc6902#section-4.6
    """
    path = f"/metadata/annotations/{key.replace('~', '~0').replace('/', '~1')}"
    patch = json.dumps([{"op": "test", "path": path, "value": value}, {"op": "remove", "path": path}])
    options = (*_option("-n", namespace), "--type", "json", "-p", patch)
    return _command("kubectl", "patch", "serviceaccount", *_arguments(name, options=options))


def restart(kind: str, name: str, namespace: str) -> str:
    """Return the command that recreates the Pods of a Deployment, StatefulSet or DaemonSet, for the webhook."""
    words = ("kubectl", "rollout", "restart", f"{kind.lower()}/{name}")
    return _command(*words, *_option("-n", namespace))


def delete_pod(name: str, namespace: str) -> str:
    """Return the command that deletes a Pod, which its owner creates again."""
    return _command("kubectl", "delete", "pod", *_arguments(name, options=_option("-n", namespace)))


def edit(kind: str, name: str, namespace: str = "") -> str:
    """Return the command that opens an object in an editor."""
    return _command("kubectl", "edit", kind, *_arguments(name, options=_optional("-n", namespace)))


def delete_guard(label: str) -> str:
    """Return the command that deletes the policies and bindings with a label."""
    kinds = "validatingadmissionpolicybindings,validatingadmissionpolicies"
    return _command("kubectl", "delete", kinds, *_option("-l", label))


# irsa


def explain(service_account: str, role_arn: str, stack: str | None, issuer: str, audience: str | None = None) -> str:
    """Return the command that says why a service account (`namespace/name`) may assume a role, or may not."""
    of_stack = () if stack is None else _option("--stack", stack)
    options = (*of_stack, *_option("--issuer", issuer), *_optional("--audience", audience))
    return _command("irsa", "explain", *_arguments(service_account, role_arn, options=options))


def prove(binding: str) -> str:
    """Return the command that shows whether the service accounts of a binding may assume its role."""
    return _command("irsa", "prove", *_arguments(binding))


def pulumi(command: str, stack: str) -> str:
    """Return the command that runs a command of Pulumi, such as preview, on a stack."""
    return _command("pulumi", command, *_option("--stack", stack))


def init(stack: str) -> str:
    """Return the command that creates a stack."""
    return _command("pulumi", "stack", "init", *_arguments(stack))


def of_stack(subcommand: str, stack: str) -> str:
    """Return the command that runs a subcommand of irsa, such as verify, on a stack."""
    return _command("irsa", subcommand, *_option("--stack", stack))


def diff(*versions: str, stack: str = "") -> str:
    """Return the command that shows what a stack's preview would change, or what differs between two versions."""
    return _command("irsa", "diff", *_arguments(*versions, options=_optional("--stack", stack)))


def check(file: str, irsa: str = "irsa") -> str:
    """Return the command that checks a stack file against every rule, without the engine."""
    return _command(irsa, "check", *_arguments(file))
