"""How calls fail and are repeated, and how names are generated, for every resource type."""

import itertools
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from sandbox.plugins.aws.connection import error_code, error_text
from sandbox.plugins.serving import ProviderError

_GENERATED = re.compile(r"(.*)[0-9a-f]{26}")
_counter = itertools.count(1)


@contextmanager
def failing_as(doing: str, client: Any, *, unless: str = "") -> Iterator[None]:
    """Raise the API's error as a ProviderError that begins with `doing`; ignore one of the code `unless`."""
    try:
        yield
    except ClientError as error:
        if error_code(error) != unless:
            raise ProviderError(f"{doing}: {error_text(error, client)}") from error
    except (BotoCoreError, ResponseParserError) as error:
        raise ProviderError(f"{doing}: {error_text(error, client)}") from error


def name_of(inputs: Mapping[str, Any]) -> str:
    """Return the declared name, else the prefix and 26 digits."""
    if inputs.get("name"):
        return str(inputs["name"])
    now = time.time()
    stamp = time.strftime("%Y%m%d%H%M%S", time.gmtime(now)) + f"{int(now % 1 * 10_000):04d}"
    return f"{inputs['namePrefix']}{stamp}{next(_counter):08x}"


def prefix_of(name: str) -> str:
    """Return the prefix of a generated name, an empty string for another name."""
    generated = _GENERATED.fullmatch(name)
    return generated.group(1) if generated else ""


def without_empty(**arguments: Any) -> dict[str, Any]:
    """Return the arguments that are not empty: boto3 takes no None."""
    return {key: value for key, value in arguments.items() if value not in (None, "", [], {})}


def tag_list(tags: Mapping[str, str] | None) -> list[dict[str, str]]:
    """Return tags as the APIs take them."""
    return [{"Key": key, "Value": value} for key, value in (tags or {}).items()]


def tag_map(tags: list[dict[str, str]] | None) -> dict[str, str]:
    """Return tags as a mapping, without those that AWS sets."""
    return {tag["Key"]: tag["Value"] for tag in tags or [] if not tag["Key"].startswith("aws:")}


def paged(client: Any, operation: str, key: str, **arguments: Any) -> list[Any]:
    """Return all items of a paged list."""
    return [item for page in client.get_paginator(operation).paginate(**arguments) for item in page.get(key, [])]


def found(call: Callable[..., Any], *absent: str, **arguments: Any) -> Any:
    """Return the call's answer, None if it fails with a code that says that the resource does not exist."""
    try:
        return call(**arguments)
    except ClientError as error:
        if error_code(error) in absent:
            return None
        raise
