"""Who manages a role or a service account by now, and how that owner lets go.

A tool leaves its name in tags, labels, annotations and field managers. What belongs to one is adopted only when asked
for (`--take-from`): two owners would each undo what the other does.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from irsa.rules import commands
from irsa.rules.mistakes import named
from irsa_cli.found import FoundRole, FoundServiceAccount

Words = Mapping[str, str]

MANAGED_BY = "app.kubernetes.io/managed-by"
# Keys by which people and modules say what manages a resource, without letter case and separators.
_MANAGED_BY_TAGS = ("managedby", "provisioner", "provisionedby", "createdby", "deployedby", "createdwith")
_TOOLS = {
    "terraform": "terraform",
    "opentofu": "terraform",
    "terragrunt": "terraform",
    "cloudformation": "cloudformation",
    "cdk": "cdk",
    "awscdk": "cdk",
    "eksctl": "eksctl",
    "helm": "helm",
    "pulumi": "pulumi",
    "crossplane": "crossplane",
    "argocd": "argocd",
    "flux": "flux",
}
# CloudFormation puts no tag of its own on a role (https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/277),
# but without RoleName calls it by the stack, the logical ID and 12 characters, as in
# https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-iam-role.html (Return values).
_GENERATED_NAME = re.compile(
    r"[A-Za-z].*-([A-Za-z0-9]+)-(?=[a-z0-9]*[A-Z])(?=[A-Za-z]*[0-9])([A-Z0-9]{12,13}|[A-Za-z0-9]{12})"
)
# CDK appends a hash to the names that it gives: https://docs.aws.amazon.com/cdk/v2/guide/identifiers.html
_CDK_LOGICAL_ID = re.compile(r".+[0-9A-F]{8}")


class Owner(NamedTuple):
    """A tool that manages something, and what it calls it, such as the name of a stack; empty where that is unknown.

    Only the name of a role may say so: then it is not certain.
    """

    tool: str
    what: str = ""
    certain: bool = True

    def __str__(self) -> str:
        """Return it for a message."""
        if not self.certain:
            return f"{named(self.tool)}, by its name"
        return f"{named(self.tool)} ({named(self.what)})" if self.what else named(self.tool)


# --- marks -----------------------------------------------------------------------------------------------------------


def _by_eksctl(tags: Words) -> str | None:
    # https://github.com/eksctl-io/eksctl/blob/main/pkg/apis/eksctl.io/v1alpha5/types.go
    names = [f"alpha.eksctl.io/{each}" for each in ("cluster-name", "iamserviceaccount-name")]
    if not any(key in tags for key in (*names, "eksctl.cluster.k8s.io/v1alpha1/cluster-name")):
        return None
    stack = tags.get("aws:cloudformation:stack-name", "")
    cluster, service_account = (tags.get(key, "") for key in names)
    if stack or not cluster or not service_account:
        return stack
    # CloudFormation puts the tags of a stack on its roles, but not its name, which eksctl derives from these two:
    # https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/277
    # https://github.com/eksctl-io/eksctl/tree/main/pkg/cfn/manager (makeIAMServiceAccountStackName)
    return f"eksctl-{cluster}-addon-iamserviceaccount-{service_account.replace('/', '-', 1)}"


def _by_cdk(tags: Words) -> str | None:
    return _stack(tags) if _CDK_LOGICAL_ID.fullmatch(tags.get("aws:cloudformation:logical-id", "")) else None


def _stack(tags: Words) -> str | None:
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-resource-tags.html
    marked = any(key.startswith("aws:cloudformation:") for key in tags)
    return tags.get("aws:cloudformation:stack-name", "") if marked else None


def _by_terraform(tags: Words) -> str | None:
    # As in the examples of terraform-aws-modules: tags = { Terraform = "true" }.
    return next(("" for key, value in tags.items() if key.lower() == "terraform" and value.lower() != "false"), None)


# In this order: what eksctl and CDK make is CloudFormation's too.
_OF_ROLES: Sequence[tuple[str, Callable[[Words], str | None]]] = (
    ("eksctl", _by_eksctl),
    ("cdk", _by_cdk),
    ("cloudformation", _stack),
    ("terraform", _by_terraform),
    # https://docs.crossplane.io/latest/ and https://aws-controllers-k8s.github.io/community/docs/user-docs/ack-tags/
    ("crossplane", lambda tags: tags.get("crossplane-name")),
    ("ack", lambda tags: "" if "services.k8s.aws/controller-version" in tags else None),
)
# Marks of service accounts: the tool, the field of the metadata, and the key whose value names what it belongs to.
_OF_SERVICE_ACCOUNTS = (
    # https://helm.sh/docs/chart_best_practices/labels/ and its annotations on what a release has
    ("helm", "annotations", "meta.helm.sh/release-name"),
    # https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/
    ("argocd", "annotations", "argocd.argoproj.io/tracking-id"),
    ("argocd", "labels", "argocd.argoproj.io/instance"),
    # https://fluxcd.io/flux/components/kustomize/kustomizations/
    ("flux", "labels", "kustomize.toolkit.fluxcd.io/name"),
    ("flux", "labels", "helm.toolkit.fluxcd.io/name"),
)
# Names of field managers, of which some add more after a hyphen.
_MANAGERS = (
    ("helm", "helm"),
    ("terraform", "Terraform"),
    ("argocd", "argocd-controller"),
    ("flux", "kustomize-controller"),
    ("flux", "helm-controller"),
    ("eks-add-on", "eks"),
    ("pulumi", "pulumi-kubernetes"),
)
# What says whose it is, and would be wrong once irsa manages it.
MARKS = (
    MANAGED_BY,
    "meta.helm.sh/release-name",
    "meta.helm.sh/release-namespace",
    "helm.sh/resource-policy",
    "argocd.argoproj.io/tracking-id",
    "argocd.argoproj.io/instance",
    "kustomize.toolkit.fluxcd.io/name",
    "kustomize.toolkit.fluxcd.io/namespace",
    "helm.toolkit.fluxcd.io/name",
    "helm.toolkit.fluxcd.io/namespace",
)


def owners_of_role(role: FoundRole) -> list[Owner]:
    """Return who manages a role, by its tags; what eksctl or CDK made is not CloudFormation's alone."""
    for tool, mark in _OF_ROLES:
        what = mark(role.tags)
        if what is not None:
            return [Owner(tool, what)]
    return list(dict.fromkeys(_tagged(role.tags))) or _by_name(role.name)


def _by_name(name: str) -> list[Owner]:
    generated = _GENERATED_NAME.fullmatch(name)
    if not generated:
        return []
    return [Owner("cdk" if _CDK_LOGICAL_ID.fullmatch(generated[1]) else "cloudformation", certain=False)]


def _tagged(tags: Words) -> Iterator[Owner]:
    for key, value in tags.items():
        if re.sub(r"[^a-z]", "", key.lower()) in _MANAGED_BY_TAGS:
            tool = _TOOLS.get(re.sub(r"[^a-z]", "", value.lower()))
            if tool:
                yield Owner(tool)


def owners_of_service_account(service_account: FoundServiceAccount) -> list[Owner]:
    """Return who manages a service account, by its labels, annotations and field managers."""
    found = [
        Owner(tool, getattr(service_account, field)[key])
        for tool, field, key in _OF_SERVICE_ACCOUNTS
        if key in getattr(service_account, field)
    ]
    label = service_account.labels.get(MANAGED_BY)
    if label:
        tool = _TOOLS.get(re.sub(r"[^a-z]", "", label.lower()), label.lower())
        found += [Owner(tool)] if tool not in {each.tool for each in found} else []
    managers = {str(each.get("manager", "")) for each in managed_fields(service_account)}
    for tool, manager in _MANAGERS:
        if tool not in {each.tool for each in found} and any(
            each == manager or each.startswith(f"{manager}-") for each in managers
        ):
            found.append(Owner(tool))
    return list({each.tool: each for each in found}.values())


def managed_fields(service_account: FoundServiceAccount) -> list[Mapping[str, Any]]:
    """Return `metadata.managedFields` of a service account."""
    metadata = service_account.manifest.get("metadata") or {}
    return list(metadata.get("managedFields") or [])


# --- how they let go -------------------------------------------------------------------------------------------------


class LettingGo(NamedTuple):
    """What an owner's user does before `pulumi up` imports the resources, and after it.

    Each is a step in words, or a command.
    """

    before: Sequence[str] = ()
    after: Sequence[str] = ()


# The name of a role does not say which stack it is of.
_FIND_STACK = (
    "for each role: aws cloudformation describe-stack-resources --physical-resource-id ROLE, which names its stack"
)


def _by_cloudformation(whats: Sequence[str], _: Sequence[FoundServiceAccount]) -> LettingGo:
    if not whats:
        keep = (
            'in the template of each stack, add "DeletionPolicy": "Retain" to the role and to its policies; update it'
        )
        drop = "remove the role and its policies from these templates, and update the stacks: they stay"
        return LettingGo([_FIND_STACK, keep], [drop])
    before, after = [], []
    for stack in whats:
        before += [
            f"{commands.cloudformation_template(stack)}",
            'in that template, add "DeletionPolicy": "Retain" to the role and to its policies',
            f"{commands.update_cloudformation_stack(stack)}",
        ]
        after += [f"remove the role and its policies from the template, and update stack {named(stack)}: they stay"]
    return LettingGo(before, after)


def _by_eksctl_stack(whats: Sequence[str], service_accounts: Sequence[FoundServiceAccount]) -> LettingGo:
    before = [step for stack in whats or [""] for step in _by_cloudformation([stack] if stack else [], ()).before]
    # With the label, eksctl would delete the service account together with its stack.
    before += [commands.remove_label(each.namespace, each.name, MANAGED_BY) for each in service_accounts]
    deletions = [commands.delete_cloudformation_stack(stack) for stack in whats] or ["delete these stacks"]
    return LettingGo(
        before, ["remove the service accounts from iam.serviceAccounts of eksctl's configuration file", *deletions]
    )


def _by_cdk_stack(whats: Sequence[str], _: Sequence[FoundServiceAccount]) -> LettingGo:
    stacks = ", ".join(map(named, whats)) or "its stacks"
    keep = "in the CDK program, call applyRemovalPolicy(RemovalPolicy.RETAIN) on the role and its policies"
    return LettingGo(
        [f"{keep}, and deploy {stacks}"],
        [f"remove the role and its policies from the CDK program, and deploy {stacks}: they stay"],
    )


def _by_terraform_state(_: Sequence[str], __: Sequence[FoundServiceAccount]) -> LettingGo:
    return LettingGo(
        ["run no `terraform apply` until the last of these steps is done"],
        [
            "terraform state list | grep -E 'aws_iam_|kubernetes_service_account'",
            "terraform state rm ADDRESS, for each address of what was adopted",
            "remove the same resources from Terraform's configuration; `terraform plan` shows no change then",
        ],
    )


def _by_helm(_: Sequence[str], service_accounts: Sequence[FoundServiceAccount]) -> LettingGo:
    # Not before `pulumi up`: it removes what kubectl has written and the stack file does not declare.
    keep = [
        commands.annotate(each.namespace, each.name, "helm.sh/resource-policy", "keep") for each in service_accounts
    ]
    marks = ("meta.helm.sh/release-name", "meta.helm.sh/release-namespace", "helm.sh/resource-policy")
    return LettingGo(
        ["run no `helm upgrade` of these releases until the last of these steps is done"],
        [
            *keep,
            "upgrade each release so that its chart uses an existing service account: see its values for how",
            *(commands.remove_annotations(each.namespace, each.name, *marks) for each in service_accounts),
        ],
    )


def _of_another(tool: str) -> Callable[[Sequence[str], Sequence[FoundServiceAccount]], LettingGo]:
    def steps(whats: Sequence[str], _: Sequence[FoundServiceAccount]) -> LettingGo:
        of = f" of {', '.join(map(named, whats))}" if any(whats) else ""
        return LettingGo(
            [f"tell {named(tool)} to keep what it no longer declares"],
            [f"remove what was adopted from what {named(tool)} declares{of}: it stays"],
        )

    return steps


_LETTING_GO: Mapping[str, Callable[[Sequence[str], Sequence[FoundServiceAccount]], LettingGo]] = {
    "eksctl": _by_eksctl_stack,
    "cloudformation": _by_cloudformation,
    "cdk": _by_cdk_stack,
    "terraform": _by_terraform_state,
    "helm": _by_helm,
}
TOOLS = tuple(dict.fromkeys([*_LETTING_GO, *_TOOLS.values(), "ack", "eks-add-on"]))


def letting_go(tool: str, whats: Iterable[str], service_accounts: Sequence[FoundServiceAccount]) -> LettingGo:
    """Return how a tool lets go of what is adopted from it, so that no Pod is without permissions at any moment.

    Args:
        tool: The owner.
        whats: What it calls that, such as the names of stacks.
        service_accounts: The service accounts that are taken from it.
    """
    steps = _LETTING_GO.get(tool, _of_another(tool))
    return steps(sorted({each for each in whats if each}), service_accounts)
