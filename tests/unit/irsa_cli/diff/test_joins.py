"""No name identifies: clusters of one name in two regions, roles of one name in two AWS accounts, issuers of anybody.

From what `pulumi preview --json` prints to what `irsa diff --json` does. What a trust policy says to a token and to an
association is as AWS's pages have it:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html (of OIDC federation),
https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html
"""

import json
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from itertools import product
from typing import Any, NamedTuple

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.unit.irsa_cli.diff.conftest import DiffJson
from tests.unit.irsa_cli.diff.previews import (
    ADMINISTRATOR,
    ASSOCIATION,
    ATTACHMENT,
    INLINE,
    POLICY,
    ROLE,
    UNKNOWN,
    create,
    resource,
    rows,
    statement,
    step,
    trust,
    update,
    with_inputs,
)
from tests.world import PODS, document, of_pods

ONE, OTHER = "111122223333", "444455556666"
CLUSTERS = tuple(
    f"arn:aws:eks:{region}:{number}:cluster/prod"
    for region, number in (("us-west-2", ONE), ("us-east-1", ONE), ("us-west-2", OTHER))
)
EKS = tuple(f"oidc.eks.{arn.split(':')[3]}.amazonaws.com/id/EXAMPLE{n}" for n, arn in enumerate(CLUSTERS))
EVIL = "evil.example.com"
ROLES = tuple(f"arn:aws:iam::{number}:role/app" for number in (ONE, OTHER))
SUBJECTS = ("default:app", "other:app")
ACTIONS, ON = ["s3:GetObject", "s3:PutObject", "sqs:SendMessage"], ["arn:aws:s3:::a", "arn:aws:s3:::b"]
# Statements of a policy.
LONGEST = 3
SHARED = f"arn:aws:iam::{ONE}:policy/shared"


class Token(NamedTuple):
    """A statement: the tokens of a provider in an AWS account may, of one service account."""

    aws_account: str
    issuer: str
    subject: str


class Pods(NamedTuple):
    """A statement: EKS may, for the Pods of a service account of a cluster."""

    cluster: str
    subject: str


class Statement(NamedTuple):
    """A statement of a policy; with a condition, the request decides whether it applies."""

    effect: str
    action: str
    on: str
    condition: bool

    @property
    def written(self) -> dict[str, Any]:
        more = {"Condition": {"StringEquals": {"aws:SourceVpc": "vpc-1"}}} if self.condition else {}
        return statement(self.action, self.on, self.effect, **more)


class Role(NamedTuple):
    """A role: the statements of its trust policy and of its inline policy, and how it has the shared policy."""

    trust: frozenset[Token | Pods]
    own: tuple[Statement, ...] = ()
    has_shared: bool = False
    is_bounded: bool = False


class World(NamedTuple):
    """What there is at one time.

    Attributes:
        roles: The roles, by ARN.
        associations: The role of each service account of a cluster; EKS has one for each.
        shared: The statements of a managed policy.
    """

    roles: Mapping[str, Role]
    associations: Mapping[Pods, str]
    shared: tuple[Statement, ...] = ()


# --- the brute force --------------------------------------------------------------------------------------------------


def sessions(world: World) -> set[tuple[str, str, str]]:
    """Return who has a session of which role: issuer or cluster, service account and role.

    STS takes a token of a provider in the role's own AWS account, and EKS associates roles of the cluster's own.
    """
    found = set()
    for role, (statements, *_) in world.roles.items():
        account = role.split(":")[4]
        for each in statements:
            if isinstance(each, Token) and each.aws_account == account:
                found.add((each.issuer, each.subject, role))
            elif isinstance(each, Pods) and world.associations.get(each) == role:
                found.add((each.cluster, each.subject, role))
    return found


def permissions(world: World, is_met: bool) -> set[tuple[str, str, str]]:
    """Return what each role may do where the condition is met, or where it is not."""

    def effects(those: Iterable[Statement], action: str, on: str) -> set[str]:
        applying = (each for each in those if is_met or not each.condition)
        return {each.effect for each in applying if fnmatchcase(action, each.action) and fnmatchcase(on, each.on)}

    return {
        (name, action, on)
        for (name, each), action, on in product(world.roles.items(), ACTIONS, ON)
        if effects([*each.own, *(world.shared if each.has_shared else ())], action, on) == {"Allow"}
        and (not each.is_bounded or effects(world.shared, action, on) == {"Allow"})
    }


def told(found: Iterable[Mapping[str, Any]]) -> set[tuple[str, str, str]]:
    """Return cluster or issuer, service account and role of what a diff tells."""
    return {(each["where"], each["who"].replace("/", ":"), each["roleArn"]) for each in found}


# --- from worlds to a preview -----------------------------------------------------------------------------------------


def provider(number: str) -> str:
    return f"urn:pulumi:dev::irsa::pulumi:providers:aws::{number}::id"


# IAM refuses a trust policy without a statement.
EC2 = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}


def written(each: Token | Pods) -> Any:
    """Return a statement of a trust policy."""
    if isinstance(each, Token):
        arn = f"arn:aws:iam::{each.aws_account}:oidc-provider/{each.issuer}"
        return trust(each.subject, provider=arn)["Statement"][0]
    return of_pods(each.cluster, *each.subject.split(":"))


def role(arn: str, statements: Iterable[Token | Pods], name: str = "app") -> dict[str, Any]:
    number = arn.split(":")[4]
    trusted = document(EC2, *map(written, sorted(statements, key=str)))
    inputs = {"name": name, "path": "/", "assumeRolePolicy": json.dumps(trusted)}
    outputs = {"arn": f"arn:aws:iam::{number}:role/{name}", "name": name}
    found = resource(ROLE, f"{number}/role/{name}", inputs, f"{number}-{name}", provider=provider(number))
    return {**found, "outputs": outputs}


def association(each: Pods, role_arn: str, **more: Any) -> dict[str, Any]:
    """Return an association that exists."""
    _, _, _, region, number, cluster = each.cluster.split(":")
    namespace, name = each.subject.split(":")
    place = {"clusterName": "prod", "region": region, "namespace": namespace, "serviceAccount": name}
    inputs = {**place, "roleArn": role_arn}
    logical_name = f"{number}-{region}-{namespace}/{name}"
    found = resource(ASSOCIATION, logical_name, {**inputs, **more}, number, provider=provider(number))
    arn = f"arn:aws:eks:{region}:{number}:podidentityassociation/{cluster.partition('/')[2]}/a-{namespace}"
    return {**found, "outputs": {"associationArn": arn}}


def shared_policy(world: World) -> dict[str, Any]:
    written = json.dumps(document(*(each.written for each in world.shared)))
    return resource(POLICY, "shared", {"name": "shared", "policy": written}, "", outputs={"arn": SHARED})


def role_of(arn: str, world: World) -> list[Any]:
    """Return a role, its inline policy and its attachment, where there are such."""
    if arn not in world.roles:
        return [None] * 3
    each, number = world.roles[arn], arn.split(":")[4]
    boundary = {"permissionsBoundary": SHARED} if each.is_bounded else {}
    place: dict[str, Any] = {"component": f"{number}-app", "provider": provider(number)}
    own = {"role": "app", "name": "x", "policy": json.dumps(document(*(one.written for one in each.own)))}
    has = resource(ATTACHMENT, number, {"role": "app", "policyArn": SHARED}, **place)
    return [
        with_inputs(role(arn, each.trust), **boundary),
        resource(INLINE, number, own, **place) if each.own else None,
        has if each.has_shared else None,
    ]


def steps(before: World, after: World) -> list[Any]:
    """Return a preview's steps; what stays has one, too, as with another tag: the file alone is read.

    In each AWS account, another role exists: the engine knows which account a provider leads to by what it created.
    """
    found: list[Any] = [change(*[role(arn, (), "there")] * 2) for arn in ROLES]
    for arn in dict.fromkeys((*before.roles, *after.roles)):
        sides = [role_of(arn, each) for each in (before, after)]
        found += [change(*those) for those in zip(*sides, strict=True) if any(those)]
    found.append(update(*(shared_policy(each) for each in (before, after))))
    for pods in dict.fromkeys((*before.associations, *after.associations)):
        old, new = (
            association(pods, each.associations[pods]) if pods in each.associations else None
            for each in (before, after)
        )
        found.append(change(old, new))
    return found


def change(old: Any, new: Any) -> Any:
    if old and new:
        return update(old, with_inputs(new, tags={"seen": "yes"}) if old["type"] == ROLE else new)
    return step("delete", old) if old else create(new)


# --- over random worlds -----------------------------------------------------------------------------------------------

STATEMENTS = st.one_of(
    st.builds(Token, st.sampled_from((ONE, OTHER)), st.sampled_from((*EKS, EVIL)), st.sampled_from(SUBJECTS)),
    st.builds(Pods, st.sampled_from(CLUSTERS), st.sampled_from(SUBJECTS)),
)
ALL_PODS = [Pods(*each) for each in product(CLUSTERS, SUBJECTS)]


def roles_of(pods: Pods) -> list[str]:
    return [arn for arn in ROLES if arn.split(":")[4] == pods.cluster.split(":")[4]]


OWN_STATEMENTS = st.lists(
    st.builds(
        Statement,
        st.sampled_from(["Allow", "Allow", "Deny"]),
        st.sampled_from([*ACTIONS, "s3:*", "*"]),
        st.sampled_from([*ON, "arn:aws:s3:::*", "*"]),
        st.sampled_from([False, False, True]),
    ),
    min_size=1,
    max_size=LONGEST,
).map(tuple)
OF_ROLE = st.builds(Role, st.frozensets(STATEMENTS, max_size=4), OWN_STATEMENTS, st.booleans(), st.booleans())
WORLDS = st.builds(
    World,
    st.fixed_dictionaries({ROLES[0]: OF_ROLE}, optional={ROLES[1]: OF_ROLE}),
    st.fixed_dictionaries({}, optional={each: st.sampled_from(roles_of(each)) for each in ALL_PODS}),
    OWN_STATEMENTS,
).map(lambda each: each._replace(associations={p: r for p, r in each.associations.items() if r in each.roles}))
WEST = CLUSTERS[0]
APP = Pods(WEST, "default:app")
BY_PODS = World({ROLES[0]: Role(frozenset({APP}))}, {APP: ROLES[0]})


def and_token(world: World, issuer: str) -> World:
    return world._replace(roles={ROLES[0]: Role(world.roles[ROLES[0]].trust | {Token(ONE, issuer, "default:app")})})


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(BY_PODS, and_token(BY_PODS, EKS[1]), LONGEST)
@example(BY_PODS, and_token(BY_PODS, EVIL), LONGEST)
@given(WORLDS, WORLDS, st.integers(0, LONGEST))
def test_what_diff_says_is_after_without_before(diff_json: DiffJson, before: World, after: World, goes: int) -> None:
    """The attack: a right is hidden behind one of another issuer, region or AWS account that has the same name."""
    # Of some roles that stay, one statement goes.
    if goes < LONGEST:
        own = {arn: each.own[:goes] + each.own[goes + 1 :] for arn, each in before.roles.items()}
        stay = {arn: each._replace(own=own.get(arn, each.own)) for arn, each in after.roles.items()}
        after = after._replace(roles=stay, shared=before.shared)
    found = diff_json(*steps(before, after))
    had, has = map(sessions, (before, after))

    gains, loses = told(rows(found, "gains")), told(rows(found, "loses"))
    moved = told(each for each in found["rows"] if each["change"] == "changes way")

    assert gains | moved >= has - had
    assert loses | moved >= had - has
    assert (gains <= has - had, loses <= had - has, moved <= has ^ had) == (True, True, True)
    # At the other time, such a one has the role by the other way.
    for place, *who in moved:
        other = had if (place, *who) in has else has
        assert [each for each in other if [*each[1:]] == who and each[0].startswith("arn:") != place.startswith("arn:")]
    assert rows(found, "cannotTell") == rows(found, "mayGain") == []
    # What a role may do is told, or that irsa cannot tell.
    may, then_may = ([permissions(world, is_met) for is_met in (True, False)] for world in (before, after))
    undecided = {each["roleArn"] for each in rows(found, "permissionsCannotTell")}
    more = [each for each in rows(found, "permission") if each["change"] == "gains" and not each["policies"]]
    for arn, action, on in (then_may[0] - may[0]) | (then_may[1] - may[1]):
        assert arn in undecided or any(
            each["roleArn"] == arn
            and any(fnmatchcase(action.lower(), one.lower()) for one in each["actions"])
            and any(fnmatchcase(on, one) for one in each["resources"])
            for each in more
        )
    # What it had for certain is no gain.
    exact = {(each["roleArn"], *each["actions"], *each["resources"]) for each in more}
    assert not exact & may[0] & may[1]


# --- one by one ------------------------------------------------------------------------------------------------------

HERE = role(ROLES[0], ())


def of_provider(arn: str) -> dict[str, Any]:
    """Return a trust policy for the tokens of one service account by an OIDC provider of any ARN."""
    return trust("default:app", provider=arn)


def trusting(document: Any) -> dict[str, Any]:
    return with_inputs(HERE, assumeRolePolicy=json.dumps(document))


def test_an_issuer_that_ends_as_another_ones_arn(diff_json: DiffJson) -> None:
    """The attack: `evil.example.com/x:oidc-provider/...` is an issuer, too: a path may have colons."""
    arns = [f"arn:aws:iam::{ONE}:oidc-provider/{each}" for each in (f"{EVIL}/x:oidc-provider/{EKS[0]}", EKS[0])]
    found = diff_json(change(*(trusting(of_provider(arn)) for arn in arns)))

    issuers = [[each["where"] for each in rows(found, side)] for side in ("gains", "loses")]
    assert issuers == [[EKS[0]], [f"{EVIL}/x:oidc-provider/{EKS[0]}"]]


def test_an_aws_account_that_a_trust_policy_made_up(diff_json: DiffJson) -> None:
    """The attack: nothing is there yet, and a statement names a provider elsewhere: EKS then seems to be refused."""
    here = Pods(CLUSTERS[0], "default:app")
    elsewhere = of_provider(f"arn:aws:iam::{OTHER}:oidc-provider/{EVIL}")["Statement"]
    by_account = {**PODS, "Condition": {"StringEquals": {"aws:SourceAccount": ONE}}}
    new = trusting(document(*elsewhere, by_account))
    one = {**association(here, UNKNOWN), "propertyDependencies": {"roleArn": [new["urn"]]}}
    found = diff_json(create(new), create(one))

    told_ones = [*rows(found, "gains"), *rows(found, "mayGain")]
    assert [each["who"] for each in told_ones if each["way"] == "podIdentity"]


COMPONENT = f"{ONE}-app"


def attachment(name: str, **inputs: Any) -> dict[str, Any]:
    """Return the attachment of a policy, one of the component of the role app."""
    depends = {key: [value] for key, value in inputs.pop("depends", {}).items()}
    more: dict[str, Any] = {"provider": provider(ONE), "propertyDependencies": depends}
    return resource(ATTACHMENT, name, inputs, COMPONENT, **more)


def gained(found: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [(e["roleArn"] or e["role"], *e["policies"], *e["actions"]) for e in rows(found, "permission")]


OWN = f"arn:aws:iam::{ONE}:policy/own"
OF_S3 = json.dumps(document(statement("s3:*")))
OWN_POLICY = resource(POLICY, "own", {"policy": OF_S3}, COMPONENT, outputs={"arn": OWN})
STAYS = [change(HERE, HERE), change(OWN_POLICY, OWN_POLICY)]


def test_a_role_without_a_name_yet_is_the_one_that_the_engine_knows(diff_json: DiffJson) -> None:
    """The attack: a role outside of a component, whose name is not known, gets everything, and nothing is said."""
    new = {**role(ROLES[0], ()), "parent": ""}
    del new["inputs"]["name"]
    attached = {**attachment("new", role=UNKNOWN, policyArn=ADMINISTRATOR, depends={"role": new["urn"]}), "parent": ""}
    unseen = {**attachment("other", role=UNKNOWN, policyArn=ADMINISTRATOR), "parent": ""}
    found = diff_json(*map(create, (new, attached, unseen)))

    assert gained(found) == [(f"{ONE}/role/app", ADMINISTRATOR), ("other", ADMINISTRATOR)]
    # Nobody knows what else that one's role has.
    assert [each["role"] for each in rows(found, "permissionsCannotTell")] == [f"{ONE}/role/app", "other"]


def test_a_policy_is_of_the_role_that_it_names(diff_json: DiffJson) -> None:
    """The attack: it is a child of a component whose own role has that policy already."""
    has = attachment("has", role="app", policyArn=ADMINISTRATOR)
    admin = role(ROLES[0], (), "admin")
    other = attachment("other", role="admin", policyArn=ADMINISTRATOR)
    found = diff_json(*STAYS, change(admin, admin), change(has, has), create(other))

    assert gained(found) == [(admin["outputs"]["arn"], ADMINISTRATOR)]


def test_a_policy_is_that_of_its_arn(diff_json: DiffJson) -> None:
    """The attack: the ARN of AdministratorAccess, computed from an output of a policy that the role has already."""
    own = attachment("own", role="app", policyArn=OWN)
    other = attachment("other", role="app", policyArn=ADMINISTRATOR, depends={"policyArn": OWN_POLICY["urn"]})
    found = diff_json(*STAYS, change(own, own), create(other))

    assert gained(found) == [(ROLES[0], ADMINISTRATOR)]


def test_a_policy_that_was_not_attached_yet(diff_json: DiffJson) -> None:
    """The attack: an earlier `pulumi up` failed between policy and attachment, and now the role gains nothing."""
    own = attachment("own", role="app", policyArn=OWN, depends={"policyArn": OWN_POLICY["urn"]})

    assert gained(diff_json(*STAYS, create(own))) == [(ROLES[0], "s3:*")]
    lost = diff_json(*STAYS, step("delete", own))
    assert [(each["change"], each["actions"]) for each in rows(lost, "permission")] == [("loses", ["s3:*"])]


def test_an_association_is_of_the_role_of_its_arn(diff_json: DiffJson) -> None:
    """The attack: the ARN of an administrator's role, computed from an output of a role that refuses EKS."""
    arn = f"arn:aws:iam::{ONE}:role/admin"
    one = {**association(APP, arn), "propertyDependencies": {"roleArn": [HERE["urn"]]}}
    found = diff_json(change(HERE, HERE), create(one))

    assert [each["roleArn"] for each in rows(found, "mayGain")] == [arn]


def test_associations_of_which_the_cluster_is_not_known(diff_json: DiffJson) -> None:
    """The attack: the region is that of a provider, which no preview has: the name of both clusters is the same."""
    arn = f"arn:aws:iam::{ONE}:role/admin"
    ones = [association(Pods(cluster, "default:app"), arn, region="") for cluster in CLUSTERS[:2]]
    found = diff_json(*map(create, ones))

    assert [each["where"] for each in rows(found, "mayGain")] == ["prod", "prod"]


def test_a_logical_name_is_no_role_in_iam(diff_json: DiffJson) -> None:
    """The attack: a new role whose name IAM chooses is called as the administrator that may be assumed now."""
    arn = f"arn:aws:iam::{ONE}:role/admin"
    holder = trusting(of_provider(f"arn:aws:iam::{ONE}:oidc-provider/{EKS[0]}"))
    inputs = {"name": "x", "role": "app", "policy": json.dumps(document(statement("sts:AssumeRole", arn)))}
    new = resource(ROLE, "admin", {**HERE["inputs"]}, "admin", provider=provider(ONE))
    del new["inputs"]["name"]
    own = resource(INLINE, "x", inputs, COMPONENT, provider=provider(ONE))
    found = diff_json(change(holder, holder), create(new), create(own))

    assert [(each["actions"], each["resources"]) for each in rows(found, "permission")] == [(["sts:AssumeRole"], [arn])]
