"""The statements of policy documents, as permissions.py asks about them."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

from irsa.evaluation.answers import RoleRequest
from irsa.evaluation.conditions import Known, condition_outcome
from irsa.evaluation.document import Condition
from irsa.evaluation.patterns import PLAIN
from irsa.rules.grammar import DOCUMENT_ELEMENTS, EFFECTS, STATEMENT_ELEMENTS, VERSION, split_operator
from irsa.rules.leaves import items_of
from irsa.rules.unknown import Unknown, has_unknown

# The keys whose values the caller chooses, or leaves out, so that a condition on them limits nobody who means to get
# around it: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html, section of each.
CHOSEN = frozenset(
    {
        *("aws:referer", "aws:requestedregion", "aws:requesttag", "aws:securetransport", "aws:tagkeys"),
        *("aws:useragent", "aws:viaawsservice"),
        # .../reference_policies_iam-condition-keys.html: "Available keys for AWS STS"
        *("sts:externalid", "sts:rolesessionname", "sts:transitivetagkeys"),
        # .../id_roles_use_passrole.html: they say to whom a role is passed, not which one.
        *("iam:associatedresourcearn", "iam:passedtoservice"),
    }
)
# Of the first page: keys that are in each request that a role signs.
PRESENT = frozenset(
    {
        *("aws:currenttime", "aws:epochtime", "aws:principalaccount", "aws:principalarn", "aws:principaltype"),
        "aws:userid",
    }
)

_NO_VARIABLES = {f"${{{each}}}" for each in PLAIN}
VARIABLE = re.compile(r"\$\{([^{}]*)\}")
Element = Literal["actions", "resources"]


class Names(NamedTuple):
    """The patterns of Action or Resource, or of their opposites."""

    certain: tuple[str, ...]
    uncertain: tuple[str, ...]
    """Those with a text that is not known, which `*` stands for."""
    negated: bool
    with_variables: tuple[str, ...]
    """Each of them with its policy variables, in the order of `every`; empty where it has none, or is not known."""

    def including(self, is_matched: Callable[[str], bool]) -> tuple[bool, bool]:
        """Return whether it includes something for certain, and whether it may, by whether a pattern matches it."""
        if self.negated:
            return not any(map(is_matched, self.every)), not any(map(is_matched, self.certain))
        return any(map(is_matched, self.certain)), any(map(is_matched, self.every))

    @property
    def every(self) -> tuple[str, ...]:
        """All patterns."""
        return self.certain + self.uncertain

    @property
    def outer(self) -> tuple[str, ...]:
        """Patterns that together match all that it includes."""
        return ("*",) if self.negated else self.every


_ANY_ROLE, _LIKE = RoleRequest(""), ("StringLike", "StringNotLike")


class Compared(NamedTuple):
    """A condition; `variables` says whether policy variables work in its document."""

    condition: Condition
    variables: bool
    written: str
    """The key as it is written."""

    @property
    def key(self) -> str:
        """The key in lower case: IAM ignores the case of keys."""
        return self.condition.key

    def is_chosen_by(self, service: str) -> bool:
        """Return whether the caller of a service's action chooses the value; keys of a service are absent elsewhere."""
        return self.key.partition("/")[0] in CHOSEN and self.key.partition(":")[0] in ("aws", service)

    @property
    def always(self) -> bool | None:
        """Whether every request meets it, or none; None where that depends on the request."""
        operator, wanted = split_operator(self.condition.operator), self.condition.wanted
        takes_any = any(value and not value.strip("*") for value in wanted)
        if operator is None or not (operator.name == "Null" or (takes_any and operator.name in _LIKE)):
            return None
        # A value of any request, and none where a request may have none.
        contexts = ({self.key: values} for values in [("any",), *([] if self.key in PRESENT else [()])])
        outcomes = {condition_outcome(self.condition, Known(_ANY_ROLE, each, variables=False)) for each in contexts}
        return outcomes.pop() if len(outcomes) == 1 else None


class PermissionStatement(NamedTuple):
    """A statement of any of the documents."""

    allows: bool
    in_boundary: bool
    actions: Names
    resources: Names
    conditions: tuple[Compared, ...]
    """Without those that every request meets."""
    marked: bool
    """Whether it holds what is not known, and so is not the same as another one that looks like it."""

    @property
    def never(self) -> bool:
        """Whether no request meets its conditions."""
        return any(each.always is False for each in self.conditions)

    @property
    def keys(self) -> set[str]:
        """The condition keys and policy variables on which it depends, as they are written."""
        variables = {f"${{{each}}}" for text in self.resources.with_variables for each in VARIABLE.findall(text)}
        return {each.written for each in self.conditions if each.written} | (variables - _NO_VARIABLES)

    def names(self, element: Element) -> Names:
        """Return the patterns of its actions or resources."""
        return self.actions if element == "actions" else self.resources


_ANY = {"Effect": Unknown("any"), "Action": "*", "Resource": "*"}


def statements_of(document: Mapping[str, Any] | Unknown, in_boundary: bool) -> Iterator[PermissionStatement]:
    """Yield the statements of a document; of one that is not known, such as may say anything."""
    if isinstance(document, Unknown):
        yield from _statement(_ANY, in_boundary, variables=True)
        return
    variables = document.get("Version") == VERSION
    statements = items_of(document.get("Statement", ())) if document.keys() <= {*DOCUMENT_ELEMENTS} else [_ANY]
    for each in statements:
        yield from _statement(each if _is_statement(each) else _ANY, in_boundary, variables)


def _is_statement(value: Any) -> bool:
    """Return whether a value has the elements of a statement. What IAM makes of others, in lower case too, is open."""
    return (
        isinstance(value, dict | Mapping)
        and value.keys() <= {*STATEMENT_ELEMENTS}
        and all(len({name, f"Not{name}"} & value.keys()) == 1 for name in ("Action", "Resource"))
    )


def _statement(values: Mapping[str, Any], in_boundary: bool, variables: bool) -> Iterator[PermissionStatement]:
    """Yield a statement; where its Effect is not known, one of each, and neither for certain."""
    effect, marked = values.get("Effect"), has_unknown(dict(values))
    conditions = [*_conditions(values.get("Condition", {}), variables)]
    unknown = [] if effect in EFFECTS else [UNKNOWN]
    for allows in (True, False) if unknown else (effect == "Allow",):
        yield PermissionStatement(
            allows,
            in_boundary,
            _names(values, "Action", variables=False),
            _names(values, "Resource", variables),
            (*(each for each in conditions if each.always is not True), *unknown),
            marked,
        )


def _names(values: Mapping[str, Any], element: str, variables: bool) -> Names:
    negated = element not in values and f"Not{element}" in values
    items = items_of(values.get(f"Not{element}" if negated else element, ()))
    patterns = [_pattern(item, variables) if isinstance(item, str) else ("*", False, "") for item in items]
    certain, uncertain = (tuple(text for text, known, _ in patterns if known is wanted) for wanted in (True, False))
    with_variables = tuple(text for _, _, text in sorted(patterns, key=lambda each: not each[1]))
    return Names(certain, uncertain, negated, with_variables)


def _pattern(text: str, variables: bool) -> tuple[str, bool, str]:
    """Return the pattern of a text, whether all of it is known, and the text where a variable is in it."""
    if not variables:
        return text, True, ""
    pattern = VARIABLE.sub(lambda match: PLAIN.get(match[1], "*"), text)
    known = all(name in PLAIN for name in VARIABLE.findall(text))
    return pattern, known, "" if known else text


UNKNOWN = Compared(Condition("", "", ()), variables=True, written="")


def _conditions(condition: Any, variables: bool) -> Iterator[Compared]:
    if not isinstance(condition, dict | Mapping):
        yield UNKNOWN
        return
    for operator, keys in condition.items():
        # No page says what two spellings of one key mean.
        if not isinstance(keys, dict | Mapping) or len({str(each).lower() for each in keys}) < len(keys):
            yield UNKNOWN
            continue
        for key, values in keys.items():
            known = [] if has_unknown(values) else items_of(values)
            texts = {each if isinstance(each, str) else json.dumps(each, default=str) for each in known}
            condition = Condition(str(operator), str(key).lower(), tuple(sorted(texts)))
            yield UNKNOWN if has_unknown(values) else Compared(condition, variables, str(key))
