"""The pictures of what a command prints."""

from pathlib import Path

from tests.all.page.terminal import picture, printed


def test_a_command_is_run_on_a_terminal_and_drawn(tmp_path: Path) -> None:
    command = ["sh", "-c", "test -t 1 && printf '\\033[31mred\\033[0m\\n'"]
    text = printed(command)
    picture(command, text, tmp_path / "picture.png")

    assert text == "\x1b[31mred\x1b[0m\n"
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
