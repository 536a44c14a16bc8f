"""The official plugin's checks of single values: each takes the property's snake_case name and value."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

Validator = Callable[[str, Any], list[str]]

_PARTITION = re.compile(r"aws(-[a-z]+)*")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d{1,2}")
_ACCOUNT = re.compile(r"(aws|aws-managed|third-party|aws-marketplace|\d{12}|cw.{10})")
_ARN_PARTS = 6
_NAME = re.compile(r"[\w+=,.@-]*", re.ASCII)
_PATH_CHARACTERS = re.compile(r"[0-9A-Za-z/,.+@=_-]*")


def length(least: int, most: int) -> Validator:
    """Return a check of a string's length."""

    def check(key: str, value: Any) -> list[str]:
        if least <= len(value) <= most:
            return []
        return [f"expected length of {key} to be in the range ({least} - {most}), got {value}"]

    return check


def between(least: int, most: int) -> Validator:
    """Return a check of a number."""

    def check(key: str, value: Any) -> list[str]:
        if least <= value <= most:
            return []
        return [f"expected {key} to be in the range ({least} - {most}), got {value}"]

    return check


def name(most: int) -> Validator:
    """Return the check of an IAM name."""
    in_range = length(1, most)

    def check(key: str, value: Any) -> list[str]:
        matches = _NAME.fullmatch(value)
        return in_range(key, value) + ([] if matches else [f"invalid value for {key} (must match [\\w+=,.@-])"])

    return check


def path(key: str, value: Any) -> list[str]:
    """Check a policy's path."""
    wrong = length(1, 512)(key, value)
    if not (value.startswith("/") and value.endswith("/")):
        wrong.append(f'Attribute "{key}" must begin and end with a slash (/), got "{value}"')
    if "//" in value:
        wrong.append(f'Attribute "{key}" must not contain consecutive slashes (//), got "{value}"')
    if not _PATH_CHARACTERS.fullmatch(value):
        wrong.append(
            f"invalid value for {key} (must contain uppercase or lowercase alphanumeric characters or any of the "
            "following: / , . + @ = _ -)"
        )
    return wrong


def description(key: str, value: Any) -> list[str]:
    """Check a role's description."""
    wrong = length(0, 1000)(key, value)
    if any(quote in value for quote in "\u201c\u2018"):
        wrong.append(
            f"invalid value for {key} (cannot contain specially formatted single or double quotes: [\u201c\u2018])"
        )
    return wrong


def arn(key: str, value: Any) -> list[str]:
    """Check an ARN; an empty one passes, as it means none."""
    if value == "":
        return []
    invalid = f'"{key}" ({value}) is an invalid ARN: '
    if not value.startswith("arn:"):
        return [invalid + "arn: invalid prefix"]
    parts = value.split(":", _ARN_PARTS - 1)
    if len(parts) < _ARN_PARTS:
        return [invalid + "arn: not enough sections"]
    _, partition, _, region, aws_account, resource = parts
    expecting = "(expecting to match regular expression: {})"
    wrong = []
    if not partition:
        wrong.append(invalid + "missing partition value")
    elif not _PARTITION.fullmatch(partition):
        wrong.append(f"{invalid}invalid partition value {expecting.format('^' + _PARTITION.pattern + '$')}")
    if region and not _REGION.fullmatch(region):
        wrong.append(f"{invalid}invalid region value {expecting.format('^' + _REGION.pattern + '$')}")
    if aws_account and not _ACCOUNT.fullmatch(aws_account):
        wrong.append(f"{invalid}invalid account ID value {expecting.format('^' + _ACCOUNT.pattern + '$')}")
    if not resource:
        wrong.append(invalid + "missing resource value")
    return wrong


def role_name(key: str, value: Any) -> list[str]:
    """Check the role of an inline policy."""
    wrong = length(1, 128)(key, value)
    if value.startswith("arn:"):
        wrong.append(f'"{key}" must be the role\'s name not its ARN')
    return wrong


def issuer_url(key: str, value: Any) -> list[str]:
    """Check an OIDC provider's URL."""
    parts = urlsplit(value)
    wrong = []
    if not parts.netloc:
        wrong.append(f'expected "{key}" to have a host, got {value}')
    if parts.scheme != "https":
        wrong.append(f'expected "{key}" to have a url with schema of: "https", got {value}')
    if parts.query:
        wrong.append(f'"{key}" cannot contain query parameters per the OIDC standard')
    return wrong


def each(check_one: Validator) -> Validator:
    """Return a check of every item of a list."""

    def check(key: str, value: Any) -> list[str]:
        return [text for number, item in enumerate(value) for text in check_one(f"{key}.{number}", item)]

    return check
