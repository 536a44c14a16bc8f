"""Variables in documents and ARNs: `${account}`, `${region}`, `${partition}`, `${cluster}`, and `irsa:variables`.

Names with a colon, such as `${aws:PrincipalTag/team}`, and `${*}`, `${?}`, `${$}` are IAM's variables and stay:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from irsa.rules.leaves import leaves
from irsa.rules.mistakes import Located, Mistake, Place, WrittenStep, likely, listed, named, shortened
from irsa.rules.unknown import WRONG, Unknown, later, text_of
from irsa.rules.variables import IAM_OWN, REFERENCE, reference

# Each with its value, for docs/reference/variables.md.
BUILT_IN: Mapping[str, str] = {
    "account": "ID of the AWS account of the binding's role: that of its `account`, else the stack's",
    "region": "The stack's region, `aws:region`, also for a binding in another AWS account",
    "partition": "Partition of the AWS account of the binding's role, such as `aws`, `aws-cn` or `aws-us-gov`",
    "cluster": "`name` of the binding's EKS cluster; only for a binding of one cluster, which has a name",
}
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html and botocore's partitions.json
PARTITION_OF_REGION_PREFIX = {
    "cn-": "aws-cn",
    "us-gov-": "aws-us-gov",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "eu-isoe-": "aws-iso-e",
    "us-isof-": "aws-iso-f",
    "eusc-": "aws-eusc",
}

# What a variable stands for: its value, why that is not known, or why it has none here.
Values = Mapping[str, "str | Unknown | Mistake"]


def partition_of(region: str) -> str:
    """Return the partition of a region."""
    prefixes = PARTITION_OF_REGION_PREFIX.items()
    return next((partition for prefix, partition in prefixes if region.startswith(prefix)), "aws")


def replaced(value: Any, variables: Values, found: list[Located], place: Place = ()) -> Any:
    """Return the value with its variables replaced, at every depth of lists and mappings.

    What can't be replaced becomes a marker, and so does a mapping with such a key.

    Args:
        value: The value.
        variables: What each variable stands for.
        found: Is added to: a variable that is neither built in, nor in `irsa:variables`, nor IAM's own; one that is
            empty, or within another; two keys that become the same.
        place: The place of the value.
    """
    if isinstance(value, str):
        return _text_replaced(value, variables, found, place) if "${" in value else value
    if isinstance(value, list):
        return [replaced(item, variables, found, (*place, index)) for index, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    written: dict[str, str] = {}
    result: dict[str, Any] = {}
    unknown: Unknown | None = None
    for key, item in value.items():
        inner = replaced(item, variables, found, (*place, key))
        name = _text_replaced(key, variables, found, (*place, key)) if isinstance(key, str) and "${" in key else key
        in_condition = place[-2:-1] in (("Condition",), ("conditions",))
        if isinstance(name, Unknown) and name.written and in_condition:
            # The start and the end of the key are known, and so is what it is compared with.
            name = name.written
        if isinstance(name, Unknown):
            # A key of a condition is judged no further, and those beside it are; another may be one that is missing.
            unknown, result = (unknown, {**result, key: name}) if in_condition else (name, result)
        elif written.setdefault(name, key) != key:
            # The later one would replace the earlier: a condition, and so a restriction, less.
            same = f"the keys {shortened(written[name])} and {shortened(key)}, which are both {shortened(name)}"
            fix = "merge the two, or remove one"
            found.append(((*place, key), Mistake(f"{same} with their variables replaced", "each key once", fix)))
        else:
            result[name if name is key else WrittenStep(name, key)] = inner
    return unknown or result


def _text_replaced(text: str, variables: Values, found: list[Located], place: Place) -> str | Unknown:
    used: list[str | Unknown] = []
    try:
        result = REFERENCE.sub(lambda match: _value_of(match, variables, used), text)
    except Mistake as mistake:
        found.append((place, mistake))
        return WRONG
    unknown = [value for value in used if isinstance(value, Unknown)]
    # What is no text at all, such as a secret, is a marker of its own.
    return next((each for each in unknown if not each.written), later(result)) if unknown else result


def references(value: Any) -> Iterator[str]:
    """Yield the names of the variables in a value, without IAM's variables."""
    for _, text in leaves(value):
        for match in REFERENCE.finditer(text) if isinstance(text, str) and "${" in text else ():
            name: str | None = match[1]
            if name is not None and not IAM_OWN.fullmatch(name):
                yield name


def _value_of(match: re.Match[str], variables: Values, used: list[str | Unknown]) -> str:
    name: str | None = match[1]
    if name is None:
        rest = match.string[match.end() :]
        nested = "${" in rest and "}" in rest
        found = f"a variable within a variable in {shortened(match.string)}" if nested else "`${` without its `}`"
        fix = "write the variables side by side" if nested else "add the `}`"
        raise Mistake(found, "variables such as ${account}, each closed before the next one", fix)
    if IAM_OWN.fullmatch(name):
        return match[0]
    value = variables.get(name)
    if isinstance(value, Mistake):
        raise value
    if value:
        used.append(value)
        return text_of(value)
    if name in variables:
        # arn:aws:s3:::${name}* would be every bucket.
        found, fix = f"{named(match[0])}, which is empty", "give it one, or remove it here"
        raise Mistake(found, "a variable that has a value", fix)
    close = likely(name, variables)
    otherwise = f"define {named(name)} in irsa:variables" if name else "write the name of a variable"
    fix = f"did you mean {named(reference(close))}?" if close is not None else otherwise
    raise Mistake(f"unknown variable {named(match[0])}", listed(variables, reference), fix)
