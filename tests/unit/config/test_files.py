"""How much a stack file and its policies may ask of the machine that reads them, and which files a policy may be."""

import json
import os
import socket
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import yaml

import irsa_config.nodes
from irsa.rules.unknown import SECRET, WRONG
from irsa_config import policy_sources
from irsa_config.located_mistake import LocatedMistake
from irsa_config.policy_sources import PolicySources
from irsa_config.scalars import parsed
from irsa_config.stack_file import StackFile, located
from irsa_program.check_report import FileReport, as_json, report_of, sections
from irsa_program.examine import Examination, examine
from irsa_world.report.text import plain
from tests.world import document

MIB = 2**20
GOOD = """config:
  irsa:cluster: {name: my-cluster}
  irsa:bindings:
    my-app: {serviceAccount: {name: my-app}}
"""
POLICY = json.dumps(document({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}))


def report(folder: Path, text: str) -> FileReport:
    file = folder / "Pulumi.dev.yaml"
    file.write_text(text)
    return report_of(file)


def measured(look: Callable[[], FileReport]) -> tuple[FileReport, int]:
    """Return what is found, and how many bytes that took at most."""
    tracemalloc.start()
    found = look()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return found, peak


def only_mistake(found: FileReport) -> LocatedMistake:
    (mistake,) = found.mistakes
    return mistake


def bomb(levels: int, width: int = 9) -> str:
    """Return a file whose aliases stand for width ** levels values."""
    lines = ["  a0: &a0 [" + ", ".join("x" * width) + "]"]
    lines += [f"  a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * width) + "]" for n in range(1, levels)]
    return GOOD + "\n".join(lines) + "\n"


@pytest.mark.parametrize("levels", [7, 30])
def test_an_alias_bomb_is_refused_before_it_is_expanded(tmp_path: Path, levels: int) -> None:
    text = bomb(levels)
    assert len(text) < 4_000
    report(tmp_path, GOOD)
    found, peak = measured(lambda: report(tmp_path, text))

    mistake = only_mistake(found)
    assert "almost all by aliases" in mistake.mistake.found
    # a0 stands for 9 values and itself, and each level for nine times as many and itself: a5 is beyond 400,000.
    assert mistake.line == next(number for number, line in enumerate(text.splitlines(), 1) if "a5:" in line)
    assert peak < 4 * MIB


def test_aliases_that_save_writing_are_fine(tmp_path: Path) -> None:
    document = "{Version: '2012-10-17', Statement: [{Effect: Allow, Action: 's3:GetObject', Resource: '*'}]}"
    bindings = "".join(
        f"    b{n}: {{serviceAccount: {{name: b{n}}}, policy: {{document: *shared}}}}\n" for n in range(1_000)
    )
    text = GOOD.replace("my-app}", f"my-app}}, policy: {{document: &shared {document}}}", 1) + bindings

    assert report(tmp_path, text).mistakes == []


def chain(levels: int) -> str:
    """Return a file in which each value holds the one before, by an alias."""
    return GOOD + "  a0: &a0 x\n" + "".join(f"  a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, levels))


def test_a_chain_of_aliases_is_only_deep(tmp_path: Path) -> None:
    assert report(tmp_path, chain(90)).mistakes[0].mistake.found.startswith("unknown key")
    assert only_mistake(report(tmp_path, chain(150))).mistake.found == "values nested more than 100 deep"
    assert "almost all by aliases" in only_mistake(report(tmp_path, chain(20_000))).mistake.found


def test_a_file_of_any_size(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text(GOOD)
    with file.open("r+b") as opened:
        opened.truncate(2**40)
    found, peak = measured(lambda: report_of(file))

    assert "more than 16 MiB" in only_mistake(found).mistake.found
    assert peak < 64 * MIB
    file.write_bytes(GOOD.encode() + b"#" * (16 * MIB - len(GOOD)))
    assert report_of(file).mistakes == []


def test_more_values_than_ten_thousand_bindings_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(irsa_config.nodes, "MOST_VALUES", 40_000)
    found, peak = measured(lambda: report(tmp_path, GOOD + "  a: [" + "x," * 40_001 + "]\n"))

    assert "more than 40,000 values" in only_mistake(found).mistake.found
    assert peak < 8 * MIB
    # What only looks like values is none.
    assert report(tmp_path, GOOD + "# " + "," * 50_000 + "\n").mistakes == []


def test_a_policy_with_many_mistakes_is_composed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuses the attack of a file with thousands of mistakes, which was parsed again for the line of each."""
    statements = ",\n".join('{"Effect": "allow", "Action": "s3:GetObject", "Resource": "*"}' for _ in range(500))
    (tmp_path / "p.json").write_text(f'{{"Version": "2012-10-17", "Statement": [\n{statements}]}}')
    compose = Mock(wraps=yaml.compose)
    monkeypatch.setattr(yaml, "compose", compose)
    found = report(tmp_path, GOOD.replace("my-app}}", "my-app}, policy: {file: p.json}}"))

    in_file = [mistake.line for mistake in found.mistakes if mistake.within]
    assert in_file == list(range(2, 502))
    # The stack file itself, and the policy.
    assert compose.call_count == 2


def test_the_search_for_a_repeated_key_visits_each_value_once() -> None:
    # The lists that were written again held 10 GB.
    text = "[" + ",".join("[]" for _ in range(50_000)) + ',\n{"a": 1,\n"a": 2}]'
    started = time.process_time()

    assert policy_sources._line_of_repeated(text) == 3
    assert time.process_time() - started < 10


def with_policy(folder: Path, name: str) -> FileReport:
    return report(folder, GOOD.replace("my-app}}", f"my-app}}, policy: {{file: {json.dumps(name)}}}}}"))


# The name of the policy, and where a link of that name, or of its folder, leads.
OUTSIDE: dict[str, tuple[str, str]] = {
    "an absolute name": ("{secret}", ""),
    "a name that climbs": ("../elsewhere/secret.json", ""),
    "a symbolic link": ("link", "{secret}"),
    "a folder that is a symbolic link": ("link/secret.json", "{folder}"),
    "a link to itself": ("link", "link"),
}


@pytest.mark.parametrize("attack", OUTSIDE)
def test_a_policy_outside_of_the_project(tmp_path: Path, attack: str) -> None:
    project, secret = tmp_path / "project", tmp_path / "elsewhere" / "secret.json"
    project.mkdir()
    secret.parent.mkdir()
    secret.write_text('{"Version": "HUSH", "Statement": {"Effect": "HUSH"}, "HUSH": 1}')
    name, link = (each.format(secret=secret, folder=secret.parent) for each in OUTSIDE[attack])
    if link:
        (project / "link").symlink_to(link)
    found = with_policy(project, name)

    assert only_mistake(found).place == ("bindings", "my-app", "policy", "file")
    assert "HUSH" not in as_json([found]) + "\n".join(plain(sections([found])))


def test_a_name_that_exists_outside_is_not_told_from_one_that_does_not(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (tmp_path / "secret.json").write_text(POLICY)
    both = [only_mistake(with_policy(project, name)).mistake for name in ("../secret.json", "../secre.json")]

    assert len({(each.allowed, each.fix) for each in both}) == 1


@pytest.mark.parametrize("kind", ["fifo", "socket", "device"])
def test_a_policy_that_is_no_regular_file(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "p.json"
    with socket.socket(socket.AF_UNIX) as server:
        if kind == "fifo":
            os.mkfifo(file)
        elif kind == "socket":
            server.bind(str(file))
        else:
            # Making a device takes privileges.
            file = Path("/dev/zero")
        binding = {"serviceAccount": {"name": "a"}, "policy": {"file": file.name}}
        (found,) = examine({"cluster": {"name": "cc"}, "bindings": {"a": binding}}, file.parent).mistakes

    assert "not a regular file" in found.mistake.found


def test_a_policy_of_any_size(tmp_path: Path) -> None:
    file = tmp_path / "p.json"
    file.write_text(POLICY + " " * (MIB - len(POLICY)))
    assert with_policy(tmp_path, "p.json").mistakes == []
    with file.open("r+b") as opened:
        opened.truncate(2**40)
    found, peak = measured(lambda: with_policy(tmp_path, "p.json"))

    assert "more than 1 MiB" in only_mistake(found).mistake.found
    assert peak < 8 * MIB


def test_a_json_file_that_is_no_policy_is_not_quoted(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text('{"HUSH": "HUSH", "AccessKeyId": {"HUSH": ["HUSH"]}}')
    found = with_policy(tmp_path, "p.json")

    assert only_mistake(found).mistake.found == "JSON that is not a policy document"
    assert "HUSH" not in as_json([found]) + "\n".join(plain(sections([found])))


OF_BUCKET = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::${bucket}/*"}


def examined(folder: Path, binding: Any, **variables: Any) -> Examination:
    app = {"serviceAccount": {"name": "app"}, **binding}
    values = {"cluster": {"name": "cc"}, "variables": {"bucket": "b", **variables}, "bindings": {"app": app}}
    return examine(values, folder)


@pytest.mark.parametrize(
    ("content", "line", "word"),
    [
        (b'{"Version": "2012-10-17",\n "Statement": [}', 2, "not JSON"),
        (b'{"Version": "2012-10-17",\n\n "Version": "2012-10-17"}', 3, "twice"),
        (b"[]", 1, "not a policy document"),
        (b'{"Version": "2012-10-17",\n "Statement": {"Efect": "Allow"}}', 2, "'Efect'"),
        (b'{"Statement": "\\ud800"}', None, "surrogate"),
    ],
)
def test_a_mistake_in_a_file_is_reported_where_it_is(
    tmp_path: Path, content: bytes, line: int | None, word: str
) -> None:
    (tmp_path / "p.json").write_bytes(content)
    bindings = {key: {"serviceAccount": {"name": key}, "policy": {"file": "p.json"}} for key in ("one", "two")}
    mistakes = examine({"cluster": {"name": "cc"}, "bindings": bindings}, tmp_path).mistakes

    assert {mistake.file for mistake in mistakes} == {"p.json"}
    (mistake,) = [each for each in mistakes if word in each.mistake.found]
    assert line is None or mistake.line == line


@pytest.mark.parametrize(
    ("name", "word", "fix"),
    [
        ("polices.json", "no file", "did you mean 'policies.json'?"),
        ("nowhere/zzz.json", "no file", "create it, with an IAM policy in JSON"),
        ("latin.json", "cannot read", "make it a readable file in UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_reported_at_the_key(tmp_path: Path, name: str, word: str, fix: str) -> None:
    (tmp_path / "policies.json").write_text("{}")
    (tmp_path / "latin.json").write_bytes(b'{"Id": "\xe4"}')
    read = PolicySources(tmp_path)
    bindings = read.with_documents({"app": {"policy": {"file": name}}})

    (mistake,) = read.mistakes
    assert (mistake.place, mistake.file) == (("bindings", "app", "policy", "file"), None)
    assert word in mistake.mistake.found
    assert fix in mistake.mistake.fix
    assert bindings["app"]["policy"]["document"] is WRONG


@pytest.mark.parametrize(
    ("identifier", "place"),
    [
        (SECRET, "app.policy.document.Id: a secret"),
        ("${hidden}", "app.policy.document.Id: it contains a secret variable"),
    ],
)
def test_what_is_beside_a_secret_in_a_document_is_judged(tmp_path: Path, identifier: Any, place: str) -> None:
    binding = {
        "policy": {"document": {**document(OF_BUCKET), "Id": identifier}},
        "trust": {"conditions": {"StringEquals": SECRET}},
    }
    found = examined(tmp_path, binding, hidden=SECRET)

    assert found.mistakes == []
    assert {f"irsa:bindings.{place}", "irsa:bindings.app.trust.conditions.StringEquals: a secret"} <= {
        *found.not_checked
    }
    binding["policy"]["document"]["Version"] = "x"
    (mistake,) = examined(tmp_path, binding, hidden=SECRET).mistakes
    assert mistake.place[-1] == "Version"


# What a stack file says, and where


SETTINGS = {"cluster": {"name": "cc"}, "bindings": {"app": {"serviceAccount": {"name": "app"}}}}


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
    values = {**SETTINGS, "variables": parsed('{"a": "x", "a": "y"}')}

    assert [mistake.place for mistake in examine(values, tmp_path).mistakes] == [("variables",)]
    file = stack_file(tmp_path, """config:\n  irsa:variables: '{"a": "x", "a": "y"}'\n""")
    ((place, line, found),) = [(each.place, each.line, each.mistake.found) for each in file.mistakes]
    assert (place, line, found) == (("variables",), 2, "the key 'a' twice in one object")
