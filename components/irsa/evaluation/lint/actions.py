"""Lint rules about the actions of AWS's services, from the list in actions.json, which `make generate` writes.

Only the services that a policy names are read as JSON. Source:
https://docs.aws.amazon.com/service-authorization/latest/reference/
"""

import difflib
import fnmatch
import functools
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from irsa.evaluation.lint.rule import Danger, PolicyStatement, Warnings, rule
from irsa.evaluation.patterns import overlap
from irsa.rules.grammar import EVERY_ACTION
from irsa.rules.mistakes import PRINTED, Mistake, in_advice, likely, shortened
from irsa.rules.strangers import STRANGERS
from irsa.rules.subjects import is_pattern
from irsa.rules.unknown import has_unknown

ROLE = "arn:${Partition}:iam::${Account}:role/${RoleNameWithPath}"
# Any action of any service: nobody has one of this name.
UNNAMED = STRANGERS[0]
WRITING = ("Write", "Permissions management", "Tagging")
# How the names of actions begin that look at something and change nothing, where their access level says so, too. That
# alone may be wrong: sqs:ReceiveMessage hides what it has read.
LOOKING = ("get", "list", "describe", "head", "batchget", "query", "scan", "select", "view", "search")


class Action(NamedTuple):
    """An action of a service."""

    name: str
    access_level: str
    arns: Sequence[str]
    """The ARNs of its resource types, as in the reference: `arn:${Partition}:s3:::${BucketName}`."""


class ServiceActions(NamedTuple):
    """A service; without actions where there is none of that prefix."""

    actions: Mapping[str, Action]
    """By their names in lower case."""
    arns: Sequence[str]
    """The ARNs of all its resource types."""


@functools.cache
def _list() -> str:
    return Path(__file__).with_name("actions.json").read_text("ascii")


@functools.cache
def services() -> Sequence[str]:
    """Return the action prefixes of all services."""
    return re.findall(r'^ "([^"]+)": \{', _list(), re.MULTILINE)


@functools.cache
def service(prefix: str) -> ServiceActions:
    """Return the actions and resource types of one service."""
    beginning = f'\n "{prefix}": '
    start = _list().find(f"{beginning}{{")
    if start < 0:
        return ServiceActions({}, ())
    found = json.JSONDecoder().raw_decode(_list(), start + len(beginning))[0]
    arns = found["resources"]
    actions = {
        name.lower(): Action(name, level, sorted({arns[each] for each in types.split(", ") if each}))
        for level, groups in found["actions"].items()
        for types, names in groups.items()
        for name in names.split()
    }
    return ServiceActions(actions, list(arns.values()))


@functools.cache
def matching(action: str) -> Sequence[Action]:
    """Return the known actions that match a pattern such as s3:Get*."""
    prefix, _, name = action.lower().partition(":")
    known = service(prefix).actions
    if name in known:
        return (known[name],)
    return [known[lower] for lower in fnmatch.filter(known, name)] if {"*", "?"} & set(name) else ()


# Operations of APIs that other actions allow, where the most similar spelling is none of these. By the service's page:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html,
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html,
# https://docs.aws.amazon.com/kms/latest/developerguide/kms-api-permissions-reference.html,
# https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
OPERATIONS: Mapping[str, Sequence[str]] = {
    "s3:CompleteMultipartUpload": ["s3:PutObject"],
    "s3:CopyObject": ["s3:GetObject", "s3:PutObject"],
    "s3:CreateMultipartUpload": ["s3:PutObject"],
    "s3:DeleteObjects": ["s3:DeleteObject"],
    "s3:GetBucketEncryption": ["s3:GetEncryptionConfiguration"],
    "s3:GetBucketLifecycleConfiguration": ["s3:GetLifecycleConfiguration"],
    "s3:HeadBucket": ["s3:ListBucket"],
    "s3:HeadObject": ["s3:GetObject"],
    "s3:ListBuckets": ["s3:ListAllMyBuckets"],
    "s3:ListMultipartUploads": ["s3:ListBucketMultipartUploads"],
    "s3:ListObjects": ["s3:ListBucket"],
    "s3:ListObjectsV2": ["s3:ListBucket"],
    "s3:ListObjectVersions": ["s3:ListBucketVersions"],
    "s3:ListParts": ["s3:ListMultipartUploadParts"],
    "s3:PutBucketEncryption": ["s3:PutEncryptionConfiguration"],
    "s3:PutBucketLifecycleConfiguration": ["s3:PutLifecycleConfiguration"],
    "s3:SelectObjectContent": ["s3:GetObject"],
    "s3:UploadPart": ["s3:PutObject"],
    "s3:UploadPartCopy": ["s3:GetObject", "s3:PutObject"],
    "dynamodb:TransactGetItems": ["dynamodb:GetItem"],
    "dynamodb:TransactWriteItems": ["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"],
    "kms:ReEncrypt": ["kms:ReEncryptFrom", "kms:ReEncryptTo"],
    "lambda:Invoke": ["lambda:InvokeFunction"],
}
_OF_OPERATIONS = {operation.lower(): allowing for operation, allowing in OPERATIONS.items()}


def nearest_actions(action: str) -> Sequence[str]:
    """Return the known actions that allow an operation of this name, or else the one with the most similar spelling."""
    if of_operation := _OF_OPERATIONS.get(action.lower().rstrip("*")):
        return of_operation
    prefix, _, name = action.lower().partition(":")
    near = [prefix] if service(prefix).actions else difflib.get_close_matches(prefix, services(), n=3)
    for each in near:
        known: dict[str, Sequence[str]] = {
            key: [f"{each}:{found.name}"] for key, found in service(each).actions.items()
        }
        known |= {key.partition(":")[2]: those for key, those in _OF_OPERATIONS.items() if key.startswith(f"{each}:")}
        if name.startswith(LOOKING):
            # Who means to look at something is not to be told what changes it.
            known = {key: those for key, those in known.items() if not any(_changes(one) for one in those)}
        if close := likely(name, known):
            return known[close]
    return []


def _changes(action: str) -> bool:
    return any(each.access_level in WRITING for each in matching(action))


@functools.cache
def written(action: str) -> Sequence[Action]:
    """Return the actions of a service that match a pattern, such as `s3:Put*`, change something and have types.

    Their names have the service's prefix.
    """
    prefix = action.partition(":")[0]
    changing = (each for each in matching(action) if each.arns and each.access_level in WRITING)
    return [each._replace(name=f"{prefix}:{each.name}") for each in changing]


def any_arn(service_: str) -> str:
    """Return an ARN, as the reference has them, for the resources of a service."""
    return f"arn:${{Partition}}:{service_}:${{Region}}:${{Account}}:${{Name}}"


ANY = Action(f"{UNNAMED}:{UNNAMED}", WRITING[0], [any_arn(UNNAMED)])


# Those between the colons at the beginning of an ARN, and as a policy of a stack file has them.
HEAD = {"${Partition}": "${partition}", "${Region}": "${region}", "${Account}": "${account}"}
# Resource types of whose names no part is a `/`; other variables may hold a path.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html and
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
WITHOUT_PATH = (
    "arn:${Partition}:s3:::${BucketName}",
    "arn:${Partition}:dynamodb:${Region}:${Account}:table/${TableName}",
)
_VARIABLE = re.compile(r"\$\{\w+\}")
_ARN_PARTS = 6
# A longer resource is compared with nothing: time grows with its length, and hardly any is.
LONGEST = 500


def _may_be(resource: str, arns: Sequence[str], only_everything: bool) -> bool:
    """Return whether a resource of a statement, without variables, can be of a type; true where in doubt.

    Args:
        resource: The resource.
        arns: The ARNs of the resource types to which actions apply, as in the reference.
        only_everything: Whether there are actions without resource types, which apply to `*` only.
    """
    has_wildcards = is_pattern(resource)
    parts = resource.split(":", _ARN_PARTS - 1)
    if resource == "*" or len(resource) > LONGEST or (has_wildcards and len(parts) < _ARN_PARTS):
        return True
    # Some services compare an action without types with resources, as iam:ListRoles with those of role/*.
    return (has_wildcards and only_everything) or any(_is_of_type(parts, arn) for arn in arns)


def _is_of_type(parts: Sequence[str], arn: str) -> bool:
    """Return whether the parts of a resource can be those of a resource type."""
    of_type = _VARIABLE.sub("*", arn).split(":", _ARN_PARTS - 1)
    if len(parts) != len(of_type) or (arn in WITHOUT_PATH and parts[-1].count("/") != of_type[-1].count("/")):
        return False
    return all(map(overlap, of_type, parts))


@rule(danger="of a service that is known")
def unknown_action(statement: PolicyStatement) -> Warnings:
    """An action does not exist, so it allows nothing.

    AWS ignores it, and the Pods lack what it was meant to allow.

    Bad:
        policy:
          document:
            Version: "2012-10-17"
            Statement: [{Effect: Allow, Action: "s3:GetObjects", Resource: "arn:aws:s3:::my-bucket/*"}]
    Good:
        policy:
          document:
            Version: "2012-10-17"
            Statement: [{Effect: Allow, Action: "s3:GetObject", Resource: "arn:aws:s3:::my-bucket/*"}]
    """
    unknown = 0
    for element in ("Action", "NotAction"):
        for place, action in statement.placed(element):
            if action in EVERY_ACTION or matching(action):
                continue
            unknown += 1
            # To find the nearest names takes long, and no more warnings are printed.
            near = " and ".join(map(repr, nearest_actions(action))) if unknown <= PRINTED else ""
            fix = f"write {near}, if that is meant" if near else "write an action of the service"
            found = f"{action!r}, which is not an action of AWS"
            of_service = service(action.lower().partition(":")[0]).actions
            yield (
                place,
                (Danger if of_service else Mistake)(found, "actions of AWS's service authorization reference", fix),
            )


@rule()
def wrong_resource(statement: PolicyStatement) -> Warnings:
    """An action applies to none of its resources, so it allows nothing.

    AWS accepts the policy, and denies the request.

    Source: https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html

    Bad:
        policy:
          document:
            Version: "2012-10-17"
            Statement: [{Effect: Allow, Action: "s3:GetObject", Resource: "arn:aws:s3:::my-bucket"}]
    Good:
        policy:
          document:
            Version: "2012-10-17"
            Statement: [{Effect: Allow, Action: "s3:GetObject", Resource: "arn:aws:s3:::my-bucket/*"}]
    """
    resources = [_IAM_VARIABLE.sub("*", resource) for resource in statement.items("Resource")]
    actions = () if has_unknown(statement.values.get("Resource")) else statement.items("Action")
    groups: dict[str, list[str]] = {}
    arns_of: dict[str, Sequence[str]] = {}
    for action in actions if resources and "*" not in resources else ():
        known = () if action in EVERY_ACTION else matching(action)
        arns = sorted({arn for each in known for arn in each.arns})
        only_everything = not all(each.arns for each in known)
        if known and not any(_may_be(each, arns, only_everything) for each in resources):
            several = [*map(in_a_policy, arns), *(["*"] if only_everything else [])]
            applies_to = f"{', '.join(several[:3])}{', ...' if several[3:] else ''}"
            groups.setdefault(applies_to, []).append(action)
            arns_of[applies_to] = arns
    for allowed, wrong in groups.items():
        verb = "denies" if statement.values.get("Effect") == "Deny" else "allows"
        written = shortened(", ".join(statement.as_written("Resource")))
        found = f"{shortened(', '.join(wrong))} on {written}, which {verb} nothing"
        below = _below(statement.as_written("Resource"), arns_of[allowed])
        others = f"add {below or 'such a resource'}, or write it in a statement of its own"
        fix = f"write {below or 'such a resource'} in its place" if len(wrong) == len(actions) else others
        yield ("Resource",), Mistake(found, allowed, fix)


def _below(resources: Sequence[str], arns: Sequence[str]) -> str:
    """Return what is below resources, such as the objects of a bucket, where that is of the types; else nothing."""
    for end in ("/*", ":*"):
        below = [f"{each}{end}" for each in resources]
        of_type = (_may_be(_IAM_VARIABLE.sub("*", each), arns, only_everything=False) for each in below)
        if len(below) == 1 and not is_pattern(_IAM_VARIABLE.sub("", resources[0])) and all(of_type):
            return in_advice(below[0], "")
    return ""


_IAM_VARIABLE = re.compile(r"\$\{[^}]*\}")
_WORD = re.compile("(?<=[a-z])(?=[A-Z])")


def in_a_policy(arn: str) -> str:
    """Return an ARN of the reference as a policy may have it: with irsa's variables, and names in place of others."""
    return _VARIABLE.sub(lambda found: HEAD.get(found[0]) or _WORD.sub("-", found[0][2:-1]).lower(), arn)
