import pytest

from irsa.add_ons.catalog import add_on
from irsa.add_ons.document import Where, document
from tests.unit.irsa.add_ons.every_add_on import allowed

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
