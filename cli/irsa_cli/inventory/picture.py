"""Who may assume which role, as boxes and lines that the page draws as SVG: folded until they are legible. Pure."""

import math
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from irsa.evaluation import Decision
from irsa_cli.inventory.findings import KINDS
from irsa_cli.inventory.findings.kinds import FAMILIES
from irsa_cli.inventory.output import Inventory

REFUSED, NO_FINDING = "refused", "no finding"
# What a finding of this kind says about a service account and the role that it names.
WAYS = {
    **dict.fromkeys(("missing-role", "not-admitted", "misspelled-subject"), REFUSED),
    **dict.fromkeys(("association-missing-role", "association-not-admitted"), REFUSED),
    "unseen-account": Decision.CANNOT_DECIDE.value,
}
# The most boxes in a column, and the heights in pixels of a box and of the name above a group of boxes.
MOST, ROW, HEADING = 36, 28, 34
Item = TypeVar("Item", bound=Hashable)


@dataclass(eq=False)
class Box:
    """One service account or role, or several of a cluster or AWS account; `text` is what the filter finds them by."""

    group: str
    label: str
    text: str
    members: int = 0
    findings: Counter[str] = field(default_factory=Counter)
    order: float = math.inf
    y: int = 0

    @property
    def worst(self) -> str:
        """The worst family of its findings; empty without any."""
        return next((family for family in FAMILIES if self.findings[family]), "")


class Picture(NamedTuple):
    """Two columns of boxes, each group of them below its name, and lines: two boxes, what roles say, and the width."""

    columns: Sequence[Sequence[Box]]
    lines: Sequence[tuple[Box, Box, str, float]]
    height: int


def picture(inventory: Inventory) -> Picture:
    """Return the service accounts that have to do with roles at the left, and these roles at the right."""
    answers = [*_answers(inventory)]
    # Many roles may admit the same service accounts: each group of them is counted once.
    groups = dict.fromkeys(group for _, _, group in answers)
    kinds = {each.role: each.kind for each in reversed(inventory.findings)}
    left = _boxes(
        {(cluster, name): (cluster, name, f"{name.partition('/')[0]}/") for cluster, names in groups for name in names},
        "namespaces",
    )
    right = _boxes({arn: (*_split(arn), kinds.get(arn, NO_FINDING)) for arn, *_ in answers}, "groups of roles")
    for each in inventory.findings:
        for box in (left.get((each.cluster, each.service_account)), right.get(each.role)):
            if box:
                box.findings[KINDS[each.kind].family] += 1
    of_group = {group: Counter(left[group[0], name] for name in group[1]) for group in groups}
    pairs = Counter[tuple[Box, Box, str]]()
    for role, way, group in answers:
        for box, number in of_group[group].items():
            pairs[box, right[role], way] += number
    columns = [_ordered(left)]
    # A role stands about where its first service account is: fewer lines cross.
    places = {box: place for place, box in enumerate(columns[0])}
    for box, role_box, _ in pairs:
        role_box.order = min(role_box.order, places[box])
    columns.append(_ordered(right))
    height = max(map(_place, columns))
    lines = [(*ends, 1 + math.log2(number) / 3) for ends, number in pairs.items()]
    return Picture(columns, sorted(lines, key=lambda each: each[2] == REFUSED), height)


def _answers(inventory: Inventory) -> Iterator[tuple[str, str, tuple[str, tuple[str, ...]]]]:
    """Yield each role, what it says, and to which service accounts of which cluster."""
    for each in inventory.admissions:
        yield each.role, each.decision.value, (each.cluster, tuple(each.service_accounts))
    for finding in inventory.findings:
        if finding.service_account and finding.role and finding.kind in WAYS:
            yield finding.role, WAYS[finding.kind], (finding.cluster, (finding.service_account,))


def _split(arn: str) -> tuple[str, str]:
    """Return the AWS account and the name of a role; of what is no ARN of a role, no AWS account."""
    before, _, name = arn.partition(":role/")
    return (before.rpartition(":")[2], name) if name else ("", arn)


def _boxes(items: Mapping[Item, tuple[str, str, str]], what: str) -> dict[Item, Box]:
    """Return the box of each item, by its group, name and kind: its own or, where these are too many, its kind's."""
    is_single, several = len(items) <= MOST, len({group for group, *_ in items.values()}) > 1
    keys = {item: (group, name if is_single else kind) for item, (group, name, kind) in items.items()}
    sizes = Counter(keys.values())
    own = [key for key, _ in sizes.most_common(MOST if len(sizes) <= MOST else MOST - 1)]
    others = Box("", f"{len(sizes) - len(own):,} more {what}", "")
    boxes = {}
    for group, label in own:
        words = [group] if several and not is_single else []
        boxes[group, label] = Box(group, label, " ".join([*words, *([label] if label != NO_FINDING else [])]))
    found = {item: boxes.get(key, others) for item, key in keys.items()}
    for box in found.values():
        box.members += 1
    return found


def _ordered(boxes: Mapping[Item, Box]) -> list[Box]:
    """Return each box once: by group, those of several groups last."""
    return sorted({*boxes.values()}, key=lambda each: (not each.group, each.group, each.order, each.label))


def _place(column: Sequence[Box]) -> int:
    """Set the place of the middle of each box of a column, and return the height of the column."""
    height, group = 0, None
    for box in column:
        height += ROW + (HEADING if box.group != group else 0)
        box.y, group = height - ROW // 2, box.group
    return height
