"""What only a stack file's reader does; what it shares with that of a program is in test_fields.py and test_read.py."""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from pydantic.alias_generators import to_camel

from docs.generate.schema import FILE
from irsa.add_ons.parameters import PARAMETERS
from irsa.fields import OF_A_ROLE, Keyed, KeyGroup, KeyList, Node
from irsa.keys.binding import is_model
from irsa.rules.mistakes import Place, path_of
from irsa.rules.unknown import SECRET
from irsa.ways import SHORT
from irsa_config.argument_places import place_of
from irsa_config.key_types import keys_at, type_at
from irsa_config.loading import read_settings
from irsa_config.located_mistake import LocatedMistake
from irsa_config.reading import KIND_WORDS
from irsa_program.examine import examine
from tests.world import document

APP = {"serviceAccount": {"name": "a"}}
POLICY_ARN = "arn:aws:iam::aws:policy/ReadOnlyAccess"
ADVICE = ("a string", *KIND_WORDS.values())


def mistakes(**values: Any) -> Sequence[LocatedMistake]:
    return examine({"cluster": {"name": "cc"}, "bindings": {"a": APP}, **values}, Path("/nowhere")).mistakes


@pytest.mark.parametrize(
    ("keys", "place", "fix"),
    [
        ({"role": {"nam": "x"}}, "role.nam", "did you mean 'name'?"),
        # As in terraform-aws-iam.
        ({"policies": {"read": POLICY_ARN}}, "policies", "write the ARNs under irsa:bindings.a.policyArns"),
        ({"policyArns": {"b": "x"}}, "policyArns.b", "aws iam list-policies"),
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


def test_a_written_default_is_there_as_in_a_program() -> None:
    """The component refuses these arguments, so the stack file refuses the keys."""
    by_pods = {"serviceAccount": {"name": "a"}, "identity": "podIdentity", "trust": {"anyServiceAccount": False}}
    assert [each.place[2:] for each in mistakes(bindings={"a": by_pods})] == [("trust", "anyServiceAccount")]
    existing = {"role": {"arn": "arn:aws:iam::111122223333:role/r"}, "serviceAccount": {"name": "a"}, "policyArns": []}
    assert [each.place[2:] for each in mistakes(bindings={"a": existing})] == [("role", "arn")]


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


# Defaults


DEFAULTS: dict[str, Any] = {
    "namespace": "team-a",
    "audience": "ci",
    "path": "/team/",
    "permissionsBoundary": "arn:aws:iam::aws:policy/ReadOnlyAccess",
    "maxSessionDuration": 7200,
    "tags": {"team": "a", "cost": "1"},
    "stsRegionalEndpoints": True,
    "tokenExpiration": 3600,
}
POLICY = {"document": document()}


def merged(binding: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    settings = read_settings({"defaults": defaults, "bindings": {"a": binding}}, Path("/nowhere"))
    return dict(settings.stack.bindings["a"].tree)


def test_a_binding_without_its_own_gets_them_all() -> None:
    assert merged({**APP, "policy": POLICY}, DEFAULTS) == {
        "audience": "ci",
        "role": {
            "path": "/team/",
            "maxSessionDuration": 7200,
            "permissionsBoundary": DEFAULTS["permissionsBoundary"],
            "tags": DEFAULTS["tags"],
        },
        "policy": {**POLICY, "path": "/team/", "tags": DEFAULTS["tags"]},
        "serviceAccount": {
            "name": "a",
            "namespace": "team-a",
            "tokenExpiration": 3600,
            "stsRegionalEndpoints": True,
        },
    }


def test_its_own_come_first() -> None:
    own = {
        "serviceAccount": {"name": "a", "namespace": "b", "stsRegionalEndpoints": False, "tokenExpiration": 600},
        "role": {"path": "/own/", "maxSessionDuration": 3600, "permissionsBoundary": "x", "tags": {"team": "own"}},
        "policy": {**POLICY, "path": "/p/", "tags": {"cost": "2"}},
        "audience": "own",
    }
    without, found = merged(own, {}), merged(own, DEFAULTS)
    without["role"]["tags"] = {"team": "own", "cost": "1"}
    without["policy"]["tags"] = {"team": "a", "cost": "2"}
    assert found == without


def test_an_existing_role_gets_none() -> None:
    existing = {"arn": "arn:aws:iam::111122223333:role/r"}
    found = merged({**APP, "role": existing}, DEFAULTS)
    assert found["role"] == existing
    assert found["serviceAccount"]["namespace"] == "team-a"


def test_without_defaults_only_the_namespace_is_filled_in() -> None:
    """https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/#initial-namespaces."""
    assert merged(APP, {}) == {"serviceAccount": {"name": "a", "namespace": "default"}}


def test_no_service_account_comes_from_defaults() -> None:
    assert "serviceAccount" not in merged({"trust": {"subjects": ["a:b"]}}, DEFAULTS)


PARTS: dict[str, Any] = {
    **APP,
    "role": {"path": "/own/"},
    "policy": POLICY,
    "podIdentity": {"sessionTags": False},
    "trust": {"subjects": ["a:b"]},
}


@given(
    st.sets(st.sampled_from([*PARTS])),
    st.sampled_from([*SHORT, {"irsa": "trusted", "podIdentity": "used"}]),
    st.sampled_from([None, *SHORT]),
)
def test_the_way_to_the_role_is_that_of_the_binding_else_the_default(
    parts: set[str], default: Any, own: str | None
) -> None:
    binding = {part: PARTS[part] for part in parts} | ({} if own is None else {"identity": own})
    assert merged(binding, {**DEFAULTS, "identity": default})["identity"] == (default if own is None else own)


@pytest.mark.parametrize("settings", [{}, {"sessionTags": True}])
@pytest.mark.parametrize("identity", ["irsa", {"irsa": "used", "podIdentity": "trusted"}])
def test_tags_are_for_an_association_that_is_there(identity: Any, settings: dict[str, Any]) -> None:
    assert "tags" not in merged({**APP, "identity": identity, "podIdentity": settings}, DEFAULTS)["podIdentity"]


# What is not known, or wrong


GOOD: dict[str, Any] = {"cluster": {"name": "cc"}, "bindings": {"a": APP}}


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ({"bindings": {"a": {**APP, "role": None}}}, ("bindings", "a", "role")),
        ({"bindings": {"a": {**APP, "role": {"name": None}}}}, ("bindings", "a", "role", "name")),
        ({"defaults": None}, ("defaults",)),
    ],
)
def test_a_key_without_a_value_is_one_mistake(tmp_path: Path, values: dict[str, Any], place: tuple[str, ...]) -> None:
    (mistake,) = examine({**GOOD, **values}, tmp_path).mistakes
    assert (mistake.place, mistake.mistake.found) == (place, "an empty value")


def test_a_secret_is_not_checked_and_is_no_mistake(tmp_path: Path) -> None:
    binding = {**APP, "role": {"description": SECRET, "path": "team"}}
    examination = examine({**GOOD, "bindings": {"a": binding}}, tmp_path)
    assert [mistake.place for mistake in examination.mistakes] == [("bindings", "a", "role", "path")]
    assert examination.not_checked == ["irsa:bindings.a.role.description: a secret"]
    assert examination.stack is None


SETTINGS = ("cluster", "clusters", "accounts", "variables", "defaults", "bindings", "lint", "teams", "guard")


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_secret_in_place_of_a_mapping_is_a_mistake(tmp_path: Path, setting: str) -> None:
    """The attack: `bindings: {secure: ...}` declared no binding, so the next `pulumi up` deleted them all."""
    values = {"bindings": {}, **({"cluster": {"name": "my-cluster"}} if setting != "clusters" else {})}
    examination = examine({**values, setting: SECRET}, tmp_path)

    assert (setting,) in [each.place for each in examination.mistakes]
    assert examination.stack is None


EVERYTHING = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
WRONG = {**EVERYTHING, "Effect": "Alow"}


@pytest.mark.parametrize(
    ("file", "line"),
    [(json.dumps(document(WRONG, EVERYTHING), indent=0), 12), ('{"Version": "2012-10-17"', None)],
)
def test_a_mistake_in_a_file_hides_no_warning_of_the_rest(tmp_path: Path, file: str, line: int | None) -> None:
    (tmp_path / "p.json").write_text(file)
    policy = {"policy": {"file": "p.json"}}
    wide = {"trust": {"subjects": ["team-a:*"]}}
    values = {"cluster": {"name": "cc"}, "bindings": {"one": {**policy, **wide}, "two": {**policy, **wide}}}
    examination = examine(values, tmp_path)
    assert len(examination.mistakes) >= 1
    found = [(each.place[1], each.rule, each.line) for each in examination.warnings]
    in_file = [("write-everything", line)] if line else []
    assert found == [(key, *each) for key in ("one", "two") for each in [("wide-trust", None), *in_file]]


# Variables in arguments, and the place of each argument


# docs/reference/variables.md
OF_A_BINDING = (
    *("role.arn", "role.permissionsBoundary", "policyArns[0]", "assumeRoleArns[0]", "podIdentity.targetRoleArn"),
    *("policy.document.my-app", "inlinePolicies.my-app.document.my-app", "podIdentity.policy.document.my-app"),
    *("trust.conditions.my-app", "trust.statements[0].my-app"),
    *(f"{of}.{to_camel(name)}[0]" for of in ("policy", "policies[0]") for name in PARAMETERS),
)


def test_exactly_the_documents_and_arns_have_variables() -> None:
    schema = Draft7Validator(json.loads(FILE.read_text()))
    found = set()
    for place, following in pairwise([*places(), ()]):
        values: Any = "${acount}"
        for part in reversed(place):
            values = [values] if part == 0 else {part: values}
        mistakes = examine({"bindings": {"a": {}}, **values}, Path()).mistakes
        is_whole = following[: len(place)] == place
        if not is_whole and any("unknown variable ${acount}" in each.mistake.found for each in mistakes):
            found.add(path_of(place))
            every = {"bindings": {}, **values}.items()
            in_an_editor = schema.iter_errors({"config": {f"irsa:{key}": each for key, each in every}})
            assert {each.validator for each in in_an_editor}.isdisjoint({"pattern", "anyOf"}), place
    assert found == {"defaults.permissionsBoundary", *(f"bindings.my-app.{key}" for key in OF_A_BINDING)}


def arguments(node: Node = OF_A_ROLE, place: Place = ()) -> Iterator[Place]:
    """Yield the place of each argument, those in other arguments too."""
    if isinstance(node, KeyGroup):
        for name, each in node.fields.items():
            yield (*place, name)
            yield from arguments(each, (*place, name))
    elif isinstance(node, Keyed | KeyList):
        yield from arguments(node.item, (*place, 0 if isinstance(node, KeyList) else "a_b"))


def test_every_argument_has_its_place_in_a_binding() -> None:
    for argument in arguments():
        *parents, key = place_of(argument)
        assert key in keys_at((*(() if argument[0] == "quotas" else ("bindings", "my-app")), *parents))
