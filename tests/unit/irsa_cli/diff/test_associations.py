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

from irsa_cli.diff.associations import OtherWay, session_policy_changes, with_associations
from irsa_cli.diff.changes import changes
from irsa_cli.diff.fail_on import FAIL_ON
from irsa_cli.diff.lines import resource_rows, rows_of
from irsa_cli.diff.rights import Right, Rights, compared_roles
from irsa_cli.diff.snapshots import before_and_after
from irsa_world.state.resource import parse_resource
from tests.unit.irsa_cli.diff.previews import (
    ACCOUNT,
    ISSUER,
    UNKNOWN,
    diff,
    preview,
    resource,
    rights_between,
    role,
    step,
    trust,
    urn,
    without_outputs,
)

ASSOCIATION = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
CLUSTER = f"arn:aws:eks:us-west-2:{ACCOUNT}:cluster/my-cluster"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/my-role"
PODS = {"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"}}
IRSA, POD_IDENTITY = ("irsa",), ("podIdentity",)
BOTH = IRSA + POD_IDENTITY


def pods(namespace: str = "web", name: str = "app", operator: str = "StringEquals") -> dict[str, Any]:
    """Return the statement for the Pods of a service account of my-cluster."""
    tags = {"eks-cluster-arn": CLUSTER, "kubernetes-namespace": namespace, "kubernetes-service-account": name}
    condition = {operator: {f"aws:RequestTag/{key}": value for key, value in tags.items()}}
    return {**PODS, "Action": ["sts:AssumeRole", "sts:TagSession"], "Condition": condition}


ANYBODY = {**PODS, "Action": ["sts:AssumeRole", "sts:TagSession"]}
OF_CLUSTER = {
    **ANYBODY,
    "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}, "ArnEquals": {"aws:SourceArn": CLUSTER}},
}


def document(*statements: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [*statements]}


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


def found(*steps: Any, state: Sequence[Mapping[str, Any]] = ()) -> tuple[Rights, list[OtherWay]]:
    """Return what is told where EKS says that ISSUER is that of CLUSTER."""
    snapshots = before_and_after([parse_resource(each, "state") for each in state], preview(*steps).steps)
    compared = compared_roles(*snapshots, {})
    return with_associations(rights_between(*snapshots), compared, *snapshots, {CLUSTER: ISSUER})


def changed(before: Any, after: Any) -> dict[str, Any]:
    return step("update", role(before), without_outputs(role(after)))


def nobody(of: Rights) -> bool:
    return not any((of.gains, of.loses, of.may_gain, of.may_lose, of.cannot_tell, of.other_principals))


def by_pod_identity(of: Sequence[Right]) -> list[tuple[str, str, str, bool]]:
    return [(each.service_account, each.role, each.cluster_arn, each.if_associated) for each in of]


APP = ("web/app", "my-role", CLUSTER, False)


def test_a_new_role_with_its_association() -> None:
    new = {**without_outputs(role(document(pods()))), "urn": urn("aws:iam/role:Role", "app")}
    with_role = {**association(roleArn=UNKNOWN), "propertyDependencies": {"roleArn": [new["urn"]]}}
    gained, other_ways = found(step("create", None, new), step("create", None, with_role))

    assert by_pod_identity(gained.gains) == [APP]
    assert nobody(replace(gained, gains=()))
    assert not other_ways


def test_an_association_alone() -> None:
    state = [role(document(ANYBODY))]
    gained, _ = found(step("create", None, association()), state=state)
    lost, _ = found(step("delete", association()), state=[*state, association()])

    assert by_pod_identity(gained.gains) == [APP]
    assert by_pod_identity(lost.loses) == [APP]
    assert not gained.may_gain


def test_an_association_that_the_trust_policy_refuses() -> None:
    """Protects from a wrong alarm: EKS Pod Identity gets no session of a role that does not trust it."""
    for document_ in (trust("web:other"), document(pods("web", "other"))):
        assert nobody(found(step("create", None, association()), state=[role(document_)])[0])


def test_tags_that_are_off() -> None:
    off = association(disableSessionTags=True)

    assert nobody(found(step("create", None, off), state=[role(document(pods()))])[0])
    assert by_pod_identity(found(step("create", None, off), state=[role(document(OF_CLUSTER))])[0].gains) == [APP]
    lost, _ = found(step("update", association(), off), state=[role(document(pods())), association()])
    assert by_pod_identity(lost.loses) == [APP]


@pytest.mark.parametrize(
    ("before", "after", "steps", "ways"),
    [
        (document(OIDC), document(OIDC, pods()), "create", (IRSA, BOTH)),
        (document(OIDC), document(pods()), "create", (IRSA, POD_IDENTITY)),
        (document(OIDC, pods()), document(pods()), "same", (BOTH, POD_IDENTITY)),
        (document(OIDC, pods()), document(OIDC), "delete", (BOTH, IRSA)),
        (document(pods()), document(OIDC, pods()), "same", (POD_IDENTITY, BOTH)),
        (document(pods()), document(OIDC), "delete", (POD_IDENTITY, IRSA)),
        (document(OIDC, pods()), document(OIDC, pods()), "delete", (BOTH, IRSA)),
    ],
)
def test_stages(before: Any, after: Any, steps: str, ways: tuple[Any, Any]) -> None:
    one = association()
    of_association = {"create": [step("create", None, one)], "delete": [step("delete", one)], "same": []}
    state = [role(before), *([] if steps == "create" else [one])]
    of_rights, other_ways = found(changed(before, after), *of_association[steps], state=state)

    assert nobody(of_rights)
    assert [(each.service_account, each.role, each.before, each.after) for each in other_ways] == [
        ("web/app", "my-role", *ways)
    ]


def test_only_the_statement_of_a_stage() -> None:
    both = document(OIDC, pods())

    assert nobody(found(changed(document(OIDC), both), state=[role(document(OIDC))])[0])
    assert nobody(found(changed(both, document(OIDC)), state=[role(both)])[0])


def test_the_same_name_in_another_cluster_gains() -> None:
    """The attack: who is trusted in one cluster is let in from another one, where anybody may have that name."""
    other = association(clusterName="other-cluster", region="us-east-1")
    other["urn"] = urn(ASSOCIATION, "app@other")
    of_rights, other_ways = found(step("create", None, other), changed(document(OIDC), document(OIDC, ANYBODY)))

    assert ("web/app", "my-role", CLUSTER.replace("us-west-2", "us-east-1").replace("my-", "other-"), False) in (
        by_pod_identity(of_rights.gains)
    )
    assert not other_ways


def test_a_program_of_ones_own() -> None:
    """Protects a migration outside of a stack file, where no name says the issuer: EKS does."""
    one = {**association(), "urn": urn(ASSOCIATION, "app@any-key")}
    before, after = document(OIDC), document(OIDC, pods())
    of_rights, other_ways = found(changed(before, after), step("create", None, one), state=[role(before)])

    assert nobody(of_rights)
    assert [(each.before, each.after) for each in other_ways] == [(IRSA, BOTH)]


def test_a_pattern_that_goes_is_kept_by_who_has_an_association() -> None:
    """Protects reviewers: of those who lose a role by a pattern, who has it by EKS Pod Identity is an exception."""
    before, after = document(trust("web:*")["Statement"][0], pods()), document(pods())
    of_rights, _ = found(changed(before, after), state=[role(before), association()])

    assert [(each.service_account, each.but_not) for each in of_rights.loses] == [("web/*", ("web/app",))]


@pytest.mark.parametrize(
    ("statement", "who"),
    [
        (ANYBODY, ("*/*", "my-role", "", True)),
        # Without sts:TagSession, only associations without session tags get it.
        ({**PODS, "Action": "sts:AssumeRole"}, ("*/*", "my-role", "", True)),
        (OF_CLUSTER, ("*/*", "my-role", CLUSTER, True)),
        (pods("team-*", "*", "StringLike"), ("team-*/*", "my-role", CLUSTER, True)),
        (pods("web", "other"), ("web/other", "my-role", CLUSTER, True)),
    ],
)
def test_a_statement_that_lets_other_associations_in(statement: Any, who: Any) -> None:
    """The attack: whoever may create an association gets the role; that nobody has one today is no comfort."""
    before, after = document(OIDC), document(OIDC, statement)
    gained, lost = (found(changed(*both))[0] for both in ((before, after), (after, before)))

    assert by_pod_identity(gained.may_gain) == [who]
    assert by_pod_identity(lost.may_lose) == [who]
    assert nobody(replace(gained, may_gain=()))
    assert nobody(replace(lost, may_lose=()))
    assert FAIL_ON["gains"](diff(**vars(gained)))


def test_what_a_condition_excludes() -> None:
    """The attack: everybody but a namespace is let in, and only that namespace is looked at."""
    but = {**ANYBODY, "Condition": {"StringNotEquals": {"aws:RequestTag/kubernetes-namespace": "kube-system"}}}
    gained, _ = found(changed(document(OIDC), document(OIDC, but)))

    assert by_pod_identity(gained.may_gain) == [("*/*", "my-role", "", True)]


def test_many_service_accounts() -> None:
    many = [pods("web", f"app-{each}") for each in range(100)]
    gained, _ = found(changed(document(*many[:-1]), document(*many)))

    assert by_pod_identity(gained.may_gain) == [("web/app-99", "my-role", CLUSTER, True)]
    assert not gained.cannot_tell


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
    gained, _ = found(changed(*documents))
    told = [tuple(each.service_account.split("/")) for each in gained.may_gain]
    people = [*itertools.product(NAMES, NAMES)]
    newly = {each for each in people if lets_in(after, *each) and not lets_in(before, *each)}

    for person in newly:
        assert any(all(map(fnmatchcase, person, patterns)) for patterns in told), (person, told)


def test_a_condition_that_cannot_be_evaluated_is_not_silent() -> None:
    """The attack: a statement that grows behind a condition of which irsa does not know the value."""
    organization = {"StringLike": {"aws:SourceOrgID": "o-example"}}
    narrow = {**pods(), "Condition": {**pods()["Condition"], **organization}}
    of_rights, _ = found(changed(document(narrow), document({**ANYBODY, "Condition": organization})))

    assert [(each.service_account, each.if_associated) for each in of_rights.may_gain] == [("*/*", True)]
    assert [each.role for each in of_rights.cannot_tell] == ["my-role"]


def test_an_existing_role() -> None:
    target = f"arn:aws:iam::{ACCOUNT}:role/target"
    one = association(targetRoleArn=target)
    gained, _ = found(step("create", None, one))
    (right,) = gained.may_gain

    assert (right.service_account, right.role_arn, right.then, right.if_trusted) == ("web/app", ROLE_ARN, target, True)
    assert nobody(found(step("update", one, {**one, "inputs": {**one["inputs"], "tags": {"a": "b"}}}))[0])
    other = association(roleArn=f"{ROLE_ARN}-2", targetRoleArn=target)
    moved, _ = found(step("update", one, other))
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
    snapshots = before_and_after([parse_resource(role(document(OF_CLUSTER)), "state")], preview(one).steps)
    undecided = session_policy_changes(*snapshots, {})

    what = f"the session policy that limited web/app in {CLUSTER} "
    assert [each.reason for each in undecided] == ([f"{what}{reason}"] if reason else [])
    assert FAIL_ON["permissions"](diff(permissions_cannot_tell=undecided)) == bool(reason)


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


def test_a_statement_does_not_move_into_a_session_policy() -> None:
    statement = {"Sid": "Read", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    inline = resource("aws:iam/rolePolicy:RolePolicy", "app@read", {"name": "read", "policy": document(statement)})
    limited = association(disableSessionTags=True, policy=json.dumps(document(statement)))
    shown = lines(step("delete", inline), step("update", association(disableSessionTags=True), limited))

    assert not [each for each in shown if "moved here" in each]
    assert "-   policy document: statement Read (Allow) removed" in shown


def test_what_the_headline_says() -> None:
    before, after = document(OIDC), document(OIDC, pods())
    kept = found(changed(before, after), step("create", None, association()), state=[role(before)])
    gained = found(step("create", None, association()), state=[role(document(ANYBODY))])
    may = found(changed(before, document(OIDC, ANYBODY)))

    def text(of: tuple[Rights, list[OtherWay]]) -> str:
        rows = rows_of(diff(**vars(of[0]), other_ways=of[1]))
        return " ".join(line.strip() for line in next(iter(rows)).lines)

    assert text(kept) == "gains: nobody; loses: nobody; keeps: web/app -> my-role by EKS Pod Identity too"
    assert text(gained) == "gains: web/app by EKS Pod Identity -> my-role; loses: nobody"
    assert text(may) == "gains: nobody; loses: nobody; may gain: 1 (below)"
    (row,) = [each for each in rows_of(diff(**vars(may[0]))) if each.sign == "~" and each.pieces[0] == "may gain:"]
    assert " ".join(row.pieces) == "may gain: every service account by an association of EKS Pod Identity -> my-role"
    assert not FAIL_ON["gains"](diff(**vars(kept[0]), other_ways=kept[1]))
