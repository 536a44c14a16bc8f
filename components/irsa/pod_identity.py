"""What a ServiceAccountRole declares of EKS Pod Identity: associations, the trust, and whom that admits."""

import functools
import operator
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from irsa import types
from irsa.add_on_policies import service_account_of
from irsa.evaluation.admission import Admission
from irsa.evaluation.answers import Decision, PodIdentityRequest
from irsa.evaluation.decision import evaluate
from irsa.fields import Document, Found, collect
from irsa.in_aws_account import account_in, account_of_cluster
from irsa.outputs import child_name
from irsa.read import Arguments, Value
from irsa.resources import ROLE_ARN, DeclaredResource
from irsa.rules.arns import parse_cluster_arn
from irsa.rules.identity import ONLY_IRSA, Identity, Use
from irsa.rules.leaves import strings_of
from irsa.rules.mistakes import Mistake, Place
from irsa.rules.quotas import SESSION_POLICY_SIZE, Usage, check_usage
from irsa.rules.subjects import DEFAULT_NAMESPACE, is_pattern, subject_of
from irsa.rules.trust import PodIdentityTrust, known_conditions, minified, pod_identity_warnings
from irsa.rules.unknown import derive

SESSION_POLICY: Place = ("pod_identity", "policy", "document")
# In place of an ARN that is not known, so that a length is a lower bound.
SHORTEST_CLUSTER = "arn:aws:eks:us-west-2:111122223333:cluster/a"


def ways_of(values: Mapping[str, Any]) -> Identity:
    """Return how Pods get the role; where that is wrong or not known, as by default."""
    return values.get("identity") or ONLY_IRSA


def _has_session_tags(values: Mapping[str, Any]) -> bool:
    return values.get("pod_identity", {}).get("session_tags", True) is not False


def trust_of(values: Mapping[str, Any]) -> Value[PodIdentityTrust] | None:
    """Return the trust in Pod Identity; None where the role has none."""
    if ways_of(values).pod_identity is Use.ABSENT or not values.get("cluster_arns"):
        return None
    tags = _has_session_tags(values)
    return derive(lambda clusters: PodIdentityTrust([*clusters.values()], tags), values["cluster_arns"])


def least_trust_of(arguments: Arguments, values: Mapping[str, Any]) -> PodIdentityTrust | None:
    """Return the same with the shortest ARN in place of each that is not known."""
    if ways_of(values).pod_identity is Use.ABSENT or not values.get("cluster_arns"):
        return None
    arns = (arguments.given.get(("cluster_arns", key)) for key in values["cluster_arns"])
    shortest = [each if isinstance(each, str) else SHORTEST_CLUSTER for each in arns]
    return PodIdentityTrust(shortest, _has_session_tags(values))


def existing_role(arguments: Arguments, values: Mapping[str, Any]) -> Value[str]:
    """Return the ARN of the existing role; for Pod Identity, it must be in the AWS account of the clusters."""
    role_arn, clusters = values["role"]["arn"], values.get("cluster_arns", {})
    of_role = account_in(role_arn, "role").account_id
    for text in clusters.values():
        of_cluster = account_of_cluster(text).account_id
        if of_cluster and of_role and of_cluster != of_role:
            # https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html
            name = parse_cluster_arn(text).name
            found = f"{role_arn!r}, a role of another AWS account than the EKS cluster {name}"
            fix = f"use a role in {of_cluster}, and set {{}} to this one"
            mistake = Mistake(found, f"a role in {of_cluster}", fix, ("pod_identity", "target_role_arn"))
            arguments.found.append((("role", "arn"), mistake))
    return derive(lambda role, *_: str(role), role_arn, clusters)


def associations(
    arguments: Arguments,
    values: Mapping[str, Any],
    in_account: Mapping[Place, Any],
    tags: Any,
    permissions: tuple[str, ...],
) -> Iterator[DeclaredResource]:
    """Yield the association of each cluster with these tags, where Pod Identity is used, after the permissions."""
    service_account = service_account_of(values)
    if ways_of(values).pod_identity is not Use.USED or not service_account:
        return
    settings, clusters = values.get("pod_identity", {}), values.get("cluster_arns", {})
    document = in_account.get(SESSION_POLICY, settings.get("policy", {}).get("document"))
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
            "disableSessionTags": not _has_session_tags(values),
            "targetRoleArn": in_account.get(("pod_identity", "target_role_arn"), settings.get("target_role_arn")),
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


def with_pod_identity(
    admitted: Admission, document: str, subjects: Sequence[str], trust: PodIdentityTrust | None
) -> Admission:
    """Return whom a trust policy admits, those too whom it admits by Pod Identity alone."""
    if trust is None:
        return admitted
    requests = {
        subject_of(namespace, name): [
            PodIdentityRequest(namespace, name, arn, trust.session_tags) for arn in trust.cluster_arns
        ]
        for namespace, name in (subject.split(":") for subject in subjects if not is_pattern(subject))
    }
    denied = {
        subject
        for subject, asked in requests.items()
        if any(evaluate(document, each).decision is Decision.DENIED for each in asked)
    }
    every = None if admitted.subjects is None else sorted({*admitted.subjects, *(requests.keys() - denied)})
    return admitted._replace(refused=tuple(sorted({*admitted.refused, *denied})), subjects=every)


def warnings(arguments: Arguments, values: Mapping[str, Any], *, creates_role: bool) -> Iterator[str]:
    """Yield what Pod Identity does otherwise than IRSA."""
    if ways_of(values).pod_identity is Use.ABSENT:
        return
    conditions = known_conditions(arguments.given.get(("trust", "conditions")))
    subjects = strings_of(arguments.given.get(("trust", "subjects")))
    unlimited = ways_of(values).irsa is not Use.ABSENT and ("pod_identity", "policy") in arguments.given
    trust = _has_session_tags(values), conditions, subjects
    for place, mistake in pod_identity_warnings(*trust, creates_role=creates_role, unlimited_irsa=unlimited):
        yield f"{arguments.spelling(place)}: {mistake.found}"
