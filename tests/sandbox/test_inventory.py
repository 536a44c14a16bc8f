"""`irsa inventory` on an estate as eksctl, Terraform, CDK, scripts and hands make it.

It must agree with two that know nothing of it: an evaluation of every pair, and STS, which is asked for every pair.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from lightkube.resources.core_v1 import ServiceAccount

from irsa.evaluation import Decision, WebIdentityRequest, evaluate
from tests.all.page.parsed import Parsed
from tests.output_schemas import check_output
from tests.sandbox import estate
from tests.sandbox.estate import AUDIENCE, CLUSTER, ISSUER, OWN_AUDIENCE, claim, provider, role, role_arn
from tests.sandbox.failing_api import failing_aws
from tests.sandbox.irsa_command import irsa
from tests.sandbox.project import STACK, Project
from tests.sandbox.sessions import admitted, all_service_accounts, tokens
from tests.sandbox.test_verify import access

pytestmark = pytest.mark.sandbox

# The sandbox's STS refuses what it has no rule for; AWS has one, and so has irsa.
# ForAnyValue: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
BEYOND_THE_SANDBOX = {role("hand-for-any-value").arn}
# Whether the caller is in the office is not known to anybody but STS.
UNDECIDED = role("hand-office").arn


class Finding(NamedTuple):
    """What identifies a finding: its kind, and whom it is about; the role by its name."""

    kind: str
    service_account: str = ""
    role: str = ""
    provider: str = ""


ABOUT_PROVIDERS = ("missing-provider", "orphaned-issuer", "duplicate-provider")
WIDE = (role("web").name, "ops-namespace-role", "hand-namespace", "hand-everybody", "hand-no-subject")
# Each planted mistake, and what follows from it. The role's ARN says where it is, its name is enough here.
FINDINGS = {
    Finding("missing-role", "shop/cart", "cart-role-that-was-deleted"),
    Finding("unseen-account", "team-b/other-account", "other-account-role"),
    Finding("not-admitted", "payments/ledger", "hand-literal-wildcard"),
    Finding("not-admitted", "payments/refunds", "hand-typo"),
    Finding("missing-service-account", "payments/refund", "hand-typo"),
    Finding("not-admitted", "vault/injector", "hand-own-audience"),
    Finding("not-admitted", "batch/old", "hand-replaced-cluster"),
    Finding("misspelled-annotation", "shop/catalog"),
    Finding("literal-wildcard", "", "hand-literal-wildcard"),
    Finding("no-audience", "", "hand-no-audience"),
    Finding("several-namespaces", "", "shared-role"),
    Finding("orphaned-issuer", "", "hand-replaced-cluster", provider(estate.REPLACED_ISSUER)),
    Finding("orphaned-issuer", "", role("tempo").name, provider(estate.REPLACED_ISSUER)),
    Finding("missing-provider", "", "hand-deleted-provider", provider(estate.DELETED_ISSUER)),
    *(Finding("wide-trust", "", name) for name in WIDE),
    # A pattern has one finding, with all whom it admits besides those that are annotated: of a whole namespace, at
    # least its `default`.
    *(Finding("not-annotated", "", name) for name in (*WIDE, estate.role_of("ci/runner").name)),
}


@pytest.fixture(scope="module")
def before(cloud: Any) -> dict[str, Any]:
    """Return the inventory of the sandbox as it is without the estate; there is nothing of this kind."""
    code, report = inventory(cloud, "--fail-on", "literal-wildcard")
    assert (code, report["good"], report["notChecked"]) == (0, True, [])
    return report


@pytest.fixture(scope="module")
def planted(cloud: Any, before: dict[str, Any]) -> Iterator[Any]:
    """Create the estate for the tests of this file, which only look at it."""
    estate.make(cloud)
    yield cloud
    estate.remove(cloud)


@pytest.fixture(scope="module")
def report(planted: Any) -> dict[str, Any]:
    """Return the inventory of the estate; without --fail-on, findings do not fail."""
    code, report = inventory(planted)
    assert (code, report["good"]) == (0, True)
    return report


def inventory(cloud: Any, *arguments: str, **variables: str) -> tuple[int, dict[str, Any]]:
    """Return the exit code and the output, which must match the published schema."""
    answer = cloud.run("irsa", "inventory", "--json", *arguments, **variables)
    assert "Traceback" not in answer.stderr, answer.stderr
    assert answer.stdout, answer.stderr
    return answer.returncode, check_output("inventory", answer.stdout)


def pairs(found: dict[str, Any], decision: str = "allowed") -> set[tuple[str, str]]:
    """Return the pairs of service account and role that an inventory has with a decision."""
    chosen = [each for each in found["admissions"] if each["decision"] == decision]
    listed = [(account, each["role"]) for each in chosen for account in each["serviceAccounts"]]
    assert len(listed) == len(set(listed)), "a pair is there twice"
    return set(listed)


def evaluated(cloud: Any, client: Any) -> dict[Decision, set[tuple[str, str]]]:
    """Return every pair of the cluster and the AWS account, each evaluated by itself with each audience."""
    service_accounts, policies = all_service_accounts(client), estate.trust_policies(cloud)
    answers: dict[Decision, set[tuple[str, str]]] = {each: set() for each in Decision}
    for service_account in service_accounts:
        subject = claim(service_account.replace("/", ":"))
        for arn, document in policies.items():
            requests = (
                WebIdentityRequest(f"https://{ISSUER}", provider(), subject, audience)
                for audience in (AUDIENCE, OWN_AUDIENCE)
            )
            decisions = {evaluate(document, request).decision for request in requests}
            # One audience that gets in is enough: a Pod chooses that of its token.
            best = next(
                each for each in (Decision.ALLOWED, Decision.CANNOT_DECIDE, Decision.DENIED) if each in decisions
            )
            answers[best].add((service_account, arn))
    return answers


def found_in(report: dict[str, Any], without: Iterable[dict[str, Any]] = ()) -> Counter[Finding]:
    """Return the findings of an inventory, without those of another one."""
    known = [json.dumps(each, sort_keys=True) for each in without]
    return Counter(
        Finding(
            each["kind"],
            each["serviceAccount"],
            each["role"].rpartition("/")[2],
            each["provider"] if each["kind"] in ABOUT_PROVIDERS else "",
        )
        for each in report["findings"]
        if json.dumps(each, sort_keys=True) not in known
    )


def test_the_estate_is_as_large_as_it_says(report: dict[str, Any], before: dict[str, Any]) -> None:
    names = {str(each) for each in estate.ACCOUNTS}
    listed = {f"{each['namespace']}/{each['name']}" for each in report["serviceAccounts"]}
    own = {f"{each['namespace']}/{each['name']}" for each in before["serviceAccounts"]}

    assert (len(names), names <= listed, names & own) == (50, True, set())
    assert report["awsAccounts"][0]["roles"] - before["awsAccounts"][0]["roles"] == 41


def test_it_agrees_with_an_evaluation_of_every_pair(planted: Any, report: dict[str, Any]) -> None:
    exhaustive = evaluated(planted, planted.kubernetes())

    assert pairs(report) == exhaustive[Decision.ALLOWED]
    assert pairs(report, "cannot decide") == exhaustive[Decision.CANNOT_DECIDE]
    assert exhaustive[Decision.CANNOT_DECIDE] == {("batch/office", UNDECIDED)}
    listed = {f"{each['namespace']}/{each['name']}" for each in report["serviceAccounts"]}
    assert listed == set(all_service_accounts(planted.kubernetes()))
    assert listed >= {str(each) for each in estate.ACCOUNTS}
    # Whoever is in no admission is refused: most of 41 roles for 50 service accounts and those of Kubernetes.
    assert len(exhaustive[Decision.DENIED]) > 2000


def given(report: dict[str, Any]) -> set[tuple[str, str, str]]:
    """Return the service account, audience and role of each session that STS must give by an inventory."""
    return {
        (service_account, audience, each["role"])
        for each in report["admissions"]
        for service_account in each["serviceAccounts"]
        for audience in each["audiences"]
        if each["decision"] == "allowed" and each["role"] not in BEYOND_THE_SANDBOX
    }


def test_it_agrees_with_the_answers_of_sts(planted: Any, report: dict[str, Any]) -> None:
    some = all_service_accounts(planted.kubernetes())[::10]
    of = tokens(planted, some, (AUDIENCE, OWN_AUDIENCE))
    expected = {each for each in given(report) if each[0] in some}

    assert expected
    assert admitted(planted, of, estate.trust_policies(planted)) == expected


def test_each_admission_says_why(report: dict[str, Any]) -> None:
    for each in report["admissions"]:
        assert each["reason"], each
        assert each["documentation"].startswith("https://docs.aws.amazon.com/"), each
        assert each["cluster"] == report["clusters"][0]["name"]
    (namespace,) = (each for each in report["admissions"] if each["role"] == role("hand-namespace").arn)
    assert {"legacy/cron", "legacy/monolith"} <= set(namespace["serviceAccounts"])
    assert "system:serviceaccount:legacy:*" in namespace["reason"]
    # One group, however many service accounts there are.
    assert sum(each["role"] == role("hand-everybody").arn for each in report["admissions"]) == 1


def test_each_planted_mistake_is_found_and_nothing_else(report: dict[str, Any], before: dict[str, Any]) -> None:
    found = found_in(report, before["findings"])

    assert set(found) - FINDINGS == set()
    assert FINDINGS - set(found) == set()
    assert max(found.values()) == 1
    (of_runner,) = (
        each
        for each in report["findings"]
        if each["kind"] == "not-annotated" and each["role"] == estate.role_of("ci/runner").arn
    )
    assert "ci/runner-arm64" in of_runner["found"]
    # Whether the caller is in the office is no finding, and no silence.
    (undecided,) = report["notChecked"]
    assert UNDECIDED in undecided
    for each in report["findings"]:
        assert each["found"], each
        assert each["expected"], each


def test_few_requests_are_sent(planted: Any) -> None:
    sent = planted.aws_requests()
    assert inventory(planted)[0] == 0
    sent = planted.aws_requests() - sent
    providers = planted.aws("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"]

    per_item = ("GetRole", "ListRoleTags", "ListAttachedRolePolicies", "ListRolePolicies", "GetRolePolicy", "GetPolicy")
    assert not {request for request in sent if request.rpartition(" ")[2] in per_item}
    assert sent["POST / GetOpenIDConnectProvider"] == len(providers)
    # Two pages of 50 roles at most, once each, and questions about the caller and the clusters.
    assert sum(sent.values()) - len(providers) <= 10, sent


def test_what_iam_denies_is_said_and_the_rest_is_done(planted: Any, report: dict[str, Any]) -> None:
    denied = (403, "AccessDenied", "User: arn:aws:iam::111122223333:user/auditor is not authorized to perform this")
    with failing_aws({"GetAccountAuthorizationDetails": denied}, planted.aws_address) as address:
        _, denying = inventory(planted, AWS_ENDPOINT_URL=address)
    with failing_aws({"ListRoles": denied}, planted.aws_address) as address:
        refused = planted.run("irsa", "inventory", "--json", AWS_ENDPOINT_URL=address)

    assert pairs(denying) == pairs(report)
    assert any("last use" in each for each in denying["notChecked"]), denying["notChecked"]
    assert {each["lastUsed"] for each in denying["roles"]} == {"not known"}
    assert not any(each["kind"] == "unused" for each in denying["findings"])
    assert refused.returncode == 2
    assert "iam:ListRoles" in refused.stderr


def test_what_a_stack_declares_is_managed(planted: Any, deploy: Callable[..., Project]) -> None:
    everybody = role("hand-everybody").arn
    project = deploy({"bindings": {
        "own": {"serviceAccount": {"name": "declared"}, "role": {"name": "declared-role"}},
        "annotated": {"serviceAccount": {"name": "declared-too"}, "role": {"arn": everybody}},
    }})  # fmt: skip
    project.up()
    answer = irsa(project, "inventory", "--stack", STACK, "--json")
    assert answer.returncode == 0, answer.stderr
    report = check_output("inventory", answer.stdout)
    unmanaged = [each for each in report["findings"] if each["kind"] == "unmanaged"]

    assert [each["issuer"] for each in report["clusters"]] == [f"https://{ISSUER}"]
    assert {each["role"] for each in unmanaged if not each["serviceAccount"]} == {
        each["arn"] for each in report["roles"]
    } - {role_arn("declared-role")}
    names = {each["serviceAccount"] for each in unmanaged} - {""}
    assert names >= {str(each) for each in estate.ACCOUNTS if each.role}
    assert not names & {"default/declared", "default/declared-too"}


def test_a_cluster_by_its_name_in_eks(planted: Any, report: dict[str, Any], tmp_path: Path) -> None:
    """Protects who has no kubeconfig: the same answer, and no command with a context that there is not.

    The AWS command line gives the token, as `aws eks get-token` prints it:
    https://docs.aws.amazon.com/cli/latest/reference/eks/get-token.html
    """
    reading = access(planted, tmp_path, "by-name-in-eks", "kubernetes-inventory.yaml")
    token = json.loads(Path(reading["KUBECONFIG"]).read_text())["users"][0]["user"]["token"]
    credential = {"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1beta1"}
    program = tmp_path / "aws"
    program.write_text(f"#!/bin/sh\necho '{json.dumps({**credential, 'status': {'token': token}})}'\n")
    program.chmod(0o755)
    path = f"{tmp_path}:{planted.environment()['PATH']}"
    code, by_name = inventory(planted, "--cluster", CLUSTER, PATH=path, KUBECONFIG=str(tmp_path / "none"))
    planted.kubernetes().delete(ServiceAccount, "by-name-in-eks", namespace="kube-system")

    assert code == 0
    assert [(each["name"], each["issuer"]) for each in by_name["clusters"]] == [(CLUSTER, f"https://{ISSUER}")]
    # Whoever admits everybody admits the one that asks, too.
    assert {pair for pair in pairs(by_name) if pair[0] != "kube-system/by-name-in-eks"} == pairs(report)
    commands = {name: [each for each in found["findings"] if "kubectl" in each["fix"]] for name, found in (
        ("by name", by_name), ("by context", report)
    )}  # fmt: skip
    assert len(commands["by name"]) == len(commands["by context"]) > 0
    assert all("--context" in each["fix"] for each in commands["by context"])
    for each in commands["by name"]:
        assert "--context" not in each["fix"]
        assert f"the command is for cluster {CLUSTER}" in each["expected"]


def test_a_second_provider_and_a_misspelled_key(planted: Any) -> None:
    """Protects trust policies of hand: a provider whose URL ends in a slash, and a key that begins with https://."""
    iam, name = planted.aws("iam"), "hand-misspelled-key"
    conditions = {"StringEquals": {f"https://{ISSUER}:sub": claim("shop:cart"), f"{ISSUER}:aud": AUDIENCE}}
    second = iam.create_open_id_connect_provider(Url=f"https://{ISSUER}/", ClientIDList=[AUDIENCE])
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(estate.document(estate.statement(conditions))))
    try:
        report = inventory(planted)[1]
    finally:
        iam.delete_role(RoleName=name)
        iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=second["OpenIDConnectProviderArn"])
    (duplicate,) = (each for each in report["findings"] if each["kind"] == "duplicate-provider")
    (misspelled,) = (each for each in report["findings"] if each["kind"] == "misspelled-key")

    assert duplicate["provider"] == second["OpenIDConnectProviderArn"]
    assert misspelled["role"] == role_arn(name)
    assert f"https://{ISSUER}:sub" in misspelled["found"]
    assert misspelled["expected"] == f"{ISSUER}:sub"
    assert not any(arn == role_arn(name) for _, arn in pairs(report))


def test_every_form_has_the_same_service_accounts(planted: Any, tmp_path: Path) -> None:
    printed, page = planted.run("irsa", "inventory"), tmp_path / "page.html"
    written = planted.run("irsa", "inventory", "--html", str(page))

    for answer in (printed, written):
        assert (answer.returncode, "Traceback" in answer.stderr) == (0, False), answer.stderr
        assert "\x1b" not in answer.stdout
    for account in estate.ACCOUNTS:
        assert str(account) in printed.stdout
    assert written.stdout.splitlines()[-1] == f"page: {page}"
    read = Parsed(page.read_text()).text
    for what in (*(each.name for each in estate.ACCOUNTS), *(each.arn for each in estate.ROLES)):
        assert what in read
    # Of a description with markup, the page has none: that would be a place to run a stranger's script.
    assert "<b>not</b>" not in page.read_text()
