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
            "in quotes",
        ),
        (binding(serviceAccount={"name": True}), ("serviceAccount", "name"), "true", "in quotes"),
        (
            binding(serviceAccount={"name": ["a"]}),
            ("serviceAccount", "name"),
            "a list of 1",
            "write a string, such as",
        ),
        (
            binding(serviceAccount={"name": "a", "create": "no"}),
            ("serviceAccount", "create"),
            "'no'",
            "write true or false, without quotes",
        ),
        (
            binding(role={"maxSessionDuration": "3600"}),
            ("role", "maxSessionDuration"),
            "'3600'",
            "write an integer, without quotes",
        ),
        (binding(role={"maxSessionDuration": 60}), ("role", "maxSessionDuration"), "60", "within this limit"),
        (binding(policyArns="arn"), ("policyArns",), "'arn'", 'write a list, such as ["arn:aws:iam::aws:policy/'),
        (binding(role={1: "x"}), ("role", 1), "1", "write a string"),
        (binding(clusters="blue"), ("clusters",), "'blue'", 'write a list, such as ["blue", "green"]'),
        (binding(role=["x"]), ("role",), "a list of 1", "write a mapping of keys to values, such as"),
        (binding(serviceAccount="c"), ("serviceAccount",), "'c'", 'such as {"name": "my-service-account"'),
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
        (binding(policies=["velero"]), ("policies", 0), "'velero'", 'such as {"addOn": "external-dns"'),
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


# One value of each type of YAML.
OF_ALL_TYPES: tuple[Any, ...] = (True, 7, 7.5, [], {}, ["a"], [1], {"a": "b"}, "maybe", "1", [True], [[]], "a: b")


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
    """Return what a fix names as a value."""
    return yaml.safe_load(fix.partition(" such as ")[2].removesuffix(": YAML reads 010 as the number 8"))


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
            better = advised(fix)
            try:
                Stack.model_validate(at(place, better))
            except pydantic.ValidationError as error:
                refused = [each for each in error.errors() if each["loc"][: len(place)] == place]
                assert all("[key]" in each["loc"] for each in refused), (value, fix)


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
