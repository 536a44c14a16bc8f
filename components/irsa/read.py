"""Reads the arguments of one component: plain values at once, and again with the values of outputs when known.

Pulumi's SDK is not loaded here: a value can be an output only where a program has loaded it.
"""

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Self, TypeVar

from irsa.fields import (
    MAPPING,
    OF_A_ROLE,
    Field,
    Found,
    Keyed,
    KeyGroup,
    KeyList,
    Node,
    collect,
    node_at,
    without_mistakes,
    wrong_kind,
)
from irsa.keys.binding import Keys, is_model, unwrapped
from irsa.rules.leaves import copied, map_leaves, step_of
from irsa.rules.mistakes import (
    PRINTED,
    Located,
    Mistake,
    Place,
    Spelling,
    WrittenStep,
    and_more,
    described,
    in_advice,
    kind_of,
    likely,
    nearest,
    path_of,
    shortened,
)
from irsa.rules.names import snake
from irsa.rules.policies import TOO_DEEP, Document, is_too_deep
from irsa.rules.trust import minified
from irsa.rules.unknown import (
    MISSING,
    OUTPUT,
    PERHAPS,
    WRONG,
    Unknown,
    Value,
    has_output,
    without_places,
)

REDACTED = Mistake(
    "a secret value that breaks a rule of the argument", "what the argument's description says", "correct the secret"
)
T = TypeVar("T")
K = TypeVar("K", bound=Keys)
LARGEST_BITS = 64
# The text that Python and JavaScript put into a string for an output, or for a whole resource.
OBJECT_AS_TEXT = re.compile(
    r"Calling __str__ on an Output\[T\] is not supported|Calling \[toString\] on an \[Output<T>\] is not supported"
    r"|<[\w.]+ object at 0x[0-9a-f]+>|\[object Object\]"
)


class ArgumentMistakes(Exception):
    """All mistakes in the arguments of one component, each with the argument's path."""

    def __init__(
        self, name: str, mistakes: Iterable[Located], spelling: Spelling, component: str = "ServiceAccountRole"
    ) -> None:
        self.mistakes = tuple(mistakes)
        count = f"{len(self.mistakes)} error{'s' if len(self.mistakes) > 1 else ''}"
        printed = self.mistakes[:PRINTED]
        lines = (described(spelling(at) or "arguments", each.spelled(spelling)) for at, each in printed)
        more = and_more(len(self.mistakes), PRINTED)
        super().__init__("\n  ".join([f"{count} in the arguments of {component} {name!r}", *lines, *more]))


def is_output(value: object) -> bool:
    """Return whether a value is known only during the deployment."""
    pulumi = sys.modules.get("pulumi")
    return inspect.isawaitable(value) or (pulumi is not None and isinstance(value, pulumi.Output))


@dataclass
class Arguments:
    """The arguments of one component, as they are read.

    Attributes:
        name: The component's logical name.
        spelling: How the caller spells an argument.
        found: The mistakes so far.
        args: What they are, for reading them again when outputs are known.
        known: The values of outputs, by their identity.
        parts_before: How the first reading, without these values, divided a document or a list over resources.
        parts: The same of this reading.
        has_outputs: Whether there is an output among them.
        group: How they are read.
        binding: The place of the component's arguments among those of the group.
    """

    name: str
    spelling: Spelling = path_of
    found: Found = field(default_factory=list)
    args: Any = None
    known: Mapping[int, Any] = field(default_factory=dict)
    parts_before: Mapping[Place, Any] = field(default_factory=dict)
    parts: dict[Place, Any] = field(default_factory=dict)
    has_outputs: bool = False
    group: KeyGroup = OF_A_ROLE
    binding: Place = ()

    def __post_init__(self) -> None:
        """Refuse a name that is none.

        Raises:
            ArgumentMistakes: It is no string.
        """
        if not isinstance(self.name, str):
            wrong = Mistake(shortened(self.name), "a string: the component's name", "write a string")
            raise self.refusal([(("name",), wrong)])

    def read(self, args: Any, model: type[K]) -> K:
        """Return the arguments, each checked on its own, with a marker for what is wrong or not known.

        An unknown one is a mistake.
        """
        values = self._values(map_leaves(args, self._known) if self.known else args, self.group, ())
        return model.of(values or {})

    def _known(self, _place: Place, leaf: Any) -> Any:
        return self.known.get(id(leaf), leaf)

    def _group(self, args: Any, group: KeyGroup, place: Place) -> Any:
        values = self._values(args, group, place)
        return perhaps(group.model) if values is None else group.model.of(values)

    def _values(self, args: Any, group: KeyGroup, place: Place) -> dict[str, Any] | None:
        """Return the arguments of a mapping by their names; None for what is no mapping."""
        if isinstance(args, Unknown):
            return None
        if not isinstance(args, Mapping):
            self.found.append((place, self._not_a_mapping(args, group, place)))
            return None
        values: dict[str, Any] = {}
        unknown: list[str] = []
        there: set[str] = set()
        for key, value in args.items():
            name = group.names.get(key) if isinstance(key, str) else None
            if name is None:
                unknown.append(step_of(key))
                self.found.append(((*place, WrittenStep(step_of(key))), self._unknown_key(key, group, place)))
                continue
            there.add(name)
            values[name] = self._argument(value, group.fields[name], (*place, name))
        for name in self._misspelled(unknown, there, group, place) if unknown else ():
            there.add(name)
            values[name] = self._wrong(group.fields[name], (*place, name))
        for name, each in group.fields.items():
            if each.required and name not in there:
                key = self._key((*place, name))
                self.found.append(((*place, name), Mistake(f"no {key}", f"{key} is required", f"add {key}")))
                values[name] = MISSING
        return values

    def _wrong(self, node: Node, _here: Place) -> Any:
        """Return what stands for an argument that is there, and of which nothing is known."""
        return perhaps(node.model) if isinstance(node, KeyGroup) else WRONG

    def _misspelled(self, unknown: Sequence[str], there: Set[str], group: KeyGroup, place: Place) -> list[str]:
        """Return the arguments that unknown keys are likely to mean: they are there, whatever they are."""
        missing = {self._key((*place, name)): name for name in group.fields if name not in there}
        meant = {likely(key, missing) for key in unknown}
        meant |= {key for key, name in missing.items() if group.fields[name].required and likely(key, unknown)}
        return [name for key, name in missing.items() if key in meant]

    def _key(self, argument: Place) -> str:
        return self.spelling(argument).rsplit(".", 1)[-1].removeprefix("irsa:")

    def _not_a_mapping(self, args: Any, group: KeyGroup, place: Place) -> Mistake:
        mistake = self._wrong_kind(args, MAPPING, place)
        if _are_policy_arns(args, place):
            return mistake
        fix = f"write its keys: {', '.join(self._spelled(group, place))}"
        required = [name for name, each in group.fields.items() if each.required]
        if place and len(required) == 1 and isinstance(args, str):
            wrong: Found = []
            needed = group.fields[required[0]]
            if isinstance(needed, Field) and needed.parse(args, place, wrong) and not wrong:
                fix = f"set {self.spelling((*place, required[0]))} to {in_advice(args, 'it')}"
        return Mistake(mistake.found, mistake.allowed, fix)

    def _wrong_kind(self, value: Any, allowed: str, place: Place) -> Mistake:
        """Return the mistake of what should contain further arguments, and so decides which resources exist."""
        if is_output(value):
            fix = f"write {allowed}; the values in it may be outputs"
            return Mistake("an output", f"a plain {allowed[2:]}: it decides which resources exist", fix)
        if _are_policy_arns(value, place):
            fix = f"write the ARNs under {self.spelling((*self.binding, 'policy_arns'))}"
            return Mistake(kind_of(value), allowed, fix)
        return wrong_kind(value, allowed, None)

    def _argument(self, value: Any, node: Node, here: Place) -> Any:
        """Return the value of an argument, or a marker."""
        if value is None:
            found, fix = ("None", "set a value, or remove the argument")
            if self.known:
                found, fix = "an output without a value", "leave the argument out, or give the output a value"
            self.found.append((here, Mistake(found, "a value", fix)))
            return self._wrong(node, here)
        match node:
            case KeyGroup():
                return self._group(value, node, here)
            case Keyed():
                return self._keyed(value, node, here)
            case KeyList():
                return self._listed(value, node, here)
        return self._value(value, node, here)

    def _unknown_key(self, key: Any, group: KeyGroup, place: Place) -> Mistake:
        names = self._spelled(group, place)
        if is_output(key):
            return Mistake("an output as a key", ", ".join(names), "write a string")
        return Mistake(f"unknown key {key!r}", ", ".join(names) or "no key", self._advice_for(str(key), names, place))

    def _advice_for(self, key: str, names: Sequence[str], place: Place) -> str:
        """Return what to do with an unknown key; it is spelled as the known ones are."""
        name = snake(key)
        for end in reversed(range(len(place))):
            outer = node_at(place[:end], self.group)
            if isinstance(outer, KeyGroup) and name in outer.fields:
                return f"move it to {self.spelling((*place[:end], name))}"
        if "document" in names and key[:1].isupper():
            # `Version` or `Statement`.
            return f"write the policy document under {self.spelling((*place, 'document'))}"
        of_binding = node_at(self.binding, self.group)
        fields = of_binding.fields if isinstance(of_binding, KeyGroup) else {}
        groups = [outer for outer, each in fields.items() if isinstance(each, KeyGroup) and name in each.fields]
        if "policies" in place and "policy" in groups:
            groups = ["policy"]
        move = self.spelling((*self.binding, groups[0], name)) if len(groups) == 1 else ""
        return nearest(key, names, f"move it to {move}" if move else "remove it")

    def _spelled(self, group: KeyGroup, place: Place) -> list[str]:
        return sorted(self._key((*place, name)) for name in group.fields)

    def _keyed(self, value: Any, node: Keyed, place: Place) -> Value[dict[str, Any]]:
        if isinstance(value, Unknown):
            return WRONG
        if not isinstance(value, Mapping):
            self.found.append((place, self._wrong_kind(value, MAPPING, place)))
            return WRONG
        values: dict[str, Any] = {}
        for key, item in value.items():
            here: Place = (*place, step_of(key))
            if not isinstance(key, str):
                found = "an output as a key" if is_output(key) else f"the key {shortened(key)}"
                self.found.append((here, Mistake(found, "keys that are strings", "write a string")))
                continue
            collect(lambda key=key: node.check(key), here, self.found)  # type: ignore[misc]
            if isinstance(node.item, Field):
                values[key] = self._value(item, node.item, here)
            else:
                values[key] = self._group(item, node.item, here)
        return values

    def _listed(self, value: Any, node: KeyList, place: Place) -> Value[list[Any]]:
        if isinstance(value, Unknown):
            return WRONG
        if not isinstance(value, list | tuple):
            self.found.append((place, self._wrong_kind(value, "a list", place)))
            return WRONG
        return [self._group(item, node.item, (*place, index)) for index, item in enumerate(value)]

    def _value(self, value: Any, each: Field, place: Place) -> Any:
        """Return the value of an argument, with markers in it."""
        found: Found = []
        marked = (
            self._marked_leaf(value, place, found)
            if isinstance(value, str | int)
            else self._marked(value, place, found)
        )
        if not found and each.plain and has_output(marked):
            fix = "write the value, or read it from the stack's configuration"
            found.append((place, Mistake(OUTPUT.reason, f"a plain value: {each.plain}", fix)))
        read = each.parse(without_mistakes(marked, found, place) if found else marked, place, found)
        self.found += found
        kept = self._kept(read, marked, place)
        return _with_markers(kept, found, place) if found else kept

    def _kept(self, read: Any, _marked: Any, _place: Place) -> Any:
        """Return what is kept of a value: what is read of it, or the value with its markers."""
        return read

    def _marked(self, value: Any, place: Place, found: Found) -> Any:
        """Return a copy of the value, in lists and dicts, with a marker in place of each output."""

        def plain_key(at: Place, key: Any) -> Any:
            if is_output(key):
                found.append((at[:-1], Mistake("an output as a key", "keys that are strings", "write a string")))
            return _plain_string(key, at[:-1], found) if isinstance(key, str) else key

        if is_too_deep(value):
            found.append((place, Mistake(TOO_DEEP, "fewer levels", "write it with fewer levels")))
            return WRONG
        return map_leaves(value, lambda at, leaf: self._marked_leaf(leaf, at, found), plain_key, place)

    def _marked_leaf(self, leaf: Any, place: Place, found: Found) -> Any:
        if isinstance(leaf, str):
            return _plain_string(leaf, place, found)
        if not isinstance(leaf, int):
            self.has_outputs = self.has_outputs or is_output(leaf)
            return Unknown(OUTPUT.reason, [leaf]) if is_output(leaf) else leaf
        if leaf.bit_length() > LARGEST_BITS:
            # Python refuses to write very large ones, and no language reads them all.
            found.append((place, Mistake(f"an integer of {leaf.bit_length()} bits", "64 bits", "write it as a string")))
        return leaf

    def kept(self, args: Any) -> Self:
        """Keep the arguments for reading them again; the program may change its lists and dictionaries until then."""
        self.args = copied(args) if self.has_outputs else args
        return self

    def divided(self, place: Place, texts: Sequence[Value[str]], document: Any = None) -> Sequence[Value[str]]:
        """Return the documents of the policies for the argument at a place: as many as the first reading decided.

        An output cannot decide how many resources there are: such a document stays whole, and IAM reports its quota.
        """
        self.parts[place] = len(texts)
        return texts if self.parts_before.get(place, len(texts)) == len(texts) else [minified(document)]

    @property
    def mistakes(self) -> list[Located]:
        """The mistakes so far, each once."""
        return [*{(place, str(mistake)): (place, mistake) for place, mistake in self.found}.values()]

    def refusal(self, mistakes: Iterable[Located], secret: bool = False) -> ArgumentMistakes:
        """Return the error that reports mistakes; it does not show a secret."""
        redacted = {(_argument_at(place, self.group), REDACTED): None for place, _ in mistakes} if secret else mistakes
        component = self.group.model.__name__.removesuffix("Keys")
        return ArgumentMistakes(self.name, redacted, self.spelling, component)


def read_again(
    read: Callable[[Arguments, Mapping[str, Any]], T], first: Arguments, known: Mapping[int, Any], secret: bool
) -> T:
    """Return what a function reads of the arguments, with the values of outputs by their identity.

    How many resources a document or a list is divided over stays.

    Raises:
        ArgumentMistakes: All mistakes in these values; they do not show a secret.
    """
    arguments = replace(first, found=[], known=known, parts_before=first.parts, parts={}, has_outputs=False)
    found = read(arguments, first.args)
    if arguments.found:
        raise arguments.refusal(arguments.mistakes, secret)
    return found


def _with_markers(value: Any, found: Found, place: Place) -> Any:
    """Return what is read of an argument with a marker for each mistake, so that what is beside it is judged."""
    inner = [at[len(place) :] for at, _ in found]
    if isinstance(value, Document):
        content = without_places(value.content, inner, missing=MISSING)
        return content if isinstance(content, Unknown) else value._replace(content=content)
    return without_places(value, inner, missing=MISSING)


def perhaps(model: type[K]) -> K:
    """Return a mapping of arguments of which nothing is known: each may be there."""
    of_group = (name for name, each in model.model_fields.items() if not is_model(unwrapped(each.annotation)[0]))
    always: dict[str, Keys] = {name: perhaps(type(each)) for name, each in model.of({}).written().items()}
    return model.of({**dict.fromkeys(of_group, PERHAPS), **always})


def _are_policy_arns(value: Any, place: Place) -> bool:
    """Return whether ARNs are in the place of add-ons: one, or as terraform-aws-iam's `policies = {name = arn}`."""
    arns = [*value.values()] if isinstance(value, Mapping) else [value]
    are_arns = bool(arns) and all(isinstance(each, str) and each.startswith("arn:") for each in arns)
    return "policies" in place[-2:] and are_arns


def _argument_at(place: Place, group: KeyGroup) -> Place:
    """Return the argument's own part of a place: what is below it may be a secret."""
    steps = range(1, len(place))
    return next((place[:end] for end in steps if isinstance(node_at(place[:end], group), Field)), place)


def _plain_string(text: str, place: Place, found: Found) -> str:
    """Return the characters of a string, or of the value of an enum's member."""
    plain = str(text.value) if isinstance(text, Enum) else str.__str__(text)
    if OBJECT_AS_TEXT.search(plain):
        fix = "use pulumi.Output.format or concat (Python), pulumi.interpolate (TypeScript), pulumi.Sprintf (Go)"
        found.append((place, Mistake("an output inside a string, as in an f-string", "an output of the string", fix)))
    elif not plain.isascii() and any("\ud800" <= letter <= "\udfff" for letter in plain):
        surrogate = Mistake(
            f"{shortened(plain)}, with an unpaired surrogate", "Unicode text", "remove the surrogate, or write its pair"
        )
        found.append((place, surrogate))
    return text if isinstance(text, WrittenStep) else plain
