"""What `irsa verify` compares of a guard: its policies, bindings and ConfigMaps."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from irsa.guard.rules import namespaces_of, parsed_data
from irsa.rules import commands
from irsa.rules.mistakes import Place, listed, named, path_of, shortened
from irsa_cli.compared import GUARD
from irsa_cli.progress import check_all
from irsa_cli.report.checks import Check, Outcome, outcome_of
from irsa_cli.report.text import counted
from irsa_world.exits import CouldNotLookError, unexpected
from irsa_world.live.kubernetes import ClusterClient, ClusterClients, NoSuchKindError
from irsa_world.live.service import CONCURRENT
from irsa_world.state.declared import DeclaredGuard, DeclaredStack

KINDS = {"validatingadmissionpolicies": "policy", "validatingadmissionpolicybindings": "binding"}
# What the API server fills in: https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/
DEFAULTS: Mapping[str, Any] = {
    "matchPolicy": "Equivalent",
    "namespaceSelector": {},
    "objectSelector": {},
    "matchResources": {"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}},
    "scope": "*",
}
TOO_OLD = "the API server has no ValidatingAdmissionPolicy of admissionregistration.k8s.io/v1"
MISSING = ("it does not exist, so that it guards nothing", "that it exists")
UNDERSTOOD = "expressions that the API server understands: one that fails lets every Pod through"
ABSENT = object()

NewCheck = Callable[..., Check]


def guard_checks(declared: DeclaredStack) -> list[Check]:
    """Return the checks of a stack's guards, by what the clusters answer now."""
    clusters = ClusterClients(declared.clusters)
    return check_all("verify", declared.guards, lambda each: of_guard(each, clusters, declared.stack), CONCURRENT)


def of_guard(guard: DeclaredGuard, clusters: ClusterClients, stack: str) -> list[Check]:
    """Return the checks of one guard, or one check that says why there is no answer."""
    if guard.unreadable:
        return [Check(guard.name, GUARD, Outcome.CANNOT_TELL, guard.name, guard.unreadable)]
    whole = f"stack {named(guard.stack)}"

    def check(outcome: Outcome, found: str = "", expected: str = "", fix: str = "", about: str = whole) -> Check:
        return Check(guard.name, GUARD, outcome, about, found, expected, fix)

    try:
        return [*_as_declared(check, guard, clusters.of(guard.cluster), commands.up_of_guard(stack))]
    except NoSuchKindError:
        return [check(Outcome.FINDING, TOO_OLD, "Kubernetes 1.30 or newer, or irsa:guard: off")]
    except CouldNotLookError as error:
        return [check(outcome_of(error), str(error))]
    except Exception as error:
        return [check(Outcome.CANNOT_TELL, unexpected(error))]


def _as_declared(check: NewCheck, guard: DeclaredGuard, cluster: ClusterClient, repair: str) -> Iterator[Check]:
    """Check its objects: each that is missing or changed may let Pods through that the guard should stop."""
    found: list[Check] = []
    for (resource, kind), specs in zip(KINDS.items(), (guard.policies, guard.bindings), strict=True):
        for name, spec in specs.items():
            of_it = partial(check, about=f"{kind} {named(name)}")
            found += _of_object(of_it, spec, cluster.object_of(resource, name), repair)
    for name, data in guard.config_maps.items():
        of_it = partial(check, about=f"ConfigMap {named(name)}")
        found += _of_config_map(of_it, data, cluster.object_of("configmaps", name, guard.namespace), repair)
    yield from found
    if not found:
        service_accounts = sum(len(parsed_data(data)) for data in guard.config_maps.values())
        namespaces = {each for data in guard.config_maps.values() for each in namespaces_of(data)}
        counts = f"{counted(service_accounts, 'service account')} in {counted(len(namespaces), 'namespace')}"
        yield check(Outcome.OK, f"mode {guard.mode}, {counts}: as declared")


def _of_object(
    check: NewCheck, spec: Mapping[str, Any], live: Mapping[str, Any] | None, repair: str
) -> Iterator[Check]:
    """Check a policy or a binding, and what the API server says of a policy's expressions."""
    if live is None:
        yield check(Outcome.FINDING, *MISSING, repair)
        return
    changes = [*differences(spec, live.get("spec") or {}, ("spec",))]
    for place, *values in changes:
        texts = (f"{path_of(place)}: {_text(each)}" for each in values)
        yield check(Outcome.FINDING, *texts, repair)
    checked = (live.get("status") or {}).get("typeChecking") or {}
    for each in checked.get("expressionWarnings") or ():
        found = f"{named(each.get('fieldRef') or '')}: {named(each.get('warning') or '')}"
        # What is as declared is not repaired by `pulumi up`.
        yield check(Outcome.FINDING, found, UNDERSTOOD, repair if changes else "")


def _of_config_map(
    check: NewCheck, data: Mapping[str, str], live: Mapping[str, Any] | None, repair: str
) -> Iterator[Check]:
    if live is None:
        yield check(Outcome.FINDING, *MISSING, repair)
        return
    now: Mapping[str, str] = live.get("data") or {}
    missing, more = sorted({*data} - {*now}), sorted({*now} - {*data})
    if missing:
        yield check(Outcome.FINDING, f"it lacks {listed(missing)}", f"{len(data):,} declared entries", repair)
    if more:
        yield check(Outcome.FINDING, f"it has {listed(more)}", "no entries that are not declared", repair)
    changed = sorted(key for key in {*data} & {*now} if data[key] != now[key])
    for key in changed[:1]:
        others = f"; changed are also {listed(changed[1:])}" if changed[1:] else ""
        found = f"{named(key)}: {named(now[key])}{others}"
        yield check(Outcome.FINDING, found, f"{named(key)}: {named(data[key])}", repair)


def differences(declared: Any, live: Any, place: Place) -> Iterator[tuple[Place, Any, Any]]:
    """Yield where what is live differs, with what is there and what is declared; defaults of the API server do not."""
    if isinstance(declared, Mapping) and isinstance(live, Mapping):
        for key in dict.fromkeys((*declared, *live)):
            default = DEFAULTS.get(key, ABSENT)
            yield from differences(declared.get(key, default), live.get(key, default), (*place, key))
    elif _has_objects(declared) and _has_objects(live) and len(declared) == len(live):
        for index, (before, now) in enumerate(zip(declared, live, strict=True)):
            yield from differences(before, now, (*place, index))
    elif declared != live:
        yield place, live, declared


def _has_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, Mapping) for each in value)


def _text(value: Any) -> str:
    return "nothing" if value is ABSENT else named(value) if isinstance(value, str) else shortened(value)
