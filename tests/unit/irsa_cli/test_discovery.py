"""Reading clusters and AWS accounts whole: what is denied, what is read twice, and what is not there."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.eks.models import eks_backends

from irsa.rules.commands import UNKNOWN_CLUSTER, AwsPlace, ClusterPlace
from irsa_cli import discovery
from irsa_cli.discovery import discover, read_aws_account
from irsa_world.exits import CouldNotLookError, NoPermissionError
from irsa_world.live.aws import AwsAccountClients
from irsa_world.live.eks import EksClient
from irsa_world.live.iam import OF_AWS, OWN, AwsAccountClient
from irsa_world.live.kubernetes import ClusterClients
from irsa_world.model import Cluster, EksCluster, Role, ServiceAccount
from irsa_world.state.declared import DeclaredBinding, DeclaredServiceAccount, DeclaredStack
from tests.unit.irsa_world.live.eks_answers import DENIED, Eks, association
from tests.world import aws_response, document, documented, of_tokens, paged_iam, refusal

BLUE, GREEN = (f"https://oidc.eks.us-west-2.amazonaws.com/id/{name}" for name in ("BLUE", "GREEN"))
PROVIDER = f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:oidc-provider/{BLUE.removeprefix('https://')}"
OF_BLUE = {"Url": BLUE, "ThumbprintList": ["0" * 40], "ClientIDList": ["sts.amazonaws.com", "vault"]}
TRUST = document(of_tokens(PROVIDER, {}))
POLICY = document({"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"})


class StubCluster:
    """A cluster as ClusterClient shows it; the name of its context says which it is, and what it denies."""

    def __init__(self, context: str | None) -> None:
        self.context = self.is_called = context or "current"
        self.place = ClusterPlace(self.context)

    @property
    def issuer(self) -> str:
        if self.context.startswith("denied issuer"):
            raise NoPermissionError("get /.well-known/openid-configuration: forbidden")
        return GREEN if "green" in self.is_called else BLUE

    def service_accounts(self, namespace: str | None) -> list[ServiceAccount]:
        assert namespace is None
        if self.context.startswith("denied list"):
            raise NoPermissionError("list serviceaccounts in all namespaces: forbidden")
        annotations = {"eks.amazonaws.com/role-arn": "arn:x"}
        return [
            ServiceAccount(self.context, namespace, name, annotations if name == "y" else {})
            for namespace, name in (("a", "x"), ("a", "y"), ("b", "x"))
        ]


ASSOCIATIONS = EksClient.associations


@pytest.fixture(autouse=True)
def cluster_apis(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clusters of any context, without a kubeconfig."""

    def client(inputs: Any) -> Any:
        if inputs.get("context") == "none":
            raise CouldNotLookError("the kubeconfig: no context none")
        return StubCluster(inputs.get("context"))

    monkeypatch.setattr(discovery, "ClusterClient", client)
    # moto has no associations.
    monkeypatch.setattr(EksClient, "associations", lambda *_: [])


@pytest.fixture(autouse=True, scope="module")
def iam() -> Iterator[Any]:
    """An AWS account with five roles, which IAM lists two at a time, and two EKS clusters; they are only read."""
    with pytest.MonkeyPatch.context() as patch, paged_iam(patch, 2) as client:
        client.create_open_id_connect_provider(**OF_BLUE)
        policy = json.dumps(POLICY)
        arn = client.create_policy(PolicyName="read", PolicyDocument=policy)["Policy"]["Arn"]
        more = {"Path": "/team/", "Description": "Reads", "MaxSessionDuration": 7200, "PermissionsBoundary": arn}
        tags = [{"Key": "team", "Value": "a"}]
        for name in (f"app-{number}" for number in range(5)):
            client.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST), Tags=tags, **more)
            client.attach_role_policy(RoleName=name, PolicyArn=arn)
            client.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=policy)
        for name, issuer in (("blue", BLUE), ("green", GREEN)):
            boto3.client("eks").create_cluster(
                name=name, roleArn="arn:aws:iam::123456789012:role/x", resourcesVpcConfig={}
            )
            eks_backends[DEFAULT_ACCOUNT_ID]["us-west-2"].clusters[name].identity = {"oidc": {"issuer": issuer}}
        yield client


@pytest.fixture
def profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An AWS configuration: profiles of two AWS accounts, two of them of one, and one without credentials."""
    keys = "region = us-west-2\naws_access_key_id = x\naws_secret_access_key = x\n"
    other = "region = us-west-2\nrole_arn = arn:aws:iam::444455556666:role/reader\nsource_profile = one\n"
    sections = {"one": keys, "same": keys, "other": other, "empty": "region = us-west-2\n"}
    file = tmp_path / "config"
    file.write_text("".join(f"[profile {name}]\n{text}" for name, text in sections.items()))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


class Account:
    """The AWS account as it is read, with operations that IAM or EKS denies."""

    def __init__(self, *denied: str) -> None:
        session = boto3.session.Session()
        events = session._session.get_component("event_emitter")
        self.asked: list[str] = []
        events.register("before-call", self._count)
        for operation in denied:
            events.register_first(f"before-send.*.{operation}", _refusal)
        self.live = AwsAccountClient(session, DEFAULT_ACCOUNT_ID)

    def _count(self, model: Any, **_: Any) -> None:
        self.asked.append(f"{model.service_model.service_name}:{model.name}")


def _refusal(request: Any, **_: Any) -> AWSResponse:
    return aws_response(403, {"message": "No"}) if "eks" in request.url else refusal(403, "AccessDenied")


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    """The AWS account that the current credentials reach."""
    found = Account()
    monkeypatch.setattr(AwsAccountClients, "only", lambda _: found.live)
    return found


@pytest.fixture
def eks(account: Account, monkeypatch: pytest.MonkeyPatch) -> Eks:
    """EKS with an association in each of two clusters."""
    monkeypatch.setattr(EksClient, "associations", ASSOCIATIONS)
    found = Eks(association("blue", 1, "a", "x"), association("green", 2, "a", "y"))
    found.answer_to(account.live.session)
    return found


# --- An AWS account --------------------------------------------------------------------------------------------------


def test_an_aws_account_is_read_in_lists(account: Account) -> None:
    said = list[str]()
    found = read_aws_account(account.live, policies=(OWN, OF_AWS), not_checked=said.append)
    first = found.roles[0]

    assert (said, [each.name for each in found.roles]) == ([], [f"app-{number}" for number in range(5)])
    assert (first.trust, first.description, first.max_session_duration) == (TRUST, "Reads", 7200)
    assert (first.path, first.tags, first.has_details) == ("/team/", {"team": "a"}, True)
    assert (first.inline_policies, first.attached_policies) == ({"inline": POLICY}, (first.permissions_boundary,))
    assert first.created
    assert first.created.tzinfo is not None
    assert {arn: sorted(ids) for arn, ids in found.client_ids.items()} == {PROVIDER: ["sts.amazonaws.com", "vault"]}
    assert [(policy.document, policy.attachments) for policy in found.policies] == [(POLICY, 5)]
    assert "iam:GetRole" not in account.asked


@pytest.mark.parametrize("operation", ["ListClusters", "DescribeCluster"])
def test_a_denied_list_of_clusters_is_not_an_empty_one(operation: str) -> None:
    said = list[str]()
    found = read_aws_account(Account(operation).live, not_checked=said.append)

    assert found.eks_clusters == {"us-west-2": None}
    assert [text.startswith("EKS clusters in us-west-2 of AWS account") for text in said] == [True]


@pytest.mark.parametrize("operation", ["ListRoles", "ListOpenIDConnectProviders", "GetOpenIDConnectProvider"])
def test_what_an_inventory_needs_is_not_left_out(operation: str) -> None:
    with pytest.raises(CouldNotLookError, match=f"iam:{operation}: AccessDenied"):
        read_aws_account(Account(operation).live)


@pytest.mark.usefixtures("eks")
def test_what_is_asked_is_what_the_documented_policy_allows(account: Account) -> None:
    read_aws_account(account.live, policies=(OWN, OF_AWS), issuers=lambda: {BLUE})

    assert {*account.asked} == documented("iam-inventory.json")


# --- Associations ----------------------------------------------------------------------------------------------------


def arn_of(name: str) -> str:
    return f"arn:aws:eks:us-west-2:{DEFAULT_ACCOUNT_ID}:cluster/{name}"


@pytest.mark.usefixtures("eks")
def test_the_associations_of_the_clusters_that_are_read() -> None:
    found = discover(["blue"], [], [])

    assert [each.arn for each in found.clusters] == [arn_of("blue")]
    assert found.aws_accounts[0].eks_clusters == {"us-west-2": {BLUE: arn_of("blue"), GREEN: arn_of("green")}}
    ((cluster_arn, of_cluster),) = found.aws_accounts[0].associations.items()
    assert (cluster_arn, [str(each) for each in of_cluster or ()]) == (arn_of("blue"), ["a/x"])
    assert found.not_checked == ()


@pytest.mark.usefixtures("eks")
def test_a_cluster_without_an_oidc_provider_may_have_associations(iam: Any) -> None:
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=PROVIDER)
    found = discover(["blue"], [], []).aws_accounts[0]
    iam.create_open_id_connect_provider(**OF_BLUE)

    assert found.associations.keys() == {arn_of("blue")}


@pytest.mark.parametrize("operation", ["ListPodIdentityAssociations", "DescribePodIdentityAssociation"])
def test_denied_associations_hide_nothing_else(eks: Eks, operation: str) -> None:
    eks.instead[operation] = lambda: DENIED
    found = discover(["blue"], [], [])

    assert found.aws_accounts[0].associations == {arn_of("blue"): None}
    assert len(found.aws_accounts[0].roles) == 5
    (said,) = found.not_checked
    assert f"{arn_of('blue')} of AWS account {DEFAULT_ACCOUNT_ID}: eks:{operation}: AccessDeniedException" in said


def test_a_cluster_of_another_aws_account_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects from "without a role" where nobody looked: only its own AWS account has a cluster's associations.

    A cluster outside of EKS has none: https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html
    """
    elsewhere = f"{GREEN}-elsewhere"
    monkeypatch.setattr(StubCluster, "issuer", elsewhere)
    said = "EKS Pod Identity of cluster green: none of the AWS accounts that were read lists this EKS cluster"

    assert discover(["green"], [], []).not_checked == (said,)
    monkeypatch.setattr(StubCluster, "issuer", "https://kubernetes.example.com")
    assert discover(["green"], [], []).not_checked == ()


def test_last_use() -> None:
    used, said = datetime(2026, 11, 1, tzinfo=UTC), list[str]()
    app, new, before = (Role(f"arn:aws:iam::1:role/{name}", TRUST, unique_id=name) for name in ("app", "new", "old"))
    live: Any = SimpleNamespace(
        place=AwsPlace(),
        number="1",
        session=None,
        oidc_providers=list,
        client_ids=None,
        # The list changed between two of its pages: a role is on both.
        listed_roles=lambda: [replace(each, has_details=False) for each in (app, new, app)],
        role_details=lambda: [replace(app, last_used=used), replace(before, arn=new.arn, last_used=used)],
    )
    found = read_aws_account(live, not_checked=said.append)

    assert [(role.name, role.last_used, role.has_details) for role in found.roles] == [
        ("app", used, True),
        # Deleted and made again between the two lists: it was not used, that of its name was.
        ("new", None, False),
    ]
    text = "it was created or deleted while the roles were listed"
    assert said == [f"last use, tags and policies of arn:aws:iam::1:role/new: {text}"]


# --- Clusters --------------------------------------------------------------------------------------------------------


def test_two_clusters_of_one_issuer_are_not_one(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects kind's clusters, which all have one issuer: of one, nothing was read, and nothing was said of it.

    No two objects of any cluster have one UID: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
    """
    service_accounts = StubCluster.service_accounts

    def with_uids(self: StubCluster, namespace: str | None) -> list[ServiceAccount]:
        cluster = self.context.removesuffix(" as admin")
        found = [
            replace(each, manifest={"metadata": {"uid": f"{cluster}-{number}"}})
            for number, each in enumerate(service_accounts(self, namespace))
        ]
        # Between two reads of one cluster, some service accounts are created and others deleted.
        return found[:2] if self.context == cluster else found[1:]

    monkeypatch.setattr(StubCluster, "service_accounts", with_uids)
    found = discover(["kind-a", "kind-a as admin", "kind-b", "green"], [], [])

    assert [each.name for each in found.clusters] == ["green", "kind-a"]
    assert found.not_checked == (
        f"context kind-b: another cluster than context kind-a, with the same issuer, {BLUE}: read it by itself",
    )


@pytest.mark.parametrize(
    ("context", "said"),
    [
        ("none", "context none: the kubeconfig: no context none"),
        ("denied list", 'context "denied list": list serviceaccounts in all namespaces: forbidden'),
        ("denied issuer", 'context "denied issuer": get /.well-known/openid-configuration: forbidden'),
    ],
)
def test_a_cluster_that_cannot_be_read_is_said(context: str, said: str) -> None:
    found = discover(["green", context], [], [])

    assert ([each.name for each in found.clusters], found.not_checked) == (["green"], (said,))
    with pytest.raises(CouldNotLookError, match=re.escape(said)):
        discover([context], [], [])


def test_a_cluster_of_a_profile_and_region(profiles: None, monkeypatch: pytest.MonkeyPatch) -> None:
    boto3.client("eks", region_name="eu-west-1").create_cluster(
        name="eu", roleArn="arn:aws:iam::123456789012:role/x", resourcesVpcConfig={}
    )
    asked: list[Any] = []

    def client(inputs: Any) -> Any:
        asked.append(json.loads(inputs["kubeconfig"]))
        return StubCluster(None)

    monkeypatch.setattr(discovery, "ClusterClient", client)
    found = discover([], ["eu"], [], [{"profile": "one", "region": "eu-west-1"}, {"profile": "other"}])

    assert [each.eks_name for each in found.clusters] == ["eu"]
    command = asked[0]["users"][0]["user"]["exec"]
    assert command["args"][:2] == ["--region", "eu-west-1"]
    assert command["env"] == [{"name": "AWS_PROFILE", "value": "one"}]


LISTS = ("GetAccountAuthorizationDetails", "ListRoles", "ListOpenIDConnectProviders")


@pytest.mark.parametrize(
    ("denied", "asked", "not_checked"),
    [
        ([(), LISTS], [1, 0], 0),
        ([LISTS[:1], ()], [1, 1], 0),
        ([LISTS[:1], LISTS[:1]], [1, 1], 1),
        ([LISTS[:1], (), ()], [1, 1, 0], 0),
        ([LISTS[:2], ()], [1, 1], 0),
        ([LISTS[:2], LISTS[:1]], [1, 1], 1),
    ],
)
def test_profiles_of_one_aws_account_are_asked_until_one_may_read_everything(
    monkeypatch: pytest.MonkeyPatch, denied: list[tuple[str, ...]], asked: list[int], not_checked: int
) -> None:
    """The poorer answer counted, the denials of all of them were listed, and each read the whole AWS account."""
    found = [Account(*each) for each in denied]
    monkeypatch.setattr(AwsAccountClients, "only", lambda of: found[int(of._providers[""]["profile"])].live)
    answer = discover([], [], [], [{"profile": str(number)} for number in range(len(found))])

    assert ["iam:ListRoles" in each.asked for each in found] == asked
    assert len(answer.not_checked) == not_checked
    assert answer.clients.keys() == {DEFAULT_ACCOUNT_ID}
    assert all(each.has_details is (not not_checked) for each in answer.aws_accounts[0].roles)


@pytest.mark.usefixtures("profiles")
def test_each_profile_is_an_aws_account() -> None:
    names = ["one", "gone", "other", "same", "empty"]
    found = discover(["green"], [], [], [{"profile": each} for each in names])

    assert [each.number for each in found.aws_accounts] == [DEFAULT_ACCOUNT_ID, "444455556666"]
    assert found.not_checked == (
        "profile empty: sts:GetCallerIdentity: Unable to locate credentials",
        "profile gone: AWS credentials: The config profile (gone) could not be found",
    )
    with pytest.raises(CouldNotLookError, match=r"^profile gone: AWS credentials: .*\(gone\) could not be found$"):
        discover(["green"], [], [], [{"profile": "gone"}])


WAIT = "aws eks wait cluster-active --name new --region us-west-2"


def test_a_cluster_that_is_being_created(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not there yet is absent: https://docs.aws.amazon.com/eks/latest/APIReference/API_Cluster.html."""
    monkeypatch.setattr(EksClient, "cluster", lambda *_: EksCluster.of({"name": "new", "status": "CREATING"}))
    found = discover(["green"], ["new"], [])

    assert [each.name for each in found.clusters] == ["green"]
    assert found.aws_accounts[0].eks_clusters == {"us-west-2": {}}
    assert f"EKS cluster new: the cluster is being created: wait with `{WAIT}`" in found.not_checked


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"AWS_REGION": "eu-west-1"}, "there is no such EKS cluster in eu-west-1"),
        ({"AWS_DEFAULT_REGION": ""}, "no region: pass --region, or set AWS_REGION or the region of the AWS profile"),
    ],
)
def test_the_region_of_a_cluster(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], said: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(CouldNotLookError, match=f"EKS cluster blue: {said}"):
        discover([], ["blue"], [])


# --- Stacks ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack with two clusters, whose kubeconfigs both call their context `aws`, and a binding in each."""
    bindings = [
        DeclaredBinding(
            each,
            f"arn:aws:iam::1:role/{each}",
            service_accounts=(DeclaredServiceAccount(each, "a", "x", created=True, cluster_key=key),),
        )
        for each, key in (("blue", "eu"), ("green", "us"))
    ]
    of_clusters = {"blue": {"kubeconfig": "{}"}, "green": {"context": "aws"}}
    declared = DeclaredStack("prod", tuple(bindings), {"provider": {}}, of_clusters)
    monkeypatch.setattr(discovery, "read_stack", lambda name: declared)
    account, clusters = Account(), {each: StubCluster(each) for each in ("blue", "green")}
    for each in clusters.values():
        each.context, each.is_called = "aws", each.context
        # The first has a kubeconfig in the state, which is in no file.
        each.place = UNKNOWN_CLUSTER if each.is_called == "blue" else ClusterPlace("aws")
    monkeypatch.setattr(ClusterClients, "of", lambda _, reference: clusters[reference])
    genuine = AwsAccountClients.of_provider
    monkeypatch.setattr(
        AwsAccountClients, "of_provider", lambda self, it: account.live if it == "provider" else genuine(self, it)
    )


@pytest.mark.usefixtures("stack")
def test_a_stack_names_its_clusters() -> None:
    found = discover([], [], ["prod"])

    assert found.not_checked == ()
    # A context in a stack's own kubeconfig is not one of the user's; and no two clusters have one name.
    reached = {each.issuer: (each.context, each.eks_name) for each in found.clusters}
    assert reached == {BLUE: (None, None), GREEN: ("aws", None)}
    assert [each.name for each in found.clusters] == [f"aws ({issuer[8:]})" for issuer in (BLUE, GREEN)]
    assert [{each.cluster for each in cluster.service_accounts} for cluster in found.clusters] == [
        {cluster.name} for cluster in found.clusters
    ]


@pytest.mark.usefixtures("stack", "profiles")
def test_a_profile_takes_the_place_of_the_stacks_aws_accounts() -> None:
    found = discover([], [], ["prod"], [{"profile": "other"}])

    assert ([each.number for each in found.aws_accounts], len(found.clusters)) == (["444455556666"], 2)


def test_no_two_clusters_have_one_name() -> None:
    """The attack: a context is called what another cluster is called, with its issuer, where two are called `aws`."""
    issuers = [f"https://{each}.example.com" for each in "abc"]
    names = ["aws", "aws", "aws (a.example.com)"]
    found = [*discovery._with_distinct_names(Cluster(*each, ()) for each in zip(names, issuers, strict=True))]

    assert len({each.name for each in found}) == len(found)


@pytest.mark.usefixtures("stack")
def test_a_cluster_of_a_stack_that_does_not_answer_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    reach = ClusterClients.of

    def of(live: Any, reference: str) -> Any:
        if reference == "green":
            raise CouldNotLookError("get /.well-known/openid-configuration: no answer")
        return reach(live, reference)

    monkeypatch.setattr(ClusterClients, "of", of)
    found = discover([], [], ["prod"])

    assert [each.issuer for each in found.clusters] == [BLUE]
    assert "cluster us of stack prod: get /.well-known/openid-configuration: no answer" in found.not_checked
