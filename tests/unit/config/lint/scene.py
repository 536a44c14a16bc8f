from pathlib import Path
from typing import Any

from irsa.rules.mistakes import Mistake
from irsa_program.examine import examine
from tests.world import document

APP = {"serviceAccount": {"name": "app"}}
ISSUER = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
PROVIDER = f"arn:aws:iam::111122223333:oidc-provider/{ISSUER}"
CLUSTER = {"name": "my-cluster", "oidcIssuer": f"https://{ISSUER}", "oidcProviderArn": PROVIDER}
OPEN = {"Effect": "Allow", "Principal": {"Federated": PROVIDER}, "Action": "sts:AssumeRoleWithWebIdentity"}


def policy(*statements: Any) -> dict[str, Any]:
    return {"policy": {"name": "p", "document": document(*statements)}}


def inline(*statements: Any) -> dict[str, Any]:
    return {"inlinePolicies": {"i": {"document": document(*statements)}}}


def warnings(
    rule: str, binding: dict[str, Any], region: str | None = "us-west-2", **settings: Any
) -> list[tuple[str, Mistake]]:
    """Return what a rule says of a binding, by the place in it."""
    examination = examine({"cluster": CLUSTER, "bindings": {"app": binding}, **settings}, Path("/nowhere"), region)
    assert examination.mistakes == []
    found = [(each.place, each.mistake) for each in examination.warnings if each.rule == rule]
    return [(".".join(map(str, at[2:] if at[0] == "bindings" else at)), mistake) for at, mistake in found]


def places(rule: str, binding: dict[str, Any], **settings: Any) -> list[str]:
    """Return the places of a rule's warnings of a binding with a service account."""
    return [place for place, _ in warnings(rule, {**APP, **binding}, **settings)]
