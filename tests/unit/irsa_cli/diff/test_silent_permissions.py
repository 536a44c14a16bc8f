"""Permissions that come without a policy that changes: session policies, tags and boundaries.

https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session,
https://docs.aws.amazon.com/IAM/latest/UserGuide/access_iam-tags.html,
https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html (the tags of a session)
"""

import json
from typing import Any

import pytest

from tests import world
from tests.unit.irsa_cli.diff.conftest import DiffJson
from tests.unit.irsa_cli.diff.previews import (
    ACCOUNT,
    ADMINISTRATOR,
    ASSOCIATION,
    ATTACHMENT,
    CLUSTER,
    INLINE,
    ISSUER,
    POLICY,
    READ_ONLY,
    SECRET,
    UNKNOWN,
    resource,
    role,
    step,
    trust,
    without_outputs,
)
from tests.world import document

POLICY_ATTACHMENT = "aws:iam/policyAttachment:PolicyAttachment"


def allow(action: Any, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": "*", **more}


TOKENS = trust("web:app")["Statement"][0]
PODS = {**world.PODS, "Condition": {"ArnEquals": {"aws:SourceArn": CLUSTER}}}


def with_inputs(found: dict[str, Any], **inputs: Any) -> dict[str, Any]:
    return {**found, "inputs": {**found["inputs"], **inputs}}


def association(**inputs: Any) -> dict[str, Any]:
    place = {"clusterName": "my-cluster", "region": "us-west-2", "namespace": "web", "serviceAccount": "app"}
    written = {**place, "roleArn": f"arn:aws:iam::{ACCOUNT}:role/my-role", **inputs}
    arn = f"arn:aws:eks:us-west-2:{ACCOUNT}:podidentityassociation/my-cluster/a-1"
    return resource(ASSOCIATION, f"web/app@{ISSUER}", written, outputs={"associationArn": arn})


def update(old: Any, new: Any, **more: Any) -> Any:
    return step("update", old, without_outputs(new), **more)


def reasons(found: dict[str, Any]) -> list[str]:
    return [each["reason"] for each in found["permissionsCannotTell"]]


# --- session policies -------------------------------------------------------------------------------------------------

LIMITED = association(disableSessionTags=True, policy=json.dumps(document(allow("s3:GetObject"))))


@pytest.mark.parametrize("eks", [None, {CLUSTER: ISSUER}])
@pytest.mark.parametrize("identity", ["both", "irsa"])
def test_a_session_policy_limits_no_token(identity: str, eks: Any, diff_json: DiffJson) -> None:
    """The attack: from podIdentity to both, and what the session policy excludes is there by the token."""
    of_tokens = {"both": (TOKENS, PODS), "irsa": (TOKENS,)}[identity]
    stays = update(LIMITED, with_inputs(LIMITED, tags={"a": "b"})) if identity == "both" else step("delete", LIMITED)
    found = diff_json(update(role(document(PODS)), role(document(*of_tokens))), stays, eks=eks)

    (reason,) = reasons(found)
    assert "session policy" in reason
    assert "web/app" in reason


def test_a_session_policy_that_limited_nothing(diff_json: DiffJson) -> None:
    """Protects from a wrong alarm: with both before, the token gave everything; and EKS says whose issuer it is not."""
    both, other = document(TOKENS, PODS), {CLUSTER: "oidc.eks.us-west-2.amazonaws.com/id/OTHER"}

    assert reasons(diff_json(update(role(both), role(document(TOKENS))), step("delete", LIMITED))) == []
    stays = update(LIMITED, with_inputs(LIMITED, tags={"a": "b"}))
    assert reasons(diff_json(update(role(document(PODS)), role(both)), stays, eks=other)) == []


# --- tags -------------------------------------------------------------------------------------------------------------


def inline(*statements: Any, role_name: str = "my-role") -> dict[str, Any]:
    return resource(INLINE, "app@x", {"name": "x", "role": role_name, "policy": json.dumps(document(*statements))})


def on(key: str, value: str = "payments") -> dict[str, Any]:
    return allow("s3:*", Condition={"StringEquals": {key: value}})


ROLE = role(document(TOKENS))
BY_TAG = {
    "aws:PrincipalTag/team": inline(on("aws:PrincipalTag/team")),
    "AWS:principaltag/Team": inline(on("AWS:principaltag/Team")),
    "${aws:PrincipalTag/team}": inline(allow("s3:*", Resource="arn:aws:s3:::${aws:PrincipalTag/team}/*")),
    "iam:ResourceTag/team": inline(on("iam:ResourceTag/team")),
}


def tags(**written: Any) -> dict[str, Any]:
    return {"tags": written}


@pytest.mark.parametrize("key", BY_TAG)
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, tags(team="payments")),
        (tags(team="web"), tags(team="payments")),
        (tags(team="web"), {}),
        ({"tags": {}, "tagsAll": {"team": "web"}}, {"tags": {}, "tagsAll": {"team": "payments"}}),
        (tags(team="web"), tags(team=UNKNOWN)),
        (tags(team="web"), {"tags": UNKNOWN}),
        (tags(team=SECRET), tags(team=SECRET)),
    ],
)
def test_a_tag_of_the_role_that_statements_ask_for(key: str, before: Any, after: Any, diff_json: DiffJson) -> None:
    """The attack: no policy changes, and the role may do what a statement gives to the team that it now is of."""
    own = BY_TAG[key]
    changed = update(with_inputs(ROLE, **before), with_inputs(ROLE, **after), diffReasons=["tags", "tagsAll"])
    (reason,) = reasons(diff_json(changed, update(own, own)))

    assert key.strip("${}") in reason


def test_a_tag_that_nothing_asks_for(diff_json: DiffJson) -> None:
    own, changed = BY_TAG["aws:PrincipalTag/team"], with_inputs(ROLE, **tags(costs="a"))

    assert reasons(diff_json(update(ROLE, changed, diffReasons=["tags"]), update(own, own))) == []
    stays = with_inputs(ROLE, **tags(team=SECRET))
    described = with_inputs(stays, description="d")
    assert reasons(diff_json(update(stays, described, diffReasons=["description"]), update(own, own))) == []


def test_a_tag_that_the_trust_policy_of_another_role_asks_for(diff_json: DiffJson) -> None:
    """The attack: another role of the stack may be assumed by whoever has a tag, and this one gets it."""
    condition = {"StringEquals": {"aws:PrincipalTag/team": "payments"}}
    by_tag = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole", "Condition": condition}
    other = role(document(by_tag), "other", "other")
    found = diff_json(update(other, other), update(ROLE, with_inputs(ROLE, **tags(team="payments"))))

    assert [each["role"] for each in found["permissionsCannotTell"]] == ["my-role"]


@pytest.mark.parametrize(
    ("trusts", "steps", "statement"),
    [
        # From IRSA to both, and back from EKS Pod Identity to both.
        (((TOKENS,), (TOKENS, PODS)), "create", on("aws:PrincipalTag/kubernetes-namespace", "web")),
        (
            ((PODS,), (TOKENS, PODS)),
            "stay",
            allow("s3:*", Condition={"Null": {"aws:PrincipalTag/eks-cluster-arn": "true"}}),
        ),
        (((PODS,), (PODS,)), "tags", on("aws:PrincipalTag/kubernetes-service-account", "app")),
        (((PODS,), (PODS,)), "tags", {**on("aws:PrincipalTag/eks-cluster-name"), "Effect": "Deny"}),
    ],
)
def test_tags_that_come_and_go_with_a_way(trusts: Any, steps: str, statement: Any, diff_json: DiffJson) -> None:
    """The attack: a statement that no session of IRSA met, which has no tags, is met by those of EKS Pod Identity."""
    one, own = association(disableSessionTags=False), inline(statement)
    of_association = {
        "create": step("create", None, without_outputs(one)),
        "stay": update(one, with_inputs(one, tags={"a": "b"})),
        "tags": update(one, with_inputs(one, disableSessionTags=True)),
    }[steps]
    old, new = (role(document(*each)) for each in trusts)
    (reason,) = reasons(diff_json(update(old, with_inputs(new, description="d")), of_association, update(own, own)))

    (key,) = next(iter(statement["Condition"].values()))
    assert key in reason


def test_the_tags_of_a_target_role(diff_json: DiffJson) -> None:
    """The attack: session tags are transitive, so that the target role's session has them, too."""
    target = role(document(TOKENS), "target", "target")
    own = inline(on("aws:PrincipalTag/kubernetes-namespace", "web"), role_name="target")
    one = without_outputs(association(targetRoleArn=target["outputs"]["arn"]))
    found = diff_json(update(target, target), update(own, own), step("create", None, one))

    assert [each["role"] for each in found["permissionsCannotTell"]] == ["target"]


# --- permissions boundaries -------------------------------------------------------------------------------------------

BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/boundary"


def boundary(action: Any) -> dict[str, Any]:
    written = action if isinstance(action, str) and not action.count(":") else json.dumps(document(allow(action)))
    return resource(POLICY, "boundary", {"policy": written}, "", outputs={"arn": BOUNDARY})


def bounded(arn: str | None) -> dict[str, Any]:
    return with_inputs(ROLE, permissionsBoundary=arn)


ATTACHED = resource(ATTACHMENT, "app@x", {"role": "my-role", "policyArn": READ_ONLY})
STAYS = [update(bounded(BOUNDARY), bounded(BOUNDARY)), update(ATTACHED, ATTACHED)]
GIVES = {READ_ONLY: document(allow(["s3:GetObject", "s3:ListBucket"]))}


@pytest.mark.parametrize(
    ("steps", "is_told"),
    [
        ([*STAYS, update(boundary("s3:GetObject"), boundary(["s3:GetObject", "s3:ListBucket"]))], True),
        ([*STAYS, update(boundary("s3:*"), boundary("s3:GetObject"))], False),
        ([update(bounded(BOUNDARY), bounded(None)), *STAYS[1:], update(boundary("s3:*"), boundary("s3:*"))], True),
        ([update(bounded(None), bounded(BOUNDARY)), *STAYS[1:], update(boundary("s3:*"), boundary("s3:*"))], False),
    ],
    ids=["wider", "narrower", "goes", "comes"],
)
def test_a_boundary_over_a_policy_that_was_not_read(steps: Any, is_told: bool, diff_json: DiffJson) -> None:
    """The attack: the stack's own boundary widens, and what it limited is AWS's, of which nobody read what it gives."""
    assert [READ_ONLY in each for each in reasons(diff_json(*steps))] == [True] * is_told
    assert [READ_ONLY in each for each in reasons(diff_json(*steps, managed={}))] == [True] * is_told


def test_a_boundary_over_a_policy_that_was_read(diff_json: DiffJson) -> None:
    wider = update(boundary("s3:GetObject"), boundary(["s3:GetObject", "s3:ListBucket"]))
    found = diff_json(*STAYS, wider, managed=GIVES)

    assert [(each["change"], each["actions"]) for each in found["permissions"]] == [("gains", ["s3:ListBucket"])]
    assert reasons(found) == []


@pytest.mark.parametrize("after", [UNKNOWN, SECRET])
def test_a_boundary_that_changes_to_what_nobody_knows(after: str, diff_json: DiffJson) -> None:
    """The attack: the boundary's document is a secret, or an output, and the role's own policy is known."""
    own = inline(allow("*"))
    changed = update(boundary(SECRET), boundary(after), diffReasons=["policy"])

    assert len(reasons(diff_json(STAYS[0], update(own, own), changed))) == 1
    unchanged = update(boundary(SECRET), boundary(SECRET), diffReasons=["description"])
    assert reasons(diff_json(STAYS[0], update(own, own), unchanged)) == []


# --- managed policies that were not read ------------------------------------------------------------------------------

DENY_ALL = "arn:aws:iam::aws:policy/AWSDenyAll"
TAGGED = with_inputs(ROLE, **tags(team="payments"))


def attached(arn: str) -> dict[str, Any]:
    return resource(ATTACHMENT, f"app@{arn}", {"role": "my-role", "policyArn": arn})


@pytest.mark.parametrize(
    ("steps", "is_told"),
    [
        # https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSDenyAll.html
        ((update(inline(allow("s3:*")), inline(allow("s3:*"))), step("delete", attached(DENY_ALL))), True),
        ((step("delete", attached(DENY_ALL)),), False),
        ((update(ROLE, TAGGED), update(attached(DENY_ALL), attached(DENY_ALL))), True),
        ((update(ROLE, TAGGED),), False),
        ((update(ROLE, with_inputs(ROLE, description="d")), update(attached(DENY_ALL), attached(DENY_ALL))), False),
        (
            (
                update(role(document(TOKENS)), role(document(TOKENS, PODS))),
                update(attached(DENY_ALL), attached(DENY_ALL)),
                step("create", None, without_outputs(association())),
            ),
            True,
        ),
    ],
)
def test_a_managed_policy_that_was_not_read(steps: Any, is_told: bool, diff_json: DiffJson) -> None:
    """The attack: what denied is detached, and told as a loss; and tags that it may ask for."""
    steps = steps if steps[0]["urn"] == ROLE["urn"] else (update(ROLE, ROLE), *steps)
    assert [DENY_ALL in each for each in reasons(diff_json(*steps))] == [True] * is_told
    read = document({"Effect": "Deny", "Action": "*", "Resource": "*"})
    assert reasons(diff_json(*steps, managed={DENY_ALL: read})) == []


# --- permissions that no attachment and no inline policy has ----------------------------------------------------------

ALL = json.dumps(document(allow("*")))
NO_ATTACHMENT = [
    update(ROLE, with_inputs(ROLE, managedPolicyArns=[ADMINISTRATOR])),
    update(ROLE, with_inputs(ROLE, managedPolicyArns=UNKNOWN)),
    update(ROLE, with_inputs(ROLE, inlinePolicies=[{"name": "x", "policy": ALL}])),
    update(with_inputs(ROLE, inlinePolicies=[{"name": "x", "policy": ALL}]), with_inputs(ROLE, inlinePolicies=SECRET)),
    update(*[with_inputs(ROLE, inlinePolicies=SECRET)] * 2, diffReasons=["inlinePolicies"]),
    step("create", None, resource(POLICY_ATTACHMENT, "a", {"roles": ["my-role"], "policyArn": ADMINISTRATOR}, "")),
    step("create", None, resource(POLICY_ATTACHMENT, "a", {"roles": UNKNOWN, "policyArn": ADMINISTRATOR}, "")),
]


@pytest.mark.parametrize("change", NO_ATTACHMENT)
def test_permissions_within_a_role_or_for_several(change: Any, diff_json: DiffJson) -> None:
    """The attack, in a program of one's own: arguments of the role itself, and the attachment to several roles.

    https://www.pulumi.com/registry/packages/aws/api-docs/iam/role/: inlinePolicies, managedPolicyArns;
    https://www.pulumi.com/registry/packages/aws/api-docs/iam/policyattachment/
    """
    stays = with_inputs(ROLE, description="d")
    steps = [change] if change["urn"] == ROLE["urn"] else [update(ROLE, stays), change]
    found = diff_json(*steps)

    gained = [(each["policy"], each["actions"]) for each in found["permissions"] if each["change"] == "gains"]
    assert gained in ([(ADMINISTRATOR, [])], [("", ["*"])]) or reasons(found)
