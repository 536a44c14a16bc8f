"""Reading IAM in bulk: when it is done, that nothing is lost where it fails, and that a list never says "missing"."""

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ReadTimeoutError
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from irsa_world.live.aws_account import Wanted, read_aws_account
from irsa_world.live.iam import AwsAccountClient
from tests.world import document, documented, paged_iam, refusal

ACCOUNT = "123456789012"
ARN = f"arn:aws:iam::{ACCOUNT}"
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
    monkeypatch.setattr("irsa_world.live.aws_account.MANY", 2)
    with paged_iam(monkeypatch, 3) as client:
        yield client


def create(iam: Any, number: int) -> set[str]:
    """Create roles with a policy each, an inline one, a description and a boundary, and return their names."""
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
    return {f"app-{index}" for index in range(number)}


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

    def facts(self, names: set[str]) -> dict[str, Any]:
        """Return all that verify reads of these roles and policies."""
        return facts(names, self)


def facts(names: set[str], *seen: Account) -> dict[str, Any]:
    """Return the same where each is read with the credentials of one of these, in turn."""
    clients = dict(zip(sorted(names), itertools.cycle(each.live for each in seen), strict=False))
    found = read_aws_account(
        Wanted(
            {f"{ARN}:role/{name}": (client, ["inline"]) for name, client in clients.items()},
            policies={f"{ARN}:policy/{name}": client for name, client in clients.items()},
        )
    )
    settings = ("arn", "description", "max_session_duration", "permissions_boundary", "trust")
    return {
        "roles": {each.name: [getattr(each, key) for key in settings] for each in found.roles},
        # Their order says nothing.
        "attached": {each.name: sorted(each.attached_policies) for each in found.roles},
        "inline": {each.name: sorted(each.inline_policies) for each in found.roles},
        "inline documents": {each.name: each.inline_policies.get("inline") for each in found.roles},
        "documents": found.documents,
    }


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(sorted(BY_HAND)), min_size=3, max_size=7))
@example([*BY_HAND])
def test_lists_answer_what_the_questions_would(monkeypatch: pytest.MonkeyPatch, changes: list[str]) -> None:
    monkeypatch.setattr("irsa_world.live.aws_account.MANY", 2)
    with paged_iam(monkeypatch, 3) as iam:
        names = create(iam, len(changes) + 1)
        for number, change in enumerate(changes, 1):
            BY_HAND[change](iam, f"app-{number}", f"arn:aws:iam::{ACCOUNT}:policy/app-{number}")
        account, single = Account(), Account()
        found = account.facts(names)
        monkeypatch.setattr("irsa_world.live.aws_account.MANY", 1_000)

        # What a list lacks is asked by itself.
        gone = {name for name, change in zip(sorted(names)[1:], changes, strict=True) if "deleted" in change}
        assert found == single.facts(names)
        assert {ROLES, DETAILS}.isdisjoint(single.calls)
        assert gone or account.calls.keys() == {ROLES, DETAILS}


@pytest.mark.parametrize(
    ("roles", "policies", "calls"),
    [(2, 1, set()), (3, 1, {ROLES, DETAILS}), (1, 2, {DETAILS})],
)
def test_only_what_many_are_wanted_of_is_listed(iam: Any, roles: int, policies: int, calls: set[str]) -> None:
    account = Account()
    named: Any = {f"{ARN}:role/{name}": (account.live, None) for name in range(roles)}
    read_aws_account(Wanted(named, policies={f"{ARN}:policy/{name}": account.live for name in range(policies)}))

    assert account.calls.keys() & {ROLES, DETAILS} == calls


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
    names = create(iam, 7)
    account, failed = Account(), Counter[str]()
    for operation in operations:

        def fails(operation: str = operation) -> Any:
            failed[operation] += 1
            return answer()

        account.answer(operation, fails, when)
    assert account.facts(names) == Account().facts(names)
    # Of either list alone, nothing is taken.
    assert account.calls["GetRole"] == account.calls["GetRolePolicy"] == 7
    # Of roles and of policies there is a list of details each; one without an answer is not sent ten times.
    assert answer is not silent or failed[ROLES] <= 3 >= failed[DETAILS] / 2


def test_a_role_made_anew_between_two_lists_is_asked_by_itself(iam: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    names = create(iam, 3)
    account = Account()
    account.live.listed_roles()
    iam.delete_role_policy(RoleName="app-1", PolicyName="inline")
    iam.detach_role_policy(RoleName="app-1", PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/app-1")
    iam.delete_role(RoleName="app-1")
    iam.create_role(RoleName="app-1", AssumeRolePolicyDocument=json.dumps(TRUST), Description="another")
    found = account.facts(names)

    assert found["roles"]["app-1"][1] == "another"
    assert found["attached"]["app-1"] == []
    assert account.calls["GetRole"] == account.calls["ListAttachedRolePolicies"] == 1


def test_several_providers_of_one_account_read_it_once(iam: Any) -> None:
    """The lists are those of the first one; what they lack, the provider of each role asks for."""
    names = create(iam, 8)
    for denied, calls in ((False, [9, 0, 0]), (True, [23, 18, 12])):
        seen = [Account() for _ in range(3)]
        if denied:
            seen[0].answer(DETAILS, lambda: refusal(403, "AccessDenied"))
        found = facts(names, *seen)

        assert found == Account().facts(names)
        # 8 roles and 8 policies, 3 on a page.
        assert [sum(each.calls.values()) for each in seen] == calls
        assert found["roles"]["app-3"][1:3] == ["Reads 3 %41", 7200]


def test_what_is_asked_is_what_the_documented_policy_allows(iam: Any) -> None:
    account = Account()
    account.facts(create(iam, 3))

    assert {f"iam:{call}" for call in account.calls} == documented("iam-verify-in-bulk.json")
