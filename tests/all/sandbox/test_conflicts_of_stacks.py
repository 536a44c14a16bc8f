"""More of what `pulumi up` refuses of a whole stack, and what `irsa check --live` says before: the one if the other."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sandbox.layout import OTHER_AWS_ACCOUNT
from tests.sandbox.conflicts import (
    DATA,
    GREEN,
    MY_CLUSTER,
    OF_GREEN,
    WITHOUT_PODS,
    Settings,
    annotated,
    aws_accounts,
    deployed,
    found_by_binding,
    long_document,
    refused_by_binding,
    reported,
    roles_only,
    with_policy,
)
from tests.sandbox.irsa_command import ACCOUNT

pytestmark = pytest.mark.sandbox


def test_a_cluster_that_only_the_check_tells(cloud: Any, green: str, tmp_path: Path) -> None:
    settings = {
        "clusters": {
            "blue": {**MY_CLUSTER, "kubernetes": {"kubeconfig": GREEN}},
            "green": {**OF_GREEN, "createOidcProvider": True},
        },
        "bindings": {
            "in-green": {**annotated("in-green"), "clusters": ["blue"]},
            "in-blue": {**annotated("in-blue"), "clusters": ["green"]},
        },
    }
    with deployed(cloud, tmp_path / "project", settings) as project:
        (project.folder / GREEN).write_text(Path(green).read_text())
        found = reported(project)
        project.up()

    assert found == [("wrong-cluster", "irsa:clusters.blue.kubernetes"), ("wrong-cluster", "irsa:clusters.green")]


class QuotaStep(NamedTuple):
    """A change of one stack under the quotas of AWS accounts.

    Attributes:
        left: What is left of the quotas, by AWS account and their names in GetAccountSummary.
        bindings: The bindings.
        exceeding: The keys of those that exceed a quota.
    """

    left: Mapping[str, Mapping[str, int]]
    bindings: Settings
    exceeding: frozenset[str] = frozenset()


IN_USE = {
    "quota-in-use": with_policy("quota-in-use"),
    "quota-of-replaced-roles": {**WITHOUT_PODS, "role": {"namePrefix": "one-"}},
}
LATER = {
    **IN_USE,
    "quota-in-use": {**with_policy("quota-in-use"), "role": {"name": "quota-in-use", "description": "later"}},
}
EXACTLY = {
    **LATER,
    "quota-of-roles-left": roles_only("quota-of-roles-left"),
    "quota-of-policies-left": with_policy("quota-of-policies-left"),
    "quota-of-another-account": with_policy("quota-of-another-account"),
}
QUOTA_STEPS = (
    QuotaStep({ACCOUNT: {"Roles": 0, "Policies": 0}}, LATER),
    QuotaStep({ACCOUNT: {"Roles": 3, "Policies": 2}, OTHER_AWS_ACCOUNT: {"Roles": 0, "Policies": 0}}, EXACTLY),
    QuotaStep(
        {ACCOUNT: {"Roles": 0}, OTHER_AWS_ACCOUNT: {"Roles": 0}},
        {
            **EXACTLY,
            "quota-of-replaced-roles": {**WITHOUT_PODS, "role": {"namePrefix": "another-"}},
            "quota-of-roles-of-data": {**roles_only("quota-of-roles-of-data"), "account": "data"},
        },
        frozenset({"quota-of-replaced-roles", "quota-of-roles-of-data"}),
    ),
    QuotaStep(
        {ACCOUNT: {"Policies": 1}},
        {**EXACTLY, "quota-of-divided-policies": {**WITHOUT_PODS, "policy": {"document": long_document(90)}}},
        frozenset({"quota-of-divided-policies"}),
    ),
)


@pytest.fixture
def leave(cloud: Any, green: str) -> Iterator[Callable[[Mapping[str, Mapping[str, int]]], None]]:
    """A function that lowers the quotas of AWS accounts, so that so many roles or policies are left."""
    iam = aws_accounts(cloud)

    def lower(left: Mapping[str, Mapping[str, int]]) -> None:
        quotas = {}
        for aws_account, kinds in left.items():
            used = iam[aws_account].get_account_summary()["SummaryMap"]
            quotas[aws_account] = {f"{kind}Quota": used[kind] + count for kind, count in kinds.items()}
        cloud.sandbox.quotas.write_text(json.dumps(quotas))

    yield lower
    cloud.sandbox.quotas.unlink(missing_ok=True)


def test_quotas_of_an_aws_account(cloud: Any, leave: Callable[..., None], tmp_path: Path) -> None:
    with deployed(cloud, tmp_path / "project", {"accounts": {"data": DATA}, "bindings": IN_USE}) as project:
        project.up()
        for step in QUOTA_STEPS:
            project.set({"accounts": {"data": DATA}, "bindings": step.bindings})
            leave(step.left)
            found = found_by_binding(project)
            refused = refused_by_binding(project, list(step.bindings))

            assert refused.keys() == step.exceeding, refused
            assert found == {key: {"quota-reached"} for key in step.exceeding}, refused
