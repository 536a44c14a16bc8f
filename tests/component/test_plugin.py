import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pulumi
import pytest
from pulumi.output import Unknown

from irsa.fields import Field, KeyGroup, Node
from irsa.outputs import COMPONENT_TYPE
from irsa.plugin import COMPONENTS, Plugin, received

PLUGIN = Plugin("1.2.3")


def test_a_document_stays_as_it_was_written() -> None:
    condition = {"NumericLessThan": {"s3:max-keys": 5.0, "aws:MultiFactorAuthAge": [0.5, 3600.0]}}
    got = received({"policy": {"document": {"policyArns": "x", "Condition": condition}}})["policy"]["document"]
    assert repr(got) == repr(
        {"policyArns": "x", "Condition": {"NumericLessThan": {"s3:max-keys": 5, "aws:MultiFactorAuthAge": [0.5, 3600]}}}
    )


def test_what_is_unknown_stays_unknown_and_what_is_secret_secret() -> None:
    async def run() -> None:
        secret = pulumi.Output.secret({"Sid": 1.0})
        got = received({"role": {"arn": Unknown()}, "policy": {"document": {"Statement": [secret, Unknown()]}}})
        unknown = [got["role"]["arn"], got["policy"]["document"]["Statement"][1]]
        assert [await output.is_known() for output in unknown] == [False, False]
        document = got["policy"]["document"]["Statement"][0]
        assert (await document.is_secret(), repr(await document.future())) == (True, "{'Sid': 1}")

    asyncio.run(run())


def groups(node: Node) -> Iterator[KeyGroup]:
    """Yield a group with those below it."""
    if not isinstance(node, Field):
        yield from [node] if isinstance(node, KeyGroup) else []
        for each in node.fields.values() if isinstance(node, KeyGroup) else [node.item]:
            yield from groups(each)


@pytest.mark.parametrize("component", COMPONENTS)
def test_the_keys_that_are_read_are_those_of_the_schema(component: str) -> None:
    schema = json.loads(str(PLUGIN.schema))
    described = [each["properties"] for each in schema["types"].values()]
    described.append(schema["resources"][component]["inputProperties"])
    for group in groups(COMPONENTS[component][2]):
        assert group.names.keys() in [each.keys() for each in described]


def test_another_component_is_none_of_the_plugins() -> None:
    with pytest.raises(pulumi.RunError, match=COMPONENT_TYPE):
        PLUGIN.construct("x", "irsa:index:ServiceAcountRole", {})


@pytest.mark.parametrize(
    ("change", "where", "advice"),
    [
        ({"polcyArns": "x"}, "polcyArns", "did you mean 'policyArns'?"),
        ({"import_": []}, "import_", "did you mean 'import'?"),
        # The names in Python are none of the schema's.
        ({"policy_arns": {}}, "policy_arns", "did you mean 'policyArns'?"),
        ({"role": {"name_prefix": "x"}}, "role.name_prefix", "did you mean 'namePrefix'?"),
        ({"policy": {}}, "policy", "add policy.document, or policy.addOn"),
        ({"policies": [{"addOn": "external-dns", "hosted_zones": ["Z1"]}]}, "policies[0].hosted_zones", "hostedZones"),
        ({"inlinePolicies": {"first_one": {"document": "{"}}}, "inlinePolicies.first_one.document", "not JSON"),
        ({"role": {"arn": "arn:aws:iam::111122223333:role/x"}}, "role.arn", "oidcProviderArns"),
    ],
)
def test_a_refusal_names_the_argument_as_the_schema_does(change: Any, where: str, advice: str) -> None:
    provider = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
    with pytest.raises(pulumi.RunError) as refusal:
        PLUGIN.construct(
            "x", COMPONENT_TYPE, {"oidcProviderArns": [provider], "trust": {"subjects": ["a:b"]}, **change}
        )
    assert f"\n  {where}\n" in str(refusal.value)
    assert advice in str(refusal.value)
