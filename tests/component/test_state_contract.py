"""What the component leaves in the state, and what `irsa verify` reads there: the names of stacks that are deployed."""

import json
from dataclasses import replace
from typing import Any

import pulumi
import pytest

from irsa import outputs
from irsa.ways import ONLY_IRSA, parse_identity
from irsa_world.model import Association, Role
from irsa_world.state.declared import (
    DeclaredBinding,
    DeclaredServiceAccount,
    DeclaredStack,
    declared_stack,
)
from irsa_world.state.resource import Resource, resources_of

COMPONENT = "irsa:index:ServiceAccountRole"
ISSUER = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"
PROVIDER = f"arn:aws:iam::111122223333:oidc-provider/{ISSUER}"
ROLE_ARN = "arn:aws:iam::111122223333:role/my-role"
READER = "arn:aws:iam::444455556666:role/reader"
READ_ONLY = "arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"
STATEMENT = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::my-pod-secrets-bucket"}
DOCUMENT = {"Version": "2012-10-17", "Statement": [STATEMENT]}
ANNOTATIONS = {"eks.amazonaws.com/role-arn": ROLE_ARN, "eks.amazonaws.com/audience": "my-audience"}
# As a deployed stack's state has them. Not those of irsa.outputs: a name that is changed there would change here, too.
REGISTERED = {
    *("roleArn", "roleName", "policyArns", "subjects", "namespace", "serviceAccountName", "annotations"),
    *("trustPolicy", "policyDocuments", "inlinePolicies", "createsServiceAccount", "roleSettings"),
}
ARGUMENTS: dict[str, Any] = {
    "service_account": {"name": "my-service-account", "namespace": "team-a", "annotations": {"example.com/owner": "a"}},
    "oidc_provider_arns": [PROVIDER],
    "trust": {"subjects": ["team-b:*"]},
    "audience": "my-audience",
    "role": {
        "name": "my-role",
        "description": "Reads",
        "permissions_boundary": "arn:aws:iam::111122223333:policy/boundary",
        "max_session_duration": 7200,
    },
    "policy": {"name": "my-policy", "document": json.dumps(DOCUMENT)},
    "policy_arns": {"queue": READ_ONLY},
    "inline_policies": {"inline": {"document": json.dumps(DOCUMENT)}},
}


def state_of(deployed: Any, without: tuple[str, ...] = (), children: bool = True) -> list[Resource]:
    stack = {"urn": "urn:pulumi:test::irsa::pulumi:pulumi:Stack::irsa-test", "type": "pulumi:pulumi:Stack"}
    component = deployed.one(COMPONENT)
    registered = {name: value for name, value in deployed.registered.items() if name not in without}
    resources = [stack, {"urn": component.urn, "type": component.type, "outputs": registered}]
    for each in deployed.registrations if children else ():
        if each is not component:
            arn = {"arn": f"arn:aws:iam::111122223333:{each.type.rpartition(':')[2].lower()}/{each.inputs.get('name')}"}
            made = {**each.inputs, **arn}
            kept = {"urn": each.urn, "type": each.type, "parent": each.parent, "inputs": each.inputs, "outputs": made}
            resources.append(kept)
    return resources_of({"deployment": {"resources": resources}})


def binding_of(declared: DeclaredStack) -> DeclaredBinding:
    (binding,) = declared.bindings
    return binding


def what_is_read(binding: DeclaredBinding) -> dict[str, Any]:
    """Return all that is read of a binding, documents as what they mean; the place of an account is its cluster's."""
    # When it was changed, the engine adds to the state.
    declared = {name: value for name, value in vars(binding).items() if name != "modified"}
    return {**declared, "role": binding.role and vars(binding.role)}


TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Federated": PROVIDER},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {f"{ISSUER}:aud": "my-audience"},
                "StringLike": {
                    f"{ISSUER}:sub": [
                        "system:serviceaccount:team-a:my-service-account",
                        "system:serviceaccount:team-b:*",
                    ]
                },
            },
        }
    ],
}
EXPECTED: dict[str, Any] = {
    "key": "my-app",
    "in_stack_file": False,
    "role_arn": ROLE_ARN,
    "role": vars(
        Role(
            ROLE_ARN,
            TRUST,
            description="Reads",
            permissions_boundary="arn:aws:iam::111122223333:policy/boundary",
            max_session_duration=7200,
            attached_policies=("arn:aws:iam::111122223333:policy/my-policy", READ_ONLY),
            inline_policies={"inline": DOCUMENT},
        )
    ),
    "documents": {"arn:aws:iam::111122223333:policy/my-policy": DOCUMENT},
    "service_accounts": (DeclaredServiceAccount("", "team-a", "my-service-account", ANNOTATIONS, created=True),),
    "subjects": ("team-a:my-service-account", "team-b:*"),
    "audience": "my-audience",
    "provider": "",
    "unreadable": "",
    "failed_updates": (),
    "identity": ONLY_IRSA,
    "associations": (),
    "providers": {},
    "kubernetes": {},
}


@pytest.mark.parametrize("children", [True, False], ids=["whole", "after a refresh that found everything gone"])
def test_what_was_declared_is_what_verify_reads(deploy: Any, children: bool) -> None:
    deployed = deploy(ARGUMENTS)

    assert what_is_read(binding_of(declared_stack(state_of(deployed, children=children)))) == EXPECTED


@pytest.mark.parametrize("children", [True, False], ids=["whole", "after a refresh that found everything gone"])
def test_an_association_is_read_as_declared(deploy: Any, children: bool) -> None:
    cluster = "arn:aws:eks:us-west-2:111122223333:cluster/blue"
    arguments = {
        **{name: value for name, value in ARGUMENTS.items() if name not in ("oidc_provider_arns", "audience", "trust")},
        "identity": "podIdentity",
        "cluster_arns": {"blue": pulumi.Output.from_input(cluster)},
        "pod_identity": {
            "session_tags": False,
            "target_role_arn": READER,
            "policy": {"document": DOCUMENT},
            "tags": {"team": pulumi.Output.from_input("a")},
        },
    }
    binding = binding_of(declared_stack(state_of(deploy(arguments), children=children)))

    assert binding.identity == parse_identity("podIdentity")
    (found,) = binding.associations
    assert json.loads(found.policy) == DOCUMENT
    expected = Association(
        cluster, "team-a", "my-service-account", ROLE_ARN, session_tags=False, target_role_arn=READER
    )
    assert found == replace(expected, policy=found.policy, tags={"team": "a"})
    assert binding.kubernetes == {cluster: ""}
    assert binding.service_accounts == (DeclaredServiceAccount("", "team-a", "my-service-account", created=True),)


def test_the_names_are_those_of_deployed_stacks(deploy: Any) -> None:
    assert set(deploy(ARGUMENTS).registered) == REGISTERED
    assert outputs.COMPONENT_TYPE == COMPONENT
