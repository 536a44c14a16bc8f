"""Which partition a region belongs to.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html and botocore's partitions.json.
"""

PARTITION_OF_PREFIX = {
    "cn-": "aws-cn",
    "us-gov-": "aws-us-gov",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "eu-isoe-": "aws-iso-e",
    "us-isof-": "aws-iso-f",
    "eusc-": "aws-eusc",
}


def partition_of(region: str) -> str:
    """Give the partition of a region."""
    return next((partition for prefix, partition in PARTITION_OF_PREFIX.items() if region.startswith(prefix)), "aws")
