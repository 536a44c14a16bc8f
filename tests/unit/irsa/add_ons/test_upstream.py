"""The add-ons' documents, action by action, against what upstream's own allow.

Of a repository's document, tests/unit/irsa/add_ons/upstream has what it allows; AWS's managed policies are moto's.
"""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from irsa.add_ons.catalog import add_on
from irsa.add_ons.document import document
from irsa.add_ons.parameters import SWITCHES
from irsa.evaluation.lint.actions import matching
from irsa.rules.leaves import items_of
from tests.unit.irsa.add_ons.every_add_on import AWS_ACCOUNT, NARROWEST, REGIONS, aws_managed, given, values, where

UPSTREAM = Path(__file__).parent / "upstream"
MANAGED = "https://docs.aws.amazon.com/aws-managed-policy/latest/reference/"
# What upstream's documents leave to their readers.
PLACEHOLDERS = {
    "${AWS::AccountId}": AWS_ACCOUNT,
    "${AWS::Partition}": "aws",
    "${AWS::Region}": REGIONS["aws"],
    "${BUCKET}": values("buckets")[0],
    "${CLUSTER_NAME}": values("cluster_names")[0],
    "${ClusterName}": values("cluster_names")[0],
    "${KarpenterInterruptionQueue.Arn}": values("interruption_queues")[0],
    "${KarpenterNodeRole.Arn}": values("node_roles")[0],
    "DOC-EXAMPLE-BUCKET": values("buckets")[0],
    "arn:aws:secretsmanager:us-west-2:111122223333:secret:dev-*": values("secrets")[0],
    "arn:aws:ssm:us-east-2:1234567889911:parameter/dev-*": values("ssm_parameters")[0],
}
# Actions that upstream's document of an older version lacks; the rest of it is that of the newest. Here, those of
# https://github.com/kubernetes-sigs/aws-load-balancer-controller/blob/2b150b977b79dcad119243f2e8f3625ea5bb7e81/docs/install/iam_policy.json
# which has ModifyIpPools already: for v2.12.0.
NOT_YET = {
    ("aws-load-balancer-controller", "v2.11.0"): {
        "ec2:DescribeIpamPools",
        "ec2:DescribeRouteTables",
        "elasticloadbalancing:ModifyIpPools",
        "elasticloadbalancing:SetRulePriorities",
    }
}


def upstream_of(name: str) -> tuple[str, Any]:
    newest = add_on(name).versions[add_on(name).newest]
    if newest.source.startswith(MANAGED):
        title = newest.source.removeprefix(MANAGED).removesuffix(".html")
        [policy] = [policy for key, policy in aws_managed().items() if key.rpartition("/")[2] == title]
        return add_on(name).newest, policy["Statement"]
    text = (UPSTREAM / f"{name}.json").read_text()
    for placeholder, value in PLACEHOLDERS.items():
        text = text.replace(placeholder, value)
    file = json.loads(text)
    rows = [
        {"Action": each["actions"], "Resource": each["on"], "Condition": each.get("if", {})} for each in file["allows"]
    ]
    return file["version"], rows


def grants(statements: Any) -> dict[str, set[tuple[str, str]]]:
    """Return on which resources statements allow each action, each with the conditions."""
    found: dict[str, set[tuple[str, str]]] = {}
    for each in statements:
        conditions = {
            # Without wildcards, they are one.
            (operator if "*" in str(wanted) else operator.replace("Like", "Equals"), key, *sorted(items_of(wanted)))
            for operator, keys in each.get("Condition", {}).items()
            for key, wanted in keys.items()
        }
        for pattern, resource in itertools.product(items_of(each["Action"]), items_of(each["Resource"])):
            for known in matching(pattern):
                action = f"{pattern.partition(':')[0]}:{known.name}"
                found.setdefault(action, set()).add((resource, str(sorted(conditions))))
    return found


CASES = [(name, key) for name in NARROWEST for key, version in add_on(name).versions.items() if version.statements]


@pytest.mark.parametrize(("name", "version"), CASES)
def test_what_differs_from_upstream_is_what_is_said_to(name: str, version: str) -> None:
    each, (of_version, statements) = add_on(name), upstream_of(name)
    not_yet = NOT_YET[name, version] if version != of_version else set()
    upstream = {action: on for action, on in grants(statements).items() if action not in not_yet}
    needed = [one for one, taken in each.parameters.items() if taken.required or one in each.require_one_of]
    lists = [one for one in each.parameters if one not in SWITCHES]
    differing: set[str] = set()
    for parameters in (needed, lists, each.parameters):
        ours = grants(document(each, version, None, given([*parameters]), where())["Statement"])
        differing |= {action for action in ours.keys() | upstream if ours.get(action) != upstream.get(action)}
    explained = {action for one in each.versions[version].differences for action in one["actions"]}
    assert explained == differing


@pytest.mark.parametrize("name", NARROWEST)
def test_aws_has_its_policies(name: str) -> None:
    for each in add_on(name).versions.values():
        assert {*each.managed_policies, *each.managed_policies_for_everything} <= aws_managed().keys()
