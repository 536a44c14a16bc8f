"""What a preview asks AWS for, counted by the AWS API itself."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.sandbox.project import Project

pytestmark = pytest.mark.sandbox


def bindings(number: int) -> dict[str, Any]:
    """Bindings that use an account's number, and a region, a partition and a policy of their own."""
    document = {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:${partition}:s3:::${region}/*"},
    }
    return {
        f"app-{index}": {
            "serviceAccount": {"name": f"app-{index}"},
            "role": {"permissionsBoundary": "arn:${partition}:iam::${account}:policy/existing-policy"},
            "policy": {"document": document},
        }
        for index in range(number)
    }


def test_a_preview_asks_the_same_for_3_and_for_60_bindings(deploy: Callable[..., Project], cloud: Any) -> None:
    asked: dict[int, Counter[str]] = {}
    for number in (3, 60):
        project = deploy({"bindings": bindings(number)})
        before = cloud.aws_requests()
        said = project.pulumi("preview")
        asked[number] = cloud.aws_requests() - before
        assert f"ServiceAccountRole app-{number - 1} " in " ".join(said.split())

    assert asked[3]["GET /clusters/my-cluster"] == 1
    assert asked[3]["POST / GetOpenIDConnectProvider"] == 1
    assert asked[60] == asked[3]
