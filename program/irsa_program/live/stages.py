"""Which Pods hold a change of `identity` back, and which must restart after it.

Pods keep what they were created with: the token of IRSA, or the credentials of EKS Pod Identity. The stages, and what
the Pods of each have, are those of `irsa verify --pods` (irsa_world.stages).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from irsa import types
from irsa.evaluation import Decision, PodIdentityRequest, TrustDocumentError, evaluate
from irsa.outputs import COMPONENT_TYPE, IDENTITY
from irsa.resources import DeclaredResource
from irsa.rules.mistakes import Mistake, named
from irsa.rules.subjects import is_pattern
from irsa.rules.trust import POD_IDENTITY_PRINCIPAL
from irsa.spec import Spec
from irsa.ways import BOTH, IRSA, ONLY_IRSA, WAYS, Identity, Way, parse_identity
from irsa_config.located_mistake import LocatedMistake
from irsa_config.stack import Binding
from irsa_program.live.held import Held
from irsa_program.live.planned import Planned, finding, service_account_of
from irsa_program.lookups import rules as live_rules
from irsa_world.pods import ROLE_VARIABLE, running_pod
from irsa_world.stages import (
    BACK,
    CACHED,
    CACHED_OF_TARGET,
    NO_ROLE,
    RunningPod,
    listed_pods,
    restarts,
    spelled,
    way_of,
)

CHILDREN = (types.SERVICE_ACCOUNT, types.SERVICE_ACCOUNT_PATCH, types.POD_IDENTITY_ASSOCIATION)


class Change(NamedTuple):
    """What a change gives up: the way to the role, and what is there of the ways before it."""

    way: Way
    before: Identity


def gives_up(binding: Binding, spec: Spec, held: Held) -> Change | None:
    """Return what a change gives up of a service account's ways to its role; None where it keeps, or adds, some."""
    before, after = _before(binding, spec, held), spec.identity
    if before is None:
        return None
    less = (set(of_before) - set(of_after) for of_before, of_after in zip(before, after, strict=True))
    given_up = set[Way]().union(*less)
    return next((Change(way, before) for way in WAYS if way.credentials and way in given_up), None)


def _before(binding: Binding, spec: Spec, held: Held) -> Identity | None:
    """Return the ways of the state, for an adopted role IRSA's; None for a new binding, and for a role alone."""
    if spec.service_account is None:
        return None
    name = spec.service_account.logical_name
    # One of them is there, whatever way is used; the component itself has the name of its role, which may change.
    child = next((each for kind in CHILDREN if (each := held.find(kind, name))), None)
    found = held.find(COMPONENT_TYPE, child.parent.rpartition("::")[2]) if child else None
    if found is None:
        return ONLY_IRSA if "role" in binding.args.get("import_", ()) else None
    with suppress(Mistake):
        return parse_identity(found.outputs[IDENTITY]) if IDENTITY in found.outputs else ONLY_IRSA
    return None


def whose_pods(binding: Binding, spec: Spec, change: Change) -> list[str]:
    """Return the service accounts whose Pods a change is about, as `namespace/name`: the binding's own first.

    With IRSA the statement for further subjects ends, and those have no association of this binding.
    """
    own = spec.service_account
    names = ["/".join(service_account_of(own))] if own else []
    if change.way is IRSA and IRSA not in spec.identity.trusted:
        names += [
            subject.replace(":", "/", 1)
            for subject in binding.argument("trust", "subjects") or ()
            if not is_pattern(subject)
        ]
    return [*dict.fromkeys(names)]


def pods_of_the_other_way(components: Collection[Planned], held: Held) -> Iterator[LocatedMistake]:
    """Yield the Pods that have no role any more after the change, at once or when their credentials end."""
    by_cluster: dict[int, Mapping[str, Sequence[Any]]] = {}
    for planned in components:
        cluster, change = planned.cluster, gives_up(planned.binding, planned.spec, held)
        if change is None or cluster is None or cluster.pods is None:
            continue
        if id(cluster) not in by_cluster:
            by_cluster[id(cluster)] = by_service_account(cluster.pods)
        own, *others = whose_pods(planned.binding, planned.spec, change)
        if pods := _with(change.way, by_cluster[id(cluster)].get(own, ()), planned):
            yield _held_back(planned, own, change, pods, held)
        for name in others:
            those = [each for each in by_cluster[id(cluster)].get(name, ()) if planned.role_arn in _roles(each)]
            if pods := _with(change.way, those, planned):
                yield _without_association(planned, name, change, pods)


def session_tags_return(components: Collection[Planned], held: Held) -> Iterator[LocatedMistake]:
    """Yield the associations that get session tags, where the new trust policy does not admit sessions without.

    The trust policy changes first, and EKS asks for credentials without tags until the association has changed too. The
    other way round nothing is missing: a trust policy that names the cluster alone admits sessions with tags.
    """
    policies = {planned.key: planned.spec.trust.policy for planned in components if planned.spec.trust}
    for planned in components:
        policy = policies.get(planned.key)
        for each in planned.spec.of(types.POD_IDENTITY_ASSOCIATION) if policy is not None else ():
            before = held.find(types.POD_IDENTITY_ASSOCIATION, each.logical_name)
            has_none = before is not None and before.inputs.get("disableSessionTags") is True
            has_tags = not each.inputs["disableSessionTags"]
            if has_tags and has_none and not _admits_without_tags(policy, each):
                name = named("/".join(service_account_of(each)))
                found = f"Pods of the service account {name}{planned.where} get no new credentials from when the"
                found = f"{found} trust policy has changed until the association has, which a failed `pulumi up` leaves"
                fix = f"in the same change, add to trust.statements the statement for {POD_IDENTITY_PRINCIPAL} that the"
                fix = f"{fix} role's trust policy has now, and remove it in the next"
                allowed = "a trust policy that admits sessions without tags, too, while the association changes"
                place = planned.place("podIdentity", "sessionTags")
                yield finding(live_rules.SESSION_TAGS_RETURN, place, found, allowed, fix)


def _admits_without_tags(trust_policy: Any, association: DeclaredResource) -> bool:
    cluster_arn = association.facts["clusterArn"]
    if not isinstance(trust_policy, str) or not isinstance(cluster_arn, str):
        return False
    request = PodIdentityRequest(*service_account_of(association), cluster_arn, session_tags=False)
    with suppress(TrustDocumentError):
        return evaluate(trust_policy, request).decision is Decision.ALLOWED
    return False


def _with(way: Way, pods: Iterable[Any], planned: Planned) -> list[RunningPod]:
    found = (running_pod(each, planned.role_arn or "", None) for each in pods)
    return [each for each in found if way in each.ways]


def _roles(pod: Mapping[str, Any]) -> set[str]:
    """Return the roles that the containers of a Pod assume by IRSA."""
    variables = (each for container in pod["spec"]["containers"] for each in container.get("env") or ())
    return {each.get("value", "") for each in variables if each["name"] == ROLE_VARIABLE}


def by_service_account(pods: Sequence[Mapping[str, Any]]) -> Mapping[str, Sequence[Any]]:
    """Return Pods by their service account, as `namespace/name`."""
    found: dict[str, list[Any]] = {}
    for each in pods:
        name = each["spec"].get("serviceAccountName") or "default"
        found.setdefault(f"{each['metadata']['namespace']}/{name}", []).append(each)
    return found


def _has(planned: Planned, service_account: str, way: Way, pods: Sequence[RunningPod]) -> str:
    number, have = f"{len(pods):,} Pod{'s' if len(pods) > 1 else ''}", "have" if len(pods) > 1 else "has"
    return f"{number} of the service account {named(service_account)}{planned.where} {have} {way.credentials}"


def _without_association(
    planned: Planned, service_account: str, change: Change, pods: Sequence[RunningPod]
) -> LocatedMistake:
    found = f"{_has(planned, service_account, change.way, pods)}, {change.way.ends[1]}: {listed_pods(pods)}"
    fix = f"first give {named(service_account)} a binding of its own with identity: both, and restart its Pods"
    allowed = f"an association for each service account before identity: {spelled(planned.spec.identity)}"
    return finding(live_rules.PODS_HOLD_BACK, planned.place("trust", "subjects"), found, allowed, fix)


def _held_back(
    planned: Planned, service_account: str, change: Change, pods: Sequence[RunningPod], held: Held
) -> LocatedMistake:
    after, has = planned.spec.identity, _has(planned, service_account, change.way, pods)
    restart = f"restart {'them' if len(pods) > 1 else 'it'}{restarts(pods)}"
    place = planned.place("identity")
    if change.way in after.trusted and way_of(after) is IRSA:
        time = CACHED_OF_TARGET if _has_target(planned, held) else CACHED
        found = (
            f"{has}, which may end within minutes of this `pulumi up`, at the latest {time} after their last renewal"
        )
        found, allowed = f"{found}: {listed_pods(pods)}", f"Pods with {IRSA.credentials} right after it"
        return finding(live_rules.PODS_MUST_RESTART, place, found, allowed, f"right after `pulumi up`, {restart}")
    ends = change.way.ends[change.way not in after.trusted]
    found, allowed = f"{has}, {ends}: {listed_pods(pods)}", f"no such Pods before identity: {spelled(after)}"
    # New Pods have it until they get the role by the other way.
    first = BOTH if change.way is IRSA else BACK
    is_there = way_of(change.before) not in (change.way, NO_ROLE)
    fix = restart if is_there else f"first run `pulumi up` with identity: {spelled(first)}, and then {restart}"
    fix = f"{fix}; until then, leave identity: {spelled(change.before)}" if is_there else fix
    return finding(live_rules.PODS_HOLD_BACK, place, found, allowed, fix)


def _has_target(planned: Planned, held: Held) -> bool:
    """Return whether the association of a service account has a target role."""
    own = planned.spec.service_account
    association = own and held.find(types.POD_IDENTITY_ASSOCIATION, own.logical_name)
    return bool(association and association.text("targetRoleArn"))
