"""What a role may do: what its policies give together.

An explicit Deny decides, else an Allow, which a permissions boundary must have too:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html

Each answer is True, False, or None for "cannot tell". It comes from two bounds: what is given for certain, and what may
be. A condition, a policy variable or a marker that is not known adds to the second one only. `*` and `?` in a resource
match every character: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
"""

import functools
import itertools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from irsa.evaluation.patterns import matches
from irsa.evaluation.permission_statements import (
    TO_PLAIN,
    Element,
    Names,
    PermissionStatement,
    is_chosen,
    service_of,
    statements_of,
)
from irsa.rules.strangers import STRANGERS
from irsa.rules.unknown import Unknown

# More ARNs than these are not tried.
MOST_FORMS = 50


class Request(NamedTuple):
    """The statements that include an action, or an action and a resource: bits of their indexes.

    With a service, its caller has the values that conditions ask for, of the keys whose values a caller chooses.
    """

    service: str
    certain: int
    possible: int


@dataclass(frozen=True, eq=False)
class Having:
    """The statements that have a pattern: those of the opposites, and by pattern where least, or most, is included."""

    negated: int
    least: dict[str, int]
    most: dict[str, int]

    def including(self, is_matched: Callable[[str], object]) -> tuple[int, int]:
        """Return which statements include something, for certain and perhaps, by whether a pattern matches it."""
        # Statements share most of their patterns: each is asked about once.
        certain, possible = (
            functools.reduce(int.__or__, (having[pattern] for pattern in filter(is_matched, having)), 0)
            for having in (self.least, self.most)
        )
        return certain ^ self.negated, possible ^ self.negated


# The roles of one add-on have the same actions.
@functools.lru_cache(maxsize=1_000)
def _having(names: tuple[Names, ...]) -> Having:
    """Return which statements, by their place, have which patterns."""
    having = Having(sum(each.negated << index for index, each in enumerate(names)), {}, {})
    for (index, each), widest in itertools.product(enumerate(names), (False, True)):
        found = having.most if widest else having.least
        for pattern in each.patterns(widest):
            found[pattern] = found.get(pattern, 0) | 1 << index
    return having


class Permissions:
    """What policies give together. A service's policy for the resource itself may give more."""

    def __init__(self, statements: tuple[PermissionStatement, ...], bounded: bool) -> None:
        self.statements = statements
        self.bounded = bounded
        # Most actions are included by the same statements as others.
        self._of_actions: dict[str, Request] = {}
        self._having: dict[Element, Having] = {}
        said = tuple((each.allows, each.in_boundary, each.conditions) for each in statements)
        self._answers = _answers(said, bounded)
        self._everywhere: dict[tuple[Request, tuple[str, ...]], bool] = {}

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
        return self._on(self._of_action(action), resource.translate(TO_PLAIN))

    def applying(self, action: str, resource: str) -> Iterator[PermissionStatement]:
        """Yield the statements that apply to an action on a resource, or may."""
        _, possible = self.having("resources").including(functools.partial(matches, resource.translate(TO_PLAIN)))
        return self.statements_at(self._of_action(action).possible & possible)

    def _on(self, request: Request, resource: str) -> bool | None:
        certain, possible = self.having("resources").including(functools.partial(matches, resource))
        return self.decision(request._replace(certain=request.certain & certain, possible=request.possible & possible))

    def everywhere(self, action: str, arns: Collection[str], alone: int | None = None) -> bool:
        """Return whether an action is, for certain, given on every resource of one of its types, but for exceptions.

        Resources whose names nobody has chosen stand for all; a Deny or NotResource by some word has one of them at
        most. Any AWS account is enough, one region is not. A condition on what the caller chooses limits nobody.

        Args:
            action: The action.
            arns: Its resource types as in the service reference: `arn:${Partition}:s3:::${BucketName}/${ObjectName}`.
            alone: The index of the only Allow statement to ask about, in the order of the documents; all by default.
        """
        request = self._of_action(action)._replace(service=service_of(action.lower()))
        if alone is not None:
            others = sum(1 << index for index, each in enumerate(self.statements) if each.allows and index != alone)
            request = request._replace(certain=request.certain & ~others, possible=request.possible & ~others)
        key = request, tuple(arns)
        if key not in self._everywhere:
            allowing = (each for each in self.statements_at(request.possible) if each.allows)
            forms = _forms(arns, [pattern for each in allowing for pattern in each.resources.every])
            self._everywhere[key] = any(self._has_all_but_one(request, form) for form in forms[:MOST_FORMS])
        return self._everywhere[key]

    def _has_all_but_one(self, request: Request, form: Iterable[str]) -> bool:
        given = (self._on(request, name.join(form)) for name in STRANGERS)
        return sum(answer is not True for answer in given) <= 1

    def _of_action(self, action: str) -> Request:
        # IAM ignores the letter case of actions.
        name = action.lower()
        if name not in self._of_actions:
            of_action = self.having("actions").including(lambda pattern: matches(name, pattern.lower()))
            self._of_actions[name] = Request("", *of_action)
        return self._of_actions[name]

    def having(self, element: Element) -> Having:
        """Return which statements have which patterns of their actions or resources."""
        if element not in self._having:
            self._having[element] = _having(tuple(each.names(element) for each in self.statements))
        return self._having[element]

    def decision(self, request: Request) -> bool | None:
        """Return whether a request is given; None where that can't be told."""
        if request not in self._answers:
            given: bool | None = self._is_given(request)
            if not given and self._may_be_given(request):
                given = None
            self._answers[request] = given
        return self._answers[request]

    def statements_at(self, bits: int) -> Iterator[PermissionStatement]:
        """Yield the statements of a request's bits."""
        return (each for index, each in enumerate(self.statements) if bits >> index & 1)

    def _is_given(self, request: Request) -> bool:
        """Return whether an Allow applies for certain, and no Deny can."""
        allows = [each for each in self.statements_at(request.certain) if each.allows]
        denies = [each for each in self.statements_at(request.possible) if not each.allows and not each.never]
        chosen = functools.partial(_are_chosen, service=request.service)
        return not any(not any(chosen(each)) for each in denies) and self._has_all(
            each for each in allows if all(chosen(each))
        )

    def _may_be_given(self, request: Request) -> bool:
        is_denied = any(not each.allows and not each.conditions for each in self.statements_at(request.certain))
        possible = self.statements_at(request.possible)
        return not is_denied and self._has_all(each for each in possible if each.allows and not each.never)

    def _has_all(self, allows: Iterable[PermissionStatement]) -> bool:
        """Return whether a policy has one of the statements, and the boundary too, if there is one."""
        return {each.in_boundary for each in allows} >= {False, self.bounded}


def _are_chosen(statement: PermissionStatement, service: str) -> Iterator[bool]:
    """Yield for each condition whether the caller of a service's action chooses the value; without one, none is."""
    return (bool(service) and is_chosen(each.key, service) for each in statement.conditions)


# A decision does not ask which resources these are: the roles of one add-on differ in them alone.
@functools.lru_cache(maxsize=100)
def _answers(_said: tuple[Any, ...], _bounded: bool) -> dict[Request, bool | None]:
    """Return the decisions about requests, for all permissions whose statements apply alike."""
    return {}


def gives(
    documents: Iterable[Mapping[str, Any] | Unknown], boundary: Mapping[str, Any] | Unknown | None = None
) -> Permissions:
    """Return what policy documents give together.

    Args:
        documents: The documents of a role's managed and inline policies; a marker for one that is not known.
        boundary: The document of its permissions boundary, or a marker; None where it has none.
    """
    statements = [each for document in documents for each in statements_of(document, in_boundary=False)]
    statements += statements_of(boundary, in_boundary=True) if boundary is not None else []
    return Permissions(tuple(statements), boundary is not None)


_OTHER_AWS_ACCOUNT, _OTHER_REGION = "987654321098", "zz-central-9"


def _forms(arns: Iterable[str], patterns: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the texts of ARNs between their names, where they have some.

    The partitions and the AWS accounts are those of the patterns.
    """
    parts = [pattern.split(":") for pattern in patterns]
    partitions, aws_accounts = (
        {each[index] for each in parts if each[index + 1 :] and each[index] and not {*"*?"} & {*each[index]}}
        for index in (1, 4)
    )
    found: dict[tuple[str, ...], None] = {}
    every = itertools.product(arns, sorted(partitions | {"aws"}), sorted(aws_accounts | {_OTHER_AWS_ACCOUNT}))
    for arn, partition, aws_account in every:
        text = arn.replace("${Partition}", partition).replace("${Account}", aws_account)
        found[tuple(re.split(r"\$\{\w+\}|\*", text.replace("${Region}", _OTHER_REGION)))] = None
    return [form for form in found if len(form) > 1]
