from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pulumi
import pytest
from pulumi.runtime import mocks as sdk_mocks
from pulumi.runtime import rpc

from irsa import ServiceAccountRole, ServiceAccountRoleArgs

ACCOUNT = "111122223333"
COMPONENT_TYPE = "irsa:index:ServiceAccountRole"
ISSUER = "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
OTHER_ISSUER = ISSUER.replace("EXAMPLED539D", "EXAMPLEGREEN")
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER.removeprefix('https://')}"


STATEMENT = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::my-bucket/*"}
DOCUMENT: dict[str, Any] = {"Version": "2012-10-17", "Statement": [STATEMENT]}
GOOD: dict[str, Any] = {
    "service_account": {"name": "my-service-account", "namespace": "default"},
    "oidc_provider_arns": [PROVIDER],
    "role": {"name": "my-role"},
    "policy": {"name": "my-policy", "document": DOCUMENT},
}


def output(value: Any) -> pulumi.Output[Any]:
    return pulumi.Output.from_input(value)


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


class Answers(pulumi.runtime.Mocks):
    """AWS, Kubernetes and another stack, as a program sees them: outputs as IAM computes them, and look-ups.

    Attributes:
        failing: Look-ups that have no answer.
        asked: How often each look-up was asked for, by its name, what it is about and its provider.
    """

    account_id = ACCOUNT

    def __init__(self, failing: Sequence[str] = (), audiences: Sequence[str] = ("sts.amazonaws.com",)) -> None:
        self.failing, self.audiences = failing, audiences
        self.stack_outputs: dict[str, Any] = {"oidcIssuer": ISSUER, "oidcProviderArn": PROVIDER}
        self.resources: list[tuple[str, str, dict[str, Any]]] = []
        self.asked = Counter[str]()

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        outputs = dict(args.inputs)
        self.resources.append((args.typ, args.name, dict(args.inputs)))
        if args.typ.startswith("aws:"):
            name = outputs.setdefault("name", f"{outputs.get('namePrefix') or f'{args.name}-'}1234567")
            resource = f"{args.typ.rsplit(':', 1)[1].lower()}{outputs.get('path') or '/'}{name}"
            if "url" in outputs:
                resource = f"oidc-provider/{outputs['url'].removeprefix('https://')}"
            outputs["arn"] = f"arn:aws:iam::{ACCOUNT}:{resource}"
        if args.typ == "kubernetes:core/v1:ConfigMap":
            outputs["metadata"] = {"name": f"{args.name}-1234567", **outputs["metadata"]}
        return args.resource_id or f"{args.name}-id", outputs

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        operation = args.token.rsplit(":", 1)[-1]
        of = args.args.get("name") or args.args.get("arn") or ""
        # A provider is known by its URN, which ends with its name, and its id.
        provider = args.provider.split("::")[-2] if args.provider else ""
        self.asked[" ".join(filter(None, (operation, of, provider)))] += 1
        if operation in self.failing:
            return {}, [("", f"no answer to {operation}")]
        answers: dict[str, dict[str, Any]] = {
            "readStackOutputs": {"outputs": self.stack_outputs},
            "getCallerIdentity": {"accountId": self.account_id},
            "getPartition": {"partition": "aws"},
            "getRegion": {"region": "us-west-2"},
            "getCluster": {
                "arn": f"arn:aws:eks:us-west-2:{ACCOUNT}:cluster/{of}",
                "identities": [{"oidcs": [{"issuer": OTHER_ISSUER if of == "other-cluster" else ISSUER}]}],
                "endpoint": "https://example.com",
                "certificateAuthorities": [{"data": "Y2E="}],
            },
            "getOpenIdConnectProvider": {"arn": of, "clientIdLists": self.audiences},
        }
        return answers[operation], []


class OfAComponent(Answers):
    """The metadata of the service accounts that exist, and no look-up but one."""

    def __init__(self, live: dict[str, Any] | None, account_id: str = ACCOUNT) -> None:
        super().__init__()
        self.live, self.account_id = live, account_id

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        identity, outputs = super().new_resource(args)
        if args.typ == "kubernetes:core/v1:ServiceAccount" and args.resource_id:
            outputs["metadata"] = self.live
        return identity, outputs

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        assert args.token == "aws:index/getCallerIdentity:getCallerIdentity", "the component looks nothing else up"
        return super().call(args)


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
        monitor = RecordingMonitor(OfAComponent(live, account_id))
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
        monitor = RecordingMonitor(OfAComponent(None))
        pulumi.runtime.set_mocks(monitor.mocks, project="irsa", stack="test", preview=False, monitor=monitor)
        pulumi.runtime.test(program)()
        return monitor.registrations

    return run
