"""How each argument is read: parsers, and the tree of them that the keys make.

A parser takes a value with a marker in place of what is not known, adds the mistakes in the rest of it, and returns the
value that the component uses.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum, auto
from functools import partial
from typing import Any, NamedTuple, get_args, get_origin

from pydantic.fields import FieldInfo

from irsa.keys.binding import Keys, Mark, Plain, Rule, ServiceAccountRoleKeys, Tags, is_model, unwrapped
from irsa.keys.guard import IdentityGuardKeys
from irsa.rules.grammar import condition_mistakes, document_mistakes, sid_mistakes, statement_mistakes
from irsa.rules.leaves import step_of
from irsa.rules.mistakes import Located, Mistake, Place, WrittenStep, kind_of, shortened
from irsa.rules.names import NameRule, check_name, role_tags_mistakes
from irsa.rules.policies import Document, parse_document
from irsa.rules.trust import check_conditions
from irsa.rules.unknown import WRONG, Unknown, without_places
from irsa.ways import parse_identity

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


def wrong_kind(value: Any, allowed: str, example: Any) -> Mistake:
    """Return the mistake of a value that is of another type than is allowed, with an example of the key's value."""
    quotes = ""
    if isinstance(value, bool | int | float) and isinstance(example, str):
        quotes = " in quotes"
    elif isinstance(value, str) and isinstance(example, bool | int):
        quotes = ", without quotes"
    such = "" if example is None else f", such as {json.dumps(example, ensure_ascii=False)}"
    return Mistake(kind_of(value), allowed, f"write {allowed}{quotes}{such}")


def _typed(kinds: Any, allowed: str, example: Any, read: Parser) -> Parser:
    """Return a parser of values of a type, which leaves markers as they are."""

    def parser(value: Any, place: Place, found: Found) -> Any:
        if isinstance(value, Unknown):
            return value
        if isinstance(value, kinds) and (not isinstance(value, bool) or kinds is bool):
            return read(value, place, found)
        found.append((place, wrong_kind(value, allowed, example)))
        return WRONG

    return parser


def _checked(check: Callable[[Any], object]) -> Parser:
    def parser(value: Any, place: Place, found: Found) -> Any:
        collect(lambda: check(value), place, found)
        return value

    return parser


def _integer(check: Callable[[int], object], example: Any) -> Parser:
    def parser(value: Any, place: Place, found: Found) -> Any:
        if value != value // 1:
            found.append((place, wrong_kind(value, "an integer", example)))
            return value
        # Other languages have one type of number, and pass 3600.0.
        collect(lambda: check(int(value)), place, found)
        return int(value)

    return parser


def _items(item: Parser, not_empty: bool = False) -> Parser:
    def parser(value: Any, place: Place, found: Found) -> Any:
        if not_empty and not value:
            found.append((place, Mistake("an empty list", "at least one", "add one")))
        return [item(each, (*place, index), found) for index, each in enumerate(value)]

    return parser


def _keys(key_check: Callable[[str], object], item: Parser) -> Parser:
    def parser(value: Any, place: Place, found: Found) -> Any:
        for key in value:
            if isinstance(key, str):
                collect(lambda key=key: key_check(key), (*place, key), found)  # type: ignore[misc]
            else:
                found.append((place, Mistake(f"the key {shortened(key)}", "keys that are strings", "write a string")))
        return {key: item(each, (*place, step_of(key)), found) for key, each in value.items()}

    return parser


def _identity(value: Any, place: Place, found: Found) -> Any:
    if isinstance(value, Unknown):
        return value
    try:
        return parse_identity(value)
    except Mistake as mistake:
        found.append((place, mistake))
        return None


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
    statements = _typed(list, "a list", None, _items(_statement))(value, place, found)
    if not isinstance(statements, Unknown):
        found += [(place + part, each) for part, each in sid_mistakes(statements)]
    return statements


def _not_json(value: Any, place: Place) -> Iterator[Located]:
    """Yield what JSON cannot express."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                yield place, Mistake(f"the key {shortened(key)}", "keys that are strings", "write a string")
            yield from _not_json(item, (*place, step_of(key)))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _not_json(item, (*place, index))
    elif isinstance(value, float) and not math.isfinite(value):
        yield place, Mistake(f"the number {value}", "a JSON number", "write a number, or a string")
    elif not isinstance(value, str | bool | int | float) and value is not None and not isinstance(value, Unknown):
        yield place, Mistake(shortened(value), "a JSON value: string, number, list or mapping", "write it as a string")


class Field(NamedTuple):
    """How an argument is read.

    Attributes:
        parse: Returns the value, and adds its mistakes.
        plain: Why the argument cannot be an output; empty where it can.
        required: Whether it must be there.
        example: A value of it.
        variables: Whether it may have variables in a stack file.
        stack_file: Whether only a stack file has it.
    """

    parse: Parser
    plain: str = ""
    required: bool = False
    example: Any = None
    variables: bool = False
    stack_file: bool = False


class Door(Enum):
    """Who is read."""

    PROGRAM = auto()
    """One in Python, which has the keys in snake_case."""
    PLUGIN = auto()
    """One in another language, which has them in camelCase."""
    STACK_FILE = auto()
    """A stack file, which has more keys, in camelCase."""


class KeyGroup(NamedTuple):
    """A mapping of arguments.

    Attributes:
        fields: The arguments by their names.
        keys: The keys in camelCase by the names.
        names: The names by the keys of who is read (`Door`).
        model: Declares them.
        required: Whether it must be there.
    """

    fields: Mapping[str, "Node"]
    keys: Mapping[str, str]
    names: Mapping[str, str]
    model: type[Keys]
    required: bool = False


class Keyed(NamedTuple):
    """A mapping whose keys become names of resources, by a rule; its values are read one by one."""

    check: Callable[[str], object]
    item: "Field | KeyGroup"
    required: bool = False


class KeyList(NamedTuple):
    """A list of mappings of arguments, each of which becomes resources of its own."""

    item: KeyGroup
    required: bool = False


Node = Field | KeyGroup | Keyed | KeyList
MAPPING = "a mapping of keys to values"
WITH_VARIABLES = (Mark.DOCUMENT, Mark.CONDITIONS, Mark.STATEMENTS)


def _role_tags(value: Any, place: Place, found: Found) -> Any:
    tags = TAGS(value, place, found)
    if isinstance(tags, Mapping):
        found += [
            (place + part, each) for part, each in role_tags_mistakes([key for key in tags if isinstance(key, str)])
        ]
    return tags


READERS: Mapping[Mark, Parser] = {
    Mark.IDENTITY: _identity,
    Mark.DOCUMENT: _document,
    Mark.CONDITIONS: _conditions,
    Mark.STATEMENTS: _statements,
    Mark.ROLE_TAGS: _role_tags,
}


def group_of(model: type[Keys], door: Door = Door.PROGRAM) -> KeyGroup:
    """Return how the keys of a model are read."""
    of_stack_file = door is Door.STACK_FILE
    known = {
        name: each for name, each in model.model_fields.items() if of_stack_file or Mark.STACK_FILE not in each.metadata
    }
    keys = {name: each.alias or name for name, each in known.items()}
    return KeyGroup(
        {name: _node(each, door) for name, each in known.items()},
        keys,
        {name if door is Door.PROGRAM else key: name for name, key in keys.items()},
        model,
    )


def _node(key: FieldInfo, door: Door) -> Node:
    annotation, marks = unwrapped(key.annotation, key.metadata)
    required = key.is_required() or (Mark.REQUIRED in marks and door is not Door.STACK_FILE)
    if is_model(annotation):
        return group_of(annotation, door)._replace(required=required)
    key_type, item = (None, *(get_args(annotation) or (None,)))[-2:]
    rule = next((partial(check_name, rule=mark) for mark in marks if isinstance(mark, NameRule)), None)
    if is_model(item):
        inner = group_of(item, door)
        return Keyed(rule or _check(unwrapped(key_type)[1]), inner, required) if key_type else KeyList(inner, required)
    if rule:
        return Keyed(rule, Field(_parser(item), variables=_variables(item)), required)
    example = next(iter(key.examples or _examples(marks)), None)
    return Field(
        _parser(annotation, marks, example),
        next((mark.why for mark in marks if isinstance(mark, Plain)), ""),
        required,
        example,
        _variables(annotation, marks),
        Mark.STACK_FILE in marks,
    )


def _examples(marks: Sequence[Any]) -> Sequence[Any]:
    found = [
        mark.schema.get("examples") if isinstance(mark, Rule) else getattr(mark, "examples", None) for mark in marks
    ]
    return next(filter(None, found), [])


def _variables(annotation: Any, marks: Sequence[Any] = ()) -> bool:
    """Return whether a value, or an item of a list, may have variables."""
    annotation, marks = unwrapped(annotation, marks)
    item = get_args(annotation)[-1:] if get_origin(annotation) is list else ()
    own = any(mark in WITH_VARIABLES or (isinstance(mark, Rule) and mark.variables) for mark in marks)
    return own or any(map(_variables, item))


def _parser(annotation: Any, marks: Sequence[Any] = (), example: Any = None) -> Parser:
    annotation, marks = unwrapped(annotation, marks)
    reader = next((READERS[mark] for mark in marks if isinstance(mark, Mark) and mark in READERS), None)
    if reader:
        return reader
    example = next(iter(_examples(marks)), None) if example is None else example
    match get_args(annotation):
        case (key, value):
            item = _parser(value, example=next(iter(example.values()), None) if example else None)
            return _typed(Mapping, MAPPING, example, _keys(_check(unwrapped(key)[1]), item))
        case (item_type,):
            not_empty = any(getattr(mark, "min_length", 0) for mark in marks)
            item = _parser(item_type, example=example[0] if example else None)
            return _typed(list, "a list", example, _items(item, not_empty))
    if annotation is int:
        return _typed(int | float, "an integer", example, _integer(_check(marks), example))
    return _typed(annotation, {bool: "true or false", str: "a string"}[annotation], example, _checked(_check(marks)))


def _check(marks: Sequence[Any]) -> Callable[[Any], object]:
    """Return the rules among the marks, as one."""
    rules = [mark.check for mark in marks if isinstance(mark, Rule)]
    not_empty = any(getattr(mark, "min_length", 0) for mark in marks)

    def check(value: Any) -> None:
        if not_empty and not value:
            raise Mistake(kind_of(value), "at least 1 character", "write one")
        for rule in rules:
            rule(value)

    return check


TAGS = _parser(Tags)
OF_A_ROLE, OF_A_GUARD = group_of(ServiceAccountRoleKeys), group_of(IdentityGuardKeys)


def node_at(place: Place, group: KeyGroup = OF_A_ROLE) -> Node | None:
    """Return how the argument at a place is read; None below an argument that has a value, and at an unknown one."""
    node: Node | None = group
    for step in place:
        node = node_within(node, step)
    return node


def in_camel_case(place: Place, node: Node | None) -> Place:
    """Return the place of an argument below a node with the keys in camelCase; an unknown key is as it is written."""
    found: list[str | int] = []
    for step in place:
        keys = node.keys if isinstance(node, KeyGroup) and not isinstance(step, WrittenStep) else {}
        found.append(keys.get(str(step), getattr(step, "written", step)))
        node = node_within(node, step)
    return tuple(found)


def node_within(node: Node | None, step: str | int) -> Node | None:
    """Return the same one step below a node."""
    if isinstance(node, KeyGroup):
        return node.fields.get(str(step))
    return node.item if isinstance(node, Keyed | KeyList) else None
