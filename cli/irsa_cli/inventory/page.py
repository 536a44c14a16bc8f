"""The inventory as one HTML page: it reads and prints without JavaScript, and asks the network for nothing."""

import base64
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined

from irsa.evaluation import Decision
from irsa.rules.mistakes import listed, named, visible
from irsa_cli.inventory.findings import KINDS
from irsa_cli.inventory.findings.kinds import FAMILIES
from irsa_cli.inventory.output import Inventory
from irsa_cli.inventory.steps import Steps
from irsa_cli.inventory.table import DECISIONS, Alike, alike, read, summary, table_of

# How many service accounts an answer of a role lists: 1,500 roles that trust everybody are no 3,000,000 names.
LISTED = 100
# Of a family of findings, beside its colour.
SIGNS = dict(zip(FAMILIES, "!x?-", strict=True))


def page(inventory: Inventory, steps: Steps, written: datetime | None = None) -> str:
    """Return the page as ASCII text, whatever the names in the inventory are.

    Args:
        inventory: The inventory.
        steps: Those of its roles.
        written: The time that the page names, in UTC; now where it is not given.
    """
    style, script = _resource("page.css"), _resource("page.js")
    time = (written or datetime.now(UTC)).astimezone(UTC)
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, finalize=_shown, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["named"] = named
    environment.globals |= {"FAMILIES": FAMILIES, "KINDS": KINDS, "SIGNS": SIGNS, "LISTED": LISTED}
    text = environment.from_string(_resource("page.html")).render(
        policy=f"default-src 'none'; style-src {source(style)}; script-src {source(script)}; base-uri 'none'; "
        "form-action 'none'",
        style=style,
        script=script,
        written=f"{time.day} {time:%B %Y, %H:%M} UTC",
        inventory=inventory,
        summary=summary(inventory),
        read=read(inventory),
        families=_families(inventory),
        table=table_of(inventory, steps),
        kinds=_kinds(inventory),
        then=lambda role: _then(steps.reached(role)),
    )
    return text.encode("ascii", "xmlcharrefreplace").decode()


def source(text: str) -> str:
    """Return the hash by which a Content-Security-Policy allows an inline style or script.

    https://www.w3.org/TR/CSP3/#match-element-to-source-list
    """
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _shown(value: Any) -> Any:
    """Return a text with escapes in place of what is invisible or turns the direction of writing.

    Jinja calls this for each value that the page shows, and then escapes what HTML would read.
    """
    return visible(value) if type(value) is str else value


def _families(inventory: Inventory) -> dict[str, dict[str, list[Alike]]]:
    """Return the findings by family and kind, the worst first."""
    found: dict[str, dict[str, list[Alike]]] = {}
    for each in alike(inventory):
        found.setdefault(KINDS[each.kind].family, {}).setdefault(each.kind, []).append(each)
    return found


def _kinds(inventory: Inventory) -> dict[tuple[str, str], list[str]]:
    """Return the kinds of the findings about each service account, by its cluster and NAMESPACE/NAME, and each role."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for each in inventory.findings:
        for key in ((each.cluster, each.service_account), ("", each.role)):
            found.setdefault(key, {})[each.kind] = None
    return {key: [*kinds] for key, kinds in found.items()}


def _then(reached: Mapping[str, Decision]) -> str:
    """Return the roles that a role may assume in turn, the first of each decision: 600 roles may assume each other."""
    allowed, undecided = ([arn for arn, each in reached.items() if each is decision] for decision in DECISIONS)
    cannot_tell = f"cannot tell: {listed(sorted(undecided))}" if undecided else ""
    return "; ".join(filter(None, [listed(sorted(allowed)), cannot_tell]))


def _resource(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
