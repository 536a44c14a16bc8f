from pathlib import Path
from typing import Any

import pulumi  # noqa: F401 (a value can be an output only where the SDK is loaded)

from irsa_config.located_mistake import LocatedMistake
from irsa_config.stack import Stack
from irsa_program.examine import examine
from irsa_program.helm_values import of_binding
from irsa_program.lookups.values import AwsIdentity, Lookups, ResolvedAwsAccount, ResolvedCluster, needs_of
from irsa_program.plan import Plan, PlannedComponent, plan

ROOT = Path(__file__).parents[2]
ISSUER = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
BLUE = f"arn:aws:iam::111122223333:oidc-provider/{ISSUER}"
GREEN = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE22222222222222222222GREEN"
GREEN_ISSUER = GREEN.partition("/")[2]
APP = {"serviceAccount": {"name": "app", "namespace": "team-a"}}
OWN = ResolvedAwsAccount(AwsIdentity("111122223333", "aws"), None)
SEVERAL = {"blue": {"name": "my-cluster"}, "green": {"name": "other", "kubernetes": {"context": "green"}}}


def stack_of(values: dict[str, Any]) -> Stack:
    clusters = {} if "clusters" in values else {"cluster": {"name": "my-cluster"}}
    stack = examine({**clusters, **values}, ROOT).stack
    assert stack is not None
    return stack


def planned(values: dict[str, Any], **lookups: Any) -> Plan:
    """Plan a stack with one cluster, or with blue and green."""
    stack = stack_of(values)
    names = {"cluster": BLUE} if stack.cluster else {"blue": BLUE, "green": GREEN}
    clusters = {
        key: ResolvedCluster(
            {"cluster": "my-cluster"}.get(key, key),
            None,
            f"https://{arn.partition('/')[2]}",
            f"arn:aws:eks:us-west-2:111122223333:cluster/{key}",
        )
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


def components(found: Plan) -> list[PlannedComponent]:
    return [component for component, _ in found.components]


def only(found: Plan) -> PlannedComponent:
    (component,) = components(found)
    return component


def test_what_no_binding_asks_for_is_not_looked_up() -> None:
    values = {
        "clusters": SEVERAL,
        "accounts": {"data": {"profile": "data"}, "idle": {"profile": "idle"}},
        "bindings": {
            "existing": {**APP, "role": {"arn": "arn:aws:iam::${account}:role/theirs"}, "audience": "theirs"},
            "own": {"clusters": ["blue"], "trust": {"subjects": ["a:b"]}, "audience": "mine"},
            "also": {"clusters": ["blue"], "trust": {"subjects": ["a:c"]}},
            "data": {"clusters": ["blue"], "account": "data", "trust": {"subjects": ["a:b"]}},
        },
    }
    needs = needs_of(stack_of(values))

    assert needs.variables == {None: {"account"}, "data": set()}
    assert needs.audiences == {("blue", None): {"mine", "sts.amazonaws.com"}, ("blue", "data"): {"sts.amazonaws.com"}}
    assert needs.kubernetes == {"blue", "green"}


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
    aws_account = ResolvedAwsAccount(AwsIdentity("999955556666", "aws"), None)
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
    given = {each.binding: each.args["policies"][0].get("cluster_names") for each in components(found)}

    assert given == {"both": ["blue", "green"], "green": ["green"], "other": ["x"], "every": None}


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


def test_the_helm_values_of_an_add_on() -> None:
    def values(binding: dict[str, Any]) -> Any:
        found = planned({"clusters": SEVERAL, "bindings": {"app": binding}})
        return of_binding(found.bindings["app"], {"role": "arn"})

    dns = {"addOn": "external-dns", "hostedZones": ["Z1", "arn:aws:route53:::hostedzone/Z2"]}
    account = {"create": True, "name": "external-dns", "annotations": {"role": "arn"}}
    assert values({"policies": [dns]}) == {
        "serviceAccount": account,
        "extraArgs": ["--zone-id-filter=Z1", "--zone-id-filter=Z2"],
    }
    every = {"policy": {"addOn": "external-dns", "scope": "*"}}
    assert values(every) == {"serviceAccount": account, "extraArgs": []}
    declared = values({"policies": [dns], "serviceAccount": {"name": "mine", "namespace": "b"}})
    assert declared["serviceAccount"] == {**account, "create": False, "name": "mine"}
    # The chart's usual account would get no session of a role that trusts another one only.
    other = values({"policies": [dns], "trust": {"subjects": ["dns:other"]}})
    assert other["serviceAccount"] == {**account, "name": "other"}
    assert values({"policies": [dns], "trust": {"subjects": ["dns:*"]}})["serviceAccount"] == account
    of_clusters = values({"policies": [{"addOn": BALANCER}]})
    assert {name: each["clusterName"] for name, each in of_clusters.items()} == {"blue": "blue", "green": "green"}
    assert values({"policies": [{"addOn": BALANCER}], "clusters": ["blue"]})["clusterName"] == "blue"
    # Without a chart of an add-on, as before there were any.
    assert values({"trust": {"subjects": ["a:b"]}}) == {
        "serviceAccount": {"create": True, "annotations": {"role": "arn"}}
    }
    assert values({"serviceAccount": {"name": "mine"}}) is None


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
        guard.cluster: (
            guard.args["mode"],
            [each["namespace"] + "/" + each["name"] for each in guard.args["service_accounts"]],
        )
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
