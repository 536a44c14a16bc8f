from typing import Any

import pulumi
import pytest

from irsa.spec import parse
from tests.component.conftest import Deploy

HOST_PATH = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
PROVIDER = f"arn:aws:iam::111122223333:oidc-provider/{HOST_PATH}"
ARGS: dict[str, Any] = {
    "service_account": {"name": "app", "namespace": "team-a"},
    "oidc_provider_arns": [PROVIDER],
    "role": {"name": "app"},
}
OPEN = {"Effect": "Allow", "Principal": {"Federated": PROVIDER}, "Action": "sts:AssumeRoleWithWebIdentity"}


def test_a_statement_that_opens_the_cluster_is_told(deploy: Deploy, capfd: pytest.CaptureFixture[str]) -> None:
    """The attack: trust.statements open the whole cluster, no word is said, and `subjects` lists one account."""
    args = {**ARGS, "trust": {"statements": [OPEN]}}
    (warning,) = parse("app", args).warnings
    deployed = deploy(args)

    assert warning == "trust.statements[0]: every service account of the cluster may assume the role"
    assert deployed.outputs["subjects"] == ["*:*", "team-a:app"]
    assert deployed.registered["subjects"] == ["*:*", "team-a:app"]
    # The other output is recorded only where it says something.
    assert (deployed.outputs["denied_subjects"], "deniedSubjects" in deployed.registered) == (None, False)


def test_a_statement_that_is_known_later_is_judged_then(deploy: Deploy, monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack: the statement that opens the cluster is an output, of which nothing is known at first."""
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", lambda text, *_: said.append(text))
    deployed = deploy({**ARGS, "trust": {"statements": [pulumi.Output.from_input(OPEN)]}})

    assert said == ["trust.statements[0]: every service account of the cluster may assume the role"]
    assert deployed.outputs["subjects"] == ["*:*", "team-a:app"]


KUBE_SYSTEM = {"StringLike": {f"{HOST_PATH}:sub": "system:serviceaccount:kube-system:*"}}


def test_who_is_denied_stands_beside_the_subjects(deploy: Deploy) -> None:
    args = {**ARGS, "trust": {"statements": [OPEN, {**OPEN, "Effect": "Deny", "Condition": KUBE_SYSTEM}]}}
    (warning,) = parse("app", args).warnings
    deployed = deploy(args)

    assert warning == (
        "trust.statements[0]: every service account of the cluster, but not kube-system:*, may assume the role"
    )
    assert deployed.outputs["subjects"] == ["*:*", "team-a:app"]
    assert deployed.outputs["denied_subjects"] == ["kube-system:*"]
    assert deployed.registered["deniedSubjects"] == ["kube-system:*"]


@pytest.mark.parametrize("later", [False, True])
def test_what_is_unlimited_is_told(deploy: Deploy, monkeypatch: pytest.MonkeyPatch, later: bool) -> None:
    """The attack: `*` on `*` in a program of one's own, for every service account, without a word; known, or later."""
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", lambda text, resource: said.append(f"{resource._name}: {text}"))
    everything = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
    administrator = "arn:aws:iam::aws:policy/AdministratorAccess"
    value = pulumi.Output.from_input if later else lambda each: each
    args = {"inline_policies": {"all": {"document": value(everything)}}, "policy_arns": {"admin": value(administrator)}}
    deploy({**ARGS, **args, "trust": {"subjects": ["*:*"], "any_service_account": True}})

    assert said == [
        "my-app: its policies allow every action on every resource",
        "my-app: AdministratorAccess: every action on every resource",
        "my-app: every service account of the cluster may assume the role",
    ]
