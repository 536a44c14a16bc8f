"""The documented recovery after a kill that matters: whose is what exists, and which of two is in use."""

from collections.abc import Callable
from typing import Any

import pytest

from irsa.rules.annotations import AUDIENCE, ROLE_KEY
from tests.all.faults.inventory import OIDC_PROVIDER, PATCH, existing, recorded
from tests.all.faults.kills import kill_while_held
from tests.all.faults.recovery import RECORD, delete, go_on, list_what_may_exist, recover
from tests.sandbox.irsa_command import ACCOUNT, PROVIDER, report
from tests.sandbox.live import service_account
from tests.sandbox.project import Project

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]

Deploy = Callable[..., Project]
SQS = "arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"


def test_a_replacement_that_is_killed(cloud: Any, deploy: Deploy) -> None:
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
    killed = kill_while_held(project)
    assert killed.held == ["CreateRole", "CreateRole"]
    recovered = recover(project, killed)

    assert len(recovered) == len(killed.held)
    assert report(project, "verify")[0] == 0
    assert existing(cloud) - before == recorded(project)
    assert {role["outputs"]["path"] for role in project.resources("Role").values()} == {"/new/"}
    project.destroy()
    assert existing(cloud) == before


def annotations(cloud: Any, name: str) -> dict[str, str]:
    return dict(service_account(cloud, name)["metadata"].get("annotations", {}))


def test_annotations_of_a_killed_patch_are_removed_and_those_of_others_stay(cloud: Any, deploy: Deploy) -> None:
    iam, provider = cloud.aws("iam"), {"OpenIDConnectProviderArn": PROVIDER}
    iam.add_client_id_to_open_id_connect_provider(**provider, ClientID="my-audience")
    cloud.kubectl("create", "serviceaccount", "patched")
    cloud.kubectl("annotate", "serviceaccount", "patched", "example.com/owner=helm")
    account = {"name": "patched", "create": False}
    project = deploy({"bindings": {"app": {"serviceAccount": account, "audience": "my-audience"}}})
    killed = kill_while_held(project, ("CreateRole",))
    assert annotations(cloud, "patched").keys() == {"example.com/owner", ROLE_KEY, AUDIENCE}
    recover(project, killed)

    assert report(project, "verify")[0] == 0
    assert annotations(cloud, "patched").keys() == {"example.com/owner", ROLE_KEY, AUDIENCE}
    project.destroy()
    assert annotations(cloud, "patched") == {"example.com/owner": "helm"}
    cloud.kubectl("delete", "serviceaccount", "patched")
    iam.remove_client_id_from_open_id_connect_provider(**provider, ClientID="my-audience")


def test_an_annotation_that_another_wrote_in_place_of_a_killed_patch(cloud: Any, deploy: Deploy) -> None:
    cloud.kubectl("create", "serviceaccount", "contested")
    project = deploy({"bindings": {"app": {"serviceAccount": {"name": "contested", "create": False}}}})
    killed = kill_while_held(project, ("CreateRole",), before=True)
    theirs = f"arn:aws:iam::{ACCOUNT}:role/theirs"
    cloud.kubectl("annotate", "serviceaccount", "contested", f"{ROLE_KEY}={theirs}")
    entries = list_what_may_exist(project)
    assert [entry.kind for entry in entries] == [PATCH]
    assert not delete(project, entries[0], killed.began)
    assert annotations(cloud, "contested") == {ROLE_KEY: theirs}

    refused = go_on(project)
    assert refused.returncode != 0
    assert "takeOver" in refused.stdout + refused.stderr
    assert annotations(cloud, "contested") == {ROLE_KEY: theirs}
    assert (project.folder / RECORD).exists()
    project.destroy()
    cloud.kubectl("delete", "serviceaccount", "contested")


def test_an_older_provider_of_somebody_else_is_left_out(cloud: Any, deploy: Deploy) -> None:
    before = existing(cloud)
    bindings = {"app": {"serviceAccount": {"name": "shared-provider"}}}
    project = deploy({"cluster": {"name": "my-cluster", "createOidcProvider": True}, "bindings": bindings})
    killed = kill_while_held(project)
    entries = list_what_may_exist(project)
    deleted = {entry.kind: delete(project, entry, killed.began) for entry in entries}
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
