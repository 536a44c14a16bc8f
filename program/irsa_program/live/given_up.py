"""Which Pods hold a change of `identity` back, and which must restart after it.

Pods keep what they were created with: the token of IRSA, or the credentials of EKS Pod Identity. The stages, and what
the Pods of each have, are those of `irsa verify --pods` (irsa_world.stages).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from irsa import types
from irsa.outputs import COMPONENT_TYPE, IDENTITY
from irsa.rules.leaves import strings_of
from irsa.rules.mistakes import Mistake, named
from irsa.rules.subjects import is_pattern
from irsa.rules.unknown import known_or
from irsa.ways import BOTH, IRSA, ONLY_IRSA, WAYS, Identity, Way, parse_identity
from irsa_config.located_mistake import LocatedMistake
from irsa_program.live.held import Held
from irsa_program.live.planned import PlannedStack, account_of
from irsa_program.lookups import live_rules
from irsa_program.lookups.live_rules import finding
from irsa_program.plan import PlannedComponent
from irsa_world.pods import ROLE_VARIABLE, running_pod
from irsa_world.report.text import counted
from irsa_world.stages import BACK, LOSE_IT, NO_ROLE, RunningPod, listed_pods, restarts, spelled, way_of

CHILDREN = (types.SERVICE_ACCOUNT, types.SERVICE_ACCOUNT_PATCH, types.POD_IDENTITY_ASSOCIATION)


class GivenUp(NamedTuple):
    """What a change gives up: the way to the role, and what is there of the ways before it."""

    way: Way
    before: Identity


def gives_up(planned: PlannedComponent, held: Held) -> GivenUp | None:
    """Return what a change gives up of a service account's ways to its role; None where it keeps, or adds, some."""
    before, after = _before(planned, held), planned.spec.identity
    if before is None:
        return None
    less = (set(of_before) - set(of_after) for of_before, of_after in zip(before, after, strict=True))
    given_up = set[Way]().union(*less)
    return next((GivenUp(way, before) for way in WAYS if way.credentials and way in given_up), None)


def _before(planned: PlannedComponent, held: Held) -> Identity | None:
    """Return the ways of the state, for an adopted role IRSA's; None for a new binding, and for a role alone."""
    if planned.spec.service_account is None:
        return None
    name = planned.spec.service_account.logical_name
    # One of them is there, whatever way is used; the component itself has the name of its role, which may change.
    child = next((each for kind in CHILDREN if (each := held.find(kind, name))), None)
    found = held.find(COMPONENT_TYPE, child.parent.rpartition("::")[2]) if child else None
    if found is None:
        return ONLY_IRSA if "role" in known_or(planned.with_role.spec.declared.import_, []) else None
    with suppress(Mistake):
        return parse_identity(found.outputs[IDENTITY]) if IDENTITY in found.outputs else ONLY_IRSA
    return None


def whose_pods(planned: PlannedComponent, change: GivenUp) -> list[str]:
    """Return the service accounts whose Pods a change is about, as `namespace/name`: the binding's own first.

    With IRSA the statement for further subjects ends, and those have no association of this binding.
    """
    own = account_of(planned)
    names = [own] if own else []
    if change.way is IRSA and IRSA not in planned.spec.identity.trusted:
        names += [
            subject.replace(":", "/", 1)
            for subject in strings_of(known_or(planned.with_role.spec.declared.trust.subjects, []))
            if not is_pattern(subject)
        ]
    return [*dict.fromkeys(names)]


def pods_of_the_other_way(stack: PlannedStack) -> Iterator[LocatedMistake]:
    """Yield the Pods that have no role any more after the change, at once or when their credentials end."""
    for planned in stack.components:
        cluster, change = stack.cluster(planned.cluster), gives_up(planned, stack.held)
        if change is None or cluster.pods is None:
            continue
        for name in whose_pods(planned, change):
            is_own = name == account_of(planned)
            pods = [each for each in cluster.pods.get(name, ()) if is_own or planned.role_arn in _roles(each)]
            running = [running_pod(cluster.place, each, planned.role_arn or "") for each in pods]
            if those := [each for each in running if change.way in each.ways]:
                yield _held_back(planned, name, change, those)


def _roles(pod: Mapping[str, Any]) -> set[str]:
    """Return the roles that the containers of a Pod assume by IRSA."""
    variables = (each for container in pod["spec"]["containers"] for each in container.get("env") or ())
    return {each.get("value", "") for each in variables if each["name"] == ROLE_VARIABLE}


def _held_back(
    planned: PlannedComponent, service_account: str, change: GivenUp, pods: Sequence[RunningPod]
) -> LocatedMistake:
    after, before, way = planned.spec.identity, change.before, change.way
    found = f"the service account {named(service_account)}{planned.where} has {counted(len(pods), 'Pod')} with"
    found = f"{found} {way.credentials}"
    restart, allowed = f"restart its Pods{restarts(pods)}", f"no such Pods before identity: {spelled(after)}"
    if way in after.trusted and way_of(after) is IRSA:
        rule, place, found = live_rules.PODS_MUST_RESTART, planned.place("identity"), f"{found}, which {LOSE_IT}"
        fix, allowed = f"right after `pulumi up`, {restart}", f"Pods with {IRSA.credentials} right after it"
        return finding(rule, place, f"{found}: {listed_pods(pods)}", allowed, fix)
    found = f"{found}, {way.ends[way not in after.trusted]}: {listed_pods(pods)}"
    if service_account != account_of(planned):
        fix = f"first give {named(service_account)} a binding of its own with identity: both, and restart its Pods"
        return finding(live_rules.PODS_HOLD_BACK, planned.place("trust", "subjects"), found, allowed, fix)
    if way_of(before) in (way, NO_ROLE):
        # New Pods have it until they get the role by the other way.
        fix = f"first deploy identity: {spelled(BOTH if way is IRSA else BACK)}, and then {restart}"
    else:
        fix = f"{restart}; until then, leave identity: {spelled(before)}"
    return finding(live_rules.PODS_HOLD_BACK, planned.place("identity"), found, allowed, fix)
