"""A stack, an AWS account and a cluster, below the SDKs, whose names, documents and Pods somebody hostile may write.

Whoever may create a Pod chooses its names, owners, labels and variables; whoever may write in the AWS account chooses
names, Sids and tags; a server chooses its errors. Their shapes are those of the APIs, their texts are anything.
"""

import base64
import json
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from subprocess import CompletedProcess
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from botocore.exceptions import ClientError
from botocore.hooks import HierarchicalEmitter

from tests.world import document, of_tokens

ISSUER = "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
HOST_PATH = ISSUER.removeprefix("https://")
AWS_ACCOUNT = "111122223333"
PROVIDER = f"arn:aws:iam::{AWS_ACCOUNT}:oidc-provider/{HOST_PATH}"
ROLE = f"arn:aws:iam::{AWS_ACCOUNT}:role/app"
ASSUMED = f"arn:aws:sts::{AWS_ACCOUNT}:assumed-role/app/irsa"
CLUSTER_ARN = f"arn:aws:eks:us-west-2:{AWS_ACCOUNT}:cluster/blue"
POLICY = f"arn:aws:iam::{AWS_ACCOUNT}:policy/app"
TOKEN_FILE = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"
# The word by which a test knows hostile text again.
MARK = "EVIL"
# What stands before the mark makes it a line, a word of ours, or a command of its own.
DANGERS = (
    *("\n", "\r", "\r\n", "\x0b", "\x0c", "\x85", "\u2028", "\u2029", "\n::error::", "\n##[error]", "\nfix: ", "\x00"),
    *("\n    found:    ", "\n    do:       ", "  expected: ", "  do: "),
    *("\x1b[2K\x1b[1G", "\x1b]0;", "\x9b2K", "\x7f", "\b\b\b", "\u202e", "\u2066", "\u200b", "\ufeff", "\ud800"),
    *("; fix: ", "; expected ", "; found ", ": ok; ", "; ", "| ", "|| ", "&& ", "& ", "> ", "< ", "$(", "`", "${", "$"),
    *(
        *("' ; ", "'; ", '"; ', '" ; ', "'$(", '"$(', "`; ", "\\", "#", "# ", "-", "--", "!", "~", "*", "%0A", "&#10;"),
        "]]>",
    ),
    *("</failure>", "<!--", " ", "  ", ", ", ": ", " -> ", "{", "}", "{0}", "{fix}", "%s", "[red]", "[/]"),
)


class State:
    """What there is: an exported state, an AWS account, a cluster, and what STS answers; all is as it is declared.

    A test puts somebody's text in the place of one of these.
    """

    def __init__(self) -> None:
        self.context, self.identity = "context", ASSUMED
        self.exported = exported()
        self.hostile_trust = trust()
        self.live_role: dict[str, Any] | None = {
            "Arn": ROLE,
            "RoleName": "app",
            "RoleId": "AROAEXAMPLE",
            "Path": "/",
            "Description": "",
            "MaxSessionDuration": 3600,
            "Tags": [{"Key": "k", "Value": "v"}],
            "AssumeRolePolicyDocument": trust(),
        }
        self.attached, self.inline = [POLICY], ["inline"]
        self.documents = {name: permissions() for name in ("managed", "inline")}
        self.client_ids: list[str] | None = ["sts.amazonaws.com"]
        self.annotations: dict[str, str] | None = {"eks.amazonaws.com/role-arn": ROLE}
        self.service_accounts = ["web:app"]
        self.pods = [pod()]
        self.association: dict[str, Any] | None = None
        self.nobody_there = False
        self.server_error = ""
        self.refusal: tuple[str, str] | None = None
        self.aws_error: tuple[str, str] | None = None


def exported() -> dict[str, Any]:
    urn, type_ = "urn:pulumi:dev::irsa::", "irsa:index:ServiceAccountRole"
    parent = f"{urn}{type_}::app"
    outputs = {
        "roleArn": ROLE,
        "annotations": {"eks.amazonaws.com/role-arn": ROLE},
        "namespace": "web",
        "serviceAccountName": "app",
        "createsServiceAccount": True,
        "policyArns": [POLICY],
        "subjects": ["web:app"],
        "trustPolicy": json.dumps(trust()),
        "roleName": "app",
        "policyDocuments": {POLICY: json.dumps(permissions())},
        "inlinePolicies": {"inline": json.dumps(permissions())},
        "roleSettings": {},
    }

    def child(kind: str, inputs: Any, outputs: Any) -> dict[str, Any]:
        return {"urn": f"{parent}-{kind}", "type": kind, "parent": parent, "inputs": inputs, "outputs": outputs}

    resources = [
        {"urn": f"{urn}pulumi:pulumi:Stack::irsa-dev", "type": "pulumi:pulumi:Stack"},
        {"urn": parent, "type": type_, "outputs": outputs},
        child("kubernetes:core/v1:ServiceAccount", {"metadata": {"name": "app", "namespace": "web"}}, {}),
        child("aws:iam/role:Role", {}, {"name": "app", "arn": ROLE}),
        child("aws:iam/policy:Policy", {}, {"arn": POLICY}),
    ]
    return {"deployment": {"resources": resources}}


def pod() -> dict[str, Any]:
    env = {"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": TOKEN_FILE, "VARIABLE": "x"}
    variables = [{"name": name, "value": value} for name, value in env.items()]
    token = {"serviceAccountToken": {"audience": "sts.amazonaws.com"}}
    return {
        "metadata": {
            "name": "web-0",
            "namespace": "web",
            "labels": {"pod-template-hash": "5d4f", "label": "x"},
            "annotations": {"eks.amazonaws.com/skip-containers": "none"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "web", "apiVersion": "apps/v1", "controller": True}],
        },
        "spec": {
            "containers": [{"name": name, "env": deepcopy(variables)} for name in ("main", "side")],
            "volumes": [{"name": "t", "projected": {"sources": [token]}}, {"name": "other"}],
        },
        "status": {"phase": "Running"},
    }


def trust() -> dict[str, Any]:
    condition = {
        "StringEquals": {f"{HOST_PATH}:aud": "sts.amazonaws.com"},
        "StringLike": {f"{HOST_PATH}:sub": ["system:serviceaccount:web:app", "system:serviceaccount:web:o*"]},
    }
    return document(of_tokens(PROVIDER, condition))


def permissions() -> dict[str, Any]:
    return document(
        {"Sid": "Read", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::my-bucket/*"}
    )


# The two APIs, below irsa's own code


class Session:
    """boto3's session, for an account that has what the case says."""

    def __init__(self, state: State, **names: Any) -> None:
        self.state, self.region_name = state, names.get("region_name") or "us-west-2"

    def client(self, _: str, **__: Any) -> "Client":
        return Client(self.state)


class Client:
    """boto3's clients of IAM, STS and EKS, as far as something only reads."""

    def __init__(self, state: State) -> None:
        self.state, self.meta = state, SimpleNamespace(events=HierarchicalEmitter())

    def get_caller_identity(self) -> dict[str, str]:
        return {"Account": AWS_ACCOUNT, "Arn": self.state.identity}

    def assume_role_with_web_identity(self, WebIdentityToken: str, **_: Any) -> dict[str, Any]:  # noqa: N803 (AWS's name)
        claims = json.loads(base64.urlsafe_b64decode(WebIdentityToken.split(".")[1] + "=="))
        if claims["sub"] != "system:serviceaccount:web:app" or claims["aud"] != ["sts.amazonaws.com"]:
            self._fail("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
        if self.state.refusal:
            self._fail(*self.state.refusal)
        return {"AssumedRoleUser": {"Arn": self.state.identity}}

    def get_role(self, **_: Any) -> dict[str, Any]:
        return {"Role": self._known(self.state.live_role)}

    def get_role_policy(self, **_: Any) -> dict[str, Any]:
        return {"PolicyDocument": self.state.documents["inline"]}

    def get_policy(self, **_: Any) -> dict[str, Any]:
        return {"Policy": {"Arn": POLICY, "DefaultVersionId": "v1"}}

    def get_policy_version(self, **_: Any) -> dict[str, Any]:
        return {"PolicyVersion": {"Document": self.state.documents["managed"]}}

    def get_open_id_connect_provider(self, **_: Any) -> dict[str, Any]:
        return {"ClientIDList": self._known(self.state.client_ids)}

    def get_account_summary(self) -> dict[str, Any]:
        return {"SummaryMap": {"Roles": 1, "Policies": 1}}

    def describe_cluster(self, **_: Any) -> dict[str, Any]:
        return {"cluster": {"status": "ACTIVE", "arn": CLUSTER_ARN, "identity": {"oidc": {"issuer": ISSUER}}}}

    def describe_pod_identity_association(self, **_: Any) -> dict[str, Any]:
        return {"association": self._known(self.state.association)}

    def get_paginator(self, operation: str) -> "Pages":
        return Pages(self.state, operation)

    def _known(self, value: Any) -> Any:
        if self.state.aws_error:
            self._fail(*self.state.aws_error)
        if value is None:
            self._fail("NoSuchEntity", "there is none")
        return value

    @staticmethod
    def _fail(code: str, message: str) -> None:
        raise ClientError({"Error": {"Code": code, "Message": message}}, "Operation")


class Pages:
    """boto3's paginators of IAM and EKS."""

    def __init__(self, state: State, operation: str) -> None:
        self.state, self.operation = state, operation

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        state, roles = self.state, [self.state.live_role] if self.state.live_role else []
        policies = [{"PolicyArn": arn, "PolicyName": arn} for arn in state.attached]
        inline = [{"PolicyName": name, "PolicyDocument": state.documents["inline"]} for name in state.inline]
        version = {"VersionId": "v1", "IsDefaultVersion": True, "Document": state.documents["managed"]}
        if self.operation == "list_clusters":
            return [{"clusters": ["blue"]}]
        if self.operation == "list_pod_identity_associations":
            return [{"associations": [state.association] if state.association else []}]
        if self.operation == "list_roles":
            return [{"Roles": roles}]
        if self.operation == "get_account_authorization_details":
            details = [{**role, "AttachedManagedPolicies": policies, "RolePolicyList": inline} for role in roles]
            managed = {"Arn": POLICY, "DefaultVersionId": "v1", "PolicyVersionList": [version]}
            return [{"RoleDetailList": details, "Policies": [managed]}]
        return [{"AttachedPolicies": policies, "PolicyNames": state.inline}]


class Http:
    """lightkube's HTTP client, for a cluster that has what the case says."""

    auth = None

    def __init__(self, state: State) -> None:
        self.state = state

    def request(self, method: str, path: str, **values: Any) -> httpx2.Response:
        path, state = urlsplit(path).path, self.state
        if state.nobody_there:
            raise httpx2.ConnectError("connection refused")
        if state.server_error:
            return self._answer({"kind": "Status", "message": state.server_error}, 403)
        if method == "POST":
            return self._token(path.split("/")[-2], values["json"]["spec"]["audiences"])
        pairs = (each.split(":", 1) for each in state.service_accounts)
        listed = [*pairs] if state.annotations is not None else [pair for pair in pairs if pair != ["web", "app"]]
        names: list[dict[str, Any]] = [
            {"metadata": {"namespace": namespace, "name": name, "annotations": state.annotations}}
            for namespace, name in listed
            if "/namespaces/" not in path or f"/namespaces/{namespace}/" in path
        ]
        lists: dict[str, dict[str, Any]] = {
            "openid-configuration": {"issuer": ISSUER},
            "pods": {"kind": "PodList", "items": state.pods},
            "serviceaccounts": {"kind": "ServiceAccountList", "items": names, "metadata": {}},
        }
        last = path.rpartition("/")[2]
        if last in lists:
            return self._answer(lists[last])
        if state.annotations is None:
            return self._answer({"kind": "Status", "reason": "NotFound", "message": "not found"}, 404)
        return self._answer({"metadata": {"name": "app", "namespace": "web", "annotations": state.annotations}})

    def _token(self, name: str, audiences: list[str]) -> httpx2.Response:
        claims = {"iss": ISSUER, "sub": f"system:serviceaccount:web:{name}", "aud": audiences}
        payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        return self._answer({"status": {"token": f"e30.{payload}.x"}}, 201)

    @staticmethod
    def _answer(body: Mapping[str, Any], code: int = 200) -> httpx2.Response:
        return httpx2.Response(code, content=json.dumps(body).encode())


def kubeconfig(context: str) -> str:
    return json.dumps(
        {
            "current-context": context,
            "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:9"}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": context, "context": {"cluster": "c", "user": "u"}}],
        }
    )


TRUST = Path("trust.json")
OFFLINE = ["explain", "web/app", ROLE, "--trust", str(TRUST), "--issuer", ISSUER]
SUBCOMMANDS = (["verify", "--pods"], ["prove"], ["explain", "web/app", ROLE], ["explain", "web/app"], OFFLINE)


def live(state: State, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the state where pulumi, AWS and the cluster are asked."""
    (folder / "kubeconfig").write_text(kubeconfig(state.context))
    (folder / TRUST).write_text(json.dumps(state.hostile_trust))
    # They read the packages' metadata each time, and have tests of their own.
    monkeypatch.setattr("irsa_cli.subcommands.require_one_version", lambda: None)
    monkeypatch.setattr("irsa_cli.subcommands.version", lambda _: "")
    answer = CompletedProcess([], 0, json.dumps(state.exported), "")
    monkeypatch.setattr("irsa_world.state.pulumi._run", lambda *_, **__: answer)
    # Below it, botocore registers 120 handlers for each session, which takes most of the time of a question.
    monkeypatch.setattr("irsa_world.live.aws._session", lambda _, **names: Session(state, **names))
    monkeypatch.setattr("irsa_world.live.connection.HttpClient", lambda *_: Http(state))
