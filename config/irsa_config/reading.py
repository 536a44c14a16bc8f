"""Reads the keys of a stack file: its settings as they are, and a binding with values for its variables."""

import functools
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from irsa.fields import MAPPING, OF_A_ROLE, READERS, Door, Field, KeyGroup, KeyList, Node, group_of, wrong_kind
from irsa.keys.binding import Keys, Mark
from irsa.read import Arguments, perhaps
from irsa.rules.arns import iam_arn
from irsa.rules.mistakes import Located, Mistake, Place, WrittenStep, path_of
from irsa.rules.unknown import MISSING, SECRET, WRONG, Unknown, is_there
from irsa.rules.variables import with_examples
from irsa_config.argument_places import place_of
from irsa_config.models import QUEUE_POLICY, BindingKeys, Guard, StackKeys
from irsa_config.stack import Binding
from irsa_config.variables import Values, replaced

OF_A_STACK, OF_A_BINDING = (group_of(each, Door.STACK_FILE) for each in (StackKeys, BindingKeys))
POLICY_ARNS = OF_A_BINDING.fields["policy_arns"]
KIND_WORDS = {bool: "true or false", int: "an integer", list: "a list", dict: MAPPING}


class PolicyKey(WrittenStep):
    """The key of an attached policy that is an item of a list, of which `written` is the index.

    Attributes:
        again: The indexes of the same policy further on in the list.
    """

    again: tuple[int, ...] = ()


class ReadBinding(NamedTuple):
    """What is written under the keys of a binding."""

    arguments: dict[str, Any]
    """Those that the component has too, by their names."""
    mistakes: list[Located]
    """What is wrong with single values, at its places in the binding."""
    with_variables: Sequence[tuple[Place, Any]]
    """The values that may have variables, as they are written, each with its place."""


def read_binding(binding: Binding, variables: Values) -> ReadBinding:
    """Return what is written under the keys of a binding, with these values for its variables."""
    place = ("bindings", binding.key)
    reader = StackReader("stack", _spelled, binding=place, own=binding.own, variables=variables)
    written = reader._values(binding.tree, OF_A_BINDING, place)
    values = perhaps(BindingKeys).written() if written is None else written
    found = [(place_of(at, OF_A_STACK)[2:], mistake) for at, mistake in reader.mistakes]
    return ReadBinding(
        {name: each for name, each in values.items() if name in OF_A_ROLE.fields and is_there(each)},
        [each for each in found if each[0] not in binding.reported],
        [(place_of(at, OF_A_STACK)[2:], value) for at, value in reader.with_variables],
    )


def read_top(tree: Mapping[str, Any]) -> tuple[dict[str, Any], list[Located]]:
    """Return the settings of a stack by their names, each binding as it is written, and what is wrong with them."""
    reader = StackReader("stack", _spelled)
    read: dict[str, Any] = reader._group(tree, OF_A_STACK, ())
    return read, [(place_of(at, OF_A_STACK), mistake) for at, mistake in reader.mistakes]


def _spelled(place: Place) -> str:
    return f"irsa:{path_of(place_of(place, OF_A_STACK))}"


@dataclass
class StackReader(Arguments):
    """Reads the keys of a stack file, which are those of the component in camelCase.

    Attributes:
        own: Of a binding, what is written in it, without `irsa:defaults`.
        variables: What its variables stand for.
        with_variables: The values that may have variables, as they are written, each with its place.
    """

    group: KeyGroup = OF_A_STACK
    binding: Place = ("bindings", "")
    own: Any = None
    variables: Values = field(default_factory=dict)
    with_variables: list[tuple[Place, Any]] = field(default_factory=list)

    def _advice_for(self, key: str, names: Sequence[str], place: Place) -> str:
        if not place and key in OF_A_BINDING.names:
            return "move it to the binding that it is for, below irsa:bindings"
        return super()._advice_for(key, names, place)

    def _wrong_kind(self, value: Any, allowed: str, place: Place) -> Mistake:
        mistake = super()._wrong_kind(value, allowed, place)
        if allowed == MAPPING and isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
            return Mistake(mistake.found, mistake.allowed, "remove the dash (-) before each key")
        return mistake

    def _misspelled(self, unknown: Sequence[str], there: Set[str], group: KeyGroup, place: Place) -> list[str]:
        own = self.own
        for step in place_of(place, OF_A_STACK)[2:]:
            own = own.get(step) if isinstance(own, dict) else None
        # A default is no sign that the key is written.
        there = {name for name in there if group.keys[name] in own} if isinstance(own, dict) else there
        return super()._misspelled(unknown, there, group, place)

    def _wrong(self, node: Node, here: Place) -> Any:
        return super()._wrong(node, here) if here[0] == "bindings" else WRONG

    def _group(self, args: Any, group: KeyGroup, place: Place) -> Any:
        if args is SECRET and (mistake := _refused(args, group)):
            self.found.append((place, mistake))
        if group.model is BindingKeys:
            return args  # it is read when values for its variables are known
        if place[:1] == ("bindings",):
            return super()._group(args, group, place)
        if group.model is Guard and isinstance(args, str):
            args = {"mode": args}
        values = self._values(args, group, place)
        values = dict.fromkeys(group.fields, WRONG) if values is None else values
        values = {name: WRONG if each is MISSING else each for name, each in values.items()}
        values = {name: self._setting(each, group.fields[name], (*place, name)) for name, each in values.items()}
        return _default(group.model).model_copy(update=values) if place else values

    def _kept(self, read: Any, marked: Any, place: Place) -> Any:
        return read if place[0] == "bindings" else marked

    def _setting(self, value: Any, node: Node, here: Place) -> Any:
        """Return a setting of the stack; of a mapping at the top of which nothing is known, each key is a marker."""
        if not isinstance(value, Unknown) or isinstance(node, Field):
            return value
        if not isinstance(node, KeyGroup):
            return {}
        return value if here[1:] else self._group(WRONG, node, here)

    def _argument(self, value: Any, node: Node, here: Place) -> Any:
        if not isinstance(node, KeyGroup) and (mistake := _refused(value, node)):
            self.found.append((here, mistake))
            return WRONG
        if node is POLICY_ARNS and isinstance(value, list):
            value = self._policy_arns(value, here)
        has_variables = isinstance(node, Field) and node.variables and isinstance(value, str) and "${" in value
        # Of a default, it is read in each binding.
        return value if has_variables and here[0] != "bindings" else super()._argument(value, node, here)

    def _value(self, value: Any, each: Field, place: Place) -> Any:
        if each.variables and place[0] == "bindings":
            self.with_variables.append((place, value))
            value = replaced(value, self.variables, self.found, place)
        return super()._value(value, each, place)

    def _policy_arns(self, arns: Sequence[object], place: Place) -> dict[PolicyKey, object]:
        """Return the ARNs of a list, each under the key that its attachment has in the state."""
        keyed: dict[str, tuple[PolicyKey, object]] = {}
        for index, written in enumerate(arns):
            arn = replaced(written, self.variables, [])
            # No policy's name has a colon.
            known = with_examples(arn)
            key = PolicyKey((_policy_key(known) if isinstance(known, str) else None) or f"unknown:{index}", index)
            first, other = keyed.setdefault(key, (key, written))
            if first is key:
                continue
            first.again += (index,)
            other = replaced(other, self.variables, [])
            # What is looked up may be the number that is written, or another one.
            if other != arn and isinstance(other, str) and isinstance(arn, str):
                same = f"{arn}, which has the same name as {other}"
                self.found.append(((*place, index), Mistake(same, "policies of one AWS account", "remove one of them")))
        return dict(keyed.values())


def _policy_key(arn: str) -> str | None:
    """Return the part of an attachment's logical name for a policy; None for what is no policy's ARN.

    It is the policy's path and name, with `aws:` before those of AWS managed policies.
    """
    parsed = iam_arn(arn, "policy")
    if parsed is None:
        return None
    return f"aws:{parsed.resource}" if parsed.account_id == "aws" else parsed.resource


@functools.cache
def _default(model: type[Keys]) -> Keys:
    return model.model_construct()


def _refused(value: Any, node: Node) -> Mistake | None:
    """Return the mistake in what the component would not find: a program may have JSON text, and no secret is known."""
    is_list = node is POLICY_ARNS or isinstance(node, KeyList)
    example = node.example if isinstance(node, Field) else [QUEUE_POLICY] if is_list else {}
    if value is SECRET and not isinstance(example, str):
        # The engine makes a string of each.
        found, fix = "a secret, which Pulumi passes as a string", "write it out; a string within it may be a secret"
        return Mistake(found, KIND_WORDS[type(example)], fix)
    if node is POLICY_ARNS and not isinstance(value, list | dict | Unknown):
        return wrong_kind(value, KIND_WORDS[list], example)
    is_document = isinstance(node, Field) and node.parse is READERS[Mark.DOCUMENT]
    return wrong_kind(value, MAPPING, example) if is_document and not isinstance(value, dict | Unknown) else None
