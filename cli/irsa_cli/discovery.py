"""Read clusters and AWS accounts whole, in lists: with this `irsa inventory` and `irsa adopt` begin. It only reads."""

import argparse
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

from irsa.rules.arns import issuer_host_path, parse_cluster_arn
from irsa.rules.commands import UNKNOWN_CLUSTER, AwsPlace
from irsa.rules.eks_access import eks_kubeconfig
from irsa.rules.mistakes import named
from irsa_world.exits import CouldNotLookError, PartlyReadError
from irsa_world.issuers import check_published, eks_region
from irsa_world.live.aws import AwsAccountClients, Inputs, created_eks_cluster, session_of
from irsa_world.live.iam import AwsAccountClient, with_details
from irsa_world.live.kubernetes import ClusterClient, ClusterClients
from irsa_world.live.once import Answer
from irsa_world.model import Association, AwsAccount, Cluster, EksCluster, World
from irsa_world.state.declared import DeclaredStack
from irsa_world.state.pulumi import read_stack

# A stack, and its clusters, which are reached once.
Stack = tuple[DeclaredStack, ClusterClients]
DETAILS = "last use, tags and policies of the roles"
NO_ARN = "none of the AWS accounts that were read lists this EKS cluster"
# What messages call a cluster or an AWS account, and the functions that reach and read it.
Source = tuple[str, Callable[[], Any], Callable[..., Answer]]


@dataclass(frozen=True)
class Discovery(World):
    """What was found.

    Attributes:
        not_checked: What could not be read, and why, each as one sentence.
        clients: Who read the AWS accounts, by their number.
    """

    not_checked: tuple[str, ...] = ()
    clients: Mapping[str, AwsAccountClient] = field(default_factory=dict, compare=False)


def inputs_of(options: argparse.Namespace) -> Sequence[Inputs]:
    """Return the credentials that were chosen, as inputs of AWS providers: of each profile, or the current ones."""
    return [{"profile": profile, "region": options.region} for profile in options.profile or [None]]


def discover(
    contexts: Sequence[str],
    eks_names: Sequence[str],
    stacks: Sequence[str],
    credentials: Sequence[Inputs] = ({},),
    *,
    policies: Sequence[str] = (),
) -> Discovery:
    """Return what the clusters and AWS accounts have.

    The clusters are those of the contexts and names; without any, those of the stacks; without these, that of the
    current context. The AWS accounts are those of the profiles; without any, those of the stacks; without these, that
    of the current credentials.

    Args:
        eks_names: Names of EKS clusters in the region of the first credentials.
        credentials: Profile and region of each AWS account; the current credentials have no profile.
        policies: The kinds of managed policies that are read too.

    Raises:
        CouldNotLookError: A stack cannot be read; or no cluster, or no AWS account, can be.
    """
    declared = [read_stack(stack) for stack in stacks]
    with_clusters = [(each, ClusterClients(each.clusters)) for each in declared]
    # Threads write to it; two runs should print the same, sorted.
    not_checked: set[str] = set()

    with ThreadPoolExecutor() as pool:
        sources = _clusters(contexts, eks_names, with_clusters, credentials[0])
        reads = ((name, reach, partial(read, not_checked=not_checked.add)) for name, reach, read in sources)
        of_clusters = [(name, pool.submit(_read, name, reach, read)) for name, reach, read in reads]

        def issuers() -> set[str]:
            # They are submitted before the AWS accounts, and wait for nothing.
            found = (each.result() for _, each in of_clusters)
            return {each.issuer for each in found if isinstance(each, Cluster)}

        def read_account(those: Sequence[tuple[str, AwsAccountClient]]) -> _AccountAnswer:
            return _best_answer(those, lambda live, denied: read_aws_account(live, policies, denied, issuers))

        asked = [
            (name, pool.submit(_read, name, reach, _itself)) for name, reach in _aws_accounts(declared, credentials)
        ]
        by_number: dict[str, list[tuple[str, AwsAccountClient]]] = {}
        for name, answer in asked:
            live = answer.result()
            if isinstance(live, str):
                not_checked.add(live)
            else:
                by_number.setdefault(live.number, []).append((name, live))
        of_accounts = [pool.submit(read_account, those) for those in by_number.values()]
        clusters = _with_distinct_names(_one_of_each(of_clusters, lambda each: each.issuer, not_checked))
        answers = [each.result() for each in of_accounts]
    not_checked |= {text for each in answers for text in each.not_checked}
    aws_accounts = [each.aws_account for each in answers if each.aws_account]
    clients = {each.client.number: each.client for each in answers if each.client}
    if not clusters or not aws_accounts:
        raise CouldNotLookError("; ".join(sorted(not_checked)))
    arns = {
        issuer: arn
        for each in aws_accounts
        for of_region in each.eks_clusters.values()
        for issuer, arn in (of_region or {}).items()
    }
    found = tuple(replace(each, arn=arns.get(each.issuer)) for each in clusters)
    # Only a cluster of EKS may have Pod Identity.
    elsewhere = (each for each in found if each.arn is None and eks_region(issuer_host_path(each.issuer)))
    not_checked |= {f"EKS Pod Identity of cluster {named(each.name)}: {NO_ARN}" for each in elsewhere}
    accounts_by_number = tuple(sorted(aws_accounts, key=lambda each: each.number))
    return Discovery(found, accounts_by_number, tuple(sorted(not_checked)), clients)


# --- Where to look ---------------------------------------------------------------------------------------------------


def _clusters(
    contexts: Sequence[str], eks_names: Sequence[str], stacks: Sequence[Stack], credentials: Inputs
) -> list[Source[Cluster]]:
    chosen: list[Source[Cluster]] = [
        (f"context {named(each)}", partial(ClusterClient, {"context": each}), _cluster) for each in contexts
    ]
    chosen += [
        (f"EKS cluster {named(each)}", partial(_of_eks, each, credentials), partial(_cluster, eks_name=each))
        for each in eks_names
    ]
    chosen = chosen or [
        (_name(declared, reference), partial(clusters.of, reference), _cluster)
        for declared, clusters in stacks
        for reference in clusters.references
    ]
    return chosen or [("the current context", partial(ClusterClient, {}), _cluster)]


def _of_eks(name: str, credentials: Inputs) -> ClusterClient:
    session = session_of(credentials)
    region = session.region_name
    if not region:
        raise CouldNotLookError("no region: pass --region, or set AWS_REGION or the region of the AWS profile")
    # Without a profile, `aws` reads it from the same environment variables as this session.
    profile = credentials.get("profile")
    found = created_eks_cluster(session, name, AwsPlace(profile or "", region))
    kubeconfig = eks_kubeconfig(name, region, found.endpoint, found.certificate_authority or "", profile=profile)
    return ClusterClient({"kubeconfig": json.dumps(kubeconfig)})


def _name(declared: DeclaredStack, reference: str) -> str:
    key = declared.cluster_keys.get(reference)
    return f"{f'cluster {named(key)}' if key else 'the cluster'} of stack {named(declared.stack)}"


def _aws_accounts(
    declared: Sequence[DeclaredStack], credentials: Sequence[Inputs]
) -> Iterator[tuple[str, Callable[[], AwsAccountClient]]]:
    profiles = [each for each in credentials if each.get("profile")]
    for each in profiles or ([] if declared else credentials):
        name = f"profile {named(each['profile'])}" if profiles else "the AWS account of the current credentials"
        yield name, AwsAccountClients({"": each}).only
    for stack in () if profiles else declared:
        live = AwsAccountClients(stack.aws)
        for reference in live.references:
            yield f"an AWS account of stack {named(stack.stack)}", partial(live.of_provider, reference)


# --- What is there ---------------------------------------------------------------------------------------------------


def _read(name: str, reach: Callable[[], Any], read: Callable[[Any], Answer]) -> Answer | str:
    """Return what is read; or why it cannot be, as a sentence."""
    try:
        return read(reach())
    except CouldNotLookError as error:
        return f"{name}: {error}"


def _itself(live: AwsAccountClient) -> AwsAccountClient:
    return live


class _AccountAnswer(NamedTuple):
    """An AWS account as one client read it, and what that one could not read; None where none could read it."""

    not_checked: Sequence[str]
    client: AwsAccountClient | None = None
    aws_account: AwsAccount | None = None


def _best_answer(
    those: Sequence[tuple[str, AwsAccountClient]],
    read: Callable[[AwsAccountClient, Callable[[str], None]], AwsAccount],
) -> _AccountAnswer:
    """Return the answer with the fewest gaps of several clients of one AWS account.

    After one without a gap, no other client is asked.
    """
    best, problems = _AccountAnswer(()), list[str]()
    for name, live in those:
        denied: list[str] = []
        try:
            found = read(live, denied.append)
        except CouldNotLookError as error:
            problems.append(f"{name}: {error}")
            continue
        if best.aws_account is None or len(denied) < len(best.not_checked):
            best = _AccountAnswer(denied, live, found)
        if not denied:
            break
    return best if best.aws_account else _AccountAnswer(problems)


def _cluster(live: ClusterClient, not_checked: Callable[[str], None], eks_name: str | None = None) -> Cluster:
    """Return a cluster with all of its service accounts that can be read."""
    context = None if live.place == UNKNOWN_CLUSTER else live.place.context
    check_published(live.issuer)
    everybody = tuple(_readable(partial(live.service_accounts, None), f"cluster {named(live.context)}", not_checked))
    return Cluster(live.context or "", live.issuer, everybody, context, eks_name, kubeconfig=live.place.kubeconfig)


def _readable(
    question: Callable[[], Sequence[Answer]], about: str, not_checked: Callable[[str], None]
) -> Sequence[Answer]:
    """Return what can be read of a list."""
    try:
        return question()
    except PartlyReadError as error:
        not_checked(f"{about}: {error}")
        return error.readable


def _one_of_each(
    asked: Iterable[tuple[str, Future[Answer | str]]], identity: Callable[[Answer], str], not_checked: set[str]
) -> list[Answer]:
    """Return the first answer of each identity; that a later one is of another cluster is said."""
    first: dict[str, tuple[str, Answer]] = {}
    for name, answer in asked:
        found = answer.result()
        if isinstance(found, str):
            not_checked.add(found)
            continue
        first_name, known = first.setdefault(identity(found), (name, found))
        if isinstance(known, Cluster) and isinstance(found, Cluster):
            # Contexts may lead to one cluster, and two clusters, whose UIDs differ, may have one issuer.
            one, other = ({each.uid for each in cluster.service_accounts} - {""} for cluster in (known, found))
            if one and other and one.isdisjoint(other):
                text = f"another cluster than {first_name}, with the same issuer, {named(found.issuer)}"
                not_checked.add(f"{name}: {text}: read it by itself")
    return [found for _, found in first.values()]


def _with_distinct_names(clusters: Iterable[Cluster]) -> list[Cluster]:
    """Return clusters of which no two have one name: every kubeconfig in a stack may call its context `aws`.

    A context may also be called what another cluster is called with its issuer.
    """
    by_name = sorted(clusters, key=lambda each: (each.name, each.issuer))
    counts, found = Counter(each.name for each in by_name), []
    for cluster in by_name:
        is_alone = counts[cluster.name] == 1 and not cluster.name.endswith(")")
        name = cluster.name if is_alone else f"{cluster.name} ({cluster.issuer.removeprefix('https://')})"
        service_accounts = tuple(replace(each, cluster=name) for each in cluster.service_accounts)
        found.append(replace(cluster, name=name, service_accounts=service_accounts))
    return found


def read_aws_account(
    live: AwsAccountClient,
    policies: Sequence[str] = (),
    not_checked: Callable[[str], None] = lambda _: None,
    issuers: Callable[[], Collection[str]] = frozenset,
) -> AwsAccount:
    """Return an AWS account with all of its roles and OIDC providers, and the associations of clusters.

    Args:
        policies: The kinds of managed policies that are read too.
        not_checked: Takes what could not be read, as a sentence, where the rest could.
        issuers: Waits for the issuers of the clusters whose associations are read.

    Raises:
        CouldNotLookError: IAM does not answer, or denies the lists of roles or of OIDC providers.
    """

    about_roles = f"roles of AWS account {live.number}"

    def optional(about: str, question: Callable[[], Sequence[Any]]) -> Sequence[Any] | None:
        try:
            return question()
        except CouldNotLookError as error:
            not_checked(f"{about} of AWS account {live.number}: {error}")
            return None

    roles_not_read: list[str] = []
    with ThreadPoolExecutor() as pool:
        listed = pool.submit(_readable, live.listed_roles, about_roles, roles_not_read.append)
        details = pool.submit(optional, DETAILS, partial(_readable, live.role_details, DETAILS, not_checked))
        of_policies = partial(_readable, lambda: live.policy_details(*policies), "policies", not_checked)
        documents = pool.submit(optional, "policies", of_policies if policies else list)
        providers = live.oidc_providers()
        client_ids = dict(zip(providers, pool.map(live.client_ids, providers), strict=True))
        clusters, associations = _eks(live, pool, optional, providers, issuers)
    # A list that changes between two of its pages may have a role twice.
    roles, known = [*{each.arn: each for each in listed.result()}.values()], details.result()
    for text in roles_not_read:
        not_checked(text)
    if known is not None:
        roles = with_details(roles, known)
        for each in roles:
            if not each.has_details:
                text = "it was created or deleted while the roles were listed"
                not_checked(f"last use, tags and policies of {named(each.arn)}: {text}")
    return AwsAccount(
        live.number,
        tuple(sorted(roles, key=lambda each: each.arn)),
        {arn: tuple(ids) for arn, ids in client_ids.items() if ids is not None},
        clusters,
        tuple(documents.result() or ()),
        associations,
        live.place,
        is_whole=not roles_not_read,
    )


def _eks(
    live: AwsAccountClient,
    pool: ThreadPoolExecutor,
    optional: Callable[[str, Callable[[], Sequence[Any]]], Sequence[Any] | None],
    providers: Iterable[str],
    issuers: Callable[[], Collection[str]],
) -> tuple[dict[str, dict[str, str] | None], dict[str, tuple[Association, ...] | None]]:
    """Return the EKS clusters of each region, their ARNs by issuer; and the associations, by ARN of their cluster."""
    in_regions: dict[str, Future[Sequence[EksCluster] | None]] = {}

    def list_clusters(host_paths: Iterable[str]) -> None:
        for region in {eks_region(each) for each in host_paths} - {"", *in_regions}:
            in_regions[region] = pool.submit(optional, f"EKS clusters in {region}", live.eks(region).clusters)

    list_clusters(arn.partition(":oidc-provider/")[2] for arn in providers)
    # A cluster whose service accounts have associations alone needs no OIDC provider.
    read = issuers()
    list_clusters(map(issuer_host_path, read))
    listed = {region: each.result() for region, each in in_regions.items()}
    clusters = {
        region: None if found is None else {each.issuer: each.arn for each in found if each.issuer}
        for region, found in listed.items()
    }
    asked = {
        arn: pool.submit(
            optional,
            f"associations of EKS cluster {named(arn)}",
            partial(live.eks(region).associations, parse_cluster_arn(arn).name),
        )
        for region, arns in clusters.items()
        for issuer, arn in (arns or {}).items()
        if issuer in read
    }
    answers = {arn: each.result() for arn, each in asked.items()}
    return clusters, {arn: None if found is None else tuple(found) for arn, found in answers.items()}
