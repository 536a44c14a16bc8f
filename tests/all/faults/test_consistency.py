"""IAM is eventually consistent: for some seconds after `up`, a part of it may not know what was created.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
"""

from collections.abc import Callable
from typing import Any

import pytest

from tests.sandbox.failing_api import Failure, failing_aws
from tests.sandbox.irsa_command import not_good, report
from tests.sandbox.live import allowing
from tests.sandbox.project import Project

pytestmark = pytest.mark.sandbox

DENIED: Failure = (403, "AccessDenied", "Not authorized")
MISSING: Failure = (404, "NoSuchEntity", "Policy arn:aws:iam::111122223333:policy/new was not found.")


def failing(failure: Failure, times: int) -> Callable[[], Failure | None]:
    answers = iter([failure] * times)
    return lambda: next(answers, None)


def test_a_role_that_sts_does_not_know_yet(cloud: Any, deploy: Callable[..., Project]) -> None:
    project = deploy({"bindings": {"new": {"serviceAccount": {"name": "new"}, "policyArns": []}}})
    project.up()
    answers = {}
    for times in (2, 3):
        with failing_aws({"AssumeRoleWithWebIdentity": failing(DENIED, times)}, cloud.aws_address) as aws:
            answers[times] = report(project, "prove", AWS_ENDPOINT_URL=aws)

    assert (answers[2][0], not_good(answers[2][1])) == (0, [])
    (check,) = not_good(answers[3][1])
    assert (answers[3][0], check["check"], check["outcome"]) == (1, "assumes", "finding")
    assert check["found"].startswith("AccessDenied")
    assert report(project, "prove")[0] == 0


def test_a_policy_that_iam_does_not_find_yet(cloud: Any, deploy: Callable[..., Project]) -> None:
    document = allowing("arn:aws:s3:::my-bucket", action="s3:ListBucket")
    project = deploy({"bindings": {"new": {"serviceAccount": {"name": "new"}, "policy": {"document": document}}}})
    project.up()
    answers = []
    for missing in (failing(MISSING, 2), lambda: MISSING):
        # Without the lists, each policy is asked for.
        failures = {"GetAccountAuthorizationDetails": lambda: DENIED, "GetPolicy": missing}
        with failing_aws(failures, cloud.aws_address) as aws:
            answers.append(report(project, "verify", AWS_ENDPOINT_URL=aws))
    (for_a_moment, checks), (for_good, stays) = answers

    assert (for_a_moment, not_good(checks)) == (0, [])
    (check,) = not_good(stays)
    assert (for_good, check["check"], check["outcome"]) == (1, "documents", "finding")
    assert report(project, "verify")[0] == 0
