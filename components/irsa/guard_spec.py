"""What an IdentityGuard creates, as one frozen value; or all mistakes in its arguments."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from irsa.fields import OF_A_GUARD, KeyGroup
from irsa.guard.rules import (
    LONGEST_LISTS,
    SYSTEM,
    AnnotationRule,
    GuardEntry,
    GuardSettings,
    config_map_data,
    key_of,
    mode_in,
    stack_key,
)
from irsa.keys.guard import GuardedServiceAccount, IdentityGuardKeys
from irsa.outputs import GUARD_ANNOTATIONS, GUARD_MODES
from irsa.read import Arguments, read_again
from irsa.rules.leaves import strings_of
from irsa.rules.mistakes import Located, Mistake, Place, Spelling, path_of
from irsa.rules.subjects import DEFAULT_NAMESPACE
from irsa.rules.trust import DEFAULT_AUDIENCE
from irsa.rules.unknown import Value, has_unknown, is_there, known_or, or_else
from irsa.ways import ONLY_IRSA, SHORT

ACCOUNTS: Place = ("service_accounts",)


class Part(NamedTuple):
    """What one ConfigMap holds.

    Attributes:
        data: Its data.
        indexes: Of its service accounts among the arguments.
    """

    data: Mapping[str, Value[str]]
    indexes: Sequence[int]


class GuardSpec(NamedTuple):
    """What an IdentityGuard creates."""

    settings: GuardSettings
    namespace: Value[str]
    parts: Sequence[Part]
    reading: Arguments
    modes: Mapping[str, str]
    """The mode for each service account, by `namespace/name`."""
    recorded: Mapping[str, Any] = {}

    @property
    def inputs(self) -> dict[str, Any]:
        """What a preview shows of it, whatever is not known until the deployment."""
        rule = self.settings.annotations
        found = {GUARD_MODES: self.modes, GUARD_ANNOTATIONS: rule and rule.mode, **self.recorded}
        return {key: each for key, each in found.items() if each is not None}


def read_guard(
    name: str, args: Mapping[str, Any], stack: str, spelling: Spelling = path_of, group: KeyGroup = OF_A_GUARD
) -> tuple[GuardSpec, Sequence[Located]]:
    """Return what the arguments of an IdentityGuard declare, and all mistakes in and between them.

    Args:
        name: The component's logical name.
        args: IdentityGuardArgs.
        stack: Project and stack of the program, where the arguments have none.
        spelling: How the caller spells an argument, for messages.
        group: How its keys are read.
    """
    arguments = Arguments(name, spelling, group=group)
    spec = _read(arguments, {"stack": stack, **args} if isinstance(args, Mapping) else args)
    return spec, arguments.mistakes


def _read(arguments: Arguments, args: object) -> GuardSpec:
    spelling = arguments.spelling
    guard = arguments.read(args, IdentityGuardKeys)
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
    if (size := sum(len(each.encode()) + 1 for each in every)) > LONGEST_LISTS:
        found, allowed = f"names with {size:,} bytes", f"{LONGEST_LISTS:,} bytes, since each ConfigMap has them"
        arguments.found.append((("annotations",), Mistake(found, allowed, "name a prefix or a group of these users")))
    settings = GuardSettings(
        stack_key(known_or(guard.stack, "")),
        known_or(guard.mode, "warn"),
        namespaces={key: known_or(mode, "off") for key, mode in known_or(guard.namespaces, {}).items()},
        annotations=AnnotationRule(known_or(rule.mode, "warn"), **names) if rule else None,
    )
    written_accounts = known_or(guard.service_accounts, []) if not arguments.found else []
    # New Pods of a service account without a way that is used get no role, and need none.
    accounts = {
        index: _declared(each) for index, each in enumerate(written_accounts) if known_or(each.identity, ONLY_IRSA).used
    }
    try:
        data = config_map_data(settings, accounts.values())
    except Mistake as mistake:
        arguments.found.append((ACCOUNTS, mistake))
        data = []
    by_key = {key_of(each): index for index, each in accounts.items()}
    parts = [Part(each, [by_key[key] for key in each if key in by_key]) for each in data]
    modes = {f"{each.namespace}/{each.name}": mode_in(settings, each.namespace) for each in accounts.values()}
    return GuardSpec(settings, or_else(guard.namespace, SYSTEM), parts, arguments.kept(args), modes)


read_guard_again = functools.partial(read_again, _read)


def _declared(written: GuardedServiceAccount) -> GuardEntry:
    # The ways in which new Pods get the role.
    used = known_or(written.identity, ONLY_IRSA).used
    ways = next(word for word, identity in SHORT.items() if identity.used == used)
    namespace, audience = known_or(written.namespace, DEFAULT_NAMESPACE), or_else(written.audience, DEFAULT_AUDIENCE)
    return GuardEntry(namespace, known_or(written.name, ""), written.role_arn, ways, audience)
