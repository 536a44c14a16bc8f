"""What `irsa verify` compares of a guard: its policies, bindings and ConfigMaps."""

from collections.abc import Iterator

from irsa.guard.rules import namespaces_of, parsed_data
from irsa.rules import commands
from irsa.rules.mistakes import named
from irsa_cli.verify.kinds import GUARD
from irsa_world.compare import of_config_map, of_guard_object
from irsa_world.live.kubernetes import ClusterClients, NoSuchKindError
from irsa_world.report.checks import Check, Outcome, ask
from irsa_world.report.text import counted
from irsa_world.state.declared import DeclaredGuard

TOO_OLD = "the API server has no ValidatingAdmissionPolicy of admissionregistration.k8s.io/v1"


def of_guard(guard: DeclaredGuard, clusters: ClusterClients, stack: str) -> list[Check]:
    """Return the checks of one guard, or one check that says why there is no answer."""
    if guard.unreadable:
        return [Check(guard.name, GUARD, Outcome.CANNOT_TELL, guard.name, guard.unreadable)]
    service_accounts = sum(len(parsed_data(data)) for data in guard.config_maps.values())
    namespaces = {each for data in guard.config_maps.values() for each in namespaces_of(data)}
    counts = f"{counted(service_accounts, 'service account')} in {counted(len(namespaces), 'namespace')}"
    text = f"mode {guard.mode}, {counts}: as declared"
    asked = Check(guard.name, GUARD, Outcome.OK, f"stack {named(guard.stack)}", text, fix=commands.up_of_guard(stack))
    return ask(asked, lambda asked: _differences(asked, guard, clusters))


def _differences(asked: Check, guard: DeclaredGuard, clusters: ClusterClients) -> Iterator[Check]:
    """Yield what is missing or changed of its objects: each may let Pods through that the guard should stop."""
    cluster = clusters.of(guard.cluster)
    kinds = (
        ("policy", "validatingadmissionpolicies", guard.policies),
        ("binding", "validatingadmissionpolicybindings", guard.bindings),
    )
    try:
        for kind, resource, specs in kinds:
            for name, spec in specs.items():
                yield from of_guard_object(asked, f"{kind} {named(name)}", spec, cluster.object_of(resource, name))
    except NoSuchKindError:
        yield asked.bad(TOO_OLD, "Kubernetes 1.30 or newer, or irsa:guard: off", "")
        return
    for name, data in guard.config_maps.items():
        live = cluster.object_of("configmaps", name, guard.namespace)
        yield from of_config_map(asked, f"ConfigMap {named(name)}", data, live)
