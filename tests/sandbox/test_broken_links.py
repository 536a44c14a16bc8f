"""Each link of the chain broken once: what verify and prove must answer, and that the advised command repairs it.

What must be answered is STS's own words (tools-and-facts: Error -> cause) and the page's checks of its step 3.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
import yaml

from tests.sandbox.changes import named
from tests.sandbox.failing_api import failing_aws
from tests.sandbox.irsa_command import ACCOUNT, ISSUER, PROVIDER, ROLE_ARN, follow, not_good, report
from tests.sandbox.live import allowing, web_identity
from tests.sandbox.project import ROOT, STACK, Project
from tests.sandbox.test_verify import access
from tests.world import document

pytestmark = pytest.mark.sandbox

BINDING = "my-service-account"
UP = f"pulumi up --refresh --stack {STACK}"
VERBS = ("verify", "prove")
READ_BUCKETS = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"

Checks = list[dict[str, str]]
# By the check, a part of what was found or of what it is about.
Findings = tuple[tuple[str, str], ...]


class Case(NamedTuple):
    """What breaks a link, and what each verb must answer; no finding says that it must be green."""

    break_it: Callable[[Any], object]
    """Takes the sandbox."""
    verify: Findings
    prove: Findings = ()
    by_up: bool = True
    """Whether `pulumi up` repairs it; else the command of verify's finding does."""


def policy(word: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:policy/{word}-policy"


def kubectl(*arguments: str) -> Callable[[Any], None]:
    def run(cloud: Any) -> None:
        answer = cloud.kubectl(*arguments)
        assert answer.returncode == 0, answer.stderr

    return run


def widen(cloud: Any) -> None:
    wide = json.dumps(document(web_identity("*:*", operator="StringLike")))
    cloud.aws("iam").update_assume_role_policy(RoleName="widened-role", PolicyDocument=wide)


def detach(cloud: Any, word: str = "detached") -> None:
    cloud.aws("iam").detach_role_policy(RoleName=f"{word}-role", PolicyArn=policy(word))


def delete_role(cloud: Any) -> None:
    detach(cloud, "deleted")
    cloud.aws("iam").delete_role(RoleName="deleted-role")


def change_settings(cloud: Any) -> None:
    iam = cloud.aws("iam")
    iam.put_role_permissions_boundary(RoleName="settings-role", PermissionsBoundary=READ_BUCKETS)
    iam.update_role(RoleName="settings-role", Description="theirs", MaxSessionDuration=43200)


def new_policy_version(cloud: Any) -> None:
    cloud.aws("iam").create_policy_version(
        PolicyArn=policy("version"), PolicyDocument=json.dumps(allowing("*", action="s3:*")), SetAsDefault=True
    )


# What verify reads IAM in bulk with: docs/permissions/iam-verify-in-bulk.json.
DETAILS = "POST / GetAccountAuthorizationDetails"
LISTS_DENIED = dict.fromkeys(("GetAccountAuthorizationDetails", "ListRoles"), (403, "AccessDenied", "You may not"))
GETTING = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRole",
    "metadata": {"name": "getting"},
    "rules": [{"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["get"]}],
}
NOT_AUTHORIZED = 'AccessDenied ("Not authorized to perform sts:AssumeRoleWithWebIdentity")'
NO_ACCOUNT = "there is no such service account"
MISSPELLED = f"eks.amazon.com/role-arn=arn:aws:iam::{ACCOUNT}:role/misspelled-role"
OTHER_AUDIENCE = "eks.amazonaws.com/audience=sts.amazonaws.com.cn"
# By the binding's key: the names of all that it declares start with it.
CASES = {
    "widened": Case(
        widen,
        (
            ("trust", f"StringEquals.{ISSUER}:sub: nothing"),
            ("trust", f"StringLike.{ISSUER}:sub: system:serviceaccount:*:*"),
        ),
        (("is refused", "STS gave it arn:aws:sts::111122223333:assumed-role/widened-role/"),),
    ),
    "deleted": Case(delete_role, (("role", "there is no such role"),), (("assumes", NOT_AUTHORIZED),)),
    "settings": Case(
        change_settings,
        (
            ("role", f"permissions boundary: {READ_BUCKETS}"),
            ("role", "longest session in seconds: 43200"),
            ("role", "description: theirs"),
        ),
    ),
    "detached": Case(detach, (("policies", f"{policy('detached')}: not attached to the role"),)),
    "attached": Case(
        lambda cloud: cloud.aws("iam").attach_role_policy(RoleName="attached-role", PolicyArn=READ_BUCKETS),
        (("policies", f"{READ_BUCKETS}: attached but not declared"),),
        by_up=False,
    ),
    "version": Case(new_policy_version, (("documents", "Statement.Action: s3:*"), ("documents", "Resource: *"))),
    "misspelled": Case(
        kubectl("annotate", "sa", "misspelled-sa", f"{ROLE_ARN}-", MISSPELLED),
        (("service account", f"no {ROLE_ARN}"), ("service account", "eks.amazon.com/role-arn")),
        (("assumes", f"no {ROLE_ARN}, so its Pods get no credentials"),),
    ),
    "audience": Case(
        kubectl("annotate", "sa", "audience-sa", OTHER_AUDIENCE),
        (("service account", "eks.amazonaws.com/audience: sts.amazonaws.com.cn, but"),),
        (("assumes", "eks.amazonaws.com/audience: sts.amazonaws.com.cn"),),
        by_up=False,
    ),
    "gone": Case(kubectl("delete", "sa", "gone-sa"), (("service account", NO_ACCOUNT),), (("assumes", NO_ACCOUNT),)),
}
NO_PROVIDER = f'InvalidIdentityToken ("No OpenIDConnect provider found in your account for https://{ISSUER}")'
# Of all bindings; the findings are those of one.
OF_THE_PROVIDER = {
    "deleted": Case(
        lambda cloud: cloud.aws("iam").delete_open_id_connect_provider(OpenIDConnectProviderArn=PROVIDER),
        (("provider", "has no IAM OIDC provider for"),),
        (("assumes", NO_PROVIDER),),
    ),
    "client ID removed": Case(
        lambda cloud: cloud.aws("iam").remove_client_id_from_open_id_connect_provider(
            OpenIDConnectProviderArn=PROVIDER, ClientID="sts.amazonaws.com"
        ),
        (("provider", "nor any other"),),
        (("assumes", 'InvalidIdentityToken ("Incorrect token audience")'),),
    ),
}


@pytest.fixture(scope="module")
def project(cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    values = yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text())["config"]
    own = {word: named(word, role={"name": f"{word}-role", "description": "ours"}) for word in CASES}
    bindings = {**values["irsa:bindings"], **own}
    project = Project(cloud, tmp_path_factory.mktemp("links") / "project", {"bindings": bindings})
    project.up()
    yield project
    project.destroy()


@pytest.fixture(scope="module")
def without_lists(cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Variables of a caller whom IAM and Kubernetes deny their lists, so that verify reads one by one."""
    folder = tmp_path_factory.mktemp("getting")
    (folder / "getting.yaml").write_text(yaml.safe_dump(GETTING))
    getting = access(cloud, folder, "getting", str(folder / "getting.yaml"))
    with failing_aws(LISTS_DENIED, cloud.aws_address) as address:
        yield {**getting, "AWS_ENDPOINT_URL": address}


def require(checks: Checks, wanted: Findings) -> None:
    bad = not_good(checks)
    assert len(bad) == len(wanted), bad
    assert {check["outcome"] for check in bad} <= {"finding"}
    for kind, part in wanted:
        assert any(each["check"] == kind and part in f"{each['about']}: {each['found']}" for each in bad), (part, bad)


def require_green(project: Project, *bindings: str) -> None:
    for verb in VERBS:
        code, checks = report(project, verb, *bindings)
        assert (code, not_good(checks)) == (0, [])
        assert checks


@pytest.fixture(scope="module")
def broken(project: Project, without_lists: dict[str, str]) -> dict[str, Checks]:
    """What each verb says of all links but the provider broken at once, which are then repaired as verify advises."""
    for case in CASES.values():
        case.break_it(project.cloud)
    before = project.cloud.aws_requests()[DETAILS]
    answers = {verb: report(project, verb) for verb in VERBS}
    assert project.cloud.aws_requests()[DETAILS] > before
    assert report(project, "verify", **without_lists) == answers["verify"]
    # A refresh takes it into the state, and hides none of it.
    project.pulumi("refresh", "--yes", "--skip-preview")
    assert report(project, "verify") == answers["verify"]
    assert [code for code, _ in answers.values()] == [1, 1]
    said = {verb: checks for verb, (_, checks) in answers.items()}
    for fix in {check["fix"] for check in not_good(said["verify"])} - {UP}:
        follow(project, fix)
    # Those that are to be repaired by other commands were repaired by them, and not by the `up`.
    left = not_good(report(project, "verify")[1])
    assert {check["binding"] for check in left} == {word for word, case in CASES.items() if case.by_up}
    assert {check["fix"] for check in left} == {UP}
    follow(project, UP)
    require_green(project)
    return said


@pytest.mark.parametrize("word", CASES)
def test_a_broken_link(broken: dict[str, Checks], word: str) -> None:
    for verb, wanted in (("verify", CASES[word].verify), ("prove", CASES[word].prove)):
        require([check for check in broken[verb] if check["binding"] == word], wanted)


@pytest.mark.parametrize("case", OF_THE_PROVIDER.values(), ids=OF_THE_PROVIDER)
def test_a_broken_provider(project: Project, case: Case) -> None:
    case.break_it(project.cloud)
    answers = [report(project, verb, BINDING) for verb in VERBS]
    for fix in {check["fix"] for _, checks in answers for check in not_good(checks)}:
        follow(project, fix)
    for (code, checks), wanted in zip(answers, (case.verify, case.prove), strict=True):
        assert code == 1
        require(checks, wanted)
    require_green(project, BINDING)
