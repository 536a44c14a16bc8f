"""The changes of a stack file in docs/reference/changes.md that tests/sandbox/test_changes.py does not walk."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.sandbox.changes import Scenario, Walk, automatic, check, look, named, rows, scenario, walk
from tests.sandbox.irsa_command import ACCOUNT, ISSUER, irsa, report
from tests.sandbox.live import create_role, service_account, web_identity
from tests.sandbox.project import STACK, Project
from tests.sandbox.scenarios import DEFAULTS, FURTHER, TAGGED
from tests.sandbox.test_broken_links import NOT_AUTHORIZED, require, require_green

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]

NO_POLICY = "arn:aws:iam::111122223333:policy/misspelled"


@pytest.fixture(scope="module")
def walked(cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """All of these scenarios, in one stack, with the roles that exist before it does."""
    for word in ("given", "exists"):
        create_role(cloud.aws("iam"), f"{word}-byhand", web_identity(f"default:{word}-sa"))
    project = Project(cloud, tmp_path_factory.mktemp("changes"), {"bindings": {}})
    yield walk(project, FURTHER)
    project.destroy()


@pytest.mark.parametrize("scenario", FURTHER, ids=[each.word for each in FURTHER])
def test_the_page_has_what_a_change_does(walked: Walk, scenario: Scenario) -> None:
    check(walked, scenario)


@pytest.fixture(scope="module")
def defaulted(cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    project = Project(cloud, tmp_path_factory.mktemp("defaults"), {"bindings": {}})
    yield walk(project, DEFAULTS, [{}, {"defaults": TAGGED}, {"defaults": {**TAGGED, "path": "/irsa/"}}])
    project.destroy()


@pytest.mark.parametrize("scenario", DEFAULTS, ids=[each.word for each in DEFAULTS])
def test_the_page_has_what_other_defaults_do(defaulted: Walk, scenario: Scenario) -> None:
    check(defaulted, scenario)


def test_formerly_helps_after_a_failed_up(deploy: Callable[..., Project], cloud: Any) -> None:
    binding = automatic("failed")
    words = [scenario("failed", {})]
    project = deploy({"bindings": {"failed-old": binding}})
    project.up()
    before = look(cloud, words, None)["failed"]
    project.set({"bindings": {"failed-new": {**binding, "policyArns": [NO_POLICY]}}})
    project.refused("up", "--yes", "--skip-preview")
    between = look(cloud, words, None)["failed"]
    project.set({"bindings": {"failed-new": {**binding, "formerly": "failed-old"}}})
    did = project.up()

    assert before.things < between.things
    assert did == rows()["Add `formerly` after an `up` that failed"].counts
    assert look(cloud, words, None)["failed"] == before
    assert project.up() == {}


# A cluster has another issuer than its stack file names: it was wrong, or the cluster was rebuilt.
OTHER_ISSUER = "oidc.eks.us-west-2.amazonaws.com/id/REBUILT0000000000000000000000000"
OTHER_PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{OTHER_ISSUER}"
OTHER_CLUSTER = {"oidcIssuer": f"https://{OTHER_ISSUER}", "oidcProviderArn": OTHER_PROVIDER}


@pytest.fixture
def of_another_issuer(cloud: Any, deploy: Callable[..., Project]) -> Iterator[Project]:
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
    require(verified[1], (("provider", f"issuer https://{ISSUER}"),))
    # The provider of the cluster's real issuer is still there, so it is the trust policy that refuses.
    require(proven[1], (("assumes", NOT_AUTHORIZED),))
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
