"""The installed AWS plugin, the stand-in or the official one, against what is known of the official one.

What is no fact of AWS's own documentation is in the sources of the two providers below it, by the type's file:
https://github.com/hashicorp/terraform-provider-aws/tree/main/internal/service, and for names, replacement and errors
https://github.com/pulumi/pulumi-terraform-bridge/tree/main/pkg/tfbridge.
"""

import json
import re
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, NamedTuple

import pytest

from sandbox.plugins.serving import UNKNOWN, plain
from sandbox.plugins_install import plugin_program
from tests.all.sandbox.plugin_calls import Engine, PluginError, Resource, started

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


class Aws:
    """The plugin, and what a test has created by it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.made: list[Resource] = []

    def create(self, kind: str, logical: str = "", **inputs: Any) -> Resource:
        resource = self.engine.create(kind, {**VALID[kind], **inputs}, logical or f"conformance-{next(_numbers)}")
        self.made.append(resource)
        return resource

    def clean_up(self) -> None:
        for each in reversed(self.made):
            self.engine.delete(each)


@pytest.fixture(scope="module")
def engine(cloud: Any) -> Iterator[Engine]:
    """The plugin as a process, with what its resources need."""
    iam = cloud.aws("iam")
    for arn in ROLES:
        iam.create_role(RoleName=arn.rpartition("/")[2], AssumeRolePolicyDocument=trust())
    with started(plugin_program(cloud.sandbox, "aws"), cloud.environment()) as stub:
        yield Engine(stub, "aws", {"region": "us-west-2"})


@pytest.fixture
def aws(engine: Engine) -> Iterator[Aws]:
    made = Aws(engine)
    yield made
    made.clean_up()


@pytest.fixture(scope="module")
def existing(engine: Engine) -> Iterator[Callable[..., Resource]]:
    """Return a resource of these inputs, the same one each time: a difference changes nothing."""
    own, found = Aws(engine), dict[str, Resource]()

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
def test_what_a_change_does(
    engine: Engine, existing: Any, case: tuple[str, dict[str, Any], dict[str, Any], str]
) -> None:
    kind, before, after, effect = case
    found = engine.diff(existing(kind, before), {**VALID[kind], **before, **after})
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
    """Preview, creation, import and deletion: import IDs are those of the SDK's pages."""
    engine, kind, whole = aws.engine, life.kind, {**VALID[life.kind], **life.inputs}
    preview = engine.create(kind, whole, preview=True).outputs
    assert {key for key, value in preview.items() if value is UNKNOWN} >= life.computed
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
        made = engine.refresh(engine.update(made, {**whole, "tags": {"a": "1", "b": "2"}}))
        assert made.outputs["tags"] == {"a": "1", "b": "2"}
    engine.delete(made)
    assert engine.refresh(made).id == ""
    engine.delete(made)


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


FAILED = r"operation error {}: {}, https response error StatusCode: {}, RequestID: \S+, "
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
