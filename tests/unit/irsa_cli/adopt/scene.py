"""Clusters, roles and service accounts as a discovery finds them, in a few words."""

from collections.abc import Iterable, Mapping
from typing import Any

from irsa_cli.adopt.bindings import adopt
from irsa_cli.adopt.items import Adoption, Choice
from irsa_cli.adopt.task import Declared, Ways
from irsa_cli.discovery import Discovery
from irsa_world.model import Association, AwsAccount, Cluster, ManagedPolicy, Role, ServiceAccount
from irsa_world.sessions import Sessions
from tests.world import document, of_pods, of_tokens

AWS_ACCOUNT = "111122223333"
ELSEWHERE = "arn:aws:iam::444455556666:role/elsewhere"
STS = "sts.amazonaws.com"
ROLE_ARN = "eks.amazonaws.com/role-arn"


def host_path(cluster: str = "BLUE") -> str:
    return f"oidc.eks.us-west-2.amazonaws.com/id/{cluster}"


def provider(cluster: str = "BLUE") -> str:
    return f"arn:aws:iam::{AWS_ACCOUNT}:oidc-provider/{host_path(cluster)}"


BLUE, GREEN, GONE = provider("BLUE"), provider("GREEN"), provider("GONE")


def role_arn(name: str) -> str:
    return f"arn:aws:iam::{AWS_ACCOUNT}:role/{name}"


def statement(
    *subjects: str, cluster: str = "BLUE", audience: str | None = STS, operator: str = "StringEquals", **elements: Any
) -> dict[str, Any]:
    """Return the statement of AWS's page for some service accounts, `namespace:name`."""
    claims = [f"system:serviceaccount:{each}" for each in subjects]
    condition: dict[str, dict[str, Any]] = {}
    if audience:
        condition.setdefault("StringEquals", {})[f"{host_path(cluster)}:aud"] = audience
    if claims:
        condition.setdefault(operator, {})[f"{host_path(cluster)}:sub"] = claims[0] if len(claims) == 1 else claims
    return of_tokens(provider(cluster), condition, **elements)


def narrowed(name: str = "app", *clusters: str) -> dict[str, Any]:
    arns = [cluster_arn(each) for each in clusters or ("blue",)]
    return of_pods(arns if len(arns) > 1 else arns[0], "team-a", name)


def permission(action: str = "s3:GetObject", resource: str = "arn:aws:s3:::my-bucket/*") -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource}


def service_account(
    name: str, role: str = "", *, namespace: str = "team-a", cluster: str = "blue", **manifest: Any
) -> ServiceAccount:
    """Return a service account; `metadata` of the manifest may have annotations, labels and more."""
    metadata = {"namespace": namespace, "name": name, **manifest.pop("metadata", {})}
    annotations = {**({ROLE_ARN: role} if role else {}), **metadata.get("annotations", {})}
    return ServiceAccount(
        cluster, namespace, name, annotations, metadata.get("labels", {}), {"metadata": metadata, **manifest}
    )


def cluster_arn(name: str = "blue") -> str:
    return f"arn:aws:eks:us-west-2:{AWS_ACCOUNT}:cluster/{name}"


def association(name: str, role: str, *, namespace: str = "team-a", cluster: str = "blue", **more: Any) -> Association:
    """Return an EKS Pod Identity association."""
    id_ = f"a-{name}{cluster}"
    arn = f"arn:aws:eks:us-west-2:{AWS_ACCOUNT}:podidentityassociation/{cluster}/{id_}"
    return Association(cluster_arn(cluster), namespace, name, role, id_, arn, **more)


def role(name: str, *statements: Mapping[str, Any], path: str = "/", **settings: Any) -> Role:
    return Role(role_arn(f"{path}{name}".lstrip("/")), document(*statements), **settings)


def found(
    service_accounts: Iterable[ServiceAccount] = (),
    roles: Iterable[Role] = (),
    *,
    policies: Iterable[ManagedPolicy] = (),
    clusters: Mapping[str, str] | None = None,
    associations: Iterable[Association] = (),
    **more: Any,
) -> Discovery:
    """Return a discovery of one AWS account; the clusters are by context and the end of their issuer.

    Each is one of EKS if there are associations.
    """
    issuers, those, accounts = clusters or {"blue": "BLUE"}, tuple(associations), tuple(service_accounts)
    arns = {issuer: cluster_arn(issuer.lower()) for issuer in issuers.values()}
    aws_account = AwsAccount(
        AWS_ACCOUNT,
        tuple(sorted(roles, key=lambda each: each.arn)),
        {provider(each): (STS,) for each in (*arns, "GONE")},
        {"us-west-2": {f"https://{host_path(each)}": arn for each, arn in arns.items()}},
        tuple(policies),
        {arn: tuple(each for each in those if each.cluster_arn == arn) for arn in arns.values()},
    )
    of_contexts = (
        Cluster(
            name,
            f"https://{host_path(issuer)}",
            tuple(each for each in accounts if each.cluster == name),
            context=name,
            arn=arns[issuer] if those else None,
        )
        for name, issuer in issuers.items()
    )
    return Discovery(tuple(of_contexts), (aws_account,), **more)


def adopted(discovery: Discovery, choice: Choice | None = None, file: Declared | None = None, **ways: Any) -> Adoption:
    """Return what is adopted of a discovery, by default everything into a new file."""
    return adopt(
        Sessions(discovery), choice or Choice(), Ways(region="us-west-2", **ways), file or Declared(), AWS_ACCOUNT
    )
