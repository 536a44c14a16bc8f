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
    CLUSTER,
    INLINE,
    POLICY,
    READ_ONLY,
    SECRET,
    UNKNOWN,
    association,
    attached,
    create,
    inline,
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

TOKENS = trust("web:app")["Statement"][0]
PODS = {**world.PODS, "Condition": {"ArnEquals": {"aws:SourceArn": CLUSTER}}}
ROLE, OF_PODS, BOTH = (role(document(*each)) for each in ((TOKENS,), (PODS,), (TOKENS, PODS)))


def reasons(found: dict[str, Any]) -> list[str]:
    return [one for each in rows(found, "permissionsCannotTell") for one in each["details"]]


# --- tags -------------------------------------------------------------------------------------------------------------


def on(key: str, value: str = "payments", **more: Any) -> dict[str, Any]:
    return statement("s3:*", Condition={"StringEquals": {key: value}}, **more)


BY_TEAM, TEAM = inline(on("aws:PrincipalTag/team")), {"tags": {"team": "payments"}}
TAGGED = with_inputs(ROLE, **TEAM)
SECRET_TEAM, OTHER_ALL = {"tags": {"team": SECRET}}, {"tags": {}, "tagsAll": {"team": "web"}}
TRUSTS_TEAM = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
TRUSTS_TEAM |= {"Condition": {"StringEquals": {"aws:PrincipalTag/team": "payments"}}}


@pytest.mark.parametrize(
    ("before", "after", "asks", "is_told"),
    [
        ({}, TEAM, BY_TEAM, True),
        (TEAM, {}, BY_TEAM, True),
        ({"tags": {"team": "web"}}, TEAM, inline(on("AWS:principaltag/Team")), True),
        (OTHER_ALL, {"tags": {}, "tagsAll": {"team": "x"}}, BY_TEAM, True),
        (TEAM, {"tags": {"team": UNKNOWN}}, inline(statement("s3:*", "arn:aws:s3:::${aws:PrincipalTag/team}/*")), True),
        (TEAM, {"tags": UNKNOWN}, inline(on("iam:ResourceTag/team")), True),
        (SECRET_TEAM, SECRET_TEAM, BY_TEAM, True),
        # Of another role of the stack: this one gets it.
        ({}, TEAM, role(document(TRUSTS_TEAM), "other", "other"), True),
        ({}, {"tags": {"costs": "a"}}, inline(on("aws:RequestTag/costs")), False),
    ],
)
def test_a_tag_of_the_role_that_statements_ask_for(
    before: Any, after: Any, asks: Any, is_told: bool, diff_json: DiffJson
) -> None:
    """The attack: no policy changes, and the role may do what a statement gives to the team that it now is of."""
    changed = update(with_inputs(ROLE, **before), with_inputs(ROLE, **after), diffReasons=["tags", "tagsAll"])
    found = diff_json(changed, update(asks, asks))

    told = [(each["role"], "tags" in each["details"][0]) for each in rows(found, "permissionsCannotTell")]
    assert told == [("my-role", True)] * is_told


ONE = association()
WITHOUT_TAGS = update(ONE, with_inputs(ONE, disableSessionTags=True))
NAMESPACE, TARGET = on("aws:PrincipalTag/kubernetes-namespace", "web"), role(document(TOKENS), "target", "target")
NO_CLUSTER = statement("s3:*", Condition={"Null": {"aws:PrincipalTag/eks-cluster-arn": "true"}})
OF_TARGET = create(association(targetRoleArn=TARGET["outputs"]["arn"]))


@pytest.mark.parametrize(
    ("sides", "of_association", "written", "role_"),
    [
        # From IRSA to both, and from EKS Pod Identity to both.
        ((ROLE, BOTH), create(ONE), NAMESPACE, "my-role"),
        ((OF_PODS, BOTH), update(ONE, with_inputs(ONE, tags={"a": "b"})), NO_CLUSTER, "my-role"),
        ((OF_PODS, OF_PODS), WITHOUT_TAGS, on("aws:PrincipalTag/eks-cluster-name", effect="Deny"), "my-role"),
        # They are transitive, so that the target role's session has them, too.
        ((TARGET, TARGET), OF_TARGET, NAMESPACE, "target"),
    ],
)
def test_tags_that_come_and_go_with_a_way(
    sides: Any, of_association: Any, written: Any, role_: str, diff_json: DiffJson
) -> None:
    """The attack: a statement that no session of IRSA met, which has no tags, is met by those of EKS Pod Identity."""
    own = inline(written, role=role_)
    described = with_inputs(sides[1], description="d")
    found = diff_json(update(sides[0], described), of_association, update(own, own))

    told = rows(found, "permissionsCannotTell")
    assert [("tags" in each["details"][0], each["role"]) for each in told] == [(True, role_)]


# --- conditions -------------------------------------------------------------------------------------------------------

# Of each, the caller chooses the value: https://docs.aws.amazon.com/IAM/latest/UserGuide/, pages
# reference_policies_condition-keys.html and reference_policies_iam-condition-keys.html
CHOSEN_BY_CALLER = ["aws:RequestTag/team", "aws:RequestedRegion", "aws:TagKeys", "aws:UserAgent", "iam:PassedToService"]


@pytest.mark.parametrize("key", [*CHOSEN_BY_CALLER, "aws:SourceVpc", "aws:ResourceTag/team"])
@pytest.mark.parametrize(("action", "on"), [("*", "*"), ("s3:PutObject", "arn:aws:s3:::a/*")])
def test_a_condition_that_goes(key: str, action: str, on: str, diff_json: DiffJson) -> None:
    """The attack: beside an Allow with a condition that the caller can meet, the same Allow without it: no gain."""
    narrow, bare = statement(action, on, Condition={"StringEquals": {key: "a"}}), statement(action, on)
    limit = statement(action, on, effect="Deny", Condition={"StringNotEquals": {key: "a"}})
    for old, new in (([narrow], [narrow, bare]), ([narrow], [bare]), ([bare, limit], [bare])):
        (found,) = rows(diff_json(update(inline(*old), inline(*new)), gate="permissions"), "permission")

        assert (found["change"], found["actions"], found["keys"]) == ("gains", [action], [key])
        assert found["certainty"] == "may"


REGION = "aws:RequestedRegion"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"StringLike": {REGION: "a"}}, {"StringEqualsIgnoreCase": {REGION: "a"}}),
        ({"StringNotEqualsIgnoreCase": {REGION: "a"}}, {"StringNotLike": {REGION: "a"}}),
        ({"StringEquals": {REGION: "a"}}, {"StringEquals": {REGION: []}}),
        ({"StringNotEquals": {REGION: []}}, {"StringNotEquals": {REGION: "a"}}),
        ({"StringEquals": {REGION: "a"}}, {"StringEquals": {REGION: "b", REGION.upper(): "a"}}),
        *((None, {"Null": {"aws:PrincipalArn": each}}) for each in (["False"], ["no"], [])),
    ],
)
def test_a_condition_that_only_looks_narrower(before: Any, after: Any, diff_json: DiffJson) -> None:
    """The attack: letter case, and spellings of which no page says what they mean.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
    """
    old = [statement("s3:*", Condition=before)] if before else []
    change = update(inline(*old), inline(statement("s3:*", Condition=after)))

    assert not diff_json(*stays(ROLE), change, gate="permissions")["good"]


@pytest.mark.parametrize(
    "written",
    [
        {"Statement": [{"Effect": "Allow", "action": "*", "resource": "*"}]},
        {"Statement": [{"Effect": "Allow", "Action": "*", "resource": "*"}]},
        {"Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "NotAction": "s3:*", "Resource": "*"}]},
        {"statement": [statement()]},
    ],
)
def test_elements_of_other_names(written: Any, diff_json: DiffJson) -> None:
    """The attack: what is read as no permission at all, and IAM may take."""
    change = update(inline(), with_inputs(inline(), policy=json.dumps({"Version": "2012-10-17", **written})))

    for gate in ("permissions", "dangerous"):
        assert not diff_json(*stays(ROLE), change, gate=gate)["good"]


def test_two_inline_policies_of_one_name(diff_json: DiffJson) -> None:
    """The attack: a second one takes the place of the first in AWS, which denied.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutRolePolicy.html
    """
    denies = inline(statement("s3:*", effect="Deny"))
    wide, second = (
        with_inputs({**inline(*those), "urn": f"{denies['urn']}{name}"}, name=name)
        for name, those in (("y", [statement()]), ("x", [statement("s3:GetObject", "arn:aws:s3:::a/*")]))
    )
    found = diff_json(*stays(ROLE, denies, wide), create(second), gate="permissions")

    assert (len(reasons(found)), found["good"]) == (1, False)
    assert diff_json(*stays(ROLE, denies, wide, second), gate="permissions")["good"]


@pytest.mark.parametrize("where", ["inline", "attached", "boundary"])
def test_a_condition_beside_another_document(where: str, diff_json: DiffJson) -> None:
    """The attack: the documents of one role were compared one by one, so that none gained anything."""
    own = statement("s3:*", Condition={"StringEquals": {"aws:RequestedRegion": "eu-west-1"}})
    steps = {
        "inline": [*stays(ROLE, inline(own)), create(with_inputs(inline(statement("s3:*")), name="y"))],
        "attached": [*stays(ROLE, inline(own)), create(attached(READ_ONLY))],
        "boundary": [
            *stays(BOUNDED, inline(statement("s3:*"))),
            update(boundary(written=json.dumps(document(own))), boundary("s3:*")),
        ],
    }[where]
    found = diff_json(*steps, managed={READ_ONLY: document(statement("s3:*"))}, gate="permissions")

    assert [each["keys"] for each in rows(found, "permission") if not each["policies"]] == [["aws:RequestedRegion"]]


# --- permissions boundaries, and managed policies that were not read --------------------------------------------------

BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/boundary"
DENY_ALL = "arn:aws:iam::aws:policy/AWSDenyAll"
# https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSDenyAll.html
GIVES = {
    READ_ONLY: document(statement(["s3:GetObject", "s3:ListBucket"])),
    DENY_ALL: document(statement("*", effect="Deny")),
}
UNBOUNDED, BOUNDED = (with_inputs(ROLE, permissionsBoundary=each) for each in (None, BOUNDARY))
DESCRIBED = with_inputs(ROLE, description="d")


def boundary(*actions: str, written: str = "") -> dict[str, Any]:
    document_ = written or json.dumps(document(statement([*actions])))
    return resource(POLICY, "boundary", {"policy": document_}, "", outputs={"arn": BOUNDARY})


def stays(*those: dict[str, Any]) -> list[Any]:
    return [update(each, each) for each in those]


WIDER = [*stays(BOUNDED, attached(READ_ONLY)), update(boundary("s3:GetObject"), boundary("s3:GetObject", "s3:List*"))]
NARROWER = [*stays(BOUNDED, attached(READ_ONLY)), update(boundary("s3:*"), boundary("s3:GetObject"))]
BOUNDARY_GOES = [update(BOUNDED, UNBOUNDED), *stays(attached(READ_ONLY), boundary("s3:*"))]
BOUNDARY_COMES = [update(UNBOUNDED, BOUNDED), *stays(attached(READ_ONLY), boundary("s3:*"))]


@pytest.mark.parametrize(
    ("steps", "unread"),
    [
        (WIDER, READ_ONLY),
        (NARROWER, READ_ONLY),
        (BOUNDARY_GOES, READ_ONLY),
        (BOUNDARY_COMES, READ_ONLY),
        ([*stays(ROLE, inline(statement("s3:*"))), step("delete", attached(DENY_ALL))], DENY_ALL),
        ([*stays(ROLE), step("delete", attached(DENY_ALL))], DENY_ALL),
        ([update(ROLE, TAGGED), *stays(attached(DENY_ALL))], DENY_ALL),
        ([update(ROLE, TAGGED)], ""),
        ([update(ROLE, DESCRIBED), *stays(attached(DENY_ALL))], ""),
        ([update(ROLE, BOTH), *stays(attached(DENY_ALL)), create(association())], DENY_ALL),
    ],
)
def test_a_managed_policy_that_was_not_read(steps: Any, unread: str, diff_json: DiffJson) -> None:
    """The attack: the stack's own boundary widens, and what it limited is AWS's; what denied is detached; and tags."""
    for found in (diff_json(*steps), diff_json(*steps, managed={})):
        assert [unread in each for each in reasons(found)] == [True] * bool(unread)
    assert reasons(diff_json(*steps, managed=GIVES)) == []


def test_a_boundary_over_a_policy_that_was_read(diff_json: DiffJson) -> None:
    found = diff_json(*WIDER, managed=GIVES)

    assert [(each["change"], each["actions"]) for each in rows(found, "permission")] == [("gains", ["s3:ListBucket"])]


@pytest.mark.parametrize("after", [UNKNOWN, SECRET])
def test_a_boundary_that_changes_to_what_nobody_knows(after: str, diff_json: DiffJson) -> None:
    """The attack: the boundary's document is a secret, or an output, and the role's own policy is known."""
    secret, changed = boundary(written=SECRET), boundary(written=after)
    own = stays(BOUNDED, inline(statement("*")))

    assert len(reasons(diff_json(*own, update(secret, changed, diffReasons=["policy"])))) == 1
    assert reasons(diff_json(*own, update(secret, secret, diffReasons=["description"]))) == []


@pytest.mark.parametrize("there", [attached(DENY_ALL), with_inputs(inline(statement("s3:*", effect="Deny")), name="y")])
def test_what_another_resource_takes_from_the_role(there: Any, diff_json: DiffJson) -> None:
    """The attack: two resources are one attachment or inline policy in AWS, and the one that goes takes it away.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_DetachRolePolicy.html, API_DeleteRolePolicy.html
    """
    there = {**there, "urn": f"{there['urn']}1"}
    second = {**there, "urn": f"{there['urn']}2"}
    steps = stays(ROLE, inline(statement()))

    for change in ([create(second), step("delete", there)], [*stays(there), step("delete", second)]):
        assert not diff_json(*steps, *change, managed=GIVES, gate="permissions")["good"]
    kept = step("delete", {**second, "retainOnDelete": True})
    assert diff_json(*steps, *stays(there), kept, managed=GIVES, gate="permissions")["good"] is (
        there["type"] != INLINE
    )


# --- permissions that no attachment and no inline policy has ----------------------------------------------------------

ALL, HIDDEN = (
    with_inputs(ROLE, inlinePolicies=each)
    for each in ([{"name": "x", "policy": json.dumps(document(statement("*")))}], SECRET)
)


def of_several(roles: Any) -> dict[str, Any]:
    inputs = {"roles": roles, "policyArn": ADMINISTRATOR}
    return create(resource("aws:iam/policyAttachment:PolicyAttachment", "a", inputs, ""))


@pytest.mark.parametrize(
    "change",
    [
        update(ROLE, with_inputs(ROLE, managedPolicyArns=[ADMINISTRATOR])),
        update(ROLE, with_inputs(ROLE, managedPolicyArns=UNKNOWN)),
        update(ROLE, ALL),
        update(ALL, HIDDEN),
        update(HIDDEN, HIDDEN, diffReasons=["inlinePolicies"]),
        of_several(["my-role"]),
        of_several(UNKNOWN),
    ],
)
def test_permissions_within_a_role_or_for_several(change: Any, diff_json: DiffJson) -> None:
    """The attack, in a program of one's own: arguments of the role itself, and the attachment to several roles.

    https://www.pulumi.com/registry/packages/aws/api-docs/iam/role/: inlinePolicies, managedPolicyArns;
    https://www.pulumi.com/registry/packages/aws/api-docs/iam/policyattachment/
    """
    found = diff_json(*([] if change["urn"] == ROLE["urn"] else [update(ROLE, DESCRIBED)]), change)

    gained = [(*each["policies"], *each["actions"]) for each in rows(found, "permission") if each["change"] == "gains"]
    assert gained in ([(ADMINISTRATOR,)], [("*",)]) or reasons(found)


# --- a managed policy that no role of the stack has -------------------------------------------------------------------

LOOSE_ARN = f"arn:aws:iam::{ACCOUNT}:policy/loose"


def loose(*statements: Any) -> dict[str, Any]:
    inputs = {"name": "loose", "policy": json.dumps(document(*statements))}
    return resource(POLICY, "loose", inputs, "", outputs={"arn": LOOSE_ARN})


BY_ID = {"id": LOOSE_ARN}
READS, DENIES = statement("s3:GetObject"), statement("s3:DeleteObject", effect="Deny")


@pytest.mark.parametrize("gate", ["permissions", "dangerous"])
@pytest.mark.parametrize(
    ("steps", "is_told"),
    [
        ([update(loose(READS), loose(statement()))], True),
        ([update(loose(READS, DENIES), loose(READS))], True),
        ([update(loose(READS), with_inputs(loose(), policy=SECRET))], True),
        ([update(loose(READS), with_inputs(loose(), policy=UNKNOWN))], True),
        ([update({**loose(READS), "outputs": {"arn": None}, **BY_ID}, {**loose(statement()), **BY_ID})], True),
        ([update(loose(READS), loose(READS))], False),
        ([create(loose(statement()))], False),
        ([step("delete", loose(READS, DENIES))], False),
    ],
)
def test_a_policy_that_no_role_of_the_stack_has(steps: Any, is_told: bool, gate: str, diff_json: DiffJson) -> None:
    """The attack: a role of another stack has it."""
    found = diff_json(*steps, gate=gate)

    assert [each["role"] for each in rows(found, "permissionsCannotTell")] == ["loose"] * is_told
    assert found["good"] is not is_told


def test_a_policy_that_a_role_of_the_stack_has(diff_json: DiffJson) -> None:
    there = attached(LOOSE_ARN)
    found = diff_json(update(loose(READS), loose(statement())), update(there, there), update(ROLE, ROLE))

    assert (reasons(found), [each["actions"] for each in rows(found, "permission")]) == ([], [["*"]])


@pytest.mark.parametrize(
    "type_",
    [
        "aws:iam/rolePolicyAttachmentsExclusive:RolePolicyAttachmentsExclusive",
        "aws:iam/userPolicy:UserPolicy",
        "aws-native:iam:RolePolicy",
        "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
    ],
)
@pytest.mark.parametrize("gate", ["permissions", "dangerous"])
def test_what_gives_something_and_is_not_compared(type_: str, gate: str, diff_json: DiffJson) -> None:
    """The attack: AdministratorAccess by a type of resource that irsa does not read, beside a role that stays."""
    new = resource(type_, "mine", {"roleName": "my-role", "policyArns": [ADMINISTRATOR]}, "")

    assert [type_ in each for each in reasons(diff_json(create(new), gate=gate))] == [True]
    # A new version of the provider's plugin has a property that gives something.
    users = {"users": ["admin"], "roles": [], "policyArn": ADMINISTRATOR}
    of_users = create(resource("aws:iam/policyAttachment:PolicyAttachment", "a", users, ""))
    assert ["users" in each for each in reasons(diff_json(of_users, gate=gate))] == [True]
    assert reasons(diff_json(create(resource("aws:s3/bucket:Bucket", "mine", {}, "")))) == []
