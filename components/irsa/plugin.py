"""The component as a plugin, for programs in other languages.

The SDK's ComponentProvider reads only the keys of the schema: it silently drops an unknown key, and a whole mapping
that is an output. It also prints a Python traceback with every refusal. This one passes on everything.
"""

import functools
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

from irsa.component import ServiceAccountRole
from irsa.guard_component import IdentityGuard, read_of_stack
from irsa.later import Read, Reads, parsed
from irsa.outputs import COMPONENT_TYPE, GUARD_TYPE
from irsa.rules.mistakes import Place, path_of
from irsa.spec import read

NAME = "irsa"


# The components, and what reads their arguments.
COMPONENTS: Mapping[str, tuple[Any, Reads]] = {
    COMPONENT_TYPE: (ServiceAccountRole, read),
    GUARD_TYPE: (IdentityGuard, read_of_stack),
}


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
        super().__init__([component for component, _ in COMPONENTS.values()], NAME, version=version)
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
        make, reads = COMPONENTS[resource_type]
        definition = self.definition_of(make)
        spelling = functools.partial(self.spelled, definition)
        component = make(name, Read(parsed(reads, name, self.map_inputs(inputs, definition), spelling)), options)
        return ConstructResult(component.urn, self.get_state(component, definition))

    def definition_of(self, component: type) -> ComponentDefinition:
        """Return the arguments and outputs of a component."""
        return self._component_defs[component.__name__]

    def map_inputs(self, inputs: pulumi.Inputs, component_def: ComponentDefinition) -> pulumi.Inputs:
        """Return the arguments by their names in Python; the component reports missing and unknown ones."""
        return self._named(inputs, component_def.inputs, component_def.inputs_mapping)

    def spelled(self, definition: ComponentDefinition, argument: Place) -> str:
        """Return how the schema spells an argument: `serviceAccount.namespace`; an unknown one is left as it is."""
        steps: list[str | int] = []
        # Of the group that the next step is in, and of a list or mapping that holds groups.
        names, properties = definition.inputs_mapping, definition.inputs
        several: PropertyDefinition | None = None
        for step in argument:
            key = step if several else next((key for key, name in names.items() if name == step), step)
            here = several if several else properties.get(str(key))
            steps.append(key)
            several = None if several else _items_of(here)
            group = None if several else self._group_of(here)
            names, properties = (group.properties_mapping, group.properties) if group else ({}, {})
        return path_of(steps)

    def _group_of(self, definition: PropertyDefinition | None) -> TypeDefinition | None:
        return self.get_type_definition(definition) if definition and definition.ref else None

    def _named(
        self, inputs: Mapping[str, Any], properties: Mapping[str, PropertyDefinition], names: Mapping[str, str]
    ) -> dict[str, Any]:
        read = {key: self._value(value, properties.get(key)) for key, value in inputs.items()}
        return {names[key] if key in names else UnknownKey(key): value for key, value in read.items()}

    def _value(self, value: Any, definition: PropertyDefinition | None) -> Any:
        """Return a value with the keys of the schema's types renamed; the keys of other mappings stay unchanged."""
        items, group = _items_of(definition), self._group_of(definition)
        if group and isinstance(value, dict):
            return self._named(value, group.properties, group.properties_mapping)
        if items and isinstance(value, dict):
            return {key: self._value(item, items) for key, item in value.items()}
        if items and isinstance(value, list):
            return [self._value(item, items) for item in value]
        return received(value)


def _items_of(definition: PropertyDefinition | None) -> PropertyDefinition | None:
    """Return what the items of a list or the values of a mapping are."""
    return definition and (definition.items or definition.additional_properties)


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
