"""What is asked of AWS and the clusters: service accounts, managed policies of others, issuers of EKS clusters."""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

from irsa.rules.arns import issuer_host_path, parse_cluster_arn, parse_iam_arn
from irsa.rules.mistakes import Mistake, named
from irsa_world.exits import CouldNotLookError
from irsa_world.model import AwsAccount, Cluster, ManagedPolicy, ServiceAccount, World
from irsa_world.state.resource import SECRET_TEXT, Resource, is_unknown
from irsa_world.trusts.chains import Document

Answer = TypeVar("Answer")


class Live(NamedTuple):
    """What was read of AWS and the clusters.

    Attributes:
        names: The service accounts of each cluster, as `namespace:name`, by its issuer without https://.
        clusters: Keys of clusters in the stack file, by issuer.
        policies: The documents of managed policies that are not the stack's, by ARN.
        eks_issuers: The issuers of EKS clusters, without https://, by the cluster's ARN.
        not_read: What was not read, and why, each as one sentence.
    """

    names: Mapping[str, Set[str]] = {}
    clusters: Mapping[str, str] = {}
    policies: Mapping[str, Document] = {}
    eks_issuers: Mapping[str, str] = {}
    not_read: Sequence[str] = ()


def with_read(world: World, live: Live, declared: Iterable[str]) -> World:
    """Return a World with what was read: of each cluster, its service accounts, and those that the stack has.

    A cluster of which only a trust policy knows has the latter alone; it has no issuer here.
    """
    names: dict[str, Set[str]] = {"": set(), **live.names}
    clusters = (
        Cluster(issuer, f"https://{issuer}" if issuer else "", _service_accounts(issuer, {*declared, *those}))
        for issuer, those in names.items()
    )
    read = tuple(ManagedPolicy(arn, each) for arn, each in live.policies.items() if isinstance(each, Mapping))
    aws_accounts = (*world.aws_accounts, AwsAccount("", (), {}, policies=read, is_whole=False))
    return World(tuple(clusters), aws_accounts)


def _service_accounts(issuer: str, subjects: Iterable[str]) -> tuple[ServiceAccount, ...]:
    names = (each.partition(":") for each in sorted(subjects))
    return tuple(ServiceAccount(issuer, namespace, name) for namespace, _, name in names)


def read_service_accounts(providers: Mapping[str, tuple[Resource, str]]) -> Live:
    """Return the service accounts of each cluster, asked once, by the reference of its provider.

    With each provider comes the key of its cluster in the stack file, if it has one.
    """
    from irsa_world.live.kubernetes import ClusterClients  # noqa: PLC0415 (it imports lightkube)

    live = ClusterClients({reference: _readable(each.inputs) for reference, (each, _) in providers.items()})

    def read(reference: str) -> tuple[str, frozenset[str]] | str:
        try:
            cluster = live.of(reference)
            there = frozenset(each.subject for each in cluster.service_accounts(None))
            return issuer_host_path(cluster.issuer), there
        except CouldNotLookError as error:
            return f"service accounts of the cluster of provider {named(providers[reference][0].name)}: {error}"

    with ThreadPoolExecutor() as pool:
        answers = dict(zip(providers, pool.map(read, providers), strict=True))
    names: dict[str, Set[str]] = {}
    found = {reference: answer for reference, answer in answers.items() if not isinstance(answer, str)}
    for issuer, there in found.values():
        names[issuer] = names.get(issuer, frozenset()) | there
    return Live(
        names,
        {issuer: key for reference, (issuer, _) in found.items() if (key := providers[reference][1])},
        not_read=[*dict.fromkeys(each for each in answers.values() if isinstance(each, str))]
        or ([] if providers else ["service accounts: the stack has no Kubernetes provider"]),
    )


def read_in_aws(policies: Sequence[str], clusters: Sequence[str], providers: Mapping[str, Resource]) -> Live:
    """Return the documents of managed policies and the issuers of EKS clusters, by their ARNs, each asked for once.

    The AWS providers are by their reference.
    """
    from irsa_world.live.aws import AwsAccountClients  # noqa: PLC0415 (it imports boto3)
    from irsa_world.live.iam import AwsAccountClient  # noqa: PLC0415

    clients = AwsAccountClients({reference: _readable(each.inputs) for reference, each in providers.items()})
    not_read: list[str] = []

    def of(number: str) -> AwsAccountClient:
        if client := clients.of_aws_account(number):
            return client
        raise CouldNotLookError(f"no AWS provider of the stack is of AWS account {number}")

    def document(arn: str) -> Document | None:
        return of(parse_iam_arn(arn, "policy").account_id).document(arn)

    def issuer(arn: str) -> str:
        cluster = parse_cluster_arn(arn)
        found = of(cluster.account_id).eks(cluster.region).cluster(cluster.name)
        return issuer_host_path(found.issuer) if found and found.issuer else ""

    def read(what: str, ask: Callable[[str], Answer | None], arns: Sequence[str]) -> dict[str, Answer]:
        def answer(arn: str) -> Answer | None:
            try:
                if found := ask(arn):
                    return found
                reason = "there is none"
            except Mistake as mistake:
                reason = mistake.found
            except CouldNotLookError as error:
                reason = str(error)
            not_read.append(f"{what} {named(arn)}: {reason}")
            return None

        with ThreadPoolExecutor() as pool:
            found = zip(arns, pool.map(answer, arns), strict=True)
            return {arn: each for arn, each in found if each is not None}

    documents: dict[str, Document] = read("policy", document, policies)
    issuers = read("issuer of EKS cluster", issuer, clusters)
    return Live(policies=documents, eks_issuers=issuers, not_read=sorted(not_read))


def _readable(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    # What is hidden in the preview is none of a kubeconfig's own texts.
    return {key: {} if value == SECRET_TEXT or is_unknown(value) else value for key, value in inputs.items()}
