"""What is wrong with a policy document that is not JSON: the same words in every version of Python."""

import json
import sys

import pytest

from irsa.rules.json_slips import slip_in
from irsa.rules.mistakes import Mistake
from irsa.rules.policies import parse_object

DOCUMENT = """{
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow", "Action": ["sqs:SendMessage", "sqs:ReceiveMessage"], "Resource": "*", "Sid": "Queue"},
    {"Effect": "Deny", "Action": "s3:*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
  ]
}
"""
CLOSE = 'add the " that is missing before it, or write '
STRAIGHT = 'write straight double quotes: "'
QUOTE = "write it in double quotes; the words of JSON are true, false and null"
OTHER = "remove it, or add what is missing before it"


@pytest.mark.parametrize(
    ("text", "found", "fix"),
    [
        ('["a",]', "a comma before ] at line 1, column 5", "remove the comma"),
        ('{"a": 1,}', "a comma before } at line 1, column 8", "remove the comma"),
        ('{"a":\n [1,\n\n ]}', "a comma before ] at line 2, column 4", "remove the comma"),
        ("[1,,2]", "a comma before , at line 1, column 3", "remove the comma"),
        ('{"a": 1,\n,"b": 2}', "a comma before , at line 1, column 8", "remove the comma"),
        ("[,]", "a comma before ] at line 1, column 2", "remove the comma"),
        ('{"a": 1\n "b": 2}', "a missing comma at line 1, column 8", "add it there"),
        ('["a" "b"]', "a missing comma at line 1, column 5", "add it there"),
        ('{"a" 1}', "a missing colon at line 1, column 5", "add it there"),
        ('{"a"}', "a missing colon at line 1, column 5", "add it there"),
        ('{"a": }', "a missing value at line 1, column 6", "add it there"),
        ('{"a": [1}', "a missing ] at line 1, column 9", "add it there"),
        ('{"a": {"b": 1]}', "a missing } at line 1, column 14", "add it there"),
        ('{"a": {"b": 1}\n\n', "a missing } at line 1, column 15", "add it there"),
        ("[", "a missing ] at line 1, column 2", "add it there"),
        ('["a": 1]', "an unexpected ':' at line 1, column 5", OTHER),
        ('{"a" = 1}', "an unexpected '=' at line 1, column 6", OTHER),
        ('{"a": "b";}', "an unexpected ';' at line 1, column 10", OTHER),
        ('{"a": "arn:aws:s3:::b"/*"}', "an unexpected '/' at line 1, column 23", OTHER),
        ('{"a": 2012-10-17}', "a number that JSON does not have at line 1, column 11", "write it in double quotes"),
        ('{,"a": 1}', "a comma after { at line 1, column 2", "remove the comma"),
        ('{\\"a\\": 1}', "a \\ outside a string at line 1, column 2", "remove it"),
        ('{"a": b}', "text without quotes at line 1, column 7", QUOTE),
        ('{a: "b"}', "text without quotes at line 1, column 2", QUOTE),
        ('{"a": True}', "text without quotes at line 1, column 7", QUOTE),
        ('{"a": "b, "c": 1}', "text right after a string at line 1, column 12", f'{CLOSE}\\" for a quote'),
        ('{"a": "b\n}', "a line break in a string at line 1, column 9", f"{CLOSE}\\n"),
        ('{"a": "b\tc"}', "a tab in a string at line 1, column 9", f"{CLOSE}\\t"),
        ('{"a": "\x07"}', "a control character at line 1, column 8", "remove it"),
        ('{"a": "b}', "a string that does not end at line 1, column 7", 'add the " that is missing at its end'),
        ('{"a": "C:\\d"}', "a \\ that escapes nothing at line 1, column 10", "write \\\\ for a backslash"),
        ('{"a": "\\u12"}', "a \\ that escapes nothing at line 1, column 9", "write \\\\ for a backslash"),
        ("{'a': 1}", "the quote ' at line 1, column 2", STRAIGHT),
        ("{“a”: 1}", "the quote “ at line 1, column 2", STRAIGHT),
        ('{"a":\u00a01}', "white space that JSON does not have at line 1, column 6", "write a plain space"),
        ('{"a": 0123}', "a number that JSON does not have at line 1, column 8", "write it in double quotes"),
        ('{"a": 1} {"b": 2}', "text after the end at line 1, column 10", "remove it"),
        ('{"a": 1}\n}', "text after the end at line 2, column 1", "remove it"),
        ('\ufeff{"a": 1}', "a byte order mark at line 1, column 1", "save it as UTF-8 without a byte order mark"),
        ("", "an empty text at line 1, column 1", "write the document"),
        (" \n", "an empty text at line 1, column 1", "write the document"),
    ],
)
def test_a_slip_is_named_where_it_is(text: str, found: str, fix: str) -> None:
    """Protects the author of a policy, whichever Python runs: what is wrong, its own place, and what to do about it.

    Source: the grammar of RFC 8259.
    """
    with pytest.raises(Mistake) as error:
        parse_object(text)
    assert error.value.found == f"not JSON: {found}".replace("\t", "\\t")
    assert error.value.allowed == "an IAM policy document in JSON"
    assert error.value.fix == fix


@pytest.mark.parametrize("text", ["[1 // one\n]", "[1, /* one\n */]", "[1\n# one\n]", "// one\n[]", "[]# one"])
def test_a_comment_is_named(text: str) -> None:
    """Protects whoever explains a statement: JSON has no comments, and `Sid` may say it."""
    with pytest.raises(Mistake, match="not JSON: a comment at line") as error:
        parse_object(text)
    assert error.value.fix == "remove it: JSON has none; a statement's Sid may say what it is for"


@pytest.mark.parametrize("text", ["[1,]", '{"a": 1, }', '{"a": 1,\n\n}'])
def test_a_trailing_comma_is_the_same_wherever_the_parser_stops(text: str) -> None:
    """Protects the message in every Python: 3.11 and 3.12 stop at the bracket, 3.13 and later at the comma."""
    at_the_comma, at_the_bracket = (slip_in(text, stopped) for stopped in (text.index(","), len(text) - 1))
    assert str(at_the_comma[0]) == str(at_the_bracket[0])
    assert at_the_comma[1] == at_the_bracket[1] == "remove the comma"
    assert at_the_comma[0].pos == text.index(",")


@pytest.mark.parametrize(("character", "name"), [(",", "a missing comma"), (":", "a missing colon")])
def test_what_was_removed_is_what_is_missing(character: str, name: str) -> None:
    """Protects the advice "add it there": each comma and colon between the tokens of a document, removed alone."""
    places = [index for index, each in enumerate(DOCUMENT) if each == character and DOCUMENT[index - 1] in '"]}']
    assert len(places) > 7
    for place in places:
        text = DOCUMENT[:place] + DOCUMENT[place + 1 :]
        with pytest.raises(json.JSONDecodeError) as error:
            json.loads(text)
        slip, _ = slip_in(text, error.value.pos)
        assert (slip.msg, slip.pos) == (name, place)


def test_levels_up_to_the_parsers_limit() -> None:
    """Protects from a traceback: near the depth that Python's parser takes, an unfinished text is still told."""
    for depth in range(sys.getrecursionlimit() - 250, sys.getrecursionlimit()):
        with pytest.raises(Mistake, match=r"not JSON: a missing \]|nested more than 100 deep"):
            parse_object("[" * depth)
