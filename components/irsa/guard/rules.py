"""What the guard of a stack knows: the declared service accounts, as data of ConfigMaps, and the names of its parts."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from irsa.rules.mistakes import Mistake, named, shortened
from irsa.rules.trust import DEFAULT_AUDIENCE
from irsa.rules.unknown import Value, derive

WAYS = ("irsa", "podIdentity", "both")
SYSTEM = "kube-system"
# Of a service account without IRSA.
NO_AUDIENCE = "-"
# What the policies understand, in the syntax of RE2, too. An audience may have spaces and line breaks; a role, which
# stands in messages as it is, has visible ASCII alone.
ENTRY = r"(irsa|podIdentity|both) (?s:.+) arn:[!-~]+"
# Pods of more are not judged: 40,000 variables in one container took the API server longer than a request may.
MOST_CONTAINERS, MOST_VARIABLES, MOST_VOLUMES = 100, 1_000, 1_000
# Characters of eks.amazonaws.com/skip-containers: 100 names have 6,400 at most.
LONGEST_SKIPPED = 10_000
LONGEST_KEY = 253
# etcd takes 1 MiB of an object, and an entry has 1.4 kB at most: 253 bytes of its key, 510 of the audience, 607 of the
# role's ARN. The API server reads all of a ConfigMap for each Pod: measured, 1,070 service accounts in one cost four
# times as much as in several.
MOST_ACCOUNTS = 600
# Bytes of the users, prefixes and groups of `AnnotationRule`, which each ConfigMap has.
LONGEST_LISTS = 100_000
LONGEST_STACK = 40
_HASH = 8

# Keys of settings stand beside those of service accounts: these have a dot, since a namespace cannot.
USERS, USER_PREFIXES, GROUPS = "annotation-users", "annotation-user-prefixes", "annotation-groups"
# Users and groups: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#anonymous-requests
EVERYBODY = ("system:authenticated", "system:unauthenticated", "system:anonymous", "system:serviceaccounts")
# How names of many begin, and that of one role, user or service account:
# https://docs.aws.amazon.com/eks/latest/userguide/creating-access-entries.html
_BEGINNINGS = ("arn:", "system:serviceaccount:")
_OF_ONE = r"arn:([^:]*:){4}[^/]+/.+|system:serviceaccount:[^:]+:.+"


class GuardEntry(NamedTuple):
    """A declared service account: which role its Pods must get, by which way of `WAYS`."""

    namespace: str
    name: str
    role_arn: Value[str]
    ways: str = "irsa"
    audience: Value[str] = DEFAULT_AUDIENCE


class AnnotationRule(NamedTuple):
    """Who may write `eks.amazonaws.com/role-arn` beside what is declared; `mode` is for everybody else."""

    mode: str
    users: tuple[str, ...] = ()
    user_prefixes: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


def check_stack(name: str) -> str:
    """Return the name of a stack, of which the policies' names are made.

    Raises:
        Mistake: It is empty.
    """
    if name:
        return name
    raise Mistake("an empty string", "the name of the stack", "write it, or remove the argument")


def check_user(name: str) -> str:
    """Return the name of a user or a group, of which the guard's ConfigMaps have one in each line.

    Raises:
        Mistake: It is empty, or has several lines.
    """
    if name.strip() and len(name.splitlines()) == 1:
        return name
    raise Mistake(shortened(name), "a name on one line", "write the name, or remove it")


def check_user_prefix(prefix: str) -> str:
    """Return what names of users begin with.

    Raises:
        Mistake: It is empty, has several lines, or ends as a pattern.
    """
    if check_user(prefix).endswith("*"):
        raise Mistake(shortened(prefix), "what the names begin with, without wildcards", "remove the *")
    return prefix


def is_everybody(name: str) -> bool:
    """Return whether a user or a group is all users, or all service accounts of the cluster or of a namespace."""
    return name in EVERYBODY or name.startswith("system:serviceaccounts:")


def is_wide_prefix(prefix: str) -> bool:
    """Return whether the names of several roles, users or service accounts, and of future ones, begin so."""
    is_of_many = any(each.startswith(prefix) or prefix.startswith(each) for each in _BEGINNINGS)
    return is_of_many and not re.fullmatch(_OF_ONE, prefix)


class GuardSettings(NamedTuple):
    """The guard of a stack in one cluster; a mode is off, warn or deny.

    Attributes:
        stack: Of `stack_key`.
        mode: In namespaces that `namespaces` does not name; kube-system is then at most warned about.
        namespace: Where the ConfigMaps are.
        namespaces: Modes by namespace.
        annotations: None without such a rule.
    """

    stack: str
    mode: str
    namespace: str = SYSTEM
    namespaces: Mapping[str, str] = {}
    annotations: AnnotationRule | None = None


def stack_key(name: str) -> str:
    """Return `PROJECT.STACK` of `PROJECT/STACK`, at most 40 characters: part of a DNS subdomain, and a label's value.

    Names of projects and stacks have no slash. What else is changed in them gets a hash, as a dot that is theirs.
    """
    label = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
    if len(name) <= LONGEST_STACK and re.fullmatch(f"{label}(/{label})?", name):
        return name.replace("/", ".")
    cut = re.sub("[^a-z0-9]+", "-", name.lower())[: LONGEST_STACK - _HASH - 1].strip("-") or "stack"
    return f"{cut}-{hashlib.sha256(name.encode()).hexdigest()[:_HASH]}"


def config_map_data(settings: GuardSettings, declared: Iterable[GuardEntry]) -> list[dict[str, Value[str]]]:
    """Return the data of each ConfigMap: what is declared where the guard is on, and who may write annotations.

    A namespace is never divided over two.

    Raises:
        Mistake: A service account is there twice, or has too long a name; or a namespace has too many.
    """
    rule, by_namespace = settings.annotations, dict[str, dict[str, Value[str]]]()
    for each in sorted(declared, key=lambda each: each[:2]):
        entries = by_namespace.setdefault(each.namespace, {})
        if (key := key_of(each)) in entries:
            about = named(f"{each.namespace}/{each.name}")
            raise Mistake(f"service account {about} twice", "each service account once", "remove one of them")
        entries[key] = derive(_entry, each.ways, each.audience, each.role_arn)
    parts: list[dict[str, Value[str]]] = []
    for namespace, entries in by_namespace.items():
        if mode_in(settings, namespace) != "off":
            _check_entries(namespace, [*entries])
            if not parts or len(parts[-1]) + len(entries) > MOST_ACCOUNTS:
                parts.append({})
            parts[-1] |= entries
    lists = {USERS: rule.users, USER_PREFIXES: rule.user_prefixes, GROUPS: rule.groups} if rule else {}
    return [{**{key: "\n".join(values) for key, values in lists.items()}, **part} for part in parts]


def key_of(declared: GuardEntry) -> str:
    """Return the key of a service account in a ConfigMap."""
    return f"{declared.namespace}.{declared.name}"


def _entry(ways: str, audience: str, role_arn: str) -> str:
    return f"{ways} {NO_AUDIENCE if ways == 'podIdentity' else audience or DEFAULT_AUDIENCE} {role_arn}"


def _check_entries(namespace: str, keys: Sequence[str]) -> None:
    fix = f"switch the guard off there: namespaces: {{{namespace}: off}}"
    longest = max(keys, key=len)
    if len(longest) > LONGEST_KEY:
        name = longest.partition(".")[2]
        found = f"service account {shortened(name)}, whose name and namespace have {len(longest) - 1} characters"
        allowed = f"{LONGEST_KEY - 1} characters for both, since the guard has them in a key of a ConfigMap"
        raise Mistake(found, allowed, fix)
    if len(keys) > MOST_ACCOUNTS:
        found = f"{len(keys):,} service accounts in the namespace {named(namespace)}"
        raise Mistake(found, f"{MOST_ACCOUNTS:,} in one namespace, since a ConfigMap has at most 1 MiB", fix)


def namespaces_of(data: Iterable[str]) -> list[str]:
    """Return the namespaces of which a ConfigMap's data declare service accounts."""
    return sorted({key.partition(".")[0] for key in data if "." in key})


def parsed_data(data: Mapping[str, str]) -> list[GuardEntry]:
    """Return the service accounts of a ConfigMap's data, without entries that the policies do not understand either."""
    found = []
    for key, value in data.items():
        namespace, dot, name = key.partition(".")
        if dot and re.fullmatch(ENTRY, value):
            ways, _, others = value.partition(" ")
            audience, _, role_arn = others.rpartition(" ")
            found.append(GuardEntry(namespace, name, role_arn, ways, "" if ways == "podIdentity" else audience))
    return sorted(found, key=lambda each: each[:2])


def mode_in(settings: GuardSettings, namespace: str) -> str:
    """Return the guard's mode in a namespace: kube-system's Pods are never refused unless it is named.

    aws-node is one of them: refused on new nodes while the webhook is down, it would keep them NotReady.
    """
    usual = "warn" if namespace == SYSTEM and settings.mode == "deny" else settings.mode
    return settings.namespaces.get(namespace, usual)
