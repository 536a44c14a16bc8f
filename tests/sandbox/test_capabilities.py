"""What a stack's second `up` says and changes, whom combined statements admit, and what outlives the stack.

tests/all/sandbox/test_sandbox_engine.py deploys every key, and has `irsa verify` compare it.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.sandbox.irsa_command import ACCOUNT, ISSUER, PROVIDER
from tests.sandbox.live import LONG, allowing, attached, policy_document, service_account
from tests.sandbox.project import Project, counts
from tests.sandbox.sessions import admitted, tokens
from tests.world import of_tokens

pytestmark = pytest.mark.sandbox

Events = list[dict[str, Any]]
OWN = f"arn:aws:iam::{ACCOUNT}:policy/"


def by_subject(effect: str, **conditions: str) -> dict[str, Any]:
    tested = {operator: {f"{ISSUER}:sub": value} for operator, value in conditions.items()}
    return of_tokens(PROVIDER, tested, Effect=effect)


SEVERAL = [f"arn:aws:iam::aws:policy/Amazon{service}ReadOnlyAccess" for service in ("SQS", "S3", "SNS")]


def several(arns: list[str]) -> dict[str, Any]:
    return {"serviceAccount": {"name": "several"}, "role": {"name": "several-role"}, "policyArns": arns}


def long(resources: list[str]) -> dict[str, Any]:
    policy = {"name": "long", "document": allowing(*resources)}
    return {"serviceAccount": {"name": "long"}, "role": {"name": "long-role"}, "policy": policy}


BINDINGS: dict[str, dict[str, Any]] = {
    "several": several(SEVERAL),
    "long": long(LONG),
    # Statements of one's own, and a Deny within what another one lets in.
    "combined": {
        "serviceAccount": {"name": "combined"},
        "role": {"name": "combined-role"},
        "trust": {
            "statements": [
                by_subject("Allow", StringLikeIfExists="*:app-one:*"),
                by_subject("Allow", StringLike="*:zone-z:*"),
                by_subject("Deny", StringEquals="system:serviceaccount:zone-z:admin"),
            ]
        },
    },
    # Its tokens live longer than a day, of which each `up` warns.
    "full": {
        "serviceAccount": {"name": "full", "namespace": "made", "createNamespace": True, "tokenExpiration": 90000},
        "role": {"name": "full-role"},
    },
    # In the namespace of another one.
    "retained": {
        "serviceAccount": {"name": "retained", "namespace": "made", "createNamespace": True},
        "role": {"name": "retained-role"},
        "retainOnDelete": True,
    },
}


class Deployed(NamedTuple):
    """A stack with all bindings, and what was said in its second `up`."""

    stack: Project
    said: str


def of_binding(events: Events, key: str) -> Events:
    return [each for each in events if re.search(rf"(?<![\w-]){key}(?![a-z])", each["urn"].rpartition("::")[2])]


@pytest.fixture(scope="module")
def deployed(cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("capabilities") / "project"
    stack = Project(cloud, folder, {"bindings": BINDINGS})
    assert stack.up().keys() == {"create"}
    yield Deployed(stack, stack.pulumi("up", "--yes", "--skip-preview", "--expect-no-changes"))
    stack.clean_up()


def test_a_second_up_warns_again(deployed: Deployed) -> None:
    assert "90,000 seconds is longer than the default of 86,400" in deployed.said


def test_subjects_are_who_gets_a_session(deployed: Deployed, cloud: Any) -> None:
    output = deployed.stack.outputs()["bindings"]["combined"]
    accounts = ["app-one/worker", "app-two/worker", "zone-z/admin", "zone-z/worker", "default/combined"]
    for namespace in sorted({each.partition("/")[0] for each in accounts} - {"default"}):
        cloud.kubectl("create", "namespace", namespace)
    for namespace, _, name in (each.partition("/") for each in accounts[:-1]):
        cloud.kubectl("create", "serviceaccount", name, "-n", namespace)
    given = admitted(cloud, tokens(cloud, accounts, ["sts.amazonaws.com"]), [output["roleArn"]])

    # A Deny excludes zone-z:admin.
    assert output["subjects"] is None
    assert {each for each, _, _ in given} == {"app-one/worker", "zone-z/worker", "default/combined"}


def test_policies_are_detached_and_grow_without_moves(deployed: Deployed, iam: Any) -> None:
    """Protects terraform-aws-eks#3552: over 6,144 characters make two policies; an added statement moves no other.

    Another order of existing policies moves nothing either; one less is one detachment.
    """

    def resources(policy: str) -> list[str]:
        return [statement["Resource"] for statement in policy_document(iam, f"{OWN}{policy}")["Statement"]]

    first, second = resources("long"), resources("long-2")
    assert first + second == LONG
    assert len(attached(iam, "long-role")) == 2
    more = [*LONG, "arn:aws:s3:::one-more"]
    changed = {**BINDINGS, "long": long(more), "several": several(SEVERAL[:0:-1])}
    deployed.stack.set({"bindings": changed})
    events = deployed.stack.events("up", "--yes", "--skip-preview")

    assert counts(of_binding(events, "long")) == {"update": 1}
    assert counts(of_binding(events, "several")) == {"delete": 1}
    assert counts(events) == {"update": 1, "delete": 1}
    assert sorted([*resources("long"), *resources("long-2")]) == sorted(more)
    assert set(first) <= set(resources("long"))


def test_what_outlives_the_stack(deployed: Deployed, iam: Any, cloud: Any) -> None:
    """Protects cdk-eks-blueprints#957: two bindings share a new namespace, which stays."""
    deployed.stack.destroy()

    assert iam.get_role(RoleName="retained-role")
    assert service_account(cloud, "retained", "made")
    assert cloud.kubectl("get", "serviceaccount", "full", "-n", "made").returncode != 0
