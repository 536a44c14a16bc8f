"""What the guards of a stack would do: which running Pods they would refuse, and which other stacks guard the same."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from irsa import types
from irsa.guard.policies import STACK_LABEL
from irsa.guard.rules import SYSTEM, may_annotate, mode_in
from irsa.rules import commands
from irsa.rules.mistakes import listed, named
from irsa_config.located_mistake import LocatedMistake
from irsa_config.stack import Stack
from irsa_program.guards import PlannedGuard, guard_place
from irsa_program.live.held import Held
from irsa_program.live.planned import Planned, finding
from irsa_program.live.reads import Reads
from irsa_program.live.stages import by_service_account
from irsa_program.lookups import rules as live_rules
from irsa_world.guarded_pods import added_later, has_no_identity
from irsa_world.pods import SKIP_CONTAINERS, running_pod
from irsa_world.report.text import counted
from irsa_world.stages import listed_pods, restarts

DOES = {
    "warn": "the guard warns of {0} when created again, and mode: deny would refuse {0}",
    "deny": "the guard refuses {0} when created again",
}


def guard_modes(guard: PlannedGuard) -> Iterator[tuple[str, str, str, str]]:
    """Yield binding, namespace, name and mode of each service account that a guard guards."""
    for binding, each in zip(guard.bindings, guard.args["service_accounts"], strict=True):
        mode = mode_in(guard.settings, each["namespace"])
        if mode != "off":
            yield binding, each["namespace"], each["name"], mode


def where_of(stack: Stack, cluster: str) -> str:
    """Return the cluster for a message; nothing in a stack of one cluster."""
    return f" in the cluster {named(cluster)}" if stack.clusters else ""


def unguarded_pods(stack: Stack, guards: Sequence[PlannedGuard], reads: Reads) -> Iterator[LocatedMistake]:
    """Yield the service accounts of which a guard would refuse Pods that run now, if they were created as they are.

    The webhook changes Pods, and not the templates of their controllers: what it will do, these do not show.
    """
    for guard in guards:
        cluster = reads.clusters.get(guard.cluster)
        if cluster is None or cluster.pods is None:
            continue
        pods = by_service_account(cluster.pods)
        for binding, namespace, name, mode in guard_modes(guard):
            service_account = f"{namespace}/{name}"
            found = [each for each in pods.get(service_account, ()) if has_no_identity(each)]
            if not found:
                continue
            running = [running_pod(each, "", None) for each in found]
            has, them = ("has", "it") if len(found) == 1 else ("have", "them")
            text = f"{counted(len(found), 'Pod')} of the service account {named(service_account)}"
            text = f"{text}{where_of(stack, guard.cluster)} {has} no AWS identity:"
            text = f"{text} {listed_pods(running)}; {DOES[mode].format(them)}"
            fix = "; ".join(_fixes(namespace, found))
            allowed = "Pods with the identity of their binding"
            yield finding(live_rules.GUARD_REFUSES, ("bindings", binding), text, allowed, fix)


def missing_namespaces(
    stack: Stack, guards: Sequence[PlannedGuard], components: Iterable[Planned], reads: Reads
) -> Iterator[LocatedMistake]:
    """Yield the namespaces for ConfigMaps of guards that do not exist, and that no binding creates."""
    created = {
        (planned.component.cluster, each.name) for planned in components if (each := planned.component.namespace)
    }
    for guard in guards:
        name, cluster = guard.args.get("namespace", SYSTEM), reads.clusters.get(guard.cluster)
        there = cluster.namespaces if cluster else None
        if there is not None and there.get(name, True) and (guard.cluster, name) not in created:
            is_going = name in there
            found = f"the namespace {named(name)} {'is being deleted' if is_going else 'does not exist'}"
            found += where_of(stack, guard.cluster)
            fix = "name another one" if is_going else f"create it: {commands.create_namespace(name)}"
            place = (*guard_place(stack, guard.cluster), "namespace")
            yield finding(live_rules.NAMESPACE_MISSING, place, found, "a namespace for the guard's ConfigMaps", fix)


def _fixes(namespace: str, pods: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what to do about Pods that the webhook never saw, and those that get more containers after it."""
    later = [added_later(each) for each in pods]
    added = sorted({name for names in later for name in names})
    if added:
        fix = (
            f"if another webhook adds {listed(added)} after the Pod Identity webhook, name it in {SKIP_CONTAINERS}, an"
        )
        yield f"{fix} annotation of the Pod template, or write namespaces: {{{namespace}: warn}} in irsa:guard"
    unseen = [running_pod(each, "", None) for each, names in zip(pods, later, strict=True) if not names]
    if unseen:
        which = "the others" if added else "it" if len(unseen) == 1 else "them"
        restart = f"after `pulumi up`, restart {which}{restarts(unseen)}"
        yield f"{restart}; if new Pods have none either, the Pod Identity webhook is not called: fix that before deny"


def guarded_twice(stack: Stack, guards: Sequence[PlannedGuard], reads: Reads, held: Held) -> Iterator[LocatedMistake]:
    """Yield the namespaces of a guard that another stack guards already; the state says which guards are its own."""
    own = {each.text("metadata", "labels", STACK_LABEL) for each in held.of(types.ADMISSION_BINDING)}
    for guard in guards:
        cluster = reads.clusters.get(guard.cluster)
        namespaces = {namespace for _, namespace, _, _ in guard_modes(guard)}
        of_stack: dict[str, set[str]] = {}
        # Of a guard of the same name, `existing_guards` tells.
        known = own | {guard.settings.stack}
        for (namespace, _), guarded in ((cluster and cluster.guards) or {}).items():
            for stack_key in {each.stack for each in guarded} - known if namespace in namespaces else ():
                of_stack.setdefault(stack_key, set()).add(namespace)
        for stack_key, shared in sorted(of_stack.items()):
            found = f"the guard of stack {named(stack_key)} guards {_namespaces(sorted(shared))}"
            found = f"{found}{where_of(stack, guard.cluster)} already"
            fix = f"in irsa:guard of one of them, write namespaces: {{{min(shared)}: off}}; or move the bindings"
            place = guard_place(stack, guard.cluster)
            yield finding(live_rules.GUARDED_TWICE, place, found, "one guard for each namespace", fix)


def existing_guards(stack: Stack, guards: Sequence[PlannedGuard], reads: Reads) -> Iterator[LocatedMistake]:
    """Yield the guards whose names are taken: two stacks have the same where their names and their projects' are."""
    for guard in guards:
        cluster = reads.clusters.get(guard.cluster)
        if cluster and cluster.taken:
            exist = "exists" if len(cluster.taken) == 1 else "exist"
            found = f"{listed(cluster.taken)} {exist} already{where_of(stack, guard.cluster)}, not of this stack"
            delete = commands.delete_guard(f"{STACK_LABEL}={guard.settings.stack}")
            fix = f"rename yours, if another team has a stack and a project of these names; otherwise: {delete}"
            allowed = "policies whose names nobody uses: the project's and the stack's name are in them"
            yield finding(live_rules.GUARD_EXISTS, guard_place(stack, guard.cluster), found, allowed, fix)


def locked_out(stack: Stack, guards: Sequence[PlannedGuard], reads: Reads) -> Iterator[LocatedMistake]:
    """Yield the guards that would not let who asks write roles: the next `pulumi up` could change none."""
    for guard in guards:
        cluster, rule = reads.clusters.get(guard.cluster), guard.settings.annotations
        if cluster and cluster.user and rule and not may_annotate(rule, *cluster.user):
            user = cluster.user.name
            head, _, session = user.rpartition("/")
            # Each session of a role has a name of its own.
            is_of_role = ":assumed-role/" in head and session
            fix = f"add {named(f'{head}/')} to userPrefixes" if is_of_role else f"add {named(user)} to users"
            found = f"users, userPrefixes and groups leave out {named(user)}, who asks{where_of(stack, guard.cluster)}:"
            found = f"{found} the next `pulumi up` could not change the role of a service account"
            place = (*guard_place(stack, guard.cluster), "annotations")
            yield finding(live_rules.GUARD_LOCKS_OUT, place, found, "who runs `pulumi up`", fix)


def _namespaces(names: Sequence[str]) -> str:
    return f"the namespace{'' if len(names) == 1 else 's'} {listed(names)}"
