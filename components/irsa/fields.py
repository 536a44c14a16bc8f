"""How each argument is read: parsers, and the tree of them that the keys make.

A parser takes a value with a marker in place of what is not known, adds the mistakes in the rest of it, and returns the
value that the component uses.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, get_args

from irsa.keys.binding import Keys, Mark, Plain, Role, Rule, ServiceAccountRole, Tags, is_model, unwrapped
from irsa.keys.guard import IdentityGuard
from irsa.rules.grammar import condition_mistakes, document_mistakes, sid_mistakes, statement_mistakes
from irsa.rules.identity import parse_identity
from irsa.rules.mistakes import Located, Mistake, Place, in_advice, shortened
from irsa.rules.names import NameRule
from irsa.rules.policies import parse_document
from irsa.rules.tags import role_tags_mistakes
from irsa.rules.trust import check_conditions
from irsa.rules.unknown import Unknown, without_places

Found = list[Located]
Parser = Callable[[Any, Place, Found], Any]


def collect(check: Callable[[], object], place: Place, found: Found) -> None:
    """Run a check, and add its mistake to those found."""
    try:
        check()
    except Mistake as mistake:
        found.append((place, mistake))


def without_mistakes(value: Any, found: Found, place: Place) -> Any:
    """Return the value with a marker in place of each mistake in it."""
    return without_places(value, [at[len(place) :] for at, _ in found])


def _in_json(value: Any, place: Place, found: Found, mistakes: Callable[[Any], Iterable[Located]]) -> Any:
    """Return what JSON can express, so that nothing is lost or changed on the way to IAM; add the mistakes in it."""
    not_json = [*_not_json(value, place)]
    rest = without_mistakes(value, not_json, place)
    found += [*not_json, *((place + part, mistake) for part, mistake in mistakes(rest))]
    return rest


def _string_of(check: Callable[[str], object]) -> Parser:
    def parser(value: Any, place: Place, found: Found) -> Any:
        if isinstance(value, str):
            collect(lambda: check(value), place, found)
        elif not isinstance(value, Unknown):
            fix = f'put it in quotes: "{value}"' if isinstance(value, bool | int | float) else "write a string"
            found.append((place, Mistake(shortened(value), "a string", fix)))
        return value

    return parser


def _flag(value: Any, place: Place, found: Found) -> Any:
    if not isinstance(value, bool) and not isinstance(value, Unknown):
        found.append((place, Mistake(shortened(value), "true or false", "write one of them, without quotes")))
    return value


def _identity(value: Any, place: Place, found: Found) -> Any:
    if isinstance(value, Unknown):
        return value
    try:
        return parse_identity(value)
    except Mistake as mistake:
        found.append((place, mistake))
        return None


def _integer(check: Callable[[int], object]) -> Parser:
    def parser(value: Any, place: Place, found: Found) -> Any:
        if isinstance(value, Unknown):
            return value
        whole = isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1
        if not whole:
            found.append((place, Mistake(shortened(value), "an integer", "write an integer, without quotes")))
            return value
        # Other languages have one type of number, and pass 3600.0.
        collect(lambda: check(int(value)), place, found)
        return int(value)

    return parser


def _several(item: Parser, not_empty: bool = False) -> Parser:
    def parser(value: Any, place: Place, found: Found) -> Any:
        if isinstance(value, Unknown):
            return value
        if not isinstance(value, list):
            fix = f"write {in_advice([value], 'a list that has it')}" if isinstance(value, str) else "write a list"
            found.append((place, Mistake(shortened(value), "a list", fix)))
            return []
        if not_empty and not value:
            found.append((place, Mistake("an empty list", "at least one", "add one")))
        return [item(each, (*place, index), found) for index, each in enumerate(value)]

    return parser


def _with_keys(key_check: Callable[[str], object], item: Parser) -> Parser:
    def parser(value: Any, place: Place, found: Found) -> Any:
        if isinstance(value, Unknown):
            return value
        if not isinstance(value, Mapping):
            found.append((place, Mistake(shortened(value), "a mapping of keys and values", "write key: value")))
            return {}
        for key in value:
            if isinstance(key, str):
                collect(lambda key=key: key_check(key), (*place, key), found)  # type: ignore[misc]
            else:
                found.append((place, Mistake(f"the key {shortened(key)}", "keys that are strings", "write a string")))
        return {key: item(each, (*place, str(key)), found) for key, each in value.items()}

    return parser


class Document(NamedTuple):
    """A policy document: the caller's JSON text, if it was one, and its content."""

    text: str | None
    content: dict[str, Any]


def _document(value: Any, place: Place, found: Found) -> Any:
    if isinstance(value, Unknown):
        return value
    text = value if isinstance(value, str) else None
    content: Any = value
    if text is not None:
        try:
            content = parse_document(text)
        except Mistake as mistake:
            found.append((place, mistake))
            return Document(text, {})
    if not isinstance(content, dict):
        fix = "write the document as a mapping, or as JSON text"
        found.append((place, Mistake(shortened(content), "a policy document: a mapping, or JSON text", fix)))
        return Document(text, {})
    _in_json(content, place, found, document_mistakes)
    return Document(text, content)


def _conditions(value: Any, place: Place, found: Found) -> Any:
    in_json = _in_json(value, place, found, condition_mistakes)
    if isinstance(in_json, Mapping):
        known = {operator: keys for operator, keys in in_json.items() if isinstance(keys, Mapping)}
        collect(lambda: check_conditions(known), place, found)
    return value


def _statement(value: Any, place: Place, found: Found) -> Any:
    _in_json(value, place, found, lambda statement: statement_mistakes(statement, trust=True))
    return value


def _statements(value: Any, place: Place, found: Found) -> Any:
    statements = _several(_statement)(value, place, found)
    if not isinstance(statements, Unknown):
        found += [(place + part, each) for part, each in sid_mistakes(statements)]
    return statements


def _not_json(value: Any, place: Place) -> Iterator[Located]:
    """Yield what JSON cannot express."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                yield place, Mistake(f"the key {shortened(key)}", "keys that are strings", "write a string")
            yield from _not_json(item, (*place, str(key)))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _not_json(item, (*place, index))
    elif isinstance(value, float) and not math.isfinite(value):
        yield place, Mistake(f"the number {value}", "a JSON number", "write a number, or a string")
    elif not isinstance(value, str | bool | int | float) and value is not None and not isinstance(value, Unknown):
        yield place, Mistake(shortened(value), "a JSON value: string, number, list or mapping", "write it as a string")


# --- the arguments ---------------------------------------------------------------------------------------------------


class Field(NamedTuple):
    """How an argument is read.

    Attributes:
        parse: Returns the value, and adds its mistakes.
        plain: Why the argument cannot be an output; empty where it can.
        required: Whether it must be there.
    """

    parse: Parser
    plain: str = ""
    required: bool = False


class Group(NamedTuple):
    """A mapping of arguments."""

    fields: Mapping[str, "Node"]
    required: bool = False


class Keyed(NamedTuple):
    """A mapping whose keys become names of resources, by a rule; its values are read one by one."""

    rule: NameRule
    item: "Field | Group"
    required: bool = False


class Listed(NamedTuple):
    """A list of mappings of arguments, each of which becomes resources of its own."""

    item: Group
    required: bool = False


Node = Field | Group | Keyed | Listed


def _role_tags(value: Any, place: Place, found: Found) -> Any:
    tags = TAGS(value, place, found)
    if isinstance(tags, Mapping):
        found += [
            (place + part, each) for part, each in role_tags_mistakes([key for key in tags if isinstance(key, str)])
        ]
    return tags


READERS: Mapping[Any, Parser] = {
    Mark.IDENTITY: _identity,
    Mark.DOCUMENT: _document,
    Mark.CONDITIONS: _conditions,
    Mark.STATEMENTS: _statements,
    Mark.ROLE_TAGS: _role_tags,
}


def group_of(model: type[Keys]) -> Group:
    """Return how the keys of a model are read as arguments."""
    known = {name: each for name, each in model.model_fields.items() if Mark.STACK_FILE not in each.metadata}
    return Group({name: _node(each.annotation, each.metadata, each.is_required()) for name, each in known.items()})


def _node(annotation: Any, marks: Sequence[Any], required: bool) -> Node:
    annotation, marks = unwrapped(annotation, marks)
    if is_model(annotation):
        return group_of(annotation)
    *_, item = get_args(annotation) or (None,)
    rule = next((mark for mark in marks if isinstance(mark, NameRule)), None)
    if rule:
        return Keyed(rule, group_of(item) if is_model(item) else Field(_parser(item)))
    if is_model(item):
        return Listed(group_of(item), required)
    why = next((mark.why for mark in marks if isinstance(mark, Plain)), "")
    return Field(_parser(annotation, marks), why, required or Mark.REQUIRED in marks)


def _parser(annotation: Any, marks: Sequence[Any] = ()) -> Parser:
    annotation, marks = unwrapped(annotation, marks)
    reader = next((READERS[mark] for mark in marks if isinstance(mark, Mark) and mark in READERS), None)
    if reader:
        return reader
    match get_args(annotation):
        case (key, value):
            return _with_keys(_check(unwrapped(key)[1]), _parser(value))
        case (item,):
            return _several(_parser(item), any(getattr(mark, "min_length", 0) for mark in marks))
    check = _check(marks)
    return {bool: _flag, int: _integer(check), str: _string_of(check)}[annotation]


def _check(marks: Sequence[Any]) -> Callable[[Any], object]:
    """Return the rules among the marks, as one."""
    rules = [mark for mark in marks if isinstance(mark, Rule)]

    def check(value: Any) -> None:
        for rule in rules:
            rule.check(value, None)

    return check


TAGS = _parser(Tags)
OF_A_ROLE, OF_A_GUARD = group_of(ServiceAccountRole), group_of(IdentityGuard)
# Settings of the role that have the same names as inputs of `aws.iam.Role`.
ROLE_SETTINGS = {k: each for k, each in group_of(Role).fields.items() if k not in ("arn", "name", "name_prefix")}


def node_at(place: Place, group: Group = OF_A_ROLE) -> Node | None:
    """Return how the argument at a place is read; None below an argument that has a value, and at an unknown one."""
    node: Node | None = group
    for step in place:
        if isinstance(node, Group):
            node = node.fields.get(str(step))
        else:
            node = node.item if isinstance(node, Keyed | Listed) else None
    return node
