"""pydantic's errors in the words of a stack file."""

from collections.abc import Iterator
from typing import Any

import pydantic
import pytest
import yaml

from config.located_mistake import LocatedMistake
from config.models import Stack
from config.pydantic_errors import KINDS, annotation_at, keys_at, mistakes_of
from irsa.keys.binding import is_model
from irsa.rules.mistakes import Place, path_of

GOOD: dict[str, Any] = {"cluster": {"name": "cc"}, "bindings": {"a": {"serviceAccount": {"name": "a"}}}}


ROLE_ARN = "arn:aws:iam::111122223333:role/x"


def mistakes(values: dict[str, Any]) -> list[LocatedMistake]:
    with pytest.raises(pydantic.ValidationError) as error:
        Stack.model_validate({**GOOD, **values})
    return list(mistakes_of(error.value.errors()))


def binding(**keys: Any) -> dict[str, Any]:
    return {"bindings": {"a": {"serviceAccount": {"name": "a"}, **keys}}}


@pytest.mark.parametrize(
    ("values", "place", "found", "fix"),
    [
        (
            binding(serviceAccount={"name": 42}),
            ("serviceAccount", "name"),
            "42",
            "put it in quotes, as it is in the file",
        ),
        (binding(serviceAccount={"name": True}), ("serviceAccount", "name"), "true", 'put it in quotes: "true"'),
        (
            binding(serviceAccount={"name": ["a"]}),
            ("serviceAccount", "name"),
            "a list of 1",
            "write its item, without the brackets",
        ),
        (binding(serviceAccount={"name": "a", "create": "no"}), ("serviceAccount", "create"), "'no'", "write false"),
        (binding(serviceAccount={"name": "a", "create": "yes"}), ("serviceAccount", "create"), "'yes'", "write true"),
        (binding(role={"maxSessionDuration": "3600"}), ("role", "maxSessionDuration"), "'3600'", "write 3600"),
        (binding(role={"maxSessionDuration": 60}), ("role", "maxSessionDuration"), "60", "within this limit"),
        (binding(policyArns="arn"), ("policyArns",), "'arn'", 'write a list, such as ["arn:aws:iam::aws:policy/'),
        (binding(role={1: "x"}), ("role", 1), "1", "write a string"),
        (binding(clusters="blue"), ("clusters",), "'blue'", 'write ["blue"]'),
        (binding(role=["x"]), ("role",), "a list of 1", "write keys below it"),
        (binding(role="x"), ("role",), "'x'", 'write {name: "x"}'),
        (binding(role=ROLE_ARN), ("role",), "arn:", f'write {{arn: "{ROLE_ARN}"}}'),
        (binding(serviceAccount="c"), ("serviceAccount",), "'c'", 'write {name: "c"}'),
        (binding(policy="policies/p.json"), ("policy",), "p.json", 'write {file: "policies/p.json"}'),
        (binding(policy="my-policy"), ("policy",), "'my-policy'", "write keys below it"),
        (binding(role={"policy": {}}), ("role", "policy"), "unknown key", "one level up, to irsa:bindings.a"),
        (binding(trust={"role": {}}), ("trust", "role"), "unknown key", "one level up, to irsa:bindings.a"),
        (
            binding(policies=["arn:aws:iam::aws:policy/ReadOnlyAccess"]),
            ("policies", 0),
            "arn:aws:iam::aws:policy/ReadOnlyAccess",
            "write the ARNs under policyArns",
        ),
        # terraform-aws-iam has `policies = {name = arn}`.
        (
            binding(policies={"read": "arn:aws:iam::aws:policy/ReadOnlyAccess"}),
            ("policies",),
            "read",
            "write the ARNs under policyArns",
        ),
        (binding(policies=["velero"]), ("policies", 0), "'velero'", 'write {addOn: "velero"}'),
        (binding(policy="velero"), ("policy",), "'velero'", 'write {addOn: "velero"}'),
        (binding(role={"nam": "x"}), ("role", "nam"), "unknown key 'nam'", "did you mean 'name'?"),
        (binding(subjects=[]), ("subjects",), "unknown key 'subjects'", "move it to trust"),
        (binding(variables={}), ("variables",), "unknown key", "move it to irsa:variables"),
        (binding(role={"bindings": {}}), ("role", "bindings"), "unknown key", "move it to irsa:bindings"),
        (binding(zzzzz=1), ("zzzzz",), "unknown key 'zzzzz'", "remove it"),
        (binding(serviceAccount={}), ("serviceAccount", "name"), "no name", "add name"),
        (binding(role={"name": "a b"}), ("role", "name"), "'a b'", "did you mean 'a-b'?"),
        (binding(role={"tags": {"a,b": "c"}}), ("role", "tags", "a,b"), "'a,b'", "characters"),
    ],
)
def test_an_error_is_reported_in_words_of_yaml(values: dict[str, Any], place: Place, found: str, fix: str) -> None:
    """Protects users of YAML from pydantic's words: the value as YAML has it, and how to write what is meant."""
    (mistake,) = mistakes(values)
    assert mistake.place == ("bindings", "a", *place)
    assert found in mistake.mistake.found
    assert fix in mistake.mistake.fix
    assert "pydantic" not in str(mistake)


# One value of each type of YAML, and strings of which the meaning is known, or not.
OF_ALL_TYPES: tuple[Any, ...] = (
    True,
    7,
    7.5,
    [],
    {},
    ["a"],
    [1],
    {"a": "b"},
    "maybe",
    "1",
    "yes",
    "TRUE",
    "off",
    "2h",
    "3600",
    "60",
    "7,200",
    "7_200",
    "1d",
    [True],
    [7200],
    ["a:b"],
    [ROLE_ARN],
    [[]],
    "a: b",
)


def at(place: Place, value: Any) -> dict[str, Any]:
    """Return settings with a value at a place."""
    for each in reversed(place):
        value = [value] if each == 0 else {each: value}
    return {**GOOD, **value}


def of_models(model: type[pydantic.BaseModel], place: Place = ()) -> Iterator[Place]:
    """Yield the place of each key of a stack file, one of each kind."""
    for field in model.model_fields.values():
        inner = (*place, str(field.alias))
        yield inner
        part = 0 if annotation_at(inner) is list else "a" if annotation_at(inner) is dict else None
        if is_model(annotation_at(inner)):
            yield from of_models(annotation_at(inner), inner)
        elif part is not None and annotation_at((*inner, part)) is not Any:
            yield (*inner, part)
            item = annotation_at((*inner, part))
            yield from of_models(item, (*inner, part)) if is_model(item) else ()


def advised(fix: str) -> Any:
    """Return what a fix names as a value: a value in YAML, of `write true or false` the first."""
    words = fix.removeprefix("write ").partition(" such as ")
    return yaml.safe_load((words[2] or words[0]).removesuffix(", without quotes").replace("true or false", "true"))


@pytest.mark.parametrize("place", [*of_models(Stack)], ids=path_of)
def test_the_advised_value_is_accepted_at_that_key(place: Place) -> None:
    """Refuses advice that is refused: each key with a value of each other type, and what the fix names in its place."""
    for value in OF_ALL_TYPES:
        try:
            Stack.model_validate(at(place, value))
        except pydantic.ValidationError as error:
            found = [each for each in error.errors() if each["type"] in KINDS and place == each["loc"]]
        else:
            continue
        for mistake in mistakes_of(found):
            fix = mistake.mistake.fix
            if fix.startswith("write keys below it"):
                continue
            better = str(value).lower() if fix.startswith("put it in quotes") else advised(fix)
            better = value[0] if fix == "write its item, without the brackets" else better
            try:
                Stack.model_validate(at(place, better))
            except pydantic.ValidationError as error:
                refused = [each for each in error.errors() if each["loc"][: len(place)] == place]
                assert all("[key]" in each["loc"] for each in refused), (value, fix)


@pytest.mark.parametrize("place", [place for place in of_models(Stack) if annotation_at(place) is bool], ids=path_of)
@pytest.mark.parametrize("value", ["maybe", "y", "n", "1", "0", "", "truee", 0, 1, [], {}])
def test_of_true_and_false_both_are_named_where_it_is_not_known(place: Place, value: Any) -> None:
    """Refuses a guess that changes what a key means: `create: maybe` was answered with false."""
    (mistake,) = [each for each in mistakes(at(place, value)) if each.place == place]
    assert mistake.mistake.fix.startswith("write true or false")


# Which number each of them is: https://www.iso.org/iso-8601-date-and-time-format.html, and Go's time.ParseDuration.
DURATIONS = {
    3600: ["1h", "60m", "3600s", "1 hour", "60 minutes", "PT1H", "PT60M", "PT3600S", "1H", "1hr", "60 min", " 1h "],
    7200: ["7,200", "7_200", "7 200"],
    5400: ["90m", "1h30m", "1 hour 30 minutes", "PT1H30M", "PT90M", "5400 seconds"],
    43200: ["12h", "12 hours", "720m", "PT12H"],
}
NO_DURATIONS = [
    *("", "h", "one hour", "1h 2h", "-1h", "1.5h", "1,5h", "30m 1h", "P1M", "1 month", "1w", "1h-2h", "1:00:00", "٣h"),
]
IN_SECONDS = [place for place in of_models(Stack) if place[-1] in ("maxSessionDuration", "tokenExpiration")]


@pytest.mark.parametrize("place", IN_SECONDS, ids=path_of)
def test_a_duration_is_named_in_seconds(place: Place) -> None:
    """Protects who writes 2h, at each key in seconds: the number, if it is within the limits, or a number that is."""
    assert len(IN_SECONDS) == 4

    def fix(value: Any) -> str:
        (mistake,) = [each for each in mistakes(at(place, value)) if each.place == place]
        return mistake.mistake.fix

    assert {(text, fix(text)) for seconds in DURATIONS for text in DURATIONS[seconds]} == {
        (text, f"write {seconds}") for seconds, texts in DURATIONS.items() for text in texts
    }
    example = 7200 if place[-1] == "maxSessionDuration" else 3600
    assert {fix(text) for text in [*NO_DURATIONS, "1m", "599s", "PT5M"]} == {f"write an integer, such as {example}"}
    for days in ("2d", "2 days", "1d24h"):
        assert fix(days) == fix("48h")
    assert fix("48h") == ("write an integer, such as 7200" if example == 7200 else "write 172800")


@pytest.mark.parametrize("text", ["1h", "90 minutes", "PT1H"])
@pytest.mark.parametrize("key", ["trustPolicySize", "attachedPolicies"])
def test_no_duration_is_advised_for_what_is_no_time(key: str, text: str) -> None:
    """Refuses 3,600 as a number of characters."""
    (mistake,) = mistakes({"quotas": {key: text}})
    assert mistake.mistake.fix.startswith("write an integer, such as ")


@pytest.mark.parametrize("key", ["serviceAccount", "policyArns", "role"])
def test_a_key_of_a_binding_outside_of_the_bindings(key: str) -> None:
    """Protects from a wrong hint: serviceAccount was answered with accounts, which is for AWS accounts."""
    (mistake,) = mistakes({key: {}})
    assert mistake.mistake.fix == "move it to the binding that it is for, below irsa:bindings"


def test_a_limit_is_reported_with_its_number() -> None:
    """Protects the reader: the number of the API reference of CreateRole, with a comma as people write it."""
    (least,) = mistakes(binding(role={"maxSessionDuration": 60}))
    (most,) = mistakes(binding(role={"maxSessionDuration": 43_201}))
    assert (least.mistake.allowed, most.mistake.allowed) == ("at least 3,600", "at most 43,200")


def test_a_key_of_an_earlier_version_is_not_taken_for_a_misspelled_one() -> None:
    """Protects who upgrades: `namespace`, whose letters are in it, is another thing."""
    (found,) = mistakes({"defaults": {"retainNamespaces": False}})
    assert found.place == ("defaults", "retainNamespaces")
    assert found.mistake.fix.startswith("remove it: ")


def test_a_misspelled_key_that_is_required_is_one_mistake() -> None:
    """Protects the reader: the same error is not reported as an unknown key and as a missing one."""
    assert [each.place[2:] for each in mistakes(binding(serviceAccount={"nam": "a"}))] == [("serviceAccount", "nam")]
    both = mistakes(binding(serviceAccount={"zzzzz": "a"}))
    assert [each.place[2:] for each in both] == [("serviceAccount", "name"), ("serviceAccount", "zzzzz")]


@pytest.mark.parametrize(
    ("place", "keys"),
    [
        (("cluster", "kubernetes"), {"context", "eks"}),
        (("bindings", "any", "serviceAccount"), {"name", "namespace", "tokenExpiration"}),
        (("bindings", "any", "inlinePolicies", "any"), {"file", "document"}),
        (("lint", "silence", "wide-trust"), {"reason", "bindings"}),
        ((), {"bindings", "cluster", "defaults"}),
    ],
)
def test_the_keys_of_a_place(place: Place, keys: set[str]) -> None:
    """Protects the advice: the keys that docs/stack-file.md lists for that place, in order."""
    assert keys <= set(keys_at(place))
    assert keys_at(place) == sorted(keys_at(place))


@pytest.mark.parametrize(
    "place", [("nowhere",), ("bindings", "a", "role", "name"), ("bindings", "a", "policyArns", 0, "x")]
)
def test_a_place_without_keys(place: Place) -> None:
    """Protects from a traceback for a place that the models do not have."""
    assert keys_at(place) == []
