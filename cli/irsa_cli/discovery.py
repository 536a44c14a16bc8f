"""Read clusters and AWS accounts whole, in lists: with this `irsa inventory` and `irsa adopt` begin. It only reads."""

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, TypeVar

from irsa.rules.eks_access import eks_kubeconfig
from irsa.rules.mistakes import named
from irsa.rules.quotas import SESSION_DURATION
from irsa_cli.exits import CouldNotLookError
from irsa_cli.issuers import eks_region
from irsa_cli.live.aws import AwsAccountClients, created_eks_cluster, eks_issuers, session_of
from irsa_cli.live.iam import AwsAccountClient, default_document
from irsa_cli.live.kubeconfig import configuration
from irsa_cli.live.kubernetes import ClusterClient, ClusterClients
from irsa_cli.live.model import Discovery, LiveAwsAccount, LiveCluster, LivePolicy, LiveRole, LiveServiceAccount
from irsa_cli.options import stack_name
from irsa_cli.state.declared import DeclaredStack
from irsa_cli.state.pulumi import read_stack

Answer = TypeVar("Answer")


class _Source(NamedTuple):
    """A cluster or an AWS account to read.

    Attributes:
        name: What messages call it.
        reach: Returns it.
        in_kubeconfig: Whether it is a cluster that is reached by a context of the user's kubeconfig.
        eks_name: The name in EKS by which it is reached.
    """

    name: str
    reach: Callable[[], Any]
    in_kubeconfig: bool = False
    eks_name: str | None = None


class _Stack(NamedTuple):
    """A stack, and its clusters, which are reached once."""

    declared: DeclaredStack
    clusters: ClusterClients


def add_discovery_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose clusters and AWS accounts."""
    repeated: dict[str, Any] = {"action": "append", "default": []}
    parser.add_argument("--context", metavar="C", **repeated, help="context of the kubeconfig (repeatable)")
    parser.add_argument("--cluster", metavar="NAME", **repeated, help="name of an EKS cluster (repeatable)")
    parser.add_argument(
        "--stack",
        metavar="S",
        type=stack_name,
        **repeated,
        help="irsa stack: its clusters, AWS accounts and bindings (repeatable)",
    )


def discover(
    contexts: Sequence[str], eks_names: Sequence[str], stacks: Sequence[str], policies: bool = False
) -> Discovery:
    """Return what the clusters and AWS accounts have.

    The clusters are those of the contexts and names; without any, those of the stacks; without these, that of the
    current context. The AWS accounts are those of the stacks, or that of the current credentials.

    Args:
        contexts: Contexts of the kubeconfig.
        eks_names: Names of EKS clusters in the region of the current credentials.
        stacks: Names of stacks of the project in the current folder.
        policies: Whether managed policies are read too.

    Raises:
        CouldNotLookError: A stack cannot be read; or no cluster, or no AWS account, can be.
    """
    declared = [read_stack(stack) for stack in stacks]
    with_clusters = [_Stack(each, ClusterClients(each.clusters)) for each in declared]
    not_checked: list[str] = []
    with ThreadPoolExecutor() as pool:
        sources = _clusters(contexts, eks_names, with_clusters)
        of_clusters = [pool.submit(_cluster, each) for each in sources]
        aws_account = partial(read_aws_account, policies=policies, not_checked=not_checked.append)
        of_aws_accounts = [pool.submit(_read, each, aws_account) for each in _aws_accounts(declared)]
        managed = [pool.submit(_managed_service_accounts, each, not_checked.append) for each in with_clusters]
        clusters = _one_of_each_issuer(sources, [each.result() for each in of_clusters], not_checked)
        aws_accounts = _found([each.result() for each in of_aws_accounts], not_checked)
        managed_service_accounts = frozenset(place for each in managed for place in each.result())
    if not clusters or not aws_accounts:
        raise CouldNotLookError("; ".join(_sentences(not_checked)))
    # Two providers of a stack may lead to one AWS account.
    by_number = {each.number: each for each in reversed(aws_accounts)}
    return Discovery(
        _with_distinct_names(sorted(clusters, key=lambda each: (each.name, each.issuer))),
        tuple(sorted(by_number.values(), key=lambda each: each.number)),
        _sentences(not_checked),
        tuple(each.stack for each in declared),
        frozenset(_managed_roles(declared)),
        managed_service_accounts,
    )


def _sentences(not_checked: Iterable[str]) -> tuple[str, ...]:
    """Return each sentence once, sorted: threads wrote them, and two runs should print the same."""
    return tuple(sorted(set(not_checked)))


# --- Where to look ---------------------------------------------------------------------------------------------------


def _clusters(contexts: Sequence[str], eks_names: Sequence[str], stacks: Sequence[_Stack]) -> list[_Source]:
    chosen = [_Source(f"context {named(each)}", partial(_of_context, each), in_kubeconfig=True) for each in contexts]
    chosen += [_Source(f"EKS cluster {named(each)}", partial(_of_eks, each), eks_name=each) for each in eks_names]
    if not chosen:
        chosen = [each for stack in stacks for each in _clusters_of(stack)]
    return chosen or [_Source("the current context", _of_context, in_kubeconfig=True)]


def _of_context(context: str | None = None) -> ClusterClient:
    return ClusterClient(configuration({"context": context}))


def _of_eks(name: str) -> ClusterClient:
    session = session_of({})
    region = session.region_name
    if not region:
        raise CouldNotLookError("no region: set AWS_REGION, or the region of the AWS profile")
    found = created_eks_cluster(session, name, region)
    # `aws` reads the profile from the same environment variables as this session.
    kubeconfig = eks_kubeconfig(name, region, found["endpoint"], found["certificateAuthority"]["data"])
    return ClusterClient(configuration({"kubeconfig": json.dumps(kubeconfig)}))


def _clusters_of(stack: _Stack) -> Iterator[_Source]:
    for reference in stack.clusters.references:
        inputs = stack.declared.clusters.get(reference, {})
        # Such a provider reads the kubeconfig that kubectl reads.
        in_kubeconfig = not (inputs.get("kubeconfig") or inputs.get("cluster"))
        yield _Source(_name(stack.declared, reference), partial(stack.clusters.of, reference), in_kubeconfig)


def _name(declared: DeclaredStack, reference: str) -> str:
    key = declared.cluster_keys.get(reference)
    return f"{f'cluster {named(key)}' if key else 'the cluster'} of stack {named(declared.stack)}"


def _aws_accounts(declared: Sequence[DeclaredStack]) -> Iterator[_Source]:
    if not declared:
        yield _Source("the AWS account of the current credentials", AwsAccountClients({}).only)
    for stack in declared:
        live = AwsAccountClients(stack.aws)
        for reference in live.references:
            yield _Source(f"an AWS account of stack {named(stack.stack)}", partial(live.of_provider, reference))


# --- What is there ---------------------------------------------------------------------------------------------------


def _read(source: _Source, read: Callable[[Any], Answer]) -> Answer | str:
    """Return what a source has; or why it cannot be read, as a sentence."""
    try:
        return read(source.reach())
    except CouldNotLookError as error:
        return f"{source.name}: {error}"


def _found(answers: Iterable[Answer | str], not_checked: list[str]) -> list[Answer]:
    found = []
    for answer in answers:
        if isinstance(answer, str):
            not_checked.append(answer)
        else:
            found.append(answer)
    return found


def _cluster(source: _Source) -> LiveCluster | str:
    """Return a cluster with all of its service accounts; or why it cannot be read, as a sentence."""
    found = _read(source, _read_cluster)
    if isinstance(found, str):
        return found
    return replace(found, context=found.context if source.in_kubeconfig else None, eks_name=source.eks_name)


def _one_of_each_issuer(
    sources: Iterable[_Source], answers: Iterable[LiveCluster | str], not_checked: list[str]
) -> list[LiveCluster]:
    """Return the first cluster of each issuer: two contexts may lead to one. Another cluster of its issuer is said."""
    first: dict[str, tuple[str, LiveCluster]] = {}
    for source, found in zip(sources, answers, strict=True):
        if isinstance(found, str):
            not_checked.append(found)
            continue
        name, known = first.setdefault(found.issuer, (source.name, found))
        if (uids := _uids(found)) and _uids(known) and uids.isdisjoint(_uids(known)):
            text = f"another cluster than {name}, with the same issuer, {named(found.issuer)}: read it by itself"
            not_checked.append(f"{source.name}: {text}")
    return [cluster for _, cluster in first.values()]


def _uids(cluster: LiveCluster) -> set[str]:
    """Return the UIDs of the service accounts; no two objects have one, in whatever cluster.

    Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#uids
    """
    return {uid for each in cluster.service_accounts if (uid := each.manifest["metadata"].get("uid"))}


def _read_cluster(live: ClusterClient) -> LiveCluster:
    issuer, name = live.issuer, live.context or ""
    found = [_service_account(name, each) for each in live.objects("serviceaccounts")]
    service_accounts = tuple(sorted(found, key=lambda each: (each.namespace, each.name)))
    return LiveCluster(name, issuer, service_accounts, live.context if live.is_in_file else None)


def _with_distinct_names(clusters: Sequence[LiveCluster]) -> tuple[LiveCluster, ...]:
    """Return clusters of which no two have one name: every kubeconfig in a stack may call its context `aws`."""
    counts = Counter(each.name for each in clusters)
    return tuple(_renamed(each) if counts[each.name] > 1 else each for each in clusters)


def _renamed(cluster: LiveCluster) -> LiveCluster:
    name = f"{cluster.name} ({cluster.issuer.removeprefix('https://')})"
    service_accounts = tuple(replace(each, cluster=name) for each in cluster.service_accounts)
    return replace(cluster, name=name, service_accounts=service_accounts)


def _service_account(cluster: str, manifest: Mapping[str, Any]) -> LiveServiceAccount:
    metadata = manifest["metadata"]
    annotations, labels = metadata.get("annotations") or {}, metadata.get("labels") or {}
    return LiveServiceAccount(cluster, metadata["namespace"], metadata["name"], annotations, labels, manifest)


def read_aws_account(
    live: AwsAccountClient, policies: bool = False, not_checked: Callable[[str], None] = lambda _: None
) -> LiveAwsAccount:
    """Return an AWS account with all of its roles and OIDC providers.

    Args:
        live: The AWS account.
        policies: Whether its own managed policies are read too.
        not_checked: Takes what could not be read, as a sentence, where the rest could.

    Raises:
        CouldNotLookError: IAM does not answer, or denies the lists of roles or of OIDC providers.
    """

    def optional(about: str, question: Callable[[], list[Any]]) -> list[Any] | None:
        try:
            return question()
        except CouldNotLookError as error:
            not_checked(f"{about} of AWS account {live.number}: {error}")
            return None

    with ThreadPoolExecutor() as pool:
        listed = pool.submit(live.listed_roles)
        details = pool.submit(optional, "last use, tags and policies of the roles", live.role_details)
        documents = pool.submit(optional, "policies", live.policy_details if policies else list)
        providers = live.oidc_providers()
        client_ids = dict(zip(providers, pool.map(live.client_ids, providers), strict=True))
        issuers = {
            region: pool.submit(optional, f"EKS clusters in {region}", partial(eks_issuers, live.session, region))
            for region in _regions(providers)
        }
    by_name = {each["RoleName"]: each for each in details.result() or ()}
    roles = [_role(each, by_name.get(each["RoleName"])) for each in listed.result()]
    return LiveAwsAccount(
        live.number,
        tuple(sorted(roles, key=lambda each: each.arn)),
        {arn: tuple(ids) for arn, ids in client_ids.items() if ids is not None},
        {region: None if (found := each.result()) is None else frozenset(found) for region, each in issuers.items()},
        tuple(_policies(documents.result() or ())),
    )


def _regions(provider_arns: Iterable[str]) -> set[str]:
    """Return the regions of the EKS clusters that OIDC providers name."""
    return {region for arn in provider_arns if (region := eks_region(arn.partition(":oidc-provider/")[2]))}


def _role(listed: Mapping[str, Any], detail: Mapping[str, Any] | None) -> LiveRole:
    """Return a role by what ListRoles and GetAccountAuthorizationDetails say: each has something that the other lacks.

    Sources: API_Role.html and API_RoleDetail.html in https://docs.aws.amazon.com/IAM/latest/APIReference/
    """
    known = detail or {}
    return LiveRole(
        listed["Arn"],
        listed["AssumeRolePolicyDocument"],
        listed.get("CreateDate"),
        (known.get("RoleLastUsed") or {}).get("LastUsedDate"),
        detail is not None,
        {tag["Key"]: tag["Value"] for tag in known.get("Tags") or ()},
        tuple(each["PolicyArn"] for each in known.get("AttachedManagedPolicies") or ()),
        {each["PolicyName"]: each["PolicyDocument"] for each in known.get("RolePolicyList") or ()},
        (known.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn", ""),
        listed.get("Description", ""),
        listed.get("MaxSessionDuration", SESSION_DURATION.least),
    )


def _policies(details: Iterable[Mapping[str, Any]]) -> Iterator[LivePolicy]:
    for policy in details:
        document = default_document(policy)
        if document is not None:
            yield LivePolicy(policy["Arn"], document, policy.get("AttachmentCount", 0))


# --- What stacks declare ---------------------------------------------------------------------------------------------


def _managed_roles(declared: Iterable[DeclaredStack]) -> Iterator[str]:
    for stack in declared:
        for binding in stack.bindings:
            # Of an unreadable one, nobody knows which it is.
            if binding.role_arn and (binding.role or binding.unreadable):
                yield binding.role_arn


def _managed_service_accounts(stack: _Stack, not_checked: Callable[[str], None]) -> list[tuple[str, str, str, str]]:
    """Return the service accounts of a stack, each as the issuer of its cluster, role, namespace and name."""
    found = []
    for binding in stack.declared.bindings:
        if binding.unreadable:
            not_checked(f"binding {named(binding.key)} of stack {named(stack.declared.stack)}: {binding.unreadable}")
        for each in binding.service_accounts:
            try:
                found.append((stack.clusters.of(each.cluster).issuer, binding.role_arn, each.namespace, each.name))
            except CouldNotLookError as error:
                not_checked(f"{_name(stack.declared, each.cluster)}: {error}")
    return found
