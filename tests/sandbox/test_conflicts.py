"""What `pulumi up` refuses of a stack file, and what `irsa check --live` says before: the one if and only if the other.

Then what the check advises is done, and neither says anything. Each line of the tables is one prepared conflict, or
what looks like one. As many as can share a stack: those of single bindings are deployed with --continue-on-error, so
that the engine refuses each by itself, and failed look-ups are reported together. What stops a whole stack with another
message has a stack of its own.

The sandbox cannot refuse for want of an access entry, which is part of EKS's control plane. Nor does it end or throttle
credentials.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Namespace, ServiceAccount

from sandbox.layout import OTHER_AWS_ACCOUNT
from sandbox.second_cluster import ELSEWHERE_ISSUER, second_cluster
from sandbox.seed import CLUSTER_ROLE_TRUST, kubernetes_client
from tests.sandbox.conflicts import (
    DATA,
    GREEN,
    MY_CLUSTER,
    OF_GREEN,
    WITHOUT_PODS,
    Settings,
    annotated,
    aws_accounts,
    found_by_binding,
    of_issuer,
    provider_arn,
    refused_by_binding,
    reported,
    roles_only,
    with_policy,
)
from tests.sandbox.irsa_command import ACCOUNT, ROLE_ARN, follow
from tests.sandbox.live import LONG, allowing, create_role, web_identity
from tests.sandbox.project import ROOT, Project, blue_and_green

pytestmark = pytest.mark.sandbox

Deploy = Callable[..., Project]
READ_ONLY = "arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess"
FREE_ROLE = f"arn:aws:iam::{ACCOUNT}:role/somebody"


class Live(NamedTuple):
    iam: Mapping[str, Any]
    clusters: Mapping[str, Any]


Preparation = Callable[[Live], object]
ByName = Callable[[str], Preparation]


def nothing(_: str) -> Preparation:
    return lambda _: None


def role(name: str, aws_account: str = ACCOUNT, *trusted: Settings) -> Preparation:
    return lambda live: create_role(live.iam[aws_account], name, *trusted or CLUSTER_ROLE_TRUST["Statement"])


def policy(name: str, **settings: Any) -> Preparation:
    document = (ROOT / "policies" / "my-policy.json").read_text()
    return lambda live: live.iam[ACCOUNT].create_policy(PolicyName=name, PolicyDocument=document, **settings)


def service_account(
    name: str, annotations: dict[str, str] | None = None, manager: str = "kubectl-create", cluster: str = "blue"
) -> Preparation:
    """A service account of somebody else, whose fields the manager owns."""
    metadata = ObjectMeta(name=name, namespace="default", annotations=annotations)
    return lambda live: live.clusters[cluster].apply(ServiceAccount(metadata=metadata), field_manager=manager)


def service_account_of_nobody(name: str) -> Preparation:
    """A service account as `kubectl create serviceaccount` makes it: it has no field that a manager would own."""
    resource = ServiceAccount(metadata=ObjectMeta(name=name, namespace="default"))
    return lambda live: live.clusters["blue"].create(resource)


def namespace(name: str, **settings: Any) -> Preparation:
    return lambda live: live.clusters["blue"].create(Namespace(metadata=ObjectMeta(name=name, **settings)))


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


def all_of(*preparations: ByName) -> ByName:
    return lambda name: lambda live: [prepare(name)(live) for prepare in preparations]


class Case(NamedTuple):
    """A binding, the rule that it meets, what somebody else does before it is deployed, and what is deployed before."""

    name: str
    """Key of the binding; no other case has it in its resources' names."""
    kind: str | None
    binding: Callable[[str], Settings]
    prepare: ByName = nothing
    before: Mapping[str, Settings] = MappingProxyType({})
    at_first: ByName = nothing


def but(binding: Callable[..., Settings], more: Settings, **settings: Any) -> Callable[[str], Settings]:
    """The binding of a name with these settings and, beside them, more keys."""
    return lambda name: {**binding(name, **settings), **more}


def existing(name: str, **settings: Any) -> Settings:
    return {"serviceAccount": {"name": name, "create": False, **settings}, "role": {"name": f"{name}-of-irsa"}}


def with_arns(*arns: str) -> Callable[[str], Settings]:
    return but(roles_only, {"policyArns": list(arns)})


def imported(*what: str) -> Settings:
    return {"import": list(what)}


def whole(name: str, **settings: Any) -> Settings:
    return {**annotated(name, **settings), **with_policy(name)}


DATA_ONLY = {"account": "data"}
MISSPELLED = f"arn:aws:iam::{ACCOUNT}:policy/exsting-policy"
IN_GREEN = partial(service_account, cluster="green")
OWNED_BY_HELM = partial(service_account, annotations={"example.com/owner": "platform"}, manager="helm")
CONFLICTS = (
    # Namespaces
    Case("ns-unknown", "namespace-missing", partial(annotated, namespace="no-such-namespace")),
    Case("ns-to-create", "namespace-missing", partial(annotated, namespace="ns-to-create")),
    Case("ns-that-ends", "namespace-missing", partial(annotated, namespace="ns-that-ends"), ending_namespace),
    # Service accounts
    Case("sa-by-hand", "service-account-exists", annotated, service_account),
    Case("sa-to-annotate", "service-account-missing", existing),
    Case("sa-to-create", "service-account-missing", partial(annotated, create=False)),
    Case(
        "sa-annotated-by-kubectl",
        "service-account-taken",
        existing,
        partial(service_account, annotations={ROLE_ARN: FREE_ROLE}, manager="kubectl-annotate"),
    ),
    Case(
        "sa-without-managed-fields",
        "service-account-taken",
        existing,
        all_of(service_account_of_nobody, overwritten),
    ),
    Case(
        "sa-owned-by-helm",
        "service-account-taken",
        partial(existing, annotations={"example.com/owner": "payments"}),
        OWNED_BY_HELM,
    ),
    Case(
        "sa-ours-overwritten",
        "service-account-taken",
        but(existing, {"role": {"name": "sa-of-a-new-role"}}),
        overwritten,
        {"sa-ours-overwritten": existing("sa-ours-overwritten")},
        service_account,
    ),
    # Roles
    Case("role-taken", "role-exists", partial(roles_only, path="/irsa/"), role),
    Case("role-in-capitals", "role-exists", roles_only, lambda name: role(name.upper())),
    Case("role-of-data", "role-exists", but(roles_only, DATA_ONLY), partial(role, aws_account=OTHER_AWS_ACCOUNT)),
    # Policies
    Case("arn-misspelled", "policy-missing", with_arns(MISSPELLED)),
    Case("boundary-misspelled", "boundary-missing", partial(roles_only, permissionsBoundary=MISSPELLED)),
)

# Deployed one after the other: the attachment of a policy that failed ends the deployment of what is not under way.
CONFLICTS_OF_POLICIES = (
    Case("policy-in-capitals", "policy-exists", with_policy, lambda name: policy(name.upper(), Path="/t/")),
    Case(
        "policy-divided",
        "policy-exists",
        lambda name: {**roles_only(name), "policy": {"name": name, "document": allowing(*LONG)}},
        lambda name: policy(f"{name}-2"),
    ),
)


class Advice(NamedTuple):
    """Words of what `irsa check --live` says to do, and the binding of a name after that was done, by the whole text.

    None where that is a command, which is the rest of the text.
    """

    words: str
    followed: Callable[[str, str], Settings] | None = None


def arn_in(fix: str) -> str:
    return str(re.findall(r"arn:aws:iam::\d+:policy/[\w.-]+", fix)[0])


# By the name of the case. Nothing here can follow a quota that AWS has to raise, credentials or "wait".
ADVICE = {
    "ns-unknown": Advice("create it: "),
    "ns-to-create": Advice(
        "set createNamespace: true", lambda name, _: annotated(name, namespace="ns-to-create", createNamespace=True)
    ),
    "sa-by-hand": Advice("set create: false", lambda name, _: annotated(name, create=False)),
    "sa-to-annotate": Advice("create it: "),
    "sa-to-create": Advice("set create: true", lambda name, _: annotated(name, create=True)),
    "sa-annotated-by-kubectl": Advice("set takeOver: true", lambda name, _: existing(name, takeOver=True)),
    "role-taken": Advice("write another name", lambda name, _: roles_only(f"{name}-not")),
    "role-in-capitals": Advice(
        "role.arn, if it stays another stack's",
        lambda name, _: {**annotated(name), "role": {"arn": f"arn:aws:iam::{ACCOUNT}:role/{name.upper()}"}},
    ),
    "arn-misspelled": Advice("did you mean", lambda name, fix: with_arns(arn_in(fix))(name)),
    "boundary-misspelled": Advice("did you mean", lambda name, fix: roles_only(name, permissionsBoundary=arn_in(fix))),
    "policy-in-capitals": Advice(
        "name its ARN in policyArns",
        lambda name, _: with_arns(f"arn:aws:iam::{ACCOUNT}:policy/t/{name.upper()}")(name),
    ),
}

LOOK_ALIKES = (
    Case("ns-retained", None, partial(annotated, namespace="ns-retained", createNamespace=True), namespace),
    Case("ns-created", None, partial(annotated, namespace="conflicts-new", createNamespace=True)),
    Case("sa-in-green-only", None, annotated, IN_GREEN),
    Case(
        "sa-same-value",
        None,
        existing,
        partial(
            service_account,
            annotations={ROLE_ARN: f"arn:aws:iam::{ACCOUNT}:role/sa-same-value-of-irsa"},
            manager="kubectl-annotate",
        ),
    ),
    Case("sa-other-annotation", None, existing, OWNED_BY_HELM),
    Case(
        "sa-of-a-role-elsewhere",
        None,
        but(annotated, {"role": {"arn": f"arn:aws:iam::{OTHER_AWS_ACCOUNT}:role/other-account-role"}}),
    ),
    Case("role-prefix", None, but(annotated, {"role": {"namePrefix": "role-pre"}}), lambda _: role("role-pre")),
    Case("policy-like-a-role", None, but(with_policy, {"role": {}}), role),
    Case(
        "imported",
        None,
        but(whole, {"trust": {}, **imported("role", "policy", "serviceAccount")}),
        all_of(lambda name: role(name, ACCOUNT, web_identity("default:imported")), policy, service_account),
    ),
    Case("ours", None, partial(whole, labels={"stage": "two"}), before={"ours": whole("ours")}),
    Case(
        "ours-annotated",
        None,
        but(existing, {"role": {"name": "ours-annotated-of-irsa", "description": "later"}}),
        before={"ours-annotated": existing("ours-annotated")},
        at_first=service_account,
    ),
    Case(
        "ours-overwritten-and-unchanged",
        None,
        existing,
        overwritten,
        {"ours-overwritten-and-unchanged": existing("ours-overwritten-and-unchanged")},
        service_account,
    ),
    Case("ours-deleted-by-hand", None, annotated, gone, {"ours-deleted-by-hand": annotated("ours-deleted-by-hand")}),
)


ISSUER_1, ISSUER_2, ISSUER_3 = (
    {"oidcIssuer": f"https://oidc.eks.us-west-2.amazonaws.com/id/{number}", "createOidcProvider": True}
    for number in (1, 2, 3)
)


class LookUp(NamedTuple):
    """A look-up of a cluster or of an AWS account that fails, and the rule that says so."""

    name: str
    kind: str
    settings: Mapping[str, Any]
    setting: str = ""
    """The one that both name; empty for all of them."""
    binding: Mapping[str, Any] = WITHOUT_PODS


IN_DATA = {**WITHOUT_PODS, **DATA_ONLY}
OF_CLUSTERS = (
    # OIDC providers
    LookUp("provider-unknown", "provider-missing", OF_GREEN),
    LookUp("provider-unknown-by-arn", "provider-missing", of_issuer("EXAMPLE00000000000000000UNKNOWN")),
    LookUp(
        "provider-of-another", "provider-missing", {**MY_CLUSTER, "oidcProviderArn": provider_arn(ELSEWHERE_ISSUER)}
    ),
    LookUp("provider-unknown-in-data", "provider-missing", of_issuer("4"), binding=IN_DATA),
    LookUp(
        "provider-without-audience",
        "audience-missing",
        {"name": "data-cluster", "account": "data"},
        binding={**IN_DATA, "audience": "my-audience"},
    ),
    # Clusters
    LookUp("stack-unknown", "cluster-unreachable", {"stack": "organization/platform/none"}, "stack"),
    LookUp(
        "context-unknown-here",
        "context-missing",
        {**ISSUER_1, "kubernetes": {"kubeconfig": GREEN, "context": "no-such-context"}},
        "kubernetes.context",
        annotated("context-unknown-here"),
    ),
    LookUp(
        "kubeconfig-unknown",
        "context-missing",
        {**ISSUER_2, "kubernetes": {"kubeconfig": "no-such-file"}},
        "kubernetes.kubeconfig",
        annotated("kubeconfig-unknown"),
    ),
    LookUp("cluster-unknown", "cluster-unreachable", {"name": "my-clusters"}, "name"),
    LookUp("cluster-in-another-region", "cluster-unreachable", {**MY_CLUSTER, "region": "us-east-1"}, "name"),
    LookUp("cluster-of-another-account", "cluster-unreachable", {"name": "data-cluster"}, "name"),
)
OF_ACCOUNTS = (
    LookUp("data-profile-unknown", "credentials", {"profile": "no-such-profile"}),
    LookUp(
        "data-role-unknown",
        "account-unreachable",
        {"assumeRoleArn": f"arn:aws:iam::{OTHER_AWS_ACCOUNT}:role/deploier"},
        "assumeRoleArn",
    ),
)


# By what a stack meets as a whole: the settings of its cluster and of its providers, and environment variables.
STACKS: dict[str, tuple[Settings, Settings, dict[str, str]]] = {
    "provider-exists": ({**MY_CLUSTER, "createOidcProvider": True}, {}, {}),
    "credentials": (MY_CLUSTER, {}, {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}),
    "wrong-account": (MY_CLUSTER, {"aws:allowedAccountIds": [OTHER_AWS_ACCOUNT]}, {}),
}


class Outcome(NamedTuple):
    """What `irsa check --live` finds, and what the engine refuses, by binding; both again after its advice was done."""

    found: dict[str, dict[str, str]]
    refused: dict[str, list[str]]
    left: dict[str, Any]


@pytest.fixture(scope="module")
def live(cloud: Any, green: str) -> Live:
    green_client = kubernetes_client(second_cluster(cloud.sandbox))
    return Live(aws_accounts(cloud), {"blue": cloud.kubernetes(), "green": green_client})


@pytest.fixture(scope="module")
def outcome(cloud: Any, green: str, live: Live, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Deploy all cases, each as far as it goes, after `irsa check --live` has looked at it."""

    def settings(bindings: Settings) -> Settings:
        return {
            "clusters": blue_and_green(green),
            "accounts": {"data": DATA},
            "bindings": {key: {"clusters": ["blue"], **binding} for key, binding in bindings.items()},
        }

    all_of_them = Outcome({}, {}, {})
    for cases in ((*CONFLICTS, *LOOK_ALIKES), CONFLICTS_OF_POLICIES):
        before = {key: binding for case in cases for key, binding in case.before.items()}
        project = Project(cloud, tmp_path_factory.mktemp("conflicts") / "project", settings(before))
        for case in cases:
            case.at_first(case.name)(live)
        if before:
            project.up()
        for case in cases:
            case.prepare(case.name)(live)
        project.set(settings({case.name: case.binding(case.name) for case in cases}))
        all_of_them.found.update(found_by_binding(project))
        for together in [[case] for case in cases] if cases is CONFLICTS_OF_POLICIES else [cases]:
            project.set(settings({case.name: case.binding(case.name) for case in together}))
            all_of_them.refused.update(refused_by_binding(project, [case.name for case in together]))
        follow_advice(project, cases, settings, all_of_them)
        project.clean_up()
    live.clusters["blue"].patch(Namespace, "ns-that-ends", {"metadata": {"finalizers": None}})
    for name in ("no-such-namespace", "ns-to-create"):
        live.clusters["blue"].delete(Namespace, name)
    return all_of_them


def follow_advice(
    project: Project, cases: Sequence[Case], settings: Callable[[Settings], Settings], outcome: Outcome
) -> None:
    """Do what was advised of these cases, which alone stay in the stack, and note what is found and refused then."""
    after = {}
    for case in cases:
        if (advice := ADVICE.get(case.name)) and case.kind:
            fix = outcome.found[case.name][case.kind]
            after[case.name] = advice.followed(case.name, fix) if advice.followed else case.binding(case.name)
            if advice.followed is None:
                follow(project, fix.partition(advice.words)[2])
    project.set(settings(after))
    outcome.left.update(found_by_binding(project))
    outcome.left.update(refused_by_binding(project, [*after]))


@pytest.mark.parametrize("case", [*CONFLICTS, *CONFLICTS_OF_POLICIES, *LOOK_ALIKES], ids=lambda case: case.name)
def test_the_engine_refuses_what_the_check_names(case: Case, outcome: Outcome) -> None:
    assert (case.name in outcome.refused) == (case.kind is not None), outcome.refused.get(case.name)
    assert {*outcome.found.get(case.name, ())} == ({case.kind} if case.kind else set()), outcome.refused.get(case.name)


@pytest.mark.parametrize("name", ADVICE)
def test_what_the_check_advises_is_the_way(name: str, outcome: Outcome) -> None:
    (fix,) = outcome.found[name].values()
    assert ADVICE[name].words in fix
    assert outcome.left.get(name) is None


def test_failed_look_ups_are_those_of_the_check(deploy: Deploy, green: str) -> None:
    places = {
        f"irsa:{kind}.{case.name}{case.setting and f'.{case.setting}'}": case
        for kind, cases in (("clusters", OF_CLUSTERS), ("accounts", OF_ACCOUNTS))
        for case in cases
    }
    clusters = {case.name: {"clusters": [case.name]} for case in OF_CLUSTERS}
    accounts = {case.name: {"clusters": ["known"], "account": case.name} for case in OF_ACCOUNTS}
    settings = {
        "clusters": {**{case.name: dict(case.settings) for case in OF_CLUSTERS}, "known": ISSUER_3},
        "accounts": {"data": DATA, **{case.name: dict(case.settings) for case in OF_ACCOUNTS}},
        "bindings": {
            case.name: {**(clusters | accounts)[case.name], "role": {"name": case.name}, **case.binding}
            for case in places.values()
        },
    }
    project = deploy(settings)
    (project.folder / GREEN).write_text(Path(green).read_text())
    found = reported(project)
    said = project.refused("up", "--yes", "--skip-preview")

    assert sorted(found) == sorted((case.kind, place) for place, case in places.items())
    refused = re.findall(r"Pulumi\.test\.yaml:\d+  (\S+)$", said.partition("look-ups failed")[2], re.MULTILINE)
    assert sorted(refused) == sorted(place for _, place in found)


@pytest.mark.usefixtures("green")
def test_a_good_stack_that_looks_like_a_wrong_one(deploy: Deploy) -> None:
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
    project = deploy(settings)
    project.set(settings, {"kubernetes:context": "no-such-context"})
    assert reported(project) == []
    project.up()


@pytest.mark.parametrize("kind", STACKS)
def test_a_stack_that_the_engine_refuses(kind: str, deploy: Deploy) -> None:
    cluster, providers, variables = STACKS[kind]
    binding = {"serviceAccount": {"name": "whole", "createNamespace": True}, "role": {"name": "whole"}}
    settings = {"cluster": cluster, "bindings": {"whole": binding}}
    project = deploy(settings, **variables)
    project.set(settings, providers)
    found = {rule for rule, _ in reported(project)}
    said = project.refused("up", "--yes", "--skip-preview")

    assert found == {kind}, said
