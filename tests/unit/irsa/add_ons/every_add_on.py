"""Every add-on, what it is asked for with, and what a request that a statement allows looks like."""

import functools
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from moto.iam.aws_managed_policies import aws_managed_policies_data

from irsa.add_ons.catalog import AddOn, add_on
from irsa.add_ons.document import Where, document
from irsa.add_ons.parameters import SWITCHES
from irsa.evaluation.answers import WebIdentityRequest
from irsa.evaluation.conditions import Known, evaluate_condition
from irsa.evaluation.document import Condition
from irsa.evaluation.permissions import gives
from irsa.rules.leaves import items_of

# A new add-on is a line here: the parameters with which it reaches least.
NARROWEST: Mapping[str, Sequence[str]] = {
    "adot": [],
    "amp": ["workspaces"],
    "aws-load-balancer-controller": ["cluster_names"],
    "cert-manager": ["hosted_zones"],
    "cloudwatch-observability": ["cluster_names"],
    "cluster-autoscaler": ["cluster_names"],
    "ebs-csi": ["cluster_names"],
    "efs-csi": ["file_systems"],
    "external-dns": ["hosted_zones"],
    "external-secrets": ["secrets"],
    "karpenter": ["cluster_names", "node_roles"],
    "mountpoint-s3": ["buckets", "read_only"],
    "velero": ["buckets"],
    "vpc-cni": ["cluster_names"],
}
AWS_ACCOUNT = "111122223333"
REGIONS = {"aws": "us-west-2", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}


def arns(service: str, *resources: str, region: str = "REGION") -> tuple[str, ...]:
    return tuple(f"arn:PARTITION:{service}:{region}:{AWS_ACCOUNT}:{each}" for each in resources)


IDS = [f"{each * 8}-{each * 4}-{each * 4}-{each * 4}-{each * 12}" for each in "12"]
# Of each parameter, what is one's own and what is another's.
VALUES: Mapping[str, Sequence[str]] = {
    "cluster_names": ("alpha", "beta"),
    "hosted_zones": ("Z0123456789OWN", "Z9876543210OTHER"),
    "buckets": ("own-bucket", "other-bucket"),
    "kms_keys": arns("kms", *(f"key/{each}" for each in IDS)),
    "secrets": arns("secretsmanager", "secret:own-Ab1Cd2", "secret:other-Ab1Cd2"),
    "ssm_parameters": arns("ssm", "parameter/own", "parameter/other"),
    "file_systems": ("fs-01234567", "fs-76543210"),
    "node_roles": arns("iam", "role/own", "role/other", region=""),
    "interruption_queues": arns("sqs", "own", "other"),
    "workspaces": arns("aps", *(f"workspace/ws-{each}" for each in IDS)),
}
_NOBODY = WebIdentityRequest("arn:aws:iam::000000000000:oidc-provider/nobody", "", "")


def where(partition: str = "aws") -> Where:
    return Where(partition, AWS_ACCOUNT, [REGIONS[partition]])


def values(name: str, partition: str = "aws") -> list[str]:
    return [each.replace("PARTITION", partition).replace("REGION", REGIONS[partition]) for each in VALUES[name]]


def given(names: Sequence[str], partition: str = "aws") -> dict[str, Any]:
    return {name: True if name in SWITCHES else values(name, partition)[:1] for name in names}


class Rendered(NamedTuple):
    add_on: AddOn
    version: str
    scope: str | None
    partition: str
    parameters: Mapping[str, Any]
    document: Mapping[str, Any]


def all_documents() -> Iterator[Rendered]:
    """Yield the documents of each add-on, version, scope and partition: with the fewest parameters, and with all."""
    for name in NARROWEST:
        each = add_on(name)
        for version, partition, (scope, names) in itertools.product(each.versions, REGIONS, asked(each)):
            parameters = given(names, partition)
            made = document(each, version, scope, parameters, where(partition))
            # AWS's managed policies may be all that there is.
            if made["Statement"]:
                yield Rendered(each, version, scope, partition, parameters, made)


def asked(each: AddOn) -> list[tuple[str | None, list[str]]]:
    """Return how an add-on is asked for: the scope, and the names of parameters."""
    lists = [name for name in each.parameters if name not in SWITCHES]
    named = [[*NARROWEST[each.name]], lists, [*each.parameters]]
    beside = [name for name, taken in each.parameters.items() if not taken.required and name not in each.require_one_of]
    everything = [[], beside] if each.everything else []
    return [(None, names) for names in named] + [("*", names) for names in everything]


@functools.cache
def aws_managed() -> Mapping[str, Any]:
    """Return the documents of AWS's managed policies by path and name, as moto has them."""
    found = json.loads(aws_managed_policies_data)
    return {f"{each['Path'].lstrip('/')}{name}": each["Document"] for name, each in found.items()}


def allowed(policy: Mapping[str, Any], action: str, resource: str, context: Mapping[str, Any]) -> bool | None:
    """Return what irsa.evaluation says about a request of which all condition keys are known."""
    found = {key.lower(): tuple(items_of(value)) for key, value in context.items()}
    statements = []
    for each in policy["Statement"]:
        conditions = [
            Condition(operator, key.lower(), tuple(map(_text, items_of(wanted))))
            for operator, keys in each.get("Condition", {}).items()
            for key, wanted in keys.items()
        ]
        known = {**{condition.key: () for condition in conditions}, **found}
        outcomes = [evaluate_condition(one, Known(_NOBODY, known, variables=True)).outcome for one in conditions]
        if None in outcomes:
            return None
        if all(outcomes):
            statements.append({key: value for key, value in each.items() if key != "Condition"})
    return gives([{**policy, "Statement": statements}]).of(action, resource)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


class Request(NamedTuple):
    action: str
    resource: str
    context: Mapping[str, Any]


def requests(policy: Mapping[str, Any]) -> Iterator[Request]:
    """Yield a request that each statement allows, for each of its actions and resources."""
    for each in policy["Statement"]:
        context: dict[str, Any] = {}
        for operator, keys in each.get("Condition", {}).items():
            for key, wanted in keys.items():
                if (value := _fitting(operator, [*map(_text, items_of(wanted))])) is not None:
                    context[key] = context.get(key, value)
        tags = [key.partition("/")[2] for key in context if key.startswith("aws:RequestTag/")]
        if tags:
            context.setdefault("aws:TagKeys", tags)
        for action, resource in itertools.product(items_of(each["Action"]), items_of(each["Resource"])):
            yield Request(action, resource if resource == "*" else re.sub(r"[*?]", "x", resource), context)


def _fitting(operator: str, wanted: Sequence[str]) -> Any:
    """Return a value that meets a condition; None where the key must be absent."""
    if operator == "Null":
        return None if "true" in wanted else "x"
    return (
        ["x"]
        if "Not" in operator
        else [wanted[0].replace("*", "x")]
        if ":" in operator
        else wanted[0].replace("*", "x")
    )
