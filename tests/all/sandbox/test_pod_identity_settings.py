import itertools
import json
import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from tests.sandbox.irsa_command import ACCOUNT, follow, not_good, report
from tests.sandbox.live import allowing, assumable, create_role
from tests.sandbox.test_pod_identity import Deploy, associations

pytestmark = pytest.mark.sandbox

SESSION = allowing("*")
TARGET = f"arn:aws:iam::{ACCOUNT}:role/verified-target"
APP = {
    "serviceAccount": {"name": "verified-pods"},
    "role": {"name": "verified-pods"},
    "policyArns": [],
    "identity": "both",
    "account": "own",
}
SETTINGS = {
    "sessionTags": False,
    "targetRoleArn": TARGET,
    "policy": {"document": SESSION},
    "tags": {"team": "payments"},
}
# A provider that assumes a role has credentials that no profile is known of.
BY_ROLE = {"own": {"assumeRoleArn": f"arn:aws:iam::{ACCOUNT}:role/administrator"}}


@pytest.fixture
def target(cloud: Any) -> Iterator[None]:
    create_role(cloud.aws("iam"), "verified-target", assumable(f"arn:aws:iam::{ACCOUNT}:root"))
    yield
    cloud.aws("iam").delete_role(RoleName="verified-target")


@pytest.mark.usefixtures("target")
def test_settings_change_in_place_and_what_somebody_deleted_comes_back(deploy: Deploy, cloud: Any) -> None:
    def settings(**more: Any) -> dict[str, Any]:
        return {"accounts": BY_ROLE, "bindings": {"app": {**APP, **({"podIdentity": more} if more else {})}}}

    project, eks = deploy(settings()), cloud.aws("eks")
    project.up()
    (before,) = associations(cloud, "verified-pods")
    assert before["disableSessionTags"] is False
    project.set(settings(**SETTINGS))
    project.up()
    (found,) = associations(cloud, "verified-pods")
    assert found["associationId"] == before["associationId"]
    assert (found["disableSessionTags"], found["targetRoleArn"], found["tags"]["team"]) == (True, TARGET, "payments")
    assert json.loads(found["policy"]) == SESSION
    assert project.up() == {}
    code, checks = report(project, "verify")
    assert (code, not_good(checks)) == (0, [])

    eks.delete_pod_identity_association(clusterName=found["clusterName"], associationId=found["associationId"])
    (missing,) = not_good(report(project, "verify")[1])
    assert missing["found"] == "no association"
    follow(project, missing["fix"])
    assert report(project, "verify")[0] == 0

    # EKS keeps what an update leaves out; the command that removes it is that of the message.
    project.set(settings(sessionTags=False))
    (command,) = set(re.findall("`(aws eks .*?)`", project.refused("up", "--yes", "--skip-preview")))
    words = dict(itertools.pairwise(shlex.split(command)))
    assert (words["--target-role-arn"], words["--policy"], words["--profile"]) == ("", "", "PROFILE")
    at = {"clusterName": words["--cluster-name"], "associationId": words["--association-id"]}
    eks.update_pod_identity_association(**at, targetRoleArn="", policy="")
    project.up("--refresh")
    assert project.up() == {}
    assert not associations(cloud, "verified-pods")[0].get("policy")
    project.set(settings())
    assert project.up()["update"] == 2
    assert associations(cloud, "verified-pods")[0]["disableSessionTags"] is False
