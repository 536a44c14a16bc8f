"""No text of a component shows a secret: every argument that can be an output is one in turn, in every situation."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pulumi
import pytest
from pulumi.runtime import rpc

from irsa import IdentityGuard, ServiceAccountRole
from irsa.add_ons.catalog import add_on
from irsa.fields import OF_A_GUARD, OF_A_ROLE, KeyGroup, node_at
from irsa.rules.mistakes import path_of
from tests.component.conftest import ACCOUNT, DOCUMENT, GOOD, PROVIDER, OfAComponent, RecordingMonitor
from tests.component.test_outputs_as_inputs import EVERYTHING, is_plain, with_outputs
from tests.places import at, places, put
from tests.unit.irsa.add_ons.every_add_on import NARROWEST, given
from tests.unit.irsa.test_fields import fields

ROLE_ARN, CLUSTER = f"arn:aws:iam::{ACCOUNT}:role/app", f"arn:aws:eks:us-west-2:{ACCOUNT}:cluster/app"
WRITTEN = {"eks.amazonaws.com/role-arn": ROLE_ARN, "eks.amazonaws.com/audience": "theirs"}
ANYBODY = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
BY_TOKEN = {"Principal": {"Federated": PROVIDER}, "Action": "sts:AssumeRoleWithWebIdentity"}
SUBJECT = f"{PROVIDER.partition('/')[2]}:sub"
BUT_SOME = {"StringNotLike": {SUBJECT: "system:serviceaccount:kube-system:*"}}
EVERY_ACTION = {"document": {**DOCUMENT, "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}}
OF_PODS = {"identity": "podIdentity", "cluster_arns": {"a": CLUSTER}}
ANNOTATED = {"name": "app", "namespace": "team-a", "create": False, "annotations": {"a": "b"}}
# What each kind of text comes from.
ROLES: dict[str, dict[str, Any]] = {
    "everything": EVERYTHING,
    "an existing role and service account": {
        "role": {"arn": ROLE_ARN},
        "service_account": ANNOTATED,
        "audience": "own",
    },
    "an opened trust policy": {
        **GOOD,
        "trust": {
            "subjects": ["kube-system:a", "a:*"],
            "any_service_account": True,
            "statements": [ANYBODY, {"Effect": "Allow", **BY_TOKEN, "Condition": BUT_SOME}],
        },
    },
    "a subject that is denied": {
        **GOOD,
        "trust": {
            "subjects": ["kube-system:a"],
            "statements": [{"Effect": "Deny", **BY_TOKEN, "Condition": {"StringLike": BUT_SOME["StringNotLike"]}}],
        },
    },
    "every action": {**GOOD, "policy": EVERY_ACTION, "trust": {"subjects": ["*:*"], "any_service_account": True}},
    "another AWS account": {**GOOD, **OF_PODS, "cluster_arns": {"a": CLUSTER.replace(ACCOUNT, "999955556666")}},
    "add-ons": {
        **GOOD,
        "role": {"name_prefix": "my-"},
        "policies": [{"add_on": each, **given([*add_on(each).parameters])} for each in NARROWEST],
    },
    "imports": {
        **GOOD,
        "role": EVERYTHING["role"],
        "service_account": EVERYTHING["service_account"],
        "inline_policies": {"read": EVERY_ACTION},
        "import_": ["role", "policy", "inlinePolicies", "serviceAccount"],
    },
}
GUARD: dict[str, Any] = {
    "mode": "deny",
    "namespace": "guards",
    "annotations": {"mode": "deny", "users": ["me"]},
    "service_accounts": [{"name": "app", "namespace": "team-a", "role_arn": ROLE_ARN, "audience": "own"}],
}
COMPONENTS: dict[str, tuple[Any, KeyGroup, dict[str, Any]]] = {
    key: (ServiceAccountRole, OF_A_ROLE, args) for key, args in ROLES.items()
}
COMPONENTS["a guard"] = (IdentityGuard, OF_A_GUARD, GUARD)
# With them, a value keeps its rule, or breaks it.
SECRET, NUMBER = "hunter2", 7243
ENDS, TIMES = (SECRET, f" {SECRET}\x07"), 10**6


def with_a_secret(args: dict[str, Any], group: KeyGroup) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the arguments with each value marked, and with it or each value around it a secret."""
    for place in places(args):
        value = at(args, place)
        if isinstance(value, bool) or not isinstance(value, str | int) or is_plain(place, group):
            continue
        for marked in [value + end for end in ENDS] if isinstance(value, str) else [NUMBER, NUMBER * TIMES]:
            changed = put(args, place, marked)
            outermost = next(place[:end] for end in range(len(place) + 1) if not is_plain(place[:end], group))
            for which in {place, outermost}:
                yield (
                    f"{path_of(place)}={marked!r}, secret from {path_of(which)}",
                    with_outputs(changed, {which}, make=pulumi.Output.secret),
                )


def other(value: Any) -> Any:
    """Return what is there in place of what is declared: every text in it is another."""
    if isinstance(value, dict):
        return {key: other(each) for key, each in value.items()}
    if isinstance(value, list):
        return [other(each) for each in value]
    return value.replace('"s3:', '"sqs:').replace("kube", "cube") + " " if isinstance(value, str) else value


@pytest.fixture
def texts_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Return what says all that a component logs or raises, by itself or by one of its hooks."""
    said: list[str] = []
    hooks: dict[str, Any] = {}

    class Hook(pulumi.ResourceHook):
        def __init__(self, name: str, *rest: Any) -> None:
            hooks[name] = self.callback
            super().__init__(name, *rest)

    monkeypatch.setattr(pulumi, "ResourceHook", Hook)
    for level in ("info", "warn", "error"):
        monkeypatch.setattr(pulumi.log, level, lambda text, *_, **__: said.append(text))

    def run(component: Any, args: Any) -> list[str]:
        said.clear()
        live = {"name": "app", "namespace": "team-a", "annotations": WRITTEN}
        monitor = RecordingMonitor(OfAComponent(live))
        pulumi.runtime.set_mocks(monitor.mocks, project="irsa", stack="test", preview=False, monitor=monitor)
        try:
            pulumi.runtime.test(lambda: component("app", args) and None)()
        except Exception as error:
            said.append(str(error))
        for request in (each.request for each in monitor.registrations):
            for name in (*request.hooks.before_update, *request.hooks.after_update, *request.hooks.before_create):
                for update in updates(request):
                    try:
                        asyncio.get_event_loop().run_until_complete(hooks[name](update))
                    except Exception as error:
                        said.append(str(error))
        return said

    return run


def updates(request: Any) -> Iterator[pulumi.ResourceHookArgs]:
    """Yield updates as hooks get them: of what is the same, of what is other, and of what is to be removed."""
    declared = rpc.deserialize_properties(request.object, keep_unknowns=True)
    plain = {key: rpc.unwrap_rpc_secret(each) for key, each in declared.items()}
    for new, old in ((plain, plain), (plain, other(plain)), (other(plain), plain), ({}, plain)):
        sides = [
            {
                key: pulumi.Output.secret(each) if rpc.is_rpc_secret(declared[key]) else each
                for key, each in side.items()
            }
            for side in (new, old)
        ]
        yield pulumi.ResourceHookArgs("urn", "id", request.name, request.type, None, sides[0], sides[1], sides[1])


def test_every_argument_is_a_secret_in_turn() -> None:
    for group in (OF_A_ROLE, OF_A_GUARD):
        tried = {
            ".".join(str(step) for end, step in enumerate(place) if isinstance(node_at(place[:end], group), KeyGroup))
            for _, of, args in COMPONENTS.values()
            for place in places(args)
            if of is group
        }
        # Those of an add-on are the same in `policy`.
        tried |= {each.replace("policies", "policy", 1) for each in tried}
        assert {name for name, each in fields(group) if not each.plain} <= tried


@pytest.mark.parametrize("situation", COMPONENTS)
def test_no_text_shows_a_secret(texts_of: Any, situation: str) -> None:
    component, group, args = COMPONENTS[situation]
    shown = {
        (what, text)
        for what, secret in with_a_secret(args, group)
        for text in texts_of(component, secret)
        if SECRET in text or str(NUMBER) in text.replace(",", "") or "__str__" in text
    }
    assert not {text[:300]: what for what, text in sorted(shown)}
