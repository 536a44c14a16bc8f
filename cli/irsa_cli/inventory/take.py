"""What `irsa inventory` does: it reads, and takes the inventory that is printed."""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from irsa.evaluation import Decision
from irsa.evaluation.patterns import matches
from irsa.rules.arns import issuer_of_provider
from irsa.rules.mistakes import Mistake, listed, named, nearest
from irsa_cli.discovery import Discovery, discover, inputs_of
from irsa_cli.inventory.findings import KINDS, findings
from irsa_cli.inventory.findings.kinds import Facts
from irsa_cli.inventory.findings.untidy import last_used_text
from irsa_cli.inventory.last_use import last_use, last_use_section
from irsa_cli.inventory.output import Chain, Inventory, RoleAdmission
from irsa_cli.inventory.table import sections_of, summary
from irsa_cli.progress import under_way
from irsa_world.exits import COULD_NOT_LOOK, FINDINGS, GOOD, CouldNotLookError
from irsa_world.live.iam import OF_AWS, OWN
from irsa_world.live.last_use import read_last_use
from irsa_world.report.json import document
from irsa_world.report.publish import print_sections
from irsa_world.sessions import Sessions


def take_inventory(discovery: Discovery, now: datetime) -> Inventory:
    """Return the inventory of what was found."""
    not_checked = [*discovery.not_checked, *_unreadable_providers(discovery)]
    facts = Facts(discovery, not_checked.append, now)
    not_checked += facts.unreadable
    # It adds to what is not checked.
    found = findings(facts)
    associations: dict[str, dict[str, Sequence[str]]] = {each.name: {} for each in discovery.clusters}
    for each in facts.associated:
        associations[each.cluster.name][str(each.association)] = each.association.role_arns
    return Inventory(
        {each.name: each.issuer for each in discovery.clusters},
        {each.number: len(each.roles) for each in discovery.aws_accounts},
        {each.name: {str(one): one.role_arn for one in each.service_accounts} for each in discovery.clusters},
        {each.arn: last_used_text(each, now) for each in facts.kubernetes_roles},
        [*_by_tokens(facts), *_by_association(facts)],
        found,
        list(dict.fromkeys(not_checked)),
        _chains(facts),
        associations=associations,
    )


def of_namespaces(inventory: Inventory, namespaces: Sequence[str]) -> Inventory:
    """Return what an inventory has of these namespaces. It was taken of everything: so what is said of them is true.

    Raises:
        CouldNotLookError: One of them has neither a service account nor a finding.
    """
    names = [*(name for those in inventory.service_accounts.values() for name in those)]
    names += [each.service_account for each in inventory.findings if each.service_account]
    places = {each.partition("/")[0] for each in names}
    chosen: set[str] = set()
    for pattern in namespaces:
        those = {each for each in places if matches(each, pattern)}
        if not those:
            near = nearest(pattern, sorted(places), f"there are {listed(sorted(places))}")
            raise CouldNotLookError(f"--namespace {named(pattern)}: there is no service account in it; {near}")
        chosen |= those

    def has(service_account: str) -> bool:
        return service_account.partition("/")[0] in chosen

    def kept(by_cluster: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        return {cluster: {name: those[name] for name in filter(has, those)} for cluster, those in by_cluster.items()}

    service_accounts, associations = kept(inventory.service_accounts), kept(inventory.associations)
    found = ((each, [*filter(has, each.service_accounts)]) for each in inventory.admissions)
    admissions = [replace(each, service_accounts=names) for each, names in found if names]
    arns = {each.role for each in admissions}
    arns |= {arn for those in service_accounts.values() for arn in those.values() if arn}
    arns |= {arn for those in associations.values() for role_arns in those.values() for arn in role_arns}
    roles = {arn: used for arn, used in inventory.roles.items() if arn in arns}
    further = [each for each in inventory.chains if each.role in arns]
    findings = [each for each in inventory.findings if has(each.service_account) or each.role in arns]
    of_names = replace(inventory, service_accounts=service_accounts, associations=associations, admissions=admissions)
    return replace(of_names, roles=roles, findings=findings, chains=further)


def _by_tokens(facts: Sessions) -> Iterator[RoleAdmission]:
    for group in facts.groups:
        yield RoleAdmission(
            group.role_arn,
            group.cluster.name,
            group.decision,
            group.audiences,
            group.reason,
            facts.claims[group.cluster.issuer].names(group.service_accounts),
        )


def _by_association(facts: Sessions) -> Iterator[RoleAdmission]:
    """Yield who gets a role by an association."""
    for each in facts.associated:
        verdict = each.deciding.verdict
        # Of a role that was not read, a finding says so.
        if each.service_account and each.role_arn in facts.roles and verdict.decision is not Decision.DENIED:
            reason = f"by an association of EKS Pod Identity: {verdict.details or verdict.found}"
            names = [str(each.association)]
            yield RoleAdmission(each.role_arn, each.cluster.name, verdict.decision, (), reason, names)


def _chains(sessions: Sessions) -> list[Chain]:
    """Return the roles on which those of service accounts have the permission sts:AssumeRole, sorted."""
    roles = {each.role_arn for each in sessions.groups}
    roles |= {each.role_arn for _, each in sessions.world.annotated} | {each.role_arn for each in sessions.associated}
    found = [
        Chain(arn, of.other_arn, Decision.ALLOWED if of.outcome and of.is_read else Decision.CANNOT_TELL, of.reason)
        for arn in roles & sessions.policies.keys()
        for of in sessions.assumed_by(sessions.policies[arn].role)
    ]
    return sorted(found, key=lambda each: (each.role, each.assumes))


def _unreadable_providers(discovery: Discovery) -> Iterator[str]:
    for aws_account in discovery.aws_accounts:
        for arn in sorted(aws_account.client_ids):
            try:
                issuer_of_provider(arn)
            except Mistake as mistake:
                yield f"roles that trust the OIDC provider {named(arn)}: {mistake.found}"


def run(options: argparse.Namespace) -> int:
    """Take the inventory, print it and return the exit code.

    Raises:
        CouldNotLookError: No cluster, or no AWS account, can be read; or there is nothing of a namespace.
    """
    with under_way("inventory", "reading clusters and AWS accounts"):
        chosen = options.context, options.cluster, options.stack, inputs_of(options)
        discovery = discover(*chosen, policies=(OWN, OF_AWS))
    now = datetime.now(UTC)
    with under_way("inventory", "evaluating trust policies"):
        inventory = take_inventory(discovery, now)
    if options.namespace:
        inventory = of_namespaces(inventory, options.namespace)
    code = exit_code(inventory, options.fail_on)
    if options.last_use:
        with under_way("inventory", "last use") as show:
            ask = partial(read_last_use, discovery.clients, show=show)
            inventory = replace(inventory, last_use=last_use(inventory, discovery, now, ask))
    if options.json:
        print(document("inventory", code, inventory))
    elif inventory.last_use is not None:
        rest = f"without --last-use: {summary(inventory)}"
        print_sections([last_use_section(inventory.last_use, len(inventory.aws_accounts), rest)])
    else:
        print_sections(sections_of(inventory))
    return code


def exit_code(inventory: Inventory, fail_on: list[str]) -> int:
    """Return the exit code: with --fail-on, what was not checked is not good."""
    kinds = {*KINDS} if "all" in fail_on else {*fail_on}
    if any(each.kind in kinds for each in inventory.findings):
        return FINDINGS
    return COULD_NOT_LOOK if kinds and inventory.not_checked else GOOD
