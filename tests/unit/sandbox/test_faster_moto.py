"""What is replaced in moto for its speed answers as moto itself does."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import moto.iam.models as iam_models
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto.core.exceptions import ServiceException
from moto.iam.models import IAMBackend, get_account_id_from, iam_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from sandbox.faster_moto import policy_named, replacements, role_named

ACCOUNT = "111122223333"
DOCUMENT = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:List*", "Resource": "*"}]}
)
ROLES = st.sampled_from(["app", "App", "other"])
POLICIES = st.sampled_from([f"arn:aws:iam::{ACCOUNT}:policy/{name}" for name in ("own", "other")])
CALLS = st.one_of(
    st.tuples(st.just("create"), ROLES),
    st.tuples(st.just("delete_role"), ROLES),
    st.tuples(st.sampled_from(["attach_role_policy", "detach_role_policy"]), POLICIES, ROLES),
)


@contextmanager
def replaced() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for owner, name, replacement in replacements():
            patch.setattr(owner, name, replacement)
        yield


def answers(calls: list[tuple[str, ...]]) -> list[object]:
    """Return what an account without AWS's policies answers to calls, and what it has in the end."""
    iam: Any = IAMBackend("aws", ACCOUNT)
    iam.create_policy("", "/", DOCUMENT, "own", [])
    said: list[object] = []
    for operation, *arguments in calls:
        try:
            if operation == "create":
                said.append(iam.create_role(*arguments, DOCUMENT, "/", None, "", [], 3600).arn)
            else:
                getattr(iam, operation)(*arguments)
        except ServiceException as error:
            said.append((type(error), str(error)))
    attached = {role.arn: list(role.managed_policies) for role in iam.roles.values()}
    return [*said, attached, [policy.attachment_count for policy in iam.managed_policies.values()]]


@settings(deadline=None)
@given(st.lists(CALLS, max_size=12))
def test_attachments_are_those_of_moto(calls: list[tuple[str, ...]]) -> None:
    """A role that was deleted and created again, another case of a name, a missing policy: the same answers."""
    expected = answers(calls)
    with replaced():
        assert answers(calls) == expected


def test_a_name_is_found_in_whatever_case_for_as_long_as_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """IAM's names are unique without regard to case; those of AWS's policies, and of what was deleted, are free."""
    monkeypatch.setenv("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")
    iam: Any = IAMBackend("aws", ACCOUNT)
    # The same ARN again, then another one.
    for path in ("/", "/", "/team/"):
        assert (role_named(iam, "APP"), policy_named(iam, "APP")) == (None, None)
        role: Any = iam.create_role("App", DOCUMENT, path, None, "", [], 3600)
        policy: Any = iam.create_policy("", path, DOCUMENT, "App", [])
        assert (role_named(iam, "aPP"), policy_named(iam, "aPP")) == (role, policy)
        iam.delete_role("App")
        iam.delete_policy(policy.arn)
    assert policy_named(iam, "AmazonS3ReadOnlyAccess") is None


def test_the_number_of_policies_is_that_of_the_account_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """GetAccountSummary counts customer managed policies, of which there may be 1,500."""
    monkeypatch.setenv("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")
    iam: Any = IAMBackend("aws", ACCOUNT)
    for number in range(3):
        iam.create_policy("", "/", DOCUMENT, f"own-{number}", [])
    with replaced():
        assert iam.account_summary.summary_map["Policies"] == 3


def test_an_access_key_is_of_the_account_that_it_was_made_in() -> None:
    """Whoever assumed a role of another AWS account acts in that account, in any partition."""
    for aws_account, partition in ((ACCOUNT, "aws"), ("444455556666", "aws-cn")):
        key = iam_backends[aws_account][partition].create_temp_access_key().access_key_id
        expected = get_account_id_from(key), get_account_id_from("AKIAEXAMPLE")
        assert expected[0] == aws_account
        with replaced():
            found: Any = vars(iam_models)["get_account_id_from"]
            assert (found(key), found("AKIAEXAMPLE")) == expected


def test_every_service_is_found_as_before() -> None:
    """The services' names are read from moto's folder once, not for each request."""
    application = DomainDispatcherApplication(create_backend_app)
    hosts = ("iam", "s3", "moto_api", "iam.us-west-2.amazonaws.com", "eks.us-west-2.amazonaws.com", "none")
    expected = [application.get_backend_for_host(host) for host in hosts]
    with replaced():
        assert [application.get_backend_for_host(host) for host in hosts] == expected
