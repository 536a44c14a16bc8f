"""Variables in documents and ARNs: `${account}`, `${region}`, `${partition}`, `${cluster}`, and `irsa:variables`.

Names with a colon, such as `${aws:PrincipalTag/team}`, and `${*}`, `${?}`, `${$}` are IAM's variables and stay:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

import difflib
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

from irsa.rules.mistakes import COMPARED, Located, Mistake, Place, listed, named, shortened
from irsa.rules.variables import IAM_OWN, REFERENCE, reference

# Each with its value, for docs/reference/variables.md.
BUILT_IN: Mapping[str, str] = {
    "account": "ID of the AWS account of the binding's role: that of its `account`, else the stack's",
    "region": "The stack's region, `aws:region`, also for a binding in another AWS account",
    "partition": "Partition of the AWS account of the binding's role, such as `aws`, `aws-cn` or `aws-us-gov`",
    "cluster": "`name` of the binding's EKS cluster; only for a binding of one cluster, which has a name",
}
# Legal values, to check a string against AWS's rules before the real ones are known.
SAMPLES = {"account": "111122223333", "region": "us-west-2", "partition": "aws", "cluster": "my-cluster"}
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


class Secret:
    """A value that only the engine can read."""


SECRET = Secret()


@dataclass(frozen=True)
class CheckVariables:
    """The variables with which a stack file is checked before anything is looked up.

    Attributes:
        values: The variables of the file, with sample values for built-in and secret ones.
        secret: Names of the secret variables.
        partition: The partition of the stack's AWS accounts; None where it is unknown, or where there are several.
    """

    values: Mapping[str, str]
    secret: Set[str]
    partition: str | None

    def are_readable(self, value: Any) -> bool:
        """Return whether a value uses no secret variable."""
        return not self.secret or self.secret.isdisjoint(references(value))


def check_variables(settings: Mapping[str, Any], region: str | None) -> CheckVariables:
    """Return the variables with which settings are checked; the settings may have any shape."""
    declared = settings.get("variables")
    variables = declared if isinstance(declared, dict) else {}
    secret = {str(name) for name, value in variables.items() if value is SECRET}
    in_file = {str(name): value for name, value in variables.items() if isinstance(value, str)}
    partition = _partition(settings, region)
    samples = {
        **SAMPLES,
        "region": region or SAMPLES["region"],
        "partition": partition or SAMPLES["partition"],
        "cluster": _cluster_name(settings) or SAMPLES["cluster"],
    }
    return CheckVariables({**samples, **in_file, **dict.fromkeys(secret, "secret")}, secret, partition)


def _partition(settings: Mapping[str, Any], region: str | None) -> str | None:
    if not region:
        return None
    aws_accounts = settings.get("accounts")
    regions = [aws_account.get("region") for aws_account in _mappings_in(aws_accounts)]
    partitions = {partition_of(name) for name in [region, *regions] if isinstance(name, str)}
    return partitions.pop() if len(partitions) == 1 else None


def _cluster_name(settings: Mapping[str, Any]) -> str | None:
    """Return the name of the only cluster, where the file says it."""
    clusters = [*_mappings_in({"cluster": settings.get("cluster")}), *_mappings_in(settings.get("clusters"))]
    name = clusters[0].get("name") if len(clusters) == 1 else None
    return name if isinstance(name, str) else None


def _mappings_in(value: Any) -> list[dict[Any, Any]]:
    return [item for item in value.values() if isinstance(item, dict)] if isinstance(value, dict) else []


def partition_of(region: str) -> str:
    """Return the partition of a region."""
    prefixes = PARTITION_OF_REGION_PREFIX.items()
    return next((partition for prefix, partition in prefixes if region.startswith(prefix)), "aws")


def fill(value: Any, variables: Mapping[str, str]) -> Any:
    """Return the value with its variables replaced, at every depth of lists and mappings.

    Raises:
        Mistake: A variable that is neither built in, nor in `irsa:variables`, nor IAM's own; one that is empty, or
            within another; two keys that become the same.
    """
    if isinstance(value, str):
        return REFERENCE.sub(lambda match: _value_of(match, variables), value) if "${" in value else value
    if isinstance(value, Mapping):
        first: dict[Any, Any] = {}
        for key in value:
            name = fill(key, variables)
            if first.setdefault(name, key) != key:
                # The later one would replace the earlier: a condition, and so a restriction, less.
                raise _same_key(first[name], key, name)
        return {name: fill(value[key], variables) for name, key in first.items()}
    if isinstance(value, list):
        return [fill(item, variables) for item in value]
    return value


def variable_mistakes(value: Any, variables: Mapping[str, str], part: Place = ()) -> Iterator[Located]:
    """Yield why the variables of a value can't be filled in, each with its place in the value."""
    if isinstance(value, str):
        try:
            fill(value, variables)
        except Mistake as mistake:
            yield part, mistake
    elif isinstance(value, Mapping):
        first: dict[str, str] = {}
        for key, item in value.items():
            unfilled = list(variable_mistakes(key, variables, (*part, key)))
            yield from unfilled
            name = key if unfilled else fill(key, variables)
            if first.setdefault(name, key) != key:
                yield (*part, key), _same_key(first[name], key, name)
            yield from variable_mistakes(item, variables, (*part, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from variable_mistakes(item, variables, (*part, index))


def _same_key(first: str, second: str, filled: str) -> Mistake:
    keys = f"the keys {shortened(first)} and {shortened(second)}"
    found = f"{keys}, which are both {shortened(filled)} with their variables replaced"
    return Mistake(found, "each key once", "merge the two, or remove one")


def as_written(value: Any, found: Iterable[Located], variables: Mapping[str, str]) -> Iterator[Located]:
    """Yield mistakes in a filled value with their places in the value itself, whose keys may hold variables."""
    written_keys: dict[int, Mapping[str, str]] = {}
    for place, mistake in found:
        inner, written = value, list(place)
        for index, step in enumerate(place):
            if isinstance(inner, Mapping):
                if id(inner) not in written_keys:
                    written_keys[id(inner)] = {fill(key, variables): key for key in inner}
                written[index] = written_keys[id(inner)].get(str(step), step)
                inner = inner.get(written[index])
            else:
                several = isinstance(inner, list) and isinstance(step, int) and step < len(inner)
                inner = inner[step] if several else None
        yield tuple(written), mistake


def references(value: Any) -> Iterator[str]:
    """Yield the names of the variables in a value, without IAM's variables."""
    if isinstance(value, str):
        if "${" in value:
            names = (match[1] for match in REFERENCE.finditer(value))
            yield from (name for name in names if name is not None and not IAM_OWN.fullmatch(name))
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from references(key)
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def _value_of(match: re.Match[str], variables: Mapping[str, str]) -> str:
    name: str | None = match[1]
    if name is None:
        rest = match.string[match.end() :]
        nested = "${" in rest and "}" in rest
        found = f"a variable within a variable in {shortened(match.string)}" if nested else "`${` without its `}`"
        fix = "write the variables side by side" if nested else "add the `}`"
        raise Mistake(found, "variables such as ${account}, each closed before the next one", fix)
    if IAM_OWN.fullmatch(name):
        return match[0]
    if variables.get(name):
        return str(variables[name])
    if name in variables:
        # arn:aws:s3:::${name}* would be every bucket.
        raise Mistake(
            f"{named(match[0])}, which is empty", "a variable that has a value", "give it one, or remove it here"
        )
    close = difflib.get_close_matches(name, itertools.islice(variables, COMPARED), n=1)
    otherwise = f"define {named(name)} in irsa:variables" if name else "write the name of a variable"
    fix = f"did you mean {named(reference(close[0]))}?" if close else otherwise
    raise Mistake(f"unknown variable {named(match[0])}", listed(variables, reference), fix)
