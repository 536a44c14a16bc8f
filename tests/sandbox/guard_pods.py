import copy
from collections.abc import Mapping
from typing import Any

from irsa.guard.rules import GuardEntry, GuardSettings
from sandbox.pod_identity_webhook import injected
from tests.sandbox.admission import PODS, Answer, ApiServer

PREFIX = "eks.amazonaws.com"
# Of the recorded Pod.
ROLE = "arn:aws:iam::111122223333:role/my-role"
OFF, WARN, DENY, SYSTEM = "guard-off", "guard-warn", "guard-deny", "kube-system"
NAMESPACES = (OFF, WARN, DENY, SYSTEM)
# Each account: its annotations, and whether it has an association.
ANNOTATED = {f"{PREFIX}/role-arn": ROLE}
ACCOUNTS_AND_WAYS: dict[str, tuple[dict[str, str], bool]] = {
    "irsa": (ANNOTATED, False),
    "pod-identity": ({}, True),
    "both": (ANNOTATED, True),
    "audience": ({**ANNOTATED, f"{PREFIX}/audience": "my audience"}, False),
    "long": ({**ANNOTATED, f"{PREFIX}/token-expiration": "3600"}, False),
    "with.dots": (ANNOTATED, False),
    "default": (ANNOTATED, False),
    "undeclared": ({}, False),
    "whtest": (ANNOTATED, False),
}
WAYS = {"pod-identity": "podIdentity", "both": "both"}
STACK = GuardSettings("pods-of-tests", "deny", namespaces={WARN: "warn", OFF: "off"})


def declared(namespaces: tuple[str, ...] = NAMESPACES) -> list[GuardEntry]:
    return [
        GuardEntry(namespace, name, ROLE, WAYS.get(name, "irsa"), annotations.get(f"{PREFIX}/audience", ""))
        for namespace in namespaces
        for name, (annotations, _) in ACCOUNTS_AND_WAYS.items()
        if name != "undeclared"
    ]


Pod = dict[str, Any]
Objects = list[dict[str, Any]]
APP = {"name": "app", "image": "app"}


def variable(name: str, value: str) -> dict[str, str]:
    return {"name": name, "value": value}


def container(name: str, *env: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "image": "app", **({"env": list(env)} if env else {}), **more}


def token(audience: str, name: str = "aws-iam-token") -> dict[str, Any]:
    sources = [{"serviceAccountToken": {"path": "token", "audience": audience}}]
    return {"name": name, "projected": {"sources": sources}}


def bare(
    account: str | None,
    *containers: dict[str, Any],
    init: list[dict[str, Any]] | None = None,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    **spec: Any,
) -> Pod:
    metadata = {"name": "tested", "labels": dict(labels or {}), "annotations": dict(annotations or {})}
    if account:
        spec["serviceAccountName"] = account
    if init:
        spec["initContainers"] = init
    pod = {"metadata": metadata, "spec": {**spec, "containers": list(containers or [APP])}}
    return copy.deepcopy(pod)


def right(account: str, *containers: dict[str, Any], **more: Any) -> Pod:
    return injected(bare(account, *containers, **more), *ACCOUNTS_AND_WAYS[account])


def ask(api: ApiServer, namespace: str, pod: Pod | None = None) -> Answer:
    return api.create(PODS, pod or bare("irsa"), namespace)


def is_refused(answer: Answer) -> bool:
    return answer.refusal is not None


def is_silent(answer: Answer) -> bool:
    return answer == Answer(None, ())


def has_warned(answer: Answer) -> bool:
    return answer.refusal is None and bool(answer.warnings)
