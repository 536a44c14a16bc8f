import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from docs.generate import schema
from irsa_program.examine import examine

ROOT = Path(__file__).parents[3]
STACK_FILES = (
    "Pulumi.dev.yaml",
    "Pulumi.showcase.yaml",
    "examples/stack-files/six-bindings.yaml",
)
MINIMAL: dict[str, Any] = {
    "config": {"irsa:cluster": {"name": "cc"}, "irsa:bindings": {"a": {"serviceAccount": {"name": "a"}}}}
}


def validator() -> Draft7Validator:
    return Draft7Validator(json.loads(schema.FILE.read_text()))


@pytest.mark.parametrize("name", STACK_FILES)
def test_the_stack_files_are_good_and_name_the_schema(name: str) -> None:
    text = (ROOT / name).read_text()

    assert text.startswith("# yaml-language-server: $schema=config/schema.json\n")
    assert list(validator().iter_errors(yaml.safe_load(text))) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("config/irsa:bindngs", {}),
        ("config/irsa:bindings/a/serviceAccout", {"name": "a"}),
        ("config/irsa:bindings/a/serviceAccount/name", "My_App"),
        ("config/irsa:bindings/a/serviceAccount/name", "x" * 254),
        ("config/irsa:bindings/a/serviceAccount/tokenExpiration", 599),
        ("config/irsa:bindings/a/role", {"maxSessionDuration": 43201}),
        ("config/irsa:bindings/a/policyArns", "arn:aws:iam::aws:policy/ReadOnlyAccess"),
        ("config/irsa:bindings/a/policyArns", ["arn:aws:iam::111122223333:role/r"]),
        ("config/irsa:bindings/a/trust", {"subjects": ["no-colon"]}),
        ("config/irsa:lint", {"silence": {"wide-trust": {}}}),
        ("config/irsa:quotas", {"trustPolicySize": 2047}),
        ("config/irsa:cluster", {"region": "somewhere"}),
    ],
)
def test_what_is_bad_in_an_editor_is_bad_in_check(path: str, value: Any) -> None:
    document = deepcopy(MINIMAL)
    *parents, last = path.split("/")
    place = document
    for parent in parents:
        place = place[parent]
    place[last] = value

    assert list(validator().iter_errors(document)) != []
    values = {key.removeprefix("irsa:"): item for key, item in document["config"].items()}
    assert examine(values, ROOT).mistakes != []


def test_every_key_is_described_with_an_example_that_is_valid() -> None:
    whole = json.loads(schema.FILE.read_text())
    models = [whole["properties"]["config"], *whole["$defs"].values()]
    keys = [each for model in models for each in model.get("properties", {}).values() if each != {"type": "string"}]
    for key in keys:
        assert key["description"], key
        assert Draft7Validator({**key, "$defs": whole["$defs"]}).is_valid(key["examples"][0]), key
    assert len(keys) >= 70
