"""The installed AWS plugin, the stand-in or the official one, against what is known of the official one.

What is no fact of AWS's own documentation is in the sources of the two providers below it, by the type's file:
https://github.com/hashicorp/terraform-provider-aws/tree/main/internal/service, and for names, replacement and errors
https://github.com/pulumi/pulumi-terraform-bridge/tree/main/pkg/tfbridge.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from sandbox.plugins.serving import UNKNOWN, plain
from sandbox.plugins_install import plugin_program
from tests.all.sandbox.plugin_calls import DELETED_FIRST, IN_PLACE, REPLACED, Engine, PluginError, Resource, started
from tests.sandbox.failing_api import failing_aws

pytestmark = pytest.mark.sandbox

POLICY, ROLE, ROLE_POLICY = "iam/policy:Policy", "iam/role:Role", "iam/rolePolicy:RolePolicy"
ATTACHMENT, OIDC = "iam/rolePolicyAttachment:RolePolicyAttachment", "iam/openIdConnectProvider:OpenIdConnectProvider"
BUCKET, ASSOCIATION = "s3/bucket:Bucket", "eks/podIdentityAssociation:PodIdentityAssociation"
ACCOUNT, CLUSTER, ISSUER = "111122223333", "my-cluster", "oidc.example.com/id/CONFORMANCE"
ROLES = [f"arn:aws:iam::{ACCOUNT}:role/conformance-{each}" for each in ("one", "two")]
MANAGED, BY_HAND = f"arn:aws:iam::{ACCOUNT}:policy/existing-policy", "arn:aws:iam::aws:policy/ReadOnlyAccess"


def statement(**changes: Any) -> str:
    complete = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", **changes}
    return json.dumps({"Version": "2012-10-17", "Statement": [complete]}, separators=(",", ":"))


def trust(service: str = "pods.eks.amazonaws.com") -> str:
    allow = {"Effect": "Allow", "Principal": {"Service": service}, "Action": ["sts:AssumeRole", "sts:TagSession"]}
    return json.dumps({"Version": "2012-10-17", "Statement": [allow]})


READ, OTHER = statement(), statement(Action="s3:PutObject")
VALID: dict[str, dict[str, Any]] = {
    POLICY: {"policy": READ},
    ROLE: {"assumeRolePolicy": trust()},
    ATTACHMENT: {"role": "conformance-one", "policyArn": MANAGED},
    ROLE_POLICY: {"role": "conformance-one", "policy": READ},
    OIDC: {"url": f"https://{ISSUER}", "clientIdLists": ["a", "b"]},
    BUCKET: {},
    ASSOCIATION: {"clusterName": CLUSTER, "namespace": "web", "serviceAccount": "app", "roleArn": ROLES[0]},
}


class Aws:
    """The plugin, and what the tests have created by it: of the same inputs once, as a difference changes nothing."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.made: dict[str, Resource] = {}

    def create(self, kind: str, inputs: Mapping[str, Any], logical: str = "") -> Resource:
        key = f"{kind} {inputs} {logical}"
        if key not in self.made:
            name = logical or f"conformance-{len(self.made)}"
            self.made[key] = self.engine.create(kind, {**VALID[kind], **inputs}, name)
        return self.made[key]


@pytest.fixture(scope="module")
def aws(cloud: Any) -> Iterator[Aws]:
    iam = cloud.aws("iam")
    for arn in ROLES:
        iam.create_role(RoleName=arn.rpartition("/")[2], AssumeRolePolicyDocument=trust())
    with started(plugin_program(cloud.sandbox, "aws"), cloud.environment()) as stub:
        aws = Aws(Engine(stub, "aws", {"region": "us-west-2"}))
        yield aws
        for each in reversed(aws.made.values()):
            aws.engine.delete(each)


SAME = "no change"
NAMED, PREFIXED, UNTAGGED = {"name": "conformance-fixed"}, {"namePrefix": "conformance-"}, {"disableSessionTags": True}
CHANGES: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    (POLICY, {}, {"policy": OTHER}, IN_PLACE),
    (POLICY, {}, {"policy": json.dumps(json.loads(READ), indent=2)}, SAME),
    (POLICY, {}, {"description": "d"}, REPLACED),
    (POLICY, {}, {"path": "/team/"}, REPLACED),
    (POLICY, {}, {"name": "other"}, DELETED_FIRST),
    (POLICY, {}, {"namePrefix": "other-"}, REPLACED),
    # Two of one name cannot be there at once; else permissions would have a gap.
    (POLICY, NAMED, {"description": "d"}, DELETED_FIRST),
    (ROLE, {}, {"assumeRolePolicy": trust("ec2.amazonaws.com")}, IN_PLACE),
    (ROLE, {}, {"assumeRolePolicy": json.dumps(json.loads(trust()), indent=4)}, SAME),
    (ROLE, {}, {"description": "d"}, IN_PLACE),
    (ROLE, {}, {"path": "/team/"}, REPLACED),
    (ROLE, NAMED, {"path": "/team/"}, DELETED_FIRST),
    (ROLE, NAMED, {"name": "other"}, DELETED_FIRST),
    (ROLE, PREFIXED, {"path": "/team/"}, REPLACED),
    (ROLE, PREFIXED, {}, SAME),
    (ATTACHMENT, {}, {"role": "other"}, DELETED_FIRST),
    (ATTACHMENT, {}, {"policyArn": BY_HAND}, DELETED_FIRST),
    # A role that is replaced has an unknown name at preview.
    (ATTACHMENT, {}, {"role": UNKNOWN}, DELETED_FIRST),
    (ROLE_POLICY, {}, {"policy": OTHER}, IN_PLACE),
    (ROLE_POLICY, {}, {"role": "other"}, REPLACED),
    (ROLE_POLICY, NAMED, {"role": "other"}, DELETED_FIRST),
    (OIDC, {}, {"clientIdLists": ["a"]}, IN_PLACE),
    (OIDC, {}, {"clientIdLists": ["b", "a"]}, SAME),
    (OIDC, {}, {"url": ISSUER}, SAME),
    (OIDC, {}, {"url": "https://example.com"}, REPLACED),
    (BUCKET, {}, {"bucket": "other-bucket"}, DELETED_FIRST),
    *((ASSOCIATION, {}, {key: "other"}, REPLACED) for key in ("clusterName", "namespace", "serviceAccount", "region")),
    *((ASSOCIATION, {}, {key: ROLES[1]}, IN_PLACE) for key in ("roleArn", "targetRoleArn")),
    (ASSOCIATION, {}, {"disableSessionTags": False}, SAME),
    (ASSOCIATION, {**UNTAGGED, "serviceAccount": "off"}, {"policy": READ}, IN_PLACE),
]


@pytest.mark.parametrize("case", CHANGES, ids=str)
def test_what_a_change_does(aws: Aws, case: tuple[str, dict[str, Any], dict[str, Any], str]) -> None:
    kind, before, after, effect = case
    found = aws.engine.diff(aws.create(kind, before), {**VALID[kind], **before, **after})
    effects = {re.split(r"[.\[]", path)[0]: each for path, each in found.items()}
    replacing = {name: each for name, each in effects.items() if each != IN_PLACE}
    assert replacing == (dict.fromkeys(after, effect) if effect in (REPLACED, DELETED_FIRST) else {})
    assert bool(effects) is (effect != SAME)
    assert effect == SAME or {*after} <= {*effects}


def test_automatic_names(aws: Aws) -> None:
    engine, role = aws.engine, VALID[ROLE]
    made = aws.create(ROLE, {}, "c" * 56)
    assert re.fullmatch("c{56}-[0-9a-f]{7}", made.outputs["name"])
    assert plain(engine.check(engine.urn(ROLE, "other seed"), role, made.inputs))["name"] == made.outputs["name"]
    fixed = engine.check(engine.urn(ROLE), {**role, "name": "fixed"})
    assert plain(engine.check(engine.urn(ROLE), role, fixed))["name"] != "fixed"
    with pytest.raises(PluginError, match="longer than maximum length 64"):
        engine.check(engine.urn(ROLE, "c" * 57), role)
    assert re.fullmatch("conformance-[0-9a-f]{26}", aws.create(ROLE, PREFIXED).id)


# `extractInputs` of the bridge's schema.go.
def test_what_was_added_by_hand_is_in_the_outputs_alone(aws: Aws, cloud: Any) -> None:
    iam, tagged = cloud.aws("iam"), {**VALID[ROLE], "tags": {"team": "a"}}
    role, provider = aws.create(ROLE, {"tags": tagged["tags"]}), aws.create(OIDC, {})
    assert {*aws.engine.diff(role, VALID[ROLE])} == {"tags.team", "tagsAll.team"}
    iam.tag_role(RoleName=role.id, Tags=[{"Key": "byhand", "Value": "b"}])
    iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=provider.id, ClientID="byhand")
    role, provider = aws.engine.refresh(role), aws.engine.refresh(provider)
    assert plain(role.inputs)["tags"] == {"team": "a"}
    assert role.outputs["tags"] == {"team": "a", "byhand": "b"}
    assert {*aws.engine.diff(role, tagged)} == {"tags.byhand", "tagsAll.byhand"}
    assert (len(plain(provider.inputs)["clientIdLists"]), len(provider.outputs["clientIdLists"])) == (2, 3)


def test_an_absent_boundary_is_an_empty_text(aws: Aws) -> None:
    assert aws.create(ROLE, {}).outputs["permissionsBoundary"] == ""


def test_a_missing_input_is_named_as_in_terraform(aws: Aws) -> None:
    with pytest.raises(PluginError, match=r'^Missing required argument\. The argument "client_id_list" is required'):
        aws.engine.check(aws.engine.urn(OIDC), {"url": VALID[OIDC]["url"]})


# The interceptor of tags: internal/provider/sdkv2/tags_interceptor.go of the same repository.
@pytest.mark.parametrize(("region", "swallowed"), [("us-west-2", False), ("cn-north-1", True)])
def test_denied_tags(cloud: Any, region: str, swallowed: bool) -> None:
    denied = {"TagRole": (403, "AccessDenied", "not authorized")}
    with (
        failing_aws(denied, cloud.aws_address) as address,
        started(plugin_program(cloud.sandbox, "aws"), {**cloud.environment(), "AWS_ENDPOINT_URL": address}) as stub,
    ):
        engine, tagged = Engine(stub, "aws", {"region": region}), {**VALID[ROLE], "tags": {"team": "a"}}
        role = engine.create(ROLE, VALID[ROLE], "denied-tags")
        if not swallowed:
            with pytest.raises(PluginError, match="updating tags for IAM Role"):
                engine.update(role, tagged)
        else:
            updated = engine.update(role, tagged)
            assert updated.outputs["tags"] == {}
            assert "tags.team" in engine.diff(updated, tagged)
        engine.delete(role)


FAILED = r"operation error {}: {}, https response error StatusCode: {}, RequestID: \S+, "
NO_ROLE = f"arn:aws:iam::{ACCOUNT}:role/none"
# https://github.com/hashicorp/terraform-provider-aws/issues/41483
INVALID = FAILED.format("EKS", "CreatePodIdentityAssociation", 400) + "InvalidParameterException: "


# The texts by which irsa tells failures from each other: what was done, the operation, its status and AWS's own code.
@pytest.mark.parametrize(
    ("kind", "inputs", "text"),
    [
        (POLICY, {"name": "existing-policy"}, FAILED.format("IAM", "CreatePolicy", 409) + "EntityAlreadyExists: "),
        (ROLE, {"name": "conformance-one"}, FAILED.format("IAM", "CreateRole", 409) + "EntityAlreadyExists: "),
        (ATTACHMENT, {"policyArn": f"{MANAGED}x"}, FAILED.format("IAM", "AttachRolePolicy", 404) + "NoSuchEntity: "),
        (ASSOCIATION, {"serviceAccount": "x", "roleArn": NO_ROLE}, INVALID),
        # It does not trust EKS Pod Identity.
        (ASSOCIATION, {"serviceAccount": "x", "roleArn": NO_ROLE.replace("none", "eks-cluster-role")}, INVALID),
        (
            ASSOCIATION,
            {"serviceAccount": "x", "roleArn": NO_ROLE.replace("1111", "9999")},
            FAILED.format("EKS", "CreatePodIdentityAssociation", 403) + "api error AccessDeniedException: ",
        ),
    ],
)
def test_what_aws_refuses(aws: Aws, kind: str, inputs: dict[str, Any], text: str) -> None:
    with pytest.raises(PluginError, match=rf"^1 error occurred:\n\t\* (creating|attaching) .*: {text}"):
        aws.create(kind, inputs)
