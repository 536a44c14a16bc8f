"""Each kind of finding: what it finds, and what it leaves alone; tests/sandbox/test_adopt.py has the usual ones."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irsa_cli.inventory.output import Finding
from irsa_world.model import AwsAccount
from tests.unit.irsa_cli.inventory.estates import (
    CLUSTER_ARN,
    EC2_TRUST,
    ISSUER,
    NOW,
    NUMBER,
    PROVIDER,
    ROLE_ARN,
    association,
    both_trust,
    chained_trust,
    discovery,
    of_kind,
    page_trust,
    pods_trust,
    role,
    role_arn,
    service_account,
    taken,
    trust,
)

SUB, AUD = f"{ISSUER}:sub", f"{ISSUER}:aud"
PREFIX = "system:serviceaccount:"
GONE = "oidc.eks.us-west-2.amazonaws.com/id/GONE"
GONE_PROVIDER = f"arn:aws:iam::{NUMBER}:oidc-provider/{GONE}"
GITHUB = f"arn:aws:iam::{NUMBER}:oidc-provider/token.actions.githubusercontent.com"
STS = ("sts.amazonaws.com",)
OTHER = "444455556666"
BY_ID = {"StringEquals": {"sts:ExternalId": "x"}}
TEAM = {"StringEquals": {"aws:PrincipalTag/team": "a"}}
BOTH_ACTIONS = ("sts:AssumeRole", "sts:TagSession")
ADDON = "arn:aws:eks:us-west-2:1:addon/prod/vpc-cni/1"


def equal(subject: str, **more: str) -> dict[str, Any]:
    return {"StringEquals": {SUB: f"{PREFIX}{subject}", AUD: "sts.amazonaws.com", **more}}


def like(*subjects: str) -> dict[str, Any]:
    return {"StringLike": {SUB: [f"{PREFIX}{each}" for each in subjects]}, "StringEquals": {AUD: "sts.amazonaws.com"}}


def denying(*conditions: Any) -> dict[str, Any]:
    """Return a trust policy whose last statement denies."""
    document = trust(*conditions)
    document["Statement"][-1]["Effect"] = "Deny"
    return document


def about(each: Finding) -> str:
    """Return what a finding is about: the service account, and the name of the role, or else the provider."""
    return " ".join(filter(None, (each.service_account, each.role.rpartition(":role/")[2]))) or each.provider


EVERYBODY = "all service accounts of the cluster"
OFFICE = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
SELF_MANAGED = "oidc.example.com/prod"
OLD, RECENT, LIMIT = (NOW - timedelta(days=days) for days in (200, 10, 89))


@pytest.mark.parametrize(
    ("kind", "accounts", "roles", "more", "expected"),
    [
        (
            "missing-role",
            [
                service_account("a", "path", "app"),
                service_account("a", "name", **{ROLE_ARN: f"{role_arn('there')} "}),
                service_account("a", "none"),
            ],
            [role("team/app", page_trust("a:path")), role("there", page_trust("a:there"))],
            {},
            {"a/path app", "a/name there "},
        ),
        (
            "not-admitted",
            [service_account("a", name, name) for name in ("ec2", "denied", "office")],
            [
                role("ec2", EC2_TRUST),
                role("denied", denying(equal("a:denied"), equal("a:denied"))),
                # What cannot be decided is no finding, and is said.
                role("office", trust({**equal("a:office"), **OFFICE})),
            ],
            {},
            {"a/ec2 ec2", "a/denied denied"},
        ),
        (
            "not-annotated",
            [
                service_account("a", "named"),
                service_account("a", "other", "elsewhere"),
                *(service_account("b", each) for each in ("app", "web")),
            ],
            [
                role("exact", trust(equal("a:named"), equal("a:other"))),
                role("pattern", trust(like("b:*"))),
                role("elsewhere", page_trust("a:other")),
            ],
            {},
            {"a/named exact", "a/other exact", "pattern"},
        ),
        (
            "missing-provider",
            [],
            [
                role("far", page_trust("a:b", provider=f"arn:aws:iam::999999999999:oidc-provider/{ISSUER}")),
                # A cluster outside of EKS is known by its subjects.
                role("own", page_trust("a:b", SELF_MANAGED, f"arn:aws:iam::{NUMBER}:oidc-provider/{SELF_MANAGED}")),
                role("github", trust({"StringEquals": {"x:sub": "repo:x"}}, provider=GITHUB)),
                role("saml", trust({}, provider=f"arn:aws:iam::{NUMBER}:saml-provider/x")),
            ],
            {},
            {"far", "own"},
        ),
        (
            "missing-service-account",
            [service_account("a", "there")],
            [
                role(
                    "app",
                    trust(
                        *(equal("a:there"), equal("a:gone"), like("a:like-gone", "b:*")),
                        {"StringNotEquals": {SUB: f"{PREFIX}a:not-meant"}},
                        {"StringEqualsIgnoreCase": {SUB: f"{PREFIX}A:There"}},
                        {"StringEquals": {SUB: ["a:no-prefix", f"{PREFIX}a:*"], AUD: "sts.amazonaws.com"}},
                    ),
                )
            ],
            {"associations": [association("a", "lost", "app")]},
            {"app", "a/gone app", "a/like-gone app", "a/lost app"},
        ),
        (
            "several-namespaces",
            [service_account("a", "x"), service_account("b", "x")],
            # That a role is for the whole cluster is said by wide-trust.
            [role("two", trust(like("a:*"), equal("b:x"))), role("all", trust(like("*:*")))],
            {},
            {"two"},
        ),
        (
            "no-audience",
            [service_account("a", "b")],
            [
                role("any", trust({"StringEquals": {SUB: f"{PREFIX}a:b"}, "StringLike": {AUD: "*"}})),
                role("second", trust(equal("a:b"), {"StringEquals": {SUB: f"{PREFIX}a:b"}})),
                role("not", trust({"StringNotEquals": {AUD: "x"}})),
                role("right", trust({"ForAnyValue:StringEquals": {AUD.upper(): "sts.amazonaws.com"}})),
                role("github", trust({}, provider=GITHUB)),
                role("tags", {"Statement": [{**page_trust("a:b")["Statement"][0], "Action": "sts:TagSession"}]}),
            ],
            {},
            {"any", "second", "not"},
        ),
        (
            # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
            "literal-wildcard",
            [],
            [
                role("not", trust({"StringNotEqualsIfExists": {SUB: f"{PREFIX}a:?"}})),
                role("variable", trust({"StringEquals": {SUB: f"{PREFIX}a:${{*}}"}})),
            ],
            {},
            {"not"},
        ),
        (
            "unused",
            [service_account("a", "b")],
            [
                role("never", page_trust("a:b"), last_used=None, created=OLD),
                role("long-ago", page_trust("a:b"), last_used=OLD, created=OLD),
                role("at-the-limit", page_trust("a:b"), last_used=LIMIT, created=OLD),
                role("new", page_trust("a:b"), last_used=None, created=RECENT),
                role("unknown", page_trust("a:b"), last_used=None, created=OLD, has_details=False),
                role("ec2", {"Statement": []}, last_used=None, created=OLD),
                role("pods", pods_trust("a:b"), last_used=None),
            ],
            {},
            {"never", "long-ago", "pods"},
        ),
        (
            "duplicate-provider",
            [],
            [],
            {"client_ids": dict.fromkeys((PROVIDER, f"{PROVIDER}/", GITHUB, GONE_PROVIDER), STS)},
            {f"{PROVIDER}/"},
        ),
        (
            "association-missing-role",
            [service_account("a", name) for name in ("gone", "target", "elsewhere")],
            [role("there", pods_trust("a:there")), role("first", pods_trust("a:target"))],
            {
                "associations": [
                    association("a", "gone", "There"),
                    association("a", "target", "first", target_role_arn=role_arn("gone")),
                    association("a", "elsewhere", "there", target_role_arn=role_arn("gone", OTHER)),
                ]
            },
            {"a/gone There", "a/target gone"},
        ),
        (
            # New Pods ask for the role of the association: https://github.com/aws/amazon-eks-pod-identity-webhook/pull/189
            "association-wins",
            [service_account("a", name, "old") for name in ("differs", "target", "same", "alone")],
            [role("old", pods_trust()), role("new", pods_trust("a:differs")), role("first", pods_trust("a:target"))],
            {
                "associations": [
                    association("a", "differs", "new", owner_arn=ADDON),
                    association("a", "target", "first", target_role_arn=role_arn("old")),
                    association("a", "same", "old"),
                ]
            },
            {"a/differs new"},
        ),
    ],
)
def test_what_is_found(kind: str, accounts: Any, roles: Any, more: Any, expected: set[str]) -> None:
    found = of_kind(kind, discovery(accounts, roles, **more))

    assert {about(each) for each in found} == expected
    assert len(found) == len(expected)


PODS = pods_trust()["Statement"][0]


LISTED = st.none() | st.sets(st.sampled_from([ISSUER, GONE])).map(
    lambda found: {f"https://{each}": "x" for each in found}
)
LISTS = st.fixed_dictionaries({}, optional=dict.fromkeys(["us-west-2", "eu-central-1"], LISTED))


@given(st.lists(LISTS, min_size=1, max_size=3))
def test_only_lists_that_were_all_read_say_that_a_cluster_is_gone(lists: list[Any]) -> None:
    roles = [role("app", page_trust("a:b")), role("old", page_trust("a:b", GONE, GONE_PROVIDER))]
    estate = discovery(roles=roles, client_ids={PROVIDER: STS, GONE_PROVIDER: STS}, eks_clusters=lists[0])
    others = [AwsAccount(str(number), (), {}, each) for number, each in enumerate(lists[1:])]
    of_region = [each["us-west-2"] for each in lists if "us-west-2" in each]
    is_listed = any(f"https://{GONE}" in (found or ()) for each in lists for found in each.values())
    is_gone = bool(of_region) and None not in of_region and not is_listed

    found = of_kind("orphaned-issuer", replace(estate, aws_accounts=(*estate.aws_accounts, *others)))
    assert [about(each) for each in found] == ["old"] * is_gone


@pytest.mark.parametrize(
    ("document", "whom"),
    [
        (trust(like("a:?*")), "all service accounts of a"),
        (trust(like("*:*")), EVERYBODY),
        (trust({"StringLike": {SUB: "system:*"}}), EVERYBODY),
        (trust({"StringNotEquals": {SUB: f"{PREFIX}a:b"}}), f"? {EVERYBODY}"),
        (denying(like("*:*"), like("kube-system:*", "a:b")), f"{EVERYBODY}, but not a:b, kube-system:*"),
        (
            trust({**like("team:*"), "StringEquals": {"aws:SourceVpc": "vpc-1"}}, equal("team:app")),
            "? all service accounts of team",
        ),
        # Without a condition: AWS's documentation does not say what "*" means under Federated.
        (json.loads(json.dumps(trust({})).replace(PROVIDER, "*")), f"? {EVERYBODY}"),
        # The attack: every service account of atk-ns, and no pattern alone is as wide as a namespace.
        (
            trust({**like("*atk*:*"), "ForAnyValue:StringLike": {SUB: f"{PREFIX}*-ns:*"}}),
            "? all service accounts of several namespaces",
        ),
        (trust({**like("team-b:*"), "StringLikeIfExists": {SUB: "*:??*"}}), "all service accounts of team-b"),
        # The attack: an Allow for everybody, and a Deny unless it is a namespace, of which no Allow has a pattern.
        (denying({"StringEquals": {AUD: STS[0]}}, {"StringNotLike": {SUB: f"{PREFIX}atk-ns:*"}}), f"? {EVERYBODY}"),
        (denying(like("a:*"), like("a:*")), None),
        (trust({**like("a:*"), "StringLikeIfExists": {SUB: "*:app*"}}), None),
        (trust(like("a:b-*")), None),
        # Whoever may create a namespace may have a b in it.
        (trust(like("*:b")), "service accounts of several namespaces"),
        (trust({"StringLike": {SUB: f"{PREFIX}*"}, "StringEquals": {AUD: "not-a-client-id"}}), None),
        (trust({**like("a:*"), "StringEquals": {SUB: f"{PREFIX}a:b"}}), None),
    ],
)
def test_wide_trust(document: Any, whom: str | None) -> None:
    found = of_kind("wide-trust", discovery([service_account("a", "b")], [role("app", document)]))

    words = [each.found.replace("irsa cannot tell whether ", "? ") for each in found]
    said = [each.replace("it trusts ", "").partition(", also") for each in words]
    assert [f"{before}{more.partition(' later')[2]}" for before, _, more in said] == ([whom] if whom else [])


@pytest.mark.parametrize(
    ("condition", "wide"),
    [
        ({}, True),
        # The role is in the cluster's AWS account anyway.
        ({"StringEquals": {"aws:SourceAccount": NUMBER}}, True),
        ({"StringEquals": {"aws:RequestTag/kubernetes-namespace": "a"}}, False),
        ({"ArnLike": {"aws:SourceArn": f"arn:aws:eks:us-west-2:{NUMBER}:cluster/*"}}, False),
        ({"StringLike": {"aws:RequestTag/kubernetes-namespace": "*"}}, True),
        (OFFICE, False),
    ],
)
@pytest.mark.parametrize("actions", [[*BOTH_ACTIONS], "sts:AssumeRole"])
def test_a_role_for_every_association(condition: Any, wide: bool, actions: Any) -> None:
    document = {"Statement": [{**PODS, "Action": actions, "Condition": condition}]}
    # Without sts:TagSession, only associations without tags are admitted, which have no RequestTag.
    expected = wide and ("StringLike" not in condition or len(actions) == 2)

    assert [about(each) for each in of_kind("wide-trust", discovery(roles=[role("app", document)]))] == [
        "app"
    ] * expected


def test_an_empty_audience_is_not_that_of_sts() -> None:
    """The webhook takes an empty annotation, and Kubernetes then means its own API server.

    https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/
    """
    accounts = [service_account("a", "app", "app", **{"eks.amazonaws.com/audience": ""})]
    (found,) = of_kind("not-admitted", discovery(accounts, [role("app", page_trust("a:app"))]))

    assert ("is empty" in found.found, found.fix.split()[-1]) == (True, "eks.amazonaws.com/audience-")


@pytest.mark.parametrize(
    ("key", "found"),
    [
        # IAM does not tell upper from lower case in keys:
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition.html
        (AUD.upper(), False),
        ("aws:RequestTag/team:sub", False),
        (f"{ISSUER}:amr", False),
        (f"https://{AUD}", True),
        (f"{ISSUER}/:aud", True),
        (f"{GONE}:sub", True),
        ("sub", True),
    ],
)
def test_misspelled_key(key: str, found: bool) -> None:
    document = trust({**equal("a:b"), "StringLike": {key: "x"}})
    answer = of_kind("misspelled-key", discovery(roles=[role("app", document)]))

    assert [(about(each), key in each.found, each.expected in (SUB, AUD)) for each in answer] == [
        ("app", True, True)
    ] * found


@pytest.mark.parametrize("principal", [{"Federated": [PROVIDER, GONE_PROVIDER]}, "*"])
def test_a_key_of_another_provider_of_the_statement_is_not_misspelled(principal: Any) -> None:
    document = trust({**equal("a:b"), "StringLike": {f"{GONE}:sub": "x"}})
    document["Statement"][0]["Principal"] = principal
    found = discovery(roles=[role("app", document)], client_ids={PROVIDER: STS, GONE_PROVIDER: STS})

    assert of_kind("misspelled-key", found) == []


@pytest.mark.parametrize(
    ("used", "days", "known", "words"),
    [
        (None, 399, True, "no use reported yet"),
        (None, 400, True, "not in 400 days"),
        (NOW - timedelta(days=1), 4000, True, "2026-11-25"),
        (None, 0, False, "not known"),
    ],
)
def test_when_a_role_was_last_used(used: Any, days: int, known: bool, words: str) -> None:
    """IAM reports 400 days: https://docs.aws.amazon.com/IAM/latest/APIReference/API_RoleLastUsed.html."""
    more = {"last_used": used, "created": NOW - timedelta(days=days), "has_details": known}
    found = taken(discovery(roles=[role("app", page_trust("a:b"), **more)]))

    assert [*found.roles.values()] == [words]


def test_misspelled_annotation() -> None:
    keys = {
        "eks.amazonaws.com/role-arm": role_arn("app"),
        "eks.amazon.com/role-arn": "no role",
        "eks.amazonaws.com/skip-containers": "x",
        "eks.amazonaws.com/token-expiraton": "86400",
        "eks.amazonaws.com/sts-regional-endpoints": "true",
        "example.com/role-arn": "x",
        "pulumi.com/autonamed": "true",
    }
    found = of_kind(
        "misspelled-annotation", discovery([service_account("a", "b", **keys)], [role("app", page_trust("a:b"))])
    )

    assert {each.found.partition(":")[0] for each in found} == {
        "eks.amazon.com/role-arn",
        "eks.amazonaws.com/role-arm",
        "eks.amazonaws.com/skip-containers",
        "eks.amazonaws.com/token-expiraton",
    }


# --- Associations of EKS Pod Identity --------------------------------------------------------------------------------


def test_an_association_as_the_page_has_it_is_no_finding() -> None:
    """Stages of a migration: https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html."""
    names = ("new", "both", "trusted")
    accounts = [service_account("a", name, name if name == "both" else "") for name in names]
    roles = [role("new", pods_trust("a:new")), *(role(name, both_trust(f"a:{name}")) for name in names[1:])]
    associations = [association("a", name, name) for name in names]
    found = discovery(accounts, roles, associations=associations)
    unread = replace(found, aws_accounts=(replace(found.aws_accounts[0], associations={CLUSTER_ARN: None}),))

    assert (taken(found).findings, taken(found).not_checked) == ([], [])
    assert taken(unread).associations == {"prod": {}}


@pytest.mark.parametrize(
    ("trusted", "more", "target", "decision"),
    [
        (pods_trust("a:another"), {}, None, "denied"),
        (pods_trust("a:app", ["sts:AssumeRole"]), {}, None, "denied"),
        (pods_trust("a:app"), {"session_tags": False}, None, "denied"),
        ({"Statement": [{**PODS, "Condition": OFFICE}]}, {}, None, "cannot tell"),
        # Session tags are transitive: without sts:TagSession the second step is refused.
        (pods_trust("a:app"), {}, chained_trust("app", *BOTH_ACTIONS), "allowed"),
        (pods_trust("a:app"), {}, chained_trust("app", "sts:AssumeRole"), "denied"),
        (pods_trust(), {"session_tags": False}, chained_trust("app", "sts:AssumeRole"), "allowed"),
        (pods_trust("a:app"), {}, chained_trust("other", *BOTH_ACTIONS), "denied"),
        (pods_trust("a:app"), {}, chained_trust("app", *BOTH_ACTIONS, **TEAM), "cannot tell"),
        (pods_trust("a:app"), {"external_id": "x"}, chained_trust("app", *BOTH_ACTIONS, **BY_ID), "allowed"),
        (pods_trust("a:app"), {"external_id": "y"}, chained_trust("app", *BOTH_ACTIONS, **BY_ID), "denied"),
    ],
)  # fmt: skip
def test_an_association_needs_its_role_and_its_target_role(trusted: Any, more: Any, target: Any, decision: str) -> None:
    """https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html"""
    roles = [role("app", trusted), *([role("target", target)] if target else [])]
    more = {**more, "target_role_arn": role_arn("target")} if target else more
    found = taken(
        discovery([service_account("a", "app")], roles, associations=[association("a", "app", "app", **more)])
    )
    name = "target" if target else "app"

    refused = [about(each) for each in found.findings if each.kind == "association-not-admitted"]
    assert refused == [f"a/app {name}"] * (decision == "denied")
    # The Pods get the credentials of the target role alone.
    admitted = [(role_arn(name), decision)] * (decision != "denied")
    assert [(each.role, str(each.decision)) for each in found.admissions] == admitted
    assert len(found.not_checked) == (decision == "cannot tell")


ADMINISTRATOR = ("arn:aws:iam::aws:policy/AdministratorAccess",)


@pytest.mark.parametrize(
    ("policies", "decision"),
    [
        ({"inline_policies": {"p": {"Effect": "Allow", "Action": "sts:AssumeRole"}}}, "denied"),
        ({"inline_policies": {"p": {"Effect": "Allow", "Action": [*BOTH_ACTIONS]}}}, "allowed"),
        ({"attached_policies": ADMINISTRATOR, "has_details": False}, "cannot tell"),
    ],
)
def test_a_target_role_of_another_aws_account_needs_the_policies_of_the_first(policies: Any, decision: str) -> None:
    target = replace(role("target", chained_trust("app", *BOTH_ACTIONS)), arn=role_arn("target", OTHER))
    inline = {
        name: {"Statement": [{**each, "Resource": target.arn}]}
        for name, each in policies.get("inline_policies", {}).items()
    }
    found = discovery(
        [service_account("a", "app")],
        [role("app", pods_trust("a:app"), **{**policies, "inline_policies": inline})],
        associations=[association("a", "app", "app", target_role_arn=target.arn)],
    )
    both = replace(found, aws_accounts=(*found.aws_accounts, AwsAccount(OTHER, (target,), {})))

    assert [str(each.decision) for each in taken(both).admissions] == [decision] * (decision != "denied")
    assert [about(each) for each in of_kind("unseen-account", found)] == ["a/app target"]


def test_what_is_wrong_with_an_annotation_says_that_an_association_wins() -> None:
    accounts = [service_account("a", "app", "app"), service_account("a", "gone", "gone")]
    roles = [role("app", pods_trust("a:app")), role("new", pods_trust("a:gone"))]
    found = discovery(accounts, roles, associations=[association("a", "app", "app"), association("a", "gone", "new")])

    for kind, name in (("not-admitted", "app"), ("missing-role", "new")):
        (finding,) = of_kind(kind, found)
        assert f"new Pods get {role_arn(name)} by an association" in finding.found


# --- Who is admitted, and what cannot be read ------------------------------------------------------------------------


def test_a_deny_that_cannot_be_decided_has_its_own_number() -> None:
    late = {"DateLessThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}}
    document = trust(equal("team-b:x"), equal("team-a:x"), late)
    document["Statement"][2]["Effect"] = "Deny"
    accounts = [service_account(namespace, "x") for namespace in ("team-a", "team-b")]
    admissions = taken(discovery(accounts, [role("app", document)])).admissions
    (found,) = (each for each in admissions if each.service_accounts == ("team-a/x",))

    assert str(found.decision) == "cannot tell"
    assert [found.reason.count(each) for each in ("statement 2: ", "; statement 3: ", "it may deny it")] == [1, 1, 1]


def test_a_trust_policy_that_cannot_be_read_is_said() -> None:
    found = taken(discovery(roles=[role("a", {"Statement": [{}]})]))

    assert [each.partition(":")[0] for each in found.not_checked] == ["trust policy of arn"]


def test_a_reason_is_of_whom_it_names() -> None:
    accounts = [service_account("team-a", name) for name in "xy"]
    document = trust({"ArnLike": {SUB: "arn:aws:iam::*:role/a"}})
    found = taken(discovery(accounts, [role("app", document)])).admissions

    assert [each.service_accounts[0].replace("/", ":") in each.reason for each in found] == [True, True]
