"""`irsa verify`'s rules, with an AWS account and a cluster that answer what a test says."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest

from irsa.rules.annotations import AUDIENCE, ROLE_ARN
from irsa.rules.trust import federated_providers, trust_document
from irsa_cli.exits import CouldNotLookError, NoPermissionError
from irsa_cli.live.model import LiveRole, LiveServiceAccount
from irsa_cli.report.checks import Check, Outcome, Report
from irsa_cli.state.declared import DeclaredBinding, DeclaredRole, DeclaredServiceAccount, DeclaredStack
from irsa_cli.verification import Verification, annotation_findings

ISSUER = "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
PROVIDER = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
CI_ISSUER = "token.actions.githubusercontent.com"
CI_PROVIDER = f"arn:aws:iam::111122223333:oidc-provider/{CI_ISSUER}"
ROLE = "arn:aws:iam::111122223333:role/app"
ANNOTATIONS = {"eks.amazonaws.com/role-arn": ROLE}
SERVICE_ACCOUNT = DeclaredServiceAccount("web", "app", ANNOTATIONS, True, "")
STATEMENT = {
    "Effect": "Allow",
    "Principal": {"Federated": PROVIDER},
    "Action": "sts:AssumeRoleWithWebIdentity",
    "Condition": {
        "StringEquals": {
            f"{ISSUER.removeprefix('https://')}:aud": "sts.amazonaws.com",
            f"{ISSUER.removeprefix('https://')}:sub": "system:serviceaccount:web:app",
        }
    },
}
CI_STATEMENT = {
    "Effect": "Allow",
    "Principal": {"Federated": CI_PROVIDER},
    "Action": "sts:AssumeRoleWithWebIdentity",
    "Condition": {
        "StringEquals": {f"{CI_ISSUER}:aud": "my-ci"},
        "StringLike": {f"{CI_ISSUER}:sub": "repo:octo-org/octo-repo:*"},
    },
}


def document(*statements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


POLICY = "arn:aws:iam::111122223333:policy/app"
GET = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}


class StubAwsAccount:
    """An AWS account with one role, which has its declared trust policy, these policies and these OIDC providers."""

    number = "111122223333"

    def __init__(self, trust: str, client_ids: dict[str, list[str]], **settings: Any) -> None:
        self.trust, self.ids, self.settings = trust, client_ids, settings
        self.documents: dict[str, Any] = {}
        self.inline: dict[str, Any] = {}

    def role(self, _: str) -> LiveRole:
        return LiveRole(**{"arn": ROLE, "trust": json.loads(self.trust), **self.settings})

    def attached_policies(self, _: str) -> list[str]:
        return list(self.documents)

    def inline_policies(self, _: str) -> list[str]:
        return list(self.inline)

    def document(self, arn: str) -> Any:
        return self.documents[arn]

    def inline_document(self, _: str, name: str) -> Any:
        return self.inline.get(name)

    def client_ids(self, arn: str) -> list[str] | None:
        return self.ids.get(arn)


class StubAwsAccounts:
    def __init__(self, aws_account: StubAwsAccount) -> None:
        self.aws_account = aws_account

    def of_role(self, *_: str) -> StubAwsAccount:
        return self.aws_account

    def of_binding(self, _: DeclaredBinding) -> StubAwsAccount:
        return self.aws_account


class StubClusters:
    issuer, context = ISSUER, "test"

    def of(self, _: str) -> Any:
        return self

    def service_account(self, namespace: str, name: str) -> LiveServiceAccount:
        return LiveServiceAccount("test", namespace, name, ANNOTATIONS)


def verify(
    trust: str | None,
    client_ids: dict[str, list[str]],
    own_providers: frozenset[str] = frozenset(),
    settings: Mapping[str, Any] | None = MappingProxyType({}),
    **live: Any,
) -> list[Check]:
    """Return the checks of a binding with this trust policy that did not come out well."""
    role = DeclaredRole("app", trust, settings)
    declared = DeclaredStack(
        "dev", (DeclaredBinding("app", ROLE, role, service_accounts=(SERVICE_ACCOUNT,)),), {}, {}, own_providers
    )
    aws_accounts: Any = StubAwsAccounts(StubAwsAccount(trust or document(STATEMENT), client_ids, **live))
    clusters: Any = StubClusters()
    checks = Verification(declared, aws_accounts, clusters, declared.bindings[0]).checks(pods=False)
    return [check for check in checks if check.outcome is not Outcome.OK]


def verify_settings(declared: dict[str, Any] | None, live: dict[str, Any]) -> list[Check]:
    """Return the checks that did not come out well where the role's settings are these."""
    return verify(document(STATEMENT), {PROVIDER: ["sts.amazonaws.com"]}, settings=declared, **live)


def test_each_provider_is_held_to_the_audience_that_is_asked_of_its_tokens() -> None:
    """Protects other providers: `trust.statements` may name one, which must not be told to admit sts.amazonaws.com."""
    both = document(STATEMENT, CI_STATEMENT)

    assert verify(both, {PROVIDER: ["sts.amazonaws.com"], CI_PROVIDER: ["my-ci"]}) == []
    (finding,) = verify(both, {PROVIDER: ["sts.amazonaws.com"], CI_PROVIDER: ["sts.amazonaws.com"]})
    assert (finding.about, finding.found, finding.expected) == (
        CI_PROVIDER,
        f"the IAM OIDC provider {CI_PROVIDER} does not list the audience my-ci, only sts.amazonaws.com",
        "my-ci in its client ID list",
    )
    assert finding.fix.endswith(f"--open-id-connect-provider-arn {CI_PROVIDER} --client-id my-ci")
    (missing,) = verify(both, {PROVIDER: ["sts.amazonaws.com"]})
    assert missing.fix == f"aws iam create-open-id-connect-provider --url https://{CI_ISSUER} --client-id-list my-ci"


def test_one_of_several_audiences_is_enough() -> None:
    """Protects a statement with alternatives: a token with the audience that the provider lists is admitted.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_multi-value-conditions.html
    """
    condition = {"StringEquals": {f"{CI_ISSUER}:aud": ["my-ci", "another"]}}
    trust = document(STATEMENT, {**CI_STATEMENT, "Condition": condition})

    assert verify(trust, {PROVIDER: ["sts.amazonaws.com"], CI_PROVIDER: ["my-ci"]}) == []


def test_a_provider_that_is_denied_is_nobody_to_let_in() -> None:
    """Protects from advice to open what a Deny closes: only what an Allow lets in must exist and admit an audience."""
    legacy = {**CI_STATEMENT, "Effect": "Deny"}

    assert verify(document(STATEMENT, legacy), {PROVIDER: ["sts.amazonaws.com"]}) == []
    assert federated_providers(document({**CI_STATEMENT, "Condition": None})) == {CI_PROVIDER: [[]]}
    other_cluster = {**STATEMENT, "Effect": "Deny"}
    denied = verify(document(CI_STATEMENT, other_cluster), {CI_PROVIDER: ["my-ci"]})
    assert [(check.check, check.found) for check in denied] == [("provider", f"issuer {ISSUER}")]


def test_what_irsa_itself_writes_asks_for_the_audience() -> None:
    """Protects the check from our own trust policies: the audience in them is one that the provider must admit."""
    written = trust_document([PROVIDER], ["web:app"], "vault")
    (finding,) = verify(written, {PROVIDER: ["sts.amazonaws.com"]})

    assert (finding.check, finding.expected) == ("provider", "vault in its client ID list")


def test_a_provider_of_the_stack_is_repaired_by_it() -> None:
    """Protects the stack's own OIDC provider from a twin made by hand."""
    (finding,) = verify(document(STATEMENT), {}, frozenset({PROVIDER}))

    assert finding.fix == "pulumi up --refresh --stack dev"


@pytest.mark.parametrize(
    ("in_stack_file", "declared"), [(True, "issuer in the stack file"), (False, "OIDC provider in the program")]
)
def test_a_new_issuer_is_written_where_the_binding_is_declared(in_stack_file: bool, declared: str) -> None:
    """Protects who has a program of their own: it has no stack file, and names OIDC providers, not issuers."""
    role = DeclaredRole("app", document(CI_STATEMENT))
    binding = DeclaredBinding("app", ROLE, role, service_accounts=(SERVICE_ACCOUNT,), in_stack_file=in_stack_file)
    aws_accounts: Any = StubAwsAccounts(StubAwsAccount(document(CI_STATEMENT), {CI_PROVIDER: ["my-ci"]}))
    clusters: Any = StubClusters()
    stack = DeclaredStack("dev", (binding,), {}, {})
    (finding,) = [
        check
        for check in Verification(stack, aws_accounts, clusters, binding).checks(pods=False)
        if check.outcome is Outcome.FINDING
    ]

    assert finding.expected == (f"the issuer of {CI_PROVIDER}, or the cluster's new {declared}: write it there first")


def test_a_secret_trust_policy_is_never_good() -> None:
    """Protects from a green row: what is declared is not known, so nothing that depends on it is."""
    bad = verify(None, {PROVIDER: ["sts.amazonaws.com"]})

    assert [check.outcome for check in bad] == [Outcome.CANNOT_TELL] * 3
    assert {check.check for check in bad} == {"provider", "trust"}


def test_one_look_that_fails_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects the report: a fault of ours, or no answer, is said of the one check that it hit."""
    words = iter([LookupError("secret-token"), CouldNotLookError("iam:ListRolePolicies: AccessDenied")])

    def fail(*_: str) -> None:
        raise next(words)

    monkeypatch.setattr(StubClusters, "service_account", fail)
    monkeypatch.setattr(StubAwsAccount, "inline_policies", fail)
    policies, service_account = verify(document(STATEMENT), {PROVIDER: ["sts.amazonaws.com"]})

    assert (policies.check, policies.found) == ("policies", "unexpected LookupError; please report it")
    assert (service_account.check, service_account.found) == ("service account", "iam:ListRolePolicies: AccessDenied")


def deny(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, *denied: str) -> None:
    """Deny a question, about one thing of many where `denied` names it."""
    answer = getattr(owner, name)

    def ask(self: Any, *about: str) -> Any:
        if not denied or about[-1] in denied:
            raise NoPermissionError(f"{name}: AccessDenied")
        return answer(self, *about)

    monkeypatch.setattr(owner, name, ask)


def outcomes(binding: DeclaredBinding, kind: str, aws_account: StubAwsAccount, clusters: Any) -> dict[str, Outcome]:
    """Return what verify says of each thing; that of a denial must not change the exit code of a finding, 1."""
    stack, aws_accounts = DeclaredStack("dev", (binding,), {}, {}), StubAwsAccounts(aws_account)
    checks = Verification(stack, aws_accounts, clusters, binding).checks(pods=False)  # type: ignore[arg-type]
    assert Report("verify", "dev", checks).exit_code == 1
    return {check.about: check.outcome for check in checks if check.check == kind and check.outcome is not Outcome.OK}


ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"


@pytest.mark.parametrize("denied", ["attached", "inline"])
def test_a_denied_list_of_policies_does_not_hide_the_other(monkeypatch: pytest.MonkeyPatch, denied: str) -> None:
    """Protects from an undeclared policy that is not seen: IAM has two lists, and each has a permission of its own."""
    deny(monkeypatch, StubAwsAccount, f"{denied}_policies")
    aws_account = StubAwsAccount(document(STATEMENT), {PROVIDER: ["sts.amazonaws.com"]})
    aws_account.documents, aws_account.inline = {ADMIN: None}, {"admin": None}
    binding = DeclaredBinding("app", ROLE, DeclaredRole("app", document(STATEMENT)))

    assert outcomes(binding, "policies", aws_account, StubClusters()) == {
        f"role app, {denied} policies": Outcome.NO_PERMISSION,
        "admin" if denied == "attached" else ADMIN: Outcome.FINDING,
    }


@pytest.mark.parametrize("kind", ["managed", "inline"])
def test_a_denied_document_does_not_hide_another(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Protects from a widened policy that is not seen: `iam:GetPolicy` may be denied of the ARN of another."""
    names = [f"{POLICY}-{name}" if kind == "managed" else name for name in ("denied", "widened")]
    deny(monkeypatch, StubAwsAccount, "document" if kind == "managed" else "inline_document", names[0])
    aws_account = StubAwsAccount(document(STATEMENT), {PROVIDER: ["sts.amazonaws.com"]})
    live, declared = dict.fromkeys(names, json.loads(document(EVERYTHING))), dict.fromkeys(names, document(GET))
    role = DeclaredRole("app", document(STATEMENT))
    if kind == "managed":
        aws_account.documents = live
        binding = DeclaredBinding("app", ROLE, role, tuple(names), declared)
    else:
        aws_account.inline = live
        binding = DeclaredBinding("app", ROLE, role, inline_policies=declared)
    prefix = "inline " if kind == "inline" else ""

    assert outcomes(binding, "documents", aws_account, StubClusters()) == {
        f"{prefix}{names[0]}": Outcome.NO_PERMISSION,
        f"{prefix}{names[1]}": Outcome.FINDING,
    }


def test_a_denied_provider_does_not_hide_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects from a provider that is gone, and is not seen because another one is denied."""
    deny(monkeypatch, StubAwsAccount, "client_ids", PROVIDER)
    binding = DeclaredBinding("app", ROLE, DeclaredRole("app", document(STATEMENT, CI_STATEMENT)))
    aws_account = StubAwsAccount(document(STATEMENT, CI_STATEMENT), {PROVIDER: ["sts.amazonaws.com"]})

    assert outcomes(binding, "provider", aws_account, StubClusters()) == {
        PROVIDER: Outcome.NO_PERMISSION,
        CI_PROVIDER: Outcome.FINDING,
    }


class TwoClusters(StubClusters):
    """Two clusters, of which the one called `denied` says nothing."""

    def of(self, reference: str) -> Any:
        if reference == "denied":
            raise NoPermissionError("get /.well-known/openid-configuration: AccessDenied")
        return self


@pytest.mark.parametrize(("kind", "finding"), [("provider", PROVIDER), ("trust", ROLE)], ids=["provider", "admission"])
def test_a_denied_cluster_does_not_hide_another(kind: str, finding: str) -> None:
    """Protects a role that the stack only names, for service accounts of two clusters: both are said of each check."""
    both = tuple(
        DeclaredServiceAccount("web", "app", ANNOTATIONS, False, reference, reference)
        for reference in ("denied", "green")
    )
    binding = DeclaredBinding("app", ROLE, service_accounts=both)

    assert outcomes(binding, kind, StubAwsAccount(document(CI_STATEMENT), {}), TwoClusters()) == {
        "cluster of web/app in denied": Outcome.NO_PERMISSION,
        finding: Outcome.FINDING,
    }


@pytest.mark.parametrize(
    ("declared", "live", "outcome", "expected"),
    [
        (document(GET), json.loads(document(GET)), Outcome.OK, ""),
        # The order of keys and the case of an action say nothing.
        (document(GET), json.loads(document({**GET, "Action": "S3:GETOBJECT"})), Outcome.OK, ""),
        (document(GET), json.loads(document(EVERYTHING)), Outcome.FINDING, "s3:GetObject"),
        (document(GET), None, Outcome.FINDING, "s3:GetObject"),
        (None, json.loads(document(EVERYTHING)), Outcome.CANNOT_TELL, ""),
    ],
    ids=["as declared", "the same", "widened", "gone", "secret"],
)
@pytest.mark.parametrize("kind", ["managed", "inline"])
def test_a_document_that_somebody_changed_is_found(
    kind: str, declared: str | None, live: Any, outcome: Outcome, expected: str
) -> None:
    """Protects from an attacker who widens a policy by hand: each document is held against what was declared."""
    aws_account = StubAwsAccount(document(STATEMENT), {PROVIDER: ["sts.amazonaws.com"]})
    if kind == "managed":
        binding = DeclaredBinding(
            "app", ROLE, DeclaredRole("app", document(STATEMENT), {}), (POLICY,), {POLICY: declared}
        )
        aws_account.documents = {POLICY: live}
    else:
        role = DeclaredRole("app", document(STATEMENT), {})
        binding = DeclaredBinding("app", ROLE, role, inline_policies={"read": declared})
        aws_account.inline = {"read": live}
    aws_accounts: Any = StubAwsAccounts(aws_account)
    clusters: Any = StubClusters()
    stack = DeclaredStack("dev", (binding,), {}, {})
    checks = Verification(stack, aws_accounts, clusters, binding).checks(pods=False)
    (found,) = [check for check in checks if check.check == "documents"]

    assert (found.about, found.outcome) == (POLICY if kind == "managed" else "inline read", outcome)
    assert expected in found.expected
    assert found.fix == ("pulumi up --refresh --stack dev" if outcome is Outcome.FINDING else "")


BOUNDARY = "arn:aws:iam::111122223333:policy/boundary"


@pytest.mark.parametrize(
    ("declared", "live", "found", "expected"),
    [
        ({"permissionsBoundary": BOUNDARY}, {}, "permissions boundary: none", f"permissions boundary: {BOUNDARY}"),
        ({}, {"permissions_boundary": BOUNDARY},
         f"permissions boundary: {BOUNDARY}", "permissions boundary: none"),
        ({"permissionsBoundary": BOUNDARY}, {"permissions_boundary": f"{BOUNDARY}-2"},
         f"permissions boundary: {BOUNDARY}-2", f"permissions boundary: {BOUNDARY}"),
        ({}, {"max_session_duration": 43200}, "longest session in seconds: 43200", "longest session in seconds: 3600"),
        ({"maxSessionDuration": 7200.0, "description": "Reads"},
         {"max_session_duration": 7200, "description": "Writes"},
         "description: Writes", "description: Reads"),
    ],
)  # fmt: skip
def test_a_setting_of_the_role_that_somebody_changed_is_found(
    declared: dict[str, Any], live: dict[str, Any], found: str, expected: str
) -> None:
    """Protects from an attacker who takes the permissions boundary away, or makes sessions longer, by hand."""
    (finding,) = verify_settings(declared, live)

    assert (finding.check, finding.outcome) == ("role", Outcome.FINDING)
    assert (finding.found, finding.expected) == (found, expected)
    assert finding.fix == "pulumi up --refresh --stack dev"


def test_settings_as_declared_are_good_and_secret_ones_are_not() -> None:
    """Protects from a finding for what IAM answers by itself, and from a green row for what is not known."""
    assert verify_settings({"permissionsBoundary": BOUNDARY}, {
        "permissions_boundary": BOUNDARY, "max_session_duration": 3600,
    }) == []  # fmt: skip
    (secret,) = verify_settings(None, {})
    assert (secret.check, secret.outcome) == ("role", Outcome.CANNOT_TELL)


def test_a_role_that_was_made_anew_in_another_path_is_found() -> None:
    """Protects from a role of the same name elsewhere: IAM never changes a path, so its ARN is another one."""
    moved = ROLE.replace("role/app", "role/elsewhere/app")
    (finding,) = verify_settings({}, {"arn": moved})

    assert (finding.check, finding.found, finding.expected) == (
        "role",
        f"there is no such role; one of that name is {moved}",
        ROLE,
    )


@pytest.mark.parametrize(
    ("created", "live", "removed"),
    [
        (True, {ROLE_ARN: "other", AUDIENCE: "other"}, f"{ROLE_ARN}- {AUDIENCE}-"),
        (True, {}, ""),
        (False, {}, ""),
        (False, {ROLE_ARN: "other"}, f"{ROLE_ARN}-"),
        (False, {ROLE_ARN: ROLE, AUDIENCE: "other"}, f"{AUDIENCE}-"),
        (False, {ROLE_ARN: "other", AUDIENCE: "other"}, f"{ROLE_ARN}- {AUDIENCE}-"),
    ],
)
def test_an_annotation_is_restored_by_a_command_that_is_not_refused(
    created: bool, live: dict[str, str], removed: str
) -> None:
    """Protects from advice that fails: `pulumi up` is refused where somebody else wrote on the account.

    One command for all annotations of an account, as each alone would end in a conflict about the others.
    """
    service_account = DeclaredServiceAccount("team-a", "app", {ROLE_ARN: ROLE, AUDIENCE: "mine"}, created, "")
    remove = f"kubectl annotate serviceaccount app -n team-a {removed} && " if removed else ""

    fixes = {fix for _, _, fix in annotation_findings(service_account, live, "dev")}
    assert fixes == {f"{remove}pulumi up --refresh --stack dev"}


@pytest.mark.parametrize("key", ["pulumi.com/patchForce", "pulumi.com/patchFieldManager", "example.com/owner"])
def test_an_annotation_of_another_tool_is_no_finding(key: str) -> None:
    """Protects takeOver: the API server keeps the Kubernetes provider's own annotation, which no stack may declare."""
    declared = DeclaredServiceAccount("web", "app", ANNOTATIONS, False, "")

    assert annotation_findings(declared, {**ANNOTATIONS, key: "true"}, "dev") == []
