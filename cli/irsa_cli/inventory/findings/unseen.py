"""Findings about what was not read."""

from collections.abc import Iterator

from irsa_cli.inventory.findings.kinds import Facts, kind
from irsa_cli.inventory.output import Finding


@kind(
    "Role in an AWS account that was not read",
    "Whether it admits the Pods is not known.",
    bad="a role in AWS account 444455556666, which was not read",
    good="the same with --profile for that AWS account",
)
def unseen_account(facts: Facts) -> Iterator[Finding]:
    """Yield the annotations and associations with a role of an AWS account that was not read."""
    asked = [(cluster.name, str(each), each.role_arn) for cluster, each in facts.world.annotated]
    for one in facts.associated:
        asked += [(one.cluster.name, str(one.association), each.role_arn) for each in one.sessions]
    for cluster, service_account, role in asked:
        number = "" if role in facts.roles or facts.missing(role) else role.split(":")[4]
        # Where only some roles of an AWS account could be read, that is said of the list.
        if number and number not in facts.world.by_number:
            found = f"the role is in AWS account {number}, which was not read"
            expected = f"AWS credentials for {number}: --profile, or --stack with a provider for it"
            yield Finding("", cluster, service_account, role, found=found, expected=expected)
