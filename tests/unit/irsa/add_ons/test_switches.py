"""Parameters of add-ons that are only on or off."""

from irsa.add_ons.catalog import add_on
from irsa.add_ons.document import Where, document

WHERE = Where("aws", "111122223333", ["us-west-2"])


def test_a_bucket_that_is_only_read_cannot_be_written() -> None:
    """Protects a bucket that is mounted with readOnly; without it, Mountpoint writes, as its documentation says."""
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
