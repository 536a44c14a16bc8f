"""The page of `irsa inventory --html` in Chromium, as its readers have it: mouse, keyboard, screen reader and paper."""

import itertools
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Request, expect

from irsa_cli.inventory.findings import KINDS
from irsa_cli.inventory.page import page
from irsa_cli.report.json import as_object
from tests.all.page.browser import chromium
from tests.all.page.inventories import inventory
from tests.unit.irsa_cli.inventory.estates import ROLE_ARN, discovery, page_trust, role, service_account, taken
from tests.unit.irsa_cli.inventory.test_page import DANGERS, with_text
from tests.unit.irsa_cli.inventory.test_table import BY_ASSOCIATION

WRITTEN = datetime(2026, 11, 26, 0, 19, tzinfo=UTC)
REFUSED = {"missing-role", "not-admitted", "misspelled-subject"}
SIZES = {10: (10, 8), 2_000: (2_000, 1_500)}
WIDTHS = (390, 1_440)
Theme = Literal["dark", "light"]
THEMES: tuple[Theme, ...] = ("light", "dark")
LANDMARKS: tuple[Literal["banner", "main", "search", "contentinfo"], ...] = ("banner", "main", "search", "contentinfo")
CONTRAST = (Path(__file__).parent / "contrast.js").read_text()
Found = dict[str, Any]
# A busy machine takes longer than the five seconds of Playwright's own.
expect.set_options(timeout=60_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start Chromium once for this module: while it runs, no other module's event loop can."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def inventories() -> dict[int, Found]:
    return {size: inventory(*counts) for size, counts in SIZES.items()}


@pytest.fixture(scope="module")
def files(inventories: dict[int, Found], tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("pages")
    return {size: written(folder / f"{size}.html", found) for size, found in inventories.items()}


def written(file: Path, found: Found) -> Path:
    file.write_text(page(found, WRITTEN), encoding="utf-8")
    return file


class Opened:
    """The page in a window, with what went wrong in it."""

    def __init__(self, context: BrowserContext, file: Path) -> None:
        self.page = context.new_page()
        self.wrong: list[str] = []
        self.page.on("console", lambda message: self.wrong.append(f"console: {message.text}"))
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.on("dialog", self._dialog)
        self.page.on("request", lambda request: self._request(request, file))
        self.page.goto(file.as_uri())
        expect(self.page.locator("#shown")).to_contain_text("shown")

    def _dialog(self, dialog: Any) -> None:
        self.wrong.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _request(self, request: Request, file: Path) -> None:
        if request.url != file.as_uri():
            self.wrong.append(f"request: {request.url}")


Open = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Open a file in a window of its own; at the end of the test, nothing may have gone wrong in it."""
    opened: list[tuple[BrowserContext, Opened]] = []

    def run(file: Path, width: int = 1_440, theme: Theme = "light") -> Page:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
        opened.append((context, Opened(context, file)))
        return opened[-1][1].page

    yield run
    wrong = [each for _, its in opened for each in its.wrong]
    for context, _ in opened:
        context.close()
    assert wrong == []


def rows(found: Page, table: str = "accounts") -> Locator:
    return found.locator(f"#panel-{table} tr.row")


def unfold(found: Page) -> None:
    found.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")


def is_folded(account: Found, found: Found) -> bool:
    """Return whether nothing concerns a service account, or only what a pattern says: no annotation and no finding."""
    named = {(each["cluster"], each["serviceAccount"]) for each in found["findings"]}
    return not account["annotatedRole"] and (account["cluster"], identity(account)) not in named


def row_of(found: Page, table: str, name: str) -> Locator:
    """Return the row of a name, found by its text: a role or a label is looked for in thousands of elements."""
    return rows(found, table).filter(has=found.locator("th", has_text=re.compile(rf"^\s*{re.escape(name)}\s*$")))


def first_cells(found: Page, table: str = "accounts") -> list[str]:
    return rows(found, table).locator("th").all_text_contents()


def all_rows(found: Page, table: str, expected: int) -> None:
    """Wait until every row is there: those out of view are added after the first ones."""
    expect(rows(found, table)).to_have_count(expected)


def shown_text(found: Page) -> str:
    return found.locator("#shown").inner_text()


def identity(account: Found) -> str:
    return f"{account['namespace']}/{account['name']}"


def names_of(account: Found, found: Found) -> set[str]:
    """Return what a search may find of a service account: its own fields, and the roles that admit it."""
    roles = {
        each["role"]
        for each in found["admissions"]
        if each["cluster"] == account["cluster"] and identity(account) in each["serviceAccounts"]
    }
    return {identity(account), account["cluster"], account["annotatedRole"], account["audience"], *roles}


@pytest.mark.parametrize("size", SIZES)
def test_page_runs_without_an_error_or_a_request(size: int, files: dict[int, Path], open_page: Open) -> None:
    """The policy stops nothing that the page does, and the page asks nobody: open_page reports both."""
    found = open_page(files[size])
    all_rows(found, "accounts", SIZES[size][0])
    found.locator("#tab-roles").click()
    all_rows(found, "roles", SIZES[size][1])


@pytest.mark.parametrize("size", SIZES)
def test_search_filters_rows(size: int, files: dict[int, Path], inventories: dict[int, Found], open_page: Open) -> None:
    """A search leaves the rows that have the text in a column, and says how many these are."""
    found = open_page(files[size])
    every = inventories[size]["serviceAccounts"]
    for text in ("checkout", "LOADER", "444455556666"):
        wanted = [
            each for each in every if any(text.lower() in name.lower() for name in names_of(each, inventories[size]))
        ]
        found.locator("#text").fill(text)
        expect(found.locator("#panel-accounts")).to_have_attribute("data-name", re.compile(f'by text "{text}"'))
        all_rows(found, "accounts", len(wanted))

        assert 0 < len(wanted) < len(every)
        assert sorted(first_cells(found)) == sorted(each["name"] for each in wanted)
        assert shown_text(found) == f"{len(wanted):,} of {len(every):,} service accounts shown"


def test_search_of_nothing_says_so(files: dict[int, Path], open_page: Open) -> None:
    """An empty table is an answer only where it says that it is empty."""
    found = open_page(files[10])
    found.get_by_role("searchbox").fill("zzz")

    expect(found.locator("#accounts")).to_contain_text("No row matches the filters")
    expect(found.locator("#flow")).to_contain_text("No access matches the filters")
    expect(found.locator("#findings")).to_contain_text("No finding matches the filters")


@pytest.mark.parametrize("size", SIZES)
def test_decision_filters_rows(
    size: int, files: dict[int, Path], inventories: dict[int, Found], open_page: Open
) -> None:
    """Each decision leaves the service accounts that have it from some role."""
    found = open_page(files[size])
    accounts = {(each["cluster"], identity(each)) for each in inventories[size]["serviceAccounts"]}
    by_decision = {
        decision: {
            (each["cluster"], name)
            for each in inventories[size]["admissions"]
            if each["decision"] == decision
            for name in each["serviceAccounts"]
        }
        for decision in ("allowed", "cannot decide")
    }
    for decision, wanted in {
        **by_decision,
        "none": accounts - by_decision["allowed"] - by_decision["cannot decide"],
    }.items():
        found.locator("#decision").select_option(decision)
        all_rows(found, "accounts", len(wanted))


@pytest.mark.parametrize("size", SIZES)
def test_kind_of_finding_filters_rows_and_findings(
    size: int, files: dict[int, Path], inventories: dict[int, Found], open_page: Open
) -> None:
    """A kind leaves the roles that it is about; it shows their table where the other one is empty."""
    found = open_page(files[size])
    about = {each["role"] for each in inventories[size]["findings"] if each["kind"] == "wide-trust"}

    found.locator("#kind").select_option("wide-trust")
    all_rows(found, "roles", len(about))

    assert found.locator("details.kind").count() == 1
    assert found.locator("[role='tab'][aria-selected='true']").inner_text().startswith("Roles")


def test_cluster_filters_everything(files: dict[int, Path], inventories: dict[int, Found], open_page: Open) -> None:
    """A cluster leaves its own service accounts, in the table and in the picture."""
    found = open_page(files[2_000])
    found.locator("#cluster").select_option("staging")
    all_rows(found, "accounts", sum(each["cluster"] == "staging" for each in inventories[2_000]["serviceAccounts"]))

    assert found.locator(".node[data-key^='cluster '] .label").all_text_contents() == ["staging"]


@pytest.mark.parametrize("size", SIZES)
def test_reasons_open(size: int, files: dict[int, Path], inventories: dict[int, Found], open_page: Open) -> None:
    """Each row opens to the reason behind every answer, with the page that states the rule, and closes again."""
    found = open_page(files[size])
    its = inventories[size]
    undecided = next(each for each in its["admissions"] if each["decision"] == "cannot decide")
    name = undecided["serviceAccounts"][0]
    found.locator("#cluster").select_option(undecided["cluster"])
    found.locator("#text").fill(name)
    expect(found.locator("#shown")).to_contain_text(" of ")
    row = row_of(found, "accounts", name.split("/")[1])
    button = row.locator(".disclose")

    assert button.get_attribute("aria-expanded") == "false"
    button.click()

    detail = found.locator(f"#{button.get_attribute('aria-controls')}")
    assert button.get_attribute("aria-expanded") == "true"
    reason = detail.locator(".reason").filter(has_text=undecided["role"]).first
    expect(reason).to_contain_text("Cannot decide")
    expect(reason).to_contain_text(undecided["reason"])
    assert reason.get_by_role("link").get_attribute("href") == undecided["documentation"]

    button.click()
    assert button.get_attribute("aria-expanded") == "false"
    expect(detail).to_have_count(0)


def test_role_opens_to_everybody_whom_it_admits(
    files: dict[int, Path], inventories: dict[int, Found], open_page: Open
) -> None:
    """The names of a large group are not cut: a button shows all of them."""
    found = open_page(files[2_000])
    largest = max(inventories[2_000]["admissions"], key=lambda each: len(each["serviceAccounts"]))
    found.locator("#tab-roles").click()
    found.locator("#text").fill(largest["role"])
    expect(found.locator("#shown")).to_contain_text(" of 1,500")
    row_of(found, "roles", largest["role"].rpartition("/")[2]).locator(".disclose").click()
    group = found.locator("#roles .reason").filter(has_text=largest["reason"]).first
    group.get_by_role("button", name="Show all").click()

    assert sorted(group.locator(".chips > button").all_inner_texts()) == sorted(largest["serviceAccounts"])


@pytest.mark.parametrize("size", SIZES)
def test_columns_sort(size: int, files: dict[int, Path], inventories: dict[int, Found], open_page: Open) -> None:
    """A heading sorts by its column, up and down, folded rows too, and says so to a screen reader."""
    found = open_page(files[size])
    names = sorted(each["namespace"] for each in inventories[size]["serviceAccounts"])
    heading = found.locator("#accounts th[scope='col']", has_text="Namespace")
    for direction in ("ascending", "descending"):
        heading.get_by_role("button").click()
        all_rows(found, "accounts", len(names))

        assert heading.get_attribute("aria-sort") == direction
        assert found.locator("#accounts [aria-sort]").count() == 1
        assert sorted(rows(found).locator("td:nth-child(2)").all_text_contents()) == names
        for each in found.locator("#panel-accounts table").all():
            its = each.locator("tr.row td:nth-child(2)").all_text_contents()
            assert its == sorted(its, reverse=direction == "descending")


@pytest.mark.parametrize("size", SIZES)
def test_what_nothing_concerns_is_folded(
    size: int, files: dict[int, Path], inventories: dict[int, Found], open_page: Open
) -> None:
    """One line for each cluster stands for the service accounts without IRSA; it says how many, and opens."""
    found = open_page(files[size])
    its = inventories[size]
    all_rows(found, "accounts", size)
    shown = sum(not is_folded(each, its) for each in its["serviceAccounts"])
    lines = found.locator("details.fold > summary")
    texts = lines.all_inner_texts()

    assert found.locator("#accounts tr.row").count() == shown
    assert sum(int(each.split()[0].replace(",", "")) for each in texts) == size - shown
    without = found.locator(".totals .is-without dd").inner_text()
    of_clusters = [int(each.split()[0].replace(",", "")) for each in texts if each.endswith(" without IRSA")]
    assert sum(of_clusters) == int(without.replace(",", ""))
    assert len(of_clusters) <= len(its["clusters"])
    row = found.locator("details.fold tr.row").first
    expect(row).to_be_hidden()
    lines.first.focus()
    found.keyboard.press("Enter")
    expect(row).to_be_visible()
    found.keyboard.press("Tab")
    expect(row.locator(".disclose")).to_be_focused()


def test_search_opens_what_is_folded(files: dict[int, Path], inventories: dict[int, Found], open_page: Open) -> None:
    """Whoever looks for a name sees it, also where nothing concerns it; without the search it is folded again."""
    found = open_page(files[2_000])
    its = inventories[2_000]
    one = next(each for each in reversed(its["serviceAccounts"]) if is_folded(each, its))
    found.locator("#text").fill(f"{identity(one)} {one['cluster']}")
    expect(found.locator("#shown")).to_contain_text(" of 2,000")

    expect(row_of(found, "accounts", one["name"]).first).to_be_visible()
    found.get_by_role("button", name="Clear").click()
    expect(found.locator("#shown")).to_contain_text("2,000 service accounts shown")
    assert found.locator("details.fold[open]").count() == 0


@pytest.mark.parametrize("size", SIZES)
def test_numbers_of_the_heading_add_up(
    size: int, files: dict[int, Path], inventories: dict[int, Found], open_page: Open
) -> None:
    """The reader adds: what stands beside a number is all of it."""
    found = open_page(files[size])
    its = inventories[size]
    numbers = [
        [int(text.replace(",", "")) for text in each.locator("b, dd").all_inner_texts()]
        for each in found.locator(".totals > div").all()
    ]

    assert [all_of_them for all_of_them, *_ in numbers] == [len(its["findings"]), len(its["serviceAccounts"])]
    assert all(all_of_them == sum(parts) for all_of_them, *parts in numbers)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("size", SIZES)
def test_who_is_annotated_but_refused_is_drawn(
    size: int, width: int, files: dict[int, Path], inventories: dict[int, Found], open_page: Open
) -> None:
    """What a Pod does not get is as visible as what it gets: dashes, a sign and words, and its place in the legend."""
    found = open_page(files[size], width)
    its = [each for each in inventories[size]["findings"] if each["kind"] in REFUSED]
    nodes = found.locator(".node:has(.mark.is-broken)")
    labels = [each.get_attribute("aria-label") or "" for each in nodes.all()]
    drawn = [re.search(r"([\d,]+) annotated, but refused", each) for each in labels]

    assert {each["kind"] for each in its} == REFUSED - ({"misspelled-subject"} if size == min(SIZES) else set())
    assert sum(int(each[1].replace(",", "")) for each in drawn if each) == len(its)
    assert any(each.endswith(". Does not exist") for each in labels)
    assert found.locator(".node.missing").count() > 0
    expect(found.locator("#legend")).to_contain_text("annotated, but refused")
    whom = {(each["cluster"], each["serviceAccount"]) for each in its}
    expect(found.locator("#picture-text")).to_contain_text(f"refuses them or does not exist: {len(whom):,} service acc")
    dashes = found.locator(".ribbon.refused").evaluate_all(
        "each => each.map((one) => getComputedStyle(one).strokeDasharray)"
    )
    assert dashes
    assert "none" not in dashes
    assert (found.locator(".refused-text").count() == nodes.count()) == (width > 640)


def test_a_role_that_was_not_read_is_said(tmp_path: Path, open_page: Open) -> None:
    """Of a role in an AWS account that was not read nobody knows whether it refuses: neither the row nor the picture
    says so.
    """
    elsewhere = "arn:aws:iam::999999999999:role/app"
    accounts = [
        service_account("a", "app", "app"),
        service_account("a", "elsewhere", **{ROLE_ARN: elsewhere}),
        service_account("a", "without"),
    ]
    its: Found = as_object(taken(discovery(accounts, [role("app", page_trust("a:app"))])))
    found = open_page(written(tmp_path / "page.html", its))

    expect(found.locator("#picture-text")).to_contain_text(
        "Not drawn: 1 other service account, and 1 with a role that was not read."
    )
    row = found.locator("tr", has_text="elsewhere").first
    expect(row).to_contain_text("not read")
    expect(row).not_to_contain_text("nothing")


def test_a_role_by_an_association_is_in_its_row(tmp_path: Path, open_page: Open) -> None:
    """A service account with an association alone is a row of its own, and is not folded with those without a role."""
    its: Found = as_object(taken(BY_ASSOCIATION))
    found = open_page(written(tmp_path / "page.html", its))

    assert {*first_cells(found)} >= {"new", "both", "chain", "refused"}
    row_of(found, "accounts", "chain").locator("th").click()
    expect(found.locator("#panel-accounts")).to_contain_text("Role by association")
    expect(found.locator("#panel-accounts")).to_contain_text("by an association of EKS Pod Identity: ")


def test_refused_ones_are_a_filter(files: dict[int, Path], inventories: dict[int, Found], open_page: Open) -> None:
    """The decision leaves exactly those whose own role refuses them, whether it exists or not."""
    found = open_page(files[2_000])
    its = [each for each in inventories[2_000]["findings"] if each["kind"] in REFUSED]
    found.get_by_label("Decision", exact=True).select_option("annotated, but refused")

    all_rows(found, "accounts", len({(each["cluster"], each["serviceAccount"]) for each in its}))


def test_open_row_stays_open_and_keeps_its_place_by_sorting(files: dict[int, Path], open_page: Open) -> None:
    """What a reader opened is below its own row, however the table is sorted."""
    found = open_page(files[10])
    found.get_by_role("button", name="worker", exact=True).first.click()
    found.locator("#accounts").get_by_role("button", name="Findings").click()
    detail = found.locator("#accounts tr.detail")

    assert detail.evaluate("each => each.previousElementSibling.querySelector('th').innerText.trim()") == "worker"


def test_keyboard_reaches_everything(files: dict[int, Path], open_page: Open) -> None:
    """Tab goes through the controls; of a picture, tabs and rows, one each is reached, and arrows go on from there."""
    found = open_page(files[2_000])
    reached = []
    for _ in range(30):
        found.keyboard.press("Tab")
        reached.append(
            found.evaluate("(({id, className}) => id || className.baseVal || className)(document.activeElement)")
        )
        if "disclose" in reached[-1]:
            break
    in_order = ["theme", "text", "cluster", "decision", "kind", "tab-accounts"]

    assert reached[0] == "skip"
    assert [each for each in reached if each in in_order] == in_order
    assert sum("node" in each for each in reached) == 1
    assert "disclose" in reached[-1]

    found.keyboard.press("ArrowDown")
    found.keyboard.press("Enter")
    assert found.locator("#accounts tr.row").nth(1).locator(".disclose").get_attribute("aria-expanded") == "true"
    found.keyboard.press("End")
    assert found.evaluate(
        "document.activeElement.closest('tr') === [...document.querySelectorAll('#accounts tr.row')].at(-1)"
    )


def test_focus_can_be_seen(files: dict[int, Path], open_page: Open) -> None:
    """Who uses the keyboard sees where it is: each control has an outline, and a box of the picture a thick line."""
    found = open_page(files[10])
    for _ in range(12):
        found.keyboard.press("Tab")
        seen = found.evaluate(
            """(() => {
              const element = document.activeElement;
              const box = element.querySelector(":scope > .box");
              return box ? getComputedStyle(box).strokeWidth : getComputedStyle(element).outlineWidth;
            })()"""
        )
        assert float(seen.removesuffix("px")) >= 2


def test_tabs_follow_the_arrow_keys(files: dict[int, Path], open_page: Open) -> None:
    """As the pattern of tabs asks: https://www.w3.org/WAI/ARIA/apg/patterns/tabs/."""
    found = open_page(files[10])
    found.get_by_role("tab", name="Service accounts").focus()
    found.keyboard.press("ArrowRight")

    expect(found.get_by_role("tab", name="Roles")).to_be_focused()
    expect(found.get_by_role("tabpanel", name="Roles")).to_be_visible()
    expect(found.get_by_role("tabpanel", name="Service accounts")).to_be_hidden()
    assert shown_text(found) == "8 roles shown"


@pytest.mark.parametrize("size", SIZES)
def test_picture_filters(size: int, files: dict[int, Path], inventories: dict[int, Found], open_page: Open) -> None:
    """A box of the picture leaves what is in it; the same box, Escape or a button bring back the rest."""
    found = open_page(files[size])
    total = len(inventories[size]["serviceAccounts"])
    found.locator(".node[tabindex='0']").focus()
    found.keyboard.press("ArrowRight")
    expect(found.locator(".node:focus")).to_have_attribute("data-key", re.compile("^(account|namespace) "))
    found.keyboard.press("Enter")
    expect(found.locator("#picked")).to_contain_text("Only:")
    fewer = rows(found).count()

    assert 0 < fewer < total
    found.locator(".node:focus")
    found.keyboard.press("Escape")
    expect(found.locator("#picked")).to_be_hidden()
    all_rows(found, "accounts", total)


def test_picture_highlights_one_path(files: dict[int, Path], inventories: dict[int, Found], open_page: Open) -> None:
    """The mouse on a role highlights its service accounts and their cluster, and names them below."""
    found = open_page(files[10])
    one = next(each for each in inventories[10]["admissions"] if len(each["serviceAccounts"]) == 1)
    name = one["role"].rpartition("/")[2]
    found.locator(".node", has_text=name).first.hover()
    lit = found.locator(".node.on .label").all_text_contents()

    assert sorted(lit) == sorted([one["cluster"], one["serviceAccounts"][0].split("/")[1], name])
    assert one["role"] in found.locator("#picture-status").inner_text()


@pytest.mark.parametrize("size", SIZES)
def test_picture_stays_readable(size: int, files: dict[int, Path], open_page: Open) -> None:
    """However many there are, no column has more boxes than fit, and none covers another one."""
    found = open_page(files[size])
    boxes = found.evaluate(
        """[...document.querySelectorAll(".node > .box")].map((each) => each.getBoundingClientRect())
            .map(({x, y, width, height}) => ({x, y, width, height}))"""
    )
    columns: dict[float, list[Any]] = {}
    for each in boxes:
        columns.setdefault(each["x"], []).append(each)

    assert len(columns) == 3
    for column in columns.values():
        assert len(column) <= 31
        column.sort(key=lambda each: each["y"])
        assert all(above["y"] + above["height"] < below["y"] for above, below in itertools.pairwise(column))
        assert all(each["height"] >= 18 for each in column)


def test_findings_stand_worst_first_with_their_fix(
    files: dict[int, Path], inventories: dict[int, Found], open_page: Open
) -> None:
    """Those that give access stand above those that keep a Pod from its role, each with what to do."""
    found = open_page(files[10])
    its = inventories[10]["findings"]
    present = [kind.title for name, kind in KINDS.items() if any(each["kind"] == name for each in its)]
    fix = next(each["fix"] for each in its if each["kind"] == "missing-role")

    assert found.locator("details.kind h3").all_inner_texts() == present
    found.locator("details.kind", has_text="Annotated with a role that does not exist").locator("summary").click()
    expect(found.locator("details[open] .command", has_text=fix).first).to_be_visible()


def test_unknown_kind_is_shown_by_its_name(tmp_path: Path, inventories: dict[int, Found], open_page: Open) -> None:
    """A finding of a newer version is not lost."""
    finding = {**inventories[10]["findings"][0], "kind": "new-kind", "found": "something new"}
    found = open_page(written(tmp_path / "page.html", {**inventories[10], "findings": [finding]}))

    expect(found.locator("details.kind h3")).to_have_text("new-kind")


def test_what_was_not_checked_is_prominent(
    files: dict[int, Path], inventories: dict[int, Found], open_page: Open
) -> None:
    """It stands before every answer, with its number."""
    found = open_page(files[10])
    (gap,) = inventories[10]["notChecked"]
    region = found.get_by_role("region", name="Not checked")

    expect(region).to_contain_text(gap)
    assert found.locator("main > section").first.get_attribute("id") == "not-checked"
    place = region.bounding_box()
    assert place
    assert place["y"] < 600


@pytest.mark.parametrize("danger", DANGERS)
def test_hostile_names_are_text(danger: str, tmp_path: Path, open_page: Open) -> None:
    """What somebody named to break the page is shown as that text; open_page reports a dialog, request or error."""
    calm = inventory(10, 8)
    found = open_page(written(tmp_path / "page.html", with_text(calm, danger)))
    for table in ("Service accounts", "Roles"):
        found.get_by_role("tab", name=table).click()
        found.get_by_role("tabpanel", name=table).locator(".disclose").first.click()
    text = found.evaluate("document.body.textContent")

    assert found.locator("script").count() == 2
    assert found.locator("img, b > b, iframe").count() == 0
    assert found.evaluate(
        "[...document.querySelectorAll('a')].every((each) => /^(#|https:)/.test(each.getAttribute('href')))"
    )
    if danger.isprintable():
        assert f"checkout{danger}" in text


def test_address_that_is_no_web_page_is_not_linked(tmp_path: Path, open_page: Open) -> None:
    """A `javascript:` address would run with a click."""
    its = inventory(10, 8)
    for each in its["admissions"]:
        each["documentation"] = "javascript:alert(1)"
    found = open_page(written(tmp_path / "page.html", its))
    unfold(found)
    for index in range(10):
        rows(found).nth(index).locator(".disclose").click()

    assert found.locator(".reason").count() > 0
    assert found.locator(".reason a").count() == 0


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_window(size: int, width: int, files: dict[int, Path], open_page: Open) -> None:
    """Nobody scrolls sideways, on a telephone either, with reasons and findings open."""
    found = open_page(files[size], width)
    rows(found).first.locator(".disclose").click()
    unfold(found)
    found.locator("#tab-roles").click()
    rows(found, "roles").first.locator(".disclose").click()

    for theme in THEMES:
        found.emulate_media(color_scheme=theme)
        assert found.evaluate("document.documentElement.scrollWidth") <= width
        wider = found.evaluate(
            """(width) => [...document.querySelectorAll("body *")]
                .filter((each) => each.checkVisibility() && each.getBoundingClientRect().right > width + 1)
                .map((each) => each.outerHTML.slice(0, 100))""",
            width,
        )
        assert wider == []


def test_long_names_do_not_widen_the_page(tmp_path: Path, open_page: Open) -> None:
    """The longest names that Kubernetes and IAM allow have no place to break."""
    found = open_page(written(tmp_path / "page.html", with_text(inventory(10, 8), "w" * 230)), 390)
    rows(found).first.locator(".disclose").click()

    assert found.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("theme", THEMES)
def test_text_has_enough_contrast(theme: Theme, files: dict[int, Path], open_page: Open) -> None:
    """WCAG AA: 4.5, and 3 for large text (https://www.w3.org/TR/WCAG22/#contrast-minimum)."""
    found = open_page(files[10], theme=theme)
    unfold(found)
    for index in range(10):
        rows(found).nth(index).locator(".disclose").click()

    checked, low = found.evaluate(CONTRAST)
    assert checked > 100
    assert low == []


def test_theme_follows_the_system_until_it_is_chosen(files: dict[int, Path], open_page: Open) -> None:
    """The button names the other theme, and shows it."""
    found = open_page(files[10], theme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = found.evaluate(ground)
    found.get_by_role("button", name="Light theme").click()

    assert found.evaluate(ground) != dark
    found.get_by_role("button", name="Dark theme").click()
    assert found.evaluate(ground) == dark


def test_screen_reader_has_landmarks_headings_and_tables(
    files: dict[int, Path], inventories: dict[int, Found], open_page: Open
) -> None:
    """Rows are laid out as grids, which must not cost the table its roles."""
    shown = sum(not is_folded(each, inventories[10]) for each in inventories[10]["serviceAccounts"])
    found = open_page(files[10])
    for landmark in LANDMARKS:
        assert found.get_by_role(landmark).count() == 1
    assert found.get_by_role("heading", level=1).inner_text() == "Who may assume what"
    assert found.get_by_role("heading", level=2).count() == 4
    table = found.get_by_role("table")

    assert table.get_by_role("columnheader").count() == 6
    assert table.get_by_role("rowheader").count() == shown
    assert table.get_by_role("row").count() == shown + 1
    expect(found.get_by_role("searchbox", name="Search")).to_have_id("text")
    for name, control in (("Cluster", "cluster"), ("Decision", "decision"), ("Finding", "kind")):
        expect(found.get_by_label(name, exact=True)).to_have_id(control)
    assert found.locator("th[scope='col']").count() == 12
    assert found.locator("#panel-accounts th[scope='row']").count() == 10
    assert found.get_by_role("status").inner_text() == f"10 service accounts shown, {10 - shown} of them folded"
    nameless = "[...document.querySelectorAll('button')].filter((each) => !each.textContent.trim()).length"
    assert found.evaluate(nameless) == 0


def test_colour_is_never_alone(files: dict[int, Path], open_page: Open) -> None:
    """Each answer and each finding has a sign and words, besides its colour."""
    found = open_page(files[10])
    for selector in (".answer", ".tone", ".family"):
        every = found.locator(f"#tables {selector}, #findings {selector}")
        assert every.count() == 0 or all(
            every.evaluate_all("each => each.map((one) => Boolean(one.querySelector('svg') && one.textContent.trim()))")
        )


@pytest.mark.parametrize("size", SIZES)
def test_paper_has_every_row_and_no_controls(size: int, files: dict[int, Path], open_page: Open) -> None:
    """Both tables and all findings are printed, in black on white, without what cannot be pressed on paper."""
    found = open_page(files[size], theme="dark")
    found.emulate_media(media="print")
    found.evaluate("dispatchEvent(new Event('beforeprint'))")
    accounts, roles = SIZES[size]
    all_rows(found, "accounts", accounts)
    all_rows(found, "roles", roles)

    for table in ("accounts", "roles"):
        expect(rows(found, table).last).to_be_visible()
    for control in ("#filters", "#theme", ".tabs"):
        expect(found.locator(control)).to_be_hidden()
    assert found.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert found.evaluate(
        """[...document.querySelectorAll(".finding")]
            .every((each) => each.checkVisibility({contentVisibilityAuto: true}))"""
    )

    found.evaluate("dispatchEvent(new Event('afterprint'))")
    assert found.locator("details[open]").count() == 1


def test_paper_says_what_was_left_out(files: dict[int, Path], open_page: Open) -> None:
    """A printed table of a search must not pass for the whole one."""
    found = open_page(files[10])
    found.get_by_role("searchbox").fill("checkout")
    expect(found.locator("#shown")).to_contain_text(" of 10")

    assert re.fullmatch(
        r"Service accounts: \d of 10, by text \"checkout\"",
        found.locator("#panel-accounts").get_attribute("data-name") or "",
    )


def test_browsers_own_search_finds_every_row(files: dict[int, Path], open_page: Open) -> None:
    """Rows that are out of view are skipped when the page is drawn, and still are in it."""
    found = open_page(files[2_000])
    all_rows(found, "accounts", 2_000)
    last = (rows(found).last.locator("th").text_content() or "").strip()

    assert found.evaluate("(text) => window.find(text)", last)


def test_empty_inventory_says_so(tmp_path: Path, open_page: Open) -> None:
    """A cluster without service accounts, or an account without roles, is no error."""
    nothing: Found = {key: [] for key in inventory(1, 1) if key not in ("subcommand", "good")}
    found = open_page(written(tmp_path / "page.html", nothing))

    expect(found.locator("#flow")).to_contain_text("No role admits any service account")
    expect(found.locator("#findings")).to_contain_text("Nothing was found that needs a change")
    expect(found.locator("#not-checked")).to_be_hidden()


def test_answers_by_audience_are_one_pair(tmp_path: Path, open_page: Open) -> None:
    """A role that answers in two ways, by the audience, is one role; who is allowed with one of them is allowed."""
    its = inventory(10, 8, ("prod",))
    allowed = its["admissions"][0]
    other = {**allowed, "decision": "cannot decide", "audiences": ["other"], "reason": "another statement"}
    found = open_page(written(tmp_path / "page.html", {**its, "admissions": [other, allowed]}))
    found.get_by_label("Decision", exact=True).select_option("allowed")
    all_rows(found, "accounts", 1)

    assert rows(found).locator("td[data-title='May assume']").inner_text().split("\n")[0] == "1 role"
    rows(found).locator(".disclose").click()
    assert found.locator(".reason").count() == 2


def test_json_in_the_page_is_what_was_given(
    files: dict[int, Path], inventories: dict[int, Found], open_page: Open
) -> None:
    """The browser reads the findings as they were written."""
    found = open_page(files[10])

    assert json.loads(found.locator("#data").text_content() or "")["findings"] == inventories[10]["findings"]
