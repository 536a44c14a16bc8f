"""Reading IAM in bulk: when it is done, that nothing is lost where it fails, and that a list never says "missing"."""

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import boto3
import pytest
from botocore.exceptions import ReadTimeoutError
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from irsa_world.live.aws import AwsAccountClients
from irsa_world.live.iam import AwsAccountClient
from irsa_world.model import Role
from irsa_world.state.declared import DeclaredBinding
from tests.world import document, documented, paged_iam, refusal

ACCOUNT = "123456789012"
POLICY = document({"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::%"})
TRUST = document({"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"}, "Action": "sts:AssumeRole"})
OTHER = document({"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::a%b"})
OTHER_TRUST = json.dumps(TRUST).replace("eks.amazonaws.com", "ec2.amazonaws.com")
SHARED = f"arn:aws:iam::{ACCOUNT}:policy/app-0"
# What somebody did by hand to the role app-N.
BY_HAND: dict[str, Callable[[Any, str, str], object]] = {
    "nothing": lambda iam, name, arn: None,
    "deleted": lambda iam, name, arn: (
        iam.detach_role_policy(RoleName=name, PolicyArn=arn),
        iam.delete_role_policy(RoleName=name, PolicyName="inline"),
        iam.delete_role(RoleName=name),
    ),
    "trust": lambda iam, name, arn: iam.update_assume_role_policy(RoleName=name, PolicyDocument=OTHER_TRUST),
    "detached": lambda iam, name, arn: iam.detach_role_policy(RoleName=name, PolicyArn=arn),
    "policy deleted": lambda iam, name, arn: (
        iam.detach_role_policy(RoleName=name, PolicyArn=arn),
        iam.delete_policy(PolicyArn=arn),
    ),
    "attached": lambda iam, name, arn: iam.attach_role_policy(RoleName=name, PolicyArn=SHARED),
    "inline added": lambda iam, name, arn: iam.put_role_policy(
        RoleName=name, PolicyName="more", PolicyDocument=json.dumps(OTHER)
    ),
    "inline changed": lambda iam, name, arn: iam.put_role_policy(
        RoleName=name, PolicyName="inline", PolicyDocument=json.dumps(OTHER)
    ),
    "version": lambda iam, name, arn: iam.create_policy_version(
        PolicyArn=arn, PolicyDocument=json.dumps(OTHER), SetAsDefault=True
    ),
    "version that is not the default": lambda iam, name, arn: iam.create_policy_version(
        PolicyArn=arn, PolicyDocument=json.dumps(OTHER), SetAsDefault=False
    ),
    "settings": lambda iam, name, arn: iam.update_role(RoleName=name, Description="%7E", MaxSessionDuration=7200),
    "boundary": lambda iam, name, arn: iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=SHARED),
}
DETAILS, ROLES = "GetAccountAuthorizationDetails", "ListRoles"
HALF_WAY = "Marker="


@pytest.fixture
def iam(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr("irsa_world.live.iam.MANY", 2)
    with paged_iam(monkeypatch, 3) as client:
        yield client


class Wanted(NamedTuple):
    """What is read in bulk: the names of roles, and the policies whose documents are wanted."""

    roles: set[str]
    policies: set[str]


def create(iam: Any, number: int) -> Wanted:
    """Create roles with a policy each, an inline one, a description and a boundary, and return what asks for them."""
    wanted = Wanted(set(), set())
    for index in range(number):
        name = f"app-{index}"
        arn = iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(POLICY))["Policy"]["Arn"]
        iam.create_role(
            RoleName=name,
            AssumeRolePolicyDocument=json.dumps(TRUST),
            Description=f"Reads {index} %41",
            MaxSessionDuration=7200,
            PermissionsBoundary=arn,
        )
        iam.attach_role_policy(RoleName=name, PolicyArn=arn)
        iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=json.dumps(POLICY))
        wanted.roles.add(name)
        wanted.policies.add(arn)
    return wanted


class Account:
    """An AWS account as verify reads it, which counts what IAM is asked."""

    def __init__(self, live: AwsAccountClient | None = None) -> None:
        self.live = live or AwsAccountClient(boto3.session.Session(), ACCOUNT)
        self.calls: Counter[str] = Counter()
        self.events = self.live._iam.client.meta.events
        self.events.register("before-call.iam.*", lambda model, **_: self.calls.update([model.name]))

    def answer(self, operation: str, answer: Callable[[], Any], when: str = "") -> None:
        """Have an operation answered by a function, or end with what it raises, where its request's body has this."""

        def answered(request: Any, **_: Any) -> Any:
            return answer() if when in str(request.body) else None

        self.events.register_first(f"before-send.iam.{operation}", answered)

    def read(self, wanted: Wanted) -> None:
        self.live.read_in_bulk(len(wanted.roles), len(wanted.policies))

    def facts(self, wanted: Wanted) -> dict[str, Any]:
        """Return all that verify reads of these roles and policies."""
        live = self.live
        names = sorted(wanted.roles)
        settings = ("arn", "description", "max_session_duration", "permissions_boundary", "trust")
        return {
            "roles": [[getattr(live.role(name), key, None) for key in settings] for name in names],
            # Their order says nothing.
            "attached": [found and sorted(found) for found in map(live.attached_policies, names)],
            "inline": [live.inline_policies(name) for name in names],
            "inline documents": [live.inline_document(name, "inline") for name in names],
            "documents": [live.document(arn) for arn in sorted(wanted.policies)],
        }


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(sorted(BY_HAND)), min_size=3, max_size=7))
@example([*BY_HAND])
def test_lists_answer_what_the_questions_would(monkeypatch: pytest.MonkeyPatch, changes: list[str]) -> None:
    monkeypatch.setattr("irsa_world.live.iam.MANY", 2)
    with paged_iam(monkeypatch, 3) as iam:
        wanted = create(iam, len(changes) + 1)
        for number, change in enumerate(changes, 1):
            BY_HAND[change](iam, f"app-{number}", f"arn:aws:iam::{ACCOUNT}:policy/app-{number}")
        account = Account()
        account.read(wanted)

        assert account.calls.keys() == {ROLES, DETAILS}
        assert account.facts(wanted) == Account().facts(wanted)


@pytest.mark.parametrize(
    ("roles", "policies", "calls"), [(2, 2, {}), (3, 0, {ROLES: 1, DETAILS: 1}), (0, 3, {DETAILS: 1})]
)
def test_only_what_many_are_wanted_of_is_listed(iam: Any, roles: int, policies: int, calls: dict[str, int]) -> None:
    account = Account()
    account.live.read_in_bulk(roles, policies)

    assert account.calls == calls


def silent() -> Any:
    raise ReadTimeoutError(endpoint_url="https://iam.amazonaws.com")


@pytest.mark.parametrize("operations", [{DETAILS}, {ROLES}, {DETAILS, ROLES}])
@pytest.mark.parametrize(
    ("answer", "when"),
    [
        (lambda: refusal(403, "AccessDenied"), ""),
        (lambda: refusal(400, "Throttling"), HALF_WAY),
        (lambda: refusal(503, "ServiceUnavailable"), HALF_WAY),
        (silent, HALF_WAY),
    ],
)
def test_a_list_without_its_end_says_nothing_and_costs_no_other_question(
    iam: Any, no_pauses: None, operations: set[str], answer: Callable[[], Any], when: str
) -> None:
    wanted = create(iam, 7)
    account, failed = Account(), Counter[str]()
    for operation in operations:

        def fails(operation: str = operation) -> Any:
            failed[operation] += 1
            return answer()

        account.answer(operation, fails, when)
    account.read(wanted)
    assert account.facts(wanted) == Account().facts(wanted)
    # What ListRoles alone has is asked of each role; the rest still comes from the details.
    assert account.calls["GetRole"] == 7
    assert account.calls["GetRolePolicy"] == (0 if operations == {ROLES} else 7)
    # Of roles and of policies there is a list of details each; one without an answer is not sent ten times.
    assert answer is not silent or failed[ROLES] <= 3 >= failed[DETAILS] / 2


def test_a_role_made_anew_between_two_lists_is_asked_by_itself(iam: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = create(iam, 3)
    account = Account()
    account.live.listed_roles()
    iam.delete_role_policy(RoleName="app-1", PolicyName="inline")
    iam.detach_role_policy(RoleName="app-1", PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/app-1")
    iam.delete_role(RoleName="app-1")
    iam.create_role(RoleName="app-1", AssumeRolePolicyDocument=json.dumps(TRUST), Description="another")
    account.read(wanted)

    role = account.live.role("app-1")
    assert role
    assert role.description == "another"
    assert account.live.attached_policies("app-1") == []
    assert account.calls["GetRole"] == account.calls["ListAttachedRolePolicies"] == 1


def providers_of_one_account(
    wanted: Wanted, number: int
) -> tuple[AwsAccountClients, list[DeclaredBinding], list[Account]]:
    """Return providers of one AWS account, bindings that they created in turn, and the account as each one sees it."""
    references = [f"provider-{index}" for index in range(number)]
    aws_accounts = AwsAccountClients({reference: {} for reference in references})
    bindings = [
        DeclaredBinding(
            name,
            f"arn:aws:iam::{ACCOUNT}:role/{name}",
            Role(f"arn:aws:iam::{ACCOUNT}:role/{name}", TRUST, inline_policies={"inline": POLICY}),
            documents={f"arn:aws:iam::{ACCOUNT}:policy/{name}": POLICY},
            provider=reference,
        )
        for name, reference in zip(sorted(wanted.roles), itertools.cycle(references), strict=False)
    ]
    found = list(dict.fromkeys(aws_accounts.of_binding(binding) for binding in bindings))
    return aws_accounts, bindings, [Account(live) for live in found if live]


def test_several_providers_of_one_account_read_it_once(iam: Any) -> None:
    wanted = create(iam, 8)
    aws_accounts, bindings, seen = providers_of_one_account(wanted, 4)
    aws_accounts.read_in_bulk(bindings)

    first = seen[0]
    # 8 roles and 8 policies, 3 on a page.
    assert first.calls == {ROLES: 3, DETAILS: 6}
    for each in seen:
        assert each.facts(wanted) == first.facts(wanted)
    assert [sum(each.calls.values()) for each in seen] == [9, 0, 0, 0]
    assert first.facts(wanted) == Account().facts(wanted)
    found = first.live.role("app-3")
    assert found
    assert (found.description, found.max_session_duration) == ("Reads 3 %41", 7200)


def test_the_first_provider_that_may_reads_for_all(iam: Any) -> None:
    wanted = create(iam, 8)
    aws_accounts, bindings, seen = providers_of_one_account(wanted, 3)
    seen[0].answer(DETAILS, lambda: refusal(403, "AccessDenied"))
    aws_accounts.read_in_bulk(bindings)
    before = [sum(each.calls.values()) for each in seen]

    assert seen[1].calls == {ROLES: 3, DETAILS: 6}
    assert seen[2].calls == {}
    for each in seen:
        assert each.facts(wanted) == Account().facts(wanted)
    assert [sum(each.calls.values()) for each in seen] == before


def test_what_is_asked_is_what_the_documented_policy_allows(iam: Any) -> None:
    account = Account()
    account.read(create(iam, 3))

    assert {f"iam:{call}" for call in account.calls} == documented("iam-verify-in-bulk.json")
