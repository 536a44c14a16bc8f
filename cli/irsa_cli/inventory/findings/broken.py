"""Findings about what does not work, the worst first."""

from collections.abc import Iterator

from irsa.evaluation import Decision
from irsa.evaluation.decision import evaluate_parsed
from irsa.evaluation.document import Statement
from irsa.rules import commands
from irsa.rules.annotations import AUDIENCE, POD_ONLY, ROLE_KEY, WRITTEN_FROM, meant_by
from irsa.rules.arns import Arn
from irsa.rules.mistakes import likely, listed, named
from irsa.rules.subjects import WILDCARDS, is_pattern
from irsa.rules.trust import DEFAULT_AUDIENCE
from irsa_cli.inventory.findings.kinds import Facts, about_association, about_trust, kind
from irsa_cli.inventory.output import Finding
from irsa_world.model import Cluster, ServiceAccount
from irsa_world.sessions import Trust
from irsa_world.trusts.provider_trust import ANYBODY, place_text
from irsa_world.verdict import NO_PROVIDER

# A Pod has what the webhook wrote when the Pod was created.
RESTART = "; then restart its Pods"


@kind(
    "Annotated with a role that does not exist",
    "Its Pods get no credentials.",
    bad="eks.amazonaws.com/role-arn: arn:aws:iam::111122223333:role/wbe",
    good="eks.amazonaws.com/role-arn: arn:aws:iam::111122223333:role/web",
)
def missing_role(facts: Facts) -> Iterator[Finding]:
    """Yield the annotations that name no role that exists."""
    for cluster, each in facts.world.annotated:
        missing = facts.missing(each.role_arn)
        if missing is None:
            continue
        near = _meant_role(facts, cluster, each, each.role_arn)
        fix = commands.annotate(cluster.place, each.namespace, each.name, ROLE_KEY, near) if near else ""
        expected = f"{named(near)}, which admits it{RESTART}" if near else missing.expected
        found = f"{missing.found}{_beside_association(facts, cluster, each)}"
        yield Finding("", cluster.name, str(each), each.role_arn, found=found, expected=expected, fix=fix)


def _beside_association(facts: Facts, cluster: Cluster, service_account: ServiceAccount) -> str:
    """Return words for an association of the service account, whose role its new Pods get in place of this one."""
    associated = facts.associated_with.get((cluster.issuer, service_account.subject))
    return f"; its new Pods get {named(associated.role_arn)} by an association instead" if associated else ""


def _meant_role(facts: Facts, cluster: Cluster, service_account: ServiceAccount, value: str) -> str:
    """Return the role that the value of an annotation means: one of a near name that admits the service account."""
    roles = facts.admitting(cluster, service_account)
    by_name = {Arn.name_in(arn): arn for arn, audiences in roles.items() if service_account.audience in audiences}
    return by_name.get(likely(Arn.name_in(value).strip(), by_name, least=0.75) or "", "")


@kind(
    "Annotated, but not admitted",
    "The role refuses the token that the webhook mounts.",
    bad="a role that trusts team-b:web, in the annotation of team-a/web",
    good='"ISSUER:sub": "system:serviceaccount:team-a:web"',
)
def not_admitted(facts: Facts) -> Iterator[Finding]:
    """Yield the service accounts that their annotated role refuses, with the token that the webhook mounts."""
    for cluster, each in facts.world.annotated:
        policy = facts.policies.get(each.role_arn)
        refused = facts.of_token(each.role_arn, cluster, each).verdict
        if policy is None or refused.decision is Decision.ALLOWED:
            continue
        if refused.decision is Decision.CANNOT_TELL:
            whom = f"the service accounts of {named(cluster.name)} that are annotated with it"
            facts.not_checked(f"irsa cannot tell whether {named(each.role_arn)} admits {whom}")
            continue
        request, expected, fix = policy.request(cluster, each), refused.expected, ""
        if DEFAULT_AUDIENCE in facts.admitting(cluster, each).get(each.role_arn, ()):
            expected += f"; or no {AUDIENCE}{RESTART}"
            fix = commands.remove_annotations(cluster.place, each.namespace, each.name, AUDIENCE)
        elif evaluate_parsed(*policy.parsed, request).decision is not Decision.DENIED:
            # The provider's command helps where only the provider refuses.
            fix = refused.fix
        found = f"{refused.details}{_beside_association(facts, cluster, each)}"
        yield Finding("", cluster.name, str(each), each.role_arn, request.provider_arn, found, expected, fix)


@kind(
    "Association with a role that does not exist",
    "Its Pods get no credentials.",
    bad="an association with a role that was deleted",
    good="an association with a role that exists",
)
def association_missing_role(facts: Facts) -> Iterator[Finding]:
    """Yield the associations whose role, or target role, does not exist."""
    for each in facts.associated:
        for role_arn, verdict, missing in each.sessions:
            if missing:
                yield about_association(each, role_arn, verdict.found, verdict.expected)


@kind(
    "Association with a role that refuses it",
    "EKS gives its Pods no credentials.",
    bad="a role without a statement for pods.eks.amazonaws.com",
    good="Allow sts:AssumeRole and sts:TagSession to pods.eks.amazonaws.com",
)
def association_not_admitted(facts: Facts) -> Iterator[Finding]:
    """Yield the associations that their role, or their target role, refuses."""
    for each in facts.associated:
        role_arn, verdict, missing = each.deciding
        if missing or verdict.decision is Decision.ALLOWED:
            continue
        if verdict.decision is Decision.CANNOT_TELL:
            which = f"the association of {named(str(each.association))} in {named(each.cluster.name)}"
            facts.not_checked(
                f"irsa cannot tell whether {named(role_arn)} admits {which}: {verdict.details or verdict.found}"
            )
            continue
        yield about_association(each, role_arn, verdict.details, verdict.expected)


@kind(
    "Annotated with another role than its association",
    "New Pods get that of the association; older ones keep theirs.",
    bad="role a in the annotation, role b in the association",
    good="one role in both, or one of the two",
)
def association_wins(facts: Facts) -> Iterator[Finding]:
    """Yield the service accounts that are annotated with another role than their association gives.

    The webhook then injects Pod Identity's variables alone: https://github.com/aws/amazon-eks-pod-identity-webhook/pull/189
    """
    for each in facts.associated:
        annotated = each.service_account.role_arn if each.service_account else ""
        if annotated and annotated != each.role_arn:
            role = named(each.role_arn)
            found = f"annotated with {named(annotated)}, but new Pods ask for {role} by the association alone"
            yield about_association(
                each, each.role_arn, found, "one role: that of the annotation or that of the association"
            )


@kind(
    "Role trusts a missing OIDC provider",
    "It admits no token of that issuer.",
    bad="a trust policy with an IAM OIDC provider that was deleted",
    good="an IAM OIDC provider for the issuer in the AWS account of the role",
)
def missing_provider(facts: Facts) -> Iterator[Finding]:
    """Yield the trust in OIDC providers that do not exist."""
    for trust in facts.of_kubernetes:
        if trust.client_ids is not None:
            continue
        number, owner = trust.policy.aws_account.number, trust.provider_arn.split(":")[4]
        cluster = trust.cluster
        if owner != number:
            found = f"the OIDC provider is in AWS account {owner}, but STS looks in that of the role, {number}"
        else:
            found = NO_PROVIDER.format(aws_account=number, issuer=named(f"https://{trust.issuer}"))
        audiences = {value for each in trust.naming("aud") for value in each.condition.wanted}
        named_ones = {each for each in audiences if not is_pattern(each)} or {DEFAULT_AUDIENCE}
        place = trust.policy.aws_account.place
        fix = commands.create_provider(place, cluster.issuer, named_ones) if cluster and owner == number else ""
        yield about_trust(trust, found, "an OIDC provider that exists, or a trust policy without it", fix=fix)


@kind(
    "* or ? under StringEquals",
    "They stand for no other characters there.",
    bad='StringEquals on "system:serviceaccount:team-a:*"',
    good="StringLike on the same, or an exact name",
)
def literal_wildcard(facts: Facts) -> Iterator[Finding]:
    """Yield the conditions that compare `*` or `?` literally."""
    for trust in facts.of_kubernetes:
        for place, _, condition, _ in trust.compared:
            values = [each for each in condition.wanted if WILDCARDS.search(each) and "${" not in each]
            if values and condition.comparison != "Like":
                yield about_trust(
                    trust,
                    f"{place_text(trust, place)}: {condition.operator} compares * and ? literally: {listed(values)}",
                    condition.operator.replace("EqualsIgnoreCase", "Like").replace("Equals", "Like"),
                )


@kind(
    "Annotation that the webhook does not read",
    "Its key is misspelled.",
    bad="eks.amazonaws.com/rolearn",
    good="eks.amazonaws.com/role-arn",
)
def misspelled_annotation(facts: Facts) -> Iterator[Finding]:
    """Yield the annotations of `eks.amazonaws.com/` that the webhook does not read."""
    for cluster in facts.world.clusters:
        for each in cluster.service_accounts:
            for key, value in sorted(each.annotations.items()):
                meant = None if key in WRITTEN_FROM else meant_by(key)
                if meant:
                    found = f"{named(key)}: {named(value)}, which the webhook does not read"
                    expected = f"{meant}, with a value that the webhook and the role accept{RESTART}"
                    if meant in POD_ONLY:
                        expected = f"no such annotation: {POD_ONLY[meant]}"
                    yield Finding("", cluster.name, str(each), found=found, expected=expected)


@kind(
    "Condition on a key of another issuer",
    "No token of the OIDC provider has this key.",
    bad="the key of another cluster, OTHER:sub",
    good='"ISSUER:sub", the provider\'s own',
)
def misspelled_key(facts: Facts) -> Iterator[Finding]:
    """Yield the conditions on `aud` or `sub` that have another issuer in their key than the provider's.

    No token has such a key, https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html:
    the URL of the provider stands before the claim, as in its ARN.
    """
    for trust in facts.of_kubernetes:
        for index, statement in trust.statements.items():
            issuers = _issuers_of(trust, statement)
            for key in dict.fromkeys(each.key for each in statement.conditions):
                prefix, _, claim = key.lower().rpartition(":")
                if claim not in ("aud", "sub") or prefix in issuers or prefix.startswith("aws:"):
                    continue
                yield about_trust(
                    trust,
                    f"{place_text(trust, index)}: {named(key)}, which no token of this OIDC provider has",
                    named(f"{trust.issuer}:{claim}"),
                )


def _issuers_of(trust: Trust, statement: Statement) -> set[str]:
    """Return the issuers whose keys a statement may have, in lower case as IAM compares keys."""
    arns = {name for _, name in statement.principals}
    if ANYBODY & {*statement.principals}:
        arns |= {*trust.policy.aws_account.client_ids}
    return {arn.partition(":oidc-provider/")[2].lower() for arn in arns}
