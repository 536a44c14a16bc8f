"""Variables of a stack file, beside those of IAM.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

from typing import Any

import boto3
import pytest

from config.variables import BUILT_IN, SECRET, check_variables, fill, partition_of, references
from irsa.rules.mistakes import Mistake

VALUES = {"account": "111122223333", "bucket": "b"}
SESSION = boto3.session.Session()
REGIONS = [
    region
    for partition in SESSION.get_available_partitions()
    for region in SESSION.get_available_regions("ec2", partition)
]


@pytest.mark.parametrize("region", REGIONS)
def test_the_partition_of_a_region_is_the_one_of_the_aws_sdk(region: str) -> None:
    """Protects users of every partition: the AWS SDK's own list says in which one a region is."""
    assert partition_of(region) == SESSION.get_partition_for_region(region)


@pytest.mark.parametrize(
    ("value", "filled"),
    [
        ("${account}-${bucket}-${account}", "111122223333-b-111122223333"),
        ("plain $bucket {bucket} $", "plain $bucket {bucket} $"),
        (["${bucket}", {"${bucket}": ["${account}", 5, None, True]}], ["b", {"b": ["111122223333", 5, None, True]}]),
        ("${aws:PrincipalTag/team}-${*}${?}${$}", "${aws:PrincipalTag/team}-${*}${?}${$}"),
        ("${aws:username, 'x'}", "${aws:username, 'x'}"),
    ],
)
def test_own_variables_are_filled_in_and_those_of_iam_stay(value: Any, filled: Any) -> None:
    """Protects documents: keys too, at every depth; a name with a colon, and ${*}, ${?}, ${$} are IAM's."""
    assert fill(value, VALUES) == filled


@pytest.mark.parametrize(
    ("text", "name", "fix"),
    [
        ("${acount}", "${acount}", "did you mean ${account}?"),
        ("${zzz}", "${zzz}", "define zzz in irsa:variables"),
        ("${}", "${}", "write the name of a variable"),
    ],
)
def test_an_unknown_variable_is_a_mistake(text: str, name: str, fix: str) -> None:
    """Protects from an ARN that holds `${acount}`: IAM would take it as its own, and nothing would match."""
    for value in (text, [text], {"a": {text: 1}}):
        with pytest.raises(Mistake) as error:
            fill(value, VALUES)
        assert name in error.value.found
        assert error.value.allowed == "${account}, ${bucket}"
        assert fix in error.value.fix


def test_the_names_in_a_value() -> None:
    """Protects the rule unused-setting, and secrets: each name, of keys too, without those of IAM."""
    value = {"${a}": ["${b}-${aws:c}", 5, {"x": "${*}${d}"}], "y": None}
    assert [*references(value)] == ["a", "b", "d"]


@pytest.mark.parametrize(
    ("settings", "region", "partition"),
    [
        ({}, None, None),
        ({}, "us-west-2", "aws"),
        ({}, "cn-north-1", "aws-cn"),
        ({"accounts": {"a": {"region": "cn-north-1"}}}, "us-west-2", None),
        ({"accounts": {"a": {"region": "eu-west-1"}, "b": {}, "c": 5}}, "us-west-2", "aws"),
        ({"accounts": {"a": {"region": 5}}}, "us-west-2", "aws"),
        ({"accounts": []}, "us-gov-west-1", "aws-us-gov"),
    ],
)
def test_the_partition_is_known_where_all_accounts_agree(
    settings: dict[str, Any], region: str | None, partition: str | None
) -> None:
    """Protects stacks over two partitions, and those whose region comes from the environment: nothing is refused."""
    variables = check_variables(settings, region)
    assert variables.partition == partition
    assert variables.values["partition"] == (partition or "aws")


def test_samples_stand_for_what_is_looked_up() -> None:
    """Protects the check before a look-up: the built-in variables have legal values."""
    variables = check_variables({"variables": {"bucket": "b", "number": 5, "hidden": SECRET}}, "eu-west-1")
    assert set(BUILT_IN) <= set(variables.values)
    assert all(variables.values.values())
    assert variables.values["region"] == "eu-west-1"
    assert variables.values["bucket"] == "b"
    assert "number" not in variables.values
    assert variables.secret == {"hidden"}


def test_a_value_with_a_secret_cannot_be_read() -> None:
    """Protects secrets: what only the engine can read is not judged."""
    variables = check_variables({"variables": {"hidden": SECRET, "bucket": "b"}}, None)
    assert not variables.are_readable(["x", {"a": "${hidden}"}])
    assert variables.are_readable("${bucket}")
    assert check_variables({"variables": "x"}, None).are_readable("${anything}")
