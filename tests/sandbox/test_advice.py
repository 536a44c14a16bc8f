"""Advice that is followed word for word where the second of two clusters is broken: both have one name of context.

The same for the second of two AWS accounts, which have a role of one name, and for a cluster of another region.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from irsa_world.report.text import IN_ORDER
from sandbox.layout import AUDIENCE, OTHER_AWS_ACCOUNT
from tests.sandbox.conflicts import OF_GREEN, aws_accounts, of_the_other_account, provider_arn
from tests.sandbox.irsa_command import ACCOUNT, ISSUER, ROLE_ARN, follow, irsa, not_good, report
from tests.sandbox.live import allowing, attached, service_account
from tests.sandbox.project import STACK, Project, blue_and_green

pytestmark = pytest.mark.sandbox

NAMESPACES = ("plain", "patched")
READ, SEND = (f"arn:aws:iam::aws:policy/{name}" for name in ("AmazonS3ReadOnlyAccess", "AmazonSQSReadOnlyAccess"))
OF_BOTH, MORE = "of-both", allowing("arn:aws:s3:::more/*")


def in_account(iam: Any, number: str) -> tuple[Any, ...]:
    """Return what commands of the scenario may change in an AWS account."""
    provider = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=provider_arn(ISSUER, number))
    inline = iam.list_role_policies(RoleName=OF_BOTH)["PolicyNames"]
    return attached(iam, OF_BOTH), inline, provider["ClientIDList"]


def test_each_command_acts_on_the_cluster_that_it_is_about(cloud: Any, green: str, tmp_path: Path) -> None:
    """In green alone: a namespace or an account that is gone, an annotation and a target role of somebody else.

    In the other AWS account alone: no provider, then one without the audience, and policies of somebody else.
    """

    def in_green(*words: str) -> None:
        answer = cloud.kubectl(*words, "--kubeconfig", green)
        assert answer.returncode == 0, answer.stderr

    for name in NAMESPACES:
        assert cloud.kubectl("create", "namespace", name).returncode == 0
    assert cloud.kubectl("create", "serviceaccount", "app", "-n", "patched").returncode == 0
    (iam, there), data = aws_accounts(cloud).values(), of_the_other_account(cloud)
    provider = {"OpenIDConnectProviderArn": provider_arn(ISSUER, OTHER_AWS_ACCOUNT)}
    there.delete_open_id_connect_provider(**provider)
    profiles = {"data": data}
    (tmp_path / "aws").write_text(
        f"[profile data]\naws_access_key_id = {data['AccessKeyId']}\n"
        f"aws_secret_access_key = {data['SecretAccessKey']}\naws_session_token = {data['SessionToken']}\n"
    )
    in_blue = {"clusters": ["blue"], "role": {"name": OF_BOTH}}
    bindings = {
        "plain": {"serviceAccount": {"name": "app", "namespace": "plain"}, "policyArns": []},
        "patched": {"serviceAccount": {"name": "app", "namespace": "patched", "create": False}, "policyArns": []},
        "made": {"serviceAccount": {"name": "app", "namespace": "made", "createNamespace": True}, "policyArns": []},
        "foreign": {"serviceAccount": {"name": "foreign"}, "policyArns": []},
        "own": {
            "serviceAccount": {"name": "own"},
            **in_blue,
            "policyArns": [READ, SEND],
            "inlinePolicies": {"more": {"document": MORE}},
        },
        "data": {"serviceAccount": {"name": "data"}, **in_blue, "policyArns": [READ], "account": "data"},
        "pods": {"serviceAccount": {"name": "p"}, "identity": "podIdentity", "clusters": ["green"], "policyArns": []},
    }
    values = {"accounts": {"data": {"profile": "data"}}, "clusters": blue_and_green(green), "bindings": bindings}
    stack = Project(cloud, tmp_path / "project", values, variables={"AWS_CONFIG_FILE": str(tmp_path / "aws")})
    for rule in ("provider-missing", "namespace-missing", "service-account-missing"):
        said = json.loads(irsa(stack, "check", "--live", "--json", f"Pulumi.{STACK}.yaml").stdout)
        found = [each["fix"] for file in said["files"] for each in file["errors"] if each["rule"] == rule]
        for fix in dict.fromkeys(found):
            follow(stack, fix.partition("create it: ")[2], profiles)
        assert found
    stack.up()
    healthy = {name: service_account(cloud, "app", name) for name in (*NAMESPACES, "made")}
    first = in_account(iam, ACCOUNT)

    for name in (*NAMESPACES, "made"):
        in_green("delete", "namespace", name, "--timeout=60s")
    in_green("annotate", "serviceaccount", "foreign", "--overwrite", f"{ROLE_ARN}=arn:aws:iam::111122223333:role/x")
    there.attach_role_policy(RoleName=OF_BOTH, PolicyArn=SEND)
    there.put_role_policy(RoleName=OF_BOTH, PolicyName="more", PolicyDocument=json.dumps(MORE))
    there.remove_client_id_from_open_id_connect_provider(**provider, ClientID=AUDIENCE)
    eks, at = cloud.aws("eks", region=OF_GREEN["region"]), {"clusterName": OF_GREEN["name"]}
    (association,) = eks.list_pod_identity_associations(**at)["associations"]
    target = {"targetRoleArn": f"arn:aws:iam::{OTHER_AWS_ACCOUNT}:role/target"}
    eks.update_pod_identity_association(**at, associationId=association["associationId"], **target)
    lines = irsa(stack, "verify", "--stack", STACK).stdout.splitlines()
    block = lines[lines.index(IN_ORDER) + 1 :]
    commands = [line.strip() for line in block[: block.index("")]]
    assert len({*commands}) == len(commands)
    for asked in (("prove", "data"), ("inventory", "--profile", "data", "--context", "irsa-sandbox")):
        said = [line.strip().removeprefix("do:").strip() for line in irsa(stack, *asked).stdout.splitlines()]
        (of_audience,) = (line for line in said if line.startswith("aws "))
        assert of_audience in commands
    for command in commands:
        follow(stack, command, profiles)

    code, checks = report(stack, "verify")
    assert (code, not_good(checks)) == (0, [])
    assert {name: service_account(cloud, "app", name) for name in healthy} == healthy
    assert in_account(iam, ACCOUNT) == first
    stack.destroy()
