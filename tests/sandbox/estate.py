"""What a cluster looks like before irsa, by everybody who makes such things, each form of theirs once.

Each maker writes what it really writes: its names, documents, tags, labels, annotations and field managers.
"""

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from lightkube.models.core_v1 import LocalObjectReference
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Namespace, ServiceAccount

from tests.world import document, of_tokens

ACCOUNT, OTHER_ACCOUNT = "111122223333", "444455556666"
CLUSTER = "my-cluster"
ISSUER = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
# The cluster that my-cluster replaced. Its provider is still in IAM; that of the one before it is not.
REPLACED_ISSUER = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE5555555555555555REPLACED"
DELETED_ISSUER = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE66666666666666666DELETED"
AUDIENCE, OWN_AUDIENCE = "sts.amazonaws.com", "vault.example.com"
ACTION = "sts:AssumeRoleWithWebIdentity"
ROLE_ARN, AUDIENCE_KEY = "eks.amazonaws.com/role-arn", "eks.amazonaws.com/audience"
MANAGED_BY = "app.kubernetes.io/managed-by"
AWS_POLICY = "arn:aws:iam::aws:policy/"


def provider(issuer: str = ISSUER, aws_account: str = ACCOUNT) -> str:
    return f"arn:aws:iam::{aws_account}:oidc-provider/{issuer}"


def role_arn(name: str, path: str = "/", aws_account: str = ACCOUNT) -> str:
    return f"arn:aws:iam::{aws_account}:role{path}{name}"


def claim(service_account: str) -> str:
    """Return the claim `sub` of the tokens of `namespace:name`."""
    return f"system:serviceaccount:{service_account}"


@dataclass(frozen=True)
class Account:
    namespace: str
    name: str
    role: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    manager: str = "kubectl-create"
    pull_secret: str = ""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    def manifest(self) -> ServiceAccount:
        annotations = {**({ROLE_ARN: self.role} if self.role else {}), **self.annotations}
        metadata = ObjectMeta(
            name=self.name, namespace=self.namespace, annotations=annotations, labels=dict(self.labels)
        )
        secrets = [LocalObjectReference(name=self.pull_secret)] if self.pull_secret else None
        return ServiceAccount(metadata=metadata, imagePullSecrets=secrets)


@dataclass(frozen=True)
class Role:
    name: str
    trust: Mapping[str, Any]
    maker: str = ""
    path: str = "/"
    tags: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    session: int = 3600
    boundary: str = ""
    attached: Sequence[str] = ()
    inline: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        return role_arn(self.name, self.path)


class Made(NamedTuple):
    role: Role
    accounts: tuple[Account, ...] = ()


def statement(conditions: Mapping[str, Any], issuer: str = ISSUER, **more: Any) -> dict[str, Any]:
    """Return a statement as AWS's page writes it, with these conditions."""
    return of_tokens(provider(issuer), conditions, **more)


def claims(operator: str, **values: Any) -> dict[str, Any]:
    return {operator: {f"{ISSUER}:{name}": value for name, value in values.items()}}


OF_STS = claims("StringEquals", aud=AUDIENCE)


def page(*subjects: str, operator: str = "StringEquals", issuer: str = ISSUER) -> dict[str, Any]:
    """Return the conditions of AWS's page for these subjects: `aud` and `sub` under one operator."""
    those = [claim(each) for each in subjects]
    return {operator: {f"{issuer}:aud": AUDIENCE, f"{issuer}:sub": those[0] if len(those) == 1 else those}}


def permissions(action: str | list[str], resource: str = "*") -> dict[str, Any]:
    return document({"Effect": "Allow", "Action": action, "Resource": resource})


def accounts_of(role: Role, subjects: Iterable[str], manager: str = "kubectl-annotate") -> tuple[Account, ...]:
    places = (each.split(":") for each in subjects)
    return tuple(Account(namespace, name, role.arn, manager=manager) for namespace, name in places)


# --- eksctl ----------------------------------------------------------------------------------------------------------


def eksctl(
    namespace: str,
    name: str,
    attach: Sequence[str] = (),
    *,
    inline: Mapping[str, Any] | None = None,
    role_name: str = "",
    subject_pattern: str = "",
    boundary: str = "",
) -> Made:
    """`eksctl create iamserviceaccount`: a CloudFormation stack with a role, and a labelled service account.

    Template, tags and label: eksctl-io/eksctl, pkg/cfn/builder/iam.go, pkg/apis/eksctl.io/v1alpha5/types.go and
    pkg/kubernetes/serviceaccount.go. CloudFormation puts the tags of the stack on the role, but none of its own
    (aws-cloudformation/cloudformation-coverage-roadmap#277), and cuts the stack's name in that of the role.
    """
    stack = f"eksctl-{CLUSTER}-addon-iamserviceaccount-{namespace}-{name}"
    by_pattern = {**OF_STS, **claims("StringLike", sub=claim(f"{namespace}:{subject_pattern}"))}
    conditions = by_pattern if subject_pattern else page(f"{namespace}:{name}")
    role = Role(
        role_name or f"{stack[:45]}-Role1-Khm3TJWefsFZ",
        document(statement(conditions, Action=[ACTION])),
        "eksctl",
        tags={
            "alpha.eksctl.io/cluster-name": CLUSTER,
            "eksctl.cluster.k8s.io/v1alpha1/cluster-name": CLUSTER,
            "alpha.eksctl.io/eksctl-version": "0.215.0",
            "alpha.eksctl.io/iamserviceaccount-name": f"{namespace}/{name}",
        },
        boundary=boundary,
        attached=attach,
        inline={f"{stack}-Policy1": inline} if inline else {},
    )
    account = Account(namespace, name, role.arn, labels={MANAGED_BY: "eksctl"}, manager="eksctl")
    return Made(role, (account,))


# --- Terraform -------------------------------------------------------------------------------------------------------

# Terraform's `name_prefix` ends in a time of 18 digits and a counter of 8, so a prefix has at most 38 characters:
# https://github.com/hashicorp/terraform-plugin-sdk/blob/main/helper/id/id.go
SUFFIX = "2025031807150412340000000"
MODULE_TAGS = {"Terraform": "true", "Environment": "prod"}


def terraform_module(
    name: str,
    *subjects: str,
    test: str = "StringEquals",
    issuers: Sequence[str] = (ISSUER,),
    accounts: Iterable[Account] = (),
    **more: Any,
) -> Made:
    """terraform-aws-modules/iam, modules/iam-role-for-service-accounts (v6).

    main.tf: one statement for each entry of `oidc_providers`; `sub` before `aud`, both under `trust_condition_test`; a
    name prefix; `aws_iam_policy_document` writes one value as a string and leaves out an empty Sid. The module makes no
    service account: a Helm chart does.
    """
    statements = [statement(page(*subjects, operator=test, issuer=issuer), issuer) for issuer in issuers]
    role = Role(f"{name}-{SUFFIX}1", document(*statements), "terraform", tags=MODULE_TAGS, **more)
    return Made(role, tuple(replace(each, role=role.arn) for each in accounts))


def helm(namespace: str, name: str) -> Account:
    """A service account of a Helm chart: https://helm.sh/docs/topics/charts/ and
    https://github.com/helm/helm/blob/v3.14.0/pkg/action/validate.go.
    """
    labels = {MANAGED_BY: "Helm", "app.kubernetes.io/instance": name, "helm.sh/chart": f"{name}-1.4.2"}
    annotations = {"meta.helm.sh/release-name": name, "meta.helm.sh/release-namespace": namespace}
    return Account(namespace, name, labels=labels, annotations=annotations, manager="helm")


def terraform_by_hand(name: str, *statements: Mapping[str, Any], subjects: Iterable[str], **more: Any) -> Made:
    """An `aws_iam_role`, often with one statement for each service account.

    Of a `kubernetes_service_account_v1`, which has no label of its own, the field manager says who made it. The tag:
    https://registry.terraform.io/providers/hashicorp/aws/latest/docs/guides/resource-tagging (`default_tags`).
    """
    role = Role(
        name, document(*statements), "terraform", **{"tags": {"ManagedBy": "Terraform", "team": "orders"}, **more}
    )
    return Made(role, accounts_of(role, subjects, "Terraform"))


# --- kubectl, scripts and hands ---------------------------------------------------------------------------------------


def by_kubectl_apply(role: Role, subject: str, labels: Mapping[str, str] = {}) -> Made:
    """Return a role with an account as `kubectl apply` makes it: the last manifest is an annotation.

    https://kubernetes.io/docs/tasks/manage-kubernetes-objects/declarative-config/
    """
    namespace, name = subject.split(":")
    metadata = {"annotations": {ROLE_ARN: role.arn}, "labels": labels, "name": name, "namespace": namespace}
    last = json.dumps({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": f"{last}\n"}
    return Made(role, (Account(namespace, name, role.arn, annotations, labels, "kubectl-client-side-apply"),))


def script(
    name: str,
    *subjects: str,
    operator: str = "StringEquals",
    annotated: Iterable[str] = (),
    attached: Sequence[str] = (),
) -> Made:
    """A shell script after https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html."""
    trust = document(statement(page(*subjects, operator=operator)))
    role = Role(name, trust, description="my-role-description", attached=attached)
    return Made(role, accounts_of(role, annotated or subjects))


def hand(
    name: str,
    conditions: Mapping[str, Any],
    annotated: str = "",
    issuer: str = ISSUER,
    denied: Mapping[str, Any] | None = None,
    **more: Any,
) -> Made:
    """A role by hand, in the console or with the AWS command line."""
    statements = [statement(conditions, issuer), *([denied] if denied else [])]
    role = Role(name, document(*statements), **more)
    return Made(role, accounts_of(role, [annotated] if annotated else []))


# --- The estate ------------------------------------------------------------------------------------------------------

BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/workload-boundary"
LOKI = f"arn:aws:iam::{ACCOUNT}:policy/eks/loki-chunks"
POLICIES: Mapping[str, Mapping[str, Any]] = {
    BOUNDARY: permissions("*"),
    LOKI: permissions(["s3:GetObject", "s3:PutObject"], "arn:aws:s3:::loki-chunks/${aws:PrincipalTag/tenant}/*"),
}

ESTATE: tuple[Made, ...] = (
    # eksctl
    eksctl("external-dns", "external-dns", inline=permissions("route53:ChangeResourceRecordSets")),
    eksctl("monitoring", "prometheus", [f"{AWS_POLICY}AmazonPrometheusRemoteWriteAccess"], boundary=BOUNDARY),
    eksctl("ci", "runner", role_name="ci-runner", subject_pattern="runner*"),
    # terraform-aws-iam
    terraform_module(
        "loki",
        "monitoring:loki",
        accounts=[helm("monitoring", "loki")],
        path="/eks/",
        boundary=BOUNDARY,
        description="Loki's chunks, of all tenants",
        session=7200,
        attached=[LOKI],
    ),
    # https://github.com/terraform-aws-modules/terraform-aws-iam/issues/424: wildcards, and `aud` under StringLike too.
    terraform_module(
        "web",
        "web:*",
        test="StringLike",
        accounts=[helm("web", "frontend"), helm("web", "backend")],
        inline={f"web-{SUFFIX}9": permissions("secretsmanager:GetSecretValue")},
    ),
    terraform_module(
        "tempo", "monitoring:tempo", issuers=(ISSUER, REPLACED_ISSUER), accounts=[helm("monitoring", "tempo")]
    ),
    # Terraform by hand
    terraform_by_hand(
        "orders-api",
        *(statement(page(f"orders:{each}"), Sid=f"AllowOrders{each.capitalize()}") for each in ("worker", "api")),
        subjects=["orders:api", "orders:worker"],
        inline={"orders": permissions("sqs:SendMessage", f"arn:aws:sqs:us-west-2:{ACCOUNT}:orders")},
    ),
    # `cluster.addServiceAccount(...)` of the AWS CDK, packages/aws-cdk-lib/aws-eks/lib/service-account.ts: it makes an
    # inline DefaultPolicy, and applies the account. With the tags that AWS's page promises:
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-resource-tags.html
    by_kubectl_apply(
        Role(
            "EksStack-UploadsRole7D1C4A0B-Khm3TJWefsFZ",
            document(statement(page("default:uploads"))),
            "cloudformation",
            tags={"aws:cloudformation:stack-name": "EksStack", "aws:cloudformation:logical-id": "UploadsRole7D1C4A0B"},
            inline={"UploadsRoleDefaultPolicy3E9F1B22": permissions("s3:PutObject", "arn:aws:s3:::uploads/*")},
            attached=[f"{AWS_POLICY}AmazonDynamoDBReadOnlyAccess"],
        ),
        "default:uploads",
        {"app.kubernetes.io/name": "uploads"},
    ),
    # A shell script after the AWS page
    script("my-role", "default:my-service-account", attached=[f"{AWS_POLICY}AmazonS3ReadOnlyAccess"]),
    script("ops-namespace-role", "ops:*", operator="StringLike", annotated=["ops:janitor"]),
    script("shared-role", "team-a:shared", "team-b:shared"),
    # Hands
    hand("hand-literal-wildcard", page("payments:*"), "payments:ledger"),
    hand("hand-typo", page("payments:refund"), "payments:refunds"),
    hand(
        "hand-string-like",
        page("payments:charges", operator="StringLike"),
        "payments:charges",
        description='Charges: "it\'s ours"; ${account} & <b>not</b> $(whoami) #payments',
        tags={"cost-center": "42", "owner": "pay@example.com"},
        inline={"Charges": permissions("s3:GetObject", "arn:aws:s3:::${aws:PrincipalTag/team}/*")},
    ),
    hand("hand-no-audience", claims("StringEquals", sub=claim("payments:payouts")), "payments:payouts"),
    hand("hand-everybody", {**OF_STS, **claims("StringLike", sub="system:serviceaccount:*")}),
    hand("hand-no-subject", OF_STS),
    hand(
        "hand-own-audience",
        claims("StringEquals", aud=OWN_AUDIENCE, sub=[claim("vault:agent"), claim("vault:injector")]),
    ),
    hand(
        "hand-deny",
        {**OF_STS, **claims("StringLike", sub=claim("batch:job-*"))},
        "batch:job-hourly",
        denied={
            "Sid": "NotTheNightlyOne",
            "Effect": "Deny",
            "Principal": "*",
            "Action": ACTION,
            "Condition": claims("StringEquals", sub=claim("batch:job-nightly")),
        },
    ),
    hand("hand-replaced-cluster", page("batch:old", issuer=REPLACED_ISSUER), "batch:old", issuer=REPLACED_ISSUER),
    hand("hand-deleted-provider", page("batch:older", issuer=DELETED_ISSUER), issuer=DELETED_ISSUER),
    hand("hand-office", {**page("batch:office"), "IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}, "batch:office"),
)
# Of nobody's role: plain ones, and those whose annotation is the mistake.
OTHER_ACCOUNTS: tuple[Account, ...] = (
    Account("ci", "runner-arm64", labels={"arch": "arm64"}),
    Account("batch", "job-nightly"),
    Account("vault", "agent", role_arn("hand-own-audience"), {AUDIENCE_KEY: OWN_AUDIENCE}),
    # The role wants another audience than that of its tokens.
    Account("vault", "injector", role_arn("hand-own-audience")),
    Account("shop", "cart", role_arn("cart-role-that-was-deleted")),
    # https://github.com/aws/amazon-eks-pod-identity-webhook/issues/200
    Account("shop", "catalog", annotations={"eks.amazon.com/role-arn": role_arn("my-role")}),
    Account("team-b", "other-account", role_arn("other-account-role", aws_account=OTHER_ACCOUNT)),
    Account(
        "shop", "checkout", annotations={"example.com/contact": "#shop ${TEAM}, it's: 50 %"}, pull_secret="registry"
    ),
)
ROLES = tuple(made.role for made in ESTATE)
ACCOUNTS = (*(account for made in ESTATE for account in made.accounts), *OTHER_ACCOUNTS)


def role(name: str) -> Role:
    (found,) = (each for each in ROLES if each.name == name or each.name.startswith(f"{name}-{SUFFIX}"))
    return found


# --- Made and removed ------------------------------------------------------------------------------------------------


def make(cloud: Any) -> None:
    iam = cloud.aws("iam")
    for arn, text in POLICIES.items():
        path, _, name = arn.partition(":policy")[2].rpartition("/")
        # The module gives its policy the tags of the role.
        tags = [{"Key": key, "Value": value} for key, value in (MODULE_TAGS if arn == LOKI else {}).items()]
        iam.create_policy(PolicyName=name, Path=f"{path}/", PolicyDocument=json.dumps(text), Tags=tags)
    iam.create_open_id_connect_provider(Url=f"https://{REPLACED_ISSUER}", ClientIDList=[AUDIENCE])
    iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=provider(), ClientID=OWN_AUDIENCE)
    for each in ROLES:
        _make_role(iam, each)
    client = cloud.kubernetes()
    there = {str(each.metadata.name) for each in client.list(Namespace)}
    for namespace in sorted({each.namespace for each in ACCOUNTS} - there):
        client.create(Namespace(metadata=ObjectMeta(name=namespace)))
    for account in ACCOUNTS:
        client.create(account.manifest(), field_manager=account.manager)


def _make_role(iam: Any, role: Role) -> None:
    optional = {"Description": role.description, "PermissionsBoundary": role.boundary}
    iam.create_role(
        RoleName=role.name,
        Path=role.path,
        AssumeRolePolicyDocument=json.dumps(role.trust),
        MaxSessionDuration=role.session,
        Tags=[{"Key": key, "Value": value} for key, value in role.tags.items()],
        **{name: value for name, value in optional.items() if value},
    )
    for arn in role.attached:
        iam.attach_role_policy(RoleName=role.name, PolicyArn=arn)
    for name, text in role.inline.items():
        iam.put_role_policy(RoleName=role.name, PolicyName=name, PolicyDocument=json.dumps(text))


@contextlib.contextmanager
def planted(cloud: Any) -> Iterator[Any]:
    """Create the estate, and delete it and what was made of it; its namespaces stay."""
    iam, before = cloud.aws("iam"), cloud.contents()
    make(cloud)
    yield cloud
    cloud.remove(cloud.contents() - before)
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=provider(REPLACED_ISSUER))
    iam.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=provider(), ClientID=OWN_AUDIENCE)


def remove_role(iam: Any, name: str) -> None:
    """Delete a role with all that it has, if it is there."""
    with contextlib.suppress(iam.exceptions.NoSuchEntityException):
        for policy in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
            iam.detach_role_policy(RoleName=name, PolicyArn=policy["PolicyArn"])
        for inline in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            iam.delete_role_policy(RoleName=name, PolicyName=inline)
        iam.delete_role(RoleName=name)


def remove_policy(iam: Any, arn: str) -> None:
    for version in iam.list_policy_versions(PolicyArn=arn)["Versions"]:
        if not version["IsDefaultVersion"]:
            iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
    iam.delete_policy(PolicyArn=arn)


def trust_policies(cloud: Any) -> dict[str, dict[str, Any]]:
    """Return the trust policies of all roles of the AWS account, by ARN."""
    roles = cloud.aws("iam").list_roles(MaxItems=1000)["Roles"]
    return {each["Arn"]: each["AssumeRolePolicyDocument"] for each in roles}
