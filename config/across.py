"""Mistakes that no single key shows: what excludes, needs or repeats what.

The values may be of any shape here; what a single key shows is told by the models.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from config import arguments
from config.explaining import keys_at
from config.places import LocatedMistake, Place
from config.variables import BUILT_IN, Unseen
from irsa.rules import combinations
from irsa.rules.arns import issuer_host_path
from irsa.rules.mistakes import Mistake
from irsa.rules.policies import CHAINING_POLICY
from irsa.rules.subjects import DEFAULT_NAMESPACE, check_any_service_account
from irsa.rules.trust import check_conditions


def mistakes_across(values: Mapping[str, Any]) -> Iterator[LocatedMistake]:
    """Give these mistakes of a stack's `irsa:` values."""
    yield from _of_the_top(values)
    yield from _of_cluster(("cluster",), values.get("cluster"), values)
    for key, cluster in _mapping(values.get("clusters")).items():
        yield from _of_cluster(("clusters", key), cluster, values)
    for key, account in _mapping(values.get("accounts")).items():
        ways = {"profile", "assumeRoleArn"} & _mapping(account).keys()
        if isinstance(account, dict) and len(ways) != 1:
            found, fix = "neither profile nor assumeRoleArn", "add one of them"
            if ways:
                found, fix = "both profile and assumeRoleArn", "keep one of them"
            yield _mistake(("accounts", key), found, "exactly one of them", fix)
    bindings = _mapping(values.get("bindings"))
    for key, binding in bindings.items():
        if isinstance(binding, dict):
            yield from _within(key, binding)
            yield from _references(key, binding, values)
    yield from _repeated(bindings, values)
    for rule, silence in _mapping(_mapping(values.get("lint")).get("silence")).items():
        for index, key in enumerate(_list(_mapping(silence).get("bindings"))):
            yield from _unknown(("lint", "silence", rule, "bindings", index), key, "irsa:bindings", bindings)


def _of_the_top(values: Mapping[str, Any]) -> Iterator[LocatedMistake]:
    if ("cluster" in values) == ("clusters" in values):
        found = "both cluster and clusters" if "cluster" in values else "neither cluster nor clusters"
        yield _mistake(
            ("cluster",), found, "exactly one of them", "give `cluster`, or `clusters` when there are several"
        )
    if values.get("clusters") == {}:
        yield _mistake(("clusters",), "no cluster", "at least one", "add a cluster, or use `cluster`")
    for name in BUILT_IN:
        if name in _mapping(values.get("variables")):
            found = f"{name!r}, which irsa fills in itself"
            yield _mistake(("variables", name), found, "names other than the built-in ones", "rename it")


def _of_cluster(place: Place, cluster: Any, values: Mapping[str, Any]) -> Iterator[LocatedMistake]:
    if not isinstance(cluster, dict):
        return
    explicit = "oidcIssuer" in cluster and ("oidcProviderArn" in cluster or cluster.get("createOidcProvider"))
    if not ("name" in cluster or "stack" in cluster or explicit or _misspelled(place, cluster)):
        found = f"only {', '.join(map(str, cluster))}" if cluster else "nothing"
        allowed = "name; or stack; or oidcIssuer with oidcProviderArn or with createOidcProvider: true"
        yield _mistake(place, found, allowed, "add what is missing")
    if cluster.get("createOidcProvider") and "oidcProviderArn" in cluster:
        found = "both createOidcProvider and oidcProviderArn"
        yield _mistake(place, found, "one of them", "leave out the one that is not so")
    if _mapping(cluster.get("kubernetes")).get("eks") and "name" not in cluster:
        yield _mistake((*place, "kubernetes", "eks"), "true, without the cluster's name", "it with name", "add name")
    if "account" in cluster:
        yield from _unknown((*place, "account"), cluster["account"], "irsa:accounts", values.get("accounts"))
    issuer, provider = cluster.get("oidcIssuer"), cluster.get("oidcProviderArn")
    if isinstance(issuer, str) and isinstance(provider, str) and ":oidc-provider/" in provider:
        wanted = issuer_host_path(issuer)
        if provider.split(":oidc-provider/", 1)[1] != wanted:
            found = f"{provider!r}, a provider for another issuer"
            allowed = f"the provider of oidcIssuer: its ARN ends with {wanted}"
            yield _mistake((*place, "oidcProviderArn"), found, allowed, "correct one of the two")


def _within(key: str, binding: Mapping[str, Any]) -> Iterator[LocatedMistake]:
    place: Place = ("bindings", key)
    created = (*combinations.OF_A_CREATED_ROLE, *arguments.KEYS_OF_A_CREATED_ROLE)
    for argument, mistake in combinations.combination_mistakes(arguments.given(binding), arguments.spelled, created):
        # A misspelled key is told by the models; that its setting is missing would be a second mistake for one slip.
        if argument or not _misspelled(place, binding):
            yield LocatedMistake((*place, *arguments.place_of(argument)), mistake)
    for name, source in (("policy", binding.get("policy")), *_inline(binding)):
        if isinstance(source, dict) and ("file" in source) == ("document" in source):
            found, fix = "neither file nor document", "add file, or document"
            if "file" in source:
                found, fix = "both file and document", "keep one of them"
            yield _mistake((*place, *name.split("\0")), found, "exactly one of file and document", fix)
    trust = _mapping(binding.get("trust"))
    subjects = [subject for subject in _list(trust.get("subjects")) if isinstance(subject, str)]
    if trust.get("anyServiceAccount") is not True:
        try:
            check_any_service_account(subjects)
        except Mistake as mistake:
            yield LocatedMistake((*place, "trust", "subjects"), mistake)
    if "assumeRoleArns" in binding and CHAINING_POLICY in _mapping(binding.get("inlinePolicies")):
        found = f"{CHAINING_POLICY!r}, which is the inline policy that assumeRoleArns makes"
        yield _mistake((*place, "inlinePolicies", CHAINING_POLICY), found, "another name", "rename it")
    try:
        check_conditions(_conditions(trust))
    except Mistake as mistake:
        yield LocatedMistake((*place, "trust", "conditions"), mistake)


def _conditions(trust: Mapping[str, Any]) -> dict[str, Any]:
    conditions = _mapping(trust.get("conditions")).items()
    return {operator: {str(key): value for key, value in _mapping(keys).items()} for operator, keys in conditions}


def _inline(binding: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(f"inlinePolicies\0{name}", source) for name, source in _mapping(binding.get("inlinePolicies")).items()]


def _references(key: str, binding: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[LocatedMistake]:
    """Names of clusters, accounts and bindings that are declared elsewhere in the file."""
    place: Place = ("bindings", key)
    for index, cluster in enumerate(_list(binding.get("clusters"))):
        yield from _unknown((*place, "clusters", index), cluster, "irsa:clusters", values.get("clusters"))
    for index, cluster in enumerate(_list(binding.get("clusters"))):
        if cluster in _list(binding.get("clusters"))[:index]:
            yield _mistake((*place, "clusters", index), f"{cluster!r} a second time", "each cluster once", "remove it")
    declared = _mapping(values.get("clusters"))
    chosen = [name for name in _list(binding.get("clusters")) if isinstance(name, str)] or list(declared)
    same = [name for name in chosen if "kubernetes" not in _mapping(declared.get(name))]
    if len(same) > 1 and "serviceAccount" in binding:
        found = f"the clusters {', '.join(same)} without `kubernetes`, which would be one and the same API"
        allowed = "at most one cluster of a binding reached by the stack's own `kubernetes:` settings"
        yield _mistake((*place, "serviceAccount"), found, allowed, "add kubernetes: {context: ...} to the clusters")
    if "account" in binding:
        yield from _unknown((*place, "account"), binding["account"], "irsa:accounts", values.get("accounts"))
    former = binding.get("formerly")
    if isinstance(former, str) and former in _mapping(values.get("bindings")):
        found = f"{former!r}, which is still a binding"
        yield _mistake((*place, "formerly"), found, "the key of before, which is gone", "remove one of the two")


def _unknown(place: Place, name: Any, where: str, declared: Any) -> Iterator[LocatedMistake]:
    known = [str(key) for key in _mapping(declared)]
    if name in known or not isinstance(name, str) or isinstance(name, Unseen):
        return  # a value that is no text is told by the models
    nearest = difflib.get_close_matches(str(name), known, n=1)
    fix = f"did you mean {nearest[0]!r}?" if nearest else f"add it to {where}"
    yield _mistake(place, f"{name!r} is not in {where}", ", ".join(known) or f"nothing, as there is no {where}", fix)


def _repeated(bindings: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[LocatedMistake]:
    """Service accounts, roles and policies that two bindings claim; IAM compares names without case."""
    default = _mapping(values.get("defaults")).get("namespace") or DEFAULT_NAMESPACE
    every = list(_mapping(values.get("clusters"))) or [""]
    owners: dict[tuple[str, ...], str] = {}
    for key, binding in bindings.items():
        for place, what, identities in _claims(key, _mapping(binding), default, every):
            others = [owner for identity in identities if (owner := owners.setdefault(identity, key)) != key]
            if others:
                yield _taken(place, what, others[0])


def _claims(
    key: str, binding: Mapping[str, Any], default: Any, every: Sequence[str]
) -> Iterator[tuple[Place, str, list[tuple[str, ...]]]]:
    """Give what a binding claims: where, in words, and what no other binding may claim."""
    account = _mapping(binding.get("serviceAccount"))
    name, namespace = account.get("name"), account.get("namespace", default)
    if isinstance(name, str) and isinstance(namespace, str) and not {type(name), type(namespace)} & {Unseen}:
        clusters = [str(cluster) for cluster in _list(binding.get("clusters")) or every]
        identities: list[tuple[str, ...]] = [("service account", cluster, namespace, name) for cluster in clusters]
        yield ("bindings", key, "serviceAccount"), f"service account {namespace}:{name}", identities
    for kind in ("role", "policy"):
        name = _mapping(binding.get(kind)).get("name")
        if isinstance(name, str) and not isinstance(name, Unseen):
            identity = (kind, str(binding.get("account")), name.lower())
            yield ("bindings", key, kind, "name"), f"{kind} {name}", [identity]


def _misspelled(place: Place, value: Mapping[str, Any]) -> bool:
    return bool(value.keys() - set(keys_at(place)))


def _taken(place: Place, what: str, other: str) -> LocatedMistake:
    return _mistake(
        place, f"{what} is also of irsa:bindings.{other}", "one binding each", "rename one, or merge the two"
    )


def _mistake(place: Place, found: str, allowed: str, fix: str) -> LocatedMistake:
    return LocatedMistake(place, Mistake(found, allowed, fix))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
