"""IAM policy documents: their size as IAM counts it, what they use of its quotas, and splitting one into several.

Quotas: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
"""

import json
import math
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from irsa.rules.grammar import VERSION
from irsa.rules.mistakes import Mistake, Place
from irsa.rules.quotas import (
    ATTACHED_POLICIES,
    INLINE_POLICIES_SIZE,
    MANAGED_POLICY_SIZE,
    TAGS,
    TRUST_POLICY_SIZE,
    Usage,
)
from irsa.rules.trust import ASSUME_ROLE, TAG_SESSION, minified

# The name of the inline policy that lets a role assume further roles.
CHAINING_POLICY = "assume-roles"
# Deeper than any setting or policy, and low enough for recursive functions.
DEEPEST = 100
TOO_DEEP = f"values nested more than {DEEPEST} deep"


# AWS says that white space is not counted, and not whether that within a string is: here it counts.
_STRING_OR_WHITE_SPACE = re.compile(r'("(?:[^"\\]|\\.)*")|[ \t\n\r]+')


class Document(NamedTuple):
    """A policy document: the caller's JSON text, if it was one, and its content."""

    text: str | None
    content: dict[str, Any]

    @property
    def minified(self) -> str:
        """The caller's own text, or the content as minified JSON."""
        return minified(self.content) if self.text is None else self.text


def policy_size(document: str) -> int:
    """Return the size in characters that IAM counts at most: without the white space between strings."""
    return len(_STRING_OR_WHITE_SPACE.sub(lambda found: found[1] or "", document))


def parse_document(text: str) -> dict[str, Any]:
    """Return a policy document from JSON.

    Raises:
        Mistake: It is not JSON, or not an object with statements.
    """
    document = parse_object(text)
    if "Statement" not in document:
        raise _not_a_policy_document()
    return document


def _not_a_policy_document() -> Mistake:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_examples.html
    fix = 'write {"Version": "2012-10-17", "Statement": [...]}'
    return Mistake("JSON that is not a policy document", 'an object with "Version" and "Statement"', fix)


def parse_object(text: str) -> dict[str, Any]:
    """Return an object from JSON.

    Raises:
        Mistake: It is not JSON, not an object, or has a duplicate key or a number that is too long.
    """
    try:
        document = _parsed(text)
    except Mistake:
        raise
    except ValueError as error:
        # Python refuses longer numbers.
        found = f"a number of more than {sys.get_int_max_str_digits():,} digits"
        raise Mistake(found, "an IAM policy document in JSON", "fix the number") from error
    except RecursionError:
        too_deep = True
    else:
        # How deep the parser goes differs from one Python to the next.
        too_deep = is_too_deep(document)
    if too_deep:
        raise Mistake(TOO_DEEP, "an IAM policy document in JSON", "remove levels")
    if not isinstance(document, dict):
        raise _not_a_policy_document()
    return document


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=each_key_once, parse_constant=_finite, parse_float=_finite)
    except json.JSONDecodeError as error:
        found = f"not JSON: {error.msg}: line {error.lineno}, column {error.colno}"
        fix = "fix it there; JSON has no comments, and no comma before ] or }"
        raise Mistake(found, "an IAM policy document in JSON", fix) from error


def is_too_deep(value: Any) -> bool:
    """Return whether lists and dicts are nested deeper than what anything here needs."""
    level = [value]
    for _ in range(DEEPEST):
        level = [
            item
            for outer in level
            if not isinstance(outer, str)
            for item in (
                outer.values() if isinstance(outer, Mapping) else outer if isinstance(outer, list | tuple) else ()
            )
        ]
        if not level:
            return False
    return True


def _finite(number: str) -> float:
    if not math.isfinite(float(number)):
        raise Mistake(f"the number {number}", "an IAM policy document in JSON", "write a JSON number")
    return float(number)


def each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object.

    Raises:
        Mistake: A key is there twice.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        # A JSON parser keeps the last one, and so silently drops a permission or, worse, a condition.
        repeated, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise Mistake(f"the key {repeated!r} twice in one object", "each key once", "merge the two, or remove one")
    return found


def split_document(document: dict[str, Any], longest: int = MANAGED_POLICY_SIZE) -> list[str]:
    """Return the document as minified JSON, split into as many managed policies as its size needs.

    Each statement goes, in order, into the first policy that has room. So a statement that is added at the end moves
    no other one to another policy, which would interrupt its permissions.

    Args:
        document: A policy document.
        longest: Most characters of one policy, without white space between tokens.

    Raises:
        Mistake: One statement alone is too long.
    """
    whole = minified(document)
    if len(whole) <= longest:
        return [whole]
    statements = document["Statement"] if isinstance(document["Statement"], list) else [document["Statement"]]
    frame = {key: value for key, value in document.items() if key != "Statement"}
    # The size of a part is that of its frame, its statements and the commas between them.
    frame_size = len(minified({**frame, "Statement": []}))
    parts: list[list[Any]] = []
    sizes: list[int] = []
    for index, statement in enumerate(statements):
        size = len(minified(statement))
        if frame_size + size > longest:
            found = f"statement {index} alone has {frame_size + size:,} characters"
            fix = "split it into several statements, by actions or resources"
            raise Mistake(found, f"at most {longest:,} in one managed policy", fix)
        room = next((number for number, used in enumerate(sizes) if used + 1 + size <= longest), None)
        if room is None:
            parts.append([statement])
            sizes.append(frame_size + size)
        else:
            parts[room].append(statement)
            sizes[room] += 1 + size
    return [minified({**frame, "Statement": part}) for part in parts] if len(parts) > 1 else [whole]


def policy_part_name(name: str, index: int) -> str:
    """Return the name of a managed policy over which a document is divided; `index` counts from 0."""
    return f"{name}-{index + 1}" if index else name


def chaining_policy(role_arns: list[str]) -> str:
    """Return the policy document that lets a role assume further roles.

    Source: https://docs.aws.amazon.com/eks/latest/userguide/cross-account-access.html
    """
    statement = {"Effect": "Allow", "Action": [ASSUME_ROLE, TAG_SESSION], "Resource": sorted(role_arns)}
    return minified({"Version": VERSION, "Statement": [statement]})


def tags_usage(what: str, tags: Mapping[str, object]) -> Usage:
    """Return how much of the quota on tags a role or a policy uses."""
    return Usage(f"tags of the {what}", len(tags), TAGS)


def trust_usage(trust_policy: str, quota: int = TRUST_POLICY_SIZE) -> Usage:
    """Return how much of the quota a trust policy uses, in characters without white space."""
    what, setting = "characters of the trust policy", ("quotas", "trust_policy_size")
    return Usage(what, policy_size(trust_policy), quota, setting)


def role_usages(
    attached_policies: int, inline_policies: Iterable[str], quota: int = ATTACHED_POLICIES
) -> Iterator[tuple[Place, Usage]]:
    """Yield how much a role's permissions use of each quota, at least, with the argument that adds to it."""
    attached = Usage("managed policies of the role", attached_policies, quota, ("quotas", "attached_policies"))
    yield ("policy_arns",), attached
    used = sum(map(policy_size, inline_policies))
    yield ("inline_policies",), Usage("characters of all inline policies", used, INLINE_POLICIES_SIZE)
