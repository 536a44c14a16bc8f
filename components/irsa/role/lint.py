"""What is legal in the arguments of a role, but likely not intended: rules that the component and `irsa check` ask."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from irsa.evaluation.admission import Admission
from irsa.evaluation.document import parse
from irsa.evaluation.lint import wide_permissions, wide_subjects
from irsa.evaluation.lint.managed_policies import AwsManagedPolicy
from irsa.evaluation.lint.rule import LintRule, Policies, Warnings, rule, rules_of
from irsa.keys.binding import ServiceAccountRoleKeys
from irsa.role.role_trust import STATEMENTS, RoleTrust
from irsa.role.ways import ways_of
from irsa.rules.leaves import mapping_of
from irsa.rules.mistakes import Mistake, Place
from irsa.rules.policies import Document
from irsa.rules.quotas import USUAL_TOKEN_EXPIRATION, Usage, check_usage
from irsa.rules.unknown import known_or, text_of, without_missing
from irsa.rules.variables import with_examples
from irsa.ways import Identity, WayFacts

POLICY_DOCUMENT: Place = ("policy", "document")


class JudgedRole(NamedTuple):
    """What rules are given of a role, as far as it is known.

    Attributes:
        documents: Those of its policies that are written, by their places.
        policy_arns: ARNs of existing policies, by their keys.
        trusted: Whom it trusts. Only a trust policy with statements of the caller's is judged as a whole.
        token_expiration: The lifetime of the tokens of its service account, in seconds.
        waiting: What it is judged by, with a marker for what will make it another when it is known.
    """

    documents: Mapping[Place, dict[str, Any]]
    policy_arns: Mapping[str, str]
    trusted: wide_subjects.JudgedTrust
    identity: Identity
    facts: WayFacts
    token_expiration: int
    usages: Sequence[tuple[Place, Usage]]
    waiting: Sequence[object]


def judged(
    binding: ServiceAccountRoleKeys,
    role_trust: RoleTrust | None,
    facts: WayFacts,
    usages: Sequence[tuple[Place, Usage]],
) -> JudgedRole:
    """Return what rules are given of a role."""
    inline = (("inline_policies", name, "document") for name in known_or(binding.inline_policies, {}))
    documents = {place: binding.at(place) for place in (POLICY_DOCUMENT, *inline)}
    policy_arns, account = known_or(binding.policy_arns, {}), binding.service_account
    seconds = account.token_expiration if account else None
    return JudgedRole(
        {
            at: with_examples(without_missing(each.content))
            for at, each in documents.items()
            if isinstance(each, Document)
        },
        {key: text for key, arn in policy_arns.items() if (text := text_of(arn))},
        _trusted(binding, role_trust),
        ways_of(binding),
        facts._replace(creates_role=role_trust is not None),
        known_or(seconds, 0),
        usages,
        (documents, policy_arns, role_trust, binding.trust.subjects),
    )


def _trusted(binding: ServiceAccountRoleKeys, role_trust: RoleTrust | None) -> wide_subjects.JudgedTrust:
    statements = [*map(mapping_of, without_missing(known_or(binding.trust.statements, [])))]
    found = role_trust.admission if role_trust and isinstance(role_trust.admission, Admission) else Admission()
    first = 0
    if role_trust and found.admitted and isinstance(role_trust.example, str):
        # Those that irsa writes come first: for each provider, and for each service account with Pod Identity.
        first = len(parse(role_trust.example)[1]) - len(statements)
    named = enumerate(known_or(binding.trust.subjects, []))
    subjects = [(("subjects", index), subject) for index, subject in named if isinstance(subject, str)]
    return wide_subjects.JudgedTrust(statements, found, first, subjects)


@rule(danger="a whole cluster or more")
def wide_trust(role: JudgedRole) -> Warnings:
    """A role trusts a whole namespace or more, anybody, or any customer of an identity provider.

    Anyone who can create a Pod there, or has a token of the provider, gets the permissions of the role.

    Bad:
        trust: {subjects: ["team-a:*"]}
    Good:
        trust: {subjects: ["team-a:worker", "team-a:report-*"]}
    """
    yield from ((("trust", *place), mistake) for place, mistake in wide_subjects.wide_trust(role.trusted))
    yield from _of_ways(role, wide=True)


@rule()
def pod_identity_trust(role: JudgedRole) -> Warnings:
    """A subject with wildcards, a condition on the network or a session policy holds for IRSA or Pod Identity alone.

    With the other one, Pods get more permissions than you intend, or no credentials.

    Bad:
        trust: {subjects: ["team-a:report-*"]}
        identity: {irsa: trusted, podIdentity: used}
    Good:
        trust: {subjects: ["team-a:report"]}
        identity: {irsa: trusted, podIdentity: used}
    """
    yield from _of_ways(role, wide=False)


def _of_ways(role: JudgedRole, *, wide: bool) -> Warnings:
    for way in role.identity.trusted:
        for place, mistake in way.warnings(role.identity, role.facts):
            if (place[-1] == "session_tags") is wide:
                yield place, mistake


@rule()
def refused_subject(role: JudgedRole) -> Warnings:
    """A role's own trust policy refuses a subject.

    The Pods of the subject get no credentials, because an explicit Deny decides.

    Bad:
        trust:
          subjects: ["team-a:worker"]
          statements:
            - {Effect: Deny, Principal: "*", Action: "sts:AssumeRoleWithWebIdentity"}
    Good:
        trust: {subjects: ["team-a:worker"]}
    """
    for subject in role.trusted.admission.refused:
        found = f"{subject!r} can't assume the role: a statement denies it"
        fix = "narrow the Deny statement, or leave out the subject"
        yield STATEMENTS, Mistake(found, "subjects that the trust policy admits", fix)


@rule()
def near_limit(role: JudgedRole) -> Warnings:
    """More than 80% of a quota is used.

    IAM refuses the next change that needs more. Where the stack file has no `oidcIssuer`, `irsa check` and `pulumi up`
    measure the trust policy with the shortest one, so that the warning may come late, or not at all.

    Bad:
        policyArns:
          - arn:aws:iam::111122223333:policy/p1
          - arn:aws:iam::111122223333:policy/p2
          - arn:aws:iam::111122223333:policy/p3
          - arn:aws:iam::111122223333:policy/p4
          - arn:aws:iam::111122223333:policy/p5
          - arn:aws:iam::111122223333:policy/p6
          - arn:aws:iam::111122223333:policy/p7
          - arn:aws:iam::111122223333:policy/p8
          - arn:aws:iam::111122223333:policy/p9
    Good:
        policyArns:
          - arn:aws:iam::111122223333:policy/p1
          - arn:aws:iam::111122223333:policy/p2
    """
    for place, usage in role.usages:
        if usage.used <= usage.quota and check_usage(usage):
            found = f"{usage} ({usage.share:.0%})"
            fix = "split the binding before it reaches the quota"
            yield place, Mistake(found, "at most 80%, so that it can grow", fix)


@rule()
def long_token(role: JudgedRole) -> Warnings:
    """A Pod's token is valid for longer than the default.

    Anyone who copies the token can use it from anywhere until it expires.

    Bad:
        serviceAccount: {name: my-app, tokenExpiration: 90000}
    Good:
        serviceAccount: {name: my-app, tokenExpiration: 3600}
    """
    if role.token_expiration > USUAL_TOKEN_EXPIRATION:
        found = f"{role.token_expiration:,} seconds is longer than the default of {USUAL_TOKEN_EXPIRATION:,}"
        fix = "write fewer, or silence the rule with a reason"
        yield ("service_account", "token_expiration"), Mistake(found, f"at most {USUAL_TOKEN_EXPIRATION:,}", fix)


# Those of documents and of managed policies judge the same in a stack file as they do here.
RULES: Mapping[str, LintRule] = rules_of(sys.modules[__name__], wide_permissions)


class RoleFinding(NamedTuple):
    """A warning of a rule, and the argument that it is about."""

    rule: str
    place: Place
    mistake: Mistake


def findings(role: JudgedRole) -> Iterator[RoleFinding]:
    """Yield what the rules warn of."""
    places, policies = [*role.documents], Policies([*role.documents.values()])
    given: Mapping[type, Sequence[tuple[Place, Any]]] = {
        JudgedRole: [((), role)],
        Policies: [((), policies)],
        AwsManagedPolicy: [(("policy_arns", key), AwsManagedPolicy(arn)) for key, arn in role.policy_arns.items()],
    }
    for name, each in RULES.items():
        for place, one in given[each.judges]:
            for inner, mistake in each(one):
                # That of a document begins with its index.
                at = (*places[int(inner[0])], *inner[1:]) if one is policies else (*place, *inner)
                yield RoleFinding(name, at, mistake)
