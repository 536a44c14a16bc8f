"""Which roles a role of the stack may assume in turn afterwards, and which ones no more."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from irsa.rules.policies import chaining_policy
from irsa_cli.diff.chains import add_chains
from irsa_cli.diff.rights import Rights
from irsa_cli.diff.worlds import before_and_after
from irsa_world.state.resource import parse_resource
from tests.unit.irsa_cli.diff.previews import (
    ACCOUNT,
    ROLE_ARN,
    UNKNOWN,
    create,
    inline,
    preview,
    resource,
    rights_between,
    role,
    statement,
    step,
    trust,
    update,
    with_inputs,
)
from tests.world import document

ELSEWHERE, ALL = (f"arn:aws:iam::444455556666:role/{name}" for name in ("logs", "*"))
OTHER = f"arn:aws:iam::{ACCOUNT}:role/other"
DENY = with_inputs(inline(statement("sts:*", effect="Deny"), role="deny"), role="my-role")


def may(*role_arns: str) -> dict[str, Any]:
    """Return the inline policy that the component writes for assumeRoleArns."""
    return with_inputs(inline(), policy=chaining_policy([*role_arns]))


def other(principal: str, **more: Any) -> dict[str, Any]:
    """Return another role of the stack, that lets this one in."""
    lets = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
    return role(UNKNOWN if principal == UNKNOWN else document(lets), "other", "other", component="other", **more)


def everything(*steps: Any, state: Sequence[Mapping[str, Any]] = ()) -> Rights:
    before, after = before_and_after([parse_resource(each, "state") for each in state], preview(*steps).steps)
    found = rights_between(before, after)
    add_chains(found, before, after)
    return found


def told(*steps: Any, state: Sequence[Mapping[str, Any]] = ()) -> dict[str, list[tuple[str, str, bool]]]:
    """Return what is said of further roles: who, which one, and whether its trust policy must let it."""
    found = everything(*steps, state=state)
    chains = {
        name: [(each.service_account, each.then, each.if_trusted) for each in those if getattr(each, "then", "")]
        for name, those in vars(found).items()
    }
    return {name: those for name, those in chains.items() if those}


ROLE = role(trust("web:app"))
BOUNDED = with_inputs(ROLE, permissionsBoundary=f"arn:aws:iam::{ACCOUNT}:policy/limit")


@pytest.mark.parametrize(
    ("steps", "state", "expected"),
    [
        ([create(may(ELSEWHERE))], [ROLE], {"gains": [ELSEWHERE]}),
        ([step("delete", may(ELSEWHERE))], [ROLE], {"loses": [ELSEWHERE]}),
        ([update(may(ELSEWHERE), may(OTHER, ELSEWHERE))], [ROLE], {"gains": [OTHER]}),
        ([update(may(ELSEWHERE), may(ELSEWHERE))], [ROLE], {}),
        ([update(may(ELSEWHERE), may(ALL))], [ROLE], {"gains": [ALL]}),
        ([update(may(ALL), may(ELSEWHERE))], [ROLE], {"loses": [ALL]}),
        ([create(DENY)], [ROLE, may(ELSEWHERE)], {"loses": [ELSEWHERE]}),
        ([step("delete", ROLE), step("delete", may(OTHER))], [], {"loses": [OTHER]}),
        ([update(may(ELSEWHERE), with_inputs(may(), policy=UNKNOWN))], [ROLE], {"may_lose": [ELSEWHERE]}),
        ([update(BOUNDED, ROLE)], [may(ELSEWHERE)], {"may_gain": [ELSEWHERE]}),
        # Nobody reads the boundary.
        ([create(may(ELSEWHERE))], [BOUNDED], {"may_gain": [ELSEWHERE]}),
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
        ([create(may(OTHER))], [ROLE, other(ELSEWHERE)], ""),
        ([create(may(OTHER))], [ROLE, other(ACCOUNT)], "gains"),
        ([create(may(OTHER))], [ROLE, other(ROLE_ARN)], ""),
        ([update(other(ELSEWHERE), other(ROLE_ARN))], [ROLE], "gains"),
        ([update(other(ROLE_ARN), other(ELSEWHERE))], [ROLE], "loses"),
        ([update(other(ROLE_ARN), other(UNKNOWN))], [ROLE, may(OTHER)], "may_lose"),
        ([step("delete", other(ACCOUNT))], [ROLE, may(OTHER)], "loses"),
        ([create(other(ACCOUNT))], [ROLE, may(OTHER)], "gains"),
        ([create(may(OTHER))], [ROLE, other(ACCOUNT, external=True)], "gains"),
    ],
)
def test_further_roles_of_the_stack(steps: list[Any], state: list[Any], expected: str) -> None:
    is_read = not any(each.get("external") for each in state)
    assert told(*steps, state=state) == ({expected: [("web/app", OTHER, not is_read)]} if expected else {})


def test_who_has_the_role() -> None:
    chained = create(may(ELSEWHERE))
    deny = {**trust("web:admin")["Statement"][0], "Effect": "Deny"}
    (found,) = everything(chained, state=[role(document(*trust("web:*")["Statement"], deny))]).gains
    assert (found.service_account, found.but_not, found.at_most) == ("web/*", ("web/admin",), False)

    conditional = role(trust("web:app", IpAddress={"aws:SourceIp": "10.0.0.0/8"}))
    assert told(chained, state=[conditional]) == {"may_gain": [("web/app", ELSEWHERE, True)]}
    assert told(create(role(UNKNOWN)), chained) == {"gains": [("", ELSEWHERE, True)]}


@pytest.mark.parametrize("components", [("", "new"), ("new", "")])
def test_two_new_roles_of_one_logical_name(components: tuple[str, str]) -> None:
    """The attack: a component and a role beside it, whose names IAM is to choose, and one hid the other's chain."""
    lets = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
    created = [
        create(resource(ROLE["type"], "new", {"namePrefix": "new-", "assumeRolePolicy": each}, component))
        for each, component in zip((document(lets), trust("a:b")), components, strict=True)
    ]
    own = inline(statement("sts:AssumeRole"))
    ((_, then, _),) = told(update(ROLE, ROLE), update(own, own), *created)["gains"]

    assert "role/new-(" in then
