from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any, NamedTuple

from botocore.exceptions import ClientError
from lightkube.models.authentication_v1 import BoundObjectReference, TokenRequestSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ServiceAccount, ServiceAccountToken

# What STS answers to whoever may not: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
REFUSED = {"AccessDenied", "InvalidIdentityToken"}
AT_ONCE = 8


class Token(NamedTuple):
    service_account: str
    audience: str
    text: str


def all_service_accounts(client: Any) -> list[str]:
    found = (each.metadata for each in client.list(ServiceAccount, namespace="*"))
    return sorted(f"{each.namespace}/{each.name}" for each in found)


def tokens(cloud: Any, service_accounts: Iterable[str], audiences: Sequence[str]) -> list[Token]:
    # One after the other: lightkube's models are not thread-safe (cli/irsa_world/live/kubernetes.py).
    client, found = cloud.kubernetes(), []
    for service_account, audience in product(service_accounts, audiences):
        namespace, name = service_account.split("/")
        spec = TokenRequestSpec(audiences=[audience], expirationSeconds=3600)
        request = ServiceAccountToken(metadata=ObjectMeta(name=name, namespace=namespace), spec=spec)
        answer = client.create(request, name, namespace=namespace)
        found.append(Token(service_account, audience, answer.status.token))
    return found


def pod_token(cloud: Any, pod: Any, audience: str = "pods.eks.amazonaws.com", *, bound: bool = True) -> str:
    """Return a token of a Pod's service account, bound to the Pod, as the kubelet projects it into the Pod."""
    metadata, name = pod.metadata, pod.spec.serviceAccountName
    reference = BoundObjectReference(kind="Pod", apiVersion="v1", name=metadata.name, uid=metadata.uid)
    spec = TokenRequestSpec(audiences=[audience], boundObjectRef=reference if bound else None)
    request = ServiceAccountToken(metadata=ObjectMeta(name=name, namespace=metadata.namespace), spec=spec)
    answer = cloud.kubernetes().create(request, name, namespace=metadata.namespace)
    return str(answer.status.token)


def admitted(cloud: Any, of: Iterable[Token], role_arns: Iterable[str]) -> set[tuple[str, str, str]]:
    sts = cloud.aws("sts")

    def gets_session(pair: tuple[Token, str]) -> bool:
        token, role_arn = pair
        try:
            sts.assume_role_with_web_identity(
                RoleArn=role_arn, RoleSessionName="estate", WebIdentityToken=token.text, DurationSeconds=900
            )
        except ClientError as error:
            if error.response["Error"]["Code"] not in REFUSED:
                raise
            return False
        return True

    pairs = list(product(of, role_arns))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(gets_session, pairs))
    return {
        (token.service_account, token.audience, role_arn)
        for (token, role_arn), given in zip(pairs, answers, strict=True)
        if given
    }
