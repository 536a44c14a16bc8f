"""The functions, by which a program looks up what it does not manage."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sandbox.plugins.aws.calls import failing_as, found, tag_map
from sandbox.plugins.aws.connection import DNS_SUFFIXES, Connection
from sandbox.plugins.aws.iam import provider_properties
from sandbox.plugins.serving import Plain, ProviderError

_GONE = "NoSuchEntity"
_NOT_FOUND = "couldn't find resource"


class Function(NamedTuple):
    """A function's required and optional arguments, and its call."""

    required: tuple[str, ...]
    optional: tuple[str, ...]
    call: Callable[[Connection, Plain], Plain]


def _get_caller_identity(connection: Connection, _: Plain) -> Plain:
    client = connection.client("sts")
    with failing_as("reading STS Caller Identity", client):
        identity = client.get_caller_identity()
    aws_account = identity["Account"]
    return {"accountId": aws_account, "arn": identity["Arn"], "id": aws_account, "userId": identity["UserId"]}


def _get_partition(connection: Connection, _: Plain) -> Plain:
    partition = connection.partition
    suffix = DNS_SUFFIXES[partition]
    reverse = ".".join(reversed(suffix.split(".")))
    return {"dnsSuffix": suffix, "id": partition, "partition": partition, "reverseDnsPrefix": reverse}


def _get_region(connection: Connection, arguments: Plain) -> Plain:
    region = arguments.get("region") or arguments.get("name") or arguments.get("id") or connection.region
    partition = connection.session.get_partition_for_region(region)
    endpoint = f"ec2.{region}.{DNS_SUFFIXES[partition]}"
    if arguments.get("endpoint", endpoint) != endpoint:
        raise ProviderError(f"finding Region using endpoint {arguments['endpoint']}: {_NOT_FOUND}")
    description = _region_description(connection, partition, region)
    return {"description": description, "endpoint": endpoint, "id": region, "name": region, "region": region}


def _region_description(connection: Connection, partition: str, region: str) -> str:
    # botocore has it in its data and in no function.
    data = connection.session._session.get_component("data_loader").load_data("endpoints")
    partitions = {entry["partition"]: entry["regions"] for entry in data["partitions"]}
    return str(partitions.get(partition, {}).get(region, {}).get("description", region))


def _blocks(value: Any) -> Any:
    """Return a block of the API as the bridge does: every object is a list of one."""
    if isinstance(value, Mapping):
        return [{key: _blocks(item) for key, item in value.items()}]
    return value


def _get_cluster(connection: Connection, arguments: Plain) -> Plain:
    name = arguments["name"]
    region = arguments.get("region") or connection.region
    client = connection.client("eks", region)
    with failing_as(f"reading EKS Cluster ({name})", client):
        answer = found(client.describe_cluster, "ResourceNotFoundException", name=name)
    if answer is None:
        raise ProviderError(f"reading EKS Cluster ({name}): {_NOT_FOUND}")
    cluster = answer["cluster"]
    vpc = cluster.get("resourcesVpcConfig", {})
    enabled = [
        kind
        for group in cluster.get("logging", {}).get("clusterLogging", [])
        if group.get("enabled")
        for kind in group.get("types", [])
    ]
    return {
        "accessConfigs": _blocks(cluster.get("accessConfig", {})),
        "arn": cluster["arn"],
        "certificateAuthorities": [{"data": cluster.get("certificateAuthority", {}).get("data", "")}],
        "clusterId": cluster.get("id", ""),
        "computeConfigs": _lists(cluster, "computeConfig"),
        "controlPlaneScalingConfigs": _lists(cluster, "controlPlaneScalingConfig"),
        "createdAt": cluster["createdAt"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        "deletionProtection": bool(cluster.get("deletionProtection")),
        "enabledClusterLogTypes": enabled,
        "endpoint": cluster.get("endpoint", ""),
        "id": cluster["name"],
        "identities": [{"oidcs": [{"issuer": cluster.get("identity", {}).get("oidc", {}).get("issuer", "")}]}],
        "kubeApiServerConfigs": [],
        "kubeControllerManagerConfigs": [],
        "kubeSchedulerConfigs": [],
        "kubernetesNetworkConfigs": _network(cluster.get("kubernetesNetworkConfig", {})),
        "name": cluster["name"],
        "outpostConfigs": [],
        "platformVersion": cluster.get("platformVersion", ""),
        "region": region,
        "remoteNetworkConfigs": [],
        "roleArn": cluster.get("roleArn", ""),
        "status": cluster.get("status", ""),
        "storageConfigs": [],
        "tags": {key: value for key, value in cluster.get("tags", {}).items() if not key.startswith("aws:")},
        "upgradePolicies": _lists(cluster, "upgradePolicy"),
        "version": cluster.get("version", ""),
        "vpcConfig": {
            "clusterSecurityGroupId": vpc.get("clusterSecurityGroupId", ""),
            "controlPlaneEgressMode": vpc.get("controlPlaneEgressMode", ""),
            "endpointPrivateAccess": bool(vpc.get("endpointPrivateAccess")),
            "endpointPublicAccess": bool(vpc.get("endpointPublicAccess")),
            "publicAccessCidrs": vpc.get("publicAccessCidrs", []),
            "securityGroupIds": vpc.get("securityGroupIds", []),
            "subnetIds": vpc.get("subnetIds", []),
            "vpcId": vpc.get("vpcId", ""),
        },
        "zonalShiftConfigs": _lists(cluster, "zonalShiftConfig"),
    }


def _lists(cluster: Mapping[str, Any], block: str) -> list[Any]:
    return list(_blocks(cluster[block])) if cluster.get(block) else []


def _network(network: Mapping[str, Any]) -> list[Plain]:
    balancing = network.get("elasticLoadBalancing", {})
    return [
        {
            "elasticLoadBalancings": [{"enabled": bool(balancing.get("enabled"))}],
            "ipFamily": network.get("ipFamily", ""),
            "serviceIpv4Cidr": network.get("serviceIpv4Cidr", ""),
            "serviceIpv6Cidr": network.get("serviceIpv6Cidr", ""),
        }
    ]


def _get_open_id_connect_provider(connection: Connection, arguments: Plain) -> Plain:
    arn, url = arguments.get("arn"), arguments.get("url")
    if bool(arn) == bool(url):
        raise ProviderError("Invalid combination of arguments: exactly one of `arn,url` must be specified")
    client = connection.client("iam")
    doing = "reading IAM OIDC Provider" + (f" ({url})" if url else "")
    with failing_as(doing, client):
        if url:
            present = client.list_open_id_connect_providers()["OpenIDConnectProviderList"]
            wanted = url.removeprefix("https://")
            arn = next((entry["Arn"] for entry in present if entry["Arn"].partition("/")[2] == wanted), None)
        provider = arn and found(client.get_open_id_connect_provider, _GONE, OpenIDConnectProviderArn=arn)
    if not (arn and provider):
        raise ProviderError(f"{doing}: {_NOT_FOUND}")
    return {**provider_properties(arn, provider), "id": arn, "tags": tag_map(provider.get("Tags"))}


FUNCTIONS: Mapping[str, Function] = {
    "aws:eks/getCluster:getCluster": Function(("name",), ("region", "tags"), _get_cluster),
    "aws:iam/getOpenIdConnectProvider:getOpenIdConnectProvider": Function(
        (), ("arn", "tags", "url"), _get_open_id_connect_provider
    ),
    "aws:index/getCallerIdentity:getCallerIdentity": Function((), ("id",), _get_caller_identity),
    "aws:index/getPartition:getPartition": Function((), ("id",), _get_partition),
    "aws:index/getRegion:getRegion": Function((), ("endpoint", "id", "name", "region"), _get_region),
}
