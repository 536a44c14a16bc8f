import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator
from pydantic.alias_generators import to_camel

from docs.generate.schema import FILE
from irsa.add_ons.parameters import PARAMETERS
from irsa.fields import OF_A_ROLE, Group, Keyed, Listed, Node
from irsa.rules.mistakes import Place, path_of
from irsa_config.argument_places import place_of
from irsa_config.key_types import keys_at
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


def arguments(node: Node = OF_A_ROLE, place: Place = ()) -> Iterator[Place]:
    """Yield the place of each argument, those in other arguments too."""
    if isinstance(node, Group):
        for name, each in node.fields.items():
            yield (*place, name)
            yield from arguments(each, (*place, name))
    elif isinstance(node, Keyed | Listed):
        yield from arguments(node.item, (*place, 0 if isinstance(node, Listed) else "a_b"))


def test_every_argument_has_its_place_in_a_binding() -> None:
    for argument in arguments():
        *parents, key = place_of(argument)
        assert key in keys_at((*(() if argument[0] == "quotas" else ("bindings", "my-app")), *parents))
