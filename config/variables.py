"""Variables in documents and ARNs: `${account}`, `${region}`, `${partition}`, `${cluster}`, and `irsa:variables`.

Names with a colon, such as `${aws:PrincipalTag/team}`, and `${*}`, `${?}`, `${$}` are IAM's variables and stay:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

import difflib
import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

from irsa.rules.mistakes import Mistake

REFERENCE = re.compile(r"\$\{([^}]*)\}")
IAM_OWN = re.compile(r".*:.*|[*?$]")
BUILT_IN = ("account", "region", "partition", "cluster")
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
    samples = {**SAMPLES, "region": region or SAMPLES["region"], "partition": partition or SAMPLES["partition"]}
    return CheckVariables({**samples, **in_file, **dict.fromkeys(secret, "secret")}, secret, partition)


def _partition(settings: Mapping[str, Any], region: str | None) -> str | None:
    if not region:
        return None
    aws_accounts = settings.get("accounts")
    regions = [aws_account.get("region") for aws_account in _mappings_in(aws_accounts)]
    partitions = {partition_of(name) for name in [region, *regions] if isinstance(name, str)}
    return partitions.pop() if len(partitions) == 1 else None


def _mappings_in(value: Any) -> list[dict[Any, Any]]:
    return [item for item in value.values() if isinstance(item, dict)] if isinstance(value, dict) else []


def partition_of(region: str) -> str:
    """Return the partition of a region."""
    prefixes = PARTITION_OF_REGION_PREFIX.items()
    return next((partition for prefix, partition in prefixes if region.startswith(prefix)), "aws")


def fill(value: Any, variables: Mapping[str, str]) -> Any:
    """Return the value with its variables replaced, at every depth of lists and mappings.

    Raises:
        Mistake: A variable that is neither built in, nor in `irsa:variables`, nor IAM's own.
    """
    if isinstance(value, str):
        return REFERENCE.sub(lambda match: _value_of(match, variables), value) if "${" in value else value
    if isinstance(value, Mapping):
        return {fill(key, variables): fill(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [fill(item, variables) for item in value]
    return value


def references(value: Any) -> Iterator[str]:
    """Yield the names of the variables in a value, without IAM's variables."""
    if isinstance(value, str):
        if "${" in value:
            yield from (name for name in REFERENCE.findall(value) if not IAM_OWN.fullmatch(name))
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from references(key)
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def _value_of(match: re.Match[str], variables: Mapping[str, str]) -> str:
    name = match[1]
    if IAM_OWN.fullmatch(name):
        return match[0]
    if name in variables:
        return str(variables[name])
    close = difflib.get_close_matches(name, variables, n=1)
    raise Mistake(
        f"unknown variable ${{{name}}}",
        ", ".join(f"${{{known}}}" for known in variables),
        f"did you mean ${{{close[0]}}}?" if close else f"define {name} in irsa:variables",
    )
