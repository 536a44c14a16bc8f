"""What the clusters would refuse: namespaces and service accounts."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from config.located_mistake import LocatedMistake
from irsa import types
from irsa.imported import not_as_declared
from irsa.resources import DeclaredResource
from irsa.rules import commands
from irsa.rules.annotations import ROLE_ARN, webhook_annotations
from irsa.rules.mistakes import listed, named
from irsa.rules.unknown import OUTPUT
from irsa.ways import IRSA
from irsa_world.model import ServiceAccount
from irsa_world.state.resource import Resource
from program.live.changes import CORRECTED_ISSUER
from program.live.held import Held
from program.live.planned import Planned, finding, known, service_account_of
from program.live.reads import ClusterReads
from program.lookups import rules as live_rules
from program.lookups.imported import differing


def kubernetes_conflicts(components: Collection[Planned], held: Held) -> Iterator[LocatedMistake]:
    """Yield what the clusters would refuse."""
    created = {(each.cluster, each.name): key for key, _, component, *_ in components if (each := component.namespace)}
    # The service accounts that the stack created for an issuer that their binding has no more, by their UIDs.
    names = {planned.spec.service_account.logical_name for planned in components if planned.spec.service_account}
    former = {
        each.text("metadata", "uid"): each
        for each in held.of(types.SERVICE_ACCOUNT)
        if each.issuer and each.name not in names
    }
    for planned in components:
        service_account, cluster = planned.spec.service_account, planned.cluster
        if service_account is None or cluster is None:
            continue
        namespace, name = service_account_of(service_account)
        creator = created.get((planned.component.cluster or "", namespace))
        if cluster.namespaces is not None:
            yield from _namespace(planned, cluster, namespace, creator)
        if cluster.service_accounts is None:
            continue
        live = cluster.service_accounts.get((namespace, name))
        ours = held.find(service_account.type, service_account.logical_name)
        # One of another service account is to be replaced.
        ours = ours if ours and ours.object_name == f"{namespace}/{name}" else None
        about = f"the service account {named(f'{namespace}/{name}')}"
        if service_account.type == types.SERVICE_ACCOUNT:
            if not ours:
                before = former.get(live.uid) if live and live.uid else None
                yield from _to_create(planned, service_account, live, before, about)
        elif live is None:
            yield from _missing(planned, cluster, namespace, name)
        elif not service_account.facts["takeOver"]:
            yield from _taken(planned, known(service_account.inputs["metadata.annotations"]) or {}, live, ours, about)


def _missing(planned: Planned, cluster: ClusterReads, namespace: str, name: str) -> Iterator[LocatedMistake]:
    if cluster.namespaces is not None and namespace not in cluster.namespaces:
        return  # that the namespace is missing is told already
    found = f"the service account {named(f'{namespace}/{name}')} does not exist{planned.where}"
    fix = f"set create: true, or create it: {commands.create_service_account(namespace, name)}"
    place, allowed = planned.place("serviceAccount", "name"), "an existing one, because of create: false"
    yield finding(live_rules.SERVICE_ACCOUNT_MISSING, place, found, allowed, fix)


def _namespace(planned: Planned, cluster: ClusterReads, name: str, creator: str | None) -> Iterator[LocatedMistake]:
    found, allowed = f"the namespace {named(name)} does not exist{planned.where}", "a namespace that exists"
    fix = f"set createNamespace: true, or create it: {commands.create_namespace(name)}"
    namespaces = cluster.namespaces or {}
    if namespaces.get(name):
        found = f"the namespace {named(name)} is being deleted{planned.where}"
        allowed, fix = "a namespace that stays", "wait until it is gone"
    elif planned.component.namespace or name in namespaces:
        return
    elif creator:
        found += f"; bindings.{creator} creates it, but this binding does not wait"
        fix = "set createNamespace: true here too"
    yield finding(live_rules.NAMESPACE_MISSING, planned.place("serviceAccount", "namespace"), found, allowed, fix)


def _to_create(
    planned: Planned,
    service_account: DeclaredResource,
    live: ServiceAccount | None,
    former: Resource | None,
    about: str,
) -> Iterator[LocatedMistake]:
    """Yield what is wrong with a service account that the state does not have: it is created, or adopted."""
    import_id = service_account.import_id
    if import_id and live is None:
        fix = "remove serviceAccount from import: then irsa creates it"
        found = f"{about} does not exist{planned.where}"
        yield finding(live_rules.IMPORT_MISSING, planned.place("import"), found, "an existing one to import", fix)
    elif live and import_id:
        inputs = {name: known(value) for name, value in service_account.inputs.items()}
        annotations = _declared(planned, inputs["metadata.annotations"] or {})
        annotations |= {ROLE_ARN: annotations[ROLE_ARN] or OUTPUT} if ROLE_ARN in annotations else {}
        declared = {
            "metadata": {"annotations": annotations, "labels": inputs["metadata.labels"]},
            "imagePullSecrets": [{"name": each} for each in inputs["imagePullSecrets"] or ()],
            "automountServiceAccountToken": inputs["automountServiceAccountToken"],
        }
        if differences := not_as_declared(types.SERVICE_ACCOUNT, declared, live.manifest):
            yield differing(planned.key, "serviceAccount", f"{about}{planned.where}", differences)
    elif live:
        creator, fix = "did not create it", "set create: false to annotate it, or import: [serviceAccount] to adopt it"
        if former:
            creator, fix = f"created it for the issuer {named(former.issuer)}", CORRECTED_ISSUER
        by = f", written by {listed(sorted(managers))}" if (managers := live.managers(ROLE_ARN)) else ""
        role = f"; it has the role {named(live.role_arn)}{by}" if ROLE_ARN in live.annotations else ""
        found = f"{about} exists already{planned.where}, and this stack {creator}{role}"
        place, allowed = planned.place("serviceAccount", "name"), "a name that is not in use"
        yield finding(live_rules.SERVICE_ACCOUNT_EXISTS, place, found, allowed, fix)


def _declared(planned: Planned, annotations: Mapping[str, Any]) -> dict[str, Any]:
    """Return the annotations of a service account with those of the webhook."""
    if IRSA not in planned.spec.identity.used:
        return {**annotations}
    settings = {name: known(value) for name, value in planned.spec.webhook.items()}
    # A role whose name IAM chooses is empty.
    return {**annotations, **webhook_annotations(planned.role_arn or "", **settings)}


def _taken(
    planned: Planned, annotations: Mapping[str, Any], live: ServiceAccount, ours: Resource | None, about: str
) -> Iterator[LocatedMistake]:
    """Yield the annotations that others wrote with other values: server-side apply refuses to change them.

    Source: https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts
    """
    declared = _declared(planned, annotations)
    if ours and _is_unchanged(declared, ours.inputs):
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


def _is_unchanged(declared: Mapping[str, Any], inputs: Mapping[str, Any]) -> bool:
    """Return whether the state has these annotations; a role whose name IAM chooses counts as the same."""
    metadata = inputs.get("metadata")
    before = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    if not isinstance(before, Mapping):
        return False
    return all(before.get(key) == value or (key == ROLE_ARN and not value) for key, value in declared.items())
