"""`${cluster}` is the name of one cluster: a binding that uses it has one cluster, and that one a name."""

from collections.abc import Iterator, Mapping
from typing import Any

from config.located_mistake import LocatedMistake
from config.policy_sources import PolicySources
from config.variable_keys import values_with_variables
from config.variables import references
from irsa.rules.mistakes import Mistake, Place, listed, path_of

DEFAULT_BOUNDARY: Place = ("defaults", "permissionsBoundary")


def cluster_variable_mistakes(settings: Mapping[str, Any], sources: PolicySources) -> Iterator[LocatedMistake]:
    """Yield each use of `${cluster}` in a binding whose cluster has no name, or that has several clusters.

    Args:
        settings: The settings, of whatever shape, with the file of each policy read into its document.
        sources: Their policy sources.
    """
    bindings = settings.get("bindings")
    boundary = _at(settings, DEFAULT_BOUNDARY)
    reported: set[tuple[Any, ...]] = set()
    for key, binding in bindings.items() if isinstance(bindings, dict) else ():
        mistake = _mistake(binding, settings) if isinstance(binding, dict) else None
        if mistake is None:
            continue
        found: list[LocatedMistake] = []
        for place, value in values_with_variables(binding):
            if place[-1] == "document":
                found += [sources.locate(("bindings", key, *place[:-1]), part, mistake) for part in _uses(value)]
            else:
                found += [LocatedMistake(used, mistake) for used in _uses(value, ("bindings", key, *place))]
        if "arn" not in _role(binding) and "permissionsBoundary" not in _role(binding):
            found += [LocatedMistake(place, mistake) for place in _uses(boundary, DEFAULT_BOUNDARY)]
        for each in found:
            # A file, and the defaults, are the same for all bindings.
            identity = (each.file, each.within or each.place, each.mistake.found)
            if identity not in reported:
                reported.add(identity)
                yield each


def _mistake(binding: Mapping[str, Any], settings: Mapping[str, Any]) -> Mistake | None:
    """Return why a binding can't use the variable; None where it can, or where its clusters are wrong themselves."""
    several = settings.get("clusters")
    if not isinstance(several, dict):
        chosen, clusters = ["cluster"], {"cluster": settings.get("cluster")}
    else:
        named = binding.get("clusters")
        chosen, clusters = list(named if isinstance(named, list) and named else several), several
    if len(chosen) > 1:
        found = f"${{cluster}}, with several clusters: {listed(list(map(str, chosen)))}"
        return Mistake(found, "the name of one cluster", "write the name itself, or a binding for each cluster")
    cluster = clusters.get(chosen[0]) if chosen and isinstance(chosen[0], str) else None
    if not isinstance(cluster, dict) or "name" in cluster:
        return None
    place = path_of(("clusters", chosen[0]) if isinstance(several, dict) else ("cluster",))
    found, fix = f"${{cluster}}, and irsa:{place} has no name", f"add name to irsa:{place}, or write the name itself"
    return Mistake(found, "the name of the EKS cluster", fix)


def _uses(value: Any, place: Place = ()) -> Iterator[Place]:
    """Yield the place of each string, and of each key, that holds the variable."""
    if isinstance(value, str):
        if "cluster" in references(value):
            yield place
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _uses(key, (*place, key))
            yield from _uses(item, (*place, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _uses(item, (*place, index))


def _role(binding: Mapping[str, Any]) -> Mapping[str, Any]:
    role = binding.get("role")
    return role if isinstance(role, dict) else {}


def _at(value: Any, place: Place) -> Any:
    for key in place:
        value = value.get(key) if isinstance(value, dict) else None
    return value
