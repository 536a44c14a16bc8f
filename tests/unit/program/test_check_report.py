import json

from irsa.rules.mistakes import Mistake
from irsa_config.located_mistake import LocatedMistake
from irsa_program.check_report import FileReport, as_json

MISTAKE = LocatedMistake(("bindings", "a", "role"), Mistake("F", "A", "D"), "P.yaml", 3)
IN_FILE = LocatedMistake(("bindings", "a", "policy", "file"), Mistake("F2", "A2", "D2"), "p.json", 7, ("Statement", 0))
WARNING = LocatedMistake(("bindings", "a", "trust"), Mistake("F3", "A3", "D3"), "P.yaml", 9, rule="wide-trust")
ERROR = WARNING._replace(line=None)
REPORT = FileReport("P.yaml", 2, [MISTAKE, IN_FILE, ERROR], [WARNING], [(WARNING, "known")], ["a secret"])
GOOD = FileReport("G.yaml", 1, [])
UNREAD = FileReport("U.yaml", 0, [], could_not_read="No such file")


def test_the_line_about_a_file() -> None:
    assert REPORT.summary == "P.yaml: 3 errors, 1 warning, 1 silenced, 2 bindings"
    assert GOOD.summary == "G.yaml: good, 1 binding"
    assert FileReport("P.yaml", 0, [], [WARNING, WARNING]).summary == "P.yaml: good, 2 warnings, 0 bindings"


def test_warnings_are_good_and_an_unread_file_is_not() -> None:
    assert (GOOD.good, FileReport("P.yaml", 1, [], [WARNING]).good) == (True, True)
    assert (REPORT.good, UNREAD.good) == (False, False)


def test_json_has_everything() -> None:
    document = json.loads(as_json([REPORT, GOOD, UNREAD]))
    report, good, unread = document["files"]

    assert document["good"] is False
    assert report["errors"][:2] == [
        {"rule": "error", "file": "P.yaml", "line": 3, "path": "irsa:bindings.a.role"}
        | {"found": "F", "allowed": "A", "fix": "D"},
        {"rule": "error", "file": "p.json", "line": 7, "path": "irsa:bindings.a.policy.file"}
        | {"within": "Statement[0]", "found": "F2", "allowed": "A2", "fix": "D2"},
    ]
    assert "line" not in report["errors"][2]
    assert [warning["rule"] for warning in report["warnings"]] == ["wide-trust"]
    assert [(each["rule"], each["reason"]) for each in report["silenced"]] == [("wide-trust", "known")]
    assert (good["good"], good["bindings"], good["errors"]) == (True, 1, [])
    assert (unread["good"], unread["couldNotRead"]) == (False, "No such file")
    assert json.loads(as_json([GOOD]))["good"] is True
    assert json.loads(as_json([]))["good"] is True
