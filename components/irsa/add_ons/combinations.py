"""What is wrong between the arguments of the add-ons of one role, and which service account they have."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from irsa.add_ons.catalog import AddOn, add_on, names
from irsa.add_ons.document import managed_policies
from irsa.add_ons.parameters import CLUSTER_NAMES, EVERYTHING, PARAMETERS, SWITCHES
from irsa.rules.leaves import mapping_of
from irsa.rules.mistakes import Located, Mistake, Place, Spelling, in_advice, listed, nearest, shortened
from irsa.rules.unknown import stands

SINGLE: Place = ("policy",)
OF_A_CREATED_POLICY = ("name", "path", "description", "tags")


def add_ons_of(given: Mapping[Place, Any]) -> Mapping[Place, AddOn]:
    """Return the add-ons that are named, each with the place of its arguments."""
    places = [place[:-1] for place in given if place[-1:] == ("add_on",) and place[0] in ("policy", "policies")]
    named = {place: given[*place, "add_on"] for place in places}
    return {place: add_on(name) for place, name in named.items() if isinstance(name, str) and name in names()}


def usual_subject(add_ons: Sequence[AddOn]) -> tuple[str, str] | None:
    """Return namespace and name of the service account that the charts of all these add-ons make; None of several."""
    found = {(each.namespace, each.service_account) for each in add_ons}
    return found.pop() if len(found) == 1 else None


def add_on_mistakes(given: Mapping[Place, Any], spelling: Spelling) -> Iterator[Located]:
    """Yield what is wrong between the arguments of add-ons, each with the argument to look at.

    Args:
        given: The arguments that are there, with their values, of whatever shape these are.
        spelling: How the caller spells an argument.
    """
    add_ons = add_ons_of(given)
    yield from _of_the_policy(given, spelling)
    first: dict[str, Place] = {}
    for place, each in add_ons.items():
        if (other := first.setdefault(each.name, place)) != place:
            found = f"{each.name}, which is also {spelling(other)}"
            yield (*place, "add_on"), Mistake(found, "each add-on once", "remove one of them")
        yield from _of_an_add_on(place, each, given, spelling)
    places: Sequence[Place] = (("service_account",), ("trust", "subjects"))
    if add_ons and not any(stands(place, given) for place in places) and usual_subject([*add_ons.values()]) is None:
        several = listed([f"{each.name} ({each.subject})" for each in add_ons.values()])
        ways = " or ".join(map(spelling, places))
        found = f"add-ons with several service accounts: {several}"
        yield ("policies",), Mistake(found, "the service accounts that get all of it", f"add {ways}, or divide them")


def _of_the_policy(given: Mapping[Place, Any], spelling: Spelling) -> Iterator[Located]:
    """Yield what is wrong with `policy`: it has a document, or an add-on."""
    if not isinstance(given.get(SINGLE), Mapping):
        return
    here = {place[1] for place in given if place[:1] == SINGLE and place[1:]}
    document, of_add_on = (spelling((*SINGLE, each)) for each in ("document", "add_on"))
    if {"document", "add_on"} <= here:
        yield SINGLE, Mistake(f"both {document} and {of_add_on}", "one of them", "remove one of them")
    elif not {"document", "add_on"} & here:
        found = f"neither {document} nor {of_add_on}"
        yield SINGLE, Mistake(found, "exactly one of them", f"add {document}, or {of_add_on}")
    for name in sorted(here & {"version", "scope", *PARAMETERS, *SWITCHES}) if "add_on" not in here else ():
        found = f"{spelling((*SINGLE, name))} without {of_add_on}"
        yield (*SINGLE, name), Mistake(found, "what an add-on takes", f"remove it, or add {of_add_on}")


def _of_an_add_on(place: Place, each: AddOn, given: Mapping[Place, Any], spelling: Spelling) -> Iterator[Located]:
    def said(name: str) -> str:
        return spelling((*place, name)).rpartition(".")[2]

    here = {at[len(place)]: at for at in given if at[:-1] == place}
    version = given.get((*place, "version"), each.newest)
    if isinstance(version, str) and version not in each.versions:
        found = f"{shortened(version)}, for which there is no policy of {each.name}"
        fix = f"write the newest that is not newer than your release; `irsa add-ons {each.name}` says what it needs"
        yield here["version"], Mistake(found, listed([*each.versions]), fix)
        version = each.newest
    for name in here.keys() & {*PARAMETERS, *SWITCHES} - each.parameters.keys():
        takes = [said(taken) for taken in each.parameters]
        found = f"{said(str(name))}, which {each.name} does not have"
        yield here[name], Mistake(found, listed(takes) or "no parameters", nearest(said(str(name)), takes, "remove it"))
    scope = given.get((*place, "scope"))
    of_scope = [*each.require_one_of, *(name for name, taken in each.parameters.items() if taken.required)]
    named = [name for name in of_scope if name in here]
    everything = scope == EVERYTHING
    if everything and not each.everything:
        found = (
            f"a scope, which {each.name} does not have: its actions are on everything, or on what its parameters name"
        )
        yield here["scope"], Mistake(found, "no scope", "remove it")
    elif everything and named:
        found = f'"{EVERYTHING}", together with {", ".join(map(said, named))}'
        yield here["scope"], Mistake(found, "one or the other", "remove one of them")
    elif scope is None:
        yield from _missing(place, each, here, given, said)
    created = [name for name in OF_A_CREATED_POLICY if place == SINGLE and name in here]
    if created and isinstance(version, str) and (managed := managed_policies(each, version, scope)):
        found = f"{', '.join(map(said, created))}, of AWS's own {listed(managed)}, which is attached"
        yield here[created[0]], Mistake(found, "what a created policy has", f"remove {', '.join(map(said, created))}")


def _missing(
    place: Place, each: AddOn, here: Mapping[Any, Place], given: Mapping[Place, Any], said: Any
) -> Iterator[Located]:
    """Yield the parameters without which an add-on could reach what nobody has named."""
    # The names of clusters are in their ARNs.
    clusters = [[CLUSTER_NAMES]] if CLUSTER_NAMES in each.parameters and not _has_clusters(given) else []
    missing = [one for one in (*clusters, *each.must_be_named) if not here.keys() & {*one}]
    for names_of_one in missing:
        ways = " or ".join(map(said, names_of_one))
        first = names_of_one[0]
        allowed = f"{ways}: {each.parameters[first].about}"
        fix = f"add {said(first)}: {in_advice([PARAMETERS[first].example], 'a list')}, with yours"
        found = f"{each.name} without {ways}"
        if each.everything:
            found, fix = f"{found}, which would reach {each.everything}", f'{fix}; or scope: "{EVERYTHING}" if it may'
        yield place, Mistake(found, allowed, fix)


def _has_clusters(given: Mapping[Place, Any]) -> bool:
    return bool(mapping_of(given.get(("cluster_arns",))))
