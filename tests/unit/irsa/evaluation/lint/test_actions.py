import pytest

from docs.generate.actions import reference
from irsa.evaluation.lint.actions import nearest_action, service, services


def test_every_service_is_what_the_package_says() -> None:
    """Protects the lint rules: an action that is missed, or has another's resources, would call good policies wrong."""
    whole = reference()

    assert sorted(services()) == sorted(whole)
    assert sum(len(service(prefix).actions) for prefix in services()) > 20_000
    for prefix, expected in whole.items():
        arns = {name: each["arn"] for name, each in expected["resources"].items()}
        assert sorted(service(prefix).arns) == sorted(arns.values())
        assert service(prefix).actions == {
            name.lower(): (name, each["access_level"], sorted({arns[kind] for kind in each["resource_types"] if kind}))
            for name, each in expected["privileges"].items()
        }


@pytest.mark.parametrize(
    ("written", "meant"),
    [("s3:GetObjekt", "s3:GetObject"), ("S3:getobjekt", "s3:GetObject"), ("dynamodbb:GetItem", "dynamodb:GetItem")],
)
def test_a_slip_in_service_or_action_finds_the_one_that_is_meant(written: str, meant: str) -> None:
    assert nearest_action(written) == meant
    assert not service("dynamodbb").actions
