"""Variables of a stack file, beside those of IAM.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

from typing import Any

import boto3
import pytest

from irsa.rules.mistakes import Located
from irsa.rules.unknown import WRONG
from irsa_config.variables import partition_of, references, replaced

VALUES = {"account": "111122223333", "bucket": "b"}
SESSION = boto3.session.Session()
REGIONS = [
    region
    for partition in SESSION.get_available_partitions()
    for region in SESSION.get_available_regions("ec2", partition)
]


@pytest.mark.parametrize("region", REGIONS)
def test_the_partition_of_a_region_is_the_one_of_the_aws_sdk(region: str) -> None:
    assert partition_of(region) == SESSION.get_partition_for_region(region)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("${account}-${bucket}-${account}", "111122223333-b-111122223333"),
        ("plain $bucket {bucket} $", "plain $bucket {bucket} $"),
        (["${bucket}", {"${bucket}": ["${account}", 5, None, True]}], ["b", {"b": ["111122223333", 5, None, True]}]),
        ("${aws:PrincipalTag/team}-${*}${?}${$}", "${aws:PrincipalTag/team}-${*}${?}${$}"),
        ("${aws:username, 'x'}", "${aws:username, 'x'}"),
    ],
)
def test_own_variables_are_filled_in_and_those_of_iam_stay(value: Any, expected: Any) -> None:
    assert replaced(value, VALUES, []) == expected


@pytest.mark.parametrize(
    ("text", "name", "fix"),
    [
        ("${acount}", "${acount}", "did you mean ${account}?"),
        ("${zzz}", "${zzz}", "define zzz in irsa:variables"),
        ("${}", "${}", "write the name of a variable"),
    ],
)
def test_an_unknown_variable_is_a_mistake(text: str, name: str, fix: str) -> None:
    # A condition with a key that is not known may be any: so its mapping is not known either.
    marked = {text: WRONG, "list": [WRONG], "key": {"a": WRONG}}
    for value, expected in zip((text, [text], {"a": {text: 1}}), marked.values(), strict=True):
        found: list[Located] = []
        assert replaced(value, VALUES, found) == expected
        ((_, mistake),) = found
        assert name in mistake.found
        assert mistake.allowed == "${account}, ${bucket}"
        assert fix in mistake.fix


def test_the_names_in_a_value() -> None:
    value = {"${a}": ["${b}-${aws:c}", 5, {"x": "${*}${d}"}], "y": None}
    assert [*references(value)] == ["a", "b", "d"]
