"""`irsa adopt --finish`: no binding has an import, and all else is there as it was."""

import difflib
from pathlib import Path

import pytest
import yaml

from irsa_cli.main import main

HEAD = "# top\nconfig:\n  aws:region:   us-west-2 # kept\n  irsa:bindings:\n"
ROLE = "      role: {name: a}\n"
BINDINGS = {
    "a block": f"    a:\n{ROLE}      import:\n        - role\n        - policy\n    b: {{protect: true}}\n",
    "not indented": f"    a:\n      import:\n      - role\n{ROLE}",
    "in brackets": f"    a:\n      import: [role,\n        policy]\n{ROLE}",
    "among comments": f"    # of a\n    a: # b\n      import:\n        # kept\n        - role\n\n      # too\n{ROLE}",
    "at the end": f"    a:\n{ROLE}      import:\n        - role",
    "by IDs": f"    a:\n{ROLE}      podIdentity:\n        importIds: {{cluster: a-1}}\n        sessionTags: false\n",
    "IDs alone": f"    a:\n{ROLE}      podIdentity:\n        importIds:\n          blue: a-1\n      import: [role]\n",
    "shared": f"    a: &a\n{ROLE}      import: [role]\n    b: *a\n",
}


def finish(path: Path) -> int:
    return main(["adopt", "--finish", str(path)])


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("bindings", BINDINGS.values(), ids=BINDINGS)
def test_all_else_stays(bindings: str, newline: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "Pulumi.a b;id.yaml"
    text = (HEAD + bindings).replace("\n", newline)
    path.write_bytes(text.encode())

    assert finish(path) == 0
    first, then = capsys.readouterr().out.splitlines()
    assert "`import:` is removed from a" in first
    assert "`pulumi up --stack 'a b;id'`" in then
    new = path.read_bytes().decode()
    expected = yaml.safe_load(text)
    for each in expected["config"]["irsa:bindings"].values():
        each.pop("import", None)
        if each.get("podIdentity", {}).pop("importIds", None) and not each["podIdentity"]:
            del each["podIdentity"]
    assert yaml.safe_load(new) == expected
    changes = difflib.ndiff(text.splitlines(keepends=True), new.splitlines(keepends=True))
    assert not [line for line in changes if line.startswith("+")]
    assert {line.strip() for line in text.splitlines() if line.strip().startswith("#")} <= {
        line.strip() for line in new.splitlines()
    }
    assert finish(path) == 0
    assert path.read_bytes().decode() == new
    assert "nothing to do" in capsys.readouterr().out


@pytest.mark.parametrize(
    "text",
    [
        f"{HEAD}    a:\n      import: [role]\n",
        f"x: &x {{import: [role], role: {{name: a}}}}\n{HEAD}    a: *x\n",
        f"{HEAD}    a: &a\n{ROLE}      import: [role]\n    b:\n      <<: *a\n      protect: true\n  x: *a\n",
        "config:\n  irsa:bindings: {secure: AAAB}\n",
        f"{HEAD}    a: {{role: {{name: a}}, import: [role]}}\n",
        """config: {irsa:bindings: '{"a": {"role": {"name": "a"}, "import": ["role"]}}'}""",
        "config: [\n",
    ],
)
def test_what_it_cannot_do_leaves_the_file(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "Pulumi.prod.yaml"
    path.write_text(text)

    assert finish(path) == 3
    assert path.read_text() == text
    assert "Pulumi.prod.yaml" in capsys.readouterr().err


@pytest.mark.timeout(20)
def test_an_alias_of_aliases_is_not_written_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The attack: https://en.wikipedia.org/wiki/Billion_laughs_attack, of 11 levels."""
    levels = [f"x{level}: &x{level} [{', '.join([f'*x{level - 1}'] * 10)}]\n" for level in range(1, 12)]
    path = tmp_path / "Pulumi.prod.yaml"
    path.write_text("".join(["x0: &x0 [1]\n", *levels, HEAD, f"    a:\n      import: [role]\n{ROLE}"]))

    assert finish(path) == 3
    # x0 and x1 stand for 2 and 11 values, and each level for ten times as many and itself: x6 is beyond 400,000.
    assert '"line 7: more than 400,000 values, almost all by aliases' in capsys.readouterr().err


def test_what_it_is_not_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "Pulumi.prod.yaml"
    assert finish(path) == 3
    assert "no such file" in capsys.readouterr().err
    path.write_text(HEAD)
    assert main(["adopt", "--finish", str(path), "--all"]) == 2
    assert "remove --all" in capsys.readouterr().err
