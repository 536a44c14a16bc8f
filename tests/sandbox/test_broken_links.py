"""Each link of the chain broken once: what verify and prove must answer, and that the advised command repairs it.

What must be answered is STS's own words (tools-and-facts: Error -> cause) and the page's checks of its step 3.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
import yaml

from tests.sandbox.changes import Settings, named
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


class Finding(NamedTuple):
    """What a verb must answer: the check, what it found, a part of that or of what it is about, and its whole fix."""

    check: str
    found: str
    fix: str = UP


class Case(NamedTuple):
    """A broken link; no finding says that the verb must be green."""

    name: str
    word: str
    """The binding's key; the names of all that it declares start with it."""
    break_it: Callable[[Any], object]
    """Takes the sandbox."""
    verify: tuple[Finding, ...] = ()
    prove: tuple[Finding, ...] = ()


def policy(word: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:policy/{word}-policy"


def kubectl(cloud: Any, *arguments: str) -> str:
    answer = cloud.kubectl(*arguments)
    assert answer.returncode == 0, answer.stderr
    return str(answer.stdout)


def trust(cloud: Any, word: str, subject: str, operator: str = "StringEquals") -> None:
    policy = json.dumps(document(web_identity(subject, operator=operator)))
    cloud.aws("iam").update_assume_role_policy(RoleName=f"{word}-role", PolicyDocument=policy)


def detach(cloud: Any, word: str) -> None:
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


def misspell_annotation(cloud: Any) -> None:
    kubectl(
        cloud,
        "annotate",
        "sa",
        "misspelled-sa",
        f"{ROLE_ARN}-",
        f"eks.amazon.com/role-arn=arn:aws:iam::{ACCOUNT}:role/misspelled-role",
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
CREATE_PROVIDER = f"aws iam create-open-id-connect-provider --url https://{ISSUER} --client-id-list sts.amazonaws.com"
ADD_CLIENT_ID = (
    f"aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn {PROVIDER} "
    "--client-id sts.amazonaws.com"
)
NO_AUDIENCE = (
    "kubectl annotate serviceaccount audience-sa -n default --context irsa-sandbox eks.amazonaws.com/audience-"
)
DETACH = f"aws iam detach-role-policy --role-name attached-role --policy-arn {READ_BUCKETS}"
MISSPELLED = "kubectl annotate serviceaccount misspelled-sa -n default --context irsa-sandbox eks.amazon.com/role-arn-"
NO_ACCOUNT = "there is no such service account"
CASES = (
    Case(
        "trust widened by hand",
        "widened",
        lambda cloud: trust(cloud, "widened", "*:*", "StringLike"),
        (
            Finding("trust", f"StringEquals.{ISSUER}:sub: nothing"),
            Finding("trust", f"StringLike.{ISSUER}:sub: system:serviceaccount:*:*"),
        ),
        (Finding("is refused", "STS gave it arn:aws:sts::111122223333:assumed-role/widened-role/"),),
    ),
    Case(
        "role deleted",
        "deleted",
        delete_role,
        (Finding("role", "there is no such role"),),
        (Finding("assumes", NOT_AUTHORIZED),),
    ),
    Case(
        "settings of the role changed by hand",
        "settings",
        change_settings,
        (
            Finding("role", f"permissions boundary: {READ_BUCKETS}"),
            Finding("role", "longest session in seconds: 43200"),
            Finding("role", "description: theirs"),
        ),
    ),
    Case(
        "policy detached",
        "detached",
        lambda cloud: detach(cloud, "detached"),
        (Finding("policies", f"{policy('detached')}: not attached to the role"),),
    ),
    Case(
        "undeclared policy attached",
        "attached",
        lambda cloud: cloud.aws("iam").attach_role_policy(RoleName="attached-role", PolicyArn=READ_BUCKETS),
        (Finding("policies", f"{READ_BUCKETS}: attached but not declared", DETACH),),
    ),
    Case(
        "another default version of the policy",
        "version",
        new_policy_version,
        (Finding("documents", "Statement.Action: s3:*"), Finding("documents", "Resource: *")),
    ),
    Case(
        "annotation misspelled",
        "misspelled",
        misspell_annotation,
        (
            Finding("service account", f"no {ROLE_ARN}"),
            Finding("service account", "eks.amazon.com/role-arn", MISSPELLED),
        ),
        (Finding("assumes", f"no {ROLE_ARN}, so its Pods get no credentials"),),
    ),
    Case(
        "wrong audience in the annotation",
        "audience",
        lambda cloud: kubectl(
            cloud, "annotate", "sa", "audience-sa", "eks.amazonaws.com/audience=sts.amazonaws.com.cn"
        ),
        (Finding("service account", "eks.amazonaws.com/audience: sts.amazonaws.com.cn, but", NO_AUDIENCE),),
        (Finding("assumes", "eks.amazonaws.com/audience: sts.amazonaws.com.cn", NO_AUDIENCE),),
    ),
    Case(
        "service account deleted",
        "gone",
        lambda cloud: kubectl(cloud, "delete", "sa", "gone-sa"),
        (Finding("service account", NO_ACCOUNT),),
        (Finding("assumes", NO_ACCOUNT),),
    ),
)
NO_PROVIDER = f'InvalidIdentityToken ("No OpenIDConnect provider found in your account for https://{ISSUER}")'
# Of all bindings; the findings are those of one.
OF_THE_PROVIDER = (
    Case(
        "OIDC provider deleted",
        BINDING,
        lambda cloud: cloud.aws("iam").delete_open_id_connect_provider(OpenIDConnectProviderArn=PROVIDER),
        (Finding("provider", "has no IAM OIDC provider for", CREATE_PROVIDER),),
        (Finding("assumes", NO_PROVIDER, CREATE_PROVIDER),),
    ),
    Case(
        "client id removed",
        BINDING,
        lambda cloud: cloud.aws("iam").remove_client_id_from_open_id_connect_provider(
            OpenIDConnectProviderArn=PROVIDER, ClientID="sts.amazonaws.com"
        ),
        (Finding("provider", "nor any other", ADD_CLIENT_ID),),
        (Finding("assumes", 'InvalidIdentityToken ("Incorrect token audience")', ADD_CLIENT_ID),),
    ),
)


def declared(word: str) -> Settings:
    return named(word, role={"name": f"{word}-role", "description": "ours"})


@pytest.fixture(scope="module")
def project(cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    values = yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text())["config"]
    bindings = {**values["irsa:bindings"], **{case.word: declared(case.word) for case in CASES}}
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


def is_as(check: dict[str, str], finding: Finding) -> bool:
    said = f"{check['about']}: {check['found']}"
    return (check["check"], check["fix"]) == (finding.check, finding.fix) and finding.found in said


def require(checks: Checks, wanted: tuple[Finding, ...]) -> None:
    bad = not_good(checks)
    assert len(bad) == len(wanted), bad
    for finding in wanted:
        assert any(check["outcome"] == "finding" and is_as(check, finding) for check in bad), (finding, bad)


def require_green(project: Project, *bindings: str) -> None:
    for verb in VERBS:
        code, checks = report(project, verb, *bindings)
        assert (code, not_good(checks)) == (0, [])
        assert checks


@pytest.fixture(scope="module")
def broken(project: Project, without_lists: dict[str, str]) -> dict[str, Checks]:
    """What each verb says of all links but the provider broken at once, which are then repaired as verify advises."""
    for case in CASES:
        case.break_it(project.cloud)
    before = project.cloud.aws_requests()[DETAILS]
    answers = {verb: report(project, verb) for verb in VERBS}
    assert project.cloud.aws_requests()[DETAILS] > before
    assert report(project, "verify", **without_lists) == answers["verify"]
    assert [code for code, _ in answers.values()] == [1, 1]
    said = {verb: checks for verb, (_, checks) in answers.items()}
    for fix in {check["fix"] for check in not_good(said["verify"])} - {UP}:
        follow(project, fix)
    # Those that are to be repaired by other commands were repaired by them, and not by the `up`.
    left = not_good(report(project, "verify")[1])
    assert {check["binding"] for check in left} == {
        case.word for case in CASES if UP in {each.fix for each in case.verify}
    }
    assert {check["fix"] for check in left} == {UP}
    follow(project, UP)
    require_green(project)
    return said


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_broken_link(broken: dict[str, Checks], case: Case) -> None:
    for verb, wanted in (("verify", case.verify), ("prove", case.prove)):
        require([check for check in broken[verb] if check["binding"] == case.word], wanted)


@pytest.mark.parametrize("case", OF_THE_PROVIDER, ids=lambda case: case.name)
def test_a_broken_provider(project: Project, case: Case) -> None:
    case.break_it(project.cloud)
    answers = [report(project, verb, case.word) for verb in VERBS]
    for fix in {check["fix"] for _, checks in answers for check in not_good(checks)}:
        follow(project, fix)
    for (code, checks), wanted in zip(answers, (case.verify, case.prove), strict=True):
        assert code == 1
        require(checks, wanted)
    require_green(project, case.word)
