"""`irsa verify`'s rules, with an AWS account and a cluster that answer what a test says."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from irsa.rules.annotations import AUDIENCE, ROLE_ARN
from irsa.rules.trust import federated_providers
from irsa.rules.unknown import Unknown
from irsa_cli.report.checks import Check, Outcome, Report
from irsa_cli.verification import Verification, annotation_findings
from irsa_world.exits import CouldNotLookError, NoPermissionError
from irsa_world.model import Role, ServiceAccount
from irsa_world.state.declared import DeclaredBinding, DeclaredServiceAccount, DeclaredStack

ISSUER = "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
PROVIDER = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
CI_ISSUER = "token.actions.githubusercontent.com"
CI_PROVIDER = f"arn:aws:iam::111122223333:oidc-provider/{CI_ISSUER}"
ROLE = "arn:aws:iam::111122223333:role/app"
ANNOTATIONS = {"eks.amazonaws.com/role-arn": ROLE}
SERVICE_ACCOUNT = DeclaredServiceAccount("", "web", "app", ANNOTATIONS, created=True)
POLICY, BOUNDARY = (f"arn:aws:iam::111122223333:policy/{name}" for name in ("app", "boundary"))
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
UP = "pulumi up --refresh --stack dev"
DENIED = NoPermissionError("AccessDenied")


def statement(provider: str, **conditions: Any) -> dict[str, Any]:
    action = "sts:AssumeRoleWithWebIdentity"
    return {"Effect": "Allow", "Principal": {"Federated": provider}, "Action": action, "Condition": conditions}


def document(*statements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


HOST_PATH = ISSUER.removeprefix("https://")
CLAIMS = {f"{HOST_PATH}:aud": "sts.amazonaws.com", f"{HOST_PATH}:sub": "system:serviceaccount:web:app"}
STATEMENT = statement(PROVIDER, StringEquals=CLAIMS)
CI_STATEMENT = statement(
    CI_PROVIDER,
    StringEquals={f"{CI_ISSUER}:aud": "my-ci"},
    StringLike={f"{CI_ISSUER}:sub": "repo:octo-org/octo-repo:*"},
)
TRUST = document(STATEMENT)
GET = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
BINDING = DeclaredBinding("app", ROLE, Role(ROLE, json.loads(TRUST)), service_accounts=(SERVICE_ACCOUNT,))


class World:
    """An AWS account with one role, and a cluster, which have what a test says.

    Attributes:
        errors: What is answered instead to a question, or to each one about something.
    """

    number, issuer, context = "111122223333", ISSUER, "test"

    def __init__(self, trust: str = TRUST, client_ids: Mapping[str, Any] | None = None, **settings: Any) -> None:
        self.ids = {PROVIDER: ["sts.amazonaws.com"]} if client_ids is None else client_ids
        self.live_role = Role(**{"arn": ROLE, "trust": json.loads(trust), **settings})
        self.documents: dict[str, Any] = {}
        self.inline: dict[str, Any] = {}
        self.errors: dict[str, Exception] = {}

    def _ask(self, about: str, answer: Any) -> Any:
        if error := self.errors.get(about):
            raise error
        return answer

    def of_role(self, *_: Any) -> Any:
        return self

    of_binding = of_role

    def of(self, reference: str) -> Any:
        return self._ask(reference, self)

    def role(self, _: str) -> Role:
        return self.live_role

    def attached_policies(self, _: str) -> Any:
        return self._ask("attached policies", list(self.documents))

    def inline_policies(self, _: str) -> Any:
        return self._ask("inline policies", list(self.inline))

    def document(self, arn: str) -> Any:
        return self._ask(arn, self.documents.get(arn))

    def inline_document(self, _: str, name: str) -> Any:
        return self._ask(name, self.inline.get(name))

    def client_ids(self, arn: str) -> Any:
        return self._ask(arn, self.ids.get(arn))

    def service_account(self, namespace: str, name: str) -> Any:
        return self._ask("service account", ServiceAccount("test", namespace, name, ANNOTATIONS))


def verify(binding: DeclaredBinding, live: Any, own_providers: frozenset[str] = frozenset()) -> list[Check]:
    """Return the checks of a binding that did not come out well."""
    stack = DeclaredStack("dev", (binding,), {}, {}, own_providers)
    checks = Verification(stack, live, live, binding).checks(pods=False)
    return [check for check in checks if check.outcome is not Outcome.OK]


SECRET: Any = Unknown("the state keeps it as a secret")


def with_role(**settings: Any) -> DeclaredBinding:
    return replace(BINDING, role=Role(ROLE, json.loads(TRUST), **settings))


def trusting(*statements: Any) -> DeclaredBinding:
    return replace(BINDING, role=Role(ROLE, json.loads(document(*statements))))


def test_each_provider_is_held_to_the_audience_that_is_asked_of_its_tokens() -> None:
    binding, trust = trusting(STATEMENT, CI_STATEMENT), document(STATEMENT, CI_STATEMENT)
    own = {PROVIDER: ["sts.amazonaws.com"]}

    assert verify(binding, World(trust, {**own, CI_PROVIDER: ["my-ci"]})) == []
    (finding,) = verify(binding, World(trust, {**own, CI_PROVIDER: ["sts.amazonaws.com"]}))
    assert (finding.about, finding.expected) == (CI_PROVIDER, "my-ci in its client ID list")
    assert finding.fix.endswith(f"--open-id-connect-provider-arn {CI_PROVIDER} --client-id my-ci")
    (missing,) = verify(binding, World(trust, own))
    assert missing.fix == f"aws iam create-open-id-connect-provider --url https://{CI_ISSUER} --client-id-list my-ci"


def test_a_provider_that_is_denied_is_nobody_to_let_in() -> None:
    legacy, other_cluster = {**CI_STATEMENT, "Effect": "Deny"}, {**STATEMENT, "Effect": "Deny"}

    assert verify(trusting(STATEMENT, legacy), World(document(STATEMENT, legacy))) == []
    assert federated_providers({"Statement": {**CI_STATEMENT, "Condition": None}}) == {CI_PROVIDER: [[]]}
    live = World(document(CI_STATEMENT, other_cluster), {CI_PROVIDER: ["my-ci"]})
    denied = verify(trusting(CI_STATEMENT, other_cluster), live)
    assert [(check.check, check.found) for check in denied] == [("provider", f"issuer {ISSUER}")]


def test_a_provider_of_the_stack_is_repaired_by_it() -> None:
    (finding,) = verify(BINDING, World(client_ids={}), frozenset({PROVIDER}))

    assert finding.fix == UP


@pytest.mark.parametrize(
    ("in_stack_file", "declared"), [(True, "issuer in the stack file"), (False, "OIDC provider in the program")]
)
def test_a_new_issuer_is_written_where_the_binding_is_declared(in_stack_file: bool, declared: str) -> None:
    binding = replace(trusting(CI_STATEMENT), in_stack_file=in_stack_file)
    (finding,) = verify(binding, World(document(CI_STATEMENT), {CI_PROVIDER: ["my-ci"]}))

    assert declared in finding.expected


def test_a_secret_trust_policy_is_never_good() -> None:
    bad = verify(replace(BINDING, role=Role(ROLE, SECRET)), World())

    assert [check.outcome for check in bad] == [Outcome.CANNOT_TELL] * 3
    assert {check.check for check in bad} == {"provider", "trust"}


def test_one_look_that_fails_costs_no_other() -> None:
    live = World()
    live.errors = {"inline policies": LookupError("secret-token"), "service account": CouldNotLookError("AccessDenied")}
    policies, service_account = verify(BINDING, live)

    assert (policies.check, policies.found) == ("policies", "unexpected LookupError; please report it")
    assert (service_account.check, service_account.found) == ("service account", "AccessDenied")


WIDENED, DECLARED = json.loads(document(EVERYTHING)), json.loads(document(GET))
MANAGED = dict.fromkeys((POLICY, BOUNDARY), DECLARED)
INLINE = dict.fromkeys(("one", "other"), DECLARED)


@pytest.mark.parametrize(
    ("binding", "kind", "denied", "about", "finding"),
    [
        (BINDING, "policies", "attached policies", "role app, attached policies", "one"),
        (BINDING, "policies", "inline policies", "role app, inline policies", ADMIN),
        (
            replace(with_role(attached_policies=(ADMIN, *MANAGED)), documents=MANAGED),
            "documents",
            POLICY,
            POLICY,
            BOUNDARY,
        ),
        (with_role(inline_policies=INLINE), "documents", "one", "inline one", "inline other"),
        (trusting(STATEMENT, CI_STATEMENT), "provider", PROVIDER, PROVIDER, CI_PROVIDER),
    ],
)
def test_what_is_denied_hides_nothing_else(
    binding: DeclaredBinding, kind: str, denied: str, about: str, finding: str
) -> None:
    """The attack: a policy attached or widened by hand is not seen, because IAM denies another question.

    The exit code of a finding stays.
    """
    live = World(json.dumps(binding.trust))
    live.documents, live.inline = dict.fromkeys((ADMIN, *MANAGED), WIDENED), dict.fromkeys(INLINE, WIDENED)
    live.errors = {denied: DENIED}
    checks = verify(binding, live)
    found = {check.about: check.outcome for check in checks if check.check == kind}

    assert Report("verify", "dev", checks).exit_code == 1
    assert (found[about], found[finding]) == (Outcome.NO_PERMISSION, Outcome.FINDING)


@pytest.mark.parametrize(("kind", "finding"), [("provider", PROVIDER), ("trust", ROLE)], ids=["provider", "admission"])
def test_a_denied_cluster_does_not_hide_another(kind: str, finding: str) -> None:
    both = tuple(
        DeclaredServiceAccount(each, "web", "app", ANNOTATIONS, cluster_key=each) for each in ("blue", "green")
    )
    live = World(document(CI_STATEMENT), {})
    live.errors = {"blue": DENIED}
    checks = verify(DeclaredBinding("app", ROLE, service_accounts=both), live)

    assert {check.about: check.outcome for check in checks if check.check == kind} == {
        "cluster of web/app in blue": Outcome.NO_PERMISSION,
        finding: Outcome.FINDING,
    }


@pytest.mark.parametrize(
    ("declared", "live", "outcome"),
    [
        # The order of keys and the case of an action say nothing.
        (DECLARED, json.loads(document({**GET, "Action": "S3:GETOBJECT"})), Outcome.OK),
        (DECLARED, WIDENED, Outcome.FINDING),
        (DECLARED, None, Outcome.FINDING),
        (SECRET, WIDENED, Outcome.CANNOT_TELL),
    ],
    ids=["the same", "widened", "gone", "secret"],
)
@pytest.mark.parametrize("kind", ["managed", "inline"])
def test_a_document_that_somebody_changed_is_found(kind: str, declared: Any, live: Any, outcome: Outcome) -> None:
    """Protects from an attacker who widens a policy by hand: each document is held against what was declared."""
    world, documents = World(), {POLICY: declared}
    if kind == "managed":
        binding, world.documents = replace(with_role(attached_policies=(POLICY,)), documents=documents), {POLICY: live}
    else:
        binding, world.inline = with_role(inline_policies=documents), {POLICY: live}
    found = [check for check in verify(binding, world) if check.check == "documents"]

    assert [check.outcome for check in found] == [outcome] * (outcome is not Outcome.OK)
    for check in found:
        assert check.about == (POLICY if kind == "managed" else f"inline {POLICY}")
        assert check.fix == (UP if outcome is Outcome.FINDING else "")
        assert ("s3:GetObject" in check.expected) is (outcome is Outcome.FINDING)


def test_a_permissions_boundary_that_somebody_took_away_is_found() -> None:
    """The attack: without its permissions boundary, a role has all that its policies give."""
    bounded = replace(BINDING, role=Role(ROLE, json.loads(TRUST), permissions_boundary=BOUNDARY))
    (finding,) = verify(bounded, World())

    assert (finding.check, finding.found) == ("role", "permissions boundary: none")
    assert finding.expected == f"permissions boundary: {BOUNDARY}"
    assert verify(bounded, World(permissions_boundary=BOUNDARY, max_session_duration=3600)) == []


def test_secret_settings_are_not_good() -> None:
    (secret,) = verify(replace(BINDING, role=Role(ROLE, json.loads(TRUST), description=SECRET)), World())

    assert (secret.check, secret.outcome) == ("role", Outcome.CANNOT_TELL)


def test_a_role_that_was_made_anew_in_another_path_is_found() -> None:
    moved = ROLE.replace("role/app", "role/elsewhere/app")
    (finding,) = verify(BINDING, World(arn=moved))

    assert (finding.check, finding.expected) == ("role", ROLE)
    assert moved in finding.found


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
    service_account = DeclaredServiceAccount("", "team-a", "app", {ROLE_ARN: ROLE, AUDIENCE: "mine"}, created=created)
    remove = f"kubectl annotate serviceaccount app -n team-a {removed} && " if removed else ""

    fixes = {fix for _, _, fix in annotation_findings(service_account, live, "dev")}
    assert fixes == {f"{remove}{UP}"}


@pytest.mark.parametrize("key", ["pulumi.com/patchForce", "pulumi.com/patchFieldManager", "example.com/owner"])
def test_an_annotation_of_another_tool_is_no_finding(key: str) -> None:
    declared = DeclaredServiceAccount("", "web", "app", ANNOTATIONS)

    assert annotation_findings(declared, {**ANNOTATIONS, key: "true"}, "dev") == []
