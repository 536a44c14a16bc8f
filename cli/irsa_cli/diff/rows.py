"""What `irsa diff` found: rows, from which its text, Markdown and JSON come, and of which its gates ask. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from irsa.evaluation.patterns import overlap
from irsa.rules.mistakes import named
from irsa.rules.trust import ASSUME_ROLE, TAG_SESSION
from irsa_world.exits import COULD_NOT_LOOK, FINDINGS, GOOD
from irsa_world.message import first_few
from irsa_world.model import known_arn, role_name
from irsa_world.state.preview import DELETE, REPLACE

Kind = Literal["unread", "session", "principals", "permission", "guard", "resource", "document", "note"]
Certainty = Literal["certain", "may", "cannot tell"]
Danger = Literal["", "dangerous", "may be dangerous"]
CERTAIN: Certainty = "certain"
CANNOT_TELL: Certainty = "cannot tell"
DANGEROUS: Danger = "dangerous"
NOBODY = "nobody"


@dataclass(frozen=True)
class Row:
    """One change.

    Attributes:
        kind: `session`: who may assume a role. `principals`: that it trusts others than service accounts. `permission`:
            what a role may do. `guard`: what a guard stops. `resource`: what is deleted or replaced. `document`: a
            policy document. `unread`: why irsa compares only a part. `note`: what else to know.
        change: `gains` or `loses`; of a resource, `delete` or `replace`; `changes way`, from IRSA to EKS Pod Identity
            or back; else `changes`.
        certainty: `certain`; `may`: it depends on what irsa cannot evaluate or read; or `cannot tell`.
        sentence: The change in words.
        details: Further lines, such as why irsa cannot tell. Of a document, its lines, each behind `-`, `+` or a space.
        danger: Whether it is dangerous; empty where it is not.
        role: Name of the role; of one whose name IAM is going to choose, its logical name.
        role_arn: ARN of the role; empty where IAM is going to choose its name.
        who: NAMESPACE/NAME of the service account, or a pattern for several.
        but_not: Patterns within it, sorted, of those who are an exception.
        way: How its Pods get the role: `irsa` or `podIdentity`.
        where: The issuer of the cluster, without https://, or its ARN; of a guard, the cluster's key.
        then: ARN of the target role of an association, if this is about that.
        actions: Actions, and patterns of actions.
        resources: Resources, and patterns of resources.
        keys: The condition keys and policy variables that decide.
        policies: ARNs of managed policies that are attached or detached and not the stack's own.
    """

    kind: Kind
    change: str
    sentence: str
    certainty: Certainty = CERTAIN
    details: Sequence[str] = ()
    danger: Danger = ""
    role: str = ""
    role_arn: str = ""
    who: str = ""
    but_not: Sequence[str] = ()
    way: str = ""
    where: str = ""
    then: str = ""
    actions: Sequence[str] = ()
    resources: Sequence[str] = ()
    keys: Sequence[str] = ()
    policies: Sequence[str] = ()


@dataclass(frozen=True)
class Diff:
    """What a preview would change.

    Attributes:
        stack: Name of the stack.
        rows: What changes, what is dangerous first.
        operations: How many resources change, by what happens to them.
        unchanged: Number of resources that stay as they are.
    """

    stack: str
    rows: Sequence[Row] = ()
    operations: Mapping[str, int] = field(default_factory=dict)
    unchanged: int = 0


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Return rows so that the end of a long comment, which is cut, has what matters least."""
    return sorted(rows, key=_place)


def _place(row: Row) -> tuple[bool, ...]:
    return row.kind != "unread", not row.danger, row.certainty != CANNOT_TELL, row.kind in {"document", "note"}


def some(names: Iterable[str]) -> str:
    """Return the first of some names that others wrote, and how many more there are."""
    return ", ".join(first_few([*map(named, names)]))


def roles_named(arns: Iterable[str]) -> Callable[[str], str]:
    """Return a function from the ARN of a role to its name in a sentence; where two have one, to its ARN."""
    alike = Counter(map(role_name, {*arns}))

    def text(arn: str) -> str:
        name = role_name(arn)
        # IAM takes that name, too.
        return named(arn) if alike[name] > 1 and known_arn(arn) else f'"{name}"' if name == NOBODY else named(name)

    return text


# --- gates ------------------------------------------------------------------------------------------------------------


def _may_assume(row: Row) -> bool:
    # Without sts:TagSession, a session with tags is refused.
    assuming = (f"{ASSUME_ROLE.lower()}*", TAG_SESSION.lower())
    return any(overlap(each.lower(), one) for each in row.actions for one in assuming)


def _is_unread(row: Row) -> bool:
    return row.kind == "unread" and row.certainty == CANNOT_TELL


# What a gate before `pulumi up` stops at. What irsa cannot tell counts: a gate must not let it pass.
_STOPS: Mapping[str, Callable[[Row], bool]] = {
    "gains": lambda row: (
        row.kind in {"session", "principals"}
        or (row.kind == "permission" and (row.certainty == CANNOT_TELL or _may_assume(row)))
    ),
    "permissions": lambda row: row.kind == "permission",
    "dangerous": lambda row: bool(row.danger) or (row.certainty == CANNOT_TELL and row.kind in {"permission", "guard"}),
    "replaces": lambda row: row.change == REPLACE,
    "deletes": lambda row: row.change == DELETE,
}
GATES = tuple(_STOPS)
_OF_WORLDS = ("gains", "permissions", "dangerous")


def stopping(gate: str, rows: Iterable[Row]) -> list[Row]:
    """Return the rows at which a gate stops."""
    # A guard that stops less is dangerous, too.
    able = [each for each in rows if each.change != "loses" or each.danger]
    return [each for each in able if _STOPS[gate](each) or (gate in _OF_WORLDS and _is_unread(each))]


def exit_code(stopped: Mapping[str, Sequence[Row]]) -> int:
    """Return the exit code, by the rows at which gates stop: a finding wins over what irsa cannot tell."""
    certain = [
        each.certainty == CERTAIN and (gate != DANGEROUS or each.danger == DANGEROUS)
        for gate, rows in stopped.items()
        for each in rows
    ]
    return FINDINGS if any(certain) else COULD_NOT_LOOK if certain else GOOD
