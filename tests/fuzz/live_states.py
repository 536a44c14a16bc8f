"""A stack, an AWS account and a cluster whose names, documents, Pods and answers are written by somebody hostile.

Whoever may create a Pod chooses its names, owners, labels and variables; whoever may write in the AWS account chooses
names, Sids and tags; a server chooses its errors. Their shapes are those of the APIs, their texts are anything.
"""

import base64
import json
import random
from collections.abc import Mapping
from copy import deepcopy
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import httpx2
from botocore.exceptions import ClientError
from botocore.hooks import HierarchicalEmitter

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
KINDS = ("ReplicaSet", "Deployment", "StatefulSet", "DaemonSet", "Job", "Node")
OPERATORS = (
    *("StringEquals", "StringLike", "StringNotEquals", "ForAnyValue:StringEquals", "Null", "IpAddress", "ArnLike"),
    "Bool",
)


class Hostile:
    """The choices of one case: every tenth state is as declared, and the others hold hostile texts."""

    def __init__(self, chance: random.Random) -> None:
        self.chance, self.calm = chance, chance.random() < 0.1

    def text(self, harmless: str, share: float = 0.25) -> str:
        """Return the harmless text, or one with hostile text instead of it, behind it, or in front of it."""
        if not self.happens(share):
            return harmless
        evil = "".join(self.chance.choice(DANGERS) + MARK for _ in range(self.chance.randint(1, 2)))
        return self.chance.choice((evil, f"{harmless}{evil}", f"{MARK}{evil}", f"{harmless}{evil}{harmless}"))

    def some(self, harmless: str, most: int = 2) -> list[str]:
        return [] if self.calm else [self.text(f"{harmless}{n}", 0.5) for n in range(self.chance.randint(0, most))]

    def happens(self, share: float) -> bool:
        """Return whether something is not as declared, which it is in this share of the other states."""
        return not self.calm and self.chance.random() < share

    def maybe(self, value: Any, share: float) -> Any:
        return value if self.happens(share) else None

    def one(self, declared: Any, *others: Any) -> Any:
        """Return the declared value, or one of the others as often as it."""
        return declared if self.calm else self.chance.choice((declared, *others))


class State:
    """What one case has: an exported state, an AWS account, a cluster, and what STS answers."""

    def __init__(self, seed: int, number: int) -> None:
        hostile = self.hostile = Hostile(random.Random(f"{seed}/{number}"))
        self.own_role = hostile.chance.random() < 0.8
        self.created = hostile.chance.random() < 0.7
        self.context = hostile.text("context", 0.1)
        self.declared_trust = trust()
        self.declared_policy = permissions()
        self.exported = self._exported()
        self.hostile_trust = self._document(trust())
        self.live_role = self._live_role()
        self.attached = [*hostile.one([POLICY], [POLICY], []), *hostile.some(f"arn:aws:iam::{AWS_ACCOUNT}:policy/")]
        self.inline = [*hostile.one(["inline"], ["inline"], []), *hostile.some("inline")]
        self.documents = {name: self._document(permissions()) for name in ("managed", "inline")}
        self.client_ids = hostile.one(["sts.amazonaws.com"], ["sts.amazonaws.com"], hostile.some("audience"), None)
        self.annotations = self._annotations()
        self.service_accounts = ["web:app", *(f"web:{name}" for name in hostile.some("other"))]
        self.pods = [self._pod(number) for number in range(hostile.chance.randint(0, 2))]
        self.identity = hostile.text(ASSUMED, 0.1)
        self.refusal = hostile.maybe(
            (
                hostile.one("AccessDenied", "InvalidIdentityToken", "ExpiredTokenException", hostile.text("Other")),
                hostile.text(hostile.one("No OpenIDConnect provider found", "Incorrect token audience", "x")),
            ),
            0.4,
        )
        # Lists of IAM are asked for in most cases, and questions one by one in the others.
        self.size = hostile.chance.choice((1, 1, 1, 1_000))
        self.nobody_there = hostile.happens(0.05)
        self.server_error = hostile.maybe(hostile.text("the server is out of order", 0.7), 0.1)
        self.association = hostile.maybe(self._association(), 0.5)
        self.aws_error = hostile.maybe((hostile.text("Denied"), hostile.text("you may not", 0.7)), 0.1)

    # What the stack declares

    def _exported(self) -> dict[str, Any]:
        urn = "urn:pulumi:dev::irsa::"
        type_ = "irsa:index:ServiceAccountRole"
        annotations = {"eks.amazonaws.com/role-arn": ROLE}
        outputs: dict[str, Any] = {
            "roleArn": ROLE,
            "annotations": annotations,
            "namespace": "web",
            "serviceAccountName": "app",
            "createsServiceAccount": self.created,
            "policyArns": [POLICY],
        }
        made = {
            "subjects": self.hostile.one(["web:app"], ["web:app", "web:o*"]),
            "trustPolicy": json.dumps(self.declared_trust),
            "roleName": "app",
            "policyDocuments": {POLICY: json.dumps(self.declared_policy)},
            "inlinePolicies": {"inline": json.dumps(self.declared_policy)},
        }
        parent = f"{urn}{type_}::app"

        def child(kind: str, inputs: Any, outputs: Any) -> dict[str, Any]:
            return {"urn": f"{parent}-{kind}", "type": kind, "parent": parent, "inputs": inputs, "outputs": outputs}

        service_account_type = "kubernetes:core/v1:ServiceAccount" + ("" if self.created else "Patch")
        resources = [
            {"urn": f"{urn}pulumi:pulumi:Stack::irsa-dev", "type": "pulumi:pulumi:Stack"},
            {"urn": parent, "type": type_, "outputs": outputs | (made if self.own_role else {})},
            child(service_account_type, {"metadata": {"name": "app", "namespace": "web"}}, {}),
        ]
        if self.own_role:
            resources.append(child("aws:iam/role:Role", {}, {"name": "app", "arn": ROLE}))
            resources.append(child("aws:iam/policy:Policy", {}, {"arn": POLICY}))
        return {"deployment": {"resources": resources}}

    # What AWS has

    def _live_role(self) -> dict[str, Any] | None:
        hostile = self.hostile
        role = {
            "Arn": hostile.text(ROLE, 0.05),
            "RoleName": "app",
            "RoleId": "AROAEXAMPLE",
            "Path": hostile.text("/", 0.2),
            "Description": hostile.text("", 0.2),
            "MaxSessionDuration": hostile.one(3600, 3600, 43200),
            "Tags": [{"Key": hostile.text("k"), "Value": hostile.text("v")} for _ in range(2)],
            "AssumeRolePolicyDocument": self._document(trust()),
        }
        boundary = hostile.maybe(hostile.text(POLICY, 0.5), 0.3)
        if boundary:
            role["PermissionsBoundary"] = {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": boundary}
        return None if hostile.happens(0.1) else role

    def _association(self) -> dict[str, Any]:
        hostile = self.hostile
        return {
            "clusterName": "blue",
            "namespace": "web",
            "serviceAccount": "app",
            "roleArn": hostile.text(ROLE),
            "associationArn": f"arn:aws:eks:us-west-2:{AWS_ACCOUNT}:podidentityassociation/blue/{hostile.text('a-1')}",
            "associationId": hostile.text("a-1"),
            "tags": {hostile.text("team"): hostile.text("payments")},
            "disableSessionTags": hostile.one(False, True),
            "ownerArn": hostile.one("", hostile.text(f"arn:aws:eks:us-west-2:{AWS_ACCOUNT}:addon/blue/driver/1", 0.7)),
            "targetRoleArn": hostile.one("", "", hostile.text(ROLE)),
            "policy": hostile.one("", hostile.text("{}", 0.7)),
            "externalId": hostile.text("us-west-2/blue/web/app"),
        }

    def _document(self, document: dict[str, Any]) -> dict[str, Any]:
        """Return a document with hostile texts as Sid, values, keys and operators."""
        hostile = self.hostile
        for _ in range(hostile.one(0, 1, 1, 2)):
            statement = hostile.one(*document["Statement"])
            change = hostile.one("sid", "condition", "key", "operator", "principal", "action", "pods", "more")
            if change == "sid":
                statement["Sid"] = hostile.text("Sid", 0.8)
            elif change == "condition":
                values = [hostile.text("value", 0.6), hostile.text("value", 0.6)]
                statement.setdefault("Condition", {})[hostile.one(*OPERATORS)] = {"aws:username": values}
            elif change == "key":
                key = hostile.one(
                    f"{HOST_PATH}:sub", hostile.text("aws:username", 0.7), hostile.text(f"{HOST_PATH}:sub")
                )
                statement.setdefault("Condition", {})["StringLike"] = {
                    key: hostile.text("system:serviceaccount:*", 0.5)
                }
            elif change == "operator":
                statement.setdefault("Condition", {})[hostile.text("StringEquals", 0.8)] = {"aws:username": "x"}
            elif change == "principal" and "Principal" in statement:
                kind = hostile.one("Federated", "AWS", "Service", hostile.text("CanonicalUser"))
                statement["Principal"] = {kind: hostile.text(PROVIDER, 0.7)}
            elif change == "pods" and "Principal" in statement:
                statement["Principal"] = {"Service": "pods.eks.amazonaws.com"}
                statement["Action"] = ["sts:AssumeRole", hostile.text("sts:TagSession", 0.2)]
                tag = hostile.text("aws:RequestTag/kubernetes-namespace", 0.2)
                statement["Condition"] = {"StringEquals": {tag: hostile.text("web", 0.3)}}
            elif change == "action":
                statement["Action"] = [hostile.text("sts:AssumeRole", 0.7), hostile.text("s3:GetObject", 0.7)]
            else:
                more = deepcopy(statement)
                more["Sid"] = hostile.text("More", 0.8)
                document["Statement"].append(more)
        return document

    # What the cluster has

    def _annotations(self) -> dict[str, str] | None:
        hostile = self.hostile
        annotations = {"eks.amazonaws.com/role-arn": hostile.text(ROLE)}
        for key in ("audience", "sts-regional-endpoints", "token-expiration"):
            if hostile.happens(0.2):
                annotations[f"eks.amazonaws.com/{key}"] = hostile.text("x", 0.7)
        for _ in range(hostile.one(0, 0, 1, 2)):
            key = hostile.one("eks.amazonaws.com/", "eks.amazonaws.com/rol-arn", "eks.aws.com/role-arn", "example.com/")
            annotations[hostile.text(key, 0.8)] = hostile.text("x", 0.7)
        return None if hostile.happens(0.1) else annotations

    def _pod(self, number: int) -> dict[str, Any]:
        hostile = self.hostile
        environment = [
            {"name": name, "value": hostile.text(value, 0.4)}
            for name, value in (("AWS_ROLE_ARN", ROLE), ("AWS_WEB_IDENTITY_TOKEN_FILE", TOKEN_FILE))
            if not hostile.happens(0.2)
        ]
        environment += [{"name": hostile.text("VARIABLE"), "value": hostile.text("x")}]
        containers = [
            {"name": hostile.text("main"), "env": environment},
            {"name": hostile.text("side"), **hostile.one({"env": environment}, {})},
        ]
        template = hostile.text("5d4f", 0.1)
        owner = {
            "kind": hostile.one(*KINDS, hostile.text("Custom", 0.8)),
            "name": hostile.one(hostile.text("web", 0.6), hostile.text("web", 0.6) + f"-{template}"),
            "apiVersion": "apps/v1",
            "controller": hostile.one(True, True, True, False),
        }
        audience = hostile.text("sts.amazonaws.com")
        return {
            "metadata": {
                "name": hostile.text(f"web-{number}", 0.3),
                "namespace": "web",
                "labels": {"pod-template-hash": template, hostile.text("label"): hostile.text("x")},
                "annotations": {"eks.amazonaws.com/skip-containers": hostile.text("none")},
                "ownerReferences": hostile.one([owner], [owner], []),
            },
            "spec": {
                "containers": containers,
                "volumes": [
                    {"name": "t", "projected": {"sources": [{"serviceAccountToken": {"audience": audience}}]}},
                    {"name": hostile.text("other")},
                ],
            },
            "status": {"phase": "Running"},
        }


def trust() -> dict[str, Any]:
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": PROVIDER},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {f"{HOST_PATH}:aud": "sts.amazonaws.com"},
            "StringLike": {f"{HOST_PATH}:sub": ["system:serviceaccount:web:app", "system:serviceaccount:web:o*"]},
        },
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def permissions() -> dict[str, Any]:
    statement = {"Sid": "Read", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::my-bucket/*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


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
        return {"Credentials": dict.fromkeys(("AccessKeyId", "SecretAccessKey", "SessionToken"), "x")}

    def get_role(self, **_: Any) -> dict[str, Any]:
        return {"Role": self._known(self.state.live_role)}

    def get_role_policy(self, **_: Any) -> dict[str, Any]:
        return {"PolicyDocument": self.state.documents["inline"]}

    def get_policy(self, **_: Any) -> dict[str, Any]:
        return {"Policy": {"DefaultVersionId": "v1"}}

    def get_policy_version(self, **_: Any) -> dict[str, Any]:
        return {"PolicyVersion": {"Document": self.state.documents["managed"]}}

    def get_open_id_connect_provider(self, **_: Any) -> dict[str, Any]:
        return {"ClientIDList": self._known(self.state.client_ids)}

    def get_account_summary(self) -> dict[str, Any]:
        return {"SummaryMap": {"Roles": self.state.size, "Policies": self.state.size}}

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
            "pods": {"items": state.pods},
            "serviceaccounts": {"items": names, "metadata": {}},
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
