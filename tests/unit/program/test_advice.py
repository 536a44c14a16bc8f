"""What `do` says of a stack file, applied to it: the mistake is gone."""

import json
import re
import shutil
from pathlib import Path

import pytest

from irsa_cli.main import main

GOLDEN = Path(__file__).parents[3] / "tests" / "golden"
# How advice names what to write, of which the found value is replaced.
EDITS = (
    re.compile(r"did you mean '?(?P<new>[^' ]+?)'?\?"),
    re.compile(r"write (?P<new>aws|true|false|'[^']+')(?: instead|, without quotes|; irsa adds the prefix)"),
    re.compile(r'put it in quotes: (?P<new>".*")'),
    re.compile(r"write (?P<new>\[.*\]|\{.*\})"),
)
# Beginnings of other advice, and why no edit can be read from it. A new text is in one of the two tables.
ELSEWHERE = "the edit is at another place"
OWN = "only the author knows the value"
OTHERS = {
    **dict.fromkeys(
        ["add ", "copy ", "name ", "use ", "put the service", "write another name", "write the whole ARN"], OWN
    ),
    **dict.fromkeys(
        ["write the value out", "write a value", "remove the characters", "remove one of", "split it"], OWN
    ),
    **dict.fromkeys(
        ["move it ", "merge ", "rename ", "set `cluster`", "remove role.name", "write policy (a doc"], ELSEWHERE
    ),
    "put it in quotes, as it is in the file": "the number may be an octal one",
    'write "Version"': ELSEWHERE,
    "write the variables side by side": OWN,
    "write arn:": "whose policy it is, only the author knows",
    "remove the comma": "the place is in the file",
    "remove it": "a key goes with what is below it",
}


def report(capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    main(["check", "--json", "golden/mistakes.yaml"])
    (file,) = json.loads(capsys.readouterr().out)["files"]
    return list(file["errors"])


def test_what_do_says_of_a_stack_file_removes_the_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Protects who follows the advice: afterwards `irsa check` has neither this mistake nor another in its place."""
    tests = tmp_path / "tests"
    shutil.copytree(GOLDEN, tests / "golden")
    (tests / "Pulumi.yaml").write_text("name: irsa\nruntime: python\n")
    monkeypatch.chdir(tests)
    before, applied = report(capsys), []
    for mistake in before:
        edit = next(filter(None, (each.match(mistake["fix"]) for each in EDITS)), None)
        assert edit or any(map(mistake["fix"].startswith, OTHERS)), mistake["fix"]
        applied += [(mistake, edit["new"])] if edit else []
    assert len(applied) > 25
    for mistake, new in applied:
        file = Path(mistake["file"])
        lines = file.read_text().splitlines()
        old = re.findall(r"'([^']+)'|([$][{]\w+[}])|^(?:the key )?(\S+) without quotes", mistake["found"])[0]
        wrong = next(filter(None, old))
        line = int(mistake["line"]) - 1
        # The value, and not a part of another.
        found = re.search(rf"(?<![\w-]){re.escape(wrong)}(?![\w-])", lines[line])
        assert found, mistake
        lines[line] = lines[line][: found.start()] + new + lines[line][found.end() :]
        file.write_text("\n".join(lines))
    after = {(each["file"], each["line"], each["found"]) for each in report(capsys)}

    assert [each for each, _ in applied if (each["file"], each["line"], each["found"]) in after] == []
