"""What `do` says about long values, at every place of a stack file."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from irsa.keys.binding import is_model
from irsa.rules.mistakes import Place
from irsa_config.key_types import keys_at, type_at
from irsa_program.check_report import examined

ARN = "arn:aws:iam::999988887777:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/"


def places(above: Place = ()) -> Iterator[Place]:
    """Yield the places of all settings; of a mapping with keys of one's own, and of a list, one item."""
    annotation = type_at(above)
    if above:
        yield above
    if is_model(annotation):
        for key in keys_at(above):
            yield from places((*above, key))
    elif annotation in (dict, list):
        yield from places((*above, "my-app" if annotation is dict else 0))


# With its quotes, a value of more than 80 characters is cut.
LENGTHS = (60, 78, 79, 3000)


@pytest.mark.parametrize("place", [*places()], ids=lambda place: ".".join(map(str, place)))
def test_advice_has_a_value_whole_or_not_at_all(place: Place, tmp_path: Path) -> None:
    """Protects who pastes what `do` says: a shortened ARN was accepted, and was the ARN of nothing."""
    for length in LENGTHS:
        value = f"{ARN}{'0123456789ABCDEF' * length}"[:length]
        settings: Any = value
        for part in reversed(place):
            settings = [settings] if isinstance(part, int) else {part: settings}
        config = {f"irsa:{key}": each for key, each in settings.items()}
        file = tmp_path / "Pulumi.x.yaml"
        file.write_text(json.dumps({"config": config}))
        found = examined(file)

        assert found.mistakes
        for each in found.mistakes:
            assert value[:20] not in each.mistake.fix or value in each.mistake.fix, each.mistake.fix
