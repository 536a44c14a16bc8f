"""Values that are known only during the deployment: outputs, and what is computed of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import pulumi

from irsa.read import ArgumentMistakes
from irsa.rules.mistakes import Located
from irsa.rules.unknown import sources_of

T = TypeVar("T")
# What reads the arguments of a component, by its name: what they declare, and all mistakes.
Reads = Callable[[str, Any], tuple[Any, Sequence[Located]]]


class InvalidArgumentsError(pulumi.RunError):
    """All mistakes in the arguments of one component.

    Attributes:
        mistakes: Each with the argument's path.
    """

    def __init__(self, found: ArgumentMistakes) -> None:
        super().__init__(str(found))
        self.mistakes = found.mistakes


class Read(NamedTuple):
    """What stands in place of arguments that are read already, for irsa's own program and plugin.

    Attributes:
        besides: Of a role, the hooks of the service account that it creates; of a guard, for each service account, what
            must be there before its Pods are refused.
    """

    spec: Any
    besides: Any = None


def parsed(read: Reads, name: str, args: Any) -> Any:
    """Return what the arguments of a component declare, as a function reads them.

    Raises:
        InvalidArgumentsError: All mistakes in them.
    """
    try:
        spec, mistakes = read(name, args)
    except ArgumentMistakes as found:
        raise InvalidArgumentsError(found) from None
    if mistakes:
        raise InvalidArgumentsError(spec.reading.refusal(mistakes))
    return spec


class Later:
    """Reads the arguments of a component again when outputs are known: once for each set of them.

    Attributes:
        read: Returns the spec with the values of outputs by their identity, and whether these are secret.
    """

    def __init__(self, read: Callable[[Mapping[int, Any], bool], Any]) -> None:
        self.read = read
        self._outputs: dict[int, pulumi.Output[Any]] = {}
        self._specs: dict[frozenset[int], pulumi.Output[Any]] = {}

    def value(self, spec: Any, path: Sequence[str | int]) -> Any:
        """Return the value at a path of the spec for a resource: as it is, or when the outputs in it are known."""
        value = _at(spec, path)
        sources = sources_of(value)
        if not sources:
            return value
        which = frozenset(map(id, sources))
        if which not in self._specs:
            # What is awaited is awaited once.
            new = [each for each in sources if id(each) not in self._outputs]
            self._outputs |= {id(each): pulumi.Output.from_input(each) for each in new}
            together: pulumi.Output[Any] = pulumi.Output.all(*(self._outputs[id(each)] for each in sources))

            def read(found: Sequence[Any]) -> Any:
                try:
                    return self.read(dict(zip(map(id, sources), found[0], strict=True)), bool(found[1]))
                except ArgumentMistakes as mistakes:
                    raise InvalidArgumentsError(mistakes) from None

            self._specs[which] = pulumi.Output.all(together, together.is_secret()).apply(read)
        return self._specs[which].apply(lambda known: _at(known, path))


def _at(value: Any, path: Sequence[str | int]) -> Any:
    for step in path:
        value = value[step] if isinstance(step, int) or isinstance(value, Mapping) else getattr(value, step)
    return value


async def awaited(answer: pulumi.Output[T]) -> T | Exception | None:
    """Return the value of an output, or why there is none: unless it recovers, that ends the program by a traceback."""
    errors: list[Exception] = []

    def noted(error: Exception) -> Any:
        errors.append(error)

    found = await answer.recover(noted).future()
    return errors[0] if errors else found


def applied(function: Callable[[dict[str, Any]], Any], **values: Any) -> Any:
    """Return the function's result: at once where all values are known, else as an output."""
    outstanding = {name: value for name, value in values.items() if isinstance(value, pulumi.Output)}
    if not outstanding:
        return function(values)
    return pulumi.Output.all(**outstanding).apply(lambda found: function({**values, **found}))
