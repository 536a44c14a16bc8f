"""A binding whose key was renamed: one line, and what keeps its role, in place of all that is created again."""

import json
from typing import Any

import pytest

from irsa_cli.diff.changes import changes
from irsa_cli.diff.components import component_keys_of
from irsa_cli.diff.lines import rows_of
from irsa_cli.diff.renamed import Renamed, renamed_bindings
from tests.unit.irsa_cli.diff.conftest import DiffJson
from tests.unit.irsa_cli.diff.previews import (
    ADMINISTRATOR,
    ATTACHMENT,
    INLINE,
    POLICY,
    ROLE,
    UNKNOWN,
    create,
    diff,
    preview,
    resource,
    statement,
    step,
    trust,
    urn,
    with_inputs,
)
from tests.world import document

AUTOMATIC: dict[str, Any] = {"__defaults": ["name", "path"], "path": "/"}


def reading(bucket: str) -> str:
    return json.dumps(document(statement("s3:GetObject", f"arn:aws:s3:::{bucket}/*")))


def binding(key: str, new: bool, bucket: str = "a", subject: str = "team-a:app") -> list[dict[str, Any]]:
    """Return the role, the policy, its attachment and an inline policy of a binding with automatic names."""
    policy = {"name": f"{key}-1a2b3c4", "policy": reading(bucket), **AUTOMATIC}
    role = {"name": f"{key}-5d6e7f8", "assumeRolePolicy": json.dumps(trust(subject)), **AUTOMATIC}
    arn = UNKNOWN if new else f"arn:aws:iam::111122223333:policy/{key}-1a2b3c4"
    of_role = {"role": [urn(ROLE, key, key)]}
    own = {"propertyDependencies": {"policyArn": [urn(POLICY, key, key)], **of_role}}
    more = {"role": role["name"], "name": "more", "policy": reading("b")}
    return [
        resource(ROLE, key, role, key),
        resource(POLICY, key, policy, key, outputs={} if new else {"arn": arn}),
        resource(ATTACHMENT, key, {"role": role["name"], "policyArn": arn}, key, **own),
        resource(INLINE, f"{key}@more", more, key, propertyDependencies=of_role),
    ]


def found(*steps: Any, in_stack_file: bool = True) -> tuple[list[Renamed], str]:
    read = preview(*steps)
    keys = component_keys_of([], read)
    renamed = renamed_bindings(read.steps, keys, in_stack_file)
    bindings, other = changes(read.steps, keys)
    rows = rows_of(diff(bindings=bindings, other=other, renamed=renamed))
    return renamed, "\n".join(line for row in rows for line in row.lines)


def moved(old: list[Any], new: list[Any]) -> list[Any]:
    return [*map(create, new), *(step("delete", each) for each in old)]


OLD, NEW = binding("old", new=False), binding("new", new=True)


def test_one_line_for_a_renamed_key() -> None:
    (renamed,), text = found(*moved(OLD, NEW))

    assert (renamed.key, renamed.formerly, renamed.kinds) == ("new", "old", ("role", "policy"))
    assert len(renamed.urns) == 8
    assert "statement" not in text
    assert "\nold\n" not in text
    assert "`formerly: old`" in text
    ((renamed,), _) = found(*moved(OLD, NEW), in_stack_file=False)
    assert renamed.fix == 'aliases=[pulumi.Alias(name="old")]'


@pytest.mark.parametrize(
    ("old", "new"),
    [(OLD, binding("new", new=True, subject="team-a:other")), (OLD, NEW[3:]), ([], NEW), (OLD, [])],
    ids=["another trust policy", "no role", "a new binding", "a binding that is gone"],
)
def test_what_is_no_new_name(old: list[Any], new: list[Any]) -> None:
    renamed, text = found(*moved(old, new))

    assert renamed == []
    assert "statement 1 (Allow)" in text


OF_A_FILE = {"irsa:bindings": "{}"}
EVERYTHING = json.dumps(document(statement()))
WIDENED = {
    "policy": [NEW[0], with_inputs(NEW[1], policy=EVERYTHING), *NEW[2:]],
    "inline": [*NEW[:3], with_inputs(NEW[3], policy=EVERYTHING)],
    "attached": [
        *NEW,
        resource(ATTACHMENT, "new@admin", {"role": "new-5d6e7f8", "policyArn": ADMINISTRATOR}, "new"),
    ],
    # Another role that has the name of the new one's key, and nothing of it.
    "decoy": [
        *NEW,
        resource(ROLE, "role/new", {"name": "new", "assumeRolePolicy": trust("team-a:decoy")}, "role/new"),
        resource(INLINE, "role/new@x", {"role": "new", "name": "x", "policy": EVERYTHING}, "role/new"),
    ],
}


def test_a_new_name_is_nobodys_gain(diff_json: DiffJson) -> None:
    found = diff_json(*moved(OLD, NEW), config=OF_A_FILE)

    assert not any(found[key] for key in ("gains", "loses", "permissions", "permissionsCannotTell"))


@pytest.mark.parametrize("way", WIDENED)
def test_a_new_name_hides_no_new_permission(way: str, diff_json: DiffJson) -> None:
    """The attack: a pull request that renames a key, and gives that role, or another one, everything."""
    found = diff_json(*moved(OLD, WIDENED[way]), config=OF_A_FILE)
    first = found["permissions"][0]

    assert (first["change"], first["actions"] or [first["policy"]]) in (("gains", ["*"]), ("gains", [ADMINISTRATOR]))
    assert (found["gains"] == []) is (way != "decoy")


@pytest.mark.parametrize("key", ["aws:PrincipalArn", "AWS:userid"])
def test_a_new_name_for_which_a_statement_waits(key: str, diff_json: DiffJson) -> None:
    """The attack: no statement changes, and the renamed role meets a condition that the old one did not."""
    waiting = json.dumps(document(statement(Condition={"StringLike": {key: "*new*"}})))
    old, new = ([*each[:3], with_inputs(each[3], policy=waiting)] for each in (OLD, NEW))
    (undecided,) = diff_json(*moved(old, new), config=OF_A_FILE, gate="permissions")["permissionsCannotTell"]

    assert key in undecided["reason"]


def test_advice_that_would_not_keep_the_role_is_not_given() -> None:
    other, _ = found(*moved(OLD, [with_inputs(NEW[0], namePrefix="z-"), *NEW[1:]]))

    assert "role" not in [kind for each in other for kind in each.kinds]
    for option in ("protect", "retainOnDelete"):
        assert found(*moved([{**each, option: True} for each in OLD], NEW))[0] == []
