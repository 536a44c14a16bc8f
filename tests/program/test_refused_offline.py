"""What `pulumi up` refuses with what it looks up is refused by `irsa check`, as far as the files say it."""

from pathlib import Path
from typing import Any

import pytest

from irsa.rules.unknown import SECRET
from irsa_program.examine import Examination, examine

ISSUER = "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
PROVIDER = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
CLUSTER = {"name": "cc", "oidcProviderArn": PROVIDER}
OTHER = {"name": "oo", "oidcProviderArn": f"{PROVIDER.replace('111122223333', '444455556666')}2"}
READS = {"policyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"]}
FOREIGN = "arn:aws:iam::999999999999:policy/p"
APP: dict[str, Any] = {"serviceAccount": {"name": "app"}, **READS}


def examined(binding: dict[str, Any], allowed: Any = None, **settings: Any) -> Examination:
    clusters = {} if {"clusters", "cluster"} & settings.keys() else {"cluster": CLUSTER}
    values = {**clusters, "bindings": {"app": binding}, **settings}
    return examine(values, Path("/nowhere"), "us-west-2", allowed=allowed)


def refused(examination: Examination) -> list[tuple[tuple[str | int, ...], str]]:
    return [(mistake.place[2:], mistake.mistake.found) for mistake in examination.mistakes]


@pytest.mark.parametrize(
    ("binding", "settings", "place", "found"),
    [
        ({**APP, "policyArns": [FOREIGN]}, {}, ("policyArns", 0), "999999999999"),
        ({**APP, "role": {"permissionsBoundary": FOREIGN}}, {}, ("role", "permissionsBoundary"), "999999999999"),
        ({**APP, "policyArns": [FOREIGN]}, {"cluster": {"name": "cc"}, "allowed": ["111122223333"]},
         ("policyArns", 0), "999999999999"),
        ({**APP, "policyArns": [FOREIGN]}, {"cluster": {"name": "cc"}, "allowed": '["111122223333"]'},
         ("policyArns", 0), "999999999999"),
        ({"trust": {"subjects": ["a:b"]}, **READS}, {"clusters": {"c": CLUSTER, "o": OTHER}},
         ("clusters", 1), "444455556666"),
        ({**APP, "assumeRoleArns": ["arn:aws-cn:iam::444455556666:role/r"]}, {}, ("assumeRoleArns", 0), "aws-cn"),
    ],
)  # fmt: skip
def test_aws_accounts_that_cannot_meet(
    binding: dict[str, Any], settings: dict[str, Any], place: tuple[str | int, ...], found: str
) -> None:
    """Protects from half a deployment: IAM attaches no policy of another AWS account, and trusts no such provider.

    Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_AttachRolePolicy.html
    """
    ((where, what),) = refused(examined(binding, **settings))
    assert where == place
    assert found in what


@pytest.mark.parametrize(
    ("key", "allowed"),
    [
        (("inlinePolicies",), "a mapping of keys to values"),
        (("serviceAccount", "tokenExpiration"), "an integer"),
    ],
)
def test_a_secret_where_no_string_belongs(key: tuple[str, ...], allowed: str) -> None:
    """The attack: `inlinePolicies: {secure: ...}` on a role without other policies ended in a TypeError of lint.

    Pulumi decrypts each secret within a setting to a string, which `pulumi up` refuses there.
    """
    binding: dict[str, Any] = {"serviceAccount": {"name": "app"}}
    inner = binding
    for step in key[:-1]:
        inner = inner.setdefault(step, {})
    inner[key[-1]] = SECRET
    (mistake,) = examined(binding).mistakes
    assert (mistake.place[2:], mistake.mistake.allowed) == (key, allowed)


@pytest.mark.parametrize(
    ("settings", "allowed"),
    [
        (
            {
                "accounts": {"data": {"assumeRoleArn": "arn:aws:iam::444455556666:role/r"}},
                "cluster": {**CLUSTER, "account": "data"},
            },
            None,
        ),
        ({}, ["444455556666", "555566667777"]),
        ({}, ["444455556666"]),
    ],
)
def test_a_provider_of_another_aws_account_than_its_clusters(settings: dict[str, Any], allowed: Any) -> None:
    account = {"account": "data"} if "accounts" in settings else {}
    examination = examined(
        {**APP, **account, "policyArns": ["arn:aws:iam::444455556666:policy/p"]}, allowed, **settings
    )
    assert ("cluster", "oidcProviderArn") in [mistake.place for mistake in examination.mistakes]
    assert not account or len(examination.mistakes) == 1


def test_a_condition_beside_a_variable_that_is_unknown_is_judged() -> None:
    conditions = {"StringEquals": {"x:${nope}": "a", "x:sub": "b"}}
    assert [place for place, _ in refused(examined({**APP, "trust": {"conditions": conditions}}))] == [
        ("trust", "conditions", "StringEquals", "x:${nope}"),
        ("trust", "conditions"),
    ]


def test_a_service_account_that_a_guard_cannot_hold() -> None:
    long = {**READS, "serviceAccount": {"name": "x" * 253}}
    assert examined(long).mistakes == []
    [mistake] = examined(long, guard={"mode": "deny"}).mistakes
    assert mistake.place == ("guard",)
    assert examined(long, guard={"mode": "deny", "namespaces": {"default": "off"}}).mistakes == []
