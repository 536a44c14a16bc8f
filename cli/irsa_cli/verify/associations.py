"""What `irsa verify` compares of EKS Pod Identity: associations, target roles and the agent."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from irsa.evaluation import Decision, evaluate
from irsa.evaluation.answers import RoleRequest
from irsa.evaluation.decision import with_values
from irsa.rules import commands
from irsa.rules.arns import ClusterArn, parse_iam_arn
from irsa.rules.mistakes import named
from irsa.rules.trust import assume_role_actions
from irsa.rules.unknown import Unknown
from irsa.ways import POD_IDENTITY
from irsa_cli.verify.ask import NotCheckedError, Question
from irsa_cli.verify.kinds import ASSOCIATION
from irsa_world.compare import TARGET_ROLE, Difference, of_association, of_no_association
from irsa_world.exits import CouldNotLookError, NoPermissionError
from irsa_world.live.aws import AwsAccountClients
from irsa_world.live.eks import AGENT, EksClient
from irsa_world.model import Association
from irsa_world.state.declared import DeclaredBinding, DeclaredServiceAccount
from irsa_world.trusts.clusters import clusters_named
from irsa_world.verdict import of_missing_role

# Statuses in which the agent runs: https://docs.aws.amazon.com/eks/latest/APIReference/API_Addon.html
RUNNING = ("ACTIVE", "UPDATING")


def of_decision(decision: Decision, details: str, expected: str, about: str = "") -> Iterator[Difference]:
    """Yield what a trust policy has against a session that is declared."""
    if decision is not Decision.ALLOWED:
        found = Unknown(details) if decision is Decision.CANNOT_DECIDE else details
        yield Difference(found, expected, "", about)


@dataclass(frozen=True)
class Associations:
    """The associations of one binding, in the AWS accounts of its stack."""

    aws_accounts: AwsAccountClients
    binding: DeclaredBinding

    def questions(self) -> Iterator[Question]:
        """Yield what is asked of the associations, and of the agent in their clusters."""
        binding = self.binding
        for each in binding.associations:
            yield ASSOCIATION, _place(str(each), each.cluster), partial(self._association, each)
            if each.target_role_arn:
                yield ASSOCIATION, f"{TARGET_ROLE} {named(each.target_role_arn)}", partial(self._target, each)
        for each in binding.associations:
            yield ASSOCIATION, f"EKS cluster {named(each.cluster.name)}", partial(self._agent, each.cluster)
        # Where only their statement is declared.
        for cluster in clusters_named(binding.trust) if binding.identity.only_trusts(POD_IDENTITY) else ():
            for one in binding.service_accounts:
                yield ASSOCIATION, _place(str(one), cluster), partial(self._undeclared, cluster, one)

    def _eks(self, cluster: ClusterArn) -> EksClient:
        provider = self.binding.providers.get(str(cluster), self.binding.provider)
        return self.aws_accounts.of_cluster(cluster, provider).eks(cluster.region)

    def _live(self, declared: Association) -> Association | None:
        eks, name = self._eks(declared.cluster), declared.cluster.name
        return eks.association(name, declared.namespace, declared.service_account)

    def _association(self, declared: Association) -> Iterable[Difference]:
        return of_association(declared, self._live(declared))

    def _target(self, declared: Association) -> Iterator[Difference]:
        """Check whether the target role exists, and its trust policy admits the role of the association."""
        target = parse_iam_arn(declared.target_role_arn, "role")
        try:
            # It is somebody else's role, in most stacks: nobody owes an answer.
            aws_account = self.aws_accounts.of_arn(declared.target_role_arn)
            live = aws_account.role(target.name) if aws_account else None
        except CouldNotLookError as error:
            raise NotCheckedError(str(error)) from None
        if aws_account is None:
            raise NotCheckedError(f"the stack has no credentials of AWS account {target.account_id}")
        if live is None or live.arn != declared.target_role_arn:
            refused = of_missing_role(declared.target_role_arn, live.arn if live else None)
            yield Difference(refused.found, named(declared.target_role_arn), "")
            return
        association, actions = self._live(declared), assume_role_actions(declared.session_tags)
        request = RoleRequest(declared.role_arn, actions, association.external_id if association else "")
        evaluation = evaluate(live.trust, request)
        expected = f"a trust policy that allows {' and '.join(actions)} to {named(declared.role_arn)}"
        yield from of_decision(evaluation.decision, with_values(evaluation), expected)

    def _agent(self, cluster: ClusterArn) -> Iterator[Difference]:
        """Check whether the agent of EKS Pod Identity runs in a cluster."""
        # Whichever provider created the association: one of them is asked, and once.
        eks = self.aws_accounts.of_cluster(cluster, "").eks(cluster.region)
        if (status := eks.addon_status(cluster.name)) is not None:
            if status not in RUNNING:
                yield Difference(f"the add-on is {named(status)}", f"the add-on {AGENT} is ACTIVE", "")
            return
        found = eks.cluster(cluster.name)
        if found is None:
            yield Difference("there is no such EKS cluster", named(str(cluster)), "")
        elif not found.auto_mode:
            expected = f"the add-on {AGENT}, or EKS Auto Mode: without the agent, Pods get no credentials"
            fix = commands.create_addon(cluster.name, AGENT, cluster.region)
            yield Difference(f"neither the add-on {AGENT} nor EKS Auto Mode", expected, fix)

    def _undeclared(self, cluster: ClusterArn, one: DeclaredServiceAccount) -> Iterable[Difference]:
        try:
            live = self._eks(cluster).association(cluster.name, one.namespace, one.name)
        except NoPermissionError as error:
            # Nothing is declared there that would need it.
            raise NotCheckedError(str(error)) from None
        return of_no_association(live, self.binding.role_arn)


def _place(service_account: str, cluster: ClusterArn) -> str:
    return f"{named(service_account)} in EKS cluster {named(cluster.name)}"
