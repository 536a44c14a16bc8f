"""The guards of a stack's clusters, from its settings and bindings."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from irsa.fields import OF_A_GUARD
from irsa.guard.rules import Settings
from irsa.guard_spec import read_guard
from irsa.keys.binding import Keys
from irsa.role.add_ons import service_account_of
from irsa.rules.mistakes import Place, path_of
from irsa.rules.unknown import OUTPUT, Unknown, has_unknown, known_or
from irsa.ways import POD_IDENTITY
from irsa_config.argument_places import place_of
from irsa_config.located_mistake import LocatedMistake
from irsa_config.stack import Stack
from irsa_program.arguments import PlannedBinding
from irsa_program.logical_names import in_cluster
from irsa_program.lookups.values import Lookups


class PlannedGuard(NamedTuple):
    """The guard of a cluster."""

    cluster: str
    name: str
    """Its logical name."""
    args: Mapping[str, Any]
    """The arguments of IdentityGuard, with a marker for each role."""
    bindings: Sequence[str]
    """The keys of the bindings of its service accounts, in their order."""
    settings: Settings
    """What the arguments say, without the service accounts."""


def guard_place(stack: Stack, cluster: str) -> Place:
    """Return the place of the settings of a cluster's guard."""
    own = stack.clusters_by_key[cluster].guard
    return (*stack.place_of_cluster(cluster), "guard") if own else ("guard",)


def planned_guards(
    stack: Stack, lookups: Lookups, bindings: Mapping[str, PlannedBinding]
) -> tuple[Sequence[PlannedGuard], Sequence[LocatedMistake]]:
    """Return the guard of each cluster that has one, and what is wrong with them."""
    guards, mistakes = [], []
    for key in stack.clusters_by_key:
        guard = stack.guard_of(key)
        if guard is None:
            continue
        accounts, of_bindings = [], []
        for name, each in bindings.items():
            account = _guarded(each) if key in stack.clusters_of(each.binding) else None
            if account:
                accounts.append(account)
                of_bindings.append(name)
        if not accounts:
            continue  # and nobody has asked for the cluster's API
        args = {**_arguments(guard), "service_accounts": accounts}
        name = in_cluster("guard", lookups.clusters[key].issuer or key)
        place = guard_place(stack, key)
        spec, wrong = read_guard(name, args, "stack", lambda at: path_of(_in_file(at)))
        # A mistake in a service account is one of its binding.
        mistakes += [
            LocatedMistake((*place, *_in_file(at)), mistake)
            for at, mistake in wrong
            if at[:1] != ("service_accounts",) or not at[1:]
        ]
        guards.append(PlannedGuard(key, name, args, of_bindings, spec.settings))
    return guards, mistakes


def _arguments(settings: Any) -> Any:
    """Return settings as arguments: those that are written."""
    if not isinstance(settings, Keys):
        return settings
    return {name: _arguments(getattr(settings, name)) for name in settings.model_fields_set}


def _in_file(at: Place) -> Place:
    """Return the place of an argument below a guard in the stack file, which has service accounts elsewhere."""
    return () if at[:1] == ("service_accounts",) else place_of(at, OF_A_GUARD)


def _guarded(planned: PlannedBinding) -> dict[str, Any] | None:
    """Return the service account of a binding as IdentityGuard takes it; None without one that is known."""
    identity, declared = planned.binding.identity, planned.declared
    account_of = declared.service_account
    # Without one, that of the chart of its add-ons: with IRSA, the chart annotates it later, nobody knows when.
    if account_of is None:
        decides = [declared.trust, *filter(None, [declared.policy]), *known_or(declared.policies, [])]
        is_known = not any(has_unknown([*each.__dict__.values()]) for each in decides)
        is_known = is_known and not isinstance(declared.policies, Unknown)
        account_of = service_account_of(declared) if POD_IDENTITY in identity.used and is_known else None
    if account_of is None or has_unknown([account_of.namespace, account_of.name]):
        return None
    account: dict[str, Any] = {"namespace": account_of.namespace, "name": account_of.name, "role_arn": OUTPUT}
    account["identity"] = identity.recorded
    audience = declared.audience
    return {**account, "audience": audience} if isinstance(audience, str) else account
