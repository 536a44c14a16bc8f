"""A plugin's own process, and calls to it in the engine's order and protocol."""

import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
from google.protobuf.empty_pb2 import Empty  # type: ignore[import-untyped]
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import engine_pb2_grpc, provider_pb2, provider_pb2_grpc

from sandbox.plugins.serving import plain, properties_of

Properties = dict[str, PropertyValue]
# The official plugin tries for a minute to create something in a namespace that does not exist.
SECONDS = 120
IN_PLACE, REPLACED, DELETED_FIRST = "in place", "replaced", "deleted, then created"


class PluginError(Exception):
    pass


@dataclass
class Resource:
    urn: str
    id: str
    inputs: Properties
    state: Properties

    @property
    def outputs(self) -> dict[str, Any]:
        return plain(self.state)


class _Log(engine_pb2_grpc.EngineServicer):
    def Log(self, request: Any, context: Any) -> Empty:  # noqa: N802 - the protocol's own name
        return Empty()


@contextmanager
def started(program: Path, environment: Mapping[str, str]) -> Iterator[Any]:
    """Start a plugin as the engine does, and yield the stub by which it is called."""
    server = grpc.server(ThreadPoolExecutor(max_workers=2))
    engine_pb2_grpc.add_EngineServicer_to_server(_Log(), server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    with subprocess.Popen([program, address], stdout=subprocess.PIPE, text=True, env=dict(environment)) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            with grpc.insecure_channel(f"127.0.0.1:{port}", options=_GRPC_CHANNEL_OPTIONS) as channel:
                yield provider_pb2_grpc.ResourceProviderStub(channel)
        finally:
            process.kill()
            server.stop(None)


class Engine:
    def __init__(self, stub: Any, package: str, settings: Mapping[str, str]) -> None:
        self.stub, self.package = stub, package
        arguments = PropertyValue.marshal_map(properties_of(settings))
        provider = f"urn:pulumi:dev::p::pulumi:providers:{package}::default"
        self._accepted(self.call("CheckConfig", provider_pb2.CheckRequest(urn=provider, news=arguments)))
        variables = {f"{package}:config:{key}": value for key, value in settings.items()}
        request = provider_pb2.ConfigureRequest(
            variables=variables, args=arguments, acceptSecrets=True, acceptResources=True, sends_old_inputs=True,
            sends_old_inputs_to_delete=True,
        )  # fmt: skip
        self.call("Configure", request)

    def call(self, name: str, request: Any) -> Any:
        try:
            return getattr(self.stub, name)(request, timeout=SECONDS)
        except grpc.RpcError as error:
            raise PluginError(error.details()) from error

    def urn(self, kind: str, name: str = "my-app") -> str:
        # The types of the parents stand in front of a `$`.
        return f"urn:pulumi:dev::p::irsa:index:ServiceAccountRole${self.package}:{kind}::{name}"

    def check(self, urn: str, inputs: Any, old: Properties | None = None) -> Properties:
        request = provider_pb2.CheckRequest(
            urn=urn, olds=_sent(old or {}), news=_sent(properties_of(inputs)), randomSeed=b"seed" + urn.encode()
        )
        response = self.call("Check", request)
        self._accepted(response)
        return PropertyValue.unmarshal_map(response.inputs)

    def _accepted(self, response: Any) -> None:
        if response.failures:
            raise PluginError("\n".join(failure.reason for failure in response.failures))

    def create(self, kind: str, inputs: Any, name: str = "my-app") -> Resource:
        urn = self.urn(kind, name)
        checked = self.check(urn, inputs)
        request = provider_pb2.CreateRequest(urn=urn, properties=_sent(checked))
        response = self.call("Create", request)
        return Resource(urn, response.id, checked, PropertyValue.unmarshal_map(response.properties))

    def diff(self, resource: Resource, inputs: Any) -> dict[str, str]:
        """Return each path that differs, and what that does to the resource."""
        request = provider_pb2.DiffRequest(
            id=resource.id,
            urn=resource.urn,
            olds=_sent(resource.state),
            old_inputs=_sent(resource.inputs),
            news=_sent(self.check(resource.urn, inputs, resource.inputs)),
        )
        response = self.call("Diff", request)
        replaced = DELETED_FIRST if response.deleteBeforeReplace else REPLACED
        paths = {*response.detailedDiff, *response.replaces}
        assert bool(paths) is (response.changes == provider_pb2.DiffResponse.DIFF_SOME)
        return {path: replaced if path in response.replaces else IN_PLACE for path in paths}

    def refresh(self, resource: Resource) -> Resource:
        given = {"properties": _sent(resource.state), "inputs": _sent(resource.inputs)}
        response = self.call("Read", provider_pb2.ReadRequest(urn=resource.urn, id=resource.id, **given))
        inputs, state = (PropertyValue.unmarshal_map(each) for each in (response.inputs, response.properties))
        return Resource(resource.urn, response.id, inputs, state)

    def update(self, resource: Resource, inputs: Any) -> Resource:
        checked = self.check(resource.urn, inputs, resource.inputs)
        given = {"olds": _sent(resource.state), "old_inputs": _sent(resource.inputs), "news": _sent(checked)}
        response = self.call("Update", provider_pb2.UpdateRequest(urn=resource.urn, id=resource.id, **given))
        return Resource(resource.urn, resource.id, checked, PropertyValue.unmarshal_map(response.properties))

    def delete(self, resource: Resource) -> None:
        given = {"properties": _sent(resource.state), "old_inputs": _sent(resource.inputs)}
        self.call("Delete", provider_pb2.DeleteRequest(urn=resource.urn, id=resource.id, **given))


def _sent(properties: Properties) -> Any:
    return PropertyValue.marshal_map(properties)
