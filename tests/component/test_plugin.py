import asyncio
from collections.abc import Mapping
from typing import Any

import pulumi
import pytest
from pulumi.output import Unknown

from irsa.component import ServiceAccountRole
from irsa.outputs import COMPONENT_TYPE
from irsa.plugin import Plugin

PLUGIN = Plugin("1.2.3")


def arguments(inputs: dict[str, Any]) -> Mapping[str, Any]:
    return PLUGIN.map_inputs(inputs, PLUGIN.definition_of(ServiceAccountRole))


def test_a_document_stays_as_it_was_written() -> None:
    condition = {"NumericLessThan": {"s3:max-keys": 5.0, "aws:MultiFactorAuthAge": [0.5, 3600.0]}}
    got = arguments({"policy": {"document": {"policyArns": "x", "Condition": condition}}})["policy"]["document"]
    assert repr(got) == repr(
        {"policyArns": "x", "Condition": {"NumericLessThan": {"s3:max-keys": 5, "aws:MultiFactorAuthAge": [0.5, 3600]}}}
    )


@pytest.mark.parametrize(
    ("sent", "key"),
    [
        ({"policy_arns": "x"}, "policy_arns"),
        ({"role": {"name_prefix": "x"}}, "name_prefix"),
        ({"serviceAccount": {"name": "a", "image_pull_secrets": []}}, "image_pull_secrets"),
    ],
)
def test_a_key_that_the_schema_lacks_is_handed_on_and_is_no_name_of_pythons(sent: Any, key: str) -> None:
    got = arguments(sent)
    level = next((value for value in got.values() if isinstance(value, dict)), got)
    assert key in [str(name) for name in level]
    assert key not in level


def test_what_is_unknown_stays_unknown_and_what_is_secret_secret() -> None:
    async def run() -> None:
        secret = pulumi.Output.secret({"Sid": 1.0})
        got = arguments({"role": {"arn": Unknown()}, "policy": {"document": {"Statement": [secret, Unknown()]}}})
        unknown = [got["role"]["arn"], got["policy"]["document"]["Statement"][1]]
        assert [await output.is_known() for output in unknown] == [False, False]
        document = got["policy"]["document"]["Statement"][0]
        assert (await document.is_secret(), repr(await document.future())) == (True, "{'Sid': 1}")

    asyncio.run(run())


def test_another_component_is_none_of_the_plugins() -> None:
    with pytest.raises(pulumi.RunError, match=COMPONENT_TYPE):
        PLUGIN.construct("x", "irsa:index:ServiceAcountRole", {})


@pytest.mark.parametrize(
    ("change", "where", "advice"),
    [
        ({"polcyArns": "x"}, "polcyArns", "did you mean 'policyArns'?"),
        ({"import_": []}, "import_", "did you mean 'import'?"),
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
