"""What roles may do afterwards that they could not before, over all of their policies: at what a gate stops.

Each case names an attack, and has the steps of a preview and the exit code of `--fail-on permissions`: 1 for what a
role gains, 3 for what irsa cannot tell, and 0.

https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session,
https://docs.aws.amazon.com/IAM/latest/UserGuide/access_iam-tags.html,
https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html (the tags of a session)
"""

import json
from collections.abc import Mapping
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
    ROLE_ARN,
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
DENY_ALL = "arn:aws:iam::aws:policy/AWSDenyAll"
BOUNDARY, OTHER, LOOSE = (f"arn:aws:iam::{ACCOUNT}:policy/{name}" for name in ("boundary", "other", "loose"))
# So many actions that not each can be compared with each.
MANY = [f"service{number}:Get{letter}*" for number in range(300) for letter in "abcdefgh"]
# https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSDenyAll.html
READ = {
    READ_ONLY: document(statement(["s3:GetObject", "s3:ListBucket"])),
    DENY_ALL: document(statement("*", effect="Deny")),
    OTHER: document(statement([*MANY, "s3:*"])),
}


def stays(*those: dict[str, Any]) -> list[Any]:
    return [update(each, each) for each in those]


def on(key: str, value: str = "payments", **more: Any) -> dict[str, Any]:
    return statement("s3:*", Condition={"StringEquals": {key: value}}, **more)


def managed(name: str, *statements: Any, written: str = "", **more: Any) -> dict[str, Any]:
    inputs = {"name": name, "policy": written or json.dumps(document(*statements))}
    return resource(POLICY, name, inputs, "", outputs={"arn": f"arn:aws:iam::{ACCOUNT}:policy/{name}"}, **more)


# --- tags -------------------------------------------------------------------------------------------------------------

BY_TEAM, TEAM = inline(on("aws:PrincipalTag/team")), {"tags": {"team": "payments"}}
VARIABLE = inline(statement("s3:*", "arn:aws:s3:::${aws:PrincipalTag/team}/*"))
SECRET_TEAM, OF_ALL = {"tags": {"team": SECRET}}, {"tags": {}, "tagsAll": {"team": "web"}}
OF_TEAM = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
OF_TEAM |= {"Condition": {"StringEquals": {"aws:PrincipalTag/team": "payments"}}}
OF_RESOURCE = {"StringEquals": {"aws:ResourceTag/team": "payments"}}
ONE, TARGET = association(), role(document(TOKENS), "target", "target")


def tagged(before: Any, after: Any, asks: Any) -> list[Any]:
    sides = (with_inputs(ROLE, **each) for each in (before, after))
    return [update(*sides, diffReasons=["tags", "tagsAll"]), *stays(asks)]


def by_way(before: Any, after: Any, of_association: Any, written: Any, role: str = "my-role") -> list[Any]:
    return [update(before, with_inputs(after, description="d")), of_association, *stays(inline(written, role=role))]


NAMESPACE = on("aws:PrincipalTag/kubernetes-namespace", "web")
TAGS = {
    "a tag that comes": (tagged({}, TEAM, BY_TEAM), 3),
    "a tag that goes": (tagged(TEAM, {}, BY_TEAM), 3),
    "a key in another case": (tagged({"tags": {"team": "web"}}, TEAM, inline(on("AWS:principaltag/Team"))), 3),
    "a tag of the provider": (tagged(OF_ALL, {"tags": {}, "tagsAll": {"team": "x"}}, BY_TEAM), 3),
    "a variable": (tagged(TEAM, {"tags": {"team": UNKNOWN}}, VARIABLE), 3),
    "tags that are not known": (tagged(TEAM, {"tags": UNKNOWN}, inline(on("iam:ResourceTag/team"))), 3),
    "a secret tag": (tagged(SECRET_TEAM, SECRET_TEAM, BY_TEAM), 3),
    "a tag by which another role lets it in": (tagged({}, TEAM, role(document(OF_TEAM), "other", "other")), 3),
    "a tag of a role, by which another role may pass it": (
        tagged({}, TEAM, inline(statement("iam:Pass*", Condition=OF_RESOURCE), role="other")), 3),
    "a tag of a role, and a statement about other resources": (
        tagged({}, TEAM, inline(statement("s3:*", Condition=OF_RESOURCE), role="other")), 0),
    "a tag that no statement asks for": (tagged({}, TEAM, inline(on("aws:RequestTag/team"))), 0),
    # No session of IRSA has tags; those of EKS Pod Identity are transitive.
    "tags of a session": (by_way(ROLE, BOTH, create(ONE), NAMESPACE), 3),
    "no tags in a session": (by_way(OF_PODS, OF_PODS, update(ONE, with_inputs(ONE, disableSessionTags=True)),
                                    on("aws:PrincipalTag/eks-cluster-name", effect="Deny")), 3),
    "tags of the target role's session": (
        by_way(TARGET, TARGET, create(association(targetRoleArn=TARGET["outputs"]["arn"])), NAMESPACE, "target"), 3),
}  # fmt: skip

# --- documents --------------------------------------------------------------------------------------------------------

HIDDEN = inline(statement())["inputs"] | {"policy": SECRET}
OWN_HIDDEN = {**inline(), "inputs": HIDDEN}
DENIES = inline(statement("s3:*", effect="Deny"))
WIDE, SECOND = (
    with_inputs({**inline(*those), "urn": f"{DENIES['urn']}{name}"}, name=name)
    for name, those in (("y", [statement()]), ("x", [statement("s3:GetObject", "arn:aws:s3:::a/*")]))
)


def spelled(**written: Any) -> list[Any]:
    policy = json.dumps({"Version": "2012-10-17", **written})
    return [*stays(ROLE), update(inline(), with_inputs(inline(), policy=policy))]


DOCUMENTS = {
    "one secret becomes another one": ([*stays(ROLE), update(OWN_HIDDEN, OWN_HIDDEN, diffReasons=["policy"])], 3),
    "a secret that stays": ([*stays(ROLE), update(OWN_HIDDEN, OWN_HIDDEN, diffReasons=["name"])], 0),
    # What is read as no permission at all, and IAM may take.
    "lower case": (spelled(Statement=[{"Effect": "Allow", "action": "*", "resource": "*"}]), 3),
    "another element in lower case": (spelled(Statement=[{"Effect": "Allow", "Action": "*", "resource": "*"}]), 3),
    "Action and NotAction": (spelled(Statement=[{**statement("s3:GetObject"), "NotAction": "s3:*"}]), 3),
    "a document in lower case": (spelled(statement=[statement()]), 3),
    # https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutRolePolicy.html
    "a second inline policy of one name, which takes the place of a Deny": (
        [*stays(ROLE, DENIES, WIDE), create(SECOND)], 1),
    "two inline policies of one name that stay": (stays(ROLE, DENIES, WIDE, SECOND), 0),
    # A preview has no step for a role that stays.
    "a policy whose role is not in the preview": (
        [update(inline(statement("s3:GetObject")), inline(statement())), create(attached(ADMINISTRATOR))], 1),
}  # fmt: skip

# --- permissions boundaries, and managed policies that were not read --------------------------------------------------

UNBOUNDED, BOUNDED, BY_OTHER = (with_inputs(ROLE, permissionsBoundary=each) for each in (None, BOUNDARY, OTHER))
OWN = inline(statement(["s3:GetObject", "iam:PassRole"]))
S3, GET = (managed("boundary", statement(each)) for each in ("s3:*", "s3:GetObject"))
LIMIT_HIDDEN, LIMIT_UNKNOWN = (managed("boundary", written=each) for each in (SECRET, UNKNOWN))
# Each with the exit code where AWS was read, and where it was not.
UNREAD = {
    "a boundary widens": ([*stays(BOUNDED, attached(READ_ONLY)), update(GET, S3)], 1, 3),
    "a boundary narrows": ([*stays(BOUNDED, attached(READ_ONLY)), update(S3, GET)], 0, 3),
    "a boundary goes": ([update(BOUNDED, UNBOUNDED), *stays(S3, OWN)], 1, 1),
    "a boundary comes": ([update(UNBOUNDED, BOUNDED), *stays(S3, OWN)], 0, 0),
    "another boundary": ([update(BOUNDED, BY_OTHER), *stays(S3, OWN)], 0, 1),
    "a Deny is detached": ([*stays(ROLE, inline(statement("s3:*"))), step("delete", attached(DENY_ALL))], 1, 3),
    "a tag of a role with what was not read": ([update(ROLE, with_inputs(ROLE, **TEAM)), *stays(attached(DENY_ALL))],
                                               0, 3),
    "a description": ([update(ROLE, with_inputs(ROLE, description="d")), *stays(attached(DENY_ALL))], 0, 0),
    "tags of a session beside what was not read": (
        [update(ROLE, BOTH), *stays(attached(DENY_ALL)), create(association())], 0, 3),
    "a boundary of which nobody knows what it becomes": (
        [*stays(BOUNDED, inline(statement())), update(LIMIT_HIDDEN, LIMIT_UNKNOWN, diffReasons=["policy"])], 3, 3),
    "another secret boundary": (
        [*stays(BOUNDED, inline(statement())), update(LIMIT_HIDDEN, LIMIT_HIDDEN, diffReasons=["policy"])], 3, 3),
    "a secret boundary that stays": (
        [*stays(BOUNDED, inline(statement())), update(LIMIT_HIDDEN, LIMIT_HIDDEN, diffReasons=["tags"])], 0, 0),
}  # fmt: skip

# --- permissions that no attachment and no inline policy has ----------------------------------------------------------

ALL, HIDDEN_WITHIN = (
    with_inputs(ROLE, inlinePolicies=each)
    for each in ([{"name": "x", "policy": json.dumps(document(statement()))}], SECRET)
)
READS = statement("s3:GetObject")
NO_DELETE = statement("s3:DeleteObject", effect="Deny")
LOOSE_READS, LOOSE_LIMITED, LOOSE_ALL = (
    managed("loose", *each) for each in ([READS], [READS, NO_DELETE], [statement()])
)
BY_ID = {"id": LOOSE, "outputs": {"arn": None}}
DESCRIBED = update(ROLE, with_inputs(ROLE, description="d"))


def of_several(**inputs: Any) -> list[Any]:
    new = resource("aws:iam/policyAttachment:PolicyAttachment", "a", {**inputs, "policyArn": ADMINISTRATOR}, "")
    return [DESCRIBED, create(new)]


def of_type(type_: str) -> list[Any]:
    """Return the steps by which a role has AdministratorAccess by a type that irsa does not read."""
    return [create(resource(type_, "mine", {"roleName": "my-role", "policyArns": [ADMINISTRATOR]}, ""))]


def of_other(type_: str, **inputs: Any) -> list[Any]:
    return [create(resource(type_, "mine", inputs, ""))]


def changing(type_: str, after: dict[str, Any], operation: str = "update", **inputs: Any) -> list[Any]:
    """Return the step by which a resource has other inputs."""
    old = resource(type_, "mine", inputs, "")
    return [step(operation, old, with_inputs(old, **after))]


def goes(effect: str) -> list[Any]:
    policy = json.dumps(document(statement(effect=effect, Principal="*")))
    return [step("delete", resource("aws:s3/bucketPolicy:BucketPolicy", "mine", {"bucket": "b", "policy": policy}, ""))]


# https://www.pulumi.com/registry/packages/aws/api-docs/iam/role/, .../iam/policyattachment/
ELSEWHERE = {
    "managedPolicyArns": ([update(ROLE, with_inputs(ROLE, managedPolicyArns=[ADMINISTRATOR]))], 1),
    "managedPolicyArns that are not known": ([update(ROLE, with_inputs(ROLE, managedPolicyArns=UNKNOWN))], 3),
    "inlinePolicies": ([update(ROLE, ALL)], 1),
    "inlinePolicies that become a secret": ([update(ALL, HIDDEN_WITHIN)], 3),
    "secret inlinePolicies": ([update(HIDDEN_WITHIN, HIDDEN_WITHIN, diffReasons=["inlinePolicies"])], 3),
    "an attachment to several roles": (of_several(roles=["my-role"]), 1),
    "an attachment to roles that are not known": (of_several(roles=UNKNOWN), 1),
    "a property that gives it to users": (of_several(roles=[], users=["admin"]), 3),
    # A role of another stack has it.
    "a policy of no role": ([update(LOOSE_READS, LOOSE_ALL)], 3),
    "a policy of no role without its Deny": ([update(LOOSE_LIMITED, LOOSE_READS)], 3),
    "a policy of no role that becomes a secret": ([update(LOOSE_READS, managed("loose", written=SECRET))], 3),
    "a policy of no role that is not known": ([update(LOOSE_READS, managed("loose", written=UNKNOWN))], 3),
    "a policy of no role that was not read": ([update({**LOOSE_READS, **BY_ID}, {**LOOSE_ALL, **BY_ID})], 3),
    "a policy of no role that stays": (stays(LOOSE_READS), 0),
    "a new policy of no role": ([create(LOOSE_ALL)], 0),
    "a policy of no role that goes": ([step("delete", LOOSE_LIMITED)], 0),
    **{
        each: (of_type(each), 3)
        for each in (
            "aws:iam/rolePolicyAttachmentsExclusive:RolePolicyAttachmentsExclusive",
            "aws:iam/userPolicy:UserPolicy",
            "aws-native:iam:RolePolicy",
            "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
        )
    },
    # https://www.pulumi.com/registry/packages/aws/api-docs/eks/addon/
    "an add-on of EKS with an association": (
        of_other("aws:eks/addon:Addon", podIdentityAssociations=[{"roleArn": ROLE_ARN, "serviceAccount": "x"}]), 3),
    "an add-on of EKS with a role": (of_other("aws:eks/addon:Addon", serviceAccountRoleArn=UNKNOWN), 3),
    "an add-on of EKS": (of_other("aws:eks/addon:Addon", addonName="coredns"), 0),
    "a resource policy": (of_other("aws:s3/bucketPolicy:BucketPolicy", policy="{}"), 3),
    "a permission": (of_other("aws:lambda/permission:Permission", principal="*"), 3),
    "a chart with a role": (
        of_other("kubernetes:helm.sh/v3:Release", values={"a": {"eks.amazonaws.com/role-arn": ROLE_ARN}}), 3),
    "a chart": (of_other("kubernetes:helm.sh/v3:Release", values={"imagePullPolicy": "Always"}), 0),
    "another provider": (of_other("gcp:iam/role:Role", role="x"), 0),
    "a workload": (of_other("kubernetes:apps/v1:Deployment", spec={"serviceAccountName": "x"}), 0),
    "a type that gives nothing": (of_other("aws:s3/bucket:Bucket", bucket="b"), 0),
    "the policy of a bucket": (of_other("aws:s3/bucket:Bucket", policy=UNKNOWN), 3),
    # https://www.pulumi.com/registry/packages/aws/api-docs/kms/grant/, .../ssoadmin/accountassignment/
    "operations of a grant": (
        changing("aws:kms/grant:Grant", {"operations": ["Encrypt", "Decrypt"]}, granteePrincipal=ROLE_ARN), 3),
    "another permission set": (
        changing("aws:ssoadmin/accountAssignment:AccountAssignment", {"permissionSetArn": "b"}, principalId="a"), 3),
    "tags of a grant": (changing("aws:kms/grant:Grant", {"tags": {"a": "b"}}, granteePrincipal=ROLE_ARN), 0),
    "another version of an add-on": (
        changing("aws:eks/addon:Addon", {"addonVersion": "2"}, serviceAccountRoleArn=ROLE_ARN), 0),
    "an add-on for another cluster": (
        changing("aws:eks/addon:Addon", {"clusterName": "b"}, "replace", serviceAccountRoleArn=ROLE_ARN), 3),
    "the code of a function": (changing("aws:lambda/function:Function", {"s3Key": "b"}, role=ROLE_ARN), 0),
    "a resource policy with a Deny that goes": (goes("Deny"), 3),
    "a resource policy that goes": (goes("Allow"), 0),
    "an instance with a profile": (of_other("aws:ec2/instance:Instance", iamInstanceProfile="p"), 3),
    # https://docs.aws.amazon.com/eks/latest/userguide/auth-configmap.html
    "aws-auth": (of_other("kubernetes:core/v1:ConfigMap", metadata={"name": "aws-auth"}, data={}), 3),
    "a new version of the plugin": (changing("pulumi:providers:aws", {"version": "7.1.0"}, region="us-west-2"), 0),
}  # fmt: skip
CASES: Mapping[str, tuple[Any, int]] = {**TAGS, **DOCUMENTS, **ELSEWHERE}


@pytest.mark.parametrize("attack", CASES)
def test_what_a_role_may_do(attack: str, diff_json: DiffJson) -> None:
    steps, code = CASES[attack]

    assert diff_json(*steps, gate="permissions")["exitCode"] == code


@pytest.mark.parametrize("attack", UNREAD)
def test_what_was_not_read(attack: str, diff_json: DiffJson) -> None:
    steps, *codes = UNREAD[attack]

    assert [diff_json(*steps, managed=each, gate="permissions")["exitCode"] for each in (READ, {})] == codes


@pytest.mark.parametrize("there", [attached(DENY_ALL), with_inputs(inline(statement("s3:*", effect="Deny")), name="y")])
def test_what_another_resource_takes_from_the_role(there: Any, diff_json: DiffJson) -> None:
    """The attack: two resources are one attachment or inline policy in AWS, and the one that goes takes it away.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_DetachRolePolicy.html, API_DeleteRolePolicy.html
    """
    there = {**there, "urn": f"{there['urn']}1"}
    second = {**there, "urn": f"{there['urn']}2"}
    steps = stays(ROLE, inline(statement()))

    for change in ([create(second), step("delete", there)], [*stays(there), step("delete", second)]):
        assert not diff_json(*steps, *change, managed=READ, gate="permissions")["good"]
    kept = step("delete", {**second, "retainOnDelete": True})
    assert diff_json(*steps, *stays(there), kept, managed=READ, gate="permissions")["good"] is (there["type"] != INLINE)


def test_two_roles_of_one_name_that_are_not_in_the_preview(diff_json: DiffJson) -> None:
    """The attack: a role of that name in another AWS account hid what the first one gains."""
    steps = []
    for number, actions in enumerate(("*", "s3:GetObject")):
        inputs = {"role": "same", "name": "a", "policy": json.dumps(document(statement(actions)))}
        provider = f"urn:pulumi:dev::irsa::pulumi:providers:aws::{number}::id"
        steps.append(create(resource(INLINE, f"a{number}", inputs, "", provider=provider)))

    gained = [(each["role"], each["actions"]) for each in rows(diff_json(*steps), "permission")]
    assert gained == [("same", ["*"]), ("same", ["s3:GetObject"])]


def test_what_the_stack_has_and_what_was_read(diff_json: DiffJson) -> None:
    """A policy of the stack's own is told by its content, one of others by its name, too."""
    own = update(LOOSE_READS, LOOSE_READS), create(attached(LOOSE))
    found = diff_json(*stays(ROLE), *own, create(attached(READ_ONLY)), managed=READ)

    told = [(each["policies"], each["actions"]) for each in rows(found, "permission")]
    assert sorted(told) == [([], ["s3:GetObject", "s3:ListBucket"]), ([READ_ONLY], [])]
