"""A cluster has another issuer than its stack file names: it was wrong, or the cluster was rebuilt."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.sandbox.changes import named, rows
from tests.sandbox.irsa_command import ACCOUNT, ISSUER, irsa, report
from tests.sandbox.live import service_account
from tests.sandbox.project import STACK, Project
from tests.sandbox.test_broken_links import NOT_AUTHORIZED, Finding, require, require_green

pytestmark = pytest.mark.sandbox

OTHER_ISSUER = "oidc.eks.us-west-2.amazonaws.com/id/REBUILT0000000000000000000000000"
OTHER_PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{OTHER_ISSUER}"
OTHER_CLUSTER = {"oidcIssuer": f"https://{OTHER_ISSUER}", "oidcProviderArn": OTHER_PROVIDER}


@pytest.fixture
def of_another_issuer(cloud: Any, deploy: Callable[..., Project]) -> Iterator[Project]:
    """A stack whose cluster has not the issuer that its stack file names."""
    iam = cloud.aws("iam")
    iam.create_open_id_connect_provider(Url=f"https://{OTHER_ISSUER}", ClientIDList=["sts.amazonaws.com"])
    project = deploy({"bindings": {"issuer": named("issuer")}, "cluster": OTHER_CLUSTER})
    project.up()
    yield project
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=OTHER_PROVIDER)


def test_a_wrong_issuer(cloud: Any, of_another_issuer: Project) -> None:
    project, retained = of_another_issuer, named("issuer", retainOnDelete=True)
    verified, proven = (report(project, verb, "issuer") for verb in ("verify", "prove"))
    before = service_account(cloud, "issuer-sa")["metadata"]["uid"]
    did = {}
    for step, binding, more in (
        ("1. Set `retainOnDelete: true`, before the issuer is corrected", retained, {"cluster": OTHER_CLUSTER}),
        ("2. Correct the issuer, and set `import: [serviceAccount]`", {**retained, "import": ["serviceAccount"]}, {}),
        ("3. Remove `retainOnDelete` and `import`", named("issuer"), {}),
    ):
        project.set({"bindings": {"issuer": binding}, **more})
        did[step] = project.up()

    assert (verified[0], proven[0]) == (1, 1)
    require(verified[1], (Finding("provider", f"issuer https://{ISSUER}"),))
    # The provider of the cluster's real issuer is still there, so it is the trust policy that refuses.
    require(proven[1], (Finding("assumes", NOT_AUTHORIZED),))
    page = rows()
    assert did == {step: page[step].counts for step in did}
    assert service_account(cloud, "issuer-sa")["metadata"]["uid"] == before
    require_green(project)


def test_a_rebuilt_cluster(cloud: Any, of_another_issuer: Project) -> None:
    project = of_another_issuer
    cloud.kubectl("delete", "serviceaccount", "issuer-sa")
    project.set({"bindings": {"issuer": named("issuer")}})
    checked = irsa(project, "check", "--live", f"Pulumi.{STACK}.yaml")
    did = project.up("--refresh")

    assert "if the cluster was rebuilt: pulumi up --refresh" in checked.stdout, checked.stdout + checked.stderr
    assert did == rows()["Rebuild a cluster, then `pulumi up --refresh` with its issuer"].counts
    require_green(project)
