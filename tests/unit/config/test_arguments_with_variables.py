import json
from itertools import pairwise
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator
from pydantic.alias_generators import to_camel

from docs.generate.schema import FILE
from irsa.add_ons.parameters import PARAMETERS
from irsa.rules.mistakes import path_of
from irsa_program.examine import examine
from tests.unit.config.test_loading import places

# docs/reference/variables.md
OF_A_BINDING = (
    *("role.arn", "role.permissionsBoundary", "policyArns[0]", "assumeRoleArns[0]", "podIdentity.targetRoleArn"),
    *("policy.document.my-app", "inlinePolicies.my-app.document.my-app", "podIdentity.policy.document.my-app"),
    *("trust.conditions.my-app", "trust.statements[0].my-app"),
    *(f"{of}.{to_camel(name)}[0]" for of in ("policy", "policies[0]") for name in PARAMETERS),
)


def test_exactly_the_documents_and_arns_have_variables() -> None:
    schema = Draft7Validator(json.loads(FILE.read_text()))
    found = set()
    for place, following in pairwise([*places(), ()]):
        values: Any = "${acount}"
        for part in reversed(place):
            values = [values] if part == 0 else {part: values}
        mistakes = examine({"bindings": {"a": {}}, **values}, Path()).mistakes
        is_whole = following[: len(place)] == place
        if not is_whole and any("unknown variable ${acount}" in each.mistake.found for each in mistakes):
            found.add(path_of(place))
            in_an_editor = schema.iter_errors({"config": {f"irsa:{key}": each for key, each in values.items()}})
            assert {each.validator for each in in_an_editor}.isdisjoint({"pattern", "anyOf"}), place
    assert found == {"defaults.permissionsBoundary", *(f"bindings.my-app.{key}" for key in OF_A_BINDING)}
