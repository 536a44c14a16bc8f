"""What `pulumi` is asked, and what is made of what it prints."""

from pathlib import Path

import pytest

from irsa_cli.exits import CouldNotLookError
from irsa_cli.state.pulumi import exported_state, previewed


@pytest.mark.parametrize("text", ["Logging in...\n{}", "", "[]", "null"])
def test_what_is_no_state_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Protects from an unexpected error where a wrapper of `pulumi` prints something of its own."""
    program = tmp_path / "pulumi"
    program.write_text(f"#!/bin/sh\nprintf '%s' '{text}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(CouldNotLookError, match="pulumi stack export: it printed no JSON object"):
        exported_state("prod")


def test_a_preview_that_fails_may_print_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects `irsa diff`: why a preview failed is in its JSON, or nowhere; the engine's stream is another form."""
    program = tmp_path / "pulumi"
    program.write_text('#!/bin/sh\necho "$* stream=$PULUMI_ENABLE_STREAMING_JSON_PREVIEW"\nexit 255\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PULUMI_ENABLE_STREAMING_JSON_PREVIEW", "true")

    printed = "preview --json --stack dev --non-interactive stream=\n"
    assert previewed("dev") == (printed, "pulumi preview: exit code 255")

    program.write_text("#!/bin/sh\necho 'error: no stack named dev' >&2\nexit 255\n")
    with pytest.raises(CouldNotLookError, match=r'^pulumi preview: "no stack named dev"; `pulumi stack ls` lists'):
        previewed("dev")


def test_a_folder_without_a_project_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects who is in the wrong folder: the engine leaves the folder out, "(searching upwards from )"."""
    said = "error: no Pulumi.yaml project file found (searching upwards from ). If you have not created a project yet"
    program = tmp_path / "pulumi"
    program.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 255\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    for ask in (exported_state, previewed):
        with pytest.raises(CouldNotLookError) as found:
            ask("dev")
        assert (
            str(found.value) == f"no Pulumi.yaml in {tmp_path} or above it: run it in the folder of your Pulumi project"
        )


def test_a_preview_that_begins_with_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects `irsa diff --refresh`: the engine is asked to read AWS and Kubernetes first, and only then."""
    program = tmp_path / "pulumi"
    program.write_text('#!/bin/sh\necho "$*"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert previewed(None, refresh=True)[0] == "preview --json --refresh --non-interactive\n"
