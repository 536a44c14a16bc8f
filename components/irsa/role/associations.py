"""What a ServiceAccountRole declares of EKS Pod Identity: its associations."""

import functools
import operator
from collections.abc import Iterator, Mapping
from typing import Any

from irsa import types
from irsa.fields import Document, Found, collect
from irsa.outputs import child_name
from irsa.read import Arguments, Value
from irsa.resources import ROLE_ARN, DeclaredResource
from irsa.role.add_on_policies import service_account_of
from irsa.role.in_aws_account import account_in
from irsa.rules.arns import parse_cluster_arn
from irsa.rules.mistakes import Mistake, Place
from irsa.rules.quotas import SESSION_POLICY_SIZE, Usage, check_usage
from irsa.rules.subjects import DEFAULT_NAMESPACE
from irsa.rules.trust import minified
from irsa.rules.unknown import derive
from irsa.ways import ONLY_IRSA, POD_IDENTITY, Identity

SESSION_POLICY: Place = ("pod_identity", "policy", "document")


def ways_of(values: Mapping[str, Any]) -> Identity:
    """Return how Pods get the role; where that is wrong or not known, as by default."""
    return values.get("identity") or ONLY_IRSA


def has_session_tags(values: Mapping[str, Any]) -> bool:
    """Return whether the sessions of Pod Identity have tags."""
    return values.get("pod_identity", {}).get("session_tags", True) is not False


def existing_role(arguments: Arguments, values: Mapping[str, Any]) -> Value[str]:
    """Return the ARN of the existing role; for Pod Identity, it must be in the AWS account of the clusters."""
    role_arn, clusters = values["role"]["arn"], values.get("cluster_arns", {})
    of_role = account_in(role_arn, "role").account_id
    for text in clusters.values():
        of_cluster = account_in(text, "cluster").account_id
        if of_cluster and of_role and of_cluster != of_role:
            # https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html
            name = parse_cluster_arn(text).name
            found = f"{role_arn!r}, a role of another AWS account than the EKS cluster {name}"
            fix = f"use a role in {of_cluster}, and set {{}} to this one"
            mistake = Mistake(found, f"a role in {of_cluster}", fix, ("pod_identity", "target_role_arn"))
            arguments.found.append((("role", "arn"), mistake))
    return derive(lambda role, *_: str(role), role_arn, clusters)


def associations(
    arguments: Arguments, values: Mapping[str, Any], tags: Any, permissions: tuple[str, ...]
) -> Iterator[DeclaredResource]:
    """Yield the association of each cluster with these tags, where Pod Identity is used, after the permissions."""
    service_account = service_account_of(values)
    if POD_IDENTITY not in ways_of(values).used or not service_account:
        return
    settings, clusters = values.get("pod_identity", {}), values.get("cluster_arns", {})
    document = settings.get("policy", {}).get("document")
    policy = None if document is None else derive(functools.partial(_session_policy, arguments.found), document)
    for key, cluster_arn in clusters.items():
        existing = settings.get("import_ids", {}).get(key)
        cluster = derive(parse_cluster_arn, cluster_arn)
        name, region = (derive(operator.attrgetter(part), cluster) for part in ("name", "region"))
        inputs = {
            "clusterName": name,
            "region": region,
            "namespace": service_account.get("namespace", DEFAULT_NAMESPACE),
            "serviceAccount": service_account["name"],
            "roleArn": ROLE_ARN,
            "disableSessionTags": not has_session_tags(values),
            "targetRoleArn": settings.get("target_role_arn"),
            "policy": policy,
            "tags": tags,
        }
        yield DeclaredResource(
            f"association {key}",
            types.POD_IDENTITY_ASSOCIATION,
            child_name(arguments.name, key),
            inputs,
            f"{name},{existing}" if existing and isinstance(cluster_arn, str) else None,
            permissions,
            {"clusterArn": cluster_arn},
        )


def _session_policy(found: Found, document: Document) -> str:
    text = document.text if document.text is not None else minified(document.content)
    usage = Usage("characters of the session policy", len(text), SESSION_POLICY_SIZE)
    collect(lambda: check_usage(usage), SESSION_POLICY, found)
    return text
