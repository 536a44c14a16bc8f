"""What `irsa verify` compares of the issuers of clusters outside EKS."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial

from irsa.rules.arns import issuer_host_path
from irsa.rules.mistakes import named
from irsa.rules.unknown import Unknown
from irsa.ways import IRSA
from irsa_cli.verify.kinds import ISSUER
from irsa_world.exits import CouldNotLookError, NoPermissionError
from irsa_world.issuers import eks_region
from irsa_world.live.kubernetes import ClusterClient, ClusterClients
from irsa_world.model import ServiceAccount
from irsa_world.report.checks import Check, Outcome, ask
from irsa_world.state.declared import DeclaredBinding, DeclaredStack
from irsa_world.unread import Unread


def of_issuers(declared: DeclaredStack, bindings: Iterable[DeclaredBinding], clusters: ClusterClients) -> list[Check]:
    """Return the checks of the issuers outside EKS whose tokens these bindings trust; each cluster is asked once."""
    by_token = [each for each in bindings if IRSA in each.identity.trusted and not each.unreadable]
    own = {each.provider: each for binding in by_token for each in binding.service_accounts}
    checks = list[Check]()
    for reference in own or (declared.clusters if by_token else ()):
        # That a cluster cannot be reached, each of its bindings says.
        with suppress(CouldNotLookError):
            cluster, service_account = clusters.of(reference), own.get(reference)
            if not eks_region(issuer_host_path(cluster.issuer)):
                key = declared.cluster_keys.get(reference)
                name = f"irsa:clusters.{key}" if key else "irsa:cluster"
                asked = Check(name, ISSUER, Outcome.OK, f"issuer {named(cluster.issuer)}")
                one = service_account and ServiceAccount("", service_account.namespace, service_account.name)
                checks += ask(asked, partial(_of_issuer, cluster, one))
    return checks


def _of_issuer(cluster: ClusterClient, service_account: ServiceAccount | None, asked: Check) -> Iterator[Check]:
    from irsa_cli.issuer import REACHED, problems  # noqa: PLC0415 (an EKS cluster needs no cryptography)
    from irsa_world.live.issuer import read_issuer  # noqa: PLC0415 (same)

    issuer = read_issuer(cluster, service_account)
    found = [asked.bad(each.found, each.expected, "") for each in problems(issuer, cluster.place)]
    yield from found or [replace(asked, found=REACHED.format(named(issuer.url)))]
    if isinstance(issuer.token, Unknown):
        # Who may create tokens of a service account may act as it: nobody needs that right for this.
        is_denied = not isinstance(issuer.token, Unread) or isinstance(issuer.token.error, NoPermissionError)
        about = f"{asked.about}, the key that signs"
        unread = replace(asked, about=about).bad(issuer.token)
        yield replace(unread, outcome=Outcome.NOT_CHECKED) if is_denied else unread
