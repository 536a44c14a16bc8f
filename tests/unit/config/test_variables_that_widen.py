"""Variables in documents and ARNs: nothing is replaced in that widens, drops or hides what was written."""

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irsa.rules.grammar import document_mistakes
from irsa.rules.mistakes import Located, Place
from irsa.rules.unknown import WRONG
from irsa_config.located_mistake import LocatedMistake
from irsa_config.variables import references, replaced
from irsa_program.examine import examine
from tests.world import document

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
        ([], "several clusters: blue, green, nameless"),
        (["green", "blue"], "several clusters: green, blue"),
        (["nameless"], "irsa:clusters.nameless has no name"),
    ):
        (mistake,) = mistakes(tmp_path, {**binding, "clusters": chosen}, clusters=clusters)
        assert found in mistake.mistake.found, chosen
    assert mistakes(tmp_path, {**binding, "clusters": ["green"]}, clusters=clusters) == []


def test_a_variable_of_iam_hides_nothing(tmp_path: Path) -> None:
    assert mistakes(tmp_path, {}, variables={"prefix": "${aws:username}"}) == []
    (mistake,) = mistakes(tmp_path, {}, variables={"prefix": "x${cluster}"})
    assert mistake.place == ("variables", "prefix")


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
