"""What `pulumi up` refuses of a stack file, and what `irsa check --live` says before: the one if and only if the other.

Each line of the tables is one prepared conflict, or what looks like one. As many as can share a stack: those of single
bindings are deployed with --continue-on-error, so that the engine refuses each by itself, and failed look-ups are
reported together. What stops a whole stack with another message has a stack of its own.

The sandbox cannot refuse for want of an access entry, which is part of EKS's control plane: tests/unit/program/live
shows `access-entry-missing` with recorded answers. Nor does it end or throttle credentials.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Namespace, ServiceAccount

from sandbox.layout import AUDIENCE, ISSUER, OTHER_AWS_ACCOUNT
from sandbox.seed import CLUSTER_ROLE_TRUST, kubernetes_client
from sandbox.showcase import ELSEWHERE_ISSUER, second_cluster
from tests.sandbox.conflicts import (
    DATA,
    GREEN,
    MY_CLUSTER,
    MY_POLICY,
    NO_KEYS,
    OF_GREEN,
    WITHOUT_PODS,
    Settings,
    StackCase,
    annotated,
    aws_accounts,
    checked_and_deployed,
    deployed,
    found_by_binding,
    long_document,
    refused_by_binding,
    reported,
    roles_only,
    with_policy,
)
from tests.sandbox.estate import remove_role
from tests.sandbox.irsa_command import ACCOUNT, PROVIDER, ROLE_ARN
from tests.sandbox.project import ROOT, blue_and_green

pytestmark = pytest.mark.sandbox

FREE_ROLE = f"arn:aws:iam::{ACCOUNT}:role/somebody"
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
    iam: Mapping[str, Any]
    clusters: Mapping[str, Any]


Preparation = Callable[[Live], object]


def role(name: str, aws_account: str = ACCOUNT, trust: Settings = CLUSTER_ROLE_TRUST, **settings: Any) -> Preparation:
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


def service_account_of_nobody(name: str) -> Preparation:
    """A service account as `kubectl create serviceaccount` makes it: it has no field that a manager would own."""
    resource = ServiceAccount(metadata=ObjectMeta(name=name, namespace="default"))
    return lambda live: live.clusters["blue"].create(resource)


def namespace(name: str, cluster: str = "blue", **settings: Any) -> Preparation:
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


def existing(name: str, **settings: Any) -> Settings:
    """A binding that annotates an existing service account with a role of its own."""
    return {"serviceAccount": {"name": name, "create": False, **settings}, "role": {"name": f"{name}-of-irsa"}}


def with_arns(name: str, *arns: str) -> Settings:
    return {**roles_only(name), "policyArns": list(arns)}


def trusting(name: str, count: int) -> Settings:
    """A binding whose trust policy has about 65 characters per subject."""
    subjects = [f"team-a:service-account-of-some-length-{index:03}" for index in range(count)]
    return {"role": {"name": name}, "trust": {"subjects": subjects}}


CONFLICTS = (
    # Namespaces
    Case("ns-unknown", "namespace-missing", annotated("ns-unknown", namespace="no-such-namespace")),
    Case(
        "ns-that-ends",
        "namespace-missing",
        annotated("ns-that-ends", namespace="ending"),
        ending_namespace("ending"),
    ),
    # Service accounts
    Case("sa-by-hand", "service-account-exists", annotated("sa-by-hand"), service_account("default/sa-by-hand")),
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
        "sa-annotated-by-kubectl",
        "service-account-taken",
        existing("sa-annotated-by-kubectl"),
        service_account("default/sa-annotated-by-kubectl", {ROLE_ARN: FREE_ROLE}, "kubectl-annotate"),
    ),
    Case(
        "sa-without-managed-fields",
        "service-account-taken",
        existing("sa-without-managed-fields"),
        all_of(service_account_of_nobody("sa-without-managed-fields"), overwritten("sa-without-managed-fields")),
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
        "arn-of-aws-without-path",
        "policy-missing",
        with_arns("arn-of-aws-without-path", "arn:aws:iam::aws:policy/AmazonEKSConnectorServiceRolePolicy"),
    ),
    Case(
        "boundary-misspelled",
        "boundary-missing",
        roles_only("boundary-misspelled", permissionsBoundary=f"arn:aws:iam::{ACCOUNT}:policy/bondary"),
    ),
    # Quotas of one role; the stack file says that AWS has raised them, which it has not.
    Case("quota-of-attachments", "quota-reached", with_arns("quota-of-attachments", *READ_ONLY)),
    Case("quota-of-trust", "quota-reached", trusting("quota-of-trust", 40)),
)

# Deployed one after the other: the attachment of a policy that failed ends the deployment of what is not under way.
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
    Case("policy-to-import", "import-missing", {**with_policy("policy-to-import"), "import": ["policy"]}),
)

LOOK_ALIKES = (
    Case("free", None, annotated("free")),
    Case("ns-retained", None, annotated("ns-retained", namespace="kept", createNamespace=True), namespace("kept")),
    Case("ns-created", None, annotated("ns-created", namespace="conflicts-new", createNamespace=True)),
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


ELSEWHERE = {
    "oidcIssuer": ELSEWHERE_ISSUER,
    "oidcProviderArn": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ELSEWHERE_ISSUER.removeprefix('https://')}",
}
UNKNOWN_ISSUER = "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE00000000000000000UNKNOWN"
NO_PROVIDER = {
    "oidcIssuer": UNKNOWN_ISSUER,
    "oidcProviderArn": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{UNKNOWN_ISSUER.removeprefix('https://')}",
}
NOT_IN_DATA = {
    "oidcIssuer": "https://oidc.eks.us-west-2.amazonaws.com/id/4",
    "oidcProviderArn": f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/4",
}
ISSUER_1, ISSUER_2, ISSUER_3 = (
    {"oidcIssuer": f"https://oidc.eks.us-west-2.amazonaws.com/id/{number}", "createOidcProvider": True}
    for number in (1, 2, 3)
)


class LookUp(NamedTuple):
    """A look-up that fails.

    Attributes:
        name: Key of the cluster or the AWS account, and of its binding.
        kind: The rule that `irsa check --live` reports.
        place: The setting that both name.
        settings: The settings of the cluster or the AWS account, with the kubeconfig of the second cluster in place of
            GREEN.
        binding: Settings of the binding, besides its role.
    """

    name: str
    kind: str
    place: str
    settings: Mapping[str, Any]
    binding: Mapping[str, Any] = WITHOUT_PODS


LOOK_UPS = (
    # OIDC providers
    LookUp("provider-unknown", "provider-missing", "clusters.provider-unknown", OF_GREEN),
    LookUp("provider-unknown-by-arn", "provider-missing", "clusters.provider-unknown-by-arn", NO_PROVIDER),
    LookUp(
        "provider-of-another-cluster",
        "provider-missing",
        "clusters.provider-of-another-cluster",
        {**MY_CLUSTER, "oidcProviderArn": ELSEWHERE["oidcProviderArn"]},
    ),
    LookUp(
        "provider-unknown-in-data",
        "provider-missing",
        "clusters.provider-unknown-in-data",
        NOT_IN_DATA,
        {**WITHOUT_PODS, "account": "data"},
    ),
    LookUp(
        "provider-without-audience",
        "audience-missing",
        "clusters.provider-without-audience",
        {"name": "data-cluster", "account": "data"},
        {**WITHOUT_PODS, "account": "data", "audience": "my-audience"},
    ),
    # Clusters
    LookUp(
        "stack-unknown",
        "cluster-unreachable",
        "clusters.stack-unknown.stack",
        {"stack": "organization/platform/none"},
    ),
    LookUp(
        "context-unknown-here",
        "context-missing",
        "clusters.context-unknown-here.kubernetes.context",
        {**ISSUER_1, "kubernetes": {"kubeconfig": GREEN, "context": "no-such-context"}},
        annotated("context-unknown-here"),
    ),
    LookUp(
        "kubeconfig-unknown",
        "context-missing",
        "clusters.kubeconfig-unknown.kubernetes.kubeconfig",
        {**ISSUER_2, "kubernetes": {"kubeconfig": "no-such-file"}},
        annotated("kubeconfig-unknown"),
    ),
    LookUp("cluster-unknown", "cluster-unreachable", "clusters.cluster-unknown.name", {"name": "my-clusters"}),
    LookUp(
        "cluster-in-another-region",
        "cluster-unreachable",
        "clusters.cluster-in-another-region.name",
        {**MY_CLUSTER, "region": "us-east-1"},
    ),
    LookUp(
        "cluster-of-another-account",
        "cluster-unreachable",
        "clusters.cluster-of-another-account.name",
        {"name": "data-cluster"},
    ),
    # AWS accounts
    LookUp("data-profile-unknown", "credentials", "accounts.data-profile-unknown", {"profile": "no-such-profile"}),
    LookUp(
        "data-role-unknown",
        "account-unreachable",
        "accounts.data-role-unknown.assumeRoleArn",
        {"assumeRoleArn": f"arn:aws:iam::{OTHER_AWS_ACCOUNT}:role/deploier"},
    ),
)


STACKS = (
    StackCase("provider-taken", "provider-exists", {**MY_CLUSTER, "createOidcProvider": True}),
    StackCase("credentials-missing", "credentials", variables=NO_KEYS),
    StackCase("account-not-allowed", "wrong-account", providers={"aws:allowedAccountIds": [OTHER_AWS_ACCOUNT]}),
)


class Outcome(NamedTuple):
    """What the two halves say of the bindings of one stack, by key.

    Attributes:
        found: The rules that `irsa check --live` reports.
        refused: What the engine says of the resources that it could not deploy.
    """

    found: dict[str, set[str]]
    refused: dict[str, list[str]]


@pytest.fixture(scope="module")
def live(cloud: Any, green: str) -> Iterator[Live]:
    """What somebody else may change; both clusters run. What is left of it goes, for tests that look at everything."""
    green_client = kubernetes_client(second_cluster(cloud.sandbox))
    whole = Live(aws_accounts(cloud), {"blue": cloud.kubernetes(), "green": green_client})
    before = [*roles_and_service_accounts(whole)]
    yield whole
    for where, namespace, name in roles_and_service_accounts(whole):
        if (where, namespace, name) in before:
            continue
        if namespace:
            whole.clusters[where].delete(ServiceAccount, name, namespace=namespace)
        else:
            remove_role(whole.iam[where], name)


def roles_and_service_accounts(live: Live) -> Iterator[tuple[str, str, str]]:
    """Yield the AWS account and name of each role, and the cluster, namespace and name of each service account."""
    for number, iam in live.iam.items():
        for page in iam.get_paginator("list_roles").paginate():
            yield from ((number, "", each["RoleName"]) for each in page["Roles"])
    for key, client in live.clusters.items():
        for each in client.list(ServiceAccount, namespace="*"):
            yield key, each.metadata.namespace, each.metadata.name


@pytest.fixture(scope="module")
def outcome(cloud: Any, green: str, live: Live, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Deploy all cases, each as far as it goes, after `irsa check --live` has looked at it."""

    def settings(bindings: Settings) -> Settings:
        return {
            "clusters": blue_and_green(green),
            "accounts": {"data": DATA},
            "quotas": {"trustPolicySize": 4096, "attachedPolicies": 20},
            "bindings": {key: {"clusters": ["blue"], **binding} for key, binding in bindings.items()},
        }

    whole = Outcome({}, {})
    for cases in ((*CONFLICTS, *LOOK_ALIKES), CONFLICTS_OF_POLICIES):
        before = {key: binding for case in cases for key, binding in case.before.items()}
        with deployed(cloud, tmp_path_factory.mktemp("conflicts") / "project", settings(before)) as project:
            for case in cases:
                case.at_first(live)
            if before:
                project.up()
            for case in cases:
                case.prepare(live)
            project.set(settings({case.name: case.binding for case in cases}))
            whole.found.update(found_by_binding(project))
            for together in [[case] for case in cases] if cases is CONFLICTS_OF_POLICIES else [cases]:
                project.set(settings({case.name: case.binding for case in together}))
                whole.refused.update(refused_by_binding(project, [case.name for case in together]))
    live.clusters["blue"].patch(Namespace, "ending", {"metadata": {"finalizers": None}})
    return whole


@pytest.mark.parametrize("case", [*CONFLICTS, *CONFLICTS_OF_POLICIES, *LOOK_ALIKES], ids=lambda case: case.name)
def test_the_engine_refuses_what_the_check_names(case: Case, outcome: Outcome) -> None:
    assert (case.name in outcome.refused) == (case.kind is not None), outcome.refused.get(case.name)
    assert outcome.found.get(case.name, set()) == ({case.kind} if case.kind else set()), outcome.refused.get(case.name)


def test_failed_look_ups_are_those_of_the_check(cloud: Any, green: str, tmp_path: Path) -> None:
    clusters = {case.name: dict(case.settings) for case in LOOK_UPS if case.place.startswith("clusters")}
    accounts = {case.name: dict(case.settings) for case in LOOK_UPS if case.name not in clusters}
    bindings = {
        case.name: {
            **({"clusters": [case.name]} if case.name in clusters else {"clusters": ["known"], "account": case.name}),
            "role": {"name": case.name},
            **case.binding,
        }
        for case in LOOK_UPS
    }
    settings = {
        "clusters": {**clusters, "known": ISSUER_3},
        "accounts": {"data": DATA, **accounts},
        "bindings": bindings,
    }
    with deployed(cloud, tmp_path / "project", settings) as project:
        (project.folder / GREEN).write_text(Path(green).read_text())
        found = reported(project)
        said = project.refused("up", "--yes", "--skip-preview")

    assert sorted(found) == sorted((case.kind, f"irsa:{case.place}") for case in LOOK_UPS)
    refused = re.findall(r"Pulumi\.test\.yaml:\d+  (\S+)$", said.partition("look-ups failed")[2], re.MULTILINE)
    assert sorted(refused) == sorted(place for _, place in found)


def test_a_good_stack_that_looks_like_a_wrong_one(cloud: Any, green: str, tmp_path: Path) -> None:
    settings = {
        "accounts": {"data": DATA},
        "clusters": {
            "blue": {**MY_CLUSTER, "kubernetes": {"context": "irsa-sandbox"}},
            # Its API is not asked.
            "green": {**OF_GREEN, "createOidcProvider": True},
        },
        "bindings": {
            "cluster-of-a-context": {**annotated("cluster-of-a-context"), "clusters": ["blue"]},
            "provider-in-data": {**annotated("provider-in-data"), "clusters": ["blue"], "account": "data"},
            "ns-free": {
                **annotated("ns-free", namespace="conflicts-owned", createNamespace=True),
                "clusters": ["blue"],
            },
            "context-not-needed": {**WITHOUT_PODS, "clusters": ["green"]},
        },
    }
    with deployed(cloud, tmp_path / "project", settings, {"kubernetes:context": "no-such-context"}) as project:
        assert reported(project) == []
        project.up()


@pytest.mark.parametrize("case", STACKS, ids=lambda case: case.name)
def test_a_stack_that_the_engine_refuses(case: StackCase, cloud: Any, tmp_path: Path) -> None:
    found, code, said = checked_and_deployed(case, cloud, tmp_path)

    assert code != 0, said
    assert found == {case.kind}, said
