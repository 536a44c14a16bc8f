import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from lightkube.resources.core_v1 import Pod

from tests.output_schemas import check_output
from tests.sandbox.irsa_command import ACCOUNT
from tests.sandbox.live import PODS, create_role, document
from tests.sandbox.pods import CLUSTER
from tests.sandbox.sessions import pod_token

pytestmark = pytest.mark.sandbox

NAMESPACE = "associated"
CLUSTER_ARN = f"arn:aws:eks:us-west-2:{ACCOUNT}:cluster/{CLUSTER}"
BOTH = ["sts:AssumeRole", "sts:TagSession"]


def role_arn(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/associated-{name}"


def for_pods(name: str = "", actions: Any = BOTH, namespace: str = NAMESPACE) -> dict[str, Any]:
    """Return a statement as AWS's page has it: https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html."""
    tags = {"eks-cluster-arn": CLUSTER_ARN, "kubernetes-namespace": namespace, "kubernetes-service-account": name}
    condition = {"StringEquals": {f"aws:RequestTag/{key}": value for key, value in tags.items()}} if name else {}
    return {"Effect": "Allow", "Principal": PODS["Principal"], "Action": actions, "Condition": condition}


def for_role(name: str, actions: Any = BOTH) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": {"AWS": role_arn(name)}, "Action": actions}


# Of each role its trust policy.
ROLES = {
    "narrow": for_pods("narrow"),
    "open": for_pods(),
    "untagged": for_pods(actions="sts:AssumeRole"),
    "another": for_pods("somebody"),
    "of-cluster": {**for_pods(), "Condition": {"ArnEquals": {"aws:SourceArn": CLUSTER_ARN}}},
    "target": for_role("open"),
    "target-untagged": for_role("open", "sts:AssumeRole"),
    "target-closed": for_role("narrow"),
}
# Of each service account its role, and the further settings of its association.
ASSOCIATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "narrow": ("narrow", {}),
    "open": ("open", {}),
    "untagged": ("untagged", {}),
    "untagged-off": ("untagged", {"disableSessionTags": True}),
    "another": ("another", {}),
    "narrow-off": ("narrow", {"disableSessionTags": True}),
    "of-cluster": ("of-cluster", {}),
    "of-cluster-off": ("of-cluster", {"disableSessionTags": True}),
    "target": ("open", {"targetRoleArn": role_arn("target")}),
    "target-untagged": ("open", {"targetRoleArn": role_arn("target-untagged")}),
    "target-closed": ("open", {"targetRoleArn": role_arn("target-closed")}),
}


@pytest.fixture(scope="module")
def associated(cloud: Any) -> Iterator[Any]:
    """Create the roles, the service accounts but one, and the associations."""
    iam, eks = cloud.aws("iam"), cloud.aws("eks")
    cloud.kubectl("create", "namespace", NAMESPACE)
    # EKS refuses an association whose role does not trust it, and does not look again later.
    for name in ROLES:
        create_role(iam, f"associated-{name}", for_pods())
    # EKS's page has this policy in each case; the sandbox requires it within one AWS account too.
    may = {"Effect": "Allow", "Action": BOTH, "Resource": role_arn("target*")}
    iam.put_role_policy(RoleName="associated-open", PolicyName="targets", PolicyDocument=json.dumps(document(may)))
    for name in ASSOCIATIONS:
        cloud.kubectl("create", "serviceaccount", name, "-n", NAMESPACE)
    cloud.kubectl(
        "annotate", "serviceaccount", "open", "-n", NAMESPACE, f"eks.amazonaws.com/role-arn={role_arn('narrow')}"
    )
    made = [
        eks.create_pod_identity_association(
            clusterName=CLUSTER, namespace=NAMESPACE, serviceAccount=name, roleArn=role_arn(role), **more
        )["association"]["associationId"]
        for name, (role, more) in {**ASSOCIATIONS, "missing": ("open", {})}.items()
    ]
    for name, statement in ROLES.items():
        iam.update_assume_role_policy(RoleName=f"associated-{name}", PolicyDocument=json.dumps(document(statement)))
    yield cloud
    for each in made:
        eks.delete_pod_identity_association(clusterName=CLUSTER, associationId=each)
    iam.delete_role_policy(RoleName="associated-open", PolicyName="targets")
    for name in ROLES:
        iam.delete_role(RoleName=f"associated-{name}")
    cloud.kubectl("delete", "namespace", NAMESPACE)


def gets_credentials(cloud: Any, name: str) -> bool:
    """Return whether the agent would get credentials for a Pod of a service account."""
    client = cloud.kubernetes(NAMESPACE)
    spec = {"serviceAccountName": name, "containers": [{"name": "app", "image": "app"}]}
    pod = client.create(Pod.from_dict({"metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}))
    try:
        cloud.aws("eks-auth").assume_role_for_pod_identity(clusterName=CLUSTER, token=pod_token(cloud, pod))
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDeniedException":
            raise
        return False
    finally:
        client.delete(Pod, name, grace_period=0)
    return True


def test_inventory_and_eks_agree_about_each_association(associated: Any) -> None:
    answer = associated.run("irsa", "inventory", "--json", "--namespace", NAMESPACE)
    found = check_output("inventory", answer.stdout)
    decisions = {each["serviceAccount"].partition("/")[2]: each["decision"] for each in found["associations"]}
    expected = {name: "allowed" if gets_credentials(associated, name) else "denied" for name in ASSOCIATIONS}

    assert {name: decisions[name] for name in ASSOCIATIONS} == expected
    assert {*expected.values()} == {"allowed", "denied"}
    kinds = {
        kind: {each["serviceAccount"].partition("/")[2] for each in found["findings"] if each["kind"] == kind}
        for kind in ("association-not-admitted", "association-wins", "missing-service-account")
    }
    assert kinds == {
        "association-not-admitted": {name for name, decision in expected.items() if decision == "denied"},
        "association-wins": {"open"},
        "missing-service-account": {"missing"},
    }
    wide = {each["role"] for each in found["findings"] if each["kind"] == "wide-trust"}
    assert wide == {role_arn("open"), role_arn("untagged")}
    admitted = {(name, each["role"]) for each in found["admissions"] for name in each["serviceAccounts"]}
    assert (f"{NAMESPACE}/target", role_arn("target")) in admitted
    assert (f"{NAMESPACE}/target", role_arn("open")) not in admitted
