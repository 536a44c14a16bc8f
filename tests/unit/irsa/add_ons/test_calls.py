"""The calls that add-ons make, by their source, on their own resources and on others: what irsa.evaluation decides."""

import pytest

from irsa.add_ons.catalog import add_on
from irsa.add_ons.document import Where, document
from tests.unit.irsa.add_ons.every_add_on import CALLS, allowed, calls, policy_of_calls

NAMES = sorted(each.stem for each in CALLS.glob("*.json"))


@pytest.mark.parametrize("name", NAMES)
def test_an_add_on_may_do_what_it_does_on_its_own(name: str) -> None:
    for call in calls(name):
        assert allowed(policy_of_calls(call.add_on), *call.request) is call.allowed, call.name


@pytest.mark.parametrize("name", NAMES)
def test_each_statement_is_there_for_a_call(name: str) -> None:
    policy = policy_of_calls(name)
    for index, statement in enumerate(policy["Statement"]):
        others = {**policy, "Statement": [each for at, each in enumerate(policy["Statement"]) if at != index]}
        denied = [each for each in calls(name) if each.allowed and not allowed(others, *each.request)]
        assert denied, statement


WHERE = Where("aws", "111122223333", ["us-west-2"])


@pytest.mark.parametrize(
    ("name", "reads", "service"),
    [
        ("velero", {"buckets": ["backups"]}, "s3"),
        (
            "external-secrets",
            {"secrets": ["arn:aws:secretsmanager:us-east-1:111122223333:secret:a/*"]},
            "secretsmanager",
        ),
    ],
)
def test_what_is_read_may_be_in_another_region(name: str, reads: dict[str, list[str]], service: str) -> None:
    """Protects backups and secrets in another region than the cluster's: KMS is asked there, and by that service alone.

    https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service
    """
    key = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    policy = document(add_on(name), add_on(name).newest, None, {**reads, "kms_keys": [key]}, WHERE)
    via = {each: {"kms:ViaService": f"{each}.us-east-1.amazonaws.com"} for each in (service, "lambda")}

    assert allowed(policy, "kms:Decrypt", key, via[service])
    assert not allowed(policy, "kms:Decrypt", key, via["lambda"])
