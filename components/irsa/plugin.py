"""The component as a plugin, for programs in other languages.

The SDK's ComponentProvider reads only the keys of the schema: it silently drops an unknown key, and a whole mapping
that is an output. It also prints a Python traceback with every refusal. This one passes on everything.
"""

import inspect
import json
import re
from collections.abc import Mapping
from typing import Any

import grpc  # type: ignore[import-untyped]
import pulumi
from pulumi.output import Unknown
from pulumi.provider import ConstructResult, server
from pulumi.provider.experimental.analyzer import ComponentDefinition, PropertyDefinition, TypeDefinition
from pulumi.provider.experimental.component import ComponentProvider
from pulumi.provider.server import ProviderServicer

from irsa.component import ServiceAccountRole, parsed
from irsa.outputs import COMPONENT_TYPE
from irsa.rules.mistakes import Place, path_of

NAME = "irsa"


class UnknownKey(str):
    """A key that is not in the schema: it must not equal a Python name with the same spelling."""

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        """Return whether it is the same object."""
        return self is other


def _with_clean_description(node: dict[str, Any]) -> dict[str, Any]:
    text = node.get("description")
    return {**node, "description": inspect.cleandoc(text)} if isinstance(text, str) else node


class Plugin(ComponentProvider):
    """Passes on every argument as the caller wrote it."""

    def __init__(self, version: str) -> None:
        super().__init__([ServiceAccountRole], NAME, version=version)
        self.definition = self._component_defs[ServiceAccountRole.__name__]
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
        if resource_type != COMPONENT_TYPE:
            raise pulumi.RunError(f"unknown resource type {resource_type}; the plugin irsa has {COMPONENT_TYPE} only")
        spec = parsed(name, self.map_inputs(inputs, self.definition), self.spelled)
        component = ServiceAccountRole(name, {}, options, spec=spec)
        return ConstructResult(component.urn, self.get_state(component, self.definition))

    def map_inputs(self, inputs: pulumi.Inputs, component_def: ComponentDefinition) -> pulumi.Inputs:
        """Return the arguments by their names in Python; the component reports missing and unknown ones."""
        return self._named(inputs, component_def.inputs, component_def.inputs_mapping)

    def spelled(self, argument: Place) -> str:
        """Return how the schema spells an argument: `serviceAccount.namespace`; an unknown one is left as it is."""
        properties, names = self.definition.inputs, self.definition.inputs_mapping
        steps: list[str | int] = []
        for step in argument:
            key = next((key for key, name in names.items() if name == step), step)
            steps.append(key)
            if isinstance(step, int):
                continue  # of a list of a type, whose properties are those of its items
            nested = self._type_of(properties.get(str(key)))
            properties, names = (nested.properties, nested.properties_mapping) if nested else ({}, {})
        return path_of(steps)

    def _type_of(self, definition: PropertyDefinition | None) -> TypeDefinition | None:
        """Return the type of a value, or of the items of a list."""
        definition = definition.items if definition and definition.items else definition
        return self.get_type_definition(definition) if definition and definition.ref else None

    def _named(
        self, inputs: Mapping[str, Any], properties: Mapping[str, PropertyDefinition], names: Mapping[str, str]
    ) -> dict[str, Any]:
        read = {key: self._value(value, properties.get(key)) for key, value in inputs.items()}
        return {names[key] if key in names else UnknownKey(key): value for key, value in read.items()}

    def _value(self, value: Any, definition: PropertyDefinition | None) -> Any:
        """Return a value with the keys of the schema's types renamed; the keys of other mappings stay unchanged."""
        nested = self._type_of(definition)
        if nested and isinstance(value, dict):
            return self._named(value, nested.properties, nested.properties_mapping)
        if nested and isinstance(value, list):
            return [self._value(item, definition) for item in value]
        return received(value)


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
