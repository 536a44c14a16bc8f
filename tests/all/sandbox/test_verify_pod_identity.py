import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.sandbox.irsa_command import ACCOUNT, follow, not_good, report
from tests.sandbox.live import PODS, allowing, assumable, create_role
from tests.sandbox.pods import CLUSTER
from tests.sandbox.project import Project

pytestmark = pytest.mark.sandbox

Deploy = Callable[..., Project]
AGENT = "eks-pod-identity-agent"
SESSION, OTHER_SESSION = allowing("*"), json.dumps(allowing("*", action="s3:*"))
TARGET = f"arn:aws:iam::{ACCOUNT}:role/verified-target"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/verified-pods"
APP = {
    "serviceAccount": {"name": "verified-pods"},
    "role": {"name": "verified-pods"},
    "policyArns": [],
    "identity": "both",
}
SETTINGS = {
    "sessionTags": False,
    "targetRoleArn": TARGET,
    "policy": {"document": SESSION},
    "tags": {"team": "payments"},
}


@pytest.fixture
def roles(cloud: Any) -> Iterator[None]:
    """The target role, and another role that EKS Pod Identity may assume."""
    iam = cloud.aws("iam")
    create_role(iam, "verified-target", assumable(f"arn:aws:iam::{ACCOUNT}:root"))
    create_role(iam, "others-pods", PODS)
    yield
    for name in ("verified-target", "others-pods"):
        iam.delete_role(RoleName=name)


def association_id(cloud: Any) -> str:
    listed = cloud.aws("eks").list_pod_identity_associations(clusterName=CLUSTER, serviceAccount="verified-pods")
    (found,) = listed["associations"]
    return str(found["associationId"])


def changed(project: Project) -> list[dict[str, str]]:
    """Return what does not come out well, once that has no finding any more."""
    code, checks = report(project, "verify")
    found = not_good(checks)
    assert code == bool(found)
    for fix in dict.fromkeys(each["fix"] for each in found):
        follow(project, fix)
    assert report(project, "verify")[0] == 0
    return found


def test_each_part_of_an_association_is_found_and_repaired(deploy: Deploy, cloud: Any, roles: None) -> None:
    project, eks = deploy({"bindings": {"app": {**APP, "podIdentity": SETTINGS}}}), cloud.aws("eks")
    project.up()
    code, checks = report(project, "verify")
    assert (code, not_good(checks)) == (0, [])
    assert [check["about"] for check in checks if check["check"] == "association"] == [
        f"default/verified-pods in EKS cluster {CLUSTER}",
        f"target role {TARGET}",
        f"EKS cluster {CLUSTER}",
    ]
    at = {"clusterName": CLUSTER, "associationId": association_id(cloud)}
    changes = {"roleArn": f"arn:aws:iam::{ACCOUNT}:role/others-pods", "targetRoleArn": f"{TARGET}-2"}
    eks.update_pod_identity_association(**at, **changes, policy=OTHER_SESSION)
    arn = eks.describe_pod_identity_association(**at)["association"]["associationArn"]
    eks.tag_resource(resourceArn=arn, tags={"team": "other"})
    eks.delete_addon(clusterName=CLUSTER, addonName=AGENT)
    found = {each["found"]: each["about"] for each in changed(project)}
    assert found.pop("tag team: other")
    assert f"EKS cluster {CLUSTER}" in found.values()
    for part in ("role", "session policy", "target role"):
        assert any(each.startswith(part) for each in found), found

    eks.update_pod_identity_association(**at, disableSessionTags=False, policy="")
    assert any(each["found"].startswith("session policy") for each in changed(project))
    eks.delete_pod_identity_association(**at)
    (missing,) = changed(project)
    assert (missing["found"], missing["expected"]) == ("no association", f"an association of {ROLE}")

    # What EKS keeps when an update leaves it out has a command of its own.
    project.set({"bindings": {"app": APP}})
    eks.update_pod_identity_association(
        clusterName=CLUSTER, associationId=association_id(cloud), disableSessionTags=False, targetRoleArn="", policy=""
    )
    project.up("--refresh")
    eks.update_pod_identity_association(clusterName=CLUSTER, associationId=association_id(cloud), targetRoleArn=TARGET)
    (kept,) = changed(project)
    assert (kept["found"], kept["expected"]) == (f"target role: {TARGET}", "target role: none")
