"""What a stack's state declares."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from irsa.rules.unknown import Unknown
from irsa_world.exits import CouldNotLookError
from irsa_world.model import Role
from irsa_world.state.declared import DeclaredBinding, declared_stack
from irsa_world.state.resource import Resource, is_secret, is_unknown, parse_resource, resources_of
from tests.world import document, of_tokens

STACK = "urn:pulumi:prod::irsa::"
COMPONENT = "irsa:index:ServiceAccountRole"
ROLE_ARN = "arn:aws:iam::111122223333:role/app"
ANNOTATIONS = {"eks.amazonaws.com/role-arn": ROLE_ARN}
# How the engine writes a secret into a state, and "[secret]" into a preview: https://www.pulumi.com/docs/iac/concepts/secrets/
SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "v1:x"}


def component(name: str, **outputs: Any) -> dict[str, Any]:
    return {
        "urn": f"{STACK}{COMPONENT}::{name}",
        "type": COMPONENT,
        "outputs": {"roleArn": ROLE_ARN, "annotations": ANNOTATIONS, "policyArns": [], **outputs},
    }


def child(parent: str, type_: str, name: str, inputs: Any, outputs: Any = None, **more: Any) -> dict[str, Any]:
    return {
        "urn": f"{STACK}{COMPONENT}${type_}::{name}",
        "type": type_,
        "parent": f"{STACK}{COMPONENT}::{parent}",
        "inputs": inputs,
        "outputs": outputs or {},
        **more,
    }


def service_account(parent: str, provider: str = "") -> dict[str, Any]:
    metadata = {"name": "app", "namespace": "web", "annotations": ANNOTATIONS}
    return child(parent, "kubernetes:core/v1:ServiceAccount", parent, {"metadata": metadata}, provider=provider)


def role(trust: Any = "{}", name: str = "app") -> dict[str, Any]:
    return child(name, "aws:iam/role:Role", name, {"assumeRolePolicy": trust}, {"name": "app", "arn": ROLE_ARN})


def state(*resources: Any) -> list[Resource]:
    stack = {"urn": f"{STACK}pulumi:pulumi:Stack::irsa-prod", "type": "pulumi:pulumi:Stack"}
    return resources_of({"deployment": {"resources": [stack, *resources]}})


def only(*resources: Any) -> DeclaredBinding:
    (binding,) = declared_stack(state(*resources)).bindings
    return binding


def role_of(*resources: Any) -> Role:
    found = only(*resources).role
    assert found
    return found


def test_a_binding_of_several_clusters_is_one() -> None:
    web = {"namespace": "web", "serviceAccountName": "app"}
    green = component("web/app@green.example", key="app", cluster="green", **web)
    blue = component("web/app@blue.example", key="app", cluster="blue", **web)
    of_both = (service_account("web/app@green.example", "green"), service_account("web/app@blue.example", "blue"))
    declared = declared_stack(state(green, component("app", key="app", subjects=["web:app"]), role(), blue, *of_both))
    (binding,) = declared.bindings

    assert (declared.stack, binding.key, binding.subjects) == ("prod", "app", ("web:app",))
    assert binding.role is not None
    # By the clusters' keys, whatever the order of the state.
    assert [(each.provider, each.place) for each in binding.service_accounts] == [
        ("blue", "web/app in blue"),
        ("green", "web/app in green"),
    ]
    assert dict(declared.cluster_keys) == {"blue": "blue", "green": "green"}


def test_only_a_provider_that_the_stack_makes_is_the_stacks() -> None:
    kind = "aws:iam/openIdConnectProvider:OpenIdConnectProvider"
    arns: list[tuple[Any, bool]] = [("arn:made", False), ("arn:read", True), (SECRET, False)]
    made = [child("app", kind, f"p{n}", {}, {"arn": arn}, external=read) for n, (arn, read) in enumerate(arns)]

    assert declared_stack(state(component("app"), role(), *made)).oidc_providers == {"arn:made"}


def test_two_components_of_one_name_stay_two() -> None:
    inner = [
        {**component("api"), "urn": f"{STACK}{outer}${COMPONENT}::api"} for outer in ("my:index:Shop", "my:index:Blog")
    ]
    found = {binding.key for binding in declared_stack(state(*inner)).bindings}

    assert found == {f"my:index:{each}$irsa:index:ServiceAccountRole::api" for each in ("Blog", "Shop")}


ARN = "arn:aws:iam::111122223333:policy/p"
ATTACHMENT = child("app", "aws:iam/rolePolicyAttachment:RolePolicyAttachment", "app@p", {}, {"policyArn": SECRET})


@pytest.mark.parametrize(
    ("attribute", "outputs", "children"),
    [
        ("trust", {"trustPolicy": SECRET}, [role(SECRET)]),
        ("attached_policies", {"policyArns": SECRET}, [role()]),
        ("attached_policies", {}, [role(), ATTACHMENT]),
        ("description", {"roleSettings": SECRET}, [role()]),
        ("description", {"roleSettings": {"description": SECRET}}, [role()]),
    ],
)
def test_secrets_of_the_state_stay_unread(attribute: str, outputs: Any, children: Any) -> None:
    found = role_of(component("app", **{"trustPolicy": "{}", **outputs}), *children)

    assert isinstance(getattr(found, attribute), Unknown)


@pytest.mark.parametrize(("recorded", "is_known"), [(SECRET, False), ({ARN: SECRET}, False), ({ARN: "{}"}, True)])
def test_a_secret_document_is_not_taken_for_none(recorded: Any, is_known: bool) -> None:
    policy = child("app", "aws:iam/policy:Policy", "app", {"policy": SECRET}, {"arn": ARN})
    found = only(component("app", policyDocuments=recorded), role(), policy).documents

    assert found == {ARN: {}} if is_known else isinstance(found[ARN], Unknown)


@pytest.mark.parametrize("created", [True, False])
def test_what_a_refresh_forgot_is_still_declared(created: bool) -> None:
    forgotten = {"namespace": "web", "serviceAccountName": "app", "policyArns": ["arn:aws:iam::aws:policy/X"]}
    binding = only(component("app", **forgotten, **({} if created else {"createsServiceAccount": False})), role())

    assert [(str(each), each.created) for each in binding.service_accounts] == [("web/app", created)]
    assert binding.role
    assert binding.role.attached_policies == ("arn:aws:iam::aws:policy/X",)


@pytest.mark.parametrize("name", ["roleArn", "annotations", "namespace", "serviceAccountName", "subjects"])
def test_a_secret_that_everything_depends_on_is_named(name: str) -> None:
    secret = component("app", **{"namespace": "web", "serviceAccountName": "app", name: SECRET})

    assert only(secret, role()).unreadable == f"the state keeps {name} as a secret"
    begun = {"urn": f"{STACK}{COMPONENT}::app", "type": COMPONENT, "outputs": {}}
    assert "did not complete" in only(begun, role()).unreadable


def test_what_waits_for_deletion_or_is_only_read_is_not_declared() -> None:
    read = {**service_account("app"), "external": True}
    going = {**role(), "delete": True}
    binding = only(component("app"), read, going)

    assert (binding.service_accounts, binding.role) == ((), None)


def test_an_empty_stack_says_so() -> None:
    with pytest.raises(CouldNotLookError, match="has no resources yet: run `pulumi up --stack prod`"):
        declared_stack(resources_of({"deployment": None}), "prod")
    with pytest.raises(CouldNotLookError, match="stack prod has no bindings"):
        declared_stack(state()).chosen([])
    with pytest.raises(CouldNotLookError, match="it has: my-app"):
        declared_stack(state(component("my-app"), role(name="my-app"))).chosen(["zzz"])


def test_a_roles_settings_are_those_that_the_component_recorded() -> None:
    own = role()
    own["inputs"] |= {"description": "Reads", "maxSessionDuration": 7200, "tags": {"team": "a"}, "path": "/team/"}
    # A component of an earlier version has none, and nobody knows what it declared.
    found = role_of(component("app", trustPolicy="{}"), own)
    assert isinstance(found.description, Unknown)
    assert isinstance(found.max_session_duration, Unknown)

    recorded = role_of(component("app", trustPolicy="{}", roleSettings={"permissionsBoundary": "arn"}), own)
    assert (recorded.description, recorded.permissions_boundary) == ("", "arn")


def test_the_newest_of_a_binding_s_resources_says_when_it_was_changed() -> None:
    times = ("2026-11-25T10:00:00Z", "2026-11-25T11:00:00Z")
    changed = [{**each, "modified": time} for each, time in zip((role(), service_account("app")), times, strict=True)]

    assert only(component("app"), *changed).modified == datetime(2026, 11, 25, 11, tzinfo=UTC)


def associated(*clusters: str) -> DeclaredBinding:
    """Return a binding with associations in these clusters, REGION/NAME, each by a provider of it."""
    associations, children = [], [service_account("app", "k")]
    for each in clusters:
        region, _, name = each.partition("/")
        at = f"arn:aws:eks:{region}:111122223333"
        associations.append({"clusterArn": f"{at}:cluster/{name}", "namespace": "web", "serviceAccount": "app"})
        outputs = {"associationId": f"a-{each}", "associationArn": f"{at}:podidentityassociation/{name}/a-{each}"}
        kind = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
        children.append(child("app", kind, each, {"clusterName": name}, outputs, provider=each))
    own = component("app", identity={"podIdentity": "used"}, podIdentityAssociations=associations)
    return only(own, *children)


def test_an_association_is_of_the_cluster_of_its_service_account() -> None:
    binding = associated("us-west-2/blue")
    (one,) = binding.associations

    assert one.association_id == "a-us-west-2/blue"
    assert (binding.providers, binding.kubernetes) == ({one.cluster_arn: "us-west-2/blue"}, {one.cluster_arn: "k"})


@pytest.mark.parametrize("other", ["us-west-2/green", "us-east-1/blue"])
def test_an_association_is_of_the_cluster_of_its_arn(other: str) -> None:
    """The attack: two clusters have one name, in two regions; the one is asked with the credentials of the other."""
    binding = associated("us-west-2/blue", other)

    assert [(binding.providers[each.cluster_arn], each.association_id) for each in binding.associations] == [
        ("us-west-2/blue", "a-us-west-2/blue"),
        (other, f"a-{other}"),
    ]
    assert not binding.kubernetes


@pytest.mark.parametrize(
    ("secret", "is_there"), [({"policy": SECRET}, True), ({"tags": {"a": SECRET}}, True), ({"roleArn": SECRET}, False)]
)
def test_an_association_of_which_a_part_is_a_secret(secret: dict[str, Any], is_there: bool) -> None:
    """The attack: a session policy from a secret hid the association from `irsa verify`, which was green."""
    cluster = "arn:aws:eks:us-west-2:111122223333:cluster/blue"
    one = {"clusterArn": cluster, "namespace": "web", "serviceAccount": "app", "roleArn": ROLE_ARN}
    own = component("app", identity={"podIdentity": "used"}, podIdentityAssociations=[{**one, **secret}])
    associations = only(own, service_account("app")).associations

    assert [(str(each), each.role_arn) for each in associations] == [("web/app", ROLE_ARN)] * is_there
    assert all(isinstance(getattr(each, key), Unknown) for each in associations for key in secret)


def test_two_roles_of_components_whose_names_look_like_one_binding() -> None:
    """The attack: in a program of one's own, `app@green` is no cluster of `app`; its role was never verified."""
    other_arn = ROLE_ARN.replace("role/app", "role/other")
    other = {**role(name="app@green"), "outputs": {"name": "other", "arn": other_arn}}
    of_other = component("app@green", roleArn=other_arn, trustPolicy="{}")
    blue = component("app@blue", trustPolicy="{}"), role(name="app@blue")
    found = declared_stack(state(*blue, of_other, other)).bindings

    assert [each.role and each.role.name for each in found] == ["app", "other"]
    assert [each.role_arn for each in found] == [ROLE_ARN, other_arn]


@pytest.mark.parametrize(
    ("ways", "audience"), [({"irsa": "trusted"}, "vault"), ({"podIdentity": "used"}, "sts.amazonaws.com")]
)
def test_the_audience_of_a_way_that_is_only_trusted(ways: dict[str, str], audience: str) -> None:
    provider = "arn:aws:iam::111122223333:oidc-provider/example.com"
    trust = json.dumps(document(of_tokens(provider, {"StringEquals": {"example.com:aud": "vault"}})))
    own = component("app", identity=ways, trustPolicy=trust, annotations={}, namespace="web", serviceAccountName="app")
    damaged = component("app", identity=ways, trustPolicy='{"Statement": ["x"]}', annotations={})

    assert only(own, role(trust)).audience == audience
    assert only(damaged, role()).audience == "sts.amazonaws.com"


GUARD = "irsa:index:IdentityGuard"
GUARD_OUTPUTS: dict[str, Any] = {
    "key": None,
    "stack": "irsa-prod",
    "mode": "deny",
    "namespace": "kube-system",
    "configMaps": {"irsa-guard-1a2b": {"web.app": f"irsa sts.amazonaws.com {ROLE_ARN}"}},
    "policies": {"irsa-guard-irsa-prod-identity": {"failurePolicy": "Ignore"}},
    "bindings": {"irsa-guard-irsa-prod-identity": {"validationActions": ["Deny", "Audit"]}},
}


def guard(name: str, provider: str = "", **outputs: Any) -> list[dict[str, Any]]:
    """Return a guard as its component registers it, with one child."""
    urn, type_ = f"{STACK}{GUARD}::{name}", "kubernetes:core/v1:ConfigMap"
    child = {"urn": f"{STACK}{GUARD}${type_}::{name}", "type": type_, "parent": urn, "provider": provider}
    return [{"urn": urn, "type": GUARD, "outputs": GUARD_OUTPUTS | outputs}, child]


def test_each_cluster_has_its_guard() -> None:
    declared = declared_stack(state(*guard("b", "green", key="green", mode="warn"), *guard("a", "blue", key="blue")))

    assert [(each.name, each.mode, each.cluster) for each in declared.guards] == [
        ("irsa:guard@blue", "deny", "blue"),
        ("irsa:guard@green", "warn", "green"),
    ]
    (one,) = declared_stack(state(*guard("guard", "only", key="cluster"))).guards
    assert (one.name, one.stack, one.namespace, one.unreadable) == ("irsa:guard", "irsa-prod", "kube-system", "")
    recorded = {"configMaps": one.config_maps, "policies": one.policies, "bindings": one.bindings}
    assert recorded == {key: GUARD_OUTPUTS[key] for key in recorded}
    # Those of a program of one's own have no cluster's key, and no row of a report is of two.
    of_a_program = declared_stack(state(*guard("a"), *guard("b"))).guards
    assert [each.name for each in of_a_program] == [f"irsa:guard@{GUARD}::a", f"irsa:guard@{GUARD}::b"]


@pytest.mark.parametrize(
    ("outputs", "reason"),
    [
        ({"bindings": None}, "did not complete"),
        ({"configMaps": {"x": {"web.app": "04da6b54-80e4-46f7-96ec-b56ff0331ba9"}}}, "did not complete"),
        ({"configMaps": {"x": {"web.app": SECRET}}}, "the state keeps configMaps as a secret"),
    ],
)
def test_a_guard_that_cannot_be_checked_says_why(outputs: dict[str, Any], reason: str) -> None:
    (found,) = declared_stack(state(*guard("guard", **outputs))).guards

    assert reason in found.unreadable


@pytest.mark.parametrize("outputs", [{"mode": 1}, {"policies": {"x": "y"}}, {"configMaps": {"x": {"y": 1}}}])
def test_a_guard_of_another_form_is_refused(outputs: dict[str, Any]) -> None:
    with pytest.raises(CouldNotLookError, match="another output"):
        declared_stack(state(*guard("guard", **outputs)))


# A resource, read once from a state or a preview


URN = "urn:pulumi:dev::irsa::irsa:index:ServiceAccountRole$aws:iam/rolePolicyAttachment:RolePolicyAttachment::p"
PARENT = "urn:pulumi:dev::irsa::irsa:index:ServiceAccountRole::role/app"
# https://pkg.go.dev/github.com/pulumi/pulumi/sdk/v3/go/common/apitype#ResourceV3
WRITTEN = {
    "urn": URN,
    "custom": True,
    "id": "app-1",
    "type": "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    "inputs": {"role": "app"},
    "outputs": {"role": "web"},
    "parent": PARENT,
    "initErrors": ["x"],
    "provider": "urn:pulumi:dev::irsa::pulumi:providers:aws::default::id",
    "propertyDependencies": {"policyArn": [PARENT], "role": None},
    "created": "2026-01-01T00:00:00Z",
    "modified": "2026-11-01T12:00:00.5+01:00",
}
FLAGS = ("external", "retainOnDelete", "protect", "delete")
# https://pkg.go.dev/github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin#pkg-constants
UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


def test_every_field_has_its_value() -> None:
    assert parse_resource(WRITTEN, "x") == Resource(
        urn=URN,
        type="aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        id="app-1",
        parent=PARENT,
        provider="urn:pulumi:dev::irsa::pulumi:providers:aws::default::id",
        inputs={"role": "app"},
        outputs={"role": "web"},
        policies=(PARENT,),
        failed=True,
        modified=datetime(2026, 11, 1, 11, 0, 0, 500_000, UTC),
    )


@pytest.mark.parametrize("key", FLAGS)
def test_each_flag_is_its_own(key: str) -> None:
    found = parse_resource({"urn": URN, "type": "x", key: True}, "x")
    flags = (found.external, found.retained, found.protected, found.pending)

    assert [name for name, is_set in zip(FLAGS, flags, strict=True) if is_set] == [key]


def test_kubernetes_plugin_reports_what_was_done() -> None:
    assert not parse_resource({**WRITTEN, "type": "kubernetes:core/v1:ServiceAccount"}, "x").failed


@pytest.mark.parametrize("secret", [SECRET, "[secret]"])
def test_what_is_hidden_is_no_text(secret: Any) -> None:
    found = Resource(
        URN, "x", inputs={"a": "b", "c": "d"}, outputs={"a": secret, "b": UNKNOWN_TEXT, "m": {"n": [secret]}}
    )

    assert (found.text("a"), found.text("b"), found.text("c"), found.text("m", "n")) == ("", "", "d", "")
    assert [is_secret(each) for each in found.outputs.values()] == [True, False, True]
    assert [is_unknown(each) for each in found.outputs.values()] == [False, True, False]


def test_the_keys_of_a_component_are_its_outputs_or_its_name() -> None:
    component = Resource("urn:pulumi:dev::irsa::irsa:index:ServiceAccountRole::shop@blue", "x")

    assert component.keys == ("shop@blue", "")
    assert component._replace(outputs={"key": "web", "cluster": None}).keys == ("web", "")
