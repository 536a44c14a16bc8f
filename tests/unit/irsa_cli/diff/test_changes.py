"""What changes of each binding: its resources, their annotations, tags and settings."""

import json
from typing import Any

import pytest

from irsa_cli.diff.changes import BindingChange, PropertyChange, ResourceChange, changes
from irsa_cli.diff.components import clusters_by_issuer, component_keys_of, kubernetes_providers
from irsa_world.state.resource import parse_resource
from tests.unit.irsa_cli.diff.previews import (
    ATTACHMENT,
    COMPONENT,
    OIDC_PROVIDER,
    ROLE,
    SECRET,
    SERVICE_ACCOUNT,
    SERVICE_ACCOUNT_PATCH,
    UNKNOWN,
    preview,
    resource,
    role,
    step,
    trust,
    urn,
)

BUCKET = "aws:s3/bucket:Bucket"


def all_changes(*steps: Any, **more: Any) -> tuple[list[BindingChange], list[ResourceChange]]:
    found = preview(*steps, **more)
    return changes(found.steps, component_keys_of([], found))


def only(*steps: Any) -> ResourceChange:
    (binding,), others = all_changes(*steps)
    assert not others
    (found,) = binding.resources
    return found


def settings(before: Any, after: Any, type_: str = ROLE, **more: Any) -> list[tuple[str, str | None, str | None]]:
    found = only(step("update", resource(type_, "x", before), resource(type_, "x", after), **more))
    return [(each.property, each.before, each.after) for each in found.settings]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {"maxSessionDuration": 7200}, [("maxSessionDuration", None, "7200")]),
        ({"permissionsBoundary": "x"}, {}, [("permissionsBoundary", "x", None)]),
        (
            {"tags": {"a": "1", "b": "2"}},
            {"tags": {"a": "1", "c": "3"}},
            [("tags.b", "2", None), ("tags.c", None, "3")],
        ),
        ({"tags": {"b c": "1"}}, {"tags": {}}, [('tags["b c"]', "1", None)]),
        ({"list": ["a", "b"]}, {"list": ["b", "a"]}, [("list", '["a", "b"]', '["b", "a"]')]),
        (
            {"tags": {"a": "1"}, "tagsAll": {"a": "1"}},
            {"tags": {"a": "2"}, "tagsAll": {"a": "2", "team": "x"}},
            [("tags.a", "1", "2"), ("tagsAll.team", None, "x")],
        ),
        ({"flag": True}, {"flag": "true"}, [("flag", "true", "true")]),
        ({"a": "x", "__defaults": []}, {"a": "x", "__defaults": ["a"]}, []),
        ({"a": "x", "b": ["1"]}, {"a": "x", "b": ["1"]}, []),
    ],
)
def test_settings_that_change(before: Any, after: Any, expected: Any) -> None:
    assert settings(before, after) == expected


def test_what_is_not_known_yet_is_named_one_by_one() -> None:
    before = {"annotations": {"eks.amazonaws.com/role-arn": "arn:a", "team": "b"}}
    old, new = (resource(ROLE, "x", {"metadata": each}) for each in (before, {"annotations": UNKNOWN}))

    assert only(step("update", old, new)).settings == (
        PropertyChange('metadata.annotations["eks.amazonaws.com/role-arn"]', "arn:a", None, unknown=True),
        PropertyChange("metadata.annotations.team", "b", None, unknown=True),
    )
    assert only(step("create", None, new)).settings == ()


@pytest.mark.parametrize(
    ("before", "after"),
    [("a", SECRET), (SECRET, "b"), (SECRET, SECRET), ({"x": SECRET}, {"x": SECRET}), (["a"], [SECRET])],
)
def test_a_secret_is_named_and_not_shown(before: Any, after: Any) -> None:
    """Protects secrets; two of them look alike, so that the engine's reason tells that one changes."""
    found = only(
        step("update", resource(ROLE, "x", {"a": before}), resource(ROLE, "x", {"a": after}), diffReasons=["a"])
    )

    (setting,) = found.settings
    assert setting.secret
    assert (setting.before, setting.after) == (None, None)


def test_a_secret_with_show_secrets() -> None:
    """Protects secrets of `pulumi preview --show-secrets`, which are mappings: named with their place, and not shown.

    https://pkg.go.dev/github.com/pulumi/pulumi/sdk/v3/go/common/resource#SecretSig
    """
    secret = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "plaintext": '"s3cr3t"'}
    old, new = (resource(ROLE, "x", {"tags": {"key": each}}) for each in (secret, "plain"))

    assert only(step("update", old, new)).settings == (PropertyChange("tags.key", None, None, secret=True),)


def test_a_secret_that_stays_is_not_named() -> None:
    old, new = (resource(ROLE, "x", {"a": SECRET, "description": each}) for each in "ab")

    assert [each.property for each in only(step("update", old, new, diffReasons=["description"])).settings] == [
        "description"
    ]


@pytest.mark.parametrize(
    ("op", "type_", "word"),
    [
        ("create", ROLE, "create"),
        ("import", ROLE, "import"),
        ("create", ATTACHMENT, "attach"),
        ("delete", ATTACHMENT, "detach"),
        ("create", SERVICE_ACCOUNT_PATCH, "adopt"),
        ("delete", SERVICE_ACCOUNT_PATCH, "release"),
        ("some-new-op", ROLE, "some-new-op"),
    ],
)
def test_words_for_operations(op: str, type_: str, word: str) -> None:
    states = [resource(type_, "x", {})]
    found = only(step(op, *states) if op == "delete" else step(op, None, *states))

    assert (found.operation, found.word) == (op, word)


@pytest.mark.parametrize("arn", ["arn:a", UNKNOWN])
@pytest.mark.parametrize("op", ["create", "update"])
def test_a_patch_says_what_it_writes_and_what_it_takes_over(op: str, arn: str) -> None:
    """Protects who owns the annotations of a service account that exists: what is written there, and that it is forced.

    https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/managing-resources-with-server-side-apply/
    """
    written = {"eks.amazonaws.com/role-arn": arn, "team": "a", "pulumi.com/patchForce": "true"}
    old, new = (
        resource(SERVICE_ACCOUNT_PATCH, "x", {"metadata": {"name": "app", "annotations": each}})
        for each in ({}, written)
    )
    found = only(step(op, old if op == "update" else None, new)).settings

    role_arn = 'metadata.annotations["eks.amazonaws.com/role-arn"]'
    assert found == (
        PropertyChange(role_arn, None, None if arn == UNKNOWN else arn, unknown=arn == UNKNOWN),
        PropertyChange("metadata.annotations.team", None, "a"),
        PropertyChange("takeOver", None, "true"),
    )
    of_another_program = {"parent": "urn:pulumi:dev::irsa::pulumi:pulumi:Stack::irsa-dev"}
    _, (other,) = all_changes(step("create", None, new | of_another_program))
    assert 'metadata.annotations["pulumi.com/patchForce"]' in [each.property for each in other.settings]


def test_bindings_have_the_keys_of_the_stack_file() -> None:
    old = {**role(trust(), "old-role"), "parent": urn(COMPONENT, "role/old-role", "")}
    component = {"urn": old["parent"], "type": COMPONENT, "outputs": {"key": "old-key"}}
    new = {
        **role(trust(), "new-role"),
        "parent": urn(COMPONENT, "role/new-role", ""),
        "urn": urn(ROLE, "role/new-role"),
    }
    config = {"irsa:bindings": json.dumps({"new-key": {"role": {"name": "New-Role"}}})}
    bindings, _ = all_changes(step("delete", old), step("delete", component), step("create", None, new), config=config)

    assert [each.key for each in bindings] == ["new-key", "old-key"]


def test_components_of_one_name_stay_apart() -> None:
    parents = [f"urn:pulumi:dev::irsa::my:app:{each}${COMPONENT}::app" for each in ("One", "Two")]
    bindings, _ = all_changes(
        *(step("create", None, {**role(trust()), "parent": each, "urn": f"{each}-role"}) for each in parents)
    )

    assert [each.key for each in bindings] == [f"my:app:{each}${COMPONENT}::app" for each in ("One", "Two")]


def test_what_belongs_to_no_binding() -> None:
    stack = {"urn": "urn:pulumi:dev::irsa::pulumi:pulumi:Stack::irsa-dev", "type": "pulumi:pulumi:Stack"}
    bucket = resource(BUCKET, "logs", {"bucket": "logs"}, "")
    provider = resource(OIDC_PROVIDER, "x", {"url": "https://x.example", "clientIdLists": ["a"]}, "")
    bindings, others = all_changes(*(step("create", None, each) for each in (stack, bucket, provider)))

    assert not bindings
    assert [(each.kind, each.name) for each in others] == [("OIDC provider", "x.example"), (BUCKET, "logs")]


def test_the_providers_that_lead_to_clusters() -> None:
    first = preview(
        step("create", None, resource(SERVICE_ACCOUNT, "x", {})),
        config={"kubernetes:context": "blue", "aws:region": "x"},
    )
    ((default, _),) = kubernetes_providers([], first, {}).values()
    assert default.inputs == {"context": "blue"}
    assert kubernetes_providers([], preview(step("create", None, role(trust()))), {}) == {}

    provider = resource("pulumi:providers:kubernetes", "green", {"context": "green"}, "", id="1")
    used = resource(SERVICE_ACCOUNT, "x", {}, provider=f"{provider['urn']}::1")
    keys = {used["parent"]: ("app", "green-key")}
    found = kubernetes_providers([parse_resource(each, "") for each in (provider, used)], first, keys)
    assert [(each.name, cluster) for each, cluster in found.values()] == [("green", "green-key")]


def test_a_kubeconfig_is_never_shown() -> None:
    old, new = (
        resource("pulumi:providers:kubernetes", "green", {"kubeconfig": text, "context": text}, "") for text in "ab"
    )
    _, (found,) = all_changes(step("update", old, new))

    assert [(each.property, each.secret) for each in found.settings] == [("kubeconfig", True), ("context", False)]


def test_roles_of_one_name_in_two_aws_accounts_are_of_no_others_binding() -> None:
    """The attack: what is new of one binding stands under the heading of another one, which is reviewed already."""
    bindings = {key: {"role": {"name": "app"}, "account": key} for key in ("one", "two")}
    new = [
        {**role(trust()), "parent": urn(COMPONENT, f"{number}/role/app", ""), "urn": urn(ROLE, f"{number}/role/app")}
        for number in ("111122223333", "444455556666")
    ]
    found, _ = all_changes(*(step("create", None, e) for e in new), config={"irsa:bindings": json.dumps(bindings)})

    assert [each.key for each in found] == ["111122223333/role/app", "444455556666/role/app"]


def test_a_component_of_one_of_several_clusters_has_its_key() -> None:
    urns = [urn(COMPONENT, f"default/{name}@oidc.example", "") for name in "ab"]
    known = {"urn": urns[0], "type": COMPONENT, "outputs": {"key": "a", "cluster": "green"}}
    new = resource(SERVICE_ACCOUNT, "b", {"metadata": {"name": "b"}}, parent=urns[1])
    config = {"irsa:bindings": json.dumps({"app": {"serviceAccount": {"name": "b"}}}), "irsa:clusters": "{}"}
    found = preview(step("create", None, new), config=config)

    keys = component_keys_of([parse_resource(known, "")], found)
    assert keys[urns[1]] == ("app", "green")
    assert clusters_by_issuer(keys) == {"oidc.example": "green"}
