"""Take a picture of what a command prints on a terminal of 80 columns.

    python -m tests.all.page.terminal explain.png irsa explain team-a/app my-role

Chromium draws it: tests/all/page/browser.py. Needs a Unix terminal device (pty).
"""

import os
import pty
import shlex
import subprocess
import sys
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tests.all.page.browser import chromium

COLUMNS = 80


def printed(command: list[str]) -> str:
    """Return what a command prints on a terminal, with its colors, standard error included."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=follower, stderr=follower, env=environment):
        os.close(follower)
        output = b""
        try:
            while part := os.read(leader, 65_536):
                output += part
        except OSError:
            # Linux reports the end of a terminal's output as an error of the device.
            pass
    os.close(leader)
    return output.decode().replace("\r\n", "\n")


def picture(command: list[str], text: str, file: Path) -> None:
    """Write a PNG of a command and what it printed; a long line goes on in the next one, as on a terminal."""
    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True)
    for line in (Text(f"$ {shlex.join(command)}", "bold"), *Text.from_ansi(text).split()):
        for part in line.divide(range(COLUMNS, len(line), COLUMNS)):
            console.print(part, soft_wrap=True)
    with chromium() as browser:
        page = browser.new_page(device_scale_factor=2)
        page.set_content(console.export_svg(title=""))
        page.locator("svg").first.screenshot(path=file)


if __name__ == "__main__":
    name, *words = sys.argv[1:]
    picture(words, printed(words), Path(name))
