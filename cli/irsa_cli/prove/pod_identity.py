"""The proof of EKS Pod Identity: tokens of running Pods, and what EKS answers to them.

EKS gives a Pod the role of its service account's association, if the role's trust policy admits it:
https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from irsa.rules.arns import issuer_host_path, parse_iam_arn
from irsa.rules.mistakes import named
from irsa_cli.prove.answers import EKS_AUTH
from irsa_cli.prove.proof import ASSUMES, IS_REFUSED, Asked, Claim, Proof
from irsa_world.exits import CouldNotLookError
from irsa_world.live.iam import AwsAccountClient
from irsa_world.live.kubernetes import ClusterClient, Object
from irsa_world.live.sts import AssumedRoleUser, PodIdentityService
from irsa_world.model import Association
from irsa_world.report.checks import Check
from irsa_world.state.declared import DeclaredServiceAccount
from irsa_world.unread import NotCheckedError
from irsa_world.verdict import NO_SERVICE_ACCOUNT


@dataclass(frozen=True)
class PodIdentityProof(Proof):
    """Proves one association with tokens of Pods for EKS, which is asked with the stack's AWS credentials."""

    association: Association

    answers = EKS_AUTH
    # A new association, and a change of a trust policy, take some seconds to be known everywhere:
    # https://docs.aws.amazon.com/eks/latest/userguide/pod-id-association.html
    new = ("AccessDeniedException", "ResourceNotFoundException")
    nobody = "a Pod without an association"
    unproven = "a refusal proves nothing if no Pod is admitted"
    by = " by EKS Pod Identity"

    def _claims(self) -> Iterator[Asked]:
        own = self._service_account()
        asked = self._asked(ASSUMES, f"{own.place}{self.by}")
        yield asked, self._of_service_account(own, asked)

    def _of_service_account(self, own: DeclaredServiceAccount, asked: Check) -> Iterator[Claim | Check]:
        """Yield the service account with one of its Pods; a check where there is none."""
        cluster = self._cluster()
        if cluster.service_account(own.namespace, own.name) is None:
            has = cluster.has_namespace(own.namespace)
            create = own.command_to_create(cluster.place, self.prover.declared.stack, has)
            yield asked.bad(NO_SERVICE_ACCOUNT, named(str(own)), create)
        elif pods := cluster.running_pods(own.namespace, f"spec.serviceAccountName={own.name}"):
            yield Claim(cluster, own, asked, pods[0])
        else:
            yield replace(asked, found=f"no running Pod of {named(str(own))} to bind a token to: start one")

    @property
    def _provider(self) -> str:
        return self.binding.providers.get(self.association.cluster_arn, "")

    def _service_account(self) -> DeclaredServiceAccount:
        """Return the service account of the association, in a stack of several with its cluster."""
        association, cluster = self.association, self.binding.kubernetes.get(self.association.cluster_arn)
        same = [each for each in self.binding.service_accounts if each.provider == cluster]
        found = same[0] if same else DeclaredServiceAccount(cluster or "", "", "")
        key = found.cluster_key or (association.cluster.name if len(self.binding.associations) > 1 else "")
        return replace(found, namespace=association.namespace, name=association.service_account, cluster_key=key)

    def _cluster(self) -> ClusterClient:
        clusters, wanted = self.prover.clusters, self.association.cluster
        if self.association.cluster_arn in self.binding.kubernetes:
            return clusters.of(self.binding.kubernetes[self.association.cluster_arn])
        found = self._aws_account.eks(wanted.region).cluster(wanted.name)
        issuer = issuer_host_path(found.issuer or "") if found else ""
        for reference in clusters.references if issuer else ():
            if issuer_host_path(clusters.of(reference).issuer) == issuer:
                return clusters.of(reference)
        raise CouldNotLookError(f"the stack has no Kubernetes provider of the EKS cluster {named(str(wanted))}")

    @property
    def _aws_account(self) -> AwsAccountClient:
        # EKS knows the clusters of the caller's AWS account alone, which is that of the role.
        return self.prover.aws_accounts.of_resource(parse_iam_arn(self.association.role_arn, "role"), self._provider)

    def _session(self, token: str) -> AssumedRoleUser:
        cluster = self.association.cluster
        ask = partial(PodIdentityService, self._aws_account.session, cluster.region)
        service = self.prover.services.answer(("eks-auth", self._provider, cluster.region), ask)
        return service.pod_session(cluster.name, token)

    def _wrong(self, session: AssumedRoleUser) -> tuple[str, ...]:
        own = self.association.association_id
        if wrong := super()._wrong(session):
            return *wrong, self.repair
        if own not in {"", session.association_id}:
            declared = f"the association {named(own)}, which the stack created"
            return f"the association {named(session.association_id)}", declared
        return ()

    def _names(self, claim: Claim, issuer: str) -> Mapping[str, str]:
        own = {"associate": self.repair, "cluster": self.association.cluster_arn}
        return {**super()._names(claim, issuer), **own, "subject": str(claim.service_account)}

    def _other(self, proven: Claim, _: str) -> Claim:
        """Return a running Pod of a service account with which the stack associates no role in this cluster.

        Those of the proven one's namespace come first: whoever proves may make tokens there.

        Raises:
            NotCheckedError: There is none.
        """
        own, associated = proven.service_account, self.prover.associated[self.association.cluster_arn]
        selectors = (
            (own.namespace, f"spec.serviceAccountName!={own.name}"),
            (None, f"metadata.namespace!={own.namespace}"),
        )
        for where, selector in selectors:
            for pod in proven.cluster.running_pods(where, selector):
                namespace, name = _service_account_of(pod)
                # The kubelet's own Pods have no service account.
                if name and (namespace, name) not in associated:
                    other = replace(own, namespace=namespace, name=name)
                    asked = self._asked(IS_REFUSED, f"{other.place}{self.by}, without an association of the stack")
                    return proven._replace(service_account=other, asked=asked, pod=pod)
        raise NotCheckedError("irsa found no running Pod of a service account without an association of the stack")

    def _admitted(self, claim: Claim, session: AssumedRoleUser) -> Check:
        found = f"EKS gave it {named(session.arn)}"
        if not session.arn.startswith(self.session):
            raise NotCheckedError(f"{found}: it has an association of its own")
        if not self.binding.role:
            # Whom the role of another owner is given besides is no business of this stack.
            raise NotCheckedError(f"{found}, whose owner is not this stack")
        return claim.asked.bad(f"{found} by the association {named(session.association_id)}", "a refusal")


def _service_account_of(pod: Object) -> tuple[str, str]:
    return pod["metadata"]["namespace"], pod["spec"].get("serviceAccountName") or ""
