"""pydantic's errors in the words of a stack file."""

from typing import Any

import pydantic
import pytest

from config.located_mistake import LocatedMistake
from config.models import Stack
from config.pydantic_errors import keys_at, mistakes_of
from irsa.rules.mistakes import Place

GOOD: dict[str, Any] = {"cluster": {"name": "cc"}, "bindings": {"a": {"serviceAccount": {"name": "a"}}}}


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
        (binding(serviceAccount={"name": ["a"]}), ("serviceAccount", "name"), "a list of 1", "a value of that type"),
        (binding(serviceAccount={"name": "a", "create": "no"}), ("serviceAccount", "create"), "'no'", "write false"),
        (binding(serviceAccount={"name": "a", "create": "yes"}), ("serviceAccount", "create"), "'yes'", "write true"),
        (binding(role={"maxSessionDuration": "3600"}), ("role", "maxSessionDuration"), "'3600'", "write 3600"),
        (binding(role={"maxSessionDuration": 60}), ("role", "maxSessionDuration"), "60", "within this limit"),
        (binding(policyArns="arn"), ("policyArns",), "'arn'", 'write ["arn"]'),
        (binding(role=["x"]), ("role",), "a list of 1", "write keys below it"),
        (binding(role="x"), ("role",), "'x'", "write {name: x}"),
        (binding(role="arn:aws:iam::1:role/x"), ("role",), "arn:", "write {arn: arn:aws:iam::1:role/x}"),
        (binding(serviceAccount="c"), ("serviceAccount",), "'c'", "write {name: c}"),
        (binding(policy="policies/p.json"), ("policy",), "p.json", "write {file: policies/p.json}"),
        (binding(policy="my-policy"), ("policy",), "'my-policy'", "write keys below it"),
        (binding(role={"policy": {}}), ("role", "policy"), "unknown key", "one level up, to irsa:bindings.a"),
        (binding(trust={"role": {}}), ("trust", "role"), "unknown key", "one level up, to irsa:bindings.a"),
        (
            binding(policies=[]),
            ("policies",),
            "unknown key",
            "write policy (a document) or policyArns (policies that exist)",
        ),
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
