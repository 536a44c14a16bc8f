"""What `pulumi` is asked, and what is made of what it prints."""

from pathlib import Path

import pytest

from irsa_world.exits import CouldNotLookError
from irsa_world.state.pulumi import exported_state, previewed
from tests.world import program


@pytest.mark.parametrize("text", ["Logging in...\n{}", "", "[]", "null"])
def test_what_is_no_state_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    program(tmp_path / "pulumi", f"printf '%s' '{text}'")
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(CouldNotLookError, match="pulumi stack export: it printed no JSON object"):
        exported_state("prod")


def test_a_preview_that_fails_may_print_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "pulumi", 'echo "$* stream=$PULUMI_ENABLE_STREAMING_JSON_PREVIEW"\nexit 255')
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PULUMI_ENABLE_STREAMING_JSON_PREVIEW", "true")

    printed = "preview --json --stack dev --non-interactive stream=\n"
    assert previewed("dev") == (printed, "pulumi preview: exit code 255")

    program(tmp_path / "pulumi", "echo 'error: no stack named dev' >&2\nexit 255")
    with pytest.raises(CouldNotLookError, match=r'^pulumi preview: "no stack named dev"; `pulumi stack ls` lists'):
        previewed("dev")


def test_a_folder_without_a_project_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "error: no Pulumi.yaml project file found (searching upwards from ). If you have not created a project yet"
    program(tmp_path / "pulumi", f"echo '{said}' >&2\nexit 255")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    for ask in (exported_state, previewed):
        with pytest.raises(CouldNotLookError) as found:
            ask("dev")
        assert (
            str(found.value) == f"no Pulumi.yaml in {tmp_path} or above it: run it in the folder of your Pulumi project"
        )


def test_a_preview_that_begins_with_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "pulumi", 'echo "$*"')
    monkeypatch.setenv("PATH", str(tmp_path))

    assert previewed(None, refresh=True)[0] == "preview --json --refresh --non-interactive\n"
