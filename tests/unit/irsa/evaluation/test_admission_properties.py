"""Whom a trust policy admits, against an evaluation of every service account of a small world.

The world has all names of few letters: those that the patterns have, and `q`, which none has. So whatever the patterns
can tell apart is there. The evaluator below is written from AWS's pages alone, with wildcards of its own:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html,
reference_policies_condition-single-vs-multi-valued-context-keys.html, reference_policies_evaluation-logic.html
"""

import functools
import itertools
import json
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from irsa.evaluation.document import parse
from irsa.evaluation.grants import admitted_by
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


CLIENT_IDS = st.none() | st.lists(st.sampled_from(AUDIENCES), max_size=2)


@given(DOCUMENT, CLIENT_IDS)
def test_patterns_say_who_is_admitted(document: dict[str, Any], client_ids: list[str] | None) -> None:
    found = admitted_by(parse(json.dumps(document)), PROVIDER, client_ids)
    # A client ID may be any text, also one that a pattern is.
    conditions = [keys for each in document["Statement"] for keys in each["Condition"].values()]
    anything = [*AUDIENCES, *(value for keys in conditions for values in keys.values() for value in values)]
    audiences = different(document, anything if client_ids is None else client_ids)
    event(f"{min(len(found), 3)} patterns, {'some not told' if any(not each.certain for each in found) else 'told'}")
    for subject in SUBJECTS:
        answer = best(document, subject, audiences)
        those = [each for each in found if glob(each.subject, subject)]
        those = [each for each in those if not any(glob(denied, subject) for denied in each.denied)]
        assert answer is True or not any(each.certain for each in those), subject
        assert answer is False or those, subject


ALLOWED = st.lists(SUB.filter(lambda claim: claim.startswith(PREFIX)), min_size=1, max_size=3)


@given(st.lists(ALLOWED, min_size=1, max_size=3), st.lists(ALLOWED, max_size=2), st.booleans())
def test_what_platform_teams_write_is_told(allowed: list[list[str]], denied: list[list[str]], is_plain: bool) -> None:
    """One list of subjects for each statement, Allow or Deny, and an audience that all have."""
    aud = {} if is_plain else {"StringEquals": {f"{ISSUER}:aud": "sts.amazonaws.com"}}
    several = [(subjects, "Allow") for subjects in allowed] + [(subjects, "Deny") for subjects in denied]
    statements = [
        of_tokens(PROVIDER, {"StringLike": {f"{ISSUER}:sub": each}, **aud}, Effect=effect) for each, effect in several
    ]

    found = admitted_by(parse(json.dumps(document(*statements))), PROVIDER, ["sts.amazonaws.com"])
    assert all(each.certain for each in found)
