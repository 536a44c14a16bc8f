"""Rules about documents alone, as a policy pack of somebody's own asks them: no stack file is there."""

import json
from typing import Any

import pytest

from irsa.evaluation.admission import admission
from irsa.evaluation.lint.actions import unknown_action
from irsa.evaluation.lint.permissions import pass_any_role, write_everything
from irsa.evaluation.lint.rule import Danger, Policies
from irsa.evaluation.lint.trust import Trust, wide_trust

NARROW = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::b/*"}
WIDE = {**NARROW, "Action": ["s3:PutObject", "iam:PassRole"], "Resource": "*"}
DENIED = {**WIDE, "Effect": "Deny"}


@pytest.mark.parametrize(("statements", "found"), [([WIDE], [0]), ([NARROW, WIDE], [1]), ([WIDE, DENIED], [])])
def test_documents_judged_together(statements: list[Any], found: list[int]) -> None:
    policies = Policies([{"Version": "2012-10-17", "Statement": [each]} for each in statements])

    for rule in (write_everything, pass_any_role):
        warnings = [*rule(policies)]
        assert [place[:3] for place, _ in warnings] == [(index, "Statement", 0) for index in found]
        assert all(isinstance(mistake, Danger) for _, mistake in warnings)
    assert not any(warning for _, each in policies.statements for warning in unknown_action(each))


@pytest.mark.parametrize(("subject", "dangers"), [("team-a:app", []), ("team-a:*", [False]), ("*", [True])])
def test_a_trust_policy(subject: str, dangers: list[bool]) -> None:
    """The attack: a trust policy of any origin that lets in a namespace, or the cluster."""
    issuer = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::111122223333:oidc-provider/{issuer}"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringLike": {f"{issuer}:sub": f"system:serviceaccount:{subject}"}},
    }
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    warnings = [*wide_trust(Trust([statement], admission(text, [], [], "")))]

    assert [place for place, _ in warnings] == [("statements", 0)] * len(dangers)
    assert [isinstance(mistake, Danger) for _, mistake in warnings] == dangers
