"""Lint rules: what is legal in a stack file, but likely an error. `RULES` is the registry."""

import difflib
import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from typing import Any, Literal, NamedTuple

from config import aws_actions
from config.located_mistake import LocatedMistake
from config.models import Binding, Stack
from config.policy_sources import PolicySources
from config.quota_use import PlacedUsage
from config.trust_policies import JudgedTrust
from config.variables import CheckVariables
from irsa.evaluation.patterns import matches, pattern_of
from irsa.rules.arns import parse_iam_arn
from irsa.rules.mistakes import Mistake, Place, nearest, path_of, shortened
from irsa.rules.quotas import check_usage
from irsa.rules.strangers import stranger
from irsa.rules.subjects import DEFAULT_NAMESPACE, is_pattern, subject_of
from irsa.rules.trust import minified


class CheckedStack(NamedTuple):
    """The part of a stack file without mistakes, and what the rules need besides the bindings."""

    stack: Stack
    """The settings, with `irsa:defaults` merged into the bindings."""
    settings: Mapping[str, Any]
    """The settings as they are in the file."""
    complete: bool
    """Whether that part is the whole file."""
    used_variables: Set[str]
    """Names of the variables that documents and ARNs of the whole file use."""
    sources: PolicySources
    variables: CheckVariables
    quota_usages: Mapping[str, Sequence[PlacedUsage]]
    """By binding, for those whose documents have no mistake."""
    trusts: Mapping[str, JudgedTrust]
    """By binding, for those with statements of their own."""


class Statement(NamedTuple):
    """A statement of a policy document."""

    values: Mapping[str, Any]
    """Its elements, variables replaced by sample values."""
    written: Mapping[str, Any]
    """Its elements as they are in the document."""

    def items(self, element: str) -> Sequence[Any]:
        """Return the values of an element that may be one or a list."""
        return _items(self.values.get(element))

    def place_of(self, element: str, index: int) -> Place:
        """Return the place of one of those values."""
        return (element, index) if isinstance(self.values.get(element), list) else (element,)


class LintRule(NamedTuple):
    """A registered rule."""

    description: str
    """When it warns."""
    scope: Literal["statement", "binding", "stack"]
    """Whether it runs for each statement of a policy document, for each binding, or once."""
    warnings: Callable[..., Iterator[tuple[Place, Mistake]]]
    """Yields its warnings, each with its place in the settings, or in the statement.

    Takes the Statement, or else the CheckedStack, for the scope `binding` after the key and the binding.
    """
    missing_data: Callable[[], str] | None = None
    """For a slow rule that needs data of another package: returns what to install, or an empty string."""


def lint(checked: CheckedStack, thorough: bool) -> tuple[list[LocatedMistake], list[str]]:
    """Return the warnings of all rules, and what could not be checked.

    Args:
        checked: The stack.
        thorough: Whether slow rules run too; they always run if their warnings are errors.
    """
    selected, not_checked = _selected(checked, thorough)
    warnings: list[LocatedMistake] = []
    of_scope = {scope: [each for each in selected if each[1].scope == scope] for scope in ("statement", "binding")}
    found_in: dict[Place | str, list[tuple[Place, Mistake, str]]] = {}
    for key, binding in checked.stack.bindings.items():
        for name, rule in of_scope["binding"]:
            warnings += [LocatedMistake(*found, rule=name) for found in rule.warnings(key, binding, checked)]
        for source, document in _documents(key, binding):
            origin = checked.sources.origin(source)
            if origin not in found_in:
                found_in[origin] = [*_warnings_in(document, of_scope["statement"], checked.sources)]
            warnings += [checked.sources.locate(source, *found) for found in found_in[origin]]
    for name, rule in selected:
        if rule.scope == "stack":
            warnings += [LocatedMistake(*found, rule=name) for found in rule.warnings(checked)]
    return warnings, not_checked


def _selected(checked: CheckedStack, thorough: bool) -> tuple[list[tuple[str, LintRule]], list[str]]:
    """Return the rules to run with their names, and what is not checked for want of data."""
    selected: list[tuple[str, LintRule]] = []
    missing: dict[str, None] = {}
    for name, rule in RULES.items():
        slow = rule.missing_data is not None
        if slow and not thorough and name not in checked.stack.lint.errors:
            continue
        lacks = rule.missing_data() if rule.missing_data else ""
        if lacks:
            missing[lacks] = None
        else:
            selected.append((name, rule))
    return selected, list(missing)


def _warnings_in(
    document: Any, rules: Sequence[tuple[str, LintRule]], sources: PolicySources
) -> Iterator[tuple[Place, Mistake, str]]:
    """Yield the warnings about the statements of a document, each with its place in it, and its rule."""
    for part, statement in _statements(document, sources):
        for name, rule in rules:
            for inner, mistake in rule.warnings(statement):
                yield (*part, *inner), mistake, name


def silence_reason(warning: LocatedMistake, stack: Stack) -> str | None:
    """Return the reason why a warning is silenced; None where it is not."""
    silence = stack.lint.silence.get(warning.rule)
    if silence is None:
        return None
    of_binding = warning.place[1] if warning.place[0] == "bindings" else None
    return silence.reason if not silence.bindings or of_binding in silence.bindings else None


def check_rule_name(name: str) -> str:
    """Return the name of a rule.

    Raises:
        Mistake: There is no such rule.
    """
    if name in RULES:
        return name
    raise Mistake(shortened(name), ", ".join(RULES), nearest(name, RULES, "name one of these"))


def _wide_trust(key: str, binding: Binding, checked: CheckedStack) -> Iterator[tuple[Place, Mistake]]:
    place: Place = ("bindings", key, "trust")
    fix = "name the service accounts, or silence the rule with a reason"
    together: dict[str, set[str]] = {}
    for where, subject, certain in _trusted(key, binding, checked):
        whom = _whole(subject)
        if whom:
            found = f"{subject!r} {'trusts' if certain else 'may trust'} {whom}"
            yield where, Mistake(found, "only the service accounts that need the role", fix)
        else:
            together.setdefault(subject.partition(":")[0], set()).add(subject)
    for namespace, subjects in together.items():
        if any(map(is_pattern, subjects)) and stranger(subjects, namespace) is None:
            found = f"{shortened(', '.join(sorted(subjects)))} together trust all service accounts of {namespace}"
            where = (*place, "subjects" if binding.trust.subjects else "statements")
            yield where, Mistake(found, "only the service accounts that need the role", fix)
    for index, statement in enumerate(binding.trust.statements):
        principal = statement.get("Principal")
        anybody = principal == "*" or (isinstance(principal, dict) and "*" in _items(principal.get("AWS")))
        if anybody and statement.get("Effect") == "Allow" and not _says_who(statement.get("Condition")):
            fix = "name the principal, or add a Condition that does, such as on aws:PrincipalOrgID"
            yield (*place, "statements", index), Mistake("anybody may assume the role", "named principals", fix)


def _whole(subject: str) -> str:
    """Return whose service accounts a pattern trusts, where they are those of a namespace, or of several."""
    namespace, _, name = subject.partition(":")
    if not is_pattern(subject):
        return ""
    if stranger([subject]) is None:
        return "all service accounts of the cluster"
    if is_pattern(namespace):
        every = stranger([f"*:{name}"]) is None
        return f"{'all service accounts' if every else 'service accounts'} of several namespaces"
    whole = is_pattern(name) and stranger([subject], namespace) is None
    return f"all service accounts of {namespace}" if whole else ""


def _trusted(key: str, binding: Binding, checked: CheckedStack) -> Iterator[tuple[Place, str, bool]]:
    """Yield whom the trust policy of a binding names besides its service account: the place, who, how certainly."""
    place: Place = ("bindings", key, "trust")
    yield from (((*place, "subjects", index), subject, True) for index, subject in enumerate(binding.trust.subjects))
    yield from (((*place, "statements", index), *each) for index, each in _let_in_by_statements(key, checked))


def _let_in_by_statements(key: str, checked: CheckedStack) -> Iterator[tuple[int, tuple[str, bool]]]:
    """Yield whom the statements of a binding let in besides its subjects: the statement's index, who, how certainly."""
    trust = checked.trusts.get(key)
    if trust is None:
        return
    for each in trust.admission.admitted:
        if each.statements[0] >= trust.first_statement:
            yield from ((index - trust.first_statement, (each.subject, each.certain)) for index in each.statements)


# Operators that ask for a value, on a key that must be there.
_ASKS_WHO = re.compile(r"(ForAnyValue:)?((String|Binary)Equals(IgnoreCase)?|(String|Arn)Like|ArnEquals|IpAddress)")
# What remains of a pattern that names nobody: `arn:aws:iam::*:role/*`, or every IP address.
_EVERYBODY = re.compile(r"[*?:/]|arn|aws(-[a-z]+)*|iam|sts|assumed-role|role|user|root|[0.]+/0")


def _says_who(condition: Any) -> bool:
    """Return whether one comparison of a condition is of a kind and with values that not everybody fulfils.

    A negation, `IfExists`, `ForAllValues`, Null, Bool, numbers and dates leave anybody in, or nearly.
    """
    return any(
        _ASKS_WHO.fullmatch(str(operator)) and all(_EVERYBODY.sub("", str(item)) for item in _items(value))
        for operator, keys in (condition or {}).items()
        for value in keys.values()
    )


def _refused_subject(key: str, _binding: Binding, checked: CheckedStack) -> Iterator[tuple[Place, Mistake]]:
    trust = checked.trusts.get(key)
    if trust is not None:
        for subject in trust.admission.refused:
            found = f"{subject!r} can't assume the role: a statement denies it"
            fix = "narrow the Deny statement, or leave out the subject"
            yield ("bindings", key, "trust", "statements"), Mistake(found, "subjects that the trust policy admits", fix)


def _grants_nothing(key: str, binding: Binding, checked: CheckedStack) -> Iterator[tuple[Place, Mistake]]:
    """Yield a role without permissions of its own, which can do only what policies of resources allow.

    "By default, users and roles have no permissions; permissions must be granted with a policy":
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html
    """
    # As it is in the file, where a secret that is not read is one too.
    written = checked.settings["bindings"][key]
    if binding.role.arn or written.get("policyArns") or written.get("assumeRoleArns"):
        return
    policies: list[Place] = [("policy",)] if "policy" in written else []
    policies += [("inlinePolicies", name) for name in written.get("inlinePolicies", ())]
    documents = {source[2:]: document for source, document in _documents(key, binding)}
    for policy in policies:
        if policy not in documents or ("bindings", key, *policy) in checked.sources.remainders:
            return
        if any(_allows(statement) for _, statement in _statements(documents[policy], checked.sources)):
            return
    found = "policies that only deny" if policies else "a role without policies: it may do nothing"
    allowed = "permissions, in policy, policyArns, inlinePolicies or assumeRoleArns"
    fix = "add them; or, where a resource's own policy names the role, silence the rule with that reason"
    yield ("bindings", key), Mistake(found, allowed, fix)


# https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html
_POWER_OF_POLICY = {
    "AdministratorAccess": "every action on every resource",
    "PowerUserAccess": "every action but the management of IAM, AWS Organizations and the AWS account",
    "IAMFullAccess": "every action of IAM, by which the role can give itself all others",
}
_POWERFUL_POLICY = re.compile(rf"arn:[^:]+:iam::aws:policy/({'|'.join(_POWER_OF_POLICY)})")


def _administrator_access(key: str, binding: Binding, checked: CheckedStack) -> Iterator[tuple[Place, Mistake]]:
    """Yield the policies of AWS by which a role controls the AWS account.

    A document that allows `*` on `*` is one of write-everything.
    """
    for index, arn in enumerate(checked.sources.with_samples(binding.policy_arns)):
        powerful = _POWERFUL_POLICY.fullmatch(arn)
        if powerful:
            found = f"{powerful[1]}: {_POWER_OF_POLICY[powerful[1]]}"
            fix = "attach a policy with the actions that the Pods call, or silence the rule with a reason"
            yield ("bindings", key, "policyArns", index), Mistake(found, "the permissions that the role needs", fix)


def _default_service_account(key: str, binding: Binding, checked: CheckedStack) -> Iterator[tuple[Place, Mistake]]:
    """Yield the roles for the service account that Pods have which name none.

    Source: https://kubernetes.io/docs/concepts/security/service-accounts/#default-service-accounts
    """
    service_account = binding.service_account
    places: list[tuple[Place, str]] = []
    if service_account and service_account.name == DEFAULT_SERVICE_ACCOUNT:
        subject = subject_of(service_account.namespace or DEFAULT_NAMESPACE, service_account.name)
        places.append((("bindings", key, "serviceAccount", "name"), subject))
    if not binding.role.arn:
        places += [(where, subject) for where, subject, _ in _trusted(key, binding, checked)]
    for where, subject in places:
        namespace, _, name = subject.partition(":")
        if name == DEFAULT_SERVICE_ACCOUNT:
            found = f"{subject!r}, which every Pod of {namespace} has that names no service account"
            fix = "create a service account for the Pods that need the role, and name it in them"
            yield where, Mistake(found, "a service account of its own", fix)


DEFAULT_SERVICE_ACCOUNT = "default"
SYSTEM_NAMESPACE = "kube-system"


def _kube_system_wildcard(key: str, binding: Binding, checked: CheckedStack) -> Iterator[tuple[Place, Mistake]]:
    """Yield the wildcards by which others get the role of a service account of kube-system, or more of kube-system.

    Roles of the cluster's own components (network, volumes, load balancers, nodes) may change what all Pods run on:
    https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/#initial-namespaces and
    https://docs.aws.amazon.com/eks/latest/best-practices/identity-and-access-management.html
    """
    if binding.role.arn:
        return
    trusted = [*_trusted(key, binding, checked)]
    service_account = binding.service_account
    system = [subject for _, subject, _ in trusted if _names_kube_system(subject)]
    if service_account and service_account.namespace == SYSTEM_NAMESPACE:
        system.insert(0, subject_of(SYSTEM_NAMESPACE, service_account.name))
    for where, subject, _ in trusted if system else ():
        if is_pattern(subject):
            found = f"{subject!r} in a role for {SYSTEM_NAMESPACE if subject == system[0] else repr(system[0])}"
            fix = "name the service accounts, and give others a binding of their own"
            yield where, Mistake(found, f"in a role for {SYSTEM_NAMESPACE}, subjects without wildcards", fix)


def _names_kube_system(subject: str) -> bool:
    """Return whether a subject is of kube-system; a pattern is too, unless its namespace is wildcards only."""
    namespace = subject.partition(":")[0]
    return bool(namespace.strip("*?")) and matches(SYSTEM_NAMESPACE, pattern_of(namespace, wildcards=True))


def _pass_any_role(statement: Statement) -> Iterator[tuple[Place, Mistake]]:
    """Yield the permissions to pass every role, and so to act as the most powerful one that a service may have.

    The keys of a Condition that iam:PassRole has of its own say to whom a role is passed, not which one:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
    """
    passing = [action for action in statement.items("Action") if _includes_pass_role(action)]
    if "NotAction" in statement.values and not any(map(_includes_pass_role, statement.items("NotAction"))):
        passing = ["all but NotAction"]
    condition = statement.values.get("Condition") or {}
    limited = {name.lower() for keys in condition.values() for name in keys} - _RECEIVERS_OF_ROLES
    if not passing or not _allows(statement) or limited:
        return
    for index, resource in enumerate(statement.items("Resource")):
        if resource == "*" or aws_actions.includes_all(resource, ROLE):
            found = f"{passing[0]} on {resource!r}, which includes iam:PassRole on every role of the AWS account"
            if passing[0].lower() == "iam:passrole":
                found = f"{passing[0]} on {resource!r}, which is every role of the AWS account"
            fix = "name the roles in Resource, in a statement of its own with a Condition on iam:PassedToService"
            yield statement.place_of("Resource", index), Mistake(found, "the roles that a service needs", fix)


ROLE = "arn:${Partition}:iam::${Account}:role/${RoleNameWithPath}"
_RECEIVERS_OF_ROLES = {"iam:passedtoservice", "iam:associatedresourcearn"}


@functools.cache
def _includes_pass_role(action: str) -> bool:
    return matches("iam:passrole", pattern_of(action.lower(), wildcards=True))


def _wrong_resource(statement: Statement) -> Iterator[tuple[Place, Mistake]]:
    """Yield the actions that apply to none of their statement's resources, so that they allow or deny nothing.

    Source: https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
    """
    resources = [_IAM_VARIABLE.sub("*", resource) for resource in statement.items("Resource")]
    actions = statement.items("Action")
    groups: dict[tuple[str, str], list[str]] = {}
    for action in actions if resources and "*" not in resources else ():
        applies = None if action == "*" else aws_actions.applicability(action)
        if applies and not any(map(applies.includes, resources)):
            groups.setdefault((_applies_to(applies), _instead(applies, statement)), []).append(action)
    for (allowed, instead), wrong in groups.items():
        verb = "denies" if statement.values.get("Effect") == "Deny" else "allows"
        found = f"{_some(wrong)} on {_some(_items(statement.written.get('Resource')))}, which {verb} nothing"
        alone = len(wrong) == len(actions)
        fix = f"write {instead}{' instead' if alone else ' in a statement of its own, or add it to Resource'}"
        yield ("Resource",), Mistake(found, allowed, fix)


_IAM_VARIABLE = re.compile(r"\$\{[^}]*\}")
# The first slash that is not within a variable, and all that follows.
_BELOW = re.compile(r"/(?![^{}]*\}).*")


def _some(values: Sequence[str]) -> str:
    return shortened(values[0]) if len(values) == 1 else shortened(", ".join(values))


def _applies_to(applies: aws_actions.Applicability) -> str:
    arns = [*applies.arns, *(["*"] if applies.only_everything else [])]
    return f"{', '.join(arns[:3])}{', ...' if arns[3:] else ''}"


def _instead(applies: aws_actions.Applicability, statement: Statement) -> str:
    """Return the resource to write: one that is there with what it lacks, or without what is too much."""
    for written in _items(statement.written.get("Resource")):
        for near in (f"{written}/*", f"{written}:*", _BELOW.sub("", written)):
            known = _IAM_VARIABLE.sub("x", near)
            if (near in written or not written.endswith("*")) and applies.expression.fullmatch(known):
                return repr(near)
    return "'*'" if applies.only_everything else "such an ARN"


def _write_everything(statement: Statement) -> Iterator[tuple[Place, Mistake]]:
    if not _allows(statement) or statement.values.get("Condition") or "*" not in statement.items("Resource"):
        return
    writing = [action for action in statement.items("Action") if aws_actions.writes_anywhere(action)]
    writing += ["all but NotAction"] if "NotAction" in statement.values else []
    if writing:
        yield (
            ("Resource",),
            Mistake(
                f'{", ".join(writing[:3])}{", ..." if writing[3:] else ""} on every resource ("*") of the AWS account',
                "only the resources that the role needs",
                "name them in Resource, such as arn:${partition}:s3:::my-bucket/*, or silence the rule with a reason",
            ),
        )


def _near_limit(key: str, _binding: Binding, checked: CheckedStack) -> Iterator[tuple[Place, Mistake]]:
    for place, usage in checked.quota_usages.get(key, ()):
        if check_usage(usage):
            found = f"{usage} ({usage.share:.0%})"
            yield (
                place,
                Mistake(found, "at most 80%, so that it can grow", "split the binding before it reaches the quota"),
            )


def _unknown_action(statement: Statement) -> Iterator[tuple[Place, Mistake]]:
    for element in ("Action", "NotAction"):
        for index, action in enumerate(statement.items(element)):
            if action == "*" or aws_actions.matching(action):
                continue
            near = aws_actions.nearest_action(action)
            fix = f"did you mean {near!r}?" if near else "see the service's list of actions"
            found = f"{action!r}, which is not an action of AWS"
            mistake = Mistake(found, "actions of AWS's service authorization reference", fix)
            yield statement.place_of(element, index), mistake


def _attached_twice(key: str, binding: Binding, checked: CheckedStack) -> Iterator[tuple[Place, Mistake]]:
    place: Place = ("bindings", key)
    index_of: dict[str, int] = {}
    policy = binding.policy
    for index, arn in enumerate(checked.sources.with_samples(binding.policy_arns)):
        here = (*place, "policyArns", index)
        if index_of.setdefault(arn, index) != index:
            found = f"{arn!r} is also policyArns[{index_of[arn]}]"
            yield here, Mistake(found, "each policy once", "remove one of them")
        if not checked.variables.are_readable(binding.policy_arns[index]):
            continue
        parsed = parse_iam_arn(arn, "policy")
        created = f"{policy.path or '/'}{policy.name}".lstrip("/") if policy and policy.name else None
        if parsed.resource == created and parsed.account_id == checked.variables.values["account"]:
            found = f"{arn!r} is the policy that this binding creates and attaches"
            yield here, Mistake(found, "each policy once", "remove it from policyArns")
    source_of: dict[str, Place] = {}
    for source, document in _documents(key, binding):
        if source in checked.sources.remainders:
            continue
        minified_document = minified(checked.sources.with_samples(document))
        first = source_of.setdefault(minified_document, source)
        if first != source:
            found = f"the same document as {path_of(first[2:])}"
            yield source, Mistake(found, "each policy once", "remove one of them")


def _unused_setting(checked: CheckedStack) -> Iterator[tuple[Place, Mistake]]:
    if not checked.complete:
        return
    for name in checked.stack.variables:
        if name not in checked.used_variables:
            close = difflib.get_close_matches(name, checked.used_variables, n=1)
            instead = f" instead of ${{{close[0]}}}" if close else ""
            fix = f"remove it, or use ${{{name}}}{instead}"
            found = f"no document and no ARN contains ${{{name}}}"
            yield ("variables", name), Mistake(found, "a variable that is used", fix)
    bindings = [binding for binding in checked.settings["bindings"].values() if isinstance(binding, dict)]
    for name in checked.settings.get("defaults", {}):
        if not any(map(TAKES_DEFAULT[name], bindings)):
            found = f"every binding sets {name}, or does not need it"
            yield ("defaults", name), Mistake(found, "a default that is used", "remove it")


RULES: Mapping[str, LintRule] = {
    "wide-trust": LintRule("a role trusts a whole namespace, or more", "binding", _wide_trust),
    "refused-subject": LintRule("a role's own trust policy refuses a subject", "binding", _refused_subject),
    "write-everything": LintRule('write actions are allowed on every resource ("*")', "statement", _write_everything),
    "pass-any-role": LintRule("iam:PassRole is allowed on every role", "statement", _pass_any_role),
    "administrator-access": LintRule(
        f"a role has {', '.join(_POWER_OF_POLICY)}".replace(", IAM", " or IAM"), "binding", _administrator_access
    ),
    "grants-nothing": LintRule("a role has no permissions", "binding", _grants_nothing),
    "default-service-account": LintRule(
        "a role trusts the service account that Pods have by default", "binding", _default_service_account
    ),
    "kube-system-wildcard": LintRule(
        "a role for kube-system trusts subjects with wildcards", "binding", _kube_system_wildcard
    ),
    "near-limit": LintRule("more than 80% of a quota is used", "binding", _near_limit),
    "unknown-action": LintRule(
        "an action does not exist, so it allows nothing", "statement", _unknown_action, aws_actions.missing
    ),
    "wrong-resource": LintRule(
        "an action applies to none of its resources, so it allows nothing",
        "statement",
        _wrong_resource,
        aws_actions.missing,
    ),
    "attached-twice": LintRule("a role has the same policy twice", "binding", _attached_twice),
    "unused-setting": LintRule("a default or a variable is not used", "stack", _unused_setting),
}


def _creates_role_without(setting: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda binding: "arn" not in binding.get("role", {}) and setting not in binding.get("role", {})


def _has_service_account_without(setting: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda binding: "serviceAccount" in binding and setting not in binding["serviceAccount"]


# Whether a binding, as it is in the file, uses a default.
TAKES_DEFAULT: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "namespace": _has_service_account_without("namespace"),
    "audience": lambda binding: "audience" not in binding,
    "path": lambda binding: _creates_role_without("path")(binding) or "path" not in binding.get("policy", {"path": ""}),
    "permissionsBoundary": _creates_role_without("permissionsBoundary"),
    "tags": lambda binding: "arn" not in binding.get("role", {}),
    "maxSessionDuration": _creates_role_without("maxSessionDuration"),
    "stsRegionalEndpoints": _has_service_account_without("stsRegionalEndpoints"),
    "tokenExpiration": _has_service_account_without("tokenExpiration"),
    "retainNamespaces": lambda binding: bool(binding.get("serviceAccount", {}).get("createNamespace")),
}


def _documents(key: str, binding: Binding) -> Iterator[tuple[Place, Any]]:
    """Yield the documents of a binding's policies, each with the policy's place."""
    place: Place = ("bindings", key)
    if binding.policy and binding.policy.document:
        yield (*place, "policy"), binding.policy.document
    for name, source in binding.inline_policies.items():
        if source.document:
            yield (*place, "inlinePolicies", name), source.document


def _statements(document: Any, sources: PolicySources) -> Iterator[tuple[Place, Statement]]:
    """Yield each statement of a document with its place."""
    written = document.get("Statement")
    if isinstance(written, dict):
        yield ("Statement",), Statement(sources.with_samples(written), written)
    for index, each in enumerate(written if isinstance(written, list) else ()):
        yield ("Statement", index), Statement(sources.with_samples(each), each)


def _allows(statement: Statement) -> bool:
    return bool(statement.values.get("Effect") == "Allow")


def _items(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
