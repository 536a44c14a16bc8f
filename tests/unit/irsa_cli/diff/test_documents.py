"""Which documents change, and the names of all else that does."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.irsa_cli.diff.conftest import DiffJson
from tests.unit.irsa_cli.diff.previews import POLICY, ROLE, SECRET, UNKNOWN, resource, statement, update
from tests.world import document

SETTINGS = "other settings (`pulumi preview --diff`): "
# https://pkg.go.dev/github.com/pulumi/pulumi/sdk/v3/go/common/resource#SecretSig, with --show-secrets
SHOWN = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "plaintext": '"s3cr3t"'}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {"maxSessionDuration": 7200}, ["maxSessionDuration"]),
        ({"tags": {"a": "1"}}, {"tags": {"a": "2"}}, ["tags"]),
        ({"tags": {}}, {}, []),
        ({"a": "x", "__defaults": []}, {"a": "x", "__defaults": ["a"]}, []),
        ({"a": {"b": "x", "__defaults": []}}, {"a": {"b": "x", "__defaults": ["b"]}}, []),
        *(({"a": each}, {"a": SECRET}, ["a"]) for each in ("x", SECRET, ["x"])),
        ({"a": {"key": SHOWN}}, {"a": {"key": "plain"}}, ["a"]),
    ],
)
def test_settings_are_named_and_not_shown(before: Any, after: Any, expected: Any, diff_json: DiffJson) -> None:
    """Protects secrets, and from a comment of hundreds of tags: `pulumi preview --diff` has the values."""
    reasons = ["a"] if "a" in expected else []
    change = update(resource(ROLE, "x", before), resource(ROLE, "x", after), diffReasons=reasons)

    said = [each["sentence"] for each in diff_json(change)["rows"] if each["kind"] == "note"]
    assert [each for each in said if "other settings" in each] == [f"{SETTINGS}{name}" for name in expected]


# --- policy documents -------------------------------------------------------------------------------------------------

READ = statement("s3:GetObject", ["arn:aws:s3:::a/*", "arn:aws:s3:::b/*"], Sid="Read")
SEND = statement("sqs:SendMessage")


def lines(diff_json: DiffJson, before: Any, after: Any) -> list[str]:
    both = (resource(POLICY, "x", {"policy": each}) for each in (before, after))
    return [line for each in diff_json(update(*both))["rows"] if each["kind"] == "document" for line in each["details"]]


def test_what_means_the_same_is_no_change(diff_json: DiffJson) -> None:
    """Protects readers from noise: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html."""
    in_other_words = {**READ, "Sid": "Other", "Resource": READ["Resource"][::-1]}

    assert (
        lines(diff_json, document(READ, SEND), document({**SEND, "Action": ["SQS:sendmessage"]}, in_other_words)) == []
    )


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({**document(SEND), "Version": "2008-10-17"}, document(SEND), ["-Version: 2008-10-17", "+Version: 2012-10-17"]),
        (
            document({**SEND, "Principal": {"AWS": []}}),
            document(SEND),
            [" Allow", "   Action: sqs:SendMessage", "-  Principal AWS: []", "   Resource: *"],
        ),
        *(
            (document(SEND), each, [])
            for each in ("no JSON", "[]", '{"Statement": ["x"]}', "[" * 9999, SECRET, UNKNOWN)
        ),
    ],
)
def test_what_no_value_shows(before: Any, after: Any, found: Any, diff_json: DiffJson) -> None:
    assert lines(diff_json, before, after) == found


STATEMENTS = st.lists(
    st.fixed_dictionaries(
        {
            "Sid": st.sampled_from(["", "A", "B"]),
            "Effect": st.sampled_from(["Allow", "Deny"]),
            "Action": st.lists(st.sampled_from(["s3:Get*", "s3:Put*", "sqs:*"]), min_size=1, unique=True),
            "Resource": st.lists(st.sampled_from(["a", "b", "*"]), min_size=1, unique=True),
        }
    ),
    max_size=4,
)


def meant(statements: Any) -> dict[frozenset[str], list[str]]:
    """Return the lines of each meaning."""
    found = {}
    for each in statements:
        values = [f"  {key}: {value}" for key in ("Action", "Resource") for value in sorted(each[key])]
        found[frozenset([each["Effect"], *values])] = [each["Effect"], *values]
    return found


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STATEMENTS, STATEMENTS)
def test_the_lines_lead_from_one_document_to_the_other(diff_json: DiffJson, before: Any, after: Any) -> None:
    old, new = meant(before), meant(after)
    found = lines(diff_json, document(*before), document(*after))

    for sign, one, other in (("-", old, new), ("+", new, old)):
        differing = [line for key, each in one.items() if key not in other for line in each]
        assert [each[1:] for each in found if each[0] in f" {sign}"] == differing
