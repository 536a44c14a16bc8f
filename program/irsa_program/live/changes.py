"""What a change deletes or replaces that Pods use, and the way that does not.

docs/reference/changes.md has the same for every kind of change.
"""

from collections.abc import Collection, Iterable, Iterator

from irsa import types
from irsa.rules import commands
from irsa.rules.mistakes import Place, listed, named, shortened
from irsa.rules.unknown import text_of
from irsa.ways import POD_IDENTITY
from irsa_config.located_mistake import LocatedMistake
from irsa_program.live.held import Held
from irsa_program.live.planned import PlannedStack, account_of, replacing
from irsa_program.logical_names import oidc_provider
from irsa_program.lookups import live_rules
from irsa_program.lookups.live_rules import finding
from irsa_program.plan import PlannedComponent, known_value
from irsa_world.state.resource import Resource

RETAIN = "first deploy with the binding as it was and retainOnDelete: true"
CORRECTED_ISSUER = (
    "if oidcIssuer was corrected: first deploy with it as it was and retainOnDelete: true,"
    " then import: [serviceAccount]"
)


def failed_updates(stack: PlannedStack) -> Iterator[LocatedMistake]:
    """Yield that AWS may not have what the state says: `pulumi up` would find no difference."""
    failed = sorted(each.name for each in stack.held.resources.values() if each.failed)
    if failed:
        found = f"the last update of {shortened(listed(failed))} failed: AWS may still have what was there before"
        fix = f"run `{commands.up(stack.name)}`: without it, the state takes the update for done"
        yield finding(live_rules.FAILED_UPDATE, (), found, "a state that says what AWS has", fix)


def pod_losses(stack: PlannedStack) -> Iterator[LocatedMistake]:
    """Yield what the change takes from Pods: service accounts, annotations, roles, and policies for a moment."""
    components, held = stack.components, stack.held
    continued = {id(found) for each in _planned_resources(stack) if (found := held.find(*each))}
    by_key = {each.binding.key: each for each in reversed(components)}
    by_place = {account_of(each): index for index, each in reversed([*enumerate(components)])}
    gave_up = _logical_names(each for each in components if POD_IDENTITY not in each.spec.identity.used)

    def successor(deleted: Resource) -> PlannedComponent | None:
        """Return the planned component that has the binding, or the service account, of what is deleted."""
        is_role = deleted.type == types.ROLE
        places = held.service_accounts_of(deleted.arn) if is_role else [deleted.object_name]
        first = min((by_place[each] for each in places if each in by_place), default=None)
        return by_key.get(held.binding_of(deleted), None if first is None else components[first])

    for resource in held.resources.values():
        if id(resource) not in continued and not resource.retained:
            if resource.type == types.ROLE:
                yield _deleted_role(resource, successor(resource), held)
            elif resource.type in (types.SERVICE_ACCOUNT, types.SERVICE_ACCOUNT_PATCH):
                yield from _deleted_service_account(resource, successor(resource), stack.name)
            elif resource.type == types.POD_IDENTITY_ASSOCIATION:
                yield from _deleted_association(resource, gave_up, held)
            elif resource.type == types.OIDC_PROVIDER:
                text = f"the IAM OIDC provider {named(resource.arn)} is deleted: no role admits its cluster any more"
                yield _loss((), text, "keep createOidcProvider: true")
    for planned in components:
        yield from _recreated(planned, held)


def _planned_resources(stack: PlannedStack) -> Iterator[tuple[str, str]]:
    """Yield type and logical name of all that the stack creates."""
    for planned in stack.components:
        yield from ((each.type, each.logical_name) for each in planned.spec.resources)
        # It takes the place of one that the stack created.
        yield from ((types.SERVICE_ACCOUNT, each.logical_name) for each in planned.spec.of(types.SERVICE_ACCOUNT_PATCH))
    for cluster, aws_account in stack.lookups.oidc_providers:
        if stack.stack.clusters_by_key[cluster].create_oidc_provider:
            issuer = text_of(stack.lookups.clusters[cluster].issuer)
            yield types.OIDC_PROVIDER, oidc_provider(stack.stack, aws_account, issuer)


def _loss(place: Place, found: str, fix: str) -> LocatedMistake:
    return finding(live_rules.PODS_LOSE_ROLE, place, found, "a change after which every Pod has its role", fix)


def _logical_names(components: Iterable[PlannedComponent]) -> set[str]:
    """Return the logical names of service accounts, by which they are known with their clusters."""
    return {each.spec.service_account.logical_name for each in components if each.spec.service_account}


def _deleted_role(role: Resource, successor: PlannedComponent | None, held: Held) -> LocatedMistake:
    arn, key = role.arn or role.id, held.binding_of(role)
    if (
        successor
        and successor.role_arn is None
        and key not in ("", successor.binding.key)
        and not successor.binding.formerly
    ):
        found = f"the role {named(arn)} is deleted and recreated: its name starts with the key {named(key)}"
        return _loss(successor.place(), found, f"set formerly: {key}")
    found = f"the role {named(arn)} is deleted, which running Pods use until they restart"
    place = successor.place("role") if successor else ("bindings",)
    return _loss(place, found, f"{RETAIN}; delete the role when no Pod uses it")


def _deleted_service_account(
    resource: Resource, successor: PlannedComponent | None, stack: str
) -> Iterator[LocatedMistake]:
    about = f"the service account {named(resource.object_name)}"
    is_same = successor is not None and account_of(successor) == resource.object_name
    if resource.type == types.SERVICE_ACCOUNT_PATCH:
        # To create the one that it annotated is refused. Of several clusters, each may have one of that name.
        if not (successor and is_same and (not successor.where or resource.name in _logical_names([successor]))):
            yield _loss(("bindings",), f"the annotations of {about} are removed: new Pods get no role", RETAIN)
        return
    fix = f"{RETAIN}; or remove its binding when no Pod uses it"
    if successor and is_same and successor.spec.of(types.SERVICE_ACCOUNT):
        # The plugin deletes by namespace and name, after what is created: in a rebuilt cluster, it is the new one.
        about = f"{about} of the issuer {named(resource.issuer)}" if resource.issuer else about
        moved = "keep both clusters in its binding until the Pods have moved"
        fix = f"{moved}; if the cluster was rebuilt: {commands.up(stack)}; {CORRECTED_ISSUER}"
    found = f"{about} is deleted, because this stack created it: its Pods lose their role, and new ones do not start"
    yield _loss(successor.place("serviceAccount") if successor else ("bindings",), found, fix)


def _deleted_association(resource: Resource, gave_up: Collection[str], held: Held) -> Iterator[LocatedMistake]:
    """Yield the association of a service account of which the stack has nothing else: all else is found with that.

    A binding that stays, and gives EKS Pod Identity up, is a matter of its Pods (irsa_program.live.given_up).
    """
    name = f"{resource.text('namespace')}/{resource.text('serviceAccount')}"
    if any(held.find(kind, resource.name) for kind in (types.SERVICE_ACCOUNT, types.SERVICE_ACCOUNT_PATCH)):
        return
    if resource.name not in gave_up:
        found = f"the association of {named(name)} in the EKS cluster {named(resource.text('clusterName'))} is deleted:"
        found = f"{found} new Pods get no credentials, and those of running ones end"
        yield _loss(("bindings",), found, RETAIN)


def _recreated(planned: PlannedComponent, held: Held) -> Iterator[LocatedMistake]:
    """Yield the role and the policies that are replaced; those of a given name are deleted first."""
    for resource in planned.spec.of(types.ROLE, types.POLICY):
        noun, before = types.NOUNS[resource.type], held.find(resource.type, resource.logical_name)
        if before is None or resource.import_id:
            continue
        about, changes = f"the {noun} {named(before.arn or before.id)}", replacing(resource, before)
        if known_value(resource.inputs["name"]) is not None and changes:
            lack = "have no role" if noun == "role" else "lack it"
            found = f"{about} is deleted and recreated, because its {changes[0]} changes: in between Pods {lack}"
            fix = f"write another name in the same change: then the new {noun} comes first"
            yield _loss(planned.place(noun, changes[0]), found, fix)
        elif noun == "role" and changes:
            found = f"{about} is replaced, which running Pods use until they restart: its {changes[0]} changes"
            fix = f"keep the {changes[0]}, or restart the Pods at once after `pulumi up`"
            yield _loss(planned.place("role", changes[0]), found, fix)
