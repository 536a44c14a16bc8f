"""The installed AWS plugin, the stand-in or the official one, against what is known of the official one.

What is no fact of AWS's own documentation is in the sources of the two providers below it, by the type's file:
https://github.com/hashicorp/terraform-provider-aws/tree/main/internal/service, and for names, replacement and errors
https://github.com/pulumi/pulumi-terraform-bridge/tree/main/pkg/tfbridge.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, NamedTuple

import pytest

from sandbox.plugins.serving import UNKNOWN, plain
from sandbox.plugins_install import plugin_program
from tests.all.sandbox.plugin_calls import Engine, PluginError, RefusedInputsError, Resource, started
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
_numbers = count()


@dataclass
class Aws:
    engine: Engine
    iam: Any
    asked: list[str]
    made: list[Resource] = field(default_factory=list)

    def create(self, kind: str, logical: str = "", **inputs: Any) -> Resource:
        resource = self.engine.create(kind, {**VALID[kind], **inputs}, logical or f"conformance-{next(_numbers)}")
        self.made.append(resource)
        return resource

    def clean_up(self) -> None:
        for each in reversed(self.made):
            self.engine.delete(each)
        self.made.clear()


def behind(cloud: Any, address: str, **more: str) -> dict[str, str]:
    # What stands in front of AWS passes no bucket's settings on.
    addresses = {"AWS_ENDPOINT_URL": address, "AWS_ENDPOINT_URL_S3": cloud.aws_address}
    return {**cloud.environment(), **addresses, **more}


@pytest.fixture(scope="module")
def plugin(cloud: Any) -> Iterator[Aws]:
    """The plugin as a process, with what its resources need; its requests are counted on their way."""
    asked: list[str] = []
    iam = cloud.aws("iam")
    for arn in ROLES:
        iam.create_role(RoleName=arn.rpartition("/")[2], AssumeRolePolicyDocument=trust())
    with (
        failing_aws({}, cloud.aws_address, lambda question: asked.append(question.action)) as address,
        started(plugin_program(cloud.sandbox, "aws"), behind(cloud, address)) as stub,
    ):
        yield Aws(Engine(stub, "aws", {"region": "us-west-2"}), iam, asked)


@pytest.fixture
def aws(plugin: Aws) -> Iterator[Aws]:
    yield plugin
    plugin.clean_up()


@pytest.fixture(scope="module")
def existing(plugin: Aws) -> Iterator[Callable[..., Resource]]:
    """Return a resource of these inputs, the same one each time: a difference changes nothing."""
    found: dict[str, Resource] = {}
    own = replace(plugin, made=[])

    def resource(kind: str, inputs: dict[str, Any]) -> Resource:
        key = f"{kind} {inputs}"
        return found[key] if key in found else found.setdefault(key, own.create(kind, **inputs))

    yield resource
    own.clean_up()


SAME, IN_PLACE, REPLACED, DELETED_FIRST = "no change", "in place", "replaced", "deleted, then created"
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
def test_what_a_change_does(plugin: Aws, existing: Any, case: tuple[str, dict[str, Any], dict[str, Any], str]) -> None:
    kind, before, after, effect = case
    found = plugin.engine.diff(existing(kind, before), {**VALID[kind], **before, **after})
    outcome = SAME
    if found.changes:
        outcome = DELETED_FIRST if found.delete_before_replace else REPLACED if found.replaces else IN_PLACE
        assert {*after} <= {re.split(r"[.\[]", path)[0] for path in found.kinds}
    assert outcome == effect
    assert set(found.replaces) == ({*after} if effect in (REPLACED, DELETED_FIRST) else set())


class Life(NamedTuple):
    """A type: inputs, the ID, the import ID where it is another, one that is malformed, and what AWS decides."""

    kind: str
    inputs: dict[str, Any]
    identity: str
    computed: set[str]
    imported_by: str = "{}"
    malformed: str = ""


IAM = f"arn:aws:iam::{ACCOUNT}:"
LIVES = (
    Life(POLICY, {"name": "c-p", "path": "/team/"}, f"{IAM}policy/team/c-p", {"arn", "policyId"}),
    Life(ROLE, {"name": "c-r", "path": "/team/"}, "c-r", {"arn", "uniqueId", "createDate"}),
    Life(ATTACHMENT, {}, f"conformance-one/{MANAGED}", set(), malformed="conformance-one"),
    Life(ROLE_POLICY, {"name": "c-p"}, "conformance-one:c-p", set(), malformed="conformance-one"),
    Life(OIDC, {"url": "https://a.example/1"}, f"{IAM}oidc-provider/a.example/1", {"arn"}),
    Life(BUCKET, {"bucket": "conformance-b"}, "conformance-b", {"arn"}),
    Life(
        ASSOCIATION,
        {"serviceAccount": "life"},
        "a-[a-z0-9]+",
        {"associationArn", "associationId"},
        f"{CLUSTER},{{}}",
        "x",
    ),
)


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.kind)
def test_the_life_of_each_type(aws: Aws, life: Life) -> None:
    """Preview, creation, import, tags and deletion: import IDs are those of the SDK's pages."""
    engine, kind, whole = aws.engine, life.kind, {**VALID[life.kind], **life.inputs}
    aws.asked.clear()
    preview = engine.preview(kind, whole).outputs
    assert {key for key, value in preview.items() if value is UNKNOWN} >= life.computed
    assert aws.asked == []

    made = aws.create(kind, **life.inputs)
    assert re.fullmatch(life.identity, made.id)
    assert made.outputs.keys() >= {*whole, *life.computed}
    imported = engine.read(kind, life.imported_by.format(made.id))
    assert (imported.id, imported.outputs) == (made.id, made.outputs)
    assert not any(engine.diff(each, whole).changes for each in (made, imported))
    if life.malformed:
        with pytest.raises(PluginError, match=r"(?i)\bid\b"):
            engine.read(kind, life.malformed)

    if "tagsAll" in made.outputs:
        asked = len(aws.asked)
        made = engine.update(made, {**whole, "tags": {"a": "1", "b": "2"}})
        assert engine.refresh(made).outputs["tags"] == {"a": "1", "b": "2"}
        found = engine.diff(made, {**whole, "tags": {"a": "3", "example.com/c": "4"}}).kinds
        own = {path: each for path, each in found.items() if path.startswith(("tags.", "tags["))}
        assert own == {"tags.a": "UPDATE", "tags.b": "DELETE", 'tags["example.com/c"]': "ADD"}
        made = engine.refresh(engine.update(made, whole))
        assert made.outputs["tagsAll"] == {}
        # Tags alone make no other call that writes.
        wrote = {each for each in aws.asked[asked:] if each and not each.startswith(("Get", "List"))}
        assert all(re.match("Tag|Untag", each) for each in wrote)
    engine.delete(made)
    assert engine.refresh(made).id == ""
    engine.delete(made)


def test_what_check_answers(plugin: Aws) -> None:
    engine = plugin.engine
    assert plain(engine.check(engine.urn(ROLE), {**VALID[ROLE], "tags": {"a": UNKNOWN}}))["tagsAll"] == UNKNOWN
    for kind, valid in VALID.items():
        for key in valid:
            with pytest.raises(RefusedInputsError, match=f"^Missing required property '{key}'"):
                engine.check(engine.urn(kind), {name: value for name, value in valid.items() if name != key})


def test_automatic_names(aws: Aws) -> None:
    engine, role = aws.engine, VALID[ROLE]
    made = aws.create(ROLE, "c" * 56)
    assert re.fullmatch("c{56}-[0-9a-f]{7}", made.outputs["name"])
    assert plain(engine.check(engine.urn(ROLE, "other seed"), role, made.inputs))["name"] == made.outputs["name"]
    fixed = engine.check(engine.urn(ROLE), {**role, "name": "fixed"})
    assert plain(engine.check(engine.urn(ROLE), role, fixed))["name"] != "fixed"
    with pytest.raises(PluginError, match="longer than maximum length 64"):
        engine.check(engine.urn(ROLE, "c" * 57), role)
    assert re.fullmatch("conformance-[0-9a-f]{26}", aws.create(ROLE, **PREFIXED).id)


def test_what_vanished_before_its_update(aws: Aws) -> None:
    made = aws.create(ROLE)
    aws.iam.delete_role(RoleName=made.id)
    with pytest.raises(PluginError, match=r"(?s)did not exist while updating.*pulumi refresh"):
        aws.engine.update(made, {**VALID[ROLE], "forceDetachPolicies": True})


FAILED, NONE = (
    r"operation error {}: {}, https response error StatusCode: {}, RequestID: \S+, ",
    "couldn't find resource",
)
NO_ROLE = f"arn:aws:iam::{ACCOUNT}:role/none"


# The texts by which irsa tells failures from each other: what was done, the operation, its status and AWS's own code.
@pytest.mark.parametrize(
    ("kind", "inputs", "text"),
    [
        (POLICY, {"name": "existing-policy"}, FAILED.format("IAM", "CreatePolicy", 409) + "EntityAlreadyExists: "),
        (ROLE, {"name": "conformance-one"}, FAILED.format("IAM", "CreateRole", 409) + "EntityAlreadyExists: "),
        (ATTACHMENT, {"policyArn": f"{MANAGED}x"}, FAILED.format("IAM", "AttachRolePolicy", 404) + "NoSuchEntity: "),
        (
            ASSOCIATION,
            {"serviceAccount": "x", "roleArn": NO_ROLE},
            FAILED.format("EKS", "CreatePodIdentityAssociation", 400) + "InvalidParameterException: ",
        ),
        (
            ASSOCIATION,
            {"serviceAccount": "x", "roleArn": NO_ROLE.replace("1111", "9999")},
            FAILED.format("EKS", "CreatePodIdentityAssociation", 403) + "api error AccessDeniedException: ",
        ),
    ],
)
def test_what_aws_refuses(aws: Aws, kind: str, inputs: dict[str, Any], text: str) -> None:
    with pytest.raises(PluginError, match=rf"^1 error occurred:\n\t\* (creating|attaching) .*: {text}"):
        aws.create(kind, **inputs)
