"""EKS in one region of an AWS account: clusters, add-ons and associations of EKS Pod Identity. It only reads."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from botocore.config import Config

from irsa_world.live.service import CONCURRENT, Service
from irsa_world.model import Association, EksCluster

AGENT = "eks-pod-identity-agent"
# The longest page: https://docs.aws.amazon.com/eks/latest/APIReference/API_ListPodIdentityAssociations.html
PAGE = 100


class EksClient:
    """EKS in one region of an AWS account. Each question is asked once.

    Each method raises CouldNotLookError where EKS does not answer, or denies a request.
    """

    def __init__(self, session: Any, region: str | None) -> None:
        """Take a boto3 session of the AWS account; without a region, that of the session is asked."""
        self._eks = Service(session, "eks", Config(region_name=region))

    def clusters(self) -> list[EksCluster]:
        """Return all clusters."""
        with ThreadPoolExecutor(CONCURRENT) as pool:
            return [each for each in pool.map(self.cluster, self._eks.all("ListClusters", "clusters")) if each]

    def cluster(self, name: str) -> EksCluster | None:
        """Return a cluster; None if it does not exist."""
        found = self._eks.get("DescribeCluster", "cluster", name=name)
        return EksCluster.of(found) if found else None

    def addon_status(self, cluster: str) -> str | None:
        """Return the status of the add-on of the agent, such as `ACTIVE`; None where the cluster does not have it."""
        found = self._eks.get("DescribeAddon", "addon", clusterName=cluster, addonName=AGENT)
        return found and str(found.get("status") or "")

    def association(self, cluster: str, namespace: str, service_account: str) -> Association | None:
        """Return the association of a service account; None where it has none, or there is no such cluster.

        EKS lets a service account have one: https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html
        """
        listed = self.listed(cluster, namespace=namespace, serviceAccount=service_account)
        return self._described(cluster, listed[0].association_id) if listed else None

    def associations(self, cluster: str) -> list[Association]:
        """Return the associations of a cluster, sorted by service account; none where it does not exist.

        A list has no roles, so that each is asked for by itself.
        """
        # A list that changes between two of its pages may have one twice.
        ids = dict.fromkeys(each.association_id for each in self.listed(cluster))
        with ThreadPoolExecutor(CONCURRENT) as pool:
            # One that was deleted meanwhile is gone.
            found = [each for each in pool.map(partial(self._described, cluster), ids) if each]
        return sorted(found, key=lambda each: (each.namespace, each.service_account, each.association_id))

    def listed(self, cluster: str, **only: str) -> list[Association]:
        """Return the associations of a cluster by their list alone: 100 for each request, and none for each of them.

        It has their places, IDs and owners, and neither roles nor settings:
        https://docs.aws.amazon.com/eks/latest/APIReference/API_PodIdentityAssociationSummary.html

        Args:
            cluster: Name of the cluster; one that does not exist has none.
            only: `namespace` and `serviceAccount` of those that are wanted.
        """
        return self._eks.all(
            "ListPodIdentityAssociations", "associations", PAGE, Association.of, clusterName=cluster, **only
        )

    def _described(self, cluster: str, association_id: str) -> Association | None:
        asked = {"clusterName": cluster, "associationId": association_id}
        found = self._eks.get("DescribePodIdentityAssociation", "association", **asked)
        return Association.of(found) if found else None
