"""Findings about what a trust policy says: whom it admits, and what it compares."""

from collections.abc import Iterator

from irsa.evaluation import Decision
from irsa.evaluation.admission import but_those
from irsa.evaluation.document import Statement
from irsa.rules.mistakes import listed, named
from irsa.rules.subjects import CLAIM_PREFIX, WILDCARDS, subject_claim
from irsa.rules.trust import DEFAULT_AUDIENCE
from irsa_cli.inventory.admissions import Trust
from irsa_cli.inventory.facts import Facts
from irsa_cli.inventory.output import Finding
from irsa_cli.trusts.trust import ANYBODY, ClaimCondition, place_text
from irsa_cli.verdict import NO_SERVICE_ACCOUNT


def _of(trust: Trust, kind: str, found: str, expected: str, service_account: str = "") -> Finding:
    """Return a finding about what a trust policy says to the tokens of an OIDC provider."""
    cluster = trust.cluster.name if trust.cluster else ""
    return Finding(kind, cluster, service_account, trust.policy.role.arn, trust.provider_arn, found, expected)


def missing_service_account(facts: Facts) -> Iterator[Finding]:
    """Yield the names in trust policies of which there is no service account, and which are no typo of one."""
    typos = {free for free, _ in facts.typos}
    for free in facts.free_names:
        if free in typos:
            continue
        trust, value, index = free
        parts = value.removeprefix(CLAIM_PREFIX).split(":")
        is_subject = value.startswith(CLAIM_PREFIX) and len(parts) == 2 and all(parts)  # noqa: PLR2004 (namespace and name)
        where = place_text(trust, index)
        yield _of(
            trust,
            "missing-service-account",
            f"{where} names it, but {NO_SERVICE_ACCOUNT}"
            if is_subject
            else f"{where} names {named(value)}, which is the subject of no service account",
            "a service account that exists, or a trust policy without it",
            "/".join(parts) if is_subject else "",
        )


def misspelled_subject(facts: Facts) -> Iterator[Finding]:
    """Yield the names in trust policies that are likely typos of a service account that is annotated with the role."""
    for (trust, value, index), answer in facts.typos:
        service_account = answer.service_account
        right, wrong = named(subject_claim(service_account.subject)), named(value)
        yield _of(
            trust,
            "misspelled-subject",
            f"{place_text(trust, index)} names {wrong}, which is no service account; {named(str(service_account))} is "
            "annotated with the role, which refuses it: likely a typo",
            f"in the trust policy, {right} in place of {wrong}, if it is meant to have the role",
            str(service_account),
        )


def wide_trust(facts: Facts) -> Iterator[Finding]:
    """Yield the roles that admit a whole namespace, or more."""
    for index, namespaces in facts.wide.items():
        trust = facts.trusts[index]
        said = []
        for decision, verb in (
            (Decision.ALLOWED, "it trusts"),
            (Decision.CANNOT_DECIDE, "under a condition that cannot be decided here, it trusts"),
        ):
            of_decision = {name: each for name, each in namespaces.items() if each.decision is decision}
            whom = "the cluster" if "*" in of_decision else listed(of_decision)
            but = but_those(one for each in of_decision.values() for one in each.admitted)
            if of_decision:
                said.append(f"{verb} every service account of {whom}, also those that are created there later{but}")
        yield _of(
            trust,
            "wide-trust",
            "; ".join(said),
            "named service accounts",
        )


def several_namespaces(facts: Facts) -> Iterator[Finding]:
    """Yield the roles that admit service accounts of several namespaces."""
    whole = {id(facts.trusts[index]) for index, namespaces in facts.wide.items() if "*" in namespaces}
    by_role: dict[str, tuple[set[str], set[str]]] = {}
    known: dict[tuple[str, int], set[str]] = {}
    for each in facts.admitted:
        cluster = each.trust.cluster
        if cluster is None or each.decision is not Decision.ALLOWED or id(each.trust) in whole:
            continue
        key = cluster.issuer, each.service_accounts
        if key not in known:
            names = facts.claims[cluster.issuer].names(each.service_accounts)
            known[key] = {name.partition("/")[0] for name in names}
        namespaces, clusters = by_role.setdefault(each.trust.policy.role.arn, (set(), set()))
        namespaces.update(known[key])
        clusters.add(cluster.name)
    for arn, (namespaces, clusters) in by_role.items():
        if len(namespaces) > 1:
            found = f"it trusts service accounts of {len(namespaces):,} namespaces: {listed(sorted(namespaces))}"
            cluster_name = next(iter(clusters)) if len(clusters) == 1 else ""
            yield Finding(
                "several-namespaces", cluster_name, "", arn, found=found, expected="a role for each namespace"
            )


def no_audience(facts: Facts) -> Iterator[Finding]:
    """Yield the trust policies with a statement that takes a token of any audience."""
    for trust in facts.of_kubernetes:
        bounding = {each.place for each in trust.naming("aud") if not _is_anything(each)}
        open_ones = [index for index in trust.allowing if index not in bounding]
        if open_ones:
            where = ", ".join(place_text(trust, index) for index in open_ones)
            yield _of(
                trust,
                "no-audience",
                f"no condition on aud: {where}",
                f"StringEquals {named(f'{trust.issuer}:aud')} {DEFAULT_AUDIENCE}",
            )


def _is_anything(each: ClaimCondition) -> bool:
    return each.condition.comparison == "Like" and any(
        value and not value.strip("*") for value in each.condition.wanted
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
                yield _of(
                    trust,
                    "misspelled-key",
                    f"{place_text(trust, index)}: {named(key)}, which no token of this OIDC provider has",
                    named(f"{trust.issuer}:{claim}"),
                )


def _issuers_of(trust: Trust, statement: Statement) -> set[str]:
    """Return the issuers whose keys a statement may have, in lower case as IAM compares keys."""
    arns = {name for _, name in statement.principals}
    if ANYBODY & {*statement.principals}:
        arns |= {*trust.policy.aws_account.client_ids}
    return {arn.partition(":oidc-provider/")[2].lower() for arn in arns}


def literal_wildcard(facts: Facts) -> Iterator[Finding]:
    """Yield the conditions that compare `*` or `?` literally."""
    for trust in facts.of_kubernetes:
        for place, _, condition, _ in trust.compared:
            values = [each for each in condition.wanted if WILDCARDS.search(each) and "${" not in each]
            if values and condition.comparison != "Like":
                yield _of(
                    trust,
                    "literal-wildcard",
                    f"{place_text(trust, place)}: {condition.operator} compares * and ? literally: {listed(values)}",
                    condition.operator.replace("EqualsIgnoreCase", "Like").replace("Equals", "Like"),
                )
