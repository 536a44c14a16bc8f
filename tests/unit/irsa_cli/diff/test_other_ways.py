"""Who gains and who loses a role by EKS Pod Identity, who only gets it by another way, and who gets a further role.

The trust policies and the values of the requests are those of AWS's pages:
https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html,
https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html
"""

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from irsa.rules.policies import chaining_policy
from tests.unit.irsa_cli.diff.conftest import Told
from tests.unit.irsa_cli.diff.previews import (
    ACCOUNT,
    ASSOCIATION,
    CLUSTER,
    ISSUER,
    ROLE_ARN,
    UNKNOWN,
    association,
    changed,
    create,
    inline,
    resource,
    role,
    statement,
    step,
    trust,
    update,
    urn,
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


@pytest.fixture
def found(told: Told) -> Told:
    """Return what is told where EKS says that ISSUER is that of CLUSTER."""
    return partial(told, eks={CLUSTER: ISSUER})


def nobody(of: Any) -> bool:
    return not any((of.may_gain, of.may_lose, of.cannot_tell, of.other_principals))


def by_pod_identity(of: Any) -> list[tuple[str, str, str]]:
    return [(each.service_account, each.role, each.cluster_arn) for each in of]


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
def test_an_association(steps: Any, state: Any, gains: Any, loses: Any, found: Told) -> None:
    of_rights = found(*steps, state=state)

    assert (by_pod_identity(of_rights.gains), by_pod_identity(of_rights.loses)) == (gains, loses)
    assert nobody(of_rights)


def test_the_same_name_in_another_cluster_gains(found: Told) -> None:
    """The attack: who is trusted in one cluster is let in from another one, where anybody may have that name."""
    other = {**association(clusterName="other-cluster", region="us-east-1"), "urn": urn(ASSOCIATION, "app@other")}
    of_rights = found(create(other), changed(document(OIDC), document(OIDC, PODS)))

    cluster = CLUSTER.replace("us-west-2", "us-east-1").replace("my-", "other-")
    assert ("web/app", "my-role", cluster) in by_pod_identity(of_rights.gains)


def test_a_pattern_that_goes_is_kept_by_who_has_an_association(found: Told) -> None:
    before, after = document(trust("web:*")["Statement"][0], pods()), document(pods())
    of_rights = found(changed(before, after), state=[role(before), association()])

    assert [(each.service_account, each.but_not) for each in of_rights.loses] == [("web/*", ("web/app",))]


def test_who_gains_by_an_association_and_not_by_a_wider_pattern(found: Told) -> None:
    """The attack: a Deny takes a namespace out of all who gain, and hides who gains by an association there."""
    deny = {**trust("web:*")["Statement"][0], "Effect": "Deny"}
    after = document(trust("w*:*")["Statement"][0], deny, pods())
    gains = found(changed(document(OIDC, deny), after), create(association())).gains

    assert {(each.service_account, each.way) for each in gains} == {("w*/*", "irsa"), ("web/app", "podIdentity")}


@pytest.mark.parametrize("patterns", [1, 20])
def test_an_association_is_told_where_patterns_combine_too_much(patterns: int, found: Told) -> None:
    """The attack: a statement for tokens that is too much to follow, beside an association that gives the role."""
    wide = trust(*(f"*{chr(97 + n)}*{chr(98 + n)}*:*{chr(99 + n)}*" for n in range(patterns)))["Statement"][0]
    before, after = document(wide, pods()), document({**wide, "Sid": "x"}, pods())
    of_rights = found(changed(before, after), create(ONE), state=[role(before)])

    assert APP in by_pod_identity([*of_rights.gains, *of_rights.may_gain])


UNKNOWN_CONDITION = {"StringLike": {"aws:SourceOrgID": "o-example"}}
EXCLUDING = {"StringNotEquals": {"aws:RequestTag/kubernetes-namespace": "kube-system"}}
MANY = [pods("web", f"app-{each}") for each in range(100)]


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
        (MANY[:-1], MANY, True),
        ([OIDC, PODS, {**pods(), "Effect": "Deny"}], [OIDC, PODS], True),
        ([OIDC, PODS], [OIDC, pods()], False),
        ([OIDC, PODS], [OIDC], False),
    ],
)
def test_a_statement_that_lets_other_associations_in(before: Any, after: Any, is_told: bool, found: Told) -> None:
    """The attack: whoever may create an association gets the role; that nobody has one today is no comfort."""
    one = association()
    of_rights = found(changed(document(*before), document(*after)), update(one, one))

    assert bool(of_rights.other_principals) is is_told


NAMES = ("a", "b", "ab", "zz")
PATTERNS = st.sampled_from([None, "a", "b", "a*", "*b", "*"])
STATEMENTS = st.lists(st.tuples(st.sampled_from(["Allow", "Allow", "Deny"]), PATTERNS, PATTERNS), max_size=3)


def statement_of(effect: str, namespace: str | None, name: str | None) -> dict[str, Any]:
    wanted = {"kubernetes-namespace": namespace, "kubernetes-service-account": name}
    keys = {f"aws:RequestTag/{key}": each for key, each in wanted.items() if each is not None}
    return {**PODS, "Effect": effect, **({"Condition": {"StringLike": keys}} if keys else {})}


def lets_in(statements: Sequence[tuple[str, str | None, str | None]], namespace: str, name: str) -> bool:
    """Return whether one of both kinds of requests is let in: an Allow applies, and no Deny does."""

    def applies(patterns: Sequence[str | None], tags: bool) -> bool:
        pairs = zip(patterns, (namespace, name), strict=True)
        return all(each is None or (tags and fnmatchcase(value, each)) for each, value in pairs)

    def is_let_in(tags: bool) -> bool:
        effects = {effect for effect, *patterns in statements if applies(patterns, tags)}
        return effects == {"Allow"}

    return is_let_in(tags=True) or is_let_in(tags=False)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=STATEMENTS, after=STATEMENTS)
def test_nobody_is_let_in_silently(
    found: Told, before: list[tuple[str, str | None, str | None]], after: list[tuple[str, str | None, str | None]]
) -> None:
    """The attack: a statement by which an association gets the role, and no line says so."""
    # IAM refuses a trust policy without statements.
    own = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    documents = [document(own, *(statement_of(*each) for each in those)) for those in (before, after)]
    gained = found(changed(*documents))
    people = [*itertools.product(NAMES, NAMES)]
    newly = {each for each in people if lets_in(after, *each) and not lets_in(before, *each)}

    assert gained.other_principals or not newly


def test_an_existing_role(found: Told) -> None:
    target = f"arn:aws:iam::{ACCOUNT}:role/target"
    one = association(targetRoleArn=target)
    (right,) = found(create(one)).may_gain

    assert (right.service_account, right.role_arn, right.then, right.if_trusted) == ("web/app", ROLE_ARN, target, True)
    same = found(step("update", one, with_inputs(one, tags={"a": "b"})))
    assert nobody(same)
    assert (same.gains, same.loses) == ((), ())
    moved = found(step("update", one, association(roleArn=f"{ROLE_ARN}-2", targetRoleArn=target)))
    assert [[each.role for each in those] for those in (moved.may_gain, moved.may_lose)] == [["my-role-2"], ["my-role"]]


@pytest.mark.parametrize(("issuer", "is_same"), [(ISSUER, True), ("oidc.eks.us-west-2.amazonaws.com/id/OTHER", False)])
@pytest.mark.parametrize("back", [False, True])
def test_who_moves_from_one_way_to_the_other(back: bool, issuer: str, is_same: bool, told: Told) -> None:
    by_pods, by_token = (role(document(each)) for each in (pods(), OIDC))
    steps = [update(by_token, by_pods), create(ONE)] if back else [update(by_pods, by_token), step("delete", ONE)]
    found = told(*steps, eks={CLUSTER: issuer})
    who = [[each.way for each in those] for those in (found.gains, found.loses, found.changes_way)]

    new, old = ("podIdentity", "irsa") if back else ("irsa", "podIdentity")
    assert who == ([[], [], [new]] if is_same else [[new], [old], []])


def test_a_role_that_nobody_knows_yet(found: Told) -> None:
    """The attack: the ARN of the role is an output of another stack, and nobody is told."""
    new = {**association(roleArn=UNKNOWN), "parent": ""}

    assert [each.service_account for each in found(create(new)).may_gain] == ["web/app"]


def test_a_role_that_goes_and_leaves_its_association(found: Told) -> None:
    gone = role(document(pods()))

    assert by_pod_identity(found(step("delete", gone), state=[gone, ONE]).loses) == [APP]


def limited(action: str | None) -> dict[str, Any]:
    policy = {"policy": json.dumps(document(statement(action)))} if action else {}
    return association(disableSessionTags=True, **policy)


@pytest.mark.parametrize(
    ("change", "state", "reason"),
    [
        (update(limited("s3:Get*"), limited(None)), role(document(OF_CLUSTER)), "or none"),
        (update(limited("s3:GetObject"), limited("s3:*")), role(document(OF_CLUSTER)), "is another one"),
        (update(limited("s3:*"), limited("s3:GetObject")), role(document(OF_CLUSTER)), "is another one"),
        (update(limited(None), limited("s3:GetObject")), role(document(OF_CLUSTER)), ""),
        # The trust policy is not known yet.
        (changed(document(OF_CLUSTER), UNKNOWN), limited("s3:Get*"), ""),
    ],
)
def test_a_session_policy(change: Any, state: Any, reason: str, found: Told) -> None:
    undecided = found(change, state=[state]).permissions_cannot_tell

    assert [reason in each.reason for each in undecided] == [True] * bool(reason)


# --- roles that a role may assume in turn -----------------------------------------------------------------------------

ELSEWHERE, ALL = (f"arn:aws:iam::444455556666:role/{name}" for name in ("logs", "*"))
OTHER = f"arn:aws:iam::{ACCOUNT}:role/other"
DENY = with_inputs(inline(statement("sts:*", effect="Deny"), role="deny"), role="my-role", name="deny")


def may(*role_arns: str) -> dict[str, Any]:
    """Return the inline policy that the component writes for assumeRoleArns."""
    return with_inputs(inline(), policy=chaining_policy([*role_arns]))


def other(principal: str, **more: Any) -> dict[str, Any]:
    """Return another role of the stack, that lets this one in."""
    lets = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
    return role(UNKNOWN if principal == UNKNOWN else document(lets), "other", "other", component="other", **more)


Further = Callable[..., dict[str, list[tuple[str, str, bool]]]]


@pytest.fixture
def further(told: Told) -> Further:
    """Return what is said of further roles: who, which one, and whether its trust policy must let it."""

    def run(*steps: Any, state: Sequence[Mapping[str, Any]] = ()) -> dict[str, list[tuple[str, str, bool]]]:
        of_rights = told(*steps, state=state)
        chains = {
            name: [(each.service_account, each.then, each.if_trusted) for each in getattr(of_rights, name) if each.then]
            for name in ("gains", "loses", "may_gain", "may_lose")
        }
        return {name: those for name, those in chains.items() if those}

    return run


ROLE = role(trust("web:app"))
BOUNDED = with_inputs(ROLE, permissionsBoundary=f"arn:aws:iam::{ACCOUNT}:policy/limit")


@pytest.mark.parametrize(
    ("steps", "state", "expected"),
    [
        ([create(may(ELSEWHERE))], [ROLE], {"gains": [ELSEWHERE]}),
        ([step("delete", may(ELSEWHERE))], [ROLE], {"loses": [ELSEWHERE]}),
        ([update(may(ELSEWHERE), may(OTHER, ELSEWHERE))], [ROLE], {"gains": [OTHER]}),
        ([update(may(ELSEWHERE), may(ELSEWHERE))], [ROLE], {}),
        ([update(may(ELSEWHERE), may(ALL))], [ROLE], {"gains": [ALL]}),
        ([update(may(ALL), may(ELSEWHERE))], [ROLE], {"loses": [ALL]}),
        ([create(DENY)], [ROLE, may(ELSEWHERE)], {"loses": [ELSEWHERE]}),
        ([step("delete", ROLE), step("delete", may(OTHER))], [], {"loses": [OTHER]}),
        ([update(may(ELSEWHERE), with_inputs(may(), policy=UNKNOWN))], [ROLE], {"may_lose": [ELSEWHERE]}),
        ([update(BOUNDED, ROLE)], [may(ELSEWHERE)], {"may_gain": [ELSEWHERE]}),
        # Nobody reads the boundary.
        ([create(may(ELSEWHERE))], [BOUNDED], {"may_gain": [ELSEWHERE]}),
    ],
)
def test_further_roles_of_others(
    steps: list[Any], state: list[Any], expected: dict[str, list[str]], further: Further
) -> None:
    """Protects reviewers: assumeRoleArns gives the role's service accounts another role, if that one lets it.

    https://docs.aws.amazon.com/eks/latest/userguide/cross-account-access.html
    """
    assert further(*steps, state=state) == {
        name: [("web/app", arn, True) for arn in arns] for name, arns in expected.items()
    }


@pytest.mark.parametrize(
    ("steps", "state", "expected"),
    [
        ([create(may(OTHER))], [ROLE, other(ELSEWHERE)], ""),
        ([create(may(OTHER))], [ROLE, other(ACCOUNT)], "gains"),
        ([create(may(OTHER))], [ROLE, other(ROLE_ARN)], ""),
        ([update(other(ELSEWHERE), other(ROLE_ARN))], [ROLE], "gains"),
        ([update(other(ROLE_ARN), other(ELSEWHERE))], [ROLE], "loses"),
        ([update(other(ROLE_ARN), other(UNKNOWN))], [ROLE, may(OTHER)], "may_lose"),
        ([step("delete", other(ACCOUNT))], [ROLE, may(OTHER)], "loses"),
        ([create(other(ACCOUNT))], [ROLE, may(OTHER)], "gains"),
        ([create(may(OTHER))], [ROLE, other(ACCOUNT, external=True)], "gains"),
    ],
)
def test_further_roles_of_the_stack(steps: list[Any], state: list[Any], expected: str, further: Further) -> None:
    is_read = not any(each.get("external") for each in state)
    assert further(*steps, state=state) == ({expected: [("web/app", OTHER, not is_read)]} if expected else {})


def test_who_has_the_role(found: Told, further: Further) -> None:
    chained = create(may(ELSEWHERE))
    deny = {**trust("web:admin")["Statement"][0], "Effect": "Deny"}
    (gained,) = found(chained, state=[role(document(*trust("web:*")["Statement"], deny))]).gains
    assert (gained.service_account, gained.but_not, gained.at_most) == ("web/*", ("web/admin",), False)

    conditional = role(trust("web:app", IpAddress={"aws:SourceIp": "10.0.0.0/8"}))
    assert further(chained, state=[conditional]) == {"may_gain": [("web/app", ELSEWHERE, True)]}
    assert further(create(role(UNKNOWN)), chained) == {"gains": [("", ELSEWHERE, True)]}


@pytest.mark.parametrize("components", [("", "new"), ("new", "")])
def test_two_new_roles_of_one_logical_name(components: tuple[str, str], further: Further) -> None:
    """The attack: a component and a role beside it, whose names IAM is to choose, and one hid the other's chain."""
    lets = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
    created = [
        create(resource(ROLE["type"], "new", {"namePrefix": "new-", "assumeRolePolicy": each}, component))
        for each, component in zip((document(lets), trust("a:b")), components, strict=True)
    ]
    own = inline(statement("sts:AssumeRole"))
    ((_, then, _),) = further(update(ROLE, ROLE), update(own, own), *created)["gains"]

    assert "role/new (" in then
