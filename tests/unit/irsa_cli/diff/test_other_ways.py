"""Who gains and who loses a role by EKS Pod Identity, who gets it by another way, and which role a role may assume.

The trust policies and the values of the requests are those of AWS's pages:
https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html,
https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html
"""

import json
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


def pods(namespace: str = "web", name: str = "app") -> dict[str, Any]:
    """Return the statement for the Pods of a service account of my-cluster."""
    return of_pods(CLUSTER, namespace, name)


OF_CLUSTER = {
    **PODS,
    "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}, "ArnEquals": {"aws:SourceArn": CLUSTER}},
}
OIDC = trust("web:app")["Statement"][0]
ACCOUNT_TAG = "aws:RequestTag/kubernetes-service-account"
OF_POD = {"aws:RequestTag/kubernetes-namespace": "web", ACCOUNT_TAG: "app"}


def named_pods(tags: dict[str, Any]) -> dict[str, Any]:
    return {**PODS, "Condition": {"StringEquals": tags}}


def by_pod_identity(found: Any, name: str) -> list[tuple[str, str, str]]:
    return [(each["who"], each["role"], each["where"]) for each in rows(found, name) if each["way"] == "podIdentity"]


APP = ("web/app", "my-role", CLUSTER)
NEW_ROLE = role(document(pods()))
WITH_ROLE = {**association(roleArn=UNKNOWN), "propertyDependencies": {"roleArn": [NEW_ROLE["urn"]]}}
ONE, WITHOUT_TAGS = (association(disableSessionTags=each) for each in (False, True))


@pytest.mark.parametrize(
    ("steps", "state", "gains", "loses"),
    [
        ([create(NEW_ROLE), create(WITH_ROLE)], [], [APP], []),
        # Without tags, no condition on them is met.
        ([create(WITHOUT_TAGS)], [role(document(pods()))], [], []),
        ([create(WITHOUT_TAGS)], [role(document(OF_CLUSTER))], [APP], []),
        ([update(ONE, WITHOUT_TAGS)], [role(document(pods())), ONE], [], [APP]),
    ],
)
def test_an_association(steps: Any, state: Any, gains: Any, loses: Any, diff_json: DiffJson) -> None:
    of_rights = diff_json(*steps, state=state)

    assert [by_pod_identity(of_rights, each) for each in ("gains", "loses")] == [gains, loses]
    assert len([each for each in of_rights["rows"] if each["kind"] in {"session", "principals"}]) == len(gains + loses)


UNKNOWN_CONDITION = {"StringLike": {"aws:SourceOrgID": "o-example"}}
EXCLUDING = {"StringNotEquals": {"aws:RequestTag/kubernetes-namespace": "kube-system"}}


@pytest.mark.parametrize(
    ("before", "after", "is_told"),
    [
        ([OIDC], [OIDC, PODS], True),
        # Without sts:TagSession, only associations without session tags get it.
        ([OIDC], [OIDC, {**PODS, "Action": "sts:AssumeRole"}], True),
        ([OIDC], [OIDC, OF_CLUSTER], True),
        # What a condition excludes, or irsa cannot evaluate, is not silent.
        ([OIDC], [OIDC, {**PODS, "Condition": EXCLUDING}], True),
        (
            [{**pods(), "Condition": {**pods()["Condition"], **UNKNOWN_CONDITION}}],
            [{**PODS, "Condition": UNKNOWN_CONDITION}],
            True,
        ),
        # A policy variable is whatever the association has; one namespace less; a Deny that goes.
        ([OIDC], [OIDC, named_pods({**OF_POD, ACCOUNT_TAG: f"${{{ACCOUNT_TAG}}}"})], True),
        ([OIDC], [OIDC, named_pods({**OF_POD, ACCOUNT_TAG: []})], True),
        ([pods()], [named_pods({ACCOUNT_TAG: "app"})], True),
        ([PODS, {**pods(), "Effect": "Deny"}], [PODS], True),
        ([OIDC], [OIDC, pods()], False),
    ],
)
def test_a_statement_that_lets_other_associations_in(
    before: Any, after: Any, is_told: bool, diff_json: DiffJson
) -> None:
    """The attack: whoever may create an association gets the role; that nobody has one today is no comfort."""
    one = association()
    of_rights = diff_json(changed(document(*before), document(*after)), update(one, one))

    assert bool(rows(of_rights, "principals")) is is_told


def test_an_existing_role(diff_json: DiffJson) -> None:
    target = f"arn:aws:iam::{ACCOUNT}:role/target"
    one = association(targetRoleArn=target)
    (right,) = rows(diff_json(create(one)), "mayGain")

    assert (right["who"], right["roleArn"], right["then"]) == ("web/app", ROLE_ARN, target)
    same = diff_json(step("update", one, with_inputs(one, tags={"a": "b"})))
    assert [each for each in same["rows"] if each["kind"] == "session"] == []
    moved = diff_json(step("update", one, association(roleArn=f"{ROLE_ARN}-2", targetRoleArn=target)))
    assert [[each["role"] for each in rows(moved, name)] for name in ("mayGain", "mayLose")] == [
        ["my-role-2"],
        ["my-role"],
    ]


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("back", [False, True])
def test_who_moves_from_one_way_to_the_other(back: bool, beside: bool, diff_json: DiffJson) -> None:
    """Only EKS says which issuer a cluster has: a gate must not pass."""
    by_pods, by_token, both = (role(document(*each)) for each in ([pods()], [OIDC], [pods(), OIDC]))
    changes = [update(by_pods if back else by_token, both if beside else by_token if back else by_pods)]
    stays = [update(ONE, ONE)] if beside else [step("delete", ONE)]
    found = diff_json(*changes, *(stays if back else [create(ONE)]), gate="gains")

    told = {(each["change"], each["certainty"], each["who"]) for each in found["rows"] if each["kind"] == "session"}
    assert told == {("changes way", "cannot tell", "web/app")}
    assert found["exitCode"] == 3


def test_a_role_that_nobody_knows_yet(diff_json: DiffJson) -> None:
    """The attack: the ARN of the role is an output of another stack, and nobody is told."""
    new = {**association(roleArn=UNKNOWN), "parent": ""}

    assert [each["who"] for each in rows(diff_json(create(new)), "mayGain")] == ["web/app"]


def test_a_role_that_goes_and_leaves_its_association(diff_json: DiffJson) -> None:
    gone = role(document(pods()))

    assert by_pod_identity(diff_json(step("delete", gone), state=[gone, ONE]), "loses") == [APP]


def limited(action: str | None) -> dict[str, Any]:
    policy = {"policy": json.dumps(document(statement(action)))} if action else {}
    return association(disableSessionTags=True, **policy)


@pytest.mark.parametrize(
    ("change", "state", "reason"),
    [
        (update(limited("s3:Get*"), limited(None)), role(document(OF_CLUSTER)), "changes or is removed"),
        (update(limited("s3:GetObject"), limited("s3:*")), role(document(OF_CLUSTER)), "changes or is removed"),
        (update(limited("s3:*"), limited("s3:GetObject")), role(document(OF_CLUSTER)), "changes or is removed"),
        (update(limited(None), limited("s3:GetObject")), role(document(OF_CLUSTER)), ""),
        # The trust policy is not known yet.
        (changed(document(OF_CLUSTER), UNKNOWN), limited("s3:Get*"), ""),
    ],
)
def test_a_session_policy(change: Any, state: Any, reason: str, diff_json: DiffJson) -> None:
    undecided = rows(diff_json(change, state=[state]), "permissionsCannotTell")

    assert [reason in each["details"][0] for each in undecided] == [True] * bool(reason)


# --- roles that a role may assume in turn -----------------------------------------------------------------------------

ELSEWHERE = "arn:aws:iam::444455556666:role/logs"
OTHER = f"arn:aws:iam::{ACCOUNT}:role/other"
ROLE = role(trust("web:app"))
BOUNDED = with_inputs(ROLE, permissionsBoundary=f"arn:aws:iam::{ACCOUNT}:policy/limit")
DENY = with_inputs(inline(statement("sts:*", effect="Deny"), role="deny"), role="my-role", name="deny")


def may(*role_arns: str) -> dict[str, Any]:
    """Return the inline policy that the component writes for assumeRoleArns."""
    return with_inputs(inline(), policy=chaining_policy([*role_arns]))


def other(principal: str) -> dict[str, Any]:
    """Return another role of the stack, that lets this one in."""
    lets = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
    return role(UNKNOWN if principal == UNKNOWN else document(lets), "other", "other", component="other")


@pytest.mark.parametrize(
    ("steps", "state", "code"),
    [
        ([create(may(ELSEWHERE))], [ROLE], 1),
        ([update(may(ELSEWHERE), may(OTHER, ELSEWHERE))], [ROLE], 1),
        ([update(inline(), inline(statement("sts:*")))], [ROLE], 1),
        ([step("delete", DENY)], [ROLE, may(ELSEWHERE)], 1),
        ([update(may(ELSEWHERE), with_inputs(may(), policy=UNKNOWN))], [ROLE], 3),
        # Nobody reads the boundary.
        ([update(BOUNDED, ROLE)], [may(ELSEWHERE)], 3),
        ([step("delete", may(ELSEWHERE))], [ROLE], 0),
        ([update(may(ELSEWHERE), may(ELSEWHERE))], [ROLE], 0),
        # By the other one's trust policy.
        ([update(other(ELSEWHERE), other(ROLE_ARN))], [ROLE], 1),
        ([update(other(ELSEWHERE), other(UNKNOWN))], [ROLE, may(OTHER)], 3),
        ([create(other(ACCOUNT))], [ROLE, may(OTHER)], 1),
    ],
)
def test_a_role_that_may_newly_assume_another_one(
    steps: list[Any], state: list[Any], code: int, diff_json: DiffJson
) -> None:
    """Protects reviewers: assumeRoleArns gives the role's service accounts another role, if that one lets it.

    https://docs.aws.amazon.com/eks/latest/userguide/cross-account-access.html
    """
    found = diff_json(*steps, state=state, gate="gains")

    assert found["exitCode"] == code
    assert rows(found, "gains") == rows(found, "mayGain") == []
