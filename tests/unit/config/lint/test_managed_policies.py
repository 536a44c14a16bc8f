import json
import re
from typing import Any

import pytest

from irsa.evaluation.lint import managed_policies
from irsa.evaluation.lint.managed_policies import known, replaced
from irsa.rules.arns import POLICIES_WITH_A_PATH
from irsa_config.lint.permissions import WITH_SESSION_TAG
from tests.unit.config.lint.scene import APP, warnings
from tests.unit.irsa.add_ons.every_add_on import aws_managed

AWS = "arn:aws:iam::aws:policy/"
NAMED = {"name": "my-cluster"}


def advised(rule: str, binding: dict[str, Any], region: str | None = "us-west-2") -> dict[str, str]:
    return {place: mistake.fix for place, mistake in warnings(rule, {**APP, **binding}, region, cluster=NAMED)}


# https://docs.aws.amazon.com/aws-managed-policy/latest/reference/: the ARN on the page of each policy.
@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("AmazonEBSCSIDriverPolicy", "service-role/AmazonEBSCSIDriverPolicy"),
        ("service-role/AmazonS3ReadOnlyAccess", "AmazonS3ReadOnlyAccess"),
        ("aws-service-role/AmazonEFSCSIDriverPolicy", "service-role/AmazonEFSCSIDriverPolicy"),
        ("AmazonSQSReadonlyAcces", "AmazonSQSReadOnlyAccess"),
    ],
)
def test_a_policy_that_aws_does_not_have(written: str, meant: str) -> None:
    found = advised("unknown-managed-policy", {"policyArns": [AWS + written, AWS + meant]})

    assert [*found] == ["policyArns.0"]
    assert f"did you mean {AWS + meant!r}?" in found["policyArns.0"]
    assert f"`aws iam get-policy --policy-arn {AWS}{written}`" in found["policyArns.0"]


def test_a_boundary_that_aws_does_not_have() -> None:
    boundary = f"{AWS}OfNobodyAtAll"
    found = advised("unknown-managed-policy", {"role": {"permissionsBoundary": boundary}})

    assert [*found] == ["role.permissionsBoundary"]
    assert found["role.permissionsBoundary"].startswith("`aws iam get-policy")


@pytest.mark.parametrize(
    ("arn", "region"),
    [
        ("arn:aws-cn:iam::aws:policy/Unknown", "cn-north-1"),
        ("arn:aws-us-gov:iam::aws:policy/Unknown", "us-gov-west-1"),
        ("arn:${partition}:iam::aws:policy/Unknown", None),
        ("arn:aws:iam::111122223333:policy/Unknown", "us-west-2"),
    ],
)
def test_what_the_list_does_not_say(monkeypatch: pytest.MonkeyPatch, arn: str, region: str | None) -> None:
    monkeypatch.setattr(managed_policies, "known", None)
    monkeypatch.setattr(managed_policies, "replaced", None)

    for rule in ("unknown-managed-policy", "replaced-managed-policy"):
        assert advised(rule, {"policyArns": [arn]}, region) == {}


def test_a_policy_that_a_newer_one_replaces() -> None:
    old, new = "service-role/AmazonEBSCSIDriverPolicy", "AmazonEBSCSIDriverPolicyV2"
    of_app = advised("replaced-managed-policy", {"policyArns": [AWS + old, AWS + new]})
    driver = {"serviceAccount": {"name": "ebs-csi-controller-sa", "namespace": "kube-system"}}
    of_driver = advised("replaced-managed-policy", {**driver, "policyArns": [AWS + old]})

    assert of_app == {"policyArns.0": f"write {AWS}{new}"}
    assert of_driver["policyArns.0"].startswith(f"write {AWS}{new}; or, in its place, `policies: [{{addOn: ebs-csi")


def test_the_lists_agree() -> None:
    assert len(known().keys) > 1_500
    assert {*POLICIES_WITH_A_PATH.values()} <= known().keys
    for old, new in replaced().items():
        assert new.keys() == {"by", "date", "source", "why"}, old
        assert new["by"] in known().keys
        assert new["by"] not in replaced()
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", new["date"])
        assert new["source"].startswith("https://")


def test_a_policy_for_sessions_with_tags() -> None:
    """Source: the documents of AWS's managed policies, as the package moto has them."""
    name = "AmazonEBSCSIDriverEKSClusterScopedPolicy"
    arns = {"policyArns": [AWS + name]}
    assert [*advised("session-tag-policy", {**arns, "identity": "both"})] == ["policyArns.0"]
    assert advised("session-tag-policy", {**arns, "identity": "podIdentity"}) == {}
    tagged = {"role": {"tags": {"eks-cluster-name": "my-cluster"}}}
    assert advised("session-tag-policy", {**arns, **tagged}) == {}

    compared = {
        key: set(re.findall(r"aws:PrincipalTag/((?:eks|kubernetes)-[\w-]+)", json.dumps(policy)))
        for key, policy in aws_managed().items()
    }
    assert {key: {tag} for key, tag in WITH_SESSION_TAG.items()} == {
        key: tags for key, tags in compared.items() if tags
    }
