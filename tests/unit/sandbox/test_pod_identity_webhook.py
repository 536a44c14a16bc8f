"""The stand-in of EKS's Pod identity webhook, against the Pods of the webhook's own tests.

https://github.com/aws/amazon-eks-pod-identity-webhook/tree/master/pkg/handler/testdata, and for the values on EKS
https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html
"""

from typing import Any

import pytest

from sandbox.pod_identity_webhook import injected

ROLE = "arn:aws:iam::111122223333:role/s3-reader"
ANNOTATIONS = {"eks.amazonaws.com/role-arn": ROLE}
TOKEN = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"
POD_TOKEN = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token"
REGION = {"AWS_STS_REGIONAL_ENDPOINTS": "regional", "AWS_DEFAULT_REGION": "us-west-2", "AWS_REGION": "us-west-2"}
OF_IRSA = {"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": TOKEN}
OF_POD_IDENTITY = {
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": POD_TOKEN,
}


def pod(*, annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    container = {"name": "app", "image": "amazonlinux", **spec.pop("container", {})}
    return {
        "metadata": {"name": "app", "annotations": annotations or {}},
        "spec": {"serviceAccountName": "default", "containers": [container], **spec},
    }


def variables(changed: dict[str, Any], kind: str = "containers", number: int = 0) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in changed["spec"][kind][number].get("env", [])}


def tokens(changed: dict[str, Any]) -> dict[str, Any]:
    """Return the projected token of each volume."""
    volumes = changed["spec"].get("volumes", [])
    return {each["name"]: each["projected"]["sources"][0]["serviceAccountToken"] for each in volumes}


def test_a_service_account_with_neither_is_left_alone() -> None:
    """Protects Pods of others: nothing is added, and an empty role is none."""
    assert injected(pod(), {}, has_association=False) == pod()
    assert injected(pod(), {"eks.amazonaws.com/role-arn": ""}, has_association=False) == pod()


def test_irsa() -> None:
    """Protects the annotation's way: variables, the token's volume and its mount."""
    changed = injected(pod(), ANNOTATIONS, has_association=False)
    assert variables(changed) == {**REGION, **OF_IRSA}
    assert tokens(changed) == {
        "aws-iam-token": {"audience": "sts.amazonaws.com", "expirationSeconds": 86400, "path": "token"}
    }
    mount = {"name": "aws-iam-token", "readOnly": True, "mountPath": TOKEN.removesuffix("/token")}
    assert changed["spec"]["containers"][0]["volumeMounts"] == [mount]


@pytest.mark.parametrize("annotations", [{}, ANNOTATIONS])
def test_an_association_wins(annotations: dict[str, str]) -> None:
    """Protects webhook#189: with an association it gets container credentials only, annotated or not."""
    changed = injected(pod(), annotations, has_association=True)
    assert variables(changed) == {**REGION, **OF_POD_IDENTITY}
    token = {"audience": "pods.eks.amazonaws.com", "expirationSeconds": 86400, "path": "eks-pod-identity-token"}
    assert tokens(changed) == {"eks-pod-identity-token": token}
    assert changed["metadata"]["labels"] == {"eks.amazonaws.com/pod-identity": "enabled"}


@pytest.mark.parametrize("has_association", [False, True])
def test_init_containers_get_the_same_and_skipped_ones_nothing(has_association: bool) -> None:
    """Protects who looks at all containers: init containers count, and those that the Pod's annotation names do not."""
    skipping = {"eks.amazonaws.com/skip-containers": "proxy"}
    init = [{"name": "init", "image": "amazonlinux"}, {"name": "proxy", "image": "amazonlinux"}]
    changed = injected(pod(annotations=skipping, initContainers=init), ANNOTATIONS, has_association)
    assert variables(changed, "initContainers", 0) == variables(changed) != {}
    assert changed["spec"]["initContainers"][1] == init[1]


def test_what_a_container_has_wins() -> None:
    """Protects Pods with variables of their own: one of a pair keeps the other away, and the other way is added."""
    own = [{"name": "AWS_ROLE_ARN", "value": "other"}, {"name": "AWS_REGION", "value": "eu-west-1"}]
    given = pod(container={"env": own})
    regional = {"AWS_STS_REGIONAL_ENDPOINTS": "regional"}
    kept = {"AWS_ROLE_ARN": "other", "AWS_REGION": "eu-west-1", **regional}
    assert variables(injected(given, ANNOTATIONS, has_association=False)) == kept
    assert variables(injected(given, ANNOTATIONS, has_association=True)) == {**kept, **OF_POD_IDENTITY}


def test_settings_of_the_service_account() -> None:
    """Protects audience, expiration and the regional endpoint: the Pod's expiration wins over the account's."""
    settings = {
        **ANNOTATIONS,
        "eks.amazonaws.com/audience": "vault",
        "eks.amazonaws.com/token-expiration": "10000",
        "eks.amazonaws.com/sts-regional-endpoints": "false",
    }
    irsa = injected(pod(), settings, has_association=False)
    assert tokens(irsa)["aws-iam-token"] == {"audience": "vault", "expirationSeconds": 10000, "path": "token"}
    assert "AWS_STS_REGIONAL_ENDPOINTS" not in variables(irsa)
    sooner = pod(annotations={"eks.amazonaws.com/token-expiration": "7200"})
    token = tokens(injected(sooner, settings, has_association=True))["eks-pod-identity-token"]
    assert (token["audience"], token["expirationSeconds"]) == ("pods.eks.amazonaws.com", 7200)


@pytest.mark.parametrize("has_association", [False, True])
def test_a_pod_that_went_through_comes_out_the_same(has_association: bool) -> None:
    """Protects re-invocation: a webhook may be called again; the given manifest is not changed."""
    given = pod(volumes=[])
    once = injected(given, ANNOTATIONS, has_association)
    assert injected(once, ANNOTATIONS, has_association) == once
    assert given == pod(volumes=[])
