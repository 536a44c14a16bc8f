"""The keys in which irsa replaces variables: one table, for the look-ups that a variable needs and for its value."""

import copy
from typing import Any

from config.schema import stack_file_schema
from config.variable_keys import KEYS_WITH_VARIABLES, values_with_variables, with_variables_replaced
from config.variables import references

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


def leaves(value: Any, place: tuple[Any, ...] = ()) -> dict[tuple[Any, ...], Any]:
    if isinstance(value, dict):
        return {k: v for key, item in value.items() for k, v in leaves(item, (*place, key)).items()}
    if isinstance(value, list):
        return {k: v for index, item in enumerate(value) for k, v in leaves(item, (*place, index)).items()}
    return {place: value}


def test_exactly_the_documents_and_arns_are_replaced() -> None:
    """Protects the sentence of the stack file's page: variables are for documents and ARNs, and nothing else."""
    before = copy.deepcopy(BINDING)
    replaced = leaves(with_variables_replaced(BINDING, {"bucket": "b"}))

    assert before == BINDING
    assert {place for place, value in replaced.items() if "${bucket}" in value} == {
        ("role", "description"),
        ("policy", "file"),
        ("inlinePolicies", "b", "file"),
        ("trust", "subjects", 0),
        ("serviceAccount", "annotations", "example.com/a"),
    }


def test_what_is_looked_up_is_what_is_replaced() -> None:
    """Protects from a variable that is replaced but was not looked up: both walks find the same values."""
    in_values = list(references([*values_with_variables(BINDING)]))
    replaced = with_variables_replaced(BINDING, {"bucket": "b"})

    assert len(in_values) == sum("${bucket}" in value for value in leaves(BINDING).values()) - 5
    assert not list(references([*values_with_variables(replaced)]))


def test_every_arn_whose_schema_allows_a_variable_has_it_replaced() -> None:
    """Protects editors: an ARN of a binding that may hold a variable there is in the table."""
    definitions = stack_file_schema()["$defs"]
    allowing = set()
    for model, place in (("Binding", ()), ("Role", ("role",))):
        for key, schema in definitions[model]["properties"].items():
            if schema.get("items", schema).get("pattern", "").endswith(r"|\$\{"):
                allowing.add((*place, key))

    assert allowing == {
        keys for keys in KEYS_WITH_VARIABLES if keys[-1] not in ("document", "conditions", "statements")
    }
