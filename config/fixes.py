"""What `irsa check --fix` writes: fixes that are certain, as changes of the text, so that all else stays as it is."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import yaml

from config.lint import RULES
from config.lint.add_ons import newest_version
from config.located_mistake import LocatedMistake
from config.pydantic_errors import BOOLEANS, annotation_at, keys_at
from config.scalars import other_key, scalar
from config.stack_file import StackFile
from irsa.rules import grammar
from irsa.rules.combinations import ADOPTABLE
from irsa.rules.mistakes import Place, likely, nearest, path_of, visible

# Below it, a key that looks like another one may be something else.
ALIKE = 0.8
# Keys of mappings that no model describes, by the last key above them.
KEYS: dict[str, Collection[str]] = {
    "document": grammar.DOCUMENT_ELEMENTS,
    "Statement": grammar.STATEMENT_ELEMENTS,
    "statements": grammar.TRUST_ELEMENTS,
    "Condition": grammar.OPERATORS,
    "conditions": grammar.OPERATORS,
    "Principal": grammar.PRINCIPALS,
    "silence": RULES,
}
VALUES: dict[str, Collection[str]] = {"import": ADOPTABLE, "errors": RULES, "Effect": grammar.EFFECTS}
# The lint rule whose warnings are fixed too, by a key.
VERSION = "add-on-version"
# What is before an added key.
ADDED = ", \r\n"
# Values that are keys of another setting.
REFERENCES = {"account": "accounts", "clusters": "clusters"}


class WithMistakes(Protocol):
    """A stack file that was checked, and all mistakes of that check."""

    @property
    def file(self) -> StackFile:
        """The file."""

    @property
    def mistakes(self) -> Sequence[LocatedMistake]:
        """Its mistakes."""

    @property
    def warnings(self) -> Sequence[LocatedMistake]:
        """Its warnings."""


T = TypeVar("T", bound=WithMistakes)


class Fix(NamedTuple):
    """A change of a stack file: from one index of its text to another, the new text takes the place of the old, if any.

    Its place is that of the mistake in the `irsa:` settings, or the line alone of what is in none.
    """

    place: Place
    line: int
    start: int
    end: int
    old: str
    new: str
    is_key: bool

    @property
    def new_place(self) -> Place:
        """The place after it, which has the new key."""
        return (*self.place[:-1], self.new.strip("'\"").rpartition(":")[2]) if self.is_key else self.place

    @property
    def path(self) -> str:
        """The path of the mistake in the stack file; empty outside of the `irsa:` settings."""
        return f"irsa:{path_of(self.place)}" if isinstance(self.place[0], str) else ""

    def __str__(self) -> str:
        """Return where it is, and what takes the place of what, or is added."""
        change = f"{self.old} -> {self.new}" if self.old else f"added {self.new.lstrip(ADDED)}"
        return visible(": ".join(filter(None, [self.path, change])))


def fixed(
    examined: T, check: Callable[[str], T], refused: set[tuple[Place, str]] | None = None, warnings: bool = False
) -> tuple[T, list[Fix]]:
    """Return the stack file with everything fixed that is certain, and the fixes.

    A fix stays only where a mistake at its place is gone, and where it brings no other mistake. Each check is of the
    whole file: what is below a key is not tried anew for each change beside that key.

    Args:
        examined: The stack file as it is.
        check: Checks the file with another text.
        refused: Changes that were unsure before; those that are now are added to them.
        warnings: Whether warnings are fixed, too. A new one is none that a fix brings.
    """

    def to_fix(each: T) -> Sequence[LocatedMistake]:
        return [*each.mistakes, *(one for one in each.warnings if warnings and one.rule == VERSION)]

    refused = set() if refused is None else refused
    done: list[Fix] = []
    inherited = frozenset(refused)
    before = _signatures(to_fix(examined))
    candidates = _candidates(to_fix(examined), examined.file, refused)
    while candidates:
        after = check(_changed(examined.file.text, candidates))
        more: list[Fix] = []
        new = _places(_signatures(after.mistakes) - before)
        keys = {each.new_place for each in candidates if each.is_key}
        if new and all(keys & _above(place) for place in new):
            # What is below a misspelled key comes to light with the right one.
            after, more = fixed(after, check, refused, warnings)
        now = _signatures(to_fix(after))
        gone, new = _places(before - now), _places(_signatures(after.mistakes) - before)
        unsure = [each for each in candidates if each.place not in gone] or _behind(new, candidates)
        if unsure:
            refused |= {(each.place, each.new) for each in unsure}
            candidates = [each for each in candidates if each not in unsure]
        else:
            done += [*candidates, *more]
            # What was unsure beside another fix may be certain now.
            refused &= inherited
            examined, before, candidates = after, now, _candidates(to_fix(after), after.file, refused)
    return examined, sorted(done, key=lambda each: (each.line, each.start))


def with_fixable(before: Iterable[LocatedMistake], after: Iterable[LocatedMistake]) -> list[LocatedMistake]:
    """Return the mistakes before the fixes; those that are gone after them are marked."""
    left = _signatures(after)
    return [each._replace(fixable=_signature(each) not in left) for each in before]


def _places(signatures: Iterable[tuple[Any, ...]]) -> set[Place]:
    return {place for place, *_ in signatures}


def _above(place: Place) -> set[Place]:
    return {place[:length] for length in range(1, len(place) + 1)}


def _behind(new: Collection[Place], candidates: list[Fix]) -> list[Fix]:
    """Return the changes that may have brought the new mistakes at these places."""
    if not new:
        return []
    above = set().union(*map(_above, new))
    bindings = {place[:2] for place in new}
    return (
        [each for each in candidates if each.new_place in above]
        or [each for each in candidates if each.place[:2] in bindings]
        or candidates
    )


def _spot(mistake: LocatedMistake) -> Place:
    return mistake.place or (mistake.line or 0,)


def _signature(each: LocatedMistake) -> tuple[Any, ...]:
    """Return what tells a mistake from others, its place first; what is allowed may name a key that was fixed."""
    return _spot(each), each.within, each.file, each.rule, each.mistake.found


def _signatures(mistakes: Iterable[LocatedMistake]) -> set[tuple[Any, ...]]:
    return set(map(_signature, mistakes))


def _changed(text: str, fixes: Iterable[Fix]) -> str:
    parts, end = [], 0
    for each in sorted(fixes, key=lambda each: each.start):
        parts += [text[end : each.start], each.new]
        end = each.end
    return "".join([*parts, text[end:]])


def _candidates(
    mistakes: Iterable[LocatedMistake], file: StackFile, refused: Collection[tuple[Place, str]]
) -> list[Fix]:
    """Return the changes that may fix the mistakes, each of another part of the text, without those refused."""
    found: dict[int, Fix] = {}
    for each in mistakes:
        if each.file == file.name and not each.within:
            found |= {fix.start: fix for fix in (_added if each.rule == VERSION else _changes)(each, file)}
    # Of two keys that would become one, neither is certain.
    results = Counter((fix.place[:-1], fix.new) for fix in found.values() if fix.is_key)
    return [
        fix
        for fix in found.values()
        if (not fix.is_key or results[fix.place[:-1], fix.new] == 1) and (fix.place, fix.new) not in refused
    ]


def _changes(mistake: LocatedMistake, file: StackFile) -> Iterator[Fix]:
    """Yield the changes that may fix one mistake."""
    if not mistake.place:
        for node in file.account_ids:
            if node.start_mark.line + 1 == mistake.line:
                yield from _in_place_of(node, _in_quotes(node), _spot(mistake), file)
        return
    nodes = file.nodes_at(mistake.place)
    if nodes is None:
        return
    key, node = nodes
    new = _other_key(mistake, key, file) if isinstance(mistake.place[-1], str) else None
    if new is not None:
        yield from _in_place_of(key, new, mistake.place, file, is_key=True)
    elif isinstance(node, yaml.ScalarNode):
        yield from _in_place_of(node, _other_value(mistake, node, file), mistake.place, file)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            if isinstance(item, yaml.ScalarNode):
                yield from _in_place_of(item, _in_quotes(item), mistake.place, file)


def _in_place_of(node: Any, new: str | None, place: Place, file: StackFile, is_key: bool = False) -> Iterator[Fix]:
    """Yield the change of a scalar, if there is one and the text has the scalar as it is, without anchor or escapes."""
    start, end = node.start_mark.index, node.end_mark.index
    quote = node.style or ""
    if new is not None and file.text[start:end] == f"{quote}{node.value}{quote}":
        yield Fix(place, node.start_mark.line + 1, start, end, file.text[start:end], new, is_key)


_END_OF_LINE = re.compile(r"[\r\n]|\Z")


def _added(mistake: LocatedMistake, file: StackFile) -> Iterator[Fix]:
    """Yield the change that adds the version of an add-on: behind its name or, in block style, on the next line."""
    outer, nodes = file.nodes_at(mistake.place[:-1]), file.nodes_at(mistake.place)
    if outer is None or nodes is None:
        return
    key, node = nodes
    end = node.end_mark.index
    # Not of an alias, whose name is elsewhere, nor of a text over several lines.
    between = file.text[key.end_mark.index : node.start_mark.index]
    if node.style in ("|", ">") or not re.fullmatch(r"\s*:\s*", between):
        return
    quote = key.style or ""
    new = f"{quote}version{quote}: {newest_version(node.value, quoted=bool(quote))}"
    if outer[1].flow_style:
        new = f", {new}"
    else:
        end = next(_END_OF_LINE.finditer(file.text, end)).start()
        ending = "\r\n" if "\r\n" in file.text else "\n"
        new = f"{ending}{' ' * key.start_mark.column}{new}"
    yield Fix(mistake.place, node.start_mark.line + 1, end, end, "", new, is_key=False)


def _in_quotes(node: Any) -> str | None:
    """Return a scalar in quotes, if it has none and is no string without them."""
    value = node.value if node.style else scalar(node.value)
    return None if value in (None, node.value) else f'"{node.value}"'


def _other_key(mistake: LocatedMistake, node: Any, file: StackFile) -> str | None:
    name, outer = str(mistake.place[-1]), mistake.place[:-1]
    if not node.style and other_key(node.value):
        return f'"{node.value}"'
    known = keys_at(outer) or KEYS.get(_last_key(outer), ())
    target = _same_but_for_case(name, known) or _only_one_alike(name, known)
    # What is advised may be something else: a key of another place, for example.
    if target is None or mistake.mistake.fix != nearest(name, known, "") or file.nodes_at((*outer, target)):
        return None
    quote = node.style or ""
    return f"{quote}{node.value.removesuffix(name)}{target}{quote}"


def _other_value(mistake: LocatedMistake, node: Any, file: StackFile) -> str | None:
    kind, name = annotation_at(mistake.place), _last_key(mistake.place)
    if kind is bool:
        return BOOLEANS.get(node.value.lower())
    if kind is int:
        # The only number that the text stands for; a text such as 010 is 8 to some.
        advised = re.fullmatch("write ([0-9]+)(, without quotes)?", mistake.mistake.fix)
        return advised[1] if advised and not node.value.startswith("0") else None
    declared = file.settings.get(REFERENCES.get(name, ""))
    known = VALUES.get(name, declared if isinstance(declared, Mapping) else ())
    other = _same_but_for_case(node.value, known)
    quote = node.style or ""
    return f"{quote}{other}{quote}" if other else _in_quotes(node)


def _last_key(place: Place) -> str:
    return next((step for step in reversed(place) if isinstance(step, str)), "")


def _same_but_for_case(text: str, known: Iterable[str]) -> str | None:
    found = [each for each in known if each.lower() == text.lower() and each != text]
    return found[0] if len(found) == 1 else None


def _only_one_alike(text: str, known: Iterable[str]) -> str | None:
    found = likely(text, known, ALIKE)
    return None if likely(text, [each for each in known if each != found], ALIKE) else found
