"""IAM is eventually consistent: for some seconds after `up`, STS may not know a role, or its new trust policy.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
"""

from collections.abc import Callable
from typing import Any

import pytest

from tests.sandbox.failing_api import Failure, failing_aws
from tests.sandbox.irsa_command import not_good, report
from tests.sandbox.project import Project

pytestmark = pytest.mark.sandbox

DENIED: Failure = (403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")


def denying(times: int) -> Callable[[], Failure | None]:
    """Return a function that denies the first so many calls."""
    answers = iter([DENIED] * times)
    return lambda: next(answers, None)


def test_a_role_that_sts_does_not_know_yet(cloud: Any, deploy: Callable[..., Project]) -> None:
    """Protects a pipeline that proves right after `up`: some seconds are waited for, and no longer.

    Two refusals are six seconds. One that stays is a finding, as any other.
    """
    project = deploy({"bindings": {"new": {"serviceAccount": {"name": "new"}, "policyArns": []}}})
    project.up()
    answers = {}
    for times in (2, 3):
        with failing_aws({"AssumeRoleWithWebIdentity": denying(times)}, cloud.environment()["AWS_ENDPOINT_URL"]) as aws:
            answers[times] = report(project, "prove", AWS_ENDPOINT_URL=aws)

    assert (answers[2][0], not_good(answers[2][1])) == (0, [])
    (check,) = not_good(answers[3][1])
    assert (answers[3][0], check["check"], check["outcome"]) == (1, "assumes", "finding")
    assert check["found"].startswith("AccessDenied")
    assert report(project, "prove")[0] == 0
