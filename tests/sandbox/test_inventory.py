"""`irsa inventory` on an estate as eksctl, Terraform, CDK, scripts and hands make it.

It must agree with one that knows nothing of it: STS, which is asked for the pairs of every fifth service account.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.output_schemas import check_output
from tests.sandbox import estate
from tests.sandbox.estate import AUDIENCE, OWN_AUDIENCE, provider, role, role_arn
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
