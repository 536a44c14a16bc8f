"""The commands that irsa advises, each ready to be pasted into a shell: every value is quoted.

One of kubectl takes the place of its cluster, and one of AWS that of its AWS account: without these options, it would
act on whatever the reader's shell is set to.

They have no comments: an interactive zsh does not skip those. A command is empty where it lacks a value, and where one
cannot be pasted: a control character ends a paste, or the line that it goes to; `##[`, which commands CI, is printed in
another form; a hyphen at the beginning makes an option of it; the AWS CLI reads some values from a file.
"""

import json
import re
import shlex
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import groupby
from typing import Concatenate, NamedTuple

from irsa.rules.mistakes import visible

# How a value begins that the AWS CLI does not send as it is: it reads JSON, and sends what is in a file, or at a URL:
# https://docs.aws.amazon.com/cli/latest/userguide/cli-usage-parameters-file.html (of version 1, URLs too)
_READ_BY_AWS = re.compile(r"\s*\[|(fileb?|https?)://")
_OPTIONAL = re.compile(r" \[(.+?)\]")
_FIELD = re.compile(r"\{(\w+)\}")
# What is quoted stays in its word.
_WORD = re.compile(r"""(?:'[^']*'|"[^"]*"|[^\s'"])+""")
# How commands begin that others need, and those that need others: what is in a namespace needs that, `pulumi up` fails
# on an annotation of somebody else, and a Pod keeps what it was created with.
_FIRST = ("kubectl create namespace ", "kubectl create ")
_LAST = ("pulumi ", "kubectl rollout ", "kubectl delete pod ")
Values = str | Sequence[str] | None
Command = Callable[..., str]


class ClusterPlace(NamedTuple):
    """By which options kubectl acts on a cluster.

    Attributes:
        context: Its context; empty in a Pod without a kubeconfig, where kubectl knows one cluster.
        kubeconfig: The file that has the context; empty where kubectl reads that in any case.
    """

    context: str
    kubeconfig: str = ""


class AwsPlace(NamedTuple):
    """By which options the AWS CLI acts on an AWS account, and on a region of it; empty where it does without."""

    profile: str = ""
    region: str = ""


# Where no option is known, the reader replaces these: as they are, kubectl and the AWS CLI refuse them.
UNKNOWN_CLUSTER = ClusterPlace("CONTEXT")
UNKNOWN_AWS_ACCOUNT = AwsPlace("PROFILE")


# A command cannot be built without the place that it acts on.
ClusterCommand = Callable[Concatenate[ClusterPlace, ...], str]
AwsCommand = Callable[Concatenate[AwsPlace, ...], str]


def _command(template: str, options: Collection[str] = ()) -> Command:
    """Return what fills in a command, with its values by name or in the order of the fields.

    A word has one field at most; in a word of its own, it may have several values. What is in brackets is left out if
    its value is empty. Options of a place are given by name.
    """
    names = [each for each in dict.fromkeys(_FIELD.findall(template)) if each not in options]

    def filled(*values: Values, **by_name: Values) -> str:
        given = {**dict(zip(names, values, strict=False)), **by_name}
        text = _OPTIONAL.sub(lambda part: f" {part[1]}" if given.get(_FIELD.findall(part[1])[0]) else "", template)
        return _joined(text, given)

    return filled


def _kubectl(before: str, after: str = "") -> ClusterCommand:
    command = _command(
        f"kubectl {before} [--context {{context}}] [--kubeconfig {{kubeconfig}}] {after}", ClusterPlace._fields
    )

    def filled(place: ClusterPlace, *values: Values, **by_name: Values) -> str:
        return command(*values, **by_name, **place._asdict())

    return filled


def _aws(template: str) -> AwsCommand:
    command = _command(f"{template} [--region {{region}}] [--profile {{profile}}]", AwsPlace._fields)

    def filled(place: AwsPlace, *values: Values, **by_name: Values) -> str:
        return command(*values, **by_name, **place._asdict())

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
# Restores what the stack declares, whatever was changed by hand.
up = _command("pulumi up --refresh --stack {stack}")
# Restores a guard of which somebody changed a part with kubectl. The update takes that over, which its preview does not
# show: it ends in a conflict with kubectl.
up_of_guard = _command("pulumi up --refresh --skip-preview --stack {stack}")
# Pulumi forgets a resource, protected or not; nothing else of it changes.
delete_from_state = _command("pulumi state delete {urn} --force --yes --stack {stack}")
up_without_refresh = _command("pulumi up [--stack {stack}]")
clear_pending_creates = _command(
    "pulumi refresh --clear-pending-creates --non-interactive --yes --skip-preview [--stack {stack}]"
)
init = _command("pulumi stack init {stack}")

# AWS; the reader replaces NAME by that of an EKS cluster

SHOW_ISSUER = "aws eks describe-cluster --name NAME --query cluster.identity.oidc.issuer"
SHOW_CLUSTER_ARN = "aws eks describe-cluster --name NAME --query cluster.arn"
list_profiles = _command("aws configure list-profiles")
# The context is named by the ARN of the cluster otherwise:
# https://docs.aws.amazon.com/cli/latest/reference/eks/update-kubeconfig.html
_update_kubeconfig = _aws("aws eks update-kubeconfig --name {cluster} [--alias {context}] [--kubeconfig {kubeconfig}]")
LIST_ARNS = {
    "role": _aws("aws iam list-roles"),
    "policy": _aws("aws iam list-policies"),
    "oidc-provider": _aws("aws iam list-open-id-connect-providers"),
}
list_clusters = _aws("aws eks list-clusters")
# Of AWS's own policies, every AWS account has the same.
show_policy = _command("aws iam get-policy --policy-arn {arn}")
who_am_i = _aws("aws sts get-caller-identity")
assume_role = _aws("aws sts assume-role --role-arn {role_arn} --role-session-name irsa --query AssumedRoleUser")
detach_policy = _aws("aws iam detach-role-policy --role-name {role_name} --policy-arn {policy_arn}")
delete_inline_policy = _aws("aws iam delete-role-policy --role-name {role_name} --policy-name {policy_name}")
# https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html
create_addon = _aws("aws eks create-addon --cluster-name {cluster} --addon-name {addon}")
# The label is the same by its Helm chart: https://github.com/aws/eks-pod-identity-agent (charts)
find_agent = _kubectl("get daemonsets -A -l app.kubernetes.io/name=eks-pod-identity-agent")
delete_association = _aws(
    "aws eks delete-pod-identity-association --cluster-name {cluster} --association-id {association_id}"
)
# https://docs.aws.amazon.com/cli/latest/reference/eks/wait/cluster-active.html
wait_for_cluster = _aws("aws eks wait cluster-active --name {cluster}")
# https://docs.aws.amazon.com/cli/latest/reference/iam/create-open-id-connect-provider.html
_create_provider = _aws("aws iam create-open-id-connect-provider --url {issuer} --client-id-list {audiences}")
# Adds an audience to the client ID list.
add_client_id = _aws(
    "aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn {provider_arn} "
    "--client-id {audience}"
)


def create_provider(place: AwsPlace, issuer: str, audiences: Iterable[str]) -> str:
    """Return the command that creates an IAM OIDC provider which the stack does not create."""
    return _create_provider(place, issuer, sorted(audiences))


def update_kubeconfig(place: AwsPlace, cluster: str | None, context: str, kubeconfig: str) -> str:
    """Return the command that writes a context of an EKS cluster; the reader replaces NAME where it is not known."""
    return _update_kubeconfig(place, cluster or "NAME", context=context, kubeconfig=kubeconfig)


def clear_association(place: AwsPlace, cluster: str, association_id: str, settings: Iterable[str]) -> str:
    """Return the command that removes settings of a Pod Identity association, by their names in EKS's API."""
    options = {"targetRoleArn": "--target-role-arn ''", "policy": "--policy ''"}
    update = "aws eks update-pod-identity-association --cluster-name {cluster} --association-id {association_id}"
    words = " ".join(options[each] for each in settings)
    return _aws(f"{update} {words}")(place, cluster, association_id)


# Kubernetes

cluster_version = _kubectl("version")
can_i = _kubectl("auth can-i patch serviceaccounts")
# https://kubernetes.io/docs/reference/kubectl/generated/kubectl_auth/kubectl_auth_whoami/
who_am_i_in_cluster = _kubectl("auth whoami")
# The API server's own discovery document, or keys, as its issuer must publish them.
get_raw = _kubectl("get --raw {path}")
list_contexts = _command("kubectl config get-contexts [--kubeconfig {kubeconfig}]")
create_namespace = _kubectl("create namespace {name}")
_create_service_account = _kubectl("create serviceaccount {name} -n {namespace}")
_annotate = _kubectl("annotate serviceaccount {name} -n {namespace}", "{changes}")
_overwrite = _kubectl("annotate serviceaccount {name} -n {namespace}", "--overwrite {changes}")
_patch = _kubectl("patch serviceaccount {name} -n {namespace}", "--type json -p {patch}")
# Recreates the Pods of a workload, such as deployment/app, for the webhook.
restart = _kubectl("rollout restart {workload} -n {namespace}")
# Its owner creates it again.
delete_pod = _kubectl("delete pod {name} -n {namespace}")


def create_service_account(place: ClusterPlace, namespace: str, name: str) -> str:
    """Return the command that creates a service account."""
    return _create_service_account(place, name, namespace)


def remove_annotations(place: ClusterPlace, namespace: str, name: str, *keys: str) -> str:
    """Return the command that removes annotations of a service account."""
    return _annotate(place, name, namespace, [f"{key}-" for key in keys])


def annotate(
    place: ClusterPlace, namespace: str, name: str, key: str, value: str, *, removed: Iterable[str] = ()
) -> str:
    """Return the command that sets an annotation of a service account, whatever it is now, and removes others."""
    return _overwrite(place, name, namespace, [f"{key}={value}", *(f"{each}-" for each in removed)])


def remove_annotation_with_value(place: ClusterPlace, namespace: str, name: str, key: str, value: str) -> str:
    """Return the command that removes an annotation of a service account, which fails if it has another value.

    Source: https://datatracker.ietf.org/doc/html/rfc6902#section-4.6
    """
    path = f"/metadata/annotations/{key.replace('~', '~0').replace('/', '~1')}"
    patch = [{"op": "test", "path": path, "value": value}, {"op": "remove", "path": path}]
    return _patch(place, name, namespace, json.dumps(patch))


def at_place(command: str, place: ClusterPlace | AwsPlace) -> str:
    """Return a command that is written already with the options of a place; empty where one cannot be pasted."""
    given = {option: value for option, value in place._asdict().items() if value}
    options = _joined(" ".join(f"--{each} {{{each}}}" for each in given), given)
    before, dashes, after = command.partition(" -- ")
    return f"{before}{' ' * bool(options)}{options}{dashes}{after}" if options or not given else ""


def together(*several: str) -> str:
    """Return several commands as one, each of which runs if the one before did; empty where one of them is."""
    return " && ".join(several) if all(several) else ""


def in_order(several: Iterable[str]) -> list[str]:
    """Return each command once, in an order in which they succeed; those that run together one by one."""
    found = {
        " ".join(words): None
        for each in several
        for is_and, words in groupby(_WORD.findall(each), "&&".__eq__)
        if not is_and
    }
    # It does what the other does, whose preview may fail where both are wanted.
    for each in [each for each in found if " --skip-preview " in each and each.startswith("pulumi up ")]:
        found.pop(each.replace(" --skip-preview ", " "), None)
    return sorted(found, key=_rank)


def _rank(command: str) -> int:
    first, last = ([command.startswith(each) for each in starts] for starts in (_FIRST, _LAST))
    return first.index(True) - len(first) if any(first) else last.index(True) + 1 if any(last) else 0


# irsa

# Why a service account (`namespace/name`) may assume a role, or may not.
explain = _command(
    "irsa explain {service_account} {role_arn} [--stack {stack}] --issuer {issuer} [--audience {audience}]"
)
prove = _command("irsa prove {binding} --stack {stack}")
verify_pods = _command("irsa verify --pods --stack {stack}")
of_stack = _command("irsa {subcommand} --stack {stack}")


def check(file: str, irsa: str = "irsa") -> str:
    """Return the command that checks a stack file against every rule, without the engine."""
    return _command(f"{irsa} check {{file}}")(file)
