"""What the quotas of AWS accounts refuse in `pulumi up`, and `irsa check --live` says before: the one if the other."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from sandbox.layout import OTHER_AWS_ACCOUNT
from tests.sandbox.conflicts import (
    DATA,
    WITHOUT_PODS,
    Settings,
    aws_accounts,
    deployed,
    found_by_binding,
    long_document,
    refused_by_binding,
    roles_only,
    with_policy,
)
from tests.sandbox.irsa_command import ACCOUNT

pytestmark = pytest.mark.sandbox


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
# What is left, by AWS account and names in GetAccountSummary; the bindings; the keys of those that exceed a quota.
QUOTA_STEPS: tuple[tuple[Mapping[str, Mapping[str, int]], Settings, set[str]], ...] = (
    ({ACCOUNT: {"Roles": 0, "Policies": 0}}, LATER, set()),
    ({ACCOUNT: {"Roles": 3, "Policies": 2}, OTHER_AWS_ACCOUNT: {"Roles": 0, "Policies": 0}}, EXACTLY, set()),
    (
        {ACCOUNT: {"Roles": 0}, OTHER_AWS_ACCOUNT: {"Roles": 0}},
        {
            **EXACTLY,
            "quota-of-replaced-roles": {**WITHOUT_PODS, "role": {"namePrefix": "another-"}},
            "quota-of-roles-of-data": {**roles_only("quota-of-roles-of-data"), "account": "data"},
        },
        {"quota-of-replaced-roles", "quota-of-roles-of-data"},
    ),
    (
        {ACCOUNT: {"Policies": 1}},
        {**EXACTLY, "quota-of-divided-policies": {**WITHOUT_PODS, "policy": {"document": long_document(90)}}},
        {"quota-of-divided-policies"},
    ),
)


@pytest.fixture
def leave(cloud: Any, green: str) -> Iterator[Callable[[Mapping[str, Mapping[str, int]]], None]]:
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
        for left, bindings, exceeding in QUOTA_STEPS:
            project.set({"accounts": {"data": DATA}, "bindings": bindings})
            leave(left)
            found = found_by_binding(project)
            refused = refused_by_binding(project, list(bindings))

            assert refused.keys() == exceeding, refused
            assert found == {key: {"quota-reached"} for key in exceeding}, refused
