"""Tests of the program, without AWS and without a cluster: python -W ignore -m unittest."""

import json
import runpy
import unittest
from typing import Any

import pulumi

ACCOUNT = "arn:aws:iam::111122223333"
ISSUER = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"


class Cloud(pulumi.runtime.Mocks):
    """Keeps the inputs of each resource by type, and answers with an ARN."""

    def __init__(self) -> None:
        self.inputs: dict[str, Any] = {}

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        self.inputs[args.typ] = args.inputs
        metadata = {"metadata": {"name": args.name}} if args.typ.startswith("kubernetes:") else {}
        return args.name, {"name": args.name, "arn": f"{ACCOUNT}:{args.name}", **metadata, **args.inputs}

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        return {}, None


class TestProgram(unittest.TestCase):
    @pulumi.runtime.test
    def test_only_the_service_account_is_trusted(self) -> Any:
        cloud = Cloud()
        pulumi.runtime.set_mocks(cloud, project="app", preview=False)
        pulumi.runtime.set_config("app:oidcProviderArn", f"{ACCOUNT}:oidc-provider/{ISSUER}")
        program = runpy.run_path("__main__.py")

        def check(_: str) -> None:
            (statement,) = json.loads(cloud.inputs["aws:iam/role:Role"]["assumeRolePolicy"])["Statement"]
            assert statement["Condition"] == {
                "StringEquals": {
                    f"{ISSUER}:aud": "sts.amazonaws.com",
                    f"{ISSUER}:sub": "system:serviceaccount:reports:report-reader",
                }
            }

        return program["reader"].role_arn.apply(check)
