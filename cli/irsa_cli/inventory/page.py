"""The inventory as one HTML page: its data, style and script are in it, and it asks the network for nothing."""

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from string import Template
from typing import Any

from irsa.rules.leaves import map_leaves
from irsa.rules.mistakes import visible
from irsa_cli.inventory.findings import FAMILIES, KINDS
from irsa_cli.report.json import as_object


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
    index = {
        (each["cluster"], f"{each['namespace']}/{each['name']}"): number
        for number, each in enumerate(inventory["serviceAccounts"])
    }
    groups: dict[tuple[int, ...], int] = {}
    admissions = []
    for each in inventory["admissions"]:
        members = tuple(index[each["cluster"], name] for name in each["serviceAccounts"])
        admissions.append({**each, "serviceAccounts": groups.setdefault(members, len(groups))})
    return {
        **_visible({**inventory, "admissions": admissions}),
        "groups": list(groups),
        "kinds": {
            name: {"family": kind.family, "title": kind.title, "meaning": kind.meaning} for name, kind in KINDS.items()
        },
        "families": FAMILIES,
        "written": f"{written:%Y-%m-%dT%H:%M:%SZ}",
        "writtenText": f"{written.day} {written:%B %Y}, {written:%H:%M} UTC",
    }


def _visible(value: Any) -> Any:
    """Return a value with escapes in place of characters that are invisible or turn the direction of writing."""
    return map_leaves(value, lambda _, leaf: visible(leaf) if isinstance(leaf, str) else leaf)


def _resource(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
