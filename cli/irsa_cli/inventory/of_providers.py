"""Findings about OIDC providers, and the trust in those that are not there."""

from collections.abc import Iterator

from irsa.rules import commands
from irsa.rules.mistakes import listed, named
from irsa.rules.subjects import is_pattern
from irsa.rules.trust import DEFAULT_AUDIENCE
from irsa_cli.inventory.facts import Facts
from irsa_cli.inventory.output import Finding
from irsa_cli.issuers import Issuers, Standing, eks_region
from irsa_cli.verdict import NO_PROVIDER


def missing_provider(facts: Facts) -> Iterator[Finding]:
    """Yield the trust in OIDC providers that do not exist."""
    for trust in facts.of_kubernetes:
        if trust.client_ids is not None:
            continue
        number, owner = trust.policy.aws_account.number, trust.provider_arn.split(":")[4]
        cluster = trust.cluster
        if owner != number:
            found = f"the OIDC provider is of AWS account {owner}; STS looks in the role's own, {number}"
        else:
            found = NO_PROVIDER.format(aws_account=number, issuer=named(f"https://{trust.issuer}"))
        audiences = {value for each in trust.naming("aud") for value in each.condition.wanted}
        named_ones = {each for each in audiences if not is_pattern(each)} or {DEFAULT_AUDIENCE}
        yield Finding(
            "missing-provider",
            cluster.name if cluster else "",
            "",
            trust.policy.role.arn,
            trust.provider_arn,
            found,
            "an OIDC provider that exists, or a trust policy without it",
            commands.create_provider(cluster.issuer, named_ones) if cluster and owner == number else "",
        )


def orphaned_issuer(facts: Facts) -> Iterator[Finding]:
    """Yield the trust in issuers of EKS clusters that are gone."""
    issuers = Issuers(facts.discovery.clusters, facts.discovery.aws_accounts)
    for trust in facts.of_kubernetes:
        if trust.client_ids is None or issuers.standing(trust.issuer) is not Standing.GONE:
            continue
        where = f"AWS account {listed(issuers.listed_by(trust.issuer))} in {eks_region(trust.issuer)}"
        yield Finding(
            "orphaned-issuer",
            "",
            "",
            trust.policy.role.arn,
            trust.provider_arn,
            f"no cluster that was read, and none in EKS of {where}, has this issuer",
            "a cluster of this issuer, perhaps of another AWS account; or a trust policy without it",
        )


def duplicate_provider(facts: Facts) -> Iterator[Finding]:
    """Yield the further OIDC providers of an AWS account for one issuer."""
    for aws_account in facts.discovery.aws_accounts:
        by_issuer: dict[str, list[str]] = {}
        for arn in sorted(aws_account.client_ids):
            by_issuer.setdefault(_same_issuer(arn), []).append(arn)
        for first, *others in by_issuer.values():
            for arn in others:
                found = f"AWS account {aws_account.number} has {named(first)} for the same issuer"
                yield Finding("duplicate-provider", provider=arn, found=found, expected="one OIDC provider per issuer")


def _same_issuer(provider_arn: str) -> str:
    """Return the issuer of a provider as a URL is compared: without letter case, standard port and trailing slash."""
    host, slash, path = provider_arn.partition(":oidc-provider/")[2].partition("/")
    return f"{host.lower().removesuffix(':443')}{slash}{path.lower()}".rstrip("/")
