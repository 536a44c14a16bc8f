"""The HTML page as text: what it lets a browser run, and what the names in it cannot do."""

import json
import random
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import pytest

from irsa_cli.inventory.findings import FAMILIES, KINDS
from irsa_cli.inventory.page import STANDINGS, page, standings, totals
from irsa_cli.report.json import as_object
from tests.all.page.inventories import inventory
from tests.all.page.parsed import Parsed, parsed
from tests.unit.irsa_cli.inventory.estates import (
    ISSUER,
    association,
    chained_trust,
    discovery,
    page_trust,
    pods_trust,
    role,
    role_arn,
    service_account,
    taken,
    trust,
)

WRITTEN = datetime(2026, 11, 26, 0, 19, tzinfo=UTC)
# What would end the element, start a comment in it, or hide what follows.
DANGERS = [
    *("</script><script>alert(1)</script>", "</SCRIPT\t>", "<!--<script>", "-->", "]]>"),
    *("<img src=x onerror=alert(1)>", "&lt;b&gt;&#60;", "'\"`${alert(1)}\\", "line\u2028break\u2029"),
    *("turned\u202eround", "unpaired \ud800", "nul\0 and bell\a", "$policy $data ${script}"),
]
# What makes elements or code of a text, or asks the network.
FORBIDDEN = [
    "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "setHTML", "parseFromString",
    "createContextualFragment", "eval(", "Function(", "import(", "fetch(", "XMLHttpRequest", "sendBeacon", "WebSocket",
]  # fmt: skip


def with_text(value: Any, text: str, key: str = "") -> Any:
    """Return an inventory in which every string has this text at its end, namespaces and names likewise.

    The decision is one of two words.
    """
    if isinstance(value, dict):
        return {name: with_text(each, text, name) for name, each in value.items()}
    if isinstance(value, list):
        return [with_text(each, text, key) for each in value]
    if not isinstance(value, str) or key == "decision":
        return value
    return "/".join(part + text for part in value.split("/")) if key.startswith("serviceAccount") else value + text


@pytest.mark.parametrize("danger", DANGERS)
def test_no_name_changes_the_page(danger: str) -> None:
    """Whatever stands in any field, the page has the elements that it has without it, and the data can be read."""
    calm, hostile = (parsed(page(with_text(inventory(4, 4), text), WRITTEN)) for text in ("", danger))

    assert hostile.elements == calm.elements
    assert "<" not in hostile.text_of("script", id="data")
    assert len(hostile.data()["serviceAccounts"]) == 4


def test_names_are_shown_with_escapes_in_place_of_what_cannot_be_seen() -> None:
    """A name that turns the direction of writing could pass for another one in a review."""
    found = inventory(1, 1)
    found["notChecked"] = ["cluster \u202edorp", "plain <b>"]

    assert parsed(page(found, WRITTEN)).data()["notChecked"] == [r"cluster \u202edorp", "plain <b>"]


def test_only_its_own_style_and_script_may_run() -> None:
    """The policy names the hashes of the style and the script as a browser sees them, and allows nothing else.

    https://www.w3.org/TR/CSP3/#match-element-to-source-list
    """
    its = parsed(page(inventory(3, 3), WRITTEN))
    (meta,) = [attributes for tag, attributes in its.elements if attributes.get("http-equiv")]
    policy = dict(each.split(" ", 1) for each in meta["content"].split("; "))

    assert meta["http-equiv"] == "Content-Security-Policy"
    assert policy == {
        "default-src": "'none'",
        "style-src": its.hash_of("style"),
        "script-src": its.hash_of("script"),
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_policy_stands_before_all_that_it_is_about() -> None:
    """A policy in a meta element is not applied to what stands before it."""
    tags = [tag for tag, _ in parsed(page(inventory(1, 1), WRITTEN)).elements]

    assert tags[:4] == ["html", "head", "meta", "meta"]


def test_nothing_is_loaded_from_elsewhere() -> None:
    """The page is one file: no address in it leads out, and no attribute has a script or a style."""
    its = parsed(page(inventory(3, 3), WRITTEN))
    addresses = [
        value for _, attributes in its.elements for name, value in attributes.items() if name in ("href", "src")
    ]

    assert all(each.startswith("#") for each in addresses)
    assert not [
        name for _, attributes in its.elements for name in attributes if name.startswith("on") or name == "style"
    ]


@pytest.mark.parametrize("word", FORBIDDEN)
def test_script_makes_no_element_of_text(word: str) -> None:
    """The script adds text as text; what makes elements or code of it, or asks the network, is not in it."""
    assert word not in script_of_the_page()


def script_of_the_page() -> str:
    return files("irsa_cli.inventory").joinpath("page.js").read_text(encoding="utf-8")


def test_page_is_ascii() -> None:
    """It reads the same in whatever encoding a program that forwards it assumes."""
    assert page(with_text(inventory(3, 3), "\u00fc\u4e2d\U0001f600"), WRITTEN).isascii()


def test_every_kind_of_finding_has_its_place_and_explanation() -> None:
    """The worst family stands first, and each kind says in one sentence what it means."""
    assert [FAMILIES[kind.family] for kind in KINDS.values()] == sorted(
        (FAMILIES[kind.family] for kind in KINDS.values()), key=list(FAMILIES.values()).index
    )
    assert all(kind.title and kind.meaning.endswith(".") for kind in KINDS.values())


def test_data_is_the_inventory() -> None:
    """Nothing of the inventory is left out: service accounts of an admission are indexes of the whole list."""
    found = inventory(40, 30)
    data = parsed(page(found, WRITTEN)).data()

    for key in ("clusters", "awsAccounts", "serviceAccounts", "roles", "findings", "notChecked"):
        assert data[key] == found[key]
    assert [{**each, "serviceAccounts": members(data, each)} for each in data["admissions"]] == found["admissions"]


def members(data: dict[str, Any], admission: dict[str, Any]) -> list[str]:
    accounts = [data["serviceAccounts"][index] for index in data["groups"][admission["serviceAccounts"]]]
    assert {each["cluster"] for each in accounts} == {admission["cluster"]}
    return [f"{each['namespace']}/{each['name']}" for each in accounts]


def generated(seed: int) -> dict[str, Any]:
    """Return an inventory in which annotations, answers and findings meet in any way, also of kinds to come."""
    dice = random.Random(seed)
    found = inventory(dice.randrange(8, 60), dice.randrange(1, 40))
    for each in found["serviceAccounts"]:
        each["annotatedRole"] = dice.choice(["", each["annotatedRole"], "not an ARN"])
    for each in found["admissions"]:
        each["decision"] = dice.choice(["allowed", "cannot decide"])
    for each in dice.choices(found["serviceAccounts"], k=dice.randrange(30)):
        kind = dice.choice([*KINDS, "of-a-newer-version"])
        name = dice.choice(["", f"{each['namespace']}/{each['name']}", "not/there"])
        found["findings"].append(
            {**found["findings"][-1], "kind": kind, "cluster": each["cluster"], "serviceAccount": name}
        )
    return found


@pytest.mark.parametrize("seed", range(40))
def test_numbers_of_the_heading_add_up(seed: int) -> None:
    """Protects a reader who adds: each finding and each service account is in exactly one number."""
    found = generated(seed)
    its = standings(found)
    numbers = {noun: sum(number for _, number, _ in parts) for noun, parts in totals(found, its).items()}

    assert numbers == {"finding": len(found["findings"]), "service account": len(found["serviceAccounts"])}
    for each, standing in zip(found["serviceAccounts"], its, strict=True):
        place = each["cluster"], f"{each['namespace']}/{each['name']}"
        answers = {
            one["decision"]
            for one in found["admissions"]
            if one["cluster"] == place[0] and place[1] in one["serviceAccounts"]
        }
        about = [one for one in found["findings"] if (one["cluster"], one["serviceAccount"]) == place]
        # "Without IRSA" is said only of what nothing concerns, and "may assume" only of who may.
        assert (standing == "assumes") == ("allowed" in answers)
        assert (standing == "without") == (not answers and not about and not each["annotatedRole"])
        assert standing in STANDINGS


def test_standing_of_real_answers() -> None:
    """One of each: what the trust policies and annotations say is what the heading counts."""
    condition = {"StringEquals": {f"{ISSUER}:sub": "system:serviceaccount:a:vpc", "aws:SourceVpc": "vpc-1"}}
    accounts = [
        service_account("a", "app", "app"),
        service_account("a", "refused", "app"),
        service_account("a", "gone", "gone"),
        service_account("a", "typo", **{"eks.amazonaws.com/rolearn": "x"}),
        service_account("a", "vpc", "vpc"),
        service_account("a", "plain"),
    ]
    found = as_object(taken(discovery(accounts, [role("app", page_trust("a:app")), role("vpc", trust(condition))])))

    assert dict(zip([each["name"] for each in found["serviceAccounts"]], standings(found), strict=True)) == {
        "app": "assumes",
        "refused": "refused",
        "gone": "refused",
        "typo": "refused",
        "vpc": "unknown",
        "plain": "without",
    }
    # What cannot be decided is in its row and in the picture: no second time among what was not read.
    assert len(found["notChecked"]) == 1
    assert parsed(page({**found, "notChecked": [*found["notChecked"], "a list"]}, WRITTEN)).data()["notChecked"] == [
        "a list"
    ]


def test_standing_by_an_association() -> None:
    """Protects the numbers of the heading: whom an association gives a role is not without one; each once."""
    accounts = [service_account("a", name) for name in ("new", "refused", "unsure", "none")]
    unsure = chained_trust("new", "sts:AssumeRole", IpAddress={"aws:SourceIp": "10.0.0.0/8"})
    roles = [role("new", pods_trust("a:new")), role("untagged", pods_trust()), role("unsure", unsure)]
    associations = [
        association("a", "new", "new"),
        association("a", "refused", "new"),
        association("a", "unsure", "untagged", target_role_arn=role_arn("unsure"), disable_session_tags=True),
    ]
    refused = as_object(taken(discovery(accounts, roles, associations=associations)))

    assert standings(refused) == ["assumes", "refused", "refused", "without"]
    trusted = {**unsure["Statement"][0], "Principal": {"AWS": role_arn("untagged")}}
    roles[2] = role("unsure", {"Statement": [trusted]})
    assert standings(as_object(taken(discovery(accounts, roles, associations=associations)))) == [
        *("assumes", "refused", "unknown", "without")
    ]


def test_takes_dataclasses_as_the_verb_has_them() -> None:
    """The fields of a dataclass are read by the names that --json gives them."""

    @dataclass(frozen=True)
    class Account:
        cluster: str
        namespace: str
        name: str
        annotated_role: str
        audience: str
        managed: bool

    @dataclass(frozen=True)
    class Found:
        clusters: tuple[str, ...] = ()
        aws_accounts: tuple[str, ...] = ()
        service_accounts: tuple[Account, ...] = ()
        roles: tuple[str, ...] = ()
        admissions: tuple[str, ...] = ()
        findings: tuple[str, ...] = ()
        not_checked: tuple[str, ...] = ()

    found = replace(Found(), service_accounts=(Account("prod", "team-a", "app", "", "sts.amazonaws.com", False),))

    assert parsed(page(found, WRITTEN)).data()["serviceAccounts"][0]["annotatedRole"] == ""


def test_roles_that_admit_everybody_share_one_list() -> None:
    """1,500 roles that admit all of 2,000 service accounts are no 3,000,000 names."""
    found = inventory(2_000, 1_500, ("prod",))
    everybody = [f"{each['namespace']}/{each['name']}" for each in found["serviceAccounts"]]
    every_role = [
        {**found["admissions"][0], "role": each["arn"], "serviceAccounts": everybody} for each in found["roles"]
    ]
    text = page({**found, "admissions": every_role}, WRITTEN)

    assert len(parsed(text).data()["groups"]) == 1
    assert len(text) < 2_000_000


def test_time_is_in_utc() -> None:
    """The reader of a report need not know where it was written."""
    berlin = timezone(timedelta(hours=1))
    data = parsed(page(inventory(1, 1), datetime(2026, 11, 26, 0, 19, tzinfo=berlin))).data()

    assert (data["written"], data["writtenText"]) == ("2026-11-25T23:19:00Z", "25 November 2026, 23:19 UTC")


def test_parser_of_these_tests_sees_what_breaks_out() -> None:
    """A test with a parser that overlooks an element would pass on any page."""
    broken = '<script type="application/json" id="data">"</script><b id="x">"</script>'
    parser: HTMLParser = Parsed()
    parser.feed(broken)

    assert isinstance(parser, Parsed)
    assert ("b", {"id": "x"}) in parser.elements


def test_json_is_one_value() -> None:
    """What another program reads of the page is what the script reads."""
    text = page(inventory(2, 2), WRITTEN)
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)

    assert json.loads(data)["subcommand"] == "inventory"
