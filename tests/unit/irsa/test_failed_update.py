import json
from typing import Any

import pytest

from irsa.failed_update import is_same

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
