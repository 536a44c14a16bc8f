"""What `pulumi up` refuses of a stack file, and what `irsa check --live` says before: the one if and only if the other.

Each line of the tables is one prepared conflict, or what looks like one. Most of those of single bindings are in one
stack, which is deployed with --continue-on-error, so that the engine refuses each by itself. The others have a stack
each: a failed look-up stops the whole stack, and so does an attachment whose policy failed.

The sandbox cannot refuse for want of an access entry, which is part of EKS's control plane: tests/unit/program/live
shows `access-entry-missing` with recorded answers. Nor does it end or throttle credentials.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
import yaml
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Namespace, ServiceAccount

from sandbox.layout import AUDIENCE, ISSUER, OTHER_AWS_ACCOUNT
from sandbox.seed import CLUSTER_ROLE_TRUST, kubernetes_client
from sandbox.showcase import ELSEWHERE_ISSUER, second_cluster
from tests.output_schemas import check_output
from tests.sandbox.irsa_command import ACCOUNT, PROVIDER, ROLE_ARN, irsa
from tests.sandbox.project import ROOT, STACK, Project, blue_and_green

pytestmark = pytest.mark.sandbox

Settings = dict[str, Any]
FREE_ROLE = f"arn:aws:iam::{ACCOUNT}:role/somebody"
MY_POLICY = {"file": "policies/my-policy.json"}
READ_ONLY = tuple(
    f"arn:aws:iam::aws:policy/{name}"
    for name in (
        "AmazonDynamoDBReadOnlyAccess",
        "AmazonEC2ReadOnlyAccess",
        "AmazonRDSReadOnlyAccess",
        "AmazonRoute53ReadOnlyAccess",
        "AmazonS3ReadOnlyAccess",
        "AmazonSNSReadOnlyAccess",
        "AmazonSQSReadOnlyAccess",
        "AmazonVPCReadOnlyAccess",
        "CloudWatchReadOnlyAccess",
        "IAMReadOnlyAccess",
        "SecurityAudit",
    )
)


class Live(NamedTuple):
    """The AWS accounts by number, and the clusters by key."""

    iam: Mapping[str, Any]
    clusters: Mapping[str, Any]


Preparation = Callable[[Live], object]


def role(name: str, aws_account: str = ACCOUNT, trust: Settings = CLUSTER_ROLE_TRUST, **settings: Any) -> Preparation:
    """A role of somebody else."""
    return lambda live: live.iam[aws_account].create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps(trust), **settings
    )


def policy(name: str, aws_account: str = ACCOUNT, **settings: Any) -> Preparation:
    """A managed policy of somebody else, with the document of policies/my-policy.json."""
    document = (ROOT / "policies" / "my-policy.json").read_text()
    return lambda live: live.iam[aws_account].create_policy(PolicyName=name, PolicyDocument=document, **settings)


def service_account(
    place: str, annotations: dict[str, str] | None = None, manager: str = "kubectl-create", cluster: str = "blue"
) -> Preparation:
    """A service account of somebody else, as namespace/name, whose fields the manager owns."""
    namespace, name = place.split("/")
    metadata = ObjectMeta(name=name, namespace=namespace, annotations=annotations)
    return lambda live: live.clusters[cluster].apply(ServiceAccount(metadata=metadata), field_manager=manager)


def namespace(name: str, cluster: str = "blue", **settings: Any) -> Preparation:
    """A namespace of somebody else."""
    resource = Namespace(metadata=ObjectMeta(name=name, **settings))
    return lambda live: live.clusters[cluster].create(resource)


def ending_namespace(name: str) -> Preparation:
    """A namespace that is being deleted: a finalizer keeps it."""

    def prepare(live: Live) -> None:
        namespace(name, finalizers=["example.com/keep"])(live)
        live.clusters["blue"].delete(Namespace, name)

    return prepare


def overwritten(name: str) -> Preparation:
    """The role of an annotated service account, overwritten by hand, as by kubectl annotate --overwrite."""
    change = {"metadata": {"annotations": {ROLE_ARN: FREE_ROLE}}}
    return lambda live: live.clusters["blue"].patch(
        ServiceAccount, name, change, namespace="default", field_manager="kubectl-annotate"
    )


def gone(name: str) -> Preparation:
    """The service account of the stack, which somebody has deleted."""
    return lambda live: live.clusters["blue"].delete(ServiceAccount, name, namespace="default")


def all_of(*preparations: Preparation) -> Preparation:
    return lambda live: [prepare(live) for prepare in preparations]


def nothing(_: Live) -> None:
    pass


class Case(NamedTuple):
    """A binding, and what it meets.

    Attributes:
        name: Key of the binding; no other case has it in its resources' names.
        kind: The rule that `irsa check --live` reports; None if nothing is in the way.
        binding: The binding.
        prepare: What somebody else does before it is deployed.
        before: Bindings of the same stack that are deployed before that, and replaced by this one.
        at_first: What somebody else does before those are deployed.
    """

    name: str
    kind: str | None
    binding: Settings
    prepare: Preparation = nothing
    before: Mapping[str, Settings] = MappingProxyType({})
    at_first: Preparation = nothing


def trust_of(subject: str) -> Settings:
    """The trust policy that irsa writes for a service account of the cluster blue."""
    issuer = ISSUER.removeprefix("https://")
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": PROVIDER},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{issuer}:aud": AUDIENCE, f"{issuer}:sub": f"system:serviceaccount:{subject}"}},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def annotated(name: str, **settings: Any) -> Settings:
    """A binding with a service account of that name."""
    return {"serviceAccount": {"name": name, **settings}}


def existing(name: str, **settings: Any) -> Settings:
    """A binding that annotates an existing service account with a role of its own."""
    return {"serviceAccount": {"name": name, "create": False, **settings}, "role": {"name": f"{name}-of-irsa"}}


def roles_only(name: str, **settings: Any) -> Settings:
    """A binding with a named role, and no service account."""
    return {"role": {"name": name, **settings}, "trust": {"subjects": ["team-a:worker"]}}


def with_policy(name: str, **settings: Any) -> Settings:
    return {**roles_only(name), "policy": {"name": name, **MY_POLICY, **settings}}


def with_arns(name: str, *arns: str) -> Settings:
    return {**roles_only(name), "policyArns": list(arns)}


def trusting(name: str, count: int) -> Settings:
    """A binding whose trust policy has about 65 characters per subject."""
    subjects = [f"team-a:service-account-of-some-length-{index:03}" for index in range(count)]
    return {"role": {"name": name}, "trust": {"subjects": subjects}}


def long_document(statements: int) -> Settings:
    buckets = [f"arn:aws:s3:::a-bucket-with-a-rather-long-name-{index:04}/*" for index in range(statements)]
    listed = [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": bucket} for bucket in buckets]
    return {"Version": "2012-10-17", "Statement": listed}


CONFLICTS = (
    # Namespaces
    Case("ns-unknown", "namespace-missing", annotated("ns-unknown", namespace="no-such-namespace")),
    Case("ns-unknown-to-annotate", "namespace-missing", existing("ns-unknown-to-annotate", namespace="nor-this-one")),
    Case(
        "ns-unknown-in-green",
        "namespace-missing",
        {**annotated("ns-unknown-in-green", namespace="blue-only"), "clusters": ["blue", "green"]},
        namespace("blue-only"),
    ),
    Case(
        "ns-that-ends",
        "namespace-missing",
        annotated("ns-that-ends", namespace="ending"),
        ending_namespace("ending"),
    ),
    # Service accounts
    Case("sa-by-hand", "service-account-exists", annotated("sa-by-hand"), service_account("default/sa-by-hand")),
    Case(
        "sa-of-helm",
        "service-account-exists",
        annotated("sa-of-helm", namespace="team-a"),
        service_account("team-a/sa-of-helm", manager="helm"),
    ),
    Case(
        "sa-of-another-stack",
        "service-account-exists",
        annotated("sa-of-another-stack"),
        service_account("default/sa-of-another-stack", {ROLE_ARN: FREE_ROLE}, "pulumi-kubernetes-1a2b3c4d"),
    ),
    Case(
        "sa-in-an-existing-ns",
        "service-account-exists",
        annotated("sa-in-an-existing-ns", namespace="team-b", createNamespace=True),
        service_account("team-b/sa-in-an-existing-ns"),
    ),
    Case(
        "sa-in-green",
        "service-account-exists",
        {**annotated("sa-in-green"), "clusters": ["blue", "green"]},
        service_account("default/sa-in-green", cluster="green"),
    ),
    Case(
        "sa-renamed-to-a-taken-name",
        "service-account-exists",
        {**annotated("sa-renamed-to-a-taken-name"), "role": {"name": "sa-renaming"}},
        service_account("default/sa-renamed-to-a-taken-name"),
        {"sa-renamed-to-a-taken-name": {**annotated("sa-with-a-free-name"), "role": {"name": "sa-renaming"}}},
    ),
    Case("sa-to-annotate", "service-account-missing", existing("sa-to-annotate")),
    Case(
        "sa-to-annotate-elsewhere",
        "service-account-missing",
        existing("sa-to-annotate-elsewhere"),
        service_account("team-a/sa-to-annotate-elsewhere"),
    ),
    Case(
        "sa-to-annotate-in-green",
        "service-account-missing",
        {**existing("sa-to-annotate-in-green"), "clusters": ["blue", "green"]},
        service_account("default/sa-to-annotate-in-green"),
    ),
    Case(
        "sa-annotated-by-kubectl",
        "service-account-taken",
        existing("sa-annotated-by-kubectl"),
        service_account("default/sa-annotated-by-kubectl", {ROLE_ARN: FREE_ROLE}, "kubectl-annotate"),
    ),
    Case(
        "sa-annotated-by-a-stack",
        "service-account-taken",
        existing("sa-annotated-by-a-stack"),
        service_account("default/sa-annotated-by-a-stack", {ROLE_ARN: FREE_ROLE}, "pulumi-kubernetes-1a2b3c4d"),
    ),
    Case(
        "sa-owned-by-helm",
        "service-account-taken",
        existing("sa-owned-by-helm", annotations={"example.com/owner": "payments"}),
        service_account("default/sa-owned-by-helm", {"example.com/owner": "platform"}, "helm"),
    ),
    Case(
        "sa-ours-overwritten",
        "service-account-taken",
        {**existing("sa-ours-overwritten"), "role": {"name": "sa-of-a-new-role"}},
        overwritten("sa-ours-overwritten"),
        {"sa-ours-overwritten": existing("sa-ours-overwritten")},
        service_account("default/sa-ours-overwritten"),
    ),
    Case("sa-to-import", "import-missing", {**annotated("sa-to-import"), "import": ["serviceAccount"]}),
    # Roles
    Case("role-taken", "role-exists", roles_only("role-taken"), role("role-taken")),
    Case("role-in-capitals", "role-exists", roles_only("role-in-capitals"), role("ROLE-IN-CAPITALS")),
    Case("role-elsewhere", "role-exists", roles_only("role-elsewhere"), role("role-elsewhere", Path="/team/")),
    Case("role-here", "role-exists", roles_only("role-here", path="/irsa/"), role("role-here")),
    Case(
        "role-of-data",
        "role-exists",
        {**roles_only("role-of-data"), "account": "data"},
        role("role-of-data", OTHER_AWS_ACCOUNT),
    ),
    Case(
        "role-renamed",
        "role-exists",
        roles_only("role-renamed"),
        role("role-renamed"),
        {"role-renamed": roles_only("role-with-a-free-name")},
    ),
    Case("role-to-import", "import-missing", {**roles_only("role-to-import"), "import": ["role"]}),
    Case(
        "role-to-import-in-capitals",
        "import-missing",
        {**roles_only("role-to-import-in-capitals"), "import": ["role"]},
        role("ROLE-TO-IMPORT-IN-CAPITALS", trust=trust_of("team-a:worker")),
    ),
    Case(
        "inline-to-import",
        "import-missing",
        {
            **roles_only("inline-to-import"),
            "inlinePolicies": {"inline-to-import": MY_POLICY},
            "import": ["role", "inlinePolicies"],
        },
        role("inline-to-import", trust=trust_of("team-a:worker")),
    ),
    Case(
        "attachment-to-import",
        "import-missing",
        {**with_arns("attachment-to-import", READ_ONLY[0]), "import": ["role", "attachments"]},
        role("attachment-to-import", trust=trust_of("team-a:worker")),
    ),
    # Policies
    Case(
        "arn-misspelled",
        "policy-missing",
        with_arns("arn-misspelled", f"arn:aws:iam::{ACCOUNT}:policy/exsting-policy"),
    ),
    Case(
        "arn-of-aws-misspelled",
        "policy-missing",
        with_arns("arn-of-aws-misspelled", "arn:aws:iam::aws:policy/AmazonSQSReadonlyAcces"),
    ),
    Case(
        "arn-of-aws-without-path",
        "policy-missing",
        with_arns("arn-of-aws-without-path", "arn:aws:iam::aws:policy/AmazonEKSConnectorServiceRolePolicy"),
    ),
    Case(
        "boundary-misspelled",
        "boundary-missing",
        roles_only("boundary-misspelled", permissionsBoundary=f"arn:aws:iam::{ACCOUNT}:policy/bondary"),
    ),
    Case(
        "boundary-of-aws-misspelled",
        "boundary-missing",
        roles_only("boundary-of-aws-misspelled", permissionsBoundary="arn:aws:iam::aws:policy/PowerUsersAccess"),
    ),
    Case(
        "boundary-changed",
        "boundary-missing",
        roles_only("boundary-changed", permissionsBoundary=f"arn:aws:iam::{ACCOUNT}:policy/bondary"),
        before={"boundary-changed": roles_only("boundary-changed")},
    ),
    # Quotas of one role; the stack file says that AWS has raised them, which it has not.
    Case("quota-of-attachments", "quota-reached", with_arns("quota-of-attachments", *READ_ONLY)),
    Case(
        "quota-of-attachments-later",
        "quota-reached",
        with_arns("quota-of-attachments-later", *READ_ONLY),
        before={"quota-of-attachments-later": with_arns("quota-of-attachments-later", *READ_ONLY[:10])},
    ),
    Case("quota-of-trust", "quota-reached", trusting("quota-of-trust", 40)),
    Case(
        "quota-of-trust-later",
        "quota-reached",
        trusting("quota-of-trust-later", 40),
        before={"quota-of-trust-later": trusting("quota-of-trust-later", 2)},
    ),
)

# Deployed alone: the attachment of a policy that failed ends the deployment of the others.
CONFLICTS_OF_POLICIES = (
    Case("policy-taken", "policy-exists", with_policy("policy-taken"), policy("policy-taken")),
    Case("policy-in-capitals", "policy-exists", with_policy("policy-in-capitals"), policy("POLICY-IN-CAPITALS")),
    Case("policy-elsewhere", "policy-exists", with_policy("policy-elsewhere"), policy("policy-elsewhere", Path="/t/")),
    Case(
        "policy-divided",
        "policy-exists",
        {**roles_only("policy-divided"), "policy": {"name": "policy-divided", "document": long_document(90)}},
        policy("policy-divided-2"),
    ),
    Case(
        "policy-of-data",
        "policy-exists",
        {**with_policy("policy-of-data"), "account": "data"},
        policy("policy-of-data", OTHER_AWS_ACCOUNT),
    ),
    Case("policy-to-import", "import-missing", {**with_policy("policy-to-import"), "import": ["policy"]}),
    Case(
        "policy-to-import-elsewhere",
        "import-missing",
        {**with_policy("policy-to-import-elsewhere"), "import": ["policy"]},
        policy("policy-to-import-elsewhere", Path="/team/"),
    ),
)

LOOK_ALIKES = (
    Case("free", None, annotated("free")),
    Case("ns-retained", None, annotated("ns-retained", namespace="kept", createNamespace=True), namespace("kept")),
    Case("ns-created", None, annotated("ns-created", namespace="conflicts-new", createNamespace=True)),
    Case("sa-in-another-ns", None, annotated("sa-in-another-ns"), service_account("team-a/sa-in-another-ns")),
    Case(
        "sa-in-green-only",
        None,
        annotated("sa-in-green-only"),
        service_account("default/sa-in-green-only", cluster="green"),
    ),
    Case("sa-unannotated", None, existing("sa-unannotated"), service_account("default/sa-unannotated", manager="helm")),
    Case(
        "sa-same-value",
        None,
        existing("sa-same-value"),
        service_account(
            "default/sa-same-value",
            {ROLE_ARN: f"arn:aws:iam::{ACCOUNT}:role/sa-same-value-of-irsa"},
            "kubectl-annotate",
        ),
    ),
    Case(
        "sa-other-annotation",
        None,
        existing("sa-other-annotation"),
        service_account("default/sa-other-annotation", {"example.com/owner": "platform"}, "helm"),
    ),
    Case(
        "sa-of-a-role-elsewhere",
        None,
        {
            "serviceAccount": {"name": "sa-of-a-role-elsewhere"},
            "role": {"arn": f"arn:aws:iam::{OTHER_AWS_ACCOUNT}:role/other-account-role"},
        },
    ),
    Case(
        "role-elsewhere-only", None, roles_only("role-elsewhere-only"), role("role-elsewhere-only", OTHER_AWS_ACCOUNT)
    ),
    Case("role-prefix", None, {**annotated("role-prefix"), "role": {"namePrefix": "role-pre"}}, role("role-pre")),
    Case("role-like-a-policy", None, roles_only("role-like-a-policy"), policy("role-like-a-policy")),
    Case("policy-like-a-role", None, {**with_policy("policy-like-a-role"), "role": {}}, role("policy-like-a-role")),
    Case(
        "policy-elsewhere-only",
        None,
        with_policy("policy-elsewhere-only"),
        policy("policy-elsewhere-only", OTHER_AWS_ACCOUNT),
    ),
    Case(
        "policy-named-as-of-aws",
        None,
        {**roles_only("policy-named-as-of-aws"), "policy": {"name": "ReadOnlyAccess", **MY_POLICY}},
    ),
    Case(
        "arn-of-aws-with-path",
        None,
        with_arns("arn-of-aws-with-path", "arn:aws:iam::aws:policy/service-role/AWSLambdaRole"),
    ),
    Case(
        "boundary-of-aws",
        None,
        roles_only("boundary-of-aws", permissionsBoundary="arn:aws:iam::aws:policy/PowerUserAccess"),
    ),
    Case("quota-exactly", None, with_arns("quota-exactly", *READ_ONLY[:10])),
    Case("quota-of-trust-nearly", None, trusting("quota-of-trust-nearly", 24)),
    Case(
        "imported",
        None,
        {
            **annotated("imported"),
            **with_policy("imported"),
            "trust": {},
            "import": ["role", "policy", "serviceAccount"],
        },
        all_of(
            role("imported", trust=trust_of("default:imported")),
            policy("imported"),
            service_account("default/imported", manager="kubectl-create"),
        ),
    ),
    Case(
        "ours",
        None,
        {**annotated("ours"), **with_policy("ours")},
        before={"ours": {**annotated("ours"), **with_policy("ours")}},
    ),
    Case(
        "ours-changed",
        None,
        {**annotated("ours-changed", labels={"stage": "two"}), **with_policy("ours-changed")},
        before={"ours-changed": {**annotated("ours-changed"), **with_policy("ours-changed")}},
    ),
    Case(
        "ours-by-another-key",
        None,
        {**annotated("ours-by-another-key"), **with_policy("ours-by-another-key")},
        before={"ours-by-the-former-key": {**annotated("ours-by-another-key"), **with_policy("ours-by-another-key")}},
    ),
    Case(
        "ours-by-another-automatic-key",
        None,
        {**annotated("ours-by-another-automatic-key"), "formerly": "ours-by-the-former-automatic-key"},
        before={"ours-by-the-former-automatic-key": annotated("ours-by-another-automatic-key")},
    ),
    Case(
        "ours-annotated",
        None,
        {**existing("ours-annotated"), "role": {"name": "of-ours-annotated", "description": "later"}},
        before={"ours-annotated": {**existing("ours-annotated"), "role": {"name": "of-ours-annotated"}}},
        at_first=service_account("default/ours-annotated"),
    ),
    Case(
        "ours-overwritten-and-unchanged",
        None,
        existing("ours-overwritten-and-unchanged"),
        overwritten("ours-overwritten-and-unchanged"),
        {"ours-overwritten-and-unchanged": existing("ours-overwritten-and-unchanged")},
        service_account("default/ours-overwritten-and-unchanged"),
    ),
    Case(
        "ours-deleted-by-hand",
        None,
        annotated("ours-deleted-by-hand"),
        gone("ours-deleted-by-hand"),
        {"ours-deleted-by-hand": annotated("ours-deleted-by-hand")},
    ),
)


class StackCase(NamedTuple):
    """A stack that meets something as a whole.

    Attributes:
        name: Name of the case, and of the role and the service account of its binding.
        kind: The rule that `irsa check --live` reports; None if nothing is in the way.
        cluster: The settings of its one cluster, with the kubeconfig of the second cluster in place of GREEN, and the
            one that the test wrote in place of DEAD.
        binding: Settings of its one binding, besides its role; with `trust`, it has no service account.
        others: Other settings of the stack, without `irsa:`.
        providers: Settings of the providers.
        variables: Environment variables.
    """

    name: str
    kind: str | None
    cluster: Mapping[str, Any] = MappingProxyType({"name": "my-cluster"})
    binding: Mapping[str, Any] = MappingProxyType({})
    others: Mapping[str, Any] = MappingProxyType({})
    providers: Mapping[str, Any] = MappingProxyType({})
    variables: Mapping[str, str] = MappingProxyType({})


# The cluster's API is not asked.
WITHOUT_PODS = {"trust": {"subjects": ["team-a:worker"]}}
GREEN, DEAD = "green.kubeconfig", "dead.kubeconfig"
MY_CLUSTER = {"name": "my-cluster"}
OF_GREEN = {"name": "my-other-cluster", "region": "us-east-1"}
ELSEWHERE = {
    "oidcIssuer": ELSEWHERE_ISSUER,
    "oidcProviderArn": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ELSEWHERE_ISSUER.removeprefix('https://')}",
}
UNKNOWN_ISSUER = "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE00000000000000000UNKNOWN"
NO_PROVIDER = {
    "oidcIssuer": UNKNOWN_ISSUER,
    "oidcProviderArn": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{UNKNOWN_ISSUER.removeprefix('https://')}",
}
NO_KEYS = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}


def data(**settings: str) -> Settings:
    """The settings of another AWS account."""
    return {"accounts": {"data": settings}}


STACKS = (
    # OIDC providers
    StackCase("provider-unknown", "provider-missing", OF_GREEN, WITHOUT_PODS),
    StackCase("provider-unknown-by-arn", "provider-missing", NO_PROVIDER, WITHOUT_PODS),
    StackCase(
        "provider-of-another-cluster",
        "provider-missing",
        {**MY_CLUSTER, "oidcProviderArn": ELSEWHERE["oidcProviderArn"]},
        WITHOUT_PODS,
    ),
    StackCase(
        "provider-unknown-in-data",
        "provider-missing",
        ELSEWHERE,
        {**WITHOUT_PODS, "account": "data"},
        data(assumeRoleArn=f"arn:aws:iam::{OTHER_AWS_ACCOUNT}:role/deployer"),
    ),
    StackCase("provider-taken", "provider-exists", {**MY_CLUSTER, "createOidcProvider": True}),
    StackCase("provider-without-audience", "audience-missing", binding={"audience": "my-audience"}),
    StackCase("stack-unknown", "cluster-unreachable", {"stack": "organization/platform/none"}, WITHOUT_PODS),
    StackCase("provider-to-create", None, {**OF_GREEN, "createOidcProvider": True}, WITHOUT_PODS),
    StackCase(
        "provider-in-data",
        None,
        MY_CLUSTER,
        {"account": "data"},
        data(assumeRoleArn=f"arn:aws:iam::{OTHER_AWS_ACCOUNT}:role/deployer"),
    ),
    # Clusters
    StackCase("context-unknown", "context-missing", providers={"kubernetes:context": "no-such-context"}),
    StackCase(
        "context-unknown-here",
        "context-missing",
        {**MY_CLUSTER, "kubernetes": {"kubeconfig": GREEN, "context": "no-such-context"}},
    ),
    StackCase("kubeconfig-unknown", "context-missing", {**MY_CLUSTER, "kubernetes": {"kubeconfig": "no-such-file"}}),
    StackCase("cluster-dead", "cluster-unreachable", {**MY_CLUSTER, "kubernetes": {"kubeconfig": DEAD}}),
    StackCase("cluster-unknown", "cluster-unreachable", {"name": "my-clusters"}),
    StackCase("cluster-in-another-region", "cluster-unreachable", {**MY_CLUSTER, "region": "us-east-1"}),
    StackCase("cluster-of-another-account", "cluster-unreachable", {"name": "data-cluster"}),
    StackCase(
        "context-not-needed",
        None,
        MY_CLUSTER,
        WITHOUT_PODS,
        providers={"kubernetes:context": "no-such-context"},
    ),
    StackCase(
        "cluster-of-a-context",
        None,
        {**MY_CLUSTER, "kubernetes": {"context": "irsa-sandbox"}},
        providers={"kubernetes:context": "no-such-context"},
    ),
    # Credentials
    StackCase("credentials-missing", "credentials", variables=NO_KEYS),
    StackCase("profile-unknown", "credentials", providers={"aws:profile": "no-such-profile"}),
    StackCase("account-not-allowed", "wrong-account", providers={"aws:allowedAccountIds": [OTHER_AWS_ACCOUNT]}),
    StackCase(
        "account-forbidden",
        "wrong-account",
        providers={"aws:allowedAccountIds": [], "aws:forbiddenAccountIds": [ACCOUNT]},
    ),
    StackCase(
        "data-profile-unknown",
        "credentials",
        MY_CLUSTER,
        {"account": "data"},
        data(profile="no-such-profile"),
    ),
    StackCase(
        "data-role-unknown",
        "account-unreachable",
        MY_CLUSTER,
        {"account": "data"},
        data(assumeRoleArn=f"arn:aws:iam::{OTHER_AWS_ACCOUNT}:role/deploier"),
    ),
    # Namespaces that the stack owns
    StackCase(
        "ns-to-own",
        "namespace-exists",
        # One that the API server creates again, should a plugin take it over and delete it.
        others={"defaults": {"retainNamespaces": False, "namespace": "kube-node-lease"}},
    ),
    StackCase(
        "ns-to-own-and-free",
        None,
        others={"defaults": {"retainNamespaces": False, "namespace": "conflicts-owned"}},
    ),
)

WRONG_CLUSTERS = (
    StackCase("cluster-green-for-blue", "wrong-cluster", {**MY_CLUSTER, "kubernetes": {"kubeconfig": GREEN}}),
    StackCase("cluster-blue-for-green", "wrong-cluster", {**OF_GREEN, "createOidcProvider": True}),
)


class Outcome(NamedTuple):
    """What the two halves say of the bindings of one stack, by key.

    Attributes:
        found: The rules that `irsa check --live` reports.
        refused: What the engine says of the resources that it could not deploy.
    """

    found: Mapping[str, set[str]]
    refused: Mapping[str, list[str]]


@pytest.fixture(scope="module")
def live(cloud: Any, green: str) -> Live:
    """What somebody else may change; both clusters run."""
    session = cloud.aws("sts").assume_role(
        RoleArn=f"arn:aws:iam::{OTHER_AWS_ACCOUNT}:role/administrator", RoleSessionName="test"
    )
    return Live(
        {ACCOUNT: cloud.aws("iam"), OTHER_AWS_ACCOUNT: cloud.aws("iam", session["Credentials"])},
        {"blue": cloud.kubernetes(), "green": kubernetes_client(second_cluster(cloud.sandbox))},
    )


@pytest.fixture(scope="module")
def outcome(cloud: Any, green: str, live: Live, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """Deploy all cases in one stack, each as far as it goes, after `irsa check --live` has looked at it."""
    cases = (*CONFLICTS, *LOOK_ALIKES)

    def settings(bindings: Settings) -> Settings:
        own = {key: {"clusters": ["blue"], **binding} for key, binding in bindings.items()}
        return {
            "clusters": blue_and_green(green),
            "accounts": {"data": {"assumeRoleArn": f"arn:aws:iam::{OTHER_AWS_ACCOUNT}:role/deployer"}},
            "quotas": {"trustPolicySize": 4096, "attachedPolicies": 20},
            "bindings": own,
        }

    before = settings({key: binding for case in cases for key, binding in case.before.items()})
    project = Project(cloud, tmp_path_factory.mktemp("conflicts") / "project", before)
    for case in cases:
        case.at_first(live)
    project.up()
    for case in cases:
        case.prepare(live)
    project.set(settings({case.name: case.binding for case in cases}))
    found = found_by_binding(project)
    yield Outcome(found, refused_by_binding(project, [case.name for case in cases]))
    live.clusters["blue"].patch(Namespace, "ending", {"metadata": {"finalizers": None}})
    project.destroy()


def reported(project: Project, **variables: str) -> list[tuple[str, str]]:
    """Return the rule and the path of each mistake of `irsa check --live`."""
    answer = irsa(project, "check", "--live", "--json", f"Pulumi.{STACK}.yaml", **variables)
    assert answer.stdout, answer.stderr
    (file,) = check_output("check", answer.stdout)["files"]
    mistakes = [(mistake["rule"], mistake.get("path", "")) for mistake in file["mistakes"]]
    assert bool(mistakes) == (answer.returncode == 1), answer.stdout
    return mistakes


def found_by_binding(project: Project) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for rule, path in reported(project):
        found.setdefault(path.removeprefix("irsa:bindings.").split(".")[0], set()).add(rule)
    return found


def refused_by_binding(project: Project, keys: list[str]) -> dict[str, list[str]]:
    """Deploy as far as it goes, and return what the engine says of each binding that it could not deploy."""
    answer = project.run("up", "--yes", "--skip-preview", "--continue-on-error", "--json")
    events = [json.loads(line) for line in answer.stdout.splitlines() if line.startswith("{")]
    errors = [
        event["diagnosticEvent"] for event in events if event.get("diagnosticEvent", {}).get("severity") == "error"
    ]
    refused: dict[str, list[str]] = {}
    for error in errors:
        # Every error of a resource is of one binding; the last one is the update's own.
        if error.get("urn"):
            refused.setdefault(key_of(error["urn"], keys), []).append(" ".join(error["message"].split()))
    assert bool(refused) == (answer.returncode != 0), [error["message"] for error in errors]
    return refused


def key_of(urn: str, keys: list[str]) -> str:
    """Return the case of a resource: one part of its logical name."""
    name = urn.rsplit("::", 1)[-1].lower()
    parts = {part for text in (name, re.sub(r"-\d+\b", "", name)) for part in re.split(r"[/@:]", text)}
    (key,) = parts.intersection(keys)
    return key


@pytest.mark.parametrize("case", CONFLICTS_OF_POLICIES, ids=lambda case: case.name)
def test_a_policy_that_the_engine_refuses(case: Case, cloud: Any, live: Live, tmp_path: Path) -> None:
    """Protects the same of policies that a stack creates or adopts."""
    accounts = {"data": {"assumeRoleArn": f"arn:aws:iam::{OTHER_AWS_ACCOUNT}:role/deployer"}}
    used = accounts if "account" in case.binding else {}
    with deployed(cloud, tmp_path / "project", {"accounts": used, "bindings": {case.name: case.binding}}) as project:
        case.prepare(live)
        found = found_by_binding(project)
        said = project.refused("up", "--yes", "--skip-preview")

    assert found == {case.name: {case.kind}}, said


@pytest.mark.parametrize("case", STACKS, ids=lambda case: case.name)
def test_a_stack_that_the_engine_refuses(case: StackCase, cloud: Any, green: str, tmp_path: Path) -> None:
    """Protects the same of what stops a whole stack: its clusters, OIDC providers and credentials."""
    found, code, said = checked_and_deployed(case, cloud, green, tmp_path)

    assert (code != 0) == (case.kind is not None), said
    assert found == ({case.kind} if case.kind else set()), said


@pytest.mark.parametrize("case", WRONG_CLUSTERS, ids=lambda case: case.name)
def test_a_cluster_that_only_the_check_tells(case: StackCase, cloud: Any, green: str, tmp_path: Path) -> None:
    """Protects from the one mistake here that the engine deploys: the service account is in another cluster."""
    found, code, said = checked_and_deployed(case, cloud, green, tmp_path)

    assert (found, code) == ({"wrong-cluster"}, 0), said


def checked_and_deployed(case: StackCase, cloud: Any, green: str, folder: Path) -> tuple[set[str], int, str]:
    """Return the rules that the check reports, and then the exit code and the output of `pulumi up`."""
    pods = {} if "trust" in case.binding else {"serviceAccount": {"name": case.name, "createNamespace": True}}
    binding = {**pods, "role": {"name": case.name}, **case.binding}
    # A stack with `irsa:cluster` asks for its Kubernetes API in any case.
    cluster = {"cluster": dict(case.cluster)} if pods else {"clusters": {"only": dict(case.cluster)}}
    settings = {**cluster, "bindings": {case.name: binding}, **case.others}
    with deployed(cloud, folder / "project", settings, case.providers) as project:
        (project.folder / GREEN).write_text(Path(green).read_text())
        (project.folder / DEAD).write_text(unanswered(Path(green)))
        found = {rule for rule, _ in reported(project, **case.variables)}
        project.variables |= case.variables
        answer = project.run("up", "--yes", "--skip-preview")
    return found, answer.returncode, answer.stdout + answer.stderr


def unanswered(kubeconfig: Path) -> str:
    """Return a kubeconfig whose server does not answer."""
    config = json.loads(kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    return json.dumps(config)


@contextmanager
def deployed(
    cloud: Any, folder: Path, settings: Settings, providers: Mapping[str, Any] = MappingProxyType({})
) -> Iterator[Project]:
    """A stack of its own; what it deployed is destroyed afterwards."""
    project = Project(cloud, folder, settings)
    file = folder / f"Pulumi.{STACK}.yaml"
    content = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump({**content, "config": {**content["config"], **providers}}, sort_keys=False))
    try:
        yield project
    finally:
        (state,) = (folder / "state").glob(".pulumi/stacks/*/*.json")
        # A stack that was stopped by a look-up needs no destroy, which would need the look-up's credentials.
        latest = json.loads(state.read_text())["checkpoint"]["latest"] or {}
        if any(each["type"].startswith(("aws:", "kubernetes:")) for each in latest.get("resources", ())):
            project.destroy()


class QuotaCase(NamedTuple):
    """A quota of the AWS account, by how many it leaves free.

    Attributes:
        name: Name of the case.
        quotas: The quotas, by their names in GetAccountSummary, as what is left of them.
        fails: Whether the stack exceeds one.
        binding: Its binding.
        before: The binding of the same key that is deployed before; none for an empty mapping.
        aws_account: The AWS account whose quotas they are.
    """

    name: str
    quotas: Mapping[str, int]
    fails: bool
    binding: Settings
    before: Mapping[str, Any] = MappingProxyType({})
    aws_account: str = ACCOUNT


PREFIXED = {"trust": {"subjects": ["team-a:worker"]}}
QUOTAS = (
    QuotaCase("quota-of-roles", {"Roles": 0}, True, roles_only("quota-of-roles")),
    QuotaCase("quota-of-roles-left", {"Roles": 1}, False, roles_only("quota-of-roles-left")),
    QuotaCase("quota-of-policies", {"Policies": 0}, True, with_policy("quota-of-policies")),
    QuotaCase("quota-of-policies-left", {"Policies": 1}, False, with_policy("quota-of-policies-left")),
    QuotaCase(
        "quota-of-divided-policies",
        {"Policies": 1},
        True,
        {**PREFIXED, "policy": {"document": long_document(90)}},
    ),
    QuotaCase(
        "quota-in-use",
        {"Roles": 0, "Policies": 0},
        False,
        {**with_policy("quota-in-use"), "role": {"name": "quota-in-use", "description": "later"}},
        with_policy("quota-in-use"),
    ),
    QuotaCase(
        "quota-of-replaced-roles",
        {"Roles": 0},
        True,
        {**PREFIXED, "role": {"namePrefix": "another-"}},
        {**PREFIXED, "role": {"namePrefix": "one-"}},
    ),
    QuotaCase(
        "quota-of-roles-of-data",
        {"Roles": 0},
        True,
        {**roles_only("quota-of-roles-of-data"), "account": "data"},
        aws_account=OTHER_AWS_ACCOUNT,
    ),
    QuotaCase(
        "quota-of-another-account",
        {"Roles": 0, "Policies": 0},
        False,
        with_policy("quota-of-another-account"),
        aws_account=OTHER_AWS_ACCOUNT,
    ),
)


@pytest.fixture
def leave(cloud: Any, live: Live) -> Iterator[Callable[[str, Mapping[str, int]], None]]:
    """A function that lowers the quotas of an AWS account, so that so many roles or policies are left."""

    def lower(aws_account: str, left: Mapping[str, int]) -> None:
        used = live.iam[aws_account].get_account_summary()["SummaryMap"]
        quotas = {f"{kind}Quota": used[kind] + count for kind, count in left.items()}
        cloud.sandbox.quotas.write_text(json.dumps({aws_account: quotas}))

    yield lower
    cloud.sandbox.quotas.unlink(missing_ok=True)


@pytest.mark.parametrize("case", QUOTAS, ids=lambda case: case.name)
def test_a_quota_of_the_aws_account(case: QuotaCase, cloud: Any, leave: Callable[..., None], tmp_path: Path) -> None:
    """Protects the same of quotas of a whole AWS account: neither one too few nor one too many is reported."""
    accounts = (
        data(assumeRoleArn=f"arn:aws:iam::{OTHER_AWS_ACCOUNT}:role/deployer") if "account" in case.binding else {}
    )
    with deployed(cloud, tmp_path / "project", {**accounts, "bindings": {case.name: dict(case.before)}}) as project:
        if case.before:
            project.up()
        project.set({**accounts, "bindings": {case.name: case.binding}})
        leave(case.aws_account, case.quotas)
        found = found_by_binding(project)
        answer = project.run("up", "--yes", "--skip-preview")
        cloud.sandbox.quotas.unlink()

    said = answer.stdout + answer.stderr
    assert (answer.returncode != 0) == case.fails, said
    assert found == ({case.name: {"quota-reached"}} if case.fails else {}), said


@pytest.mark.parametrize("case", [*CONFLICTS, *LOOK_ALIKES], ids=lambda case: case.name)
def test_the_engine_refuses_what_the_check_names(case: Case, outcome: Outcome) -> None:
    """Protects from an `up` that fails half-way after a check that said good, and from a check that cries wolf."""
    assert (case.name in outcome.refused) == (case.kind is not None), outcome.refused.get(case.name)
    assert outcome.found.get(case.name, set()) == ({case.kind} if case.kind else set()), outcome.refused.get(case.name)
