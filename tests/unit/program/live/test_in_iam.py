"""What IAM would refuse. Names: https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html, unique per AWS
account, upper or lower case; quotas: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html.
"""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irsa_program.live.look import WARNINGS
from irsa_program.lookups.imported import There
from tests.unit.program.live.scene import (
    HOST,
    S3,
    SUMMARY,
    account,
    arn,
    found,
    held_attachment,
    held_inline_policy,
    held_provider,
    held_role,
    rules,
)

DOCUMENT = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}}
PROVIDER = arn("oidc-provider", HOST)


def app(**binding: Any) -> dict[str, Any]:
    return {"bindings": {"app": {"serviceAccount": {"name": "app"}, **binding}}}


def half(resource: dict[str, Any], id_: str) -> dict[str, Any]:
    """Return a resource that AWS created, and then did not describe: the bridge keeps its ID and what was planned."""
    outputs = {key: value for key, value in resource["outputs"].items() if key != "arn"}
    return {**resource, "id": id_, "inputs": outputs, "outputs": outputs, "initErrors": ["AccessDenied"]}


def test_what_the_state_holds_for_another_binding_is_a_conflict() -> None:
    """Another binding's role, or this one's, has an automatic name, which is written here.

    An import would not save it: the engine deletes what the state has under the former name, after the import.
    """
    # The new role is created before the state's one is deleted: its name must be free.
    gets_it = found(app(role={"name": "app-role"}), account([arn("role", "app-role")]), state=[held_role("app", "x")])
    assert rules(gets_it) == [("role-exists", "bindings.app.role.name")]
    state = held_role("before", "app-role")
    for adopted, before in ({}, state), ({"import": ["role"]}, state), ({}, half(state, "app-role")):
        values = app(role={"name": "app-role"}, **adopted)
        *_, mistake = found(values, account([arn("role", "app-role")]), state=[before])

        assert rules([mistake]) == [("role-exists", "bindings.app.role.name")]
        assert "in this stack's state already, as before" in mistake.mistake.found
        assert "import: [role]" not in mistake.mistake.fix


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("arn:aws:iam::aws:policy/AmazonS3ReadOnlyAcess", S3),
        ("arn:aws:iam::aws:policy/service-role/AmazonS3ReadOnlyAccess", S3),
        (arn("policy", "amazons3readonlyaccess"), S3),
        (arn("policy", "team/my-policy"), arn("policy", "my-policy")),
    ],
)
def test_a_policy_to_attach_must_exist(wrong: str, right: str) -> None:
    existing = account(policies=[arn("policy", "my-policy")])
    (mistake,) = found(app(policyArns=[wrong]), existing)

    assert mistake.rule == "policy-missing"
    assert mistake.place == ("bindings", "app", "policyArns", 0)
    assert wrong in mistake.mistake.found
    assert right in mistake.mistake.fix


def test_a_policy_that_cannot_be_attached() -> None:
    """IsAttachable is false for a policy that AWS has deprecated.

    Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_Policy.html
    """
    for arns, place in (([S3], "[0]"), ({"k": S3}, ".k")):
        (mistake,) = found(app(policyArns=arns), replace(account(), policies={S3: False}))

        assert rules([mistake]) == [("policy-missing", f"bindings.app.policyArns{place}")]
        assert "cannot be attached" in mistake.mistake.found


# What is to be adopted


def test_an_inline_policy_that_would_be_overwritten() -> None:
    """PutRolePolicy replaces an inline policy of that name without a word: a warning, since `up` does it.

    Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutRolePolicy.html
    """
    adopting = app(role={"name": "app-role"}, inlinePolicies={"inline": {"document": DOCUMENT}}, **{"import": ["role"]})
    existing = account([arn("role", "app-role")], there={"role/app-role": There(inline={"inline": None})})
    (mistake,) = found(adopting, existing)

    assert rules([mistake]) == [("inline-policy-exists", "bindings.app.inlinePolicies.inline")]
    assert mistake.rule in WARNINGS
    state = [held_role("role/app-role", "app-role"), held_inline_policy("role/app-role/inline", "app-role", "inline")]
    assert found(adopting, existing, state=state) == []


@pytest.mark.parametrize(("noun", "name"), [("role", "App"), ("policy", "team/app"), ("policy", "App")])
def test_what_is_to_be_imported_has_another_name_or_path(noun: str, name: str) -> None:
    """What is planned is not there, what is there is the advice, and the place is that of the name."""
    there = arn(noun, name)
    existing = account([there]) if noun == "role" else account(policies=[there])
    settings = {"role": {"name": "app"}, "policy": {"name": "app", "document": DOCUMENT}}
    (mistake,) = found(app(**settings, **{"import": [noun]}), existing)

    assert rules([mistake]) == [("import-missing", f"bindings.app.{noun}.name")]
    assert mistake.mistake.found == f"the {noun} {arn(noun, 'app')} does not exist; there is {there}"
    assert mistake.mistake.fix == f"write its name and path: {there}"


# OIDC providers


def test_a_provider_of_this_stack_may_exist() -> None:
    values = {**app(), "cluster": {"name": "my-cluster", "createOidcProvider": True}}
    existing = account(providers=frozenset({PROVIDER}))

    for state in (held_provider(HOST, PROVIDER), half(held_provider(HOST, PROVIDER), PROVIDER)):
        assert {each.rule for each in found(values, existing, state=[state])} <= {"failed-update"}


@given(existing=st.sampled_from([0, 97, 98, 99, 100, 101, 500, 697, 698, 699, 700]), own=st.booleans())
def test_the_quota_of_providers(existing: int, own: bool) -> None:
    """CreateOpenIDConnectProvider fails at the quota: 100 by default, which AWS raises to 700 at most.

    GetAccountSummary does not say which it is. Up to 100 it may be the default: a warning. More than 100 need a higher
    one, and nothing is said before 700. What the state holds is not created again.
    """
    clusters = {
        key: {"name": key, "kubernetes": {"context": key}, "createOidcProvider": True} for key in ("blue", "green")
    }
    values = {**app(), "clusters": clusters}
    others = frozenset(arn("oidc-provider", f"{index}.example.com") for index in range(existing))
    mistakes = found(values, account(providers=others), state=[held_provider(HOST, PROVIDER)] if own else [])

    keys = ["green"] if own else ["blue", "green"]
    expected = []
    for total, key in enumerate(keys, existing + 1):
        if total > 700:
            expected.append(("quota-reached", f"clusters.{key}.createOidcProvider"))
        elif existing <= 100 < total:
            expected.append(("default-quota", f"clusters.{key}.createOidcProvider"))
    assert rules(mistakes) == expected
    assert {mistake.rule in WARNINGS for mistake in mistakes} <= {existing <= 100}


# Quotas


def apps(number: int) -> dict[str, Any]:
    names = [f"app-{index}" for index in range(number)]
    return {"bindings": {each: {"serviceAccount": {"name": each}, "policy": {"document": DOCUMENT}} for each in names}}


@given(roles=st.integers(0, 20), quota=st.integers(1, 20), number=st.integers(1, 6), own=st.integers(0, 6))
def test_the_quota_of_roles(roles: int, quota: int, number: int, own: int) -> None:
    state = [held_role(f"app-{index}", f"app-{index}-x") for index in range(min(own, number))]
    summary = {**SUMMARY, "Roles": roles, "RolesQuota": quota}
    mistakes = found(apps(number), account(summary=summary), state=state)
    new = number - len(state)

    assert bool(mistakes) == (new > 0 and roles + new > quota)
    for mistake in mistakes:
        # The first role that has no room.
        index = len(state) + max(quota - roles, 0)
        assert rules([mistake]) == [("quota-reached", f"bindings.app-{index}.role")]


def test_attached_policies_are_exchanged_one_too_many() -> None:
    """The engine attaches the new policy before it detaches the old one: 10 of 10 cannot be exchanged in one run."""
    arns = [arn("policy", f"p{index}") for index in range(11)]
    state = [
        held_role("role/app-role", "app-role"),
        *(held_attachment(f"role/app-role/p{index}", "app-role", arns[index]) for index in range(10)),
    ]
    existing = account([arn("role", "app-role")], arns)
    (mistake,) = found(app(role={"name": "app-role"}, policyArns=arns[1:]), existing, state=state)

    assert rules([mistake]) == [("quota-reached", "bindings.app.policyArns")]
    assert "11" in mistake.mistake.found
    assert found(app(role={"name": "app-role"}, policyArns=arns[:10]), existing, state=state) == []
    assert found(app(role={"name": "app-role"}, policyArns=arns[2:10]), existing, state=state) == []


def test_the_policies_of_a_role_of_that_name_in_another_aws_account() -> None:
    """The attack: the nine policies of a role that another AWS account has are counted for this one."""
    arns = [arn("policy", f"p{index}") for index in range(9)]
    other = "444455556661"
    elsewhere = {
        **held_role("444455556661/role/app-role", "app-role"),
        "outputs": {"arn": arn("role", "app-role", other), "name": "app-role", "path": "/"},
        "provider": "other",
    }
    attached = [held_attachment(f"other/{index}", "app-role", each) for index, each in enumerate(arns)]
    of_other = [{**each, "provider": "other"} for each in attached]
    state = [held_role("role/app-role", "app-role", provider="own"), elsewhere, *of_other]
    existing = account([arn("role", "app-role")], [*arns, S3, arn("policy", "x")])

    assert found(app(role={"name": "app-role"}, policyArns=[S3, arn("policy", "x")]), existing, state=state) == []


def test_without_the_state_nothing_is_called_a_conflict() -> None:
    existing = account([arn("role", "app-role")], [arn("policy", "app-policy")])
    values = app(role={"name": "app-role"}, policyArns=[arn("policy", "x")])

    assert rules(found(values, existing, state=None)) == [("policy-missing", "bindings.app.policyArns[0]")]
