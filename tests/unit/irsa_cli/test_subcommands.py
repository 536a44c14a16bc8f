"""How subcommands are found, and what they need beside the command."""

import json
from importlib.metadata import EntryPoint, PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from irsa_cli import component, subcommands
from irsa_cli.main import main

COMMIT = "0123456789abcdef0123456789abcdef01234567"
URL = "https://example.com/team/irsa"


def entry(name: str, module: str) -> EntryPoint:
    return EntryPoint(name, module, subcommands.GROUP)


def test_the_line_of_help_is_read_and_nothing_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "some_package"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('imported')\n")
    (package / "some_subcommand.py").write_text('"""Do 100 % of it."""\n\nraise SystemExit("imported")\n')
    monkeypatch.syspath_prepend(str(tmp_path))

    assert subcommands.help_line(entry("some", "some_package.some_subcommand")) == "Do 100 %% of it."


def test_each_subcommand_says_in_its_first_line_what_it_does() -> None:
    for name, found in subcommands.installed().items():
        line = subcommands.help_line(found)
        assert line.endswith("."), name
        assert line[0].isupper(), name


def test_a_subcommand_whose_module_is_not_there_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [entry("check", "no_such_package.check"), entry("other", "irsa_cli.no_such_subcommand")]
    monkeypatch.setattr(subcommands, "entry_points", lambda **_: [*found, entry("verify", "irsa_cli.verify")])

    assert list(subcommands.installed.__wrapped__()) == ["verify"]


@pytest.mark.parametrize("subcommand", ["check", "stacks"])
def test_a_subcommand_of_a_checkout_says_so(
    subcommand: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(subcommands, "installed", dict)

    assert main([subcommand, "--json"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"irsa {subcommand}: it works in a checkout of irsa only")
    assert ("`pulumi preview`" if subcommand == "check" else "`pulumi stack ls`") in said


def comes_from(monkeypatch: pytest.MonkeyPatch, **direct_url: Any) -> None:
    text = json.dumps({"url": URL, **direct_url})
    monkeypatch.setattr(component, "distribution", lambda _: SimpleNamespace(read_text=lambda _: text))


@pytest.mark.parametrize(
    "source",
    [
        ({"vcs": "git", "requested_revision": "v1.2.3", "commit_id": COMMIT}, "v1.2.3"),
        ({"vcs": "git", "commit_id": COMMIT}, COMMIT),
    ],
)
@pytest.mark.parametrize("found", [(None, "it is not installed"), ("1.2.2", "1.2.2 is installed")])
def test_a_missing_component_is_told_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    source: tuple[dict[str, str], str],
    found: tuple[str | None, str],
) -> None:
    (vcs_info, revision), (installed, said) = source, found

    def version(name: str) -> str:
        if name == "irsa-cli":
            return "1.2.3"
        if installed is None:
            raise PackageNotFoundError(name)
        return installed

    monkeypatch.setattr(component, "version", version)
    comes_from(monkeypatch, vcs_info=vcs_info)

    assert main(["explain", "default/app", "my-role"]) == 2
    assert capsys.readouterr().err == (
        f"irsa explain: irsa-cli 1.2.3 needs the package irsa 1.2.3, but {said}: "
        f"install 'irsa @ git+{URL}@{revision}#subdirectory=components'\n"
    )


def test_another_package_of_that_name_is_told_apart(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def load(_: EntryPoint) -> Any:
        raise ModuleNotFoundError("No module named 'irsa.rules'", name="irsa.rules")

    monkeypatch.setattr(EntryPoint, "load", load)
    comes_from(monkeypatch, dir_info={"editable": True})

    assert main(["explain", "default/app", "my-role"]) == 2
    said = capsys.readouterr().err
    assert "another project named irsa is installed: install the folder components of the command's repository" in said
