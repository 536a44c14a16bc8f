"""Quotas that `pulumi up` would reach half-way.

Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountSummary.html,
https://docs.aws.amazon.com/eks/latest/userguide/service-quotas.html
"""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from irsa_world.model import Association
from tests.unit.program.live.scene import (
    DOCUMENT,
    HOST,
    account,
    arn,
    cluster,
    found,
    held_association,
    held_role,
    rules,
)

QUOTA = "quota-reached"


def apps(number: int) -> dict[str, Any]:
    names = [f"app-{index}" for index in range(number)]
    return {"bindings": {each: {"serviceAccount": {"name": each}, "policy": {"document": DOCUMENT}} for each in names}}


@given(roles=st.integers(0, 20), quota=st.integers(1, 20), number=st.integers(1, 6), own=st.integers(0, 6))
def test_the_quota_of_roles(roles: int, quota: int, number: int, own: int) -> None:
    state = [held_role(f"app-{index}", f"app-{index}-x") for index in range(min(own, number))]
    mistakes = found(apps(number), account(summary={"Roles": roles, "RolesQuota": quota}), state=state)
    new = number - len(state)

    # The first role that has no room.
    first = f"bindings.app-{len(state) + max(quota - roles, 0)}.role"
    assert rules(mistakes) == ([(QUOTA, first)] if new > 0 and roles + new > quota else [])


def test_a_quota_that_the_stack_file_calls_raised() -> None:
    values = {
        "quotas": {"attachedPolicies": 20, "trustPolicySize": 8_192},
        "bindings": {
            "app": {
                "serviceAccount": {"name": "app"},
                "policyArns": [arn("policy", f"p-{index}") for index in range(11)],
                "trust": {"subjects": [f"team-a:service-account-of-some-length-{index:03}" for index in range(40)]},
            }
        },
    }
    policies = [arn("policy", f"p-{index}") for index in range(11)]
    summary = {"AttachedPoliciesPerRoleQuota": 10, "AssumeRolePolicySizeQuota": 2_048}
    expected = [(QUOTA, "bindings.app.policyArns"), (QUOTA, "bindings.app.trust")]
    assert rules(found(values, account(policies=policies, summary=summary))) == expected
    raised = {"AttachedPoliciesPerRoleQuota": 11, "AssumeRolePolicySizeQuota": 8_192}
    assert found(values, account(policies=policies, summary=raised)) == []


def test_more_associations_than_a_cluster_may_have() -> None:
    def of(*names: str) -> dict[str, Any]:
        accounts = {each: {"namespace": "team-a", "name": each} for each in names}
        return {"bindings": {name: {"serviceAccount": each, "identity": "both"} for name, each in accounts.items()}}

    there = [Association("", "team-a", f"other-{index}", "", f"a-{index}") for index in range(4_998)]
    in_eks = cluster(has_agent=True, associations={(each.namespace, each.service_account): each for each in there})

    assert found(of("one", "two"), in_cluster=in_eks) == []
    (mistake,) = found(of("one", "three", "two"), in_cluster=in_eks)
    assert rules([mistake]) == [(QUOTA, "bindings.two.identity")]
    assert "4,998" in mistake.mistake.found
    # One that the state holds is not created.
    assert (
        found(of("one", "three", "two"), in_cluster=in_eks, state=[held_association(f"team-a/one@{HOST}", "a-1")]) == []
    )
