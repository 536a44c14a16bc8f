"""The policies of a role as settings of its binding: where they are, in the file, or taken over."""

from collections.abc import Mapping
from typing import Any

from irsa.rules.arns import parse_iam_arn
from irsa.rules.grammar import document_mistakes, partition_mistakes
from irsa.rules.mistakes import Mistake, named, path_of
from irsa_cli.adopt.outcomes import Left
from irsa_cli.adopt.task import Task
from irsa_world.model import ManagedPolicy, Role


def permissions(task: Task, role: Role) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the policies of a role as settings, and notes on them; raise where irsa refuses one."""
    partition = parse_iam_arn(role.arn, "role").partition
    for name, document in sorted(role.inline_policies.items()):
        refused = _refused_in(document, partition)
        if refused:
            raise Left(f"irsa refuses its inline policy {named(name)}: {refused}")
    settings: dict[str, Any] = {}
    imported = ["role"]
    notes: list[str] = []
    attached = sorted(role.attached_policies)
    chosen = _policy_to_take(task, role, notes) if task.ways.policies else None
    if chosen is not None:
        policy, settings["policy"] = chosen
        attached.remove(policy.arn)
        imported.append("policy")
    if attached:
        settings["policyArns"] = attached
    if role.attached_policies:
        imported.append("attachments")
    if role.inline_policies:
        settings["inlinePolicies"] = {
            name: {"document": task.documents.literal(role.inline_policies[name])}
            for name in sorted(role.inline_policies)
        }
        imported.append("inlinePolicies")
    return {**settings, "import": imported}, tuple(notes)


def _policy_to_take(task: Task, role: Role, notes: list[str]) -> tuple[ManagedPolicy, dict[str, Any]] | None:
    """Return the policy that a binding takes over; a binding has one at most, and others stay where they are."""
    # AWS's own are not among these.
    for policy in sorted(task.aws_account.policies, key=lambda each: each.arn):
        if policy.arn in role.attached_policies:
            try:
                return policy, _policy(task, policy, role)
            except Mistake as reason:
                notes.append(f"policy {named(policy.arn)} stays in policyArns: {reason.found}")
    return None


def _policy(task: Task, policy: ManagedPolicy, role: Role) -> dict[str, Any]:
    arn = parse_iam_arn(policy.arn, "policy")
    if policy.attachments != 1:
        raise Left(f"it is attached {policy.attachments} times")
    if policy.arn in task.declared.deployed:
        raise Left("it is in the state of the stack")
    task.check_owners(task.stacks_of(policy.arn))
    binding = task.declared.binding_of("policy", arn.name, task.ways.aws_account)
    if binding is not None:
        raise Left(f"binding {named(binding)} has it")
    refused = _refused_in(policy.document, arn.partition)
    if refused:
        raise Left(f"irsa refuses it: {refused}")
    known = task.ways.policy_settings(policy.arn)
    if known is None:
        raise Left("it was deleted meanwhile")
    defaults = task.declared.defaults
    tags = task.declared.tags(known.tags)
    if not tags and not all(key.lower().startswith("aws:") for key in role.tags):
        raise Left("it has no tags, and irsa would give it the role's")
    path = f"/{arn.resource[: -len(arn.name)]}"
    settings: dict[str, Any] = {"name": arn.name}
    if path != "/" or "path" in defaults:
        settings["path"] = path
    settings |= {"description": known.description} if known.description else {}
    settings["document"] = task.documents.literal(policy.document)
    return settings | ({"tags": tags} if tags else {})


def _refused_in(document: Mapping[str, Any], partition: str) -> str:
    """Return what irsa refuses in the document of a policy; empty where it refuses nothing."""
    for place, mistake in (*document_mistakes(document), *partition_mistakes(document, partition)):
        return f"{path_of(place)}: {mistake.found}"
    return ""
