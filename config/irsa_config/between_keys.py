"""Rules between keys: which keys exclude, need or repeat one another.

The values may have any shape here; irsa_config.loading reports what is wrong with a single key.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from irsa.add_ons.catalog import add_on, names
from irsa.evaluation.lint.rule import LintRule
from irsa.role.add_ons import usual_subject
from irsa.rules.arns import iam_arn, issuer_host_path
from irsa.rules.leaves import list_of, mapping_of
from irsa.rules.mistakes import Mistake, Place, likely, listed, nearest, path_of, shortened
from irsa.rules.subjects import DEFAULT_NAMESPACE, subject_of
from irsa_config.key_types import keys_at
from irsa_config.lint import RULES, check_rule_name
from irsa_config.located_mistake import LocatedMistake
from irsa_config.variables import BUILT_IN


def mistakes_between_keys(values: Mapping[str, Any]) -> Iterator[LocatedMistake]:
    """Yield the mistakes of a stack's `irsa:` values."""
    yield from _of_the_top(values)
    yield from _of_cluster(("cluster",), values.get("cluster"), values)
    with_issuer: dict[str, str] = {}
    for key, cluster in mapping_of(values.get("clusters")).items():
        yield from _of_cluster(("clusters", key), cluster, values)
        for setting in ("oidcIssuer", "oidcProviderArn"):
            written = mapping_of(cluster).get(setting)
            issuer = written.rpartition(":oidc-provider/")[2] if isinstance(written, str) else str(key)
            if (other := with_issuer.setdefault(issuer_host_path(issuer), key)) != key:
                yield issuer_twice(("clusters", key, setting), issuer, ("clusters", other))
                break
    for key, aws_account in mapping_of(values.get("accounts")).items():
        ways = {"profile", "assumeRoleArn"} & mapping_of(aws_account).keys()
        if isinstance(aws_account, dict) and len(ways) != 1:
            found = f"{'both' if ways else 'neither'} profile {'and' if ways else 'nor'} assumeRoleArn"
            fix = f"{'remove' if ways else 'add'} one of them"
            yield _mistake(("accounts", key), found, "exactly one of them", fix)
    bindings = mapping_of(values.get("bindings"))
    for key, binding in bindings.items():
        if isinstance(binding, dict):
            yield from _of_binding(key, binding)
            yield from _references(key, binding, values)
    for name, team in mapping_of(values.get("teams")).items():
        yield from _no_cluster(("teams", name, "clusters"), mapping_of(team).get("clusters"))
        for index, cluster in enumerate(list_of(mapping_of(team).get("clusters"))):
            yield from _unknown(("teams", name, "clusters", index), cluster, "irsa:clusters", values.get("clusters"))
    yield from _repeated(bindings, values)
    yield from _of_lint(mapping_of(values.get("lint")), values.get("bindings"))


def issuer_twice(place: Place, issuer: str, other: Place) -> LocatedMistake:
    """Return the mistake for a cluster that is another one of the stack file; a slash at the end makes no other."""
    found = f"the issuer {shortened(issuer)}, which is that of irsa:{path_of(other)}"
    allowed = "each cluster once: its service accounts are known by its issuer"
    return _mistake(place, found, allowed, "remove one of the two")


def _of_the_top(values: Mapping[str, Any]) -> Iterator[LocatedMistake]:
    # A misspelled key is a mistake of its own, and is not missing.
    meant = {likely(key, keys_at(())) for key in values.keys() - set(keys_at(()))}
    if ("cluster" in values) == ("clusters" in values) and not meant & {"cluster", "clusters"}:
        found = "both cluster and clusters" if "cluster" in values else "neither cluster nor clusters"
        yield _mistake(("cluster",), found, "exactly one of them", "set `cluster`, or `clusters` for several")
    if "bindings" not in values and not meant & {"bindings", "teams"}:
        yield _mistake(("bindings",), "no bindings", "irsa:bindings, or irsa:teams", "add bindings, or {}")
    if values.get("clusters") == {}:
        yield _mistake(("clusters",), "no cluster", "at least one", "add a cluster, or use `cluster`")
    for name in BUILT_IN:
        if name in mapping_of(values.get("variables")):
            found = f"{name!r}, which is a built-in variable"
            yield _mistake(("variables", name), found, f"names other than {', '.join(BUILT_IN)}", "rename it")


def _of_lint(lint: Mapping[str, Any], bindings: Any) -> Iterator[LocatedMistake]:
    silence = mapping_of(lint.get("silence"))
    named: list[tuple[Place, Any]] = [(("silence", name), name) for name in silence]
    named += [(("errors", index), name) for index, name in enumerate(list_of(lint.get("errors")))]
    for place, name in named:
        try:
            check_rule_name(name) if isinstance(name, str) else None
        except Mistake as mistake:
            yield LocatedMistake(("lint", *place), mistake)
    for name, silenced in silence.items():
        yield from _of_silence(("lint", "silence", name), RULES.get(name), mapping_of(silenced))
        for index, key in enumerate(list_of(mapping_of(silenced).get("bindings"))):
            yield from _unknown(("lint", "silence", name, "bindings", index), key, "irsa:bindings", bindings)


def _of_silence(place: Place, rule: LintRule | None, silenced: Mapping[str, Any]) -> Iterator[LocatedMistake]:
    reason = silenced.get("reason")
    if isinstance(reason, str) and reason and not reason.strip():
        yield _mistake((*place, "reason"), "blanks only", "the reason why you accept this", "write it")
    if rule and rule.danger and silenced and silenced.get("bindings", []) == []:
        found, allowed = "a silence for the whole file, of what `irsa check` fails by", "one for each binding"
        yield _mistake(place, found, allowed, "name the bindings that you accept in bindings:")


def _of_cluster(place: Place, cluster: Any, values: Mapping[str, Any]) -> Iterator[LocatedMistake]:
    if not isinstance(cluster, dict):
        return
    explicit = "oidcIssuer" in cluster and ("oidcProviderArn" in cluster or cluster.get("createOidcProvider"))
    if not ("name" in cluster or "stack" in cluster or explicit or cluster.keys() - set(keys_at(place))):
        found = f"only {listed(list(map(str, cluster)))}" if cluster else "nothing"
        allowed = "name; or stack; or oidcIssuer with oidcProviderArn or with createOidcProvider: true"
        yield _mistake(place, found, allowed, "add the missing keys")
    name = cluster.get("name")
    is_looked_up = "oidcIssuer" not in cluster or mapping_of(cluster.get("kubernetes")).get("eks")
    if isinstance(name, str) and len(name) == 1 and is_looked_up:
        # EKS takes it: internal/service/eks/validate.go of terraform-provider-aws.
        fix = "set oidcIssuer and oidcProviderArn, and kubernetes.context in place of eks"
        yield _mistake(
            (*place, "name"), f"{name!r}, one letter", "a name that the AWS provider looks up: two or more", fix
        )
    if cluster.get("createOidcProvider") and "oidcProviderArn" in cluster:
        found = "both createOidcProvider and oidcProviderArn"
        yield _mistake(place, found, "one of them", "remove one of them")
    if mapping_of(cluster.get("kubernetes")).get("eks") is True and "name" not in cluster:
        yield _mistake((*place, "kubernetes", "eks"), "true, without name", "true, with name", "add name")
    if "account" in cluster:
        yield from _unknown((*place, "account"), cluster["account"], "irsa:accounts", values.get("accounts"))
    issuer, provider, key = (cluster.get(each) for each in ("oidcIssuer", "oidcProviderArn", "account"))
    aws_account = mapping_of(values.get("accounts")).get(key) if isinstance(key, str) else None
    of_provider, of_role = (
        iam_arn(provider, "oidc-provider"),
        iam_arn(mapping_of(aws_account).get("assumeRoleArn"), "role"),
    )
    if of_provider and of_role and of_provider.account_id != of_role.account_id:
        found = f"{provider!r}, a provider in the AWS account {of_provider.account_id}"
        allowed = f"one in {of_role.account_id}: irsa:accounts.{key}"
        yield _mistake((*place, "oidcProviderArn"), found, allowed, "fix one of the two")
    if isinstance(issuer, str) and isinstance(provider, str) and ":oidc-provider/" in provider:
        wanted = issuer_host_path(issuer)
        if provider.split(":oidc-provider/", 1)[1] != wanted:
            found = f"{provider!r}, a provider for another issuer"
            allowed = f"the provider of oidcIssuer: its ARN ends with {wanted}"
            yield _mistake((*place, "oidcProviderArn"), found, allowed, "fix one of the two")


def _of_binding(key: str, binding: Mapping[str, Any]) -> Iterator[LocatedMistake]:
    place: Place = ("bindings", key)
    inline = mapping_of(binding.get("inlinePolicies")).items()
    sources: list[tuple[Place, Any]] = [(("policy",), binding.get("policy"))]
    sources += [(("podIdentity", "policy"), mapping_of(binding.get("podIdentity")).get("policy"))]
    sources += [(("inlinePolicies", name), source) for name, source in inline]
    for name, source in sources:
        ways = ("file", "document", "addOn") if name == ("policy",) else ("file", "document")
        here = [way for way in ways if isinstance(source, dict) and way in source]
        # A document beside an add-on is a mistake of the arguments, too.
        if isinstance(source, dict) and len(here) != 1 and here != ["document", "addOn"]:
            found, fix = f"{' and '.join(here)} together", "remove one of them"
            if not here:
                found, fix = f"neither {' nor '.join(ways)}", f"add {', or '.join(ways)}"
            yield _mistake((*place, *name), found, f"exactly one of {', '.join(ways)}", fix)


def _references(key: str, binding: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[LocatedMistake]:
    """Yield what is wrong with references to clusters, AWS accounts and bindings in the file."""
    place: Place = ("bindings", key)
    first: dict[str, int] = {}
    yield from _no_cluster((*place, "clusters"), binding.get("clusters"))
    for index, cluster in enumerate(list_of(binding.get("clusters"))):
        yield from _unknown((*place, "clusters", index), cluster, "irsa:clusters", values.get("clusters"))
        if isinstance(cluster, str) and cluster and first.setdefault(cluster, index) != index:
            found = f"{shortened(cluster)} a second time"
            yield _mistake((*place, "clusters", index), found, "each cluster once", "remove it")
    declared = mapping_of(values.get("clusters"))
    chosen = [name for name in _clusters_of(binding, declared) if isinstance(declared.get(name), dict)]
    default_access = [name for name in chosen if "kubernetes" not in declared[name]]
    guarded = [name for name in default_access if _guard_in(declared[name]) or _guard_in(values)]
    if len(default_access) > 1 and ("serviceAccount" in binding or guarded):
        found = f"the clusters {listed(default_access)} without `kubernetes`: all would use the same Kubernetes API"
        allowed = "at most one cluster of a binding without `kubernetes`, which uses the stack's `kubernetes:` settings"
        where = (*place, "serviceAccount") if "serviceAccount" in binding else place
        yield _mistake(where, found, allowed, "add kubernetes: {context: ...} to the clusters")
    if "account" in binding:
        yield from _unknown((*place, "account"), binding["account"], "irsa:accounts", values.get("accounts"))
    former = binding.get("formerly")
    if isinstance(former, str) and former in mapping_of(values.get("bindings")):
        found = f"{former!r}, which is still a binding"
        yield _mistake((*place, "formerly"), found, "a previous key that is no longer used", "remove one of the two")


def _guard_in(settings: Mapping[str, Any]) -> bool:
    """Return whether the settings of a stack or a cluster switch a guard on."""
    guard = settings.get("guard")
    return guard not in (None, "off") and mapping_of(guard).get("mode") != "off"


def _unknown(place: Place, name: Any, where: str, declared: Any) -> Iterator[LocatedMistake]:
    known = mapping_of(declared)
    if not isinstance(name, str) or name in known or not isinstance(declared, dict | None):
        return  # a value of another type is reported by the reader; of a secret nothing is known
    fix = nearest(name, known, f"add it to {where}")
    yield _mistake(place, f"{name!r} is not in {where}", listed(known) or f"nothing: {where} is empty", fix)


def _repeated(bindings: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[LocatedMistake]:
    """Yield service accounts and associations in two bindings; of roles and policies, irsa_program.plan does."""
    default_namespace = mapping_of(values.get("defaults")).get("namespace") or DEFAULT_NAMESPACE
    clusters = list(mapping_of(values.get("clusters"))) or ["cluster"]
    binding_of: dict[tuple[str | None, ...], str] = {}
    for key, binding in bindings.items():
        for place, claimed, identities in _claims(key, mapping_of(binding), default_namespace, clusters):
            others = [first for identity in identities if (first := binding_of.setdefault(identity, key)) != key]
            if others:
                found = f"{claimed} is already used by irsa:{path_of(('bindings', others[0]))}"
                yield _mistake(place, found, "each in one binding only", "rename one, or merge the two bindings")


def _claims(
    key: str, binding: Mapping[str, Any], default_namespace: Any, clusters: Sequence[str]
) -> Iterator[tuple[Place, str, list[tuple[str | None, ...]]]]:
    """Yield what a binding uses alone: the place, a name for messages, and the identities to compare."""
    service_account = mapping_of(binding.get("serviceAccount"))
    name, namespace = service_account.get("name"), service_account.get("namespace", default_namespace)
    place: Place = ("bindings", key, "serviceAccount")
    if not service_account and not mapping_of(binding.get("trust")).get("subjects"):
        place, (namespace, name) = ("bindings", key), _of_add_ons(binding)
    if isinstance(name, str) and isinstance(namespace, str):
        chosen = _clusters_of(binding, clusters)
        identities: list[tuple[str | None, ...]] = [("service account", cluster, namespace, name) for cluster in chosen]
        yield place, f"service account {shortened(subject_of(namespace, name))}", identities
    for cluster, existing in mapping_of(mapping_of(binding.get("podIdentity")).get("importIds")).items():
        if isinstance(existing, str):
            at, claimed = ("bindings", key, "podIdentity", "importIds", cluster), f"association {shortened(existing)}"
            yield at, claimed, [("association", cluster, existing)]
    former = binding.get("formerly")
    if isinstance(former, str):
        yield ("bindings", key, "formerly"), f"the previous key {shortened(former)}", [("formerly", former)]


def _of_add_ons(binding: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return namespace and name of the service account that the charts of a binding's add-ons make."""
    several = [binding.get("policy"), *list_of(binding.get("policies"))]
    named = [mapping_of(each).get("addOn") for each in several]
    known = [add_on(name) for name in named if isinstance(name, str) and name in names()]
    return usual_subject(known) or (None, None)


def _no_cluster(place: Place, clusters: Any) -> Iterator[LocatedMistake]:
    """Yield the mistake of an empty list of clusters, which is not what a missing key means: all clusters."""
    if clusters == []:
        yield _mistake(place, "no cluster", "keys of irsa:clusters", "name them, or remove the key for all clusters")


def _clusters_of(binding: Mapping[str, Any], every: Iterable[str]) -> list[str]:
    """Return the keys of a binding's clusters, as far as they are known."""
    chosen = binding.get("clusters", [])
    return list(every) if chosen == [] else [name for name in list_of(chosen) if isinstance(name, str)]


def _mistake(place: Place, found: str, allowed: str, fix: str) -> LocatedMistake:
    return LocatedMistake(place, Mistake(found, allowed, fix))
