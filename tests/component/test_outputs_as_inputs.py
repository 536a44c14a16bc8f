import asyncio
import contextlib
import gc
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pulumi.output import Unknown
from pulumi.runtime.settings import SETTINGS

from irsa import InvalidArgumentsError, ServiceAccountRole
from irsa.fields import OF_A_ROLE, Field, KeyGroup, group_of, node_at
from irsa.keys.binding import AddOnKeys, Keys, Quotas
from irsa.rules.mistakes import Place
from irsa.rules.policies import Document
from irsa.ways import Identity
from irsa_program.examine import examine
from irsa_program.lookups.values import AwsIdentity, unanswered
from irsa_program.plan import plan
from tests.component.conftest import COMPONENT_TYPE, DOCUMENT, GOOD, PROVIDER, STATEMENT, output
from tests.places import places
from tests.unit.irsa.test_fields import ALL

ROLE, POLICY = "aws:iam/role:Role", "aws:iam/policy:Policy"
ACCOUNT, PATCH = "kubernetes:core/v1:ServiceAccount", "kubernetes:core/v1:ServiceAccountPatch"
ROOT = Path(__file__).parents[2]
# The binding of the showcase that has every key (tests/program/test_showcase.py), as the component's arguments.
SHOWCASE = yaml.safe_load((ROOT / "Pulumi.showcase.yaml").read_text())["config"]
VALUES = {key.removeprefix("irsa:"): value for key, value in SHOWCASE.items() if key.startswith("irsa:")}
STACK = examine(VALUES, ROOT).settings.stack
KNOWN: dict[str | None, AwsIdentity | None] = {None: AwsIdentity("111122223333", "aws")}
LOOKUPS = unanswered(STACK, "us-west-2")._replace(aws_accounts=KNOWN)


def written(value: Any) -> Any:
    """Return what a program writes for what is read of it."""
    if isinstance(value, Keys):
        of_stack_file = {"create_namespace", "file"}
        return {name: written(each) for name, each in value.written().items() if name not in of_stack_file}
    if isinstance(value, list):
        return [written(each) for each in value]
    if isinstance(value, Document):
        return value.content
    if isinstance(value, Identity):
        return value.recorded
    return {str(key): written(each) for key, each in value.items()} if isinstance(value, dict) else value


EVERYTHING = {
    **written(plan(STACK, LOOKUPS).bindings["everything"].declared),
    "oidc_provider_arns": [PROVIDER],
    "policies": [
        {"add_on": "external-dns", "hosted_zones": ["Z0123456789", "arn:aws:route53:::hostedzone/Z9876543210"]}
    ],
}
# Of an existing role, instead of a name, and of add-ons, each of which has others.
OTHERWISE = {
    "role.arn",
    "role.name_prefix",
    *(f"{outer}.{name}" for outer in ("policy", "policies") for name in group_of(AddOnKeys).fields),
}


def is_plain(path: Place, group: KeyGroup = OF_A_ROLE) -> bool:
    """Say whether an argument is plain, since it or its keys decide which resources exist."""
    nodes = [node_at(path[:length], group) for length in range(len(path) + 1)]
    return next((bool(each.plain) for each in nodes if isinstance(each, Field)), True)


MAY_BE_OUTPUTS = [path for path in places(EVERYTHING) if not is_plain(path)]


def test_every_argument_is_tried_as_an_output() -> None:
    tried = {
        ".".join(str(step) for end, step in enumerate(path) if isinstance(node_at(path[:end]), KeyGroup))
        for path in MAY_BE_OUTPUTS
    }
    assert {name for name, each in ALL.items() if not each.plain} - OTHERWISE <= tried


def with_outputs(value: Any, chosen: set[Place], place: Place = (), make: Callable[[Any], Any] = output) -> Any:
    if isinstance(value, dict):
        value = {key: with_outputs(item, chosen, (*place, key), make) for key, item in value.items()}
    elif isinstance(value, list):
        value = [with_outputs(item, chosen, (*place, index), make) for index, item in enumerate(value)]
    return make(value) if place in chosen else value


def unknown() -> pulumi.Output[Any]:
    """Return an output as a preview has it of a resource that is to be created."""

    async def answer(value: Any) -> Any:
        return value

    return pulumi.Output(answer(set()), answer(None), answer(False))


@pytest.fixture(scope="module")
def expected(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chosen=st.sets(st.sampled_from(MAY_BE_OUTPUTS), min_size=1, max_size=6))
# A list that is an output, and an item that joins it later.
@example(chosen={("trust", "subjects"), ("service_account", "namespace"), ("service_account", "name")})
def test_outputs_make_the_same_resources(
    deploy: Callable[..., Any], expected: dict[str, Any], chosen: set[Place]
) -> None:
    if not expected:
        expected |= inputs(deploy(EVERYTHING))

    assert inputs(deploy(with_outputs(EVERYTHING, chosen))) == expected


def inputs(deployment: Any) -> dict[str, Any]:
    found = {f"{r.type} {r.name}": r.inputs for r in deployment.registrations}
    return {**found, "outputs": deployment.outputs}


# What only lets other arguments pass, and what is as its default.
LETS_PASS = {("trust", "any_service_account"), ("service_account", "create"), ("quotas",)}
LETS_PASS |= {("quotas", name) for name in group_of(Quotas).fields}
# Nothing is as its default: that of the other tags are those of the role.
OWN = {"tags": {"of": "its own"}}
DIFFERENT: dict[str, Any] = {**EVERYTHING, "audience": "own"}
DIFFERENT |= {name: {**EVERYTHING[name], **OWN} for name in ("policy", "pod_identity")}
WRITTEN: list[Place] = [(name,) for name in DIFFERENT]
WRITTEN += [
    (name, key) for name in DIFFERENT if isinstance(OF_A_ROLE.fields[name], KeyGroup) for key in DIFFERENT[name]
]


@pytest.mark.parametrize("path", [path for path in WRITTEN if path not in LETS_PASS], ids=str)
def test_no_argument_is_accepted_and_dropped(deploy: Callable[..., Any], path: Place) -> None:
    name, *inner = path
    rest = {key: value for key, value in DIFFERENT.items() if key != name}
    if inner:
        rest[str(name)] = {key: value for key, value in DIFFERENT[str(name)].items() if key != inner[0]}
    with contextlib.suppress(InvalidArgumentsError):
        assert requests(deploy(rest)) != requests(deploy(DIFFERENT))


def requests(deployment: Any) -> list[str]:
    """Return what was asked of the engine for the component's resources, without the lines of code that asked."""
    asked = [each.request for each in (*deployment.registrations, *deployment.reads) if each.type != COMPONENT_TYPE]
    for request in asked:
        request.ClearField("stackTrace")
        request.ClearField("sourcePosition")
    return sorted(map(str, asked))


def own_policy(deployed: Any) -> Any:
    (policy,) = (each for each in deployed.of(POLICY) if "add-on" not in each.name)
    return policy


def test_a_preview_hides_no_more_than_it_must(deploy: Callable[..., Any]) -> None:
    bucket = {**DOCUMENT, "Statement": [{**STATEMENT, "Resource": unknown()}]}
    deployed = deploy({**EVERYTHING, "policy": {"name": "everything-policy", "document": bucket}}, preview=True)

    assert isinstance(own_policy(deployed).inputs["policy"], Unknown)
    assert own_policy(deployed).inputs["name"] == "everything-policy"
    assert "showcase:everything" in deployed.one(ROLE).inputs["assumeRolePolicy"]

    namespace = {**EVERYTHING["service_account"], "namespace": unknown()}
    deployed = deploy({**EVERYTHING, "service_account": namespace}, preview=True)
    role = deployed.one(ROLE).inputs
    assert isinstance(role["assumeRolePolicy"], Unknown)
    assert (role["name"], role["path"], role["permissionsBoundary"]) == (
        "everything-role",
        "/irsa/showcase/",
        EVERYTHING["role"]["permissions_boundary"],
    )
    assert json.loads(own_policy(deployed).inputs["policy"]) == EVERYTHING["policy"]["document"]

    deployed = deploy({**EVERYTHING, "oidc_provider_arns": [unknown()]}, preview=True)
    assert deployed.one(ROLE).inputs["permissionsBoundary"] == EVERYTHING["role"]["permissions_boundary"]
    assert json.loads(own_policy(deployed).inputs["policy"]) == EVERYTHING["policy"]["document"]


@pytest.mark.parametrize("take_over", [True, False])
def test_a_preview_shows_what_a_patch_writes(deploy: Callable[..., Any], take_over: bool) -> None:
    service_account = {"name": "theirs", "create": False, "take_over": take_over, "token_expiration": 600}
    args = {
        "role": {"arn": unknown()},
        "audience": "vault",
        "service_account": {**service_account, "annotations": {"a": "b"}},
    }
    annotations = deploy(args, preview=True).one(PATCH).inputs["metadata"]["annotations"]

    assert isinstance(annotations.pop("eks.amazonaws.com/role-arn"), Unknown)
    written = {"a": "b", "eks.amazonaws.com/audience": "vault", "eks.amazonaws.com/token-expiration": "600"}
    assert annotations == {**written, **({"pulumi.com/patchForce": "true"} if take_over else {})}


def test_a_program_may_change_its_arguments_for_the_next_component(registered: Any) -> None:
    """Attack: one dictionary in a loop: each role trusted the service account of the last one."""
    args: Any = {"oidc_provider_arns": [output(PROVIDER)], "service_account": {}}

    def program() -> None:
        for name in ("first", "last"):
            args["service_account"]["name"] = name
            ServiceAccountRole(name, args)

    for role in (each for each in registered(program) if each.type == ROLE):
        assert f"default:{role.name}" in role.inputs["assumeRolePolicy"]


def test_an_existing_service_account_of_a_secret_name_is_read(deploy: Callable[..., Any]) -> None:
    """The slip: a name from an encrypted setting; the SDK ended in a TypeError, since an ID cannot be a secret."""
    name = pulumi.Output.secret("my-app")
    deployed = deploy({**GOOD, "service_account": {"name": name, "create": False}})
    assert deployed.reads[0].inputs["id"] == "default/my-app"


def test_a_secret_that_is_refused_is_not_shown(deploy: Callable[..., Any]) -> None:
    for change in ({"name": pulumi.Output.secret("hunter 2")}, {"tags": {"a": pulumi.Output.secret("hunter;2")}}):
        with pytest.raises(InvalidArgumentsError) as error:
            deploy({**GOOD, "role": change})
        assert "hunter" not in str(error.value)
        assert f"role.{next(iter(change))}" in str(error.value)


def test_a_failed_program_leaves_no_traceback_behind(
    deploy: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InvalidArgumentsError):
        deploy({**GOOD, "role": {"name": output("A B")}})
    asyncio.get_event_loop().create_future().set_exception(ValueError("of nobody"))
    # The SDK keeps what failed until the next program begins.
    SETTINGS.rpc_manager.clear()
    SETTINGS.outputs.clear()
    gc.collect()

    assert [str(record.exc_info and record.exc_info[1]) for record in caplog.records] == ["of nobody"]
