"""What the clusters would refuse: namespaces and service accounts."""

from collections.abc import Iterator, Mapping
from typing import Any

from irsa import types
from irsa.guard.rules import SYSTEM
from irsa.resources import DeclaredResource
from irsa.rules import commands
from irsa.rules.annotations import ROLE_KEY, webhook_annotations
from irsa.rules.leaves import mapping_of
from irsa.rules.mistakes import Place, listed, named
from irsa.rules.unknown import known_or
from irsa.spec import WEBHOOK
from irsa.ways import IRSA
from irsa_config.located_mistake import LocatedMistake
from irsa_program.guards import guard_place
from irsa_program.live.in_use import name_conflicts
from irsa_program.live.planned import PlannedStack, account_of, service_account_of
from irsa_program.lookups import live_rules
from irsa_program.lookups.live_rules import finding
from irsa_program.plan import PlannedComponent, known_value
from irsa_world.model import ServiceAccount
from irsa_world.state.resource import Resource


def namespace_conflicts(stack: PlannedStack) -> Iterator[LocatedMistake]:
    """Yield the namespaces of service accounts, and of the ConfigMaps of guards, that do not exist, or are to end."""
    created = {
        (each.cluster, each.name): planned.binding.key for planned in stack.components if (each := planned.namespace)
    }
    # Where each is named, and whether what is named there waits for whoever creates it.
    used: list[tuple[str, str, Place, bool, str]] = []
    for planned in stack.components:
        if own := planned.spec.service_account:
            place, creates = planned.place("serviceAccount", "namespace"), bool(planned.namespace)
            name = service_account_of(own)[0]
            used.append((planned.cluster or "", name, place, creates, "set createNamespace: true, or "))
    for guard in stack.guards:
        name, place = known_or(guard.written.namespace, SYSTEM), (*guard_place(stack.stack, guard.cluster), "namespace")
        used.append((guard.cluster, name, place, (guard.cluster, name) in created, ""))
    for cluster, name, place, creates, otherwise in used:
        reads = stack.cluster(cluster)
        namespaces = reads.namespaces
        if namespaces is None:
            continue
        found = f"the namespace {named(name)} does not exist{stack.where(cluster)}"
        fix = f"{otherwise}create it: {commands.create_namespace(reads.place, name)}"
        if namespaces.get(name):
            found, fix = f"the namespace {named(name)} is being deleted{stack.where(cluster)}", "wait until it is gone"
        elif creates or name in namespaces:
            continue
        elif creator := created.get((cluster, name)):
            found = f"{found}; bindings.{creator} creates it, but this binding does not wait"
            fix = "set createNamespace: true here too"
        yield finding(live_rules.NAMESPACE_MISSING, place, found, "a namespace that exists, and stays", fix)


def kubernetes_conflicts(stack: PlannedStack) -> Iterator[LocatedMistake]:
    """Yield what the clusters would refuse of service accounts."""
    # In another cluster, the name of one that goes is another one's: only a UID says that it is the same.
    former = {each.text("metadata", "uid"): each for each in stack.held.of(types.SERVICE_ACCOUNT)}
    for planned in stack.components:
        service_account, place = planned.spec.service_account, account_of(planned)
        cluster = stack.cluster(planned.cluster)
        if service_account is None or cluster.service_accounts is None or place is None:
            continue
        live = cluster.service_accounts.get(service_account_of(service_account))
        name = service_account.logical_name
        ours = stack.held.find(service_account.type, name) or stack.held.find(types.SERVICE_ACCOUNT, name)
        # One of another service account is to be replaced.
        ours = ours if ours and ours.object_name == place else None
        about = f"the service account {named(place)}"
        if service_account.type == types.SERVICE_ACCOUNT:
            if not ours:
                other = former.get(live.uid) if live and live.uid else None
                yield from _to_create(planned, service_account, live, about, other)
        elif live is None:
            namespace, _, name = place.partition("/")
            # That its namespace is missing is told already.
            if cluster.namespaces is None or namespace in cluster.namespaces:
                found, allowed = f"{about} does not exist{planned.where}", "an existing one, because of create: false"
                create = commands.create_service_account(cluster.place, namespace, name)
                fix = f"set create: true, or create it: {create}"
                at = planned.place("serviceAccount", "name")
                yield finding(live_rules.SERVICE_ACCOUNT_MISSING, at, found, allowed, fix)
        elif not service_account.facts["takeOver"]:
            yield from _taken(
                planned, known_value(service_account.inputs["metadata.annotations"]) or {}, live, ours, about
            )


def _to_create(
    planned: PlannedComponent,
    service_account: DeclaredResource,
    live: ServiceAccount | None,
    about: str,
    former: Resource | None,
) -> Iterator[LocatedMistake]:
    """Yield what is wrong with a service account that the state does not have: it is created."""
    if live and ROLE_KEY in live.annotations:
        by = f", written by {listed(sorted(managers))}" if (managers := live.managers(ROLE_KEY)) else ""
        about = f"{about}, which has the role {named(live.role_arn)}{by},"
    yield from name_conflicts(planned, service_account, about, str(live) if live else None, former)


def _declared(planned: PlannedComponent, annotations: Mapping[str, Any]) -> dict[str, Any]:
    """Return the annotations of a service account with those of the webhook."""
    if IRSA not in planned.spec.identity.used:
        return {**annotations}
    settings = {str(place[-1]): known_value(planned.spec.declared.at(place)) for place in WEBHOOK}
    # A role whose name IAM chooses is empty.
    return {**annotations, **webhook_annotations(planned.role_arn or "", **settings)}


def _taken(
    planned: PlannedComponent, annotations: Mapping[str, Any], live: ServiceAccount, ours: Resource | None, about: str
) -> Iterator[LocatedMistake]:
    """Yield the annotations that others wrote with other values: server-side apply refuses to change them.

    Source: https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts
    """
    declared = _declared(planned, annotations)
    before = mapping_of(mapping_of(ours.inputs.get("metadata")).get("annotations")) if ours else {}
    if declared.get(ROLE_KEY) == "":
        # A role whose name IAM chooses counts as the same.
        declared[ROLE_KEY] = before.get(ROLE_KEY, "")
    if all(before.get(key) == value for key, value in declared.items()):
        # What others overwrote since then is drift: `pulumi up` without a refresh does not look at it.
        return
    for annotation, value in declared.items():
        if annotation not in live.annotations or live.annotations[annotation] == value:
            continue
        others = live.managers(annotation) - {ours.text("__fieldManager") if ours else ""}
        if others:
            has = f"{named(annotation)}: {named(live.annotations[annotation])}"
            found = f"{about} has {has}{planned.where}, written by {listed(sorted(others))}"
            allowed = "a service account that no other manager annotates so"
            fix = "remove that annotation where it is written; or set takeOver: true to overwrite it"
            yield finding(live_rules.SERVICE_ACCOUNT_TAKEN, planned.place("serviceAccount"), found, allowed, fix)
