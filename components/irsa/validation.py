"""The component's arguments, held against the rules of AWS and Kubernetes before any resource is made."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pulumi

from irsa.rules.annotations import check_annotation_key
from irsa.rules.arns import parse_iam_arn
from irsa.rules.grammar import condition_mistakes, document_mistakes, statement_mistakes
from irsa.rules.mistakes import Mistake, path_of
from irsa.rules.names import RULES, NameRule, check_name
from irsa.rules.policies import parse_document, policy_size, split_document
from irsa.rules.quotas import (
    ATTACHED_POLICIES,
    INLINE_POLICIES_SIZE,
    MANAGED_POLICY_SIZE,
    TAGS,
    TRUST_POLICY_SIZE,
    Usage,
    check_usage,
)
from irsa.rules.subjects import check_any_service_account, check_subject
from irsa.rules.trust import DEFAULT_AUDIENCE, check_conditions, minified, trust_document

Check = tuple[str, Any, Callable[[Any], object]]
ADOPTABLE = ("role", "policy", "attachments", "inlinePolicies", "serviceAccount")
SHORTEST_TOKEN, USUAL_TOKEN = 600, 86_400
ROLE_ARGUMENTS = (
    "subjects",
    "trust_conditions",
    "trust_statements",
    "role_name",
    "role_name_prefix",
    "description",
    "path",
    "permissions_boundary",
    "max_session_duration",
    "force_detach_policies",
    "tags",
    "policy",
    "policy_arns",
    "inline_policies",
)


def check_arguments(name: str, args: Mapping[str, Any]) -> None:
    """Hold a ServiceAccountRole's arguments against the rules.

    Values that are known only later (outputs) are left to the provider.

    Raises:
        pulumi.RunError: All mistakes, each with the name of its argument.
    """
    mistakes = [*_mistakes(_checks(args)), *_document_mistakes(args)]
    if not mistakes:
        # Sizes make sense only of good values.
        mistakes = list(_mistakes((usage.what, usage, check_usage) for usage in usages(args)))
    if mistakes:
        lines = [f"  {place}: {m.found}\n    allowed: {m.allowed}\n    do: {m.fix}" for place, m in mistakes]
        count = f"{len(mistakes)} mistake{'s' if len(mistakes) > 1 else ''}"
        raise pulumi.RunError("\n".join([f"{count} in the arguments of ServiceAccountRole {name!r}", *lines]))


def warnings(args: Mapping[str, Any]) -> list[str]:
    """Give what is legal and yet worth a look, for arguments without mistakes."""
    found = [f"over 80% of a quota is used: {usage}" for usage in usages(args) if check_usage(usage)]
    expiration = (args.get("service_account") or {}).get("token_expiration")
    if expiration is not None and expiration > USUAL_TOKEN:
        found.append(f"token_expiration: {int(expiration):,} seconds is longer than the usual {USUAL_TOKEN:,}")
    return found


def trusted_subjects(args: Mapping[str, Any]) -> list[str]:
    """Give the sorted `namespace:name` patterns that the role trusts: its own service account and the further ones."""
    subjects = set(args.get("subjects") or ())
    account = args.get("service_account")
    if account:
        subjects.add(f"{account.get('namespace', 'default')}:{account['name']}")
    return sorted(subjects)


def trust_policy(args: Mapping[str, Any], subjects: Sequence[str], provider_arns: Sequence[str]) -> str:
    """Give the role's trust policy.

    Raises:
        pulumi.RunError: It is longer than the account allows, or a provider's ARN is none.
    """
    try:
        document = _trust_document(args, subjects, provider_arns)
        check_usage(_trust_usage(args, document))
    except Mistake as mistake:
        raise pulumi.RunError(str(mistake)) from None
    return document


def late_document(text: str) -> str:
    """Give a policy document that became known only now, minified; it can't be divided any more.

    Raises:
        pulumi.RunError: It is no policy document, or too long for one managed policy.
    """
    try:
        document = minified(parse_document(text))
        check_usage(Usage("characters of the policy document", policy_size(document), MANAGED_POLICY_SIZE))
    except Mistake as mistake:
        raise pulumi.RunError(str(mistake)) from None
    return document


def usages(args: Mapping[str, Any]) -> Iterator[Usage]:
    """Give how much of each quota the arguments use, as far as it is known before the deployment."""
    yield Usage("tags", len(args.get("tags") or ()), TAGS)
    provider_arns = args.get("oidc_provider_arns") or ()
    if provider_arns and all(isinstance(arn, str) for arn in provider_arns):
        document = _trust_document(args, trusted_subjects(args), provider_arns)
        yield _trust_usage(args, document)
    policy = (args.get("policy") or {}).get("document")
    parts = len(split_document(parse_document(policy))) if isinstance(policy, str) else int(policy is not None)
    attached = parts + len(args.get("policy_arns") or ())
    quota = int(args.get("attached_policies_quota", ATTACHED_POLICIES))
    yield Usage("managed policies of the role", attached, quota, "attachedPolicies")
    inline = [text for text in (args.get("inline_policies") or {}).values() if isinstance(text, str)]
    yield Usage("characters of all inline policies", sum(map(policy_size, inline)), INLINE_POLICIES_SIZE)


def _trust_document(args: Mapping[str, Any], subjects: Sequence[str], provider_arns: Sequence[str]) -> str:
    return trust_document(
        provider_arns,
        subjects,
        args.get("audience", DEFAULT_AUDIENCE),
        args.get("trust_conditions"),
        args.get("trust_statements") or (),
    )


def _trust_usage(args: Mapping[str, Any], document: str) -> Usage:
    quota = int(args.get("trust_policy_size_quota", TRUST_POLICY_SIZE))
    return Usage("characters of the trust policy", policy_size(document), quota, "trustPolicySize")


def _mistakes(checks: Iterator[Check]) -> Iterator[tuple[str, Mistake]]:
    for argument, value, check in checks:
        if value is None or isinstance(value, pulumi.Output):
            continue
        try:
            check(value)
        except Mistake as mistake:
            yield argument, mistake


def _document_mistakes(args: Mapping[str, Any]) -> Iterator[tuple[str, Mistake]]:
    """What IAM would refuse in the documents that are known, each with its place in them."""
    provider = next(iter(args.get("oidc_provider_arns") or ()), None)
    partition = provider.split(":", 2)[1] if isinstance(provider, str) and provider.startswith("arn:") else None
    documents = {"policy.document": (args.get("policy") or {}).get("document")}
    documents |= {f"inline_policies[{key!r}]": text for key, text in (args.get("inline_policies") or {}).items()}
    for argument, text in documents.items():
        try:
            document = parse_document(text) if isinstance(text, str) else None
        except Mistake:
            continue  # told by the argument's own check
        for part, mistake in document_mistakes(document, partition) if document else ():
            yield f"{argument} {path_of(part)}", mistake
    for index, statement in enumerate(args.get("trust_statements") or ()):
        for part, mistake in statement_mistakes(statement, trust=True):
            yield f"trust_statements[{index}] {path_of(part)}".rstrip(), mistake
    for part, mistake in condition_mistakes(args.get("trust_conditions") or {}):
        yield f"trust_conditions {path_of(part)}", mistake


def _checks(args: Mapping[str, Any]) -> Iterator[Check]:
    yield "role_arn", dict(args), _check_together
    account = args.get("service_account") or {}
    policy = args.get("policy") or {}
    for argument, value, rule in (
        ("service_account.name", account.get("name"), RULES["service account"]),
        ("service_account.namespace", account.get("namespace"), RULES["namespace"]),
        ("role_name", args.get("role_name"), RULES["role"]),
        ("role_name_prefix", args.get("role_name_prefix"), RULES["role prefix"]),
        ("description", args.get("description"), RULES["description"]),
        ("path", args.get("path"), RULES["role path"]),
        ("policy.name", policy.get("name"), RULES["policy"]),
        ("policy.path", policy.get("path"), RULES["policy path"]),
        ("policy.description", policy.get("description"), RULES["description"]),
    ):
        yield argument, value, _name_check(rule)
    for argument, value, kind in (
        ("role_arn", args.get("role_arn"), "role"),
        ("permissions_boundary", args.get("permissions_boundary"), "policy"),
        *((f"policy_arns[{key!r}]", arn, "policy") for key, arn in (args.get("policy_arns") or {}).items()),
        *((f"oidc_provider_arns[{i}]", a, "oidc-provider") for i, a in enumerate(args.get("oidc_provider_arns") or ())),
    ):
        yield argument, value, _arn_check(kind)
    for index, subject in enumerate(args.get("subjects") or ()):
        yield f"subjects[{index}]", subject, check_subject
    if not args.get("any_service_account"):
        yield "subjects", args.get("subjects"), check_any_service_account
    for key in account.get("annotations") or ():
        yield f"service_account.annotations[{key!r}]", key, check_annotation_key
    yield "service_account.token_expiration", account.get("token_expiration"), _check_token_expiration
    yield "max_session_duration", args.get("max_session_duration"), _check_session_duration
    yield "trust_conditions", args.get("trust_conditions"), check_conditions
    for argument, tags in (("tags", args.get("tags")), ("policy.tags", policy.get("tags"))):
        for key, value in (tags or {}).items():
            yield f"{argument}[{key!r}]", key, _name_check(RULES["tag key"])
            yield f"{argument}[{key!r}]", value, _name_check(RULES["tag value"])
    yield "policy.document", policy.get("document"), _check_policy
    for key, document in (args.get("inline_policies") or {}).items():
        yield f"inline_policies[{key!r}]", key, _name_check(RULES["inline policy"])
        yield f"inline_policies[{key!r}]", document, parse_document


def _name_check(rule: NameRule) -> Callable[[str], object]:
    return lambda value: check_name(value, rule)


def _arn_check(kind: str) -> Callable[[str], object]:
    return lambda value: parse_iam_arn(value, kind)


def _check_policy(document: str) -> None:
    split_document(parse_document(document))


def _check_token_expiration(seconds: float) -> None:
    if seconds < SHORTEST_TOKEN:
        # https://kubernetes.io/docs/concepts/storage/projected-volumes/#serviceaccounttoken
        raise Mistake(f"{seconds:g} seconds", "at least 600, as Kubernetes asks", "write 600 or more")


def _check_session_duration(seconds: float) -> None:
    shortest, longest = 3_600, 43_200
    if not shortest <= seconds <= longest:
        # https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
        raise Mistake(f"{seconds:g} seconds", "3600 to 43200", "write a number of seconds in that range")


def _check_together(args: Mapping[str, Any]) -> None:
    existing, created = "role_arn" in args, bool(args.get("oidc_provider_arns"))
    if existing == created:
        found = "both role_arn and oidc_provider_arns" if existing else "neither role_arn nor oidc_provider_arns"
        raise Mistake(found, "exactly one of them", "give role_arn for an existing role, else oidc_provider_arns")
    changing = [argument for argument in ROLE_ARGUMENTS if existing and args.get(argument)]
    if changing:
        found = f"role_arn together with {', '.join(changing)}"
        raise Mistake(found, "an existing role is never changed", "leave one of the two out")
    if existing and not args.get("service_account"):
        raise Mistake("role_arn without service_account", "an account to annotate", "give service_account")
    if created and not (args.get("service_account") or args.get("subjects")):
        raise Mistake("neither service_account nor subjects", "at least one trusted account", "give one of them")
    if args.get("role_name") and args.get("role_name_prefix"):
        raise Mistake("both role_name and role_name_prefix", "one of them", "leave one out")
    _check_adoption(args)


def _check_adoption(args: Mapping[str, Any]) -> None:
    adopted = set(args.get("import_existing") or ())
    unknown = adopted - set(ADOPTABLE)
    if unknown:
        raise Mistake(f"import_existing names {', '.join(sorted(unknown))}", ", ".join(ADOPTABLE), "name one of these")
    if adopted & {"role", "attachments", "inlinePolicies"} and not args.get("role_name"):
        raise Mistake("import_existing without role_name", "the name of the existing role", "give role_name")
    provider_arns = args.get("oidc_provider_arns") or ()
    if "policy" in adopted and not all(isinstance(arn, str) for arn in provider_arns):
        found = "import_existing policy, with an OIDC provider that becomes known only later"
        raise Mistake(found, "a known account, by which the policy is found", "create the OIDC provider first")
    if "policy" in adopted and not (args.get("policy") or {}).get("name"):
        raise Mistake(
            "import_existing policy without policy.name", "the name of the existing policy", "give policy.name"
        )
