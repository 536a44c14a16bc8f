"""What EKS Pod Identity lacks, or would refuse: its agent, and associations that exist."""

from collections.abc import Iterator, Mapping

from irsa import types
from irsa.resources import DeclaredResource
from irsa.rules import commands
from irsa.rules.mistakes import named
from irsa_config.located_mistake import LocatedMistake
from irsa_program.live.in_use import name_conflicts
from irsa_program.live.planned import PlannedStack, account_of, service_account_of
from irsa_program.lookups import live_rules
from irsa_program.lookups.live_rules import finding
from irsa_program.plan import PlannedComponent
from irsa_world.live.eks import AGENT
from irsa_world.model import Association
from irsa_world.state.resource import Resource


def missing_agents(stack: PlannedStack) -> Iterator[LocatedMistake]:
    """Yield the clusters whose nodes give Pods no credentials of EKS Pod Identity.

    Source: https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html
    """
    for key, read in stack.clusters.items():
        if read.has_agent is False:
            cluster = stack.stack.clusters_by_key[key]
            name, place = cluster.name or "", stack.stack.place_of_cluster(key)
            found = f"the EKS cluster {named(name)} has no add-on {AGENT}, and no Auto Mode"
            found += ": Pods with an association get no credentials"
            fix = f"where `{commands.find_agent(commands.UNKNOWN_CLUSTER)}` finds none, either, add it: "
            fix += commands.create_addon(stack.options(cluster.aws_account, cluster.region), name, AGENT)
            yield finding(live_rules.AGENT_MISSING, place, found, "the agent of EKS Pod Identity on its nodes", fix)


def eks_conflicts(stack: PlannedStack) -> Iterator[LocatedMistake]:
    """Yield what EKS would refuse of associations."""
    ours = {each.text("associationId"): each for each in stack.held.of(types.POD_IDENTITY_ASSOCIATION)}
    for planned in stack.components:
        there = stack.cluster(planned.cluster).associations
        if there is None:
            continue
        for association in planned.spec.of(types.POD_IDENTITY_ASSOCIATION):
            live = there.get(service_account_of(association))
            if live and not stack.held.find(types.POD_IDENTITY_ASSOCIATION, association.logical_name):
                yield from _existing(planned, association, live, ours)


def _existing(
    planned: PlannedComponent, association: DeclaredResource, live: Association, ours: Mapping[str, Resource]
) -> Iterator[LocatedMistake]:
    """Yield what is wrong with an association that exists."""
    about = f"the association of the service account {named(account_of(planned) or '')}"
    if live.owner_arn:
        # EKS lets nothing else change it: https://docs.aws.amazon.com/eks/latest/userguide/update-addon-role.html
        found = f"{about} exists already{planned.where}: {named(live.owner)} owns it, and alone may change it"
        allowed = "a service account that no add-on has an association for"
        fix = "remove this binding, and give the add-on its role by its own settings; or use another service account"
        yield finding(live_rules.ASSOCIATION_EXISTS, planned.place("identity"), found, allowed, fix)
        return
    yield from name_conflicts(planned, association, about, live.association_id, ours.get(live.association_id))
