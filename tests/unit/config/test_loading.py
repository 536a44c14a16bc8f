"""What only a stack file's reader does; what it shares with that of a program is in test_fields.py and test_read.py."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from irsa.keys.binding import is_model
from irsa.rules.mistakes import Place, path_of
from irsa_config.key_types import keys_at, type_at
from irsa_config.loading import KINDS, read_settings
from irsa_config.located_mistake import LocatedMistake
from irsa_program.examine import examine

APP = {"serviceAccount": {"name": "a"}}
POLICY_ARN = "arn:aws:iam::aws:policy/ReadOnlyAccess"
ADVICE = ("a string", *KINDS.values())


def mistakes(**values: Any) -> Sequence[LocatedMistake]:
    return examine({"cluster": {"name": "cc"}, "bindings": {"a": APP}, **values}, Path("/nowhere")).mistakes


@pytest.mark.parametrize(
    ("keys", "place", "fix"),
    [
        ({"role": {"nam": "x"}}, "role.nam", "did you mean 'name'?"),
        # As in terraform-aws-iam.
        ({"policies": {"read": POLICY_ARN}}, "policies", "write the ARNs under irsa:bindings.a.policyArns"),
        ({"policyArns": {"b": "x"}}, "policyArns.b", "arn:aws:iam::aws:policy/x"),
        ({"policyArns": {"a b": POLICY_ARN}}, "policyArns.a b", "did you mean 'a-b'?"),
        ({"policy": {"document": "{}"}}, "policy.document", "write a mapping of keys to values"),
    ],
)
def test_one_mistake_in_a_binding(keys: dict[str, Any], place: str, fix: str) -> None:
    (mistake,) = mistakes(bindings={"a": {**APP, **keys}})
    assert ".".join(map(str, mistake.place)) == f"bindings.a.{place}"
    assert fix in mistake.mistake.fix


@pytest.mark.parametrize("content", ["apiVersion: v1\nusers: [{user: {token: hunter2}}]", ' {"token": "hunter2"}'])
def test_the_content_of_a_kubeconfig_is_not_shown(content: str) -> None:
    """The attack: a report of CI that everybody can read, with the credentials of a cluster."""
    (mistake,) = mistakes(cluster={"name": "cc", "kubernetes": {"kubeconfig": content}})
    assert mistake.place == ("cluster", "kubernetes", "kubeconfig")
    assert "hunter2" not in str(mistake.mistake)


def test_a_key_of_an_earlier_version_is_not_taken_for_a_misspelled_one() -> None:
    (found,) = mistakes(defaults={"retainNamespaces": False})
    assert found.place == ("defaults", "retainNamespaces")
    assert found.mistake.fix.startswith("remove it: ")


def test_what_is_as_by_default_is_as_if_it_were_not_there() -> None:
    account = {"name": "a", "create": True, "takeOver": False, "labels": {}, "imagePullSecrets": []}
    empty: dict[str, Any] = {"policyArns": [], "policies": [], "inlinePolicies": {}, "assumeRoleArns": [], "import": []}
    trust = {"subjects": [], "anyServiceAccount": False, "conditions": {}, "statements": []}
    keys = {"serviceAccount": account, **empty, "trust": trust, "retainOnDelete": False, "role": {"tags": {}}}
    args = read_settings({"bindings": {"a": keys}}, Path("/nowhere")).stack.bindings["a"].args
    assert args == {"service_account": {"name": "a", "namespace": "default"}}
    existing = {**keys, "role": {"arn": "arn:aws:iam::111122223333:role/r"}}
    assert not mistakes(bindings={"a": existing})
    (mistake,) = mistakes(bindings={"a": {**existing, "retainOnDelete": 0}})
    assert mistake.place[2:] == ("retainOnDelete",)


def places(above: Place = ()) -> Iterator[Place]:
    """Yield the places of all settings; of a mapping with keys of one's own, and of a list, one item."""
    annotation = type_at(above)
    if above:
        yield above
    if is_model(annotation):
        for key in keys_at(above):
            yield from places((*above, key))
    elif annotation in (dict, list):
        yield from places((*above, "my-app" if annotation is dict else 0))


# What is not wrong with the value itself.
BETWEEN_KEYS = re.compile("without|is not in irsa:|for a service account|no file|'my-app' is not a variable name")
OF_ALL_TYPES: tuple[Any, ...] = (True, 7, 7.5, [], {}, ["a"], [1], {"a": "b"}, "maybe", "1", [True], [[]], "a: b")


@pytest.mark.parametrize("place", [*places()], ids=path_of)
def test_the_advised_value_is_accepted_at_that_key(place: Place) -> None:
    def found(value: Any) -> list[LocatedMistake]:
        for part in reversed(place):
            value = [value] if part == 0 else {str(part): value}
        return [each for each in mistakes(**value) if each.place[: len(place)] == place]

    of_types = [each for value in OF_ALL_TYPES for each in found(value)]
    assert of_types
    for allowed, fix in {(each.mistake.allowed, each.mistake.fix) for each in of_types if each.place == place}:
        if allowed in ADVICE and " such as " in fix:
            again = found(yaml.safe_load(fix.partition(" such as ")[2]))
            assert all(BETWEEN_KEYS.search(each.mistake.found) for each in again), fix
