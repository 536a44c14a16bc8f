"""Findings about what is to be tidied up."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from irsa.rules.mistakes import named
from irsa_cli.inventory.findings.kinds import Facts, kind
from irsa_cli.inventory.output import Finding
from irsa_world.model import Role

# How long IAM tracks the last use:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_last-accessed.html
TRACKED_DAYS = 400
UNUSED_DAYS = 90
DATE = "%Y-%m-%d"


def last_used_text(role: Role, now: datetime) -> str:
    """Return in words when a role was last used. IAM reports a use hours later: of a new one, `never` may be wrong."""
    if not role.has_details:
        return "not known"
    if role.last_used:
        return role.last_used.astimezone(UTC).strftime(DATE)
    is_younger = role.created and role.created > now - timedelta(days=TRACKED_DAYS)
    return "no use reported yet" if is_younger else f"not in {TRACKED_DAYS} days"


@kind(
    "Two OIDC providers for one issuer",
    "Roles must trust the one with the audience.",
    bad="two IAM OIDC providers, for https://ISSUER and https://ISSUER/",
    good="one, with sts.amazonaws.com among its audiences",
)
def duplicate_provider(facts: Facts) -> Iterator[Finding]:
    """Yield the further OIDC providers of an AWS account for one issuer."""
    for aws_account in facts.world.aws_accounts:
        by_issuer: dict[str, list[str]] = {}
        for arn in sorted(aws_account.client_ids):
            by_issuer.setdefault(_same_issuer(arn), []).append(arn)
        for first, *others in by_issuer.values():
            for arn in others:
                found = f"AWS account {aws_account.number} has {named(first)} for the same issuer"
                yield Finding(provider=arn, found=found, expected="one OIDC provider per issuer")


def _same_issuer(provider_arn: str) -> str:
    """Return the issuer of a provider as a URL is compared: without letter case, standard port and trailing slash."""
    host, slash, path = provider_arn.partition(":oidc-provider/")[2].partition("/")
    return f"{host.lower().removesuffix(':443')}{slash}{path.lower()}".rstrip("/")


@kind(
    f"Role not used for {UNUSED_DAYS} days",
    "IAM has no record of a recent session.",
    bad="a role without a session in 90 days",
    good="a role in use; delete the others",
)
def unused(facts: Facts) -> Iterator[Finding]:
    """Yield the roles that were not used for UNUSED_DAYS."""
    limit = facts.now - timedelta(days=UNUSED_DAYS)
    for role in facts.kubernetes_roles:
        # A role that was created since then had no time to be unused.
        recent = [each for each in (role.created, role.last_used) if each and each > limit]
        if recent or not role.has_details:
            continue
        found = f"last used: {last_used_text(role, facts.now)}"
        yield Finding(role=role.arn, found=found, expected=f"used in the last {UNUSED_DAYS} days")
