from pathlib import Path
from typing import Any

import pytest

from irsa_config.scalars import parsed
from irsa_config.stack_file import StackFile, located
from irsa_program.examine import examine


def stack_file(folder: Path, text: str) -> StackFile:
    path = folder / "Pulumi.dev.yaml"
    path.write_text(text)
    return StackFile(path, path.name)


def test_values_and_lines_of_an_alias(tmp_path: Path) -> None:
    binding = """
    one:
      serviceAccount:
        <<: *defaults
        name: one
    two: {role: {name: two},
          policyArns: [third]}
"""
    file = stack_file(tmp_path, f"config:\n  irsa:defaults: &defaults {{namespace: a}}\n  irsa:bindings:{binding}")

    assert file.settings["bindings"]["one"]["serviceAccount"] == {"namespace": "a", "name": "one"}
    for place, line in (
        (("bindings", "one", "serviceAccount", "namespace"), 2),
        (("bindings", "two", "policyArns", 0), 9),
        (("bindings", "two", "missing"), 8),
        (("nowhere",), None),
    ):
        assert file.line(place) == line, place


def test_lines_only_where_the_value_is_the_files_own(tmp_path: Path) -> None:
    file = stack_file(tmp_path, "config:\n  irsa:cluster: {nam: c}\n  irsa:bindings: {a: {}}\n")
    values = {"cluster": {"nam": "c"}, "bindings": {"a": {"role": {}}}}
    found = {mistake.place: mistake for mistake in located(examine(values, tmp_path).mistakes, file, values)}

    assert found["cluster", "nam"].where == "Pulumi.dev.yaml:2  irsa:cluster.nam"
    assert found["bindings", "a"].where == "irsa:bindings.a"


def test_a_key_of_no_namespace(tmp_path: Path) -> None:
    """The attack: a key that is only the word `config`, which ended in a traceback."""
    file = stack_file(tmp_path, "config:\n  config: 1\n")

    assert list(file.settings.values()) == [1]


def mistakes_of(folder: Path, role: str) -> list[tuple[Any, ...]]:
    text = f"config:\n  irsa:bindings:\n    app: {{serviceAccount: {{name: app}}, role: {role}}}\n"
    return [(each.place[3:], each.line, each.mistake.found) for each in stack_file(folder, text).mistakes]


@pytest.mark.parametrize(
    ("role", "place", "tag"),
    [
        ("{name: !!binary bXktcm9sZQ==}", ("name",), '"!!binary"'),
        ("{name: !!null my-role}", ("name",), '"!!null"'),
        ("{name: !!python/object:os.system x}", ("name",), '"!!python/object:os.system"'),
        ('{maxSessionDuration: !!int "3600"}', ("maxSessionDuration",), '"!!int"'),
        ("!!set {name}", (), '"!!set"'),
        ("{name: !mine x}", ("name",), '"!mine"'),
    ],
)
def test_a_tag_that_makes_another_value(tmp_path: Path, role: str, place: tuple[str, ...], tag: str) -> None:
    """The attack: `!!binary` shows one name to the check, and the engine deploys another."""
    assert mistakes_of(tmp_path, role) == [(place, 3, f"the tag {tag}")]


def test_a_tag_of_what_the_value_is_anyway(tmp_path: Path) -> None:
    assert mistakes_of(tmp_path, "!!map {name: !!str my-role}") == []
    file = stack_file(tmp_path, "config:\n  irsa:bindings: {a: {role: {tags: {!!str 010: !!str 1.50}}}}\n")
    assert file.settings["bindings"]["a"]["role"]["tags"] == {"010": "1.50"}


def test_a_setting_in_json_with_a_key_twice(tmp_path: Path) -> None:
    """The attack: a setting as a JSON string, in which the second of two conditions hides the first."""
    values = {**GOOD_SETTINGS, "variables": parsed('{"a": "x", "a": "y"}')}

    assert [mistake.place for mistake in examine(values, tmp_path).mistakes] == [("variables",)]
    file = stack_file(tmp_path, """config:\n  irsa:variables: '{"a": "x", "a": "y"}'\n""")
    ((place, line, found),) = [(each.place, each.line, each.mistake.found) for each in file.mistakes]
    assert (place, line, found) == (("variables",), 2, "the key 'a' twice in one object")


GOOD_SETTINGS = {"cluster": {"name": "cc"}, "bindings": {"app": {"serviceAccount": {"name": "app"}}}}
