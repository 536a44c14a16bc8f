"""IAM policy documents: their size as IAM counts it, and splitting one over several managed policies.

Quotas: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
"""

import json
import math
import re
import sys
from collections import Counter
from typing import Any

from irsa.rules.grammar import VERSION
from irsa.rules.mistakes import Mistake
from irsa.rules.quotas import MANAGED_POLICY_SIZE
from irsa.rules.trust import minified

# The name of the inline policy by which a role may assume further roles.
CHAINING_POLICY = "assume-roles"


# AWS says that white space is not counted, and not whether that within a string is. So a document is divided by the
# higher figure, and refused by the lower one. White space is that of JSON; a no-break space is a character.
_WHITE_SPACE = re.compile(r"[ \t\n\r]+")
_STRING_OR_WHITE_SPACE = re.compile(r'("(?:[^"\\]|\\.)*")|[ \t\n\r]+')


def policy_size(document: str) -> int:
    """Return the size in characters that IAM counts at least: without any white space."""
    return len(_WHITE_SPACE.sub("", document))


def largest_policy_size(document: str) -> int:
    """Return the size in characters that IAM counts at most: with the white space in strings."""
    return len(_STRING_OR_WHITE_SPACE.sub(lambda found: found[1] or "", document))


def parse_document(text: str) -> dict[str, Any]:
    """Parse a policy document.

    Raises:
        Mistake: It is not JSON, or not an object with statements.
    """
    document = parse_object(text)
    if "Statement" not in document:
        raise Mistake(
            "no policy document", 'an object with "Version" and "Statement"', "see the AWS page for an example"
        )
    return document


def parse_object(text: str) -> dict[str, Any]:
    """Parse JSON that must be an object.

    Raises:
        Mistake: It is not JSON, no object, or has a key twice or a number that is too long.
    """
    try:
        document = json.loads(text, object_pairs_hook=_object, parse_constant=_finite, parse_float=_finite)
    except Mistake:
        raise
    except json.JSONDecodeError as error:
        comma = text[: error.pos].rstrip().endswith(",") and text[error.pos : error.pos + 1] in ("]", "}")
        raise Mistake(
            f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}",
            "an IAM policy document in JSON",
            "remove the comma before it" if comma else "look for a quote, comma or bracket that is missing there",
        ) from error
    except ValueError as error:
        # Python refuses longer numbers.
        found = f"a number of more than {sys.get_int_max_str_digits():,} digits"
        raise Mistake(found, "an IAM policy document in JSON", "look at the file") from error
    except RecursionError as error:
        raise Mistake("JSON nested too deeply", "an IAM policy document in JSON", "look at the file") from error
    if not isinstance(document, dict):
        raise Mistake(
            "no policy document", 'an object with "Version" and "Statement"', "see the AWS page for an example"
        )
    return document


def _finite(number: str) -> float:
    if not math.isfinite(float(number)):
        raise Mistake(f"the number {number}", "an IAM policy document in JSON", "write a number that JSON knows")
    return float(number)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    counted = Counter(key for key, _ in pairs)
    repeated = next((key for key, count in counted.items() if count > 1), None)
    if repeated is not None:
        # JSON would keep the last one, and so drop a permission or, worse, a condition without a word.
        raise Mistake(f"the key {repeated!r} twice in one object", "each key once", "merge the two, or remove one")
    return dict(pairs)


def split_document(document: dict[str, Any], longest: int = MANAGED_POLICY_SIZE) -> list[str]:
    """Give the document as minified JSON, over as many managed policies as its size needs.

    Statements are placed in their order, each into the first policy that has room. So a statement that is added at the
    end moves no other one from policy to policy, which would be a moment without its permissions.

    Args:
        document: A policy document.
        longest: Characters that one policy may have; white space between tokens is not counted.

    Raises:
        Mistake: One statement alone is too long.
    """
    whole = minified(document)
    if largest_policy_size(whole) <= longest:
        return [whole]
    statements = document["Statement"] if isinstance(document["Statement"], list) else [document["Statement"]]
    frame = {key: value for key, value in document.items() if key != "Statement"}
    parts: list[list[Any]] = []
    for index, statement in enumerate(statements):
        size = policy_size(minified({**frame, "Statement": [statement]}))
        if size > longest:
            raise Mistake(
                f"statement {index} alone has {size} characters without white space",
                f"{longest} in one managed policy",
                "divide its actions or resources over several statements",
            )
        room = next(
            (
                part
                for part in parts
                if largest_policy_size(minified({**frame, "Statement": [*part, statement]})) <= longest
            ),
            None,
        )
        if room is None:
            parts.append([statement])
        else:
            room.append(statement)
    return [minified({**frame, "Statement": part}) for part in parts] if len(parts) > 1 else [whole]


def policy_part_name(name: str, index: int) -> str:
    """Return the name of a managed policy over which a document is divided; `index` counts from 0."""
    return f"{name}-{index + 1}" if index else name


def chaining_policy(role_arns: list[str]) -> str:
    """Give the policy document that lets a role assume further roles.

    Source: https://docs.aws.amazon.com/eks/latest/userguide/cross-account-access.html
    """
    statement = {"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Resource": sorted(role_arns)}
    return minified({"Version": VERSION, "Statement": [statement]})
