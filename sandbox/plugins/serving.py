"""What both stand-in plugins share: serving a provider to the engine, and plain values for property values."""

import asyncio
import inspect
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import grpc  # type: ignore[import-untyped]
import grpc.aio  # type: ignore[import-untyped]
from pulumi.provider.experimental.property_value import Computed, PropertyValue
from pulumi.provider.experimental.provider import Provider
from pulumi.provider.experimental.server import ProviderServicer
from pulumi.runtime import rpc
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

from sandbox.parent import end_with_parent


class UnknownProperty:
    """The type of UNKNOWN, a value that is only known after an `up`."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = UnknownProperty()

Plain = dict[str, Any]
Properties = Mapping[str, PropertyValue]


class ProviderError(Exception):
    """An error whose text is for the user: the engine gets it without a traceback."""


class InitializationError(ProviderError):
    """A resource exists but is not as declared: the engine stores it with the reasons."""

    def __init__(self, resource_id: str, properties: dict[str, PropertyValue], reasons: list[str]) -> None:
        super().__init__("\n".join(reasons))
        self.resource_id = resource_id
        self.properties = properties
        self.reasons = reasons


def plain(properties: Properties) -> Plain:
    """Return the values alone, unknown ones as UNKNOWN and whole numbers as int."""
    return {key: _plain_value(value) for key, value in properties.items()}


def _plain_value(property_value: PropertyValue) -> Any:
    value = property_value.value
    # The SDK's own unmarshalling leaves the engine's marker of an unknown value as a string.
    if isinstance(value, Computed) or value == rpc.UNKNOWN:
        return UNKNOWN
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {key: _plain_value(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain_value(item) for item in value]
    return value


def properties_of(values: Mapping[str, Any], secrets_of: Properties | None = None) -> dict[str, PropertyValue]:
    """Return property values; what is secret in `secrets_of` is secret in the same place."""
    secrets = secrets_of or {}
    return {key: _property_value(value, secrets.get(key)) for key, value in values.items()}


def _property_value(value: Any, like: PropertyValue | None = None) -> PropertyValue:
    secret = like is not None and like.is_secret
    within = like.value if like is not None else None
    if isinstance(value, Mapping):
        known = within if isinstance(within, Mapping) else {}
        fields = {key: _property_value(item, known.get(key)) for key, item in value.items()}
        return PropertyValue(fields, is_secret=secret)
    if isinstance(value, list | tuple):
        # In a list that was reordered or has another length, which item is secret is not known.
        lost = like is not None and like.contains_secret()
        return PropertyValue([_property_value(item) for item in value], is_secret=secret or lost)
    secret = secret or (like is not None and like.contains_secret())
    if isinstance(value, UnknownProperty):
        # The SDK cannot marshal Computed; the engine's marker it can.
        return PropertyValue(rpc.UNKNOWN, is_secret=secret)
    number = isinstance(value, int) and not isinstance(value, bool)
    return PropertyValue(float(value) if number else value, is_secret=secret)


def pruned(live: Any, shape: Any) -> Any:
    """Return the fields of `live` that `shape` has, and as many items: the rest is written by others."""
    if isinstance(live, dict) and isinstance(shape, dict):
        return {key: pruned(live[key], shape[key]) for key in shape if key in live}
    if isinstance(live, list) and isinstance(shape, list):
        return [pruned(item, like) for item, like in zip(live, shape, strict=False)]
    return live


def contains_unknown(value: Any) -> bool:
    """Return whether there is an unknown value in it."""
    if isinstance(value, Mapping):
        return any(contains_unknown(item) for item in value.values())
    if isinstance(value, list | tuple):
        return any(contains_unknown(item) for item in value)
    return isinstance(value, UnknownProperty)


class _Servicer(ProviderServicer):
    async def Read(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's own name
        response = await super().Read(request, context)
        # "Does not exist" is an answer without properties; with none in it, the engine takes it for an empty resource.
        return response if response.id else provider_pb2.ReadResponse()


class _PlainErrors(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Answers a ProviderError with its text; the SDK's servicer would add a traceback."""

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any) -> Any:
        handler = await continuation(handler_call_details)
        if handler is None or handler.unary_unary is None:
            return handler

        async def behaviour(request: Any, context: Any) -> Any:
            try:
                answer = handler.unary_unary(request, context)
                return await answer if inspect.isawaitable(answer) else answer
            except NotImplementedError as error:
                await context.abort(grpc.StatusCode.UNIMPLEMENTED, str(error))
            except Exception as error:
                # The servicer raises a bare Exception in place of the provider's.
                cause = error.__context__
                if isinstance(cause, InitializationError):
                    await context.abort_with_status(_initialization_status(cause))
                text = str(cause) if isinstance(cause, ProviderError) else str(error)
                await context.abort(grpc.StatusCode.UNKNOWN, text)

        return grpc.unary_unary_rpc_method_handler(
            behaviour,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )


class _Status(grpc.Status):  # type: ignore[misc]
    def __init__(self, code: grpc.StatusCode, details: str, trailing_metadata: Any) -> None:
        self.code = code
        self.details = details
        self.trailing_metadata = trailing_metadata


def _initialization_status(error: InitializationError) -> _Status:
    detail = provider_pb2.ErrorResourceInitFailed(
        id=error.resource_id, properties=PropertyValue.marshal_map(error.properties), reasons=error.reasons
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(error))
    status.details.add().Pack(detail)
    return _Status(grpc.StatusCode.UNKNOWN, str(error), (("grpc-status-details-bin", status.SerializeToString()),))


def serve(provider: Provider, version: str) -> None:
    """Serve the provider to the engine named on the command line until a signal, or the engine's end."""
    # The engine sends SIGINT and then waits up to five seconds for each plugin.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))
    asyncio.run(_serve(provider, version, sys.argv[-1]))


async def _serve(provider: Provider, version: str, engine: str) -> None:
    end_with_parent(lambda: os._exit(0))
    server = grpc.aio.server(interceptors=[_PlainErrors()], options=_GRPC_CHANNEL_OPTIONS)
    servicer = _Servicer(sys.argv[1:], version, provider, engine_address=engine)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    # The engine reads the port from the first line.
    print(port, flush=True)
    await server.wait_for_termination()
