"""A namespace ends meanwhile, with a finalizer that keeps it."""

from collections.abc import Callable

import pytest
from lightkube.resources.core_v1 import Namespace

from tests.sandbox.conftest import Cloud
from tests.sandbox.irsa_command import not_good, report
from tests.sandbox.project import Project

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]

Deploy = Callable[..., Project]


def test_a_namespace_that_ends(cloud: Cloud, deploy: Deploy) -> None:
    account = {"name": "ending", "namespace": "ends", "createNamespace": True}
    project = deploy({"bindings": {"ending": {"serviceAccount": account, "policyArns": []}}})
    kubernetes = cloud.kubernetes()
    project.up()
    kubernetes.patch(Namespace, "ends", {"metadata": {"finalizers": ["example.com/keep"]}})
    cloud.kubectl("delete", "namespace", "ends", "--wait=false")
    cloud.kubectl("wait", "--for=delete", "serviceaccount/ending", "-n", "ends", "--timeout=60s")
    code, checks = report(project, "verify")
    assert (code, [check["check"] for check in not_good(checks)]) == (1, ["service account"])
    assert "because it is being terminated" in project.refused("up", "--refresh", "--yes", "--skip-preview")

    kubernetes.patch(Namespace, "ends", {"metadata": {"finalizers": None}})
    cloud.kubectl("wait", "--for=delete", "namespace/ends", "--timeout=60s")
    project.up("--refresh")
    assert report(project, "verify")[0] == report(project, "prove")[0] == 0
