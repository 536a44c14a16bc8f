"""Roles as bindings declare them, with their policies: where they are, in the file, or taken over."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from irsa import types
from irsa.rules.arns import Arn, parse_iam_arn, provider_of_role
from irsa.rules.grammar import document_mistakes, partition_mistakes
from irsa.rules.mistakes import Mistake, named, path_of
from irsa.rules.names import snake
from irsa.rules.subjects import check_any_service_account
from irsa_cli.adopt.items import Left
from irsa_cli.adopt.owners import Owner
from irsa_cli.adopt.task import Task
from irsa_cli.adopt.trust import ReadTrust, Settings, read_trust
from irsa_world.model import ManagedPolicy, Role, ServiceAccount
from irsa_world.verdict import of_provider

USUAL = {"path": "/", **{key: usual for key, (_, usual) in types.ROLE_SETTINGS.items()}}


class TakenRole(NamedTuple):
    """A role that becomes a binding: its settings there, and how its trust policy is written."""

    role: Role
    trust: ReadTrust
    settings: Mapping[str, Any]
    imported: Sequence[str]
    owners: Sequence[Owner]
    notes: Sequence[str]


def take_role(
    task: Task,
    role: Role,
    owners: Sequence[Owner],
    users: Sequence[ServiceAccount] | None,
) -> TakenRole:
    """Return a role as a binding declares it.

    Args:
        task: The adoption.
        role: The role.
        owners: Who manages it.
        users: The service accounts that are adopted with it, or else those that it may admit; None where only
            annotations of others choose it.

    Raises:
        Left: It cannot be declared, or is.
    """
    task.declared.check_new("role", role.arn, role.name)
    if users is None:
        raise Left("it is chosen only by annotations of service accounts that it does not admit")
    task.check_owners(owners)
    if not role.has_details:
        raise Left("its tags and policies are not known: IAM denied iam:GetAccountAuthorizationDetails")
    settings = {
        "path": role.path,
        **{key: getattr(role, snake(key)) for key in types.ROLE_SETTINGS},
        "tags": task.declared.tags(role.tags),
    }
    of_role = {"name": role.name, **task.said(settings, USUAL)}
    trust = _read_trust(task, role, users)
    of_permissions, notes = _permissions(task, role)
    there = {"role": True, "policy": False, "attachments": role.attached_policies, "inlinePolicies": False}
    imported = [name for name, each in {**there, **of_permissions}.items() if each and name in there]
    settings = {"role": of_role, **of_permissions, **_trust(task, trust)}
    return TakenRole(role, trust, settings, imported, owners, notes)


def _read_trust(task: Task, role: Role, users: Sequence[ServiceAccount]) -> ReadTrust:
    """Return a trust policy read back; raise where the stack could not reach a cluster, or there is no provider."""
    clusters = task.clusters
    by_irsa = [
        Settings((provider_of_role(role.arn, clusters.by_name[each.cluster].issuer),), (each.subject,), each.audience)
        for each in users
        if each.role_arn == role.arn
    ]
    pods = [each.association.request for each in task.sessions.associated if each.association.role_arn == role.arn]
    trust = read_trust(role.trust, clusters.providers, by_irsa, pods)
    for name in clusters.of_trust(trust.settings):
        clusters.key(name)
    for arn in trust.settings.oidc_provider_arns:
        refused = of_provider(task.aws_account.client_ids.get(arn), arn, [trust.settings.audience])
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
    for policy in sorted(task.aws_account.policies, key=lambda each: each.arn):
        if policy.arn in role.attached_policies:
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
        raise Left("it has no tags, and irsa would give it the role's")
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
