"""Diff is the sessions and permissions of a small world afterwards, less those before: against a brute force.

What decides is as AWS's pages have it, with `fnmatchcase` for StringLike and for actions and resources:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html,
https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
"""

import itertools
import json
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.irsa_cli.diff.conftest import DiffJson
from tests.unit.irsa_cli.diff.previews import (
    ACCOUNT,
    ATTACHMENT,
    POLICY,
    create,
    inline,
    oidc_provider,
    resource,
    role,
    rows,
    statement,
    step,
    trust,
    update,
    with_inputs,
)
from tests.world import document

PEOPLE = ["a:x", "a:y", "b:x"]
ACTIONS, ON = ["s3:GetObject", "s3:PutObject", "sqs:SendMessage"], ["arn:aws:s3:::a", "arn:aws:s3:::b"]
SHARED = f"arn:aws:iam::{ACCOUNT}:policy/shared"
AUDIENCE = "sts.amazonaws.com"


class Statement(NamedTuple):
    """A statement of a policy; with a condition, the request decides whether it applies."""

    effect: str
    action: str
    on: str
    condition: bool

    @property
    def written(self) -> dict[str, Any]:
        more = {"Condition": {"StringEquals": {"aws:SourceVpc": "vpc-1"}}} if self.condition else {}
        return statement(self.action, self.on, self.effect, **more)


class Role(NamedTuple):
    """A role: whom its trust policy names, its inline policy, and how it has the shared one."""

    subjects: frozenset[str]
    own: tuple[Statement, ...]
    has_shared: bool
    is_bounded: bool


class World(NamedTuple):
    """What there is: roles by name, the statements of a managed policy, and whether STS takes tokens."""

    roles: Mapping[str, Role]
    shared: tuple[Statement, ...]
    listed: bool


def sessions(world: World) -> set[tuple[str, str]]:
    every = itertools.product(PEOPLE, world.roles if world.listed else ())
    return {(who, name) for who, name in every if any(fnmatchcase(who, each) for each in world.roles[name].subjects)}


def permissions(world: World, is_met: bool) -> set[tuple[str, str, str]]:
    """Return what each role may do where the condition is met, or where it is not."""

    def effects(those: Iterable[Statement], action: str, on: str) -> set[str]:
        applying = (each for each in those if is_met or not each.condition)
        return {each.effect for each in applying if fnmatchcase(action, each.action) and fnmatchcase(on, each.on)}

    return {
        (name, action, on)
        for (name, each), action, on in itertools.product(world.roles.items(), ACTIONS, ON)
        if effects([*each.own, *(world.shared if each.has_shared else ())], action, on) == {"Allow"}
        and (not each.is_bounded or effects(world.shared, action, on) == {"Allow"})
    }


def resources(world: World) -> dict[str, dict[str, Any]]:
    """Return what the stack has, by URN."""
    shared = {"name": "shared", "policy": json.dumps(document(*(each.written for each in world.shared)))}
    found = [resource(POLICY, "shared", shared, "", outputs={"arn": SHARED})]
    found.append(oidc_provider(*([AUDIENCE] if world.listed else ["other"])))
    for name, each in world.roles.items():
        boundary = {"permissionsBoundary": SHARED} if each.is_bounded else {}
        found.append(with_inputs(role(trust(*sorted(each.subjects)), name, name), **boundary))
        found.append(inline(*(one.written for one in each.own), role=name))
        found += [resource(ATTACHMENT, name, {"role": name, "policyArn": SHARED})] if each.has_shared else []
    return {each["urn"]: each for each in found}


def steps(before: World, after: World) -> list[Any]:
    """Return a preview's steps; what stays has none, as in one of Pulumi."""
    old, new = resources(before), resources(after)
    gone = [step("delete", old[urn]) for urn in old.keys() - new.keys()]
    changed = [update(old[urn], new[urn]) for urn in old.keys() & new.keys() if old[urn] != new[urn]]
    return [*map(create, (new[urn] for urn in new.keys() - old.keys())), *changed, *gone]


STATEMENTS = st.lists(
    st.builds(
        Statement,
        st.sampled_from(["Allow", "Allow", "Deny"]),
        st.sampled_from([*ACTIONS, "s3:*", "*"]),
        st.sampled_from([*ON, "arn:aws:s3:::*", "*"]),
        st.sampled_from([False, False, True]),
    ),
    min_size=1,
    max_size=3,
).map(tuple)
PATTERNS = st.frozensets(st.sampled_from([*PEOPLE, "a:*", "*:x", "*:*"]), min_size=1, max_size=3)
ROLES = st.builds(Role, PATTERNS, STATEMENTS, st.booleans(), st.booleans())
WORLDS = st.builds(
    World,
    st.fixed_dictionaries({}, optional={"r": ROLES, "s": ROLES}),
    STATEMENTS,
    st.sampled_from([True, True, False]),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(WORLDS, WORLDS)
def test_what_diff_says_is_after_less_before(diff_json: DiffJson, before: World, after: World) -> None:
    """The attack: somebody may do more, and no line says so, nor that irsa cannot tell."""
    found = diff_json(*steps(before, after), state=[*resources(before).values()])
    told = {
        (who, each["role"])
        for each, who in itertools.product(rows(found, "gains"), PEOPLE)
        if fnmatchcase(who.replace(":", "/"), each["who"])
    }
    exactly = {(each["who"].replace("/", ":"), each["role"]) for each in rows(found, "gains")}
    undecided = {each["role"] for each in rows(found, "permissionsCannotTell")}
    gains = [each for each in rows(found, "permission") if each["change"] == "gains" and not each["policies"]]

    def says(role_: str, action: str, on: str) -> bool:
        return any(
            each["role"] == role_
            and any(fnmatchcase(action.lower(), one.lower()) for one in each["actions"])
            and any(fnmatchcase(on, one) for one in each["resources"])
            for each in gains
        )

    # Of who may assume a role, nothing is open here.
    newly = sessions(after) - sessions(before)
    assert newly <= told <= sessions(after)
    assert not exactly & sessions(before)
    assert rows(found, "cannotTell") == rows(found, "mayGain") == []
    had, has = ([permissions(world, is_met) for is_met in (True, False)] for world in (before, after))
    for each in (has[0] - had[0]) | (has[1] - had[1]):
        assert says(*each) or each[0] in undecided
    # What it had for certain is no gain.
    exact = {(each["role"], *each["actions"], *each["resources"]) for each in gains}
    assert not exact & had[0] & had[1]
