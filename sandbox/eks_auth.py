"""AssumeRoleForPodIdentity, the one call of the service EKS Auth, decided by the policies as they are at that moment.

Sources: https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html (parameters, errors,
the name of the session), https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html (session tags) and
https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html (target roles).
"""

import json
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from moto.backends import get_backend
from moto.core.responses import ActionResult, BaseResponse
from moto.eks.models import Cluster
from moto.eks.urls import url_paths
from moto.moto_server import werkzeug_app

from sandbox.pod_identity import ACTIONS, SERVICE, Association, EksError, associations_of, cluster_named, role_of
from sandbox.sts_decision import CannotDecideError, permits, trusts_role, trusts_service
from sandbox.web_identity import PublishedKeys, Refusal, claims_of_token, require_in_time, verify

# As long as the agent keeps them, and the most of role chaining: "Caching considerations" on the page of target roles.
SECONDS, SECONDS_WITH_TARGET = 6 * 3600, 3600
# AWS documents the codes. Of the words, the first two are the errors' descriptions, and the last has no page.
INVALID = "The specified Kubernetes service account token is invalid."
EXPIRED = "The specified Kubernetes service account token is expired."
NOT_TRUSTED = "Unauthorized Exception! EKS does not have permissions to assume the associated role."


class PodToken(NamedTuple):
    """What a token says of the Pod that it is bound to."""

    namespace: str
    service_account: str
    pod: str
    pod_uid: str


class Surroundings(NamedTuple):
    """What the calls need of the sandbox: the keys of the clusters' tokens, and a log of why calls are refused."""

    keys: PublishedKeys
    log: Callable[[str], None]


class EksAuthResponse(BaseResponse):
    """The calls of EKS Auth."""

    sandbox: ClassVar[Surroundings]

    def __init__(self) -> None:
        super().__init__(service_name="eks-auth")

    def assume_role_for_pod_identity(self) -> ActionResult:
        """Answer credentials for a Pod's token."""
        backend = get_backend("eks")[self.current_account][self.region]
        cluster = cluster_named(backend, self.uri_match["clusterName"])
        token = _pod(self._get_param("token") or "", cluster, self.sandbox)
        association = _association(cluster, token)
        arn, policy, seconds = _decided(cluster, association, token, self.sandbox.log)
        name = f"eks-{cluster.name[:10]}-{token.pod[:12]}-{uuid.uuid4()}"
        account, partition = arn.split(":")[4], arn.split(":")[1]
        session = get_backend("sts")[account][partition].assume_role(self.region, name, arn, policy, seconds, "")
        return ActionResult(
            {
                "subject": {"namespace": token.namespace, "serviceAccount": token.service_account},
                "audience": SERVICE,
                "podIdentityAssociation": {key: association[key] for key in ("associationArn", "associationId")},
                "assumedRoleUser": {"arn": session.arn, "assumeRoleId": session.user_id},
                "credentials": {
                    "accessKeyId": session.access_key_id,
                    "secretAccessKey": session.secret_access_key,
                    "sessionToken": session.session_token,
                    "expiration": session.expiration,
                },
            }
        )


def add_eks_auth(clusters: Path, log: Callable[[str], None]) -> None:
    """Add the service to moto's server, which then answers it where it answers EKS."""
    EksAuthResponse.sandbox = Surroundings(PublishedKeys(clusters), log)
    werkzeug_app.SIGNING_ALIASES["eks-auth"] = "eks"
    url_paths["{0}/clusters/(?P<name>[^/]+)/assume-role-for-pod-identity$"] = EksAuthResponse.dispatch


def _pod(text: str, cluster: Cluster, sandbox: Surroundings) -> PodToken:
    try:
        own = _claims(text, cluster.identity["oidc"]["issuer"], sandbox.keys)["kubernetes.io"]
        return PodToken(own["namespace"], own["serviceaccount"]["name"], own["pod"]["name"], own["pod"]["uid"])
    except (KeyError, TypeError) as error:
        sandbox.log(f"EKS Auth refused a token that is bound to no Pod: {error!r}")
        raise EksError("InvalidTokenException", INVALID) from error
    except Refusal as refusal:
        sandbox.log(f"EKS Auth refused a token: {refusal.message}")
        if refusal.code == "ExpiredTokenException":
            raise EksError("ExpiredTokenException", EXPIRED) from refusal
        raise EksError("InvalidTokenException", INVALID) from refusal


def _claims(text: str, issuer: str, keys: PublishedKeys) -> dict[str, Any]:
    claims, key_id = claims_of_token(text)
    if claims["iss"] != issuer:
        raise Refusal("InvalidIdentityToken", f"the token is of {claims['iss']}")
    verify(text, keys.of(issuer, key_id))
    require_in_time(claims)
    if claims["aud"] not in (SERVICE, [SERVICE]):
        raise Refusal("InvalidIdentityToken", f"the token is for {claims['aud']}")
    return claims


def _association(cluster: Cluster, token: PodToken) -> Association:
    for each in associations_of(cluster).values():
        if (each["namespace"], each["serviceAccount"]) == token[:2]:
            return each
    raise EksError(
        "ResourceNotFoundException",
        f"No association found for the service account {token.namespace}/{token.service_account}",
    )


def _decided(
    cluster: Cluster, association: Association, token: PodToken, log: Callable[[str], None]
) -> tuple[str, str, int]:
    """Return the ARN of the role that a Pod gets, its session policy and for how many seconds it gets it."""
    tags_off = association["disableSessionTags"]
    actions = ACTIONS[:1] if tags_off else ACTIONS
    tags = {} if tags_off else session_tags(cluster, token)
    first, target = association["roleArn"], association.get("targetRoleArn")
    try:
        admitted = _service_may(first, actions, _request_tags(tags) | _source(cluster)) and (
            target is None or _role_may(first, target, actions, tags, association["externalId"])
        )
    except CannotDecideError as error:
        log(f"the sandbox has no rule for {error} in a policy of {first} or {target}, and refuses")
        admitted = False
    if not admitted:
        raise EksError("AccessDeniedException", NOT_TRUSTED)
    return target or first, association.get("policy") or "", SECONDS_WITH_TARGET if target else SECONDS


def session_tags(cluster: Cluster, token: PodToken) -> dict[str, str]:
    """Return the six tags that EKS gives a session."""
    return {
        "eks-cluster-arn": cluster.arn,
        "eks-cluster-name": cluster.name,
        "kubernetes-namespace": token.namespace,
        "kubernetes-service-account": token.service_account,
        "kubernetes-pod-name": token.pod,
        "kubernetes-pod-uid": token.pod_uid,
    }


def _request_tags(tags: Mapping[str, str]) -> dict[str, str]:
    return {f"aws:RequestTag/{key}": value for key, value in tags.items()}


def _source(cluster: Cluster) -> dict[str, str]:
    return {"aws:SourceArn": cluster.arn, "aws:SourceAccount": cluster.arn.split(":")[4]}


def _service_may(arn: str, actions: tuple[str, ...], context: Mapping[str, str]) -> bool:
    role = role_of(arn)
    return role is not None and trusts_service(_trust(role), SERVICE, actions, context)


def _role_may(first: str, target: str, actions: tuple[str, ...], tags: Mapping[str, str], external_id: str) -> bool:
    """Return whether the first role may assume the target role: both sides must allow it, as EKS's page has them."""
    role, wanted = role_of(first), role_of(target)
    if wanted is None:
        return False
    # All tags are transitive, so that the second session has them, too; a session's tag wins over the role's own.
    own = {tag["Key"]: tag["Value"] for tag in role.tags or []}
    principal_tags = {f"aws:PrincipalTag/{key}": value for key, value in {**own, **tags}.items()}
    context = {**principal_tags, **_request_tags(tags), "aws:PrincipalArn": first, "sts:ExternalId": external_id}
    return permits(_policies(role), target, actions, context) and trusts_role(_trust(wanted), first, actions, context)


def _trust(role: Any) -> dict[str, Any]:
    trust: dict[str, Any] = json.loads(role.assume_role_policy_document)
    return trust


def _policies(role: Any) -> list[dict[str, Any]]:
    attached = (
        next(version.document for version in policy.versions if version.is_default)
        for policy in role.managed_policies.values()
    )
    return [json.loads(document) for document in (*role.policies.values(), *attached)]
