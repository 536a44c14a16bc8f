"""The component as a plugin, for programs in other languages.

The SDK's ComponentProvider reads only the keys of the schema: it silently drops an unknown key, and a whole mapping
that is an output. It also prints a Python traceback with every refusal. This one passes on everything.
"""

import functools
import inspect
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import grpc  # type: ignore[import-untyped]
import pulumi
from pulumi.output import Unknown
from pulumi.provider import ConstructResult, server
from pulumi.provider.experimental.component import ComponentProvider
from pulumi.provider.server import ProviderServicer

from irsa.component import ServiceAccountRole
from irsa.fields import Door, KeyGroup, group_of, in_camel_case
from irsa.guard_component import IdentityGuard, read_of_stack
from irsa.keys import binding, guard
from irsa.later import Read, parsed
from irsa.outputs import COMPONENT_TYPE, GUARD_TYPE
from irsa.rules.mistakes import Place, path_of
from irsa.spec import read

NAME = "irsa"


# The components, what reads their arguments, and how.
COMPONENTS: Mapping[str, tuple[Any, Callable[..., Any], KeyGroup]] = {
    COMPONENT_TYPE: (ServiceAccountRole, read, group_of(binding.ServiceAccountRoleKeys, Door.PLUGIN)),
    GUARD_TYPE: (IdentityGuard, read_of_stack, group_of(guard.IdentityGuardKeys, Door.PLUGIN)),
}


def _with_clean_description(node: dict[str, Any]) -> dict[str, Any]:
    text = node.get("description")
    return {**node, "description": inspect.cleandoc(text)} if isinstance(text, str) else node


class Plugin(ComponentProvider):
    """Passes on every argument as the caller wrote it."""

    def __init__(self, version: str) -> None:
        super().__init__([component for component, *_ in COMPONENTS.values()], NAME, version=version)
        # Generators add Args to the name of a type: ServiceAccountArgs would become ServiceAccountArgsArgs.
        schema = re.sub(rf'({NAME}:index:\w+)Args"', r'\1"', self.schema or "")
        # Markdown would show the indented later paragraphs of docstrings as code blocks.
        self.schema = json.dumps(json.loads(schema, object_hook=_with_clean_description))

    def construct(
        self, name: str, resource_type: str, inputs: pulumi.Inputs, options: pulumi.ResourceOptions | None = None
    ) -> ConstructResult:
        """Create a component.

        Raises:
            pulumi.RunError: Another component, or arguments that this one refuses.
        """
        if resource_type not in COMPONENTS:
            known = " and ".join(COMPONENTS)
            raise pulumi.RunError(f"unknown resource type {resource_type}; the plugin irsa has {known}")
        make, reads, group = COMPONENTS[resource_type]

        def spelling(argument: Place) -> str:
            return path_of(in_camel_case(argument, group))

        spec = parsed(functools.partial(reads, spelling=spelling, group=group), name, received(inputs))
        component = make(name, Read(spec), options)
        return ConstructResult(component.urn, self.get_state(component, self._component_defs[make.__name__]))


class Servicer(ProviderServicer):
    """Answers a refusal with its message only, whether it comes at once or when an output becomes known."""

    async def Construct(self, request: Any, context: Any) -> Any:  # noqa: N802 (gRPC's name)
        """Create a component."""
        try:
            return await super().Construct(request, context)
        except pulumi.RunError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))


def serve(plugin: Plugin, arguments: list[str]) -> None:
    """Serve the engine until it ends this process."""
    # The SDK's `main` takes a provider, but no servicer.
    server.ProviderServicer = Servicer  # type: ignore[misc]
    server.main(plugin, arguments)


def received(value: Any) -> Any:
    """Return a value as the caller wrote it: gRPC turns an integer into a float, and an unknown value into a marker."""
    if isinstance(value, pulumi.Output):
        return value.apply(received)
    if isinstance(value, Unknown):
        return pulumi.Output.from_input(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: received(item) for key, item in value.items()}
    return [received(item) for item in value] if isinstance(value, list) else value
