"""Who gains and who loses a role by EKS Pod Identity, who gets it by another way, and which role a role may assume.

Each case has the steps of a preview, the state, and the exit code of `--fail-on gains`: 1 for what is certain, 3 for
what irsa cannot tell, and 0. The trust policies and the values of the requests are those of AWS's pages:
https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html,
https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html,
https://docs.aws.amazon.com/eks/latest/userguide/cross-account-access.html (assumeRoleArns)
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from irsa.rules.policies import chaining_policy
from tests.unit.irsa_cli.diff.conftest import DiffJson
from tests.unit.irsa_cli.diff.previews import (
    ACCOUNT,
    CLUSTER,
    ROLE_ARN,
    UNKNOWN,
    association,
    changed,
    create,
    inline,
    role,
    rows,
    statement,
    step,
    trust,
    update,
    with_inputs,
)
from tests.world import PODS, document, of_pods

OF_APP = of_pods(CLUSTER, "web", "app")
OF_CLUSTER = {
    **PODS,
    "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}, "ArnEquals": {"aws:SourceArn": CLUSTER}},
}
OIDC = trust("web:app")["Statement"][0]
ACCOUNT_TAG = "aws:RequestTag/kubernetes-service-account"
OF_POD = {"aws:RequestTag/kubernetes-namespace": "web", ACCOUNT_TAG: "app"}
ROLE_OF_APP = role(document(OF_APP))
WITH_ROLE = {**association(roleArn=UNKNOWN), "propertyDependencies": {"roleArn": [ROLE_OF_APP["urn"]]}}
ONE, WITHOUT_TAGS = (association(disableSessionTags=each) for each in (False, True))
ELSEWHERE, TARGET = (f"arn:aws:iam::{each}" for each in ("444455556666:role/logs", f"{ACCOUNT}:role/target"))


def when(condition: Any, **more: Any) -> dict[str, Any]:
    return {**PODS, "Condition": condition, **more}


def tags(**found: Any) -> dict[str, Any]:
    return when({"StringEquals": {**OF_POD, **found}})


def lets_in(before: Sequence[Any], after: Sequence[Any]) -> list[Any]:
    """Return the steps by which a role with an association has other statements."""
    return [changed(document(*before), document(*after)), update(ONE, ONE)]


def from_network(addresses: str) -> dict[str, Any]:
    return when({"StringEquals": OF_POD, "IpAddress": {"aws:SourceIp": addresses}})


OF_NETWORK = when({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})
BY_ORG = {"StringLike": {"aws:SourceOrgID": "o-example"}}
NOT_SYSTEM = {"StringNotEquals": {"aws:RequestTag/kubernetes-namespace": "kube-system"}}
ROLE, BOTH = role(trust("web:app")), role(document(OF_APP, OIDC))
BOUNDED = with_inputs(ROLE, permissionsBoundary=f"arn:aws:iam::{ACCOUNT}:policy/limit")
DENY = with_inputs(inline(statement("sts:*", effect="Deny"), role="deny"), role="my-role", name="deny")


def may(*role_arns: str) -> dict[str, Any]:
    """Return the inline policy that the component writes for assumeRoleArns."""
    return with_inputs(inline(), policy=chaining_policy([*role_arns]))


def other(principal: str) -> dict[str, Any]:
    """Return another role of the stack, that lets this one in."""
    lets = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
    return role(UNKNOWN if principal == UNKNOWN else document(lets), "target", "target", component="other")


CASES: Mapping[str, tuple[Any, Any, int]] = {
    "an association with its role": ([create(ROLE_OF_APP), create(WITH_ROLE)], [], 1),
    # Without tags, no condition on them is met.
    "an association without tags": ([create(WITHOUT_TAGS)], [ROLE_OF_APP], 0),
    "an association without tags, which the cluster alone lets in": (
        [create(WITHOUT_TAGS)], [role(document(OF_CLUSTER))], 1),
    "an association that has no tags from now on": ([update(ONE, WITHOUT_TAGS)], [ROLE_OF_APP, ONE], 0),
    "an association of a role that is not the stack's": ([create(association(targetRoleArn=TARGET))], [], 3),
    "another tag of such a one": ([update(ONE, with_inputs(ONE, tags={"a": "b"}))], [], 0),
    "another role of such a one": ([update(ONE, association(roleArn=f"{ROLE_ARN}-2"))], [], 3),
    "an association of another stack's role": ([create({**association(roleArn=UNKNOWN), "parent": ""})], [], 3),
    # Whoever may create an association gets the role; that nobody has one today is no comfort.
    "anybody's association": (lets_in([OIDC], [OIDC, PODS]), [], 1),
    "anybody's without tags": (lets_in([OIDC], [OIDC, {**PODS, "Action": "sts:AssumeRole"}]), [], 1),
    "anybody's in a cluster": (lets_in([OIDC], [OIDC, OF_CLUSTER]), [], 1),
    "a namespace that is excluded": (lets_in([OIDC], [OIDC, when(NOT_SYSTEM)]), [], 1),
    "a condition that irsa cannot evaluate": (
        lets_in([{**OF_APP, "Condition": {**OF_APP["Condition"], **BY_ORG}}], [when(BY_ORG)]), [], 1),
    "another value of such a one": (
        lets_in([from_network("10.0.0.0/8")], [from_network("0.0.0.0/0")]), [], 3),
    "a Deny that irsa cannot evaluate": (
        lets_in(*([OF_APP, {**from_network(each), "Effect": "Deny"}] for each in ("0.0.0.0/0", "10.0.0.0/8"))), [], 3),
    "the same one": (lets_in([from_network("10.0.0.0/8")], [from_network("10.0.0.0/8")]), [], 0),
    "a condition that irsa cannot evaluate, beside a service account that goes": (
        lets_in([from_network("10.0.0.0/8"), OIDC], [from_network("10.0.0.0/8")]), [], 0),
    "such a condition, and the association has tags from now on": (
        [changed(document(OF_NETWORK, OIDC), document(OF_NETWORK)), update(WITHOUT_TAGS, ONE)], [], 3),
    "a variable": (lets_in([OIDC], [OIDC, tags(**{ACCOUNT_TAG: f"${{{ACCOUNT_TAG}}}"})]), [], 1),
    "no value": (lets_in([OIDC], [OIDC, tags(**{ACCOUNT_TAG: []})]), [], 1),
    "a namespace less": (lets_in([OF_APP], [when({"StringEquals": {ACCOUNT_TAG: "app"}})]), [], 1),
    "a Deny that goes": (lets_in([PODS, {**OF_APP, "Effect": "Deny"}], [PODS]), [], 1),
    # Only EKS says which issuer a cluster has.
    "from IRSA to EKS Pod Identity": ([update(ROLE, ROLE_OF_APP), create(ONE)], [], 3),
    "and back": ([update(ROLE_OF_APP, ROLE), step("delete", ONE)], [], 3),
    "both ways from now on": ([update(ROLE, BOTH), create(ONE)], [], 3),
    "both ways, and IRSA is new": ([update(ROLE_OF_APP, BOTH), update(ONE, ONE)], [], 3),
    "a role that goes and leaves its association": ([step("delete", ROLE_OF_APP)], [ROLE_OF_APP, ONE], 0),
    # Roles that a role may assume in turn.
    "assumeRoleArns": ([create(may(ELSEWHERE))], [ROLE], 1),
    "one more in assumeRoleArns": ([update(may(ELSEWHERE), may(TARGET, ELSEWHERE))], [ROLE], 1),
    "everything in STS": ([update(inline(), inline(statement("sts:*")))], [ROLE], 1),
    "a Deny of STS that goes": ([step("delete", DENY)], [ROLE, may(ELSEWHERE)], 1),
    "a Deny that goes, where another role lets it in": ([step("delete", DENY)], [ROLE, other(ROLE_ARN)], 1),
    "a Deny that goes, where another role lets everybody in": ([step("delete", DENY)], [ROLE, other("*")], 1),
    "a Deny that goes, where no role lets it in": ([step("delete", DENY)], [ROLE, other(ELSEWHERE)], 0),
    "the tags of a session": (
        [update(inline(statement("sts:AssumeRole")), inline(statement("sts:AssumeRole"), statement("sts:TagSession")))],
        [ROLE], 1),
    "a policy that is not known": ([update(may(ELSEWHERE), with_inputs(may(), policy=UNKNOWN))], [ROLE], 3),
    "a boundary that nobody reads": ([update(BOUNDED, ROLE)], [may(ELSEWHERE)], 3),
    "assumeRoleArns that go": ([step("delete", may(ELSEWHERE))], [ROLE], 0),
    "assumeRoleArns that stay": ([update(may(ELSEWHERE), may(ELSEWHERE))], [ROLE], 0),
    "the other role's trust policy": ([update(other(ELSEWHERE), other(ROLE_ARN))], [ROLE], 1),
    "the other role's unknown trust policy": ([update(other(ELSEWHERE), other(UNKNOWN))], [ROLE, may(TARGET)], 3),
    "the other role's AWS account": ([create(other(ACCOUNT))], [ROLE, may(TARGET)], 1),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_who_gets_a_role_otherwise(case: str, diff_json: DiffJson) -> None:
    steps, state, code = CASES[case]

    assert diff_json(*steps, state=state, gate="gains")["exitCode"] == code


@pytest.mark.parametrize("back", [False, True])
def test_who_moves_neither_gains_nor_loses(back: bool, diff_json: DiffJson) -> None:
    steps = [update(ROLE_OF_APP, ROLE), step("delete", ONE)] if back else [update(ROLE, ROLE_OF_APP), create(ONE)]

    told = {(each["change"], each["who"]) for each in diff_json(*steps)["rows"] if each["kind"] == "session"}
    assert told == {("changes way", "web/app")}


def limited(action: str | None) -> dict[str, Any]:
    policy = {"policy": json.dumps(document(statement(action)))} if action else {}
    return association(disableSessionTags=True, **policy)


@pytest.mark.parametrize("state", [[role(document(OF_CLUSTER))], []])
@pytest.mark.parametrize(
    ("before", "after", "is_told"),
    [("s3:Get*", None, True), ("s3:GetObject", "s3:*", True), (None, "s3:GetObject", False)],
)
def test_a_session_policy(before: Any, after: Any, is_told: bool, state: Any, diff_json: DiffJson) -> None:
    """The attack, of the second state: an association of a role that is not the stack's loses its limit."""
    found = diff_json(update(limited(before), limited(after)), state=state)

    assert bool(rows(found, "permissionsCannotTell")) is is_told


def test_a_session_policy_is_no_tag(diff_json: DiffJson) -> None:
    """A statement of the role's policy that depends on tags stays as it is."""
    condition = {"StringEquals": {"aws:PrincipalTag/team": "web"}}
    state = [role(document(OF_CLUSTER)), inline(statement("s3:*", Condition=condition))]
    found = diff_json(update(limited("s3:Get*"), limited("s3:*")), state=state)

    assert not [each for each in rows(found, "permissionsCannotTell") if "tags" in json.dumps(each)]
