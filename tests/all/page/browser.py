"""Chromium for the tests of the page: found where it is installed, else installed with apt-get."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
INSTALL = ("apt-get", "install", "--quiet", "--quiet", "--yes", "--no-install-recommends", "chromium")
MISSING = (
    "Chromium is needed, for the tests of the page of `irsa inventory --html`: your system's package chromium "
    "(Debian: apt-get install chromium), or Google Chrome"
)


def find_browser() -> str | None:
    return next((found for found in map(shutil.which, NAMES) if found), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    program = find_browser()
    if program is None:
        raise FileNotFoundError(MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program)
        try:
            yield browser
        finally:
            browser.close()


def main() -> int:
    """Install Chromium where it is missing and this user may; return 1 where it is missing afterwards."""
    if find_browser() is None and shutil.which("apt-get") and os.geteuid() == 0:
        sys.stderr.write("  chromium (once: a minute)\n")
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (("apt-get", "update", "--quiet", "--quiet"), INSTALL):
            subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False)
    if find_browser() is None:
        sys.stderr.write(f"{MISSING}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
