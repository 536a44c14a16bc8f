"""Service accounts as bindings declare them, and their associations of EKS Pod Identity."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from irsa.rules.annotations import (
    AUDIENCE,
    OF_PULUMI,
    ROLE_ARN,
    STS_REGIONAL_ENDPOINTS,
    TOKEN_EXPIRATION,
    WRITTEN_FROM,
    check_webhook_key,
)
from irsa.rules.mistakes import Mistake, named
from irsa.rules.policies import parse_object
from irsa.rules.quotas import TOKEN_EXPIRATION as EXPIRATION
from irsa.rules.trust import DEFAULT_AUDIENCE
from irsa_cli.adopt.items import Item, Left, Outcome, Present
from irsa_cli.adopt.owners import MARKS, Owner, owners_of_association, owners_of_service_account
from irsa_cli.adopt.task import Task
from irsa_world.model import ServiceAccount
from irsa_world.sessions import Associated
from irsa_world.verdict import EMPTY_AUDIENCE

# What kubectl writes for itself, and writes again where it is missing.
_OF_KUBECTL = "kubectl.kubernetes.io/last-applied-configuration"


class TakenServiceAccount(NamedTuple):
    """A service account that becomes part of a binding.

    Attributes:
        found: The service account.
        key: That of its cluster.
        settings: What the binding has of it as `serviceAccount`.
        whole: Whether it is imported.
        owners: The tools that manage it or its association.
        notes: Why it is not imported.
        pod_identity: What the binding has of its association as `podIdentity`; None where it has none.
        association_id: The ID of its association; empty where it has none.
    """

    found: ServiceAccount
    key: str
    settings: Mapping[str, Any]
    whole: bool
    owners: Sequence[Owner]
    notes: Sequence[str] = ()
    pod_identity: Mapping[str, Any] | None = None
    association_id: str = ""

    @property
    def uses_irsa(self) -> bool:
        """Whether it has an annotation."""
        return bool(self.found.role_arn)

    @property
    def common(self) -> str:
        """What it has in common with those of the same binding in other clusters."""
        audience = self.found.audience if self.uses_irsa else None
        return json.dumps([str(self.found), self.settings, self.whole, audience, self.pod_identity], sort_keys=True)

    def item(self, *notes: str) -> Item:
        """Return what became of it."""
        pods = [f"with its association {self.association_id}"] if self.association_id else []
        outcome = Outcome.IMPORTED if self.whole else Outcome.ANNOTATED
        return Item(outcome, about_service_account(self.found), "", [*self.notes, *notes, *pods], self.owners)


def about_service_account(found: ServiceAccount) -> str:
    """Return what reports call a service account."""
    return f"service account {named(str(found))} in {named(found.cluster)}"


def owners_of(task: Task, found: ServiceAccount, associated: Associated | None) -> list[Owner]:
    """Return who manages a service account or its association, each once."""
    owners = [*owners_of_service_account(found), *task.stacks_of(found.uid)]
    if associated:
        association = associated.association
        stacks = task.stacks_of(association.association_arn, association.association_id)
        owners += stacks or owners_of_association(association)
    # The name of a stack stands beside that of the field manager.
    return [*{each.tool: each for each in owners}.values()]


def take_service_account(
    task: Task, found: ServiceAccount, associated: Associated | None, owners: Sequence[Owner], refused: str
) -> TakenServiceAccount:
    """Return a service account as a binding declares it, with its association, where it has one.

    Raises:
        Left: Its role refuses it, as `refused` says; it or its association cannot be declared, or is.
    """
    cluster = task.clusters.key(found.cluster)
    declared = task.declared.service_accounts.get((cluster, found.namespace, found.name))
    if declared is not None:
        raise Present(declared)
    if associated and associated.association.owner_arn:
        owner = named(associated.association.owner)
        raise Left(f"its association belongs to {owner}, which manages it: change the role there")
    task.check_owners(owners)
    if refused:
        raise Left(refused)
    if found.annotations.get(AUDIENCE) == "":
        raise Left(f"{EMPTY_AUDIENCE}: remove it, or write the audience")
    pods = _pod_identity(task, associated) if associated else None
    id_ = associated.association.association_id if associated else ""
    regional = {"true": True, "false": False}.get(found.annotations.get(STS_REGIONAL_ENDPOINTS, ""))
    expiration = _expiration(found)
    # Without an annotation of a role, irsa writes none of them.
    of_webhook = {"stsRegionalEndpoints": regional, "tokenExpiration": expiration}
    webhook = task.said({name: each for name, each in of_webhook.items() if found.role_arn or each is not None}, {})
    written = {
        ROLE_ARN: found.role_arn,
        AUDIENCE: None if found.audience == DEFAULT_AUDIENCE else found.audience,
        STS_REGIONAL_ENDPOINTS: None if regional is None else json.dumps(regional),
        TOKEN_EXPIRATION: None if expiration is None else str(expiration),
    }
    place = {"name": found.name, "namespace": found.namespace}
    problems = [*_problems(found, written)]
    if problems:
        only, notes = {**place, "create": False, **webhook}, [f"not imported whole: {'; '.join(problems)}"]
        return TakenServiceAccount(found, cluster, only, False, owners, notes, pods, id_)
    not_declared = {_OF_KUBECTL, *WRITTEN_FROM, *(MARKS if owners else ())}
    annotations = {key: each for key, each in found.annotations.items() if not key.startswith(OF_PULUMI)}
    whole = {
        "labels": {key: value for key, value in found.labels.items() if not (owners and key in MARKS)},
        "annotations": {key: value for key, value in annotations.items() if key not in not_declared},
        "imagePullSecrets": [each["name"] for each in found.manifest.get("imagePullSecrets") or ()],
        "automountServiceAccountToken": found.manifest.get("automountServiceAccountToken"),
    }
    settings = {**place, **{name: value for name, value in whole.items() if value or value is False}, **webhook}
    return TakenServiceAccount(found, cluster, settings, True, owners, (), pods, id_)


def _pod_identity(task: Task, associated: Associated) -> dict[str, Any]:
    """Return what a binding has of an association as `podIdentity`."""
    association = associated.association
    if {association.association_arn, association.association_id} & task.declared.deployed:
        raise Present(where="its association is in the state of the stack")
    task.clusters.key_of_arn(association.cluster_arn)
    settings = {
        "sessionTags": None if association.session_tags else False,
        "targetRoleArn": association.target_role_arn,
        "policy": {"document": task.literal(parse_object(association.policy))} if association.policy else None,
        "tags": task.declared.tags(association.tags),
    }
    return task.said(settings, {})


def _problems(found: ServiceAccount, written: Mapping[str, str | None]) -> Iterator[str]:
    """Yield why irsa cannot declare a service account with all that it has; `written` are the annotations it writes."""
    owners = (found.manifest.get("metadata") or {}).get("ownerReferences") or []
    if owners:
        yield f"it belongs to {named(str(owners[0].get('kind')))} {named(str(owners[0].get('name')))}"
    if found.manifest.get("secrets"):
        yield "it lists Secrets in `secrets`"
    if not all(each.get("name") for each in found.manifest.get("imagePullSecrets") or ()):
        yield "an item of `imagePullSecrets` has no name"
    for key, value in found.annotations.items():
        if key in written:
            if value != written[key]:
                yield f"irsa writes no {key}: {named(value)}"
            continue
        try:
            check_webhook_key(key)
        except Mistake as mistake:
            yield mistake.found


def _expiration(found: ServiceAccount) -> int | None:
    text = found.annotations.get(TOKEN_EXPIRATION, "")
    is_canonical = re.fullmatch("[1-9][0-9]{2,9}", text) is not None
    return int(text) if is_canonical and int(text) >= EXPIRATION.least else None
