"""What is asked of AWS and the clusters: service accounts, managed policies of others, issuers of EKS clusters."""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

from irsa.outputs import COMPONENT_TYPE
from irsa.rules.arns import issuer_host_path, parse_cluster_arn, parse_iam_arn
from irsa.rules.mistakes import Mistake, named
from irsa_world.exits import CouldNotLookError
from irsa_world.model import AwsAccount, Cluster, ManagedPolicy, ServiceAccount, World
from irsa_world.state.preview import Preview
from irsa_world.state.resource import SECRET_TEXT, Resource, is_unknown, known_text
from irsa_world.trusts.chains import Document

Answer = TypeVar("Answer")


class Live(NamedTuple):
    """What was read of AWS and the clusters.

    Attributes:
        names: The service accounts of each cluster, as `namespace:name`, by its issuer without https://.
        policies: The documents of managed policies that are not the stack's, by ARN.
        eks_issuers: The issuers of EKS clusters, without https://, by the cluster's ARN.
        not_read: What was not read, and why, each as one sentence.
    """

    names: Mapping[str, Set[str]] = {}
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


def clusters_by_issuer(state: Iterable[Resource], preview: Preview) -> dict[str, str]:
    """Return the keys of clusters by issuer: the component of one of several clusters is named after its issuer."""
    components = [each for each in _everything(state, preview) if each.type == COMPONENT_TYPE and each.keys[1]]
    return {each.issuer: each.keys[1] for each in components if each.issuer != each.keys[1]}


def providers(state: Iterable[Resource], preview: Preview, type_: str) -> dict[str, Resource]:
    """Return the providers of a type before and after, by their reference.

    Before the first deployment, the default provider is none of the preview's steps: its inputs are the stack's
    configuration.
    """
    package = type_.rsplit(":", 1)[-1]
    everything = _everything(state, preview)
    found = {each.reference: each for each in everything if each.type == type_}
    if not found and any(each.type.startswith(f"{package}:") for each in everything):
        settings = ((key.partition(":"), known_text(value)) for key, value in preview.config.items())
        inputs = {name: value for (prefix, _, name), value in settings if prefix == package}
        found[""] = Resource(package, type_, inputs=inputs)
    return found


def _everything(state: Iterable[Resource], preview: Preview) -> list[Resource]:
    return [*state, *(each for step in preview.steps for each in (step.old, step.new) if each)]


def read_service_accounts(providers: Mapping[str, Resource]) -> Live:
    """Return the service accounts of each cluster, asked once, by the reference of its provider."""
    from irsa_world.live.kubernetes import ClusterClients  # noqa: PLC0415 (it imports lightkube)

    live = ClusterClients({reference: _readable(each.inputs) for reference, each in providers.items()})

    def read(reference: str) -> tuple[str, frozenset[str]] | str:
        try:
            cluster = live.of(reference)
            there = frozenset(each.subject for each in cluster.service_accounts(None))
            return issuer_host_path(cluster.issuer), there
        except CouldNotLookError as error:
            return f"service accounts of the cluster of provider {named(providers[reference].name)}: {error}"

    with ThreadPoolExecutor() as pool:
        answers = dict(zip(providers, pool.map(read, providers), strict=True))
    names: dict[str, Set[str]] = {}
    for answer in answers.values():
        if not isinstance(answer, str):
            names[answer[0]] = names.get(answer[0], frozenset()) | answer[1]
    failed = dict.fromkeys(each for each in answers.values() if isinstance(each, str))
    nowhere = [] if providers else ["service accounts: the stack has no Kubernetes provider"]
    return Live(names, not_read=[*failed, *nowhere])


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
