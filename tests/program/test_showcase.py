from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydantic
import yaml

from irsa.add_ons.parameters import PARAMETERS, SWITCHES
from irsa_config.models import StackKeys

ROOT = Path(__file__).parents[2]
# These keep a destroy from leaving nothing; they have tests of their own (tests/sandbox/test_capabilities.py). A stack
# has either `cluster` or `clusters`; the dev stack has the first. Of teams, tests/sandbox/test_teams.py has all.
ELSEWHERE = {"cluster", "protect", "retain_on_delete", "teams"}
# Each add-on is in recorded/pod-identity-guard-add-ons.json with what it needs; these are further ones.
ELSEWHERE |= {"scope", *PARAMETERS, *SWITCHES}


def models(value: Any) -> Iterator[pydantic.BaseModel]:
    if isinstance(value, pydantic.BaseModel):
        yield value
        value = dict(value)
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from models(each)


def test_the_showcase_uses_every_key() -> None:
    config = yaml.safe_load((ROOT / "Pulumi.showcase.yaml").read_text())["config"]
    values = {key.removeprefix("irsa:"): value for key, value in config.items() if key.startswith("irsa:")}
    # The short word for a mapping is read before pydantic.
    values["guard"] = {"mode": values["guard"]}
    found = [*models(StackKeys.model_validate(values))]
    keys = {(type(each).__name__, name) for each in found for name in type(each).model_fields}
    used = {(type(each).__name__, name) for each in found for name in each.model_fields_set}

    assert {f"{model}.{name}" for model, name in keys - used if name not in ELSEWHERE} == set()
