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
        self.call("CheckConfig", provider_pb2.CheckRequest(urn=provider, news=arguments))
        variables = {f"{package}:config:{key}": value for key, value in settings.items()}
        request = provider_pb2.ConfigureRequest(
            variables=variables, args=arguments, acceptSecrets=True, acceptResources=True, sends_old_inputs=True,
            sends_old_inputs_to_delete=True,
        )  # fmt: skip
        self.call("Configure", request)

    def call(self, name: str, request: Any) -> Any:
        answer = getattr(self.stub, name)(request, timeout=SECONDS)
        assert not getattr(answer, "failures", ()), answer.failures
        return answer

    def create(self, kind: str, inputs: Any, name: str = "my-app") -> Resource:
        # The types of the parents stand in front of a `$`.
        urn = f"urn:pulumi:dev::p::irsa:index:ServiceAccountRole${self.package}:{kind}::{name}"
        request = provider_pb2.CheckRequest(
            urn=urn, olds=_sent({}), news=_sent(properties_of(inputs)), randomSeed=b"seed"
        )
        checked = PropertyValue.unmarshal_map(self.call("Check", request).inputs)
        response = self.call("Create", provider_pb2.CreateRequest(urn=urn, properties=_sent(checked)))
        return Resource(urn, response.id, checked, PropertyValue.unmarshal_map(response.properties))

    def delete(self, resource: Resource) -> None:
        given = {"properties": _sent(resource.state), "old_inputs": _sent(resource.inputs)}
        self.call("Delete", provider_pb2.DeleteRequest(urn=resource.urn, id=resource.id, **given))


def _sent(properties: Properties) -> Any:
    return PropertyValue.marshal_map(properties)
