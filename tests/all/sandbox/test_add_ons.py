import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic.alias_generators import to_camel

from irsa.add_ons.catalog import add_on, names
from irsa.add_ons.parameters import PARAMETERS
from tests.sandbox.irsa_command import ISSUER
from tests.sandbox.live import attached, policy_document, trust_of
from tests.sandbox.project import Project

pytestmark = pytest.mark.sandbox

Deploy = Callable[..., Project]
# Each add-on with what it must be told, and nothing else.
NARROWEST = {name: {first: [PARAMETERS[first].example] for first, *_ in add_on(name).must_be_named} for name in names()}


def keys(name: str, **more: Any) -> dict[str, Any]:
    return {"addOn": name, **{to_camel(each): value for each, value in NARROWEST[name].items()}, **more}


def documents_of(cloud: Any, role: str) -> dict[str, Any]:
    iam = cloud.aws("iam")
    return {arn: policy_document(iam, arn) for arn in attached(iam, role)}


def test_every_add_on(deploy: Deploy, cloud: Any) -> None:
    bindings = {name: {"policies": [keys(name)], "role": {"name": f"add-on-{name}"}} for name in names()}
    project = deploy({"bindings": bindings})
    assert set(project.up()) == {"create"}
    assert project.up() == {}

    for name in names():
        documents = documents_of(cloud, f"add-on-{name}")
        assert documents, name
        values = [PARAMETERS[each].value(value[0]) for each, value in NARROWEST[name].items()]
        assert all(any(value in json.dumps(each) for each in documents.values()) for value in values), name
    usual = {
        "aws-load-balancer-controller": "kube-system:aws-load-balancer-controller",
        "ebs-csi": "kube-system:ebs-csi-controller-sa",
        "vpc-cni": "kube-system:aws-node",
    }
    for name, subject in usual.items():
        (statement,) = trust_of(cloud.aws("iam"), f"add-on-{name}")
        assert statement["Condition"]["StringEquals"][f"{ISSUER}:sub"] == f"system:serviceaccount:{subject}"
    values = project.outputs()["helmValues"]
    assert values["external-dns"]["serviceAccount"]["annotations"] == {
        "eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/add-on-external-dns"
    }
    assert values["aws-load-balancer-controller"]["clusterName"] == "my-cluster"

    project.destroy()
    roles = [each["RoleName"] for each in cloud.aws("iam").list_roles()["Roles"]]
    policies = [each["PolicyName"] for each in cloud.aws("iam").list_policies(Scope="Local")["Policies"]]
    assert not [each for each in (*roles, *policies) if "add-on-" in each or "@" in each]
