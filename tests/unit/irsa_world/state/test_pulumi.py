"""What `pulumi` is asked, and what is made of what it prints."""

from pathlib import Path

import pytest

from irsa_world.exits import CouldNotLookError
from irsa_world.state.pulumi import exported_state, previewed
from tests.world import program


def test_a_preview_that_fails_may_print_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "pulumi", 'echo "$* stream=$PULUMI_ENABLE_STREAMING_JSON_PREVIEW"\nexit 255')
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PULUMI_ENABLE_STREAMING_JSON_PREVIEW", "true")

    printed = "preview --json --stack dev --non-interactive stream=\n"
    assert previewed("dev") == (printed, "pulumi preview: exit code 255")
    assert previewed(None, refresh=True)[0] == "preview --json --refresh --non-interactive stream=\n"

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
