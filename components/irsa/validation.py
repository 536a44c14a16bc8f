"""The component's arguments, held against the rules of AWS and Kubernetes before any resource is made."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pulumi

from irsa.annotations import check_annotation_key
from irsa.arns import parse_iam_arn
from irsa.mistakes import Mistake
from irsa.names import RULES, NameRule, check_name
from irsa.policies import parse_document
from irsa.subjects import check_subject

Check = tuple[str, Any, Callable[[Any], object]]


def check_arguments(name: str, args: Mapping[str, Any]) -> None:
    """Hold a ServiceAccountRole's arguments against the rules.

    Values that are known only later (outputs) are left to the provider.

    Raises:
        pulumi.RunError: All mistakes, each with the name of its argument.
    """
    lines = []
    for argument, value, check in _checks(args):
        if value is None or isinstance(value, pulumi.Output):
            continue
        try:
            check(value)
        except Mistake as mistake:
            lines.append(f"  {argument}: {mistake.found}\n    allowed: {mistake.allowed}\n    do: {mistake.fix}")
    if lines:
        raise pulumi.RunError(
            f"{len(lines)} mistakes in the arguments of ServiceAccountRole {name!r}\n" + "\n".join(lines)
        )


def _checks(args: Mapping[str, Any]) -> Iterator[Check]:
    yield "role_arn", dict(args), _one_of_role_arn_and_providers
    account = args.get("service_account") or {}
    policy = args.get("policy") or {}
    for argument, value, rule in (
        ("service_account.name", account.get("name"), RULES["service account"]),
        ("service_account.namespace", account.get("namespace"), RULES["namespace"]),
        ("role_name", args.get("role_name"), RULES["role"]),
        ("role_name_prefix", args.get("role_name_prefix"), RULES["role prefix"]),
        ("path", args.get("path"), RULES["role path"]),
        ("policy.name", policy.get("name"), RULES["policy"]),
        ("policy.path", policy.get("path"), RULES["policy path"]),
    ):
        yield argument, value, _name_check(rule)
    for argument, value, kind in (
        ("role_arn", args.get("role_arn"), "role"),
        ("permissions_boundary", args.get("permissions_boundary"), "policy"),
        *((f"policy_arns[{key!r}]", arn, "policy") for key, arn in (args.get("policy_arns") or {}).items()),
        *(
            (f"oidc_provider_arns[{i}]", arn, "oidc-provider")
            for i, arn in enumerate(args.get("oidc_provider_arns") or ())
        ),
    ):
        yield argument, value, _arn_check(kind)
    for index, subject in enumerate(args.get("subjects") or ()):
        yield f"subjects[{index}]", subject, check_subject
    for key in account.get("annotations") or ():
        yield f"service_account.annotations[{key!r}]", key, check_annotation_key
    yield "policy.document", policy.get("document"), parse_document
    for key, document in (args.get("inline_policies") or {}).items():
        yield f"inline_policies[{key!r}]", key, _name_check(RULES["inline policy"])
        yield f"inline_policies[{key!r}]", document, parse_document


def _name_check(rule: NameRule) -> Callable[[str], object]:
    return lambda value: check_name(value, rule)


def _arn_check(kind: str) -> Callable[[str], object]:
    return lambda value: parse_iam_arn(value, kind)


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


def _one_of_role_arn_and_providers(args: Mapping[str, Any]) -> None:
    existing, created = "role_arn" in args, bool(args.get("oidc_provider_arns"))
    if existing == created:
        found = "both role_arn and oidc_provider_arns" if existing else "neither role_arn nor oidc_provider_arns"
        raise Mistake(
            found, "exactly one of them", "give role_arn for an existing role, oidc_provider_arns to create one"
        )
    changing = [argument for argument in ROLE_ARGUMENTS if existing and args.get(argument)]
    if changing:
        raise Mistake(
            f"role_arn together with {', '.join(changing)}",
            "an existing role is never changed",
            "leave one of the two out",
        )
    if existing and not args.get("service_account"):
        raise Mistake("role_arn without service_account", "an account to annotate", "give service_account")
    if created and not (args.get("service_account") or args.get("subjects")):
        raise Mistake("neither service_account nor subjects", "at least one trusted account", "give one of them")
