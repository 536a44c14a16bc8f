"""A bucket with its name and tags: what a program about roles needs of S3."""

from collections.abc import Mapping

from botocore.exceptions import ClientError

from sandbox.plugins.aws import validators
from sandbox.plugins.aws.calls import failing_as, found, name_of, paged, tag_list, tag_map
from sandbox.plugins.aws.connection import DNS_SUFFIXES, Connection, error_code
from sandbox.plugins.aws.resource_type import TAGS, Property, ResourceType
from sandbox.plugins.serving import Plain

# The region that S3 does not let one name.
_ORIGINAL_REGION = "us-east-1"
_GONE = "NoSuchBucket"


def _region(connection: Connection, values: Plain) -> str:
    return str(values.get("region") or connection.region)


def _create_bucket(connection: Connection, inputs: Plain) -> str:
    region = _region(connection, inputs)
    client, name = connection.client("s3", region), name_of(inputs, "bucket", "bucketPrefix")
    placed = {} if region == _ORIGINAL_REGION else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    with failing_as(f"creating S3 Bucket ({name})", client):
        client.create_bucket(Bucket=name, **placed)
        if inputs.get("tagsAll"):
            client.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tag_list(inputs["tagsAll"])})
    return name


def _read_bucket(connection: Connection, name: str, state: Plain) -> Plain | None:
    region = _region(connection, state)
    client = connection.client("s3", region)
    with failing_as(f"reading S3 Bucket ({name})", client):
        if found(client.head_bucket, "404", _GONE, Bucket=name) is None:
            return None
        tags = found(client.get_bucket_tagging, "NoSuchTagSet", Bucket=name)
    partition = connection.session.get_partition_for_region(region)
    dns = DNS_SUFFIXES[partition]
    return {
        "arn": f"arn:{partition}:s3:::{name}",
        "bucket": name,
        "bucketDomainName": f"{name}.s3.{dns}",
        "bucketPrefix": state.get("bucketPrefix") or "",
        "bucketRegion": region,
        "bucketRegionalDomainName": f"{name}.s3.{region}.{dns}",
        "forceDestroy": bool(state.get("forceDestroy")),
        "region": region,
        "tagsAll": tag_map((tags or {}).get("TagSet")),
    }


def _retag(connection: Connection, name: str, removed: list[str], added: Mapping[str, str]) -> None:
    client = connection.client("s3")
    present = tag_map((found(client.get_bucket_tagging, "NoSuchTagSet", Bucket=name) or {}).get("TagSet"))
    tags = {**{key: value for key, value in present.items() if key not in removed}, **added}
    if tags:
        client.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tag_list(tags)})
    else:
        client.delete_bucket_tagging(Bucket=name)


def _delete_bucket(connection: Connection, name: str, state: Plain) -> None:
    client = connection.client("s3", _region(connection, state))
    with failing_as(f"deleting S3 Bucket ({name})", client, unless=_GONE):
        try:
            client.delete_bucket(Bucket=name)
        except ClientError as error:
            if error_code(error) != "BucketNotEmpty" or not state.get("forceDestroy"):
                raise
            for item in paged(client, "list_objects_v2", "Contents", Bucket=name):
                client.delete_object(Bucket=name, Key=item["Key"])
            client.delete_bucket(Bucket=name)


BUCKET = ResourceType(
    properties={
        "bucket": Property(replaces=True, computed=True, check=validators.length(0, 63), conflicts_with="bucketPrefix"),
        "bucketPrefix": Property(replaces=True, computed=True, check=validators.length(0, 37), conflicts_with="bucket"),
        "forceDestroy": Property("bool", default=False),
        "region": Property(replaces=True, computed=True),
        **TAGS,
    },
    outputs=("arn", "bucketDomainName", "bucketRegion", "bucketRegionalDomainName"),
    create=_create_bucket,
    read=_read_bucket,
    delete=_delete_bucket,
    name_property="bucket",
    name_length=63,
    lowercase_name=True,
    described_as="S3 Bucket",
    retag=_retag,
)

TYPES: Mapping[str, ResourceType] = {"aws:s3/bucket:Bucket": BUCKET}
