import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.irsa_command import ACCOUNT, ISSUER, PROVIDER, follow, irsa, not_good, report
from tests.sandbox.live import web_identity
from tests.sandbox.project import Project
from tests.sandbox.test_verify import access
from tests.world import document

pytestmark = pytest.mark.sandbox

# A JSON Web Token begins with {" in base64; an access key of STS with ASIA (IAM's reference of identifiers); moto's
# session tokens with what those of AWS begin with.
SECRETS = re.compile(r"eyJ[\w-]{10,}\.|ASIA[A-Z0-9]{16}|FQoGZXIvYXdz|IQoJb3JpZ2lu")


BINDINGS: dict[str, Any] = {
    "secret": {"serviceAccount": {"name": "secret"}, "policyArns": []},
    "pods": {"serviceAccount": {"name": "pods"}, "identity": "podIdentity", "policyArns": []},
    "ways": {
        "serviceAccount": {"name": "ways"},
        "identity": {"irsa": "trusted", "podIdentity": "used"},
        "audience": "vault",
        "role": {"name": "ways-role"},
        "policyArns": [],
    },
}


@pytest.fixture(scope="module")
def project(cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    iam, vault = cloud.aws("iam"), {"OpenIDConnectProviderArn": PROVIDER, "ClientID": "vault"}
    iam.add_client_id_to_open_id_connect_provider(**vault)
    deployed = Project(cloud, tmp_path_factory.mktemp("prove") / "project", {"bindings": BINDINGS})
    deployed.up()
    yield deployed
    cloud.kubectl("delete", "pods", "--all", "--force", "--grace-period=0")
    deployed.destroy()
    iam.remove_client_id_from_open_id_connect_provider(**vault)


def test_tokens_and_credentials_are_never_shown_or_kept(cloud: Any, project: Project) -> None:
    token = cloud.kubectl("create", "token", "secret", "--audience", "sts.amazonaws.com").stdout.strip()
    role = project.outputs()["bindings"]["secret"]["roleArn"]
    keys = cloud.aws("sts").assume_role_with_web_identity(RoleArn=role, RoleSessionName="test", WebIdentityToken=token)[
        "Credentials"
    ]
    for secret in (token, keys["AccessKeyId"], keys["SessionToken"]):
        assert SECRETS.search(secret), "this test would see nothing"

    runs = []
    for broken in (False, True):
        if broken:
            cloud.aws("iam").delete_open_id_connect_provider(OpenIDConnectProviderArn=PROVIDER)
        runs += [irsa(project, "prove", "secret", *form) for form in ((), ("--json",))]
        runs.append(irsa(project, "explain", "default/secret", role, "--stack", "test", "--json"))
    clients = ["sts.amazonaws.com", "vault"]
    cloud.aws("iam").create_open_id_connect_provider(Url=f"https://{ISSUER}", ClientIDList=clients)
    files = [*project.folder.rglob("*.json"), *(cloud.folder / "logs").iterdir()]

    assert {run.returncode for run in runs} == {0, 1}
    assert project.checkpoint in files
    for text in (*(run.stdout + run.stderr for run in runs), *(file.read_text(errors="replace") for file in files)):
        assert not SECRETS.search(text)


POD_IDENTITY = "by EKS Pod Identity"


def start(cloud: Any, pod: str, service_account: str, *options: str) -> None:
    """Create a Pod and say that it runs: the sandbox has no kubelet that starts it."""
    spec = {"serviceAccountName": service_account, "containers": [{"name": "app", "image": "app"}]}
    overrides = json.dumps({"apiVersion": "v1", "spec": spec})
    for command in (
        ("run", pod, "--image=app", f"--overrides={overrides}"),
        ("patch", "pod", pod, "--subresource=status", "--type=merge", '--patch={"status": {"phase": "Running"}}'),
    ):
        answer = cloud.kubectl(*command, *options)
        assert answer.returncode == 0, answer.stderr


def rows(checks: list[dict[str, str]]) -> list[tuple[str, str, str]]:
    return [(check["check"], check["outcome"], check["about"]) for check in checks]


def test_a_pod_gets_its_role_from_eks(cloud: Any, project: Project, tmp_path: Path) -> None:
    """Protects the proof of EKS Pod Identity: a token bound to a real Pod, first none, then alone, then beside another.

    Real EKS takes tokens of Pods only: https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html
    """
    code, checks = report(project, "prove", "pods")
    assert (code, checks[0]["found"].partition(":")[0]) == (3, "no running Pod of default/pods to bind a token to")
    assert "start one" in checks[0]["found"]
    assert "--allow-unproven" in checks[0]["found"]
    assert rows(checks)[0] == ("assumes", "cannot tell", f"default/pods {POD_IDENTITY}")
    assert report(project, "prove", "pods", "--allow-unproven")[0] == 0

    start(cloud, "pods-0", "pods")
    proving = access(cloud, tmp_path, "proving-pods", "kubernetes-prove.yaml", namespace="default")
    said = irsa(project, "prove", "pods", **proving)
    assert said.returncode == 0
    for text in (said.stdout, *(file.read_text(errors="replace") for file in (cloud.folder / "logs").iterdir())):
        assert not SECRETS.search(text)
    code, checks = report(project, "prove", "pods", **proving)
    assert (code, rows(checks)) == (
        0,
        [
            ("assumes", "ok", f"default/pods {POD_IDENTITY}"),
            ("is refused", "not checked", "a Pod without an association"),
            ("is refused", "ok", f"default/pods {POD_IDENTITY} with the audience irsa-prove.invalid"),
        ],
    )
    role = project.outputs()["bindings"]["pods"]["roleArn"].rpartition("/")[2]
    assert checks[0]["found"].startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/eks-my-cluster-pods-0-")

    start(cloud, "stranger-0", "default")
    code, checks = report(project, "prove", "pods")
    assert code == 0
    assert rows(checks)[1] == (
        "is refused",
        "ok",
        f"default/default {POD_IDENTITY}, without an association of the stack",
    )
    assert checks[1]["found"].startswith("ResourceNotFoundException: ")


def test_a_pod_that_gets_no_role_is_a_finding_with_its_fix(cloud: Any, project: Project) -> None:
    start(cloud, "ways-0", "ways")
    eks, at = cloud.aws("eks"), {"clusterName": "my-cluster", "namespace": "default", "serviceAccount": "ways"}
    (listed,) = eks.list_pod_identity_associations(**at)["associations"]
    cloud.aws("iam").update_assume_role_policy(
        RoleName="ways-role", PolicyDocument=json.dumps(document(web_identity("default:else")))
    )

    def finding() -> dict[str, str]:
        code, checks = report(project, "prove", "ways")
        (check,) = [each for each in not_good(checks) if each["about"].endswith(POD_IDENTITY)]
        assert (code, check["outcome"]) == (1, "finding")
        return check

    assert "does not admit default/ways by EKS Pod Identity" in finding()["found"]
    eks.delete_pod_identity_association(clusterName="my-cluster", associationId=listed["associationId"])
    check = finding()
    assert "has no association for default/ways" in check["found"]
    follow(project, check["fix"])
    code, checks = report(project, "prove", "ways")
    assert (code, not_good(checks)) == (0, [])
    # What is only trusted is proven too.
    assert {("assumes", "ok", f"default/ways{way}") for way in ("", f" {POD_IDENTITY}")} <= {*rows(checks)}
