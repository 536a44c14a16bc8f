"""The keys in which irsa replaces variables: one table, for the look-ups that a variable needs and for its value."""

import copy
from typing import Any

import pytest

from config.argument_places import place_of
from config.variable_keys import KEYS_WITH_VARIABLES, values_with_variables, with_variables_replaced
from config.variables import references, replaced
from docs.generate.schema import stack_file_schema
from irsa.add_ons.catalog import snake
from irsa.rules.leaves import leaves

STATEMENT = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::${bucket}/*"}
BINDING: dict[str, Any] = {
    "role": {"arn": "${bucket}", "permissionsBoundary": "${bucket}", "description": "${bucket}"},
    "policy": {"document": {"Statement": [STATEMENT]}, "file": "${bucket}"},
    "policyArns": ["${bucket}"],
    "inlinePolicies": {"a": {"document": {"Statement": STATEMENT}}, "b": {"file": "${bucket}"}},
    "assumeRoleArns": ["${bucket}"],
    "trust": {"conditions": {"StringEquals": {"k": "${bucket}"}}, "statements": [STATEMENT], "subjects": ["${bucket}"]},
    "serviceAccount": {"annotations": {"example.com/a": "${bucket}"}},
}
ARGUMENTS = {snake(key): value for key, value in BINDING.items()}
ARGUMENTS["role"] = {snake(key): value for key, value in BINDING["role"].items()}


def with_values(_place: Any, value: Any) -> Any:
    return replaced(value, {"bucket": "b"}, [])


@pytest.mark.parametrize("keys", [BINDING, ARGUMENTS])
def test_exactly_the_documents_and_arns_are_replaced(keys: dict[str, Any]) -> None:
    """Protects the sentence of the stack file's page: variables are for documents and ARNs, and nothing else."""
    before = copy.deepcopy(keys)
    found = leaves(with_variables_replaced(keys, with_values))

    assert before == keys
    assert {place_of(place) for place, value in found if "${bucket}" in value} == {
        ("role", "description"),
        ("policy", "file"),
        ("inlinePolicies", "b", "file"),
        ("trust", "subjects", 0),
        ("serviceAccount", "annotations", "example.com/a"),
    }


def test_what_is_looked_up_is_what_is_replaced() -> None:
    """Protects from a variable that is replaced but was not looked up: both walks find the same values."""
    asked = dict(values_with_variables(BINDING))
    seen: dict[Any, Any] = {}
    with_variables_replaced(ARGUMENTS, seen.setdefault)

    assert asked == seen == {place_of(place): value for place, value in values_with_variables(ARGUMENTS)}
    assert set(references(list(asked.values()))) == {"bucket"}
    assert not set(
        references([value for _, value in values_with_variables(with_variables_replaced(BINDING, with_values))])
    )


def test_every_arn_whose_schema_allows_a_variable_has_it_replaced() -> None:
    """Protects editors: an ARN of a binding that may hold a variable there is in the table."""
    definitions = stack_file_schema()["$defs"]
    allowing = set()
    for model, place in (("Binding", ()), ("Role", ("role",)), ("PodIdentity", ("podIdentity",))):
        for key, schema in definitions[model]["properties"].items():
            if schema.get("items", schema).get("pattern", "").endswith(r"|\$\{"):
                allowing.add((*place, key))

    # The parameters of add-ons are judged once their variables are replaced.
    allowing |= {keys for keys in KEYS_WITH_VARIABLES if keys[0] in ("policy", "policies")} - {("policy", "document")}
    assert allowing == {
        keys for keys in KEYS_WITH_VARIABLES if keys[-1] not in ("document", "conditions", "statements")
    }
