from collections.abc import Iterator

from irsa.fields import OF_A_ROLE, Group, Keyed, Listed, Node
from irsa.rules.mistakes import Place
from irsa_config.argument_places import place_of
from irsa_config.key_types import keys_at


def arguments(node: Node = OF_A_ROLE, place: Place = ()) -> Iterator[Place]:
    """Yield the place of each argument, those in other arguments too."""
    if isinstance(node, Group):
        for name, each in node.fields.items():
            yield (*place, name)
            yield from arguments(each, (*place, name))
    elif isinstance(node, Keyed | Listed):
        yield from arguments(node.item, (*place, 0 if isinstance(node, Listed) else "a_b"))


def test_every_argument_has_its_place_in_a_binding() -> None:
    for argument in arguments():
        *parents, key = place_of(argument)
        assert key in keys_at((*(() if argument[0] == "quotas" else ("bindings", "my-app")), *parents))
