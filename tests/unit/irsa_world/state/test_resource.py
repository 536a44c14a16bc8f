"""A resource, read once from a state or a preview."""

from datetime import UTC, datetime
from typing import Any

import pytest

from irsa_world.state.resource import Resource, is_secret, is_unknown, parse_resource

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
# How the engine writes a secret into a state, and into a preview: https://www.pulumi.com/docs/iac/concepts/secrets/
SECRETS = [{"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "v1:x"}, "[secret]"]
# https://pkg.go.dev/github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin#pkg-constants
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


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


@pytest.mark.parametrize("secret", SECRETS)
def test_what_is_hidden_is_no_text(secret: Any) -> None:
    found = Resource(URN, "x", inputs={"a": "b", "c": "d"}, outputs={"a": secret, "b": UNKNOWN, "m": {"n": [secret]}})

    assert (found.text("a"), found.text("b"), found.text("c"), found.text("m", "n")) == ("", "", "d", "")
    assert [is_secret(each) for each in found.outputs.values()] == [True, False, True]
    assert [is_unknown(each) for each in found.outputs.values()] == [False, True, False]


def test_the_keys_of_a_component_are_its_outputs_or_its_name() -> None:
    component = Resource("urn:pulumi:dev::irsa::irsa:index:ServiceAccountRole::shop@blue", "x")

    assert component.keys == ("shop", "blue")
    assert component._replace(outputs={"key": "web", "cluster": None}).keys == ("web", "")
