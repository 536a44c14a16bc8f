"""From what was found to the inventory that is printed. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime

from irsa.rules.arns import issuer_of_provider
from irsa.rules.mistakes import Mistake, named
from irsa.rules.subjects import subject_of
from irsa_cli.inventory.admissions import Admitted, trust_policies, trusts
from irsa_cli.inventory.facts import Facts
from irsa_cli.inventory.findings import findings
from irsa_cli.inventory.of_roles import last_used_text
from irsa_cli.inventory.output import (
    Admission,
    InventoriedAwsAccount,
    InventoriedCluster,
    InventoriedRole,
    InventoriedServiceAccount,
    Inventory,
)
from irsa_cli.live.model import Discovery, LiveRole, LiveServiceAccount
from irsa_cli.trusts.admitted import admitted
from irsa_cli.trusts.claims import Claims


def take_inventory(discovery: Discovery, now: datetime, unused_days: int) -> Inventory:
    """Return the inventory of what was found.

    Args:
        discovery: What was found.
        now: Now.
        unused_days: After how many days without use a role is unused.
    """
    not_checked = list(discovery.not_checked)
    not_checked += _unreadable_providers(discovery)
    policies = trust_policies(discovery.aws_accounts, not_checked.append)
    claims = {
        cluster.issuer: Claims({subject_of(each.namespace, each.name): each for each in cluster.service_accounts})
        for cluster in discovery.clusters
    }
    said = trusts(policies.values(), discovery.clusters)
    groups = [group for each in said if each.cluster for group in admitted(each, claims[each.cluster.issuer])]
    facts = Facts(discovery, policies, said, claims, groups, now, unused_days, not_checked.append)
    found = findings(facts)
    return Inventory(
        [InventoriedCluster(each.name, each.issuer, len(each.service_accounts)) for each in discovery.clusters],
        [
            InventoriedAwsAccount(each.number, len(each.roles), sorted(each.client_ids))
            for each in discovery.aws_accounts
        ],
        list(_service_accounts(discovery)),
        [_role(each, discovery, now) for each in facts.kubernetes_roles],
        [each for group in groups for each in _admission(group, claims)],
        found,
        list(dict.fromkeys(not_checked)),
    )


def _unreadable_providers(discovery: Discovery) -> Iterator[str]:
    for aws_account in discovery.aws_accounts:
        for arn in sorted(aws_account.client_ids):
            try:
                issuer_of_provider(arn)
            except Mistake as mistake:
                yield f"roles that trust the OIDC provider {named(arn)}: {mistake.found}"


def _service_accounts(discovery: Discovery) -> Iterator[InventoriedServiceAccount]:
    for cluster in discovery.clusters:
        for each in cluster.service_accounts:
            place = cluster.issuer, each.role_arn, each.namespace, each.name
            managed = place in discovery.managed_service_accounts
            yield InventoriedServiceAccount(
                cluster.name, each.namespace, each.name, each.role_arn, each.audience, managed
            )


def _role(role: LiveRole, discovery: Discovery, now: datetime) -> InventoriedRole:
    last_used = role.last_used.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if role.last_used else ""
    managed = role.arn in discovery.managed_roles
    return InventoriedRole(role.arn, last_used, role.has_details, last_used_text(role, now), managed)


def _admission(group: Admitted, claims: dict[str, Claims[LiveServiceAccount]]) -> Iterator[Admission]:
    cluster = group.trust.cluster
    if cluster:
        yield Admission(
            group.trust.policy.role.arn,
            cluster.name,
            group.decision,
            group.audiences,
            group.reason,
            group.documentation,
            claims[cluster.issuer].names(group.service_accounts),
        )
