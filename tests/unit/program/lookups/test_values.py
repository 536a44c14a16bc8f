from pathlib import Path
from typing import Any

import pytest

from irsa.rules.unknown import SECRET, sampled
from irsa_config.loading import read_settings
from irsa_program.examine import examine
from irsa_program.lookups.values import AwsIdentity, unanswered

ISSUER = "oidc.eks.us-west-2.amazonaws.com/id/A"
PROVIDER = f"arn:aws-cn:iam::444455556666:oidc-provider/{ISSUER}"


def identities(
    settings: dict[str, Any], region: str | None, allowed: Any = None
) -> dict[str | None, AwsIdentity | None]:
    stack = read_settings({"cluster": {"name": "cc"}, "bindings": {}, **settings}, Path("/nowhere")).stack
    return {key: each.identity for key, each in unanswered(stack, region, allowed).aws_accounts.items()}


@pytest.mark.parametrize(
    ("settings", "region", "partitions"),
    [
        ({}, None, [None]),
        ({}, "cn-north-1", ["aws-cn"]),
        ({"accounts": {"a": {"profile": "p", "region": "cn-north-1"}}}, "us-west-2", ["aws", "aws-cn"]),
        ({"accounts": {"a": {"assumeRoleArn": "arn:aws-cn:iam::111122223333:role/r"}}}, None, [None, "aws-cn"]),
        ({"accounts": {"a": {"region": 5}}}, "us-west-2", ["aws", "aws"]),
        ({"accounts": []}, "us-gov-west-1", ["aws-us-gov"]),
    ],
)
def test_the_partition_of_each_account(
    settings: dict[str, Any], region: str | None, partitions: list[str | None]
) -> None:
    found = [each.partition for each in identities(settings, region).values() if each]
    assert [None if sampled(partition) else partition for partition in found] == partitions


@pytest.mark.parametrize(
    ("settings", "allowed", "account_id"),
    [
        ({}, None, None),
        ({}, ["444455556666"], "444455556666"),
        ({}, ["444455556666", "111122223333"], None),
        ({}, "444455556666", None),
        ({}, [444455556666], None),
        ({"cluster": {"oidcIssuer": f"https://{ISSUER}", "oidcProviderArn": PROVIDER}}, None, "444455556666"),
    ],
)
def test_the_account_id_is_known_where_the_file_has_it(settings: Any, allowed: Any, account_id: str | None) -> None:
    identity = identities(settings, "us-west-2", allowed)[None]
    assert identity is not None
    assert (None if sampled(identity.account_id) else identity.account_id) == account_id


@pytest.mark.parametrize(("value", "mistakes", "secrets"), [(5, 1, 0), (SECRET, 0, 2)])
def test_a_variable_that_cannot_be_read_is_no_mistake_where_it_is_used(value: Any, mistakes: int, secrets: int) -> None:
    binding = {"serviceAccount": {"name": "app"}, "policyArns": ["arn:aws:iam::aws:policy/${v}"]}
    values = {"cluster": {"name": "cc"}, "bindings": {"app": binding}, "variables": {"v": value}}
    examination = examine(values, Path("/nowhere"), "us-west-2")

    assert [mistake.place for mistake in examination.mistakes] == [("variables", "v")] * mistakes
    assert len(examination.not_checked) == secrets
    assert examination.stack is None


def test_a_provider_is_of_a_cluster_and_an_aws_account_that_a_binding_has_together() -> None:
    values = {
        "clusters": {name: {"name": name, "createOidcProvider": True} for name in ("blue", "green")},
        "accounts": {"data": {"profile": "data"}, "idle": {"profile": "idle"}},
        "bindings": {
            "own": {"trust": {"subjects": ["a:b"]}, "clusters": ["blue"]},
            "theirs": {"trust": {"subjects": ["a:c"]}, "clusters": ["green"], "account": "data"},
        },
    }
    stack = read_settings(values, Path("/nowhere")).stack
    assert [*unanswered(stack, None).oidc_providers] == [("blue", None), ("green", "data")]
