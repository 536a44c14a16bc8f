"""How each argument is read: kinds of values, with outputs in them, and what each field refuses.

The limits themselves are tested with the rules; here it is that each argument has its rule.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from irsa.add_ons.parameters import SWITCHES
from irsa.fields import OF_A_ROLE, Field, Found, KeyGroup, Node
from irsa.keys.binding import ServiceAccountRoleKeys
from irsa.read import Arguments
from irsa.rules.mistakes import Mistake, Place
from irsa.rules.policies import Document
from irsa.ways import BOTH
from tests.unit.irsa.add_ons.every_add_on import VALUES as OF_PARAMETERS
from tests.unit.irsa.add_ons.every_add_on import values

STATEMENT: dict[str, Any] = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
DOCUMENT: dict[str, Any] = {"Version": "2012-10-17", "Statement": [STATEMENT]}
TRUSTING = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*"}
PROVIDER = "arn:aws:iam::111122223333:oidc-provider/oidc.example/id/A"
CLUSTER_ARN = "arn:aws:eks:us-west-2:111122223333:cluster/my-cluster"


def fields(node: Node, *names: str) -> Iterator[tuple[str, Field]]:
    """Yield each argument that has a value, by its name; what its keys or items are called is left out."""
    if isinstance(node, Field):
        yield ".".join(names), node
        return
    inner = node.fields.items() if isinstance(node, KeyGroup) else [(None, node.item)]
    for name, each in inner:
        yield from fields(each, *names, *filter(None, [name]))


ALL = dict(fields(OF_A_ROLE))

OF_AN_ADD_ON: dict[str, tuple[Any, list[Any]]] = {
    "add_on": ("external-dns", ["external-dn", "", 5, "../external-dns", "__init__"]),
    "version": ("v1.2.3", [1.2, None]),
    "scope": ("*", ["", "all", "**", 5]),
    **{name: (values(name)[:1], [["*"], ["a b"], ["${x}"], *values(name)[:1]]) for name in OF_PARAMETERS},
    **dict.fromkeys(SWITCHES, (True, ["true", 1])),
}

# One value of each field, and values that AWS, Kubernetes or the kind of the field refuses.
VALUES: dict[str, tuple[Any, list[Any]]] = {
    "role.arn": ("arn:aws:iam::111122223333:role/r", ["r", "arn:aws:iam::111122223333:user/u"]),
    "oidc_provider_arns": ([PROVIDER], [[], ["x"], PROVIDER, {}]),
    "identity": ("both", ["Both", "pod-identity", True, [], {}, {"irsa": "absent"}, {"irsa": "used", "pods": "used"}]),
    "cluster_arns": (
        CLUSTER_ARN,
        [
            "my-cluster",
            *(CLUSTER_ARN.replace(part, "x") for part in ("aws", "eks", "us-west-2", "111122223333", "cluster/")),
            f"{CLUSTER_ARN}/x",
            f"{CLUSTER_ARN}\n",
            5,
        ],
    ),
    "trust.subjects": (["a:b", "a:*"], [["a"], "a:b", [5]]),
    "trust.any_service_account": (True, ["true", 1, []]),
    "audience": ("sts.amazonaws.com", ["", 5, "x" * 256]),
    "trust.conditions": (
        {"StringEquals": {"aws:x": "a"}},
        [[], {"X": {"a": "b"}}, {"StringEquals": {"issuer.example:sub": "a"}}],
    ),
    "trust.statements": ([TRUSTING], [TRUSTING, [STATEMENT], ["x"]]),
    "assume_role_arns": (["arn:aws:iam::444455556666:role/r"], ["r", ["r"], [5]]),
    "role.name": ("my-role", ["", "a b", "x" * 65, 5]),
    "role.name_prefix": ("my-", ["x" * 39]),
    "role.description": ("Reads", ["日本", "x" * 1001]),
    "role.path": ("/team/", ["team", ""]),
    "role.permissions_boundary": ("arn:aws:iam::aws:policy/ReadOnlyAccess", ["arn:aws:iam::111122223333:role/r"]),
    "role.max_session_duration": (3600, [3599, 43201, "3600", True, 3600.5, float("inf"), float("nan")]),
    "role.force_detach_policies": (False, ["no", None, 0]),
    "role.tags": ({"team": "a"}, [[], {"aws:x": "a"}, {"a": "x" * 257}, {"a": 5}, {5: "a"}]),
    "import_": (["role"], ["role", ["rolle"], [5]]),
    "retain_on_delete": (True, ["yes"]),
    # A policy of any length would be evaluated, for a minute.
    "quotas.trust_policy_size": (4096, [2047, 10**8, "4096"]),
    "quotas.attached_policies": (20, [0, -1, "20"]),
    "policy_arns": ("arn:aws:iam::aws:policy/ReadOnlyAccess", ["ReadOnlyAccess", 5]),
    "inline_policies.document": (DOCUMENT, ["{", [], {}, {**DOCUMENT, "Version": "2008-10-17"}]),
    "service_account.name": ("my-app.v1", ["My_App", "", 5]),
    "service_account.namespace": ("team-a", ["team.a", "x" * 64]),
    "service_account.create": (False, ["false", 0]),
    "service_account.take_over": (True, ["true", 1]),
    "service_account.labels": ({"app.kubernetes.io/name": "a"}, [{"a b": "c"}, {"a": "x" * 64}, {"a": True}, ["a"]]),
    "service_account.annotations": (
        {"example.com/owner": "anything at all"},
        [{"eks.amazonaws.com/role-arn": "x"}, {"pulumi.com/patchForce": "true"}, {"a b": "c"}, {"a": 5}],
    ),
    "service_account.image_pull_secrets": (["registry"], ["registry", ["A_B"]]),
    "service_account.automount_service_account_token": (False, ["no"]),
    "service_account.sts_regional_endpoints": (True, ["true"]),
    "service_account.token_expiration": (86400, [599, "600", False]),
    "policy.document": (
        DOCUMENT,
        [
            "[]",
            5,
            {"Statement": [STATEMENT]},
            '{"Version": "2012-10-17", "Statement": []}',
        ],
    ),
    "policy.name": ("my-policy", ["a/b", "x" * 129]),
    "policy.path": ("/team/app/", ["/a//b/", "team"]),
    "policy.description": ("Reads", ["日本"]),
    "pod_identity.session_tags": (False, ["false", 0]),
    "pod_identity.target_role_arn": ("arn:aws:iam::444455556666:role/r", ["r", CLUSTER_ARN]),
    "pod_identity.policy.document": (DOCUMENT, ["{", [], {**DOCUMENT, "Version": "x"}]),
    "pod_identity.tags": ({"team": "a"}, [{"aws:x": "a"}, ["a"]]),
    "pod_identity.import_ids": ({"blue": "a-1234567890abcdef0"}, [{"blue": "1234"}, {"blue": "a-1,x"}, "a-1"]),
    "policy.tags": ({"team": "a"}, [{"aws:x": "a"}]),
    **{f"{outer}.{name}": each for outer in ("policy", "policies") for name, each in OF_AN_ADD_ON.items()},
}


def read(field: Field, value: Any) -> tuple[Any, list[tuple[Place, Mistake]]]:
    found: Found = []
    return field.parse(value, ("here",), found), found


def test_every_field_has_its_values() -> None:
    assert set(VALUES) == set(ALL)
    assert all(bad for _, bad in VALUES.values())


@pytest.mark.parametrize("name", ALL)
def test_a_field_takes_what_is_legal(name: str) -> None:
    good, _ = VALUES[name]
    value, found = read(ALL[name], good)

    assert found == []
    expected = {"identity": BOTH}
    documents = ("policy.document", "inline_policies.document", "pod_identity.policy.document")
    assert value == (Document(None, good) if name in documents else expected.get(name, good))


@pytest.mark.parametrize("name", ALL)
def test_a_field_refuses_what_is_not(name: str) -> None:
    for bad in VALUES[name][1]:
        _, found = read(ALL[name], bad)

        assert found != [], bad
        for place, mistake in found:
            assert place[:1] == ("here",)
            assert all((mistake.found, mistake.allowed, mistake.fix))


LENGTHS = (60, 70, 75, 76, 77, 80, 90, 200, 3000)


@pytest.mark.parametrize("name", [*VALUES, "service_account", "role", "policy", "policy_tags"])
def test_advice_has_a_value_whole_or_not_at_all(name: str) -> None:
    for length, start in itertools.product(LENGTHS, (PROVIDER, "it's ", 'a "b" ')):
        value = (start + "".join(f"{number:04}" for number in range(length)))[:length]
        arguments = Arguments("x")
        args: Any = value
        for part in reversed(name.split(".")):
            args = {part: args}
        arguments.read(args, ServiceAccountRoleKeys)

        for _, mistake in arguments.found:
            assert value[:30] not in mistake.fix or repr(value) in mistake.fix, mistake.fix


@pytest.mark.parametrize(
    ("name", "value", "place"),
    [
        ("trust.subjects", ["a:b", "x"], (1,)),
        ("role.tags", {"a": "b", "c": 5}, ("c",)),
        (
            "policy.document",
            {**DOCUMENT, "Statement": [STATEMENT, {**STATEMENT, "Effect": "x"}]},
            ("Statement", 1, "Effect"),
        ),
        ("trust.conditions", {"StringEquals": {"a": None}}, ("StringEquals", "a")),
        ("trust.conditions", {"NumericEquals": {"a": float("inf")}}, ("NumericEquals", "a")),
        ("trust.statements", [TRUSTING, {**TRUSTING, "Effect": "x"}], (1, "Effect")),
        (
            "policy.document",
            DOCUMENT | {"Statement": STATEMENT | {"Resource": ["*", {1}]}},
            ("Statement", "Resource", 1),
        ),
    ],
)
def test_a_mistake_is_placed_where_it_is(name: str, value: Any, place: Place) -> None:
    _, found = read(ALL[name], value)
    assert [where for where, _ in found] == [("here", *place)]


@pytest.mark.parametrize(("value", "known"), [(3600.0, 3600), (43200, 43200)])
def test_other_languages_have_one_kind_of_number(value: float, known: int) -> None:
    seconds, found = read(ALL["role.max_session_duration"], value)
    assert (seconds, type(seconds), found) == (known, int, [])
