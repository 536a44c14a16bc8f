import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic.alias_generators import to_camel

from irsa.add_ons.catalog import add_on, names
from irsa.add_ons.parameters import PARAMETERS
from tests.sandbox.irsa_command import PROVIDER
from tests.sandbox.project import STACK, Project, Stack

pytestmark = pytest.mark.sandbox

Deploy = Callable[..., Project]
# Each add-on with what it must be told, and nothing else.
NARROWEST = {name: {first: [PARAMETERS[first].example] for first, *_ in add_on(name).must_be_named} for name in names()}


def keys(name: str, **more: Any) -> dict[str, Any]:
    return {"addOn": name, **{to_camel(each): value for each, value in NARROWEST[name].items()}, **more}


def attached(cloud: Any, role: str) -> dict[str, Any]:
    """Return the documents of a role's managed policies by their ARNs, as IAM has them."""
    iam = cloud.aws("iam")
    arns = [each["PolicyArn"] for each in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]]
    return {arn: document_of(iam, arn) for arn in arns}


def document_of(iam: Any, arn: str) -> Any:
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    return iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]


def subjects(cloud: Any, role: str) -> set[str]:
    trust = cloud.aws("iam").get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
    conditions = [each["Condition"]["StringEquals"] for each in trust["Statement"]]
    return {value for each in conditions for key, value in each.items() if key.endswith(":sub")}


PROGRAM = """
import pulumi
import pulumi_aws
from irsa import ServiceAccountRole

cluster = pulumi_aws.eks.get_cluster_output(name="my-cluster")
for name, parameters in {add_ons}.items():
    later = {{key: [pulumi.Output.from_input(each) for each in value] for key, value in parameters.items()}}
    args = {{"cluster_names": [cluster.name]}} if name in {with_clusters} else {{}}
    ServiceAccountRole(name, {{
        "oidc_provider_arns": ["{provider}"],
        "role": {{"name": f"component-{{name}}"}},
        "policies": [{{"add_on": name, **later, **args}}],
    }})
"""


@pytest.fixture
def program(cloud: Any, tmp_path: Path) -> Iterator[Stack]:
    """A program of one's own with a component for each add-on, whose parameters are outputs."""
    runtime = {"name": "python", "options": {"toolchain": "pip", "virtualenv": str(cloud.virtualenv)}}
    (tmp_path / "Pulumi.yaml").write_text(yaml.safe_dump({"name": "somebody", "runtime": runtime}))
    (tmp_path / f"Pulumi.{STACK}.yaml").write_text(yaml.safe_dump({"config": {"aws:region": "us-west-2"}}))
    with_clusters = [name for name in names() if "cluster_names" in add_on(name).parameters]
    text = PROGRAM.format(add_ons=NARROWEST, with_clusters=with_clusters, provider=PROVIDER)
    (tmp_path / "__main__.py").write_text(text)
    stack = Stack(cloud, tmp_path)
    yield stack
    stack.clean_up()


def test_every_add_on_by_both_doors(deploy: Deploy, program: Stack, cloud: Any) -> None:
    bindings = {name: {"policies": [keys(name)], "role": {"name": f"add-on-{name}"}} for name in names()}
    project = deploy({"bindings": bindings})
    assert set(project.up()) == {"create"}
    assert project.up() == {}

    for name in names():
        documents = attached(cloud, f"add-on-{name}")
        assert documents, name
        values = [PARAMETERS[each].value(value[0]) for each, value in NARROWEST[name].items()]
        assert all(any(value in json.dumps(each) for each in documents.values()) for value in values), name
    usual = {
        "aws-load-balancer-controller": "kube-system:aws-load-balancer-controller",
        "ebs-csi": "kube-system:ebs-csi-controller-sa",
        "vpc-cni": "kube-system:aws-node",
    }
    for name, subject in usual.items():
        assert subjects(cloud, f"add-on-{name}") == {f"system:serviceaccount:{subject}"}
    values = project.outputs()["helmValues"]
    assert values["external-dns"]["serviceAccount"]["annotations"] == {
        "eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/add-on-external-dns"
    }
    assert values["aws-load-balancer-controller"]["clusterName"] == "my-cluster"

    program.up()
    assert program.up() == {}
    for name in names():
        by_program, by_file = (attached(cloud, f"{door}-{name}") for door in ("component", "add-on"))
        assert sorted(map(json.dumps, by_program.values())) == sorted(map(json.dumps, by_file.values())), name
    program.destroy()
    project.destroy()
    roles = [each["RoleName"] for each in cloud.aws("iam").list_roles()["Roles"]]
    policies = [each["PolicyName"] for each in cloud.aws("iam").list_policies(Scope="Local")["Policies"]]
    assert not [each for each in (*roles, *policies) if "add-on-" in each or "@" in each]


def test_an_add_on_that_changes(deploy: Deploy, cloud: Any) -> None:
    role, dns = {"name": "add-on-changing"}, "external-dns"

    def of(*several: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        return {"bindings": {"app": {"policies": [*several], "role": role, **more}}}

    project = deploy(of(keys(dns)))
    project.up()
    project.set(of(keys(dns, version=add_on(dns).newest, hostedZones=["Z111", "Z222"])))
    assert project.up() == {"update": 1}
    [(arn, document)] = attached(cloud, "add-on-changing").items()
    zones = ["arn:aws:route53:::hostedzone/Z111", "arn:aws:route53:::hostedzone/Z222"]
    assert document["Statement"][0]["Resource"] == zones

    edited = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})
    cloud.aws("iam").create_policy_version(PolicyArn=arn, PolicyDocument=edited, SetAsDefault=True)
    assert project.up("--refresh") == {"update": 1}
    assert attached(cloud, "add-on-changing") == {arn: document}

    balancer = add_on("aws-load-balancer-controller")
    subject = {"trust": {"subjects": ["kube-system:a"]}}
    older = keys(balancer.name, version=[*balancer.versions][-1])
    project.set(of(older, keys("ebs-csi"), **subject))
    project.up()
    project.set(of(keys(balancer.name, version=balancer.newest), keys("ebs-csi"), **subject))
    assert project.up() == {"update": 1}
    project.set(of(keys(balancer.name, version=balancer.newest), {"addOn": "ebs-csi", "scope": "*"}, **subject))
    assert project.up() == {"create": 1, "delete": 2}
    assert "arn:aws:iam::aws:policy/AmazonEBSCSIDriverPolicyV2" in attached(cloud, "add-on-changing")
    assert project.up() == {}
