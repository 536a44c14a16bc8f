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
from typing import Any, NamedTuple

from irsa.evaluation.patterns import TO_PLAIN, matches
from irsa.evaluation.permission_statements import Element, PermissionStatement, statements_of
from irsa.rules.strangers import STRANGERS
from irsa.rules.unknown import Unknown

# More ARNs than these are not tried.
MOST_FORMS = 50


class Request(NamedTuple):
    """The statements that include an action, or an action and a resource: bits of their indexes."""

    certain: int
    possible: int

    def __and__(self, other: "Request") -> "Request":
        """Return the statements of both."""
        return Request(self.certain & other.certain, self.possible & other.possible)


class Permissions:
    """What policies give together. A service's policy for the resource itself may give more."""

    def __init__(self, statements: tuple[PermissionStatement, ...], bounded: bool) -> None:
        self.statements = statements
        self.bounded = bounded
        self._denies = sum(1 << index for index, each in enumerate(statements) if not each.allows)
        # Most actions are included by the same statements as others.
        self._of_actions: dict[str, Request] = {}
        # Each statement is asked about the same resources.
        self._of_samples: dict[str, Request] = {}
        self._everywhere: dict[tuple[str, Request, tuple[str, ...]], bool] = {}

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
        request = self._of_action(action) & self._on(resource)
        return True if self._is_given(request) else None if self._may_be_given(request) else False

    def applying(self, action: str, resource: str) -> Iterator[PermissionStatement]:
        """Yield the statements that apply to an action on a resource, or may."""
        return self.statements_at((self._of_action(action) & self._on(resource)).possible)

    def _on(self, resource: str) -> Request:
        return self._including("resources", functools.partial(matches, resource.translate(TO_PLAIN)))

    def everywhere(self, action: str, arns: Collection[str], alone: int | None = None) -> bool:
        """Return whether an action is, for certain, given on every resource of one of its types, but for exceptions.

        Resources whose names nobody has chosen stand for all; a Deny or NotResource by some word has one of them at
        most. Any AWS account and any region is enough. A condition on what the caller chooses limits nobody.

        Args:
            action: The action.
            arns: Its resource types as in the service reference: `arn:${Partition}:s3:::${BucketName}/${ObjectName}`.
            alone: The index of the only Allow statement to ask about, in the order of the documents; all by default.
        """
        request, service = self._of_action(action), action.lower().partition(":")[0]
        if alone is not None:
            asked = self._denies | 1 << alone
            request &= Request(asked, asked)
        key = service, request, tuple(arns)
        if key not in self._everywhere:
            allowing = (each for each in self.statements_at(request.possible) if each.allows)
            forms = _forms(arns, [pattern for each in allowing for pattern in each.resources.every])
            self._everywhere[key] = any(self._has_all_but_one(request, form, service) for form in forms[:MOST_FORMS])
        return self._everywhere[key]

    def _has_all_but_one(self, request: Request, form: Iterable[str], service: str) -> bool:
        samples = [name.join(form) for name in STRANGERS]
        self._of_samples.update({each: self._on(each) for each in samples if each not in self._of_samples})
        given = (self._is_given(request & self._of_samples[each], service) for each in samples)
        return sum(not each for each in given) <= 1

    def _of_action(self, action: str) -> Request:
        # IAM ignores the letter case of actions.
        name = action.lower()
        if name not in self._of_actions:
            self._of_actions[name] = self._including("actions", lambda pattern: matches(name, pattern.lower()))
        return self._of_actions[name]

    def _including(self, element: Element, is_matched: Callable[[str], bool]) -> Request:
        """Return which statements include what is asked about, by whether a pattern matches it."""
        bits = [0, 0]
        for index, each in enumerate(self.statements):
            for at, outcome in enumerate(each.names(element).including(is_matched)):
                bits[at] |= outcome << index
        return Request(*bits)

    def statements_at(self, bits: int) -> Iterator[PermissionStatement]:
        """Yield the statements of a request's bits."""
        while bits:
            index = bits.bit_length() - 1
            bits ^= 1 << index
            yield self.statements[index]

    def _is_given(self, request: Request, service: str = "") -> bool:
        """Return whether an Allow applies for certain, and no Deny can; with a service, if its caller chooses so."""

        def by_chance(each: PermissionStatement) -> list[bool]:
            return [not (service and condition.is_chosen_by(service)) for condition in each.conditions]

        allows = [each for each in self.statements_at(request.certain) if each.allows and not any(by_chance(each))]
        denies = (each for each in self.statements_at(request.possible) if not each.allows and not each.never)
        return self._has_all(allows) and not any(all(by_chance(each)) for each in denies)

    def _may_be_given(self, request: Request) -> bool:
        is_denied = any(not each.allows and not each.conditions for each in self.statements_at(request.certain))
        possible = self.statements_at(request.possible)
        return not is_denied and self._has_all(each for each in possible if each.allows and not each.never)

    def _has_all(self, allows: Iterable[PermissionStatement]) -> bool:
        """Return whether a policy has one of the statements, and the boundary too, if there is one."""
        return {each.in_boundary for each in allows} >= {False, self.bounded}


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


_EXAMPLE = re.compile(r"[*?]")
_OTHER_REGION, _OTHER_AWS_ACCOUNT = "zz-central-9", "987654321098"


def _forms(arns: Iterable[str], patterns: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the texts of ARNs between their names, where they have some.

    The partitions, the regions and the AWS accounts are those of the patterns: `us-1` stands for `us-*`.
    """
    parts = [pattern.split(":") for pattern in patterns]
    partitions, regions, aws_accounts = (
        sorted({_EXAMPLE.sub("1", each[index]) for each in parts if each[index + 1 :]} - {"", "1"} | {other})
        for index, other in ((1, "aws"), (3, _OTHER_REGION), (4, _OTHER_AWS_ACCOUNT))
    )
    found: dict[tuple[str, ...], None] = {}
    for arn, partition, region, aws_account in itertools.product(arns, partitions, regions, aws_accounts):
        text = arn.replace("${Partition}", partition).replace("${Region}", region)
        found[tuple(re.split(r"\$\{\w+\}|\*", text.replace("${Account}", aws_account)))] = None
    return [form for form in found if len(form) > 1]
