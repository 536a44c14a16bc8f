from typing import Any

import pytest

from irsa.add_ons.catalog import AddOn, add_on, names
from irsa.add_ons.parameters import PARAMETERS
from irsa.rules.mistakes import Place
from irsa.spec import read

PROVIDER = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
CLUSTER = "arn:aws:eks:us-west-2:111122223333:cluster/blue"
OF_AWS = "arn:aws:iam::aws:policy/"
ALL = [*map(add_on, names())]


def mistakes(add_ons: list[dict[str, Any]], **more: Any) -> dict[Place, str]:
    """Return what is wrong with a role of add-ons, by the place of the argument."""
    given = {"oidc_provider_arns": [PROVIDER], "trust": {"subjects": ["a:b"]}, "policies": add_ons}
    return {place: str(mistake) for place, mistake in read("app", {**given, **more})[1]}


@pytest.mark.parametrize(
    ("each", "of_aws", "scope"),
    [
        pytest.param(each, of_aws, scope, id=f"{each.name}-{of_aws}")
        for each in ALL
        for version in [each.versions[each.newest]]
        for several, scope in (
            (version.managed_policies, {}),
            (version.managed_policies_for_everything, {"scope": "*"}),
        )
        for of_aws in several
    ],
)
def test_a_policy_of_aws_is_attached_once_and_under_one_key(each: AddOn, of_aws: str, scope: dict[str, str]) -> None:
    add_ons, key = [{"add_on": each.name, **scope}], f"aws:{of_aws}"

    assert mistakes(add_ons, policy_arns={key: OF_AWS + of_aws}) == {}
    assert list(mistakes(add_ons, policy_arns={"mine": OF_AWS + of_aws})) == [("policy_arns", "mine")]
    assert list(mistakes(add_ons, policy_arns={key: f"{OF_AWS}Other"})) == [("policy_arns", key)]


@pytest.mark.parametrize(
    ("each", "parameter"),
    [
        pytest.param(each, name, id=f"{each.name}-{name}")
        for each in ALL
        for name in each.parameters
        if name in PARAMETERS
    ],
)
def test_a_list_that_is_too_long_for_a_policy_is_named(each: AddOn, parameter: str) -> None:
    """Protects from advice that nobody can follow: the statements are irsa's, the list is the caller's.

    IAM counts 6,144 characters: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    """
    needed = [name for name, taken in each.parameters.items() if taken.required] + [*each.require_one_of[:1]]
    lists = {name: [PARAMETERS[name].example] for name in needed}
    start, wildcard, _ = PARAMETERS[parameter].example.partition("*")
    several = [f"{start[:-4]}{number}{wildcard}" for number in range(1_000, 1_500)]
    found = mistakes([{"add_on": each.name, **lists, parameter: several}])

    assert found.keys() <= {("policies", 0), ("policy_arns",)}
    assert all(f"name fewer in policies[0].{parameter}" in text for place, text in found.items() if place[1:])


def test_mistakes_in_parameters_are_in_the_order_of_the_keys() -> None:
    """The attack: a log that compares two runs, of which each had the mistakes in another order."""
    others = [name for name in PARAMETERS if name not in add_on("external-dns").parameters]
    given = {"add_on": "external-dns", "hosted_zones": ["Z1"], **{name: [PARAMETERS[name].example] for name in others}}

    assert [place[-1] for place in mistakes([given])] == others


def test_an_import_id_without_its_cluster_is_in_the_order_of_the_file() -> None:
    others = [f"cluster-{number}" for number in range(8)]
    adopted = {"import_ids": dict.fromkeys(others, "a-1234567890abcdef0")}
    more = {"identity": "both", "cluster_arns": {"blue": CLUSTER}, "pod_identity": adopted}

    assert [place[-1] for place in mistakes([], service_account={"name": "a"}, **more)] == others
