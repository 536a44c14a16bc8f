"""What changes of each binding: its resources, their annotations, tags and settings; and statements of documents."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irsa_cli.diff.changes import BindingChange, PropertyChange, ResourceChange, changes
from irsa_cli.diff.components import clusters_by_issuer, component_keys_of, kubernetes_providers
from irsa_cli.diff.statements import StatementChange, statement_changes
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
    create,
    preview,
    resource,
    role,
    statement,
    step,
    trust,
    urn,
)
from tests.world import document, of_tokens

BUCKET, KUBE = "aws:s3/bucket:Bucket", ("kubeconfig", "context")
ROLE_ARN = 'metadata.annotations["eks.amazonaws.com/role-arn"]'


def all_changes(*steps: Any, **more: Any) -> tuple[list[BindingChange], list[ResourceChange]]:
    found = preview(*steps, **more)
    return changes(found.steps, component_keys_of([], found))


def only(*steps: Any) -> ResourceChange:
    (binding,), others = all_changes(*steps)
    assert not others
    (found,) = binding.resources
    return found


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
    found = only(step("update", resource(ROLE, "x", before), resource(ROLE, "x", after))).settings

    assert [(each.property, each.before, each.after) for each in found] == expected


def test_what_is_not_known_yet_is_named_one_by_one() -> None:
    before = {"annotations": {"eks.amazonaws.com/role-arn": "arn:a", "team": "b"}}
    old, new = (resource(ROLE, "x", {"metadata": each}) for each in (before, {"annotations": UNKNOWN}))

    assert only(step("update", old, new)).settings == (
        PropertyChange(ROLE_ARN, "arn:a", None, unknown=True),
        PropertyChange("metadata.annotations.team", "b", None, unknown=True),
    )
    assert only(create(new)).settings == ()


# https://pkg.go.dev/github.com/pulumi/pulumi/sdk/v3/go/common/resource#SecretSig, with --show-secrets
SHOWN = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "plaintext": '"s3cr3t"'}


@pytest.mark.parametrize(
    ("before", "after", "reasons", "place"),
    [
        *(("a", SECRET, ["a"], "a"), (SECRET, "b", ["a"], "a"), (["a"], [SECRET], ["a"], "a")),
        # Two of them look alike, so that the engine's reason tells that one changes.
        *((SECRET, SECRET, ["a"], "a"), ({"x": SECRET}, {"x": SECRET}, ["a"], "a"), (SECRET, SECRET, ["other"], "")),
        ({"key": SHOWN}, {"key": "plain"}, [], "a.key"),
    ],
)
def test_a_secret_is_named_and_not_shown(before: Any, after: Any, reasons: list[str], place: str) -> None:
    old, new = (resource(ROLE, "x", {"a": each}) for each in (before, after))
    found = only(step("update", old, new, diffReasons=reasons)).settings

    assert found == ((PropertyChange(place, None, None, secret=True),) if place else ())


def test_a_kubeconfig_is_never_shown() -> None:
    old, new = (resource("pulumi:providers:kubernetes", "green", dict.fromkeys(KUBE, each), "") for each in "ab")
    _, (found,) = all_changes(step("update", old, new))

    assert [(each.property, each.secret) for each in found.settings] == [("kubeconfig", True), ("context", False)]


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
    is_unknown = arn == UNKNOWN

    assert only(step(op, old if op == "update" else None, new)).settings == (
        PropertyChange(ROLE_ARN, None, None if is_unknown else arn, unknown=is_unknown),
        PropertyChange("metadata.annotations.team", None, "a"),
        PropertyChange("takeOver", None, "true"),
    )
    _, (other,) = all_changes(create({**new, "parent": "urn:pulumi:dev::irsa::pulumi:pulumi:Stack::irsa-dev"}))
    assert 'metadata.annotations["pulumi.com/patchForce"]' in [each.property for each in other.settings]


# --- of which binding and cluster it is -------------------------------------------------------------------------------


def child(parent: str) -> dict[str, Any]:
    """Return the role of a component, by the URN of that."""
    return {**role(trust()), "parent": parent, "urn": f"{parent}-role"}


OLD, NEW = (urn(COMPONENT, f"role/{name}-role", "") for name in ("old", "new"))
OLD_COMPONENT = {"urn": OLD, "type": COMPONENT, "outputs": {"key": "old-key"}}
OF_APPS = [f"urn:pulumi:dev::irsa::my:app:{each}${COMPONENT}::app" for each in ("One", "Two")]
IN_ACCOUNTS = [urn(COMPONENT, f"{number}/role/app", "") for number in ("111122223333", "444455556666")]


@pytest.mark.parametrize(
    ("steps", "bindings", "keys"),
    [
        # IAM's names are the same in any case.
        (
            [step("delete", child(OLD)), step("delete", OLD_COMPONENT), create(child(NEW))],
            {"new-key": {"role": {"name": "New-Role"}}},
            ["new-key", "old-key"],
        ),
        ([create(child(each)) for each in OF_APPS], {}, [each.partition("irsa::")[2] for each in OF_APPS]),
        # The attack: what is new of one binding stands under the heading of another one, which is reviewed already.
        (
            [create(child(each)) for each in IN_ACCOUNTS],
            {key: {"role": {"name": "app"}, "account": key} for key in ("one", "two")},
            ["111122223333/role/app", "444455556666/role/app"],
        ),
    ],
)
def test_the_keys_of_bindings(steps: Any, bindings: Any, keys: list[str]) -> None:
    found, _ = all_changes(*steps, config={"irsa:bindings": json.dumps(bindings)})

    assert [each.key for each in found] == keys


def test_what_belongs_to_no_binding() -> None:
    stack = {"urn": "urn:pulumi:dev::irsa::pulumi:pulumi:Stack::irsa-dev", "type": "pulumi:pulumi:Stack"}
    bucket = resource(BUCKET, "logs", {"bucket": "logs"}, "")
    provider = resource(OIDC_PROVIDER, "x", {"url": "https://x.example", "clientIdLists": ["a"]}, "")
    bindings, others = all_changes(*map(create, (stack, bucket, provider)))

    assert not bindings
    assert [(each.kind, each.name) for each in others] == [("OIDC provider", "x.example"), (BUCKET, "logs")]


def test_the_providers_that_lead_to_clusters() -> None:
    first = preview(
        create(resource(SERVICE_ACCOUNT, "x", {})), config={"kubernetes:context": "blue", "aws:region": "x"}
    )
    ((default, _),) = kubernetes_providers([], first, {}).values()
    assert default.inputs == {"context": "blue"}
    assert kubernetes_providers([], preview(create(role(trust()))), {}) == {}

    provider = resource("pulumi:providers:kubernetes", "green", {"context": "green"}, "", id="1")
    used = resource(SERVICE_ACCOUNT, "x", {}, provider=f"{provider['urn']}::1")
    keys = {used["parent"]: ("app", "green-key")}
    found = kubernetes_providers([parse_resource(each, "") for each in (provider, used)], first, keys)
    assert [(each.name, cluster) for each, cluster in found.values()] == [("green", "green-key")]


def test_a_component_of_one_of_several_clusters_has_its_key() -> None:
    urns = [urn(COMPONENT, f"default/{name}@oidc.example", "") for name in "ab"]
    known = {"urn": urns[0], "type": COMPONENT, "outputs": {"key": "a", "cluster": "green"}}
    new = resource(SERVICE_ACCOUNT, "b", {"metadata": {"name": "b"}}, parent=urns[1])
    config = {"irsa:bindings": json.dumps({"app": {"serviceAccount": {"name": "b"}}}), "irsa:clusters": "{}"}

    keys = component_keys_of([parse_resource(known, "")], preview(create(new), config=config))
    assert keys[urns[1]] == ("app", "green")
    assert clusters_by_issuer(keys) == {"oidc.example": "green"}


# --- statements of policy documents -----------------------------------------------------------------------------------

READ = statement("s3:GetObject", ["arn:aws:s3:::a/*", "arn:aws:s3:::b/*"], Sid="Read")
SEND = statement("sqs:SendMessage")


def between(before: Any, after: Any) -> list[StatementChange]:
    found = statement_changes(before, after)
    assert found is not None
    return found


def values(elements: Sequence[Any]) -> list[str]:
    return [f"{each.place}: {each.value}" for each in elements]


def test_a_statement_is_known_by_its_sid() -> None:
    alike = {**READ, "Sid": "More", "Action": ["s3:GetObject", "s3:PutObject"]}
    found = between(document(READ), document({**READ, "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::a"}, alike))

    assert [(each.statement, each.effect, each.change) for each in found] == [
        ("Read", "Allow", "changed"),
        ("More", "Allow", "added"),
    ]
    assert values(found[0].added) == ["Action: s3:ListBucket", "Resource: arn:aws:s3:::a"]
    assert values(found[0].removed) == [
        "Action: s3:GetObject",
        "Resource: arn:aws:s3:::a/*",
        "Resource: arn:aws:s3:::b/*",
    ]


def test_conditions_of_a_trust_policy_have_short_names() -> None:
    host = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
    claims = {f"{host}:sub": "a", "oidc.example.org:sub": "b"}
    trusted = of_tokens(f"arn:aws:iam::111122223333:oidc-provider/{host}", {"StringEquals": claims})
    (found,) = between(None, document(trusted))

    assert values(found.added)[-2:] == [
        "Condition StringEquals oidc.example.org:sub: b",
        "Condition StringEquals sub: a",
    ]


def when(**condition: Any) -> dict[str, Any]:
    return document({**SEND, "Condition": condition})


def test_a_pattern_turns_the_operator_of_the_other_values() -> None:
    (found,) = between(when(StringEquals={"k": ["a", "b"]}), when(StringLike={"k": ["a", "c*"]}))

    assert values(found.removed) == ["Condition StringEquals k: b"]
    assert values(found.added) == ["Condition StringLike k: c*"]


@pytest.mark.parametrize(
    ("before", "after", "removed", "added"),
    [
        # Nothing else differs.
        (when(StringEquals={"k": "a"}), when(StringLike={"k": "a"}), ["StringEquals k: a"], ["StringLike k: a"]),
        # A star is a plain character for StringEquals.
        (
            when(StringEquals={"k": "a*"}),
            when(StringLike={"k": ["a*", "b"]}),
            ["StringEquals k: a*"],
            ["StringLike k: a*", "StringLike k: b"],
        ),
        # Both conditions must hold.
        (
            when(StringLike={"k": ["a", "b", "c"]}),
            when(StringEquals={"k": "a"}, StringLike={"k": "b"}),
            ["StringLike k: a", "StringLike k: c"],
            ["StringEquals k: a"],
        ),
    ],
)
def test_an_operator_that_makes_a_difference(before: Any, after: Any, removed: list[str], added: list[str]) -> None:
    """The attack: a condition that means something else, and of which nothing is shown."""
    (found,) = between(before, after)

    assert [each.removeprefix("Condition ") for each in values(found.removed)] == removed
    assert [each.removeprefix("Condition ") for each in values(found.added)] == added


def test_what_means_the_same_is_no_change() -> None:
    """Protects readers from noise: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html."""
    in_other_words = {**READ, "Sid": "Other", "Resource": READ["Resource"][::-1]}

    assert between(document(READ, SEND), document({**SEND, "Action": ["SQS:sendmessage"]}, in_other_words)) == []


def test_the_version_counts() -> None:
    (found,) = between({**document(SEND), "Version": "2008-10-17"}, document(SEND))

    assert (values(found.removed), values(found.added)) == (["Version: 2008-10-17"], ["Version: 2012-10-17"])


@pytest.mark.parametrize(
    "other", ["no JSON", "[]", '{"Statement": ["x"]}', '{"Statement": {"Condition": 1}}', "[" * 9999]
)
def test_what_is_no_document_is_not_compared(other: str) -> None:
    assert statement_changes(document(SEND), other) is None


STATEMENTS = st.lists(
    st.fixed_dictionaries(
        {
            "Sid": st.sampled_from(["", "A", "B"]),
            "Effect": st.sampled_from(["Allow", "Deny"]),
            "Action": st.lists(st.sampled_from(["s3:Get*", "s3:Put*", "sqs:*"]), min_size=1, unique=True),
            "Resource": st.lists(st.sampled_from(["a", "b", "*"]), min_size=1, unique=True),
        }
    ),
    max_size=4,
)


def meant(written: Any) -> frozenset[tuple[str, str]]:
    parts = {(key, value) for key in ("Action", "Resource") for value in written[key]}
    return frozenset({("Effect", written["Effect"]), *parts})


@given(STATEMENTS, STATEMENTS)
def test_the_changes_lead_from_one_document_to_the_other(before: list[Any], after: list[Any]) -> None:
    gone, come = {meant(each) for each in before}, {meant(each) for each in after}
    kept = gone & come
    removed = [value for each in gone - kept for value in each]
    added = [value for each in come - kept for value in each]
    for each in between(document(*before), document(*after)):
        for elements, those in ((each.removed, removed), (each.added, added)):
            for element in elements:
                those.remove((element.place, element.value))
    # What a changed statement keeps is on both sides.
    assert sorted(removed) == sorted(added)
