"""Which Pods hold a change of `identity` back, and which must restart after it.

Pods keep what they were created with: the token of IRSA, or the credentials of EKS Pod Identity. The stages, and what
the Pods of each have, are those of `irsa verify --pods` (irsa_cli.stages).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from config.located_mistake import LocatedMistake
from config.models import Binding
from irsa.outputs import COMPONENT_TYPE, IDENTITY
from irsa.rules.identity import ONLY_IRSA, SHORT, Identity, Use, parse_identity
from irsa.rules.mistakes import Mistake, named
from irsa.rules.subjects import DEFAULT_NAMESPACE
from irsa.spec import Spec
from irsa_cli.pods import running_pod
from irsa_cli.report.message import first_few
from irsa_cli.stages import CACHED, CACHED_OF_TARGET, RunningPod, Way, listed_pods, spelled
from irsa_cli.state import types
from program.live.held import Held
from program.live.planned import Planned, finding, known
from program.lookups import rules as live_rules

CHILDREN = (types.SERVICE_ACCOUNT, types.SERVICE_ACCOUNT_PATCH, types.POD_IDENTITY_ASSOCIATION)
ORDER = (Use.ABSENT, Use.TRUSTED, Use.USED)
BOTH, BACK = SHORT["both"], Identity(Use.USED, Use.TRUSTED)
HAVE = {Way.IRSA: "the token of IRSA", Way.POD_IDENTITY: "the credentials of EKS Pod Identity"}
# What the change does to them.
ENDS: Mapping[tuple[Way, Use], str] = {
    (Way.IRSA, Use.ABSENT): "which the trust policy would not admit any more",
    (Way.IRSA, Use.TRUSTED): "which new Pods would not get any more",
    (Way.POD_IDENTITY, Use.ABSENT): "which EKS would not renew",
}


class Change(NamedTuple):
    """What a change gives up: the way to the role, and what is there of the ways before it."""

    way: Way
    before: Identity


def gives_up(binding: Binding, spec: Spec, held: Held) -> Change | None:
    """Return what a change gives up of a service account's ways to its role; None where it keeps, or adds, some."""
    before, after = _before(binding, spec, held), spec.identity
    if before and _is_less(after.irsa, before.irsa):
        return Change(Way.IRSA, before)
    if before and _is_less(after.pod_identity, before.pod_identity):
        return Change(Way.POD_IDENTITY, before)
    return None


def _is_less(after: Use, before: Use) -> bool:
    return ORDER.index(after) < ORDER.index(before)


def _before(binding: Binding, spec: Spec, held: Held) -> Identity | None:
    """Return the ways of the state; a role that is adopted may have that of IRSA. None for a new binding."""
    name = spec.service_account.logical_name if spec.service_account else ""
    # One of them is there, whatever way is used; the component itself has the name of its role, which may change.
    child = next((each for kind in CHILDREN if (each := held.find(kind, name))), None)
    found = held.find(COMPONENT_TYPE, child.parent.rpartition("::")[2]) if child else None
    if found is None:
        return ONLY_IRSA if "role" in binding.import_ else None
    with suppress(Mistake):
        return parse_identity(found.outputs[IDENTITY]) if IDENTITY in found.outputs else ONLY_IRSA
    return None


def pods_of_the_other_way(components: Collection[Planned], held: Held) -> Iterator[LocatedMistake]:
    """Yield the Pods that have no role any more after the change, at once or when their credentials end."""
    by_place: dict[int, Mapping[str, Sequence[Any]]] = {}
    for planned in components:
        service_account, cluster = planned.spec.service_account, planned.cluster
        change = gives_up(planned.binding, planned.spec, held)
        if change is None or service_account is None or cluster is None or cluster.pods is None:
            continue
        place = f"{known(service_account.namespace) or DEFAULT_NAMESPACE}/{known(service_account.name)}"
        if id(cluster) not in by_place:
            by_place[id(cluster)] = _by_service_account(cluster.pods)
        pods = [running_pod(each, planned.role_arn or "", None) for each in by_place[id(cluster)].get(place, ())]
        if pods := [each for each in pods if change.way in each.ways]:
            yield _held_back(planned, place, change, pods, held)


def _by_service_account(pods: Sequence[Mapping[str, Any]]) -> Mapping[str, Sequence[Any]]:
    found: dict[str, list[Any]] = {}
    for each in pods:
        name = each["spec"].get("serviceAccountName") or "default"
        found.setdefault(f"{each['metadata']['namespace']}/{name}", []).append(each)
    return found


def _held_back(
    planned: Planned, service_account: str, change: Change, pods: Sequence[RunningPod], held: Held
) -> LocatedMistake:
    after, number = planned.spec.identity, f"{len(pods):,} Pod{'s' if len(pods) > 1 else ''}"
    of = f"of the service account {named(service_account)}{planned.where}"
    has = f"{number} {of} {'have' if len(pods) > 1 else 'has'} {HAVE[change.way]}"
    restart = f"restart {'them' if len(pods) > 1 else 'it'}{_commands(pods)}"
    place = planned.place("identity")
    if change.way is Way.POD_IDENTITY and after == BACK:
        # https://docs.aws.amazon.com/eks/latest/userguide/pod-id-association.html
        time = CACHED_OF_TARGET if _has_target(service_account, held) else CACHED
        found = f"{has}, which end within {time} of this `pulumi up`: {listed_pods(pods)}"
        allowed = f"Pods with {HAVE[Way.IRSA]} by then"
        return finding(live_rules.PODS_MUST_RESTART, place, found, allowed, f"after `pulumi up`, {restart}")
    use = after.irsa if change.way is Way.IRSA else after.pod_identity
    ends = ENDS.get((change.way, use), ENDS[change.way, Use.ABSENT])
    found, allowed = f"{has}, {ends}: {listed_pods(pods)}", f"no such Pods before identity: {spelled(after)}"
    # New Pods have it as long as the state is not one of the two.
    first = BOTH if change.way is Way.IRSA else BACK
    is_there = change.before in ((BOTH, Identity(Use.TRUSTED, Use.USED)) if change.way is Way.IRSA else (BACK,))
    fix = restart if is_there else f"first run `pulumi up` with identity: {spelled(first)}, and then {restart}"
    fix = f"{fix}; until then, leave identity: {spelled(change.before)}" if is_there else fix
    return finding(live_rules.PODS_HOLD_BACK, place, found, allowed, fix)


def _commands(pods: Sequence[RunningPod]) -> str:
    commands = [*dict.fromkeys(pod.restart for pod in pods if pod.restart)]
    return f": {'; '.join(first_few(commands))}" if commands else ""


def _has_target(service_account: str, held: Held) -> bool:
    """Return whether an association of a service account has a target role."""
    ours = held.of(types.POD_IDENTITY_ASSOCIATION)
    return any(
        each.text("targetRoleArn")
        for each in ours
        if f"{each.text('namespace')}/{each.text('serviceAccount')}" == service_account
    )
