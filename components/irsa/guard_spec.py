"""What an IdentityGuard creates, as one frozen value; or all mistakes in its arguments."""

import functools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from irsa.fields import OF_A_GUARD, collect
from irsa.guard.rules import (
    LONGEST_DATA,
    NO_AUDIENCE,
    SYSTEM,
    USUAL_DATA,
    AnnotationRule,
    Declared,
    Settings,
    config_map_data,
    data_size,
    mode_in,
    stack_key,
)
from irsa.outputs import GUARD_ANNOTATIONS, GUARD_MODES
from irsa.read import Arguments, Reading, Value, read_again
from irsa.rules.leaves import list_of, mapping_of
from irsa.rules.mistakes import Located, Mistake, Place, Spelling, path_of
from irsa.rules.subjects import DEFAULT_NAMESPACE
from irsa.rules.trust import DEFAULT_AUDIENCE
from irsa.rules.unknown import Unknown, derive, has_unknown
from irsa.ways import IRSA, ONLY_IRSA, SHORT

COMPONENT = "IdentityGuard"
ACCOUNTS: Place = ("service_accounts",)
# In place of a role that is not known yet: as long as nearly all, so that what is divided stays so.
LONGEST_ROLE = "arn:aws-us-gov:iam::111122223333:role/" + "x" * 128
# The name of no namespace, which no setting can name.
NOWHERE = "no_namespace"


class Part(NamedTuple):
    """What one ConfigMap holds.

    Attributes:
        data: Its data.
        sample: Data of which the bindings have the same names.
        indexes: Of its service accounts among the arguments.
    """

    data: Value[Mapping[str, str]]
    sample: Mapping[str, str]
    indexes: Sequence[int]


class GuardSpec(NamedTuple):
    """What an IdentityGuard creates."""

    settings: Settings
    namespace: Value[str]
    parts: Sequence[Part]
    reading: Reading
    modes: Mapping[str, str] | None = None
    """The mode for each service account, by `namespace/name`; None where a name is not known yet."""
    recorded: Mapping[str, Any] = {}

    @property
    def inputs(self) -> dict[str, Any]:
        """What a preview shows of it, whatever is not known until the deployment."""
        rule = self.settings.annotations
        found = {GUARD_MODES: self.modes, GUARD_ANNOTATIONS: rule and rule.mode, **self.recorded}
        return {key: each for key, each in found.items() if each is not None}


def read_guard(
    name: str, args: Mapping[str, Any], stack: str, spelling: Spelling = path_of
) -> tuple[GuardSpec, Sequence[Located]]:
    """Return what the arguments of an IdentityGuard declare, and all mistakes in and between them.

    Args:
        name: The component's logical name.
        args: IdentityGuardArgs.
        stack: Project and stack of the program, where the arguments have none.
        spelling: How the caller spells an argument, for messages.
    """
    arguments = Arguments(name, spelling, group=OF_A_GUARD, component=COMPONENT)
    spec = _read(arguments, {"stack": stack, **args} if isinstance(args, Mapping) else args)
    return spec, arguments.mistakes


def _read(arguments: Arguments, args: Mapping[str, Any]) -> GuardSpec:
    spelling = arguments.spelling
    values = arguments.read(args)
    rule, written = values.get("annotations"), mapping_of(args).get("annotations")
    lists = ("users", "user_prefixes", "groups")
    who = [each for each in lists if rule and rule.get(each)]
    is_right = not any(at[:1] == ("annotations",) for at, _ in arguments.found) and not has_unknown(written)
    if rule and rule.get("mode") == "deny" and not who and is_right:
        allowed = f"at least one of {', '.join(spelling(('annotations', each)) for each in lists)}"
        found = "deny for everybody, and so for whoever runs `pulumi up`"
        arguments.found.append((("annotations",), Mistake(found, allowed, "name the deployer")))
    names = [str(each) for key in who for each in rule[key]] if rule and is_right else []
    if (size := sum(len(each.encode()) + 1 for each in names)) > USUAL_DATA:
        found, allowed = f"names with {size:,} bytes", f"{USUAL_DATA:,} bytes, since each ConfigMap has them"
        arguments.found.append((("annotations",), Mistake(found, allowed, "name a prefix or a group of these users")))
    settings = Settings(
        stack_key(values.get("stack", "")),
        values["mode"] if isinstance(values.get("mode"), str) else "warn",
        namespaces=values.get("namespaces", {}),
        annotations=AnnotationRule(rule.get("mode"), *(tuple(rule.get(each, ())) for each in lists)) if rule else None,
    )
    accounts = [{"namespace": DEFAULT_NAMESPACE, **each} for each in list_of(values.get("service_accounts"))]
    parts = [*_parts(arguments, settings, accounts)] if not arguments.found else []
    modes = None
    if not arguments.found and not _named_later(accounts):
        modes = {f"{each['namespace']}/{each['name']}": mode_in(settings, each["namespace"]) for each in accounts}
    arguments.parts[ACCOUNTS] = [part.indexes for part in parts]
    return GuardSpec(settings, values.get("namespace", SYSTEM), parts, arguments.reading(args), modes)


read_guard_again = functools.partial(read_again, _read)


def _named_later(accounts: Sequence[Mapping[str, Any]]) -> bool:
    return any(isinstance(each[key], Unknown) for each in accounts for key in ("namespace", "name"))


def _parts(arguments: Arguments, settings: Settings, accounts: Sequence[Mapping[str, Any]]) -> Iterator[Part]:
    complete = [{**each, "ways": _ways(each), "audience": _audience(each)} for each in accounts]
    if ACCOUNTS in arguments.parts_before:
        for indexes in arguments.parts_before[ACCOUNTS]:
            yield Part(_data(arguments, settings, [complete[index] for index in indexes]), {}, indexes)
        return
    if _named_later(accounts):
        # Which bindings there are cannot depend on an output: so there are all that there could be.
        places = [*settings.namespaces, SYSTEM, NOWHERE]
        sample = {f"{namespace}.x": f"irsa {DEFAULT_AUDIENCE} {LONGEST_ROLE}" for namespace in places}
        yield Part(_data(arguments, settings, complete), sample, range(len(complete)))
        return
    known = [
        Declared(**{key: value for key, value in each.items() if key in Declared._fields} | _lengths(each))
        for each in complete
    ]
    try:
        samples = config_map_data(settings, known)
    except Mistake as mistake:
        arguments.found.append((ACCOUNTS, mistake))
        return
    by_key = {f"{each['namespace']}.{each['name']}": index for index, each in enumerate(complete)}
    collect(lambda: _check_once(known), ACCOUNTS, arguments.found)
    if len(by_key) < len(complete):
        return
    for sample in samples:
        indexes = [by_key[key] for key in sample if key in by_key]
        yield Part(_data(arguments, settings, [complete[index] for index in indexes]), sample, indexes)


def _check_once(accounts: Sequence[Declared]) -> None:
    """Raise Mistake where a service account is there twice: the data has but one of them."""
    counted = Counter(f"{each.namespace}/{each.name}" for each in accounts)
    if twice := next((each for each, count in counted.items() if count > 1), None):
        raise Mistake(f"service account {twice} twice", "each service account once", "remove one of them")


def _ways(account: Mapping[str, Any]) -> str:
    """Return the ways in which new Pods get the role."""
    used = account.get("identity", ONLY_IRSA).used
    return next((word for word, identity in SHORT.items() if identity.used == used), IRSA.key)


def _audience(account: Mapping[str, Any]) -> Any:
    return NO_AUDIENCE if _ways(account) == "podIdentity" else account.get("audience", DEFAULT_AUDIENCE)


def _lengths(account: Mapping[str, Any]) -> dict[str, str]:
    """Return the longest value in place of each that is not known yet."""
    longest = {"role_arn": LONGEST_ROLE, "audience": "x" * 255}
    return {key: text for key, text in longest.items() if isinstance(account[key], Unknown)}


def _data(arguments: Arguments, settings: Settings, accounts: Sequence[Mapping[str, Any]]) -> Value[Mapping[str, str]]:
    def compute(values: Sequence[Sequence[Any]]) -> Mapping[str, str]:
        known = [Declared(*each) for each in values]
        collect(lambda: _check_once(known), ACCOUNTS, arguments.found)
        try:
            divided = config_map_data(settings, known)
        except Mistake as mistake:
            arguments.found.append((ACCOUNTS, mistake))
            return {}
        # How many there are was decided before the values were known.
        data = {key: value for part in divided for key, value in part.items()}
        if data_size(data) > LONGEST_DATA:
            many = Mistake(
                f"{len(accounts):,} service accounts, with {data_size(data):,} bytes",
                f"{LONGEST_DATA:,} bytes, since a ConfigMap has at most 1 MiB",
                "write the names, or one IdentityGuard for some of them",
            )
            arguments.found.append((ACCOUNTS, many))
        return data

    return derive(compute, [[each[key] for key in Declared._fields] for each in accounts])
