"""What a team's binding has beyond the limits of `irsa:teams`, in its plan: as written, with defaults and add-ons."""

from collections.abc import Iterator, Sequence, Set
from typing import Any, NamedTuple

from irsa import types
from irsa.evaluation.patterns import covers
from irsa.fields import Keyed, KeyGroup, KeyList, Node
from irsa.keys.binding import ServiceAccountRoleKeys
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
from irsa_config.reading import OF_A_BINDING, defaults_of
from irsa_config.stack import Binding
from irsa_config.variables import Values, references, replaced

# What is compared with each setting of a team.
NOUNS = {"namespaces": "the namespace", "keys": "the name", "role": "the value", "policyArns": "the policy"}


class NotComparedMistake(Mistake):
    """What cannot be compared with a limit yet: `irsa check` says so, and `pulumi up` stops."""


class Asked(NamedTuple):
    """A team's binding and what it plans."""

    binding: Binding
    declared: ServiceAccountRoleKeys
    specs: Sequence[Spec]
    limits: Limits
    variables: Values
    """What the variables of the binding stand for."""
    with_variables: Sequence[tuple[Place, Any]]
    """The values that may have variables, as they are written, each with its place in the binding."""
    secret_variables: Set[str]
    """The names of the stack's secret variables."""

    def replaced(self, limit: str) -> object:
        """Return a limit with its variables replaced."""
        return replaced(limit, self.variables, [])

    def allows(self, key: str) -> bool:
        """Return whether the team's `allow` names a key."""
        return key in list_of(self.limits.team.allow)

    def beyond(self, found: str, setting: str, allowed: object) -> Mistake:
        """Return the mistake of what is not within a setting of the team."""
        what = f"what irsa:teams.{self.limits.name}.{setting} has: {listed(strings_of(allowed)) or 'nothing'}"
        return Mistake(found, what, "change it, or ask the owner of the stack file")

    def not_compared(self, what: str) -> Mistake:
        """Return what could not be compared."""
        limits = f"what irsa:teams.{self.limits.name} allows"
        return NotComparedMistake(f"{what}, of which not all is known", limits, "run `irsa check --live`")


def beyond_limits(planned: Asked) -> Iterator[Located]:
    """Yield what is beyond the limits of the team, and what could not be compared, at their places in the binding."""
    own = planned.binding.own
    for key, place, is_default in _written(own, OF_A_BINDING, "", ()):
        if key not in NOT_REFUSED and not is_default and not planned.allows(key):
            limits = f"irsa:teams.{planned.limits.name}"
            allowed = f"keys that a team's file may have, or {limits}.allow names"
            yield place, Mistake(f"{key} in a team's file", allowed, "remove it, or ask the owner of the stack file")
    for judge in JUDGES:
        for place, mistake in judge(planned):
            # What comes from a default or an add-on stands at what has it in the team's file.
            written_up_to = (place[:end] for end in range(len(place), 0, -1) if part_at(own, place[:end]) is not None)
            yield next(written_up_to, ()), mistake


def _written(value: Any, node: Node, key: str, place: Place, default: Any = None) -> Iterator[tuple[str, Place, bool]]:
    """Yield the keys that are written, each with its place and whether its value is the default."""
    if isinstance(node, KeyGroup):
        for name, inner in mapping_of(value).items():
            if field := node.names.get(name):
                below, usual = f"{key}.{name}".removeprefix("."), defaults_of(node.model).get(field)
                yield from _written(inner, node.fields[field], below, (*place, name), usual)
    elif isinstance(node, Keyed | KeyList) and isinstance(node.item, KeyGroup):
        items = mapping_of(value).items() if isinstance(node, Keyed) else enumerate(list_of(value))
        for step, item in items:
            yield from _written(item, node.item, key, (*place, step))
    else:
        yield key, place, (type(value), value) == default


def _within(text: object, patterns: object) -> bool | None:
    """Return whether one of the patterns covers a text; None where it, or one of them, is not known."""
    unknown = not isinstance(patterns, list)
    for pattern in list_of(patterns):
        # Where the text has a variable of what is looked up, so has the pattern, or a wildcard.
        if pattern == text or (text_of(text) and covers(text_of(pattern), text_of(text))):
            return True
        unknown = unknown or not (isinstance(pattern, str) and isinstance(text, str))
    return None if unknown else False


def _compared(planned: Asked, place: Place, text: object, setting: str, patterns: object) -> Iterator[Located]:
    """Yield the mistake of a text that lies in none of the patterns."""
    within = _within(text, patterns) if isinstance(text, str | Unknown) else None
    about = f"{NOUNS[setting]} {shortened(text)}"
    if within is None:
        yield place, planned.not_compared(about)
    elif not within:
        yield place, planned.beyond(about, setting, patterns)


def _namespaces(planned: Asked) -> Iterator[Located]:
    declared, patterns = planned.declared, planned.limits.team.namespaces
    account, given = service_account_of(declared), or_else(declared.trust.subjects, [])
    asked: list[tuple[Place, object]] = []
    if account:
        asked.append((("serviceAccount", "namespace"), or_else(account.namespace, DEFAULT_NAMESPACE)))
    for index, subject in enumerate(given) if isinstance(given, list) else [(0, given)]:
        asked.append((("trust", "subjects", index), _namespace_of(subject)))
    trust = planned.specs[0].trust
    # Whom statements admit that the team may write is the business of those who allow them.
    if not planned.allows("trust.statements"):
        final = trust.reached if trust else []
        known = {namespace for _, namespace in asked}
        of_final = map(_namespace_of, final) if isinstance(final, list) else [final]
        asked += [(("trust",), each) for each in of_final if not isinstance(each, str) or each not in known]
    for spec in planned.specs:
        found = {each.inputs["namespace"] for each in spec.of(types.POD_IDENTITY_ASSOCIATION)}
        asked += [((), each) for each in found if each not in [at for _, at in asked]]
    for place, namespace in asked:
        if place[:1] != ("trust",) or not planned.allows("trust.anyServiceAccount"):
            yield from _compared(planned, place, namespace, "namespaces", patterns)


def _namespace_of(subject: object) -> object:
    return subject.partition(":")[0] if isinstance(subject, str) else subject


def _keys(planned: Asked) -> Iterator[Located]:
    team, binding, declared = planned.limits.team, planned.binding, planned.declared
    asked: list[tuple[str, Place, object]] = [("", (), binding.key)]
    asked += [("", ("formerly",), binding.formerly)] if binding.formerly else []
    asked += [("role.name", ("role", "name"), declared.role.name)]
    prefix = declared.role.name_prefix
    asked += [("role.namePrefix", ("role", "namePrefix"), f"{prefix}*" if isinstance(prefix, str) else prefix)]
    asked += [("policy.name", ("policy", "name"), declared.policy.name)] if declared.policy else []
    for key, place, name in asked:
        if is_there(name) and not planned.allows(key):
            yield from _compared(planned, place, name, "keys", team.keys)


def _of_the_role(planned: Asked) -> Iterator[Located]:
    """Yield another path or permissions boundary of planned resources than the team's."""
    defaults = planned.limits.defaults
    paths: list[tuple[Place, object]] = []
    for spec in planned.specs:
        if spec.role is None:
            continue
        paths.append((("role", "path"), spec.role.inputs["path"]))
        boundary = defaults.permissions_boundary
        wanted = planned.replaced(boundary) if isinstance(boundary, str) else boundary
        here = ("role", "permissionsBoundary")
        yield from _compared(planned, here, spec.role.inputs["permissionsBoundary"], "role", [wanted])
        if not planned.allows("policy.path"):
            paths += [(("policy", "path"), each.inputs["path"]) for each in spec.of(types.POLICY)]
    for place, path in dict.fromkeys(paths):
        yield from _compared(planned, place, or_else(path, "/"), "role", [or_else(defaults.path, "/")])


def _policy_arns(planned: Asked) -> Iterator[Located]:
    arns = planned.limits.team.policy_arns
    patterns = [planned.replaced(each) for each in arns] if isinstance(arns, list) else arns
    declared = known_or(planned.declared.policy_arns, {})
    places = {arn: getattr(key, "written", key) for key, arn in declared.items()}
    if isinstance(planned.declared.policy_arns, Unknown):
        yield ("policyArns",), planned.not_compared("a policy")
    for spec in planned.specs:
        for each in spec.of(types.ATTACHMENT):
            arn = each.inputs["policyArn"]
            if isinstance(arn, str | Unknown):
                place: Place = ("policyArns", places[arn]) if arn in places else ("policyArns",)
                yield from _compared(planned, place, arn, "policyArns", patterns)


def _tags(planned: Asked) -> Iterator[Located]:
    of_defaults = known_or(planned.limits.defaults.tags, {})
    taken = {each.casefold() for each in (*SESSION_TAGS, *of_defaults)}
    for part in ("role", "policy", "podIdentity"):
        for tag in mapping_of(part_at(planned.binding.own, (part, "tags"))):
            if tag.casefold() in taken and not planned.allows(f"{part}.tags"):
                allowed = "tags that neither EKS Pod Identity nor irsa:defaults sets"
                yield (part, "tags", tag), Mistake(f"the tag {shortened(tag)}", allowed, "remove it")


def _audience(planned: Asked) -> Iterator[Located]:
    audience = planned.declared.audience
    if is_there(audience) and not planned.allows("audience"):
        wanted = or_else(planned.limits.defaults.audience, DEFAULT_AUDIENCE)
        if not (isinstance(audience, str) and audience == wanted):
            yield ("audience",), Mistake(shortened(audience), f"the audience of the stack: {wanted}", "remove it")


def _secret_variables(planned: Asked) -> Iterator[Located]:
    for place, value in planned.with_variables if planned.secret_variables else ():
        # What comes from a default is the platform team's.
        for below, leaf in leaves(value) if part_at(planned.binding.own, place) is not None else ():
            for variable in sorted(planned.secret_variables & {*references(leaf)}):
                about = f"{named(reference(variable))}, a secret variable"
                fix = "write the value, or move the binding to the stack file"
                yield (*place, *below), Mistake(about, "variables that are not secret", fix)


JUDGES = (_namespaces, _keys, _of_the_role, _policy_arns, _tags, _audience, _secret_variables)
