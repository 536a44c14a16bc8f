"""A bucket with an automatic name: what a program about roles needs of S3."""

from collections.abc import Mapping

from sandbox.plugins.aws.calls import failing_as, found
from sandbox.plugins.aws.connection import Connection
from sandbox.plugins.aws.resource_type import Property, ResourceType
from sandbox.plugins.serving import Plain

# The region that S3 does not let one name.
_ORIGINAL_REGION = "us-east-1"


def _create_bucket(connection: Connection, inputs: Plain) -> str:
    client, name, region = connection.client("s3"), inputs["bucket"], connection.region
    placed = {} if region == _ORIGINAL_REGION else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    with failing_as(f"creating S3 Bucket ({name})", client):
        client.create_bucket(Bucket=name, **placed)
    return str(name)


def _read_bucket(connection: Connection, name: str, _: Plain) -> Plain | None:
    client = connection.client("s3")
    with failing_as(f"reading S3 Bucket ({name})", client):
        if found(client.head_bucket, "404", Bucket=name) is None:
            return None
    return {"arn": f"arn:{connection.partition}:s3:::{name}", "bucket": name, "region": connection.region}


def _delete_bucket(connection: Connection, name: str, _: Plain) -> None:
    client = connection.client("s3")
    with failing_as(f"deleting S3 Bucket ({name})", client, unless="NoSuchBucket"):
        client.delete_bucket(Bucket=name)


BUCKET = ResourceType(
    properties={"bucket": Property(replaces=True, computed=True)},
    outputs=("arn", "region"),
    create=_create_bucket,
    read=_read_bucket,
    delete=_delete_bucket,
    name_property="bucket",
    name_length=63,
    lowercase_name=True,
    described_as="S3 Bucket",
)

TYPES: Mapping[str, ResourceType] = {"aws:s3/bucket:Bucket": BUCKET}
