import json
import re
from typing import Any

from sandbox.layout import OTHER_AWS_ACCOUNT
from tests.sandbox.irsa_command import ACCOUNT, checked
from tests.sandbox.project import Project

Settings = dict[str, Any]
MY_POLICY = {"file": "policies/my-policy.json"}
# The cluster's API is not asked.
WITHOUT_PODS = {"trust": {"subjects": ["team-a:worker"]}}
GREEN = "green.kubeconfig"
MY_CLUSTER = {"name": "my-cluster"}
OF_GREEN = {"name": "my-other-cluster", "region": "us-east-1"}
DATA = {"assumeRoleArn": f"arn:aws:iam::{OTHER_AWS_ACCOUNT}:role/deployer"}


def annotated(name: str, **settings: Any) -> Settings:
    return {"serviceAccount": {"name": name, **settings}}


def roles_only(name: str, **settings: Any) -> Settings:
    return {"role": {"name": name, **settings}, "trust": {"subjects": ["team-a:worker"]}}


def with_policy(name: str, **settings: Any) -> Settings:
    return {**roles_only(name), "policy": {"name": name, **MY_POLICY, **settings}}


def provider_arn(issuer: str, aws_account: str = ACCOUNT) -> str:
    return f"arn:aws:iam::{aws_account}:oidc-provider/{issuer.removeprefix('https://')}"


def of_issuer(number: str) -> Settings:
    """Return the settings of a cluster that EKS is not asked for."""
    issuer = f"https://oidc.eks.us-west-2.amazonaws.com/id/{number}"
    return {"oidcIssuer": issuer, "oidcProviderArn": provider_arn(issuer)}


def aws_accounts(cloud: Any) -> dict[str, Any]:
    """Return a client of IAM for each AWS account, by its number."""
    return {ACCOUNT: cloud.aws("iam"), OTHER_AWS_ACCOUNT: cloud.aws("iam", of_the_other_account(cloud))}


def of_the_other_account(cloud: Any) -> dict[str, Any]:
    """Return credentials of the other AWS account."""
    role = f"arn:aws:iam::{OTHER_AWS_ACCOUNT}:role/administrator"
    credentials: dict[str, Any] = cloud.aws("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    return credentials


def reported(project: Project) -> list[tuple[str, str]]:
    """Return the rule and the path of each error of `irsa check --live`."""
    return [(error["rule"], error.get("path", "")) for error in checked(project)[1]["errors"]]


def found_by_binding(project: Project) -> dict[str, dict[str, str]]:
    """Return the rules of the errors of `irsa check --live` by binding, and what each says to do."""
    found: dict[str, dict[str, str]] = {}
    for error in checked(project)[1]["errors"]:
        key = error.get("path", "").removeprefix("irsa:bindings.").split(".")[0]
        found.setdefault(key, {})[error["rule"]] = error["fix"]
    return found


def refused_by_binding(project: Project, keys: list[str]) -> dict[str, list[str]]:
    """Deploy as far as it goes, and return what the engine says of each binding that it could not deploy."""
    answer = project.run("up", "--yes", "--skip-preview", "--continue-on-error", "--json")
    events = [json.loads(line) for line in answer.stdout.splitlines() if line.startswith("{")]
    errors = [
        event["diagnosticEvent"] for event in events if event.get("diagnosticEvent", {}).get("severity") == "error"
    ]
    refused: dict[str, list[str]] = {}
    for error in errors:
        # Every error of a resource is of one binding; the last one is the update's own.
        if error.get("urn"):
            refused.setdefault(key_of(error["urn"], keys), []).append(" ".join(error["message"].split()))
    assert bool(refused) == (answer.returncode != 0), [error["message"] for error in errors]
    return refused


def key_of(urn: str, keys: list[str]) -> str:
    name = urn.rsplit("::", 1)[-1].lower()
    parts = {part for text in (name, re.sub(r"-\d+\b", "", name)) for part in re.split(r"[/@:]", text)}
    (key,) = parts.intersection(keys)
    return key
