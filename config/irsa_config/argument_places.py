"""How a stack file spells the arguments of the component: a binding has the same keys, in camelCase."""

from irsa.fields import OF_A_ROLE, Node, in_camel_case
from irsa.rules.mistakes import Place, path_of


def place_of(argument: Place, node: Node | None = OF_A_ROLE) -> Place:
    """Return the place of an argument of the component, or of a part of one, in a binding; or of one below a node."""
    # A stack file names the clusters by their keys.
    if argument[:1] == ("cluster_arns",):
        return ("clusters",)
    if argument[:1] == ("oidc_provider_arns",):
        return ("clusters", *argument[1:])
    return in_camel_case(argument, node)


def spelled(argument: Place) -> str:
    """Return how a stack file spells an argument of the component."""
    return f"irsa:{path_of(place_of(argument))}" if argument[:1] == ("quotas",) else path_of(place_of(argument))
