"""What a cluster or a cloud that lies, or something in its place, may answer: each is "cannot tell" for each reader."""

import contextlib
import json
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any
from urllib.parse import quote

import boto3
import pytest

from irsa_world.exits import CouldNotLookError, PartlyReadError
from irsa_world.live.aws import LOADER, caller
from irsa_world.live.eks import EksClient
from irsa_world.live.iam import OWN, AwsAccountClient
from irsa_world.live.kubernetes import ClusterClient
from irsa_world.live.last_use import read_last_use
from irsa_world.live.once import Once
from irsa_world.unread import Unread
from tests.unit.irsa_world.live.kubernetes_api import Api, serving
from tests.world import aws_response


def any_of(*values: Any) -> list[Any]:
    return [*values]


LEVELS = 100_000
NESTED_LISTS = b"[" * LEVELS + b"]" * LEVELS
NESTED_MAPS = b'{"a":' * LEVELS + b"1" + b"}" * LEVELS
# https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
STATUS = {"kind": "Status", "apiVersion": "v1", "status": "Success"}
NO_OBJECTS: list[Any] = [b"", b"no JSON", NESTED_LISTS, NESTED_MAPS, {}, [], None, "text", 1, True, STATUS]

# --- Kubernetes ------------------------------------------------------------------------------------------------------

BAD_METADATA: list[Any] = [
    None,
    [],
    "x",
    {},
    {"name": None, "namespace": "a"},
    {"name": 1, "namespace": "a"},
    {"name": ["b"], "namespace": "a"},
    {"name": "b", "namespace": ["a"]},
    {"name": "b", "namespace": "a", "annotations": []},
    {"name": "b", "namespace": "a", "annotations": ["x"]},
    {"name": "b", "namespace": "a", "annotations": {"x": ["y"]}},
    {"name": "b", "namespace": "a", "annotations": {"x": {"y": "z"}}},
    {"name": "b", "namespace": "a", "labels": "x"},
    {"name": "b", "namespace": "a", "labels": {"x": 1}},
    {"name": "b", "namespace": "a", "managedFields": {}},
    {"name": "b", "namespace": "a", "managedFields": ["x"]},
    {"name": "b", "namespace": "a", "managedFields": [{"fieldsV1": []}]},
    {"name": "b", "namespace": "a", "ownerReferences": [{"kind": "x"}]},
    {"name": "b", "namespace": "a", "uid": {}},
]
BAD_OBJECTS: list[Any] = [None, [], "x", 1, {}, *({"metadata": each} for each in BAD_METADATA)]
BAD_LISTS: list[Any] = [
    *NO_OBJECTS,
    {"kind": "PodList"},
    {"items": []},
    {"kind": "Status", "items": []},
    {"kind": ["PodList"], "items": []},
    {"kind": "PodList", "items": {}},
    {"kind": "PodList", "items": "x"},
    {"kind": "PodList", "items": [], "metadata": []},
    {"kind": "PodList", "items": [], "metadata": {"continue": ["x"]}},
    *({"kind": "PodList", "items": [each]} for each in BAD_OBJECTS),
]
WELL = {"name": "b", "namespace": "a"}
BAD_POD_SPECS: list[Any] = [
    None,
    [],
    {},
    {"containers": None},
    {"containers": {}},
    {"containers": ["x"]},
    {"containers": [{}]},
    {"containers": [{"name": ["x"]}]},
    {"containers": [{"name": "x", "env": {}}]},
    {"containers": [{"name": "x", "env": [{}]}]},
    {"containers": [{"name": "x", "env": [{"name": "y", "value": None}]}]},
    {"containers": [], "volumes": {}},
    {"containers": [], "volumes": [None]},
    {"containers": [], "volumes": [{"projected": []}]},
    {"containers": [], "volumes": [{"projected": {"sources": {}}}]},
    {"containers": [], "volumes": [{"projected": {"sources": [{"serviceAccountToken": "x"}]}}]},
    {"containers": [], "volumes": [{"projected": {"sources": [{"serviceAccountToken": {"audience": ["x"]}}]}}]},
    {"containers": [], "nodeSelector": ["x"]},
    {"containers": [], "os": "linux"},
    {"containers": [], "initContainers": [None]},
    {"containers": [], "serviceAccountName": ["x"]},
]
BINDINGS = "validatingadmissionpolicybindings"
LISTS: dict[str, Callable[[ClusterClient], Any]] = {
    "service accounts": lambda cluster: cluster.service_accounts(None),
    "service accounts of a namespace": lambda cluster: cluster.service_accounts("a"),
    "namespaces": lambda cluster: cluster.namespaces(),
    "Pods": lambda cluster: cluster.pods(None),
    "running Pods": lambda cluster: cluster.running_pods("a", "spec.serviceAccountName=b"),
}
OBJECTS: dict[str, Callable[[ClusterClient], Any]] = {
    "service account": lambda cluster: cluster.service_account("a", "b"),
    "ConfigMap": lambda cluster: cluster.object_of("configmaps", "b", "a"),
    "guard": lambda cluster: cluster.object_of(BINDINGS, "b"),
    "token": lambda cluster: cluster.token("a", "b", "sts.amazonaws.com"),
    "issuer": lambda cluster: cluster.issuer,
}
BAD_TOKENS: list[Any] = [{"status": each} for each in any_of(None, [], {}, {"token": None}, {"token": {}})]
BAD_ISSUERS: list[Any] = [{"issuer": each} for each in any_of(None, "", [], {}, 1)]
FURTHER: list[tuple[str, Any]] = [
    *(("Pods", {"kind": "PodList", "items": [{"metadata": WELL, "spec": each}]}) for each in BAD_POD_SPECS),
    *(("running Pods", {"kind": "PodList", "items": [{"metadata": WELL, "spec": each}]}) for each in BAD_POD_SPECS),
    *(("ConfigMap", {"metadata": WELL, "data": each}) for each in any_of(None, [], "x", {"x": 1})),
    *(
        ("guard", {"metadata": WELL, "spec": each})
        for each in any_of(None, [], {"paramRef": []}, {"validationActions": "Deny"})
    ),
    *(("token", each) for each in BAD_TOKENS),
    *(("issuer", each) for each in BAD_ISSUERS),
    *((name, {"metadata": {**WELL, "name": "another"}}) for name in ("service account", "ConfigMap", "guard")),
]
OF_KUBERNETES = [
    *product(LISTS, BAD_LISTS),
    *product(OBJECTS, [*NO_OBJECTS, *BAD_OBJECTS]),
    *FURTHER,
]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    with serving(monkeypatch, lambda *_: (200, {})) as server:
        yield server


def test_no_answer_of_a_cluster_that_lies_is_taken(api: Api) -> None:
    """An empty list is an answer; something else in place of a list is not an empty cluster."""
    cluster, taken = api.cluster, []
    for reader, body in OF_KUBERNETES:
        cluster._answers = Once()
        api.answer = lambda *_, body=body: (200, body)
        with contextlib.suppress(CouldNotLookError):
            taken.append((reader, str(body)[:60], {**LISTS, **OBJECTS}[reader](cluster)))
    assert taken == []
    assert len(OF_KUBERNETES) > 300


@pytest.mark.parametrize("reader", [each for each in LISTS if each != "running Pods"])
@pytest.mark.parametrize("tokens", [("x",), ("x", "y"), ("", "x")])
def test_a_list_whose_pages_lead_back_ends(api: Api, reader: str, tokens: tuple[str, ...]) -> None:
    pages = iter(range(1_000))
    api.answer = lambda *_: (
        200,
        {"kind": "List", "items": [], "metadata": {"continue": tokens[next(pages) % len(tokens)]}},
    )
    if tokens[0]:
        with pytest.raises(CouldNotLookError, match="the list has no end"):
            LISTS[reader](api.cluster)
        assert len(api.asked) == len(tokens) + 1
    else:
        assert not LISTS[reader](api.cluster)


def test_an_empty_list_of_go_is_a_list(api: Api) -> None:
    api.answer = lambda *_: (200, {"kind": "ServiceAccountList", "items": None})
    assert api.cluster.service_accounts(None) == []


@pytest.mark.parametrize("bad", BAD_OBJECTS)
def test_the_other_service_accounts_are_still_there(api: Api, bad: Any) -> None:
    items = [{"metadata": WELL}, bad, {"metadata": {**WELL, "name": "c"}}]
    api.answer = lambda *_: (200, {"kind": "ServiceAccountList", "items": items})
    with pytest.raises(PartlyReadError, match="irsa cannot read object 2: ") as error:
        api.cluster.service_accounts(None)
    assert [str(each) for each in error.value.readable] == ["a/b", "a/c"]


# --- AWS -------------------------------------------------------------------------------------------------------------

ACCOUNT = "111122223333"
ROLE = f"<Arn>arn:aws:iam::{ACCOUNT}:role/r</Arn><RoleId>A</RoleId>"
AN_ARN = f"arn:aws:iam::{ACCOUNT}:policy/p"
NOT_XML: list[Any] = ["", "<html>", "{}", "<a/>", "<html><body>Sign in</body></html>", NESTED_MAPS.decode()]
BAD_DOCUMENTS = [
    "",
    "no JSON",
    "[]",
    "1",
    '"x"',
    "null",
    "{}",
    '{"Statement": null}',
    '{"Statement": "x"}',
    '{"Statement": ["x"]}',
    '{"Statement": [[]]}',
    '{"Statement": {}}',
    '{"Statement": {"Effect": ["Allow"]}}',
    '{"Statement": {"Effect": "Allow", "Action": {}}}',
    '{"Statement": {"Effect": "Allow", "Action": [["x"]]}}',
    '{"Statement": {"Effect": "Allow", "Action": "x", "Condition": []}}',
    '{"Statement": {"Effect": "Allow", "Action": "x", "Condition": {"StringEquals": []}}}',
    f'{{"Statement": {"[" * 100}{"]" * 100}}}',
    NESTED_LISTS.decode(),
    NESTED_MAPS.decode(),
]


def listing(operation: str, element: str, items: str, rest: str = "<IsTruncated>false</IsTruncated>") -> str:
    result = f"<{operation}Result><{element}>{items}</{element}>{rest}</{operation}Result>"
    return f"<{operation}Response>{result}</{operation}Response>"


def member(text: str) -> str:
    return f"<member>{text}</member>"


DETAILS = "GetAccountAuthorizationDetails"
READERS: dict[str, tuple[str, str, Callable[[AwsAccountClient], Any]]] = {
    "ListRoles": ("Roles", member(ROLE), lambda live: live.listed_roles()),
    f"{DETAILS} of roles": ("RoleDetailList", member(ROLE), lambda live: live.role_details()),
    f"{DETAILS} of policies": ("Policies", "", lambda live: live.policy_details(OWN)),
    "ListAttachedRolePolicies": ("AttachedPolicies", "", lambda live: live.attached_policies("r")),
    "ListRolePolicies": ("PolicyNames", member("x"), lambda live: live.inline_policies("r")),
    "ListPolicies": ("Policies", "", lambda live: live.policies()),
    "GetRole": ("Role", "", lambda live: live.role("r")),
    "GetRolePolicy": ("PolicyDocument", "", lambda live: live.inline_document("r", "p")),
    "GetPolicy": ("Policy", "", lambda live: live.document(AN_ARN)),
    "GetOpenIDConnectProvider": ("ClientIDList", "", lambda live: live.client_ids("arn:aws:iam::1:oidc-provider/x")),
    "ListOpenIDConnectProviders": ("OpenIDConnectProviderList", "", lambda live: live.oidc_providers()),
}
PAGED = [name for name in READERS if name.startswith(("ListRole", "ListAttached", "ListPolicies", DETAILS))]
BAD_ITEMS = {
    "ListRoles": [
        "",
        "<Arn>x</Arn><RoleId>A</RoleId>",
        "<RoleId>A</RoleId>",
        f"<Arn>arn:aws:iam::{ACCOUNT}:role/r</Arn>",
    ],
    f"{DETAILS} of policies": [
        "",
        f"<Arn>{AN_ARN}</Arn>",
        f"<Arn>{AN_ARN}</Arn><DefaultVersionId>v1</DefaultVersionId>",
    ],
    "ListAttachedRolePolicies": ["", "<PolicyArn>x</PolicyArn>"],
    "ListPolicies": ["", f"<Arn>{AN_ARN}</Arn>", "<Arn>x</Arn><IsAttachable>true</IsAttachable>"],
    "ListOpenIDConnectProviders": ["", "<Arn>x</Arn>", f"<Arn>{AN_ARN}</Arn>"],
}
OF_IAM = [
    *product(READERS, NOT_XML),
    *(
        (name, listing(name.partition(" ")[0], READERS[name][0], member(each)))
        for name in BAD_ITEMS
        for each in BAD_ITEMS[name]
    ),
    # More pages, and no marker.
    *(
        (name, listing(name.partition(" ")[0], READERS[name][0], READERS[name][1], "<IsTruncated>true</IsTruncated>"))
        for name in PAGED
    ),
    # A marker that is always the same.
    *(
        (
            name,
            listing(
                name.partition(" ")[0],
                READERS[name][0],
                READERS[name][1],
                "<IsTruncated>true</IsTruncated><Marker>m</Marker>",
            ),
        )
        for name in PAGED
    ),
    *(("GetRolePolicy", listing("GetRolePolicy", "PolicyDocument", quote(each), "")) for each in BAD_DOCUMENTS),
    *(
        (
            f"{DETAILS} of roles",
            listing(
                DETAILS,
                "RoleDetailList",
                member(
                    f"{ROLE}<RolePolicyList><member><PolicyName>p</PolicyName><PolicyDocument>{quote(each)}"
                    "</PolicyDocument></member></RolePolicyList>"
                ),
            ),
        )
        for each in BAD_DOCUMENTS
    ),
]


@pytest.fixture(scope="module")
def lying() -> Any:
    """Return a session whose every request is answered by the last body of `answers`."""
    session: Any = boto3.session.Session("x", "x", region_name="us-west-2")
    session._session.register_component("data_loader", LOADER)
    session.answers = [""]
    events = session._session.get_component("event_emitter")
    events.register_first("before-send", lambda **_: aws_response(200, session.answers[-1]))
    return session


def answering(session: Any, body: str) -> Any:
    session.answers.append(body)
    return session


def test_no_answer_of_an_iam_that_lies_is_taken(lying: Any, no_pauses: None) -> None:
    taken = []
    for reader, body in OF_IAM:
        live = AwsAccountClient(answering(lying, body), ACCOUNT)
        with contextlib.suppress(CouldNotLookError):
            taken.append((reader, body[:300], READERS[reader][2](live)))
    assert taken == []
    assert len(OF_IAM) > 91


@pytest.mark.parametrize("trust", BAD_DOCUMENTS[:7])
def test_a_role_without_a_trust_policy_is_still_there(lying: Any, trust: str) -> None:
    """Its trust policy is what cannot be read; `Sessions` says so of the role."""
    from irsa_world.model import AwsAccount, World
    from irsa_world.sessions import Sessions

    bad = f"{ROLE}<AssumeRolePolicyDocument>{quote(trust)}</AssumeRolePolicyDocument>"
    body = listing("ListRoles", "Roles", member(bad) + member(ROLE.replace("role/r", "role/none")))
    roles = AwsAccountClient(answering(lying, body), ACCOUNT).listed_roles()
    sessions = Sessions(World((), (AwsAccount(ACCOUNT, tuple(roles), {}),)))

    assert [each.name for each in roles] == ["r", "none"]
    assert sessions.problems.keys() == {each.arn for each in roles}
    assert [*sessions.groups, *sessions.kubernetes_roles] == []


COMPLETED = "<JobStatus>COMPLETED</JobStatus>"
OF_LAST_USE = [
    "",
    "<JobId>j</JobId>",
    COMPLETED,
    f"<JobId>j</JobId>{COMPLETED}<ServicesLastAccessed><member/></ServicesLastAccessed>",
    f"<JobId>j</JobId>{COMPLETED}<IsTruncated>true</IsTruncated>",
    f"<JobId>j</JobId>{COMPLETED}<IsTruncated>true</IsTruncated><Marker>m</Marker>",
]


@pytest.mark.parametrize("result", OF_LAST_USE)
def test_no_report_of_last_use_that_lies_is_taken(
    lying: Any, no_pauses: None, monkeypatch: pytest.MonkeyPatch, result: str
) -> None:
    monkeypatch.setattr("irsa_world.live.last_use.POLL_SECONDS", 0)
    arn, operations = f"arn:aws:iam::{ACCOUNT}:role/r", ("Generate", "Get")
    tags = [f"{each}ServiceLastAccessedDetailsResult" for each in operations]
    body = f"<Response>{''.join(f'<{tag}>{result}</{tag}>' for tag in tags)}</Response>"
    found = read_last_use({ACCOUNT: AwsAccountClient(answering(lying, body), ACCOUNT)}, [arn], lambda _: None)

    answer = found[arn]
    assert isinstance(answer, Unread)
    assert "unexpected" not in answer.reason


CLUSTER = f"arn:aws:eks:us-west-2:{ACCOUNT}:cluster/c"
AN_ASSOCIATION = {
    "associationArn": f"arn:aws:eks:us-west-2:{ACCOUNT}:podidentityassociation/c/a-1",
    "associationId": "a-1",
    "namespace": "a",
    "serviceAccount": "b",
    "roleArn": f"arn:aws:iam::{ACCOUNT}:role/r",
}
OF_EKS: list[tuple[str, Any]] = [
    *product(("clusters", "cluster", "listed", "addon_status"), NO_OBJECTS[4:]),
    *product(("clusters", "cluster", "listed", "addon_status"), [each.decode() for each in NO_OBJECTS[:4]]),
    # boto3 itself takes an empty mapping in place of a list for an empty list.
    *(("clusters", {"clusters": each}) for each in any_of({"x": 1}, "x", 1, [1], [{}], [["x"]])),
    *(("cluster", {"cluster": each}) for each in any_of([], "x", {}, {"arn": "x"}, {"arn": CLUSTER, "identity": []})),
    *(("cluster", {"cluster": {"arn": CLUSTER, "identity": {"oidc": each}}}) for each in any_of([], {"issuer": ["x"]})),
    *(("listed", {"associations": each}) for each in any_of({"x": 1}, "x", ["x"], [{}], [[]])),
    *(("listed", {"associations": [{**AN_ASSOCIATION, key: ["x"]}]}) for key in ("namespace", "associationArn")),
    *(("listed", {"associations": [{**AN_ASSOCIATION, "associationArn": "x"}]}),),
    *(("listed", {"associations": [], "nextToken": "x"}), ("clusters", {"clusters": [], "nextToken": "x"})),
    *(("_described", {"association": {**AN_ASSOCIATION, key: ["x"]}}) for key in (*AN_ASSOCIATION, "tags", "policy")),
    *(("_described", {"association": {**AN_ASSOCIATION, "tags": {"x": ["y"]}}}),),
    *(("addon_status", {"addon": each}) for each in any_of([], "x", {"status": ["ACTIVE"]})),
]
ARGUMENTS = {"clusters": (), "cluster": ("c",), "listed": ("c",), "addon_status": ("c",), "_described": ("c", "a-1")}


def test_no_answer_of_an_eks_that_lies_is_taken(lying: Any, no_pauses: None) -> None:
    taken = []
    for reader, body in OF_EKS:
        eks = EksClient(answering(lying, body if isinstance(body, str) else json.dumps(body)), "us-west-2")
        with contextlib.suppress(CouldNotLookError):
            taken.append((reader, str(body)[:100], getattr(eks, reader)(*ARGUMENTS[reader])))
    assert taken == []


@pytest.mark.parametrize("account", ["", "x", "12", "111122223333\n"])
def test_a_caller_without_an_aws_account_is_nobody(lying: Any, account: str) -> None:
    result = f"<Account>{account}</Account><Arn>arn:aws:iam::{ACCOUNT}:user/x</Arn>"
    operation = "GetCallerIdentity"
    body = f"<{operation}Response><{operation}Result>{result}</{operation}Result></{operation}Response>"
    with pytest.raises(CouldNotLookError, match="GetCallerIdentity"):
        caller(answering(lying, body))
