"""The world of the command's tests: an IAM below the SDK, and answers of AWS's services without one."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from moto import mock_aws
from moto.iam.models import IAMBackend
from moto.iam.responses import IamResponse

from sandbox import missing_in_moto
from sandbox.faster_moto import replacements

CHANGED = (
    *((IAMBackend, name) for name in ("list_roles", "attach_role_policy", "delete_policy", "update_role")),
    (IamResponse, "get_account_authorization_details"),
)


def page_as_iam(patch: pytest.MonkeyPatch, page: int, add: Callable[[], None] = missing_in_moto.page_as_iam) -> None:
    """Have moto list this many at a time, as the sandbox runs it, and credentials of an AWS account that it has.

    Its classes are as before after the test.
    """
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_REGION"):
        patch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        patch.setenv(name, "x")
    patch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    for owner, name, replacement in replacements():
        patch.setattr(owner, name, replacement)
    for owner, name in CHANGED:
        patch.setattr(owner, name, vars(owner)[name])
    patch.setattr(missing_in_moto, "PAGE", page)
    add()


@contextmanager
def paged_iam(patch: pytest.MonkeyPatch, page: int) -> Iterator[Any]:
    """Yield a client of an IAM without roles that lists this many at a time."""
    page_as_iam(patch, page)
    with mock_aws():
        yield boto3.client("iam")


def aws_response(
    status: int, body: str | Mapping[str, Any], headers: Mapping[str, str] = {}, url: str = "https://iam.amazonaws.com/"
) -> AWSResponse:
    text = body if isinstance(body, str) else json.dumps(body)

    class Raw:
        def stream(self) -> Iterator[bytes]:
            yield text.encode()

    found = HTTPHeaders()
    for name, value in headers.items():
        found[name] = value
    return AWSResponse(url, status, found, Raw())


def refusal(status: int, code: str) -> AWSResponse:
    return aws_response(
        status, f"<ErrorResponse><Error><Code>{code}</Code><Message>No</Message></Error></ErrorResponse>"
    )


def program(file: Path, script: str) -> str:
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return str(file)
