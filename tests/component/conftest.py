from collections.abc import Callable
from typing import Any, NamedTuple

import pulumi
import pytest
from pulumi.runtime import mocks as sdk_mocks
from pulumi.runtime import rpc

from irsa import ServiceAccountRole, ServiceAccountRoleArgs

ACCOUNT = "111122223333"
COMPONENT_TYPE = "irsa:index:ServiceAccountRole"


class Registration(NamedTuple):
    type: str
    name: str
    inputs: dict[str, Any]
    urn: str
    request: Any

    @property
    def parent(self) -> str:
        return str(self.request.parent)

    @property
    def dependencies(self) -> list[str]:
        return sorted(self.request.dependencies)


class AwsAnswers(pulumi.runtime.Mocks):
    """Computed outputs as IAM makes them, the AWS account, and the metadata of the service accounts that exist."""

    def __init__(self, live: dict[str, Any] | None, account_id: str = ACCOUNT) -> None:
        self.live, self.account_id = live, account_id

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        outputs = dict(args.inputs)
        if args.typ in ("aws:iam/role:Role", "aws:iam/policy:Policy"):
            kind = args.typ.rsplit(":", 1)[1].lower()
            name = outputs.setdefault("name", f"{args.name}-1234567")
            outputs["arn"] = f"arn:aws:iam::{ACCOUNT}:{kind}{outputs.get('path') or '/'}{name}"
        if args.typ == "kubernetes:core/v1:ConfigMap":
            outputs["metadata"] = {"name": f"{args.name}-1234567", **outputs["metadata"]}
        if args.typ == "kubernetes:core/v1:ServiceAccount" and args.resource_id:
            outputs["metadata"] = self.live
        return args.resource_id or f"{args.name}-id", outputs

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], list[Any]]:
        if args.token == "aws:index/getCallerIdentity:getCallerIdentity":
            return {"accountId": self.account_id}, []
        raise AssertionError(f"the component looks nothing up, but called {args.token}")


class RecordingMonitor(sdk_mocks.MockMonitor):
    def __init__(self, answers: pulumi.runtime.Mocks) -> None:
        super().__init__(answers)
        self.registrations: list[Registration] = []
        self.reads: list[Registration] = []
        self.registered_outputs: dict[str, dict[str, Any]] = {}

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802 (the SDK's name)
        self.registered_outputs[request.urn] = rpc.deserialize_properties(request.outputs)
        return super().RegisterResourceOutputs(request)

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 (the SDK's name)
        response = super().RegisterResource(request)
        if request.type != "pulumi:pulumi:Stack":
            inputs = rpc.deserialize_properties(request.object)
            self.registrations.append(Registration(request.type, request.name, inputs, response.urn, request))
        return response

    def ReadResource(self, request: Any) -> Any:  # noqa: N802 (the SDK's name)
        response = super().ReadResource(request)
        inputs = {"id": request.id}
        self.reads.append(Registration(request.type, request.name, inputs, response.urn, request))
        return response


class Deployment(NamedTuple):
    """What one component became; `registered` is what it says of itself, which the engine keeps in the state."""

    registrations: list[Registration]
    reads: list[Registration]
    outputs: dict[str, Any]
    registered: dict[str, Any]

    def of(self, resource_type: str) -> list[Registration]:
        return [registration for registration in self.registrations if registration.type == resource_type]

    def one(self, resource_type: str) -> Registration:
        (registration,) = self.of(resource_type)
        return registration


Deploy = Callable[..., Deployment]


@pytest.fixture
def deploy() -> Deploy:

    def run(
        args: ServiceAccountRoleArgs,
        name: str = "my-app",
        opts: pulumi.ResourceOptions | None = None,
        registered: list[Registration] | None = None,
        *,
        preview: bool = False,
        live: dict[str, Any] | None = None,
        account_id: str = ACCOUNT,
    ) -> Deployment:
        monitor = RecordingMonitor(AwsAnswers(live, account_id))
        monitor.registrations = registered if registered is not None else []
        pulumi.runtime.set_mocks(monitor.mocks, project="irsa", stack="test", preview=preview, monitor=monitor)
        outputs: dict[str, Any] = {}

        @pulumi.runtime.test
        def program() -> Any:
            role = ServiceAccountRole(name, args, opts)
            known = {key: getattr(role, key) for key in ServiceAccountRole.__annotations__}
            return pulumi.Output.all(**known).apply(outputs.update)

        program()
        component = next(each for each in monitor.registrations if each.type == COMPONENT_TYPE)
        return Deployment(
            monitor.registrations, monitor.reads, outputs, monitor.registered_outputs.get(component.urn, {})
        )

    return run


@pytest.fixture
def registered() -> Callable[[Callable[[], object]], list[Registration]]:

    def run(program: Callable[[], object]) -> list[Registration]:
        monitor = RecordingMonitor(AwsAnswers(None))
        pulumi.runtime.set_mocks(monitor.mocks, project="irsa", stack="test", preview=False, monitor=monitor)
        pulumi.runtime.test(program)()
        return monitor.registrations

    return run
