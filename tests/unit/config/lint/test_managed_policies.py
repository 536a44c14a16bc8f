import json
import re
from pathlib import Path
from typing import Any

import pytest

from irsa.evaluation.lint import managed_policies
from irsa.evaluation.lint.managed_policies import known, replaced
from irsa.rules.arns import POLICIES_WITH_A_PATH
from irsa_config.lint.permissions import WITH_SESSION_TAG
from irsa_program.examine import examine
from tests.unit.irsa.add_ons.every_add_on import aws_managed

AWS = "arn:aws:iam::aws:policy/"
APP = {"serviceAccount": {"name": "app"}}


def warnings(folder: Path, rule: str, binding: dict[str, Any], region: str | None = "us-west-2") -> dict[str, str]:
    """Return what a rule advises, by the place in the binding."""
    stack = {"cluster": {"name": "my-cluster"}, "bindings": {"app": {**APP, **binding}}}
    examination = examine(stack, folder, region)
    assert examination.mistakes == []
    found = [each for each in examination.warnings if each.rule == rule]
    return {".".join(map(str, each.place[2:])): each.mistake.fix for each in found}


# https://docs.aws.amazon.com/aws-managed-policy/latest/reference/: the ARN on the page of each policy.
@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("AmazonEBSCSIDriverPolicy", "service-role/AmazonEBSCSIDriverPolicy"),
        ("service-role/AmazonS3ReadOnlyAccess", "AmazonS3ReadOnlyAccess"),
        ("aws-service-role/AmazonEFSCSIDriverPolicy", "service-role/AmazonEFSCSIDriverPolicy"),
        ("AmazonSQSReadonlyAcces", "AmazonSQSReadOnlyAccess"),
        ("amazonsqsreadonlyaccess", "AmazonSQSReadOnlyAccess"),
        ("Billing", "job-function/Billing"),
    ],
)
def test_a_policy_that_aws_does_not_have(tmp_path: Path, written: str, meant: str) -> None:
    found = warnings(tmp_path, "unknown-managed-policy", {"policyArns": [AWS + written, AWS + meant]})

    assert [*found] == ["policyArns.0"]
    assert f"did you mean {AWS + meant!r}?" in found["policyArns.0"]
    assert f"`aws iam get-policy --policy-arn {AWS}{written}`" in found["policyArns.0"]


def test_a_boundary_that_aws_does_not_have(tmp_path: Path) -> None:
    boundary = f"{AWS}OfNobodyAtAll"
    found = warnings(tmp_path, "unknown-managed-policy", {"role": {"permissionsBoundary": boundary}})

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
def test_what_the_list_does_not_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arn: str, region: str | None
) -> None:
    monkeypatch.setattr(managed_policies, "known", None)
    monkeypatch.setattr(managed_policies, "replaced", None)

    for rule in ("unknown-managed-policy", "replaced-managed-policy"):
        assert warnings(tmp_path, rule, {"policyArns": [arn]}, region) == {}


def test_a_policy_that_a_newer_one_replaces(tmp_path: Path) -> None:
    old, new = "service-role/AmazonEBSCSIDriverPolicy", "AmazonEBSCSIDriverPolicyV2"
    of_app = warnings(tmp_path, "replaced-managed-policy", {"policyArns": [AWS + old, AWS + new]})
    driver = {"serviceAccount": {"name": "ebs-csi-controller-sa", "namespace": "kube-system"}}
    of_driver = warnings(tmp_path, "replaced-managed-policy", {**driver, "policyArns": [AWS + old]})

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


def test_a_policy_for_sessions_with_tags(tmp_path: Path) -> None:
    """Protects EBS volumes: AWS's cluster-scoped policy compares with a tag that IRSA's sessions lack.

    Source: the documents of AWS's managed policies, as the package moto has them.
    """
    name = "AmazonEBSCSIDriverEKSClusterScopedPolicy"
    arns = {"policyArns": [AWS + name]}
    advice = {"policyArns.0": "write policies: [{addOn: ebs-csi}] in its place, which names the clusters"}
    assert warnings(tmp_path, "session-tag-policy", arns) == advice
    assert warnings(tmp_path, "session-tag-policy", {**arns, "identity": "both"}) == advice
    assert warnings(tmp_path, "session-tag-policy", {**arns, "identity": "podIdentity"}) == {}
    tagged = {"role": {"tags": {"eks-cluster-name": "my-cluster"}}}
    assert warnings(tmp_path, "session-tag-policy", {**arns, **tagged}) == {}

    compared = {
        key: set(re.findall(r"aws:PrincipalTag/((?:eks|kubernetes)-[\w-]+)", json.dumps(policy)))
        for key, policy in aws_managed().items()
    }
    assert {key: {tag} for key, tag in WITH_SESSION_TAG.items()} == {
        key: tags for key, tags in compared.items() if tags
    }
