from pathlib import Path
from typing import Any

import pulumi  # noqa: F401 (a value can be an output only where the SDK is loaded)
import pytest

from irsa.rules.unknown import SECRET
from irsa_config.located_mistake import LocatedMistake
from irsa_program.examine import Examination, examine
from irsa_program.lookups.values import AwsIdentity, Lookups, ResolvedCluster
from irsa_program.plan import Plan, plan
from tests.unit.program.live.scene import stack_of

ROOT = Path(__file__).parents[2]
ISSUER = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
BLUE = f"arn:aws:iam::111122223333:oidc-provider/{ISSUER}"
GREEN = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE22222222222222222222GREEN"
GREEN_ISSUER = GREEN.partition("/")[2]
APP = {"serviceAccount": {"name": "app", "namespace": "team-a"}}
OWN = AwsIdentity("111122223333", "aws")
SEVERAL = {"blue": {"name": "my-cluster"}, "green": {"name": "other", "kubernetes": {"context": "green"}}}


def planned(values: dict[str, Any], **lookups: Any) -> Plan:
    """Plan a stack with one cluster, or with blue and green."""
    stack = stack_of(values)
    names = {"cluster": BLUE} if stack.cluster else {"blue": BLUE, "green": GREEN}
    clusters = {
        key: ResolvedCluster(f"https://{arn.partition('/')[2]}", f"arn:aws:eks:us-west-2:111122223333:cluster/{key}")
        for key, arn in names.items()
    }
    found: dict[str, Any] = {
        "region": "us-west-2",
        "aws_accounts": {None: OWN},
        "clusters": clusters,
        "oidc_providers": {(key, None): arn for key, arn in names.items()},
        **lookups,
    }
    return plan(stack, Lookups(**found))


def test_two_policies_of_one_name_are_a_mistake() -> None:
    arns = ["arn:aws:iam::444455556666:policy/x", "arn:aws:iam::111122223333:policy/x"]
    binding = {"serviceAccount": {"name": "app"}, "policyArns": arns}
    values = {"cluster": {"name": "my-cluster"}, "bindings": {"app": binding}}
    (mistake, *_) = examine(values, ROOT).mistakes

    assert mistake.place == ("bindings", "app", "policyArns", 1)
    assert arns[0] in mistake.mistake.found


def test_two_keys_that_the_looked_up_account_makes_one_are_a_mistake() -> None:
    part = ("Statement", 0, "Condition", "StringEquals", "aws:PrincipalTag/999955556666")
    keys = {"aws:PrincipalTag/${account}": "x", "aws:PrincipalTag/999955556666": "y"}
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", "Condition": {"StringEquals": keys}}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    binding = {**APP, "inlinePolicies": {"p": {"document": document}}}
    aws_account = AwsIdentity("999955556666", "aws")
    (mistake,) = planned({"bindings": {"app": binding}}, aws_accounts={None: aws_account}).mistakes

    assert mistake.place == ("bindings", "app", "inlinePolicies", "p", "document", *part)
    assert "with their variables replaced" in mistake.mistake.found


BALANCER = "aws-load-balancer-controller"


def test_an_add_on_knows_the_clusters_of_its_binding() -> None:
    declared: dict[str, Any] = {
        "both": {"policies": [{"addOn": BALANCER}]},
        "green": {"policies": [{"addOn": BALANCER}], "clusters": ["green"]},
        "other": {"policies": [{"addOn": "ebs-csi", "clusterNames": ["x"]}], "clusters": ["green"]},
        "every": {"policies": [{"addOn": BALANCER, "scope": "*"}]},
    }
    bindings = {key: {**each, "trust": {"subjects": [f"a:{key}"]}} for key, each in declared.items()}
    found = planned({"clusters": SEVERAL, "bindings": bindings})
    given = {each.binding.key: each.spec.declared.at(("policies", 0, "cluster_names")) for each in found.components}

    assert given == {"both": ["my-cluster", "other"], "green": ["other"], "other": ["x"], "every": None}


def test_an_add_on_of_a_cluster_without_a_name() -> None:
    cluster = {"oidcIssuer": f"https://{ISSUER}", "oidcProviderArn": BLUE}

    def found(binding: dict[str, Any]) -> list[LocatedMistake]:
        return [*examine({"cluster": cluster, "bindings": {"app": binding}}, ROOT).mistakes]

    for keys, place in (
        ({"policies": [{"addOn": BALANCER}]}, ("policies", 0)),
        ({"policy": {"addOn": BALANCER}}, ("policy",)),
    ):
        (mistake,) = found(keys)
        assert mistake.place == ("bindings", "app", *place)
        assert mistake.mistake.fix == "add name to irsa:cluster, or write clusterNames"
    assert found({"policies": [{"addOn": BALANCER, "clusterNames": ["mine"]}]}) == []
    assert found({"policies": [{"addOn": BALANCER, "scope": "*"}]}) == []
    # What the names would be is not known: that is the only mistake.
    (mistake,) = found({"policies": [{"addOn": BALANCER}], "clusters": ["nowhere"]})
    assert mistake.place == ("bindings", "app", "clusters", 0)


def test_the_guard_of_each_cluster() -> None:
    bindings = {
        "app": {**APP, "clusters": ["blue"]},
        "pods": {"serviceAccount": {"name": "b"}, "identity": {"irsa": "trusted", "podIdentity": "used"}},
        "dns": {"policies": [{"addOn": "external-dns", "hostedZones": ["Z1"]}], "identity": "podIdentity"},
        # Its chart annotates it at some later time: until then, its Pods are right without a role.
        "balancer": {"policies": [{"addOn": BALANCER}], "clusters": ["blue"]},
        "pattern": {"trust": {"subjects": ["a:*"]}},
    }
    green = {"name": "other", "kubernetes": {"context": "green"}, "guard": {"mode": "deny"}}
    found = planned({"clusters": {**SEVERAL, "green": green}, "guard": {"mode": "warn"}, "bindings": bindings})
    known = {
        guard.cluster: (guard.settings.mode, [f"{each.namespace}/{each.name}" for each in guard.accounts])
        for guard in found.guards
    }
    assert known == {
        "blue": ("warn", ["team-a/app", "default/b", "external-dns/external-dns"]),
        "green": ("deny", ["default/b", "external-dns/external-dns"]),
    }
    assert [guard.name for guard in found.guards] == [f"guard@{ISSUER}", f"guard@{GREEN_ISSUER}"]
    assert planned({"clusters": SEVERAL, "guard": {"mode": "off"}, "bindings": bindings}).guards == []
    alone = {"cluster": {"name": "my-cluster"}, "guard": {"mode": "deny"}, "bindings": {"pattern": bindings["pattern"]}}
    assert planned(alone).guards == []


# What `pulumi up` refuses with what it looks up, `irsa check` refuses as far as the files say it.
CLUSTER = {"name": "cc", "oidcProviderArn": BLUE}
OTHER = {"name": "oo", "oidcProviderArn": f"{BLUE.replace('111122223333', '444455556666')}2"}
READS = {"policyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"]}
FOREIGN = "arn:aws:iam::999999999999:policy/p"
READER: dict[str, Any] = {"serviceAccount": {"name": "app"}, **READS}


def examined(
    binding: dict[str, Any], allowed: Any = None, region: str | None = "us-west-2", **settings: Any
) -> Examination:
    clusters = {} if {"clusters", "cluster"} & settings.keys() else {"cluster": CLUSTER}
    values = {**clusters, "bindings": {"app": binding}, **settings}
    return examine(values, Path("/nowhere"), region, allowed=allowed)


def refused(examination: Examination) -> list[tuple[tuple[str | int, ...], str]]:
    return [(mistake.place[2:], mistake.mistake.found) for mistake in examination.mistakes]


@pytest.mark.parametrize(
    ("binding", "settings", "place", "found"),
    [
        ({**READER, "policyArns": [FOREIGN]}, {}, ("policyArns", 0), "999999999999"),
        ({**READER, "role": {"permissionsBoundary": FOREIGN}}, {}, ("role", "permissionsBoundary"), "999999999999"),
        ({**READER, "policyArns": [FOREIGN]}, {"cluster": {"name": "cc"}, "allowed": ["111122223333"]},
         ("policyArns", 0), "999999999999"),
        ({**READER, "policyArns": [FOREIGN]}, {"cluster": {"name": "cc"}, "allowed": '["111122223333"]'},
         ("policyArns", 0), "999999999999"),
        ({"trust": {"subjects": ["a:b"]}, **READS}, {"clusters": {"c": CLUSTER, "o": OTHER}},
         ("clusters", 1), "444455556666"),
        ({**READER, "assumeRoleArns": ["arn:aws-cn:iam::444455556666:role/r"]}, {}, ("assumeRoleArns", 0), "aws-cn"),
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


IN_CHINA = {"region": "cn-north-1", "profile": "p"}, {"assumeRoleArn": "arn:aws-cn:iam::111122223333:role/r"}


@pytest.mark.parametrize(
    ("region", "accounts", "expected"),
    [
        (None, {}, {"aws", "aws-cn", "aws-us-gov"}),
        ("cn-north-1", {}, {"aws-cn"}),
        ("us-gov-west-1", {}, {"aws-us-gov"}),
        *(("us-west-2", {"data": each}, {"aws-cn"}) for each in IN_CHINA),
    ],
)
def test_the_partition_is_that_of_the_region(region: str | None, accounts: Any, expected: set[str]) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html"""
    settings = {"cluster": {"name": "cc"}, "accounts": accounts}
    binding = {"trust": {"subjects": ["a:b"]}, **({"account": "data"} if accounts else {})}
    taken = {
        partition
        for partition in ("aws", "aws-cn", "aws-us-gov")
        if not refused(
            examined({**binding, "policyArns": [f"arn:{partition}:iam::aws:policy/Read"]}, region=region, **settings)
        )
    }
    assert taken == expected


@pytest.mark.parametrize("allowed", [["444455556666", "111122223333"], "444455556666", [444455556666], ["44"]])
def test_an_aws_account_that_no_list_names_alone_is_not_known(allowed: Any) -> None:
    assert refused(examined({**READER, "policyArns": [FOREIGN]}, allowed, cluster={"name": "cc"})) == []


def test_a_secret_where_no_string_belongs() -> None:
    """The attack: `inlinePolicies: {secure: ...}` on a role without other policies ended in a TypeError of lint.

    Pulumi decrypts each secret within a setting to a string, which `pulumi up` refuses there.
    """
    (mistake,) = examined({"serviceAccount": {"name": "app"}, "inlinePolicies": SECRET}).mistakes
    assert (mistake.place[2:], mistake.mistake.allowed) == (("inlinePolicies",), "a mapping of keys to values")


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
        {**READER, **account, "policyArns": ["arn:aws:iam::444455556666:policy/p"]}, allowed, **settings
    )
    assert ("cluster", "oidcProviderArn") in [mistake.place for mistake in examination.mistakes]
    assert not account or len(examination.mistakes) == 1


def test_a_condition_beside_a_variable_that_is_unknown_is_judged() -> None:
    conditions = {"StringEquals": {"x:${nope}": "a", "x:sub": "b"}}
    assert [place for place, _ in refused(examined({**READER, "trust": {"conditions": conditions}}))] == [
        ("trust", "conditions", "StringEquals", "x:${nope}"),
        ("trust", "conditions"),
    ]


def test_a_service_account_that_a_guard_cannot_hold() -> None:
    long = {**READS, "serviceAccount": {"name": "x" * 253}}
    assert examined(long).mistakes == []
    [mistake] = examined(long, guard={"mode": "deny"}).mistakes
    assert mistake.place == ("guard",)
    assert examined(long, guard={"mode": "deny", "namespaces": {"default": "off"}}).mistakes == []
