"""The HTML page as a parser reads it: what it says, what it lets a browser run, and what the names in it cannot do."""

import base64
import functools
import hashlib
from collections import Counter
from dataclasses import fields, is_dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from irsa_cli.inventory.findings import KINDS
from irsa_cli.inventory.output import Inventory
from irsa_cli.inventory.page import page as html_page
from irsa_cli.inventory.steps import Steps
from tests.all.page.inventories import WRITTEN, inventory
from tests.all.page.parsed import Parsed
from tests.unit.irsa_cli.inventory.estates import (
    ISSUER,
    NUMBER,
    discovery,
    page_trust,
    role,
    service_account,
    taken,
    trust,
)

SMALL, TINY = inventory(12, 20), inventory(3, 3)
# What would end an element, an attribute or a comment, be part of a template, or hide what follows.
DANGERS = [
    *("</script><script>alert(1)</script>", "</SCRIPT\t>", "</style>", "</title>", "<!--<script>", "-->", "]]>"),
    *(
        "<img src=x onerror=alert(1)>",
        "<svg onload=alert(1)>",
        "&lt;b&gt;&#60;",
        "'\"`${alert(1)}\\",
        "' x=' ",
        '" x="',
    ),
    *("line\u2028break\u2029", "turned\u202eround", "unpaired \ud800", "nul\0 and bell\a", "{{ 7 * 7 }}{% raw %}{#"),
]


def page(inventory: Inventory, written: datetime) -> str:
    return html_page(inventory, Steps(inventory.chains), written)


def with_text(value: Any, text: str, key: str = "") -> Any:
    """Return an inventory in which every string has this text at its end, namespaces and names likewise."""
    if is_dataclass(value) and not isinstance(value, type):
        return replace(
            value, **{each.name: with_text(getattr(value, each.name), text, each.name) for each in fields(value)}
        )
    if isinstance(value, dict):
        return {with_text(name, text): with_text(each, text) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [with_text(each, text, key) for each in value]
    if type(value) is not str or not value or key == "kind":
        return value
    return "/".join(part + text for part in value.split("/")) if key.startswith("service_account") else value + text


def elements(its: Parsed) -> Counter[tuple[str, ...]]:
    """Return how many elements there are of each kind, with the names of their attributes."""
    return Counter((tag, *attributes) for tag, attributes in its.elements)


def read(text: str) -> str:
    """Return what a reader may read of a page, in one line."""
    return " ".join(Parsed(text).text.split())


def assert_harmless(its: Parsed) -> None:
    """Assert that a page runs and loads nothing of others."""
    assert its.only("script")
    for tag, attributes in its.elements:
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "src")], tag
        assert attributes.get("href", "#").startswith("#")


def each_danger(test: Any) -> Any:
    return functools.reduce(lambda found, danger: example(danger)(found), DANGERS, test)


@each_danger
@settings(max_examples=20)
@given(st.text(st.characters(exclude_categories=()) | st.sampled_from("<>/!-&'\"\\$%{}")))
def test_no_text_changes_the_page(text: str) -> None:
    """The attack: text in any field that ends its element or attribute. The page has the elements that it has without,
    and shows the text itself.
    """
    written = page(with_text(TINY, text), WRITTEN)
    its = Parsed(written)

    assert elements(its) == elements(Parsed(page(TINY, WRITTEN)))
    assert_harmless(its)
    assert written.isascii()
    if text in DANGERS and text.isprintable():
        assert its.text.count(text) > 10


def test_names_are_shown_with_escapes_in_place_of_what_cannot_be_seen() -> None:
    """The attack: a name that turns the direction of writing passes for another one in a review."""
    its = Parsed(page(with_text(SMALL, "\u202e"), WRITTEN))

    assert r"prod\u202e" in its.text
    assert "\u202e" not in its.text + str(its.elements)


def test_only_its_own_style_and_script_may_run() -> None:
    """The policy stands first, names the hashes of style and script as a browser sees them, and allows nothing else.

    https://www.w3.org/TR/CSP3/#match-element-to-source-list
    """
    its = Parsed(page(SMALL, WRITTEN))
    (policy,) = (each for _, each in its.elements if each.get("http-equiv") == "Content-Security-Policy")
    hashes = [base64.b64encode(hashlib.sha256(its.only(tag).encode()).digest()).decode() for tag in ("style", "script")]

    assert [tag for tag, _ in its.elements[:4]] == ["html", "head", "meta", "meta"]
    assert policy["content"].split("; ") == [
        *("default-src 'none'", f"style-src 'sha256-{hashes[0]}'", f"script-src 'sha256-{hashes[1]}'"),
        *("base-uri 'none'", "form-action 'none'"),
    ]


def test_what_was_not_checked_stands_before_every_answer() -> None:
    text = read(page(replace(SMALL, left_out="of other namespaces: 3"), WRITTEN))
    answer = text.index("may assume a role")

    assert text.index("of other namespaces: 3") < text.index("Not checked") < text.index("no permission for") < answer
    assert "Not checked" not in read(page(replace(SMALL, not_checked=()), WRITTEN))


def test_findings_stand_worst_first() -> None:
    its = Parsed(page(SMALL, WRITTEN))
    kinds = [each["id"].removeprefix("kind-") for _, each in its.elements if each.get("class") == "of-kind"]

    assert kinds == [each for each in KINDS if each in {finding.kind for finding in SMALL.findings}]
    assert len(kinds) > 2


def test_nothing_is_left_out() -> None:
    found = inventory(400, 300)
    text = read(page(found, WRITTEN))
    of_findings = {words for each in found.findings for words in (each.found, each.expected, each.role, each.fix)}
    wanted = {name for each in found.admissions for name in each.service_accounts} | of_findings
    wanted |= {*found.roles} | {each.reason for each in found.admissions} | {*found.not_checked}

    assert [each for each in wanted if " ".join(each.split()) not in text] == []


def test_roles_that_trust_everybody_keep_the_page_small() -> None:
    everybody = trust({"StringLike": {f"{ISSUER}:sub": "system:serviceaccount:*"}})
    accounts = [service_account(f"team-{number % 50}", f"app-{number}") for number in range(400)]
    text = page(taken(discovery(accounts, [role(f"role-{number}", everybody) for number in range(300)])), WRITTEN)

    assert len(text) < 1_500_000
    assert "and 300 more: irsa inventory --json lists all" in text


def test_roles_that_all_assume_each_other_keep_the_page_small() -> None:
    names = [f"app-{number}" for number in range(50)]
    everybody = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": NUMBER}}
    administrator = {"attached_policies": ("arn:aws:iam::aws:policy/AdministratorAccess",)}
    roles = [
        role(each, {"Statement": [*page_trust(f"a:{each}")["Statement"], everybody]}, **administrator) for each in names
    ]
    found = taken(discovery([service_account("a", each, each) for each in names], roles))
    text = read(page(found, WRITTEN))

    assert len(found.chains) == 50 * 49
    # Of each role in the table of roles, and in that of service accounts.
    assert text.count(", and 29 more") == 2 * 50


def test_an_empty_inventory_says_so() -> None:
    text = read(page(taken(discovery()), WRITTEN))

    assert "Nothing was found that needs a change" in text


def test_time_is_in_utc() -> None:
    berlin = timezone(timedelta(hours=1))

    assert "25 November 2026, 23:19 UTC" in page(taken(discovery()), datetime(2026, 11, 26, 0, 19, tzinfo=berlin))
