"""`irsa check --live` against the sandbox: it asks little, and each conflict is gone by its own `do:`, followed.

Advice of other tests: failed-update (test_failed_update.py), what is wrong with a whole stack (test_conflicts.py).
Nothing here can follow a quota that AWS has to raise, credentials, an access entry, or "wait".
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from irsa_program.lookups.live_rules import RULES
from sandbox.seed import CLUSTER_ROLE_TRUST
from tests.output_schemas import check_output
from tests.sandbox.conflicts import Settings, annotated, roles_only, with_policy
from tests.sandbox.irsa_command import ACCOUNT, PROVIDER, ROLE_ARN, follow, irsa
from tests.sandbox.live import allowing, create_role
from tests.sandbox.pods import CLUSTER
from tests.sandbox.project import ROOT, STACK, Project
from tests.sandbox.test_verify import access
from tests.world import PODS

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(900)]

FILE = f"Pulumi.{STACK}.yaml"


def checked(project: Project, **variables: str) -> tuple[int, dict[str, Any]]:
    answer = irsa(project, "check", "--live", FILE, "--json", **variables)
    assert answer.stdout, answer.stderr
    (report,) = check_output("check", answer.stdout)["files"]
    return answer.returncode, report


def rules(report: dict[str, Any]) -> list[tuple[str, str]]:
    return [(mistake["rule"], mistake["path"].removeprefix("irsa:")) for mistake in report["errors"]]


def bindings(number: int) -> dict[str, Any]:
    document = allowing("arn:${partition}:s3:::${region}/*")
    return {
        f"live-{index}": {
            "serviceAccount": {"name": f"live-{index}", "namespace": "lively", "createNamespace": True},
            "role": {"name": f"live-{index}"},
            "policy": {"name": f"live-{index}", "document": document},
            "policyArns": ["arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"],
        }
        for index in range(number)
    }


def test_it_asks_the_same_for_3_and_for_60_bindings(deploy: Callable[..., Project], cloud: Any) -> None:
    asked: dict[int, Counter[str]] = {}
    for number in (3, 60):
        project = deploy({"bindings": bindings(number)})
        before = cloud.aws_requests()
        assert checked(project)[0] == 0
        asked[number] = cloud.aws_requests() - before

    assert asked[60] == asked[3]
    assert asked[3]["POST / ListRoles"] == 1
    assert asked[3]["POST / GetOpenIDConnectProvider"] == 1


def test_the_documented_rights_are_enough(deploy: Callable[..., Project], cloud: Any, tmp_path: Path) -> None:
    checking = access(cloud, tmp_path, "checking", "kubernetes-check-live.yaml")
    project = deploy({"bindings": bindings(1)})
    code, report = checked(project, **checking)

    assert (code, report["errors"], report["notChecked"]) == (0, [], [])
    proving = access(cloud, tmp_path, "proving-instead", "kubernetes-prove.yaml", "kubernetes-prove-clusters.yaml")
    code, report = checked(project, **proving)
    assert (code, report["errors"]) == (0, [])
    assert [text.partition(":")[0].rpartition(", ")[2] for text in report["notChecked"]] == ["namespaces"]


def test_an_association_that_exists(deploy: Callable[..., Project], cloud: Any) -> None:
    def using_pods(**more: Any) -> dict[str, Any]:
        app = {"serviceAccount": {"name": "taken"}, "role": {"name": "taken"}, "policyArns": []}
        return {"bindings": {"app": {**app, "identity": "podIdentity", **more}}}

    theirs = create_role(cloud.aws("iam"), "theirs", PODS)
    there = {"clusterName": CLUSTER, "namespace": "default", "serviceAccount": "taken", "roleArn": theirs}
    eks = cloud.aws("eks")
    found = eks.create_pod_identity_association(**there)["association"]["associationId"]
    project = deploy(using_pods())
    code, report = checked(project)

    assert (code, rules(report)) == (1, [("association-exists", "bindings.app.identity")])
    assert (
        report["errors"][0]["fix"]
        == f"adopt it, and its Pods get this role: podIdentity: {{importIds: {{cluster: {found}}}}}"
    )
    assert "ResourceInUseException" in project.run("up", "--yes").stdout
    project.set(using_pods(podIdentity={"importIds": {"cluster": found}}))
    assert checked(project)[0] == 0
    eks.delete_pod_identity_association(clusterName=CLUSTER, associationId=found)


# The way that is advised

DOCUMENT = (ROOT / "policies" / "my-policy.json").read_text()
ARN = re.compile(r"arn:aws:iam::\d+:(?:role|policy)/[\w.-]+")


class Advice(NamedTuple):
    """A binding with a conflict, the rule that reports it, and words of its `do:`."""

    rule: str
    settings: Settings
    words: str
    followed: Callable[[str], Settings] | None = None
    """The binding after that was done, by the `do:`; None where that is a command, which is the rest of it."""


def arn_in(fix: str) -> str:
    return str(ARN.findall(fix)[0])


# By the key of the binding.
ADVICE: Mapping[str, Advice] = {
    "role": Advice(
        "role-exists", roles_only("advice-taken"), "write another name", lambda _: roles_only("advice-other")
    ),
    "stays": Advice(
        "role-exists",
        {**annotated("advice-stays"), "role": {"name": "advice-stays"}},
        "role.arn, if it stays another stack's",
        lambda _: {**annotated("advice-stays"), "role": {"arn": f"arn:aws:iam::{ACCOUNT}:role/advice-stays"}},
    ),
    "policy": Advice(
        "policy-exists",
        with_policy("advice-policy"),
        "name its ARN in policyArns",
        lambda _: {**roles_only("advice-policy"), "policyArns": [f"arn:aws:iam::{ACCOUNT}:policy/advice-policy"]},
    ),
    "attached": Advice(
        "policy-missing",
        {**roles_only("advice-attached"), "policyArns": [f"arn:aws:iam::{ACCOUNT}:policy/advice-polcy"]},
        "did you mean",
        lambda fix: {**roles_only("advice-attached"), "policyArns": [arn_in(fix)]},
    ),
    "boundary": Advice(
        "boundary-missing",
        roles_only("advice-boundary", permissionsBoundary=f"arn:aws:iam::{ACCOUNT}:policy/advice-polcy"),
        "did you mean",
        lambda fix: roles_only("advice-boundary", permissionsBoundary=arn_in(fix)),
    ),
    "created": Advice(
        "service-account-exists",
        annotated("advice-created"),
        "set create: false",
        lambda _: annotated("advice-created", create=False),
    ),
    "missing": Advice("service-account-missing", annotated("advice-missing", create=False), "create it: "),
    "made": Advice(
        "service-account-missing",
        annotated("advice-made", create=False),
        "set create: true",
        lambda _: annotated("advice-made", create=True),
    ),
    "taken": Advice(
        "service-account-taken",
        annotated("advice-annotated", create=False),
        "set takeOver: true",
        lambda _: annotated("advice-annotated", create=False, takeOver=True),
    ),
    "nowhere": Advice("namespace-missing", annotated("advice", namespace="advice-nowhere"), "create it: "),
    "new": Advice(
        "namespace-missing",
        annotated("advice", namespace="advice-new"),
        "set createNamespace: true",
        lambda _: annotated("advice", namespace="advice-new", createNamespace=True),
    ),
    # Of the provider of all bindings.
    "cluster": Advice("audience-missing", {**roles_only("advice-audience"), "audience": "advice"}, "add it: "),
}


@pytest.fixture
def in_the_way(cloud: Any) -> Iterator[None]:
    """What is in the way; the provider lists no more than before afterwards."""
    iam = cloud.aws("iam")
    for name in ("advice-taken", "advice-stays"):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(CLUSTER_ROLE_TRUST))
    iam.create_policy(PolicyName="advice-policy", PolicyDocument=DOCUMENT)
    for name in ("advice-created", "advice-annotated"):
        assert cloud.kubectl("create", "serviceaccount", name).returncode == 0
    cloud.kubectl(
        "annotate", "serviceaccount", "advice-annotated", f"{ROLE_ARN}=arn:aws:iam::{ACCOUNT}:role/advice-stays"
    )
    yield
    iam.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=PROVIDER, ClientID="advice")
    cloud.kubectl("delete", "namespace", "advice-nowhere", "--ignore-not-found")


def found_by_key(project: Project) -> dict[str, Any]:
    """Return what `irsa check --live` finds by the binding's key, or of the cluster."""
    report = checked(project)[1]
    live = [each for each in (*report["errors"], *report["warnings"]) if each["rule"] in RULES]
    return {each["path"].removeprefix("irsa:").removeprefix("bindings.").split(".")[0]: each for each in live}


@pytest.mark.usefixtures("in_the_way")
def test_what_check_live_advises_is_the_way(deploy: Callable[..., Project]) -> None:
    project = deploy({"bindings": {key: each.settings for key, each in ADVICE.items()}})
    found = found_by_key(project)
    assert {key: each["rule"] for key, each in found.items()} == {key: each.rule for key, each in ADVICE.items()}
    after = {}
    for key, advice in ADVICE.items():
        fix = found[key]["fix"]
        assert advice.words in fix, fix
        after[key] = advice.followed(fix) if advice.followed else advice.settings
        if advice.followed is None:
            follow(project, fix.partition(advice.words)[2])
    project.set({"bindings": after})

    assert found_by_key(project) == {}
    project.pulumi("up", "--yes")
