"""A diff as lines of text: a sign in the first column, as `diff` has it, and at most 80 columns. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from irsa.evaluation.lint.wide_permissions import POWER_OF_POLICY
from irsa.rules import commands
from irsa.rules.arns import Arn
from irsa.rules.mistakes import and_more, named, visible
from irsa.ways import POD_IDENTITY
from irsa_cli.diff.changes import ResourceChange
from irsa_cli.diff.dangers import DangerousGain
from irsa_cli.diff.guards import CANNOT_TELL, EXCEPTIONS, OFF, PODS, STRICTEST_FIRST, GuardChange
from irsa_cli.diff.output import Diff
from irsa_cli.diff.permissions import PermissionChange
from irsa_cli.diff.questions import KINDS, Undecided
from irsa_cli.diff.who import Right
from irsa_world.message import first_few
from irsa_world.state.preview import CREATE, DELETE, IMPORT, REPLACE
from irsa_world.wrapped import WIDTH, columns

EVERYBODY, NOBODY = "*/*", "nobody"
CHANGES_WAY, SAME_CLUSTER = "changes its way", "(cannot tell whether it is the same cluster)"
ADDED, REMOVED, CHANGED = "+", "-", "~"
SIGNS = {CREATE: ADDED, IMPORT: ADDED, DELETE: REMOVED}
OWN_KINDS = {kind.word for kind in KINDS.values()}
AVOIDERS = {
    "user": "user",
    "userPrefix": "users that begin with",
    "group": "group",
    "namespace": "who may edit ConfigMaps in",
}
AVOID = "more may avoid it"
GUARD_WORDS = {"deny": "are refused", "warn": "get a warning", OFF: "are allowed"}
NOT_SEEN = {
    "state": "what others changed in AWS or Kubernetes (--refresh reads it)",
    "live": "policies that others put on its roles (`irsa verify` reads them)",
}


# What has the name and the ARN of a role.
OfRole = Right | Undecided | PermissionChange | DangerousGain
Name = Callable[[OfRole], str]


class Row(NamedTuple):
    """A line; where it is longer than 80 columns, several.

    Attributes:
        sign: What it says of the rest: added, removed, changed; empty for a heading.
        pieces: Its parts, none of which is broken.
        depth: How far it is indented.
    """

    sign: str
    pieces: Sequence[str]
    depth: int = 0

    @property
    def lines(self) -> list[str]:
        """The row as lines of text."""
        start = f"{self.sign} {'  ' * self.depth}" if self.sign else ""
        first, *others = map(visible, self.pieces)
        lines, width = [[start + first]], columns(start + first)
        for piece in others:
            width += 1 + columns(piece)
            if width <= WIDTH:
                lines[-1].append(piece)
            else:
                lines.append([f"{start}    {piece}"])
                width = columns(lines[-1][0])
        return [" ".join(each) for each in lines]


def failed_rows(diff: Diff) -> Iterator[Row]:
    """Yield why what follows may not be the whole truth: the state was not read, or is not what AWS has."""
    if diff.state_not_read:
        text = "the state was not read, so more may be gained and lost than what follows says:"
        yield Row(CHANGED, [*text.split(), *diff.state_not_read.split()])
    if diff.failed_updates:
        text = f"the last update of {_some(diff.failed_updates)} failed: AWS may still have what was there before. Run"
        yield Row(CHANGED, [*text.split(" "), f"`{commands.up(diff.stack)}`"])


def headline(diff: Diff) -> list[tuple[str, str]]:
    """Return the first of each kind of change, and how many more there are."""
    role = _role_text(diff)
    parts: dict[str, list[str]] = {"dangerous": [*dict.fromkeys(" ".join(each) for each in _dangerous(diff, role))]}
    parts |= {"gains": [], "loses": []}
    for name, text, _ in _rights(diff, role):
        parts.setdefault(name, []).append(text)
    parts["permissions"] = [" ".join(each.pieces) for each in _permission_rows(diff, role)]
    parts["guard"] = [" ".join(guard_row(each).pieces[1:]) for each in diff.guard]
    return [
        (name, ", ".join([*those[:1], *and_more(len(those), 1)]) or NOBODY)
        for name, those in parts.items()
        if those or name in {"gains", "loses"}
    ]


def told_rows(diff: Diff) -> list[Row]:
    """Return who gains and loses the right, what roles may do, and what guards do, a line each.

    What may be dangerous comes first: the end of a long comment is cut.
    """
    role = _role_text(diff)
    permissions = [*(each.may_be_dangerous for each in diff.permissions), *(True for _ in diff.permissions_cannot_tell)]
    dangerous = zip(diff.dangerous, _dangerous(diff, role), strict=True)
    rows = [
        *((_danger_row(each, who), True) for each, who in dangerous),
        *((row, False) for _, _, row in _rights(diff, role)),
        *zip(_permission_rows(diff, role), permissions, strict=True),
        *((guard_row(each), each.may_be_dangerous) for each in diff.guard),
    ]
    return [row for row, _ in sorted(rows, key=lambda each: not each[1])]


def _dangerous(diff: Diff, role: Name) -> Iterator[list[str]]:
    """Yield who newly may assume a role of which that is dangerous, in words."""
    for each in diff.dangerous:
        yield [
            *([_who(each.who), "->"] if each.who else []),
            role(each),
            *(["->", named(each.then)] if each.then else []),
        ]


def _danger_row(each: DangerousGain, who: Iterable[str]) -> Row:
    sign = CHANGED if CANNOT_TELL in each.reason else ADDED
    return Row(sign, ["dangerous:", *who, *f"({each.reason})".split()])


def _who(name: str) -> str:
    return "every service account" if name == EVERYBODY else named(name)


def _permission_rows(diff: Diff, role: Name) -> Iterator[Row]:
    yield from (permission_row(each, role(each)) for each in diff.permissions)
    for each in diff.permissions_cannot_tell:
        yield Row(CHANGED, [role(each), "permissions: cannot tell:", *each.reason.split()])


def permission_row(each: PermissionChange, *start: str) -> Row:
    """Return what is gained or lost as a line, which begins so."""
    sign = CHANGED if each.extent == "cannot tell" else ADDED if each.change == "gains" else REMOVED
    word = f"may {each.change.removesuffix('s')}" if sign == CHANGED else each.change
    some = ["some of"] if each.extent == "some" else []
    what = [*_some(each.actions).split(), "on", *_some(each.resources).split()]
    if each.policy:
        is_known = each.read or Arn.name_in(each.policy) in POWER_OF_POLICY
        what = ["policy", named(each.policy), *("" if is_known else "(not read: cannot tell what it gives)").split()]
    if each.keys:
        what += [*("(depends on" if sign == CHANGED else "(where").split(), f"{_some(each.keys)})"]
    if each.service_accounts:
        what += f"(assumed by {_some(each.service_accounts)})".split()
    return Row(sign, [*start, word, *some, *what])


def guard_row(each: GuardChange) -> Row:
    """Return what the guard of a cluster does otherwise than before, as a line."""
    where = f" in {named(each.cluster)}" if each.cluster else ""
    if each.after == CANNOT_TELL:
        what = f"whether {AVOID}" if each.what == EXCEPTIONS else "whose Pods are refused"
        return Row(CHANGED, f"guard: cannot tell {what}{where}: its recorded settings do not say it".split(" "))
    if each.who:
        who = _few(f"{AVOIDERS[one.kind]} {named(one.name)}" for one in each.who)
        return Row(ADDED, f"guard: {AVOID}{where}: {who}".split(" "))
    what = "Pods without the identity of" if each.what == PODS else "role annotations other than declared"
    was = "" if each.before == OFF else f", was {each.before}"
    names = f" {_some(each.service_accounts)}" if each.service_accounts else ""
    looser = STRICTEST_FIRST.index(each.after) > STRICTEST_FIRST.index(each.before)
    sign = REMOVED if looser else ADDED if each.after == "deny" else CHANGED
    return Row(sign, f"guard: {what}{names} {GUARD_WORDS[each.after]} ({each.after}{was}){where}".split(" "))


def _rights(diff: Diff, role: Name) -> Iterator[tuple[str, str, Row]]:
    """Yield each right that changes: the name of its part in the headline, the text there, and its row."""
    every = [each for _, _, those in _kinds(diff) for each in those]
    several = bool(diff.clusters) or len({each.issuer or each.cluster_arn for each in every}) > 1
    for name, sign, those in _kinds(diff):
        word = [f"{name}:"] if sign == CHANGED else []
        for each in those:
            place = diff.clusters.get(each.issuer) or each.issuer or each.cluster_arn
            where = ["in", named(place)] if place and several else []
            where += ["by", "EKS Pod Identity"] if each.way == POD_IDENTITY.key else []
            then = ["->", named(each.then)] if each.then else []
            then += ["(if its trust", "policy allows it)"] if each.if_trusted else []
            but = f"(but not {_some(each.but_not)})".split() if each.but_not else []
            holder = [_who(each.service_account), *where, "->"] if each.service_account else []
            right = [*holder, role(each), *then, *but]
            unsure = SAME_CLUSTER.split() if name == CHANGES_WAY else []
            yield name, " ".join(right), Row(sign, [*word, *right, *unsure])
    for undecided in diff.cannot_tell:
        which = role(undecided)
        yield "cannot tell", which, Row(CHANGED, ["cannot tell:", f"{which}:", *undecided.reason.split()])
    for which in map(_role_name, diff.other_principals):
        yield "other principals", which, Row(CHANGED, ["other principals:", which])


def _kinds(diff: Diff) -> list[tuple[str, str, Sequence[Right]]]:
    return [
        ("gains", ADDED, diff.gains),
        ("loses", REMOVED, diff.loses),
        ("may gain", CHANGED, diff.may_gain),
        ("may lose", CHANGED, diff.may_lose),
        (CHANGES_WAY, CHANGED, diff.changes_way),
    ]


def _role_text(diff: Diff) -> Name:
    """Return a function from what is about a role to its name; where two have one, to its ARN."""
    rights = [each for _, _, those in _kinds(diff) for each in those]
    undecided = (*diff.cannot_tell, *diff.permissions_cannot_tell)
    every: tuple[OfRole, ...] = (*rights, *undecided, *diff.permissions, *diff.dangerous)
    alike = Counter(name for name, _ in {(each.role, each.role_arn) for each in every})

    return lambda each: named(each.role_arn) if each.role_arn and alike[each.role] > 1 else _role_name(each.role)


def _role_name(name: str) -> str:
    # IAM takes that name, too.
    return f'"{NOBODY}"' if name == NOBODY else named(name)


def _some(names: Iterable[str]) -> str:
    return _few(map(named, names))


def _few(names: Iterable[str]) -> str:
    return ", ".join(first_few([*names]))


# --- resources --------------------------------------------------------------------------------------------------------


def document_rows(diff: Diff) -> Iterator[Row]:
    """Yield the policy documents that change, each after the name of its resource."""
    alike = Counter((each.kind, each.name) for each in diff.resources)
    for each in diff.resources:
        if each.lines:
            # In two AWS accounts, two may have one name.
            name = each.name if alike[each.kind, each.name] == 1 else each.urn.split("::", 2)[-1]
            sign = SIGNS.get(each.operation, CHANGED)
            yield Row(sign, [each.kind, f"{named(name)}:", each.document])
        for line in each.lines:
            place, colon, value = line.text.strip().partition(": ")
            where, values = " ".join(map(named, place.split(" ", 2))), [named(value)] if value else []
            yield Row(line.sign, [f"{where}{colon.rstrip()}", *values], 2 if line.text[:1] == " " else 1)


def setting_rows(diff: Diff) -> Iterator[Row]:
    """Yield what is deleted or replaced, and the names of the settings that change: a line each."""
    for operation, sign in ((DELETE, REMOVED), (REPLACE, CHANGED)):
        if those := [_named(each) for each in diff.resources if each.operation == operation]:
            yield Row(sign, [f"{operation}:", *_few(those).split(" ")])
    if settings := dict.fromkeys(name for each in diff.resources for name in each.settings):
        yield Row(CHANGED, ["other settings", "(`pulumi preview --diff`):", *_some(settings).split()])


def _named(change: ResourceChange) -> str:
    return f"{change.kind if change.kind in OWN_KINDS else named(change.kind)} {named(change.name)}"


def summary(diff: Diff) -> Row:
    """Return how many resources change."""
    counts = [f"{count:,} {named(word)}," for word, count in Counter(each.operation for each in diff.resources).items()]
    return Row("", [f"stack {named(diff.stack)}:", *(counts or ["no changes,"]), f"{diff.unchanged:,} unchanged"])


def note_rows(diff: Diff) -> list[Row]:
    """Return what the preview warns of, and what was not read."""
    return [
        *(Row(CHANGED, ["warning:", *each.split()]) for each in diff.warnings),
        *(Row(CHANGED, ["not read:", *each.split()]) for each in diff.not_read),
        Row(CHANGED, ["not seen:", *NOT_SEEN[diff.before].split()]),
    ]


def rows_of(diff: Diff) -> Iterator[Row]:
    """Yield the whole diff."""
    first = Row("", "; ".join(f"{name}: {those}" for name, those in headline(diff)).split(" "))
    blocks = [*failed_rows(diff), first, *told_rows(diff)], [*document_rows(diff), *setting_rows(diff)], note_rows(diff)
    for block in filter(None, blocks):
        yield from (*block, Row("", [""]))
    yield summary(diff)
