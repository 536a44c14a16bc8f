"""The guards of a stack's clusters, from its settings and bindings."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from irsa.fields import OF_A_GUARD
from irsa.guard.rules import GuardSettings
from irsa.guard_spec import read_guard
from irsa.keys.binding import Keys
from irsa.role.add_ons import service_account_of
from irsa.rules.mistakes import Place, path_of
from irsa.rules.unknown import OUTPUT, Unknown, has_unknown, known_or, text_of
from irsa.ways import POD_IDENTITY, Identity
from irsa_config.argument_places import place_of
from irsa_config.lint.checked import CheckedBinding
from irsa_config.located_mistake import LocatedMistake
from irsa_config.models import Guard
from irsa_config.stack import Stack
from irsa_program.logical_names import in_cluster
from irsa_program.lookups.values import Lookups


class GuardedAccount(NamedTuple):
    """A service account that a guard guards."""

    binding: str
    """Key of its binding."""
    namespace: str
    name: str
    identity: Identity
    audience: str | None


class PlannedGuard(NamedTuple):
    """The guard of a cluster."""

    cluster: str
    name: str
    """Its logical name."""
    written: Guard
    """What the stack file says of it."""
    accounts: Sequence[GuardedAccount]
    settings: GuardSettings
    """What it does, whomever it guards."""


def guard_place(stack: Stack, cluster: str) -> Place:
    """Return the place of the settings of a cluster's guard."""
    own = stack.clusters_by_key[cluster].guard
    return (*stack.place_of_cluster(cluster), "guard") if own else ("guard",)


def planned_guards(
    stack: Stack, lookups: Lookups, bindings: Mapping[str, CheckedBinding]
) -> tuple[Sequence[PlannedGuard], Sequence[LocatedMistake]]:
    """Return the guard of each cluster that has one, and what is wrong with them."""
    guards, mistakes = [], []
    for key in stack.clusters_by_key:
        guard = stack.guard_of(key)
        if guard is None:
            continue
        of_cluster = (each for each in bindings.values() if key in stack.clusters_of(each.binding))
        accounts = [*filter(None, map(_guarded, of_cluster))]
        if not accounts:
            continue  # and nobody has asked for the cluster's API
        args = arguments_of(guard, [(each, OUTPUT) for each in accounts])
        name = in_cluster("guard", text_of(lookups.clusters[key].issuer) or key)
        place = guard_place(stack, key)
        spec, wrong = read_guard(name, args, "stack", lambda at: path_of(_in_file(at)))
        # A mistake in a service account is one of its binding.
        mistakes += [
            LocatedMistake((*place, *_in_file(at)), mistake)
            for at, mistake in wrong
            if at[:1] != ("service_accounts",) or not at[1:]
        ]
        guards.append(PlannedGuard(key, name, guard, accounts, spec.settings))
    return guards, mistakes


def arguments_of(guard: Guard, accounts: Iterable[tuple[GuardedAccount, object]]) -> dict[str, object]:
    """Return the arguments of IdentityGuard for service accounts, each with the ARN of its role, known or not."""
    written = {name: each.written() if isinstance(each, Keys) else each for name, each in guard.written().items()}
    written["service_accounts"] = [
        {
            "namespace": each.namespace,
            "name": each.name,
            "role_arn": role_arn,
            "identity": each.identity.recorded,
            **({"audience": each.audience} if each.audience else {}),
        }
        for each, role_arn in accounts
    ]
    return written


def _in_file(at: Place) -> Place:
    """Return the place of an argument below a guard in the stack file, which has service accounts elsewhere."""
    return () if at[:1] == ("service_accounts",) else place_of(at, OF_A_GUARD)


def _guarded(planned: CheckedBinding) -> GuardedAccount | None:
    """Return the service account of a binding; None without one that is known."""
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
    audience = declared.audience if isinstance(declared.audience, str) else None
    return GuardedAccount(planned.binding.key, str(account_of.namespace), str(account_of.name), identity, audience)
