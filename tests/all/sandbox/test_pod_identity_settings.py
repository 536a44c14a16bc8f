import itertools
import json
import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from tests.sandbox.irsa_command import ACCOUNT, follow, not_good, report
from tests.sandbox.live import allowing, assumable, create_role
from tests.sandbox.pods import CLUSTER
from tests.sandbox.project import Project
from tests.sandbox.test_pod_identity import Deploy, associations
from tests.world import PODS

pytestmark = pytest.mark.sandbox

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
    iam = cloud.aws("iam")
    create_role(iam, "verified-target", assumable(f"arn:aws:iam::{ACCOUNT}:root"))
    create_role(iam, "others-pods", PODS)
    yield
    for name in ("verified-target", "others-pods"):
        iam.delete_role(RoleName=name)


def changed(project: Project) -> list[dict[str, str]]:
    """Return what does not come out well, once that has no finding any more."""
    code, checks = report(project, "verify")
    found = not_good(checks)
    assert code == bool(found)
    for fix in dict.fromkeys(each["fix"] for each in found):
        # Whose it is, the reader knows.
        follow(project, fix, {"PROFILE": None})
    assert report(project, "verify")[0] == 0
    return found


def test_settings_change_in_place_and_drift_is_repaired(deploy: Deploy, cloud: Any, roles: None) -> None:
    # A provider that assumes a role has credentials that no profile is known of.
    by_role = {"own": {"assumeRoleArn": f"arn:aws:iam::{ACCOUNT}:role/administrator"}}
    app = {**APP, "account": "own"}
    project, eks = deploy({"accounts": by_role, "bindings": {"app": app}}), cloud.aws("eks")
    project.up()
    (before,) = associations(cloud, "verified-pods")
    assert before["disableSessionTags"] is False
    project.set({"accounts": by_role, "bindings": {"app": {**app, "podIdentity": SETTINGS}}})
    project.up()
    (found,) = associations(cloud, "verified-pods")
    assert found["associationId"] == before["associationId"]
    assert (found["disableSessionTags"], found["targetRoleArn"], found["tags"]["team"]) == (True, TARGET, "payments")
    assert json.loads(found["policy"]) == SESSION
    assert project.up() == {}
    code, checks = report(project, "verify")
    assert (code, not_good(checks)) == (0, [])
    assert [check["about"] for check in checks if check["check"] == "association"] == [
        f"default/verified-pods in EKS cluster {CLUSTER}",
        f"target role {TARGET}",
        f"EKS cluster {CLUSTER}",
    ]

    eks.delete_addon(clusterName=CLUSTER, addonName=AGENT)
    code, checks = report(project, "verify")
    # EKS does not say whether its Helm chart is there.
    said_of_agent = [(each["outcome"], each["about"]) for each in not_good(checks)]
    assert (code, said_of_agent) == (3, [("cannot tell", f"EKS cluster {CLUSTER}")])
    eks.create_addon(clusterName=CLUSTER, addonName=AGENT)

    at = {"clusterName": CLUSTER, "associationId": found["associationId"]}
    drift = {"roleArn": f"arn:aws:iam::{ACCOUNT}:role/others-pods", "targetRoleArn": f"{TARGET}-2"}
    eks.update_pod_identity_association(**at, **drift, policy=OTHER_SESSION)
    eks.tag_resource(resourceArn=found["associationArn"], tags={"team": "other"})
    said = {each["found"]: each["about"] for each in changed(project)}
    assert said.pop("tag team: other")
    for part in ("role", "session policy", "target role"):
        assert any(each.startswith(part) for each in said), said
    eks.update_pod_identity_association(**at, disableSessionTags=False, policy="")
    assert any(each["found"].startswith("session policy") for each in changed(project))
    eks.delete_pod_identity_association(**at)
    (missing,) = changed(project)
    assert (missing["found"], missing["expected"]) == ("no association", f"an association of {ROLE}")

    # EKS keeps what an update leaves out; the command that removes it is that of the message.
    project.set({"accounts": by_role, "bindings": {"app": {**app, "podIdentity": {"sessionTags": False}}}})
    (command,) = set(re.findall("`(aws eks .*?)`", project.refused("up", "--yes", "--skip-preview")))
    words = dict(itertools.pairwise(shlex.split(command)))
    assert (words["--target-role-arn"], words["--policy"], words["--profile"]) == ("", "", "PROFILE")
    at = {"clusterName": words["--cluster-name"], "associationId": words["--association-id"]}
    eks.update_pod_identity_association(**at, targetRoleArn="", policy="")
    project.up("--refresh")
    assert project.up() == {}
    assert not associations(cloud, "verified-pods")[0].get("policy")
    eks.update_pod_identity_association(**at, targetRoleArn=TARGET)
    (kept,) = changed(project)
    assert (kept["found"], kept["expected"]) == (f"target role: {TARGET}", "target role: none")
    project.set({"accounts": by_role, "bindings": {"app": app}})
    assert project.up()["update"] == 2
    assert associations(cloud, "verified-pods")[0]["disableSessionTags"] is False
