from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pydantic
import yaml
from pydantic.alias_generators import to_camel

from irsa.add_ons.parameters import PARAMETERS, SWITCHES
from irsa_config.models import StackKeys

ROOT = Path(__file__).parents[2]
# These keep a destroy from leaving nothing; they have tests of their own (tests/sandbox/test_capabilities.py). A stack
# has either `cluster` or `clusters`; the dev stack has the first.
ELSEWHERE = {"cluster", "protect", "retainOnDelete"}
# tests/all/sandbox/test_add_ons.py deploys each add-on with what it needs; these are further ones.
ELSEWHERE |= {to_camel(name) for name in ("scope", *PARAMETERS, *SWITCHES)}


def keys(annotation: Any) -> Iterator[tuple[str, str]]:
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        for name, field in annotation.model_fields.items():
            yield annotation.__name__, field.alias or name
            yield from keys(field.annotation)
    for part in get_args(annotation):
        yield from keys(part)


def used(annotation: Any, value: Any) -> Iterator[tuple[str, str]]:
    """Return every key that a value uses, in the same way."""
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        fields = {field.alias or name: field.annotation for name, field in annotation.model_fields.items()}
        for key, item in value.items():
            yield annotation.__name__, key
            yield from used(fields[key], item)
        return
    models = [part for part in get_args(annotation) if part is not type(None)]
    if isinstance(value, dict) and len(models) == 2:
        for item in value.values():
            yield from used(models[1], item)
    elif isinstance(value, list) and models:
        for item in value:
            yield from used(models[0], item)
    elif models and isinstance(value, dict):
        yield from used(models[0], value)


def test_the_showcase_uses_every_key() -> None:
    config = yaml.safe_load((ROOT / "Pulumi.showcase.yaml").read_text())["config"]
    values = {key.removeprefix("irsa:"): value for key, value in config.items() if key.startswith("irsa:")}
    unused = {*keys(StackKeys)} - {*used(StackKeys, values)}

    assert {f"{model}.{key}" for model, key in unused if key not in ELSEWHERE} == set()
