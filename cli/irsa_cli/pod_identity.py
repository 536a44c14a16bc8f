"""What `irsa verify` compares of EKS Pod Identity: associations, target roles and the agent.

AssociationChecks asks; everything else is pure.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from irsa.evaluation import evaluate
from irsa.evaluation.answers import RoleRequest
from irsa.evaluation.decision import with_values
from irsa.evaluation.differences import differences
from irsa.rules import commands
from irsa.rules.arns import ClusterArn, parse_cluster_arn, parse_iam_arn
from irsa.rules.leaves import items_of
from irsa.rules.mistakes import Mistake, named
from irsa.rules.trust import CLUSTER_TAG, POD_IDENTITY_PRINCIPAL, SOURCE_ARN, assume_role_actions
from irsa.rules.unknown import Unknown
from irsa.ways import POD_IDENTITY
from irsa_cli.compared import ASSOCIATION
from irsa_cli.report.checks import OUTCOMES, Check, Outcome
from irsa_world.exits import CouldNotLookError, NoPermissionError
from irsa_world.live.aws import AwsAccountClients
from irsa_world.live.eks import AGENT, EksClient
from irsa_world.model import Association, EksCluster
from irsa_world.stages import Node, RunningPod
from irsa_world.state.declared import DeclaredBinding
from irsa_world.verdict import of_missing_role

NONE = "none"
TARGET_ROLE = "target role"
NO_CREDENTIALS = "the stack has no credentials of AWS account {}"
NewCheck = Callable[..., Check]
# Statuses in which the agent runs: https://docs.aws.amazon.com/eks/latest/APIReference/API_Addon.html
RUNNING = ("ACTIVE", "UPDATING")


def place_of(namespace: str, service_account: str, cluster: str) -> str:
    """Return what an association is of, for a message."""
    return f"{named(f'{namespace}/{service_account}')} in EKS cluster {named(cluster)}"


def of_association(check: NewCheck, declared: Association, live: Association | None, repair: str) -> Iterator[Check]:
    """Yield how the association of a service account differs from the declared one."""
    expected = f"an association of {named(declared.role_arn)}"
    if live is None:
        yield check(Outcome.FINDING, "no association", expected, repair)
        return
    if live.owner_arn:
        # Whoever deletes it breaks the add-on, which creates it again.
        found = f"{named(live.owner)} owns the association, of {named(live.role_arn)}"
        yield check(Outcome.FINDING, found, f"{expected}: first take it out of what owns it")
        return
    found_any = False
    for each in [*_settings(check, declared, live, repair), *_policy(check, declared, live, repair)]:
        found_any = True
        yield each
    if not found_any:
        yield check(Outcome.OK)


def _settings(check: NewCheck, declared: Association, live: Association, repair: str) -> Iterator[Check]:
    on = {True: "on", False: "off"}
    pairs = [
        ("role", live.role_arn, declared.role_arn),
        ("session tags", on[live.session_tags], on[declared.session_tags]),
        (TARGET_ROLE, live.target_role_arn, declared.target_role_arn),
    ]
    tags = declared.tags
    if isinstance(tags, Unknown):
        yield check(Outcome.CANNOT_TELL, tags.reason)
        tags = {}
    # More tags may be there: the AWS provider's own settings add some to every resource.
    pairs += [(f"tag {named(key)}", live.tags.get(key, ""), value) for key, value in tags.items()]
    for label, *values in pairs:
        if values[0] != values[1]:
            texts = (f"{label}: {named(each) if each else NONE}" for each in values)
            fix = _cleared(live, "targetRoleArn") if label == TARGET_ROLE and not values[1] else repair
            yield check(Outcome.FINDING, *texts, fix)


def _policy(check: NewCheck, declared: Association, live: Association, repair: str) -> Iterator[Check]:
    """Yield how the session policy differs in what it means."""
    label = "session policy"
    if isinstance(declared.policy, Unknown):
        yield check(Outcome.CANNOT_TELL, declared.policy.reason)
    elif bool(declared.policy) != bool(live.policy):
        texts = (f"{label}: {named(each) if each else NONE}" for each in (live.policy, declared.policy))
        yield check(Outcome.FINDING, *texts, repair if declared.policy else _cleared(live, "policy"))
    elif declared.policy:
        try:
            found = differences(declared.policy, live.policy)
        except Mistake as mistake:
            yield check(Outcome.CANNOT_TELL, f"{label}: {mistake}")
            return
        for each in found:
            texts = (f"{label}, {each.place}: {text}" for text in (each.found, each.expected))
            yield check(Outcome.FINDING, *texts, repair)


def _cleared(live: Association, setting: str) -> str:
    """Return the command that removes a setting, which EKS keeps where an update only leaves it out."""
    region = live.cluster.region
    return commands.clear_association(live.cluster.name, live.association_id, region, [setting])


def of_target_trust(
    check: NewCheck, declared: Association, live: Association | None, trust: Mapping[str, Any]
) -> Check:
    """Return whether the target role's trust policy admits the role of the association."""
    actions = assume_role_actions(declared.session_tags)
    request = RoleRequest(declared.role_arn, actions, live.external_id if live else "")
    evaluation = evaluate(trust, request)
    expected = f"a trust policy that allows {' and '.join(actions)} to {named(declared.role_arn)}"
    outcome = OUTCOMES[evaluation.decision]
    return check(outcome, with_values(evaluation), "" if outcome is Outcome.OK else expected)


def of_agent(check: NewCheck, cluster: ClusterArn, status: str | None, found: EksCluster | None) -> Check:
    """Return whether the agent of EKS Pod Identity runs in a cluster.

    Args:
        check: Makes the check.
        cluster: The cluster.
        status: The status of the agent's add-on; None where the cluster does not have it.
        found: The cluster as EKS describes it, which is needed only without the add-on; None where it does not exist.
    """
    expected = f"the add-on {AGENT}, or EKS Auto Mode: without the agent, Pods get no credentials"
    if status is not None:
        is_running = status in RUNNING
        return check(Outcome.OK if is_running else Outcome.FINDING, f"the add-on is {named(status)}", *(
            [] if is_running else [f"the add-on {AGENT} is ACTIVE"]))  # fmt: skip
    if found is None:
        return check(Outcome.FINDING, "there is no such EKS cluster", named(str(cluster)))
    if found.auto_mode:
        return check(Outcome.OK, "its nodes are those of EKS Auto Mode")
    fix = commands.create_addon(cluster.name, AGENT, cluster.region)
    return check(Outcome.FINDING, f"neither the add-on {AGENT} nor EKS Auto Mode", expected, fix)


def of_undeclared(check: NewCheck, live: Association, role_arn: str) -> Check:
    """Return the finding of an association that the stack does not declare any more."""
    owner = f", which {named(live.owner)} owns" if live.owner_arn else ""
    is_own = live.role_arn == role_arn and not owner
    region = live.cluster.region
    fix = commands.delete_association(live.cluster.name, live.association_id, region) if is_own else ""
    found = f"an association of {named(live.role_arn)}{owner}; new Pods get that, and nothing of the annotation"
    return check(Outcome.FINDING, found, "no association", fix)


def trusted_clusters(trust: Mapping[str, Any]) -> list[ClusterArn]:
    """Return the clusters whose Pod Identity a trust policy that irsa wrote trusts."""
    found: dict[ClusterArn, None] = {}
    for statement in items_of(trust.get("Statement", [])):
        principal = statement.get("Principal")
        if not isinstance(principal, dict) or POD_IDENTITY_PRINCIPAL not in items_of(principal.get("Service", [])):
            continue
        for keys in (statement.get("Condition") or {}).values():
            for key in (CLUSTER_TAG, SOURCE_ARN):
                found |= dict.fromkeys(map(parse_cluster_arn, items_of(keys.get(key, []))))
    return [*found]


def of_pod(check: NewCheck, pod: RunningPod, about: str) -> Check:
    """Return whether a Pod has the credentials of Pod Identity."""
    if pod.node in (Node.FARGATE, Node.WINDOWS):
        found = f"runs on {pod.node}, where there is no EKS Pod Identity"
        return check(Outcome.FINDING, found, "a Linux node, or a service account of its own with IRSA", "", about)
    if not pod.ways:
        return check(Outcome.NOT_CHECKED, "its containers have credentials of their own", about=about)
    if pod.ways == {POD_IDENTITY}:
        return check(Outcome.OK, about=about)
    others = " and ".join(sorted(each.name for each in pod.ways if each is not POD_IDENTITY))
    return check(Outcome.FINDING, f"has {others}", f"has {POD_IDENTITY}", pod.restart, about)


def unique_clusters(associations: Iterable[Association]) -> dict[ClusterArn, Association]:
    """Return an association of each cluster."""
    found: dict[ClusterArn, Association] = {}
    for each in associations:
        found.setdefault(each.cluster, each)
    return found


@dataclass(frozen=True)
class AssociationChecks:
    """Checks the associations of one binding.

    Attributes:
        ask: Returns the checks of a question, given a kind of check, what it is about and the function.
        aws_accounts: The AWS accounts of the stack.
        binding: The binding.
        repair: The command that restores what the stack declares.
    """

    ask: Callable[..., list[Check]]
    aws_accounts: AwsAccountClients
    binding: DeclaredBinding
    repair: str

    def checks(self, agents_of: Iterable[Association]) -> list[Check]:
        """Return the checks of the associations, and those of the agent in the clusters of some of them."""
        binding, checks = self.binding, list[Check]()
        for each in binding.associations:
            place = place_of(each.namespace, each.service_account, each.cluster.name)
            checks += self.ask(ASSOCIATION, place, self._association, each)
            if each.target_role_arn:
                checks += self.ask(ASSOCIATION, f"{TARGET_ROLE} {named(each.target_role_arn)}", self._target, each)
        for each in agents_of:
            checks += self.ask(ASSOCIATION, f"EKS cluster {named(each.cluster.name)}", self._agent, each)
        if binding.identity.only_trusts(POD_IDENTITY) and binding.trust:
            checks += self.ask(ASSOCIATION, f"binding {named(binding.key)}", self._undeclared, binding.trust)
        return checks

    def _eks(self, association: Association) -> EksClient:
        aws_account = self.aws_accounts.of_cluster(
            association.cluster, self.binding.providers.get(association.cluster_arn, "")
        )
        return aws_account.eks(association.cluster.region)

    def _live(self, association: Association) -> Association | None:
        at = (association.cluster.name, association.namespace, association.service_account)
        return self._eks(association).association(*at)

    def _association(self, check: NewCheck, declared: Association) -> Iterable[Check]:
        return of_association(check, declared, self._live(declared), self.repair)

    def _target(self, check: NewCheck, declared: Association) -> Iterator[Check]:
        target = parse_iam_arn(declared.target_role_arn, "role")
        try:
            # It is somebody else's role, in most stacks: nobody owes an answer.
            aws_account = self.aws_accounts.of_arn(declared.target_role_arn)
            live = aws_account.role(target.name) if aws_account else None
        except CouldNotLookError as error:
            yield check(Outcome.NOT_CHECKED, str(error))
            return
        if aws_account is None:
            yield check(Outcome.NOT_CHECKED, NO_CREDENTIALS.format(target.account_id))
        elif live is None or live.arn != declared.target_role_arn:
            refused = of_missing_role(declared.target_role_arn, live.arn if live else None)
            yield check(Outcome.FINDING, refused.found, named(declared.target_role_arn))
        else:
            yield of_target_trust(check, declared, self._live(declared), live.trust)

    def _agent(self, check: NewCheck, association: Association) -> Iterator[Check]:
        eks, cluster = self._eks(association), association.cluster
        status = eks.addon_status(cluster.name)
        yield of_agent(check, cluster, status, None if status is not None else eks.cluster(cluster.name))

    def _undeclared(self, check: NewCheck, trust: Mapping[str, Any]) -> Iterator[Check]:
        """Check for associations where only their statement is declared: one wins over the annotation."""
        for cluster in trusted_clusters(trust):
            for each in self.binding.service_accounts:
                at = cluster.name, each.namespace, each.name
                try:
                    aws_account = self.aws_accounts.of_cluster(cluster, self.binding.provider)
                    live = aws_account.eks(cluster.region).association(*at)
                except NoPermissionError as error:
                    # Nothing is declared there that would need it.
                    yield check(Outcome.NOT_CHECKED, str(error))
                    return
                if live:
                    about = place_of(each.namespace, each.name, cluster.name)
                    yield replace(of_undeclared(check, live, self.binding.role_arn), about=about)
