"""The page of `irsa inventory --html` in Chromium: its filter, paper, and names that would be scripts."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from irsa_cli.inventory.output import Inventory
from irsa_cli.inventory.page import page
from irsa_cli.inventory.steps import Steps
from tests.all.page.browser import chromium
from tests.all.page.inventories import WRITTEN, inventory
from tests.unit.irsa_cli.inventory.test_page import DANGERS, with_text

SMALL, LARGE = inventory(12, 20), inventory(300, 200)
Theme = Literal["dark", "light"]
Open = Callable[..., Page]
# A busy machine takes longer than the five seconds of Playwright's own.
expect.set_options(timeout=60_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start Chromium once for this module: while it runs, no other module's event loop can."""
    with chromium() as started:
        yield started


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Open an inventory in a window; at the end, no script failed, was stopped or asked, and no address was loaded."""
    wrong: list[str] = []
    contexts: list[BrowserContext] = []
    file = tmp_path / "page.html"

    def dialog(found: Any) -> None:
        wrong.append(f"dialog: {found.message}")
        found.dismiss()

    def run(found: Inventory, theme: Theme = "light", *, script: bool = True) -> Page:
        file.write_text(page(found, Steps(found.chains), WRITTEN), encoding="ascii")
        size, own = {"width": 1_440, "height": 900}, {"color_scheme": theme, "java_script_enabled": script}
        contexts.append(browser.new_context(viewport=size, **own))  # type: ignore[arg-type]
        opened = contexts[-1].new_page()
        opened.on("console", lambda message: wrong.append(f"console: {message.text}"))
        opened.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        opened.on("dialog", dialog)
        opened.on("request", lambda request: wrong.append(request.url) if request.url != file.as_uri() else None)
        opened.goto(file.as_uri())
        return opened

    yield run
    for each in contexts:
        each.close()
    assert wrong == []


def shown(found: Page, part: str) -> int:
    return found.locator(f"#{part} [data-row]:not([hidden])").count()


def test_filter_leaves_what_has_every_word(open_page: Open) -> None:
    found = open_page(LARGE)
    parts = ("findings", "service-accounts", "roles")
    every = [shown(found, part) for part in parts]
    name = "role-150"
    found.locator("#text").fill(f"{name.upper()} app-150")
    expect(found.locator("#shown")).to_contain_text(f'only what has the text "{name.upper()} app-150"')
    left = [shown(found, part) for part in parts]

    assert all(few < all_of_them for few, all_of_them in zip(left, every, strict=True))
    assert [left[1] > 0, left[2]] == [True, 1]
    assert name in found.locator("#roles [data-row]:not([hidden])").inner_text()
    expect(found.locator("#roles [data-left]")).to_have_text(f"(1 of {len(LARGE.roles):,} shown)")
    found.locator("#text").fill("wide-trust")
    wide = [each for each in LARGE.findings if each.kind == "wide-trust"]
    expect(found.locator("#findings > h2 [data-left]")).to_have_text(f"({len(wide)} of {len(LARGE.findings)} shown)")
    assert found.locator(".of-kind:not([hidden])").get_attribute("id") == "kind-wide-trust"
    found.locator("#text").fill("")
    expect(found.locator("#shown")).to_be_empty()
    assert [shown(found, part) for part in parts] == every


def test_it_reads_without_javascript(open_page: Open) -> None:
    found = open_page(SMALL, script=False)

    expect(found.locator("#filter")).to_be_hidden()
    assert shown(found, "roles") == len(SMALL.roles)
    found.locator("#roles summary").first.click()
    expect(found.locator("#roles details[open] p").last).to_be_visible()


@pytest.mark.parametrize("danger", DANGERS)
def test_no_name_runs_a_script(danger: str, open_page: Open) -> None:
    """The attack: a name that ends its element. open_page reports a dialog, a request or an error."""
    found = open_page(with_text(SMALL, danger))
    found.locator("#text").fill(DANGERS[0])

    assert found.locator("script").count() == 1
    assert found.locator("img, iframe, object, b").count() == 0


def test_paper_has_what_is_folded(open_page: Open) -> None:
    found = open_page(SMALL, theme="dark")
    found.locator("details[open]").first.evaluate("(each) => { each.open = false; }")
    found.emulate_media(media="print")

    expect(found.locator("#filter")).to_be_hidden()
    assert found.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert found.evaluate("getComputedStyle(document.body).color") == "rgb(23, 27, 33)"
    assert found.evaluate(
        """[...document.querySelectorAll(".finding, details p")].every((each) => each.getBoundingClientRect().height)"""
    )
