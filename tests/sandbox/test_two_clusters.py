"""`irsa verify`, `prove` and `explain` where a stack has two clusters, each with its own issuer and keys."""

from collections.abc import Callable
from typing import Any

import pytest

from sandbox.showcase import GREEN_ISSUER
from tests.sandbox.irsa_command import ACCOUNT, ISSUER, irsa, not_good, report
from tests.sandbox.project import STACK, Project, blue_and_green

pytestmark = pytest.mark.sandbox

BOTH = f"arn:aws:iam::{ACCOUNT}:role/both-role"


@pytest.fixture
def both(deploy: Callable[..., Project], green: str) -> Project:
    """One role for a blue and a green cluster, and a role of the green one for a namespace."""
    clusters = blue_and_green(green)
    bindings = {
        "both": {"serviceAccount": {"name": "both"}, "role": {"name": "both-role"}, "policyArns": []},
        "green-only": {"clusters": ["green"], "trust": {"subjects": ["kube-system:*"]}, "policyArns": []},
    }
    stack = deploy({"clusters": clusters, "bindings": bindings})
    stack.up()
    return stack


def test_each_cluster_is_looked_at_and_proven_with_its_own_tokens(both: Project, cloud: Any, green: str) -> None:
    """Protects blue/green: a token of each cluster assumes the one role, and drift in the second cluster is seen."""
    verified, proven = report(both, "verify"), report(both, "prove")

    assert (verified[0], not_good(verified[1]), proven[0], not_good(proven[1])) == (0, [], 0, [])
    issuers = {check["found"] for check in verified[1] if check["about"].startswith("cluster ")}
    assert issuers == {f"https://{ISSUER}", GREEN_ISSUER}
    admitted = [check for check in proven[1] if check["check"] == "assumes"]
    assert [(check["binding"], check["about"]) for check in admitted] == [
        ("both", "default/both in blue"),
        ("both", "default/both in green"),
        ("green-only", "kube-system/* by kube-system/default in green"),
    ]
    refused = [check["about"] for check in proven[1] if check["check"] == "is refused"]
    assert [about.partition(" in ")[2].partition(",")[0] for about in refused] == ["blue", "green", "green"]

    key = "eks.amazonaws.com/role-arn"
    assert cloud.kubectl("annotate", "sa", "both", f"{key}-", "--kubeconfig", green).returncode == 0
    for verb, kind in (("verify", "account"), ("prove", "assumes")):
        code, checks = report(both, verb, "both")
        (bad,) = not_good(checks)
        assert (code, bad["check"], bad["outcome"]) == (1, kind, "finding")
        assert bad["found"].startswith(f"no {key}")


def test_an_account_that_a_refresh_forgot_is_looked_for_in_no_other_cluster(
    both: Project, cloud: Any, green: str
) -> None:
    """Protects from a false ok: blue has an account of the same name, green's was deleted, and the state forgot it."""
    assert cloud.kubectl("delete", "sa", "both", "--kubeconfig", green).returncode == 0
    before = report(both, "verify", "both")
    both.pulumi("refresh", "--yes", "--skip-preview")
    after = {verb: report(both, verb, "both") for verb in ("verify", "prove")}
    both.pulumi("up", "--yes", "--skip-preview")

    (found,) = not_good(before[1])
    assert (before[0], found["check"], found["found"]) == (1, "account", "the service account does not exist")
    for code, checks in after.values():
        assert code == 2
        assert all("does not say in which of 2 clusters" in check["found"] for check in not_good(checks))
    assert [report(both, verb)[0] for verb in ("verify", "prove")] == [0, 0]


def test_explain_asks_which_cluster_is_meant(both: Project) -> None:
    """Protects from half an answer: an account of two clusters has two issuers, and one of them is chosen."""
    which = irsa(both, "explain", "default/both", BOTH, "--stack", STACK)
    answers = {
        issuer: irsa(both, "explain", "default/both", BOTH, "--stack", STACK, "--issuer", issuer)
        for issuer in (f"https://{ISSUER}", GREEN_ISSUER)
    }

    assert which.returncode == 2
    assert f"pass --issuer with one of {', '.join(sorted(answers))}" in which.stderr
    for issuer, answer in answers.items():
        assert answer.returncode == 0, answer.stderr
        assert f"issuer {issuer}" in " ".join(answer.stdout.split())
