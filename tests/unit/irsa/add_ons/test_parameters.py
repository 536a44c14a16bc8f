import contextlib
from fnmatch import fnmatchcase

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from irsa.add_ons.catalog import add_on
from irsa.add_ons.document import Where, document
from irsa.add_ons.parameters import PARAMETERS
from irsa.rules.mistakes import Mistake
from tests.unit.irsa.add_ons.every_add_on import allowed

WHERE = Where("aws", "111122223333", ["us-west-2"])


def test_a_bucket_that_is_only_read_cannot_be_written() -> None:
    mountpoint = add_on("mountpoint-s3")
    key = "arn:aws:kms:us-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    given = {"buckets": ["my-bucket"], "kms_keys": [key]}
    actions = {
        read_only: str(document(mountpoint, mountpoint.newest, None, {**given, "read_only": read_only}, WHERE))
        for read_only in (True, False)
    }
    writing = ("s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "kms:GenerateDataKey")
    assert [each for each in writing if each in actions[True]] == []
    assert [each for each in writing if each in actions[False]] == [*writing]


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


@pytest.mark.parametrize(
    ("parameter", "start"),
    [
        ("secrets", "arn:aws:secretsmanager:us-west-2:111122223333:secret:"),
        ("ssm_parameters", "arn:aws:ssm:us-west-2:111122223333:parameter/"),
    ],
)
@given(name=st.text("*?ab/-", min_size=1, max_size=12), rest=st.text("ab/-", max_size=20))
@example(name="?*", rest="a")
@example(name="?*-??????", rest="a-aaaaaa")
def test_a_wildcard_is_behind_the_start_of_a_name(parameter: str, start: str, name: str, rest: str) -> None:
    with contextlib.suppress(Mistake):
        pattern = PARAMETERS[parameter].check(start + name)
        assert not all(fnmatchcase(f"{start}{first}{rest}", pattern) for first in "xy")
