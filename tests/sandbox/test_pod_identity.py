"""EKS Pod Identity through the real engine: each stage from IRSA and back, with Pods that need credentials always.

https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sandbox.pod_identity_webhook import IRSA, POD_IDENTITY
from tests.output_schemas import check_output
from tests.sandbox.failing_api import failing_aws
from tests.sandbox.irsa_command import checked, irsa
from tests.sandbox.live import trust_of
from tests.sandbox.pods import CLUSTER, Pods, annotation
from tests.sandbox.project import STACK, Project
from tests.sandbox.test_check_live import rules

pytestmark = pytest.mark.sandbox

Deploy = Callable[..., Project]
REFUSAL = "Trust policy of the role provided is invalid"
ROLE_ARN = "arn:aws:iam::111122223333:role/staged-role"
STAGED = {
    "serviceAccount": {"name": "staged"},
    "role": {"name": "staged-role"},
    "policyArns": ["arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"],
}
TO_PODS, FROM_PODS = {"irsa": "trusted", "podIdentity": "used"}, {"irsa": "used", "podIdentity": "trusted"}
HELD = [("pods-hold-back", "bindings.app.identity")]
# Of each stage: what is written, what `pulumi up` then does, whether Pods restart, and how many ways are trusted.
STAGES: list[tuple[Any, dict[str, int], bool, int]] = [
    ("both", {"update": 1, "create": 1}, True, 2),
    (TO_PODS, {"update": 1}, False, 2),
    ("podIdentity", {"update": 1}, False, 1),
    ("both", {"update": 2}, False, 2),
    (FROM_PODS, {"delete": 1}, True, 2),
    ("irsa", {"update": 1}, False, 1),
]


@pytest.fixture
def staged(deploy: Deploy, cloud: Any) -> Iterator[tuple[Project, Pods]]:
    project, pods = deploy({"bindings": {"app": STAGED}}), Pods(cloud, "default", "staged")
    project.up()
    for _ in range(2):
        pods.start()
    yield project, pods
    for name in [*pods.names]:
        pods.stop(name)


def associations(cloud: Any, name: str = "staged") -> list[dict[str, Any]]:
    eks = cloud.aws("eks")
    listed = eks.list_pod_identity_associations(clusterName=CLUSTER, serviceAccount=name)["associations"]
    return [
        eks.describe_pod_identity_association(clusterName=CLUSTER, associationId=each["associationId"])["association"]
        for each in listed
    ]


def left_out(pods: Pods, identity: Any) -> list[str]:
    """Return the Pods without credentials, but for those that lose them with the association on the way back."""
    without = pods.without_credentials()
    return [each for each in without if identity != FROM_PODS or pods.way(each) is not POD_IDENTITY]


def judged(project: Project, identity: Any) -> tuple[list[tuple[str, str]], list[str], list[str]]:
    project.set({"bindings": {"app": {**STAGED, "identity": identity}}})
    report = checked(project)[1]
    return rules(report), [each["rule"] for each in report["warnings"]], report["notChecked"]


def test_each_stage(staged: tuple[Project, Pods], cloud: Any) -> None:
    """Walk to EKS Pod Identity: after each `pulumi up` old and new Pods have credentials, and no right has changed.

    `irsa check --live` says that no way may end while a Pod has it. tests/all/faults walks the way back, too.
    """
    project, pods = staged
    assert judged(project, "podIdentity") == (HELD, [], [])
    ways = {IRSA}
    for (identity, changes, restart, trusted), (following, *_) in itertools.pairwise(STAGES[:4]):
        assert judged(project, identity) == ([], [], [])
        # With a preview, as a user does.
        shown = check_output("diff", irsa(project, "diff", "--stack", STACK, "--json").stdout)
        assert {each["change"] for each in shown["rows"] if each["kind"] == "session"} <= {"changes way"}
        assert project.up() == changes
        pods.start()
        assert {pods.way(each) for each in pods.names} == {*ways, POD_IDENTITY}
        assert pods.without_credentials() == []
        if restart:
            assert judged(project, following) == (HELD, [], [])
            pods.restart()
            assert pods.without_credentials() == []
        ways = {POD_IDENTITY}
        assert {pods.way(each) for each in pods.names} == ways
        assert len(trust_of(cloud.aws("iam"), "staged-role")) == trusted
        assert annotation(cloud, "default", "staged") == (ROLE_ARN if identity == "both" else None)
        assert [each["roleArn"] for each in associations(cloud)] == [ROLE_ARN]
    assert judged(project, "podIdentity") == ([], [], [])
    assert project.up() == {}


def test_eks_does_not_know_the_trust_policy_yet(deploy: Deploy, cloud: Any) -> None:
    """Protects the first `up`: EKS refuses a role whose trust policy it has not seen, and is asked again.

    https://github.com/hashicorp/terraform-provider-aws/issues/34711
    """
    refused: list[int] = []

    def not_yet() -> tuple[int, str, str] | None:
        refused.append(1)
        return (400, "InvalidParameterException", REFUSAL) if len(refused) < 3 else None

    # The list for the next look-up has the same path, and is no POST.
    with failing_aws({f"POST /clusters/{CLUSTER}/pod-identity-associations": not_yet}, cloud.aws_address) as address:
        project = deploy({"bindings": {"app": {**STAGED, "identity": "both"}}}, AWS_ENDPOINT_URL=address)
        assert project.up()["create"] == 6
    project.variables["AWS_ENDPOINT_URL"] = cloud.aws_address
    assert len(refused) == 3
    assert len(associations(cloud)) == 1
