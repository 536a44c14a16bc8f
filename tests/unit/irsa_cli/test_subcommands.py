"""How subcommands are found, and what they need beside the command."""

from importlib.metadata import EntryPoint, PackageNotFoundError
from pathlib import Path

import pytest

from irsa_cli import subcommands
from irsa_cli.main import main


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
    monkeypatch.setattr(
        subcommands, "entry_points", lambda **_: [*found, entry("verify", "irsa_cli.verify.subcommand")]
    )

    assert list(subcommands.installed.__wrapped__()) == ["verify"]


@pytest.mark.parametrize("other", ["irsa", "irsa-stack"])
@pytest.mark.parametrize("found", [None, "1.2.2"])
def test_another_package_of_another_version_is_refused(
    other: str, found: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def version(name: str) -> str:
        if name != other:
            return "1.2.3"
        if found is None:
            raise PackageNotFoundError(name)
        return found

    monkeypatch.setattr(subcommands, "version", version)

    assert main(["explain", "default/app", "my-role"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"irsa explain: irsa-cli 1.2.3 needs {other} 1.2.3, but {found or 'none'} is installed: ")
