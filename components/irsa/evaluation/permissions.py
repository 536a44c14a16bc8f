"""What a role may do: what its policies give together.

An explicit Deny decides, else an Allow, which a permissions boundary must have too:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html

Each answer is True, False, or None for "cannot tell". It comes from two bounds: what is given for certain, and what may
be. A condition, a policy variable or a marker that is not known adds to the second one only. `*` and `?` in a resource
match every character: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
"""

import functools
import itertools
import json
import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from irsa.evaluation.answers import WebIdentityRequest
from irsa.evaluation.conditions import Known, condition_outcome
from irsa.evaluation.document import Condition
from irsa.evaluation.patterns import TooManyError, matches
from irsa.rules.grammar import EFFECTS, VERSION, split_operator
from irsa.rules.leaves import items_of, mapping_of
from irsa.rules.strangers import MOST_WAYS, automaton, least, unmatched
from irsa.rules.unknown import Unknown, has_unknown

# Patterns made to combine in very many ways are not followed to the end: then the answer is "cannot tell".
MOST_FORMS, MOST_CHOICES = 50, 500


class Chosen(NamedTuple):
    """A condition key whose value the caller chooses, so that a condition on it limits nobody."""

    values: tuple[str, ...] = ()
    """The values that every caller can choose; any, where there are none."""
    may_be_absent: bool = False
    several: bool = False


# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html, section of each key. That a
# value fits the action (a tag, where it creates something; a region, where it has a choice) is not asked.
_ANYTHING = Chosen(may_be_absent=True)
CHOSEN: Mapping[str, Chosen] = {
    "aws:referer": _ANYTHING,
    "aws:requestedregion": Chosen(),
    "aws:requesttag": _ANYTHING,
    "aws:securetransport": Chosen(("true",)),
    "aws:tagkeys": Chosen(may_be_absent=True, several=True),
    "aws:useragent": Chosen(),
    "aws:viaawsservice": Chosen(("false",)),
    # .../reference_policies_iam-condition-keys.html: "Available keys for AWS STS"
    "sts:externalid": _ANYTHING,
    "sts:rolesessionname": Chosen(),
    "sts:transitivetagkeys": Chosen(may_be_absent=True, several=True),
    # .../id_roles_use_passrole.html: they say to whom a role is passed, not which one.
    "iam:associatedresourcearn": _ANYTHING,
    "iam:passedtoservice": Chosen(),
}
# Of the same page: keys that are in each request that a role signs, with the value where it is the same for all.
PRESENT: Mapping[str, tuple[str, ...]] = {
    "aws:currenttime": (),
    "aws:epochtime": (),
    "aws:principalaccount": (),
    "aws:principalarn": (),
    "aws:principaltype": ("AssumedRole",),
    "aws:userid": (),
}
_SERVICES = {key.partition(":")[0] for key in CHOSEN} - {"aws"}
_NOBODY = WebIdentityRequest("https://nobody", "arn:aws:iam::000000000000:oidc-provider/nobody", "", "")

# In place of the plain characters * and ?, in patterns and in what is compared with them.
PLAIN = {"*": "\ue000", "?": "\ue001", "$": "$"}
TO_PLAIN = str.maketrans({"*": "\ue000", "?": "\ue001"})
_VARIABLE = re.compile(r"\$\{([^{}]*)\}")


Element = Literal["actions", "resources"]


class _Names(NamedTuple):
    """The patterns of Action or Resource, or of their opposites."""

    certain: tuple[str, ...]
    uncertain: tuple[str, ...]
    """Those with a text that is not known, which `*` stands for."""
    negated: bool

    def patterns(self, widest: bool) -> tuple[str, ...]:
        """Return the patterns by which most, or least, is included."""
        return self.certain if widest == self.negated else self.certain + self.uncertain

    @property
    def every(self) -> tuple[str, ...]:
        """All patterns."""
        return self.certain + self.uncertain


class _Compared(NamedTuple):
    """A condition; `variables` says whether policy variables work in its document."""

    condition: Condition
    variables: bool

    @property
    def key(self) -> str:
        """The key in lower case: IAM ignores the case of keys."""
        return self.condition.key

    def outcome(self, values: tuple[str, ...]) -> bool | None:
        """Return whether it is met by a request with these values of its key."""
        return condition_outcome(self.condition, Known(_NOBODY, {self.key: values}, self.variables))

    @property
    def always(self) -> bool | None:
        """Whether every request meets it, or none; None where that depends on the request."""
        operator, _, wanted = self.condition
        present = PRESENT.get(self.key)
        if operator == "Null":
            return True if {"true", "false"} <= set(wanted) else None if present is None else "false" in wanted
        if present:
            return self.outcome(present)
        parts = split_operator(operator)
        if parts is None or parts.name not in ("StringLike", "StringNotLike"):
            return None
        negated = parts.name == "StringNotLike"
        if not any(value and not value.strip("*") for value in wanted):
            return None
        if present is not None:
            return not negated
        absent = {None: negated, "ForAllValues": True, "ForAnyValue": False}[parts.of_set] or parts.if_exists
        return absent if absent != negated else None


class Statement(NamedTuple):
    """A statement of any of the documents."""

    allows: bool
    in_boundary: bool
    actions: _Names
    resources: _Names
    conditions: tuple[_Compared, ...]
    """Without those that every request meets."""
    marked: bool
    """Whether it holds what is not known, and so is not the same as another one that looks like it."""

    @property
    def never(self) -> bool:
        """Whether no request meets its conditions."""
        return any(each.always is False for each in self.conditions)

    def names(self, element: Element) -> _Names:
        """Return the patterns of its actions or resources."""
        return self.actions if element == "actions" else self.resources


class Request(NamedTuple):
    """The statements that include an action, or an action and a resource: bits of their indexes."""

    service: str
    certain: int
    possible: int


class _Having(NamedTuple):
    """The statements that have a pattern: those of the opposites, and by pattern where least, or most, is included."""

    negated: int
    least: dict[str, int]
    most: dict[str, int]


class _Way(NamedTuple):
    """Statements that apply to one request: some Allow, some Allow of the boundary, and no Deny must include it."""

    allows: Sequence[Sequence[Statement]]
    denies: Sequence[Statement]


class Permissions:
    """What policies give together. A service's policy for the resource itself may give more."""

    def __init__(self, statements: tuple[Statement, ...], bounded: bool) -> None:
        self.statements = statements
        self.bounded = bounded
        # Most actions are included by the same statements as others.
        self._of_actions: dict[str, Request] = {}
        self._having: dict[Element, _Having] = {}
        said = tuple((each.allows, each.in_boundary, each.conditions) for each in statements)
        self._answers = _answers(said, bounded)
        self._everywhere: dict[tuple[Request, tuple[str, ...]], bool | None] = {}

    def limited(self, index: int) -> bool:
        """Return whether a statement has a condition on a key whose value the caller does not choose."""
        return any(each.key.partition("/")[0] not in CHOSEN for each in self.statements[index].conditions)

    def allowing(self, action: str) -> list[int]:
        """Return the indexes of the Allow statements that include an action, or may, in the order of the documents."""
        possible = self._of_action(action).possible
        return [index for index, each in enumerate(self.statements) if each.allows and possible >> index & 1]

    def of(self, action: str, resource: str) -> bool | None:
        """Return whether an action, such as `s3:GetObject`, is given on a resource; None where that can't be told.

        Args:
            action: The action.
            resource: Its resource's ARN, or `*` for an action without resource types.
        """
        request = self._of_action(action)
        certain, possible = self.including("resources", functools.partial(matches, resource.translate(TO_PLAIN)))
        return self.decision(request._replace(certain=request.certain & certain, possible=request.possible & possible))

    def everywhere(self, action: str, arns: Collection[str], only: Collection[int] | None = None) -> bool | None:
        """Return whether an action is given on every resource of one of its types, but for those that are excepted.

        A resource stands for all where nobody can have named it: its names are 8 to 20 lower-case letters. What a Deny
        or NotResource names is an exception; that may not be all. Any AWS account is enough, one region is not.

        Args:
            action: The action.
            arns: Its resource types as in the service reference: `arn:${Partition}:s3:::${BucketName}/${ObjectName}`.
            only: Indexes of the Allow statements to ask about, in the order of the documents; all by default.
        """
        request = self._of_action(action)
        if only is not None:
            others = sum(1 << i for i, each in enumerate(self.statements) if each.allows and i not in only)
            request = request._replace(certain=request.certain & ~others, possible=request.possible & ~others)
        key = request, tuple(arns)
        if key not in self._everywhere:
            try:
                given: bool | None = any(_covers(way, arns, certain=True) for way in self._ways(request))
                if not given and any(_covers(way, arns, certain=False) for way in self._possible_ways(request)):
                    given = None
            except TooManyError:
                given = None
            self._everywhere[key] = given
        return self._everywhere[key]

    def _of_action(self, action: str) -> Request:
        # IAM ignores the letter case of actions.
        name = action.lower()
        if name not in self._of_actions:
            bits = self.including("actions", lambda pattern: matches(name, pattern.lower()))
            self._of_actions[name] = Request(service_of(name), *bits)
        return self._of_actions[name]

    def including(self, element: Element, is_matched: Callable[[str], object]) -> tuple[int, int]:
        """Return which statements include what patterns match for which `is_matched` is true, and which ones may."""
        if element not in self._having:
            self._having[element] = self._of_patterns(element)
        negated, *those = self._having[element]
        # Statements share most of their patterns: each is asked about once.
        matched = [[having[pattern] for pattern in filter(is_matched, having)] for having in those]
        certain, possible = (functools.reduce(int.__or__, each, 0) ^ negated for each in matched)
        return certain, possible

    def _of_patterns(self, element: Element) -> "_Having":
        names = [each.names(element) for each in self.statements]
        having = _Having(sum(each.negated << index for index, each in enumerate(names)), {}, {})
        for (index, each), widest in itertools.product(enumerate(names), (False, True)):
            found = having.most if widest else having.least
            for pattern in each.patterns(widest):
                found[pattern] = found.get(pattern, 0) | 1 << index
        return having

    def decision(self, request: Request) -> bool | None:
        """Return whether a request is given; None where that can't be told."""
        if request not in self._answers:
            given: bool | None = any(not way.denies for way in self._ways(request))
            if not given and any(not way.denies for way in self._possible_ways(request)):
                given = None
            self._answers[request] = given
        return self._answers[request]

    def those(self, bits: int) -> Iterator[Statement]:
        """Yield the statements of a request's bits."""
        return (each for index, each in enumerate(self.statements) if bits >> index & 1)

    def _ways(self, request: Request) -> Iterator[_Way]:
        """Yield what applies to a request for certain: Allow statements whose conditions a caller meets together."""
        allows = [each for each in self.those(request.certain) if each.allows]
        denies = tuple(each for each in self.those(request.possible) if not each.allows and not each.never)
        sides = [_by_conditions(each for each in allows if not each.in_boundary)]
        sides += [_by_conditions(each for each in allows if each.in_boundary)] if self.bounded else []
        for choice in itertools.product(*sides):
            conditions = tuple(each for condition, _ in choice for each in condition)
            remaining = _unavoidable(conditions, denies, request.service)
            if remaining is not None:
                yield _Way([statements for _, statements in choice], remaining)

    def _possible_ways(self, request: Request) -> Iterator[_Way]:
        """Yield what may apply to a request."""
        allows = [each for each in self.those(request.possible) if each.allows and not each.never]
        denies = [each for each in self.those(request.certain) if not each.allows and not each.conditions]
        sides = [[each for each in allows if not each.in_boundary]]
        sides += [[each for each in allows if each.in_boundary]] if self.bounded else []
        if all(sides):
            yield _Way(sides, denies)


# A decision does not ask which resources these are: the roles of one add-on differ in them alone.
@functools.lru_cache(maxsize=100)
def _answers(_said: tuple[Any, ...], _bounded: bool) -> dict[Request, bool | None]:
    """Return the decisions about requests, for all permissions whose statements apply alike."""
    return {}


def service_of(action: str) -> str:
    """Return the service of an action, where a condition key of its own is one that the caller chooses."""
    service = action.partition(":")[0]
    return service if service in _SERVICES else ""


def gives(
    documents: Iterable[Mapping[str, Any] | Unknown], boundary: Mapping[str, Any] | Unknown | None = None
) -> Permissions:
    """Return what policy documents give together.

    Args:
        documents: The documents of a role's managed and inline policies; a marker for one that is not known.
        boundary: The document of its permissions boundary, or a marker; None where it has none.
    """
    statements = [each for document in documents for each in _statements(document, in_boundary=False)]
    statements += _statements(boundary, in_boundary=True) if boundary is not None else []
    return Permissions(tuple(statements), boundary is not None)


# --- documents -------------------------------------------------------------------------------------------------------

_ANY = {"Effect": Unknown("any"), "Action": "*", "Resource": "*"}


def _statements(document: Mapping[str, Any] | Unknown, in_boundary: bool) -> Iterator[Statement]:
    if isinstance(document, Unknown):
        yield from _statement(_ANY, in_boundary, variables=True)
        return
    variables = document.get("Version") == VERSION
    for each in items_of(document.get("Statement", ())):
        yield from _statement(each if isinstance(each, dict | Mapping) else _ANY, in_boundary, variables)


def _statement(values: Mapping[str, Any], in_boundary: bool, variables: bool) -> Iterator[Statement]:
    """Yield a statement; where its Effect is not known, one of each, and neither for certain."""
    effect, marked = values.get("Effect"), has_unknown(dict(values))
    conditions = [*_conditions(values.get("Condition", {}), variables)]
    unknown = [] if effect in EFFECTS else [UNKNOWN]
    for allows in (True, False) if unknown else (effect == "Allow",):
        yield Statement(
            allows,
            in_boundary,
            _names(values, "Action", lambda action: (action, True)),
            _names(values, "Resource", _resource if variables else lambda resource: (resource, True)),
            (*(each for each in conditions if each.always is not True), *unknown),
            marked,
        )


def _names(values: Mapping[str, Any], element: str, read: Callable[[str], tuple[str, bool]]) -> _Names:
    negated = element not in values and f"Not{element}" in values
    items = items_of(values.get(f"Not{element}" if negated else element, ()))
    patterns = [read(item) if isinstance(item, str) else ("*", False) for item in items]
    certain, uncertain = (tuple(text for text, known in patterns if known is wanted) for wanted in (True, False))
    return _Names(certain, uncertain, negated)


def _resource(text: str) -> tuple[str, bool]:
    """Return the pattern of a resource, and whether all of its text is known."""
    known = all(name in PLAIN for name in _VARIABLE.findall(text))
    return _VARIABLE.sub(lambda match: PLAIN.get(match[1], "*"), text), known


UNKNOWN = _Compared(Condition("", "", ()), variables=True)


def _conditions(condition: Any, variables: bool) -> Iterator[_Compared]:
    if not isinstance(condition, dict | Mapping):
        yield UNKNOWN
        return
    for operator, keys in condition.items():
        if not isinstance(keys, dict | Mapping):
            yield UNKNOWN
        for key, values in mapping_of(keys).items():
            items = items_of(values)
            texts = [
                each if isinstance(each, str) else json.dumps(each, default=str)
                for each in items
                if not has_unknown(each)
            ]
            wanted = tuple(sorted(set(texts)))
            known = len(texts) == len(items)
            yield _Compared(Condition(str(operator), str(key).lower(), wanted), variables) if known else UNKNOWN


# --- conditions ------------------------------------------------------------------------------------------------------


def _by_conditions(statements: Iterable[Statement]) -> list[tuple[frozenset[_Compared], list[Statement]]]:
    """Return the statements that apply together, by their conditions: each set of them with what has none."""
    found: dict[frozenset[_Compared], list[Statement]] = {}
    for each in statements:
        found.setdefault(frozenset(each.conditions), []).append(each)
    always = found.get(frozenset(), [])
    return [(conditions, those if those is always else [*always, *those]) for conditions, those in found.items()]


# Most requests ask for the conditions of others.
@functools.lru_cache(maxsize=1_000)
def _unavoidable(
    required: tuple[_Compared, ...], denies: tuple[Statement, ...], service: str
) -> tuple[Statement, ...] | None:
    """Return the Deny statements that a caller can't avoid for certain who meets conditions; None if nobody meets them.

    A caller avoids a Deny by a value with which one of its conditions is not met. Values that meet a condition of the
    Allow, or avoid another Deny, stay as they are.
    """
    asked: dict[str, list[_Compared]] = {}
    for each in (*required, *(each for deny in denies for each in deny.conditions)):
        asked.setdefault(each.key, []).append(each)
    # The keys of tags are listed in aws:TagKeys, so that the caller doesn't choose both.
    with_tags = any(key.startswith("aws:requesttag/") for key in asked)
    chosen = {
        key: _values(conditions)
        for key, conditions in asked.items()
        if _is_chosen(key, service) and not (with_tags and key == "aws:tagkeys")
    }
    for each in required:
        chosen[each.key] = [values for values in chosen.get(each.key, ()) if each.outcome(values) is True]
        if not chosen[each.key]:
            return None
    remaining = []
    for deny in sorted(denies, key=lambda deny: len(deny.conditions)):
        for each in deny.conditions:
            left = [values for values in chosen.get(each.key, ()) if each.outcome(values) is False]
            if left:
                chosen[each.key] = left
                break
        else:
            remaining.append(deny)
    return tuple(remaining)


def _is_chosen(key: str, service: str) -> bool:
    """Return whether the caller of a service's action chooses the value; keys of a service are absent elsewhere."""
    return key.partition("/")[0] in CHOSEN and key.partition(":")[0] in ("aws", service)


def _values(conditions: Sequence[_Compared]) -> list[tuple[str, ...]]:
    """Return values to try for a key: those that its conditions name, one that none names, and none at all."""
    kind = CHOSEN[conditions[0].key.partition("/")[0]]
    wanted = sorted({value for each in conditions for value in each.condition.wanted})
    texts = [text for value in wanted for text in (value, *(re.sub(r"\*", each, value) for each in ("", "strangerzq")))]
    found = kind.values or tuple(dict.fromkeys([*(text.replace("?", "q") for text in texts), "strangerzq"]))
    several = [found] if kind.several else []
    return [*([()] if kind.may_be_absent else []), *((text,) for text in found), *several]


# --- every resource --------------------------------------------------------------------------------------------------

_OTHER_AWS_ACCOUNT, _OTHER_REGION = "987654321098", "zz-central-9"


def _covers(way: _Way, arns: Collection[str], certain: bool) -> bool:
    """Return whether a way is open for every resource that nobody can have named, but for the exceptions."""
    exceptions = [each.resources.patterns(certain) for each in way.denies if not each.resources.negated]
    needed = [each.resources.patterns(certain) for each in way.denies if each.resources.negated]
    sides = [[*_options(side, certain)] for side in way.allows]
    patterns = [pattern for side in sides for option, _ in side for pattern in option]
    forms = _forms(arns, patterns)
    if len(forms) * math.prod(map(len, sides)) > MOST_CHOICES:
        raise TooManyError
    for form in forms:
        for choice in itertools.product(*sides):
            excepted = [*exceptions, *(names for _, names in choice)]
            every = [names for names, _ in choice] + needed
            if _unmatched(excepted, form) and not any(_unmatched([*excepted, names], form) for names in every):
                return True
    return False


def _options(side: Iterable[Statement], certain: bool) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Yield what a resource must match, with the exceptions: all of Resource together, or `*` and one NotResource."""
    names = [each.resources for each in side]
    yield tuple(pattern for each in names if not each.negated for pattern in each.patterns(not certain)), ()
    yield from ((("*",), each.patterns(not certain)) for each in names if each.negated)


def _forms(arns: Collection[str], patterns: Iterable[str]) -> list[tuple[str, ...]]:
    """Return the texts of ARNs between their names, where they have some.

    The partitions and the AWS accounts are those of the patterns.
    """
    parts = [pattern.split(":") for pattern in patterns]
    partitions, aws_accounts = (
        {each[index] for each in parts if each[index + 1 :] and each[index] and not {*"*?"} & {*each[index]}}
        for index in (1, 4)
    )
    found: dict[tuple[str, ...], None] = {}
    for arn in arns:
        for partition in sorted(partitions | {"aws"}):
            for aws_account in sorted(aws_accounts | {_OTHER_AWS_ACCOUNT}):
                text = arn.replace("${Partition}", partition).replace("${Account}", aws_account)
                text = text.replace("${Region}", _OTHER_REGION)
                found[tuple(re.split(r"\$\{\w+\}|\*", text))] = None
    found = {form: None for form in found if len(form) > 1}
    if len(found) > MOST_FORMS:
        raise TooManyError
    return [*found]


def _unmatched(names: Iterable[tuple[str, ...]], form: tuple[str, ...]) -> str | None:
    """Return a resource of a form that none of the patterns matches; None where there is none."""
    return _unmatched_text(tuple(sorted({pattern for each in names for pattern in each})), form)


_automaton = functools.lru_cache(maxsize=100)(automaton)


@functools.lru_cache(maxsize=1_000)
def _unmatched_text(patterns: tuple[str, ...], form: tuple[str, ...]) -> str | None:
    if "*" in patterns:
        return None
    return unmatched(_automaton(patterns), form, _fewest)


def _fewest(found: Mapping[int, str]) -> dict[int, str]:
    """Return the bits with which least can still match, all of them."""
    fewest = least(found, MOST_WAYS + 1)
    if len(fewest) > MOST_WAYS:
        raise TooManyError
    return fewest
