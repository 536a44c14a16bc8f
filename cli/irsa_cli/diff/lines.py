"""A diff as lines of text: a sign in the first column, as `diff` has it, and at most 80 columns. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from irsa.evaluation.lint.permissions import POWER_OF_POLICY
from irsa.rules import commands
from irsa.rules.arns import Arn
from irsa.rules.mistakes import and_more, named, visible
from irsa.ways import IRSA, POD_IDENTITY
from irsa_cli.diff.changes import ATTACHED, ResourceChange
from irsa_cli.diff.dangers import DangerousGain
from irsa_cli.diff.guards import CANNOT_TELL, EXCEPTIONS, OFF, PODS, STRICTEST_FIRST, GuardChange
from irsa_cli.diff.output import Diff
from irsa_cli.diff.permissions import PermissionChange
from irsa_cli.diff.questions import KINDS, Undecided
from irsa_cli.diff.who import Right
from irsa_world.message import first_few
from irsa_world.state.preview import CREATE, DELETE, IMPORT, REPLACE, UPDATE
from irsa_world.wrapped import WIDTH, columns

EVERYBODY, NOBODY = "*/*", "nobody"
ADDED, REMOVED, CHANGED = "+", "-", "~"
SIGNS = {"create": ADDED, "import": ADDED, DELETE: REMOVED}
OWN_KINDS = {kind.word for kind in KINDS.values()}
OWN_WORDS = {CREATE, UPDATE, REPLACE, DELETE, IMPORT, *ATTACHED.values()}
AVOIDERS = {
    "user": "user",
    "userPrefix": "users that begin with",
    "group": "group",
    "namespace": "who may edit ConfigMaps in",
}
AVOID = "more may avoid it"
GUARD_WORDS = {"deny": "are refused", "warn": "get a warning", OFF: "are allowed"}
OF_NO_BINDING = "resources of no binding"
NOT_SEEN = {
    "state": "what others changed in AWS or Kubernetes (--refresh reads it)",
    "live": "policies that others put on its roles (`irsa verify` reads them)",
}


# What has the name and the ARN of a role.
OfRole = Right | Undecided | PermissionChange | DangerousGain


class Row(NamedTuple):
    """A line; where it is longer than 80 columns, several.

    Attributes:
        sign: What it says of the rest: added, removed, changed; empty for a heading.
        depth: How far it is indented.
        pieces: Its parts, none of which is broken.
    """

    sign: str
    depth: int
    pieces: Sequence[str]

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


def failed_rows(diff: Diff) -> list[Row]:
    """Return why what follows may not be the whole truth: the state was not read, or is not what AWS has."""
    rows = []
    if diff.state_not_read:
        text = "the state was not read, so more may be gained and lost than what follows says:"
        rows.append(Row(CHANGED, 0, [*text.split(), *diff.state_not_read.split()]))
    if not diff.failed_updates:
        return rows
    text = (
        f"the last update of {_some(diff.failed_updates)} failed: AWS may still have what was there before, and what "
        "follows does not say so. Run"
    )
    return [*rows, Row(CHANGED, 0, [*text.split(), f"`{commands.up(diff.stack)}`"])]


def headline(diff: Diff) -> list[tuple[str, str]]:
    """Return who gains and loses the right to assume a role, and what roles may do: each part's name and text."""
    more = {
        "permissions": [" ".join(each.pieces) for each in permission_rows(diff)],
        "guard": [" ".join(guard_row(each).pieces[1:]) for each in diff.guard],
    }
    dangerous = dict.fromkeys(" ".join(each) for each in _dangerous(diff))
    return [
        *([("dangerous", ", ".join(first_few([*dangerous])))] if dangerous else []),
        *_who(_parts(diff)),
        *((name, ", ".join([those[0], *and_more(len(those), 1)])) for name, those in more.items() if those),
    ]


def _dangerous(diff: Diff) -> Iterator[list[str]]:
    """Yield who newly may assume a role of which that is dangerous, in words."""
    role = _role_text(diff)
    for each in diff.dangerous:
        who = "every service account" if each.who == EVERYBODY else named(each.who)
        yield [*([who, "->"] if each.who else []), role(each), *(["->", named(each.then)] if each.then else [])]


def danger_rows(diff: Diff) -> list[Row]:
    """Return who newly may assume a role of which that is dangerous, and why, a line each."""
    return [
        Row(CHANGED if CANNOT_TELL in each.reason else ADDED, 0, ["dangerous:", *who, *f"({each.reason})".split()])
        for each, who in zip(diff.dangerous, _dangerous(diff), strict=True)
    ]


def permission_rows(diff: Diff) -> list[Row]:
    """Return what roles may do that they could not before, and what no more, a line each."""
    role = _role_text(diff)
    undecided = (
        Row(CHANGED, 0, [role(each), "permissions: cannot tell:", *each.reason.split()])
        for each in diff.permissions_cannot_tell
    )
    return [*(permission_row(each, role(each)) for each in diff.permissions), *undecided]


def permission_row(each: PermissionChange, *start: str) -> Row:
    """Return what is gained or lost as a line, which begins so."""
    sign = CHANGED if each.extent == "cannot tell" else ADDED if each.change == "gains" else REMOVED
    word = f"may {each.change.removesuffix('s')}" if sign == CHANGED else each.change
    some = ["some of"] if each.extent == "some" else []
    what = [*_some(each.actions).split(), "on", *_some(each.resources).split()]
    if each.policy:
        is_known = each.read or Arn.name_in(each.policy) in POWER_OF_POLICY
        not_read = [] if is_known else ["(not", "read:", "cannot", "tell", "what", "it", "gives)"]
        what = ["policy", named(each.policy), *not_read]
    if each.keys:
        what += [*("(depends on" if sign == CHANGED else "(where").split(), f"{_some(each.keys)})"]
    if each.service_accounts:
        what += f"(assumed by {_some(each.service_accounts)})".split()
    return Row(sign, 0, [*start, word, *some, *what])


def guard_row(each: GuardChange) -> Row:
    """Return what the guard of a cluster does otherwise than before, as a line."""
    where = f" in {named(each.cluster)}" if each.cluster else ""
    if each.after == CANNOT_TELL:
        what = f"whether {AVOID}" if each.what == EXCEPTIONS else "whose Pods are refused"
        text = f"guard: cannot tell {what}{where}: its recorded settings do not say it"
        return Row(CHANGED, 0, text.split(" "))
    if each.who:
        who = ", ".join(first_few([f"{AVOIDERS[one.kind]} {named(one.name)}" for one in each.who]))
        return Row(ADDED, 0, f"guard: {AVOID}{where}: {who}".split(" "))
    count = len(each.service_accounts)
    accounts = "1 service account without its" if count == 1 else f"{count:,} service accounts without their"
    what = f"Pods of {accounts} identity" if each.what == PODS else "role annotations other than declared"
    was = "" if each.before == OFF else f", was {each.before}"
    names = f": {_some(each.service_accounts)}" if each.service_accounts else ""
    looser = STRICTEST_FIRST.index(each.after) > STRICTEST_FIRST.index(each.before)
    sign = REMOVED if looser else ADDED if each.after == "deny" else CHANGED
    text = f"guard: {what} {GUARD_WORDS[each.after]} ({each.after}{was}){where}{names}"
    return Row(sign, 0, text.split(" "))


def _who(said: Iterable[tuple[str, str, Row]]) -> list[tuple[str, str]]:
    parts: dict[str, list[str]] = {"gains": [], "loses": []}
    for name, text, _ in said:
        parts.setdefault(name, []).append(text)
    whole = [(name, ", ".join(those) or NOBODY) for name, those in parts.items()]
    if len(_headline_row(whole).lines) == 1:
        return whole
    return [(name, f"{len(those):,} (below)" if those else NOBODY) for name, those in parts.items()]


def _headline_row(parts: Sequence[tuple[str, str]]) -> Row:
    text = "; ".join(f"{name}: {those}" for name, those in parts)
    return Row("", 0, text.split(" "))


def right_rows(diff: Diff) -> list[Row]:
    """Return who gains and loses the right, and what roles may do, a line each, where the headline does not say all.

    What may be dangerous comes first: the end of a long comment is cut.
    """
    more = any(each.such_as or each.but_not or each.at_most for _, _, those in _rights(diff) for each in those)
    said = [*_parts(diff)]
    says_all = not (more or diff.cannot_tell or any("(below)" in those for _, those in _who(said)))
    permissions = permission_rows(diff)
    risky = [*(each.may_be_dangerous for each in diff.permissions), *(True for _ in diff.permissions_cannot_tell)]
    guards = [(guard_row(each), each.may_be_dangerous) for each in diff.guard]
    rows = [
        *((row, True) for row in danger_rows(diff)),
        *((row, False) for _, _, row in said if not says_all),
        *(zip(permissions, risky, strict=True) if len(permissions) > 1 else ()),
        *(guards if len(guards) > 1 else ()),
    ]
    return [row for row, _ in sorted(rows, key=lambda each: not each[1])]


def _rights(diff: Diff) -> list[tuple[str, str, Sequence[Right]]]:
    return [
        ("gains", ADDED, diff.gains),
        ("loses", REMOVED, diff.loses),
        ("may gain", CHANGED, diff.may_gain),
        ("may lose", CHANGED, diff.may_lose),
    ]


BY = {IRSA.key: "IRSA", POD_IDENTITY.key: "EKS Pod Identity"}


def _parts(diff: Diff) -> Iterator[tuple[str, str, Row]]:
    """Yield what the headline says: the name of its part, the text there, and the row of its own."""
    role = _role_text(diff)
    every = [each for _, _, those in _rights(diff) for each in those]
    several = bool(diff.clusters) or len({each.issuer for each in every} - {""}) > 1
    several |= len({each.cluster_arn for each in every} - {""}) > 1

    def right(each: Right) -> list[str]:
        who = "every service account" if each.service_account == EVERYBODY else named(each.service_account)
        place = diff.clusters.get(each.issuer) or each.issuer or each.cluster_arn
        where = ["in", named(place)] if place and several else []
        where += ["by", BY[each.way]] if each.way == POD_IDENTITY.key else []
        then = ["->", named(each.then)] if each.then else []
        then += ["(if its trust", "policy allows it)"] if each.if_trusted else []
        holder = [who, *where, "->"] if each.service_account else []
        return [*holder, role(each), *then, *_but_not(each)]

    for name, sign, those in _rights(diff):
        word = [f"{name}:"] if sign == CHANGED else []
        for each in those:
            such_as = f"(such as {_some(each.such_as)})".split() if each.such_as else []
            yield name, " ".join(right(each)), Row(sign, 0, [*word, *right(each), *such_as])
    for each in diff.changes_way:
        yield "changes its way", " ".join(right(each)), Row(CHANGED, 0, ["changes its way:", *right(each)])
    for undecided in diff.cannot_tell:
        which = role(undecided)
        yield "cannot tell", which, Row(CHANGED, 0, ["cannot tell:", f"{which}:", *undecided.reason.split()])
    for which in map(_role_name, diff.other_principals):
        yield "other principals", which, Row(CHANGED, 0, ["other principals:", which])


def _role_text(diff: Diff) -> Callable[[OfRole], str]:
    """Return a function from what is about a role to its name; where two have one, to its ARN."""
    rights = [each for _, _, those in _rights(diff) for each in those]
    undecided = (*diff.cannot_tell, *diff.permissions_cannot_tell)
    every: tuple[OfRole, ...] = (*rights, *undecided, *diff.permissions, *diff.dangerous)
    alike = Counter(name for name, _ in {(each.role, each.role_arn) for each in every})

    return lambda each: named(each.role_arn) if each.role_arn and alike[each.role] > 1 else _role_name(each.role)


def _role_name(name: str) -> str:
    # IAM takes that name, too.
    return f'"{NOBODY}"' if name == NOBODY else named(name)


def _but_not(right: Right) -> Iterator[str]:
    if right.but_not or right.at_most:
        others = "others" if right.at_most else ""
        yield from f"(but not {' and '.join(filter(None, (_some(right.but_not), others)))})".split()


def _some(names: Sequence[str]) -> str:
    return ", ".join(first_few([*map(named, names)]))


def resource_rows(change: ResourceChange) -> list[Row]:
    """Return what changes of a resource."""
    kind = change.kind if change.kind in OWN_KINDS else named(change.kind)
    name = [named(change.name), "in", named(change.cluster)] if change.cluster else [named(change.name)]
    pieces = [kind, *name[:-1], f"{name[-1]}:", change.word if change.word in OWN_WORDS else named(change.word)]
    if change.replaced_for:
        pieces += ["(cannot change", "in place:", f"{', '.join(map(named, change.replaced_for))})"]
    if change.retained:
        pieces += ["(it stays in", "the cloud:", "retainOnDelete)"]
    if change.operation == UPDATE and not change.lines and not change.settings:
        pieces += ["(nothing differs", "in meaning)"]
    rows = [Row(SIGNS.get(change.operation, CHANGED), 0, pieces)]
    if change.lines:
        rows.append(Row(CHANGED, 1, [f"{change.document}:"]))
    for line in change.lines:
        place, colon, value = line.text.strip().partition(": ")
        where, values = " ".join(map(named, place.split(" ", 2))), [named(value)] if value else []
        rows.append(Row(line.sign, 3 if line.text[:1] == " " else 2, [f"{where}{colon.rstrip()}", *values]))
    if change.settings:
        which = "other settings" if change.lines else "settings"
        rows.append(Row(CHANGED, 1, [which, "(`pulumi preview --diff`):", *_some(change.settings).split()]))
    return rows


def summary(diff: Diff) -> Row:
    """Return how many bindings and resources change."""
    resources = [*(each for binding in diff.bindings for each in binding.resources), *diff.other]
    words = Counter(each.word for each in resources)
    counts = ", ".join(f"{count:,} {word if word in OWN_WORDS else named(word)}" for word, count in words.items())
    changing = sum(bool(each.resources) for each in diff.bindings)
    bindings = f"{f'{changing:,}' if changing else 'no'} {'binding changes' if changing == 1 else 'bindings change'}"
    changes = f"{bindings}; resources: {counts}, " if counts else "no changes; resources: "
    text = f"{changes}{diff.unchanged:,} unchanged"
    return Row("", 0, [f"stack {named(diff.stack)}:", *text.split()])


def note_rows(diff: Diff) -> list[Row]:
    """Return what the preview warns of, and what was not read."""
    return [
        *(Row(CHANGED, 0, ["warning:", *each.split()]) for each in diff.warnings),
        *(Row(CHANGED, 0, ["not read:", *each.split()]) for each in diff.not_read),
        Row(CHANGED, 0, ["not seen:", *NOT_SEEN[diff.before].split()]),
    ]


def sections(diff: Diff) -> Iterator[tuple[str | None, list[Row]]]:
    """Yield each binding that changes with its key, and the resources of none."""
    for heading, resources in [*((named(each.key), each.resources) for each in diff.bindings), (None, diff.other)]:
        if rows := [row for each in resources for row in resource_rows(each)]:
            yield heading, rows


def rows_of(diff: Diff) -> Iterator[Row]:
    """Yield the whole diff."""
    yield from failed_rows(diff)
    yield _headline_row(headline(diff))
    yield from right_rows(diff)
    for heading, rows in sections(diff):
        yield from (Row("", 0, [""]), Row("", 0, [heading or OF_NO_BINDING]), *rows)
    yield from (Row("", 0, [""]), *note_rows(diff), Row("", 0, [""]), summary(diff))
