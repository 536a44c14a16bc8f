"""Outputs among the arguments: the same resources as with plain values, the same refusals, and full previews."""

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
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pulumi.output import Unknown
from pulumi.runtime import rpc
from pulumi.runtime.settings import SETTINGS

from irsa import ServiceAccountRole
from irsa.fields import OF_A_ROLE, Field, Group, group_of, node_at
from irsa.keys.binding import AddOn, Quotas
from irsa.later import InvalidArgumentsError
from irsa.rules.mistakes import Place
from irsa_program.arguments import policy_key
from irsa_program.examine import examine
from irsa_program.lookups.values import AwsIdentity, ResolvedAwsAccount, unanswered
from irsa_program.plan import plan
from tests.component.conftest import COMPONENT_TYPE
from tests.component.test_arguments import DOCUMENT, GOOD, PROVIDER, STATEMENT, output
from tests.places import places
from tests.unit.irsa.test_fields import ALL

ROLE, POLICY = "aws:iam/role:Role", "aws:iam/policy:Policy"
ACCOUNT, PATCH = "kubernetes:core/v1:ServiceAccount", "kubernetes:core/v1:ServiceAccountPatch"
ROOT = Path(__file__).parents[2]
# The binding of the showcase that has every key (tests/program/test_showcase.py), as the component's arguments.
SHOWCASE = yaml.safe_load((ROOT / "Pulumi.showcase.yaml").read_text())["config"]
VALUES = {key.removeprefix("irsa:"): value for key, value in SHOWCASE.items() if key.startswith("irsa:")}
STACK = examine(VALUES, ROOT).settings.stack
KNOWN: dict[str | None, ResolvedAwsAccount] = {None: ResolvedAwsAccount(AwsIdentity("111122223333", "aws"), None)}
LOOKUPS = unanswered(STACK, "us-west-2")._replace(aws_accounts=KNOWN)
ARGS = plan(STACK, LOOKUPS).bindings["everything"].args
EVERYTHING = {
    **ARGS,
    "oidc_provider_arns": [PROVIDER],
    "policy_arns": {policy_key(arn): arn for arn in ARGS["policy_arns"]},
    "policies": [
        {"add_on": "external-dns", "hosted_zones": ["Z0123456789", "arn:aws:route53:::hostedzone/Z9876543210"]}
    ],
}
# Of an existing role, instead of a name, and of add-ons, each of which has others.
OTHERWISE = {
    "role.arn",
    "role.name_prefix",
    *(f"{outer}.{name}" for outer in ("policy", "policies") for name in group_of(AddOn).fields),
}
LONG = "x" * 6200


def is_plain(path: Place) -> bool:
    """Say whether an argument is plain, since it or its keys decide which resources exist."""
    nodes = [node_at(path[:length]) for length in range(len(path) + 1)]
    return next((bool(each.plain) for each in nodes if isinstance(each, Field)), True)


MAY_BE_OUTPUTS = [path for path in places(EVERYTHING) if not is_plain(path)]


def test_every_argument_is_tried_as_an_output() -> None:
    """Protects a new argument: one that may be an output, and is not in the showcase, was never tried as one."""
    tried = {
        ".".join(str(step) for end, step in enumerate(path) if isinstance(node_at(path[:end]), Group))
        for path in MAY_BE_OUTPUTS
    }
    assert {name for name, each in ALL.items() if not each.plain} - OTHERWISE <= tried


def with_outputs(value: Any, chosen: set[Place], place: Place = ()) -> Any:
    """Return the value with outputs at the chosen paths."""
    if isinstance(value, dict):
        value = {key: with_outputs(item, chosen, (*place, key)) for key, item in value.items()}
    elif isinstance(value, list):
        value = [with_outputs(item, chosen, (*place, index)) for index, item in enumerate(value)]
    return output(value) if place in chosen else value


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
def test_outputs_make_the_same_resources(
    deploy: Callable[..., Any], expected: dict[str, Any], chosen: set[Place]
) -> None:
    """Protects programs that pass outputs: wherever one may stand, the same is created as with the plain value."""
    if not expected:
        expected |= inputs(deploy(EVERYTHING))

    assert inputs(deploy(with_outputs(EVERYTHING, chosen))) == expected


def inputs(deployment: Any) -> dict[str, Any]:
    """Return what was registered, and the component's outputs."""
    found = {f"{r.type} {r.name}": r.inputs for r in deployment.registrations}
    return {**found, "outputs": deployment.outputs}


@pytest.mark.parametrize("path", MAY_BE_OUTPUTS, ids=str)
def test_every_output_alone(deploy: Callable[..., Any], expected: dict[str, Any], path: Place) -> None:
    """Protects each argument by itself, so that a failure says which one."""
    if not expected:
        expected |= inputs(deploy(EVERYTHING))

    assert inputs(deploy(with_outputs(EVERYTHING, {path}))) == expected


# What only lets other arguments pass, and what is as its default.
LETS_PASS = {("trust", "any_service_account"), ("service_account", "create"), ("quotas",)}
LETS_PASS |= {("quotas", name) for name in group_of(Quotas).fields}
# Nothing is as its default: that of the other tags are those of the role.
OWN = {"tags": {"of": "its own"}}
DIFFERENT: dict[str, Any] = {**EVERYTHING, "audience": "own"}
DIFFERENT |= {name: {**EVERYTHING[name], **OWN} for name in ("policy", "pod_identity")}
WRITTEN: list[Place] = [(name,) for name in DIFFERENT]
WRITTEN += [(name, key) for name in DIFFERENT if isinstance(OF_A_ROLE.fields[name], Group) for key in DIFFERENT[name]]


@pytest.mark.parametrize("path", [path for path in WRITTEN if path not in LETS_PASS], ids=str)
def test_no_argument_is_accepted_and_dropped(deploy: Callable[..., Any], path: Place) -> None:
    """Protects a new argument: what is created differs without it, or it is needed."""
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


# argument, a value that is wrong, where it is reported
WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"service_account": {"name": output("A_"), "namespace": "a"}}, "service_account.name", "'A_'"),
    ({"service_account": {"name": "a", "namespace": output("team a")}}, "service_account.namespace", "'team a'"),
    ({"service_account": {"name": "a", "labels": output({"a": "b c"})}}, "service_account.labels.a", "'b c'"),
    ({"service_account": {"name": "a", "sts_regional_endpoints": output("yes")}},
     "service_account.sts_regional_endpoints", "true or false"),
    ({"oidc_provider_arns": [output("arn:aws:iam::1:oidc-provider/x")]}, "oidc_provider_arns[0]", "not 12 digits"),
    ({"oidc_provider_arns": [PROVIDER, output(PROVIDER.replace("111122223333", "444455556666"))]},
     "oidc_provider_arns[1]", "444455556666"),
    ({"trust": {"subjects": [output("team-a")]}}, "trust.subjects[0]", "is not namespace:name"),
    ({"trust": {"subjects": output(["*:*"])}}, "trust.subjects", "every service account"),
    ({"audience": output("")}, "audience", "audience"),
    ({"trust": {"conditions": output({"StringEqual": {"a": "b"}})}}, "trust.conditions.StringEqual", "StringEquals"),
    ({"trust": {"statements": [output({"Effect": "Allow", "Action": "sts:AssumeRole"})]}}, "trust.statements[0]",
     "no Principal"),
    ({"role": {"name": output("my role")}}, "role.name", "'my role'"),
    ({"role": {"name": output(None)}}, "role.name", "without a value"),
    ({"role": {"permissions_boundary": output("arn:aws:iam::444455556666:policy/p")}}, "role.permissions_boundary",
     "444455556666"),
    ({"role": {"tags": {"team": output("a;b")}}}, "role.tags.team", "'a;b'"),
    ({"policy": {"name": "p", "document": output({**DOCUMENT, "Version": "2012"})}}, "policy.document.Version", "2012"),
    ({"policy": {"name": "p", "document": {**DOCUMENT, "Statement": [{**STATEMENT, "Resource": output("my-bucket")}]}}},
     "policy.document.Statement[0].Resource", "not an ARN"),
    ({"policy": {"document": output({**DOCUMENT, "Statement": [{**STATEMENT, "Resource": f"arn:aws:s3:::{LONG}"}]})}},
     "policy.document", "6,144"),
    ({"policy_arns": {"a": output("arn:aws:iam::444455556666:policy/p")}}, "policy_arns.a", "444455556666"),
    ({"inline_policies": {"a": {"document": output("{")}}}, "inline_policies.a.document", "not JSON"),
    ({"oidc_provider_arns": output([])}, "oidc_provider_arns", "an empty list"),
    ({"assume_role_arns": output([])}, "assume_role_arns", "an empty list"),
    ({"role": {"tags": {f"t{number}": output("x") for number in range(51)}}}, "role.tags", "at most 50"),
    ({"role": {"tags": output({f"t{number}": "x" for number in range(51)})}}, "role.tags", "at most 50"),
    ({"inline_policies": {name: {"document": output(
        {**DOCUMENT, "Statement": {**STATEMENT, "Resource": f"arn:aws:s3:::{LONG}"}})} for name in ("a", "b")}},
     "inline_policies", "10,240"),
    # The value is plain, and only the account, by which it is wrong, is known later.
    ({"oidc_provider_arns": [output(PROVIDER)], "policy_arns": {"a": "arn:aws:iam::444455556666:policy/p"}},
     "policy_arns.a", "444455556666"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "place", "word"), WRONG, ids=[place for _, place, _ in WRONG])
def test_an_output_is_checked_when_it_is_known(
    deploy: Callable[..., Any], change: dict[str, Any], place: str, word: str
) -> None:
    """Protects against AWS's and Kubernetes' own errors, which name no argument: the same rules, a moment later."""
    with pytest.raises(InvalidArgumentsError) as error:
        deploy({**GOOD, **change})

    assert place in str(error.value)
    assert word in str(error.value)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"trust": {"subjects": [output("team-a:x"), "nonsense"]}}, "trust.subjects[1]"),
        ({"role": {"tags": {"team": output("a"), "a;b": "c"}}}, 'role.tags["a;b"]'),
        ({"policy": {"document": {**DOCUMENT, "Statement": [{**STATEMENT, "Action": "s3", "Resource": output("x")}]}}},
         "policy.document.Statement[0].Action"),
        ({"trust": {"conditions": {"StringEqual": {"aws:SourceVpc": output("vpc-0abc")}}}},
         "trust.conditions.StringEqual"),
        ({"oidc_provider_arns": [output(PROVIDER), "x"]}, "oidc_provider_arns[1]"),
        ({"trust": {"subjects": ["*:*", output("team-a:x")]}}, "trust.subjects"),
        ({"oidc_provider_arns": [PROVIDER, PROVIDER.replace("111122223333", "444455556666"), output(PROVIDER)]},
         "oidc_provider_arns[1]"),
        ({"policy": {"document": {**DOCUMENT, "Statement": [
            {**STATEMENT, "Resource": ["arn:aws-cn:s3:::b/*", output("arn:aws:s3:::c/*")]}]}}},
         "policy.document.Statement[0].Resource[0]"),
        # The role's AWS account is not known; two policies of which one can't be attached are, and partitions.
        ({"oidc_provider_arns": [output(PROVIDER)], "policy_arns": {
            "a": "arn:aws:iam::111122223333:policy/a", "b": "arn:aws:iam::444455556666:policy/b"}}, "policy_arns.b"),
        ({"oidc_provider_arns": output([PROVIDER]), "policy_arns": {"a": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
          "policy": {"document": {**DOCUMENT, "Statement": [{**STATEMENT, "Resource": "arn:aws-cn:s3:::b/*"}]}}},
         "policy.document.Statement[0].Resource"),
        ({"oidc_provider_arns": [output(PROVIDER)],
          "policy": {"document": {**DOCUMENT, "Statement": [{**STATEMENT, "Resource": "str/*"}]}}},
         "policy.document.Statement[0].Resource"),
        # What is known alone exceeds a quota.
        ({"trust": {"subjects": [output("a:b"), *(f"ns-{number}:{'x' * 60}" for number in range(30))]}},
         "trust.subjects"),
        ({"policy": {"document": {**DOCUMENT, "Statement": [
            {**STATEMENT, "Resource": [f"arn:aws:s3:::{'x' * 6200}", output("arn:aws:s3:::c/*")]}]}}},
         "policy.document"),
    ],
)  # fmt: skip
def test_what_is_plain_beside_an_output_is_checked_at_once(
    deploy: Callable[..., Any], change: dict[str, Any], place: str
) -> None:
    """Protects half-made stacks: only what really is an output waits."""
    registered: list[Any] = []
    with pytest.raises(InvalidArgumentsError) as error:
        deploy({**GOOD, **change}, registered=registered)

    assert place in str(error.value)
    assert registered == []


def own_policy(deployed: Any) -> Any:
    """Return the policy that is not an add-on's."""
    (policy,) = (each for each in deployed.of(POLICY) if "add-on" not in each.name)
    return policy


def test_a_preview_shows_what_is_known(deploy: Callable[..., Any]) -> None:
    """Protects ol-infrastructure's reviewers: with plain arguments the whole trust policy is in the preview."""
    deployed = deploy(EVERYTHING, preview=True)

    role = deployed.one(ROLE).inputs
    assert "system:serviceaccount:showcase:everything" in role["assumeRolePolicy"]
    assert json.loads(own_policy(deployed).inputs["policy"]) == EVERYTHING["policy"]["document"]


def test_a_preview_hides_no_more_than_it_must(deploy: Callable[..., Any]) -> None:
    """Protects previews: one argument that is not known yet makes none of the others unknown."""
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
    """Protects previews: a role that is created hides neither the other annotations nor that theirs are overwritten."""
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


def test_an_existing_account_may_be_named_by_outputs(deploy: Callable[..., Any]) -> None:
    """Protects accounts that a chart of the same stack makes: their names are outputs."""
    service_account = {"name": output("theirs"), "namespace": output("team-a"), "create": False}
    deployed = deploy({**GOOD, "service_account": service_account})

    assert deployed.reads[0].inputs["id"] == "team-a/theirs"
    assert deployed.one(PATCH).inputs["metadata"]["name"] == "theirs"


def test_a_secret_stays_one(deploy: Callable[..., Any]) -> None:
    """Protects secrets: an argument that is one is registered as one."""
    deployed = deploy({**GOOD, "role": {"description": pulumi.Output.secret("hidden")}})

    assert deployed.one(ROLE).inputs["description"] == {
        rpc._special_sig_key: rpc._special_secret_sig,
        "value": "hidden",
    }


def test_a_coroutine_is_awaited_once(deploy: Callable[..., Any]) -> None:
    """Protects programs that pass a coroutine, which is an Input of Pulumi's: it is used in several places."""

    async def namespace() -> str:
        await asyncio.sleep(0.01)
        return "team-a"

    account = {"name": "app", "namespace": namespace()}
    deployed = deploy({**GOOD, "oidc_provider_arns": [output(PROVIDER)], "service_account": account})
    assert deployed.one(ACCOUNT).inputs["metadata"]["namespace"] == "team-a"
    assert "team-a:app" in deployed.one(ROLE).inputs["assumeRolePolicy"]


def test_a_program_may_change_its_arguments_for_the_next_component(registered: Any) -> None:
    """Attack: one dictionary in a loop: each role trusted the service account of the last one."""
    args: Any = {"oidc_provider_arns": [output(PROVIDER)], "service_account": {}}

    def program() -> None:
        for name in ("first", "last"):
            args["service_account"]["name"] = name
            ServiceAccountRole(name, args)

    for role in (each for each in registered(program) if each.type == ROLE):
        assert f"default:{role.name}" in role.inputs["assumeRolePolicy"]


def test_one_inline_policy_that_is_not_known_hides_no_other(deploy: Callable[..., Any]) -> None:
    """Protects previews: the size of all inline policies is checked, but not by making all of them unknown."""
    later = {**DOCUMENT, "Statement": [{**STATEMENT, "Resource": unknown()}]}
    policies = {name: {"document": each} for name, each in (("a", output(DOCUMENT)), ("b", later), ("c", DOCUMENT))}
    deployed = deploy({**GOOD, "inline_policies": policies}, preview=True)
    texts = {r.name: r.inputs["policy"] for r in deployed.of("aws:iam/rolePolicy:RolePolicy")}

    assert isinstance(texts["my-app@b"], Unknown)
    assert json.loads(texts["my-app@a"]) == json.loads(texts["my-app@c"]) == DOCUMENT


def test_the_default_audience_is_the_same_as_an_output(deploy: Callable[..., Any]) -> None:
    """Protects a service account from an update that only comes of passing its audience as an output."""
    plain = deploy({**GOOD, "audience": "sts.amazonaws.com"}).one(ACCOUNT).inputs
    assert deploy({**GOOD, "audience": output("sts.amazonaws.com")}).one(ACCOUNT).inputs == plain


def test_an_existing_service_account_of_a_secret_name_is_read(deploy: Callable[..., Any]) -> None:
    """The slip: a name from an encrypted setting; the SDK ended in a TypeError, since an ID cannot be a secret."""
    name = pulumi.Output.secret("my-app")
    deployed = deploy({**GOOD, "service_account": {"name": name, "create": False}})
    assert deployed.reads[0].inputs["id"] == "default/my-app"


def test_a_secret_that_is_refused_is_not_shown(deploy: Callable[..., Any]) -> None:
    """Protects secrets: an error names the argument and the secret in it is not printed."""
    for change in ({"name": pulumi.Output.secret("hunter 2")}, {"tags": {"a": pulumi.Output.secret("hunter;2")}}):
        with pytest.raises(InvalidArgumentsError) as error:
            deploy({**GOOD, "role": change})
        assert "hunter" not in str(error.value)
        assert f"role.{next(iter(change))}" in str(error.value)


def test_several_wrong_outputs_are_reported_together(deploy: Callable[..., Any]) -> None:
    """Protects against a run per mistake, for values that go into the same trust policy as well."""
    service_account = {"name": output("A B"), "namespace": output("C D")}
    with pytest.raises(InvalidArgumentsError) as error:
        deploy({"oidc_provider_arns": [PROVIDER], "role": {"name": "r"}, "service_account": service_account})

    assert "service_account.name" in str(error.value)


def test_a_failed_program_leaves_no_traceback_behind(
    deploy: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Protects who reads a run of these tests, which ended with 2,000 lines; any other exception is still logged."""
    with pytest.raises(InvalidArgumentsError):
        deploy({**GOOD, "role": {"name": output("A B")}})
    asyncio.get_event_loop().create_future().set_exception(ValueError("of nobody"))
    # The SDK keeps what failed until the next program begins.
    SETTINGS.rpc_manager.clear()
    SETTINGS.outputs.clear()
    gc.collect()

    assert [str(record.exc_info and record.exc_info[1]) for record in caplog.records] == ["of nobody"]
