"""The proof of EKS Pod Identity: tokens of running Pods, and what EKS answers to them.

EKS gives a Pod the role of its service account's association, if the role's trust policy admits it:
https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html
"""

import time
from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import partial

from irsa.rules import commands
from irsa.rules.arns import issuer_host_path
from irsa.rules.mistakes import named
from irsa_cli.consistency import PAUSES, is_fresh
from irsa_cli.prove.answers import cause_of, explained
from irsa_cli.prove.eks_auth_answers import CAUSES
from irsa_cli.prove.proof import ASSUMES, IS_REFUSED, WRONG_AUDIENCE, Proof, session_of_role
from irsa_cli.report.checks import Check, Outcome, outcome_of
from irsa_world.exits import CouldNotLookError
from irsa_world.live.eks_auth import AUDIENCE, PodIdentityService, PodSession
from irsa_world.live.iam import AwsAccountClient
from irsa_world.live.kubernetes import ClusterClient, Object, claims
from irsa_world.live.sts import Refused
from irsa_world.model import Association
from irsa_world.state.declared import DeclaredServiceAccount, in_cluster
from irsa_world.verdict import NO_SERVICE_ACCOUNT

BY = "by EKS Pod Identity"
NOT_ASSOCIATED = "a Pod without an association"
# A new association, and a change of a trust policy, take some seconds to be known everywhere:
# https://docs.aws.amazon.com/eks/latest/userguide/pod-id-association.html
OF_A_NEW_ASSOCIATION = ("AccessDeniedException", "ResourceNotFoundException")
# How EKS refuses a Pod that has no association, or one that the trust policy does not admit.
REFUSALS = OF_A_NEW_ASSOCIATION
# The same Pod's token was accepted for the right audience, so that this is said of the audience alone.
REFUSALS_OF_A_TOKEN = ("InvalidTokenException", "InvalidRequestException", "InvalidParameterException")


class PodIdentityProof(Proof):
    """Proves one binding of a stack with tokens of Pods for EKS, which is asked with the stack's AWS credentials."""

    def proven_checks(self) -> list[Check]:
        """Return the proof of each association, and its negative check."""
        if not self.binding.associations:
            reason = "the state does not say which associations it has"
            return [Check(self.binding.key, ASSUMES, Outcome.CANNOT_TELL, f"binding {named(self.binding.key)}", reason)]
        checks, negative = list[Check](), list[Check]()
        for association in self.binding.associations:
            check, pod = self._prove(association)
            checks.append(check)
            if pod and check.outcome is Outcome.OK:
                negative += self._negative_checks(association, pod)
        if not negative:
            reason = "a refusal proves nothing if no Pod is admitted"
            negative.append(Check(self.binding.key, IS_REFUSED, Outcome.NOT_CHECKED, NOT_ASSOCIATED, reason))
        return checks + negative

    # The proof

    def _prove(self, association: Association) -> tuple[Check, Object | None]:
        """Return the proof of an association, and the Pod that was given its role."""
        own = self._service_account(association)
        about, issuer = self._about(association, own.namespace, own.name), ""
        check = partial(Check, self.binding.key, ASSUMES)
        try:
            cluster = self._cluster(association)
            if cluster.service_account(own.namespace, own.name) is None:
                create = own.command_to_create(self.asked.declared.stack)
                return check(Outcome.FINDING, about, NO_SERVICE_ACCOUNT, named(str(own)), create), None
            pods = cluster.running_pods(own.namespace, f"spec.serviceAccountName={own.name}")
            token = cluster.token(own.namespace, own.name, AUDIENCE, pods[0]) if pods else None
            if token is None:
                outcome = Outcome.UNPROVEN if self.asked.allow_unproven else Outcome.NOT_CHECKED
                return check(outcome, about, f"no running Pod of {named(str(own))} to bind a token to"), None
            issuer = str(claims(token)["iss"])
            session = self._session(association, token)
        except CouldNotLookError as error:
            return check(outcome_of(error), about, str(error)), None
        except Refused as refused:
            return self._refused(association, about, issuer, refused), None
        return self._compared(association, about, session), pods[0]

    def _compared(self, association: Association, about: str, session: PodSession) -> Check:
        """Return the check that a Pod got the declared role by the declared association."""
        check = partial(Check, self.binding.key, ASSUMES)
        expected = session_of_role(association.target_role_arn or association.role_arn)
        if not session.arn.startswith(expected):
            return check(Outcome.FINDING, about, named(session.arn), named(expected), self.repair)
        if association.association_id not in {"", session.association_id}:
            declared = f"the association {named(association.association_id)}, which the stack created"
            return check(Outcome.FINDING, about, f"the association {named(session.association_id)}", declared)
        return check(Outcome.OK, about, named(session.arn))

    def _about(self, association: Association, namespace: str, name: str) -> str:
        cluster = self._service_account(association).cluster_key
        if not cluster and len(self.binding.associations) > 1:
            cluster = association.cluster.name
        return f"{in_cluster(f'{namespace}/{name}', cluster)} {BY}"

    def _service_account(self, association: Association) -> DeclaredServiceAccount:
        """Return the service account of an association in its cluster."""
        cluster = self.binding.kubernetes.get(association.cluster_arn)
        same = [each for each in self.binding.service_accounts if each.cluster == cluster]
        found = same[0] if same else DeclaredServiceAccount(cluster or "", "", "")
        return replace(found, namespace=association.namespace, name=association.service_account)

    def _cluster(self, association: Association) -> ClusterClient:
        clusters, wanted = self.asked.clusters, association.cluster
        if association.cluster_arn in self.binding.kubernetes:
            return clusters.of(self.binding.kubernetes[association.cluster_arn])
        found = self._aws_account(association).eks(wanted.region).cluster(wanted.name)
        issuer = issuer_host_path(found.issuer or "") if found else ""
        for reference in clusters.references if issuer else ():
            if issuer_host_path(clusters.of(reference).issuer) == issuer:
                return clusters.of(reference)
        raise CouldNotLookError(f"the stack has no Kubernetes provider of the EKS cluster {named(str(wanted))}")

    def _session(self, association: Association, token: str) -> PodSession:
        service, name = self._service(association), association.cluster.name
        for pause in PAUSES if is_fresh(self.binding) else ():
            try:
                return service.pod_session(name, token)
            except Refused as refused:
                if refused.code not in OF_A_NEW_ASSOCIATION:
                    raise
            time.sleep(pause)
        return service.pod_session(name, token)

    def _service(self, association: Association) -> PodIdentityService:
        region = association.cluster.region
        ask = partial(PodIdentityService, self._aws_account(association).session, region)
        provider = self.binding.providers.get(association.cluster_arn, "")
        return self.asked.services.answer(("eks-auth", provider, region), ask)

    def _aws_account(self, association: Association) -> AwsAccountClient:
        # EKS knows the clusters of the caller's AWS account alone, which is that of the role.
        return self.asked.aws_accounts.of_role(
            association.role_arn, self.binding.providers.get(association.cluster_arn, "")
        )

    def _refused(self, association: Association, about: str, issuer: str, refused: Refused) -> Check:
        role_arn, target = association.role_arn, association.target_role_arn
        subject = f"{association.namespace}/{association.service_account}"
        names = {
            "associate": self.repair,
            "cluster": str(association.cluster),
            "explain": commands.explain(subject, role_arn, self.asked.declared.stack, issuer),
            "issuer": issuer,
            # `pulumi up` does not repair a role that the stack does not create.
            "repair": self.repair if self.binding.role else "",
            "role": role_arn,
            "subject": subject,
        }
        cause = explained(CAUSES, refused, names)
        meaning = cause.meaning
        if target and cause_of(CAUSES, refused).fix == "{repair}":
            meaning += f"; or {named(role_arn)} may not assume the target role {named(target)}"
        expected = f"the token gets a session of {named(target or role_arn)}"
        return Check(self.binding.key, ASSUMES, cause.outcome, about, meaning, expected, cause.fix)

    # The negative check

    def _negative_checks(self, association: Association, proven: Object) -> list[Check]:
        """Return the check of another service account's Pod; without one, say why, and check a wrong audience."""
        try:
            other = next(self._others(association), None)
            reason = "there is no running Pod of a service account with which the stack associates no role"
            if other:
                check = self._other_is_refused(association, other)
                # The right to make tokens is given per namespace.
                if check.outcome not in (Outcome.NO_PERMISSION, Outcome.NOT_CHECKED):
                    return [check]
                reason = check.found
        except CouldNotLookError as error:
            reason = str(error)
        own = self._about(association, association.namespace, association.service_account)
        about = f"{own} with the audience {WRONG_AUDIENCE}"
        return [
            Check(self.binding.key, IS_REFUSED, Outcome.NOT_CHECKED, NOT_ASSOCIATED, reason),
            self._is_refused(association, proven, WRONG_AUDIENCE, about, REFUSALS_OF_A_TOKEN),
        ]

    def _others(self, association: Association) -> Iterator[Object]:
        """Yield running Pods of service accounts with which the stack associates no role in this cluster.

        Those of the proven one's namespace come first: whoever proves may make tokens there.
        """
        namespace, cluster = association.namespace, self._cluster(association)
        associated = {
            (each.namespace, each.service_account)
            for binding in self.asked.declared.bindings
            for each in binding.associations
            if each.cluster == association.cluster
        }
        selectors = (
            (namespace, f"spec.serviceAccountName!={association.service_account}"),
            (None, f"metadata.namespace!={namespace}"),
        )
        for where, selector in selectors:
            for pod in cluster.running_pods(where, selector):
                # The kubelet's own Pods have no service account.
                if _service_account_of(pod)[1] and _service_account_of(pod) not in associated:
                    yield pod

    def _other_is_refused(self, association: Association, pod: Object) -> Check:
        namespace, name = _service_account_of(pod)
        about = f"{self._about(association, namespace, name)}, with which the stack associates no role"
        return self._is_refused(association, pod, AUDIENCE, about, REFUSALS)

    def _is_refused(
        self, association: Association, pod: Object, audience: str, about: str, refusals: Collection[str]
    ) -> Check:
        """Return the check that EKS refuses a Pod's token, or gives the Pod another role."""
        check = partial(Check, self.binding.key, IS_REFUSED)
        try:
            token = self._cluster(association).token(*_service_account_of(pod), audience, pod)
            if token is None:
                return check(Outcome.CANNOT_TELL, about, "the Pod was deleted meanwhile")
            session = self._service(association).pod_session(association.cluster.name, token)
        except CouldNotLookError as error:
            return check(outcome_of(error), about, str(error))
        except Refused as refused:
            is_refusal = refused.code in refusals and cause_of(CAUSES, refused).outcome is Outcome.FINDING
            return check(Outcome.OK if is_refusal else Outcome.NO_ANSWER, about, str(refused))
        role = association.target_role_arn or association.role_arn
        found = f"EKS gave it {named(session.arn)}"
        if not session.arn.startswith(session_of_role(role)):
            return check(Outcome.NOT_CHECKED, about, f"{found}, so that it has an association of its own")
        if not self.binding.role:
            # Whom the role of another owner is given besides is no business of this stack.
            return check(Outcome.NOT_CHECKED, about, f"{found}, whose owner is not this stack")
        return check(Outcome.FINDING, about, f"{found} by the association {named(session.association_id)}", "a refusal")


def _service_account_of(pod: Object) -> tuple[str, str]:
    return pod["metadata"]["namespace"], pod["spec"].get("serviceAccountName") or ""
