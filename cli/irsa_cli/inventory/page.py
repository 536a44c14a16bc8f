"""The inventory as one HTML page: its data, style and script are in it, and it asks the network for nothing."""

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from string import Template
from typing import Any

from irsa.evaluation import Decision
from irsa.rules.leaves import map_leaves
from irsa.rules.mistakes import visible
from irsa_cli.inventory.findings import FAMILIES, KINDS
from irsa_cli.inventory.of_annotations import undecided_text
from irsa_cli.report.json import as_object

# A cluster, and a service account of it as NAMESPACE/NAME.
Place = tuple[str, str]
# What a service account has, the most first. Each has one of these: so their numbers add up to all.
STANDINGS = {
    "assumes": "May assume a role",
    "refused": "Annotated or associated, but may assume none",
    "unknown": "Cannot be decided, or not read",
    "without": "Without IRSA",
}


def page(inventory: Any, written: datetime | None = None) -> str:
    """Return the page as ASCII text, whatever the names in the inventory are.

    Args:
        inventory: An `Inventory`, or the object that `irsa inventory --json` prints.
        written: The time that the page names, in UTC; now where it is not given.
    """
    style, script = _resource("page.css"), _resource("page.js")
    return Template(_resource("page.html")).substitute(
        policy="; ".join(
            ("default-src 'none'", f"style-src {source(style)}", f"script-src {source(script)}", "base-uri 'none'",
             "form-action 'none'")
        ),
        style=style,
        script=script,
        data=embedded(_values(as_object(inventory), (written or datetime.now(UTC)).astimezone(UTC))),
    )  # fmt: skip


def source(text: str) -> str:
    """Return the hash by which a Content-Security-Policy allows an inline style or script.

    https://www.w3.org/TR/CSP3/#match-element-to-source-list
    """
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def embedded(value: Any) -> str:
    """Return a value as JSON that is safe within a `script` element.

    Only `<` could end the element or start a comment in it; JSON may write it, `>` and `&` as escapes:
    https://html.spec.whatwg.org/multipage/scripting.html#restrictions-for-contents-of-script-elements
    """
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")


def _values(inventory: Mapping[str, Any], written: datetime) -> dict[str, Any]:
    """Return what the script reads: the inventory, with each group of service accounts once and as indexes."""
    index = {_place(each): number for number, each in enumerate(inventory["serviceAccounts"])}
    groups: dict[tuple[str, ...], int] = {}
    admissions = [
        {**each, "serviceAccounts": groups.setdefault((each["cluster"], *each["serviceAccounts"]), len(groups))}
        for each in inventory["admissions"]
    ]
    # Whom a role may refuse is in the rows and in the picture.
    undecided = {
        undecided_text(each["role"], each["cluster"])
        for each in inventory["admissions"]
        if each["decision"] == Decision.CANNOT_DECIDE
    }
    not_checked = [each for each in inventory["notChecked"] if each not in undecided]
    its = standings(inventory)
    return {
        **_visible({**inventory, "admissions": admissions, "notChecked": not_checked}),
        "groups": [[index[cluster, name] for name in names] for cluster, *names in groups],
        "standings": its,
        "totals": totals(inventory, its),
        "kinds": {
            name: {"family": kind.family, "title": kind.title, "meaning": kind.meaning} for name, kind in KINDS.items()
        },
        "families": FAMILIES,
        "written": f"{written:%Y-%m-%dT%H:%M:%SZ}",
        "writtenText": f"{written.day} {written:%B %Y}, {written:%H:%M} UTC",
    }


def standings(inventory: Mapping[str, Any]) -> list[str]:
    """Return the key of STANDINGS of each service account, in their order."""
    accounts, found = inventory["serviceAccounts"], inventory["findings"]
    groups = {(each["decision"], each["cluster"], *each["serviceAccounts"]) for each in inventory["admissions"]}

    def having(decision: Decision) -> Iterable[Place]:
        return ((cluster, name) for its, cluster, *names in groups if its == decision for name in names)

    # What stands further down wins.
    by_place = dict.fromkeys(map(_place, accounts), "without")
    for standing, places in (
        ("unknown", (_place(each) for each in accounts if each["annotatedRole"])),
        ("unknown", ((each["cluster"], each["serviceAccount"]) for each in found)),
        ("refused", ((each["cluster"], each["serviceAccount"]) for each in found if _family(each) == "broken")),
        ("unknown", having(Decision.CANNOT_DECIDE)),
        ("assumes", having(Decision.ALLOWED)),
    ):
        by_place.update(dict.fromkeys(places, standing))
    return [by_place[_place(each)] for each in accounts]


def totals(inventory: Mapping[str, Any], its: Sequence[str]) -> dict[str, list[tuple[str, int, str]]]:
    """Return the numbers of the heading, which add up to all findings and all service accounts.

    Args:
        inventory: The object that `irsa inventory --json` prints.
        its: The standing of each service account.

    Returns:
        Of each noun its parts: a key of FAMILIES or STANDINGS, the number and what it counts.
    """
    families, accounts = Counter(map(_family, inventory["findings"])), Counter(its)
    return {
        "finding": [(key, families[key], text) for key, text in FAMILIES.items()],
        "service account": [(key, accounts[key], text) for key, text in STANDINGS.items()],
    }


def _place(service_account: Mapping[str, Any]) -> Place:
    return service_account["cluster"], f"{service_account['namespace']}/{service_account['name']}"


def _family(finding: Mapping[str, Any]) -> str:
    """Return the family of a finding; a newer version may have kinds that this one does not know."""
    return KINDS[finding["kind"]].family if finding["kind"] in KINDS else "untidy"


def _visible(value: Any) -> Any:
    """Return a value with escapes in place of characters that are invisible or turn the direction of writing."""
    return map_leaves(value, lambda _, leaf: visible(leaf) if isinstance(leaf, str) else leaf)


def _resource(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
