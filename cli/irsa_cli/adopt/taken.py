"""Roles and service accounts as bindings declare them, with their policies and associations."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from irsa import types
from irsa.rules.annotations import (
    AUDIENCE,
    OF_PULUMI,
    STS_REGIONAL_ENDPOINTS,
    TOKEN_EXPIRATION,
    WRITTEN_FROM,
    check_webhook_key,
    webhook_annotations,
)
from irsa.rules.arns import Arn, parse_iam_arn
from irsa.rules.grammar import document_mistakes, partition_mistakes
from irsa.rules.mistakes import Mistake, named, path_of
from irsa.rules.names import snake
from irsa.rules.policies import parse_object
from irsa.rules.quotas import TOKEN_EXPIRATION as EXPIRATION
from irsa.rules.subjects import check_any_service_account
from irsa_cli.adopt.items import Fate, Item, Left, Present
from irsa_cli.adopt.owners import MARKS, Owner, owners_by_tags, owners_of_service_account
from irsa_cli.adopt.task import Task
from irsa_cli.adopt.trust import ReadTrust, read_trust
from irsa_world.model import ManagedPolicy, Role, ServiceAccount
from irsa_world.sessions import Associated
from irsa_world.verdict import EMPTY_AUDIENCE, of_provider

USUAL = {"path": "/", **{key: usual for key, (_, usual) in types.ROLE_SETTINGS.items()}}
# What kubectl writes for itself, and writes again where it is missing.
_OF_KUBECTL = "kubectl.kubernetes.io/last-applied-configuration"


class TakenRole(NamedTuple):
    """A role that becomes a binding: its settings there, and how its trust policy is written."""

    role: Role
    trust: ReadTrust
    settings: Mapping[str, Any]
    imported: Sequence[str]
    owners: Sequence[Owner]
    notes: Sequence[str]


def take_role(task: Task, role: Role, owners: Sequence[Owner], *, has_right: bool) -> TakenRole:
    """Return a role as a binding declares it.

    Args:
        task: The adoption.
        role: The role.
        owners: Who manages it.
        has_right: Whether it is chosen by more than annotations: who writes one may have no right to the role.

    Raises:
        Left: It cannot be declared, or is.
    """
    task.declared.check_new("role", role.arn, role.name)
    if not has_right:
        raise Left("the chosen service accounts are only annotated with it: it does not admit them")
    task.check_owners(owners)
    if not role.has_details:
        raise Left("its tags and policies are not known: IAM denied iam:GetAccountAuthorizationDetails")
    settings = {
        "path": role.path,
        **{key: getattr(role, snake(key)) for key in types.ROLE_SETTINGS},
        "tags": task.declared.tags(role.tags),
    }
    of_role = {"name": role.name, **task.said(settings, USUAL)}
    trust = _read_trust(task, role)
    of_permissions, notes = _permissions(task, role)
    there = {"role": True, "policy": False, "attachments": role.attached_policies, "inlinePolicies": False}
    imported = [name for name, each in {**there, **of_permissions}.items() if each and name in there]
    settings = {"role": of_role, **of_permissions, **_trust(task, trust)}
    return TakenRole(role, trust, settings, imported, owners, notes)


def _read_trust(task: Task, role: Role) -> ReadTrust:
    """Return a trust policy read back; raise where the stack could not reach a cluster, or there is no provider."""
    clusters = task.clusters
    pods = [each.request for each in task.sessions.world.associations.get(role.arn, ())]
    trust = read_trust(role.trust, clusters.providers, pods)
    for name in clusters.of_trust(trust.settings):
        clusters.key(name)
    for arn in trust.settings.oidc_provider_arns:
        refused = of_provider(
            task.aws_account.place, task.aws_account.client_ids.get(arn), arn, [trust.settings.audience]
        )
        if refused:
            raise Left(refused.found)
    for arn in trust.settings.cluster_arns:
        clusters.key_of_arn(arn)
    return trust


def _trust(task: Task, trust: ReadTrust) -> dict[str, Any]:
    settings = trust.settings
    found: dict[str, Any] = {"subjects": list(settings.subjects)}
    try:
        check_any_service_account(settings.subjects)
    except Mistake:
        found["anyServiceAccount"] = True
    found["conditions"] = task.literal(settings.conditions)
    found["statements"] = task.literal(list(settings.statements))
    audience = {"audience": settings.audience} if settings.oidc_provider_arns else {}
    return {"trust": found, **audience, **task.clusters.setting(task.clusters.of_trust(settings))}


def _permissions(task: Task, role: Role) -> tuple[dict[str, Any], list[str]]:
    """Return the policies of a role as settings, and notes on them; raise where irsa refuses one."""
    partition = parse_iam_arn(role.arn, "role").partition
    for name, document in sorted(role.inline_policies.items()):
        refused = _refused_in(document, partition)
        if refused:
            raise Left(f"irsa refuses its inline policy {named(name)}: {refused}")
    notes: list[str] = []
    policy, settings = _policy_to_take(task, role, notes) if task.ways.policies else ("", {})
    inline = {name: {"document": task.literal(each)} for name, each in sorted(role.inline_policies.items())}
    attached = [each for each in sorted(role.attached_policies) if each != policy]
    return {"policy": settings, "policyArns": attached, "inlinePolicies": inline}, notes


def _policy_to_take(task: Task, role: Role, notes: list[str]) -> tuple[str, dict[str, Any]]:
    """Return the policy that a binding takes over; a binding has one at most, and others stay where they are."""
    # AWS's own are not among these.
    for policy in filter(None, map(task.policies.get, sorted(role.attached_policies))):
        try:
            return policy.arn, _policy(task, policy, role)
        except Mistake as reason:
            notes.append(f"policy {named(policy.arn)} stays in policyArns: {reason.found}")
    return "", {}


def _policy(task: Task, policy: ManagedPolicy, role: Role) -> dict[str, Any]:
    arn = parse_iam_arn(policy.arn, "policy")
    if policy.attachments != 1:
        raise Left(f"it is attached {policy.attachments} times")
    task.declared.check_new("policy", policy.arn, arn.name)
    task.check_owners(task.stacks_of(policy.arn))
    refused = _refused_in(policy.document, arn.partition)
    if refused:
        raise Left(f"irsa refuses it: {refused}")
    known = task.ways.policy_settings(policy.arn)
    if known is None:
        raise Left("it was deleted meanwhile")
    tags = task.declared.tags(known.tags)
    if not tags and task.declared.tags(role.tags):
        raise Left("it has no tags, and irsa would add those of the role")
    settings = {
        "path": f"/{arn.resource.removesuffix(Arn.name_in(policy.arn))}",
        "description": known.description,
        "document": task.literal(policy.document),
        "tags": tags,
    }
    return {"name": arn.name, **task.said(settings, USUAL)}


def _refused_in(document: Mapping[str, Any], partition: str) -> str:
    """Return what irsa refuses in the document of a policy; empty where it refuses nothing."""
    for place, mistake in (*document_mistakes(document), *partition_mistakes(document, partition)):
        return f"{path_of(place)}: {mistake.found}"
    return ""


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
    def common(self) -> str:
        """What it has in common with those of the same binding in other clusters."""
        audience = self.found.audience if self.found.role_arn else None
        return json.dumps([str(self.found), self.settings, self.whole, audience, self.pod_identity], sort_keys=True)

    def item(self, *notes: str) -> Item:
        """Return what became of it."""
        pods = [f"with its association {self.association_id}"] if self.association_id else []
        fate = Fate.IMPORTED if self.whole else Fate.ANNOTATED
        return Item(fate, about_service_account(self.found), "", [*self.notes, *notes, *pods], self.owners)


def about_service_account(found: ServiceAccount) -> str:
    """Return what reports call a service account."""
    return f"service account {named(str(found))} in {named(found.cluster)}"


def owners_of(task: Task, found: ServiceAccount, associated: Associated | None) -> list[Owner]:
    """Return who manages a service account or its association, each once."""
    owners = [*owners_of_service_account(found), *task.stacks_of(found.uid)]
    if associated:
        association = associated.association
        stacks = task.stacks_of(association.association_arn, association.association_id)
        owners += stacks or owners_by_tags(association.tags)
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
    written = webhook_annotations(found.role_arn, found.audience, regional, expiration)
    place = {"name": found.name, "namespace": found.namespace}
    problems = [*_problems(found, written)]
    if problems:
        only, notes = {**place, "create": False, **webhook}, [f"not imported as a whole: {'; '.join(problems)}"]
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


def _problems(found: ServiceAccount, written: Mapping[str, str]) -> Iterator[str]:
    """Yield why irsa cannot declare a service account with all that it has; `written` are the annotations it writes."""
    owners = (found.manifest.get("metadata") or {}).get("ownerReferences") or []
    if owners:
        yield f"it belongs to {named(str(owners[0].get('kind')))} {named(str(owners[0].get('name')))}"
    if found.manifest.get("secrets"):
        yield "it lists Secrets in `secrets`"
    if not all(each.get("name") for each in found.manifest.get("imagePullSecrets") or ()):
        yield "an item of `imagePullSecrets` has no name"
    for key, value in found.annotations.items():
        if key in WRITTEN_FROM:
            if value != written.get(key):
                yield f"irsa cannot write {key}: {named(value)}"
            continue
        try:
            check_webhook_key(key)
        except Mistake as mistake:
            yield mistake.found


def _expiration(found: ServiceAccount) -> int | None:
    text = found.annotations.get(TOKEN_EXPIRATION, "")
    return int(text) if re.fullmatch("[1-9][0-9]{2,9}", text) and int(text) >= EXPIRATION.least else None
