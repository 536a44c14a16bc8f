"""`irsa prove` where it cannot prove, and what it never shows."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.irsa_command import ISSUER, irsa, not_good, report
from tests.sandbox.project import Project

pytestmark = pytest.mark.sandbox

# A JSON Web Token begins with {" in base64; an access key of STS with ASIA (IAM's reference of identifiers); moto's
# session tokens with what those of AWS begin with.
SECRETS = re.compile(r"eyJ[\w-]{10,}\.|ASIA[A-Z0-9]{16}|FQoGZXIvYXdz|IQoJb3JpZ2lu")


def test_tokens_and_credentials_are_never_shown_or_kept(
    cloud: Any, deploy: Callable[..., Project], tmp_path: Path
) -> None:
    """Protects the accounts: nothing that acts as them is in any output, in the state or in the sandbox's logs."""
    project = deploy({"bindings": {"secret": {"serviceAccount": {"name": "secret"}, "policyArns": []}}})
    project.up()
    token = cloud.kubectl("create", "token", "secret", "--audience", "sts.amazonaws.com").stdout.strip()
    role = project.outputs()["bindings"]["secret"]["roleArn"]
    keys = cloud.aws("sts").assume_role_with_web_identity(RoleArn=role, RoleSessionName="test", WebIdentityToken=token)[
        "Credentials"
    ]
    for secret in (token, keys["AccessKeyId"], keys["SessionToken"]):
        assert SECRETS.search(secret), "this test would see nothing"

    provider = f"arn:aws:iam::111122223333:oidc-provider/{ISSUER}"
    runs = []
    for broken in (False, True):
        if broken:
            cloud.aws("iam").delete_open_id_connect_provider(OpenIDConnectProviderArn=provider)
        junit = tmp_path / f"{broken}.xml"
        runs += [
            irsa(project, verb, "--junit", str(junit), *form)
            for verb in ("verify", "prove")
            for form in ((), ("--json",))
        ]
        runs.append(irsa(project, "explain", "default/secret", role, "--stack", "test", "--json"))
    cloud.aws("iam").create_open_id_connect_provider(Url=f"https://{ISSUER}", ClientIDList=["sts.amazonaws.com"])
    files = [*tmp_path.rglob("*.json"), *tmp_path.rglob("*.xml"), *(cloud.folder / "logs").iterdir()]

    assert {run.returncode for run in runs} == {0, 1}
    assert any("checkpoint" in file.read_text() for file in files if file.suffix == ".json")
    for text in (*(run.stdout + run.stderr for run in runs), *(file.read_text(errors="replace") for file in files)):
        assert not SECRETS.search(text)


def test_what_cannot_be_proven_here_is_not_a_finding(deploy: Callable[..., Project]) -> None:
    """Protects the meaning of 1: no account that matches, or a condition on the caller's network, is exit code 2."""
    network = {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}
    bindings = {
        "nobody": {"trust": {"subjects": ["team-z:*"]}, "policyArns": []},
        "later": {"trust": {"subjects": ["team-b:not-there-yet"]}, "policyArns": []},
        "network": {"serviceAccount": {"name": "inside"}, "trust": {"conditions": network}, "policyArns": []},
    }
    project = deploy({"bindings": bindings})
    project.up()

    assert report(project, "verify")[0] == 0
    found = {}
    for name in bindings:
        code, checks = report(project, "prove", name)
        (check,) = not_good(checks)
        assert (code, check["check"], check["outcome"]) == (2, "assumes", "could not look")
        found[name] = check["found"]
    assert found["nobody"] == "no existing service account matches, so there is no proof"
    assert found["later"] == "the service account does not exist, so there is no proof"
    assert {name: report(project, "prove", name, "--allow-unproven")[0] for name in bindings} == {
        "nobody": 0,
        "later": 0,
        "network": 2,
    }
    assert found["network"].startswith('AccessDenied: "Not authorized to perform sts:AssumeRoleWithWebIdentity": ')
    assert "condition on the caller's network" in found["network"]


def test_a_network_condition_is_seen_wherever_it_stands(cloud: Any, deploy: Callable[..., Project]) -> None:
    """Protects the meaning of 1: added by hand, or of a role that is only named, it refuses whoever is elsewhere.

    What is refused for another reason as well is still a finding.
    """
    iam = cloud.aws("iam")

    def document(service_account: str) -> str:
        subject = f"system:serviceaccount:default:{service_account}"
        claims = {f"{ISSUER}:aud": "sts.amazonaws.com", f"{ISSUER}:sub": subject}
        statement = {
            "Effect": "Allow",
            "Principal": {"Federated": f"arn:aws:iam::111122223333:oidc-provider/{ISSUER}"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": claims, "IpAddress": {"aws:SourceIp": "203.0.113.0/24"}},
        }
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    arns = [
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(service_account))["Role"]["Arn"]
        for name, service_account in (("fenced", "visitor"), ("fenced-off", "somebody-else"))
    ]
    bindings = {
        "added": {"serviceAccount": {"name": "added"}, "role": {"name": "added-role"}, "policyArns": []},
        "named": {"serviceAccount": {"name": "visitor"}, "role": {"arn": arns[0]}},
        "refused": {"serviceAccount": {"name": "stranger"}, "role": {"arn": arns[1]}},
    }
    project = deploy({"bindings": bindings})
    project.up()
    iam.update_assume_role_policy(RoleName="added-role", PolicyDocument=document("added"))
    found = {name: report(project, "prove", name) for name in bindings}
    for name in ("fenced", "fenced-off"):
        iam.delete_role(RoleName=name)

    for name, code, outcome in (
        ("added", 2, "could not look"),
        ("named", 2, "could not look"),
        ("refused", 1, "finding"),
    ):
        (check,) = not_good(found[name][1])
        assert (found[name][0], check["check"], check["outcome"]) == (code, "assumes", outcome)
        assert ("condition on the caller's network" in check["found"]) is (code == 2)


def test_an_own_audience_is_the_one_of_the_token(cloud: Any, deploy: Callable[..., Project]) -> None:
    """Protects `audience`: the annotation, the token, the provider's client ids and the trust policy agree."""
    provider = f"arn:aws:iam::111122223333:oidc-provider/{ISSUER}"
    iam = cloud.aws("iam")
    iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=provider, ClientID="vault")
    project = deploy({"bindings": {"own": {"serviceAccount": {"name": "own"}, "audience": "vault", "policyArns": []}}})
    project.up()
    proven = report(project, "prove")
    iam.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=provider, ClientID="vault")

    assert (proven[0], not_good(proven[1])) == (0, [])
    code, checks = report(project, "verify")
    assert (code, [check["expected"] for check in not_good(checks)]) == (1, ["vault in the client ID list"])
