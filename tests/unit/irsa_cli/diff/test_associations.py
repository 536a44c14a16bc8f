"""Who gains and who loses a role by EKS Pod Identity, and who only gets it by another way.

The trust policies and the values of the requests are those of AWS's pages:
https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html,
https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html
"""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irsa_cli.diff.associations import add_associations, session_policy_changes
from irsa_cli.diff.changes import changes
from irsa_cli.diff.fail_on import FAIL_ON
from irsa_cli.diff.lines import resource_rows, rows_of
from irsa_cli.diff.rights import Right, Rights, rights
from irsa_cli.diff.sides import compared_roles
from irsa_cli.diff.worlds import before_and_after
from irsa_world.state.resource import parse_resource
from tests.unit.irsa_cli.diff.previews import (
    ACCOUNT,
    ASSOCIATION,
    CLUSTER,
    ISSUER,
    UNKNOWN,
    diff,
    preview,
    resource,
    role,
    step,
    trust,
    urn,
    without_outputs,
)
from tests.world import PODS, document, of_pods

ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/my-role"


def pods(namespace: str = "web", name: str = "app", operator: str = "StringEquals") -> dict[str, Any]:
    """Return the statement for the Pods of a service account of my-cluster."""
    return of_pods(CLUSTER, namespace, name, operator)


ANYBODY = PODS
OF_CLUSTER = {
    **ANYBODY,
    "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}, "ArnEquals": {"aws:SourceArn": CLUSTER}},
}


OIDC = trust("web:app")["Statement"][0]


def association(name: str = "app", component: str = "app", **more: Any) -> dict[str, Any]:
    inputs = {
        "clusterName": "my-cluster",
        "region": "us-west-2",
        "namespace": "web",
        "serviceAccount": name,
        "roleArn": ROLE_ARN,
        "disableSessionTags": False,
        **more,
    }
    return resource(ASSOCIATION, f"web/{name}@{ISSUER}", inputs, component)


def found(*steps: Any, state: Sequence[Mapping[str, Any]] = ()) -> Rights:
    """Return what is told where EKS says that ISSUER is that of CLUSTER."""
    worlds = before_and_after([parse_resource(each, "state") for each in state], preview(*steps).steps)
    compared, eks = compared_roles(*worlds, {}).values(), {CLUSTER: ISSUER}
    of_rights = rights(compared, worlds[0].service_accounts | worlds[1].service_accounts, {}, eks)
    add_associations(of_rights, compared, *worlds, eks)
    return of_rights


def changed(before: Any, after: Any) -> dict[str, Any]:
    return step("update", role(before), without_outputs(role(after)))


def nobody(of: Rights) -> bool:
    return not any((of.gains, of.loses, of.may_gain, of.may_lose, of.cannot_tell, of.other_principals))


def by_pod_identity(of: Sequence[Right]) -> list[tuple[str, str, str, bool]]:
    return [(each.service_account, each.role, each.cluster_arn, each.if_associated) for each in of]


APP = ("web/app", "my-role", CLUSTER, False)
NEW_ROLE = {**without_outputs(role(document(pods()))), "urn": urn("aws:iam/role:Role", "app")}
WITH_ROLE = {**association(roleArn=UNKNOWN), "propertyDependencies": {"roleArn": [NEW_ROLE["urn"]]}}
WITHOUT_TAGS = association(disableSessionTags=True)


@pytest.mark.parametrize(
    ("steps", "trust_policy", "gains", "loses"),
    [
        ([step("create", None, NEW_ROLE), step("create", None, WITH_ROLE)], None, [APP], []),
        # Without tags, no condition on them is met.
        ([step("create", None, WITHOUT_TAGS)], document(pods()), [], []),
        ([step("create", None, WITHOUT_TAGS)], document(OF_CLUSTER), [APP], []),
        ([step("update", association(), WITHOUT_TAGS)], document(pods()), [], [APP]),
    ],
)
def test_an_association(steps: Any, trust_policy: Any, gains: Any, loses: Any) -> None:
    gone = [each["oldState"] for each in steps if "oldState" in each]
    state = [*([role(trust_policy)] if trust_policy else []), *gone]
    of_rights = found(*steps, state=state)

    assert (by_pod_identity(of_rights.gains), by_pod_identity(of_rights.loses)) == (gains, loses)
    assert nobody(replace(of_rights, gains=[], loses=[]))


def test_the_same_name_in_another_cluster_gains() -> None:
    """The attack: who is trusted in one cluster is let in from another one, where anybody may have that name."""
    other = {**association(clusterName="other-cluster", region="us-east-1"), "urn": urn(ASSOCIATION, "app@other")}
    of_rights = found(step("create", None, other), changed(document(OIDC), document(OIDC, ANYBODY)))

    cluster = CLUSTER.replace("us-west-2", "us-east-1").replace("my-", "other-")
    assert ("web/app", "my-role", cluster, False) in by_pod_identity(of_rights.gains)


def test_a_pattern_that_goes_is_kept_by_who_has_an_association() -> None:
    before, after = document(trust("web:*")["Statement"][0], pods()), document(pods())
    of_rights = found(changed(before, after), state=[role(before), association()])

    assert [(each.service_account, each.but_not) for each in of_rights.loses] == [("web/*", ("web/app",))]


@pytest.mark.parametrize("patterns", [1, 20])
def test_an_association_is_told_where_patterns_combine_too_much(patterns: int) -> None:
    """The attack: a statement for tokens that is too much to follow, beside an association that gives the role."""
    wide = trust(*(f"*{chr(97 + n)}*{chr(98 + n)}*:*{chr(99 + n)}*" for n in range(patterns)))["Statement"][0]
    before, after = document(wide, pods()), document({**wide, "Sid": "x"}, pods())
    of_rights = found(changed(before, after), step("create", None, association()), state=[role(before)])

    assert ("web/app", "my-role", CLUSTER, False) in by_pod_identity(of_rights.gains)


UNKNOWN_CONDITION = {"StringLike": {"aws:SourceOrgID": "o-example"}}
EXCLUDING = {"StringNotEquals": {"aws:RequestTag/kubernetes-namespace": "kube-system"}}
MANY = [pods("web", f"app-{each}") for each in range(100)]


@pytest.mark.parametrize(
    ("before", "after", "who"),
    [
        ([OIDC], [OIDC, ANYBODY], [("*/*", "my-role", "", True)]),
        # Without sts:TagSession, only associations without session tags get it.
        ([OIDC], [OIDC, {**PODS, "Action": "sts:AssumeRole"}], [("*/*", "my-role", "", True)]),
        ([OIDC], [OIDC, OF_CLUSTER], [("*/*", "my-role", CLUSTER, True)]),
        # What a condition excludes, or irsa cannot evaluate, is not silent.
        ([OIDC], [OIDC, {**ANYBODY, "Condition": EXCLUDING}], [("*/*", "my-role", "", True)]),
        (
            [{**pods(), "Condition": {**pods()["Condition"], **UNKNOWN_CONDITION}}],
            [{**ANYBODY, "Condition": UNKNOWN_CONDITION}],
            [("*/*", "my-role", "", True)],
        ),
        (MANY[:-1], MANY, [("web/app-99", "my-role", CLUSTER, True)]),
        ([OIDC, ANYBODY, {**pods(), "Effect": "Deny"}], [OIDC, ANYBODY], [("*/*", "my-role", "", True)]),
        ([OIDC, ANYBODY], [OIDC, pods("web", "other")], []),
    ],
)
def test_a_statement_that_lets_other_associations_in(before: Any, after: Any, who: Any) -> None:
    """The attack: whoever may create an association gets the role; that nobody has one today is no comfort."""
    of_rights = found(changed(document(*before), document(*after)))

    assert by_pod_identity(of_rights.may_gain) == who
    assert not of_rights.gains
    assert FAIL_ON["gains"](diff(**vars(of_rights))) is bool(who)


NAMES = ("a", "b", "ab", "zz")
PATTERNS = st.sampled_from([None, "a", "b", "a*", "*b", "*"])
STATEMENTS = st.lists(st.tuples(st.sampled_from(["Allow", "Allow", "Deny"]), PATTERNS, PATTERNS), max_size=3)


def statement_of(effect: str, namespace: str | None, name: str | None) -> dict[str, Any]:
    wanted = {"kubernetes-namespace": namespace, "kubernetes-service-account": name}
    keys = {f"aws:RequestTag/{key}": each for key, each in wanted.items() if each is not None}
    return {**ANYBODY, "Effect": effect, **({"Condition": {"StringLike": keys}} if keys else {})}


def lets_in(statements: Sequence[tuple[str, str | None, str | None]], namespace: str, name: str) -> bool:
    """Return whether one of both kinds of requests is let in: an Allow applies, and no Deny does."""

    def applies(patterns: Sequence[str | None], tags: bool) -> bool:
        pairs = zip(patterns, (namespace, name), strict=True)
        return all(each is None or (tags and fnmatchcase(value, each)) for each, value in pairs)

    def is_let_in(tags: bool) -> bool:
        effects = {effect for effect, *patterns in statements if applies(patterns, tags)}
        return effects == {"Allow"}

    return is_let_in(tags=True) or is_let_in(tags=False)


@given(before=STATEMENTS, after=STATEMENTS)
def test_nobody_is_let_in_silently(
    before: list[tuple[str, str | None, str | None]], after: list[tuple[str, str | None, str | None]]
) -> None:
    """The attack: a statement by which an association gets the role, and no line says so."""
    # IAM refuses a trust policy without statements.
    own = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    documents = [document(own, *(statement_of(*each) for each in those)) for those in (before, after)]
    gained = found(changed(*documents))
    told = [tuple(each.service_account.split("/")) for each in gained.may_gain]
    people = [*itertools.product(NAMES, NAMES)]
    newly = {each for each in people if lets_in(after, *each) and not lets_in(before, *each)}

    for person in newly:
        assert any(all(map(fnmatchcase, person, patterns)) for patterns in told), (person, told)


def test_an_existing_role() -> None:
    target = f"arn:aws:iam::{ACCOUNT}:role/target"
    one = association(targetRoleArn=target)
    gained = found(step("create", None, one))
    (right,) = gained.may_gain

    assert (right.service_account, right.role_arn, right.then, right.if_trusted) == ("web/app", ROLE_ARN, target, True)
    assert nobody(found(step("update", one, {**one, "inputs": {**one["inputs"], "tags": {"a": "b"}}})))
    other = association(roleArn=f"{ROLE_ARN}-2", targetRoleArn=target)
    moved = found(step("update", one, other))
    assert ([each.role for each in moved.may_gain], [each.role for each in moved.may_lose]) == (
        ["my-role-2"],
        ["my-role"],
    )


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("s3:Get*", None, "is removed"),
        ("s3:GetObject", "s3:*", "allows more than before"),
        ("s3:*", "s3:GetObject", ""),
        (None, "s3:GetObject", ""),
    ],
)
def test_a_session_policy(before: str | None, after: str | None, reason: str) -> None:
    def limited(action: str | None) -> dict[str, Any]:
        statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
        return association(disableSessionTags=True, **({"policy": json.dumps(document(statement))} if action else {}))

    one = step("update", limited(before), limited(after))
    worlds = before_and_after([parse_resource(role(document(OF_CLUSTER)), "state")], preview(one).steps)
    undecided = session_policy_changes(*worlds, compared_roles(*worlds, {}), {})

    what = f"the session policy that limited web/app in {CLUSTER} "
    assert [each.reason for each in undecided] == ([f"{what}{reason}"] if reason else [])
    assert FAIL_ON["permissions"](diff(permissions_cannot_tell=undecided)) == bool(reason)


def test_a_session_policy_under_a_trust_policy_that_is_not_known_yet() -> None:
    limited = association(policy=json.dumps(document({"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"})))
    unknown = changed(document(OF_CLUSTER), UNKNOWN)
    worlds = before_and_after([parse_resource(limited, "state")], preview(unknown).steps)

    assert session_policy_changes(*worlds, compared_roles(*worlds, {}), {CLUSTER: ISSUER}) == []


def lines(*steps: Any) -> list[str]:
    bindings, _ = changes(preview(*steps).steps, {urn("irsa:index:ServiceAccountRole", "app", ""): ("app", "")})
    return [line for each in bindings[0].resources for row in resource_rows(each) for line in row.lines]


def test_the_lines_of_an_association() -> None:
    policy = json.dumps(document({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}))
    other = association(tags={"team": "a"}, disableSessionTags=True, policy=policy)

    assert lines(step("create", None, association()))[0] == "+ association web/app in my-cluster: create"
    assert lines(step("delete", association())) == ["- association web/app in my-cluster: delete"]
    replaced = lines(step("replace", association(), association("b"), replaceReasons=["serviceAccount"]))
    assert "".join(replaced[:2]) == (
        "~ association web/b in my-cluster: replace (cannot change in place:~     serviceAccount)"
    )
    updated = lines(step("update", association(), other))
    assert updated[0] == "~ association web/app in my-cluster: update"
    assert "+   session policy: statement 1 (Allow) added" in updated
    assert {"-   disableSessionTags: false", "+   disableSessionTags: true", "+   tags.team: a"} <= {*updated}


def test_what_the_headline_says() -> None:
    gained = found(step("create", None, association()), state=[role(document(ANYBODY))])
    may = found(changed(document(OIDC), document(OIDC, ANYBODY)))
    first, *_ = ([" ".join(row.pieces) for row in rows_of(diff(**vars(each)))] for each in (gained, may))

    assert first[0] == "gains: web/app by EKS Pod Identity -> my-role; loses: nobody"
    assert "may gain: every service account by an association of EKS Pod Identity -> my-role" in [
        " ".join(row.pieces) for row in rows_of(diff(**vars(may)))
    ]
