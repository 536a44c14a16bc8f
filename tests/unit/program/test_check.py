import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from irsa_cli.main import main
from tests.output_schemas import check_output
from tests.unit.config.yaml_lines import line_of, steps_of

ROOT = Path(__file__).parents[3]
# The path of a mistake has this key with its line break escaped.
ESCAPED = "a\n::error::key"
GOOD = """
config:
  irsa:cluster: {name: my-cluster}
  irsa:bindings:
    my-app: {serviceAccount: {name: my-app}, policyArns: ["arn:${partition}:iam::aws:policy/ReadOnlyAccess"]}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Pulumi.yaml").write_text("name: irsa\nruntime: python\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(["check", *arguments])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def test_every_class_of_mistake_at_once(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    code, text = check(capsys, "--json", "tests/golden/mistakes.yaml")
    (report,) = check_output("check", text)["files"]
    written = yaml.safe_load((ROOT / "tests/golden/mistakes.yaml").read_text())["config"]["irsa:bindings"]
    reported = {
        steps_of(found["path"].removeprefix("irsa:"))[1]
        for found in (*report["errors"], *report["warnings"])
        if found["path"].startswith("irsa:bindings.")
    }

    # Each binding of the file has a mistake; a missing one would be one that irsa no longer reports.
    assert (code, sorted(written.keys() - reported)) == (1, [ESCAPED])

    # What is no JSON has no path within: the comma before a bracket, and a key that is there twice.
    lines = {"broken": 4, "commented": 4, "twice": 7}
    not_json = {f"tests/golden/policies/{name}.json": line for name, line in lines.items()}
    for mistake in report["errors"]:
        top, *rest = steps_of(mistake["path"].removeprefix("irsa:"))
        steps = steps_of(mistake["within"]) if "within" in mistake else ["config", f"irsa:{top}", *rest]
        expected = not_json.get(mistake["file"]) or line_of((ROOT / mistake["file"]).read_text(), steps)
        assert mistake["line"] == expected, mistake
        assert all(mistake[part] for part in ("found", "allowed", "fix")), mistake


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("config:\n  irsa:bindings: {a: {}\n", 3, "not YAML"),
        ("confg:\n  irsa:sandbox: true\n", 1, "did you mean config"),
        ("- a\n", 1, "not a mapping"),
        ("config:\n", 1, "nothing in `config:`"),
        ("config: &a {x: *a}\n", 1, "a recursive alias"),
        ("config:\n  isra:bindings: {}\n", 2, "did you mean irsa:bindings?"),
        ("config: {}\n---\nconfig: {}\n", 2, "not YAML"),
        ("config:\n  ? [a]\n  : b\n", 2, "a key that is a list or a map"),
        ("config:\n  irsa:x:\n  ? [a]\n  : b\n", 3, "a key that is a list or a map"),
        (f"{GOOD}    a:\n      role: {{}}\n      ? [a]\n      : b\n", 8, "a key that is a list or a map"),
        (f"config:\n  irsa:bindings: {'[' * 101}{']' * 101}\n", 2, "values nested more than 100 deep"),
        (f"config:\n  irsa:bindings: {'[' * 50_000}\n", 2, "values nested more than 100 deep"),
        (f"config:\n  irsa:bindings: {'[' * 500}\n", 3, "not YAML"),
        *((f"config:\n  irsa:x: {each}\n", 2, "`*` without quotes") for each in ("*", "[*]", "*:*", "{a: *}", "*a")),
        ("config:\n  irsa:x:\n  - *\n", 3, "`*` without quotes"),
        ("config:\n\tirsa:x: 1\n", 2, "a tab, with which"),
        ("config:\n  irsa:x:\n  \ta: 1\n", 3, "a tab, with which"),
        ("config:\n  irsa:x: 1\n  \ty: 1\n", 3, "a tab, with which"),
        ("config:\n  irsa:x: @a\n", 2, "'@' at the beginning"),
        (f"{GOOD}aws:region: us-west-2\n", 6, "aws:region outside of `config:`"),
        ("irsa:bindings: {}\n", 1, "write `config:` above it, and indent line 1"),
        ("irsa:bindings:\n  a: {}\nirsa:lint: {}\n", 1, "1 error, 0 bindings"),
        *((f"{GOOD}{key}: {{}}\n", 6, f"{key} outside of `config:`") for key in ("bindings", "policy", "trust")),
    ],
)
def test_files_that_are_no_stack_files(
    project: Path, capsys: pytest.CaptureFixture[str], text: str, line: int, words: str
) -> None:
    (project / "Pulumi.dev.yaml").write_text(text)
    code, output = check(capsys)

    assert code == 1
    assert f"Pulumi.dev.yaml:{line}" in output
    assert words in output


POLICY = """      policy:
        document:
          Version: "2012-10-17"
          Statement: [{Effect: Allow, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/*"}]
"""
BINDINGS = GOOD.partition("    my-app:")[0] + "".join(
    f"    {name}:\n      serviceAccount:\n        name: {name}\n        namespace: a\n{POLICY}" for name in ("a", "b")
)


def moved_left(at: int) -> tuple[str, int, int]:
    """Return the stack file with all that is below a line as far left as that line, and how many lines these are."""
    lines = BINDINGS.splitlines()
    width = len(lines[at]) - len(lines[at].lstrip())
    below = list(itertools.takewhile(lambda each: len(each) - len(each.lstrip()) > width, lines[at + 1 :]))
    by = len(below[0]) - len(below[0].lstrip()) - width
    moved = [each[by:] for each in below]
    return "\n".join([*lines[: at + 1], *moved, *lines[at + 1 + len(moved) :]]), at + 2, at + 1 + len(moved)


@pytest.mark.parametrize(
    "at",
    [n for n, each in enumerate(BINDINGS.splitlines()) if each.endswith(":") and each != "config:"],
)
def test_keys_that_are_not_indented_are_one_mistake(project: Path, capsys: pytest.CaptureFixture[str], at: int) -> None:
    text, first, last = moved_left(at)
    (project / "Pulumi.dev.yaml").write_text(text)
    code, report = findings(capsys)

    assert code == 1
    (mistake,) = report["errors"]
    assert mistake["line"] == at + 1
    assert mistake["fix"] == (f"indent lines {first} to {last}" if last > first else f"indent line {first}")


@pytest.mark.parametrize("key", ["policy", "inlinePolicies.x", "podIdentity.policy"])
def test_a_policy_without_document_is_one_mistake(project: Path, capsys: pytest.CaptureFixture[str], key: str) -> None:
    document = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}}
    binding: Any = {"serviceAccount": {"name": "a"}, "identity": "both", "podIdentity": {"sessionTags": False}}
    inner = binding
    for step in key.split("."):
        inner = inner.setdefault(step, {})
    inner |= document
    settings = {"irsa:cluster": {"name": "my-cluster"}, "irsa:bindings": {"a": binding}}
    (project / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": settings}))
    _, report = findings(capsys)

    found = [each for each in report["errors"] if each["rule"] == "error"]
    assert [(each["path"], each["found"]) for each in found] == [
        (f"irsa:bindings.a.{key}", "Statement, Version without `document:`")
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (GOOD.encode("utf-16"), "not UTF-8"),
        (GOOD.encode() + b"  irsa:variables: {a: \xe4}\n", "not UTF-8"),
        (GOOD.encode() + b"  irsa:variables: {a: \0}\n", "#x0000"),
    ],
)
def test_files_that_are_no_text(project: Path, capsys: pytest.CaptureFixture[str], content: bytes, words: str) -> None:
    (project / "Pulumi.dev.yaml").write_bytes(content)
    code, output = check(capsys)

    assert code == 1
    assert words in output
    assert "Pulumi.dev.yaml: 1 error" in output


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (f'{{"Version": "2012-10-17", "Statement": {"[" * 50_000}{"]" * 50_000}}}', "values nested more than 100 deep"),
        (r'{"Version": "2012-10-17", "Statement": {"Sid": "\ud800"}}', r"'\ud800', an unpaired surrogate"),
        (f'{{"Version": "2012-10-17", "Statement": {"9" * 5_000}}}', "a number of more than 4,300 digits"),
    ],
)
def test_policies_that_break_a_reader(
    project: Path, capsys: pytest.CaptureFixture[str], policy: str, words: str
) -> None:
    binding = "    my-app: {serviceAccount: {name: my-app}, policy: {file: p.json}}\n"
    (project / "Pulumi.dev.yaml").write_text(f"config:\n  irsa:cluster: {{name: c}}\n  irsa:bindings:\n{binding}")
    (project / "p.json").write_text(policy)
    code, report = findings(capsys)

    assert (code, check(capsys)[0]) == (1, 1)
    assert any(each["file"] == "p.json" and words in each["found"] for each in report["errors"])


@pytest.mark.parametrize("region", ["[1]", "{value: [1]}", "5", "true", "us_west_2", "'[1]'"])
@pytest.mark.parametrize("place", ["stack", "project", "value"])
def test_a_region_that_is_none(project: Path, capsys: pytest.CaptureFixture[str], region: str, place: str) -> None:
    (project / "Pulumi.dev.yaml").write_text(GOOD)
    file = project / ("Pulumi.dev.yaml" if place == "stack" else "Pulumi.yaml")
    before = GOOD if place == "stack" else "name: irsa\nruntime: python\nconfig:\n"
    file.write_text(before + f"  aws:region: {f'{{value: {region}}}' if place == 'value' else region}\n")
    code, report = findings(capsys)

    assert code == 1
    (mistake,) = report["errors"]
    assert (mistake["file"], mistake["line"]) == (file.name, len(before.splitlines()) + 1)
    assert "a region, such as us-west-2" in mistake["allowed"]


@pytest.mark.parametrize("region", ["us-gov-west-1", "'eusc-de-east-1'", "", "''", "~"])
def test_a_region_that_is_one_or_left_open(project: Path, capsys: pytest.CaptureFixture[str], region: str) -> None:
    (project / "Pulumi.dev.yaml").write_text(f"{GOOD}  aws:region: {region}\n")

    assert check(capsys) == (0, "Pulumi.dev.yaml: good, 1 binding\n")


def test_a_secret_region_is_not_seen(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = GOOD.replace("arn:${partition}", "arn:aws-cn")
    of_project = "name: irsa\nruntime: python\n"
    for stack, settings in (
        (f"{good}  aws:region: {{secure: v1:abc}}\n", ""),
        (good, "config:\n  aws:region: {value: {secure: v1:abc}}\n"),
    ):
        (project / "Pulumi.dev.yaml").write_text(stack)
        (project / "Pulumi.yaml").write_text(of_project + settings)
        assert check(capsys) == (0, "Pulumi.dev.yaml: good, 1 binding\n\nnot checked: aws:region: a secret\n")


@pytest.mark.parametrize(
    ("content", "unseen"),
    [
        ("- a\n", "not a mapping"),
        ("config: []\n", "a list in `config:`"),
        ("config: {", "not readable as YAML"),
        ("config: \xff", "not readable as YAML"),
        (f"config: {{a: {'[' * 50_000}{']' * 50_000}}}", "not readable as YAML"),
        ("config: {a: &a [*a]}", "not readable as YAML"),
        ("config: {aws:region: {[a]: b}}", "not readable as YAML"),
        ("config: {other:a: 2012-99-99, other:b: {value: 0b_}, quotas: {type: object}}\n", ""),
    ],
)
def test_a_broken_project_file_is_not_seen(
    project: Path, capsys: pytest.CaptureFixture[str], content: str, unseen: str
) -> None:
    (project / "Pulumi.yaml").write_bytes(content.encode("latin-1"))
    (project / "Pulumi.dev.yaml").write_text(GOOD)
    code, output = check(capsys)

    assert code == 0, output
    not_checked = f"\nnot checked: the settings in Pulumi.yaml: {unseen}\n" if unseen else ""
    assert output == f"Pulumi.dev.yaml: good, 1 binding\n{not_checked}"


IN_ANOTHER_PROGRAM = ("`pulumi preview`", "`irsa diff`", "`irsa verify`")


def test_what_is_not_there_is_no_finding(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, output = check(capsys)
    assert code == 3
    assert output.startswith("irsa check: no Pulumi.*.yaml of a Pulumi.yaml in this folder or above it")
    assert all(command in output for command in IN_ANOTHER_PROGRAM)
    (project / "Pulumi.dev.yaml").write_text("config:\n  aws:region: us-west-2\n")
    code, output = check(capsys)
    assert (code, "no `irsa:` setting" in output) == (1, True)
    assert all(command in output for command in IN_ANOTHER_PROGRAM)


WRONG = GOOD.replace("name: my-app}", "name: My_App}")


@pytest.mark.parametrize(("others", "expected"), [({"good": GOOD}, 3), ({"good": GOOD, "wrong": WRONG}, 1)])
def test_a_file_that_cannot_be_read_hides_no_other(
    project: Path, capsys: pytest.CaptureFixture[str], others: dict[str, str], expected: int
) -> None:
    (project / "Pulumi.a-folder.yaml").mkdir()
    (project / "Pulumi.link.yaml").symlink_to("nowhere")
    for name, text in others.items():
        (project / f"Pulumi.{name}.yaml").write_text(text)
    code = main(["check"])
    said = capsys.readouterr()

    assert code == expected
    assert [line.split(": ")[1] for line in said.err.splitlines()] == [
        f"cannot read Pulumi.{name}.yaml" for name in ("a-folder", "link")
    ]
    assert "Pulumi.good.yaml: good, 1 binding" in said.out
    assert ("Pulumi.wrong.yaml: 1 error, 1 binding" in said.out) is ("wrong" in others)


def findings(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code, text = check(capsys, "--json", *arguments)
    (report,) = check_output("check", text)["files"]
    return code, report


@pytest.mark.parametrize("place", ["stack", "project"])
def test_two_lists_of_aws_accounts_are_one_too_many(
    project: Path, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    """https://registry.terraform.io/providers/hashicorp/aws/latest/docs: Conflicts with allowed_account_ids."""
    forbidden = '  aws:forbiddenAccountIds: ["222233334444"]\n'
    head = "name: irsa\nruntime: python\nconfig:\n"
    of_project = f'{head}  aws:forbiddenAccountIds: {{value: ["222233334444"]}}\n' if place == "project" else head
    (project / "Pulumi.yaml").write_text(of_project)
    written = f'{GOOD}  aws:allowedAccountIds: ["111122223333"]\n'
    (project / "Pulumi.dev.yaml").write_text(written + (forbidden if place == "stack" else ""))
    code, text = check(capsys, "Pulumi.dev.yaml")

    assert code == 1
    assert "aws:allowedAccountIds and aws:forbiddenAccountIds" in text
    assert ("Pulumi.dev.yaml:7" in text) is (place == "stack")
    (project / "Pulumi.yaml").write_text(head)
    for one_list in (written, f"{written}  aws:forbiddenAccountIds: '[]'\n"):
        (project / "Pulumi.dev.yaml").write_text(one_list)
        assert check(capsys, "Pulumi.dev.yaml")[0] == 0


def test_each_example_prints_what_the_page_says(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "commands" / "check.md").read_text()
    (project / "Pulumi.prod.yaml").write_text(re.findall("```yaml\n(.*?)```", page, re.DOTALL)[0])
    examples = re.findall(r"```console\n\$ irsa (check (?!--live)[^\n]*)\n(.*?)```", page, re.DOTALL)

    assert len(examples) == 1
    for command, expected in examples:
        assert main(command.split()) == 1
        assert capsys.readouterr().out == expected


# irsa stacks


def add(project: Path, stack: str, config: str) -> None:
    (project / f"Pulumi.{stack}.yaml").write_text(config)


def listed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert main(["stacks", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert main(["stacks"]) == 0
    assert capsys.readouterr().out.splitlines() == answer["stacks"]
    stacks: list[str] = answer["stacks"]
    return stacks


SETTINGS = ("irsa:sandbox: true", "irsa:sandbox: 'true'", "sandbox: true", "irsa:config:sandbox: true")
OTHERS = (
    *("config:\n  irsa:sandbox: false\n", "config:\n  irsa:sandbox: 'false'\n"),
    *("# irsa:sandbox: true\nconfig: {}\n", "config:\n  other:sandbox: true\n"),
    *("config:\n  irsa:variables: {sandbox: true}\n", "config:\n  irsa:sandbox: 'yes'\n"),
    *("config:\n  irsa:sandbox: {secure: v1:abc}\n", "config: [\n", ""),
)


def test_a_stack_of_the_sandbox_is_never_previewed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`pulumi stack init` rewrites true as "true": https://www.pulumi.com/docs/iac/concepts/config/."""
    for number, setting in enumerate(SETTINGS):
        add(project, f"sandbox-{number}", f"config:\n  aws:region: us-west-2\n  {setting}\n")
    for number, text in enumerate(OTHERS):
        add(project, f"other-{number}", text)
    # A file without a stack's name is no stack file.
    add(project, "", "config: {}\n")

    assert listed(capsys) == [f"other-{number}" for number in range(len(OTHERS))]


def test_the_projects_own_setting(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "Pulumi.yaml").write_text("name: irsa\nruntime: python\nconfig:\n  irsa:sandbox: {default: true}\n")
    add(project, "dev", "config: {}\n")
    add(project, "prod", "config:\n  irsa:sandbox: false\n")

    assert listed(capsys) == ["prod"]


def test_a_file_that_cannot_be_read(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add(project, "prod", "config: {}\n")
    (project / "Pulumi.link.yaml").symlink_to("none")

    assert main(["stacks", "--json"]) == 3
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "irsa stacks: cannot read Pulumi.link.yaml: No such file or directory\n"


@pytest.mark.parametrize(
    "stack", ["prod --><!--", "prod\n@team", "`x`", "prod ", "${{ github.token }}", "ä", "a" * 101]
)
def test_a_name_that_no_stack_has(project: Path, capsys: pytest.CaptureFixture[str], stack: str) -> None:
    """The attack: a name that closes the marker of a comment, and makes it that of another stack.

    https://www.pulumi.com/docs/iac/concepts/stacks/#stack-naming
    """
    add(project, "prod", "config: {}\n")
    add(project, stack, "config: {}\n")

    assert main(["stacks", "--json"]) == 3
    answer = capsys.readouterr()
    assert answer.out == ""
    assert answer.err.startswith("irsa stacks: stack files of no stack: ")
    assert answer.err.count("\n") == 1


def test_a_hundred_mistakes_are_printed_and_the_others_counted(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = "".join(f"    a-{number}: {{serviceAccount: {{name: a}}, unknwn: 1}}\n" for number in range(150))
    (project / "Pulumi.dev.yaml").write_text(GOOD + wrong)
    code, text = check(capsys)
    _, report = findings(capsys)
    errors, warnings = len(report["errors"]), len(report["warnings"])

    assert (code, text.count("    found:")) == (1, 200)
    assert min(errors, warnings) >= 150
    assert f"and {errors - 100} more, each an error: --json has all of them" in text
    assert f"and {warnings - 100} more, each a warning: --json has all of them" in text
