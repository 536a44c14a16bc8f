"""Which roles a role of the stack may assume in turn afterwards, and which ones no more."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from irsa.rules.policies import chaining_policy
from irsa_cli.diff.chains import add_chains
from irsa_cli.diff.rights import Right, Rights
from irsa_cli.diff.worlds import before_and_after
from irsa_world.state.resource import parse_resource
from tests.unit.irsa_cli.diff.previews import (
    ACCOUNT,
    UNKNOWN,
    preview,
    resource,
    rights_between,
    role,
    step,
    trust,
    without_outputs,
)

INLINE_POLICY = "aws:iam/rolePolicy:RolePolicy"
ELSEWHERE = "arn:aws:iam::444455556666:role/logs"
APP, OTHER = (f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in ("my-role", "other"))
DENY = json.dumps({"Statement": {"Effect": "Deny", "Action": "sts:*", "Resource": "*"}})


def policy(*role_arns: str, document: str = "", name: str = "assume-roles") -> dict[str, Any]:
    """Return the inline policy that the component writes for assumeRoleArns."""
    written = document or chaining_policy(list(role_arns))
    return resource(INLINE_POLICY, name, {"name": name, "role": "my-role", "policy": written})


def other(*principals: str, **more: Any) -> dict[str, Any]:
    """Return another role of the stack, that lets these in."""
    statement = {"Effect": "Allow", "Principal": {"AWS": list(principals)}, "Action": "sts:AssumeRole"}
    document = UNKNOWN if UNKNOWN in principals else {"Version": "2012-10-17", "Statement": [statement]}
    return role(document, "other", "other", component="other", **more)


def told(*steps: Any, state: Sequence[Mapping[str, Any]] = ()) -> dict[str, list[tuple[str, str, bool]]]:
    """Return what is said of further roles: who, which one, and whether its trust policy must let it."""
    found = everything(*steps, state=state)
    return {
        name: [(each.service_account, each.then, each.if_trusted) for each in those if each.then]
        for name, those in vars(found).items()
        if any(isinstance(each, Right) and each.then for each in those)
    }


def everything(*steps: Any, state: Sequence[Mapping[str, Any]] = ()) -> Rights:
    before, after = before_and_after([parse_resource(each, "state") for each in state], preview(*steps).steps)
    found = rights_between(before, after)
    add_chains(found, before, after)
    return found


ROLE = role(trust("web:app"))


BOUNDED = {**ROLE, "inputs": {**ROLE["inputs"], "permissionsBoundary": "arn:aws:iam::111122223333:policy/limit"}}
ALL = ELSEWHERE.replace("logs", "*")


@pytest.mark.parametrize(
    ("steps", "state", "expected"),
    [
        ([step("create", None, policy(ELSEWHERE))], [ROLE], {"gains": [ELSEWHERE]}),
        ([step("delete", policy(ELSEWHERE))], [ROLE], {"loses": [ELSEWHERE]}),
        ([step("update", policy(ELSEWHERE), policy(OTHER, ELSEWHERE))], [ROLE], {"gains": [OTHER]}),
        ([step("update", policy(ELSEWHERE), policy(ELSEWHERE))], [ROLE], {}),
        ([step("update", policy(ELSEWHERE), policy(ALL))], [ROLE], {"gains": [ALL]}),
        ([step("update", policy(ALL), policy(ELSEWHERE))], [ROLE], {"loses": [ALL]}),
        ([step("create", None, policy(document=DENY, name="deny"))], [ROLE, policy(ELSEWHERE)], {"loses": [ELSEWHERE]}),
        ([step("delete", ROLE), step("delete", policy(OTHER))], [], {"loses": [OTHER]}),
        ([step("update", policy(ELSEWHERE), policy(document=UNKNOWN))], [ROLE], {"may_lose": [ELSEWHERE]}),
        ([step("update", BOUNDED, ROLE)], [policy(ELSEWHERE)], {"may_gain": [ELSEWHERE]}),
        # Nobody reads the boundary.
        ([step("create", None, policy(ELSEWHERE))], [BOUNDED], {"may_gain": [ELSEWHERE]}),
    ],
)
def test_further_roles_of_others(steps: list[Any], state: list[Any], expected: dict[str, list[str]]) -> None:
    """Protects reviewers: assumeRoleArns gives the role's service accounts another role, if that one lets it.

    https://docs.aws.amazon.com/eks/latest/userguide/cross-account-access.html
    """
    found = {name: [("web/app", arn, True) for arn in arns] for name, arns in expected.items()}
    assert told(*steps, state=state) == found


@pytest.mark.parametrize(
    ("steps", "state", "expected"),
    [
        ([step("create", None, policy(OTHER))], [ROLE, other(ELSEWHERE)], ""),
        ([step("create", None, policy(OTHER))], [ROLE, other(ACCOUNT)], "gains"),
        ([step("create", None, policy(OTHER))], [ROLE, other(APP)], ""),
        ([step("update", other(ELSEWHERE), other(APP))], [ROLE], "gains"),
        ([step("update", other(APP), other(ELSEWHERE))], [ROLE], "loses"),
        ([step("update", other(APP), without_outputs(other(UNKNOWN)))], [ROLE, policy(OTHER)], "may_lose"),
        ([step("delete", other(ACCOUNT))], [ROLE, policy(OTHER)], "loses"),
        ([step("create", None, without_outputs(other(ACCOUNT)))], [ROLE, policy(OTHER)], "gains"),
        ([step("create", None, policy(OTHER))], [ROLE, other(ACCOUNT, external=True)], "gains"),
    ],
)
def test_further_roles_of_the_stack(steps: list[Any], state: list[Any], expected: str) -> None:
    is_read = not any(each.get("external") for each in state)
    assert told(*steps, state=state) == ({expected: [("web/app", OTHER, not is_read)]} if expected else {})


def test_who_has_the_role() -> None:
    deny = {**trust("web:admin")["Statement"][0], "Effect": "Deny"}
    statements = {**trust("web:*"), "Statement": [*trust("web:*")["Statement"], deny]}
    (found,) = everything(step("create", None, policy(ELSEWHERE)), state=[role(statements)]).gains
    assert (found.service_account, found.but_not, found.at_most) == ("web/*", ("web/admin",), False)

    conditional = role(trust("web:app", IpAddress={"aws:SourceIp": "10.0.0.0/8"}))
    assert told(step("create", None, policy(ELSEWHERE)), state=[conditional]) == {
        "may_gain": [("web/app", ELSEWHERE, True)]
    }

    new = [step("create", None, without_outputs(role(UNKNOWN))), step("create", None, policy(ELSEWHERE))]
    assert told(*new) == {"gains": [("", ELSEWHERE, True)]}


@pytest.mark.parametrize("components", [("", "new"), ("new", "")])
def test_two_new_roles_of_one_logical_name(components: tuple[str, str]) -> None:
    """The attack: a component and a role beside it, whose names IAM is to choose, and one hid the other's chain."""
    account = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
    open_one = {"Version": "2012-10-17", "Statement": [account]}
    created = [
        resource("aws:iam/role:Role", "new", {"namePrefix": "new-", "assumeRolePolicy": json.dumps(each)}, component)
        for each, component in zip((open_one, trust("a:b")), components, strict=True)
    ]
    may = json.dumps({"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}})
    steps = [step("update", ROLE, ROLE), step("update", policy(document=may), policy(document=may))]
    ((_, then, _),) = told(*steps, *(step("create", None, each) for each in created))["gains"]

    assert "role/new-(" in then
