"""Previews as `pulumi preview --json` prints them: https://pkg.go.dev/github.com/pulumi/pulumi/pkg/v3/display#PreviewDigest."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from irsa_world.state.preview import Preview, parse_preview
from tests.world import document, of_tokens

ISSUER = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
OTHER_ISSUER = "oidc.eks.us-east-1.amazonaws.com/id/EXAMPLEA0000000000000000EXAMPLE"
ACCOUNT = "111122223333"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/my-role"
COMPONENT = "irsa:index:ServiceAccountRole"
ROLE, POLICY = "aws:iam/role:Role", "aws:iam/policy:Policy"
ATTACHMENT, INLINE = "aws:iam/rolePolicyAttachment:RolePolicyAttachment", "aws:iam/rolePolicy:RolePolicy"
ASSOCIATION = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
CLUSTER = f"arn:aws:eks:us-west-2:{ACCOUNT}:cluster/my-cluster"
READ_ONLY, ADMINISTRATOR = (f"arn:aws:iam::aws:policy/{name}" for name in ("ReadOnlyAccess", "AdministratorAccess"))
OIDC_PROVIDER = "aws:iam/openIdConnectProvider:OpenIdConnectProvider"
SERVICE_ACCOUNT = "kubernetes:core/v1:ServiceAccount"
SERVICE_ACCOUNT_PATCH = f"{SERVICE_ACCOUNT}Patch"
# sdk/go/common/resource/plugin/rpc.go of Pulumi: the string for a value that is known only during the deployment.
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
SECRET = "[secret]"


def urn(type_: str, name: str, component: str = "app") -> str:
    """Return the URN of a child of a component; without one, of a resource of the stack's own."""
    parent = f"{COMPONENT}$" if component else ""
    return f"urn:pulumi:dev::irsa::{parent}{type_}::{name}"


def resource(type_: str, name: str, inputs: Mapping[str, Any], component: str = "app", **more: Any) -> dict[str, Any]:
    """Return a resource as a preview has it."""
    parent = urn(COMPONENT, component, "") if component else "urn:pulumi:dev::irsa::pulumi:pulumi:Stack::irsa-dev"
    return {
        "urn": urn(type_, name, component),
        "custom": True,
        "type": type_,
        "parent": parent,
        "inputs": dict(inputs),
        "outputs": {},
        "provider": "urn:pulumi:dev::irsa::pulumi:providers:aws::default::id",
        **more,
    }


def step(op: str, old: Any = None, new: Any = None, **more: Any) -> dict[str, Any]:
    states = {key: state for key, state in (("oldState", old), ("newState", new)) if state}
    return {"op": op, "urn": (new or old)["urn"], **states, "detailedDiff": None, **more}


def digest(steps: Iterable[Any], **more: Any) -> str:
    return json.dumps({"steps": list(steps), "changeSummary": {"same": 7}, **more})


def preview(*steps: Any, **more: Any) -> Preview:
    return parse_preview(digest(steps, **more), "test")


def trust(*subjects: str, provider: str = PROVIDER, audience: str = "sts.amazonaws.com", **more: Any) -> dict[str, Any]:
    """Return a trust policy as AWS's page has it, for patterns of service accounts, `namespace:name`."""
    issuer = provider.partition(":oidc-provider/")[2]
    claims = [f"system:serviceaccount:{each}" for each in subjects]
    condition = {"StringEquals": {f"{issuer}:aud": audience}, "StringLike": {f"{issuer}:sub": claims}}
    return document(of_tokens(provider, {**condition, **more}))


def role(document: Any, name: str = "my-role", logical: str = "app", **more: Any) -> dict[str, Any]:
    """Return a role that exists."""
    written = document if isinstance(document, str) else json.dumps(document)
    arn = f"arn:aws:iam::{ACCOUNT}:role/{name}"
    inputs = {"name": name, "assumeRolePolicy": written, "path": "/"}
    return resource(ROLE, logical, inputs, **{"outputs": {"arn": arn, "name": name}, **more})


def without_outputs(found: dict[str, Any]) -> dict[str, Any]:
    """Return a resource as a preview has it that is going to exist."""
    return {**found, "outputs": {}}


def with_inputs(found: dict[str, Any], **inputs: Any) -> dict[str, Any]:
    return {**found, "inputs": {**found["inputs"], **inputs}}


def update(old: Any, new: Any, **more: Any) -> dict[str, Any]:
    """Return the step by which a resource becomes another one."""
    return step("update", old, without_outputs(new), **more)


def changed(before: Any, after: Any) -> dict[str, Any]:
    """Return the step by which a role's trust policy becomes another one."""
    return update(role(before), role(after))


def create(new: Any, **more: Any) -> dict[str, Any]:
    return step("create", None, without_outputs(new), **more)


def association(name: str = "app", **inputs: Any) -> dict[str, Any]:
    """Return an association of my-cluster, with the role my-role."""
    place = {"clusterName": "my-cluster", "region": "us-west-2", "namespace": "web", "serviceAccount": name}
    written = {**place, "roleArn": ROLE_ARN, "disableSessionTags": False, **inputs}
    return resource(ASSOCIATION, f"web/{name}@{ISSUER}", written)


def statement(action: Any = "*", resource: Any = "*", effect: str = "Allow", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


def inline(*statements: Any, role: str = "my-role") -> dict[str, Any]:
    return resource(INLINE, f"{role}@x", {"name": "x", "role": role, "policy": json.dumps(document(*statements))})


def attached(arn: str) -> dict[str, Any]:
    """Return the attachment of a managed policy to my-role."""
    return resource(ATTACHMENT, f"app@{arn}", {"role": "my-role", "policyArn": arn})


def oidc_provider(*client_ids: str, issuer: str = ISSUER) -> dict[str, Any]:
    """Return an IAM OIDC provider that exists."""
    arn = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer}"
    inputs = {"url": f"https://{issuer}", "clientIdLists": list(client_ids)}
    return resource(OIDC_PROVIDER, issuer, inputs, "", outputs={"arn": arn})


# Which rows of a diff are about what.
KINDS: Mapping[str, tuple[str, str, str]] = {
    "gains": ("session", "gains", "certain"),
    "loses": ("session", "loses", "certain"),
    "mayGain": ("session", "gains", "may"),
    "mayLose": ("session", "loses", "may"),
    "cannotTell": ("session", "changes", "cannot tell"),
    "permissionsCannotTell": ("permission", "changes", "cannot tell"),
}


def rows(found: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the rows of a diff of one of KINDS, or of one kind."""
    if name in KINDS:
        return [each for each in found["rows"] if (each["kind"], each["change"], each["certainty"]) == KINDS[name]]
    return [each for each in found["rows"] if each["kind"] == name and each["certainty"] != "cannot tell"]
