"""The stand-in of EKS's Pod identity webhook, against the Pods of the webhook's own tests.

https://github.com/aws/amazon-eks-pod-identity-webhook/tree/master/pkg/handler/testdata, and for the values on EKS
https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html
"""

from typing import Any

import pytest

from sandbox.pod_identity_webhook import injected
from tests.world import OF_AGENT

EKS, ROLE = "eks.amazonaws.com", "arn:aws:iam::111122223333:role/s3-reader"
ANNOTATED = {f"{EKS}/role-arn": ROLE}
TOKEN = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"
REGIONAL, REGION = (
    {"AWS_STS_REGIONAL_ENDPOINTS": "regional"},
    {"AWS_DEFAULT_REGION": "us-west-2", "AWS_REGION": "us-west-2"},
)
OF_IRSA = {"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": TOKEN}
SETTINGS = {f"{EKS}/audience": "vault", f"{EKS}/token-expiration": "10000", f"{EKS}/sts-regional-endpoints": "false"}
SOONER, OWN = {f"{EKS}/token-expiration": "7200"}, {"AWS_ROLE_ARN": "other", "AWS_REGION": "eu-west-1"}
IRSA_TOKEN = {"aws-iam-token": ("sts.amazonaws.com", 86400)}
POD_TOKEN = {"eks-pod-identity-token": ("pods.eks.amazonaws.com", 86400)}


def pod(annotations: dict[str, str], own: dict[str, str]) -> dict[str, Any]:
    env = [{"name": name, "value": value} for name, value in own.items()]
    containers = [{"name": name, "image": "amazonlinux", **({"env": env} if env else {})} for name in ("app", "proxy")]
    spec = {"serviceAccountName": "default", "containers": containers, "initContainers": containers[:1]}
    return {
        "metadata": {"name": "app", "annotations": {**annotations, f"{EKS}/skip-containers": "proxy"}},
        "spec": spec,
    }


# The service account's annotations, whether it has an association, the Pod's annotations and variables; and what the
# Pod has then: variables, and its tokens with audience and expiration.
CASES: list[tuple[Any, bool, Any, Any, Any, Any]] = [
    ({}, False, {}, {}, {}, {}),
    ({f"{EKS}/role-arn": ""}, False, {}, {}, {}, {}),
    (ANNOTATED, False, {}, {}, REGIONAL | REGION | OF_IRSA, IRSA_TOKEN),
    # An association wins: aws/amazon-eks-pod-identity-webhook#189.
    ({}, True, {}, {}, REGIONAL | REGION | OF_AGENT, POD_TOKEN),
    (ANNOTATED, True, {}, {}, REGIONAL | REGION | OF_AGENT, POD_TOKEN),
    # What a container has wins: one of a pair keeps the other away, and the other way is added.
    (ANNOTATED, False, {}, OWN, OWN | REGIONAL, IRSA_TOKEN),
    (ANNOTATED, True, {}, OWN, OWN | REGIONAL | OF_AGENT, POD_TOKEN),
    (ANNOTATED | SETTINGS, False, {}, {}, REGION | OF_IRSA, {"aws-iam-token": ("vault", 10000)}),
    (
        ANNOTATED | SETTINGS,
        True,
        SOONER,
        {},
        REGION | OF_AGENT,
        {"eks-pod-identity-token": ("pods.eks.amazonaws.com", 7200)},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_a_pod_gets(case: tuple[Any, bool, Any, Any, Any, Any]) -> None:
    account, associated, annotations, own, variables, tokens = case
    given = pod(annotations, own)
    changed = injected(given, account, has_association=associated)
    assert given == pod(annotations, own)
    # A webhook may be called again.
    assert injected(changed, account, has_association=associated) == changed
    spec = changed["spec"]
    (app, proxy), (init,) = spec["containers"], spec["initContainers"]
    assert [{each["name"]: each["value"] for each in one.get("env", [])} for one in (app, init)] == [variables] * 2
    assert proxy == given["spec"]["containers"][1]
    sources = {each["name"]: each["projected"]["sources"][0] for each in spec.get("volumes", [])}
    found = {name: source["serviceAccountToken"] for name, source in sources.items()}
    assert {name: (each["audience"], each["expirationSeconds"]) for name, each in found.items()} == tokens
    files = {f"{each['mountPath']}/{found[each['name']]['path']}" for each in app.get("volumeMounts", [])}
    assert files == {{"aws-iam-token": TOKEN}.get(name, [*OF_AGENT.values()][1]) for name in tokens}
    enabled = changed["metadata"].get("labels", {}).get(f"{EKS}/pod-identity")
    assert enabled == ("enabled" if associated else None)
