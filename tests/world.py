"""The world of the command's tests: an IAM below the SDK, answers of AWS's services without one, and a whole cloud."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from moto import mock_aws
from moto.iam.models import IAMBackend
from moto.iam.responses import IamResponse

from irsa.rules.leaves import items_of
from irsa_world.model import Association, EksCluster, Role, ServiceAccount
from sandbox import missing_in_moto
from sandbox.faster_moto import replacements

ROOT = Path(__file__).parents[1]
# https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html
PODS: dict[str, Any] = {
    "Effect": "Allow",
    "Principal": {"Service": "pods.eks.amazonaws.com"},
    "Action": ["sts:AssumeRole", "sts:TagSession"],
}
# What the webhook injects where there is an association, and else:
# https://github.com/aws/amazon-eks-pod-identity-webhook/blob/master/pkg/containercredentials/config.go
# https://docs.aws.amazon.com/eks/latest/userguide/pod-configuration.html
OF_AGENT = {
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": (
        "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token"
    ),
}
OF_WEBHOOK = {
    "AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/my-role",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
}
CHANGED = (
    *((IAMBackend, name) for name in ("list_roles", "attach_role_policy", "delete_policy", "update_role")),
    (IamResponse, "get_account_authorization_details"),
)


def page_as_iam(patch: pytest.MonkeyPatch, page: int, add: Callable[[], None] = missing_in_moto.page_as_iam) -> None:
    """Have moto list this many at a time, as the sandbox runs it, and credentials of an AWS account that it has.

    Its classes are as before after the test.
    """
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_REGION"):
        patch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        patch.setenv(name, "x")
    patch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    for owner, name, replacement in replacements():
        patch.setattr(owner, name, replacement)
    for owner, name in CHANGED:
        patch.setattr(owner, name, vars(owner)[name])
    patch.setattr(missing_in_moto, "PAGE", page)
    add()


@contextmanager
def paged_iam(patch: pytest.MonkeyPatch, page: int) -> Iterator[Any]:
    """Yield a client of an IAM without roles that lists this many at a time."""
    page_as_iam(patch, page)
    with mock_aws():
        yield boto3.client("iam")


def aws_response(
    status: int, body: str | Mapping[str, Any], headers: Mapping[str, str] = {}, url: str = "https://iam.amazonaws.com/"
) -> AWSResponse:
    text = body if isinstance(body, str) else json.dumps(body)

    class Raw:
        def stream(self) -> Iterator[bytes]:
            yield text.encode()

    found = HTTPHeaders()
    for name, value in headers.items():
        found[name] = value
    return AWSResponse(url, status, found, Raw())


def refusal(status: int, code: str) -> AWSResponse:
    return aws_response(
        status, f"<ErrorResponse><Error><Code>{code}</Code><Message>No</Message></Error></ErrorResponse>"
    )


def program(file: Path, script: str) -> str:
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return str(file)


def document(*statements: Mapping[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [*statements]}


def of_tokens(provider: str, condition: Mapping[str, Any], **elements: Any) -> dict[str, Any]:
    """Return the statement of AWS's page: https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html."""
    action = "sts:AssumeRoleWithWebIdentity"
    allowed = {"Effect": "Allow", "Principal": {"Federated": provider}, "Action": action}
    return {**allowed, "Condition": condition, **elements}


def of_pods(cluster_arn: Any, namespace: str, name: str, operator: str = "StringEquals") -> dict[str, Any]:
    """Return the statement for one association: https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html."""
    tags = {"eks-cluster-arn": cluster_arn, "kubernetes-namespace": namespace, "kubernetes-service-account": name}
    return {**PODS, "Condition": {operator: {f"aws:RequestTag/{key}": value for key, value in tags.items()}}}


def documented(name: str) -> set[str]:
    """Return the actions that a policy of docs/permissions allows."""
    statements = json.loads((ROOT / "docs" / "permissions" / name).read_text())["Statement"]
    return {action for each in statements for action in items_of(each["Action"])}


class Place(NamedTuple):
    """The options of kubectl and of the AWS CLI: `Cloud` is a cluster and an AWS account."""

    context: str = ""
    kubeconfig: str = ""
    profile: str = ""
    region: str = ""


class Cloud:
    """An AWS account with EKS and a cluster, in the places of their clients; it is as a test says.

    Attributes:
        errors: What is answered instead, by the name of the question, or by what it is about.
        asked: How often each question was asked.
    """

    number, context, place = "111122223333", "test", Place()

    def __init__(self, *roles: Role, service_accounts: Iterable[ServiceAccount] = (), pods: Sequence[Any] = ()) -> None:
        """Take what there is; what else there may be is set later."""
        self.roles = {each.arn: each for each in roles}
        self.service_accounts = {str(each): each for each in service_accounts}
        self.providers: dict[str, Sequence[str]] = {}
        self.documents: dict[str, Any] = {}
        self.associations: dict[str, Association] = {}
        self.agent: str | None = "ACTIVE"
        self.eks_cluster: EksCluster | None = None
        self.pods_there = pods
        self.gone = set[str]()
        self.errors: dict[str, Exception] = {}
        self.asked = Counter[str]()

    def _answer(self, question: str, about: str, answer: Any) -> Any:
        self.asked[question] += 1
        if error := self.errors.get(question) or self.errors.get(about):
            raise error
        return answer

    def _role(self, name: str) -> Role | None:
        return next((each for each in self.roles.values() if each.name == name), None)

    @property
    def issuer(self) -> str:
        return str(self._answer("issuer", "issuer", "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"))

    def of(self, reference: str) -> Any:
        return self._answer("cluster", reference, self)

    def of_resource(self, *_: Any) -> Any:
        return self

    of_binding = eks = of_resource

    def of_arn(self, arn: str) -> Any:
        other = copy(self)
        other.number = arn.split(":")[4]
        return self if other.number == self.number else other if arn in self.roles else None

    def role(self, name: str) -> Role | None:
        found: Role | None = self._answer("role", name, self._role(name))
        return found

    def attached_policies(self, name: str) -> Any:
        role = self._role(name)
        return self._answer("attached policies", name, role and role.attached_policies)

    def inline_policies(self, name: str) -> Any:
        role = self._role(name)
        return self._answer("inline policies", name, role and [*role.inline_policies])

    def inline_document(self, role: str, name: str) -> Any:
        found = self._role(role)
        return self._answer("inline document", name, found and found.inline_policies.get(name))

    def document(self, arn: str) -> Any:
        return self._answer("document", arn, self.documents.get(arn))

    def read_service_accounts(self, *_: Any) -> None:
        """Read nothing beforehand."""

    def client_ids(self, arn: str) -> Any:
        return self._answer("provider", arn, self.providers.get(arn))

    def association(self, _: str, namespace: str, name: str) -> Any:
        return self._answer("association", name, self.associations.get(f"{namespace}/{name}"))

    def addon_status(self, cluster: str) -> Any:
        return self._answer("agent", cluster, self.agent)

    def cluster(self, name: str) -> Any:
        return self._answer("EKS cluster", name, self.eks_cluster)

    def service_account(self, namespace: str, name: str) -> Any:
        return self._answer("service account", name, self.service_accounts.get(f"{namespace}/{name}"))

    def has_namespace(self, name: str) -> Any:
        return None if "namespace" in self.errors else name not in self.gone

    def pods(self, *_: str) -> Any:
        return self._answer("pods", "pods", self.pods_there)
