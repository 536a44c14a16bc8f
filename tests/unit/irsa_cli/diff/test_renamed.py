"""A binding whose key was renamed: one line, and what keeps its role, in place of all that is created again."""

import json
from typing import Any

import pytest

from irsa_cli.diff.changes import changes
from irsa_cli.diff.components import component_keys_of
from irsa_cli.diff.lines import rows_of
from irsa_cli.diff.renamed import Renamed, renamed_bindings
from irsa_cli.diff.rights import Right
from tests.unit.irsa_cli.diff.previews import (
    ATTACHMENT,
    POLICY,
    ROLE,
    UNKNOWN,
    diff,
    preview,
    resource,
    step,
    trust,
    urn,
)

INLINE = "aws:iam/rolePolicy:RolePolicy"
AUTOMATIC: dict[str, Any] = {"__defaults": ["name", "path"], "path": "/"}


def document(bucket: str) -> str:
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def binding(key: str, new: bool, bucket: str = "a", subject: str = "team-a:app") -> list[dict[str, Any]]:
    """Return the role, the policy, its attachment and an inline policy of a binding with automatic names."""
    policy = {"name": f"{key}-1a2b3c4", "policy": document(bucket), **AUTOMATIC}
    role = {"name": f"{key}-5d6e7f8", "assumeRolePolicy": json.dumps(trust(subject)), **AUTOMATIC}
    arn = UNKNOWN if new else f"arn:aws:iam::111122223333:policy/{key}-1a2b3c4"
    own = {"propertyDependencies": {"policyArn": [urn(POLICY, key, key)]}}
    return [
        resource(ROLE, key, role, key),
        resource(POLICY, key, policy, key),
        resource(ATTACHMENT, key, {"role": role["name"], "policyArn": arn}, key, **own),
        resource(INLINE, f"{key}@more", {"role": role["name"], "name": "more", "policy": document("b")}, key),
    ]


def found(*steps: Any, in_stack_file: bool = True) -> tuple[list[Renamed], str]:
    read = preview(*steps)
    keys = component_keys_of([], read)
    renamed = renamed_bindings(read.steps, keys, in_stack_file)
    bindings, other = changes(read.steps, keys)
    text = "\n".join(
        line for row in rows_of(diff(bindings=bindings, other=other, renamed=renamed)) for line in row.lines
    )
    return renamed, text


def moved(old: list[Any], new: list[Any]) -> list[Any]:
    return [*(step("create", None, each) for each in new), *(step("delete", each) for each in old)]


def test_one_line_for_a_renamed_key() -> None:
    """Protects reviewers: 70 lines of statements hid that nothing was meant to change; `formerly` keeps the role."""
    (renamed,), text = found(*moved(binding("old", False), binding("new", True)))

    assert (renamed.key, renamed.formerly, renamed.kinds) == ("new", "old", ("role", "policy"))
    assert len(renamed.urns) == 8
    assert "statement" not in text
    assert "\nold\n" not in text
    assert "`formerly: old`" in text
    assert found(*moved(binding("old", False), binding("new", True)), in_stack_file=False)[0][0].fix == (
        'aliases=[pulumi.Alias(name="old")]'
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (binding("old", False), binding("new", True, subject="team-a:other")),
        (binding("old", False), [each for each in binding("new", True) if each["type"] == INLINE]),
        ([], binding("new", True)),
        (binding("old", False), []),
    ],
    ids=["another trust policy", "no role", "a new binding", "a binding that is gone"],
)
def test_what_is_no_new_name(old: list[Any], new: list[Any]) -> None:
    """Protects from hiding a change: what differs in more than its automatic name is shown whole."""
    renamed, text = found(*moved(old, new))

    assert renamed == []
    assert "statement 1 (Allow)" in text


def rights_of(key: str, *service_accounts: str) -> list[Right]:
    return [Right(each, f"{key}-5d6e7f8", "", "issuer") for each in service_accounts]


@pytest.mark.parametrize("kept", [["a/b"], ["a/b", "a/c"], []])
def test_who_gets_the_new_role_for_the_old_one_gains_nothing(kept: list[str]) -> None:
    """Protects the first line from noise, and from hiding who really gains: it is as with the old role, or shown."""
    read = preview(*moved(binding("old", False), binding("new", True)))
    keys = component_keys_of([], read)
    bindings, _ = changes(read.steps, keys)
    renamed = renamed_bindings(read.steps, keys, in_stack_file=True)
    gains, loses = rights_of("new", *kept), rights_of("old", "a/b")
    row = next(iter(rows_of(diff(bindings=bindings, renamed=renamed, gains=gains, loses=loses))))

    whole = " ".join(row.pieces)
    assert ("gains: nobody; loses: nobody; renamed: old is new" in whole) is (kept == ["a/b"])
    assert ("loses: a/b -> old-5d6e7f8" in whole) is (kept != ["a/b"])


def test_another_document_is_shown() -> None:
    """Protects from hiding a change beside a new name: the role has a new name alone, and the policy says more."""
    (renamed,), text = found(*moved(binding("old", False), binding("new", True, bucket="*")))

    assert renamed.kinds == ("role",)
    assert "Resource: arn:aws:s3:::*/*" in text
    assert "trust policy" not in text


def test_a_name_of_ones_own_is_shown() -> None:
    """Protects from advice that does not fix: `formerly` keeps automatic names, no others."""
    named = [{**each, "inputs": {**each["inputs"], "__defaults": []}} for each in binding("new", True)]

    assert found(*moved(binding("old", False), named))[0] == []


def test_only_the_policy_is_created_again() -> None:
    """Protects the reader of a split policy: within a role that has a name, its policies alone follow the key."""

    parent = {"parent": urn("irsa:index:ServiceAccountRole", "role/app", "")}
    old, new = ([{**each, **parent} for each in binding(key, key == "new")[1:2]] for key in ("old", "new"))
    (renamed,), _ = found(*moved(old, new))

    assert (renamed.formerly, renamed.kinds) == ("old", ("policy",))
