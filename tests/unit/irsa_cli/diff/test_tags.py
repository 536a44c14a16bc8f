"""A tag that changes decides what is allowed where a document asks for it, whoever has the document.

https://docs.aws.amazon.com/IAM/latest/UserGuide/access_iam-tags.html
"""

import itertools
import json
from typing import Any

import pytest

from tests.unit.irsa_cli.diff.conftest import DiffJson
from tests.unit.irsa_cli.diff.previews import (
    ACCOUNT,
    OIDC_PROVIDER,
    POLICY,
    PROVIDER,
    ROLE_ARN,
    association,
    attached,
    inline,
    resource,
    role,
    rows,
    statement,
    trust,
    update,
    with_inputs,
)  # fmt: skip
from tests.world import document

BLUE, RED = ({"tags": {"team": colour}} for colour in ("blue", "red"))
ASKING = statement(["iam:Update*", "sts:AssumeRole"], Condition={"StringEquals": {"aws:ResourceTag/Team": "blue"}})
OTHER_ARN = f"arn:aws:iam::{ACCOUNT}:role/other"
MANAGED = f"arn:aws:iam::{ACCOUNT}:policy/of-others"
LETS_IN = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
LETS_IN |= {"Condition": {"StringEquals": {"aws:PrincipalTag/team": "blue"}}}


def other(*documents: Any, **inputs: Any) -> dict[str, Any]:
    return with_inputs(role(document(*documents) if documents else trust("b:b"), "other", "other"), **inputs)


def is_there(*found: Any) -> list[Any]:
    return [update(each, each) for each in found]


def of_other(found: dict[str, Any]) -> dict[str, Any]:
    return with_inputs(found, role="other")


# What another role has, and what AWS answers of the managed policy.
READERS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "identity policy": (is_there(other(), inline(ASKING, role="other")), {}),
    "boundary": (is_there(other(permissionsBoundary=MANAGED)), {MANAGED: document(ASKING)}),
    "managed policy": (is_there(other(), of_other(attached(MANAGED))), {MANAGED: document(ASKING)}),
    "session policy": (
        is_there(other(), association(roleArn=OTHER_ARN, disableSessionTags=True, policy=json.dumps(document(ASKING)))),
        {},
    ),
    "trust policy": (is_there(other(LETS_IN)), {}),
    "boundary that was not read": (is_there(other(permissionsBoundary=MANAGED)), {}),
    "managed policy that was not read": (is_there(other(), of_other(attached(MANAGED))), {}),
}
NOT_ASKING = document(statement("*", Condition={"StringEquals": {"aws:ResourceTag/teams": "blue"}}))
OTHERS_READ: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "nothing": ([], {}),
    "other tags": (is_there(other(), of_other(attached(MANAGED))), {MANAGED: NOT_ASKING}),
    "a tag of the request": (
        is_there(other(), inline(statement(Condition={"Null": {"aws:RequestTag/team": "true"}}), role="other")),
        {},
    ),
}


def tagged(type_: str, tags: dict[str, Any]) -> dict[str, Any]:
    found = {
        "role": role(trust("a:a")),
        "policy": resource(POLICY, "p", {"name": "p", "policy": json.dumps(document(statement()))}, ""),
        "provider": resource(OIDC_PROVIDER, "i", {"url": f"https://{PROVIDER.partition('/')[2]}"}, ""),
    }[type_]
    return with_inputs(found, **tags)


CHANGES = [*itertools.permutations((BLUE, RED, {}, {"tags": {}, "tagsAll": {"TEAM": "x"}}), 2)]


@pytest.mark.parametrize("type_", ["role", "policy", "provider"])
@pytest.mark.parametrize("reader", READERS)
def test_a_tag_that_a_document_asks_for_stops_the_gates(reader: str, type_: str, diff_json: DiffJson) -> None:
    there, managed = READERS[reader]
    if (reader, type_) == ("trust policy", "policy"):
        there = is_there(other({**LETS_IN, "Condition": {"StringEquals": {"iam:ResourceTag/team": "blue"}}}))
    for before, after in CHANGES:
        change = update(tagged(type_, before), tagged(type_, after))

        for gate in ("permissions", "dangerous", "gains"):
            found = diff_json(change, *there, managed=managed, gate=gate)
            assert found["exitCode"] == 3, (gate, before, after)


@pytest.mark.parametrize("type_", ["role", "policy", "provider"])
@pytest.mark.parametrize("others", OTHERS_READ)
def test_a_tag_that_no_document_asks_for_stops_nothing(others: str, type_: str, diff_json: DiffJson) -> None:
    there, managed = OTHERS_READ[others]
    for before, after in CHANGES:
        change = update(tagged(type_, before), tagged(type_, after))

        assert diff_json(change, *there, managed=managed, gate="permissions")["good"]


def test_the_document_and_the_tag_are_named(diff_json: DiffJson) -> None:
    there, _ = READERS["identity policy"]
    found = diff_json(update(tagged("role", RED), tagged("role", BLUE)), *there, managed={}, gate="permissions")

    (row,) = rows(found, "permissionsCannotTell")
    assert (row["roleArn"], row["details"]) == (
        ROLE_ARN,
        ["tag team changes, and a document depends on it: inline policy x of other"],
    )
