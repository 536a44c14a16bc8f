"""How each argument of ServiceAccountRole is read: a table of parsers and rules.

A parser takes a value with a marker in place of what is not known, adds the mistakes in the rest of it, and returns the
value that the component uses.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from irsa.add_ons.catalog import check_add_on
from irsa.add_ons.parameters import PARAMETERS, SWITCHES, check_scope
from irsa.rules import quotas
from irsa.rules.annotations import check_annotation_key
from irsa.rules.arns import parse_cluster_arn, parse_iam_arn
from irsa.rules.combinations import check_adoptable
from irsa.rules.grammar import condition_mistakes, document_mistakes, sid_mistakes, statement_mistakes
from irsa.rules.identity import parse_identity
from irsa.rules.mistakes import Located, Mistake, Place, in_advice, shortened
from irsa.rules.names import RULES, NameRule, check_name
from irsa.rules.policies import parse_document
from irsa.rules.subjects import check_subject
from irsa.rules.tags import role_tags_mistakes
from irsa.rules.trust import check_conditions
from irsa.rules.unknown import Unknown, without_places

Found = list[Located]
Parser = Callable[[Any, Place, Found], Any]


def collect(check: Callable[[], object], place: Place, found: Found) -> None:
    """Run a check, and add its mistake to those found."""
    try:
        check()
    except Mistake as mistake:
        found.append((place, mistake))


def without_mistakes(value: Any, found: Found, place: Place) -> Any:
    """Return the value with a marker in place of each mistake in it."""
    return without_places(value, [at[len(place) :] for at, _ in found])


def _in_json(value: Any, place: Place, found: Found, mistakes: Callable[[Any], Iterable[Located]]) -> Any:
    """Return what JSON can express, so that nothing is lost or changed on the way to IAM; add the mistakes in it."""
    not_json = [*_not_json(value, place)]
    rest = without_mistakes(value, not_json, place)
    found += [*not_json, *((place + part, mistake) for part, mistake in mistakes(rest))]
    return rest


def string_of(check: Callable[[str], object]) -> Parser:
    """Return how a string is read."""

    def parser(value: Any, place: Place, found: Found) -> Any:
        if isinstance(value, str):
            collect(lambda: check(value), place, found)
        elif not isinstance(value, Unknown):
            fix = f'put it in quotes: "{value}"' if isinstance(value, bool | int | float) else "write a string"
            found.append((place, Mistake(shortened(value), "a string", fix)))
        return value

    return parser


def named_by(rule: str) -> Parser:
    """Return how a name is read, by its rule in irsa.rules.names."""
    return string_of(lambda text: check_name(text, RULES[rule]))


def _arn(kind: str) -> Parser:
    return string_of(lambda text: parse_iam_arn(text, kind))


def _flag(value: Any, place: Place, found: Found) -> Any:
    if not isinstance(value, bool) and not isinstance(value, Unknown):
        found.append((place, Mistake(shortened(value), "true or false", "write one of them, without quotes")))
    return value


def plain_identity(value: Any, place: Place, found: Found) -> Any:
    """Return the ways to a role."""
    if isinstance(value, Unknown):
        return value
    try:
        return parse_identity(value)
    except Mistake as mistake:
        found.append((place, mistake))
        return None


def _integer(check: Callable[[int], object]) -> Parser:
    def parser(value: Any, place: Place, found: Found) -> Any:
        if isinstance(value, Unknown):
            return value
        whole = isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1
        if not whole:
            found.append((place, Mistake(shortened(value), "an integer", "write an integer, without quotes")))
            return value
        # Other languages have one type of number, and pass 3600.0.
        collect(lambda: check(int(value)), place, found)
        return int(value)

    return parser


def _seconds(limits: quotas.Seconds) -> Parser:
    return _integer(lambda seconds: quotas.check_seconds(seconds, limits))


def _quota(least: int, most: int | None = None) -> Parser:
    def check(number: int) -> None:
        if number < least or (most and number > most):
            allowed = f"at least {least:,}" if number < least else f"at most {most:,}"
            raise Mistake(f"{number:,}", allowed, "write the quota of your AWS account")

    return _integer(check)


def several(item: Parser) -> Parser:
    """Return how a list is read."""

    def parser(value: Any, place: Place, found: Found) -> Any:
        if isinstance(value, Unknown):
            return value
        if not isinstance(value, list):
            fix = f"write {in_advice([value], 'a list that has it')}" if isinstance(value, str) else "write a list"
            found.append((place, Mistake(shortened(value), "a list", fix)))
            return []
        return [item(each, (*place, index), found) for index, each in enumerate(value)]

    return parser


def _at_least_one(listed: Parser) -> Parser:
    def parser(value: Any, place: Place, found: Found) -> Any:
        if isinstance(value, list) and not value:
            found.append((place, Mistake("an empty list", "at least one", "add one")))
        return listed(value, place, found)

    return parser


def with_keys(key_check: Callable[[str], object], item: Parser) -> Parser:
    """Return how a mapping is read."""

    def parser(value: Any, place: Place, found: Found) -> Any:
        if isinstance(value, Unknown):
            return value
        if not isinstance(value, Mapping):
            found.append((place, Mistake(shortened(value), "a mapping of keys and values", "write key: value")))
            return {}
        for key in value:
            if isinstance(key, str):
                collect(lambda key=key: key_check(key), (*place, key), found)  # type: ignore[misc]
            else:
                found.append((place, Mistake(f"the key {shortened(key)}", "keys that are strings", "write a string")))
        return {key: item(each, (*place, str(key)), found) for key, each in value.items()}

    return parser


class Document(NamedTuple):
    """A policy document: the caller's JSON text, if it was one, and its content."""

    text: str | None
    content: dict[str, Any]


def _document(value: Any, place: Place, found: Found) -> Any:
    if isinstance(value, Unknown):
        return value
    text = value if isinstance(value, str) else None
    content: Any = value
    if text is not None:
        try:
            content = parse_document(text)
        except Mistake as mistake:
            found.append((place, mistake))
            return Document(text, {})
    if not isinstance(content, dict):
        fix = "write the document as a mapping, or as JSON text"
        found.append((place, Mistake(shortened(content), "a policy document: a mapping, or JSON text", fix)))
        return Document(text, {})
    _in_json(content, place, found, document_mistakes)
    return Document(text, content)


def _conditions(value: Any, place: Place, found: Found) -> Any:
    in_json = _in_json(value, place, found, condition_mistakes)
    if isinstance(in_json, Mapping):
        known = {operator: keys for operator, keys in in_json.items() if isinstance(keys, Mapping)}
        collect(lambda: check_conditions(known), place, found)
    return value


def _statement(value: Any, place: Place, found: Found) -> Any:
    _in_json(value, place, found, lambda statement: statement_mistakes(statement, trust=True))
    return value


def _statements(value: Any, place: Place, found: Found) -> Any:
    statements = several(_statement)(value, place, found)
    if not isinstance(statements, Unknown):
        found += [(place + part, each) for part, each in sid_mistakes(statements)]
    return statements


def _not_json(value: Any, place: Place) -> Iterator[Located]:
    """Yield what JSON cannot express."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                yield place, Mistake(f"the key {shortened(key)}", "keys that are strings", "write a string")
            yield from _not_json(item, (*place, str(key)))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _not_json(item, (*place, index))
    elif isinstance(value, float) and not math.isfinite(value):
        yield place, Mistake(f"the number {value}", "a JSON number", "write a number, or a string")
    elif not isinstance(value, str | bool | int | float) and value is not None and not isinstance(value, Unknown):
        yield place, Mistake(shortened(value), "a JSON value: string, number, list or mapping", "write it as a string")


# --- the arguments ---------------------------------------------------------------------------------------------------


class Field(NamedTuple):
    """How an argument is read.

    Attributes:
        parse: Returns the value, and adds its mistakes.
        plain: Why the argument cannot be an output; empty where it can.
        required: Whether it must be there.
    """

    parse: Parser
    plain: str = ""
    required: bool = False


class Group(NamedTuple):
    """A mapping of arguments."""

    fields: Mapping[str, "Node"]
    required: bool = False


class Keyed(NamedTuple):
    """A mapping whose keys become names of resources, by a rule; its values are read one by one."""

    rule: NameRule
    item: "Field | Group"
    required: bool = False


class Listed(NamedTuple):
    """A list of mappings of arguments, each of which becomes resources of its own."""

    item: Group
    required: bool = False


Node = Field | Group | Keyed | Listed

DECIDES = "it decides which resources exist"
AUTHOR_DECIDES = "it is a decision of the program's author"
NUMBER = "a number is checked before the deployment"
TAGS = with_keys(lambda key: check_name(key, RULES["tag key"]), named_by("tag value"))


def _role_tags(value: Any, place: Place, found: Found) -> Any:
    tags = TAGS(value, place, found)
    if isinstance(tags, Mapping):
        found += [
            (place + part, each) for part, each in role_tags_mistakes([key for key in tags if isinstance(key, str)])
        ]
    return tags


def _annotation_key(key: str) -> None:
    check_annotation_key(key)
    check_name(key, RULES["Kubernetes key"])


SERVICE_ACCOUNT: Mapping[str, Node] = {
    "name": Field(named_by("service account"), required=True),
    "namespace": Field(named_by("namespace")),
    "create": Field(_flag, DECIDES),
    "take_over": Field(_flag, AUTHOR_DECIDES),
    "labels": Field(with_keys(lambda key: check_name(key, RULES["Kubernetes key"]), named_by("label value"))),
    "annotations": Field(with_keys(_annotation_key, string_of(len))),
    "image_pull_secrets": Field(several(named_by("secret"))),
    "automount_service_account_token": Field(_flag),
    "sts_regional_endpoints": Field(_flag),
    "token_expiration": Field(_seconds(quotas.TOKEN_EXPIRATION), NUMBER),
}
ADD_ON: Mapping[str, Node] = {
    "add_on": Field(string_of(check_add_on), DECIDES, required=True),
    "version": Field(string_of(len), DECIDES),
    "scope": Field(string_of(check_scope), DECIDES),
    **{name: Field(_at_least_one(several(string_of(each.check)))) for name, each in PARAMETERS.items()},
    **dict.fromkeys(SWITCHES, Field(_flag, "it decides what the policy says")),
}
POLICY_DOCUMENT: Mapping[str, Node] = {"document": Field(_document, required=True)}
POLICY: Mapping[str, Node] = {
    **ADD_ON,
    "add_on": Field(string_of(check_add_on), DECIDES),
    "document": Field(_document),
    "name": Field(named_by("policy")),
    "path": Field(named_by("policy path")),
    "description": Field(named_by("description")),
    "tags": Field(TAGS),
}
POD_IDENTITY: Mapping[str, Node] = {
    "session_tags": Field(_flag, "the trust policy depends on it"),
    "target_role_arn": Field(_arn("role")),
    "policy": Group(POLICY_DOCUMENT),
    "tags": Field(TAGS),
    "import_ids": Field(with_keys(len, named_by("association ID")), DECIDES),
}
# Settings of the role that have the same names as inputs of `aws.iam.Role`.
ROLE_SETTINGS: Mapping[str, Field] = {
    "description": Field(named_by("description")),
    "path": Field(named_by("role path")),
    "permissions_boundary": Field(_arn("policy")),
    "max_session_duration": Field(_seconds(quotas.SESSION_DURATION), NUMBER),
    "force_detach_policies": Field(_flag),
    "tags": Field(_role_tags),
}
ROLE: Mapping[str, Node] = {
    "arn": Field(_arn("role")),
    "name": Field(named_by("role")),
    "name_prefix": Field(named_by("role prefix")),
    **ROLE_SETTINGS,
}
TRUST: Mapping[str, Node] = {
    "subjects": Field(several(string_of(check_subject))),
    "any_service_account": Field(_flag, AUTHOR_DECIDES),
    "conditions": Field(_conditions),
    "statements": Field(_statements),
}
QUOTAS: Mapping[str, Node] = {
    "trust_policy_size": Field(_quota(quotas.TRUST_POLICY_SIZE, quotas.LARGEST_TRUST_POLICY_SIZE), NUMBER),
    "attached_policies": Field(_quota(1), NUMBER),
}
OF_A_ROLE = Group(
    {
        "service_account": Group(SERVICE_ACCOUNT),
        "identity": Field(plain_identity, DECIDES),
        "oidc_provider_arns": Field(_at_least_one(several(_arn("oidc-provider")))),
        "cluster_arns": Keyed(RULES["key"], Field(string_of(parse_cluster_arn))),
        "pod_identity": Group(POD_IDENTITY),
        "role": Group(ROLE),
        "policy": Group(POLICY),
        "policies": Listed(Group(ADD_ON)),
        "policy_arns": Keyed(RULES["attachment key"], Field(_arn("policy"))),
        "inline_policies": Keyed(RULES["inline policy"], Group(POLICY_DOCUMENT)),
        "assume_role_arns": Field(several(_arn("role"))),
        "trust": Group(TRUST),
        "audience": Field(named_by("audience")),
        "import_": Field(several(string_of(check_adoptable)), DECIDES),
        "retain_on_delete": Field(_flag, "it is an option of the resources"),
        "quotas": Group(QUOTAS),
    }
)


def node_at(place: Place, group: Group = OF_A_ROLE) -> Node | None:
    """Return how the argument at a place is read; None below an argument that has a value, and at an unknown one."""
    node: Node | None = group
    for step in place:
        if isinstance(node, Group):
            node = node.fields.get(str(step))
        else:
            node = node.item if isinstance(node, Keyed | Listed) else None
    return node
