"""What is wrong between the arguments of the add-ons of one role, and which service account they have."""

from collections.abc import Callable, Iterator, Sequence, Set

from irsa.add_ons.catalog import AddOn, add_on, names
from irsa.add_ons.document import managed_policies
from irsa.add_ons.parameters import CLUSTER_NAMES, EVERYTHING, PARAMETERS, SWITCHES
from irsa.keys.binding import AddOnParameters, Policy, ServiceAccountKeys, ServiceAccountRoleKeys
from irsa.rules.mistakes import Located, Mistake, Place, Spelling, in_advice, listed, nearest, shortened
from irsa.rules.unknown import is_there, known_or, may_be_there, or_else

SINGLE: Place = ("policy",)
OF_AN_ADD_ON = {"version", "scope", *PARAMETERS, *SWITCHES}
OF_A_CREATED_POLICY = ("name", "path", "description", "tags")


def add_ons_of(binding: ServiceAccountRoleKeys) -> Iterator[tuple[Place, AddOnParameters, AddOn]]:
    """Yield each add-on that is named, with the place of its arguments, and these."""
    policies = enumerate(known_or(binding.policies, []))
    several = [(("policies", index), each, each.add_on) for index, each in policies]
    single = [(SINGLE, binding.policy, binding.policy.add_on)] if binding.policy else []
    for place, settings, name in (*single, *several):
        if isinstance(name, str) and name in names():
            yield place, settings, add_on(name)


def usual_subject(add_ons: Sequence[AddOn]) -> tuple[str, str] | None:
    """Return namespace and name of the service account that the charts of all these add-ons make; None of several."""
    found = {(each.namespace, each.service_account) for each in add_ons}
    return found.pop() if len(found) == 1 else None


def service_account_of(binding: ServiceAccountRoleKeys) -> ServiceAccountKeys | None:
    """Return the role's service account: the declared one, or where no subject is named, the add-ons' usual one."""
    if binding.service_account or binding.trust.subjects:
        return binding.service_account
    usual = usual_subject([each for _, _, each in add_ons_of(binding)])
    return ServiceAccountKeys.of({"namespace": usual[0], "name": usual[1]}) if usual else None


def add_on_mistakes(binding: ServiceAccountRoleKeys, spelling: Spelling) -> Iterator[Located]:
    """Yield what is wrong between the arguments of add-ons, each with the argument to look at."""
    add_ons = [*add_ons_of(binding)]
    if binding.policy:
        yield from _of_the_policy(binding.policy, spelling)
    first: dict[str, Place] = {}
    for place, settings, each in add_ons:
        if (other := first.setdefault(each.name, place)) != place:
            found = f"{each.name}, which is also {spelling(other)}"
            yield (*place, "add_on"), Mistake(found, "each add-on once", "remove one of them")
        yield from _of_an_add_on(place, each, settings, binding, spelling)
    if not add_ons or binding.service_account or may_be_there(binding.trust.subjects):
        return
    every = [each for _, _, each in add_ons]
    if usual_subject(every) is None:
        several = listed([f"{each.name} ({each.subject})" for each in every])
        ways = " or ".join(map(spelling, [("service_account",), ("trust", "subjects")]))
        found = f"add-ons with several service accounts: {several}"
        yield ("policies",), Mistake(found, "the service accounts that get all of it", f"add {ways}, or divide them")


def _of_the_policy(policy: Policy, spelling: Spelling) -> Iterator[Located]:
    """Yield what is wrong with `policy`: it has a document, or an add-on."""
    has_document, has_add_on = is_there(policy.document), is_there(policy.add_on)
    if has_document and not has_add_on and not OF_AN_ADD_ON & policy.written().keys():
        return
    document, of_add_on = (spelling((*SINGLE, each)) for each in ("document", "add_on"))
    if has_document and has_add_on:
        yield SINGLE, Mistake(f"both {document} and {of_add_on}", "one of them", "remove one of them")
    elif not may_be_there(policy.document) and not may_be_there(policy.add_on):
        found = f"neither {document} nor {of_add_on}"
        yield SINGLE, Mistake(found, "exactly one of them", f"add {document}, or {of_add_on}")
    for name in sorted(OF_AN_ADD_ON & policy.written().keys()) if not has_add_on else ():
        found = f"{spelling((*SINGLE, name))} without {of_add_on}"
        yield (*SINGLE, name), Mistake(found, "what an add-on takes", f"remove it, or add {of_add_on}")


def _of_an_add_on(
    place: Place, each: AddOn, settings: AddOnParameters, binding: ServiceAccountRoleKeys, spelling: Spelling
) -> Iterator[Located]:
    def said(name: str) -> str:
        return spelling((*place, name)).rpartition(".")[2]

    here = {name: (*place, name) for name in settings.written()}
    version = or_else(settings.version, each.newest)
    if isinstance(version, str) and version not in each.versions:
        found = f"{shortened(version)}, for which there is no policy of {each.name}"
        fix = f"write {each.newest}, the one version that irsa knows, or a policy document (`irsa add-ons {each.name}`)"
        yield here["version"], Mistake(found, listed([*each.versions]), fix)
        version = each.newest
    for name in [name for name in here if name in {*PARAMETERS, *SWITCHES} and name not in each.parameters]:
        takes = [said(taken) for taken in each.parameters]
        found = f"{said(name)}, which {each.name} does not have"
        yield here[name], Mistake(found, listed(takes) or "no parameters", nearest(said(name), takes, "remove it"))
    scope = settings.scope
    of_scope = [*each.require_one_of, *(name for name, taken in each.parameters.items() if taken.required)]
    named = [name for name in of_scope if name in here]
    everything = scope == EVERYTHING
    if everything and not each.everything:
        found = f"a scope, which {each.name} does not have"
        yield here["scope"], Mistake(found, "no scope", "remove it")
    elif everything and named:
        found = f'"{EVERYTHING}", together with {", ".join(map(said, named))}'
        yield here["scope"], Mistake(found, "one or the other", "remove one of them")
    elif scope is None:
        yield from _missing(place, each, here.keys(), bool(known_or(binding.cluster_arns, {})), said)
    created = [name for name in OF_A_CREATED_POLICY if place == SINGLE and name in here]
    if created and isinstance(version, str) and (managed := managed_policies(each, version, known_or(scope, None))):
        found = f"{', '.join(map(said, created))}, of AWS's own {listed(managed)}, which is attached"
        yield here[created[0]], Mistake(found, "what a created policy has", f"remove {', '.join(map(said, created))}")


def _missing(
    place: Place, each: AddOn, here: Set[str], has_clusters: bool, said: Callable[[str], str]
) -> Iterator[Located]:
    """Yield the parameters without which an add-on could reach what nobody has named."""
    # The names of clusters are in their ARNs.
    clusters = [[CLUSTER_NAMES]] if CLUSTER_NAMES in each.parameters and not has_clusters else []
    missing = [one for one in (*clusters, *each.must_be_named) if not here & {*one}]
    for names_of_one in missing:
        ways = " or ".join(map(said, names_of_one))
        first = names_of_one[0]
        allowed = f"{ways}: {each.parameters[first].about}"
        fix = f"add {said(first)}: {in_advice([PARAMETERS[first].example], 'a list')}, with yours"
        found = f"{each.name} without {ways}"
        if each.everything:
            found, fix = f"{found}, which would reach {each.everything}", f'{fix}; or scope: "{EVERYTHING}" if it may'
        yield place, Mistake(found, allowed, fix)
