import asyncio
import json
from typing import Any

import pulumi
import pytest

from irsa import ServiceAccountRole
from irsa.failed_update import component_of, is_same
from tests.component.conftest import GOOD

DOCUMENT = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}'
WIDER = DOCUMENT.replace('"s3:GetObject"', '"s3:*"')
# As the AWS provider has a role, a policy and an OIDC provider in the state.
ROLE: dict[str, Any] = {
    "__defaults": ["forceDetachPolicies"],
    "assumeRolePolicy": DOCUMENT,
    "description": "reads",
    "forceDetachPolicies": False,
    "maxSessionDuration": 3600,
    "name": "app",
    "tagsAll": {},
}
OUTPUTS: dict[str, Any] = {
    **{key: value for key, value in ROLE.items() if key != "__defaults"},
    "arn": "arn:aws:iam::111122223333:role/app",
    "maxSessionDuration": 3600.0,
    "tags": {},
    "path": "/",
}


def test_what_the_state_has_already_is_nothing() -> None:
    spaced = json.dumps(json.loads(DOCUMENT), indent=2)

    assert is_same(ROLE, OUTPUTS)
    assert is_same(ROLE, {**OUTPUTS, "assumeRolePolicy": spaced})
    assert is_same({"url": "https://oidc.example/id"}, {"url": "oidc.example/id"})
    assert is_same({"tags": {}, "description": ""}, {})
    assert is_same({"tags": {"a": "b", "__defaults": []}}, {"tags": {"a": "b"}})


@pytest.mark.parametrize(
    "change",
    [
        {"assumeRolePolicy": WIDER},
        {"description": "writes"},
        {"maxSessionDuration": 7200},
        {"permissionsBoundary": "arn:aws:iam::111122223333:policy/boundary"},
        {"description": '{"a": 1}'},
        {"tagsAll": {"a": "b"}},
        {"forceDetachPolicies": True},
    ],
)
def test_an_update_that_changes_something_is_never_refused(change: dict[str, Any]) -> None:
    assert not is_same({**ROLE, **change}, OUTPUTS)


class Parent(pulumi.ComponentResource):
    def __init__(self, type_: str) -> None:
        super().__init__(type_, type_.rpartition(":")[2])


def test_the_component_of_an_update_is_that_of_its_urn(registered: Any) -> None:
    """The attack: two components of one name below two parents, in two AWS accounts."""
    made: dict[str, Any] = {}

    def program() -> None:
        for type_ in ("my:index:One", "my:index:Two"):
            args: Any = GOOD
            made[type_] = ServiceAccountRole("app", args, pulumi.ResourceOptions(parent=Parent(type_)))

    registered(program)
    for type_, component in made.items():
        urn = f"urn:pulumi:test::irsa::{type_}$irsa:index:ServiceAccountRole$aws:iam/role:Role::app"
        update = pulumi.ResourceHookArgs(urn, "id", "app", "aws:iam/role:Role", None, {}, {}, {})
        assert asyncio.get_event_loop().run_until_complete(component_of(update)) is component
