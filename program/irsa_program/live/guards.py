"""What the guards of a stack would do: which running Pods they would refuse, and which other stacks guard the same."""

from collections.abc import Iterator

from irsa import types
from irsa.guard.policies import STACK_LABEL
from irsa.guard.rules import may_annotate, mode_in
from irsa.rules.mistakes import listed, named
from irsa_config.located_mistake import LocatedMistake
from irsa_program.guards import GuardedAccount, PlannedGuard, guard_place
from irsa_program.live.planned import PlannedStack
from irsa_program.live.reads import ClusterReads
from irsa_program.lookups import live_rules
from irsa_program.lookups.live_rules import finding
from irsa_world.pods import SKIP_CONTAINERS, has_no_identity, running_pod
from irsa_world.report.text import counted
from irsa_world.stages import listed_pods, restarts

DOES = {
    "warn": "the guard warns of such Pods when they are created again, and mode: deny would refuse them",
    "deny": "the guard refuses such Pods when they are created again",
}
# The webhook changes Pods, and not the templates of their controllers: what it will do, these do not show.
NOT_CALLED = (
    "if new Pods have none either, the Pod Identity webhook is not called, or another webhook adds containers after it:"
    f" fix that before deny, or name these in {SKIP_CONTAINERS}, an annotation of the Pod template"
)


def guard_modes(guard: PlannedGuard) -> Iterator[tuple[GuardedAccount, str]]:
    """Yield each service account that a guard guards, and its mode."""
    modes = ((each, mode_in(guard.settings, each.namespace)) for each in guard.accounts)
    yield from ((each, mode) for each, mode in modes if mode != "off")


def guard_conflicts(stack: PlannedStack) -> Iterator[LocatedMistake]:
    """Yield what is in the way of the guards, and the running Pods that they would refuse."""
    for guard in stack.guards:
        cluster = stack.cluster(guard.cluster)
        for rule in (_unguarded_pods, _locked_out, _guarded_twice):
            yield from rule(stack, guard, cluster)


def _unguarded_pods(stack: PlannedStack, guard: PlannedGuard, cluster: ClusterReads) -> Iterator[LocatedMistake]:
    """Yield the service accounts of which a guard would refuse Pods that run now, if they were created as they are."""
    pods = cluster.pods or {}
    for account, mode in guard_modes(guard):
        service_account = f"{account.namespace}/{account.name}"
        bare = [running_pod(cluster.place, each, "") for each in pods.get(service_account, ()) if has_no_identity(each)]
        if bare:
            found = f"the service account {named(service_account)}{stack.where(guard.cluster)} has"
            found = f"{found} {counted(len(bare), 'Pod')} without an AWS identity: {listed_pods(bare)}; {DOES[mode]}"
            fix = f"after `pulumi up`, restart them{restarts(bare)}; {NOT_CALLED}"
            allowed = "Pods with the identity of their binding"
            yield finding(live_rules.GUARD_REFUSES, ("bindings", account.binding), found, allowed, fix)


def _guarded_twice(stack: PlannedStack, guard: PlannedGuard, cluster: ClusterReads) -> Iterator[LocatedMistake]:
    """Yield the stacks whose guards guard a namespace of this one's already."""
    # The state says which guards are this stack's.
    own = {each.text("metadata", "labels", STACK_LABEL) for each in stack.held.of(types.ADMISSION_BINDING)}
    namespaces = {each.namespace for each, _ in guard_modes(guard)}
    of_stack: dict[str, set[str]] = {}
    for (namespace, _), guarded in (cluster.guards or {}).items():
        for each in guarded if namespace in namespaces else ():
            of_stack.setdefault(each.stack, set()).add(namespace)
    for key, shared in sorted(of_stack.items()):
        if key not in own | {guard.settings.stack}:
            found = f"the guard of stack {named(key)} guards {counted(len(shared), 'namespace')} already"
            found = f"{found}{stack.where(guard.cluster)}: {listed(sorted(shared))}"
            fix = f"in irsa:guard of one of them, write namespaces: {{{min(shared)}: off}}; or move the bindings"
            place = guard_place(stack.stack, guard.cluster)
            yield finding(live_rules.GUARDED_TWICE, place, found, "one guard for each namespace", fix)


def _locked_out(stack: PlannedStack, guard: PlannedGuard, cluster: ClusterReads) -> Iterator[LocatedMistake]:
    """Yield a guard that would not let who asks write roles: the next `pulumi up` could change none."""
    user, rule = cluster.user, guard.settings.annotations
    if user and rule and not may_annotate(rule, *user):
        head, _, session = user.name.rpartition("/")
        # Each session of a role has a name of its own.
        is_of_role = ":assumed-role/" in head and session
        fix = f"add {named(f'{head}/')} to userPrefixes" if is_of_role else f"add {named(user.name)} to users"
        found = f"users, userPrefixes and groups leave out {named(user.name)}, who asks{stack.where(guard.cluster)}:"
        found = f"{found} the next `pulumi up` could not change the role of a service account"
        place = (*guard_place(stack.stack, guard.cluster), "annotations")
        yield finding(live_rules.GUARD_LOCKS_OUT, place, found, "who runs `pulumi up`", fix)
