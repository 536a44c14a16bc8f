"""States with a value of another kind at some place, through every reader: read, or refused in one line."""

import contextlib
import copy
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from irsa.rules.unknown import Unknown
from irsa_cli.adopt.adoption import in_stacks, owned
from irsa_cli.diff.live import aws_providers, clusters_by_issuer
from irsa_program.live.held import Held, held_by
from irsa_world.exits import CouldNotLookError
from irsa_world.state import pulumi
from irsa_world.state.declared import DeclaredStack, declared_stack
from irsa_world.state.planned import planned_worlds, resources_before_and_after
from irsa_world.state.preview import Preview
from irsa_world.state.pulumi import exported_state, previewed
from irsa_world.state.resource import Resource
from tests.places import at, places
from tests.world import program

STACK = "urn:pulumi:dev::irsa::"
COMPONENT = f"{STACK}irsa:index:ServiceAccountRole::role/app"
ARN = "arn:aws:iam::111122223333:"
SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "v1:x"}
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
ANNOTATIONS = {"eks.amazonaws.com/role-arn": f"{ARN}role/app", "eks.amazonaws.com/audience": "a"}
CLUSTER_ARN = "arn:aws:eks:us-west-2:111122223333:cluster/blue"
ASSOCIATION = {"clusterArn": CLUSTER_ARN, "namespace": "web", "serviceAccount": "app", "roleArn": f"{ARN}role/app"}
ROLE_INPUTS = {"assumeRolePolicy": "{}", "description": "x"}


def resource(type_: str, id_: str, inputs: Any = None, outputs: Any = None, **more: Any) -> dict[str, Any]:
    """Return a resource as `pulumi stack export` has it: https://pkg.go.dev/github.com/pulumi/pulumi/sdk/v3/go/common/apitype#ResourceV3."""
    values = {"inputs": inputs or {}, "outputs": outputs or {}, "parent": COMPONENT, "custom": True}
    return {"urn": f"{STACK}{type_}::x", "type": type_, "id": id_, **values, **more}


STATE = {
    "version": 3,
    "deployment": {
        "resources": [
            {"urn": f"{STACK}pulumi:pulumi:Stack::irsa-dev", "type": "pulumi:pulumi:Stack"},
            {
                "urn": COMPONENT,
                "type": "irsa:index:ServiceAccountRole",
                "outputs": {
                    "roleArn": f"{ARN}role/app",
                    "roleName": "app",
                    "policyArns": [f"{ARN}policy/p"],
                    "subjects": ["web:app"],
                    "namespace": "web",
                    "serviceAccountName": "app",
                    "annotations": ANNOTATIONS,
                    "trustPolicy": "{}",
                    "policyDocuments": {f"{ARN}policy/p": "{}"},
                    "inlinePolicies": {"i": "{}"},
                    "createsServiceAccount": True,
                    "key": "app",
                    "cluster": "blue",
                    "roleSettings": {"maxSessionDuration": 7200},
                    "identity": {"irsa": "used", "podIdentity": "used"},
                    "podIdentityAssociations": [ASSOCIATION],
                },
            },
            resource(
                "aws:iam/role:Role", "app", ROLE_INPUTS, {"name": "app", "arn": f"{ARN}role/app"},
                modified="2026-11-01T12:00:00.123456789Z", created="2026-01-01T00:00:00Z", initErrors=["x"],
            ),
            resource("aws:iam/policy:Policy", "p", {}, {"arn": f"{ARN}policy/p", "name": "p"}),
            resource(
                "aws:iam/rolePolicyAttachment:RolePolicyAttachment", "a", {},
                {"role": "app", "policyArn": f"{ARN}policy/p"},
                propertyDependencies={"policyArn": [f"{STACK}aws:iam/policy:Policy::x"]},
            ),
            resource("aws:iam/rolePolicy:RolePolicy", "i", {"name": "i", "role": "app"}),
            resource("kubernetes:core/v1:ServiceAccount", "web/app", {"metadata": {"name": "app", "namespace": "web"}}),
            resource("kubernetes:core/v1:ServiceAccountPatch", "web/b", {"metadata": {"name": "b"}}, external=True),
            resource("aws:iam/openIdConnectProvider:OpenIdConnectProvider", "o", {"clientIdLists": ["a"]}, {"arn": ""}),
            resource("pulumi:providers:kubernetes", "k", {"kubeconfig": "{}"}, parent=""),
            resource("pulumi:providers:aws", "a", {"region": "eu-west-1"}, parent="", delete=False),
        ]
    },
}  # fmt: skip
OUTPUTS, ROLE = ("deployment", "resources", 1, "outputs"), ("deployment", "resources", 2, "inputs")
PLACES = list(places(STATE))
OTHERS = ["", "x", 0, -1.5, True, None, [], {}, [None], {"a": [None]}, [[]], SECRET, UNKNOWN, "9999-12-31", COMPONENT]


def is_text(*values: Any) -> bool:
    return all(isinstance(each, str) for each in values)


def declared(state: list[Resource]) -> None:
    """Look at all that verify, prove and explain take for a text, a list or a mapping."""
    found: DeclaredStack = declared_stack(state, "dev")
    assert found.cluster_keys.keys() <= {""} | {each.provider for each in state}
    assert is_text(found.stack, *found.oidc_providers, *found.failed_providers)
    for binding in found.bindings:
        assert is_text(binding.key, binding.role_arn, binding.audience, binding.provider, binding.unreadable)
        assert is_text(*binding.subjects, *binding.documents)
        assert isinstance(binding.modified, datetime | None)
        for each in binding.service_accounts:
            assert is_text(each.place, each.provider, *each.annotations, *each.annotations.values())
        for one in binding.associations:
            assert is_text(str(one), one.subject, one.cluster.name, *one.role_arns, one.association_id)
        if binding.role:
            assert binding.role.name
            settings = (binding.role.description, binding.role.permissions_boundary, binding.role.max_session_duration)
            assert all(isinstance(each, str | int | float | Unknown) for each in settings)
            assert isinstance(binding.role.trust, dict | Unknown)
            attached = binding.role.attached_policies
            assert is_text(*binding.role.inline_policies, *(() if isinstance(attached, Unknown) else attached))


def held(state: list[Resource]) -> None:
    """Ask all questions that `irsa check --live` asks of a state."""
    found: Held = held_by(state)
    assert is_text(*found.arns, *(name for _, _, name in found.by_name))
    for each in found.resources.values():
        assert is_text(found.binding_of(each), each.object_name, *found.service_accounts_of(each.text("arn")))


def compared(state: list[Resource]) -> None:
    """Read it as `irsa diff` does before it compares."""
    preview = Preview("dev", (), 0, (), ())
    for world in planned_worlds(resources_before_and_after(state, ()), ()):
        for each in world.aws_accounts:
            assert is_text(each.number, *(role.arn for role in each.roles), *each.client_ids, *each.associations)
    assert is_text(*aws_providers(state, preview), *clusters_by_issuer(state, preview))


def adopted(state: list[Resource]) -> None:
    """Read it as `irsa adopt` does."""
    assert is_text(*owned(state))


READERS: list[Callable[[list[Resource]], None]] = [declared, held, compared, adopted]


def printing(text: str, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(pulumi, "_run", lambda *_, **__: CompletedProcess([], 0, text, ""))


@pytest.mark.parametrize("reader", READERS)
def test_a_whole_state_is_read(reader: Callable[[list[Resource]], None], monkeypatch: pytest.MonkeyPatch) -> None:
    printing(json.dumps(STATE), monkeypatch)

    reader(exported_state("dev"))


@settings(max_examples=300)
@example([((), [])])
@example([((*ROLE, "description"), [1]), ((*OUTPUTS, "roleSettings"), None)])
@example([(("deployment", "resources", 1, "outputs"), {"key": "app"})])
@example([(("deployment", "resources", 2, "urn"), None)])
@example([(("deployment", "resources", 2, "modified"), "yesterday")])
@given(st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(OTHERS)), min_size=1, max_size=3))
def test_a_damaged_state_has_no_traceback(damages: list[tuple[Any, Any]]) -> None:
    damaged: Any = {"state": copy.deepcopy(STATE)}
    for place, value in damages:
        within = ("state", *place)
        try:
            # A copy: a later damage may be inside of this one.
            at(damaged, within[:-1])[within[-1]] = copy.deepcopy(value)
        except (KeyError, IndexError, TypeError):
            # An earlier damage took the place away.
            continue
    with pytest.MonkeyPatch.context() as patch:
        printing(json.dumps(damaged["state"]), patch)
        for reader in READERS:
            with contextlib.suppress(CouldNotLookError):
                reader(exported_state("dev"))


def nested(depth: int) -> str:
    return json.dumps(STATE).replace('"region": "eu-west-1"', f'"region": {"[" * depth}{"]" * depth}')


@pytest.mark.parametrize(
    ("text", "says"),
    [
        *((text, "it printed no JSON object (a wrapper's text?)") for text in ("[]", "null", "", "Logging in...\n{}")),
        ('{"deployment": {"resources": {"x": 1}}}', "resources is not a list"),
        ('{"deployment": {"resources": ["x"]}}', "resources[0] is not a JSON object"),
        ('{"deployment": {"resources": [{"type": "x"}]}}', "resources[0].urn is not a string"),
        ('{"deployment": {"resources": [{"urn": "x", "type": "y"}]}}', "resources[0].urn is not a URN"),
        (json.dumps(STATE).replace(json.dumps(ROLE_INPUTS), "[1]"), "resources[2].inputs is not a JSON object"),
        (json.dumps(STATE).replace("2026-11-01T", "1."), "resources[2].modified is not a time"),
        (nested(100_000), "its values are nested too deeply"),
    ],
)
def test_what_is_no_state_is_said(text: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    printing(text, monkeypatch)
    with pytest.raises(CouldNotLookError) as error:
        pulumi.read_stack("dev")
    assert str(error.value) == f"pulumi stack export: {says}"

    monkeypatch.setattr("irsa_cli.adopt.adoption.stacks_of_backend", lambda _: {"dev": True})
    assert in_stacks(tmp_path)[1] == [f"whether stack dev owns what is chosen: pulumi stack export: {says}"]


@pytest.mark.parametrize(
    "value",
    [
        {"roleArn": 5},
        {"roleArn": "app"},
        {"trustPolicy": "x"},
        {"annotations": ["x"]},
        {"annotations": {"x": None}},
        {"subjects": "web:app"},
        {"podIdentityAssociations": [{"clusterArn": "blue"}]},
    ],
)
def test_an_output_of_another_form_is_named(value: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    state: Any = copy.deepcopy(STATE)
    state["deployment"]["resources"][1]["outputs"] |= value
    printing(json.dumps(state), monkeypatch)

    with pytest.raises(CouldNotLookError, match=rf"role/app has another output {next(iter(value))} than irsa gives it"):
        pulumi.read_stack("dev")


# What `pulumi` is asked, and what is made of what it prints


def test_a_preview_that_fails_may_print_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "pulumi", 'echo "$* stream=$PULUMI_ENABLE_STREAMING_JSON_PREVIEW"\nexit 255')
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PULUMI_ENABLE_STREAMING_JSON_PREVIEW", "true")

    printed = "preview --json --stack dev --non-interactive stream=\n"
    assert previewed("dev") == (printed, "pulumi preview: exit code 255")
    assert previewed(None, refresh=True)[0] == "preview --json --refresh --non-interactive stream=\n"

    program(tmp_path / "pulumi", "echo 'error: no stack named dev' >&2\nexit 255")
    with pytest.raises(CouldNotLookError, match=r'^pulumi preview: "no stack named dev"; `pulumi stack ls` lists'):
        previewed("dev")


def test_a_folder_without_a_project_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "error: no Pulumi.yaml project file found (searching upwards from ). If you have not created a project yet"
    program(tmp_path / "pulumi", f"echo '{said}' >&2\nexit 255")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    for ask in (exported_state, previewed):
        with pytest.raises(CouldNotLookError) as found:
            ask("dev")
        assert str(found.value).startswith(f"no Pulumi.yaml in {tmp_path} or above it: run it in ")
    # What `pulumi stack export --stack dev` says there.
    said = "error: if you are using the --stack flag, pass the fully qualified name (organization/project/stack)"
    program(tmp_path / "pulumi", f"echo '{said}' >&2\nexit 255")
    with pytest.raises(CouldNotLookError, match="run it where Pulumi"):
        exported_state("dev")
