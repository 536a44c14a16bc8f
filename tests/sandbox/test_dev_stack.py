"""The dev stack through the real engine: deployed, unchanged, destroyed; test_broken_links.py has its drift.

The tests of this file are one story and run in their order.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.sandbox.irsa_command import ROLE_ARN
from tests.sandbox.live import allowing, attached, policy_document, service_account, web_identity
from tests.sandbox.project import ROOT, STACK, Project
from tests.world import document

pytestmark = pytest.mark.sandbox

# The page's own documents, with the sandbox's region, account and cluster in its placeholders.
TRUST = document(web_identity("default:my-service-account"))
POLICY = allowing("arn:aws:s3:::my-pod-secrets-bucket")


@pytest.fixture(scope="module")
def before(cloud: Any) -> Any:
    return cloud.contents()


@pytest.fixture(scope="module")
def stack(cloud: Any, before: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    config = yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text())["config"]
    settings = {key.removeprefix("irsa:"): value for key, value in config.items() if key.startswith("irsa:")}
    project = Project(cloud, tmp_path_factory.mktemp("dev") / "project", settings)
    assert set(project.up()) == {"create"}
    yield project
    project.clean_up()


def assert_the_pages(iam: Any, cloud: Any) -> None:
    """Insist on the page's own documents, its policy and its annotation, in their places."""
    role, arn = iam.get_role(RoleName="my-role")["Role"], "arn:aws:iam::111122223333:policy/my-policy"
    assert (role["AssumeRolePolicyDocument"], role["Description"]) == (TRUST, "my-role-description")
    assert attached(iam, "my-role") == {arn}
    policy = iam.get_policy(PolicyArn=arn)["Policy"]
    assert (policy["PolicyName"], policy["Path"], policy["DefaultVersionId"]) == ("my-policy", "/", "v1")
    assert policy_document(iam, arn) == POLICY
    annotations = service_account(cloud, "my-service-account")["metadata"]["annotations"]
    assert annotations == {ROLE_ARN: "arn:aws:iam::111122223333:role/my-role"}


def assert_existing(cloud: Any, role: str | None) -> None:
    """Insist that a service account of Helm has this role, and keeps labels, annotations and pull secrets."""
    existing = service_account(cloud, "existing-service-account")
    assert existing["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "Helm"}
    assert existing["metadata"]["annotations"]["example.com/owner"] == "platform"
    assert existing["imagePullSecrets"] == [{"name": "registry-credentials"}]
    assert existing["metadata"]["annotations"].get(ROLE_ARN) == role


def test_what_is_deployed_is_the_pages(stack: Project, iam: Any, cloud: Any) -> None:
    assert_the_pages(iam, cloud)
    assert_existing(cloud, "arn:aws:iam::111122223333:role/existing-service-account-role")
    assert stack.up("--refresh") == {}


def test_without_the_sandbox_the_dev_stack_says_so(stack: Project, cloud: Any) -> None:
    preview = ("env", "-u", "IRSA_SANDBOX", "pulumi", "preview", "--non-interactive")
    answer = cloud.run(*preview, folder=stack.folder, **{**stack.variables, "AWS_ENDPOINT_URL": ""})

    assert answer.returncode != 0
    assert f"stack '{STACK}' is for the sandbox only: run `make up` once" in answer.stdout + answer.stderr


def test_the_home_folder_is_left_alone(stack: Project, cloud: Any, tmp_path: Path) -> None:
    for command in (("kubectl", "get", "serviceaccounts"), ("pulumi", "stack", "ls"), ("irsa", "inventory")):
        answer = cloud.run(*command, folder=stack.folder, **{**stack.variables, "HOME": str(tmp_path)})
        assert answer.stdout, (command, answer.stderr)
    assert [*tmp_path.iterdir()] == []


def test_destroy_leaves_nothing_of_ours(before: Any, stack: Project, cloud: Any) -> None:
    """Protects everything else: what the stack created is gone; an existing service account loses our annotation.

    Guards against eksctl's defect: it marks another's service account as its own, and deletes it later.
    """
    stack.destroy()

    assert cloud.contents() == before
    assert_existing(cloud, None)
