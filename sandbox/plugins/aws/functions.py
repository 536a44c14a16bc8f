"""The functions, by which a program looks up what it does not manage."""

from collections.abc import Callable, Mapping

from sandbox.plugins.aws.calls import failing_as, found, paged, tag_map
from sandbox.plugins.aws.connection import Connection
from sandbox.plugins.aws.iam import provider_properties, read_policy, role_properties
from sandbox.plugins.serving import Plain, ProviderError


def _get_caller_identity(connection: Connection, _: Plain) -> Plain:
    client = connection.client("sts")
    with failing_as("reading STS Caller Identity", client):
        identity = client.get_caller_identity()
    aws_account = identity["Account"]
    return {"accountId": aws_account, "arn": identity["Arn"], "id": aws_account, "userId": identity["UserId"]}


def _get_partition(connection: Connection, _: Plain) -> Plain:
    return {"id": connection.partition, "partition": connection.partition}


def _get_region(connection: Connection, _: Plain) -> Plain:
    return {"id": connection.region, "region": connection.region}


def _get_cluster(connection: Connection, arguments: Plain) -> Plain:
    name = arguments["name"]
    region = arguments.get("region") or connection.region
    client = connection.client("eks", region)
    with failing_as(f"reading EKS Cluster ({name})", client):
        answer = found(client.describe_cluster, "ResourceNotFoundException", name=name)
    if answer is None:
        raise ProviderError(f"reading EKS Cluster ({name}): couldn't find resource")
    cluster = answer["cluster"]
    # A block of the API is a list of one in the provider.
    return {
        "arn": cluster["arn"],
        "certificateAuthorities": [{"data": cluster.get("certificateAuthority", {}).get("data", "")}],
        "endpoint": cluster.get("endpoint", ""),
        "id": cluster["name"],
        "identities": [{"oidcs": [{"issuer": cluster.get("identity", {}).get("oidc", {}).get("issuer", "")}]}],
        "name": cluster["name"],
        "region": region,
        "status": cluster.get("status", ""),
    }


def _get_open_id_connect_provider(connection: Connection, arguments: Plain) -> Plain:
    client, arn, doing = connection.client("iam"), str(arguments.get("arn")), "reading IAM OIDC Provider"
    with failing_as(doing, client):
        provider = found(client.get_open_id_connect_provider, "NoSuchEntity", OpenIDConnectProviderArn=arn)
    if provider is None:
        raise ProviderError(f"{doing}: couldn't find resource")
    return {**provider_properties(arn, provider), "id": arn, "tags": tag_map(provider.get("Tags"))}


def _get_role(connection: Connection, arguments: Plain) -> Plain:
    client, name = connection.client("iam"), arguments["name"]
    doing = f"reading IAM Role ({name})"
    with failing_as(doing, client):
        answer = found(client.get_role, "NoSuchEntity", RoleName=name)
    if answer is None:
        raise ProviderError(f"{doing}: couldn't find resource")
    role = answer["Role"]
    return {**role_properties(role), "id": name, "roleLastUseds": [], "tags": tag_map(role.get("Tags"))}


def _get_policy(connection: Connection, arguments: Plain) -> Plain:
    arn = arguments["arn"]
    policy = read_policy(connection, arn, {})
    if policy is None:
        raise ProviderError(f"reading IAM Policy ({arn}): couldn't find resource")
    return {**policy, "id": arn, "tags": policy["tagsAll"]}


def _get_role_policy_attachments(connection: Connection, arguments: Plain) -> Plain:
    client, name = connection.client("iam"), arguments["roleName"]
    with failing_as(f"reading IAM Policies attached to IAM Role ({name})", client):
        attached = paged(client, "list_attached_role_policies", "AttachedPolicies", RoleName=name)
    named = [{"policyArn": each["PolicyArn"], "policyName": each["PolicyName"]} for each in attached]
    return {"attachedPolicies": named, "roleName": name}


def _get_role_policies(connection: Connection, arguments: Plain) -> Plain:
    client, name = connection.client("iam"), arguments["roleName"]
    with failing_as(f"reading inline policies of IAM Role ({name})", client):
        names = list(paged(client, "list_role_policies", "PolicyNames", RoleName=name))
    return {"policyNames": names, "roleName": name}


FUNCTIONS: Mapping[str, Callable[[Connection, Plain], Plain]] = {
    "aws:eks/getCluster:getCluster": _get_cluster,
    "aws:iam/getOpenIdConnectProvider:getOpenIdConnectProvider": _get_open_id_connect_provider,
    "aws:iam/getPolicy:getPolicy": _get_policy,
    "aws:iam/getRole:getRole": _get_role,
    "aws:iam/getRolePolicies:getRolePolicies": _get_role_policies,
    "aws:iam/getRolePolicyAttachments:getRolePolicyAttachments": _get_role_policy_attachments,
    "aws:index/getCallerIdentity:getCallerIdentity": _get_caller_identity,
    "aws:index/getPartition:getPartition": _get_partition,
    "aws:index/getRegion:getRegion": _get_region,
}
