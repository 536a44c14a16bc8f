"""Variables of a stack file, beside those of IAM.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

import time
from pathlib import Path
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from irsa.rules.grammar import document_mistakes
from irsa.rules.mistakes import Located, Place
from irsa.rules.unknown import WRONG
from irsa_config.located_mistake import LocatedMistake
from irsa_config.variables import partition_of, references, replaced
from irsa_program.examine import examine
from tests.world import document

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


# Nothing is replaced in documents and ARNs that widens, drops or hides what was written.


ISSUER = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
PROVIDER = f"arn:aws:iam::111122223333:oidc-provider/{ISSUER}"
NAMELESS = {"oidcIssuer": f"https://{ISSUER}", "oidcProviderArn": PROVIDER}
EVERY_BUCKET = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::${cluster}*"}
ANY = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}


def mistakes(folder: Path, binding: dict[str, Any], **settings: Any) -> list[LocatedMistake]:
    clusters = {} if "clusters" in settings or "cluster" in settings else {"cluster": {"name": "my-cluster"}}
    bindings = {"app": {"serviceAccount": {"name": "app"}, **binding}}
    return examine({**clusters, **settings, "bindings": bindings}, folder, "us-west-2").mistakes


CLUSTER_IN: list[tuple[dict[str, Any], Place]] = [
    ({"policy": {"document": document(EVERY_BUCKET)}}, ("policy", "document", "Statement", 0, "Resource")),
    (
        {"trust": {"conditions": {"StringLike": {"aws:PrincipalTag/cluster": "${cluster}*"}}}},
        ("trust", "conditions", "StringLike", "aws:PrincipalTag/cluster"),
    ),
    ({"policyArns": ["arn:aws:iam::aws:policy/A", "arn:aws:iam::111122223333:policy/${cluster}"]}, ("policyArns", 1)),
]


@pytest.mark.parametrize(("binding", "place"), CLUSTER_IN)
@pytest.mark.parametrize("cluster", [NAMELESS, {"stack": "organization/platform/prod"}])
def test_a_cluster_without_a_name_fills_in_nothing(
    tmp_path: Path, binding: dict[str, Any], place: Place, cluster: dict[str, Any]
) -> None:
    """Refuses the attack `arn:aws:s3:::${cluster}*` on a cluster without a name: it became every bucket."""
    (mistake,) = mistakes(tmp_path, binding, cluster=cluster)

    assert mistake.place == ("bindings", "app", *place)
    assert "irsa:cluster has no name" in mistake.mistake.found
    assert mistakes(tmp_path, binding, cluster={**cluster, "name": "my-cluster"}) == []


def test_a_cluster_of_several_is_not_the_first_one(tmp_path: Path) -> None:
    clusters = {
        "blue": {"name": "blue"},
        "green": {"name": "green", "kubernetes": {"context": "green"}},
        "nameless": {**NAMELESS, "kubernetes": {"context": "nameless"}},
    }
    binding = {"policy": {"document": document(EVERY_BUCKET)}}
    for chosen, found in (
        (["blue", "green", "nameless"], "several clusters: blue, green, nameless"),
        (["green", "blue"], "several clusters: green, blue"),
        (["nameless"], "irsa:clusters.nameless has no name"),
    ):
        (mistake,) = mistakes(tmp_path, {**binding, "clusters": chosen}, clusters=clusters)
        assert found in mistake.mistake.found, chosen
    assert mistakes(tmp_path, {**binding, "clusters": ["green"]}, clusters=clusters) == []


def test_a_variable_of_iam_hides_nothing(tmp_path: Path) -> None:
    assert mistakes(tmp_path, {}, variables={"prefix": "${aws:username}"}) == []
    for value in ("", "x${cluster}"):
        (mistake,) = mistakes(tmp_path, {}, variables={"prefix": value})
        assert mistake.place == ("variables", "prefix"), value


@pytest.mark.parametrize("key", ["x:${claim}", "${claim_key}"])
def test_a_condition_on_sub_that_shows_only_when_it_is_filled_in(tmp_path: Path, key: str) -> None:
    variables = {"claim": "sub", "claim_key": "x:sub"}
    found = mistakes(tmp_path, {"trust": {"conditions": {"StringLike": {key: "a"}}}}, variables=variables)

    assert [mistake.place for mistake in found] == [("bindings", "app", "trust", "conditions")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("${a${b}}", "a variable within a variable"),
        ("${aws:PrincipalTag/${a}", "a variable within a variable"),
        ("${a", "`${` without its `}`"),
        ("x${a}${", "`${` without its `}`"),
        ("${empty}", "which is empty"),
    ],
)
def test_what_cannot_be_filled_in(text: str, words: str) -> None:
    found: list[Located] = []
    assert replaced({"k": [text]}, {"a": "x", "b": "y", "empty": ""}, found, ("p",)) == {"k": [WRONG]}
    ((place, mistake),) = found
    assert place == ("p", "k", 0)
    assert words in mistake.found


@given(st.lists(st.sampled_from(["${a}", "${b}", "${aws:x}", "${$}", "x", "$", "}", "*"]), max_size=8))
def test_what_is_filled_in_is_the_text_of_its_parts(parts: list[str]) -> None:
    text = "".join(parts)
    expected = "".join({"${a}": "1", "${b}": "22"}.get(part, part) for part in parts)
    if "$" not in parts:
        # A bare $ may open what follows it.
        assert replaced(text, {"a": "1", "b": "22"}, []) == expected


def test_many_openings_take_no_longer_than_their_length() -> None:
    """Refuses the attack of a document full of `${`: each was searched to the end, 243 KiB for minutes."""
    started = time.process_time()
    assert replaced("${" * 500_000, {}, []) is WRONG
    assert list(references("${" * 500_000 + "}")) == [""]
    assert time.process_time() - started < 10


def test_openings_in_a_resource_take_no_longer_than_their_length() -> None:
    """Refuses the attack of a Resource full of `${`: its ARN's parts were looked for from each to the end."""
    started = time.process_time()
    assert list(document_mistakes(document({**ANY, "Resource": "arn:aws:s3:::" + "${" * 200_000}))) == []
    assert time.process_time() - started < 10


def test_two_keys_that_become_one(tmp_path: Path) -> None:
    """Refuses `{${operator}: {...}, StringEquals: {...}}`: one of the conditions was dropped."""
    condition = {"${operator}": {"aws:ResourceTag/x": "x"}, "StringEquals": {"aws:ResourceTag/y": "y"}}
    binding = {"policy": {"document": document({**ANY, "Condition": condition})}}
    (mistake,) = mistakes(tmp_path, binding, variables={"operator": "StringEquals"})

    assert mistake.place[-2:] == ("Condition", "StringEquals")
    assert "with their variables replaced" in mistake.mistake.found
