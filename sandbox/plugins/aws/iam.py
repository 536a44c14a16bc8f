"""IAM's resource types, with the calls of the official plugin in its order."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from sandbox.plugins.aws import documents
from sandbox.plugins.aws.calls import (
    failing_as,
    found,
    name_of,
    paged,
    prefix_of,
    tag_list,
    tag_map,
    without_empty,
)
from sandbox.plugins.aws.connection import Connection
from sandbox.plugins.aws.resource_type import (
    TAGS,
    Property,
    ResourceType,
    document,
    same_document,
    same_set,
)
from sandbox.plugins.serving import Plain, ProviderError

_GONE = "NoSuchEntity"
_KEPT_POLICY_VERSIONS = 5


def _settled(stored: str | None, live: str) -> str:
    return documents.normalised(stored if stored and documents.equivalent(stored, live) else live)


def _retag(operation: str, argument: str) -> Callable[[Connection, str, list[str], Mapping[str, str]], None]:
    def retag(connection: Connection, resource_id: str, removed: list[str], added: Mapping[str, str]) -> None:
        client, identity = connection.client("iam"), {argument: resource_id}
        if removed:
            getattr(client, f"untag_{operation}")(**identity, TagKeys=removed)
        if added:
            getattr(client, f"tag_{operation}")(**identity, Tags=tag_list(added))

    return retag


_NAMES = {
    "name": Property(replaces=True, computed=True),
    "namePrefix": Property(replaces=True, computed=True),
}


# -- Policy


def _create_policy(connection: Connection, inputs: Plain) -> str:
    client, name = connection.client("iam"), name_of(inputs)
    with failing_as(f"creating IAM Policy ({name})", client):
        answer = client.create_policy(
            PolicyName=name,
            PolicyDocument=documents.normalised(inputs["policy"]),
            Description=inputs.get("description") or "",
            **without_empty(Path=inputs.get("path"), Tags=tag_list(inputs.get("tagsAll"))),
        )
    return str(answer["Policy"]["Arn"])


def read_policy(connection: Connection, arn: str, state: Plain) -> Plain | None:
    client = connection.client("iam")
    with failing_as(f"reading IAM Policy ({arn})", client):
        answer = found(client.get_policy, _GONE, PolicyArn=arn)
        if answer is None:
            return None
        policy = answer["Policy"]
        version = client.get_policy_version(PolicyArn=arn, VersionId=policy["DefaultVersionId"])["PolicyVersion"]
    return {
        "arn": arn,
        "attachmentCount": policy["AttachmentCount"],
        "description": policy.get("Description") or "",
        "name": policy["PolicyName"],
        "namePrefix": prefix_of(policy["PolicyName"]),
        "path": policy["Path"],
        "policy": _settled(state.get("policy"), unquote(version["Document"])),
        "policyId": policy["PolicyId"],
        "tagsAll": tag_map(policy.get("Tags")),
    }


def _update_policy(connection: Connection, arn: str, olds: Plain, news: Plain) -> None:
    if same_document(olds.get("policy"), news.get("policy")):
        return
    client = connection.client("iam")
    text = documents.normalised(news["policy"])
    with failing_as(f"updating IAM Policy ({arn})", client):
        versions = client.list_policy_versions(PolicyArn=arn)["Versions"]
        if len(versions) >= _KEPT_POLICY_VERSIONS:
            others = [version for version in versions if not version["IsDefaultVersion"]]
            oldest = min(others, key=lambda version: (version["CreateDate"], int(version["VersionId"][1:])))
            client.delete_policy_version(PolicyArn=arn, VersionId=oldest["VersionId"])
        client.create_policy_version(PolicyArn=arn, PolicyDocument=text, SetAsDefault=True)


def _delete_policy(connection: Connection, arn: str, _: Plain) -> None:
    client = connection.client("iam")
    with failing_as(f"deleting IAM Policy ({arn})", client, unless=_GONE):
        for version in client.list_policy_versions(PolicyArn=arn)["Versions"]:
            if not version["IsDefaultVersion"]:
                client.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
        client.delete_policy(PolicyArn=arn)


POLICY = ResourceType(
    properties={
        "policy": document(),
        **_NAMES,
        "path": Property(default="/", replaces=True),
        "description": Property(replaces=True),
        **TAGS,
    },
    outputs=("arn", "attachmentCount", "policyId"),
    create=_create_policy,
    read=read_policy,
    update=_update_policy,
    delete=_delete_policy,
    name_property="name",
    name_length=255,
    described_as="IAM Policy",
    retag=_retag("policy", "PolicyArn"),
)


# -- Role


def _create_role(connection: Connection, inputs: Plain) -> str:
    client, name = connection.client("iam"), name_of(inputs)
    with failing_as(f"creating IAM Role ({name})", client):
        client.create_role(
            RoleName=name,
            AssumeRolePolicyDocument=documents.normalised(inputs["assumeRolePolicy"]),
            **without_empty(
                Path=inputs.get("path"),
                MaxSessionDuration=inputs.get("maxSessionDuration"),
                Description=inputs.get("description"),
                PermissionsBoundary=inputs.get("permissionsBoundary"),
                Tags=tag_list(inputs.get("tagsAll")),
            ),
        )
    return name


def _read_role(connection: Connection, name: str, state: Plain) -> Plain | None:
    client = connection.client("iam")
    with failing_as(f"reading IAM Role ({name})", client):
        answer = found(client.get_role, _GONE, RoleName=name)
        if answer is None:
            return None
        role = answer["Role"]
        inline = [
            {"name": policy, "policy": documents.normalised(_inline(client, name, policy))}
            for policy in paged(client, "list_role_policies", "PolicyNames", RoleName=name)
        ]
        attached = paged(client, "list_attached_role_policies", "AttachedPolicies", RoleName=name)
    properties = role_properties(role)
    return {
        **properties,
        "assumeRolePolicy": _settled(state.get("assumeRolePolicy"), properties["assumeRolePolicy"]),
        "forceDetachPolicies": bool(state.get("forceDetachPolicies")),
        "inlinePolicies": inline,
        "managedPolicyArns": [policy["PolicyArn"] for policy in attached],
        "namePrefix": prefix_of(name),
        "tagsAll": tag_map(role.get("Tags")),
    }


def role_properties(role: Mapping[str, Any]) -> Plain:
    """Return what the resource and the function of a role have in common."""
    return {
        "arn": role["Arn"],
        "assumeRolePolicy": unquote(role["AssumeRolePolicyDocument"]),
        "createDate": role["CreateDate"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        "description": role.get("Description") or "",
        "maxSessionDuration": role["MaxSessionDuration"],
        "name": role["RoleName"],
        "path": role["Path"],
        "permissionsBoundary": (role.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn", ""),
        "uniqueId": role["RoleId"],
    }


def _inline(client: Any, role: str, policy: str) -> str:
    return unquote(client.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"])


def _update_role(connection: Connection, name: str, olds: Plain, news: Plain) -> None:
    client, role = connection.client("iam"), f"IAM Role ({name})"
    if not same_document(olds.get("assumeRolePolicy"), news.get("assumeRolePolicy")):
        with failing_as(f"updating {role} assume role policy", client):
            client.update_assume_role_policy(
                RoleName=name, PolicyDocument=documents.normalised(news["assumeRolePolicy"])
            )
    if (olds.get("description") or "") != (news.get("description") or ""):
        with failing_as(f"updating {role} description", client):
            client.update_role_description(RoleName=name, Description=news.get("description") or "")
    if olds.get("maxSessionDuration") != news.get("maxSessionDuration"):
        with failing_as(f"updating {role} MaxSessionDuration", client):
            client.update_role(RoleName=name, **without_empty(MaxSessionDuration=news.get("maxSessionDuration")))
    _update_boundary(client, name, olds.get("permissionsBoundary"), news.get("permissionsBoundary"))


def _update_boundary(client: Any, name: str, old: str | None, new: str | None) -> None:
    if (old or "") == (new or ""):
        return
    if new:
        with failing_as(f"updating IAM Role ({name}) permissions boundary", client):
            client.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=new)
        return
    with failing_as(f"deleting IAM Role ({name}) permissions boundary", client):
        client.delete_role_permissions_boundary(RoleName=name)


def _delete_role(connection: Connection, name: str, state: Plain) -> None:
    client = connection.client("iam")
    with failing_as(f"deleting IAM Role ({name})", client, unless=_GONE):
        force = state.get("forceDetachPolicies")
        if force or state.get("managedPolicyArns"):
            for policy in paged(client, "list_attached_role_policies", "AttachedPolicies", RoleName=name):
                client.detach_role_policy(RoleName=name, PolicyArn=policy["PolicyArn"])
        if force or state.get("inlinePolicies"):
            for inline in paged(client, "list_role_policies", "PolicyNames", RoleName=name):
                client.delete_role_policy(RoleName=name, PolicyName=inline)
        client.delete_role(RoleName=name)


ROLE = ResourceType(
    properties={
        "assumeRolePolicy": document(),
        **_NAMES,
        "path": Property(default="/", replaces=True),
        "description": Property(),
        "maxSessionDuration": Property(default=3600),
        "permissionsBoundary": Property(),
        "forceDetachPolicies": Property(default=False),
        **TAGS,
    },
    outputs=("arn", "createDate", "inlinePolicies", "managedPolicyArns", "uniqueId"),
    create=_create_role,
    read=_read_role,
    update=_update_role,
    delete=_delete_role,
    name_property="name",
    name_length=64,
    described_as="IAM Role",
    retag=_retag("role", "RoleName"),
)


# -- RolePolicyAttachment


def _attach(connection: Connection, inputs: Plain) -> str:
    client, role, arn = connection.client("iam"), inputs["role"], inputs["policyArn"]
    with failing_as(f"attaching IAM Policy ({arn}) to IAM Role ({role})", client):
        client.attach_role_policy(RoleName=role, PolicyArn=arn)
    return f"{role}/{arn}"


def _read_attachment(connection: Connection, resource_id: str, state: Plain) -> Plain | None:
    role, arn = state.get("role"), state.get("policyArn")
    if not (role and arn):
        role, separator, arn = resource_id.partition("/")
        if not (role and separator and arn):
            raise ProviderError(f'unexpected format for Import ID ("{resource_id}"), expected <role-name>/<policy_arn>')
    client = connection.client("iam")
    with failing_as(f"reading IAM Policy ({arn}) attached to IAM Role ({role})", client, unless=_GONE):
        attached = paged(client, "list_attached_role_policies", "AttachedPolicies", RoleName=role)
        if any(policy["PolicyArn"] == arn for policy in attached):
            return {"role": role, "policyArn": arn}
    return None


def _detach(connection: Connection, _: str, state: Plain) -> None:
    client, role, arn = connection.client("iam"), state["role"], state["policyArn"]
    with failing_as(f"detaching IAM Policy ({arn}) from IAM Role ({role})", client, unless=_GONE):
        client.detach_role_policy(RoleName=role, PolicyArn=arn)


ROLE_POLICY_ATTACHMENT = ResourceType(
    properties={
        "role": Property(required=True, replaces=True),
        "policyArn": Property(required=True, replaces=True),
    },
    outputs=(),
    create=_attach,
    read=_read_attachment,
    delete=_detach,
    # Attaching again succeeds silently, so that deleting afterwards would undo it.
    delete_before_replace=True,
)


# -- RolePolicy


def _put_role_policy(connection: Connection, inputs: Plain) -> str:
    client, role, name = connection.client("iam"), inputs["role"], name_of(inputs)
    with failing_as(f"putting IAM Role ({role}) Policy ({name})", client):
        client.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=documents.normalised(inputs["policy"]))
    return f"{role}:{name}"


def _role_and_name(resource_id: str) -> tuple[str, str]:
    role, separator, name = resource_id.partition(":")
    if not (role and separator and name):
        raise ProviderError("role_policy id must be of the form <role name>:<policy name>")
    return role, name


def _read_role_policy(connection: Connection, resource_id: str, state: Plain) -> Plain | None:
    role, name = _role_and_name(resource_id)
    client = connection.client("iam")
    with failing_as(f"reading IAM Role Policy ({resource_id})", client):
        answer = found(client.get_role_policy, _GONE, RoleName=role, PolicyName=name)
    if answer is None:
        return None
    return {
        "name": name,
        "namePrefix": prefix_of(name),
        "policy": _settled(state.get("policy"), unquote(answer["PolicyDocument"])),
        "role": role,
    }


def _update_role_policy(connection: Connection, resource_id: str, _: Plain, news: Plain) -> None:
    role, name = _role_and_name(resource_id)
    _put_role_policy(connection, {**news, "role": role, "name": name})


def _delete_role_policy(connection: Connection, resource_id: str, _: Plain) -> None:
    role, name = _role_and_name(resource_id)
    client = connection.client("iam")
    with failing_as(f"deleting IAM Role Policy ({resource_id})", client, unless=_GONE):
        client.delete_role_policy(RoleName=role, PolicyName=name)


ROLE_POLICY = ResourceType(
    properties={
        "role": Property(required=True, replaces=True),
        "policy": document(),
        **_NAMES,
    },
    outputs=(),
    create=_put_role_policy,
    read=_read_role_policy,
    update=_update_role_policy,
    delete=_delete_role_policy,
    name_property="name",
    name_length=255,
)


# -- OpenIdConnectProvider


def _same_url(one: str | None, other: str | None) -> bool:
    def complete(url: str | None) -> str:
        text = (url or "").strip()
        return text if "://" in text else f"https://{text}"

    return complete(one) == complete(other)


def _create_provider(connection: Connection, inputs: Plain) -> str:
    client = connection.client("iam")
    with failing_as("creating IAM OIDC Provider", client):
        answer = client.create_open_id_connect_provider(
            Url=inputs["url"],
            ClientIDList=inputs.get("clientIdLists") or [],
            **without_empty(Tags=tag_list(inputs.get("tagsAll"))),
        )
    return str(answer["OpenIDConnectProviderArn"])


def _read_provider(connection: Connection, arn: str, _: Plain) -> Plain | None:
    client = connection.client("iam")
    with failing_as(f"reading IAM OIDC Provider ({arn})", client):
        provider = found(client.get_open_id_connect_provider, _GONE, OpenIDConnectProviderArn=arn)
    return (
        None if provider is None else {**provider_properties(arn, provider), "tagsAll": tag_map(provider.get("Tags"))}
    )


def provider_properties(arn: str, provider: Mapping[str, Any]) -> Plain:
    """Return what the resource and the function of an OIDC provider have in common."""
    return {
        "arn": arn,
        "clientIdLists": list(provider.get("ClientIDList") or []),
        "thumbprintLists": list(provider.get("ThumbprintList") or []),
        "url": provider["Url"],
    }


def _update_provider(connection: Connection, arn: str, olds: Plain, news: Plain) -> None:
    client = connection.client("iam")
    old, new = set(olds.get("clientIdLists") or []), set(news.get("clientIdLists") or [])
    for client_id in sorted(new - old):
        with failing_as(f"adding IAM OIDC Provider ({arn}) client ID ({client_id})", client):
            client.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID=client_id)
    for client_id in sorted(old - new):
        with failing_as(f"removing IAM OIDC Provider ({arn}) client ID ({client_id})", client):
            client.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID=client_id)


def _delete_provider(connection: Connection, arn: str, _: Plain) -> None:
    client = connection.client("iam")
    with failing_as(f"deleting IAM OIDC Provider ({arn})", client, unless=_GONE):
        client.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)


OPEN_ID_CONNECT_PROVIDER = ResourceType(
    properties={
        "url": Property(required=True, replaces=True, same=_same_url),
        "clientIdLists": Property(required=True, same=same_set),
        **TAGS,
    },
    outputs=("arn", "thumbprintLists"),
    create=_create_provider,
    read=_read_provider,
    update=_update_provider,
    delete=_delete_provider,
    described_as="IAM OIDC Provider",
    retag=_retag("open_id_connect_provider", "OpenIDConnectProviderArn"),
)

TYPES: Mapping[str, ResourceType] = {
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": OPEN_ID_CONNECT_PROVIDER,
    "aws:iam/policy:Policy": POLICY,
    "aws:iam/role:Role": ROLE,
    "aws:iam/rolePolicy:RolePolicy": ROLE_POLICY,
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": ROLE_POLICY_ATTACHMENT,
}
