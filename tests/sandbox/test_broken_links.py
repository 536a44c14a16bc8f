"""Each link of the chain broken once: what verify and prove must answer, and that the advised command repairs it.

What must be answered is STS's own words (tools-and-facts: Error -> cause) and the page's checks of its step 3.
`pytest -s` prints the table of the findings that were produced.
"""

import base64
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml
from joserfc import jwk, jws

from irsa_cli.live.kubernetes import LiveCluster
from irsa_cli.main import main
from tests.sandbox.changes import named, rows
from tests.sandbox.failing_api import failing_aws
from tests.sandbox.irsa_command import ACCOUNT, ISSUER, PROVIDER, ROLE_ARN, follow, irsa, not_good, report
from tests.sandbox.project import ROOT, STACK, Project

pytestmark = pytest.mark.sandbox

BINDING = "my-service-account"
ROLE = "my-role"
POLICY = f"arn:aws:iam::{ACCOUNT}:policy/my-policy"
OTHER_ISSUER = "oidc.eks.us-west-2.amazonaws.com/id/REBUILT0000000000000000000000000"
OTHER_PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{OTHER_ISSUER}"
OTHER_CLUSTER = {"oidcIssuer": f"https://{OTHER_ISSUER}", "oidcProviderArn": OTHER_PROVIDER}
UP = f"pulumi up --refresh --stack {STACK}"
READ_BUCKETS = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"

Break = Callable[["Links"], None]


@dataclass
class Links:
    """The deployed dev stack, and the table of what its broken links led to."""

    project: Project
    rows: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def iam(self) -> Any:
        return self.project.cloud.aws("iam")

    def kubectl(self, *arguments: str) -> None:
        answer = self.project.cloud.kubectl(*arguments)
        assert answer.returncode == 0, answer.stderr

    def uid(self, service_account: str) -> str:
        answer = self.project.cloud.kubectl("get", "serviceaccount", service_account, "-o", "jsonpath={.metadata.uid}")
        assert answer.returncode == 0, answer.stderr
        return str(answer.stdout)

    def trust(self, subject: str, operator: str = "StringEquals") -> None:
        condition = {"StringEquals": {f"{ISSUER}:aud": "sts.amazonaws.com"}}
        condition.setdefault(operator, {})[f"{ISSUER}:sub"] = subject
        statement = {
            "Effect": "Allow",
            "Principal": {"Federated": PROVIDER},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": condition,
        }
        document = {"Version": "2012-10-17", "Statement": [statement]}
        self.iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=json.dumps(document))


@dataclass(frozen=True)
class Finding:
    """What a verb must answer; `about`, `found`, `expected` and `fix` are parts of its words."""

    check: str
    found: str
    expected: str
    fix: str
    about: str = ""


@dataclass(frozen=True)
class Case:
    """A broken link; no finding says that the verb must be green."""

    name: str
    break_it: Break
    verify: tuple[Finding, ...] = ()
    prove: tuple[Finding, ...] = ()


def delete_role(links: Links) -> None:
    links.iam.detach_role_policy(RoleName=ROLE, PolicyArn=POLICY)
    links.iam.delete_role(RoleName=ROLE)


def change_settings(links: Links) -> None:
    links.iam.put_role_permissions_boundary(RoleName=ROLE, PermissionsBoundary=READ_BUCKETS)
    links.iam.update_role(RoleName=ROLE, Description="theirs", MaxSessionDuration=43200)


def new_policy_version(links: Links) -> None:
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    links.iam.create_policy_version(PolicyArn=POLICY, PolicyDocument=json.dumps(document), SetAsDefault=True)


def misspell_annotation(links: Links) -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"
    links.kubectl("annotate", "sa", BINDING, f"{ROLE_ARN}-", f"eks.amazon.com/role-arn={role}")


# What verify reads IAM in bulk with: docs/permissions/iam-verify-in-bulk.json.
DETAILS = "POST / GetAccountAuthorizationDetails"
LISTS_DENIED = dict.fromkeys(
    ("GetAccountAuthorizationDetails", "GetAccountSummary", "ListRoles"), (403, "AccessDenied", "You may not")
)
NOT_AUTHORIZED = 'AccessDenied ("Not authorized to perform sts:AssumeRoleWithWebIdentity")'
CASES = (
    Case(
        "trust widened by hand",
        lambda links: links.trust("system:serviceaccount:*:*", "StringLike"),
        (
            Finding(
                "trust", f"StringEquals.{ISSUER}:sub: nothing", "system:serviceaccount:default:my-service-account", UP
            ),
            Finding("trust", f"StringLike.{ISSUER}:sub: system:serviceaccount:*:*", "nothing", UP),
        ),
        (Finding("is refused", "STS gave it arn:aws:sts::111122223333:assumed-role/my-role/", "AccessDenied", UP),),
    ),
    Case(
        "trust edited to another account",
        lambda links: links.trust("system:serviceaccount:default:my-servcie-account"),
        (Finding("trust", "default:my-servcie-account", "system:serviceaccount:default:my-service-account", UP),),
        (Finding("assumes", NOT_AUTHORIZED, "assumes arn:aws:iam::111122223333:role/my-role", UP),),
    ),
    Case(
        "role deleted",
        delete_role,
        (Finding("role", "the role does not exist", "arn:aws:iam::111122223333:role/my-role", UP),),
        (Finding("assumes", NOT_AUTHORIZED, "assumes", UP),),
    ),
    Case(
        "settings of the role changed by hand",
        change_settings,
        (
            Finding("role", f"permissions boundary: {READ_BUCKETS}", "permissions boundary: none", UP),
            Finding("role", "longest session in seconds: 43200", "longest session in seconds: 3600", UP),
            Finding("role", "description: theirs", "description: my-role-description", UP),
        ),
    ),
    Case(
        "OIDC provider deleted",
        lambda links: links.iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=PROVIDER),
        (
            Finding(
                "provider",
                "the IAM OIDC provider does not exist",
                f"https://{ISSUER}",
                f"aws iam create-open-id-connect-provider --url https://{ISSUER} --client-id-list sts.amazonaws.com",
            ),
        ),
        (
            Finding(
                "assumes",
                f'InvalidIdentityToken ("No OpenIDConnect provider found in your account for https://{ISSUER}")',
                "assumes",
                f"aws iam create-open-id-connect-provider --url https://{ISSUER} --client-id-list sts.amazonaws.com",
            ),
        ),
    ),
    Case(
        "client id removed",
        lambda links: links.iam.remove_client_id_from_open_id_connect_provider(
            OpenIDConnectProviderArn=PROVIDER, ClientID="sts.amazonaws.com"
        ),
        (
            Finding(
                "provider",
                "audiences none",
                "sts.amazonaws.com in the client ID list",
                "aws iam add-client-id-to-open-id-connect-provider "
                f"--open-id-connect-provider-arn {PROVIDER} --client-id sts.amazonaws.com",
            ),
        ),
        (
            Finding(
                "assumes",
                'InvalidIdentityToken ("Incorrect token audience")',
                "assumes",
                "aws iam add-client-id-to-open-id-connect-provider "
                f"--open-id-connect-provider-arn {PROVIDER} --client-id sts.amazonaws.com",
            ),
        ),
    ),
    Case(
        "policy detached",
        lambda links: links.iam.detach_role_policy(RoleName=ROLE, PolicyArn=POLICY),
        (Finding("policies", "not attached to the role", f"attached to {ROLE}", UP, about=POLICY),),
    ),
    Case(
        "undeclared policy attached",
        lambda links: links.iam.attach_role_policy(RoleName=ROLE, PolicyArn=READ_BUCKETS),
        (
            Finding(
                "policies",
                "attached but not declared",
                POLICY,
                f"aws iam detach-role-policy --role-name {ROLE} --policy-arn {READ_BUCKETS}",
                about=READ_BUCKETS,
            ),
        ),
    ),
    Case(
        "another default version of the policy",
        new_policy_version,
        (
            Finding("documents", "Statement.Action: s3:*", "Statement.Action: s3:GetObject", UP, about=POLICY),
            Finding("documents", "Resource: *", "Resource: arn:aws:s3:::my-pod-secrets-bucket", UP),
        ),
    ),
    Case(
        "annotation misspelled",
        misspell_annotation,
        (
            Finding("account", f"no {ROLE_ARN}", f"{ROLE_ARN}: arn:aws:iam::111122223333:role/my-role", UP),
            Finding(
                "account",
                "eks.amazon.com/role-arn",
                f"did you mean '{ROLE_ARN}'",
                f"kubectl annotate serviceaccount {BINDING} -n default eks.amazon.com/role-arn-",
            ),
        ),
        (Finding("assumes", f"no {ROLE_ARN}, so its Pods get no credentials", "role/my-role", UP),),
    ),
    Case(
        "wrong audience in the annotation",
        lambda links: links.kubectl("annotate", "sa", BINDING, "eks.amazonaws.com/audience=sts.amazonaws.com.cn"),
        (
            Finding(
                "account",
                "eks.amazonaws.com/audience: sts.amazonaws.com.cn, but not declared",
                "no eks.amazonaws.com/audience",
                f"kubectl annotate serviceaccount {BINDING} -n default eks.amazonaws.com/audience-",
            ),
        ),
        (
            Finding(
                "assumes",
                "eks.amazonaws.com/audience: sts.amazonaws.com.cn",
                "the audience sts.amazonaws.com",
                f"kubectl annotate serviceaccount {BINDING} -n default eks.amazonaws.com/audience-",
            ),
        ),
    ),
    Case(
        "service account deleted",
        lambda links: links.kubectl("delete", "sa", BINDING),
        (Finding("account", "the service account does not exist", f"default/{BINDING}", UP),),
        (Finding("assumes", "the service account does not exist", "role/my-role", UP),),
    ),
)


@pytest.fixture(scope="module")
def links(cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Links]:
    """The dev stack's own bindings, deployed as a stack of this module's."""
    values = yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text())["config"]
    project = Project(cloud, tmp_path_factory.mktemp("links") / "project", {"bindings": values["irsa:bindings"]})
    project.up()
    deployed = Links(project)
    yield deployed
    project.destroy()
    print_table(deployed.rows)


def print_table(rows: list[tuple[str, str, str]]) -> None:
    sys.stdout.write("\n| broken link | irsa verify | irsa prove |\n|---|---|---|\n")
    for row in rows:
        sys.stdout.write("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |\n")


def said(checks: list[dict[str, str]]) -> str:
    bad = not_good(checks)
    return (
        "<br>".join(
            f"{each['check']}: {each['about']}: found {each['found']}; expected {each['expected']}; fix `{each['fix']}`"
            for each in bad
        )
        or "ok"
    )


def is_as(check: dict[str, str], finding: Finding) -> bool:
    parts = ("about", "found", "expected", "fix")
    return check["check"] == finding.check and all(getattr(finding, part) in check[part] for part in parts)


def require(code: int, checks: list[dict[str, str]], wanted: tuple[Finding, ...]) -> None:
    """Insist that exactly these findings are there, and on the exit code that they give."""
    bad = not_good(checks)
    assert code == (1 if wanted else 0), bad
    assert len(bad) == len(wanted), bad
    for finding in wanted:
        assert any(check["outcome"] == "finding" and is_as(check, finding) for check in bad), (finding, bad)


def test_everything_is_good_at_first(links: Links) -> None:
    """Protects from findings where there is nothing to find: both verbs are green on what `up` has just made."""
    for verb in ("verify", "prove"):
        code, checks = report(links.project, verb)
        require(code, checks, ())
        assert checks


def verify_in_bulk(links: Links) -> tuple[int, list[dict[str, str]]]:
    """Return what verify says of the binding where it checks them all, and so reads IAM and the cluster in lists."""
    before = links.project.cloud.aws_requests()[DETAILS]
    code, checks = report(links.project, "verify")
    assert links.project.cloud.aws_requests()[DETAILS] > before
    return code, [check for check in checks if check["binding"] == BINDING]


def verify_one_by_one(links: Links) -> tuple[int, list[dict[str, str]]]:
    """Return what verify says of the binding to a caller whom IAM denies its lists."""
    with failing_aws(LISTS_DENIED, links.project.cloud.aws_address) as address:
        return report(links.project, "verify", BINDING, AWS_ENDPOINT_URL=address)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_broken_link(links: Links, case: Case) -> None:
    """Protects that each broken link is found by whom it must be, and repaired by the command that is advised.

    verify says the same whether it reads in bulk or one by one.
    """
    case.break_it(links)
    verified, proven = verify_in_bulk(links), report(links.project, "prove", BINDING)
    assert verify_one_by_one(links) == verified
    links.rows.append((case.name, said(verified[1]), said(proven[1])))
    for fix in dict.fromkeys(check["fix"] for check in not_good(verified[1])):
        follow(links.project, fix)
    require(*verified, case.verify)
    require(*proven, case.prove)
    for verb in ("verify", "prove"):
        code, checks = report(links.project, verb, BINDING)
        require(code, checks, ())


@pytest.fixture
def of_another_issuer(links: Links, deploy: Callable[..., Project]) -> Iterator[Project]:
    """A stack whose cluster has not the issuer that its stack file names."""
    links.iam.create_open_id_connect_provider(Url=f"https://{OTHER_ISSUER}", ClientIDList=["sts.amazonaws.com"])
    project = deploy({"bindings": {"issuer": named("issuer")}, "cluster": OTHER_CLUSTER})
    project.up()
    yield project
    links.iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=OTHER_PROVIDER)


def test_a_wrong_issuer(links: Links, of_another_issuer: Project) -> None:
    """Protects from tokens that no role admits: the finding says so, and the page's steps lose no service account."""
    project, retained = of_another_issuer, named("issuer", retainOnDelete=True)
    verified, proven = (report(project, verb, "issuer") for verb in ("verify", "prove"))
    links.rows.append(("wrong issuer", said(verified[1]), said(proven[1])))
    uid = links.uid("issuer-sa")
    did = {}
    for step, binding, more in (
        ("1. Set `retainOnDelete: true`, before the issuer is corrected", retained, {"cluster": OTHER_CLUSTER}),
        ("2. Correct the issuer, and set `import: [serviceAccount]`", {**retained, "import": ["serviceAccount"]}, {}),
        ("3. Remove `retainOnDelete` and `import`", named("issuer"), {}),
    ):
        project.set({"bindings": {"issuer": binding}, **more})
        did[step] = project.up()

    require(*verified, (Finding("provider", f"issuer https://{ISSUER}", OTHER_PROVIDER, UP),))
    # The provider of the cluster's real issuer is still there, so it is the trust policy that refuses.
    require(*proven, (Finding("assumes", NOT_AUTHORIZED, "assumes", UP),))
    page = rows()
    assert did == {step: page[step].counts for step in did}
    assert links.uid("issuer-sa") == uid
    for verb in ("verify", "prove"):
        code, checks = report(project, verb, "issuer")
        require(code, checks, ())


def test_a_rebuilt_cluster(links: Links, of_another_issuer: Project) -> None:
    """Protects the new cluster's service account from the old one's deletion, which has its name and its context."""
    project = of_another_issuer
    links.kubectl("delete", "serviceaccount", "issuer-sa")
    project.set({"bindings": {"issuer": named("issuer")}})
    checked = irsa(project, "check", "--live", f"Pulumi.{STACK}.yaml")
    did = project.up("--refresh")

    assert "if the cluster was rebuilt: pulumi up --refresh" in checked.stdout, checked.stdout + checked.stderr
    assert did == rows()["Rebuild a cluster, then `pulumi up --refresh` with its issuer"].counts
    for verb in ("verify", "prove"):
        code, checks = report(project, verb, "issuer")
        require(code, checks, ())


def expired(folder: Any, token: str) -> str:
    """Sign the claims of a token anew, with the cluster's key, as of two hours ago."""
    header, payload = (
        json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in token.split(".")[:2]
    )
    then = int(time.time()) - 7200
    key = jwk.import_key((folder / "kubernetes" / "service-account.key").read_text(), "RSA")
    claims = {**payload, "iat": then, "nbf": then, "exp": then + 600}
    return jws.serialize_compact(header, json.dumps(claims), key, algorithms=["RS256"])


def test_an_expired_token(links: Links, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Protects STS's answer to a token that is too old: it is named, and it is not taken for a broken trust."""
    cloud, genuine = links.project.cloud, LiveCluster.token
    for name in list(os.environ):
        monkeypatch.delenv(name)
    for name, value in {**cloud.environment(), **links.project.variables}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(links.project.folder)
    monkeypatch.setattr(LiveCluster, "token", lambda *arguments: expired(cloud.folder, genuine(*arguments) or ""))
    code = main(["prove", "--stack", STACK, "--json", BINDING])
    checks = json.loads(capsys.readouterr().out)["checks"]
    verified = report(links.project, "verify", BINDING)
    links.rows.append(("token expired", said(verified[1]), said(checks)))

    require(*verified, ())
    require(
        code,
        checks,
        (
            Finding(
                "assumes",
                'ExpiredTokenException ("Token expired: current date/time ',
                "assumes",
                f"kubectl create token {BINDING} -n default --audience sts.amazonaws.com",
            ),
        ),
    )
