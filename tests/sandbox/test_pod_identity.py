"""EKS Pod Identity through the real engine: each stage from IRSA and back, with Pods that need credentials always.

https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html
"""

import itertools
import json
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.pod_identity_webhook import IRSA, POD_IDENTITY
from tests.sandbox.failing_api import failing_aws
from tests.sandbox.irsa_command import irsa
from tests.sandbox.pods import CLUSTER, Pods, annotation
from tests.sandbox.project import STACK, Project, counts
from tests.sandbox.test_check_live import checked, rules

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


def statements(cloud: Any) -> list[dict[str, Any]]:
    found = cloud.aws("iam").get_role(RoleName="staged-role")["Role"]["AssumeRolePolicyDocument"]["Statement"]
    return list(found)


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
    """Set a stage, and return what `irsa check --live` says of it: rules, warnings and what is not checked."""
    project.set({"bindings": {"app": {**STAGED, "identity": identity}}})
    report = checked(project)[1]
    return rules(report), [each["rule"] for each in report["warnings"]], report["notChecked"]


def test_each_stage_and_back(staged: tuple[Project, Pods], cloud: Any) -> None:
    """Protects every Pod: after each `pulumi up` old and new ones have credentials, and the next one does nothing.

    But for one stage on the way back, after which the old ones must restart at once. `irsa check --live` says so, and
    that no way may end while a Pod has it.
    """
    project, pods = staged
    before = {IRSA}
    assert judged(project, "podIdentity") == (HELD, [], [])
    for (identity, changes, restart, trusted), (following, *_) in zip(STAGES, [*STAGES[1:], STAGES[0]], strict=True):
        assert judged(project, identity) == ([], ["pods-must-restart"] if identity == FROM_PODS else [], [])
        # With a preview, as a user does.
        assert counts(project.events("up", "--yes")) == changes
        pods.start()
        way = POD_IDENTITY if identity in ("both", "podIdentity", TO_PODS) else IRSA
        assert {pods.way(each) for each in pods.names} == before | {way}
        assert left_out(pods, identity) == []
        assert bool(pods.without_credentials()) is (identity == FROM_PODS)
        if restart:
            assert judged(project, following) == (HELD, [], [])
            pods.restart()
            assert pods.without_credentials() == []
        before = {way}
        assert {pods.way(each) for each in pods.names} == before
        assert len(statements(cloud)) == trusted
        assert annotation(cloud, "default", "staged") == (None if identity in (TO_PODS, "podIdentity") else ROLE_ARN)
        assert [each["roleArn"] for each in associations(cloud)] == ([ROLE_ARN] if way is POD_IDENTITY else [])
        assert judged(project, identity) == ([], [], [])
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


SESSION = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}}
TARGET = "arn:aws:iam::444455556666:role/other-account-role"


def test_settings_of_an_association_change_in_place(deploy: Deploy, cloud: Any) -> None:
    app = {"serviceAccount": {"name": "settings"}, "identity": "podIdentity"}
    project = deploy({"bindings": {"app": app}})
    project.up()
    (before,) = associations(cloud, "settings")
    assert before["disableSessionTags"] is False

    settings = {
        "sessionTags": False,
        "targetRoleArn": TARGET,
        "policy": {"document": SESSION},
        "tags": {"team": "payments"},
    }
    project.set({"bindings": {"app": {**app, "podIdentity": settings}}})
    project.up()
    (found,) = associations(cloud, "settings")
    assert found["associationId"] == before["associationId"]
    assert (found["disableSessionTags"], found["targetRoleArn"], found["tags"]["team"]) == (True, TARGET, "payments")
    assert json.loads(found["policy"]) == SESSION
    assert project.up() == {}

    # Drift is repaired.
    cloud.aws("eks").update_pod_identity_association(
        clusterName=CLUSTER, associationId=found["associationId"], targetRoleArn="", policy=""
    )
    assert project.up("--refresh")["update"] == 1
    assert associations(cloud, "settings")[0]["targetRoleArn"] == TARGET

    # EKS keeps what an update leaves out; the command that removes it is that of the message.
    project.set({"bindings": {"app": {**app, "podIdentity": {"sessionTags": False}}}})
    said = project.refused("up", "--yes", "--skip-preview")
    (command,) = set(re.findall("`(aws eks .*?)`", said))
    words = dict(itertools.pairwise(shlex.split(command)))
    assert (words["--target-role-arn"], words["--policy"]) == ("", "")
    cloud.aws("eks").update_pod_identity_association(
        clusterName=words["--cluster-name"], associationId=words["--association-id"], targetRoleArn="", policy=""
    )
    project.up("--refresh")
    assert project.up() == {}
    assert not associations(cloud, "settings")[0].get("policy")
    project.set({"bindings": {"app": app}})
    assert project.up()["update"] == 2
    assert associations(cloud, "settings")[0]["disableSessionTags"] is False


def test_a_service_account_that_exists_keeps_what_it_has(deploy: Deploy, cloud: Any) -> None:
    binding = {"serviceAccount": {"name": "of-helm", "create": False}, "identity": "podIdentity"}
    project = deploy({"bindings": {"app": binding}})
    assert "of-helm" in project.refused("up", "--yes", "--skip-preview")
    cloud.kubectl("create", "serviceaccount", "of-helm")
    project.up()
    assert len(associations(cloud, "of-helm")) == 1
    assert annotation(cloud, "default", "of-helm") is None

    project.set({"bindings": {"app": {**binding, "identity": "both"}}})
    project.up()
    assert annotation(cloud, "default", "of-helm") is not None
    project.set({"bindings": {"app": {**binding, "identity": TO_PODS}}})
    project.up()
    assert annotation(cloud, "default", "of-helm") is None
    assert project.up() == {}
    project.pulumi("destroy", "--yes", "--skip-preview")
    assert associations(cloud, "of-helm") == []
    assert cloud.kubectl("delete", "serviceaccount", "of-helm").returncode == 0


def test_what_only_the_aws_accounts_say(deploy: Deploy, cloud: Any, tmp_path: Path) -> None:
    """Protects from half an `up`: two profiles are of which AWS accounts, `irsa check` cannot know, and `up` looks up.

    https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html
    """
    profiles = tmp_path / "aws"
    profiles.write_text(
        "[profile here]\naws_access_key_id = sandbox\naws_secret_access_key = sandbox\n"
        "[profile there]\nsource_profile = here\nrole_arn = arn:aws:iam::444455556666:role/administrator\n"
    )
    bindings = {
        "elsewhere": {**STAGED, "account": "there", "identity": "podIdentity"},
        "one": {"trust": {"subjects": ["a:b"]}, "role": {"name": "shared"}},
        "two": {"trust": {"subjects": ["a:b"]}, "role": {"name": "Shared"}, "account": "here"},
    }
    values = {"accounts": {key: {"profile": key} for key in ("here", "there")}, "bindings": bindings}
    project = deploy(values, AWS_CONFIG_FILE=str(profiles))
    said = [project.refused("up", "--yes", "--skip-preview")]
    for live, code in (((), 0), (("--live",), 1)):
        answer = irsa(project, "check", *live, f"Pulumi.{STACK}.yaml")
        assert answer.returncode == code, answer.stdout
        said += [answer.stdout] if live else []
    for each in said:
        assert "irsa:bindings.elsewhere.clusters" in each
        assert "irsa:bindings.two.role.name" in each
    assert [each["type"] for each in project.state() if ":iam/" in each["type"]] == []


def test_another_service_account_replaces_the_association(deploy: Deploy, cloud: Any) -> None:
    app: dict[str, Any] = {"serviceAccount": {"name": "first"}, "role": {"name": "moved"}, "identity": "podIdentity"}
    project = deploy({"bindings": {"app": app}})
    project.up()
    project.set({"bindings": {"app": {**app, "serviceAccount": {"name": "second"}}}})
    project.up()
    assert associations(cloud, "first") == []
    assert len(associations(cloud, "second")) == 1
    assert project.up() == {}


def test_an_association_made_by_hand_is_adopted(deploy: Deploy, cloud: Any) -> None:
    """Protects who comes from the console or eksctl: the association stays, with its ID."""
    app: dict[str, Any] = {"serviceAccount": {"name": "by-hand-too"}, "role": {"name": "by-hand-too"}}
    project = deploy({"bindings": {"app": {**app, "identity": FROM_PODS}}})
    project.up()
    made = cloud.aws("eks").create_pod_identity_association(
        clusterName=CLUSTER,
        namespace="default",
        serviceAccount="by-hand-too",
        roleArn="arn:aws:iam::111122223333:role/by-hand-too",
    )["association"]["associationId"]
    adopted = {**app, "identity": "both", "podIdentity": {"importIds": {"cluster": made}}}
    project.set({"bindings": {"app": adopted}})
    assert project.up() == {"import": 1}
    project.set({"bindings": {"app": {**app, "identity": "both"}}})
    assert project.up() == {}
    assert [each["associationId"] for each in associations(cloud, "by-hand-too")] == [made]
