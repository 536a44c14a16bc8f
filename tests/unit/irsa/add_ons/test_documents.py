"""The add-ons' documents, judged by others: upstream's own, the calls that add-ons make by their source, and cfn-lint.

Of a repository's document, the folder upstream has what it allows; AWS's managed policies are moto's.
"""

import functools
import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from irsa.add_ons.catalog import add_on
from irsa.add_ons.document import document
from irsa.add_ons.parameters import SWITCHES
from irsa.evaluation.lint.actions import matching
from irsa.rules.leaves import items_of
from irsa.rules.names import snake
from tests.unit.irsa.add_ons.every_add_on import (
    AWS_ACCOUNT,
    NARROWEST,
    REGIONS,
    Request,
    all_documents,
    allowed,
    aws_managed,
    given,
    values,
    where,
)

UPSTREAM, CALLS = (Path(__file__).parent / name for name in ("upstream", "calls"))
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
    assert version == of_version, "only the newest known version has a policy"
    upstream = grants(statements)
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


class Call(NamedTuple):
    add_on: str
    name: str
    request: Request
    allowed: bool


def calls(add_on_name: str) -> Iterator[Call]:
    """Yield the calls that an add-on makes, each on its own resource and on another's."""
    read = json.loads((CALLS / f"{add_on_name}.json").read_text())
    for index, each in enumerate(read["calls"]):
        for whose in ("own", "other"):
            context = each[whose]
            if context is None:
                assert whose == "other"
                continue
            context = {**context}
            resource = context.pop("resource", each["resource"])
            tags = [key.partition("/")[2] for key in context if key.startswith("aws:RequestTag/")]
            context |= {"aws:TagKeys": context.get("aws:TagKeys", tags)} if tags else {}
            name = f"{add_on_name} {index} {each['action']} {whose}"
            yield Call(add_on_name, name, Request(each["action"], resource, context), whose == "own")


@functools.cache
def policy_of_calls(add_on_name: str) -> Mapping[str, Any]:
    read = json.loads((CALLS / f"{add_on_name}.json").read_text())
    each = add_on(add_on_name)
    parameters = {snake(name): value for name, value in read["parameters"].items()}
    return document(each, each.newest, None, parameters, where())


NAMES = sorted(each.stem for each in CALLS.glob("*.json"))


@pytest.mark.parametrize("name", NAMES)
def test_an_add_on_may_do_what_it_does_on_its_own(name: str) -> None:
    for call in calls(name):
        assert allowed(policy_of_calls(call.add_on), *call.request) is call.allowed, call.name


@pytest.mark.parametrize("name", NAMES)
def test_each_statement_is_there_for_a_call(name: str) -> None:
    policy = policy_of_calls(name)
    for index, statement in enumerate(policy["Statement"]):
        others = {**policy, "Statement": [each for at, each in enumerate(policy["Statement"]) if at != index]}
        denied = [each for each in calls(name) if each.allowed and not allowed(others, *each.request)]
        assert denied, statement


@pytest.mark.parametrize(
    ("name", "reads", "service"),
    [
        ("velero", {"buckets": ["backups"]}, "s3"),
        (
            "external-secrets",
            {"secrets": ["arn:aws:secretsmanager:us-east-1:111122223333:secret:a/*"]},
            "secretsmanager",
        ),
    ],
)
def test_what_is_read_may_be_in_another_region(name: str, reads: dict[str, list[str]], service: str) -> None:
    """Protects backups and secrets in another region than the cluster's: KMS is asked there, and by that service alone.

    https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service
    """
    key = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    policy = document(add_on(name), add_on(name).newest, None, {**reads, "kms_keys": [key]}, where())
    via = {each: {"kms:ViaService": f"{each}.us-east-1.amazonaws.com"} for each in (service, "lambda")}

    assert allowed(policy, "kms:Decrypt", key, via[service])
    assert not allowed(policy, "kms:Decrypt", key, via["lambda"])


# Of cfn-lint: the grammar of policies of identities and of resources, and actions that it does not know.
RULES = ("E3510", "E3512", "W3037")


def test_each_document_is_one_that_iam_takes() -> None:
    # Imported here: it takes a second and a half, of each process that collects tests.
    from cfnlint.api import ManualArgs, lint

    # The grammar of a document is the same in every partition.
    documents = [each for each in all_documents() if each.partition == "aws"]
    resources = {
        f"Policy{index}": {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": each.document}}
        for index, each in enumerate(documents)
    }
    # It finds something in a document that is wrong.
    wrong = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:GetObjects"], "Resource": "x"}]}
    resources["Wrong"] = {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": wrong}}
    template = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}
    found = lint(json.dumps(template), config=ManualArgs(regions=["us-east-1"]))
    said = [(each.path[1], each.rule.id, each.message) for each in found if each.rule.id in RULES]
    assert [each for each in said if each[0] != "Wrong"] == []
    assert {rule for _, rule, _ in said} == {"E3510", "W3037"}
