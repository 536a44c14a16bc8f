"""What a ServiceAccountRole declares of EKS Pod Identity: its associations."""

import functools
import operator
from collections.abc import Iterator

from irsa import types
from irsa.fields import Found, collect
from irsa.keys.binding import ServiceAccountRoleKeys
from irsa.outputs import child_name
from irsa.read import Arguments
from irsa.resources import ARN_OF_THE_ROLE, DeclaredResource
from irsa.role.add_ons import service_account_of
from irsa.role.in_aws_account import PartialAwsAccount, account_in, clusters_elsewhere
from irsa.role.ways import NO_SETTINGS, has_session_tags, ways_of
from irsa.rules.arns import parse_cluster_arn
from irsa.rules.mistakes import Mistake, Place
from irsa.rules.policies import Document
from irsa.rules.quotas import SESSION_POLICY_SIZE, Usage, check_usage
from irsa.rules.subjects import DEFAULT_NAMESPACE
from irsa.rules.unknown import Value, derive, known_or, or_else
from irsa.rules.variables import with_examples
from irsa.ways import POD_IDENTITY

SESSION_POLICY: Place = ("pod_identity", "policy", "document")


def existing_role(arguments: Arguments, binding: ServiceAccountRoleKeys) -> Value[str]:
    """Return the ARN of the existing role; for Pod Identity, it must be in the AWS account of the clusters."""
    role_arn, clusters = binding.role.arn, known_or(binding.cluster_arns, {})
    of_role = PartialAwsAccount(None, account_in(role_arn).account_id)
    for (_, key), _ in clusters_elsewhere(clusters, of_role):
        cluster = parse_cluster_arn(str(with_examples(clusters[str(key)])))
        found = f"{role_arn!r}, a role in another AWS account than the EKS cluster {cluster.name}"
        allowed = f"a role in {cluster.account_id}"
        fix = f"use {allowed}, and set {{}} to this one"
        mistake = Mistake(found, allowed, fix, ("pod_identity", "target_role_arn"))
        arguments.found.append((("role", "arn"), mistake))
    return derive(lambda role, *_: str(role), role_arn, clusters)


def associations(
    arguments: Arguments, binding: ServiceAccountRoleKeys, permissions: tuple[str, ...]
) -> Iterator[DeclaredResource]:
    """Yield the association of each cluster, where Pod Identity is used, after the permissions."""
    service_account = service_account_of(binding)
    if POD_IDENTITY not in ways_of(binding).used or not service_account:
        return
    settings = binding.pod_identity or NO_SETTINGS
    document = settings.policy and settings.policy.document
    policy = None if document is None else derive(functools.partial(_session_policy, arguments.found), document)
    for key, cluster_arn in known_or(binding.cluster_arns, {}).items():
        existing = known_or(settings.import_ids, {}).get(key)
        cluster = derive(parse_cluster_arn, cluster_arn)
        name, region = (derive(operator.attrgetter(part), cluster) for part in ("name", "region"))
        inputs = {
            "clusterName": name,
            "region": region,
            "namespace": or_else(service_account.namespace, DEFAULT_NAMESPACE),
            "serviceAccount": service_account.name,
            "roleArn": ARN_OF_THE_ROLE,
            "disableSessionTags": not has_session_tags(binding),
            "targetRoleArn": settings.target_role_arn,
            "policy": policy,
            "tags": binding.role.tags if settings.tags is None else settings.tags,
        }
        yield DeclaredResource(
            f"association {key}",
            types.POD_IDENTITY_ASSOCIATION,
            child_name(arguments.name, key),
            inputs,
            f"{name},{existing}" if isinstance(existing, str) and isinstance(cluster_arn, str) else None,
            permissions,
            {"clusterArn": cluster_arn},
        )


def _session_policy(found: Found, document: Document) -> str:
    usage = Usage("characters of the session policy", len(document.minified), SESSION_POLICY_SIZE)
    collect(lambda: check_usage(usage), SESSION_POLICY, found)
    return document.minified
