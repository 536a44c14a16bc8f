"""Service accounts as bindings declare them."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from irsa.rules.annotations import (
    AUDIENCE,
    OF_PULUMI,
    STS_REGIONAL_ENDPOINTS,
    TOKEN_EXPIRATION,
    WRITTEN_FROM,
    check_webhook_key,
)
from irsa.rules.mistakes import Mistake, named
from irsa.rules.quotas import TOKEN_EXPIRATION as EXPIRATION
from irsa.rules.trust import DEFAULT_AUDIENCE
from irsa_cli.adopt.associations import TakenAssociation
from irsa_cli.adopt.outcomes import Left, Present
from irsa_cli.adopt.owners import MARKS, Owner, owners_of_service_account
from irsa_cli.adopt.task import Task
from irsa_world.model import ServiceAccount
from irsa_world.verdict import EMPTY_AUDIENCE

# What kubectl writes for itself, and writes again where it is missing.
_OF_KUBECTL = "kubectl.kubernetes.io/last-applied-configuration"


class TakenServiceAccount(NamedTuple):
    """A service account that becomes part of a binding."""

    found: ServiceAccount
    settings: dict[str, Any]
    audience: str
    whole: bool
    owners: tuple[Owner, ...]
    notes: tuple[str, ...]
    association: TakenAssociation | None = None


def take_service_account(task: Task, found: ServiceAccount, refused: str) -> TakenServiceAccount | None:
    """Return a service account as a binding declares it; None where it is left, or declared already, which is said.

    It is left where its role refuses it, with the reason.
    """
    in_stack = task.stacks_of(found.uid)
    # That of the state has the stack's name, beside that of the field manager.
    owners = tuple({each.tool: each for each in (*owners_of_service_account(found), *in_stack)}.values())

    def take() -> TakenServiceAccount:
        cluster = task.clusters.keys.get(found.cluster)
        if cluster is None:
            raise Left(f"the file has another cluster than {named(found.cluster)} as irsa:cluster")
        declared = task.declared.service_accounts.get((cluster, found.namespace, found.name))
        if declared is not None:
            raise Present(declared)
        task.check_owners(owners)
        if refused:
            raise Left(refused)
        return _taken(task, found, owners)

    return task.taken(about_service_account(found), owners, take)


def about_service_account(found: ServiceAccount) -> str:
    """Return what reports call a service account."""
    return f"service account {named(str(found))} in {named(found.cluster)}"


def _taken(task: Task, found: ServiceAccount, owners: tuple[Owner, ...]) -> TakenServiceAccount:
    settings: dict[str, Any] = {"name": found.name, "namespace": found.namespace}
    if found.annotations.get(AUDIENCE) == "":
        raise Left(f"{EMPTY_AUDIENCE}: remove it, or write the audience")
    webhook: dict[str, Any] = {
        "stsRegionalEndpoints": {"true": True, "false": False}.get(found.annotations.get(STS_REGIONAL_ENDPOINTS, "")),
        "tokenExpiration": _expiration(found),
    }
    for name, annotation in zip(webhook, (STS_REGIONAL_ENDPOINTS, TOKEN_EXPIRATION), strict=True):
        if found.role_arn and name in task.declared.defaults and annotation not in found.annotations:
            raise Left(f"it has no annotation {annotation}, and irsa:defaults has {name}")
    webhook = {name: value for name, value in webhook.items() if value is not None}
    problems = [*_problems(found)]
    if problems:
        notes = (f"not imported whole: {'; '.join(problems)}",)
        only = {**settings, "create": False, **webhook}
        return TakenServiceAccount(found, only, found.audience, False, owners, notes)
    not_declared = {_OF_KUBECTL, *WRITTEN_FROM, *(MARKS if owners else ())}
    whole = {
        "labels": {key: value for key, value in found.labels.items() if not (owners and key in MARKS)},
        "annotations": {
            key: value
            for key, value in found.annotations.items()
            if key not in not_declared and not key.startswith(OF_PULUMI)
        },
        "imagePullSecrets": [each["name"] for each in found.manifest.get("imagePullSecrets") or ()],
        "automountServiceAccountToken": found.manifest.get("automountServiceAccountToken"),
    }
    settings |= {name: value for name, value in whole.items() if value or value is False}
    return TakenServiceAccount(found, settings | webhook, found.audience, True, owners, ())


def _problems(found: ServiceAccount) -> Iterator[str]:
    """Yield why irsa cannot declare a service account with all that it has."""
    owners = (found.manifest.get("metadata") or {}).get("ownerReferences") or []
    if owners:
        yield f"it belongs to {named(str(owners[0].get('kind')))} {named(str(owners[0].get('name')))}"
    if found.manifest.get("secrets"):
        yield "it lists Secrets in `secrets`"
    if not all(each.get("name") for each in found.manifest.get("imagePullSecrets") or ()):
        yield "an item of `imagePullSecrets` has no name"
    audience = found.annotations.get(AUDIENCE)
    not_written = {
        # The default is not written.
        AUDIENCE: audience == DEFAULT_AUDIENCE,
        STS_REGIONAL_ENDPOINTS: found.annotations.get(STS_REGIONAL_ENDPOINTS, "true") not in ("true", "false"),
        TOKEN_EXPIRATION: TOKEN_EXPIRATION in found.annotations and _expiration(found) is None,
    }
    for key, is_not_written in not_written.items():
        if is_not_written:
            yield f"irsa writes no {key}: {named(found.annotations[key])}"
    for key in found.annotations:
        if key not in WRITTEN_FROM:
            try:
                check_webhook_key(key)
            except Mistake as mistake:
                yield mistake.found


def _expiration(found: ServiceAccount) -> int | None:
    text = found.annotations.get(TOKEN_EXPIRATION, "")
    is_canonical = re.fullmatch("[1-9][0-9]{2,9}", text) is not None
    return int(text) if is_canonical and int(text) >= EXPIRATION.least else None
