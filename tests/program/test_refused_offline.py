"""What `pulumi up` refuses with what it looks up is refused by `irsa check`, as far as the files say it."""

from pathlib import Path
from typing import Any

import pytest

from irsa.rules.unknown import SECRET
from program.examine import Examination, examine

ISSUER = "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
PROVIDER = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
CLUSTER = {"name": "c", "oidcProviderArn": PROVIDER}
OTHER = {"name": "o", "oidcProviderArn": f"{PROVIDER.replace('111122223333', '444455556666')}2"}
READS = {"policyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"]}
FOREIGN = "arn:aws:iam::999999999999:policy/p"
OWN = "arn:aws:iam::${account}:policy/p"
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
        ({**APP, "policyArns": [FOREIGN]}, {"cluster": {"name": "c"}, "allowed": ["111122223333"]},
         ("policyArns", 0), "999999999999"),
        ({**APP, "policyArns": [FOREIGN]}, {"cluster": {"name": "c"}, "allowed": ["111122223333", "444455556666"]},
         ("policyArns", 0), "999999999999"),
        ({**APP, "policyArns": [FOREIGN]}, {"cluster": {"name": "c"}, "allowed": '["111122223333"]'},
         ("policyArns", 0), "999999999999"),
        ({"trust": {"subjects": ["a:b"]}, **READS}, {"clusters": {"c": CLUSTER, "o": OTHER}},
         ("clusters", 1), "444455556666"),
        ({**APP, "assumeRoleArns": ["arn:aws-cn:iam::444455556666:role/r"]}, {}, ("assumeRoleArns", 0), "aws-cn"),
        ({**APP, "policyArns": [*READS["policyArns"], FOREIGN, FOREIGN]}, {}, ("policyArns", 1), "999999999999"),
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


@pytest.mark.parametrize("cluster", [CLUSTER, {"name": "c"}, {"stack": "organization/platform/prod"}])
@pytest.mark.parametrize("policy", [OWN, OWN.replace("aws", "${partition}", 1)])
def test_what_is_looked_up_later_refuses_nothing(cluster: dict[str, Any], policy: str) -> None:
    """Protects from a mistake that only a sample makes: `${account}` is the role's own account, whichever that is."""
    assert refused(examined({**APP, "policyArns": [policy]}, cluster=cluster)) == []
    assert refused(examined({**APP, "policyArns": [FOREIGN]}, cluster={"name": "c"})) == []


def test_secret_inline_policies_are_not_checked() -> None:
    """The attack: `inlinePolicies: {secure: ...}` on a role without other policies ended in a TypeError of lint."""
    examination = examined({"serviceAccount": {"name": "app"}, "inlinePolicies": SECRET})
    assert (refused(examination), [each.rule for each in examination.warnings]) == ([], [])
    assert examination.not_checked == ["irsa:bindings.app.inlinePolicies: a secret"]


@pytest.mark.parametrize("unknown", [SECRET, ["data"]])
@pytest.mark.parametrize("key", ["accounts", "clusters", "variables"])
def test_what_cannot_be_read_refuses_nothing_else(key: str, unknown: Any) -> None:
    """The attack: a secret `irsa:accounts` "is empty", and what bindings name in it "is not in" it."""
    names: dict[str, dict[str, Any]] = {
        "accounts": {"account": "data"},
        "clusters": {"clusters": ["data"]},
        "variables": {},
    }
    binding = {**APP, "policyArns": ["arn:aws:iam::${account}:policy/${data}"], **names[key]}
    known = {"variables": {"data": "x"}} if key != "variables" else {}

    places = [mistake.place for mistake in examined(binding, **known, **{key: unknown}).mistakes]
    assert places == ([] if unknown is SECRET else [(key,)])


def test_lint_of_secret_bindings_refuses_nothing() -> None:
    """The attack: a warning silenced for one of the bindings that are a secret is for "a binding that is not there"."""
    lint = {"silence": {"wide-trust": {"bindings": ["app"], "reason": "x"}}}
    assert examine({"cluster": CLUSTER, "bindings": SECRET, "lint": lint}, Path("/nowhere"), "us-west-2").mistakes == []


def test_what_has_a_wrong_key_is_judged() -> None:
    """Protects all mistakes at once, and from false ones: "unknown variable", "a role without policies"."""
    every = {"Effect": "Allow", "Action": "s3:*", "Resource": ["*", "arn:aws:s3:::${my-bucket}"]}
    document = {"Version": "2012-10-17", "Statement": every}
    bindings = {
        "a b": {"serviceAccount": {"name": "a", "takeOver": True}, "policy": {"document": document}},
        "c": {"serviceAccount": {"name": "c"}, "inlinePolicies": {"d e": {"document": document}}},
    }
    values = {"cluster": CLUSTER, "variables": {"my-bucket": "x"}, "bindings": bindings}
    examination = examine(values, Path("/nowhere"), "us-west-2")

    assert {mistake.place for mistake in examination.mistakes} == {
        ("variables", "my-bucket"),
        ("bindings", "a b"),
        ("bindings", "a b", "serviceAccount", "takeOver"),
        ("bindings", "c", "inlinePolicies", "d e"),
    }
    assert [warning.rule for warning in examination.warnings] == ["write-everything"]


def test_a_service_account_in_no_cluster_that_is_known() -> None:
    """Protects all mistakes at once: what is wrong with the service account is said beside its wrong cluster."""
    binding = {**APP, "serviceAccount": {"name": "a", "create": False, "labels": {"a": "b"}}, "clusters": ["x"]}
    places = [place for place, _ in refused(examined(binding, clusters={"c": CLUSTER}))]
    assert places == [("clusters", 0), ("serviceAccount", "create")]


def test_a_quota_that_aws_does_not_give() -> None:
    """The attack: a trust policy of 1,200 patterns with a quota of 100,000,000, which was evaluated for a minute."""
    subjects = [f"n{number}:*a{number}" for number in range(1200)]
    ((place, found),) = [
        (mistake.place, mistake.mistake.found)
        for mistake in examined({"trust": {"subjects": subjects}, **READS}, quotas={"trustPolicySize": 10**8}).mistakes
    ]
    assert (place, found) == (("quotas", "trustPolicySize"), "100000000")
