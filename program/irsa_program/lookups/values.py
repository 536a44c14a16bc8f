"""What must be looked up for a stack's bindings, and what was found."""

from collections.abc import Collection, Mapping, Sequence, Set
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from irsa.rules.arns import ClusterArn, oidc_provider_arn, parse_iam_arn
from irsa.rules.trust import DEFAULT_AUDIENCE
from irsa.rules.unknown import Unknown, Value, has_unknown, known_or, later, or_else, text_of
from irsa.rules.variables import EXAMPLES, reference
from irsa.ways import POD_IDENTITY
from irsa_config.lint.checked import CheckedBinding
from irsa_config.models import ClusterKeys
from irsa_config.provider_settings import is_account_id
from irsa_config.scalars import parsed
from irsa_config.stack import Stack
from irsa_config.variables import partition_of, references

if TYPE_CHECKING:
    import pulumi_aws as aws
    import pulumi_kubernetes as kubernetes

# What stands for an answer that nobody gives.
LATER = {name: later(reference(name)) for name in EXAMPLES}


class AwsIdentity(NamedTuple):
    """The identity of an AWS account."""

    account_id: Value[str]
    """Its ID, 12 digits."""
    partition: Value[str]
    """`aws`, `aws-cn`, ..."""


class ResolvedCluster(NamedTuple):
    """What was looked up of a cluster for its bindings."""

    issuer: Value[str] = ""
    """Its OIDC issuer; empty where neither its Kubernetes API nor EKS Pod Identity is used."""
    arn: Value[str] = ""
    """Its ARN; empty where no binding uses EKS Pod Identity in it."""
    provider: "kubernetes.Provider | None" = None
    """The provider of its Kubernetes API; None for the stack's default provider."""
    inputs: Mapping[str, Any] | None = None
    """The inputs of that provider, or of the default one; None where only the plugin reaches the cluster."""


# What is known of an AWS account that the stack file does not have, and of a cluster.
NOBODY = AwsIdentity(LATER["account"], LATER["partition"])
UNKNOWN_PROVIDER = later("arn:${partition}:iam::${account}:oidc-provider/a")


class Lookups(NamedTuple):
    """All that was looked up for a stack.

    Attributes:
        region: Region of the stack; None where no binding needs it.
        aws_accounts: Identities of AWS accounts by their key, which is None for the stack's account; None where no
            document and no ARN needs it.
        clusters: Clusters by their key in `Stack.clusters_by_key`.
        oidc_providers: ARNs of the IAM OIDC providers by cluster and AWS account, also of those to create.
        account_ids: IDs that the stack's own AWS account may have; empty for any.
        issuers_to_create: Issuers whose providers the stack creates, by the same.
        aws_providers: Providers of AWS accounts by their key; None for the stack's default provider.
    """

    region: Value[str] | None
    aws_accounts: Mapping[str | None, AwsIdentity | None]
    clusters: Mapping[str, ResolvedCluster]
    oidc_providers: Mapping[tuple[str, str | None], Value[str]]
    account_ids: Collection[str] = ()
    issuers_to_create: Mapping[tuple[str, str | None], str] = MappingProxyType({})
    aws_providers: "Mapping[str | None, aws.Provider | None]" = MappingProxyType({})


class Needs(NamedTuple):
    """What must be looked up for the bindings.

    Attributes:
        variables: Names of the variables that they use, by AWS account.
        audiences: Audiences that an IAM OIDC provider must list, by cluster and AWS account.
        kubernetes: Clusters whose Kubernetes API is used.
        cluster_arns: Clusters whose ARN EKS Pod Identity needs.
        account_ids: AWS accounts, by their key, whose number is written, or compared with another one's.
    """

    variables: Mapping[str | None, Set[str]]
    audiences: Mapping[tuple[str, str | None], Set[str]]
    kubernetes: Set[str]
    cluster_arns: Set[str]
    account_ids: Set[str | None]


def audience_of(planned: CheckedBinding) -> str:
    """Return the audience of the tokens that a binding's role trusts."""
    return str(or_else(planned.declared.audience, DEFAULT_AUDIENCE))


def trusts_providers(planned: CheckedBinding) -> bool:
    """Return whether a binding's role gets a trust policy with OIDC providers; that of an existing role stays."""
    return not planned.has_existing_role and planned.binding.identity.needs("oidc_provider_arns")


def account_id_of(stack: Stack, aws_account: str | None, identity: AwsIdentity | None) -> str | None:
    """Return the ID of an AWS account where it is looked up, or the file has it, else its key; None for the stack's."""
    known = identity.account_id if identity else None
    return known if isinstance(known, str) else stack.account_id(aws_account)


def needs_of(stack: Stack, bindings: Mapping[str, CheckedBinding]) -> Needs:
    """Return what must be looked up for the bindings of a stack, by what each declares before that."""
    variables: dict[str | None, set[str]] = {}
    audiences: dict[tuple[str, str | None], set[str]] = {}
    kubernetes: set[str] = set()
    cluster_arns: set[str] = set()
    account_ids: set[str | None] = set()
    for planned in bindings.values():
        binding = planned.binding
        clusters = stack.clusters_of(binding)
        key = known_or(binding.aws_account, None)
        variables.setdefault(key, set()).update(references([value for _, value in planned.with_variables]))
        if binding.identity.needs("cluster_arns"):
            cluster_arns.update(clusters)
            for aws_account in {stack.clusters_by_key[cluster].aws_account for cluster in clusters}:
                variables.setdefault(aws_account, set())
                if aws_account != key and not planned.has_existing_role:
                    account_ids.add(key)
        for cluster in clusters if trusts_providers(planned) else ():
            audiences.setdefault((cluster, key), set()).add(audience_of(planned))
        if planned.declared.service_account:
            kubernetes.update(clusters)
        elif POD_IDENTITY in binding.identity.used:
            # The guard knows the service account that an add-on's chart creates.
            kubernetes.update(filter(stack.guard_of, clusters))
    named = [("role", "name"), ("policy", "name")]
    with_names = [each.binding for each in bindings.values() if any(map(each.declared.has, named))]
    creating = {aws_account for key, aws_account in audiences if stack.clusters_by_key[key].create_oidc_provider}
    for several in ({known_or(each.aws_account, None) for each in with_names}, creating):
        # Of those whose role the file has, it has the number.
        account_ids.update(key for key in several if len(several) > 1 and stack.account_id(key) == key)
    # The ARN of a provider that is created is an output, and a preview shows the trust policy with it.
    account_ids |= creating | {key for key, names in variables.items() if names & {"account", "partition"}}
    return Needs(variables, audiences, kubernetes, cluster_arns, account_ids)


def unanswered(stack: Stack, region: str | None, allowed: Any = None) -> Lookups:
    """Return what is known of the look-ups when nobody answers them: from the file, else markers.

    Args:
        stack: The settings, which may hold markers.
        region: The stack's `aws:region`, where it is known.
        allowed: The stack's `aws:allowedAccountIds`, of whatever shape.
    """
    # `pulumi config set` writes a list as JSON text.
    ids = parsed(allowed) if isinstance(allowed, str) else allowed
    account_ids = ids if isinstance(ids, list) and all(map(is_account_id, ids)) else []
    clusters = stack.clusters_by_key
    keys = (None, *stack.aws_accounts)
    identities = {key: _known_identity(stack, key, region, account_ids) for key in keys}
    issuers = {key: _known_issuer(clusters[key], region, index) for index, key in enumerate(clusters)}
    return Lookups(
        region=region or LATER["region"],
        aws_accounts=identities,
        clusters={
            key: ResolvedCluster(
                issuers[key],
                known_cluster_arn(cluster, region, identities.get(_text(cluster.aws_account), NOBODY)),
            )
            for key, cluster in clusters.items()
        },
        # Not of each cluster in each AWS account: of a thousand each, that is a million.
        oidc_providers={
            (key, aws_account): known_provider(clusters[key], aws_account, identities[aws_account], issuers[key])
            for key, aws_account in _pairs(stack)
            if aws_account in identities
        },
        account_ids=account_ids,
    )


def _pairs(stack: Stack) -> Collection[tuple[str, str | None]]:
    """Return the clusters of the bindings' roles, each with the AWS account of such a role."""
    bindings = [each for each in stack.bindings.values() if not isinstance(each.aws_account, Unknown)]
    return dict.fromkeys(
        (key, known_or(each.aws_account, None)) for each in bindings for key in stack.clusters_of(each)
    )


def completed(answers: Lookups, known: Lookups) -> Lookups:
    """Return the answers and, where a look-up has none, what is known without it."""
    clusters = {
        key: each._replace(issuer=each.issuer or known.clusters[key].issuer, arn=each.arn or known.clusters[key].arn)
        for key, each in answers.clusters.items()
    }
    return Lookups(
        answers.region or known.region,
        {**known.aws_accounts, **answers.aws_accounts},
        clusters,
        {**known.oidc_providers, **answers.oidc_providers},
    )


def known_cluster_arn(cluster: ClusterKeys, region: str | None, identity: AwsIdentity | None) -> Value[str]:
    """Return the ARN that a cluster has if it is as the file says; a marker where the file does not say all of it."""
    account_id, partition = identity or AwsIdentity(LATER["account"], "aws")
    its_region = _text(cluster.region) or region or LATER["region"]
    parts = (partition, its_region, account_id, _text(cluster.name) or later("a"))
    arn = str(ClusterArn(*map(text_of, parts)))
    return later(arn) if has_unknown(parts) else arn


def _known_identity(
    stack: Stack, aws_account: str | None, region: str | None, account_ids: Sequence[str]
) -> AwsIdentity:
    """Return the identity of an AWS account, as far as ARNs in its settings, and its region, say it."""
    settings = stack.aws_accounts.get(aws_account or "")
    arns = [("role", settings.assume_role_arn if settings else None)]
    clusters = stack.clusters_by_key.values()
    arns += [("oidc-provider", each.oidc_provider_arn) for each in clusters if each.aws_account == aws_account]
    known = [parse_iam_arn(arn, kind) for kind, arn in arns if isinstance(arn, str)]
    its_region = _text(settings.region if settings else None) or region
    account_id = known[0].account_id if known else account_ids[0] if not settings and len(account_ids) == 1 else None
    partition = known[0].partition if known else partition_of(its_region) if its_region else None
    return AwsIdentity(account_id or LATER["account"], partition or LATER["partition"])


def _known_issuer(cluster: ClusterKeys, region: str | None, index: int) -> Value[str]:
    if isinstance(cluster.oidc_issuer, str):
        return cluster.oidc_issuer
    if isinstance(cluster.oidc_provider_arn, str):
        return f"https://{parse_iam_arn(cluster.oidc_provider_arn, 'oidc-provider').resource}"
    if cluster.stack:
        # It may be of any provider.
        return later(f"https://a/{index}")
    its_region = _text(cluster.region) or region or LATER["region"]
    return later(f"https://oidc.eks.{text_of(its_region)}.amazonaws.com/id/{index:0>32}")


def known_provider(
    cluster: ClusterKeys, aws_account: str | None, identity: AwsIdentity | None, issuer: Value[str]
) -> Value[str]:
    """Return the ARN of a cluster's OIDC provider in an AWS account; a marker where not all of it is known."""
    account_id, partition = identity or NOBODY
    if isinstance(cluster.oidc_provider_arn, str) and cluster.aws_account == aws_account:
        return cluster.oidc_provider_arn
    arn = oidc_provider_arn(text_of(partition), text_of(account_id), text_of(issuer))
    return later(arn) if has_unknown((partition, account_id, issuer)) else arn


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
