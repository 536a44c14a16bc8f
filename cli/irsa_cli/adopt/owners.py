"""Who manages a role or a service account by now.

A tool leaves its name in tags, labels, annotations and field managers. What belongs to one is adopted only when asked
for (`--take-from`): two owners would each undo what the other does.
"""

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from irsa.rules.mistakes import named

if TYPE_CHECKING:
    from irsa_world.model import Role, ServiceAccount

Words = Mapping[str, str]

MANAGED_BY = "app.kubernetes.io/managed-by"
# Keys by which people and modules say what manages a resource, without letter case and separators.
_MANAGED_BY_TAGS = ("managedby", "provisioner", "provisionedby", "createdby", "deployedby", "createdwith")
_NAMED = ("eksctl", "cloudformation", "terraform", "helm", "pulumi", "crossplane", "argocd", "flux")
# As they are spelled there, and in this order in messages.
_TOOLS = {
    **{each: each for each in _NAMED},
    "opentofu": "terraform",
    "terragrunt": "terraform",
    "cdk": "cloudformation",
    "awscdk": "cloudformation",
}
TOOLS = (*_NAMED, "ack", "eks-add-on")


class Owner(NamedTuple):
    """A tool that manages something.

    Attributes:
        tool: The tool.
        what: What it calls that, such as the name of a stack; empty where that is unknown.
        by: By what this is only likely, its service account; empty where the tool itself says so.
    """

    tool: str
    what: str = ""
    by: str = ""

    def __str__(self) -> str:
        """Return it for a message."""
        if self.by:
            return f"{named(self.tool)}, by {self.by}"
        return f"{named(self.tool)} ({named(self.what)})" if self.what else named(self.tool)


_STACK = "aws:cloudformation:stack-name"
# What a tag is like, as `key=value`; in this order: what eksctl creates is CloudFormation's too.
_OF_ROLES = (
    # https://github.com/eksctl-io/eksctl/blob/main/pkg/apis/eksctl.io/v1alpha5/types.go
    ("eksctl", r"(alpha\.eksctl\.io/|eksctl\.cluster\.k8s\.io/v1alpha1/cluster-name=).*"),
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-resource-tags.html
    ("cloudformation", "aws:cloudformation:.*"),
    # As in the examples of terraform-aws-modules: tags = { Terraform = "true" }.
    ("terraform", "(?i:terraform)=(?!(?i:false)$).*"),
    # https://docs.crossplane.io/latest/ and https://aws-controllers-k8s.github.io/community/docs/user-docs/ack-tags/
    ("crossplane", "crossplane-name=.*"),
    ("ack", "services.k8s.aws/controller-version=.*"),
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
_MANAGERS = {
    "helm": ("helm",),
    # The Kubernetes provider's user agent up to its first slash, where it does not use server-side apply:
    # https://github.com/hashicorp/terraform-provider-kubernetes/blob/main/kubernetes/provider.go
    "terraform": ("Terraform", "HashiCorp"),
    "argocd": ("argocd-controller", "argocd-application-controller"),
    "flux": ("kustomize-controller", "helm-controller"),
    "eks-add-on": ("eks",),
    "pulumi": ("pulumi-kubernetes",),
}
# Tools that, if they create a service account, create its role too, often without a tag.
_OF_BOTH = frozenset({"ack", "crossplane", "pulumi", "terraform"})
# What says whose it is, and would be wrong once irsa manages it.
MARKS = (
    MANAGED_BY,
    *(key for _, _, key in _OF_SERVICE_ACCOUNTS),
    "meta.helm.sh/release-namespace",
    "helm.sh/resource-policy",
    "kustomize.toolkit.fluxcd.io/namespace",
    "helm.toolkit.fluxcd.io/namespace",
)


def owners_of_role(role: "Role", annotated: "Iterable[ServiceAccount]" = ()) -> list[Owner]:
    """Return who manages a role, by its tags, or else the service accounts that are annotated with it.

    What eksctl created is not CloudFormation's alone; what CDK created is. CloudFormation puts no tag of its own on a
    role: https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/277
    """
    tagged = owners_by_tags(role.tags)
    if tagged:
        return tagged
    tools = {owner.tool for each in annotated for owner in owners_of_service_account(each)}
    return [Owner(tool, by="its service account") for tool in sorted(tools & _OF_BOTH)]


def owners_by_tags(tags: Words) -> list[Owner]:
    """Return who manages a role or an association of EKS Pod Identity, by its tags."""
    texts, stack = [f"{key}={value}" for key, value in tags.items()], tags.get(_STACK, "")
    of_eksctl, of_crossplane = stack or _stack_of_eksctl(tags), tags.get("crossplane-name", "")
    what = {"eksctl": of_eksctl, "cloudformation": stack, "crossplane": of_crossplane}
    for tool, mark in _OF_ROLES:
        if any(re.fullmatch(mark, each, re.DOTALL) for each in texts):
            return [Owner(tool, what.get(tool, ""))]
    keys = [key for key in tags if re.sub(r"[^a-z]", "", key.lower()) in _MANAGED_BY_TAGS]
    return [Owner(each) for each in dict.fromkeys(_tool(tags[key]) for key in keys) if each]


def _stack_of_eksctl(tags: Words) -> str:
    # CloudFormation puts the tags of a stack on its roles, but not its name, which eksctl derives from these:
    # https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/277
    # https://github.com/eksctl-io/eksctl/tree/main/pkg/actions/podidentityassociation (MakeStackName)
    # https://github.com/eksctl-io/eksctl/tree/main/pkg/cfn/manager (makeIAMServiceAccountStackName)
    cluster = tags.get("alpha.eksctl.io/cluster-name")
    for mark, kind in (("podidentityassociation", "podidentityrole"), ("iamserviceaccount", "addon-iamserviceaccount")):
        if cluster and (name := tags.get(f"alpha.eksctl.io/{mark}-name")):
            return f"eksctl-{cluster}-{kind}-{name.replace('/', '-', 1)}"
    return ""


def owners_of_service_account(service_account: "ServiceAccount") -> list[Owner]:
    """Return who manages a service account, by its labels, annotations and field managers."""
    found = {}
    for tool, field, key in _OF_SERVICE_ACCOUNTS:
        if key in getattr(service_account, field):
            found[tool] = Owner(tool, getattr(service_account, field)[key])
    label = service_account.labels.get(MANAGED_BY)
    if label:
        tool = _tool(label) or label.lower()
        found.setdefault(tool, Owner(tool))
    managed_fields = (service_account.manifest.get("metadata") or {}).get("managedFields") or ()
    managers = {str(each.get("manager", "")) for each in managed_fields}
    for tool, own in _MANAGERS.items():
        if any(f"{each}-".startswith(f"{manager}-") for each in managers for manager in own):
            found.setdefault(tool, Owner(tool))
    return list(found.values())


def _tool(text: str) -> str | None:
    """Return the tool that a tag or a label names, however it is spelled."""
    return _TOOLS.get(re.sub(r"[^a-z]", "", text.lower()))
