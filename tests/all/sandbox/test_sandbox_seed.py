"""The cluster that EKS names is the one that is there, and seeding it again changes nothing."""

import base64
import ssl
import urllib.request

import pytest
from lightkube.resources.core_v1 import ServiceAccount

from sandbox.seed import seed
from tests.sandbox.conftest import Cloud

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(120)]


def test_the_clusters_endpoint_and_certificate_reach_the_api_server(cloud: Cloud) -> None:
    """A program that takes endpoint and certificate from EKS, as with a real cluster, reaches the sandbox's."""
    cluster = cloud.aws("eks").describe_cluster(name="my-cluster")["cluster"]
    assert cluster["endpoint"] == f"https://127.0.0.1:{cloud.ports['kube-apiserver']}"
    authority = base64.b64decode(cluster["certificateAuthority"]["data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    with urllib.request.urlopen(f"{cluster['endpoint']}/readyz", context=context, timeout=10) as answer:
        assert answer.read() == b"ok"


def test_seeding_again_changes_nothing(cloud: Cloud) -> None:
    """`make up` seeds each time; what somebody has changed in the meantime stays as it is."""
    before = cloud.kubernetes().get(ServiceAccount, "existing-service-account")
    seed(cloud.sandbox, cloud.ports["aws-api"])
    after = cloud.kubernetes().get(ServiceAccount, "existing-service-account")
    assert before.metadata is not None
    assert after.metadata is not None
    assert after.metadata.resourceVersion == before.metadata.resourceVersion
