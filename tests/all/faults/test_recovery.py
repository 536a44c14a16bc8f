"""The documented recovery after a kill that matters: whose is what exists, and which of two is in use."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from irsa.rules.annotations import AUDIENCE, ROLE_ARN
from tests.all.faults.held import kill_while_held
from tests.all.faults.interruption import OIDC_PROVIDER, PATCH
from tests.all.faults.inventory import existing, recorded
from tests.all.faults.recovery import RECORD, delete, go_on, list_what_may_exist, recover
from tests.sandbox.irsa_command import ACCOUNT, PROVIDER, report
from tests.sandbox.project import Project

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]

Deploy = Callable[..., Project]
SQS = "arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"


def test_a_replacement_that_is_killed(cloud: Any, deploy: Deploy, tmp_path: Path) -> None:
    def in_path(path: str) -> dict[str, Any]:
        return {
            "bindings": {
                "moving": {"serviceAccount": {"name": "moving"}, "role": {"path": path}, "policyArns": [SQS]},
                "named": {"serviceAccount": {"name": "named"}, "role": {"name": "moving-named", "path": path}},
            }
        }

    before = existing(cloud)
    project = deploy(in_path("/old/"))
    project.up()
    project.set(in_path("/new/"))
    killed = kill_while_held(project, tmp_path)
    assert killed.held == ["CreateRole", "CreateRole"]
    recovered = recover(project, killed.interrupted)

    assert len(recovered) == len(killed.held)
    assert report(project, "verify")[0] == 0
    assert existing(cloud) - before == recorded(project)
    assert {role["outputs"]["path"] for role in project.resources("Role").values()} == {"/new/"}
    project.destroy()
    assert existing(cloud) == before


def annotations(cloud: Any, name: str) -> dict[str, str]:
    metadata = json.loads(cloud.kubectl("get", "serviceaccount", name, "-o", "json").stdout)["metadata"]
    found: dict[str, str] = metadata.get("annotations", {})
    return found


def test_annotations_of_a_killed_patch_are_removed_and_those_of_others_stay(
    cloud: Any, deploy: Deploy, tmp_path: Path
) -> None:
    iam, provider = cloud.aws("iam"), {"OpenIDConnectProviderArn": PROVIDER}
    iam.add_client_id_to_open_id_connect_provider(**provider, ClientID="my-audience")
    cloud.kubectl("create", "serviceaccount", "patched")
    cloud.kubectl("annotate", "serviceaccount", "patched", "example.com/owner=helm")
    service_account = {"name": "patched", "create": False}
    project = deploy({"bindings": {"app": {"serviceAccount": service_account, "audience": "my-audience"}}})
    killed = kill_while_held(project, tmp_path, passed=["CreateRole"])
    assert annotations(cloud, "patched").keys() == {"example.com/owner", ROLE_ARN, AUDIENCE}
    recover(project, killed.interrupted)

    assert report(project, "verify")[0] == 0
    assert annotations(cloud, "patched").keys() == {"example.com/owner", ROLE_ARN, AUDIENCE}
    project.destroy()
    assert annotations(cloud, "patched") == {"example.com/owner": "helm"}
    cloud.kubectl("delete", "serviceaccount", "patched")
    iam.remove_client_id_from_open_id_connect_provider(**provider, ClientID="my-audience")


def test_an_annotation_that_another_wrote_in_place_of_a_killed_patch(
    cloud: Any, deploy: Deploy, tmp_path: Path
) -> None:
    cloud.kubectl("create", "serviceaccount", "contested")
    project = deploy({"bindings": {"app": {"serviceAccount": {"name": "contested", "create": False}}}})
    killed = kill_while_held(project, tmp_path, passed=["CreateRole"], before=True)
    theirs = f"arn:aws:iam::{ACCOUNT}:role/theirs"
    cloud.kubectl("annotate", "serviceaccount", "contested", f"{ROLE_ARN}={theirs}")
    entries = list_what_may_exist(project)
    assert [entry.kind for entry in entries] == [PATCH]
    assert not delete(project, entries[0], killed.interrupted.began)
    assert annotations(cloud, "contested") == {ROLE_ARN: theirs}

    refused = go_on(project)
    assert refused.returncode != 0
    assert "takeOver" in refused.stdout + refused.stderr
    assert annotations(cloud, "contested") == {ROLE_ARN: theirs}
    assert (project.folder / RECORD).exists()
    project.destroy()
    cloud.kubectl("delete", "serviceaccount", "contested")


def test_an_older_provider_of_somebody_else_is_left_out(cloud: Any, deploy: Deploy, tmp_path: Path) -> None:
    before = existing(cloud)
    bindings = {"app": {"serviceAccount": {"name": "shared-provider"}}}
    project = deploy({"cluster": {"name": "my-cluster", "createOidcProvider": True}, "bindings": bindings})
    killed = kill_while_held(project, tmp_path)
    entries = list_what_may_exist(project)
    deleted = {entry.kind: delete(project, entry, killed.interrupted.began) for entry in entries}
    assert deleted[OIDC_PROVIDER] is False
    assert ("provider", PROVIDER) in existing(cloud)

    refused = go_on(project)
    assert refused.returncode != 0
    assert "EntityAlreadyExists" in refused.stdout + refused.stderr
    project.set({"bindings": bindings})
    project.up()
    assert report(project, "verify")[0] == 0
    project.destroy()
    assert existing(cloud) == before
