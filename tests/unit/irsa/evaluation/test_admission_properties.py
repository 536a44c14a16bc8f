"""Whom a trust policy admits, against an evaluation of every service account of a small world.

The world has all names of few letters: those that the patterns have, and `q`, which none has. So whatever the patterns
can tell apart is there. The evaluator below is written from AWS's pages alone, with wildcards of its own:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html,
reference_policies_condition-single-vs-multi-valued-context-keys.html, reference_policies_evaluation-logic.html
"""

import functools
import itertools
import json
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from irsa.evaluation import admission
from irsa.evaluation.admission import Admitted, admitted_by
from irsa.evaluation.document import parse
from irsa.rules.grammar import OPERATORS
from tests.world import document, of_tokens

ISSUER = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
PROVIDER = f"arn:aws:iam::111122223333:oidc-provider/{ISSUER}"
PREFIX = "system:serviceaccount:"


def _words(letters: str, longest: int) -> list[str]:
    return ["".join(word) for n in range(1, longest + 1) for word in itertools.product(letters, repeat=n)]


NAMES = [*_words("abq", 2), *_words("ab", 3)[6:], "a-b", "b-a", "qab", "bqa", "abab", "aqbq"]
SUBJECTS = [f"{namespace}:{name}" for namespace in NAMES for name in NAMES]
AUDIENCES = [*_words("sSq", 2), "sqs", "sSs", "ssq", "qss"]


@functools.cache
def glob(pattern: str, text: str) -> bool:
    return fnmatchcase(text, pattern)


def holds(operator: str, key: str, values: list[str], token: dict[str, str]) -> bool | None:
    """State whether a condition is true for a token; None where AWS's pages and the token do not say."""
    of_set, _, operator = operator.rpartition(":")
    if_exists, operator = operator.endswith("IfExists"), operator.removesuffix("IfExists")
    if key.startswith("aws:"):
        return None
    found = token.get(key.lower())
    if operator == "Null":
        return ("false" if found else "true") in values
    if found is None:
        return if_exists or of_set == "ForAllValues" or ("Not" in operator and not of_set)
    if not operator.startswith("String"):
        return None
    compare = {
        "Equals": lambda value: value == found,
        "EqualsIgnoreCase": lambda value: value.lower() == found.lower(),
        "Like": lambda value: glob(value, found),
    }[operator.removeprefix("String").removeprefix("Not")]
    return any(map(compare, values)) != ("Not" in operator)


def decision(document: dict[str, Any], token: dict[str, str]) -> bool | None:
    """State whether a token gets the role; None where it depends on what nobody knows here."""
    allowed: bool | None = False
    denied: bool | None = False
    for each in document["Statement"]:
        outcomes = [holds(op, key, v, token) for op, keys in each["Condition"].items() for key, v in keys.items()]
        met = False if False in outcomes else None if None in outcomes else True
        if each["Effect"] == "Deny":
            denied = True if True in (met, denied) else None if None in (met, denied) else False
        else:
            allowed = True if True in (met, allowed) else None if None in (met, allowed) else False
    if denied or allowed is False:
        return False
    return None if None in (denied, allowed) else True


def token(subject: str, audience: str) -> dict[str, str]:
    return {f"{ISSUER}:sub".lower(): PREFIX + subject, f"{ISSUER}:aud".lower(): audience}


def different(document: dict[str, Any], audiences: Iterable[str]) -> list[str]:
    """Return one of all audiences for which each condition on `aud` is as true: the others are no different."""
    conditions = [c for each in document["Statement"] for c in each["Condition"].items()]
    of_aud = [(op, key, v) for op, keys in conditions for key, v in keys.items() if key.lower().endswith(":aud")]
    return [*{tuple(holds(*each, token("a:a", one)) for each in of_aud): one for one in audiences}.values()]


def best(document: dict[str, Any], subject: str, audiences: Iterable[str]) -> bool | None:
    """State the same for a service account, which has the choice of its token's audience."""
    answers = {decision(document, token(subject, each)) for each in audiences}
    return True if True in answers else None if None in answers else False


def matched(pattern: str) -> Iterator[str]:
    """Yield service accounts that a pattern matches: those of the world, and others with what it takes to be longer."""
    yield from (each for each in SUBJECTS if glob(pattern, each))
    fillings = {"*": ["", "q", "a", "b", "ab", "ba", "aa", "bb"], "?": ["q", "a", "b"]}
    ways = itertools.product(*(fillings.get(character, [character]) for character in pattern))
    for way in itertools.islice(ways, 3_000):
        text = "".join(way)
        if all(part and part[0] != "-" != part[-1] for part in text.split(":")):
            yield text


PART = st.text("ab*?", min_size=1, max_size=3)
SUB = st.one_of(
    st.builds(lambda namespace, name: f"{PREFIX}{namespace}:{name}", PART, PART),
    st.sampled_from(["*", f"{PREFIX}*", "*a*", "*:b", "system:*:a:*", f"{PREFIX}a*b", f"{PREFIX}a*:A", f"{PREFIX}b?a"]),
)
AUD = st.text("sS*?", min_size=1, max_size=3)
COMPARED = [f"String{no}{like}" for no in ("", "Not") for like in ("Equals", "EqualsIgnoreCase", "Like")]
OTHERS = [each for each in OPERATORS if not each.startswith("String") and each != "Null"]
OPERATOR = st.builds(
    lambda of_set, name, if_exists: f"{of_set}{name}{if_exists}",
    st.sampled_from(["", "", "", "ForAnyValue:", "ForAllValues:"]),
    st.sampled_from([*COMPARED * 4, *["StringLike", "StringNotLike"] * 8, *OTHERS]),
    st.sampled_from(["", "", "IfExists"]),
)
SPELLED: Any = st.sampled_from([str, str.upper])
CONDITION = st.one_of(
    st.tuples(OPERATOR, SPELLED.map(lambda case: case(f"{ISSUER}:sub")), st.lists(SUB, min_size=1, max_size=3)),
    st.tuples(OPERATOR, SPELLED.map(lambda case: case(f"{ISSUER}:sub")), st.lists(SUB, min_size=1, max_size=3)),
    st.tuples(OPERATOR, st.just(f"{ISSUER}:aud"), st.lists(AUD, min_size=1, max_size=2)),
    st.tuples(OPERATOR, st.just("other.example:sub"), st.just(["a"])),
    st.tuples(st.just("StringEquals"), st.just("aws:SourceVpc"), st.just(["vpc-1"])),
    st.tuples(st.just("Null"), st.sampled_from([f"{ISSUER}:sub", "other.example:sub"]), st.just(["true"])),
    st.tuples(st.just("Null"), st.just(f"{ISSUER}:aud"), st.just(["false"])),
)


def _condition(conditions: list[tuple[str, str, list[str]]]) -> dict[str, dict[str, list[str]]]:
    block: dict[str, dict[str, list[str]]] = {}
    for operator, key, values in conditions:
        block.setdefault(operator, {})[key] = values
    return block


# What is written in earnest, and combines: patterns of `sub`, wanted and not.
LIKE = st.tuples(
    st.sampled_from(["StringLike", "ForAnyValue:StringLike", "StringLikeIfExists", "StringNotLike", "StringEquals"]),
    st.just(f"{ISSUER}:sub"),
    st.lists(SUB, min_size=1, max_size=3),
)
STATEMENT = st.builds(
    lambda effect, conditions: of_tokens(PROVIDER, _condition(conditions), Effect=effect),
    st.sampled_from(["Allow", "Allow", "Deny"]),
    st.lists(LIKE, max_size=2) | st.lists(CONDITION, max_size=2),
)
DOCUMENT = st.lists(STATEMENT, min_size=1, max_size=4).map(lambda each: document(*each))


def _judged(document: dict[str, Any], client_ids: list[str] | None) -> list[Admitted]:
    found, complete = admitted_by(parse(json.dumps(document)), PROVIDER, client_ids)
    assert complete
    return found


CLIENT_IDS = st.none() | st.lists(st.sampled_from(AUDIENCES), max_size=2)


@given(DOCUMENT, CLIENT_IDS)
def test_patterns_say_who_is_admitted(document: dict[str, Any], client_ids: list[str] | None) -> None:
    _check(document, client_ids, _judged(document, client_ids), in_pieces=False)


@given(DOCUMENT, CLIENT_IDS)
def test_pieces_say_who_is_admitted(document: dict[str, Any], client_ids: list[str] | None) -> None:
    whole = admission._admitted_by

    def admitted_by(*arguments: Any) -> Any:
        return whole(*arguments) if len(arguments) > 4 else None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(admission, "_admitted_by", admitted_by)
        found = _judged(document, client_ids)
    _check(document, client_ids, found, in_pieces=True)


def _check(document: dict[str, Any], client_ids: list[str] | None, found: list[Admitted], in_pieces: bool) -> None:
    # A client ID may be any text, also one that a pattern is.
    conditions = [keys for each in document["Statement"] for keys in each["Condition"].values()]
    anything = [*AUDIENCES, *(value for keys in conditions for values in keys.values() for value in values)]
    audiences = different(document, anything if client_ids is None else client_ids)
    answers = {subject: best(document, subject, audiences) for subject in SUBJECTS}
    event(f"{min(len(found), 3)} patterns, {'all exact' if all(each.exact for each in found) else 'at most'}")
    certain = [each for each in found if each.certain]
    for subject, answer in answers.items():
        if answer is not False:
            those = certain if answer else found
            assert any(glob(each.subject, subject) for each in those), (subject, answer)

    def answer_of(subject: str) -> bool | None:
        return answers[subject] if subject in answers else best(document, subject, audiences)

    for each in found:
        wanted = (True,) if each.certain else (True, None)
        assert any(answer_of(subject) in wanted for subject in matched(each.subject)), each
        if each.exact:
            assert all(answers[s] in wanted for s in SUBJECTS if glob(each.subject, s)), each
        elif not in_pieces:
            assert any(answer_of(subject) not in wanted for subject in matched(each.subject)), each
        for denied in each.denied:
            assert all(answers[subject] is False for subject in SUBJECTS if glob(denied, subject)), (each, denied)
            assert next(matched(denied), None), denied
        if each.denied_are_all and not each.exact:
            left = [s for s in SUBJECTS if glob(each.subject, s) and not any(glob(denied, s) for denied in each.denied)]
            assert all(answers[subject] is not False for subject in left), each
        if each.subject == "*:*" and not each.exact and not in_pieces:
            # No pattern of the document would do: somebody is admitted whom none of them matches.
            written = [value for keys in conditions for values in keys.values() for value in values]
            narrow = [value for value in written if not all(glob(value, PREFIX + subject) for subject in SUBJECTS)]
            others = [subject for subject in SUBJECTS if not any(glob(value, PREFIX + subject) for value in narrow)]
            assert any(answers[subject] is not False for subject in others), each
