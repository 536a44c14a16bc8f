"""The service accounts that a stack's clusters have now, and the annotations of those that the stack takes over."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

from irsa.rules.arns import issuer_host_path, parse_cluster_arn, parse_iam_arn
from irsa.rules.mistakes import Mistake, named
from irsa.types import SERVICE_ACCOUNT_PATCH
from irsa_cli.diff.preview import CREATE, Step
from irsa_cli.diff.worlds import subjects_of
from irsa_world.exits import CouldNotLookError
from irsa_world.state.resource import SECRET_TEXT, Resource, is_unknown
from irsa_world.trusts.chains import Document

Answer = TypeVar("Answer")
# Annotations of service accounts by `namespace:name`.
Annotations = Mapping[str, Mapping[str, str]]


class Live(NamedTuple):
    """What was read of AWS and the clusters.

    Attributes:
        names: The service accounts of each cluster, as `namespace:name`, by its issuer without https://.
        annotations: Their annotations, by the reference of the cluster's provider.
        clusters: Keys of clusters in the stack file, by issuer.
        policies: The documents of managed policies that are not the stack's, by ARN.
        eks_issuers: The issuers of EKS clusters, without https://, by the cluster's ARN.
        not_read: What was not read, and why, each as one sentence.
    """

    names: Mapping[str, Set[str]] = {}
    annotations: Mapping[str, Annotations] = {}
    clusters: Mapping[str, str] = {}
    policies: Mapping[str, Document] = {}
    eks_issuers: Mapping[str, str] = {}
    not_read: Sequence[str] = ()


def read_service_accounts(providers: Mapping[str, tuple[Resource, str]]) -> Live:
    """Return the service accounts of each cluster, asked once, by the reference of its provider.

    With each provider comes the key of its cluster in the stack file, if it has one.
    """
    from irsa_world.live.kubernetes import ClusterClients  # noqa: PLC0415 (it imports lightkube)

    live = ClusterClients({reference: _readable(each.inputs) for reference, (each, _) in providers.items()})

    def read(reference: str) -> tuple[str, Annotations] | str:
        try:
            cluster = live.of(reference)
            there = {each.subject: each.annotations for each in cluster.service_accounts(None)}
            return issuer_host_path(cluster.issuer), there
        except CouldNotLookError as error:
            return f"service accounts of the cluster of provider {named(providers[reference][0].name)}: {error}"

    with ThreadPoolExecutor() as pool:
        answers = dict(zip(providers, pool.map(read, providers), strict=True))
    names: dict[str, Set[str]] = {}
    found = {reference: answer for reference, answer in answers.items() if not isinstance(answer, str)}
    for issuer, there in found.values():
        names[issuer] = names.get(issuer, frozenset()) | there.keys()
    return Live(
        names,
        {reference: there for reference, (_, there) in found.items()},
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


def _urn(reference: str) -> str:
    return reference.rpartition("::")[0]


def patched(step: Step) -> str:
    """Return the service account that a step takes over, as `namespace:name`; empty for any other step."""
    is_patch = step.operation == CREATE and step.resource.type == SERVICE_ACCOUNT_PATCH
    return "".join(subjects_of(step.resource)) if is_patch else ""


def with_annotations(steps: Iterable[Step], live: Mapping[str, Annotations]) -> Iterator[Step]:
    """Yield the steps; one that takes a service account over starts from those of its annotations that it writes.

    The service accounts are by the reference of their provider.
    """
    # A provider that is created has no ID yet, and the default one no URN (irsa_cli.diff.components).
    by_urn = {_urn(reference): annotations for reference, annotations in live.items()}
    for step in steps:
        new = step.resource
        of_cluster = live.get(new.provider, by_urn.get(_urn(new.provider), live.get("", {})))
        found = of_cluster.get(patched(step), {})
        written = new.inputs["metadata"].get("annotations") if found else None
        kept = {key: value for key, value in found.items() if isinstance(written, Mapping) and key in written}
        yield step._replace(old=new._replace(inputs={"metadata": {"annotations": kept}})) if kept else step
