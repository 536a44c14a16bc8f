"""What the guard of a stack knows: the declared service accounts, as data of ConfigMaps, and the names of its parts."""

import hashlib
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from irsa.rules.mistakes import Mistake, named, shortened
from irsa.rules.trust import DEFAULT_AUDIENCE

WAYS = ("irsa", "podIdentity", "both")
SYSTEM = "kube-system"
# Of a service account without IRSA.
NO_AUDIENCE = "-"
# What the policies understand, in the syntax of RE2, too. An audience may have spaces and line breaks; a role, which
# stands in messages as it is, has visible ASCII alone.
ENTRY = r"(irsa|podIdentity|both) (?s:.+) arn:[!-~]+"
# Pods of more are not judged: 40,000 variables in one container took the API server longer than a request may.
MOST_CONTAINERS, MOST_VARIABLES, MOST_VOLUMES = 100, 1_000, 1_000
# etcd takes 1 MiB of an object; what is left is for its metadata and the users of `AnnotationRule`.
LONGEST_DATA = 900_000
LONGEST_KEY = 253
# The API server reads all of a ConfigMap for each Pod: measured, 1,070 service accounts in one cost four times as much
# as in several.
USUAL_DATA = 100_000
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


class Declared(NamedTuple):
    """A declared service account: which role its Pods must get, by which way of `WAYS`."""

    namespace: str
    name: str
    role_arn: str
    ways: str = "irsa"
    audience: str = DEFAULT_AUDIENCE


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


def may_annotate(rule: AnnotationRule, user: str, groups: Iterable[str] = ()) -> bool:
    """Return whether a rule lets a user write other roles than the declared ones."""
    return user in rule.users or user.startswith(rule.user_prefixes) or not {*groups}.isdisjoint(rule.groups)


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


def declared_data(service_accounts: Iterable[Declared]) -> list[dict[str, str]]:
    """Return the data of the ConfigMaps of service accounts, each declared once: several where it is too long for one.

    A namespace is never divided.

    Raises:
        Mistake: A service account, or a namespace, is too long for a ConfigMap.
    """
    data: dict[str, str] = {}
    for each in sorted(service_accounts):
        audience = NO_AUDIENCE if each.ways == "podIdentity" else each.audience or DEFAULT_AUDIENCE
        key, value = f"{each.namespace}.{each.name}", f"{each.ways} {audience} {each.role_arn}"
        if len(key) > LONGEST_KEY:
            raise Mistake(
                f"service account {shortened(each.name)}, whose name and namespace have {len(key) - 1} characters",
                f"{LONGEST_KEY - 1} characters for both in the guard, which has them in a key of a ConfigMap",
                f"switch the guard off there: namespaces: {{{each.namespace}: off}}",
            )
        data[key] = value
    return list(_divided(data))


def _divided(data: Mapping[str, str]) -> Iterator[dict[str, str]]:
    part: dict[str, str] = {}
    used = 0
    for namespace, keys in itertools.groupby(sorted(data, key=lambda key: (_namespace(key), key)), _namespace):
        more = {key: data[key] for key in keys}
        size = data_size(more)
        if size > LONGEST_DATA:
            raise Mistake(
                f"the guard's data of namespace {named(namespace)} has {size:,} bytes",
                f"{LONGEST_DATA:,} bytes in one namespace, since a ConfigMap has at most 1 MiB",
                f"switch the guard off there: namespaces: {{{namespace}: off}}",
            )
        if part and used + size > USUAL_DATA:
            yield part
            part, used = {}, 0
        part |= more
        used += size
    if part:
        yield part


def data_size(data: Mapping[str, str]) -> int:
    """Return the size of a ConfigMap's data in bytes."""
    return sum(len(key.encode()) + len(value.encode()) for key, value in data.items())


def _namespace(key: str) -> str:
    return key.partition(".")[0]


def namespaces_of(data: Mapping[str, str]) -> list[str]:
    """Return the namespaces of which a ConfigMap's data declare service accounts."""
    return sorted({_namespace(key) for key in data if "." in key})


def parsed_data(data: Mapping[str, str]) -> list[Declared]:
    """Return the service accounts of a ConfigMap's data, without entries that the policies do not understand either."""
    found = []
    for key, value in data.items():
        namespace, dot, name = key.partition(".")
        if dot and re.fullmatch(ENTRY, value):
            ways, _, others = value.partition(" ")
            audience, _, role_arn = others.rpartition(" ")
            found.append(Declared(namespace, name, role_arn, ways, "" if ways == "podIdentity" else audience))
    return sorted(found)


def mode_in(settings: GuardSettings, namespace: str) -> str:
    """Return the guard's mode in a namespace: kube-system's Pods are never refused unless it is named.

    aws-node is one of them: refused on new nodes while the webhook is down, it would keep them NotReady.
    """
    usual = "warn" if namespace == SYSTEM and settings.mode == "deny" else settings.mode
    return settings.namespaces.get(namespace, usual)


def config_map_data(settings: GuardSettings, service_accounts: Iterable[Declared]) -> list[dict[str, str]]:
    """Return the data of each ConfigMap: what is declared where the guard is on, and who may write annotations.

    Raises:
        Mistake: A service account is there twice; or as `declared_data`.
    """
    declared, rule = sorted(service_accounts), settings.annotations
    if twice := next((one for one, other in itertools.pairwise(declared) if one[:2] == other[:2]), None):
        about = named(f"{twice.namespace}/{twice.name}")
        raise Mistake(f"service account {about} twice", "each service account once", "remove one of them")
    lists = {USERS: rule.users, USER_PREFIXES: rule.user_prefixes, GROUPS: rule.groups} if rule else {}
    allowed = {key: "\n".join(values) for key, values in lists.items()}
    guarded = (each for each in declared if mode_in(settings, each.namespace) != "off")
    return [allowed | data for data in declared_data(guarded)]
