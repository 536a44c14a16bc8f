"""The commands that irsa advises, each ready to be pasted into a shell: every value is quoted.

They have no comments: an interactive zsh does not skip those. A command is empty where it lacks a value, and where one
cannot be pasted: a control character ends a paste, or the line that it goes to; `##[`, which commands CI, is printed in
another form; a hyphen at the beginning makes an option of it; the AWS CLI reads some values from a file.
"""

import json
import re
import shlex
from collections.abc import Callable, Collection, Iterable, Sequence

from irsa.rules.mistakes import visible

# The only client ID that eksctl gives to a provider:
# https://docs.aws.amazon.com/eks/latest/userguide/enable-iam-roles-for-service-accounts.html
EKSCTL_AUDIENCE = "sts.amazonaws.com"
# How a value begins that the AWS CLI does not send as it is: it reads JSON, and sends what is in a file, or at a URL:
# https://docs.aws.amazon.com/cli/latest/userguide/cli-usage-parameters-file.html (of version 1, URLs too)
_READ_BY_AWS = re.compile(r"\s*\[|(fileb?|https?)://")
_OPTIONAL = re.compile(r" \[(.+?)\]")
_FIELD = re.compile(r"\{(\w+)\}")
Values = str | Sequence[str] | None
Command = Callable[..., str]


def _command(template: str) -> Command:
    """Return what fills in a command, with its values by name or in the order of the fields.

    A word has one field at most; in a word of its own, it may have several values. What is in brackets is left out if
    its value is empty.
    """
    names = list(dict.fromkeys(_FIELD.findall(template)))

    def filled(*values: Values, **by_name: Values) -> str:
        given = {**dict(zip(names, values, strict=False)), **by_name}
        text = _OPTIONAL.sub(lambda part: f" {part[1]}" if given.get(_FIELD.findall(part[1])[0]) else "", template)
        return _joined(text, given)

    return filled


def _joined(text: str, given: dict[str, Values]) -> str:
    words: list[str] = []
    for word in text.split():
        field = _FIELD.search(word)
        value = given[field[1]] if field else ""
        for each in [value] if isinstance(value, str) else value or [""]:
            full = word.replace(field[0], each) if field else word
            is_of_option = field is not None and words[-1:] == [f"--{field[1]}"]
            is_option = full.startswith("-") and not is_of_option and not word.startswith("-")
            # Of --url it reads none: https://github.com/aws/aws-cli/blob/develop/awscli/paramfile.py
            is_read = text.startswith("aws ") and words[-1:] != ["--url"] and _READ_BY_AWS.match(full)
            if field and (not full or is_option or is_read or visible(full) != full):
                return ""
            if is_of_option and full.startswith("-"):
                full = f"{words.pop()}={full}"
            words.append(shlex.quote(full) if field else full)
    return " ".join(words)


# Pulumi

LIST_STACKS = "pulumi stack ls --all"
SET_REGION = "pulumi config set aws:region us-west-2"
# Restores what the stack declares, whatever was changed by hand.
up = _command("pulumi up --refresh --stack {stack}")
# Restores a guard of which somebody changed a part with kubectl. The update takes that over, which its preview does not
# show: it ends in a conflict with kubectl.
up_of_guard = _command("pulumi up --refresh --skip-preview --stack {stack}")
# Pulumi forgets a resource, protected or not; nothing else of it changes.
delete_from_state = _command("pulumi state delete {urn} --force --yes --stack {stack}")
pulumi = _command("pulumi {command} --stack {stack}")
init = _command("pulumi stack init {stack}")

# AWS; the reader replaces NAME by that of an EKS cluster

SHOW_ISSUER = "aws eks describe-cluster --name NAME --query cluster.identity.oidc.issuer"
SHOW_CLUSTER_ARN = "aws eks describe-cluster --name NAME --query cluster.arn"
UPDATE_KUBECONFIG = "aws eks update-kubeconfig --name NAME"
LIST_ARNS = {
    "role": "aws iam list-roles",
    "policy": "aws iam list-policies",
    "oidc-provider": "aws iam list-open-id-connect-providers",
}
list_profiles = _command("aws configure list-profiles")
list_clusters = _command("aws eks list-clusters [--region {region}] [--profile {profile}]")
show_policy = _command("aws iam get-policy --policy-arn {arn}")
who_am_i = _command("aws sts get-caller-identity [--profile {profile}]")
assume_role = _command("aws sts assume-role --role-arn {role_arn} --role-session-name irsa --query AssumedRoleUser")
detach_policy = _command("aws iam detach-role-policy --role-name {role_name} --policy-arn {policy_arn}")
delete_inline_policy = _command("aws iam delete-role-policy --role-name {role_name} --policy-name {policy_name}")
# It grants nothing yet: https://docs.aws.amazon.com/cli/latest/reference/eks/create-access-entry.html
create_access_entry = _command(
    "aws eks create-access-entry --cluster-name {cluster} --principal-arn {principal_arn} [--region {region}]"
)
# https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html
create_addon = _command("aws eks create-addon --cluster-name {cluster} --addon-name {addon} [--region {region}]")
# The label is the same by its Helm chart: https://github.com/aws/eks-pod-identity-agent (charts)
FIND_AGENT = "kubectl get daemonsets -A -l app.kubernetes.io/name=eks-pod-identity-agent"
delete_association = _command(
    "aws eks delete-pod-identity-association --cluster-name {cluster} --association-id {association_id} "
    "[--region {region}]"
)
# https://docs.aws.amazon.com/cli/latest/reference/eks/wait/cluster-active.html
wait_for_cluster = _command("aws eks wait cluster-active --name {cluster} [--region {region}]")
# https://docs.aws.amazon.com/cli/latest/reference/iam/create-open-id-connect-provider.html
_create_provider = _command("aws iam create-open-id-connect-provider --url {issuer} --client-id-list {audiences}")
_associate_provider = _command(
    "eksctl utils associate-iam-oidc-provider --cluster {cluster} --approve [--region {region}]"
)
# Adds an audience to the client ID list.
add_client_id = _command(
    "aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn {provider_arn} "
    "--client-id {audience}"
)


def create_provider(issuer: str, audiences: Iterable[str]) -> str:
    """Return the command that creates an IAM OIDC provider which the stack does not create."""
    return _create_provider(issuer, sorted(audiences))


def associate_provider(
    cluster: str, issuer: str, audiences: Iterable[str] = (EKSCTL_AUDIENCE,), region: str | None = None
) -> str:
    """Return the command that creates the IAM OIDC provider of an EKS cluster in the cluster's AWS account."""
    only_eksctls = {*audiences} == {EKSCTL_AUDIENCE}
    return _associate_provider(cluster, region) if only_eksctls else create_provider(issuer, audiences)


def clear_association(cluster: str, association_id: str, region: str, settings: Iterable[str]) -> str:
    """Return the command that removes settings of a Pod Identity association, by their names in EKS's API."""
    options = {"targetRoleArn": "--target-role-arn ''", "policy": "--policy ''"}
    update = "aws eks update-pod-identity-association [--region {region}] --cluster-name {cluster}"
    words = " ".join(options[each] for each in settings)
    return _command(f"{update} --association-id {{association_id}} {words}")(region, cluster, association_id)


# Kubernetes

CLUSTER_VERSION = "kubectl version"
CAN_I = "kubectl auth can-i patch serviceaccounts"
list_contexts = _command("kubectl config get-contexts")
create_namespace = _command("kubectl create namespace {name}")
_create_service_account = _command("kubectl create serviceaccount {name} -n {namespace}")
_annotate = _command("kubectl annotate serviceaccount {name} -n {namespace} [--context {context}] {changes}")
_overwrite = _command(
    "kubectl annotate serviceaccount {name} -n {namespace} [--context {context}] --overwrite {changes}"
)
_patch = _command("kubectl patch serviceaccount {name} -n {namespace} --type json -p {patch}")
# Recreates the Pods of a workload, such as deployment/app, for the webhook.
restart = _command("kubectl rollout restart {workload} -n {namespace}")
# Its owner creates it again.
delete_pod = _command("kubectl delete pod {name} -n {namespace}")
delete_guard = _command("kubectl delete validatingadmissionpolicybindings,validatingadmissionpolicies -l {label}")


def create_service_account(namespace: str, name: str) -> str:
    """Return the command that creates a service account."""
    return _create_service_account(name, namespace)


def remove_annotations(namespace: str, name: str, *keys: str, context: str | None = None) -> str:
    """Return the command that removes annotations of a service account, in the cluster of a context if one is given."""
    return _annotate(name, namespace, context, [f"{key}-" for key in keys])


def annotate(
    namespace: str, name: str, key: str, value: str, context: str | None = None, *, removed: Iterable[str] = ()
) -> str:
    """Return the command that sets an annotation of a service account, whatever it is now, and removes others."""
    return _overwrite(name, namespace, context, [f"{key}={value}", *(f"{each}-" for each in removed)])


def remove_annotation_with_value(namespace: str, name: str, key: str, value: str) -> str:
    """Return the command that removes an annotation of a service account, which fails if it has another value.

    Source: https://datatracker.ietf.org/doc/html/rfc6902#section-4.6
    """
    path = f"/metadata/annotations/{key.replace('~', '~0').replace('/', '~1')}"
    patch = [{"op": "test", "path": path, "value": value}, {"op": "remove", "path": path}]
    return _patch(name, namespace, json.dumps(patch))


def up_with_service_account(stack: str, namespace: str, name: str, created: bool) -> str:
    """Return the command that creates a missing service account; where the stack only annotates it, kubectl does."""
    return up(stack) if created else together(create_service_account(namespace, name), up(stack))


def up_with_annotations(stack: str, namespace: str, name: str, overwritten: Collection[str]) -> str:
    """Return the command that restores the annotations of an existing service account.

    The API server refuses to overwrite what another manager wrote, so those are removed first: of an account of the
    stack's own, too, since the preview takes nothing over.
    """
    return together(remove_annotations(namespace, name, *overwritten), up(stack)) if overwritten else up(stack)


def together(*several: str) -> str:
    """Return several commands as one, each of which runs if the one before did; empty where one of them is."""
    return " && ".join(several) if all(several) else ""


# irsa

# Why a service account (`namespace/name`) may assume a role, or may not.
explain = _command(
    "irsa explain {service_account} {role_arn} [--stack {stack}] --issuer {issuer} [--audience {audience}]"
)
prove = _command("irsa prove {binding}")
of_stack = _command("irsa {subcommand} --stack {stack}")


def check(file: str, irsa: str = "irsa") -> str:
    """Return the command that checks a stack file against every rule, without the engine."""
    return _command(f"{irsa} check {{file}}")(file)
