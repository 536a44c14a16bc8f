"""How long the page of `irsa inventory --html` takes to its first row, in Chromium: python -m bench inventory_page."""

import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser

from bench.harness import in_turn, report, seconds
from bench.results import Figure
from irsa_cli.inventory.page import page
from tests.all.page.browser import chromium
from tests.all.page.inventories import inventory

TITLE = "The HTML page of `irsa inventory`"
DESCRIPTION = """\
`irsa inventory --html` writes a page, which is opened in Chromium without a window, in a fresh context each time.
The time is from the start of the navigation until Chromium has drawn a frame with the first rows of the table. `*` is
the worst case: each of the roles admits all of the service accounts."""
SIZES = {"10 service accounts, 8 roles": (10, 8), "2,000 service accounts, 1,500 roles": (2_000, 1_500)}
EVERYBODY = "2,000 service accounts, 1,500 roles, all `*`"
GOAL = 2
RUNS = 7
# Two frames: the first callback runs before the frame that has the rows, the second one after it.
DRAWN = """() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(() =>
    drawn(document.querySelector("tr.row").checkVisibility() && performance.now()))))"""


def everybody(service_accounts: int, roles: int) -> dict[str, Any]:
    """Return an inventory in which every role admits every service account."""
    found = inventory(service_accounts, roles, ("prod",))
    names = [f"{each['namespace']}/{each['name']}" for each in found["serviceAccounts"]]
    admission = {**found["admissions"][0], "serviceAccounts": names}
    return {**found, "admissions": [{**admission, "role": each["arn"]} for each in found["roles"]]}


def first_row(browser: Browser, file: Path) -> float:
    """Return the seconds from the start of the navigation until the first row is drawn."""
    context = browser.new_context(viewport={"width": 1_440, "height": 900})
    try:
        opened = context.new_page()
        opened.goto(file.as_uri(), wait_until="commit")
        opened.wait_for_selector("tr.row", state="attached")
        return float(opened.evaluate(DRAWN)) / 1_000
    finally:
        context.close()


def measure(browser: Browser, folder: Path) -> list[Figure]:
    inventories = {**{name: inventory(*size) for name, size in SIZES.items()}, EVERYBODY: everybody(2_000, 1_500)}
    files = {name: folder / f"{number}.html" for number, name in enumerate(inventories)}
    figures = []
    for name, found in inventories.items():
        written = [seconds(lambda found=found, file=files[name]: file.write_text(page(found))) for _ in range(3)]  # type: ignore[misc]
        figures.append(Figure(f"writing it, {name}", "s", tuple(written), of=f"{files[name].stat().st_size:,} bytes"))
    # The first run of each fills caches.
    runs = in_turn({name: partial(first_row, browser, file) for name, file in files.items()}, RUNS + 1)
    return figures + [
        Figure(f"first row, {name}", "s", tuple(its[1:]), None if name == "10 service accounts, 8 roles" else GOAL)
        for name, its in runs.items()
    ]


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        versions = {"Chromium": browser.version}
        report("inventory_page", TITLE, DESCRIPTION, lambda: measure(browser, Path(folder)), versions)
    return 0


if __name__ == "__main__":
    sys.exit(main())
