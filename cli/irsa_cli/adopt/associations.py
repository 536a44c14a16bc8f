"""EKS Pod Identity associations as bindings declare them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from irsa.rules.mistakes import named
from irsa.rules.policies import parse_object
from irsa_cli.adopt.outcomes import Left, Present
from irsa_cli.adopt.owners import Owner, owners_of_association
from irsa_cli.adopt.task import Task
from irsa_cli.adopt.trust import Pods
from irsa_world.model import Association, AwsAccount, Discovery, ServiceAccount

THE_OTHER_WINS = "EKS Pod Identity gives its Pods that role, whatever the annotation says: remove one of the two"


class Associated(NamedTuple):
    """A service account and its association; that of a service account that does not exist has no annotations."""

    association: Association
    service_account: ServiceAccount
    exists: bool


def associated_by_role(discovery: Discovery) -> dict[str, list[Associated]]:
    """Return the associations of the clusters that were read, by the ARN of their role."""
    by_role: dict[str, list[Associated]] = {}
    for cluster, each, found in discovery.associated:
        # What EKS says of another cluster is not believed.
        if each.cluster_arn == cluster.arn:
            nobody = ServiceAccount(cluster.name, each.namespace, each.service_account, {}, {}, {})
            by_role.setdefault(each.role_arn, []).append(Associated(each, found or nobody, bool(found)))
    return by_role


class TakenAssociation(NamedTuple):
    """An association that becomes part of a binding, with the settings of the binding's `podIdentity`."""

    association: Association
    cluster_key: str
    settings: Mapping[str, Any]
    owners: tuple[Owner, ...]


def take_association(task: Task, each: Associated) -> TakenAssociation | None:
    """Return an association as a binding declares it; None where it is left, or declared already, which is said."""
    association = each.association
    ids = association.association_arn, association.association_id
    owners = next(filter(None, map(task.stacks_of, ids)), []) or owners_of_association(association)
    about = f"association of {named(str(association))} in {named(association.cluster.name)}"
    return task.taken(about, owners, lambda: _taken(task, each, owners))


def _taken(task: Task, each: Associated, owners: Sequence[Owner]) -> TakenAssociation:
    association, service_account = each.association, each.service_account
    if {association.association_arn, association.association_id} & task.declared.deployed:
        raise Present(where="in the state of the stack")
    if association.owner_arn:
        raise Left(f"it belongs to {named(association.owner)}, which manages it: change the role there")
    if not each.exists:
        raise Left("there is no such service account")
    if service_account.role_arn not in ("", association.role_arn):
        raise Left(f"its service account is annotated with {named(service_account.role_arn)}: {THE_OTHER_WINS}")
    task.check_owners(owners)
    key = task.clusters.key_of_arn(association.cluster_arn, service_account.cluster)
    tags = task.declared.tags(association.tags)
    settings: dict[str, Any] = {} if association.session_tags else {"sessionTags": False}
    if association.target_role_arn:
        settings["targetRoleArn"] = association.target_role_arn
    if association.policy:
        settings["policy"] = {"document": task.documents.literal(parse_object(association.policy))}
    if tags:
        settings["tags"] = tags
    return TakenAssociation(association, key, settings, tuple(owners))


def pod_identity(taken: Iterable[TakenAssociation]) -> dict[str, Any]:
    """Return the setting `podIdentity` of a binding, whose associations have the same settings."""
    those = list(taken)
    return {**those[0].settings, "importIds": {each.cluster_key: each.association.association_id for each in those}}


def pods_of(aws_account: AwsAccount, those: Iterable[Associated]) -> Pods:
    """Return what gives a role by EKS Pod Identity."""
    known = aws_account.associations
    unread = (arn for arn in sorted({*aws_account.eks_arns.values(), *known}) if known.get(arn) is None)
    return Pods(tuple(each.association.request for each in those), tuple(arn.rpartition("/")[2] for arn in unread))
