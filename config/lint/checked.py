"""What lint rules are given: a stack, its documents and their statements."""

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any, NamedTuple

from config.stack import Binding, Stack, part_of
from irsa.rules.leaves import leaves, list_of, mapping_of
from irsa.rules.mistakes import Mistake, Place
from irsa.rules.unknown import has_unknown
from irsa.spec import Spec

if TYPE_CHECKING:
    from irsa.evaluation.permissions import Permissions

# Each with its place in the settings, in the statement, or in the policies.
Warnings = Iterator[tuple[Place, Mistake]]


class Danger(Mistake):
    """A warning that `irsa check` fails by, unless the stack file silences it for the binding, with a reason."""

    def __init__(self, found: str, allowed: str, fix: str) -> None:
        super().__init__(found, allowed, f"{fix}; or silence the rule for this binding, with a reason")


class CheckedBinding(NamedTuple):
    """A binding; what is wrong or not known in it is a marker."""

    key: str
    binding: Binding
    """Its settings, `irsa:defaults` merged into them."""
    written: Mapping[str, Any]
    """Its settings as they are in the file."""
    args: Mapping[str, Any]
    """The arguments of its component, with their variables replaced."""
    spec: Spec
    """What its component creates."""

    @property
    def place(self) -> Place:
        """Its place in the settings."""
        return ("bindings", self.key)

    @property
    def documents(self) -> Iterator[tuple[Place, Any, Any]]:
        """Its policies' documents that are known, each with the policy's place, and as it is in the file."""
        policy, inline = self.args.get("policy"), self.args.get("inline_policies")
        if isinstance(policy, dict) and isinstance(policy.get("document"), dict):
            yield (*self.place, "policy"), policy["document"], self.binding.argument("policy", "document")
        for name, settings in inline.items() if isinstance(inline, dict) else ():
            document = mapping_of(settings).get("document")
            if isinstance(document, dict):
                written = self.binding.argument("inline_policies", name, "document")
                yield (*self.place, "inlinePolicies", name), document, written

    @property
    def session_policies(self) -> Iterator[tuple[Place, Any, Any]]:
        """Its session policy for EKS Pod Identity, likewise: it limits what the others give."""
        place = ("pod_identity", "policy", "document")
        if isinstance(document := self.argument(*place), dict):
            yield (*self.place, "podIdentity", "policy"), document, self.binding.argument(*place)

    @property
    def has_existing_role(self) -> bool:
        """Whether its role exists, and is not changed."""
        return "arn" in mapping_of(self.args.get("role"))

    def argument(self, *place: str) -> Any:
        """Return an argument; None where it is not there."""
        return part_of(self.args, place)

    def strings(self, *place: str) -> Iterator[tuple[int | str, str]]:
        """Yield the known items of an argument that is a list or a mapping, with their indexes or keys."""
        value = self.argument(*place)
        # A key that is no string is a mistake, and so is not marked by its name.
        keyed = {key: each for key, each in mapping_of(value).items() if isinstance(key, str)}
        items = keyed.items() if keyed else enumerate(list_of(value))
        yield from ((step, item) for step, item in items if isinstance(item, str))


class CheckedStack(NamedTuple):
    """A stack file, and what the rules need besides the bindings."""

    stack: Stack
    """The settings, with `irsa:defaults` merged into the bindings."""
    settings: Mapping[str, Any]
    """The settings as they are in the file."""
    bindings: Mapping[str, CheckedBinding]
    complete: bool
    """Whether it has no mistake and no secret."""
    used_variables: Set[str]
    """Names of the variables that documents and ARNs of the whole file use."""


class Statement(NamedTuple):
    """A statement of a policy document."""

    values: Mapping[str, Any]
    """Its elements, variables replaced, with a marker for what is not known."""
    written: Mapping[str, Any]
    """Its elements as they are in the document."""

    def items(self, element: str) -> Sequence[str]:
        """Return the values of an element that are known."""
        return strings(self.values.get(element))

    def placed(self, element: str) -> Iterator[tuple[Place, str]]:
        """Yield the same with their places in the statement."""
        value = self.values.get(element)
        yield from ((place, item) for place, item in leaves(value, (element,)) if isinstance(item, str))

    def is_known(self, element: str) -> bool:
        """Return whether all values of an element are known."""
        return not has_unknown(self.values.get(element))

    @property
    def allows(self) -> bool:
        """Whether it allows what it names."""
        return bool(self.values.get("Effect") == "Allow")


class Policies:
    """The documents of one role, which decide together.

    A Deny statement that is not known whole is not among them, nor is a managed policy that is attached by its ARN, nor
    a permissions boundary: what can't be seen silences nothing.
    """

    def __init__(self, documents: Iterable[tuple[Any, Any]]) -> None:
        found = [
            ((index, *place), statement, document.get("Version"))
            for index, (document, written) in enumerate(documents)
            for place, statement in statements(document, written)
            if statement.allows or not has_unknown(statement.values)
        ]
        self.statements = [(place, statement) for place, statement, _ in found]
        """Each with its place, which begins with the index of its document."""
        self.documents = [{"Version": version, "Statement": statement.values} for _, statement, version in found]

    @functools.cached_property
    def permissions(self) -> "Permissions":
        """What they give; its statements have the indexes of `statements`."""
        from irsa.evaluation.permissions import gives  # noqa: PLC0415 (most policies name their resources, and need none)

        return gives(self.documents)

    def give(self, action: str, arns: Sequence[str], index: int) -> bool:
        """Return whether a statement gives an action on every resource of a type, alone or where none does alone."""
        allowing = self.permissions.allowing(action)
        if index not in allowing or self.permissions.limited(index):
            return False
        everywhere = self.permissions.everywhere
        if everywhere(action, arns, [index]):
            return True
        return bool(everywhere(action, arns)) and not any(everywhere(action, arns, [each]) for each in allowing)


def statements(document: Any, written: Any) -> Iterator[tuple[Place, Statement]]:
    """Yield each statement of a document with its place."""
    several = document.get("Statement")
    if isinstance(several, dict):
        yield ("Statement",), Statement(several, written["Statement"])
    for index, each in enumerate(several if isinstance(several, list) else ()):
        if isinstance(each, dict):
            yield ("Statement", index), Statement(each, written["Statement"][index])


def strings(value: Any) -> Sequence[str]:
    """Return the strings of an element that may be one or a list."""
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)]
