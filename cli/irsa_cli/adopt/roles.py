"""Roles as bindings declare them."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from irsa.rules.arns import provider_of_role
from irsa.rules.mistakes import Mistake, named
from irsa.rules.quotas import SESSION_DURATION
from irsa.rules.subjects import check_any_service_account
from irsa.rules.trust import DEFAULT_AUDIENCE
from irsa_cli.adopt.declared import Declared
from irsa_cli.adopt.outcomes import Left, Present
from irsa_cli.adopt.owners import Owner, owners_of_role
from irsa_cli.adopt.permissions import permissions
from irsa_cli.adopt.task import Task
from irsa_cli.adopt.trust import Pods, ReadTrust, Settings, User, read_trust
from irsa_world.model import Role, ServiceAccount
from irsa_world.verdict import of_provider


class TakenRole(NamedTuple):
    """A role that becomes a binding: its settings there, and how its trust policy is written."""

    role: Role
    trust: ReadTrust
    settings: Mapping[str, Any]
    owners: tuple[Owner, ...]
    notes: tuple[str, ...]


def take_role(
    task: Task,
    role: Role,
    annotated: Iterable[ServiceAccount],
    *,
    only_annotated: bool,
    users: Iterable[ServiceAccount],
    pods: Pods,
) -> TakenRole | None:
    """Return a role as a binding declares it; None where it is left, or declared already, which is said.

    Its users are the service accounts that are adopted with it; or else, those that it may admit.
    """
    owners = tuple(task.stacks_of(role.arn) or owners_of_role(role, annotated))

    def take() -> TakenRole:
        if role.arn in task.declared.deployed:
            raise Present(where="in the state of the stack")
        if declared := task.declared.binding_of("role", role.name, task.aws_account.number):
            raise Present(declared)
        if only_annotated:
            raise Left("it is chosen only by annotations of service accounts that it does not admit")
        task.check_owners(owners)
        if not role.has_details:
            raise Left("its tags and policies are not known: IAM denied iam:GetAccountAuthorizationDetails")
        settings: dict[str, Any] = {"role": _settings(role, task.declared)}
        trust = _read_trust(task, role, users, pods)
        settings |= _trust(task, trust)
        # What it adds to the variables stays, so that nothing may be refused after it.
        of_permissions, notes = permissions(task, role)
        return TakenRole(role, trust, settings | of_permissions, owners, notes)

    return task.taken(f"role {named(role.arn)}", owners, take)


def _read_trust(task: Task, role: Role, users: Iterable[ServiceAccount], pods: Pods) -> ReadTrust:
    """Return a trust policy read back; raise where the stack could not reach a cluster, or there is no provider."""
    by_irsa = [
        User(provider_of_role(role.arn, task.clusters.by_name[each.cluster].issuer), each.subject, each.audience)
        for each in users
        if each.role_arn == role.arn
    ]
    drop = task.ways.drop_dead_issuers
    trust = read_trust(role.trust, task.clusters.surroundings, by_irsa, pods, drop_dead_issuers=drop)
    for arn in trust.settings.oidc_provider_arns:
        cluster = task.clusters.of_provider(arn)
        if cluster.name not in task.clusters.keys:
            raise Left(f"it trusts cluster {named(cluster.name)}, and the file has another one as irsa:cluster")
        refused = of_provider(task.aws_account.client_ids.get(arn), arn, [trust.settings.audience])
        if refused:
            raise Left(refused.found)
    for arn in trust.settings.cluster_arns:
        found = task.clusters.by_arn.get(arn)
        task.clusters.key_of_arn(arn, found.name if found else arn)
    return trust


def clusters_of(task: Task, settings: Settings) -> list[str]:
    """Return the names of the clusters that a trust policy is for."""
    of_pods = [cluster.name for arn in settings.cluster_arns if (cluster := task.clusters.by_arn.get(arn))]
    return [task.clusters.of_provider(arn).name for arn in settings.oidc_provider_arns] or of_pods


def _settings(role: Role, declared: Declared) -> dict[str, Any]:
    defaults = declared.defaults
    settings: dict[str, Any] = {"name": role.name}
    if role.path != "/" or "path" in defaults:
        settings["path"] = role.path
    if role.description:
        settings["description"] = role.description
    if role.permissions_boundary:
        settings["permissionsBoundary"] = role.permissions_boundary
    elif "permissionsBoundary" in defaults:
        raise Left("it has no permissions boundary, and irsa:defaults has one")
    if role.max_session_duration != SESSION_DURATION.least or "maxSessionDuration" in defaults:
        settings["maxSessionDuration"] = role.max_session_duration
    tags = declared.tags(role.tags)
    return settings | ({"tags": tags} if tags else {})


def _trust(task: Task, trust: ReadTrust) -> dict[str, Any]:
    settings = trust.settings
    found: dict[str, Any] = {"subjects": list(settings.subjects)}
    try:
        check_any_service_account(settings.subjects)
    except Mistake:
        found["anyServiceAccount"] = True
    if settings.conditions:
        found["conditions"] = task.documents.literal(settings.conditions)
    if settings.statements:
        found["statements"] = task.documents.literal(list(settings.statements))
    result: dict[str, Any] = {"trust": found}
    if settings.oidc_provider_arns and (settings.audience != DEFAULT_AUDIENCE or "audience" in task.declared.defaults):
        result["audience"] = settings.audience
    return result | task.clusters.setting(task.clusters.keys[name] for name in clusters_of(task, settings))
