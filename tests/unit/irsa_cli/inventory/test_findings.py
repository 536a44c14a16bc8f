"""Each kind of finding: what it finds, and what it leaves alone."""

import shlex
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from irsa_cli.inventory.findings import KINDS
from irsa_cli.inventory.work import exit_code
from irsa_world.exits import FINDINGS
from irsa_world.model import AwsAccount, Cluster, ServiceAccount
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
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def equal(subject: str, **more: str) -> dict[str, Any]:
    return {"StringEquals": {SUB: f"{PREFIX}{subject}", AUD: "sts.amazonaws.com", **more}}


def like(*subjects: str) -> dict[str, Any]:
    return {"StringLike": {SUB: [f"{PREFIX}{each}" for each in subjects]}, "StringEquals": {AUD: "sts.amazonaws.com"}}


def test_every_kind_has_a_test_here() -> None:
    text = Path(__file__).read_text()

    assert [kind for kind in KINDS if f'"{kind}"' not in text] == []


def test_missing_role() -> None:
    roles = [role("team/app", page_trust("a:path")), role("there", page_trust("a:there"))]
    accounts = [
        service_account("a", "gone", "gone"),
        service_account("a", "path", "app"),
        service_account("a", "name", **{ROLE_ARN: "there"}),
        service_account("a", "space", **{ROLE_ARN: f"{role_arn('there')} "}),
        service_account("a", "there", "there"),
        service_account("a", "none"),
    ]
    found = {each.service_account: each for each in of_kind("missing-role", discovery(accounts, roles))}

    assert found.keys() == {"a/gone", "a/path", "a/name", "a/space"}
    assert f"{ROLE_ARN}={role_arn('team/app')}" in shlex.split(found["a/path"].fix)
    assert "not an ARN" in found["a/name"].found
    assert found["a/space"].role == f"{role_arn('there')} "


@pytest.mark.parametrize(
    ("named_in_trust", "exists", "joined"),
    [
        ("a:tpyo", "a/typo", True),
        ("other:typo", "a/typo", True),
        ("kube-sytem:certbot", "kube-system/cert-bot", True),
        ("A:Typo", "a/typo", True),
        ("a:elsewhere", "a/typo", False),
        ("team-a:reader", "team-b/writer", False),
    ],
)
def test_misspelled_subject(named_in_trust: str, exists: str, joined: bool) -> None:
    roles = [role("typo", page_trust(named_in_trust))]
    namespace, name = exists.split("/")
    inventory = taken(discovery([service_account(namespace, name, "typo")], roles))

    kinds = ["misspelled-subject"] if joined else ["missing-service-account", "not-admitted"]
    assert [each.kind for each in inventory.findings] == kinds
    if joined:
        right, wrong = f"{PREFIX}{exists.replace('/', ':')}", f"{PREFIX}{named_in_trust}"
        assert f"{right} in place of {wrong}" in inventory.findings[0].expected
    # A gate for either kind stays closed.
    for kind in ("not-admitted", "missing-service-account"):
        assert exit_code(inventory, [kind]) == FINDINGS


def test_what_would_be_refused_under_the_right_name_too_is_no_typo() -> None:
    document = trust({"StringEquals": {SUB: f"{PREFIX}a:tpyo", AUD: "vault"}})
    found = taken(discovery([service_account("a", "typo", "app")], [role("app", document)])).findings

    assert [each.kind for each in found] == ["missing-service-account", "not-admitted"]


def test_unseen_account() -> None:
    accounts = [
        service_account("a", "far", **{ROLE_ARN: role_arn("x", "999999999999")}),
        service_account("a", "b", "x"),
    ]
    found = discovery(accounts, [role("x", page_trust("a:b"))])

    assert [each.service_account for each in of_kind("unseen-account", found)] == ["a/far"]
    assert of_kind("missing-role", found) == []
    assert "999999999999" in of_kind("unseen-account", found)[0].found


def test_not_admitted() -> None:
    roles = [
        role("right", page_trust("a:right")),
        role("typo", page_trust("a:other")),
        role("audience", page_trust("a:audience")),
        role("ec2", EC2_TRUST),
        role("denied", {**page_trust("a:denied")}),
        role("network", trust({**equal("a:network"), "IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})),
    ]
    denied: Any = roles[4].trust["Statement"]
    denied.append({**denied[0], "Sid": "No", "Effect": "Deny"})
    accounts = [service_account("a", each.name, each.name) for each in roles]
    accounts[2] = service_account("a", "audience", "audience", **{"eks.amazonaws.com/audience": "vault"})
    inventory = taken(discovery(accounts, roles))
    found = {each.service_account: each for each in inventory.findings if each.kind == "not-admitted"}

    assert found.keys() == {"a/typo", "a/audience", "a/ec2", "a/denied"}
    assert f"exactly {PREFIX}a:other" in found["a/typo"].found
    assert found["a/typo"].fix == ""
    assert shlex.split(found["a/audience"].fix)[-1] == "eks.amazonaws.com/audience-"
    assert found["a/denied"].found.startswith("statement 2 (No) denies it")
    # What cannot be decided is no finding, and is said.
    assert [role_arn("network") in each for each in inventory.not_checked] == [True]


@pytest.mark.parametrize("audience", ["file:///etc/passwd", "fileb://x", "http://169.254.169.254/", "https://vault.io"])
@pytest.mark.parametrize("providers", [{}, {PROVIDER: STS}])
def test_an_audience_is_not_read_from_a_file(audience: str, providers: Any) -> None:
    """Protects files of who pastes: a namespace's user writes the annotation, and the AWS CLI reads --client-id file://.

    https://docs.aws.amazon.com/cli/latest/userguide/cli-usage-parameters-file.html
    """
    account = service_account("a", "b", "app", **{"eks.amazonaws.com/audience": audience})
    document = trust({"StringEquals": {SUB: f"{PREFIX}a:b", AUD: audience}})
    (found,) = of_kind("not-admitted", discovery([account], [role("app", document)], providers))

    assert found.fix == ""


def test_a_command_of_kubectl_says_for_which_cluster_it_is() -> None:
    """Protects another cluster: without --context, kubectl writes to the one that is chosen. The AWS CLI has none."""
    accounts = [service_account("a", "bare"), service_account("a", "vault", "vault")]
    found = discovery(
        accounts, [role("bare", page_trust("a:bare")), role("vault", page_trust("a:vault"))], {PROVIDER: ()}
    )
    both = replace(found, aws_accounts=(replace(found.aws_accounts[0], client_ids={PROVIDER: STS}),))
    for each, kind, said in ((both, "not-annotated", True), (found, "not-admitted", False)):
        (finding,) = of_kind(kind, replace(each, clusters=(replace(each.clusters[0], context=None),)))
        assert finding.fix.startswith("kubectl" if said else "aws")
        assert ("the command is for cluster prod" in finding.expected) is said


def test_not_annotated() -> None:
    accounts = [
        service_account("a", "named"),
        service_account("a", "right", "exact"),
        service_account("a", "other", "elsewhere"),
        *(service_account("b", f"app-{number}") for number in range(3)),
        service_account("b", "annotated", "pattern"),
    ]
    roles = [
        role("exact", trust(equal("a:named"), equal("a:right"), equal("a:other"))),
        role("pattern", trust(like("b:*"))),
        role("elsewhere", page_trust("a:other")),
    ]
    found = {(each.role, each.service_account): each for each in of_kind("not-annotated", discovery(accounts, roles))}

    exact, pattern = role_arn("exact"), role_arn("pattern")
    assert found.keys() == {(exact, "a/named"), (exact, "a/other"), (pattern, "")}
    assert f"{ROLE_ARN}={exact}" in shlex.split(found[exact, "a/named"].fix)
    assert found[exact, "a/other"].fix == ""
    assert role_arn("elsewhere") in found[exact, "a/other"].found
    assert found[pattern, ""].found.startswith("3 trusted")


def test_missing_provider() -> None:
    far = f"arn:aws:iam::999999999999:oidc-provider/{ISSUER}"
    roles = [
        role("gone", page_trust("a:b", GONE, GONE_PROVIDER)),
        role("far", page_trust("a:b", provider=far)),
        role("right", page_trust("a:b")),
        role("github", trust({"StringEquals": {"token.actions.githubusercontent.com:sub": "repo:x"}}, provider=GITHUB)),
        role("saml", trust({}, provider=f"arn:aws:iam::{NUMBER}:saml-provider/x")),
    ]
    found = {each.role: each for each in of_kind("missing-provider", discovery(roles=roles))}

    assert found.keys() == {role_arn("gone"), role_arn("far")}
    assert "is of AWS account 999999999999" in found[role_arn("far")].found
    assert [each.fix for each in found.values()] == ["", ""]


def test_missing_provider_of_a_cluster_that_is_there() -> None:
    document = trust({"StringEquals": {SUB: f"{PREFIX}a:b", AUD: "vault"}})
    (found,) = of_kind("missing-provider", discovery(roles=[role("app", document)], client_ids={}))

    assert shlex.split(found.fix)[-1] == "vault"


def test_a_self_managed_cluster_is_known_by_its_subjects() -> None:
    issuer = "oidc.example.com/prod"
    provider = f"arn:aws:iam::{NUMBER}:oidc-provider/{issuer}"
    found = discovery(roles=[role("app", page_trust("a:b", issuer, provider))])

    assert [each.provider for each in of_kind("missing-provider", found)] == [provider]


@pytest.mark.parametrize(
    ("eks_issuers", "found"),
    [
        ({"us-west-2": frozenset({f"https://{ISSUER}"})}, True),
        ({"us-west-2": frozenset({f"https://{ISSUER}", f"https://{GONE}"})}, False),
        ({"us-west-2": None}, False),
        ({}, False),
    ],
)
def test_orphaned_issuer(eks_issuers: Any, found: bool) -> None:
    client_ids = {PROVIDER: STS, GONE_PROVIDER: STS}
    roles = [role("app", page_trust("a:b")), role("old", page_trust("a:b", GONE, GONE_PROVIDER))]
    answer = of_kind("orphaned-issuer", discovery(roles=roles, client_ids=client_ids, eks_issuers=eks_issuers))

    assert [each.role for each in answer] == [role_arn("old")] * found


def test_an_issuer_of_another_account_that_was_read_is_no_orphan() -> None:
    roles = [role("old", page_trust("a:b", GONE, GONE_PROVIDER))]
    found = discovery(
        roles=roles, client_ids={GONE_PROVIDER: STS}, eks_issuers={"us-west-2": frozenset({f"https://{ISSUER}"})}
    )
    other = AwsAccount("444455556666", (), {}, {"us-west-2": frozenset({f"https://{GONE}"})})

    assert of_kind("orphaned-issuer", replace(found, aws_accounts=(*found.aws_accounts, other))) == []


def test_missing_service_account() -> None:
    document = trust(
        equal("a:there"),
        equal("a:gone"),
        like("a:like-gone", "b:*"),
        {"StringNotEquals": {SUB: f"{PREFIX}a:not-meant"}},
        {"StringEqualsIgnoreCase": {SUB: f"{PREFIX}A:There"}},
        {"StringEquals": {SUB: ["a:no-prefix", f"{PREFIX}a:*"], AUD: "sts.amazonaws.com"}},
    )
    found = of_kind("missing-service-account", discovery([service_account("a", "there")], [role("app", document)]))

    assert [(each.service_account, each.found.partition(" names")[0]) for each in found] == [
        ("", "statement 6"),
        ("a/gone", "statement 2"),
        ("a/like-gone", "statement 3"),
    ]
    assert found[0].found.endswith("names a:no-prefix, which is the subject of no service account")


@pytest.mark.parametrize(
    ("document", "whom"),
    [
        (trust(like("a:*")), "a"),
        (trust(like("a:?*")), "a"),
        (trust(like("a:*", "b:*")), "a, b"),
        (trust(like("*:*")), "the cluster"),
        (trust({"StringLike": {SUB: "system:*"}}), "the cluster"),
        (trust({"StringEquals": {AUD: "sts.amazonaws.com"}}), "the cluster"),
        (trust({"StringNotEquals": {SUB: f"{PREFIX}a:b"}}), "the cluster, but not a:b"),
        (trust({**like("team:*"), "StringEquals": {"aws:SourceVpc": "vpc-1"}}, equal("team:app")), "? team"),
        (
            trust(like(*(f"x*:{each}*" for each in LETTERS[:13]), *(f"x?*:{each}*" for each in LETTERS[13:]))),
            'x*, "x?*"',
        ),
        (trust({"StringLike": {SUB: f"{PREFIX}*"}, "IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}), "? the cluster"),
        (trust(like(*(f"{each}*:*" for each in LETTERS))), "the cluster"),
        # The attack: every service account of atk-ns, and no pattern alone is as wide as a namespace.
        (trust({**like("*atk*:*"), "ForAnyValue:StringLike": {SUB: f"{PREFIX}*-ns:*"}}), "*atk*-ns"),
        (trust({**like("team-b:*"), "StringLikeIfExists": {SUB: "*:??*"}}), "team-b"),
        (trust(equal("a:b")), None),
        (trust({**like("a:*"), "StringLikeIfExists": {SUB: "*:app*"}}), None),
        (trust(like("a:b-*")), None),
        (trust(like("*:b")), None),
        (trust({"StringEquals": {SUB: f"{PREFIX}a:*"}}), None),
        (trust({"StringLike": {SUB: f"{PREFIX}*"}, "StringEquals": {AUD: "not-a-client-id"}}), None),
        (trust({**like("a:*"), "StringEquals": {SUB: f"{PREFIX}a:b"}}), None),
    ],
)
def test_wide_trust(document: Any, whom: str | None) -> None:
    found = of_kind("wide-trust", discovery([service_account("a", "b")], [role("app", document)]))

    words = [each.found.replace("under a condition that cannot be decided here, ", "? ") for each in found]
    said = [each.replace("it trusts every service account of ", "").partition(", also") for each in words]
    assert [f"{before}{more.partition(' later')[2]}" for before, _, more in said] == ([whom] if whom else [])


def test_a_namespace_that_is_denied_is_not_wide() -> None:
    document = trust(like("a:*"), like("a:*"))
    document["Statement"][1]["Effect"] = "Deny"

    assert of_kind("wide-trust", discovery([service_account("a", "b")], [role("app", document)])) == []


def test_all_but_a_namespace_is_denied() -> None:
    """The attack: an Allow for everybody, and a Deny unless it is a namespace, of which no Allow has a pattern."""
    document = trust({"StringEquals": {AUD: "sts.amazonaws.com"}}, {"StringNotLike": {SUB: f"{PREFIX}atk-ns:*"}})
    document["Statement"][1]["Effect"] = "Deny"
    (found,) = of_kind("wide-trust", discovery([service_account("a", "b")], [role("app", document)]))

    assert found.found == "it trusts every service account of atk-ns, also those that are created there later"


def test_several_namespaces() -> None:
    accounts = [service_account("a", "x"), service_account("b", "x"), service_account("b", "y")]
    roles = [
        role("two", trust(equal("a:x"), equal("b:x"))),
        role("one", trust(equal("b:x"), equal("b:y"))),
        # That a role is for the whole cluster is said by wide-trust.
        role("all", trust(like("*:*"))),
    ]
    (found,) = of_kind("several-namespaces", discovery(accounts, roles))

    assert found.role == role_arn("two")
    assert found.found == "it trusts service accounts of 2 namespaces: a, b"


def test_an_empty_audience_is_not_that_of_sts() -> None:
    """Protects from a wrong yes: the webhook takes an empty annotation, and Kubernetes then means its own API server.

    https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/
    """
    accounts = [service_account("a", "app", "app", **{"eks.amazonaws.com/audience": ""})]
    (found,) = of_kind("not-admitted", discovery(accounts, [role("app", page_trust("a:app"))]))

    assert "is empty" in found.found
    assert shlex.split(found.fix)[-1] == "eks.amazonaws.com/audience-"


def test_advice_for_a_misspelled_annotation_is_whole() -> None:
    accounts = [service_account("a", "app", **{"eks.amazonaws.com/token-expiraton": "3600"})]
    (found,) = of_kind("misspelled-annotation", discovery(accounts))

    assert "eks.amazonaws.com/token-expiration" in found.expected
    assert "{" not in found.expected


def test_no_audience() -> None:
    sub = {SUB: f"{PREFIX}a:b"}
    roles = [
        role("none", trust({"StringEquals": sub})),
        role("any", trust({"StringEquals": sub, "StringLike": {AUD: "*"}})),
        role("second", trust(equal("a:b"), {"StringEquals": sub})),
        role("not", trust({"StringEquals": sub, "StringNotEquals": {AUD: "x"}})),
        role("right", trust({"StringEquals": sub, "ForAnyValue:StringEquals": {AUD.upper(): "sts.amazonaws.com"}})),
        role("github", trust({}, provider=GITHUB)),
        role("other action", {"Statement": [{**page_trust("a:b")["Statement"][0], "Action": "sts:TagSession"}]}),
    ]
    found = {each.role: each.found for each in of_kind("no-audience", discovery([service_account("a", "b")], roles))}

    assert found.keys() == {role_arn(each) for each in ("none", "any", "second", "not")}
    assert found[role_arn("second")] == "no condition on aud: statement 2"


def test_literal_wildcard() -> None:
    """Protects from a pattern that never matches: StringEquals compares * literally.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
    """
    roles = [
        role("equals", trust(equal("a:*"))),
        role("not", trust({"StringNotEqualsIfExists": {SUB: f"{PREFIX}a:?"}})),
        role("like", trust(like("a:*"))),
        role("variable", trust({"StringEquals": {SUB: f"{PREFIX}a:${{*}}"}})),
    ]
    found = {each.role: each for each in of_kind("literal-wildcard", discovery([service_account("a", "b")], roles))}

    assert found.keys() == {role_arn("equals"), role_arn("not")}
    assert found[role_arn("not")].expected == "StringNotLikeIfExists"


@pytest.mark.parametrize(
    ("key", "found"),
    [
        (AUD, False),
        # IAM does not tell upper from lower case in keys:
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition.html
        (AUD.upper(), False),
        ("aws:RequestTag/team:sub", False),
        (f"{ISSUER}:amr", False),
        (f"https://{AUD}", True),
        (f"{ISSUER}/:aud", True),
        (AUD.replace("EXAMPLE", "EXMAPLE"), True),
        (f"{GONE}:sub", True),
        ("oidc:sub", True),
        ("sub", True),
    ],
)
def test_misspelled_key(key: str, found: bool) -> None:
    document = trust({**equal("a:b"), "StringLike": {key: "x"}})
    answer = of_kind("misspelled-key", discovery(roles=[role("app", document)]))

    assert [(each.role, each.provider, each.cluster) for each in answer] == [
        (role_arn("app"), PROVIDER, "prod")
    ] * found
    for each in answer:
        assert "statement 1" in each.found
        assert key in each.found
        assert each.expected in (SUB, AUD)


def test_a_key_of_another_provider_of_the_statement_is_not_misspelled() -> None:
    document = trust({**equal("a:b"), "StringLike": {f"{GONE}:sub": "x"}})
    statement = document["Statement"][0]
    client_ids = {PROVIDER: STS, GONE_PROVIDER: STS}

    for principal in ({"Federated": [PROVIDER, GONE_PROVIDER]}, "*"):
        several = {**document, "Statement": [{**statement, "Principal": principal}]}
        found = discovery(roles=[role("app", several)], client_ids=client_ids)
        assert of_kind("misspelled-key", found) == []


def test_unused() -> None:
    old, recent, limit = (NOW - timedelta(days=days) for days in (200, 10, 89))
    document = page_trust("a:b")
    roles = [
        role("never", document, last_used=None, created=old),
        role("long-ago", document, last_used=old, created=old),
        role("used", document, last_used=recent, created=old),
        role("at-the-limit", document, last_used=limit),
        role("new", document, last_used=None, created=recent),
        role("unknown", document, last_used=None, created=old, has_details=False),
        role("ec2", {"Statement": []}, last_used=None, created=old),
    ]
    found = discovery([service_account("a", "b")], roles)

    assert {each.role: each.found for each in of_kind("unused", found)} == {
        role_arn("long-ago"): "last used: 2026-05-10",
        role_arn("never"): "last used: no use reported yet",
    }


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"last_used": None, "created": NOW - timedelta(minutes=2)}, "no use reported yet"),
        ({"last_used": None, "created": NOW - timedelta(days=399)}, "no use reported yet"),
        ({"last_used": None, "created": NOW - timedelta(days=400)}, "not in 400 days"),
        ({"last_used": None, "created": NOW - timedelta(days=4000)}, "not in 400 days"),
        ({"last_used": NOW - timedelta(days=1), "created": NOW - timedelta(days=4000)}, "2026-11-25"),
        ({"last_used": None, "created": NOW, "has_details": False}, "not known"),
    ],
)
def test_when_a_role_was_last_used_is_one_text(more: dict[str, Any], words: str) -> None:
    """Protects a new role from being taken for an abandoned one: the page and the finding say the same.

    IAM reports 400 days: https://docs.aws.amazon.com/IAM/latest/APIReference/API_RoleLastUsed.html
    """
    found = taken(discovery(roles=[role("app", page_trust("a:b"), **more)]))

    assert [each.last_used_text for each in found.roles] == [words]


def test_misspelled_annotation() -> None:
    keys = {
        "eks.amazonaws.com/role-arm": role_arn("app"),
        "eks.amazon.com/role-arn": "no role",
        "eks.amazonaws.com/skip-containers": "x",
        "eks.amazonaws.com/token-expiration": "86400",
        "eks.amazonaws.com/sts-regional-endpoints": "true",
        "example.com/role-arn": "x",
        "pulumi.com/autonamed": "true",
    }
    found = of_kind(
        "misspelled-annotation", discovery([service_account("a", "b", **keys)], [role("app", page_trust("a:b"))])
    )

    assert [each.found.partition(":")[0] for each in found] == [
        "eks.amazon.com/role-arn",
        "eks.amazonaws.com/role-arm",
        "eks.amazonaws.com/skip-containers",
    ]
    # Removed, a key with a wrong value would leave nothing that says what was meant.
    assert [shlex.split(each.fix)[6:] for each in found] == [
        [],
        ["--context", "prod", "--overwrite", f"{ROLE_ARN}={role_arn('app')}", "eks.amazonaws.com/role-arm-"],
        ["--context", "prod", "eks.amazonaws.com/skip-containers-"],
    ]
    assert found[1].expected == f"{ROLE_ARN}: {role_arn('app')}; then restart its Pods"


def test_duplicate_provider() -> None:
    slash, upper = f"{PROVIDER}/", PROVIDER.replace("oidc.eks", "OIDC.eks")
    found = of_kind("duplicate-provider", discovery(client_ids={PROVIDER: STS, slash: STS, upper: STS, GITHUB: STS}))

    assert {each.provider for each in found} | {upper} == {PROVIDER, slash, upper}
    assert of_kind("duplicate-provider", discovery(client_ids={PROVIDER: STS, GITHUB: STS, GONE_PROVIDER: STS})) == []


def test_a_service_account_is_managed_in_one_cluster() -> None:
    found = discovery([service_account("a", "app", "app")], [role("app", page_trust("a:app"))])
    green = Cluster("green", f"https://{GONE}", (ServiceAccount("green", "a", "app", {ROLE_ARN: role_arn("app")}),))
    both = replace(
        found,
        clusters=(green, *found.clusters),
        stacks=("prod",),
        managed_roles=frozenset({role_arn("app")}),
        managed_service_accounts=frozenset({(f"https://{ISSUER}", role_arn("app"), "a", "app")}),
    )

    assert [(each.cluster, each.service_account) for each in of_kind("unmanaged", both)] == [("green", "a/app")]
    assert [(each.cluster, each.managed) for each in taken(both).service_accounts] == [("green", False), ("prod", True)]


def test_a_path_that_irsa_would_refuse() -> None:
    name = "a|b/app"
    anybody = {**page_trust("a:b"), "Statement": [{**page_trust("a:b")["Statement"][0], "Principal": "*"}]}
    found = discovery([service_account("a", "b", name)], [role(name, anybody)])

    assert [each.service_accounts for each in taken(found).admissions] == [("a/b",)]


def test_roles_that_have_nothing_to_do_with_kubernetes_are_counted_only() -> None:
    roles = [role("ec2", EC2_TRUST), role("annotated", EC2_TRUST), role("github", trust({}, provider=GITHUB))]
    inventory = taken(discovery([service_account("a", "b", "annotated")], roles, {PROVIDER: STS, GITHUB: STS}))

    assert [each.arn for each in inventory.roles] == [role_arn("annotated")]
    assert [each.roles for each in inventory.aws_accounts] == [3]


# --- Associations of EKS Pod Identity --------------------------------------------------------------------------------


def test_an_association_as_the_page_has_it_is_no_finding() -> None:
    """Protects trust in the findings: alone, with the same role in the annotation, and after the annotation is gone.

    Stages of a migration: https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html
    """
    names = ("new", "both", "trusted")
    accounts = [service_account("a", name, name if name == "both" else "") for name in names]
    roles = [role("new", pods_trust("a:new")), *(role(name, both_trust(f"a:{name}")) for name in names[1:])]
    associations = [association("a", name, name) for name in names]
    found = taken(discovery(accounts, roles, associations=associations))

    assert (found.findings, found.not_checked) == ([], [])


def test_association_missing_role() -> None:
    accounts = [service_account("a", name) for name in ("gone", "target", "elsewhere", "there")]
    roles = [role("there", pods_trust("a:there")), role("first", pods_trust("a:target"))]
    associations = [
        association("a", "gone", "There"),
        association("a", "target", "first", target_role_arn=role_arn("gone")),
        association("a", "elsewhere", "first", target_role_arn=role_arn("gone", "444455556666")),
        association("a", "there", "there"),
    ]
    found = discovery(accounts, roles, associations=associations)
    missing = of_kind("association-missing-role", found)

    assert [(each.service_account, each.role, each.found.rpartition("name is ")[2]) for each in missing] == [
        ("a/gone", role_arn("There"), role_arn("there")),
        ("a/target", role_arn("gone"), "there is no such role"),
    ]
    # That it is refused too is said once, and that of a role that was not read, as of an annotation's.
    assert {each.service_account for each in of_kind("association-not-admitted", found)} == {"a/elsewhere"}
    (unseen,) = of_kind("unseen-account", found)
    assert (unseen.service_account, unseen.role) == ("a/elsewhere", role_arn("gone", "444455556666"))


def test_association_not_admitted() -> None:
    names = ("other", "untagged", "disabled", "condition", "fits")
    address = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    unsure = {"Statement": [{**pods_trust()["Statement"][0], "Condition": address}]}
    roles = [
        role("other", pods_trust("a:another")),
        role("untagged", pods_trust("a:untagged", ["sts:AssumeRole"])),
        role("disabled", pods_trust("a:disabled")),
        role("condition", unsure),
        role("fits", pods_trust("a:fits")),
    ]
    associations = [association("a", name, name, session_tags=name != "disabled") for name in names]
    found = taken(discovery([service_account("a", name) for name in names], roles, associations=associations))
    refused = {each.service_account: each for each in found.findings if each.kind == "association-not-admitted"}

    assert refused.keys() == {"a/other", "a/untagged", "a/disabled"}
    assert "aws:RequestTag/kubernetes-service-account" in refused["a/other"].found
    assert "sts:TagSession" in refused["a/untagged"].found
    assert "with session tags" in refused["a/disabled"].expected
    assert [role_arn("condition") in each for each in found.not_checked] == [True]
    assert [(each.role, each.decision, each.association) for each in found.admissions] == [
        (role_arn("condition"), "cannot decide", "a-a-condition"),
        (role_arn("fits"), "allowed", "a-a-fits"),
    ]


BOTH_ACTIONS = ("sts:AssumeRole", "sts:TagSession")


@pytest.mark.parametrize(
    ("trusted", "more", "decision"),
    [
        (chained_trust("app", *BOTH_ACTIONS), {}, "allowed"),
        # Session tags are transitive: without sts:TagSession the second step is refused.
        (chained_trust("app", "sts:AssumeRole"), {}, "denied"),
        (chained_trust("app", "sts:AssumeRole"), {"session_tags": False}, "allowed"),
        (chained_trust("other", *BOTH_ACTIONS), {}, "denied"),
        (chained_trust("app", *BOTH_ACTIONS, StringEquals={"sts:ExternalId": "x"}), {"external_id": "x"}, "allowed"),
        (chained_trust("app", *BOTH_ACTIONS, StringEquals={"sts:ExternalId": "x"}), {"external_id": "y"}, "denied"),
        (chained_trust("app", *BOTH_ACTIONS, StringEquals={"aws:PrincipalTag/x": "x"}), {}, "cannot decide"),
    ],
)
def test_a_target_role_must_admit_the_first_one(trusted: Any, more: Any, decision: str) -> None:
    """Protects Pods that get no credentials although the association's role admits it.

    https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html
    """
    trust_of_role = pods_trust("a:app" if more.get("session_tags", True) else "")
    roles = [role("app", trust_of_role), role("target", trusted)]
    associations = [association("a", "app", "app", target_role_arn=role_arn("target"), **more)]
    found = taken(discovery([service_account("a", "app")], roles, associations=associations))
    refused = [each.role for each in found.findings if each.kind == "association-not-admitted"]

    assert [str(each.decision) for each in found.associations] == [decision]
    assert refused == ([role_arn("target")] if decision == "denied" else [])
    # The Pods get the credentials of the target role alone.
    admitted = [] if decision == "denied" else [(role_arn("target"), decision)]
    assert [(each.role, str(each.decision)) for each in found.admissions] == admitted
    assert len(found.not_checked) == (decision == "cannot decide")


def test_a_target_role_of_another_aws_account_needs_the_policies_of_the_first() -> None:
    target = replace(role("target", chained_trust("app", *BOTH_ACTIONS)), arn=role_arn("target", "444455556666"))
    gives = {"Statement": [{"Effect": "Allow", "Action": [*BOTH_ACTIONS], "Resource": target.arn}]}
    assumes_alone = {"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": target.arn}]}
    decisions = []
    for policies in ({}, {"p": assumes_alone}, {"p": gives}):
        found = discovery(
            [service_account("a", "app")],
            [role("app", pods_trust("a:app"), inline_policies=policies)],
            associations=[association("a", "app", "app", target_role_arn=target.arn)],
        )
        accounts = (*found.aws_accounts, AwsAccount("444455556666", (target,), {}))
        decisions += [str(each.decision) for each in taken(replace(found, aws_accounts=accounts)).associations]
    administrator = role("app", pods_trust("a:app"), attached_policies=("arn:aws:iam::aws:policy/AdministratorAccess",))
    found = replace(found, aws_accounts=(replace(found.aws_accounts[0], roles=(administrator,)), *accounts[1:]))

    assert decisions == ["denied", "denied", "allowed"]
    assert [str(each.decision) for each in taken(found).associations] == ["allowed"]


def test_association_wins() -> None:
    """Protects who changes the annotation and waits: new Pods ask for the role of the association alone.

    https://github.com/aws/amazon-eks-pod-identity-webhook/pull/189
    """
    accounts = [service_account("a", name, "old") for name in ("differs", "target", "same", "alone")]
    old = trust(*(equal(f"a:{each.name}") for each in accounts))
    same = {"Version": "2012-10-17", "Statement": [*old["Statement"], *pods_trust("a:same")["Statement"]]}
    roles = [role("old", same), role("new", pods_trust("a:differs")), role("first", pods_trust("a:target"))]
    associations = [
        association("a", "differs", "new", owner_arn="arn:aws:eks:us-west-2:1:addon/prod/vpc-cni/1234"),
        association("a", "target", "first", target_role_arn=role_arn("old")),
        association("a", "same", "old"),
    ]
    found = of_kind("association-wins", discovery(accounts, roles, associations=associations))

    assert [(each.service_account, each.role) for each in found] == [("a/differs", role_arn("new"))]
    assert role_arn("old") in found[0].found
    assert "addon/vpc-cni owns" in found[0].found


def test_what_is_wrong_with_an_annotation_says_that_an_association_wins() -> None:
    accounts = [service_account("a", "app", "app"), service_account("a", "gone", "gone")]
    roles = [role("app", pods_trust("a:app")), role("new", pods_trust("a:gone"))]
    associations = [association("a", "app", "app"), association("a", "gone", "new")]
    found = discovery(accounts, roles, associations=associations)
    (refused,), (missing,) = (of_kind(kind, found) for kind in ("not-admitted", "missing-role"))

    for found_one, name in ((refused, "app"), (missing, "new")):
        assert f"new Pods ask for {role_arn(name)} by an association" in found_one.found


def test_an_association_of_a_missing_service_account() -> None:
    found = discovery([], [role("app", pods_trust("a:app"))], associations=[association("a", "app", "app")])
    (missing,) = of_kind("missing-service-account", found)

    assert (missing.service_account, missing.role) == ("a/app", role_arn("app"))
    assert taken(found).admissions == []


@pytest.mark.parametrize(
    ("condition", "wide"),
    [
        ({}, True),
        # The role is in the cluster's AWS account anyway.
        ({"StringEquals": {"aws:SourceAccount": NUMBER}}, True),
        ({"StringEquals": {"aws:RequestTag/kubernetes-namespace": "a"}}, False),
        ({"ArnLike": {"aws:SourceArn": f"arn:aws:eks:us-west-2:{NUMBER}:cluster/*"}}, False),
        ({"StringLike": {"aws:RequestTag/kubernetes-namespace": "*"}}, True),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, False),
    ],
)
@pytest.mark.parametrize("actions", [["sts:AssumeRole", "sts:TagSession"], "sts:AssumeRole"])
def test_a_role_for_every_association(condition: Any, wide: bool, actions: Any) -> None:
    document = {"Statement": [{**pods_trust()["Statement"][0], "Action": actions, "Condition": condition}]}
    # Without sts:TagSession, only associations without tags are admitted, which have no RequestTag.
    expected = wide and ("StringLike" not in condition or len(actions) == 2)
    found = of_kind("wide-trust", discovery(roles=[role("app", document)]))

    assert [each.role for each in found] == ([role_arn("app")] if expected else [])
    assert all(f"every association of EKS Pod Identity in AWS account {NUMBER}" in each.found for each in found)


def test_roles_of_associations_are_unused_and_unmanaged_as_others() -> None:
    accounts = [service_account("a", "app"), service_account("a", "driver")]
    roles = [role("app", pods_trust("a:app"), last_used=None), role("driver", pods_trust("a:driver"))]
    associations = [
        association("a", "app", "app"),
        association("a", "driver", "driver", owner_arn="arn:aws:eks:us-west-2:1:addon/prod/x/1"),
    ]
    found = discovery(accounts, roles, associations=associations, stacks=("prod",))
    managed = replace(found, managed_associations=frozenset({(CLUSTER_ARN, role_arn("app"), "a", "app")}))

    assert [each.role for each in of_kind("unused", found)] == [role_arn("app")]
    assert [each.service_account for each in of_kind("unmanaged", found)] == ["", "", "a/app"]
    assert [each.service_account for each in of_kind("unmanaged", managed)] == ["", ""]
    assert [each.managed for each in taken(managed).associations] == [True, False]


def test_associations_that_could_not_be_read_are_none_of_a_kind() -> None:
    found = discovery([service_account("a", "app")], [role("app", pods_trust("a:app"))])
    account = replace(found.aws_accounts[0], associations={next(iter(found.aws_accounts[0].associations)): None})
    inventory = taken(replace(found, aws_accounts=(account,)))

    assert (inventory.findings, inventory.associations) == ([], [])
