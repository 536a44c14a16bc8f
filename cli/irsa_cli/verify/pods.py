"""What `irsa verify --pods` compares of the Pods of a binding, and their stage."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from irsa.rules.annotations import ROLE_KEY
from irsa.rules.mistakes import listed, named
from irsa.ways import ONLY_IRSA, POD_IDENTITY, Way
from irsa_cli.verify.kinds import PODS, STAGE
from irsa_world.live.kubernetes import ClusterClients
from irsa_world.pods import (
    SKIP_CONTAINERS,
    Problem,
    containers_with_own_credentials,
    other_roles,
    problems,
    running_pod,
)
from irsa_world.report.checks import UNANSWERED, Check, Outcome, ask
from irsa_world.stages import KEYS, NO_ROLE, RunningPod, stage_of, way_of
from irsa_world.state.declared import DeclaredBinding, DeclaredServiceAccount, DeclaredStack, in_cluster
from irsa_world.unread import NotCheckedError

NO_POD = "no Pod runs that has the role this way"
OR_SKIPPED = f"or the container in the Pod's annotation {SKIP_CONTAINERS}, if it needs another role"


def pod_checks(declared: DeclaredStack, clusters: ClusterClients, binding: DeclaredBinding) -> list[Check]:
    """Return the checks of the Pods of a binding's service accounts, and their stage."""
    checks, running = list[Check](), list[RunningPod]()
    # One binding of the stack, at least, is on the way.
    has_stage = bool(binding.service_accounts) and any(each.identity != ONLY_IRSA for each in declared.bindings)
    for each in binding.service_accounts:
        question = partial(_of_service_account, binding, each, clusters, running)
        checks += ask(Check(binding.key, PODS, Outcome.OK, each.place), question)
    # Without all Pods, no stage is safe.
    if has_stage and all(check.outcome not in UNANSWERED for check in checks):
        asked = Check(binding.key, STAGE, Outcome.OK, f"binding {named(binding.key)}")
        # A Pod that sees to its credentials itself shows nothing of the next stage.
        is_shown = any(pod.ways for pod in running)
        line = stage_of(binding.identity, running).line
        checks.append(replace(asked, found=line) if is_shown else asked.unanswered(NotCheckedError(NO_POD)))
    return checks


def _of_service_account(
    binding: DeclaredBinding,
    declared: DeclaredServiceAccount,
    clusters: ClusterClients,
    running: list[RunningPod],
    asked: Check,
) -> Iterator[Check]:
    """Check the Pods of a service account, and add them to those that were seen."""
    role_arn, cluster = declared.annotations.get(ROLE_KEY, binding.role_arn), clusters.of(declared.provider)
    pods = cluster.pods(declared.namespace, f"spec.serviceAccountName={declared.name}")
    for pod in pods:
        running.append(running_pod(cluster.place, pod, role_arn, declared.cluster_key))
        about = in_cluster(running[-1].name, declared.cluster_key)
        wrong, way = partial(problems, pod, role_arn, declared.audience), way_of(binding.identity)
        # Where no new Pod gets the role, each may have another one.
        others = other_roles(pod, role_arn) if way is not NO_ROLE else []
        question = partial(_of_pod, running[-1], way, wrong, others)
        yield from ask(replace(asked, about=about), question)
        if running[-1].ways - {NO_ROLE, KEYS} and (names := containers_with_own_credentials(pod)):
            text = f"these containers have credentials of their own: {listed(names)}"
            yield replace(asked, outcome=Outcome.NOT_CHECKED, about=f"{about}, containers", found=text)
    if not pods:
        raise NotCheckedError("no running Pods")


def _of_pod(
    running: RunningPod, way: Way, wrong: Callable[[], Iterable[Problem]], others: Sequence[Problem], asked: Check
) -> Iterator[Check]:
    """Yield what a Pod has in place of what a new one gets."""
    for found, expected in others:
        yield asked.bad(found, f"{expected} from the Pod's template; {OR_SKIPPED}", "")
    if way is POD_IDENTITY and running.no_agent_on:
        found = f"runs on {running.no_agent_on}, where there is no EKS Pod Identity"
        yield asked.bad(found, "a Linux node, or a service account of its own with IRSA", "")
    elif not running.ways and not others:
        raise NotCheckedError("its containers have credentials of their own")
    elif running.left_alone and way not in {NO_ROLE, *running.ways}:
        has = _named(running.ways)
        yield asked.bad(
            f"has {has}, because of {running.left_alone}", f"has {way}: remove that from the Pod's template", ""
        )
    elif way is POD_IDENTITY and running.ways != {POD_IDENTITY}:
        yield asked.bad(f"has {_named(running.ways - {POD_IDENTITY})}", f"has {POD_IDENTITY}", running.restart)
    elif way is not POD_IDENTITY:
        for found, expected in wrong():
            yield asked.bad(found, expected, running.restart)


def _named(ways: Iterable[Way]) -> str:
    return " and ".join(sorted(each.name for each in ways))
