"""Each link of the chain broken once: what verify and prove must answer, and that the advised command repairs it.

What must be answered is STS's own words (tools-and-facts: Error -> cause) and the page's checks of its step 3.
"""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest
import yaml

from tests.sandbox.changes import Settings, named
from tests.sandbox.failing_api import failing_aws
from tests.sandbox.irsa_command import ACCOUNT, ISSUER, PROVIDER, ROLE_ARN, follow, not_good, report
from tests.sandbox.live import allowing, document, web_identity
from tests.sandbox.project import ROOT, STACK, Project
from tests.sandbox.test_verify import access

pytestmark = pytest.mark.sandbox

BINDING = "my-service-account"
UP = f"pulumi up --refresh --stack {STACK}"
READ_BUCKETS = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"

Checks = list[dict[str, str]]
Answer = tuple[int, Checks]
"""A verb's exit code and its checks."""


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
NO_AUDIENCE = "kubectl annotate serviceaccount audience-sa -n default eks.amazonaws.com/audience-"
DETACH = f"aws iam detach-role-policy --role-name attached-role --policy-arn {READ_BUCKETS}"
MISSPELLED = "kubectl annotate serviceaccount misspelled-sa -n default eks.amazon.com/role-arn-"
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
    """The dev stack's own bindings and one for each case, deployed as a stack of this module's."""
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


def require(code: int, checks: Checks, wanted: tuple[Finding, ...]) -> None:
    """Insist that exactly these findings are there, and on the exit code that they give."""
    bad = not_good(checks)
    assert code == (1 if wanted else 0), bad
    assert len(bad) == len(wanted), bad
    for finding in wanted:
        assert any(check["outcome"] == "finding" and is_as(check, finding) for check in bad), (finding, bad)


def require_green(project: Project, *bindings: str) -> None:
    for verb in ("verify", "prove"):
        code, checks = report(project, verb, *bindings)
        require(code, checks, ())
        assert checks


class Answers(NamedTuple):
    """What is said of broken links: by verify, which reads IAM and the cluster in lists, and by prove."""

    verify: Answer
    prove: Answer

    def require(self, case: Case) -> None:
        """Insist on a case's findings; 1 is the exit code of all cases together."""
        assert (self.verify[0], self.prove[0]) == (1, 1)
        for (_, checks), wanted in ((self.verify, case.verify), (self.prove, case.prove)):
            require(int(bool(wanted)), [check for check in checks if check["binding"] == case.word], wanted)

    @property
    def fixes(self) -> set[str]:
        return {check["fix"] for check in not_good(self.verify[1])}


def ask(project: Project, without_lists: dict[str, str], *bindings: str) -> Answers:
    """Ask both verbs about these bindings, or all; verify says the same whether it reads in lists or one by one."""
    before = project.cloud.aws_requests()[DETAILS]
    # Each asks again for some seconds what an `up` has just changed.
    with ThreadPoolExecutor() as pool:
        one_by_one = pool.submit(report, project, "verify", *bindings, **without_lists)
        proven = pool.submit(report, project, "prove", *bindings)
        code, checks = report(project, "verify")
    assert project.cloud.aws_requests()[DETAILS] > before
    verified = code, [check for check in checks if not bindings or check["binding"] in bindings]
    assert one_by_one.result() == verified
    return Answers(verified, proven.result())


@pytest.fixture(scope="module")
def broken(project: Project, without_lists: dict[str, str]) -> Answers:
    """All links but the provider broken at once, and repaired by what verify advises."""
    for case in CASES:
        case.break_it(project.cloud)
    answers = ask(project, without_lists)
    for fix in answers.fixes - {UP}:
        follow(project, fix)
    # Those that are to be repaired by other commands were repaired by them, and not by the `up`.
    left = not_good(report(project, "verify")[1])
    assert {check["binding"] for check in left} == {
        case.word for case in CASES if UP in {each.fix for each in case.verify}
    }
    assert {check["fix"] for check in left} == {UP}
    follow(project, UP)
    require_green(project)
    return answers


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_broken_link(broken: Answers, case: Case) -> None:
    broken.require(case)


@pytest.mark.parametrize("case", OF_THE_PROVIDER, ids=lambda case: case.name)
def test_a_broken_provider(project: Project, without_lists: dict[str, str], case: Case) -> None:
    case.break_it(project.cloud)
    answers = ask(project, without_lists, case.word)
    for fix in answers.fixes:
        follow(project, fix)
    answers.require(case)
    require_green(project, case.word)
