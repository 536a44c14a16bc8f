"""What IAM would refuse. Names: https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html, unique per AWS
account, upper or lower case; quotas: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html.
"""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irsa_program.live.look import WARNINGS
from irsa_program.live.reads import AwsReads
from tests.unit.program.live.scene import (
    HOST,
    S3,
    SUMMARY,
    account,
    arn,
    found,
    held_attachment,
    held_inline_policy,
    held_policy,
    held_provider,
    held_role,
    rules,
)

DOCUMENT = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}}
PROVIDER = arn("oidc-provider", HOST)


def app(**binding: Any) -> dict[str, Any]:
    return {"bindings": {"app": {"serviceAccount": {"name": "app"}, **binding}}}


NAMED = app(role={"name": "app-role"}, policy={"name": "app-policy", "document": DOCUMENT})


@pytest.mark.parametrize("existing", ["app-role", "App-Role", "team/APP-ROLE"])
def test_a_role_of_that_name_exists(existing: str) -> None:
    """Protects from EntityAlreadyExists: names are compared without their case and without their paths."""
    (mistake,) = found(NAMED, account([arn("role", existing)]))

    assert rules([mistake]) == [("role-exists", "bindings.app.role.name")]
    assert arn("role", existing) in mistake.mistake.found
    assert "import: [role]" in mistake.mistake.fix
    assert "role.arn" in mistake.mistake.fix


@pytest.mark.parametrize("existing", ["app-policy", "APP-policy", "team/app-policy"])
def test_a_policy_of_that_name_exists(existing: str) -> None:
    """Protects from EntityAlreadyExists of CreatePolicy; a policy of AWS's may have the same name."""
    (mistake,) = found(NAMED, account(policies=[arn("policy", existing)]))

    assert rules([mistake]) == [("policy-exists", "bindings.app.policy.name")]
    assert found(NAMED, account(policies=["arn:aws:iam::aws:policy/app-policy"])) == []


def test_what_the_state_holds_is_its_own() -> None:
    """Protects the second check."""
    state = [held_role("role/app-role", "app-role"), held_policy("policy/app-policy", "app-policy")]
    existing = account([arn("role", "app-role")], [arn("policy", "app-policy")])

    assert found(NAMED, existing, state=state) == []
    assert found(NAMED, existing, state=[half(state[0], "app-role"), half(state[1], arn("policy", "app-policy"))]) == []


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
        (mistake,) = found(values, account([arn("role", "app-role")]), state=[before])

        assert rules([mistake]) == [("role-exists", "bindings.app.role.name")]
        assert "in this stack's state already, as before" in mistake.mistake.found
        assert "import: [role]" not in mistake.mistake.fix


def test_automatic_names_are_no_conflict() -> None:
    """IAM's names of roles with a prefix end with characters of their own."""
    automatic = app(policy={"document": DOCUMENT})

    assert found(automatic, account([arn("role", "app-1")], [arn("policy", "app-1")])) == []


def test_each_part_of_a_divided_policy_needs_its_name() -> None:
    """A large document becomes several policies, named after the first: each name must be free."""
    statements = [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{'b' * 50}-{index}/*"}
        for index in range(120)
    ]
    policy = {"name": "app-policy", "document": {"Version": "2012-10-17", "Statement": statements}}
    (mistake,) = found(app(policy=policy), account(policies=[arn("policy", "app-policy-2")]))

    assert rules([mistake]) == [("policy-exists", "bindings.app.policy.name")]
    assert "policy/app-policy-2" in mistake.mistake.found


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
    """Protects from NoSuchEntity of AttachRolePolicy: the nearest name is told with its whole ARN, AWS's included."""
    existing = account(policies=[arn("policy", "my-policy")])
    (mistake,) = found(app(policyArns=[wrong]), existing)

    assert mistake.rule == "policy-missing"
    assert mistake.place == ("bindings", "app", "policyArns", 0)
    assert wrong in mistake.mistake.found
    assert right in mistake.mistake.fix


def test_a_boundary_must_exist() -> None:
    """Protects from NoSuchEntity of CreateRole."""
    existing = account(policies=[arn("policy", "boundary")])
    (mistake,) = found(app(role={"permissionsBoundary": arn("policy", "bondary")}), existing)

    assert rules([mistake]) == [("boundary-missing", "bindings.app.role.permissionsBoundary")]
    assert arn("policy", "boundary") in mistake.mistake.fix


def test_a_policy_that_cannot_be_attached() -> None:
    """IsAttachable is false for a policy that AWS has deprecated.

    Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_Policy.html
    """
    for arns, place in (([S3], "[0]"), ({"k": S3}, ".k")):
        (mistake,) = found(app(policyArns=arns), replace(account(), policies={S3: False}))

        assert rules([mistake]) == [("policy-missing", f"bindings.app.policyArns{place}")]
        assert "cannot be attached" in mistake.mistake.found


def test_a_policy_that_this_stack_creates_will_exist() -> None:
    """Another binding may attach it by its ARN."""
    other = {"serviceAccount": {"name": "other"}, "policyArns": [arn("policy", "app-policy")]}
    values = {"bindings": {**NAMED["bindings"], "other": other}}

    assert found(values) == []


# What is to be adopted


def test_what_is_adopted_must_exist() -> None:
    """Protects from a failed import: role, policy, attachments and inline policies are found by their names."""
    adopting = app(
        role={"name": "app-role"},
        policy={"name": "app-policy", "document": DOCUMENT},
        policyArns=[S3],
        inlinePolicies={"inline": {"document": DOCUMENT}},
        **{"import": ["role", "policy", "attachments", "inlinePolicies"]},
    )
    role, policy = arn("role", "app-role"), arn("policy", "app-policy")
    everything = account(
        [role], [policy], attached={"app-role": frozenset({policy, S3})}, inline={"app-role": frozenset({"inline"})}
    )

    assert found(adopting, everything) == []
    assert rules(found(adopting)) == [
        ("import-missing", "bindings.app.role.name"),
        ("import-missing", "bindings.app.policy.name"),
    ]
    bare = account([role], [policy], attached={"app-role": frozenset()}, inline={"app-role": frozenset()})
    messages = [mistake.mistake.found for mistake in found(adopting, bare)]
    assert messages == [
        f"the policy {policy} is not attached to the role app-role",
        f"the policy {S3} is not attached to the role app-role",
        "the role app-role has no inline policy inline",
    ]


def test_the_case_of_an_adopted_role_is_its_own() -> None:
    """An import ID is compared as it is written."""
    (mistake,) = found(app(role={"name": "app-role"}, **{"import": ["role"]}), account([arn("role", "App-Role")]))

    assert rules([mistake]) == [("import-missing", "bindings.app.role.name")]
    assert "App-Role" in mistake.mistake.fix


def test_an_inline_policy_that_would_be_overwritten() -> None:
    """PutRolePolicy replaces an inline policy of that name without a word: a warning, since `up` does it.

    Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutRolePolicy.html
    """
    adopting = app(role={"name": "app-role"}, inlinePolicies={"inline": {"document": DOCUMENT}}, **{"import": ["role"]})
    existing = account([arn("role", "app-role")], inline={"app-role": frozenset({"inline"})})
    (mistake,) = found(adopting, existing)

    assert rules([mistake]) == [("inline-policy-exists", "bindings.app.inlinePolicies.inline")]
    assert mistake.rule in WARNINGS
    state = [held_role("role/app-role", "app-role"), held_inline_policy("role/app-role/inline", "app-role", "inline")]
    assert found(adopting, existing, state=state) == []


# OIDC providers


def test_a_provider_to_create_exists_already() -> None:
    """Protects from EntityAlreadyExists: one provider per issuer and AWS account."""
    values = {**app(), "cluster": {"name": "my-cluster", "createOidcProvider": True}}
    existing = account(providers=frozenset({PROVIDER}))

    assert rules(found(values, existing)) == [("provider-exists", "cluster.createOidcProvider")]
    assert found(values, existing, state=[held_provider(HOST, PROVIDER)]) == []
    assert found(values, existing, state=[half(held_provider(HOST, PROVIDER), PROVIDER)]) == []
    assert found(values) == []
    assert found(app(), existing) == []


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


def apps(number: int, named: bool = False) -> dict[str, Any]:
    def binding(name: str) -> dict[str, Any]:
        own = {"role": {"name": name}} if named else {}
        policy = {"document": DOCUMENT, **({"name": name} if named else {})}
        return {"serviceAccount": {"name": name}, "policy": policy, **own}

    return {"bindings": {f"app-{index}": binding(f"app-{index}") for index in range(number)}}


@given(roles=st.integers(0, 20), quota=st.integers(1, 20), number=st.integers(1, 6), own=st.integers(0, 6))
def test_the_quota_of_roles(roles: int, quota: int, number: int, own: int) -> None:
    """CreateRole fails when the AWS account has as many roles as its quota says; what exists is not created again."""
    state = [held_role(f"app-{index}", f"app-{index}-x") for index in range(min(own, number))]
    summary = {**SUMMARY, "Roles": roles, "RolesQuota": quota}
    mistakes = found(apps(number), account(summary=summary), state=state)
    new = number - len(state)

    assert bool(mistakes) == (new > 0 and roles + new > quota)
    for mistake in mistakes:
        # The first role that has no room.
        index = len(state) + max(quota - roles, 0)
        assert rules([mistake]) == [("quota-reached", f"bindings.app-{index}.role")]


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ({}, False),
        ({"path": "/new/"}, True),
        ({"namePrefix": "mine-"}, True),
        ({"name": "app-role", "path": "/new/"}, False),
    ],
)
def test_a_role_with_an_automatic_name_is_replaced_by_one_more(change: dict[str, Any], refused: bool) -> None:
    """The engine creates the new one before it deletes the old one, unless the name was given."""
    state = [held_role("role/app-role", "app-role"), held_role("app", "app-1a2b3c4")]
    mistakes = found(app(role=change), account(summary={**SUMMARY, "Roles": 250}), state=state)

    assert [rule for rule, _ in rules(mistakes)] == (["quota-reached"] if refused else [])


@pytest.mark.parametrize(("used", "refused"), [(997, False), (998, True)])
def test_the_quota_of_policies(used: int, refused: bool) -> None:
    """CreatePolicy fails in the same way; AWS's own policies do not count."""
    mistakes = found(apps(3, named=True), account(summary={**SUMMARY, "Policies": used}))

    assert rules(mistakes) == ([("quota-reached", "bindings.app-2.policy")] if refused else [])
    assert not mistakes or "998, and 3 to be created" in mistakes[0].mistake.found


def test_the_quota_of_attached_policies_is_the_accounts() -> None:
    """A stack file may claim a quota of 20 that AWS has not granted."""
    arns = [arn("policy", f"p{index}") for index in range(12)]
    values = {**app(policyArns=arns), "quotas": {"attachedPolicies": 20}}
    granted = {**SUMMARY, "AttachedPoliciesPerRoleQuota": 20}

    assert rules(found(values, account(policies=arns))) == [("quota-reached", "bindings.app.policyArns")]
    assert found(values, account(policies=arns, summary=granted)) == []


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


def test_the_size_of_a_trust_policy_is_the_accounts() -> None:
    """A stack file may claim a trust policy size of 4,096 that AWS has not granted."""
    subjects = [f"a-long-namespace-{index:02}:a-long-name-of-a-service-account" for index in range(30)]
    values = {**app(trust={"subjects": subjects}), "quotas": {"trustPolicySize": 4096}}

    assert rules(found(values)) == [("quota-reached", "bindings.app.trust")]
    assert found(values, account(summary={**SUMMARY, "AssumeRolePolicySizeQuota": 4096})) == []


def test_without_the_state_nothing_is_called_a_conflict() -> None:
    """Protects from false alarms: what exists may be this stack's own; what must exist is still said to be missing."""
    existing = account([arn("role", "app-role")], [arn("policy", "app-policy")])
    values = app(role={"name": "app-role"}, policyArns=[arn("policy", "x")])

    assert rules(found(values, existing, state=None)) == [("policy-missing", "bindings.app.policyArns[0]")]


def test_what_could_not_be_asked_has_no_findings() -> None:
    """Protects from invented conflicts: a right that is missing is no finding."""
    assert found(NAMED, AwsReads(account().identity)) == []


def test_a_role_that_is_only_used_is_not_compared() -> None:
    """role.arn names a role that exists, perhaps in an AWS account that nobody may read."""
    assert found(app(role={"arn": arn("role", "x", "999955556666")}), account([arn("role", "x")])) == []
