"""`irsa inventory` on an estate as eksctl, Terraform, CDK, scripts and hands make it.

It must agree with one that knows nothing of it: STS, which is asked for the pairs of every fifth service account.
"""

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from lightkube.resources.core_v1 import ServiceAccount

from tests.output_schemas import check_output
from tests.sandbox import estate
from tests.sandbox.estate import AUDIENCE, CLUSTER, ISSUER, OWN_AUDIENCE, provider, role, role_arn
from tests.sandbox.sessions import admitted, all_service_accounts, tokens
from tests.sandbox.test_verify import access

pytestmark = pytest.mark.sandbox

# Whether the caller is in the office is not known to anybody but STS.
UNDECIDED = role("hand-office").arn


class Finding(NamedTuple):
    """What identifies a finding: its kind, and whom it is about; the role by its name."""

    kind: str
    service_account: str = ""
    role: str = ""
    provider: str = ""


ABOUT_PROVIDERS = ("missing-provider", "orphaned-issuer", "duplicate-provider")
WIDE = (role("web").name, "ops-namespace-role", "hand-everybody", "hand-no-subject")
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
    *(Finding("not-annotated", "", name) for name in (*WIDE, "ci-runner")),
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
    with estate.planted(cloud):
        yield cloud


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


def test_it_agrees_with_the_answers_of_sts(planted: Any, report: dict[str, Any]) -> None:
    some = all_service_accounts(planted.kubernetes())[::5]
    expected = {
        (service_account, audience, each["role"])
        for each in report["admissions"]
        for service_account in each["serviceAccounts"]
        for audience in each["audiences"]
        if service_account in some and each["decision"] == "allowed"
    }

    assert expected
    assert (
        admitted(planted, tokens(planted, some, (AUDIENCE, OWN_AUDIENCE)), estate.trust_policies(planted)) == expected
    )


def test_each_planted_mistake_is_found_and_nothing_else(report: dict[str, Any], before: dict[str, Any]) -> None:
    found = found_in(report, before["findings"])

    assert set(found) - FINDINGS == set()
    assert FINDINGS - set(found) == set()
    assert max(found.values()) == 1
    (of_runner,) = (each for each in report["findings"] if each["role"] == role_arn("ci-runner"))
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
    # Two pages of 50 roles at most, once each, and questions about the caller and the clusters; and AWS's own policies.
    of_aws = planted.aws("iam").get_paginator("list_policies").paginate(Scope="AWS")
    pages = math.ceil(sum(len(page["Policies"]) for page in of_aws) / 100)
    assert sum(sent.values()) - len(providers) - pages <= 10, sent


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
    assert by_name["clusters"] == {CLUSTER: f"https://{ISSUER}"}
    # Whoever admits everybody admits the one that asks, too.
    assert {pair for pair in pairs(by_name) if pair[0] != "kube-system/by-name-in-eks"} == pairs(report)
    commands = {name: [each for each in found["findings"] if "kubectl" in each["fix"]] for name, found in (
        ("by name", by_name), ("by context", report)
    )}  # fmt: skip
    assert len(commands["by name"]) == len(commands["by context"]) > 0
    assert not any("--context CONTEXT" in each["fix"] for each in commands["by context"])
    for each in commands["by name"]:
        # EKS does not say which context is that of the cluster.
        assert "--context CONTEXT" in each["fix"]
        assert f"the command is for cluster {CLUSTER}" in each["expected"]


def test_the_table_has_the_whole_estate(planted: Any) -> None:
    written = planted.run("irsa", "inventory")

    assert (written.returncode, written.stderr) == (0, "")
    assert "\x1b" not in written.stdout
    assert [each for each in map(str, estate.ACCOUNTS) if each not in written.stdout] == []


def test_the_documented_rights_are_enough(cloud: Any, tmp_path: Path) -> None:
    taking = access(cloud, tmp_path, "taking-inventory", "kubernetes-inventory.yaml")
    code, found = inventory(cloud, **taking)
    everybody = cloud.kubectl("get", "serviceaccounts", "--all-namespaces", "-o", "name").stdout.split()

    assert (code, [each for each in found["notChecked"] if UNDECIDED not in each]) == (0, [])
    assert len(found["serviceAccounts"]) == len(everybody)
    for command in (("get", "secrets", "-A"), ("create", "token", "default", "-n", "default")):
        refused = cloud.run("kubectl", *command, **taking)
        assert refused.returncode != 0
        assert "forbidden" in refused.stderr.lower()


def test_less_is_said(cloud: Any, tmp_path: Path) -> None:
    narrow = access(cloud, tmp_path, "taking-one-namespace", "kubernetes-inventory.yaml", namespace="default")
    answer = cloud.run("irsa", "inventory", "--json", **narrow)

    assert (answer.returncode, answer.stdout) == (3, "")
    assert "list serviceaccounts in all namespaces" in answer.stderr
    assert answer.stderr.count("\n") == 1
