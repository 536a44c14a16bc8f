"""What an IdentityGuard creates, as one frozen value; or all mistakes in its arguments."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from irsa.fields import OF_A_GUARD
from irsa.guard.rules import (
    LONGEST_DATA,
    NO_AUDIENCE,
    SYSTEM,
    USUAL_DATA,
    AnnotationRule,
    Declared,
    GuardSettings,
    config_map_data,
    data_size,
    mode_in,
    stack_key,
)
from irsa.keys.guard import GuardedServiceAccount, IdentityGuard
from irsa.outputs import GUARD_ANNOTATIONS, GUARD_MODES
from irsa.read import Arguments, read_again
from irsa.rules.leaves import strings_of
from irsa.rules.mistakes import Located, Mistake, Place, Spelling, path_of
from irsa.rules.subjects import DEFAULT_NAMESPACE
from irsa.rules.trust import DEFAULT_AUDIENCE
from irsa.rules.unknown import Unknown, Value, derive, has_unknown, is_there, known_or, or_else
from irsa.ways import IRSA, ONLY_IRSA, SHORT

COMPONENT = "IdentityGuard"
ACCOUNTS: Place = ("service_accounts",)
# In place of a role that is not known yet: as long as nearly all, so that what is divided stays so.
LONGEST_ROLE = "arn:aws-us-gov:iam::111122223333:role/" + "x" * 128
# The name of no namespace, which no setting can name.
NOWHERE = "no_namespace"


class Account(NamedTuple):
    """A service account as it is declared, like `Declared`, with markers."""

    namespace: Value[str]
    name: Value[str]
    role_arn: Value[str]
    ways: str
    audience: Value[str]


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

    settings: GuardSettings
    namespace: Value[str]
    parts: Sequence[Part]
    reading: Arguments
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


def _read(arguments: Arguments, args: object) -> GuardSpec:
    spelling = arguments.spelling
    guard = arguments.read(args, IdentityGuard)
    rule = guard.annotations if guard.annotations and is_there(guard.annotations.mode) else None
    lists = ("users", "user_prefixes", "groups")
    written = rule.written() if rule else {}
    names = {each: tuple(strings_of(written.get(each))) for each in lists}
    is_right = not any(at[:1] == ("annotations",) for at, _ in arguments.found) and not has_unknown({**written})
    if rule and rule.mode == "deny" and not any(names.values()) and is_right:
        allowed = f"at least one of {', '.join(spelling(('annotations', each)) for each in lists)}"
        found = "deny for everybody, and so for whoever runs `pulumi up`"
        arguments.found.append((("annotations",), Mistake(found, allowed, "name the deployer")))
    every = [each for several in names.values() for each in several] if is_right else []
    if (size := sum(len(each.encode()) + 1 for each in every)) > USUAL_DATA:
        found, allowed = f"names with {size:,} bytes", f"{USUAL_DATA:,} bytes, since each ConfigMap has them"
        arguments.found.append((("annotations",), Mistake(found, allowed, "name a prefix or a group of these users")))
    settings = GuardSettings(
        stack_key(known_or(guard.stack, "")),
        known_or(guard.mode, "warn"),
        namespaces={key: known_or(mode, "off") for key, mode in known_or(guard.namespaces, {}).items()},
        annotations=AnnotationRule(known_or(rule.mode, "warn"), **names) if rule else None,
    )
    accounts = [_account(each) for each in known_or(guard.service_accounts, [])]
    parts = [*_parts(arguments, settings, accounts)] if not arguments.found else []
    modes = None
    if not arguments.found and not _named_later(accounts):
        modes = {f"{each.namespace}/{each.name}": mode_in(settings, str(each.namespace)) for each in accounts}
    arguments.parts[ACCOUNTS] = [part.indexes for part in parts]
    return GuardSpec(settings, or_else(guard.namespace, SYSTEM), parts, arguments.kept(args), modes)


read_guard_again = functools.partial(read_again, _read)


def _account(written: GuardedServiceAccount) -> Account:
    # The ways in which new Pods get the role.
    used = known_or(written.identity, ONLY_IRSA).used
    ways = next((word for word, identity in SHORT.items() if identity.used == used), IRSA.key)
    audience = NO_AUDIENCE if ways == "podIdentity" else or_else(written.audience, DEFAULT_AUDIENCE)
    return Account(or_else(written.namespace, DEFAULT_NAMESPACE), written.name, written.role_arn, ways, audience)


def _named_later(accounts: Sequence[Account]) -> bool:
    return any(isinstance(name, Unknown) for each in accounts for name in (each.namespace, each.name))


def _parts(arguments: Arguments, settings: GuardSettings, accounts: Sequence[Account]) -> Iterator[Part]:
    if ACCOUNTS in arguments.parts_before:
        for indexes in arguments.parts_before[ACCOUNTS]:
            yield Part(_data(arguments, settings, [accounts[index] for index in indexes]), {}, indexes)
        return
    if _named_later(accounts):
        # Which bindings there are cannot depend on an output: so there are all that there could be.
        places = [*settings.namespaces, SYSTEM, NOWHERE]
        sample = {f"{namespace}.x": f"irsa {DEFAULT_AUDIENCE} {LONGEST_ROLE}" for namespace in places}
        yield Part(_data(arguments, settings, accounts), sample, range(len(accounts)))
        return
    known = [_longest(each) for each in accounts]
    try:
        samples = config_map_data(settings, known)
    except Mistake as mistake:
        arguments.found.append((ACCOUNTS, mistake))
        return
    by_key = {f"{each.namespace}.{each.name}": index for index, each in enumerate(accounts)}
    for sample in samples:
        indexes = [by_key[key] for key in sample if key in by_key]
        yield Part(_data(arguments, settings, [accounts[index] for index in indexes]), sample, indexes)


def _longest(account: Account) -> Declared:
    """Return an account with the longest value in place of each that is not known yet."""
    role_arn, audience = known_or(account.role_arn, LONGEST_ROLE), known_or(account.audience, "x" * 255)
    return Declared(str(account.namespace), str(account.name), role_arn, account.ways, audience)


def _data(arguments: Arguments, settings: GuardSettings, accounts: Sequence[Account]) -> Value[Mapping[str, str]]:
    def compute(values: Sequence[Sequence[str]]) -> Mapping[str, str]:
        try:
            divided = config_map_data(settings, [Declared(*each) for each in values])
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

    return derive(compute, accounts)
