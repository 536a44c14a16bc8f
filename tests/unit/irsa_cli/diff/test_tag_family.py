"""Random previews in which tags change, against what IAM decides for each request: no gain is silent.

Two roles have identity policies, boundaries, session policies and trust policies that ask for tags, and some of their
managed policies cannot be read. `PREVIEWS=2000` tries so many.

https://docs.aws.amazon.com/IAM/latest/UserGuide/access_iam-tags.html (whose tags a request has),
https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html (the tags of a session)
"""

import json
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pytest

from tests.unit.irsa_cli.diff.conftest import DiffJson
from tests.unit.irsa_cli.diff.previews import (
    ACCOUNT,
    ATTACHMENT,
    INLINE,
    OIDC_PROVIDER,
    POLICY,
    ROLE,
    association,
    create,
    resource,
    trust,
    update,
    with_inputs,
)
from tests.world import PODS, document

PREVIEWS, OF_SEED = int(os.environ.get("PREVIEWS", "300")), 50
A, B = (f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in "ab")
SHARED, OTHERS, LIMIT = (f"arn:aws:iam::{ACCOUNT}:policy/{name}" for name in ("shared", "others", "limit"))
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/example.com"
SESSION = {"kubernetes-namespace": "web", "kubernetes-service-account": "app"}
TAGS = {"team": ["red", "blue"], "stage": ["red", "blue"], "kubernetes-namespace": ["web", "red"]}
# Actions, each with the resources to which it applies.
ACTIONS = {
    "s3:GetObject": ["arn:aws:s3:::b/x"],
    "iam:UpdateRole": [A, B],
    "sts:AssumeRole": [A, B],
    "iam:CreatePolicyVersion": [SHARED],
    "iam:AddClientIDToOpenIDConnectProvider": [PROVIDER],
}


class Statement(NamedTuple):
    """A statement that allows or denies actions where a tag has a value; with no tag, always."""

    effect: str
    actions: tuple[str, ...]
    tag: tuple[str, str, str] | None = None

    @property
    def written(self) -> dict[str, Any]:
        more = {"Condition": {"StringEquals": {f"aws:{self.tag[0]}Tag/{self.tag[1]}": self.tag[2]}}} if self.tag else {}
        return {"Effect": self.effect, "Action": [*self.actions], **more}

    def applies(self, action: str, request: Mapping[tuple[str, str], str]) -> bool:
        return action in self.actions and (self.tag is None or request.get(self.tag[:2]) == self.tag[2])


class Documents(NamedTuple):
    """The documents of a role; the managed policy of others and the boundary are as they are in AWS."""

    inline: tuple[Statement, ...]
    boundary: tuple[Statement, ...] | None
    session: tuple[Statement, ...] | None
    trust: tuple[Statement, ...]
    has_shared: bool
    has_others: bool


class World(NamedTuple):
    """Roles that stay as they are, and the tags of each resource at one time."""

    roles: Mapping[str, Documents]
    shared: tuple[Statement, ...]
    others: tuple[Statement, ...]
    tags: Mapping[str, Mapping[str, str]]
    with_session_tags: bool = False


def a_statement(chance: random.Random, actions: Sequence[str] = [*ACTIONS]) -> Statement:
    key = chance.choice([*TAGS])
    tag = (chance.choice(["Principal", "Resource"]), key, chance.choice(TAGS[key])) if chance.randrange(3) else None
    effect = "Deny" if not chance.randrange(4) else "Allow"
    return Statement(effect, tuple(chance.sample(actions, chance.randint(1, len(actions)))), tag)


def a_document(chance: random.Random) -> tuple[Statement, ...]:
    return tuple(a_statement(chance) for _ in range(chance.randint(1, 2)))


def a_role(chance: random.Random) -> Documents:
    boundary = a_document(chance) if not chance.randrange(4) else None
    session = a_document(chance) if not chance.randrange(4) else None
    lets_in = (a_statement(chance, ["sts:AssumeRole"]),)
    return Documents(a_document(chance), boundary, session, lets_in, *(not chance.randrange(3) for _ in "so"))


def worlds(chance: random.Random) -> tuple[World, World]:
    """Return two times between which tags of one resource change, or role A gains sessions with tags."""
    tags = {each: {key: chance.choice(TAGS[key]) for key in ("team", "stage")} for each in (A, B, SHARED, PROVIDER)}
    before = World({A: a_role(chance), B: a_role(chance)}, a_document(chance), a_document(chance), tags)
    if not chance.randrange(5):
        return before, before._replace(with_session_tags=True)
    which, key = chance.choice([*tags]), chance.choice(["team", "stage"])
    other = {name: value for name, value in tags[which].items() if name != key}
    other |= {key: chance.choice([*TAGS[key], "green"])} if chance.randrange(3) else {}
    return before, before._replace(tags={**tags, which: other})


# --- what IAM decides --------------------------------------------------------------------------------


def is_allowed(documents: Sequence[Sequence[Statement]], action: str, request: Mapping[tuple[str, str], str]) -> bool:
    effects = {each.effect for one in documents for each in one if each.applies(action, request)}
    return effects == {"Allow"}


def permitted(world: World, is_read: bool) -> set[tuple[str, str, str]]:
    """Return who may do what: the role, the action and the resource.

    The tags of a session by EKS Pod Identity are transitive: the role that it assumes has these, too.
    """
    plain = {each for arn in world.roles for each in of_session(world, arn, {}, is_read)}
    if not world.with_session_tags:
        return plain
    tagged = of_session(world, A, SESSION, is_read)
    chained = of_session(world, B, SESSION, is_read) if (A, "sts:AssumeRole", B) in tagged else set()
    return plain | tagged | chained


def of_session(world: World, arn: str, tags: Mapping[str, str], is_read: bool) -> set[tuple[str, str, str]]:
    """Return what a session of a role with these tags may do."""
    role = world.roles[arn]
    identity = [role.inline, *([world.shared] if role.has_shared else ())]
    identity += [world.others] if role.has_others and is_read else []
    mine = {("Principal", key): value for key, value in {**world.tags[arn], **tags}.items()}
    found = set()
    for action, resources in ACTIONS.items():
        for on in resources:
            request = {**mine, **{("Resource", key): value for key, value in world.tags.get(on, {}).items()}}
            limits = [[each] for each in (role.boundary, role.session) if each is not None]
            is_let_in = action != "sts:AssumeRole" or is_allowed([world.roles[on].trust], action, request)
            if is_let_in and all(is_allowed(each, action, request) for each in (identity, *limits)):
                found.add((arn, action, on))
    return found


def asked_for(world: World, is_read: bool) -> set[str]:
    """Return the keys of tags that any document names."""
    documents = [world.shared, *([world.others] if is_read else ())]
    documents += [one for each in world.roles.values() for one in each[:4] if one]
    return {each.tag[1] for one in documents for each in one if each.tag}


# --- the preview --------------------------------------------------------------------------------


def written(statements: Sequence[Statement], **more: Any) -> str:
    return json.dumps(document(*({**each.written, **more} for each in statements)))


def state(world: World) -> Iterator[dict[str, Any]]:
    """Yield the resources of the stack that stay."""
    for arn, role in world.roles.items():
        name = arn[-1:]
        place: dict[str, Any] = {"component": name}
        yield resource(
            INLINE, f"{name}i", {"name": "x", "role": name, "policy": written(role.inline, Resource="*")}, **place
        )
        for is_there, policy in ((role.has_shared, SHARED), (role.has_others, OTHERS)):
            if is_there:
                yield resource(ATTACHMENT, f"{name}{policy}", {"role": name, "policyArn": policy}, **place)
        if role.session:
            inputs = {"roleArn": arn, "policy": written(role.session, Resource="*"), "disableSessionTags": True}
            yield association(f"limited-{name}", **inputs)


def taggable(world: World) -> Iterator[dict[str, Any]]:
    """Yield the resources whose tags can change."""
    for arn, role in world.roles.items():
        name = arn[-1:]
        lets_in = [{**each.written, "Principal": {"AWS": ACCOUNT}} for each in role.trust]
        trusted = json.dumps(document(*lets_in, *trust("web:app")["Statement"], PODS))
        inputs = {"name": name, "path": "/", "assumeRolePolicy": trusted, "tags": world.tags[arn]}
        inputs |= {"permissionsBoundary": f"{LIMIT}-{name}"} if role.boundary else {}
        yield resource(ROLE, name, inputs, name, outputs={"arn": arn, "name": name})
    policy = {"name": "shared", "policy": written(world.shared, Resource="*"), "tags": world.tags[SHARED]}
    yield resource(POLICY, "shared", policy, "", outputs={"arn": SHARED})
    provider = {"url": "https://example.com", "clientIdLists": ["x"], "tags": world.tags[PROVIDER]}
    yield resource(OIDC_PROVIDER, "example.com", provider, "", outputs={"arn": PROVIDER})


def answer(diff_json: DiffJson, before: World, after: World, is_read: bool) -> int:
    """Return the exit code of the gate for what may be gained."""
    both = [*zip(taggable(before), taggable(after), strict=True)]
    steps = [update(old, new) for old, new in both if old != new]
    if after.with_session_tags:
        # Role A is changed otherwise, too, as its first association is created.
        steps += [
            create(association(roleArn=A)),
            *(update(each, with_inputs(each, description="d")) for each, _ in both[:1]),
        ]
    managed: dict[str, Any] = {
        f"{LIMIT}-{arn[-1:]}": json.loads(written(each.boundary, Resource="*"))
        for arn, each in before.roles.items()
        if each.boundary
    }
    managed |= {OTHERS: json.loads(written(before.others, Resource="*"))} if is_read else {}
    there = [*state(before), *(old for old, _ in both)]
    return diff_json(*steps, managed=managed, state=there, gate="permissions")["exitCode"] if steps else 0


@pytest.mark.parametrize("seed", range(PREVIEWS // OF_SEED))
def test_no_gain_by_tags_is_silent(seed: int, diff_json: DiffJson) -> None:
    chance = random.Random(seed)
    for number in range(OF_SEED):
        before, after = worlds(chance)
        is_read = bool(chance.randrange(4))
        code = answer(diff_json, before, after, is_read)
        gained = permitted(after, True) - permitted(before, True)
        has_unread = not is_read and any(each.has_others for each in before.roles.values())
        keys = {*SESSION} if after.with_session_tags else {"team", "stage"}
        changed = {
            key
            for key in keys
            if after.with_session_tags
            or any(before.tags[each].get(key) != after.tags[each].get(key) for each in before.tags)
        }
        is_named = has_unread or bool(changed & asked_for(before, is_read))
        assert code or not gained, (seed, number)
        # A tag that no document names stops nothing.
        assert is_named or code == 0, (seed, number)
