"""What a team's binding has beyond the limits of `irsa:teams`, in its plan: as written, with defaults and add-ons."""

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any, NamedTuple

from irsa import types
from irsa.evaluation.patterns import covers
from irsa.fields import Keyed, KeyGroup, KeyList, Node
from irsa.keys.binding import ServiceAccountRoleKeys
from irsa.resources import DeclaredResource, Ref
from irsa.role.add_ons import service_account_of
from irsa.rules.leaves import leaves, list_of, mapping_of, part_at, strings_of
from irsa.rules.mistakes import Located, Mistake, Place, listed, named, shortened
from irsa.rules.subjects import DEFAULT_NAMESPACE
from irsa.rules.trust import DEFAULT_AUDIENCE, SESSION_TAGS
from irsa.rules.unknown import Unknown, is_there, known_or, or_else, text_of
from irsa.rules.variables import reference
from irsa.spec import Spec
from irsa_config.defaults import Limits
from irsa_config.limits import NOT_REFUSED
from irsa_config.reading import OF_A_BINDING
from irsa_config.stack import Binding
from irsa_config.variables import Values, references, replaced

# The settings of a team, with what is compared with each.
NOUNS = {
    "namespaces": "the namespace",
    "keys": "the name",
    "clusters": "the cluster",
    "role.path": "the path",
    "role.permissionsBoundary": "the permissions boundary",
    "policyArns": "the policy",
    "tags": "the tag",
}
# The key of a binding from which an input comes, and the setting of the team that limits the input. An input without a
# setting is free, or one of the keys that only `allow` gives a team decides it.
FREE = ("", "")
OF_A_NAMESPACE = ("serviceAccount.namespace", "namespaces")
OF_A_SERVICE_ACCOUNT = {
    "metadata.namespace": OF_A_NAMESPACE,
    **dict.fromkeys(("metadata.name", "metadata.labels", "metadata.annotations"), FREE),
    **dict.fromkeys(("imagePullSecrets", "automountServiceAccountToken"), FREE),
}
INPUTS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    types.ROLE: {
        "name": ("role.name", "keys"),
        "namePrefix": ("role.namePrefix", "keys"),
        "path": ("role.path", "role.path"),
        "permissionsBoundary": ("role.permissionsBoundary", "role.permissionsBoundary"),
        "tags": ("role.tags", "tags"),
        **dict.fromkeys(("assumeRolePolicy", "description", "maxSessionDuration", "forceDetachPolicies"), FREE),
    },
    types.POLICY: {
        "name": ("policy.name", "keys"),
        "namePrefix": ("policy.name", "keys"),
        "path": ("policy.path", "role.path"),
        "tags": ("policy.tags", "tags"),
        **dict.fromkeys(("policy", "description"), FREE),
    },
    types.ATTACHMENT: {"role": FREE, "policyArn": ("policyArns", "policyArns")},
    types.INLINE_POLICY: dict.fromkeys(("role", "name", "policy"), FREE),
    types.POD_IDENTITY_ASSOCIATION: {
        "namespace": OF_A_NAMESPACE,
        "tags": ("podIdentity.tags", "tags"),
        **dict.fromkeys(("clusterName", "region", "serviceAccount", "roleArn"), FREE),
        **dict.fromkeys(("disableSessionTags", "targetRoleArn", "policy"), FREE),
    },
    types.SERVICE_ACCOUNT: OF_A_SERVICE_ACCOUNT,
    types.SERVICE_ACCOUNT_PATCH: OF_A_SERVICE_ACCOUNT,
}


class NotComparedMistake(Mistake):
    """What cannot be compared with a limit yet: `irsa check` says so, and `pulumi up` stops."""


class Planned(NamedTuple):
    """A value that a binding plans."""

    key: str
    """The key of the binding that decides the value."""
    setting: str
    """The setting of the team that limits the value."""
    value: object
    place: Place


class Asked(NamedTuple):
    """A team's binding and what it plans."""

    binding: Binding
    declared: ServiceAccountRoleKeys
    specs: Sequence[Spec]
    clusters: Sequence[str]
    """The keys of its clusters."""
    limits: Limits
    variables: Values
    """What the variables of the binding stand for."""
    with_variables: Sequence[tuple[Place, Any]]
    """The values that may have variables, as they are written, each with its place in the binding."""
    secret_variables: Set[str]
    """The names of the stack's secret variables."""

    def patterns(self, setting: str) -> object:
        """Return what a setting of the team allows."""
        team, defaults = self.limits.team, self.limits.defaults
        settings: Mapping[str, object] = {
            "namespaces": team.namespaces,
            "keys": team.keys,
            "clusters": team.clusters or self.clusters,
            "role.path": [or_else(defaults.path, "/")],
            "role.permissionsBoundary": [defaults.permissions_boundary],
            "policyArns": team.policy_arns,
            "tags": [],
        }
        return replaced(settings[setting], self.variables, [])

    def allows(self, key: str) -> bool:
        """Return whether the team's `allow` names a key."""
        return key in list_of(self.limits.team.allow)

    def not_compared(self, what: str) -> Mistake:
        """Return what could not be compared."""
        limits = f"what irsa:teams.{self.limits.name} allows"
        return NotComparedMistake(f"{what}, of which not all is known", limits, "run `irsa check --live`")


def beyond_limits(asked: Asked) -> Iterator[Located]:
    """Yield what is beyond the limits of the team, and what could not be compared, at their places in the binding."""
    own, limits = asked.binding.own, f"irsa:teams.{asked.limits.name}"
    for key, place in _written(own, OF_A_BINDING, "", ()):
        if key not in NOT_REFUSED and not asked.allows(key):
            allowed = f"keys that a team's file may have, or {limits}.allow names"
            yield place, Mistake(f"{key} in a team's file", allowed, "remove it, or ask the owner of the stack file")
    wrong = [(each.place, mistake) for each in _planned(asked) for mistake in _beyond(asked, each)]
    for place, mistake in (*wrong, *_audience(asked), *_secret_variables(asked)):
        # What comes from a default or an add-on stands at what has it in the team's file.
        written_up_to = (place[:end] for end in range(len(place), 0, -1) if part_at(own, place[:end]) is not None)
        yield next(written_up_to, ()), mistake


def _written(value: Any, node: Node, key: str, place: Place) -> Iterator[tuple[str, Place]]:
    """Yield the keys that are written, each with its place."""
    if isinstance(node, KeyGroup):
        for name, inner in mapping_of(value).items():
            if field := node.names.get(name):
                yield from _written(inner, node.fields[field], f"{key}.{name}".removeprefix("."), (*place, name))
    elif isinstance(node, Keyed | KeyList) and isinstance(node.item, KeyGroup):
        items = mapping_of(value).items() if isinstance(node, Keyed) else enumerate(list_of(value))
        for step, item in items:
            yield from _written(item, node.item, key, (*place, step))
    else:
        yield key, place


def _planned(asked: Asked) -> Iterator[Planned]:
    """Yield every value that a setting of a team limits."""
    binding = asked.binding
    yield Planned("", "keys", binding.key, ())
    if binding.formerly:
        yield Planned("formerly", "keys", binding.formerly, ("formerly",))
    for cluster in asked.clusters:
        yield Planned("clusters", "clusters", cluster, ("clusters",))
    yield from _subjects(asked)
    if isinstance(asked.declared.policy_arns, Unknown):
        yield Planned("policyArns", "policyArns", asked.declared.policy_arns, ("policyArns",))
    for resource in (resource for spec in asked.specs for resource in spec.resources):
        yield from _of_resource(asked, resource)


def _of_resource(asked: Asked, resource: DeclaredResource) -> Iterator[Planned]:
    """Yield the inputs of a resource that are limited, and those that no limit describes."""
    for name, value in resource.inputs.items():
        key, setting = INPUTS.get(resource.type, {}).get(name, (name, ""))
        if isinstance(value, Ref) or (key, setting) == FREE:
            continue
        if setting == "tags":
            yield from _tags(asked, key, resource.type == types.ROLE, value)
        elif setting != "keys":
            yield Planned(
                key, setting, or_else(value, "/") if setting == "role.path" else value, _place(asked, key, value)
            )
        elif value is not None and not (name == "namePrefix" and _is_automatic(asked, value)):
            is_prefix = name == "namePrefix" and isinstance(value, str)
            yield Planned(key, setting, f"{value}*" if is_prefix else value, _place(asked, key, value))


def _place(asked: Asked, key: str, value: object) -> Place:
    arns = known_or(asked.declared.policy_arns, {}) if key == "policyArns" else {}
    written = (getattr(policy, "written", policy) for policy, arn in arns.items() if arn == value)
    return (*key.split("."), *written)


def _is_automatic(asked: Asked, prefix: object) -> bool:
    """Return whether a prefix is the whole key of the binding, which is compared itself."""
    key = asked.binding.formerly or asked.binding.key
    written = asked.declared.role.name_prefix
    return isinstance(prefix, str) and prefix != written and re.match(rf"{re.escape(key)}[@-]", prefix) is not None


def _tags(asked: Asked, key: str, is_of_role: bool, tags: object) -> Iterator[Planned]:
    """Yield the tags that EKS Pod Identity or `irsa:defaults` set, where they are others or have other values."""
    role = asked.specs[0].role
    if not is_of_role and role and tags == role.inputs["tags"]:
        return  # What has no tags of its own has those of the role.
    place: Place = tuple(key.split("."))
    of_defaults = known_or(asked.limits.defaults.tags, {})
    taken = {tag.casefold() for tag in (*SESSION_TAGS, *of_defaults)}
    if isinstance(tags, Unknown):
        yield Planned(key, "tags", tags, place)
    planned = {**dict.fromkeys(of_defaults), **mapping_of(tags)}
    for tag, value in planned.items():
        if tag.casefold() in taken and of_defaults.get(tag) != value:
            yield Planned(key, "tags", value if isinstance(value, Unknown) else tag, (*place, tag))


def _subjects(asked: Asked) -> Iterator[Planned]:
    """Yield the namespaces of the service accounts that the role trusts."""
    declared, statements = asked.declared, asked.allows("trust.statements")
    account, subjects = service_account_of(declared), or_else(declared.trust.subjects, [])
    of_account = or_else(account.namespace, DEFAULT_NAMESPACE) if account else None
    if account:
        yield Planned("", "namespaces", of_account, ("serviceAccount", "namespace"))
    known = {of_account} if isinstance(of_account, str) else set()
    for index, subject in enumerate(subjects) if isinstance(subjects, list) else [(0, subjects)]:
        namespace = _namespace_of(subject)
        known |= {namespace} if isinstance(namespace, str) else set()
        yield Planned("trust.anyServiceAccount", "namespaces", namespace, ("trust", "subjects", index))
    # Whom statements admit that the team may write is the business of those who allow them.
    for trust in [each.trust for each in asked.specs if each.trust and not statements]:
        reached = trust.reached
        for namespace in map(_namespace_of, reached) if isinstance(reached, list) else [reached]:
            if namespace not in known:
                yield Planned("trust.anyServiceAccount", "namespaces", namespace, ("trust",))


def _namespace_of(subject: object) -> object:
    return subject.partition(":")[0] if isinstance(subject, str) else subject


def _beyond(asked: Asked, planned: Planned) -> Iterator[Mistake]:
    """Yield the mistake of a value that the team's setting does not allow."""
    key, setting, value, _ = planned
    if asked.allows(key):
        return
    if setting not in NOUNS:
        fix = "move the binding to the stack file"
        yield Mistake(f"{key}, which no limit describes", "what irsa:teams limits", fix)
        return
    about, patterns = f"{NOUNS[setting]} {shortened(value)}", asked.patterns(setting)
    within = _within(value, patterns)
    if within is None:
        yield asked.not_compared(about)
    elif not within and setting == "tags":
        yield Mistake(about, "tags that neither EKS Pod Identity nor irsa:defaults sets", "remove it")
    elif not within:
        what = f"what irsa:teams.{asked.limits.name}.{setting} has: {listed(strings_of(patterns)) or 'nothing'}"
        yield Mistake(about, what, "change it, or ask the owner of the stack file")


def _within(text: object, patterns: object) -> bool | None:
    """Return whether one of the patterns covers a text; None where the text or one of the patterns is not known."""
    unknown = not isinstance(patterns, list) or (isinstance(text, Unknown) and not text_of(text))
    for pattern in list_of(patterns):
        # Where the text has a variable of what is looked up, so has the pattern, or a wildcard.
        if pattern == text or (text_of(text) and covers(text_of(pattern), text_of(text))):
            return True
        unknown = unknown or not isinstance(pattern, str) or isinstance(text, Unknown)
    return None if unknown else False


def _audience(asked: Asked) -> Iterator[Located]:
    audience = asked.declared.audience
    if is_there(audience) and not asked.allows("audience"):
        wanted = or_else(asked.limits.defaults.audience, DEFAULT_AUDIENCE)
        if not (isinstance(audience, str) and audience == wanted):
            yield ("audience",), Mistake(shortened(audience), f"the audience of the stack: {wanted}", "remove it")


def _secret_variables(asked: Asked) -> Iterator[Located]:
    for place, value in asked.with_variables if asked.secret_variables else ():
        # What comes from a default is the platform team's.
        for below, leaf in leaves(value) if part_at(asked.binding.own, place) is not None else ():
            for variable in sorted(asked.secret_variables & {*references(leaf)}):
                about = f"{named(reference(variable))}, a secret variable"
                fix = "write the value, or move the binding to the stack file"
                yield (*place, *below), Mistake(about, "variables that are not secret", fix)
