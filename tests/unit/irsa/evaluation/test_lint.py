"""Rules about documents alone, as a policy pack of somebody's own asks them: no stack file is there."""

import re
from collections.abc import Callable
from typing import Any

import botocore.session
import pytest

from docs.generate.actions import reference
from irsa.evaluation import permissions
from irsa.evaluation.lint import managed_policies
from irsa.evaluation.lint.actions import (
    OPERATIONS,
    WRITING,
    matching,
    nearest_actions,
    service,
    services,
    unknown_action,
)
from irsa.evaluation.lint.managed_policies import AwsManagedPolicy, unknown_managed_policy
from irsa.evaluation.lint.rule import Danger, Policies
from irsa.evaluation.lint.wide_permissions import pass_any_role, write_everything
from tests.world import document


def test_every_service_is_what_the_package_says() -> None:
    """Protects the lint rules: an action that is missed, or has another's resources, would call good policies wrong."""
    whole = reference()

    assert sorted(services()) == sorted(whole)
    assert sum(len(service(prefix).actions) for prefix in services()) > 20_000
    for prefix, expected in whole.items():
        arns = {name: each["arn"] for name, each in expected["resources"].items()}
        assert sorted(service(prefix).arns) == sorted(arns.values())
        assert service(prefix).actions == {
            name.lower(): (name, each["access_level"], sorted({arns[kind] for kind in each["resource_types"] if kind}))
            for name, each in expected["privileges"].items()
        }


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("s3:GetObjekt", "s3:GetObject"),
        ("S3:getobjekt", "s3:GetObject"),
        ("dynamodbb:GetItem", "dynamodb:GetItem"),
        ("s3:ListObject", "s3:ListBucket"),
        ("ec2:ListInstances", "ec2:DescribeInstances"),
        ("sqs:GetMessage", "sqs:ReceiveMessage"),
    ],
)
def test_a_slip_in_service_or_action_finds_the_one_that_is_meant(written: str, meant: str) -> None:
    assert [*nearest_actions(written)] == [meant]


@pytest.mark.parametrize("verb", ["Get", "List", "Describe"])
def test_a_slip_in_what_looks_finds_nothing_that_changes(verb: str) -> None:
    """The attack: `iam:DescribeRole`, and the advice to write `iam:DeleteRole`."""
    for prefix in ("dynamodb", "iam", "sqs"):
        for name, level, _ in service(prefix).actions.values():
            slip = f"{prefix}:{re.sub('^[A-Z][a-z]+', verb, name)}"
            if level in WRITING and not matching(slip):
                assert not any(matching(each)[0].access_level in WRITING for each in nearest_actions(slip)), slip


def test_operations_that_other_actions_allow() -> None:
    """Source of the operations: AWS's service models, as botocore has them; of the actions: AWS's reference."""
    for operation, allowing in OPERATIONS.items():
        prefix, _, name = operation.partition(":")
        assert name in botocore.session.get_session().get_service_model(prefix).operation_names
        assert not matching(operation), operation
        assert all(map(matching, allowing)), operation
        assert nearest_actions(operation) == nearest_actions(f"{operation.upper()}*") == allowing
    assert not service("dynamodbb").actions


NARROW = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::b/*"}
WIDE = {**NARROW, "Action": ["s3:PutObject", "iam:PassRole"], "Resource": "*"}
DENIED = {**WIDE, "Effect": "Deny"}


@pytest.mark.parametrize(("statements", "found"), [([WIDE], [0]), ([NARROW, WIDE], [1]), ([WIDE, DENIED], [])])
def test_documents_judged_together(statements: list[Any], found: list[int]) -> None:
    policies = Policies([document(each) for each in statements])

    for rule in (write_everything, pass_any_role):
        warnings = [*rule(policies)]
        assert [place[:3] for place, _ in warnings] == [(index, "Statement", 0) for index in found]
        assert all(isinstance(mistake, Danger) for _, mistake in warnings)
    assert not any(warning for _, each in policies.statements for warning in unknown_action(each))


def counted(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> list[object]:
    """Return a list that grows with each call of a function."""
    calls: list[object] = []
    real: Callable[..., object] = getattr(module, name)

    def called(*args: object) -> object:
        calls.append(args)
        return real(*args)

    monkeypatch.setattr(module, name, called)
    return calls


def test_an_unknown_policy_of_many_bindings_is_compared_with_all_names_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = counted(monkeypatch, managed_policies, "likely")
    policy = AwsManagedPolicy("arn:aws:iam::aws:policy/AmazonS3ReadonlyAccesses")

    assert len({str(mistake) for _ in range(10) for _, mistake in unknown_managed_policy(policy)}) == 1
    assert len(calls) == 1


def test_twice_the_statements_do_not_ask_four_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack: a document whose statements all name what they apply to by a region, or by a word."""
    calls = counted(monkeypatch, permissions, "matches")

    def asked(statements: int) -> int:
        calls.clear()
        each = ({**WIDE, "Action": "sqs:*", "Resource": f"arn:aws:sqs:us-west-2:*:*{at}"} for at in range(statements))
        assert not [*write_everything(Policies([document(*each)]))]
        return len(calls)

    assert asked(40) < 3 * asked(20)
