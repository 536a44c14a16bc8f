"""An engine that is killed, and the documented commands that bring its stack back (docs/reliability.md)."""

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import psutil

from irsa.rules.annotations import PREFIX
from tests.sandbox.irsa_command import ACCOUNT
from tests.sandbox.project import ROOT, Stack

ENDS_WITHIN = 300.0
ROLE, POLICY = "aws:iam/role:Role", "aws:iam/policy:Policy"
OIDC_PROVIDER = "aws:iam/openIdConnectProvider:OpenIdConnectProvider"
SERVICE_ACCOUNT, NAMESPACE = "kubernetes:core/v1:ServiceAccount", "kubernetes:core/v1:Namespace"
PATCH = "kubernetes:core/v1:ServiceAccountPatch"
PAGE = ROOT / "docs" / "reliability.md"


class Interrupted(NamedTuple):
    """What a kill met.

    Attributes:
        killed: Number of processes that were killed; none, if the engine had ended before.
        seconds: How long the engine ran.
    """

    killed: int
    seconds: float


def interrupt(stack: Stack, *arguments: str, when: Callable[[], bool], **variables: str) -> Interrupted:
    """Run pulumi, and kill it, its plugins and its program by SIGKILL as soon as `when` says so."""
    command = ["pulumi", *arguments, "--yes", "--skip-preview", "--non-interactive"]
    output = stack.folder / "interrupted.log"
    with output.open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=stack.folder,
            env={**stack.cloud.environment(), **stack.variables, **variables},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        began = time.monotonic()
        while process.poll() is None and not when():
            assert time.monotonic() - began < ENDS_WITHIN, output.read_text()
            time.sleep(0.005)
        killed = _kill(process.pid) if process.poll() is None else 0
        process.wait(ENDS_WITHIN)
    return Interrupted(killed, time.monotonic() - began)


def after(seconds: float) -> Callable[[], bool]:
    """Return a function that says whether so many seconds have passed since now."""
    until = time.monotonic() + seconds
    return lambda: time.monotonic() >= until


def _kill(pid: int) -> int:
    """Kill a process, then its children, so that none sees the end of another; return how many."""
    with suppress(psutil.NoSuchProcess):
        engine = psutil.Process(pid)
        processes = [engine, *engine.children(recursive=True)]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes[1:], timeout=ENDS_WITHIN)
        return len(processes)
    return 0


class Pending(NamedTuple):
    """A resource whose creation was interrupted: it may exist without being recorded."""

    urn: str
    kind: str
    inputs: Mapping[str, Any]


def pending(stack: Stack) -> list[Pending]:
    """Return the creations that the state has as interrupted."""
    operations = deployment(stack).get("pending_operations") or []
    found = [each["resource"] for each in operations if each["type"] == "creating"]
    return [Pending(each["urn"], each["type"], each.get("inputs") or {}) for each in found]


def deployment(stack: Stack) -> dict[str, Any]:
    """Return the state."""
    exported: dict[str, Any] = json.loads(stack.pulumi("stack", "export"))["deployment"]
    return exported


def recover(stack: Stack) -> dict[str, str]:
    """Do what docs/reliability.md says before the next `pulumi up`; return the IDs of what was not recorded, by URN."""
    remove_empty_attributes(stack)
    stack.pulumi("cancel", "--yes")
    interrupted = pending(stack)
    if not interrupted:
        return {}
    ids = {each.urn: found for each in interrupted if (found := _existing_id(stack, each))}
    if ids:
        _record(stack, ids)
    for each in interrupted:
        if each.kind == PATCH:
            about = each.inputs["metadata"]
            removed = [f"{key}-" for key in about["annotations"] if key.startswith(PREFIX)]
            stack.cloud.kubectl("annotate", "serviceaccount", about["name"], "-n", about["namespace"], *removed)
    stack.pulumi("refresh", "--yes", "--skip-preview", "--clear-pending-creates")
    return ids


def remove_empty_attributes(stack: Stack) -> None:
    """Run the page's command for a state that cannot be read; where it can, it does nothing."""
    (command,) = re.findall(r"^\$ (find .*)$", PAGE.read_text(), re.MULTILINE)
    subprocess.run(["sh", "-c", command.replace("STATE", "state")], cwd=stack.folder, check=True)


def _record(stack: Stack, ids: Mapping[str, str]) -> None:
    """Move what exists from the pending operations to the resources, with the page's own command."""
    ((program,),) = [re.findall(r"jq --argjson ids .*? '(.*?)'", PAGE.read_text(), re.DOTALL)]
    exported = stack.pulumi("stack", "export")
    edited = subprocess.run(
        ["jq", "--argjson", "ids", json.dumps(ids), program], input=exported, capture_output=True, text=True, check=True
    ).stdout
    file = stack.folder / "edited.json"
    file.write_text(edited)
    stack.pulumi("stack", "import", "--file", str(file))


def _existing_id(stack: Stack, each: Pending) -> str | None:
    """Return the ID of a resource that exists though its creation was interrupted; its name is among its inputs."""
    iam, inputs = stack.cloud.aws("iam"), each.inputs
    if each.kind == ROLE:
        names = [role["RoleName"] for page in _pages(iam, "list_roles") for role in page["Roles"]]
        if inputs.get("name"):
            return inputs["name"] if inputs["name"] in names else None
        known = {resource.get("id") for resource in deployment(stack).get("resources", [])}
        generated = re.compile(re.escape(inputs["namePrefix"]) + r"\d{18}[0-9a-f]{8}")
        return next((name for name in names if generated.fullmatch(name) and name not in known), None)
    if each.kind == POLICY:
        arns = {policy["Arn"] for page in _pages(iam, "list_policies", Scope="Local") for policy in page["Policies"]}
        arn = f"arn:aws:iam::{ACCOUNT}:policy{inputs.get('path', '/')}{inputs['name']}"
        return arn if arn in arns else None
    if each.kind == OIDC_PROVIDER:
        arn = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{inputs['url'].removeprefix('https://')}"
        listed = iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
        return arn if arn in {provider["Arn"] for provider in listed} else None
    if each.kind in (SERVICE_ACCOUNT, NAMESPACE):
        metadata = inputs["metadata"]
        found = stack.cloud.kubectl("get", *_words(each.kind, metadata)).returncode == 0
        place = f"{metadata['namespace']}/{metadata['name']}" if each.kind == SERVICE_ACCOUNT else metadata["name"]
        return place if found else None
    return None


def _words(kind: str, metadata: Mapping[str, Any]) -> list[str]:
    if kind == NAMESPACE:
        return ["namespace", metadata["name"]]
    return ["serviceaccount", metadata["name"], "-n", metadata["namespace"]]


def _pages(client: Any, operation: str, **parameters: Any) -> Iterator[dict[str, Any]]:
    yield from client.get_paginator(operation).paginate(**parameters)
