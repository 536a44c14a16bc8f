"""EKS Pod Identity in a cluster: its associations, and the add-on that serves them. Everything here only reads."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

from botocore.config import Config

from irsa.rules.mistakes import named
from irsa_cli.exits import CouldNotLookError
from irsa_cli.live.model import LiveAssociation, LiveEksCluster
from irsa_cli.live.once import Answer, Once
from irsa_cli.live.service import CONCURRENT, PATIENT, Service, all_pages, answered

AGENT = "eks-pod-identity-agent"
# A list of associations has no roles: each is asked for by itself, so there is one request for each, and one for each
# page of the list. EKS allows a cluster no more: https://docs.aws.amazon.com/eks/latest/userguide/service-quotas.html
MOST_ASSOCIATIONS = 5_000
# The longest page: https://docs.aws.amazon.com/eks/latest/APIReference/API_ListPodIdentityAssociations.html
PAGE = 100


class ListedAssociation(NamedTuple):
    """An association as a list has it, which says nothing of its role."""

    namespace: str
    service_account: str
    association_id: str
    owner_arn: str
    """What created and manages it, such as an add-on of EKS; empty where nothing does."""


def listed_associations(session: Any, cluster: str, region: str | None) -> list[ListedAssociation]:
    """Return the associations of an EKS cluster by their list alone: 100 for each request, and none for each of them.

    Source: https://docs.aws.amazon.com/eks/latest/APIReference/API_PodIdentityAssociationSummary.html

    Raises:
        CouldNotLookError: EKS does not answer, or denies the request.
    """
    return [
        ListedAssociation(
            each["namespace"], each["serviceAccount"], str(each["associationId"]), each.get("ownerArn") or ""
        )
        for each in _listed(_client(session, region), cluster, {})
    ]


def _listed(eks: Any, cluster: str, chosen: dict[str, Any]) -> list[Any]:
    listing = partial(
        all_pages, eks, "ListPodIdentityAssociations", "associations", PAGE, clusterName=cluster,
        **{name: value for name, value in chosen.items() if value is not None},
    )  # fmt: skip
    return answered("eks:ListPodIdentityAssociations", listing) or []


def associations(
    session: Any,
    cluster: str,
    region: str | None,
    namespace: str | None = None,
    service_account: str | None = None,
) -> list[LiveAssociation]:
    """Return the associations of an EKS cluster, sorted by service account; none where it does not exist.

    Args:
        session: A boto3 session.
        cluster: Name of the cluster.
        region: Its region; None for that of the session.
        namespace: Only those of this namespace.
        service_account: Only those of a service account of this name.

    Raises:
        CouldNotLookError: EKS does not answer, denies a request, or lists more than MOST_ASSOCIATIONS.
    """
    # One client for all threads: each would read the service's model again.
    eks = _client(session, region)
    listed = _listed(eks, cluster, {"namespace": namespace, "serviceAccount": service_account})
    # A list that changes between two of its pages may have one twice.
    ids = dict.fromkeys(str(each["associationId"]) for each in listed)
    if len(ids) > MOST_ASSOCIATIONS:
        text = f"EKS lists {len(ids):,} associations of {named(cluster)}, and irsa reads {MOST_ASSOCIATIONS:,}"
        raise CouldNotLookError(text)
    with ThreadPoolExecutor(CONCURRENT) as pool:
        described = pool.map(partial(_described, eks, cluster), ids)
        # One that was deleted meanwhile is gone.
        found = [each for each in described if each]
    return sorted(found, key=lambda each: (each.namespace, each.service_account, each.association_id))


def associations_of(
    session: Any, cluster_arn: str, namespace: str | None = None, service_account: str | None = None
) -> list[LiveAssociation]:
    """Return the associations of an EKS cluster, given by its ARN, likewise."""
    # arn:aws:eks:REGION:ACCOUNT:cluster/NAME
    *_, region, _, name = cluster_arn.split(":", 5)
    return associations(session, name.removeprefix("cluster/"), region, namespace, service_account)


def _described(eks: Any, cluster: str, association_id: str) -> LiveAssociation | None:
    ask = partial(eks.describe_pod_identity_association, clusterName=cluster, associationId=association_id)
    found = answered("eks:DescribePodIdentityAssociation", ask)
    return LiveAssociation.of(found["association"]) if found else None


def addon(session: Any, cluster: str, region: str | None, name: str = AGENT) -> str | None:
    """Return the status of an add-on, such as `ACTIVE`; None where the cluster does not have it.

    Raises:
        CouldNotLookError: EKS does not answer, or denies the request.
    """
    eks = _client(session, region)
    found = answered("eks:DescribeAddon", partial(eks.describe_addon, clusterName=cluster, addonName=name))
    return str(found["addon"].get("status") or "") if found else None


def _client(session: Any, region: str | None) -> Any:
    return answered("eks", lambda: session.client("eks", region_name=region, config=PATIENT))


class EksClient:
    """EKS in one region of an AWS account, asked about single associations. Each question is asked once."""

    def __init__(self, session: Any, region: str) -> None:
        """Take a session of the AWS account."""
        self._eks = Service(session, "eks", Config(region_name=region))
        self._answers = Once()

    def association(self, cluster: str, namespace: str, service_account: str) -> LiveAssociation | None:
        """Return the association of a service account; None where it has none, or there is no such cluster.

        EKS lets a service account have one: https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html
        """

        def ask(eks: Any) -> str | None:
            # A list has no roles.
            found = all_pages(
                eks, "ListPodIdentityAssociations", "associations", PAGE,
                clusterName=cluster, namespace=namespace, serviceAccount=service_account,
            )  # fmt: skip
            return next((str(each["associationId"]) for each in found), None)

        known = self._once("ListPodIdentityAssociations", f"{cluster}/{namespace}/{service_account}", ask)
        if known is None:
            return None
        return self._once(
            "DescribePodIdentityAssociation",
            f"{cluster}/{known}",
            lambda eks: LiveAssociation.of(
                eks.describe_pod_identity_association(clusterName=cluster, associationId=known)["association"]
            ),
        )

    def addon_status(self, cluster: str, name: str = AGENT) -> str | None:
        """Return the status of an add-on, such as `ACTIVE`; None where the cluster does not have it."""
        return self._once(
            "DescribeAddon",
            f"{cluster}/{name}",
            lambda eks: str(eks.describe_addon(clusterName=cluster, addonName=name)["addon"].get("status") or ""),
        )

    def cluster(self, name: str) -> LiveEksCluster | None:
        """Return a cluster; None if it does not exist."""
        return self._once(
            "DescribeCluster", name, lambda eks: LiveEksCluster.of(eks.describe_cluster(name=name)["cluster"])
        )

    def _once(self, operation: str, about: str, question: Callable[[Any], Answer]) -> Answer | None:
        return self._answers.answer(
            (operation, about), lambda: answered(f"eks:{operation}", lambda: self._eks.ask(question))
        )
